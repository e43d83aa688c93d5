"""Real faults of a real network, through both clients whole: each ends in the right error, or none, in time.

What single attempts of a transport make of a rude peer is held to by `flowflex_testing.contract`. Here a fault of TCP
strikes between a client and the fake, in the midst of a whole send, and what counts is what the caller sees, what
FlowFlex holds afterwards, and whether the same client goes on.
"""

import random
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

import pytest

from flowflex_core import (
    FlowFlexConnectionError,
    FlowFlexError,
    FlowFlexOutcomeUnknownError,
    FlowFlexTimeoutError,
    FlowFlexUploadConnectionError,
    FlowFlexUploadError,
    FlowFlexUploadTimeoutError,
    file,
)
from flowflex_testing import FakeFlowFlex
from tests.real_faults.clients import EitherClient, assert_no_socket_to, play
from tests.real_faults.conftest import Place
from tests.support.fault_proxy import (
    Action,
    Answer,
    Blackhole,
    Cut,
    Delay,
    Drip,
    Fault,
    FaultProxy,
    HalfClose,
    Insert,
    Reset,
)

pytestmark = pytest.mark.slow  # real sockets and silence, many times

Leg = Literal["url", "put", "event"]
StreamName = Literal["request", "reply"]

# The bounds of a client that is to give up, and of one that is not.
SHORT_SECONDS, LONG_SECONDS = 0.3, 20.0
# Two attempts, with room for a machine that is busy.
IN_TIME_SECONDS = 5.0

UNKNOWN = FlowFlexOutcomeUnknownError
NO_UPLOAD = FlowFlexUploadConnectionError
LATE_UPLOAD = FlowFlexUploadTimeoutError

# Where the parts of a message are, as shares of all its bytes: heads are the longer part.
IN_HEAD, IN_BODY = 0.4, 0.95
# Behind "HTTP/1.1 202 Accepted\r\n" or "HTTP/1.1 200 OK\r\n".
AFTER_STATUS = {"url": 17, "put": 17, "event": 23}

FORGED = b'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{"forged":1}'
REFUSAL = b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 9\r\n\r\ntoo large"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
MANY_HEADERS = b"".join(b"X-Header-%d: %s\r\n" % (number, b"v" * 100) for number in range(150))


@dataclass(frozen=True)
class Case:
    """A fault of the first connection of a send, and what becomes of it.

    Attributes:
        leg: Which request is struck.
        stream: Which way it is struck.
        at: Where: a number of bytes, or a share of all, from 0.0 for before the first to 1.0 for after the last.
        action: What happens there.
        error: What the caller gets where nothing is repeated; None where the send succeeds all the same.
        bytes: The size of the file, where the leg is that of one.
        deadline: Of the send.
        is_final: Whether the error comes however often is repeated.
    """

    leg: Leg
    stream: StreamName
    at: float | int
    action: Action
    error: type[FlowFlexError] | None = None
    bytes: int = 4_000
    deadline: float | None = None
    is_final: bool = False

    @property
    def timeout(self) -> float:
        """The longest silence, and the longest attempt of what is no large file: short where it is what ends it."""
        gives_up = self.error is not None and self.deadline is None and isinstance(self.action, Blackhole | Drip)
        return SHORT_SECONDS if gives_up else LONG_SECONDS

    def __str__(self) -> str:
        return f"{self.leg}-{self.stream}-{self.at:g}-{type(self.action).__name__}-{self.bytes}"


