"""A scripted peer inside the test's own trio run: raw bytes on real sockets, no thread, and time may be virtual."""

import functools
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import trio
import trio.testing

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Talk:
    """The peer's end of one connection."""

    def __init__(self, number: int, stream: trio.abc.Stream, socket: trio.socket.SocketType) -> None:
        self.number = number
        self.stream = stream
        self._socket = socket
        self._read = bytearray()

    async def head(self) -> bytes:
        """Read the head of a request; `b""` at the end of the connection."""
        while b"\r\n\r\n" not in self._read:
            if not await self._more():
                return b""
        head, _, rest = bytes(self._read).partition(b"\r\n\r\n")
        self._read[:] = rest
        return head

    async def body(self, length: int) -> bytes:
        """Read `length` bytes of a body, or what there is before the end."""
        while len(self._read) < length and await self._more():
            pass
        body = bytes(self._read[:length])
        del self._read[:length]
        return body

    async def request(self) -> tuple[bytes, bytes]:
        """Read a whole request: its head and its body."""
        head = await self.head()
        return head, await self.body(content_length(head))

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def drip(self, data: bytes, seconds: float) -> None:
        """Send a byte at a time."""
        for index in range(len(data)):
            await self.send(data[index : index + 1])
            await trio.sleep(seconds)

    def reset(self) -> None:
        """Close with RST."""
        self._socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def close(self) -> None:
        """Close, without a TLS goodbye."""
        self._socket.close()

    async def say_goodbye(self) -> None:
        """Close, under TLS with a goodbye."""
        with suppress(trio.BrokenResourceError):
            await self.stream.aclose()

    async def _more(self) -> bytes:
        data = await self.stream.receive_some(65_536)
        self._read += data
        return bytes(data)


def content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


Script = Callable[[Talk], Awaitable[None]]


async def until_no_thread_is_busy() -> None:
    """Wait for the worker threads of this run, those that a cancel left behind too."""
    while trio.to_thread.current_default_thread_limiter().borrowed_tokens:
        await trio.lowlevel.checkpoint()


class Peer:
    """A listening peer: where it is, and who has connected."""

    def __init__(self, scheme: str, port: int) -> None:
        self.scheme = scheme
        self.port = port
        self.talks: list[Talk] = []
        self.closed: list[int] = []
        self.nursery: trio.Nursery

    def url(self, target: str = "/") -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}{target}"

    async def closed_by_client(self, number: int) -> None:
        """Wait until the client has closed the connection that came as `number`."""
        with trio.fail_after(5):
            while number not in self.closed:
                await trio.testing.wait_all_tasks_blocked()


@asynccontextmanager
async def serving(
    script: Script, *, ssl_context: ssl.SSLContext | None = None, receive_buffer: int | None = None
) -> AsyncIterator[Peer]:
    """Listen, and play `script` to each connection that comes; it closes the connection by returning."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    if receive_buffer is not None:
        listeners[0].socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, receive_buffer)
    peer = Peer("https" if ssl_context else "http", listeners[0].socket.getsockname()[1])

    async def play(stream: trio.SocketStream) -> None:
        tls = ssl_context and trio.SSLStream(stream, ssl_context, server_side=True)
        talk = Talk(len(peer.talks), tls or stream, stream.socket)
        peer.talks.append(talk)
        try:
            await script(talk)
            if stream.socket.fileno() != -1:
                await talk.stream.aclose()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            peer.closed.append(talk.number)
        finally:
            stream.socket.close()

    async with trio.open_nursery() as nursery:
        peer.nursery = nursery
        nursery.start_soon(functools.partial(trio.serve_listeners, play, listeners))
        yield peer
        nursery.cancel_scope.cancel()


def answering(reply: bytes = OK) -> Script:
    """Answer each whole request with `reply`, for as long as the connection lasts."""

    async def script(talk: Talk) -> None:
        while (await talk.request())[0]:
            await talk.send(reply)

    return script


def in_trio(test=None, *, virtual=False):
    """Run an async test in a trio run of its own, for at most 20 seconds, or on a clock that jumps over every wait."""
    if test is None:
        return functools.partial(in_trio, virtual=virtual)

    @functools.wraps(test)
    def run(*args, **kwargs):
        async def bounded():
            if virtual:
                return await test(*args, **kwargs)
            with trio.fail_after(20):
                return await test(*args, **kwargs)

        # Loopback delivers within a hundredth of a second, or there is nothing to deliver.
        clock = trio.testing.MockClock(autojump_threshold=0.01) if virtual else None
        return trio.run(bounded, clock=clock)

    return run
