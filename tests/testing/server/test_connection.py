"""HTTP/1.1 as the live face speaks it, tried with bytes on a raw socket."""

import re
import socket
import ssl
import struct
import threading
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from flowflex_testing import faults
from flowflex_testing.engine.messages import BodyCut, Reply
from flowflex_testing.fake import FakeFlowFlex
from flowflex_testing.server.connection import BadHead, SizedBody, Stream, parse_head, serialize_head
from tests.testing.caller import Caller

HOST = b"Host: 127.0.0.1\r\n"


@pytest.fixture
def fake():
    with FakeFlowFlex() as fake:
        yield fake


class Wire:
    """A raw socket, and just enough HTTP to read a reply off it."""

    def __init__(self, url: str) -> None:
        host, port = url.partition("://")[2].rsplit(":", 1)
        self.socket = socket.create_connection((host.strip("[]"), int(port)), timeout=10)
        self.buffer = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self) -> bytes:
        data = self.socket.recv(65536)
        self.buffer += data
        return data

    def head(self) -> tuple[int, bytes]:
        while b"\r\n\r\n" not in self.buffer:
            assert self.receive(), f"the connection ended after {self.buffer!r}"
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return int(head.split()[1]), head

    def reply(self) -> tuple[int, bytes, bytes]:
        """Read one reply: its status, head and body."""
        status, head = self.head()
        found = re.search(rb"Content-Length: (\d+)", head)
        assert found is not None
        length = int(found[1])
        while len(self.buffer) < length:
            assert self.receive(), "the connection ended in a body"
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return status, head, body

    def is_ended(self) -> bool:
        """Wait for the end of the connection, and tell whether it came without another byte."""
        return self.buffer == b"" and self.socket.recv(1) == b""

    def is_over(self) -> bool:
        """Wait for the end of the connection, orderly or not."""
        try:
            while self.receive():
                pass
        except ConnectionResetError:
            pass
        return True


@contextmanager
def wire_to(url: str):
    wire = Wire(url)
    try:
        yield wire
    finally:
        wire.socket.close()


def event(fake: FakeFlowFlex, body: bytes = b"{}", *, key: str = "k", extra: bytes = b"") -> bytes:
    caller = Caller(fake)
    head = f"POST {caller.event_path} HTTP/1.1\r\nAuthorization: {caller.authorization}\r\nx-event: e\r\n"
    head += f"x-idempotency-key: {key}\r\nContent-Type: application/json\r\n"
    framing = b"" if b"Transfer-Encoding" in extra else b"Content-Length: %d\r\n" % len(body)
    return head.encode() + HOST + framing + extra + b"\r\n" + body


def put(fake: FakeFlowFlex, length: int, *, extra: bytes = b"", **declared) -> bytes:
    url = Caller(fake).url(**({"size": length} | declared)).encode()
    head = b"PUT %s HTTP/1.1\r\nContent-Type: application/pdf\r\nContent-Length: %d\r\n" % (url, length)
    return head + HOST + extra + b"\r\n"


def test_a_connection_is_kept_alive(fake):
    """Request after request is answered on one connection."""
    with wire_to(fake.base_url) as wire:
        for number in range(3):
            wire.send(event(fake, key=str(number)))
            status, head, _ = wire.reply()
            assert (status, b"close" in head) == (202, False)
    assert len(fake.events) == 3


def test_pipelined_requests_do_not_run_into_one_another(fake):
    """Three requests in one packet, bodies and all, are three requests, answered in order."""
    with wire_to(fake.base_url) as wire:
        wire.send(b"".join(event(fake, b'{"n": %d}' % number, key=str(number)) for number in range(3)))
        assert [wire.reply()[0] for _ in range(3)] == [202, 202, 202]
    assert [event.payload["n"] for event in fake.events] == [0, 1, 2]


def test_a_body_ends_at_its_content_length(fake):
    """What follows a body is the next request, never a part of the file."""
    with wire_to(fake.storage_url) as wire:
        wire.send(put(fake, 4) + b"dataGET / HTTP/1.1\r\n" + HOST + b"\r\n")
        assert [wire.reply()[0] for _ in range(2)] == [200, 404]
    assert [asset.first_bytes for asset in fake.assets.values()] == [b"data"]


def test_bytes_may_arrive_one_by_one(fake):
    """A head or body in crumbs is read like any other."""
    with wire_to(fake.base_url) as wire:
        for byte in event(fake, b'{"n": 1}'):
            wire.send(bytes([byte]))
        assert wire.reply()[0] == 202


