"""Bytes that are nearly HTTP: both transports read them alike, or refuse them, in bounded time and memory."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from queue import SimpleQueue

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from flowflex_core import MAX_REPLY_BYTES, Failure, Request, Response
from flowflex_transports.sync.transport import Urllib3Transport
from flowflex_transports.trio.transport import TrioTransport
from tests.fuzzing.effort import fuzz, memory_under

pytestmark = pytest.mark.slow  # many examples

PARTS = [
    *(
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.0 200\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 204 \r\n",
        b"HTTP/1.1 ",
        b"HTTP/2.0 102 Processing\r\n\r\n",
    ),
    *(b"Content-Length: 3\r\n", b"Content-Length: 99999999999\r\n", b"content-length:0\r\n", b"Content-Length: "),
    *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n", b"Connection: close\r\n"),
    *(b"X: y\r\n", b" folded\r\n", b"Upgrade: h2c\r\n", b"\r\n", b"\n", b"\r", b"\x00", b":", b"\t", b"\xff"),
    *(
        b"3\r\nabc\r\n",
        b"0\r\n\r\n",
        b"0\r\nT: t\r\n\r\n",
        b"ffffffff\r\n",
        b"FFFFFFFFFFFFFFFFFFFF\r\n",
        b"-1\r\n",
        b"3;a=b\r\n",
    ),
    *(b"abc", b"A: " + b"b" * 70_000 + b"\r\n", b"c" * 5_000, b"X: y\r\n" * 500),
]
WHOLE = [
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3;x=y\r\ndef\r\n0\r\nT: t\r\n\r\n",
    b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    b"HTTP/1.0 500 \r\n\r\nto the end",
]
pieces = st.sampled_from(PARTS) | st.binary(max_size=6)


@st.composite
def nearly_whole(draw: st.DrawFn) -> bytes:
    """Change a reply in up to three places."""
    reply = draw(st.sampled_from(WHOLE))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(reply)))
        reply = reply[:at] + draw(pieces) + reply[at + draw(st.integers(0, 12)) :]
    return reply


class Bytes(bytes):
    """Shown by their beginning and end."""

    def __repr__(self) -> str:
        whole = bytes(self)
        return repr(whole) if len(self) < 1_000 else f"{whole[:500]!r} ... {whole[-400:]!r} ({len(self)} bytes)"


class Peer:
    """A server that answers each connection with the bytes that it is given, and closes."""

    def __init__(self) -> None:
        self.replies: SimpleQueue[bytes] = SimpleQueue()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            # Who has read enough of a reply closes with some of it unread, which resets the connection.
            with connection, suppress(OSError):
                if b"\r\n\r\n" not in connection.recv(65_536):
                    return
                connection.sendall(self.replies.get())
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65_536):
                    pass

    def close(self) -> None:
        socket.create_connection(self._listener.getsockname()).close()
        self._thread.join()
        self._listener.close()


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.close()


def told(outcome: Response | Failure) -> tuple[int, bytes] | str:
    return outcome.kind if isinstance(outcome, Failure) else (outcome.status, outcome.body)


@fuzz(150)
@given((st.lists(pieces, max_size=8).map(b"".join) | nearly_whole()).map(Bytes))
def test_any_bytes_are_a_reply_or_a_failure_to_both_transports(peer: Peer, reply: bytes) -> None:
    """No exception, no wait for what never comes, little memory; and what one takes, the other takes alike."""
    request = Request("event/1", "POST", peer.url, {"User-Agent": "test"}, b"", 5.0, 5.0)

    async def in_trio() -> Response | Failure:
        transport = TrioTransport(trust_environment=False)
        peer.replies.put(reply)
        outcome = await transport.perform(request, b"")
        await transport.aclose()
        return outcome

    blocking = Urllib3Transport(trust_environment=False)
    with memory_under(8 * MAX_REPLY_BYTES):
        peer.replies.put(reply)
        first = told(blocking.perform(request, b""))
        blocking.close()
    # For each byte of a reason phrase h11 takes three hundred, up to the 262,144 bytes that a head may have.
    with memory_under(90 * MAX_REPLY_BYTES):
        second = told(trio.run(in_trio))
    assert {first, second} & {"timeout", "source", "tls", "proxy"} == set()
    if isinstance(first, str):
        assert isinstance(second, str)
    else:
        assert second == first
