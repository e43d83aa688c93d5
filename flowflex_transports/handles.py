"""File objects: read from where they stand, put back there, and never closed.

Several who read one file object take turns. What can be read only once is kept in a temporary file.
"""

import io
import os
import tempfile
import threading
import weakref
import zlib
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any

from flowflex_core import FileRef
from flowflex_transports.process import PerProcess
from flowflex_transports.protocols import Source
from flowflex_transports.reading import (
    CHUNK_BYTES,
    GoOn,
    Opened,
    SourceError,
    Stamp,
    TooLateError,
    stamp_of,
    trouble_named,
)

# A one-shot stream up to this size is kept in memory, a longer one on disk.
_SPOOLED_IN_MEMORY = 1_048_576


class _Shared:
    """What all who read one file object have in common: whose turn it is, and the bytes of a one-shot stream.

    Holds no reference to the file object, which it must not keep alive.
    """

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self.spool: IO[bytes] | None = None
        self.ended = False

    def keep(self, handle: Any, name: str, limit: int, go_on: GoOn) -> IO[bytes]:
        """Read a one-shot stream into a temporary file, up to one byte over the limit, and return that."""
        if self.spool is None:
            self.spool = tempfile.SpooledTemporaryFile(max_size=_SPOOLED_IN_MEMORY)  # noqa: SIM115 - lives on
            weakref.finalize(self, self.spool.close)
        length = self.spool.seek(0, os.SEEK_END)
        while not self.ended and length <= limit:
            if not go_on():
                raise TooLateError(name)  # what was read stays, for another send
            chunk = _read(handle, name, min(CHUNK_BYTES, limit + 1 - length))
            self.ended = not chunk
            self.spool.write(chunk)
            length += len(chunk)
        return self.spool


class _SharedByHandle:
    """Finds the `_Shared` of a file object, for as long as the file object lives."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shared: weakref.WeakKeyDictionary[Any, _Shared] = weakref.WeakKeyDictionary()

    def of(self, ref: FileRef) -> _Shared:
        with self._lock:
            try:
                return self._shared.setdefault(ref.source, _Shared())
            except TypeError:  # some foreign file objects have no weak references, or no hash
                return self._shared.setdefault(ref, _Shared())


_shared_by_handle = PerProcess(_SharedByHandle)


@dataclass(frozen=True, slots=True)
class Handle:
    """A file object whose size is known, or the copy of one that can be read only once."""

    handle: Any  # the caller's file object, or the spool
    name: str
    start: int
    length: int
    stamp: Stamp | int | None
    shared: _Shared

    @classmethod
    def measure(cls, ref: FileRef, name: str, limit: int, go_on: GoOn) -> "Handle":
        """Find out how much there is behind where it stands; raises `SourceError`."""
        handle, shared = ref.source, _shared_by_handle.get().of(ref)
        with shared.turn, trouble_named(name):
            if isinstance(handle.read(0), str):
                raise SourceError(f"{name} is open in text mode: open it with mode 'rb'")
            readable = handle if _can_seek(handle) else shared.keep(handle, name, limit, go_on)
            start = 0 if readable is shared.spool else readable.tell()
            readable.seek(0, os.SEEK_END)
            end = readable.tell()  # what seek returns, not every file object can be asked
            readable.seek(start)
            return cls(readable, name, start, max(0, end - start), _handle_stamp(readable), shared)

    @contextmanager
    def open(self) -> Generator[Source]:
        """Open it for one attempt; raises `SourceError`."""
        if not self._still_same():
            raise SourceError(f"{self.name} changed after it was measured")
        yield Opened(self.length, self.name, self._read, self._still_same)

    def _read(self, offset: int, count: int) -> bytes:
        # Between two chunks the handle stands where its caller left it, so all who read it can take turns.
        with self.shared.turn, trouble_named(self.name):
            stands = self.handle.tell()
            try:
                self.handle.seek(self.start + offset)
                return _read(self.handle, self.name, count)
            finally:
                self.handle.seek(stands)

    def _still_same(self) -> bool:
        with trouble_named(self.name):
            return _handle_stamp(self.handle) == self.stamp


def _can_seek(handle: Any) -> bool:
    seekable = getattr(handle, "seekable", None)
    return bool(seekable()) if callable(seekable) else callable(getattr(handle, "seek", None))


def _read(handle: Any, name: str, count: int) -> bytes:
    chunk = handle.read(count)
    if not isinstance(chunk, bytes | bytearray | memoryview):
        raise SourceError(f"{name} gave {type(chunk).__name__} where bytes were read")
    return bytes(chunk)


def _handle_stamp(handle: Any) -> Stamp | int | None:
    """Return the stamp of the file behind a file object, the checksum of memory, or None where neither is to be had."""
    if isinstance(handle, tempfile.SpooledTemporaryFile):
        return None  # asking for its descriptor would move it to disk
    if isinstance(handle, io.BytesIO):
        with handle.getbuffer() as content:
            return zlib.crc32(content)
    with suppress(OSError, AttributeError, TypeError):
        return stamp_of(handle.fileno())
    return None
