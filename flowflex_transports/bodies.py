"""File sources: measured before anything is sent, opened afresh for each attempt, streamed, and watched for change.

A source is a path, bytes or the like, or a binary file object, which is read from where it stands, put back there, and
never closed. A stream that can be read only once is kept in a temporary file, so that a second attempt, and a second
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
import zlib
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flowflex_core import FileRef, FlowFlexUploadError, FlowFlexUploadTimeoutError
from flowflex_core.files import MAX_FILE_BYTES
from flowflex_transports.handles import Handle
from flowflex_transports.protocols import Source
from flowflex_transports.reading import (
    GoOn,
    Measured,
    Opened,
    SourceError,
    Stamp,
    TooLateError,
    always,
    stamp_of,
    trouble_named,
)


class Sources:
    """The files of one operation, measured, to be opened once for each attempt."""

    def __init__(self, measured: "Mapping[FileRef, Measured]", max_file_bytes: int = MAX_FILE_BYTES) -> None:
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
        measured: dict[FileRef, Measured] = {}
        failures: dict[str, FlowFlexUploadError] = {}
        for ref, path in files.items():
            try:
                measured[ref] = _measured(ref, max_file_bytes, (expected or {}).get(ref), go_on)
            except SourceError as error:
                kind = FlowFlexUploadTimeoutError if isinstance(error, TooLateError) else FlowFlexUploadError
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


def _measured(ref: FileRef, limit: int, expected: int | None, go_on: GoOn) -> Measured:
    source, name = ref.source, _name(ref.source)
    if not go_on():
        raise TooLateError(name)
    found: Measured
    if isinstance(source, str | os.PathLike):
        found = _Path.measure(source, name)
    elif isinstance(source, bytes | bytearray | memoryview):
        found = _Bytes.measure(source, name)
    elif callable(getattr(source, "read", None)):
        found = Handle.measure(ref, name, limit, go_on)
    else:
        found = _Bytes.measure(_view(source), name)
    if found.length > limit:
        # Of a stream that can be read once, no more was read than shows that.
        at_least = "at least " if found.length == limit + 1 else ""
        raise SourceError(f"{name} has {at_least}{found.length} bytes, over the limit of {limit} (max_file_bytes)")
    if expected is not None and expected != found.length:
        raise SourceError(f"{name} has {found.length} bytes now, and had {expected} when the send began")
    if ref.size is not None and ref.size != found.length:
        raise SourceError(f"{name} has {found.length} bytes, but size={ref.size} was given")
    return found


def _name(source: Any) -> str:
    given = f"the {type(source).__name__} given"
    with trouble_named(given):
        if isinstance(source, str | os.PathLike):
            return repr(os.fspath(source))
        name = getattr(source, "name", None)
        return repr(name) if isinstance(name, str) else given


# Paths


@dataclass(frozen=True, slots=True)
class _Path:
    path: "str | os.PathLike[Any]"
    name: str
    length: int
    stamp: Stamp

    @classmethod
    def measure(cls, path: "str | os.PathLike[Any]", name: str) -> "_Path":
        with _descriptor(path, name) as descriptor:
            stamp = stamp_of(descriptor)
            with trouble_named(name):
                if not stamp[2] and os.read(descriptor, 1):
                    raise SourceError(f"{name} has content, but the system tells no size: read it and give the bytes")
        return cls(path, name, stamp[2], stamp)

    @contextmanager
    def open(self) -> Generator[Source]:
        with _descriptor(self.path, self.name) as descriptor:
            if stamp_of(descriptor) != self.stamp:
                raise SourceError(f"{self.name} changed after it was measured")
            file = io.FileIO(descriptor, closefd=False)

            def read(offset: int, count: int) -> bytes:
                with trouble_named(self.name):
                    file.seek(offset)
                    return file.read(count) or b""

            yield Opened(self.length, self.name, read, lambda: stamp_of(descriptor) == self.stamp)


@contextmanager
def _descriptor(path: "str | os.PathLike[Any]", name: str) -> Generator[int]:
    # To open a pipe that nobody writes to would wait for ever, were it not for O_NONBLOCK.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    with trouble_named(name):
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
        with trouble_named(name), _flat(content) as flat:
            return cls(content, name, flat.nbytes, _checksum(content, flat))

    @contextmanager
    def open(self) -> Generator[Source]:
        # While the view lives, a bytearray cannot change its size.
        with trouble_named(self.name):
            flat = _flat(self.content)
        with flat:
            if flat.nbytes != self.length or not self._still_same(flat):
                raise SourceError(f"{self.name} changed after it was measured")
            yield Opened(
                self.length,
                self.name,
                lambda offset, count: bytes(flat[offset : offset + count]),
                lambda: self._still_same(flat),
            )

    def _still_same(self, flat: memoryview) -> bool:
        return _checksum(self.content, flat) == self.checksum


def _view(source: Any) -> memoryview:
    """View the memory of an array, or of whatever else is like bytes."""
    try:
        return memoryview(source)
    except TypeError:
        given = type(source).__name__
        raise SourceError(f"a file is given as a path, bytes or a binary file object, not {given}") from None


def _flat(content: bytes | bytearray | memoryview) -> memoryview:
    """View content as plain bytes; only a view with gaps in it has to be copied whole."""
    view = memoryview(content)
    return view.cast("B") if view.c_contiguous and view.nbytes else memoryview(view.tobytes())


def _checksum(content: bytes | bytearray | memoryview, flat: memoryview) -> int | None:
    """Tell one content from another, at some GB a second; bytes never change, and have none."""
    return None if isinstance(content, bytes) else zlib.crc32(flat)
