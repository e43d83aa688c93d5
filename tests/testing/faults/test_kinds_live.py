"""Each fault twice: what crosses the wire, seen by a raw socket, and what a caller of both clients sees."""

import re
import socket
import threading
import time
from dataclasses import dataclass
from typing import Any

import pytest
import trio

from flowflex_core import backoff, errors
from flowflex_testing import faults
from flowflex_testing.clock import Clock, Occasion
from flowflex_testing.fake import FakeFlowFlex
from flowflex_testing.faults import Fault, Operation
from flowflex_testing.faults.forms import KINDS
from flowflex_transports import AsyncFlowFlex, FlowFlex, file
from tests.testing.caller import Caller


@dataclass(frozen=True)
class Case:
    """A fault on an operation, and what becomes of the first such request.

    `wire` matches the bytes that arrive, and `end` is how the connection ends: FIN, RST or refused. `error` is what a
    client raises that repeats nothing, with `words` in its message; None where the event is delivered all the same.
    """

    operation: Operation
    fault: Fault
    wire: bytes
    end: str
    error: type[errors.FlowFlexError] | None = None
    words: str = ""

    def __str__(self) -> str:
        return f"{self.operation}-{self.fault!r}"


UNKNOWN = errors.FlowFlexOutcomeUnknownError
UPLOAD = errors.FlowFlexUploadError
NO_CONNECTION = errors.FlowFlexConnectionError
NO_UPLOAD_CONNECTION = errors.FlowFlexUploadConnectionError

ACCEPTED = rb"HTTP/1\.1 202 Accepted\r\n.*\r\n\r\n\{\"status\": \"accepted\".*\}"
STORED = rb"HTTP/1\.1 200 OK\r\nETag.*Content-Length: 0\r\n.*\r\n\r\n"
BUSY = faults.Status(503, retry_after=2)

CASES = [
    Case("event", BUSY, rb"HTTP/1\.1 503 .*\r\nRetry-After: 2\r\n.*INJECTED.*", "FIN", UNKNOWN, "503 INJECTED_FAULT"),
    Case("event", faults.Status(400), rb"HTTP/1\.1 400 .*", "FIN", errors.FlowFlexError, "not accepted: Injected"),
    Case("event", faults.HtmlPage(), rb"HTTP/1\.1 502 .*<h1>502 Bad Gateway</h1>.*", "FIN", UNKNOWN, "answered 502"),
    Case("event", faults.HtmlPage(200), rb"HTTP/1\.1 200 .*<h1>200 OK</h1>.*", "FIN", UNKNOWN, "was a web page"),
    Case("event", faults.Delay(0.02), ACCEPTED, "FIN"),
    Case("event", faults.Drip(piece=16, seconds=0.001), ACCEPTED, "FIN"),
    Case("event", faults.Interims(3), rb"(HTTP/1\.1 102 Injected\r\n\r\n){3}" + ACCEPTED, "FIN"),
    Case("event", faults.LoseReply(), b"", "FIN", UNKNOWN, "before .* reply was whole"),
    Case("event", faults.LoseReply(reset=True), b"", "RST", UNKNOWN, "Connection reset"),
    Case("event", faults.TruncateReply(5), rb'HTTP/1\.1 202 .*Length: \d\d.*\r\n\r\n\{"sta', "FIN", UNKNOWN, "whole"),
    Case(
        "event", faults.TruncateReply(5, True), rb'HTTP/1\.1 202 .*\r\n\r\n\{"sta', "RST", UNKNOWN, "Connection reset"
    ),
    Case(
        "event", faults.MalformedBody(), rb'HTTP/1\.1 202 .*\r\n\r\n\{"status": "acc', "FIN", UNKNOWN, "JSON that is br"
    ),
    Case("event", faults.Reset(), b"", "RST", UNKNOWN, "(reset|before)"),
    Case("event", faults.Reset(at=1), b"", "RST", UNKNOWN, "(reset|before)"),
    Case("event", faults.ResetOnAccept(), b"", "RST", NO_CONNECTION, "(reset|before)"),
    Case("event", faults.Refuse(None), b"", "refused", NO_CONNECTION, "connection was refused"),
    Case("put", BUSY, rb"HTTP/1\.1 503 .*<Code>INJECTED_FAULT</Code>.*", "FIN", UPLOAD, "503 INJECTED_FAULT"),
    Case("put", faults.HtmlPage(200), rb"HTTP/1\.1 200 .*<h1>200 OK</h1>.*", "FIN", UPLOAD, "was a web page"),
    Case("put", faults.Drip(piece=16, seconds=0.001), STORED, "FIN"),
    Case("put", faults.LoseReply(), b"", "FIN", NO_UPLOAD_CONNECTION, "before .* reply was whole"),
    Case("put", faults.LoseReply(reset=True), b"", "RST", NO_UPLOAD_CONNECTION, "(reset|before)"),
    Case("put", faults.MalformedBody(), rb'HTTP/1\.1 200 .*\r\n\r\n\{"status": "acc', "FIN"),
    Case("put", faults.Reset(), b"", "RST", NO_UPLOAD_CONNECTION, "(reset|before)"),
    Case("put", faults.Reset(at=2), b"", "RST", NO_UPLOAD_CONNECTION, "(reset|before)"),
    Case("put", faults.ResetOnAccept(), b"", "RST", NO_UPLOAD_CONNECTION, "(reset|before)"),
    Case("put", faults.Refuse(None), b"", "refused", NO_UPLOAD_CONNECTION, "connection was refused"),
    Case("upload-url", BUSY, rb"HTTP/1\.1 503 .*", "FIN", errors.FlowFlexError, "was not granted: Injected fault"),
    Case(
        "upload-url", faults.MalformedBody(), rb"HTTP/1\.1 200 .*", "FIN", errors.FlowFlexError, "JSON that is broken"
    ),
    Case(
        "upload-url", faults.TruncateReply(9), rb"HTTP/1\.1 200 .*", "FIN", NO_CONNECTION, "before .* reply was whole"
    ),
    Case("upload-url", faults.LoseReply(), b"", "FIN", NO_CONNECTION, "before .* reply was whole"),
]


