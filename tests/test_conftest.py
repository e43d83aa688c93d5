"""The rule of tests/conftest.py: in CI, a skip that no list explains is red."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# Each is a run of pytest of its own.
pytestmark = pytest.mark.slow


def _run(tmp_path, test, *, ci, **variables):
    shutil.copy(Path(__file__).parent / "conftest.py", tmp_path)
    (tmp_path / "test_it.py").write_text(test)
    environment = {name: value for name, value in os.environ.items() if name != "CI"} | variables
    if ci:
        environment["CI"] = "true"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "test_it.py"]
    return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)


SKIPPED = "import pytest\ndef test_it():\n    pytest.skip('no reason')\n"
MODULE_SKIPPED = "import pytest\npytest.skip('no reason', allow_module_level=True)\n"
XFAILED = "import pytest\n@pytest.mark.xfail(strict=True)\ndef test_it():\n    assert False\n"


@pytest.mark.parametrize("test", [SKIPPED, MODULE_SKIPPED, XFAILED])
def test_an_unexplained_skip_is_red_in_ci(tmp_path, test):
    """A skipped test, a skipped module and an expected failure fail the run and are named at its end."""
    run = _run(tmp_path, "def test_other():\n    pass\n" + test, ci=True)
    assert run.returncode == pytest.ExitCode.TESTS_FAILED
    assert "skips that are not on the list" in run.stdout
    assert "test_it.py" in run.stdout.partition("skips that are not on the list")[2]


def test_a_skip_is_no_matter_elsewhere(tmp_path):
    """On a developer's machine a skip is reported as ever."""
    assert _run(tmp_path, SKIPPED, ci=False).returncode == 0


def test_a_run_without_skips_is_green_in_ci(tmp_path):
    """The rule touches nothing else."""
    assert _run(tmp_path, "def test_it():\n    pass\n", ci=True).returncode == 0


CHOSEN = """
import os, pytest
@pytest.mark.parametrize("number", [1, 2])
def test_it(number):
    assert "-k" not in os.environ["PYTEST_ADDOPTS"]
"""


@pytest.mark.parametrize("workers", [0, 1])
def test_options_in_the_environment_are_for_this_run_alone(tmp_path, workers):
    """They choose the tests of its workers, too, and are not passed on to the runs of pytest that tests start."""
    run = _run(tmp_path, CHOSEN, ci=False, PYTEST_ADDOPTS=f"-n {workers} -k 2")
    assert run.returncode == 0, run.stdout
    assert "1 passed" in run.stdout
