"""What holds for every test run: it is alike everywhere, and in CI a skip must stand on the list below."""

import gc
import os
import signal

import pytest

# Reason of a skip, as pytest reports it -> why a run may be taken as whole without that test.
ALLOWED_SKIPS: dict[str, str] = {
    "curl is not installed": "what curl proves of the fake, the vendor's SDK and http.client prove as well",
}

# A shell starts its background jobs with SIGINT ignored, and what is ignored is inherited: no KeyboardInterrupt
# would ever come, here or in the processes that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _options_of_inner_runs() -> None:
    """Keep what was meant for this run from narrowing the runs of pytest that tests start.

    Those are run as a user's are, without the plugins that our tools bring along. Not before tests run: the workers of
    xdist read the same variable once more.
    """
    os.environ["PYTEST_ADDOPTS"] = "-p no:schemathesis -p no:anyio"


@pytest.fixture
def unmeasured() -> dict[str, str]:
    """Give the environment for a process that Coverage is to leave alone, should it measure this one.

    One that is to be struck by Ctrl-C: Coverage takes a lock whenever a file is entered for the first time, a
    KeyboardInterrupt that is raised just there leaves it locked, and the process hangs (five in 1,359 did). And one
    whose memory, forks or imports are looked at.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_PROCESS_")}


_UNEXPLAINED = pytest.StashKey[list[str]]()


def pytest_collection_finish() -> None:
    """Spare the garbage collector thousands of tests, which never are garbage: some tests call it, each time anew."""
    import hypothesis  # noqa: F401 - as it is loaded it looks who refers to trio's random numbers, and must see it

    gc.collect()
    gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_UNEXPLAINED] = []
    if os.environ.get("CI"):
        config.pluginmanager.register(_SkipsAreRed(config.stash[_UNEXPLAINED]))


class _SkipsAreRed:
    """A test that is skipped proves nothing, and nobody looks at a green run."""

    def __init__(self, unexplained: list[str]) -> None:
        self._unexplained = unexplained

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note(report)

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped:
            reason = report.longrepr[2].removeprefix("Skipped: ") if isinstance(report.longrepr, tuple) else "xfail"
            if reason not in ALLOWED_SKIPS:
                self._unexplained.append(f"{report.nodeid}: {reason}")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._unexplained:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        if self._unexplained:
            terminalreporter.section("skips that are not on the list in tests/conftest.py", red=True)
            for line in self._unexplained:
                terminalreporter.line(line)
