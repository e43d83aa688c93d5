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
from typing import NamedTuple, Protocol

from flowflex_testing.engine.messages import Abort, BodyCut, BodyReader, Head, OriginName, Reply
from flowflex_testing.server.delivery import deliver

MAX_HEAD_BYTES = 65_536
MAX_HEADERS = 200
# Who has connected must have shaken hands within it.
HANDSHAKE_SECONDS = 10.0
# The first byte of whoever takes the port for one of https (RFC 8446, section 5.1).
_TLS_HANDSHAKE = b"\x16"
# Below 128 KiB, from where on malloc takes memory from the system, and gives it back, for each read anew.
_RECEIVE_BYTES = 122_880

# A short rest of a refused body is read and forgotten, so that the connection can be kept.
_FORGOTTEN_BYTES = 65_536
# At the end of a connection the peer may still be sending: it gets this long, or this much, to see what it was sent.
_LINGER_SECONDS = 2.0
_LINGER_BYTES = 67_108_864

# A head is held to its grammar (RFC 9112, sections 3 and 5) at one go: no folded lines, no stray CR, LF or NUL.
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_REQUEST_LINE = rf"({_NAME}) ([^\x00-\x20\x7f]++) HTTP/1\.([01])"
_HEAD = re.compile(rf"{_REQUEST_LINE}((?:\r\n{_NAME}:[^\r\n\0]*+)*+)")
# The form that is sent to proxies, which a server must take as well (RFC 9112, section 3.2.2).
_ABSOLUTE = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
_LENGTH = re.compile(r"[0-9]{1,15}", re.ASCII)
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
        """Return 1 to `size` bytes of a body; raises `BodyCut` where it ends too soon, by a reset as well."""
        if self._buffer:
            data = bytes(self._buffer[:size])
            del self._buffer[:size]
            return data
        try:
            data = self.sock.recv(min(size, _RECEIVE_BYTES))
        except OSError:
            raise BodyCut from None
        if not data:
            raise BodyCut
        return data

    def invite(self) -> None:
        """Tell a peer that holds its body back to send it."""
        try:
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        except OSError:
            raise BodyCut from None

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
            if self._buffer.startswith(_TLS_HANDSHAKE):  # and no line would ever end
                raise BadHead(400, "this is TLS, and here is plain http: begin the address with http://")
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
            self._stream.invite()
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
            self._stream.invite()
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
        size = self._line().partition(b";")[0].strip(b" \t")
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", size):
            raise BodyCut
        return int(size, 16)

    def _line(self) -> bytes:
        try:
            line = self._stream.read_until(b"\r\n", 4_096)
        except (BadHead, OSError):
            line = None
        if line is None:
            raise BodyCut
        return line


class _Origin(Protocol):
    """What a connection wants of the server that accepted it."""

    origin: OriginName
    tls: ssl.SSLContext | None
    stopping: threading.Event
    busy: set[threading.Thread]

    def track(self, sock: socket.socket) -> None: ...

    def ends(self) -> bool: ...

    def resets(self) -> bool: ...

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
        if self._origin.resets():
            self._reset(sock)
            sock.close()
            return
        try:
            # The handshake belongs here: in the accepting thread one silent peer would hold up all others.
            if self._origin.tls is not None:
                sock = self._origin.tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
                self._origin.track(sock)
                sock.settimeout(HANDSHAKE_SECONDS)
                sock.do_handshake()
                sock.settimeout(None)
            stream = Stream(sock)
            while self._serve_one(stream):
                self._origin.busy.discard(threading.current_thread())
                if self._origin.ends():  # after that: whoever is not busy then is ended by the origin
                    break
        except OSError:
            pass  # the peer is gone, or the server stops
        finally:
            sock.close()

    def _serve_one(self, stream: Stream) -> bool:
        """Read a request and answer it; return whether the connection goes on."""
        sock = stream.sock
        try:
            raw = stream.read_until(b"\r\n\r\n", MAX_HEAD_BYTES)
            if raw is None:
                return False
            head, length, expects, keeps_alive = parse_head(raw, self._origin.origin)
        except BadHead as error:
            self._send(sock, Reply(error.status, (("Content-Type", "text/plain"),), str(error).encode()), True)
            self._say_goodbye(sock)
            self._linger(sock)
            return False
        self._origin.busy.add(threading.current_thread())
        body = ChunkedBody(stream, expects) if length is None else SizedBody(stream, length, expects)
        outcome = self._origin.answer(head, body)
        if isinstance(outcome, Abort):
            self._abort(sock, outcome)
            return False
        forgets = body.may_be_forgotten()
        closes = not keeps_alive or not forgets or self._origin.ends()
        if not self._send(sock, outcome, closes, is_head=head.method == "HEAD"):
            return False
        if forgets:
            with contextlib.suppress(BodyCut):
                while body.read(_RECEIVE_BYTES):
                    pass
        if closes:
            self._say_goodbye(sock)
            if not forgets:
                self._linger(sock)
        return not closes

    def _send(self, sock: socket.socket, reply: Reply, closes: bool, *, is_head: bool = False) -> bool:
        """Send a reply; return False where the server was stopped before all of it was out."""
        head, body = serialize_head(reply, closes), b"" if is_head else reply.body
        if reply.manner is not None:
            return deliver(sock, head, body, reply.manner, self._origin.stopping)
        sock.sendall(head + body)
        return True

    def _abort(self, sock: socket.socket, abort: Abort) -> None:
        if abort.begun is not None:
            sock.sendall(serialize_head(abort.begun, closes=True) + abort.begun.body[: abort.body_bytes])
        if abort.reset:
            self._reset(sock)
        else:
            self._linger(sock)

    @staticmethod
    def _reset(sock: socket.socket) -> None:
        # Lingering for no time at all makes the close a reset.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    @staticmethod
    def _say_goodbye(sock: socket.socket) -> None:
        """Let the peer know under TLS that nothing was cut off; whether it says so too is not waited for."""
        if isinstance(sock, ssl.SSLSocket):
            sock.setblocking(False)
            with contextlib.suppress(OSError):
                sock.unwrap()

    @staticmethod
    def _linger(sock: socket.socket) -> None:
        """Say that nothing more comes, and let the peer finish: a close while its bytes arrive would be a reset."""
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


