"""Brings a file to a transport without blocking the loop: it is opened and read in worker threads, in large chunks.

Bytes are sliced where they are; a thread would only cost time.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import islice
from typing import Self

import trio

from flowflex_core import FileRef
from flowflex_transports.bodies import CHUNK_BYTES, Sources
from flowflex_transports.calls import Progress, Watched
from flowflex_transports.protocols import Source

# A hop to a thread and back costs as much as reading some 100 kB; larger chunks would be felt in memory.
_CHUNKS_AT_ONCE = max(1, 131_072 // CHUNK_BYTES)


def is_in_memory(ref: FileRef) -> bool:
    """Whether measuring and reading a file waits for nothing."""
    return isinstance(ref.source, bytes | bytearray | memoryview)


@asynccontextmanager
async def opened(sources: Sources, ref: FileRef, progress: Progress) -> AsyncGenerator["WatchedFile"]:
    """Open a file for one attempt; entering, and reading its chunks, may raise `SourceError`."""
    manager = sources.open(ref)
    in_memory = is_in_memory(ref)
    source = manager.__enter__() if in_memory else await trio.to_thread.run_sync(manager.__enter__)
    try:
        yield WatchedFile(progress, ref, source, in_memory=in_memory)
    finally:
        # To close a file that was only read waits for nothing, and so a cancel cannot prevent it.
        manager.__exit__(None, None, None)


class WatchedFile(Watched):
    """An `AsyncSource` that counts: a chunk is handed over once the transport asks for the next."""

    def __init__(self, progress: Progress, ref: FileRef, source: Source, *, in_memory: bool) -> None:
        super().__init__(progress, ref, source)
        self._in_memory = in_memory
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
        return self._read() if self._in_memory else await trio.to_thread.run_sync(self._read)

    def _read(self) -> bytes:
        return b"".join(islice(self._chunks, _CHUNKS_AT_ONCE))
