"""The mounted face: a fake served by a pytest-httpserver of somebody else's, beside the expectations that stand there.

    fake = FakeFlowFlex()
    mount(fake, httpserver, "/flowflex")
    FlowFlex(**fake.client_options).send_event("order.placed")
    fake.stop()

The API lies under the path, storage under the same with `-storage` behind it: two paths of one server that the fake
sees as two origins. All else goes to the expectations, of which the fake is none: it stands neither in the server's log
nor in what `httpserver.check()` finds.

A request for the fake is taken over after its first line, before it becomes one of WSGI, which decodes its path and
folds its headers. So the fake sees the head as it came, reads of the body what it wants, and cuts where a fault says.
"""

import contextlib
import re
import socket
import struct
import threading
import time
from typing import ClassVar, Protocol, cast

from pytest_httpserver import HTTPServer
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler

from flowflex_testing.engine.messages import Abort, Manner, OriginName, Reply
from flowflex_testing.fake import FakeFlowFlex
from flowflex_testing.server.connection import (
    MAX_HEAD_BYTES,
    BadHead,
    ChunkedBody,
    SizedBody,
    Stream,
    parse_head,
    serialize_head,
)
from flowflex_testing.server.delivery import deliver
from flowflex_testing.server.guard import Guard

_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)+", re.ASCII)
_ABSOLUTE = re.compile(rb"https?://[^/?#]*", re.IGNORECASE)

_RECEIVE_BYTES = 262_144
# The peer may still be sending when it is refused: it gets this long, or this much, to see that.
_LINGER_SECONDS = 2.0
_LINGER_BYTES = 67_108_864


def mount(fake: FakeFlowFlex, httpserver: HTTPServer, path: str = "/flowflex") -> None:
    """Serve `fake` on a running `httpserver`; `fake.stop()` leaves the server as it was.

    Raises:
        ValueError: The path is none, or is taken.
    """
    # Clients leave out an /api at the end, and dot segments.
    if not _PATH.fullmatch(path) or path.endswith("/api") or {".", ".."}.intersection(path.split("/")):
        raise ValueError(f"path is like /flowflex, without a slash or /api at its end, not {path!r}")
    if httpserver.server is None:
        raise RuntimeError("the httpserver is not running")
    face = MountedFace(httpserver.server, httpserver.url_for(path), path, Guard(fake.handle))
    try:
        fake.serve_through(face)
    except BaseException:
        face.stop()
        raise


class MountedFace:
    """Takes what is sent to two paths of a server."""

    # Whoever made the server has its certificate, and its port.
    ca_pem = None
    ports = None

    def __init__(self, server: BaseWSGIServer, url: str, path: str, guard: Guard) -> None:
        self.api_url = url
        self.storage_url = f"{url}-storage"
        self.guard = guard
        self.stopping = threading.Event()
        self._server = server
        handler = _handler_of(server)
        own: dict[bytes, tuple[MountedFace, OriginName]] = {
            path.encode(): (self, "api"),
            f"{path}-storage".encode(): (self, "storage"),
        }
        if not handler.places.keys().isdisjoint(own):
            raise ValueError(f"a fake is mounted at {path} already")
        # Replaced and not changed: a worker may be looking at them.
        handler.places = {**handler.places, **own}

    def stop(self) -> None:
        """Give the paths back; raise what the fake itself raised."""
        self.stopping.set()
        handler = _handler_of(self._server)
        handler.places = {place: found for place, found in handler.places.items() if found[0] is not self}
        if not handler.places:
            self._server.RequestHandlerClass = handler.plain
        self.guard.check()


