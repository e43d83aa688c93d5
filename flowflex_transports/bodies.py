"""File sources: measured before anything is sent, opened afresh for each attempt, streamed, and watched for change.

A source is a path, bytes, or a binary file object, which is read from where it stands, put back there, and never
closed. A stream that can be read only once is kept in a temporary file, so that a second attempt, and a second
send, find its bytes again. Memory does not grow with the size of a file.

A change is noticed by the time stamp and size of a file on disk, also of one behind a file object, and by a checksum of
what can change in memory: a `bytearray`, a view, a `BytesIO`. It is looked for when an attempt begins, and before it
hands out its last chunk. Other file objects, such as one that unpacks an archive, are watched by their size alone.

One `read` of a file object that blocks, as on a dead network mount, cannot be ended from outside: a synchronous caller
waits for it, whatever the deadline; an asynchronous driver leaves it to its thread.

Everything here may be called from any thread, and blocks: an asynchronous driver calls it in worker threads.
"""

import io
import os
import stat
import tempfile
import threading
import weakref
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any, Protocol

from flowflex_core import FileRef, FlowFlexUploadError, FlowFlexUploadTimeoutError
from flowflex_core.files import MAX_FILE_BYTES
from flowflex_transports.process import PerProcess
from flowflex_transports.protocols import Source

CHUNK_BYTES = 65_536

# A one-shot stream up to this size is kept in memory, a longer one on disk.
_SPOOLED_IN_MEMORY = 1_048_576


# Asked between the reads that measuring takes: whether anybody still waits for it.
GoOn = Callable[[], bool]


def always() -> bool:
    """Go on for as long as it takes."""
    return True


class SourceError(Exception):
    """A file cannot be read, or is no longer what was measured; says so in words for people."""