@pytest.fixture
def fake():
    with FakeFlowFlex() as fake:
        yield fake


def connect(url: str) -> socket.socket:
    host, port = url.removeprefix("http://").rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=10)


def request_for(fake: FakeFlowFlex, operation: Operation) -> tuple[str, bytes, bytes]:
    """Return where a good request of 4 bytes goes, its head and its body."""
    caller = Caller(fake)
    if operation == "put":
        head = f"PUT {caller.url(size=4)} HTTP/1.1\r\nHost: fake\r\nContent-Type: application/pdf\r\n"
        head += "Content-Length: 4\r\n"
        return fake.storage_url, f"{head}Connection: close\r\n\r\n".encode(), b"data"
    path, body = caller.event_path, b"{ }\n"
    if operation == "upload-url":
        path, body = "/v1/assets/upload-url", b'{"filename": "a.pdf", "mime": "application/pdf"}'
    head = f"POST {path} HTTP/1.1\r\nHost: fake\r\nAuthorization: {caller.authorization}\r\n"
    head += "Content-Type: application/json\r\nx-event: e\r\nx-idempotency-key: k\r\n"
    head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return fake.base_url, head.encode(), body


def converse(url: str, request: bytes) -> tuple[bytes, str]:
    """Send a request, and return what arrived until the connection ended, and how it did."""
    received = b""
    try:
        with connect(url) as sock:
            sock.sendall(request)
            while data := sock.recv(65_536):
                received += data
        return received, "FIN"
    except ConnectionRefusedError:
        return received, "refused"
    except (ConnectionResetError, BrokenPipeError):
        return received, "RST"


def send(client: type[FlowFlex] | type[AsyncFlowFlex], fake: FakeFlowFlex, **options: Any) -> Any:
    """Send an event with a file through one of the two clients."""
    settings = {**fake.client_options, "timeout_seconds": 10, **options}
    if client is FlowFlex:
        with FlowFlex(**settings) as sync_client:
            return sync_client.send_event("e", payload={"f": file(b"data", filename="a.pdf")})

    async def send_event() -> Any:
        async with AsyncFlowFlex(**settings) as async_client:
            return await async_client.send_event("e", payload={"f": file(b"data", filename="a.pdf")})

    return trio.run(send_event)


both_clients = pytest.mark.parametrize("client", [FlowFlex, AsyncFlowFlex])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_crosses_the_wire(case, fake):
    """Every byte of the reply, and whether the connection ends by FIN or by RST, or is never made."""
    url, head, body = request_for(fake, case.operation)
    armed = fake.faults.arm(case.operation, case.fault)
    received, end = converse(url, head + body)
    assert end == case.end
    assert re.fullmatch(case.wire, received, re.DOTALL), received
    assert armed.hits == 1


@both_clients
@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_a_caller_sees_who_repeats_nothing(case, client, fake):
    """The class and the words of the error, after one attempt; or nothing, where the fault only bothers."""
    fake.faults.arm(case.operation, case.fault)
    if case.error is None:
        send(client, fake, max_retries=0)
        fake.assert_event("e", files={"f": b"data"})
    else:
        with pytest.raises(case.error, match=case.words) as raised:
            send(client, fake, max_retries=0)
        assert type(raised.value) is case.error
        assert raised.value.attempts == 1
    fake.faults.assert_fired()


