"""One connection of the live face: HTTP/1.1 over a socket, as little of it as a server must speak.

Heads go to the fake as they came, the target byte for byte; bodies are read only as far as the fake wants them. A
connection is kept alive until its peer closes it, unless a body was left unread.
"""

import contextlib
import re
import socket
import socketserver
import ssl
import struct
import threading
import time
from http import HTTPStatus
from typing import Protocol

from flowflex_testing.messages import Abort, BodyCut, BodyReader, Head, OriginName, Reply

MAX_HEAD_BYTES = 65_536
MAX_HEADERS = 200
_RECEIVE_BYTES = 262_144

# A short rest of a refused body is read and forgotten, so that the connection can be kept.
_FORGOTTEN_BYTES = 65_536
# After an early refusal the peer may still be sending: it gets this long, or this much, to see the reply. A close
# while its bytes arrive would be a reset, which can take the reply away from it.
_LINGER_SECONDS = 2.0
_LINGER_BYTES = 67_108_864

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) HTTP/1\.([01])")
_ABSOLUTE = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class BadHead(Exception):
    """A head that is not HTTP/1.1; the status says how bad it is."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Stream:
    """The bytes that arrive on a socket, with what was read too far kept for later."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._buffer = bytearray()

    def read(self, size: int) -> bytes:
        """Return 1 to `size` bytes; raises `BodyCut` at the end."""
        if self._buffer:
            data = bytes(self._buffer[:size])
            del self._buffer[:size]
            return data
        data = self.sock.recv(size)
        if not data:
            raise BodyCut
        return data

    def read_until(self, end: bytes, limit: int) -> bytes | None:
        """Return the bytes before `end`, at most `limit`, and step over it; None where nothing more comes."""
        start = 0
        while (found := self._buffer.find(end, start, limit + len(end))) < 0:
            if len(self._buffer) >= limit + len(end):
                raise BadHead(431, "the head is too long")
            start = max(0, len(self._buffer) - len(end) + 1)
            data = self.sock.recv(_RECEIVE_BYTES)
            if not data:
                return None
            self._buffer += data
        line = bytes(self._buffer[:found])
        del self._buffer[: found + len(end)]
        return line


class SizedBody:
    """A body whose length the head tells; nothing after it is ever touched."""

    def __init__(self, stream: Stream, length: int, expects: bool) -> None:
        self.remaining = length
        # Whether the peer waits for "100 Continue" before it sends the body (RFC 9110, section 10.1.1).
        self.expects = expects and length > 0
        self._stream = stream

    def read(self, size: int) -> bytes:
        """Read on; `b""` at the end."""
        if not self.remaining:
            return b""
        if self.expects:
            self.expects = False
            self._stream.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        data = self._stream.read(min(size, self.remaining))
        self.remaining -= len(data)
        return data

    def may_be_forgotten(self) -> bool:
        """Tell whether what is left is so little that it is read for the sake of the connection."""
        return not self.expects and self.remaining <= _FORGOTTEN_BYTES


class ChunkedBody:
    """A body in chunks (RFC 9112, section 7.1)."""

    def __init__(self, stream: Stream, expects: bool) -> None:
        self.expects = expects
        self._stream = stream
        self._left_of_chunk = 0
        self._ended = False

    def read(self, size: int) -> bytes:
        """Read on; `b""` at the end."""
        if self._ended:
            return b""
        if self.expects:
            self.expects = False
            self._stream.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not self._left_of_chunk:
            self._left_of_chunk = self._next_size()
            if not self._left_of_chunk:
                self._ended = True
                while self._line():
                    pass  # trailers mean nothing here
                return b""
        data = self._stream.read(min(size, self._left_of_chunk))
        self._left_of_chunk -= len(data)
        if not self._left_of_chunk and self._line() != b"":
            raise BodyCut
        return data

    def may_be_forgotten(self) -> bool:
        """Tell whether the end has been read: otherwise nobody knows how much is left."""
        return self._ended

    def _next_size(self) -> int:
        size = self._line().partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", size):
            raise BodyCut
        return int(size, 16)

    def _line(self) -> bytes:
        try:
            line = self._stream.read_until(b"\r\n", 4_096)
        except BadHead:
            line = None
        if line is None:
            raise BodyCut
        return line


class _Origin(Protocol):
    """What a connection wants of the server that accepted it."""

    origin: OriginName
    tls: ssl.SSLContext | None
    stopping: threading.Event

    def track(self, sock: socket.socket) -> None: ...

    def answer(self, head: Head, body: BodyReader) -> Reply | Abort: ...


