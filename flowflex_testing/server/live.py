"""The live face: two origins, the API and storage, each on a port of its own, over werkzeug's threaded server.

The admin side of the fake, where it is given, stands beside the API, and can have a port of its own as well.

One thread accepts for both; each connection has a worker. Only the descriptors and threads that the process may have
bound them: behind a smaller bound, the idle connections of a test could keep its own next one waiting. `stop` closes
every socket and waits for every thread, so that a test leaves neither behind.
"""

import contextlib
import errno
import math
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from werkzeug.serving import ThreadedWSGIServer

from flowflex_core.address import AddressError, parse
from flowflex_testing.engine.messages import Abort, BodyReader, Head, OriginName, Reply
from flowflex_testing.server.connection import Connection
from flowflex_testing.server.tls import Authority

if TYPE_CHECKING:
    from flowflex_testing.inspector.admin import Admin

Handle = Callable[[Head, BodyReader], Reply | Abort]

# What listens at every address of the machine, and where it is found from there.
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - names, not a choice

_BACKLOG = 1_024
# How long the accepting thread rests where the process has no descriptor left.
_FULL_SECONDS = 0.05
_RECEIVE_BYTES = 4_096
_JOIN_SECONDS = 5.0


class Origin(ThreadedWSGIServer):
    """One listening socket and the workers of its connections.

    Attributes:
        origin: Which of the two it is.
        tls: The context of its handshakes; None for plain http.
        stopping: Set when workers are to end.
        draining: Set when workers are to end with the exchange that they are at.
        busy: The workers that are at one.
        errors: What the fake itself raised: a bug, told when the server stops.
        resets: Asked with each connection whether that one is to be reset.
    """

    def __init__(self, origin: OriginName, handle: Handle, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        # werkzeug prints and exits where it cannot bind; here that is an ordinary OSError.
        listener = _listen(host, port)
        with listener:
            super().__init__(host, port, _no_application, Connection, fd=listener.fileno())  # type: ignore[arg-type]
        self.origin: OriginName = origin
        self.tls = tls
        self.stopping = threading.Event()
        self.draining = threading.Event()
        self.busy: set[threading.Thread] = set()
        self.errors: list[Exception] = []
        self.resets: Callable[[], bool] = _never
        self._handle = handle
        self._lock = threading.Lock()
        # Held while the listening socket is replaced or accepts.
        self._port_lock = threading.Lock()
        self._refusing = threading.Event()
        self._workers: dict[threading.Thread, socket.socket] = {}

    @property
    def url(self) -> str:
        """The origin as a URL."""
        host = _EVERYWHERE.get(self.host, self.host)
        return self.url_by(f"[{host}]" if ":" in host else host)

    def url_by(self, host: str) -> str:
        """Return the origin as a URL for who knows its machine by another name or address; IPv6 in brackets."""
        return f"{'http' if self.tls is None else 'https'}://{host}:{self.port}"

    def answer(self, head: Head, body: BodyReader) -> Reply | Abort:
        """Ask the fake; an error in it is a 500 on the wire, and kept."""
        try:
            return self._handle(head, body)
        except Exception as error:
            self.errors.append(error)
            return Reply(500, (("Content-Type", "text/plain"),), b"the fake itself failed")

    def accept(self) -> None:
        """Take a waiting connection and give it a worker."""
        try:
            with self._port_lock:
                connection, address = self.get_request()
        except OSError as error:
            # Otherwise the peer is gone already. Who has no descriptor left lets connections wait until one is free.
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self.stopping.wait(_FULL_SECONDS)
            return
        connection.setblocking(True)  # some systems hand the listener's own mode on
        self.process_request(connection, address)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start the worker of a connection."""
        thread = threading.Thread(
            target=self._work, args=(request, client_address), name=f"fake-flowflex-{self.origin}", daemon=True
        )
        with self._lock:
            self._workers[thread] = request
        try:
            thread.start()
        except RuntimeError:  # the system has no more threads: this connection ends, and the others go on
            with self._lock:
                del self._workers[thread]
            request.close()

    def track(self, sock: socket.socket) -> None:
        """Know the connection of the calling worker by another socket object, TLS laid over it."""
        with self._lock:
            self._workers[threading.current_thread()] = sock
        if self.stopping.is_set():  # and the other object may be the one that was shut down
            raise ConnectionAbortedError

    def ends(self) -> bool:
        """Tell whether a connection is to end with the exchange that is under way on it."""
        return self.draining.is_set() or self.refuses()

    def refuses(self) -> bool:
        """Tell whether the port is closed."""
        return self._refusing.is_set()

    def close_port(self) -> None:
        """Have the port not listen, and end every connection with the exchange that is under way on it."""
        with self._port_lock:
            if self.refuses():
                return
            self._refusing.set()
            self.socket.close()
            # Bound and deaf, it is no other server's; nor is it given to a client as its own port, which the system
            # would then connect to itself.
            self.socket = _bound(self.host, self.port)
        self.end_idle()

    def open_port(self) -> None:
        """Have the port listen again."""
        with self._port_lock:
            if self.refuses():
                self.socket.listen(_BACKLOG)
                self._refusing.clear()

    def end_idle(self) -> None:
        """End every connection on which no exchange is under way."""
        with self._lock:
            idle = [sock for thread, sock in self._workers.items() if thread not in self.busy]
        for sock in idle:
            with contextlib.suppress(OSError):
                # What has arrived can still be read, and answered.
                socket.socket.shutdown(sock, socket.SHUT_RD)

    def wait_for_workers(self, until: float) -> None:
        """Wait until every connection is closed, or it is `until` by `time.monotonic`."""
        with self._lock:
            workers = list(self._workers)
        for thread in workers:
            thread.join(max(0.0, until - time.monotonic()))

    def stop(self) -> None:
        """Close the listening socket and every connection, and wait for the workers."""
        self.server_close()
        self.stopping.set()
        with self._lock:
            workers = dict(self._workers)
        for sock in workers.values():
            with contextlib.suppress(OSError):
                # On the bare socket: a TLS shutdown would wait for the peer.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in workers:
            thread.join(_JOIN_SECONDS)

    def _work(self, request: Any, client_address: Any) -> None:
        try:
            self.process_request_thread(request, client_address)
        finally:
            self.busy.discard(threading.current_thread())
            with self._lock:
                del self._workers[threading.current_thread()]


class LiveServer:
    """Both origins, and the thread that accepts their connections.

    Args:
        handle: Answers what is for FlowFlex.
        host: Where all ports are.
        port: The port of the API; 0 is a free one.
        tls: Whether to serve https, with an authority of its own, or a context to do it with.
        storage_port: The port of storage; 0 is a free one.
        admin: The admin side, to stand beside the API.
        inspector_port: A further port, for the admin side alone; 0 is a free one.
    """

    def __init__(
        self,
        handle: Handle,
        *,
        host: str,
        port: int,
        tls: bool | ssl.SSLContext,
        storage_port: int = 0,
        admin: "Admin | None" = None,
        inspector_port: int | None = None,
    ) -> None:
        authority = Authority(host) if tls is True else None
        context = authority.server_context if authority is not None else tls or None
        assert context is not True
        self.ca_pem = None if authority is None else authority.ca_pem
        # To other machines, an upload URL with the loopback address would lead to themselves.
        for_api = self._leading_back(handle) if host in _EVERYWHERE else handle
        beside_api = for_api if admin is None else admin.beside(for_api)
        self._origins: list[Origin] = []
        try:
            self._origins.append(Origin("api", beside_api, host, port, context))
            self._origins.append(Origin("storage", handle, host, storage_port, context))
            if admin is not None and inspector_port is not None:
                self._origins.append(Origin("api", admin.handle, host, inspector_port, context))
        except OSError:
            for origin in self._origins:
                origin.server_close()
            raise
        # What a fault plan wants to know of connections, and which ports it keeps closed until when.
        self.resets: Callable[[OriginName], bool] | None = None
        self._refusals: dict[int, tuple[Origin, float]] = {}
        self._refusals_lock = threading.Lock()
        for origin in self._origins[:2]:
            origin.resets = partial(self._resets, origin.origin)
        self._wakes, self._wake = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._watched: dict[Origin, socket.socket] = {}
        self._watch()
        self._selector.register(self._wakes, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._accept, name="fake-flowflex", daemon=True)

    @property
    def api_url(self) -> str:
        """The origin of the API."""
        return self._origins[0].url

    @property
    def storage_url(self) -> str:
        """The origin of storage."""
        return self._origins[1].url

    @property
    def inspector_url(self) -> str:
        """Where the admin side is alone, or else beside the API."""
        return self._origins[-1].url if len(self._origins) > 2 else self.api_url

    @property
    def ports(self) -> "LiveServer":
        """Itself: its ports are its own."""
        return self

    def refuse(self, key: int, origin: OriginName, seconds: float | None) -> None:
        """Have the port of `origin` not listen, for so long or until `listen` is called with the same key."""
        place = self._origins[0] if origin == "api" else self._origins[1]
        with self._refusals_lock:
            self._refusals[key] = (place, math.inf if seconds is None else time.monotonic() + seconds)
            place.close_port()
        self._rouse()

    def listen(self, key: int) -> None:
        """Have a port listen again, unless another key keeps it closed; nothing where it does."""
        with self._refusals_lock:
            if key not in self._refusals:
                return
            self._end_refusal(key)
        self._rouse()

    def start(self) -> None:
        """Begin to accept connections; they queue from before that."""
        self._thread.start()

    def drain(self, seconds: float) -> None:
        """Accept no more, and let exchanges under way end, for so long at the most; `stop` comes after it."""
        for origin in self._origins:
            origin.draining.set()  # first: who finds the port closed can rely on it
        self._end_accepting()
        for origin in self._origins:
            origin.server_close()
        for origin in self._origins:
            origin.end_idle()
        until = time.monotonic() + seconds
        for origin in self._origins:
            origin.wait_for_workers(until)

    def stop(self) -> None:
        """End everything; raises what the fake raised while it served."""
        self._end_accepting()
        self._selector.close()
        self._wakes.close()
        for origin in self._origins:
            origin.stop()
        errors = [error for origin in self._origins for error in origin.errors]
        if errors:
            raise RuntimeError(f"the fake itself failed: {errors[0]!r}") from errors[0]

    def _leading_back(self, handle: Handle) -> Handle:
        """Return `handle`, with upload URLs that lead to the host by which a client has found the API."""

        def answer(head: Head, body: BodyReader) -> Reply | Abort:
            host = _host_of(head)
            if host is not None:
                head = replace(head, storage_url=self._origins[1].url_by(host))
            return handle(head, body)

        return answer

    def _end_accepting(self) -> None:
        self._wake.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            ready = [key for key, _ in self._selector.select(self._seconds_to_opening())]
            for key in ready:
                if key.data is not None:
                    key.data.accept()
            is_roused = any(key.data is None for key in ready)
            if is_roused and not self._wakes.recv(_RECEIVE_BYTES):
                return
            if is_roused or self._refusals:
                self._open_ports()
                self._watch()

    def _rouse(self) -> None:
        """Have the accepting thread look at the ports anew."""
        with contextlib.suppress(OSError):  # it has ended already
            self._wake.send(b".")

    def _watch(self) -> None:
        with self._refusals_lock:
            listening = {origin: origin.socket for origin in self._origins if not origin.refuses()}
            for origin, listener in list(self._watched.items()):
                if listening.get(origin) is not listener:
                    self._selector.unregister(listener)
                    del self._watched[origin]
            for origin, listener in listening.items():
                if origin not in self._watched:
                    self._selector.register(listener, selectors.EVENT_READ, origin)
                    self._watched[origin] = listener

    def _seconds_to_opening(self) -> float | None:
        with self._refusals_lock:
            end = min((end for _, end in self._refusals.values()), default=math.inf)
        return None if end == math.inf else max(0.0, end - time.monotonic())

    def _open_ports(self) -> None:
        """Open the ports whose time has come."""
        now = time.monotonic()
        with self._refusals_lock:
            for key in [key for key, (_, end) in self._refusals.items() if end <= now]:
                self._end_refusal(key)

    def _end_refusal(self, key: int) -> None:
        """Open a port, unless another refusal keeps it closed; under the lock."""
        place, _ = self._refusals.pop(key)
        if all(other is not place for other, _ in self._refusals.values()):
            place.open_port()

    def _resets(self, origin: OriginName) -> bool:
        resets = self.resets
        return resets is not None and resets(origin)


def _host_of(head: Head) -> str | None:
    """Return the name or address in the Host of a request; None where it is neither."""
    try:
        address = parse(f"http://{dict(head.headers).get('host', '')}")
    except AddressError:
        return None
    return None if address.path or address.query is not None else address.host


def _listen(host: str, port: int) -> socket.socket:
    listener = _bound(host, port)
    try:
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        # A connection may be gone between select and accept, which must not block then.
        bound.setblocking(False)
    except BaseException:
        bound.close()
        raise
    return bound


def _never() -> bool:
    return False


def _no_application(_environ: object, _start_response: object) -> list[bytes]:
    """Stand where werkzeug wants a WSGI application: `Connection` asks the fake itself."""
    raise NotImplementedError