def test_each_origin_has_only_its_own_paths(fake):
    """The API does not store files, and storage takes no events."""
    with wire_to(fake.storage_url) as wire:
        wire.send(event(fake))
        assert wire.reply()[0] == 404
    with wire_to(fake.base_url) as wire:
        wire.send(put(fake, 0))
        assert wire.reply()[0] == 401
    assert [request.origin for request in fake.requests if request.operation is None] == ["storage", "api"]


def test_the_target_reaches_the_fake_byte_for_byte(fake):
    """Nothing in path and query is decoded or tidied on the way."""
    with wire_to(fake.base_url) as wire:
        for target in (b"/a%2Fb/../%e4?x=%2F&y", b"//double", b"/\xe4"):
            wire.send(b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n")
            assert wire.reply()[0] == 401
    assert [request.target for request in fake.requests] == ["/a%2Fb/../%e4?x=%2F&y", "//double", "/\xe4"]


def test_an_early_413_comes_before_the_body(fake):
    """The refusal is there while not one byte of the file was sent; then the connection ends."""
    with wire_to(fake.storage_url) as wire:
        wire.send(put(fake, 30_000_000, size=...))
        status, head, _ = wire.reply()
        assert (status, b"\r\nConnection: close" in head) == (413, True)
        assert wire.is_ended()


def test_an_early_refusal_reaches_a_peer_that_sends_on(fake):
    """Who sends the whole body before it looks for the reply finds it there, and no reset."""
    with wire_to(fake.storage_url) as wire:
        wire.send(put(fake, 30_000_000, size=...))
        for _ in range(30):
            wire.send(bytes(1_000_000))
        assert wire.reply()[0] == 413
        assert wire.is_ended()


def test_a_short_body_of_a_refused_request_is_read_for_the_sake_of_the_connection(fake):
    """After a 401 with a small body the same connection serves the next request."""
    with wire_to(fake.base_url) as wire:
        wire.send(b"POST /x HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nGET /" + event(fake))
        assert [wire.reply()[0] for _ in range(2)] == [401, 202]


def test_a_short_body_of_a_refused_request_does_not_turn_the_end_into_a_reset(fake):
    """Where the peer asked for the end, it comes after its body was read."""
    with wire_to(fake.base_url) as wire:
        wire.send(b"POST /x HTTP/1.1\r\n" + HOST + b"Connection: close\r\nContent-Length: 5\r\n\r\n")
        assert wire.reply()[0] == 401
        wire.send(b"GE")
        wire.send(b"T /")
        assert wire.is_ended()


@pytest.mark.parametrize("body", [b"da", b""])
def test_a_body_that_is_cut_short_is_not_stored(fake, body):
    """A peer that closes its half before the end is told so, and nothing is kept."""
    with wire_to(fake.storage_url) as wire:
        wire.send(put(fake, 4) + body)
        wire.socket.shutdown(socket.SHUT_WR)
        status, _, content = wire.reply()
        assert (status, b"SIZE_MISMATCH" in content) == (400, True)
    assert fake.assets == {}


def test_expect_100_continue_is_answered_when_the_body_is_wanted(fake):
    """The interim reply comes before the body, once, and the final one after it."""
    with wire_to(fake.storage_url) as wire:
        wire.send(put(fake, 4, extra=b"Expect: 100-Continue\r\n"))
        assert wire.head()[0] == 100
        wire.send(b"da")
        wire.send(b"ta")
        assert wire.reply()[0] == 200


def test_expect_100_continue_is_not_answered_when_the_head_is_refused(fake):
    """The final reply comes at once, and the connection ends: the body may come or not, nobody knows."""
    with wire_to(fake.storage_url) as wire:
        wire.send(put(fake, 4, extra=b"Expect: 100-continue\r\nAuthorization: Basic x\r\n"))
        status, head, _ = wire.reply()
        assert (status, b"Connection: close" in head) == (400, True)
        assert wire.is_ended()


def test_chunked_bodies_are_undone(fake):
    """Chunk extensions and trailers are skipped, and the connection goes on behind them."""
    chunked = b'4;ext=1\r\n{"n"\r\n4\r\n: 1}\r\n0\r\nTrailer: x\r\n\r\n'
    request = event(fake, chunked, extra=b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n")
    with wire_to(fake.base_url) as wire:
        wire.send(request)
        assert wire.head()[0] == 100
        assert wire.reply()[0] == 202
        wire.send(event(fake, key="2"))
        assert wire.reply()[0] == 202
    assert fake.events[0].payload == {"n": 1}


@pytest.mark.parametrize(
    "chunks",
    [
        b"x\r\n",
        b"-4\r\ndata\r\n",
        b"4\r\ndataX\r\n0\r\n\r\n",
        b"9" * 5000,
        b"1_0\r\n",
        b"2\n\r\n{}\r\n0\r\n\r\n",
    ],
)
def test_broken_chunks_end_the_connection(fake, chunks):
    """What is no chunk has no length that could be guessed: no event, no reply."""
    with wire_to(fake.base_url) as wire:
        wire.send(event(fake, chunks, extra=b"Transfer-Encoding: chunked\r\n"))
        assert wire.is_ended()
    assert fake.events == []


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/2.0\r\n", 400),
        (b"GET /a b HTTP/1.1\r\n", 400),
        (b"GET  / HTTP/1.1\r\n", 400),
        (b"GET /\x00 HTTP/1.1\r\n", 400),
        (b"GET / HTTP/1.1\n\r\n", 400),
        (b"\x16\x03\x01\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n", 400),
        (b"GET / HTTP/1.1\r\nA : b\r\n", 400),
        (b"GET / HTTP/1.1\r\nA: b\r\n folded\r\n", 400),
        (b"GET / HTTP/1.1\r\nA: b\nC: d\r\n", 400),
        (b"GET / HTTP/1.1\r\nA: b\0\r\n", 400),
        (b"GET / HTTP/1.1\r\n: b\r\n", 400),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 501),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: +1\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n", 501),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 201, 431),
        (b"GET / HTTP/1.1\r\nA: " + b"b" * 70_000 + b"\r\n", 431),
    ],
)
def test_a_head_that_can_be_read_in_two_ways_is_refused(fake, head, status):
    """A malformed head, or a body of two lengths, gets its status, and the connection ends."""
    with wire_to(fake.base_url) as wire:
        wire.send(head + HOST + b"\r\n")
        assert wire.reply()[0] == status
        assert wire.is_ended()
    fake.assert_nothing_sent()