CASES = [
    # The event: from its first byte on it may have arrived.
    Case("event", "request", IN_HEAD, Reset(), UNKNOWN),
    Case("event", "request", IN_BODY, Reset(), UNKNOWN),
    Case("event", "request", IN_HEAD, Cut(), UNKNOWN),
    Case("event", "request", IN_HEAD, HalfClose(), UNKNOWN),
    Case("event", "request", IN_HEAD, Blackhole(), UNKNOWN),
    # The response is lost after the effect, or breaks off.
    Case("event", "reply", 0.0, Reset(), UNKNOWN),
    Case("event", "reply", IN_HEAD, Reset(), UNKNOWN),
    Case("event", "reply", IN_BODY, Reset(), UNKNOWN),
    Case("event", "reply", 0.0, Cut(), UNKNOWN),
    Case("event", "reply", IN_BODY, Cut(), UNKNOWN),
    Case("event", "reply", IN_BODY, HalfClose(), UNKNOWN),
    Case("event", "reply", 0.0, Blackhole(), UNKNOWN),
    Case("event", "reply", IN_BODY, Blackhole(), UNKNOWN),
    # It is slow, with an end in time and without.
    Case("event", "reply", 0.0, Delay(0.05)),
    Case("event", "reply", 0.0, Drip(16, 0.001)),
    Case("event", "reply", 0.0, Drip(1, 0.05), UNKNOWN),
    Case("event", "reply", IN_BODY, Drip(1, 0.2), UNKNOWN),
    # More comes than was asked for.
    Case("event", "reply", 0.0, Insert(INTERIM * 30)),
    Case("event", "reply", 0.0, Insert(INTERIM * 20_000), UNKNOWN),
    Case("event", "reply", 0.0, Insert(b"\x15\x03\x03\x00\x02\x02\x28\r\n\r\n"), UNKNOWN),
    Case("event", "reply", AFTER_STATUS["event"], Insert(MANY_HEADERS)),
    Case("event", "reply", 0.0, Insert(FORGED)),
    Case("event", "reply", 1.0, Insert(FORGED)),
    # The upload.
    Case("put", "request", IN_HEAD, Reset(), NO_UPLOAD),
    Case("put", "request", 0.5, Reset(), NO_UPLOAD, bytes=4_000_000),
    Case("put", "request", 0.5, Cut(), NO_UPLOAD, bytes=4_000_000),
    Case("put", "request", 0.5, HalfClose(), FlowFlexUploadError, is_final=True),
    Case("put", "request", 0.5, Blackhole(), LATE_UPLOAD),
    Case("put", "request", 0.0, Drip(65_536, 0.001), bytes=1_000_000),
    Case("put", "request", 0.0, Drip(1_000, 0.05), LATE_UPLOAD, 8_000_000, 0.6, True),
    Case("put", "request", 0.5, Answer(REFUSAL), FlowFlexUploadError, bytes=8_000_000, is_final=True),
    Case("put", "reply", 0.0, Reset(), NO_UPLOAD),
    Case("put", "reply", IN_HEAD, Cut(), NO_UPLOAD),
    Case("put", "reply", 0.0, Blackhole(), LATE_UPLOAD),
    Case("put", "reply", 0.0, Drip(1, 0.05), LATE_UPLOAD),
    Case("put", "reply", AFTER_STATUS["put"], Insert(MANY_HEADERS)),
    # The URL for it.
    Case("url", "request", IN_BODY, Reset(), FlowFlexConnectionError),
    Case("url", "reply", IN_BODY, Cut(), FlowFlexConnectionError),
    Case("url", "reply", IN_HEAD, Blackhole(), FlowFlexTimeoutError),
    Case("url", "reply", IN_BODY, Drip(1, 0.05), FlowFlexTimeoutError),
]


@pytest.mark.parametrize("retries", [0, 2])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_fault_ends_in_the_right_error_or_in_none(case, transport, retries, place):
    """In time, with its connection closed, and what FlowFlex holds is what the caller was told; then all goes on."""
    expected = case.error if case.is_final or not retries else None
    lengths = lengths_of(case, place)
    at = case.at if isinstance(case.at, int) else round(case.at * lengths[case.stream])
    striking = place.storage if case.leg == "put" else place.api
    striking.harm_next(Fault(case.stream, at, case.action))
    bounds = {"timeout_seconds": case.timeout, "deadline_seconds": case.deadline, "max_retries": retries}

    async def script(client: EitherClient) -> None:
        begun = time.monotonic()
        error = await error_of(client.send("struck", **arguments(case, "key-1"), **bounds))
        assert time.monotonic() - begun < IN_TIME_SECONDS
        # An attempt ends a moment before the deadline: a machine that sleeps through that moment tells of the deadline.
        late = {FlowFlexTimeoutError} if case.deadline is not None and expected is not None else set()
        assert type(error) in {expected or type(None), *late}, error
        if error is not None:
            if error.status != 400:  # which is a whole reply: its connection may serve another request
                assert_no_socket_to(striking.port)
            await go_on(client, error, case, place)
        assert_delivered_once(case, "key-1", place.fake)
        striking.settle()
        result: Any = await client.send("next", **arguments(case, "key-2"))
        assert result.response["eventId"] == assert_delivered_once(case, "key-2", place.fake)

    play(transport, place.options, script)
    assert_no_socket_to(place.api.port, place.storage.port)


async def go_on(client: EitherClient, error: FlowFlexError, case: Case, place: Place) -> None:
    """Do what the error says is safe."""
    if isinstance(error, FlowFlexOutcomeUnknownError):
        assert error.snapshot is not None
        await client.resume(error.snapshot)
    else:
        assert not place.fake.events
        await client.send("struck", **arguments(case, "key-1"))