class Incoming(NamedTuple):
    """A head, and what it says about the body and the connection.

    Attributes:
        head: For the fake.
        length: Of the body; None where it comes in chunks.
        expects: Whether the peer waits for "100 Continue" before it sends the body (RFC 9110, section 10.1.1).
        keeps_alive: Whether the peer wants the connection to go on.
    """

    head: Head
    length: int | None
    expects: bool
    keeps_alive: bool


def parse_head(raw: bytes, origin: OriginName) -> Incoming:
    """Read a head, without its final empty line; raises `BadHead`."""
    text = raw.lstrip(b"\r\n").decode("latin-1")
    match = _HEAD.fullmatch(text)
    if match is None:
        is_line = re.match(rf"{_REQUEST_LINE}(?:\r\n|\Z)", text)
        raise BadHead(400, "a header is malformed" if is_line else "the request line is not HTTP/1.1")
    method, target, version, rest = match.groups()
    lines = rest.split("\r\n")
    del lines[0]
    if len(lines) > MAX_HEADERS:
        raise BadHead(431, "there are too many headers")
    headers: list[tuple[str, str]] = []
    for line in lines:
        name, _, value = line.partition(":")
        headers.append((name.lower(), value.strip(" \t")))
    fields = dict(headers)
    hosts = sum(name == "host" for name, _ in headers)
    if hosts > 1 or (hosts < 1 and version == "1"):  # HTTP/1.0 knows none (RFC 9112, section 3.2)
        raise BadHead(400, "there is more than one Host" if hosts else "there is no Host")
    # The host in it would count for more than Host. It is dropped because nothing here goes by either name: one fake
    # answers whatever reaches its port. The one who looks at Host, the admin side, does so for browsers, and a website
    # cannot have a browser send this form.
    if absolute := _ABSOLUTE.match(target):
        target = target[absolute.end() :] or "/"
    wishes = fields.get("connection", "").lower().replace(" ", "").split(",")
    keeps_alive = "keep-alive" in wishes if version == "0" else "close" not in wishes
    expects = fields.get("expect", "").lower() == "100-continue"
    return Incoming(Head(origin, method, target, tuple(headers)), _length(headers, fields), expects, keeps_alive)


def _length(headers: list[tuple[str, str]], fields: dict[str, str]) -> int | None:
    """Return the length of the body; refuse what two readers could take for two lengths (RFC 9112, section 6.3)."""
    if "transfer-encoding" not in fields:
        if "content-length" not in fields:
            return 0
        lengths = [value for name, value in headers if name == "content-length"]
        if len(lengths) == 1 and _LENGTH.fullmatch(lengths[0]):
            return int(lengths[0])
    elif "content-length" not in fields:
        if [value.lower() for name, value in headers if name == "transfer-encoding"] == ["chunked"]:
            return None
        raise BadHead(501, "of transfer codings only chunked is known")
    raise BadHead(400, "the length of the body is told in no single way")


def serialize_head(reply: Reply, closes: bool) -> bytes:
    """Write the head of a reply."""
    lines = [f"HTTP/1.1 {reply.status} {_PHRASES.get(reply.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in reply.headers]
    if reply.status != HTTPStatus.NO_CONTENT:  # which may not have one (RFC 9110, section 8.6)
        lines.append(f"Content-Length: {len(reply.body)}")
    if closes:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
