"""A TCP proxy that harms what it forwards, to the byte: the network between a client and a live fake.

Each connection has two streams, of requests and of replies. A `Fault` strikes one of them at a byte. Which connection
has which fault is data, so that a run is the same each time. The proxy knows nothing of HTTP, and runs an event loop in
a thread of its own.
"""

import asyncio
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlsplit

_READ_BYTES = 65_536


class Action:
    """What a fault does."""

    async def strike(self, stream: "Stream") -> None:
        """Do it; the rest of the stream passes afterwards, unless this ends it."""
        raise NotImplementedError


@dataclass(frozen=True)
class Fault:
    """An action, and where it strikes: once `at` bytes of a stream have passed; 0 is when the first one has come."""

    stream: Literal["request", "reply"]
    at: int
    action: Action


@dataclass(frozen=True)
class Reset(Action):
    """Both ends are reset."""

    async def strike(self, stream: "Stream") -> None:
        stream.connection.reset()


@dataclass(frozen=True)
class Cut(Action):
    """Both ends see the end of what they receive."""

    async def strike(self, stream: "Stream") -> None:
        stream.connection.end()


@dataclass(frozen=True)
class HalfClose(Action):
    """Who receives this stream sees its end; the other stream goes on."""

    async def strike(self, stream: "Stream") -> None:
        stream.writer.write_eof()
        await stream.swallow()


@dataclass(frozen=True)
class Blackhole(Action):
    """Nothing passes any more, in either direction, and nobody is told."""

    async def strike(self, stream: "Stream") -> None:
        stream.connection.is_dark = True
        await stream.swallow()


@dataclass(frozen=True)
class Delay(Action):
    """The rest waits for so many seconds."""

    seconds: float

    async def strike(self, stream: "Stream") -> None:
        await asyncio.sleep(self.seconds)


@dataclass(frozen=True)
class Drip(Action):
    """The rest passes in pieces of so many bytes, one every so many seconds; no more is read than is passed on."""

    piece: int
    seconds: float

    async def strike(self, stream: "Stream") -> None:
        while data := await stream.read(self.piece):
            await stream.pass_on(data)
            await asyncio.sleep(self.seconds)


@dataclass(frozen=True)
class Insert(Action):
    """So many bytes of our own come in between."""

    data: bytes

    async def strike(self, stream: "Stream") -> None:
        await stream.pass_on(self.data)


@dataclass(frozen=True)
class Answer(Action):
    """The client is answered in the server's place, and no more is read of its request."""

    data: bytes

    async def strike(self, stream: "Stream") -> None:
        stream.connection.is_dark = True
        stream.connection.reply.writer.write(self.data)
        await asyncio.get_running_loop().create_future()  # until the proxy ends


class Stream:
    """One direction of a connection."""

    def __init__(self, connection: "Connection", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connection = connection
        self.writer = writer
        self.passed = 0
        self._reader = reader
        self._ahead = b""

    async def read(self, most: int) -> bytes:
        """Read what is there; `b""` is the end."""
        ahead, self._ahead = self._ahead, b""
        return ahead or await self._reader.read(most)

    async def peek(self) -> bool:
        """Wait for a byte; False where the stream has ended."""
        self._ahead = await self.read(1)
        return bool(self._ahead)

    async def pass_on(self, data: bytes) -> None:
        """Let data through, where the line is not dark."""
        if not self.connection.is_dark:
            self.passed += len(data)
            self.writer.write(data)
            await self.writer.drain()

    async def swallow(self) -> None:
        """Read the rest, and forget it."""
        while await self.read(_READ_BYTES):
            pass

    async def pump(self, fault: Fault | None) -> None:
        """Pass everything on to the end, harmed by `fault`."""
        if fault is not None and await self._passes(fault.at):
            await fault.action.strike(self)
        while data := await self.read(_READ_BYTES):
            await self.pass_on(data)

    async def _passes(self, count: int) -> bool:
        """Pass so many bytes on; False where the stream ends before."""
        if not count:
            return await self.peek()
        while self.passed < count:
            data = await self.read(min(_READ_BYTES, count - self.passed))
            if not data:
                return False
            await self.pass_on(data)
        return True


class Connection:
    """A client's connection, and the one to the server that was made for it.

    Attributes:
        is_dark: Whether nothing passes any more.
    """

    def __init__(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self.is_dark = False
        self.request = Stream(self, client[0], server[1])
        self.reply = Stream(self, server[0], client[1])

    async def serve(self, fault: Fault | None) -> None:
        """Forward both streams until either has ended."""
        name = None if fault is None else fault.stream
        pumps = [
            asyncio.ensure_future(self.request.pump(fault if name == "request" else None)),
            asyncio.ensure_future(self.reply.pump(fault if name == "reply" else None)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self.end()

    def reset(self) -> None:
        """Break both ends off."""
        self.is_dark = True
        for writer in (self.request.writer, self.reply.writer):
            sock = writer.get_extra_info("socket")
            with suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    def end(self) -> None:
        """Close both ends, once all that was passed on has gone out."""
        self.is_dark = True
        for writer in (self.request.writer, self.reply.writer):
            writer.close()


class FaultProxy:
    """A port that leads to `upstream`; a context manager.

    Attributes:
        url: Where it is.
        port: Its number.
        connections: Every connection that was made.
    """

    def __init__(self, upstream: str) -> None:
        place = urlsplit(upstream)
        self._upstream = (place.hostname, place.port)
        self._faults: deque[Fault | None] = deque()
        self._listener = socket.socket()
        # Small, so that a reader that is slow is felt soon.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _READ_BYTES)
        self._listener.bind(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.connections: list[Connection] = []
        self._loop = asyncio.new_event_loop()
        self._serving: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy")

    def harm_next(self, *faults: Fault | None) -> None:
        """Strike the next connections, one after another; None spares one."""
        self._faults.extend(faults)

    def spare(self) -> None:
        """Strike no more connections, and reset those that are there."""
        self._faults.clear()
        self.reset_all()

    def settle(self) -> None:
        """Wait until all that has come has been passed on."""
        self._do(asyncio.sleep(0))

    def reset_all(self) -> None:
        """Reset every connection, now."""
        self._do(self._each(Connection.reset))

    def end_all(self) -> None:
        """End every connection, now."""
        self._do(self._each(Connection.end))

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._accept, sock=self._listener, limit=_READ_BYTES))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        fault = self._faults.popleft() if self._faults else None
        try:
            connection = Connection((reader, writer), await asyncio.open_connection(*self._upstream, limit=_READ_BYTES))
            self.connections.append(connection)
            with suppress(asyncio.CancelledError):
                await connection.serve(fault)
        except OSError:  # nobody is there
            writer.transport.abort()
        finally:
            self._serving.discard(task)

    async def _each(self, do: Callable[[Connection], None]) -> None:
        for connection in self.connections:
            do(connection)
        await asyncio.sleep(0)

    async def _end(self) -> None:
        self._server.close()
        for task in list(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        for connection in self.connections:
            connection.reset()
        await asyncio.sleep(0)