@both_clients
@pytest.mark.parametrize("case", [case for case in CASES if case.error not in (None, errors.FlowFlexError)], ids=str)
def test_what_a_caller_sees_who_repeats(case, client, fake, monkeypatch):
    """The fault passes by, and the event is there once; a port that stays closed is told with all attempts."""
    monkeypatch.setattr(backoff, "FIRST_DELAY", 0.01)
    fault = faults.Status(503) if case.fault is BUSY else case.fault
    fake.faults.arm(case.operation, fault)
    if isinstance(fault, faults.Refuse):
        with pytest.raises(case.error, match="after 3 attempts"):
            send(client, fake, max_retries=2)
        fake.faults.clear()
    send(client, fake, max_retries=2)
    assert len(fake.events) == 1


def test_every_kind_is_in_the_table():
    """A kind of fault that is added is tried on the wire as well; the second PUT to a URL is tried below."""
    assert {type(case.fault).__name__ for case in CASES} == set(KINDS) - {"AlreadyStored"}


@pytest.mark.parametrize(("dialect", "status"), [("s3", b"409"), ("supabase", b"400")])
def test_a_second_put_is_told_that_the_file_is_there(dialect, status):
    """In the words of either dialect, and the first PUT is spared."""
    with FakeFlowFlex(storage_dialect=dialect) as fake:
        armed = fake.faults.arm("put", faults.AlreadyStored(), times=None)
        url, head, body = request_for(fake, "put")
        first, second = (converse(url, head + body)[0] for _ in range(2))
    assert first.startswith(b"HTTP/1.1 200 ")
    assert second.startswith(b"HTTP/1.1 " + status)
    assert b"Duplicate" in second
    assert (armed.seen, armed.hits) == (2, 1)


@pytest.mark.parametrize("at", [0, 1, 3, 4])
def test_a_reset_does_not_wait_for_more_than_its_byte(fake, at):
    """With the head and so many bytes of the body sent, the reset comes, though the rest never does."""
    url, head, body = request_for(fake, "put")
    fake.faults.arm("put", faults.Reset(at=at))
    assert converse(url, head + body[:at]) == (b"", "RST")
    assert (fake.requests[-1].received, fake.assets) == (at, {})


def test_a_reset_on_accept_needs_no_byte(fake):
    """The connection is made, and reset before anything is sent; the next one is served."""
    fake.faults.arm("event", faults.ResetOnAccept())
    assert converse(fake.base_url, b"") == (b"", "RST")
    assert fake.requests == []
    url, head, body = request_for(fake, "event")
    assert converse(url, head + body)[1] == "FIN"


