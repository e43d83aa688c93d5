"""`python -m tests.counterparts [PYTEST'S ARGUMENTS]`: brings the counterparts, runs their tests, and cleans up.

Where a counterpart cannot be had it is left out, which is said, and is red where `CI` is set.
"""

import os
import signal
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.counterparts.install import install

HERE = Path(__file__).parent


def main(arguments: list[str]) -> int:
    """Return 0 where all that was brought passes."""
    # What is started here ends on SIGTERM as on Ctrl-C: pytest tears its fixtures down.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    with tempfile.TemporaryDirectory(prefix="counterparts-") as directory:
        started = time.monotonic()
        missing = install(Path(directory))
        print(*missing, f"brought in {time.monotonic() - started:.0f} s", sep="\n", flush=True)
        if missing and os.environ.get("CI"):
            return 1
        os.environ["FLOWFLEX_COUNTERPARTS"] = directory
        status = pytest.main(["-p", "no:cacheprovider", f"--basetemp={directory}/tests", *arguments, str(HERE)])
        # Nothing is left to be tested where nothing could be brought.
        return 0 if missing and status == pytest.ExitCode.NO_TESTS_COLLECTED else int(status)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
