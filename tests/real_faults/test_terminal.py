"""Ctrl-C, typed at a real terminal, while a send is under way."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flowflex_testing import FakeFlowFlex
from flowflex_testing.faults import Delay, Operation

ROOT = Path(__file__).parent.parent.parent
CTRL_C = b"\x03"


@pytest.mark.slow
@pytest.mark.parametrize("operation", ["put", "event"])
def test_ctrl_c_ends_a_program_as_python_does(operation: Operation, transport, unmeasured):
    """Within a second: a KeyboardInterrupt and nothing beside it, death by SIGINT, and the connections closed."""
    ours, terminal = pty.openpty()
    with FakeFlowFlex() as fake, os.fdopen(ours, "r+b", buffering=0) as typed:
        fake.faults.arm(operation, Delay(20))
        script = Path(__file__).with_name("interrupted.py")
        with subprocess.Popen(
            [sys.executable, str(script), transport, json.dumps(fake.client_options)],
            stdin=terminal,
            stdout=terminal,
            stderr=subprocess.PIPE,
            env={**unmeasured, "PYTHONPATH": str(ROOT)},
            start_new_session=True,
            text=True,
        ) as process:
            os.close(terminal)
            until = time.monotonic() + 20
            while not any(request.operation == operation and request.status for request in fake.requests):
                assert time.monotonic() < until
                time.sleep(0.005)  # another process is on its way to the fake, and nothing here tells when
            typed.write(CTRL_C)
            begun = time.monotonic()
            _, told = process.communicate(timeout=20)
            assert time.monotonic() - begun < 1
    assert process.returncode == -signal.SIGINT
    assert told.splitlines()[-1] == "KeyboardInterrupt"
    assert told.count("Traceback") == 1
    assert "Warning" not in told
    assert "cis_test" not in told
