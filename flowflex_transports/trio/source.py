"""Brings a file to a transport without blocking the loop: it is opened and read in worker threads, in large chunks.

A cancel does not wait for a thread whose `read` blocks. That thread ends with its `read`, and then puts a file object
back where it stood; until then, nobody else reads that file object through this library.

Bytes are sliced where they are; a thread would only cost time.
"""

import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager
from itertools import islice
from typing import Self, TypeVar

import trio

from flowflex_core import FileRef
from flowflex_transports.bodies import Sources
from flowflex_transports.calls import Progress, Watched
from flowflex_transports.protocols import Source
from flowflex_transports.reading import CHUNK_BYTES, SourceError

T = TypeVar("T")

# A hop to a thread and back costs as much as reading some 100 kB; larger chunks would be felt in memory.
_CHUNKS_AT_ONCE = max(1, 131_072 // CHUNK_BYTES)


def is_in_memory(ref: FileRef) -> bool:
    """Whether measuring and reading a file waits for nothing."""
    return isinstance(ref.source, bytes)


@asynccontextmanager
async def opened(sources: Sources, ref: FileRef, progress: Progress) -> AsyncGenerator["WatchedFile"]:
    """Open a file for one attempt; entering, and reading its chunks, may raise `SourceError`."""
    file = _File(sources.open(ref), in_memory=is_in_memory(ref))
    try:
        yield WatchedFile(progress, ref, await file.open(), file)
    finally:
        file.leave()


class _File:
    """A file that is used in worker threads, which a cancel does not wait for; whoever uses it last closes it."""

    def __init__(self, manager: AbstractContextManager[Source], *, in_memory: bool) -> None:
        self._manager = manager
        self._in_memory = in_memory
        self._lock = threading.Lock()
        self._users = 1  # the attempt; and the thread, if one is at work
        self._is_open = False

    async def open(self) -> Source:
        return await self._do(self._enter)

    async def read(self, chunks: Iterator[bytes]) -> bytes:
        return await self._do(lambda: b"".join(islice(chunks, _CHUNKS_AT_ONCE)))

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            to_close = self._is_open and not self._users
        if to_close:
            # Waits for nothing, since the file was only read; so a cancel cannot prevent it.
            self._manager.__exit__(None, None, None)

    async def _do(self, work: Callable[[], T]) -> T:
        if self._in_memory:
            return work()
        return await trio.to_thread.run_sync(self._use, work, abandon_on_cancel=True)

    def _use(self, work: Callable[[], T]) -> T:
        with self._lock:
            if not self._users:
                raise SourceError("the cancel came before the thread")  # nobody is told
            self._users += 1
        try:
            return work()
        finally:
            self.leave()

    def _enter(self) -> Source:
        source = self._manager.__enter__()
        self._is_open = True
        return source


class WatchedFile(Watched):
    """An `AsyncSource` that counts: a chunk is handed over once the transport asks for the next."""

    def __init__(self, progress: Progress, ref: FileRef, source: Source, file: _File) -> None:
        super().__init__(progress, ref, source)
        self._file = file
        self._chunks = source.chunks()
        self._sent = 0

    def chunks(self) -> "WatchedFile":
        """Read the bytes; raises where the file is no longer what was measured, and what `on_progress` raises."""
        self.begun = True
        return self

    # No asynchronous generator: a transport may stop early and leave it unfinished.

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._next()
        except StopAsyncIteration as error:  # of a callback: not the end
            self._remember(error)
            raise RuntimeError("a callback raised StopAsyncIteration") from error
        except Exception as error:
            self._remember(error)
            raise
        if not chunk:
            raise StopAsyncIteration
        self._sent += len(chunk)
        return chunk

    async def _next(self) -> bytes:
        self._tell(self._sent)
        if 0 < self._sent == self.length:
            return b""
        return await self._file.read(self._chunks)