def test_a_drip_takes_its_time(fake):
    """No piece comes before its time; a caller whose deadline is shorter does not wait for the last one."""
    fake.faults.arm("event", faults.Drip(piece=50, seconds=0.03), times=None)
    url, head, body = request_for(fake, "event")
    begin = time.monotonic()
    received, _ = converse(url, head + body)
    assert time.monotonic() - begin >= 0.03 * ((len(received) - 1) // 50)
    fake.faults.clear()
    fake.faults.arm("event", faults.Drip(piece=1, seconds=0.05))
    with pytest.raises(UNKNOWN):
        send(FlowFlex, fake, max_retries=0, deadline_seconds=0.5)


# A closed port


def is_refused(url: str) -> bool:
    try:
        connect(url).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_refusal_closes_one_port_and_keeps_it(fake):
    """The other origin is served, and no other server can take the port meanwhile."""
    armed = fake.faults.arm("put", faults.Refuse(None))
    assert is_refused(fake.storage_url)
    assert not is_refused(fake.base_url)
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", int(fake.storage_url.rsplit(":", 1)[1])))
    fake.faults.disarm(armed.id)
    assert not is_refused(fake.storage_url)
    url, head, body = request_for(fake, "put")
    assert converse(url, head + body)[0].startswith(b"HTTP/1.1 200 ")


def test_a_refusal_ends_the_connections_that_are_open(fake):
    """Idle ones end at once, so that nobody slips in by a connection of before."""
    with connect(fake.base_url) as idle:
        url, head, body = request_for(fake, "event")
        # Connections are accepted in their order: after this one the idle one has its worker.
        assert converse(url, head + body)[1] == "FIN"
        fake.faults.arm("event", faults.Refuse(None))
        assert idle.recv(1) == b""
    assert is_refused(url)


def test_a_refusal_aims_at_an_occurrence(fake):
    """The second upload URL is refused: once the first is there, its connection ends, and the port is closed."""
    fake.faults.arm("upload-url", faults.Refuse(None), occurrence=2)
    url, head, body = request_for(fake, "upload-url")
    received, end = converse(url, head.replace(b"Connection: close\r\n", b"") + body)
    assert (received[:13], end) == (b"HTTP/1.1 200 ", "FIN")
    assert b"Connection: close" in received
    assert is_refused(url)


@both_clients
def test_the_event_is_refused_after_its_file(client, fake):
    """The connection that the upload URL came by is not used again, and what is stored is told."""
    fake.faults.arm("upload-url", faults.Refuse(None), occurrence=2)
    with pytest.raises(NO_CONNECTION, match="connection was refused") as raised:
        send(client, fake, max_retries=0)
    assert list(raised.value.uploaded_assets) == ["f"]


def test_a_refusal_ends_by_time(fake):
    """After so many real seconds the port listens by itself, and serves."""
    fake.faults.arm("event", faults.Refuse(0.05))
    assert is_refused(fake.base_url)
    end = time.monotonic() + 10
    while is_refused(fake.base_url):
        assert time.monotonic() < end
    url, head, body = request_for(fake, "event")
    assert converse(url, head + body)[0].startswith(b"HTTP/1.1 202 ")


def test_two_refusals_of_one_port(fake):
    """It listens again when neither keeps it closed."""
    first = fake.faults.arm("upload-url", faults.Refuse(None))
    fake.faults.arm("event", faults.Refuse(None))
    fake.faults.disarm(first.id)
    assert is_refused(fake.base_url)
    fake.faults.clear()
    assert not is_refused(fake.base_url)


def test_a_refusal_can_be_armed_before_the_server_starts():
    """The port is closed from the start; a fake that is reset, or stopped and started, has it open."""
    fake = FakeFlowFlex()
    fake.faults.arm("event", faults.Refuse(None))
    with fake:
        assert is_refused(fake.base_url)
        fake.reset()
        assert not is_refused(fake.base_url)


@pytest.mark.parametrize("seconds", [None, 3600])
def test_a_server_that_starts_again_refuses_what_it_was_told_to_refuse(seconds):
    """Until it is disarmed, where that was said; a time that was given is over with the server."""
    fake = FakeFlowFlex()
    fake.faults.arm("event", faults.Refuse(seconds))
    with fake:
        assert is_refused(fake.base_url)
    with fake:
        assert is_refused(fake.base_url) == (seconds is None)


def test_two_resets_on_accept_strike_one_connection_each(fake):
    """Both count the first; the one that was armed first strikes it, and the other the second."""
    first = fake.faults.arm("event", faults.ResetOnAccept())
    second = fake.faults.arm("upload-url", faults.ResetOnAccept(), times=2)
    assert [converse(fake.base_url, b"") for _ in range(2)] == [(b"", "RST")] * 2
    assert [(armed.seen, armed.hits) for armed in (first, second)] == [(2, 1), (2, 1)]


def test_a_fake_can_be_stopped_while_a_port_is_closed(fake):
    """Nothing waits for the port to open."""
    fake.faults.arm("event", faults.Refuse(3600))
    begin = time.monotonic()
    fake.stop()
    assert time.monotonic() - begin < 2


# A delay by the fake's clock


class TellingClock(Clock):
    """A clock that tells when somebody waits for it."""

    def __init__(self) -> None:
        super().__init__(1000.0)
        self.is_waited_for = threading.Event()

    def attend(self, occasion: Occasion) -> None:
        super().attend(occasion)
        if occasion.moment is not None:
            self.is_waited_for.set()


@pytest.fixture
def clock():
    return TellingClock()


@pytest.fixture
def waiting(clock):
    """Begin with an event whose reply waits for the fake's clock."""
    with FakeFlowFlex(clock=clock) as fake:
        fake.faults.arm("event", faults.Delay(3600, clock="fake"))
        url, head, body = request_for(fake, "event")
        with connect(url) as sock:
            sock.sendall(head + body)
            assert clock.is_waited_for.wait(10)
            yield fake, sock


def test_a_reply_can_wait_for_the_clock_of_the_fake(waiting, clock):
    """It goes out when the clock has come so far, and not a second before; the clock tells about it."""
    _, sock = waiting
    clock.advance(seconds=3599)
    assert str(clock.next) == "Upcoming(at=4600.0, what='a delayed reply goes out')"
    sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        sock.recv(1)
    clock.advance(seconds=1)
    sock.settimeout(10)
    assert sock.recv(65_536).startswith(b"HTTP/1.1 202 ")


def test_stopping_frees_a_reply_that_waits_for_the_clock(waiting):
    """Its connection ends without a byte of it, and at once."""
    fake, sock = waiting
    begin = time.monotonic()
    fake.stop()
    assert time.monotonic() - begin < 2
    assert sock.recv(1) == b""
