"""A line to a peer: one socket, in the clear or under TLS, whose every wait is bounded.

The socket never blocks. Each time that it has to wait, in connecting, shaking hands, sending or receiving, the wait
is the longest silence allowed, or what is left of the whole attempt where that is less: a peer that lets single bytes
through cannot outlast the attempt. While it sends, the line also listens, since a server may answer before it has
read everything.
"""

import os
import re
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from urllib3.util import wait

from flowflex_core import FailureKind
from flowflex_transports.trouble import meaning

T = TypeVar("T")
S = TypeVar("S", bound=socket.socket)

_RECEIVE_BYTES = 65_536
# poll() takes no more than 24 days.
_LONGEST_SILENCE_SECONDS = 86_400.0

# A complete head of a 1xx reply; 101 would leave HTTP, and nobody asked for it.
_INTERIM = re.compile(rb"HTTP/1\.[01] 1(?!01)\d\d\b[^\n]*\n(?:[^\r\n][^\n]*\n)*\r?\n")
_MOST_INTERIM_BYTES = 65_536


class Trouble(Exception):
    """Why an attempt ends without a response."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind: FailureKind = kind
        self.message = message

    @classmethod
    def of(cls, error: OSError) -> "Trouble":
        """Say what the exception of a socket means."""
        return cls(*meaning(error))


class ReplyBegunError(Exception):
    """There is no point in sending on: a reply has begun, or the peer has stopped reading, for `trouble`."""

    def __init__(self, trouble: Trouble | None = None) -> None:
        super().__init__("the peer does not wait for the rest of the request")
        self.trouble = trouble


class Line:
    """A connected socket, which urllib3 writes requests to. One thread uses it; any may `abandon` it."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._received = bytearray()
        self._lock = threading.Lock()
        self._abandoned = False
        self.allow(0.0, 0.0)

    def allow(self, silence: float, total: float) -> None:
        """Begin an attempt: it may be silent for `silence` seconds, and end `total` seconds from now."""
        self._silence = min(silence, _LONGEST_SILENCE_SECONDS)
        self._total = total
        self._end = time.monotonic() + total

    # Opening

    def dial(self, host: str, port: int) -> None:
        """Connect to the first address of `host` that answers. Name resolution alone cannot be bounded."""
        try:
            addresses = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise Trouble.of(error if isinstance(error, OSError) else socket.gaierror()) from None
        left = len(addresses)
        while True:
            family, kind, protocol, _, address = addresses[-left]
            try:
                # One silent address must leave time for the others.
                return self._connect(family, kind, protocol, address, share=left)
            except (OSError, Trouble) as error:
                self.hang_up()
                left -= 1
                if not left:
                    raise Trouble.of(error) if isinstance(error, OSError) else error from None

    def _connect(self, family: int, kind: int, protocol: int, address: Any, share: int) -> None:
        with self._lock:
            sock = self._hold(socket.socket(family, kind, protocol))
        sock.setblocking(False)
        # Head and body leave in packets of their own, which Nagle's algorithm would hold back.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            sock.connect(address)
        except BlockingIOError:
            self._wait(write=True, share=share)
            problem = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if problem:
                raise OSError(problem, os.strerror(problem)) from None

    def secure(self, context: ssl.SSLContext, host: str) -> None:
        """Shake hands with `host`, whose certificate names it without brackets or a final dot."""
        try:
            with self._lock:
                secured = self._hold(
                    context.wrap_socket(
                        self._open_socket(),
                        server_hostname=host.strip("[]").removesuffix("."),
                        do_handshake_on_connect=False,
                        # A stream that ends without TLS's goodbye may have been cut by anybody on the way.
                        suppress_ragged_eofs=False,
                    )
                )
            self._patiently(secured.do_handshake)
        except OSError as error:
            raise Trouble.of(error) from None

    # Sending

    def sendall(self, data: "bytes | bytearray | memoryview") -> None:
        """Send everything.

        Raises:
            ReplyBegunError: The peer answered, or stopped reading, before everything was sent.
        """
        left = memoryview(data).cast("B")
        sock = self._open_socket()
        try:
            while left:
                self._seconds_left()
                if self._hears_reply():
                    raise ReplyBegunError
                try:
                    left = left[sock.send(left) :]
                    continue
                except ssl.SSLWantReadError:
                    write = False
                except (BlockingIOError, ssl.SSLWantWriteError):
                    write = True
                self._wait(read=True, write=write)
        except OSError as error:
            # What the peer said before it closed may still be there to be read.
            raise ReplyBegunError(Trouble.of(error)) from None

    def settimeout(self, seconds: object) -> None:
        """Do nothing: urllib3 asks for it, and `allow` sets the bounds."""

    # Receiving

    @property
    def has_unread(self) -> bool:
        """Whether bytes have been received that nobody has read."""
        return bool(self._received)

    def read(self, count: int) -> bytes:
        """Return `count` bytes; the end of the stream before that is trouble."""
        while len(self._received) < count:
            self._receive_more()
        return self._take(count)

    def readline(self, limit: int) -> bytes:
        """Return the bytes up to and with the next newline, or `limit` of them; the end before that is trouble."""
        searched = 0
        while (end := self._received.find(b"\n", searched, limit)) < 0 and len(self._received) < limit:
            searched = len(self._received)
            self._receive_more()
        return self._take(limit if end < 0 else end + 1)

    def read_to_end(self, limit: int) -> bytes:
        """Return the bytes up to the end of the stream, or `limit` of them."""
        while len(self._received) < limit and self._receive():
            pass
        return self._take(limit)

    def _take(self, count: int) -> bytes:
        taken = bytes(self._received[:count])
        del self._received[:count]
        return taken

    def _receive_more(self) -> None:
        if not self._receive():
            raise Trouble("connection", "the connection was closed before the reply was whole")

    def _receive(self) -> bool:
        """Wait for bytes, and return whether there were any before the end of the stream."""
        self._seconds_left()  # a peer whose bytes are always there is never waited for
        try:
            data = self._patiently(lambda: self._open_socket().recv(_RECEIVE_BYTES))
        except OSError as error:
            raise Trouble.of(error) from None
        self._received += data
        return bool(data)

    def _hears_reply(self) -> bool:
        """Return whether a final reply, or the end of the stream, has come in; waits for neither."""
        sock = self._open_socket()
        if not wait.wait_for_socket(sock, read=True, timeout=0.0):
            return False
        try:
            data = sock.recv(_RECEIVE_BYTES)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False  # under TLS not all that arrives is for us
        self._received += data
        return not data or _is_final(self._received)

    def is_quiet(self) -> bool:
        """Return whether the line is open, and the peer has neither closed it nor said anything unasked."""
        try:
            return bool(self._socket) and not self._received and not self._hears_reply() and not self._received
        except OSError:
            return False

    # Ending

    def abandon(self) -> None:
        """End whatever waits on this line, from any thread. The line is of no use afterwards."""
        with self._lock:
            self._abandoned = True
            if self._socket is not None:
                with suppress(OSError):
                    # Not SSLSocket.shutdown: it takes off TLS first, and a byte in between would go out in the clear.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def hang_up(self) -> None:
        """Close the socket."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None

    def let_go(self) -> None:
        """Close the descriptor that a forked process inherited, saying nothing to the peer, which is not ours."""
        inherited, self._socket = self._socket, None
        if inherited is not None:
            os.close(inherited.detach())

    def _hold(self, sock: S) -> S:
        """Take `sock` for the line's own, to be closed with it, also where nobody hangs up."""
        self._socket = sock
        # Not in __del__: within a cycle, that of the socket may come first, and warns.
        weakref.finalize(self, sock.close)
        return sock

    # Waiting

    def _open_socket(self) -> socket.socket:
        assert self._socket is not None, "a line is dialled first"
        return self._socket

    def _patiently(self, operation: Callable[[], T]) -> T:
        while True:
            try:
                return operation()
            except (BlockingIOError, ssl.SSLWantReadError):
                write = False
            except ssl.SSLWantWriteError:
                write = True
            # Not in a handler: a Ctrl-C that strikes the wait comes without the story of a socket that has no bytes.
            self._wait(read=not write, write=write)

    def _wait(self, *, read: bool = False, write: bool = False, share: int = 1) -> None:
        left = self._seconds_left()
        patience = min(self._silence, left) / share
        if wait.wait_for_socket(self._open_socket(), read=read, write=write, timeout=patience):
            return
        if left <= self._silence:
            raise self._out_of_time()
        raise Trouble("timeout", f"nothing happened for {patience:g} s")

    def _seconds_left(self) -> float:
        """Return how long the attempt may still take; no time left is trouble, as is a line that was abandoned."""
        if self._abandoned:
            raise Trouble("connection", "the request was abandoned")
        left = self._end - time.monotonic()
        if left <= 0:
            raise self._out_of_time()
        return left

    def _out_of_time(self) -> Trouble:
        return Trouble("timeout", f"not done within {self._total:g} s")


def _is_final(received: bytearray) -> bool:
    """Return whether more than interim replies, and the beginning of one, has been received."""
    rest = 0
    while interim := _INTERIM.match(received, rest):
        rest = interim.end()
    first_digit = bytes(received[rest + 9 : rest + 10])  # "HTTP/1.1 2"
    return len(received) > _MOST_INTERIM_BYTES or first_digit not in {b"", b"1"}
