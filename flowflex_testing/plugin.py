"""The pytest plugin, loaded in every run of whoever installed this: it imports pytest, and the rest when it is used.

A test that asks for a fake gets one to itself, as its markers say. When the test fails, its report shows the requests
that arrived; when it passes, nothing is printed, and faults that never fired are an error.

PYTEST_DONT_REWRITE: it asserts nothing, and pytest warns of a plugin that it would rewrite and finds imported already.
"""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_httpserver import HTTPServer

    from flowflex_testing.fake import FakeFlowFlex
    from flowflex_testing.server.shared import SharedServer

# The fakes of a running test by the fixture that made each, for as long as nothing has gone wrong in it.
_LENT = pytest.StashKey[list[tuple[str, "FakeFlowFlex"]]]()


@pytest.fixture
def flowflex_fake(request: pytest.FixtureRequest) -> "Generator[FakeFlowFlex]":
    """Serve a fake FlowFlex on free ports, fresh for this test."""
    fake = _make(request)
    fake.start()
    yield from _lend(request, fake)


@pytest.fixture
def flowflex_fake_tls(request: pytest.FixtureRequest) -> "Generator[FakeFlowFlex]":
    """Serve a fake FlowFlex over https, fresh for this test; a client trusts it by `ssl_context=fake.ssl_context`."""
    fake = _make(request, tls=True)
    fake.start()
    yield from _lend(request, fake)


@pytest.fixture(scope="session")
def flowflex_server() -> "Generator[SharedServer]":
    """Serve for the whole session at one address, with one pair of credentials: `flowflex_server.client_options`.

    It is for what is set up once for all tests. What has arrived, a test asks `flowflex_fake_session`.
    """
    from flowflex_testing.server.shared import SharedServer

    with SharedServer() as server:
        yield server


@pytest.fixture
def flowflex_fake_session(request: pytest.FixtureRequest, flowflex_server: "SharedServer") -> "Generator[FakeFlowFlex]":
    """Put a fake FlowFlex, fresh for this test, behind the server of the session."""
    fake = _make(request)
    flowflex_server.lend(fake)
    yield from _lend(request, fake)


@pytest.fixture
def mount_flowflex(request: pytest.FixtureRequest) -> "Generator[Callable[..., FakeFlowFlex]]":
    """Give `mount_flowflex(httpserver, path="/flowflex")`: a fake on a pytest-httpserver, beside your expectations."""
    from contextlib import ExitStack, contextmanager

    from flowflex_testing.server.mount import mount

    lend = contextmanager(_lend)
    with ExitStack() as stack:

        def mount_flowflex(httpserver: "HTTPServer", path: str = "/flowflex") -> "FakeFlowFlex":
            fake = _make(request)
            mount(fake, httpserver, path)
            return stack.enter_context(lend(request, fake))

        yield mount_flowflex


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        "flowflex(strict=, faults=, storage_dialect=, ...): how the fake FlowFlex of a test behaves: "
        "the switches of flowflex_testing.FakeFlowFlex, and faults that are armed from the start.",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show in the report of a failed test what arrived at its fakes."""
    report = yield
    lent = item.stash.get(_LENT, None)
    if lent and report.failed:
        from flowflex_testing.timeline import timeline

        report.sections += [(f"FlowFlex requests ({name})", timeline(fake)) for name, fake in lent]
    if lent and (report.when == "teardown" or not report.passed):
        lent.clear()
    return report


def _make(request: pytest.FixtureRequest, **options: Any) -> "FakeFlowFlex":
    from flowflex_testing.marker import MarkerError, fake_as_marked

    # The nearest comes first from pytest, and counts here: as the last.
    markers = [(marker.args, marker.kwargs) for marker in request.node.iter_markers("flowflex")]
    try:
        return fake_as_marked(reversed(markers), **options)
    except MarkerError as error:
        message = f"@pytest.mark.flowflex {error}"
    pytest.fail(message, pytrace=False)


def _lend(request: pytest.FixtureRequest, fake: "FakeFlowFlex") -> "Generator[FakeFlowFlex]":
    """Give a running fake to a test, stop it, and check it unless the test has failed by itself."""
    lent = request.node.stash.setdefault(_LENT, [])
    entry = (str(request.fixturename), fake)
    lent.append(entry)
    try:
        yield fake
    finally:
        fake.stop()
    if entry in lent:
        try:
            fake.faults.assert_fired()
        except AssertionError as error:
            message = str(error)
        else:
            return
        pytest.fail(message, pytrace=False)
