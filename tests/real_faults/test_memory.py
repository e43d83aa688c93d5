"""A client that lives for long does not grow."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fake_process import FakeProcess

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the size of a process in /proc")
def test_ten_thousand_sends_cost_no_memory(transport, unmeasured):
    """One client, and a fake in another process: less than 2 MB more after 10,000 sends than after 1,000."""
    script = Path(__file__).with_name("growing.py")
    with FakeProcess(None, unmeasured) as server:
        shown = subprocess.run(
            [sys.executable, str(script), transport, "10000", json.dumps(server.options)],
            env={**unmeasured, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert (shown.returncode, shown.stderr) == (0, "")
    assert int(shown.stdout) < 2_000
