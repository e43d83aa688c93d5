"""Drives operations with hand-written outcomes and a clock that is a number: no sockets, no waiting.

`play` performs what a turn asks for by a script, one list of replies a leg; what a script does not say goes well.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from flowflex_core import (
    Failure,
    FailureKind,
    FileRef,
    FlowFlexError,
    Operation,
    Outcome,
    Request,
    Response,
    SendEvent,
    Settings,
    Turn,
)

NOW = 1_700_000_000.0
HOUR = 3600.0

API_KEY = "cik_KEYKEYKEY"
API_SECRET = "SECRETSECRET"
# base64 of "cik_KEYKEYKEY:SECRETSECRET"
BASIC_TOKEN = "Y2lrX0tFWUtFWUtFWTpTRUNSRVRTRUNSRVQ="
SIGNATURE = "SIGNATURESIGNATURE"
UPLOAD_TOKEN = "UPLOADTOKENUPLOADTOKEN"
SECRETS = (API_KEY, API_SECRET, BASIC_TOKEN, SIGNATURE, UPLOAD_TOKEN)

Reply = Callable[[Request], Outcome]


def connection(**changes: Any) -> Settings:
    """Make settings that differ from the ordinary ones in `changes`."""
    given: dict[str, Any] = {
        "api_key": API_KEY,
        "api_secret": API_SECRET,
        "integration_code": "ic_1",
        "base_url": "https://api.flowflex.test",
    }
    return Settings(**given | changes)


def start(payload: object = None, *, sizes: Mapping[FileRef, int] | None = None, **changes: Any) -> SendEvent:
    """Start a send with settings that differ from the ordinary ones in `changes`."""
    return SendEvent.start(connection(**changes), "invoice.created", payload, idempotency_key="key-1", sizes=sizes)


def file_pair() -> tuple[FileRef, FileRef]:
    """Make two files that have nothing in common."""
    return FileRef("invoice.pdf"), FileRef("photo.png")


def leg_of(request: Request) -> str:
    """Name the leg of a request by what goes over the wire."""
    if request.method == "PUT":
        return "put"
    return "upload-url" if request.url.endswith("/v1/assets/upload-url") else "event"


def json_of(request: Request) -> Any:
    """Read the JSON body of a request, keeping the order of its keys."""
    assert isinstance(request.body, bytes)
    return json.loads(request.body)


def reply(status: int, body: object = b"", **headers: str) -> Reply:
    """Answer with `body`: bytes as they are, anything else as JSON. `retry_after="1"` is the header Retry-After."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    if not isinstance(body, bytes):
        named.setdefault("content-type", "application/json")
    return lambda request: Response(request.id, status, named, content)


def fail(kind: FailureKind = "connection", message: str = "it broke", *, sent: bool = False) -> Reply:
    """Give no response at all."""
    return lambda request: Failure(request.id, kind, message, sent)


def grant(asset_id: str = "", url: str = "", token: str | None = UPLOAD_TOKEN) -> Reply:
    """Grant an upload URL, by default one of its own for each request."""

    def answer(request: Request) -> Outcome:
        name = request.id.replace("/", "-")
        fields = {
            "assetId": asset_id or f"asset_{name}",
            "uploadUrl": url or f"https://storage.flowflex.test/{name}?X-Signature={SIGNATURE}",
        }
        if token is not None:
            fields["token"] = token
        return reply(200, fields)(request)

    return answer


HAPPY: Mapping[str, Reply] = {
    "upload-url": grant(),
    "put": reply(200),
    "event": reply(202, {"status": "accepted", "eventId": "evt_1"}),
}


@dataclass
class Played:
    """What happened while an operation ran: each request with its time, and each turn."""

    requests: list[Request] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    now: float = NOW

    def of(self, leg: str) -> list[Request]:
        """List the requests of one leg."""
        return [request for request in self.requests if leg_of(request) == leg]

    def waits(self, leg: str) -> list[float]:
        """List the seconds between each request of a leg and the next one."""
        times = [time for request, time in zip(self.requests, self.times, strict=True) if leg_of(request) == leg]
        return [after - before for before, after in pairwise(times)]


def play(
    operation: Operation,
    now: float = NOW,
    took: float = 0.0,
    /,
    *,
    url: Iterable[Reply] = (),
    put: Iterable[Reply] = (),
    event: Iterable[Reply] = (),
) -> Played:
    """Run an operation to its end; every batch of requests takes `took` seconds, and every wait passes at once."""
    scripts = {"upload-url": iter(url), "put": iter(put), "event": iter(event)}
    played = Played(now=now)
    turn = operation.advance(now)
    while True:
        played.turns.append(turn)
        if turn.done:
            return played
        outcomes: list[Outcome] = []
        for request in turn.requests:
            played.requests.append(request)
            played.times.append(played.now)
            leg = leg_of(request)
            outcomes.append(next(scripts[leg], HAPPY[leg])(request))
        if outcomes:
            played.now += took
        else:
            assert turn.wait is not None
            assert turn.wait > 0
            played.now += turn.wait
        turn = operation.advance(played.now, *outcomes)


def error_of(operation: Operation) -> FlowFlexError:
    """Return the error that ended an operation."""
    try:
        value = operation.result()  # type: ignore[attr-defined]
    except FlowFlexError as error:
        return error
    raise AssertionError(f"it ended well, with {value!r}")


def failed(operation: Operation, **scripts: Iterable[Reply]) -> FlowFlexError:
    """Run an operation, and return the error that it ends with."""
    play(operation, **scripts)
    return error_of(operation)