def test_who_begins_with_tls_is_told_at_once():
    """An https client of the plain port is not left waiting for the rest of a head."""
    context = ssl.create_default_context()
    with FakeFlowFlex() as fake:
        port = urlsplit(fake.base_url).port
        sock = socket.create_connection(("127.0.0.1", port), timeout=5)
        with sock, pytest.raises(ssl.SSLError, match=r"(?i)version"):
            context.wrap_socket(sock, server_hostname="127.0.0.1")


def test_two_hosts_are_refused():
    """A head with two Host headers is for nobody knows whom (RFC 9112, section 3.2)."""
    with pytest.raises(BadHead) as refused:
        parse_head(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: elsewhere.test", "api")
    assert refused.value.status == 400


def test_no_host_is_refused(fake):
    """Where HTTP/1.1 is spoken; HTTP/1.0 knows none, and one without a name is one (RFC 9112, section 3.2)."""
    with wire_to(fake.base_url) as wire:
        wire.send(b"GET / HTTP/1.1\r\nA: b\r\n\r\n")
        status, _, body = wire.reply()
        assert (status, body) == (400, b"there is no Host")
        assert wire.is_ended()
    fake.assert_nothing_sent()
    for head in (b"GET / HTTP/1.0", b"GET / HTTP/1.1\r\nHost:"):
        assert parse_head(head, "api").head.target == "/"


def test_a_reset_within_the_size_of_a_chunk_is_the_peers_doing():
    """A peer that resets its connection there is no error of the fake, which `stop` would raise."""
    with FakeFlowFlex() as fake, wire_to(fake.base_url) as wire:
        request = event(fake, b"4", extra=b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n")
        head, _, rest = request.partition(b"\r\n\r\n")
        wire.send(head + b"\r\n\r\n")
        assert wire.head()[0] == 100
        wire.send(rest)
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.socket.close()
        while fake_is_busy():
            pass
    assert fake.requests[0].status is None


def fake_is_busy():
    return any(thread.name.startswith("fake-flowflex-") for thread in threading.enumerate())


def test_a_reply_without_content_has_no_length():
    """A 204 states no length (RFC 9110, section 8.6)."""
    assert b"Content-Length" not in serialize_head(Reply(204), closes=False)


def test_the_peer_decides_whether_the_connection_goes_on(fake):
    """Connection: close is obeyed, HTTP/1.0 closes unless it asks otherwise, and a client may just leave."""
    cases = [
        (b"HTTP/1.1\r\nConnection: close\r\n", True),
        (b"HTTP/1.1\r\nConnection: TE, Close\r\n", True),
        (b"HTTP/1.0\r\n", True),
        (b"HTTP/1.0\r\nConnection: Keep-Alive\r\n", False),
        (b"HTTP/1.1\r\n", False),
    ]
    for rest, closes in cases:
        with wire_to(fake.base_url) as wire:
            wire.send(b"GET / " + rest + HOST + b"\r\n")
            status, head, _ = wire.reply()
            assert (status, b"Connection: close" in head) == (401, closes)
            assert not closes or wire.is_ended()


def test_a_reply_to_head_has_no_body(fake):
    """The next reply begins where its head ends."""
    with wire_to(fake.storage_url) as wire:
        wire.send(b"".join(line + b" HTTP/1.1\r\n" + HOST + b"\r\n" for line in (b"HEAD /assets/x", b"GET /y")))
        assert [wire.head()[0], wire.reply()[0]] == [405, 404]


def test_an_absolute_target_is_taken_for_its_path():
    """A server must accept the form that is sent to proxies (RFC 9112, section 3.2.2)."""
    assert parse_head(b"GET http://x:1/a?b HTTP/1.1\r\nHost: x:1", "api").head.target == "/a?b"
    assert parse_head(b"\r\nGET HTTPS://x HTTP/1.1\r\nHost: x", "storage").head.target == "/"
    with pytest.raises(BadHead, match="request line"):
        parse_head(b"", "api")


@pytest.mark.parametrize("end", [b"a" * 65_000, b"a:" + b" " * 65_000 + b"\0", b"a:b\r\n" * 13_000 + b"\0"])
def test_a_head_is_read_in_a_time_that_grows_with_its_length(end):
    """No head of the greatest size sends the parser back and forth over it."""
    begin = time.process_time()
    with pytest.raises(BadHead, match="a header is malformed"):
        parse_head(b"GET / HTTP/1.1\r\n" + end, "api")
    assert time.process_time() - begin < 1


def test_who_waits_for_an_invitation_may_be_gone():
    """That is a body which ended, as any other."""
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours, pytest.raises(BodyCut):
        SizedBody(Stream(ours), 4, expects=True).read(4)


def test_a_reply_of_an_unknown_status_can_be_written():
    """Faults may use any."""
    assert serialize_head(Reply(599), closes=False) == b"HTTP/1.1 599 Unknown\r\nContent-Length: 0\r\n\r\n"


def test_a_lost_reply_is_the_end_of_the_connection(fake):
    """The event is accepted, and where its reply would be there is the end: FIN."""
    fake.faults.arm("event", faults.LoseReply())
    with wire_to(fake.base_url) as wire:
        wire.send(event(fake))
        assert wire.is_ended()
    assert len(fake.events) == 1


def test_a_lost_reply_is_an_end_also_while_the_body_still_comes(fake):
    """What the peer goes on to send turns the orderly end into no reset."""
    fake.faults.arm("put", faults.LoseReply())
    with wire_to(fake.storage_url) as wire:
        wire.send(put(fake, 30_000_000, size=...))
        wire.send(bytes(1_000_000))
        assert wire.is_ended()
        wire.send(bytes(1_000_000))
    assert fake.requests[-1].rule == "put.size-limit"


@pytest.mark.parametrize("fault", [faults.Reset(), faults.Reset(at=2), faults.LoseReply(reset=True)])
def test_a_reset_is_a_reset_on_the_wire(fake, fault):
    """The peer gets RST, not an orderly end."""
    fake.faults.arm("event", fault)
    with wire_to(fake.base_url) as wire:
        wire.send(event(fake))
        with pytest.raises(ConnectionResetError):
            wire.receive()


def test_a_truncated_reply_breaks_off_on_the_wire(fake):
    """The head and so many bytes of the body come, then the end."""
    fake.faults.arm("event", faults.TruncateReply(body_bytes=7))
    with wire_to(fake.base_url) as wire:
        wire.send(event(fake))
        status, head = wire.head()
        while wire.receive():
            pass
        assert (status, wire.buffer) == (202, b'{"statu')
        assert b"Content-Length: 65" in head


def test_a_delayed_reply_is_held_back_until_the_server_stops():
    """A long delay costs a test nothing: the end of the fake is the end of the connection."""
    with FakeFlowFlex() as fake:
        fake.faults.arm("event", faults.Delay(3600.0))
        wire = Wire(fake.base_url)
        wire.send(event(fake))
        while not fake.events:
            threading.Event().wait(0.001)
    assert wire.is_ended()
    wire.socket.close()


def test_a_short_delay_passes(fake):
    """The reply comes, later."""
    fake.faults.arm("event", faults.Delay(0.01))
    with wire_to(fake.base_url) as wire:
        wire.send(event(fake))
        assert wire.reply()[0] == 202
