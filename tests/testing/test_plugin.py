"""The pytest plugin, as a user's run sees it."""

import subprocess
import sys

import pytest

from flowflex_testing import faults


def run_pytest(tmp_path, source: str) -> str:
    (tmp_path / "test_it.py").write_text(source)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-W",
        "error",
        str(tmp_path / "test_it.py"),
    ]
    return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False).stdout


@pytest.mark.parametrize("number", [1, 2])
def test_the_fixture_is_a_fresh_live_fake(flowflex_fake, number):
    """Each test has a running fake in which nothing has happened."""
    assert flowflex_fake.base_url.startswith("http://127.0.0.1:")
    flowflex_fake.assert_nothing_sent()
    flowflex_fake.clock.advance(hours=number)


def test_a_fault_that_never_fired_is_an_error_at_teardown(tmp_path):
    """The test itself passes, and its teardown says which fault it has not tried."""
    output = run_pytest(
        tmp_path,
        """
from flowflex_testing import faults

def test_it(flowflex_fake):
    flowflex_fake.faults.arm("put", faults.Status(503))
""",
    )
    assert "1 passed, 1 error" in output
    assert "faults never fired: Status(status=503" in output


def test_a_run_that_does_not_use_it_loads_no_server(tmp_path):
    """The plugin itself loads neither werkzeug nor the fake."""
    output = run_pytest(
        tmp_path,
        """
import sys

def test_it():
    loaded = {"werkzeug", "flowflex_testing.fake", "flowflex_testing.live", "trio", "urllib3"} & set(sys.modules)
    assert "flowflex_testing.plugin" in sys.modules
    assert not loaded - {"werkzeug"}
""",
    )
    assert "1 passed" in output


def test_the_package_names_what_it_has():
    """Public names are found when they are asked for, and a slip is an AttributeError."""
    import flowflex_testing

    for name in flowflex_testing.__all__:
        assert getattr(flowflex_testing, name) is not None
    assert flowflex_testing.faults is faults
    with pytest.raises(AttributeError, match="has no attribute 'Fake'"):
        _ = flowflex_testing.Fake