class _TooLateError(SourceError):
    """A file was not measured for as long as anybody waited."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} was not measured before the deadline")


class Sources:
    """The files of one operation, measured, to be opened once for each attempt."""

    def __init__(self, measured: "Mapping[FileRef, _Measured]", max_file_bytes: int = MAX_FILE_BYTES) -> None:
        self._measured = dict(measured)
        self._max_file_bytes = max_file_bytes

    @classmethod
    def measure(
        cls,
        files: Mapping[FileRef, str],
        *,
        max_file_bytes: int,
        expected: Mapping[FileRef, int | None] | None = None,
        go_on: GoOn = always,
    ) -> "Sources":
        """Find out the size of every file, reading none but one-shot streams.

        Args:
            files: Each file with its payload path, or with `""` where it has none.
            max_file_bytes: A larger file is an error.
            expected: Sizes known from an earlier run; another size is an error.
            go_on: Asked before each file, and between the reads of a one-shot stream, whether to.

        Raises:
            FlowFlexUploadError: The first file that cannot be sent, named by its payload path; `.failures` has all.
            FlowFlexUploadTimeoutError: The same, where it was not measured because `go_on` said no.
        """
        measured: dict[FileRef, _Measured] = {}
        failures: dict[str, FlowFlexUploadError] = {}
        for ref, path in files.items():
            try:
                measured[ref] = _measured(ref, max_file_bytes, (expected or {}).get(ref), go_on)
            except SourceError as error:
                kind = FlowFlexUploadTimeoutError if isinstance(error, _TooLateError) else FlowFlexUploadError
                failures[path] = kind(f"{path}: {error}" if path else str(error))
        if failures:
            first, *others = failures.values()
            summary = type(first)(first.message + (f" (and {len(others)} more)" if others else ""))
            summary.failures = {path: error for path, error in failures.items() if path}
            raise summary
        return cls(measured, max_file_bytes)

    @property
    def sizes(self) -> dict[FileRef, int]:
        """The number of bytes of each file."""
        return {ref: measured.length for ref, measured in self._measured.items()}

    @contextmanager
    def open(self, ref: FileRef) -> Generator[Source]:
        """Open a file for one attempt; entering, and reading its chunks, may raise `SourceError`.

        A file that was stored when the send was resumed is measured only here, where it has to be stored anew.
        """
        if ref not in self._measured:
            self._measured[ref] = _measured(ref, self._max_file_bytes, None, always)
        with self._measured[ref].open() as source:
            yield source


class _Measured(Protocol):
    """A source whose size is known."""

    @property
    def length(self) -> int: ...

    def open(self) -> AbstractContextManager[Source]: ...


@dataclass(frozen=True, slots=True)
class _Opened:
    """A `Source`: `length` bytes out of `read`, which gives the bytes at an offset, and `still_same`, asked last."""

    length: int
    name: str
    read: Callable[[int, int], bytes]
    still_same: Callable[[], bool]

    def chunks(self) -> Iterator[bytes]:
        """Read the bytes; that nothing changed is made sure before the last chunk is handed out.

        A server stores nothing of a body that misses its last chunk.
        """
        offset = 0
        while offset < self.length:
            count = min(CHUNK_BYTES, self.length - offset)
            chunk = self.read(offset, count)
            if not chunk:
                raise SourceError(f"{self.name} became shorter while it was sent")
            if len(chunk) > count:
                raise SourceError(f"{self.name} gave more bytes than it was asked for")
            offset += len(chunk)
            if offset == self.length:
                self._make_sure()
            yield chunk
        if not self.length:
            self._make_sure()

    def _make_sure(self) -> None:
        if self.read(self.length, 1):
            raise SourceError(f"{self.name} became longer while it was sent")
        if not self.still_same():
            raise SourceError(f"{self.name} changed while it was sent")


def _measured(ref: FileRef, limit: int, expected: int | None, go_on: GoOn) -> _Measured:
    source, name = ref.source, _name(ref.source)
    if not go_on():
        raise _TooLateError(name)
    found: _Measured
    if isinstance(source, str | os.PathLike):
        found = _Path.measure(source, name)
    elif isinstance(source, bytes | bytearray | memoryview):
        found = _Bytes.measure(source, name)
    elif callable(getattr(source, "read", None)):
        found = _Handle.measure(ref, name, limit, go_on)
    else:
        raise SourceError(f"a file is given as a path, bytes or a binary file object, not {type(source).__name__}")
    if found.length > limit:
        raise SourceError(f"{name} is over the limit of {limit} bytes (max_file_bytes)")
    if expected is not None and expected != found.length:
        raise SourceError(f"{name} has {found.length} bytes now, and had {expected} when the send began")
    if ref.size is not None and ref.size != found.length:
        raise SourceError(f"{name} has {found.length} bytes, but size={ref.size} was given")
    return found


def _name(source: Any) -> str:
    given = f"the {type(source).__name__} given"
    with _trouble_named(given):
        if isinstance(source, str | os.PathLike):
            return repr(os.fspath(source))
        name = getattr(source, "name", None)
        return repr(name) if isinstance(name, str) else given


# Paths

# What tells one content of a file from another: inode, size, and when it was last written to.
_Stamp = tuple[int, int, int, int]


def _stamp(descriptor: int) -> _Stamp:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


@dataclass(frozen=True, slots=True)
class _Path:
    path: "str | os.PathLike[Any]"
    name: str
    length: int
    stamp: _Stamp

    @classmethod
    def measure(cls, path: "str | os.PathLike[Any]", name: str) -> "_Path":
        with _descriptor(path, name) as descriptor:
            stamp = _stamp(descriptor)
            with _trouble_named(name):
                if not stamp[2] and os.read(descriptor, 1):
                    raise SourceError(f"{name} has content, but the system tells no size: read it and give the bytes")
        return cls(path, name, stamp[2], stamp)

    @contextmanager
    def open(self) -> Generator[Source]:
        with _descriptor(self.path, self.name) as descriptor:
            if _stamp(descriptor) != self.stamp:
                raise SourceError(f"{self.name} changed after it was measured")
            file = io.FileIO(descriptor, closefd=False)

            def read(offset: int, count: int) -> bytes:
                with _trouble_named(self.name):
                    file.seek(offset)
                    return file.read(count) or b""

            yield _Opened(self.length, self.name, read, lambda: _stamp(descriptor) == self.stamp)


@contextmanager
def _descriptor(path: "str | os.PathLike[Any]", name: str) -> Generator[int]:
    # To open a pipe that nobody writes to would wait for ever, were it not for O_NONBLOCK.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    with _trouble_named(name):
        descriptor = os.open(path, flags)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise SourceError(f"{name} is a directory")
        if not stat.S_ISREG(mode):
            raise SourceError(f"{name} is not a regular file: open it and give the file object")
        yield descriptor
    finally:
        os.close(descriptor)


# Bytes


@dataclass(frozen=True, slots=True)
class _Bytes:
    content: bytes | bytearray | memoryview
    name: str
    length: int
    checksum: int | None

    @classmethod
    def measure(cls, content: bytes | bytearray | memoryview, name: str) -> "_Bytes":
        with _trouble_named(name), _flat(content) as flat:
            return cls(content, name, flat.nbytes, _checksum(content, flat))

    @contextmanager
    def open(self) -> Generator[Source]:
        # While the view lives, a bytearray cannot change its size.
        with _trouble_named(self.name):
            flat = _flat(self.content)
        with flat:
            if flat.nbytes != self.length or not self._still_same(flat):
                raise SourceError(f"{self.name} changed after it was measured")
            yield _Opened(
                self.length,
                self.name,
                lambda offset, count: bytes(flat[offset : offset + count]),
                lambda: self._still_same(flat),
            )

    def _still_same(self, flat: memoryview) -> bool:
        return _checksum(self.content, flat) == self.checksum


def _flat(content: bytes | bytearray | memoryview) -> memoryview:
    """View content as plain bytes; only a view with gaps in it has to be copied whole."""
    view = memoryview(content)
    return view.cast("B") if view.c_contiguous and view.nbytes else memoryview(view.tobytes())


def _checksum(content: bytes | bytearray | memoryview, flat: memoryview) -> int | None:
    """Tell one content from another, at some GB a second; bytes never change, and have none."""
    return None if isinstance(content, bytes) else zlib.crc32(flat)


# File objects


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
                raise _TooLateError(name)  # what was read stays, for another send
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
class _Handle:
    handle: Any  # the caller's file object, or the spool
    name: str
    start: int
    length: int
    stamp: _Stamp | int | None
    shared: _Shared

    @classmethod
    def measure(cls, ref: FileRef, name: str, limit: int, go_on: GoOn) -> "_Handle":
        handle, shared = ref.source, _shared_by_handle.get().of(ref)
        with shared.turn, _trouble_named(name):
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
        if not self._still_same():
            raise SourceError(f"{self.name} changed after it was measured")
        yield _Opened(self.length, self.name, self._read, self._still_same)

    def _read(self, offset: int, count: int) -> bytes:
        # Between two chunks the handle stands where its caller left it, so all who read it can take turns.
        with self.shared.turn, _trouble_named(self.name):
            stands = self.handle.tell()
            try:
                self.handle.seek(self.start + offset)
                return _read(self.handle, self.name, count)
            finally:
                self.handle.seek(stands)

    def _still_same(self) -> bool:
        with _trouble_named(self.name):
            return _handle_stamp(self.handle) == self.stamp


def _can_seek(handle: Any) -> bool:
    seekable = getattr(handle, "seekable", None)
    return bool(seekable()) if callable(seekable) else callable(getattr(handle, "seek", None))


def _read(handle: Any, name: str, count: int) -> bytes:
    chunk = handle.read(count)
    if not isinstance(chunk, bytes | bytearray | memoryview):
        raise SourceError(f"{name} gave {type(chunk).__name__} where bytes were read")
    return bytes(chunk)


def _handle_stamp(handle: Any) -> _Stamp | int | None:
    """Return the stamp of the file behind a file object, the checksum of memory, or None where neither is to be had."""
    if isinstance(handle, tempfile.SpooledTemporaryFile):
        return None  # asking for its descriptor would move it to disk
    if isinstance(handle, io.BytesIO):
        with handle.getbuffer() as content:
            return zlib.crc32(content)
    with suppress(OSError, AttributeError, TypeError):
        return _stamp(handle.fileno())
    return None


@contextmanager
def _trouble_named(name: str) -> Generator[None]:
    """Turn whatever reading raises into a `SourceError`: the code of a file object may be anybody's."""
    try:
        yield
    except SourceError:
        raise
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise SourceError(f"cannot read {name}: {reason}") from error