async def error_of(sending: Coroutine[Any, Any, object]) -> FlowFlexError | None:
    try:
        await sending
    except FlowFlexError as error:
        return error
    return None


def arguments(case: Case, key: str) -> dict[str, Any]:
    """Return what to send: an event with a file, but where it is the event itself that is to be struck."""
    payload = None if case.leg == "event" else {"file": file(content_of(case), filename="a.pdf")}
    return {"payload": payload, "idempotency_key": key}


def content_of(case: Case) -> bytes:
    return bytes(range(250)) * (case.bytes // 250)


def lengths_of(case: Case, place: Place) -> dict[StreamName, int]:
    """Measure how many bytes the request that is to be struck has, and its reply, each on a connection of its own."""

    async def script(client: EitherClient) -> None:
        if case.leg == "event":
            await client.send("struck", **arguments(case, "key-0"))
        else:
            await client.upload(file(content_of(case), filename="a.pdf"))

    play("urllib3", place.options, script)
    connection = (place.storage if case.leg == "put" else place.api).connections[-1]
    place.fake.reset()
    place.serve_storage()
    return {"request": connection.request.passed, "reply": connection.reply.passed}


def assert_delivered_once(case: Case, key: str, fake: FakeFlowFlex) -> str:
    """Return the id of the one event of a key; the file in it is the one that was sent."""
    (event,) = [event for event in fake.events if event.idempotency_key == key]
    if case.leg != "event":
        (asset,) = event.files.values()
        assert asset.sha256 == sha256(content_of(case)).hexdigest()
    return event.id


@pytest.mark.parametrize("end", [FaultProxy.end_all, FaultProxy.reset_all])
def test_a_kept_connection_that_has_ended_is_noticed_before_it_is_used(end, transport, place):
    """Neither the API's nor storage's, ended or reset while it idled, costs the next send an attempt."""
    case = Case("put", "request", 0, Reset())

    async def script(client: EitherClient) -> None:
        await client.send("first", **arguments(case, "key-1"))
        end(place.api)
        end(place.storage)
        await client.send("second", **arguments(case, "key-2"), max_retries=0)
        assert_delivered_once(case, "key-2", place.fake)

    play(transport, place.options, script)
    assert_no_socket_to(place.api.port, place.storage.port)


@pytest.mark.parametrize("action", [Reset(), Blackhole()], ids=str)
def test_a_kept_connection_that_fails_under_the_next_send_is_replaced(action, transport, place):
    """A box in between has forgotten it, or resets it: the send is repeated over a new one, with one effect."""
    case = Case("event", "request", 0, action)
    place.api.harm_next(Fault("request", lengths_of(case, place)["request"] + 1, action))

    async def script(client: EitherClient) -> None:
        await client.send("struck", **arguments(case, "key-1"))
        await client.send("struck", **arguments(case, "key-2"), timeout_seconds=SHORT_SECONDS)
        assert_delivered_once(case, "key-2", place.fake)
        assert len(place.api.connections) == 3  # one of them measured

    play(transport, place.options, script)
    assert_no_socket_to(place.api.port)


@pytest.mark.parametrize("seed", range(12))
def test_wherever_the_line_breaks_no_caller_is_told_a_lie(seed, transport, place):
    """Connections break after so many bytes of a stream as the seed says: what is told of each event is true."""
    chance = random.Random(seed)
    case = Case("put", "request", 0, Reset())

    def a_fault() -> Fault | None:
        streams: tuple[StreamName, StreamName] = ("request", "reply")
        action = chance.choice([Reset(), Cut(), HalfClose(), Blackhole()])
        return chance.choice([None, Fault(chance.choice(streams), chance.randrange(700), action)])

    async def script(client: EitherClient) -> None:
        for turn in range(4):
            for proxy in (place.api, place.storage):
                proxy.harm_next(*(a_fault() for _ in range(2)))
            key = f"key-{turn}"
            error = await error_of(client.send("struck", **arguments(case, key), timeout_seconds=0.1, max_retries=1))
            found = len([event for event in place.fake.events if event.idempotency_key == key])
            if error is None:
                assert found == 1
            elif isinstance(error, FlowFlexOutcomeUnknownError):
                assert found <= 1
                assert error.snapshot is not None
            else:
                assert found == 0
                assert isinstance(error, FlowFlexConnectionError | FlowFlexTimeoutError | FlowFlexUploadError)
        for proxy in (place.api, place.storage):
            proxy.spare()
        await client.send("last", **arguments(case, "key-9"))
        assert_delivered_once(case, "key-9", place.fake)

    play(transport, place.options, script)
    assert_no_socket_to(place.api.port, place.storage.port)
