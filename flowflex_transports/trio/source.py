"""Brings a file to a transport without blocking the loop: it is opened and read in worker threads, in large chunks.

Bytes are sliced where they are; a thread would only cost time.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from itertools import islice
from typing import Self

import trio

from flowflex_core import FileRef
from flowflex_transports.bodies import CHUNK_BYTES, Sources
from flowflex_transports.calls import Progress
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
        yield WatchedFile(source, ref, progress, in_memory=in_memory)
    finally:
        # To close a file that was only read waits for nothing, and so a cancel cannot prevent it.
        manager.__exit__(None, None, None)


class WatchedFile:
    """An `AsyncSource` that counts: a chunk is handed over once the transport asks for the next.

    Attributes:
        begun: Whether the transport has asked for the first chunk.
    """

    def __init__(self, source: Source, ref: FileRef, progress: Progress, *, in_memory: bool) -> None:
        self.begun = False
        self._source = source
        self._ref = ref
        self._progress = progress
        self._in_memory = in_memory

    @property
    def length(self) -> int:
        """The number of bytes that `chunks` gives in all."""
        return self._source.length

    def chunks(self) -> "_Chunks":
        """Read the bytes; raises where the file is no longer what was measured, and what `on_progress` raises."""
        self.begun = True
        return _Chunks(self._source, self._tell, in_memory=self._in_memory)

    def _tell(self, sent: int) -> None:
        self._progress.tell(self._ref, sent, self.length)


class _Chunks:
    """Iterates over a file; no asynchronous generator, for a transport may stop early and leave it unfinished."""

    def __init__(self, source: Source, tell: Callable[[int], None], *, in_memory: bool) -> None:
        self._length = source.length
        self._chunks = source.chunks()
        self._tell = tell
        self._in_memory = in_memory
        self._sent = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        self._tell(self._sent)
        if 0 < self._sent == self._length:
            raise StopAsyncIteration
        chunk = self._read() if self._in_memory else await trio.to_thread.run_sync(self._read)
        if not chunk:
            raise StopAsyncIteration
        self._sent += len(chunk)
        return chunk

    def _read(self) -> bytes:
        return b"".join(islice(self._chunks, _CHUNKS_AT_ONCE))