class _MountedHandler(WSGIRequestHandler):
    """Reads the first line of each request, and takes over those that are for a mounted fake."""

    plain: ClassVar[type[WSGIRequestHandler]]
    places: ClassVar[dict[bytes, tuple[MountedFace, OriginName]]]

    def parse_request(self) -> bool:
        """Return whether the request is left to the expectations."""
        method, _, rest = self.raw_requestline.partition(b" ")
        target, _, version = rest.partition(b" ")
        path = _ABSOLUTE.sub(b"", target, 1)
        for place, (face, origin) in self.places.items():
            if path.startswith(place) and path[len(place) : len(place) + 1] in (b"", b"/", b"?"):
                below = path[len(place) :]
                first_line = b" ".join((method, below if below.startswith(b"/") else b"/" + below, version))
                with contextlib.suppress(OSError):  # the peer is gone
                    self._serve(face, origin, first_line)
                # As for an expectation: other clients wait while one keeps a server that has a single thread.
                self.close_connection = True
                return False
        return super().parse_request()

    def _serve(self, face: MountedFace, origin: OriginName, first_line: bytes) -> None:
        sock: socket.socket = self.connection
        source = _Source(first_line, cast("_Buffered", self.rfile), sock)
        stream = Stream(cast("socket.socket", source))
        try:
            raw = stream.read_until(b"\r\n\r\n", MAX_HEAD_BYTES)
            if raw is None:
                return
            head, length, expects, _ = parse_head(raw, origin)
        except BadHead as error:
            sock.sendall(_bytes(Reply(error.status, (("Content-Type", "text/plain"),), str(error).encode())))
            _linger(sock, source)
            return
        body = ChunkedBody(stream, expects) if length is None else SizedBody(stream, length, expects)
        outcome = face.guard.answer(head, body)
        if isinstance(outcome, Abort):
            if outcome.begun is not None:
                sock.sendall(_bytes(outcome.begun, outcome.body_bytes))
            if outcome.reset:
                _reset(sock)
                return
        else:
            content = b"" if head.method == "HEAD" else outcome.body
            deliver(sock, serialize_head(outcome, closes=True), content, outcome.manner or Manner(), face.stopping)
        # Behind a body that was read nothing more comes, and the server closes.
        is_read = not body.remaining if isinstance(body, SizedBody) else body.may_be_forgotten()
        if not is_read:
            _linger(sock, source)


def _handler_of(server: BaseWSGIServer) -> type[_MountedHandler]:
    """Return the class that handles the requests of a server, made to look for mounted fakes."""
    plain = cast("type[WSGIRequestHandler]", server.RequestHandlerClass)
    if issubclass(plain, _MountedHandler):
        return plain
    made = type("MountedHandler", (_MountedHandler, plain), {"plain": plain, "places": {}})
    server.RequestHandlerClass = made
    return cast("type[_MountedHandler]", made)


class _Buffered(Protocol):
    """The one method of a buffered reader that is needed of the server's."""

    def read1(self, size: int, /) -> bytes: ...


class _Source:
    """What `Stream` wants of a socket, with what the server has read of it already."""

    def __init__(self, first_line: bytes, rest: _Buffered, sock: socket.socket) -> None:
        self._first_line = first_line
        self._rest = rest
        self.sendall = sock.sendall

    def recv(self, size: int) -> bytes:
        """Return the next bytes, `b""` at the end."""
        first_line, self._first_line = self._first_line, b""
        return first_line or self._rest.read1(size)


def _bytes(reply: Reply, body_bytes: int | None = None) -> bytes:
    return serialize_head(reply, closes=True) + reply.body[:body_bytes]


def _reset(sock: socket.socket) -> None:
    # Lingering for no time at all makes the close a reset; and it is closed here, for the server says FIN before.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    socket.close(sock.detach())


def _linger(sock: socket.socket, source: _Source) -> None:
    """Say that nothing more comes, and let the peer finish: a close while its bytes arrive would be a reset."""
    socket.socket.shutdown(sock, socket.SHUT_WR)
    end = time.monotonic() + _LINGER_SECONDS
    left = _LINGER_BYTES
    while left > 0 and (seconds := end - time.monotonic()) > 0:
        sock.settimeout(seconds)
        data = source.recv(_RECEIVE_BYTES)
        if not data:
            return
        left -= len(data)
