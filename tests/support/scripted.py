"""A raw server on a real socket that plays a script on each connection, in threads: for blocking clients.

    with ScriptedServer(script, tls=None) as server:
        ... connect to server.host, server.port ...

A script is a function of a `Wire`. The first connection plays the first script, and so on; the last script is played
on every further connection. What a script raises, other than for a connection that the client ended, is raised when
the server is left.
"""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(frozen=True)
class ReceivedRequest:
    """A request as it stood on the wire; header names in lower case."""

    line: str
    headers: Mapping[str, str]
    header_names: tuple[str, ...]
    body: bytes

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]


class Wire:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket, server: "ScriptedServer") -> None:
        self._socket: socket.socket = sock
        # Else what was sent just before a close with bytes unread may never leave.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._server = server
        self._received = bytearray()
        self.closed_by_client = threading.Event()
        self.ending: type[Exception] | None = None  # how the client ended it, if not in good order

    def read_head(self) -> ReceivedRequest | None:
        """Read the head of a request; None where the client has ended the connection."""
        while b"\r\n\r\n" not in self._received:
            if not self._receive():
                return None
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        line, *lines = head.decode("latin-1").split("\r\n")
        pairs = [(name, value.strip()) for name, _, value in (text.partition(":") for text in lines)]
        return ReceivedRequest(
            line, {name.lower(): value for name, value in pairs}, tuple(name for name, _ in pairs), b""
        )

    def read_body(self, count: int) -> bytes:
        """Read `count` bytes, or what there is before the client ends the connection."""
        while len(self._received) < count and self._receive():
            pass
        body = bytes(self._received[:count])
        del self._received[:count]
        return body

    def read_request(self) -> ReceivedRequest | None:
        """Read a request whole, and keep it in `server.requests`; None where the client has ended the connection."""
        head = self.read_head()
        if head is None:
            return None
        body = self.read_body(int(head.headers.get("content-length", "0")))
        request = ReceivedRequest(head.line, head.headers, head.header_names, body)
        self._server.requests.append(request)
        return request

    def wait_for_end(self) -> None:
        """Read and drop whatever comes until the client ends the connection."""
        while self._receive():
            self._received.clear()

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self._socket.sendall(data)

    def drip(self, data: bytes, seconds: float) -> None:
        """Send one byte each `seconds`, until the client or the test ends it."""
        for position in range(len(data)):
            self._socket.sendall(data[position : position + 1])
            if self._server.stopping.wait(seconds):
                return

    def hold(self) -> None:
        """Say nothing more until the test is over."""
        self._server.stopping.wait()

    def reset(self) -> None:
        """End the connection with a RST."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """End the connection, under TLS without a word."""
        self._socket.close()

    def cut(self) -> None:
        """End the connection under the script that is using it."""
        with suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def say_goodbye(self) -> None:
        """End TLS in good order; the client need not answer."""
        assert isinstance(self._socket, ssl.SSLSocket)
        with suppress(OSError):
            self._socket.unwrap()

    def half_close(self) -> None:
        """End sending, and go on reading."""
        self._socket.shutdown(socket.SHUT_WR)

    def secure(self, context: ssl.SSLContext) -> None:
        """Go on under TLS."""
        self._socket = secured = context.wrap_socket(
            self._socket, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=False
        )
        secured.do_handshake()

    def relay(self, host: str, port: int) -> None:
        """Pass bytes to and fro between the client and another server, as a tunnel does."""
        with socket.create_connection((host, port)) as other:
            back = threading.Thread(target=_pump, args=(other, self._socket))
            back.start()
            _pump(self._socket, other)
            back.join()

    def _receive(self) -> bool:
        try:
            data = self._socket.recv(65_536)
        except (ConnectionError, ssl.SSLError) as error:
            data, self.ending = b"", type(error)
        if not data:
            self.closed_by_client.set()
            self._server.ended.release()
        self._received += data
        return bool(data)


Script = Callable[[Wire], object]


class ScriptedServer:
    """A server on a free port of 127.0.0.1.

    Attributes:
        requests: What `Wire.read_request` read, in order.
        connections: How many connections were made.
        ended: Released each time that a client's end of a connection was seen.
        stopping: Set when the test is over.
    """

    host = "127.0.0.1"

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None, receive_buffer: int | None = None) -> None:
        self._scripts = scripts
        self._tls = tls
        self._listener = socket.socket()
        if receive_buffer is not None:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._listener.bind((self.host, 0))
        self._listener.listen(64)
        self.port = int(self._listener.getsockname()[1])
        self._threads: list[threading.Thread] = []
        self._wires: list[Wire] = []
        self._errors: list[BaseException] = []
        self.requests: list[ReceivedRequest] = []
        self.connections = 0
        self.ended = threading.Semaphore(0)
        self.stopping = threading.Event()

    def url(self, target: str = "/", host: str = "127.0.0.1") -> str:
        """Return the URL of `target` here."""
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{target}"

    def __enter__(self) -> Self:
        self._threads.append(threading.Thread(target=self._accept))
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        for wire in self._wires:
            wire.cut()
        for thread in self._threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            script = self._scripts[min(self.connections, len(self._scripts) - 1)]
            self.connections += 1
            self._wires.append(Wire(sock, self))
            thread = threading.Thread(target=self._play, args=(self._wires[-1], script))
            self._threads.append(thread)
            thread.start()

    def _play(self, wire: Wire, script: Script) -> None:
        try:
            if self._tls is not None:
                wire.secure(self._tls)
            script(wire)
        except OSError:
            self.ended.release()
        except BaseException as error:
            self._errors.append(error)
        finally:
            wire.close()


def answering(reply: bytes = OK) -> Script:
    """Return a script that reads requests and answers each with `reply`."""

    def script(wire: Wire) -> None:
        while wire.read_request() is not None:
            wire.send(reply)

    return script


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