class Connection(socketserver.BaseRequestHandler):
    """Serves one accepted socket until its end, in a thread of its own."""

    @property
    def _origin(self) -> _Origin:
        return self.server  # type: ignore[return-value]  # pyright: ignore[reportReturnType]

    def handle(self) -> None:
        """Serve one request after the other."""
        sock: socket.socket = self.request
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            # The handshake belongs here: in the accepting thread one silent peer would hold up all others.
            if self._origin.tls is not None:
                sock = self._origin.tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
                self._origin.track(sock)
                sock.do_handshake()
            stream = Stream(sock)
            while self._serve_one(stream):
                pass
        except OSError:
            pass  # the peer is gone, or the server stops
        finally:
            sock.close()

    def _serve_one(self, stream: Stream) -> bool:
        """Read a request and answer it; return whether the connection goes on."""
        try:
            raw = stream.read_until(b"\r\n\r\n", MAX_HEAD_BYTES)
            if raw is None:
                return False
            head, keeps_alive = parse_head(raw, self._origin.origin)
            fields = dict(head.headers)
            expects = fields.get("expect", "").lower() == "100-continue"
            if "transfer-encoding" in fields:
                body: SizedBody | ChunkedBody = ChunkedBody(stream, expects)
            else:
                body = SizedBody(stream, int(fields.get("content-length", "0")), expects)
        except BadHead as error:
            self._send(stream.sock, Reply(error.status, (("Content-Type", "text/plain"),), str(error).encode()), True)
            self._linger(stream.sock)
            return False
        outcome = self._origin.answer(head, body)
        if isinstance(outcome, Abort):
            self._abort(stream.sock, outcome)
            return False
        if outcome.delay and self._origin.stopping.wait(outcome.delay):
            return False
        forgets = body.may_be_forgotten()
        closes = not keeps_alive or not forgets
        self._send(stream.sock, outcome, closes, is_head=head.method == "HEAD")
        if not forgets:
            self._linger(stream.sock)
        if closes:
            return False
        with contextlib.suppress(BodyCut):
            while body.read(_RECEIVE_BYTES):
                pass
        return True

    @staticmethod
    def _send(sock: socket.socket, reply: Reply, closes: bool, *, is_head: bool = False) -> None:
        sock.sendall(serialize_head(reply, closes) + (b"" if is_head else reply.body))

    @staticmethod
    def _abort(sock: socket.socket, abort: Abort) -> None:
        if abort.begun is not None:
            sock.sendall(serialize_head(abort.begun, closes=True) + abort.begun.body[: abort.body_bytes])
        if abort.reset:
            # Lingering for no time at all makes the close a reset.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    @staticmethod
    def _linger(sock: socket.socket) -> None:
        """Say that nothing more comes, and let the peer finish."""
        # On the bare socket, under TLS as well: what still arrives is nobody's.
        socket.socket.shutdown(sock, socket.SHUT_WR)
        end = time.monotonic() + _LINGER_SECONDS
        left = _LINGER_BYTES
        while left > 0 and (seconds := end - time.monotonic()) > 0:
            sock.settimeout(seconds)
            data = socket.socket.recv(sock, _RECEIVE_BYTES)
            if not data:
                return
            left -= len(data)


def parse_head(raw: bytes, origin: str) -> tuple[Head, bool]:
    """Read a head, without its final empty line; return it, and whether the peer keeps the connection."""
    lines = raw.lstrip(b"\r\n").split(b"\r\n")
    match = _REQUEST_LINE.fullmatch(lines[0])
    if match is None:
        raise BadHead(400, "the request line is not HTTP/1.1")
    if len(lines) > MAX_HEADERS:
        raise BadHead(431, "there are too many headers")
    headers: list[tuple[str, str]] = []
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if not colon or _TOKEN.fullmatch(name) is None or b"\n" in value or b"\r" in value or b"\0" in value:
            raise BadHead(400, "a header is malformed")
        headers.append((name.decode("ascii").lower(), value.strip(b" \t").decode("latin-1")))
    _check_framing(headers)
    target = match[2].decode("latin-1")
    absolute = _ABSOLUTE.match(target)
    if absolute is not None:
        target = target[absolute.end() :] or "/"
    connection = dict(headers).get("connection", "").lower()
    keeps_alive = connection == "keep-alive" if match[3] == b"0" else connection != "close"
    return Head("api" if origin == "api" else "storage", match[1].decode("ascii"), target, tuple(headers)), keeps_alive


def _check_framing(headers: list[tuple[str, str]]) -> None:
    """Refuse whatever two readers could take for bodies of two lengths (RFC 9112, section 6.3)."""
    lengths = [value for name, value in headers if name == "content-length"]
    codings = [value for name, value in headers if name == "transfer-encoding"]
    if lengths and (len(lengths) > 1 or codings or not re.fullmatch(r"[0-9]{1,15}", lengths[0], re.ASCII)):
        raise BadHead(400, "the length of the body is told in no single way")
    if codings and [coding.lower() for coding in codings] != ["chunked"]:
        raise BadHead(501, "of transfer codings only chunked is known")


def serialize_head(reply: Reply, closes: bool) -> bytes:
    """Write the head of a reply."""
    lines = [f"HTTP/1.1 {reply.status} {_PHRASES.get(reply.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in reply.headers]
    lines.append(f"Content-Length: {len(reply.body)}")
    if closes:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
