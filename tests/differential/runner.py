"""Runs a scenario with one of four faces against the recording server.

They are the vendor's client, our two, and our sync one over a `requests.Session` of the caller's.
"""

import contextlib
import importlib
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import requests
import trio

from tests.differential import facts
from tests.differential.recording import RecordingServer
from tests.differential.scenario import Call, Kit, Scenario

Face = Literal["vendor", "sync", "async", "session"]

_OPTIONS: Mapping[str, Any] = {
    "api_key": "cik_differential",
    "api_secret": "s3cret-differential",
    "integration_code": "ic_abc123",
    "base_url": "<api>",
    "timeout_seconds": 5.0,
}
# The vendor repeats nothing; so ours do not, but where a scenario is about that.
_OURS: Mapping[str, Any] = {"max_retries": 0}
_AMBIENT = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "NETRC", "FLOWFLEX_")


def run(scenario: Scenario, face: Face, folder: Path) -> facts.Facts:
    """Run `scenario` with the client of `face` and its files in the empty `folder`, and state the facts."""
    package = importlib.import_module("flowflex" if face == "vendor" else "flowflex_transports")
    given = {**_OPTIONS, **({} if face == "vendor" else {**_OURS, **scenario.ours}), **scenario.options}
    results: list[Any] = []
    calls: Sequence[Call] = []
    error: Exception | None = None
    with (
        RecordingServer(scenario.replies) as server,
        contextlib.ExitStack() as stack,
        _surroundings(scenario, server, folder),
    ):
        options = {
            name: server.filled(value) if isinstance(value, str) else value
            for name, value in given.items()
            if value is not None
        }
        try:
            made = scenario.calls(Kit(package.file, folder, stack))
            calls = [made] if isinstance(made, Call) else made
            _FACES[face](package, options, calls, results.append)
        except Exception as raised:  # whatever is raised is what is compared
            error = raised
        keys = [str(call.keywords.get("idempotency_key")) for call in calls]
        return {**facts.outcome(results, error, server, options), **facts.wire(server, keys)}


@contextlib.contextmanager
def _surroundings(scenario: Scenario, server: RecordingServer, folder: Path) -> Iterator[None]:
    # Nothing of the machine that runs the tests may take part.
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(_AMBIENT)}
    netrc = folder.with_suffix(".netrc")
    netrc.write_text(scenario.netrc)
    netrc.chmod(0o600)
    given = {name: server.filled(value) for name, value in scenario.environment.items()}
    with patch.dict(os.environ, {**kept, "NETRC": str(netrc), **given}, clear=True):
        yield


def _vendor(package: Any, options: Mapping[str, Any], calls: Sequence[Call], keep: Callable[[Any], None]) -> None:
    # Its client cannot be closed; the connections of a session of one's own can.
    with requests.Session() as session:
        client = package.FlowFlex(session=session, **options)
        for call in calls:
            keep(getattr(client, call.method)(*call.args, **call.keywords))


def _sync(package: Any, options: Mapping[str, Any], calls: Sequence[Call], keep: Callable[[Any], None]) -> None:
    with package.FlowFlex(**options) as client:
        for call in calls:
            keep(getattr(client, call.method)(*call.args, **call.keywords))


def _async(package: Any, options: Mapping[str, Any], calls: Sequence[Call], keep: Callable[[Any], None]) -> None:
    async def main() -> None:
        async with package.AsyncFlowFlex(**options) as client:
            for call in calls:
                method: Callable[..., Awaitable[Any]] = getattr(client, call.method)
                keep(await method(*call.args, **call.keywords))

    trio.run(main)


def _session(package: Any, options: Mapping[str, Any], calls: Sequence[Call], keep: Callable[[Any], None]) -> None:
    with requests.Session() as session:
        # What a session may hold for other hosts and purposes must not reach FlowFlex or its storage.
        session.auth = ("somebody", "else")
        session.params = {"from": "the-session"}
        session.headers["Authorization"] = "Bearer of-the-session"
        session.cookies.set("session", "of-the-session")
        _sync(package, {**options, "session": session}, calls, keep)


_FACES: Mapping[Face, Callable[..., None]] = {"vendor": _vendor, "sync": _sync, "async": _async, "session": _session}
