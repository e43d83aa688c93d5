"""The other side of the wire: a peer on a loopback socket that follows a script, to the byte.

A script is a function of one `Line`, the peer's end of one connection; it runs in a thread of its own. It may be as
rude as it likes: fall silent, drip, reset, answer early. No script outlasts `PATIENCE`, so that a transport which
waits for ever fails its check instead of hanging it.
"""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from flowflex_testing.contract.violation import ContractViolation, require

# Seconds after which a peer that plays dead ends its part.
PATIENCE = 2.0
# Seconds between two bytes of a peer that drips: well below every `timeout` that the checks use.
DRIP = 0.04
# Small, so that a peer which does not read stops its sender after a few hundred kilobytes.
_RECEIVE_BUFFER = 65_536

# A certificate for 127.0.0.1 that nobody trusts, with its key. It is its own authority.
CERTIFICATE = Path(__file__).with_name("peer.pem")


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it stood on the wire; header names in lower case, nothing else changed."""

    line: int
    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes = field(repr=False)

    def values(self, name: bytes) -> list[bytes]:
        """List the values of the header `name`, in lower case."""
        return [value for key, value in self.headers if key == name]

    @property
    def is_chunked(self) -> bool:
        """Whether the body has no length of its own but ends with an empty chunk."""
        return bool(self.values(b"transfer-encoding"))


def reply(status: int, body: bytes = b"", *headers: str) -> bytes:
    """Write a reply with a Content-Length."""
    head = [f"HTTP/1.1 {status} Scripted", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


class Line:
    """The peer's end of one connection. What it is asked after the client hung up raises `EOFError` or `OSError`."""

    def __init__(self, number: int, connection: socket.socket, peer: "Peer") -> None:
        self.number = number
        self._socket = connection
        self._peer = peer
        self._buffer = bytearray()

    def request(self) -> Received:
        """Read the next request whole, and put it on the peer's record."""
        head = self.head()
        if head.is_chunked:
            body = self._until(b"0\r\n\r\n")
        else:
            lengths = head.values(b"content-length")
            numbers = all(map(bytes.isdigit, lengths))
            require(numbers, "the Content-Length is missing or wrong", expected="a number", seen=lengths)
            body = self._exactly(int(lengths[0]) if lengths else 0)
        received = Received(head.line, head.method, head.target, head.headers, body)
        self._peer.record(received)
        return received

    def head(self) -> Received:
        """Read the next request's head alone; no body byte is asked for, and nothing goes on record."""
        lines = self._until(b"\r\n\r\n")[:-4].split(b"\r\n")
        try:
            method, target, version = lines[0].split(b" ")
            fields = [line.split(b":", 1) for line in lines[1:]]
            headers = tuple((name.lower(), value.strip(b" \t")) for name, value in fields)
        except ValueError:
            raise ContractViolation(
                "what arrives at the peer is not an HTTP/1.1 request",
                expected="a request line and `Name: value` lines",
                seen=repr(bytes(lines[0])[:80]),
            ) from None
        # A proxy may be asked for a tunnel in HTTP/1.0, as http.client does in some versions.
        if version != b"HTTP/1.1" and method != b"CONNECT":
            raise ContractViolation("the request is not HTTP/1.1", expected="HTTP/1.1", seen=repr(version))
        return Received(self.number, method, target, headers, b"")

    def send(self, data: bytes) -> None:
        """Send `data` at once."""
        self._socket.sendall(data)

    def drip(self, pieces: Iterable[bytes]) -> None:
        """Send `pieces` one by one, slowly, but none of them after `PATIENCE`."""
        for piece, _ in zip(pieces, self._slowly(), strict=False):
            self._socket.sendall(piece)

    def flood(self, data: bytes) -> None:
        """Send `data` over and over, as fast as it is taken, until `PATIENCE` ends."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            self._socket.sendall(data)

    def sip(self, amount: int) -> None:
        """Read at most `amount` bytes at a time, slowly, until `PATIENCE` ends, and forget them."""
        for _ in self._slowly():
            if not self._socket.recv(amount):
                raise EOFError

    def rest(self) -> None:
        """Read nothing and send nothing until `PATIENCE` ends or the check does."""
        self._peer.ending.wait(PATIENCE)

    def hold(self) -> None:
        """Send nothing, and read until the client hangs up or `PATIENCE` ends."""
        while self._socket.recv(65_536):
            pass
        raise EOFError

    def end(self) -> None:
        """Close the sending side: the client sees the end of the stream."""
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Break the connection off, without the courtesy of an end."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def secure(self) -> None:
        """Shake hands for TLS, with `CERTIFICATE`."""
        self._socket = _server_context().wrap_socket(self._socket, server_side=True, do_handshake_on_connect=False)
        self._socket.do_handshake()

    def wake(self) -> None:
        """End what another thread waits for on this line."""
        with suppress(OSError):  # where it is closed already
            # Not SSLSocket's own, which takes the session away from the thread that reads.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _slowly(self) -> Iterator[None]:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and not self._peer.ending.wait(DRIP):
            yield

    def _until(self, mark: bytes) -> bytes:
        while (at := self._buffer.find(mark)) < 0:
            self._more()
        return self._take(at + len(mark))

    def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._more()
        return self._take(count)

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def _more(self) -> None:
        data = self._socket.recv(65_536)
        if not data:
            raise EOFError
        self._buffer += data


Script = Callable[[Line], None]


def answering(data: bytes) -> Script:
    """Make the script of a peer that answers every request with the same bytes and keeps the connection."""

    def script(line: Line) -> None:
        while True:
            line.request()
            line.send(data)

    return script


class Peer:
    """A scripted server on a loopback port; a context manager.

    Attributes:
        origin: `http://127.0.0.1:port`, or https.
        requests: Every request that arrived whole, in order.
        ending: Set when the check is over.
    """

    def __init__(self, script: Script, *, tls: bool = False) -> None:
        self._script = script
        self._tls = tls
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.port: int = self._listener.getsockname()[1]
        self.origin = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.requests: list[Received] = []
        self.ending = threading.Event()
        self._changed = threading.Condition()
        self._lines: list[Line] = []
        self._hang_ups = 0
        self._faults: list[BaseException] = []
        self._threads = [threading.Thread(target=self._accept, name="contract-peer", daemon=True)]

    @property
    def connections(self) -> int:
        """How many connections were opened by now."""
        return len(self._lines)

    def wait_for_hang_ups(self, count: int) -> bool:
        """Wait until the client has closed `count` connections; False where it does not."""
        with self._changed:
            return self._changed.wait_for(lambda: self._hang_ups >= count, PATIENCE / 2)

    def record(self, received: Received) -> None:
        """Note a request."""
        self.requests.append(received)

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ending.set()
        # A last connection wakes the thread that waits on the listener; closing it would not, everywhere.
        with socket.socket() as last:
            last.settimeout(PATIENCE)
            last.connect(("127.0.0.1", self.port))
        self._threads[0].join()
        self._listener.close()
        for line in self._lines:
            line.wake()
        for thread in self._threads[1:]:
            thread.join()
        if self._faults:
            raise self._faults[0]

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self.ending.is_set():
                connection.close()
                return
            connection.settimeout(PATIENCE)
            line = Line(len(self._lines) + 1, connection, self)
            self._lines.append(line)
            thread = threading.Thread(target=self._serve, args=(line,), name="contract-line", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, line: Line) -> None:
        try:
            if self._tls:
                line.secure()
            self._script(line)
        except (EOFError, ConnectionError):
            with self._changed:
                self._hang_ups += 1
                self._changed.notify_all()
        except OSError:
            pass  # its patience ended, or there was no handshake
        except BaseException as fault:
            self._faults.append(fault)
        finally:
            line.close()


@contextmanager
def refusing_port() -> Generator[str, None, None]:
    """Hold a port that refuses every connection, and give its origin."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and never listens
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@contextmanager
def full_port() -> Generator[str, None, None]:
    """Hold a port whose queue of waiting connections is full, so that connecting takes for ever; give its origin."""
    with ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        while _connects(sockets.enter_context(socket.socket()), listener.getsockname()):
            pass
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def _connects(filler: socket.socket, address: tuple[str, int]) -> bool:
    filler.settimeout(0.05)
    try:
        filler.connect(address)
    except TimeoutError:
        return False
    return True
