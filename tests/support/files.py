"""Files of every kind of source, and how they are measured and read in tests."""

import gzip
import io
import mmap
import os
import pathlib
import tempfile
from array import array
from collections.abc import Callable
from typing import Any

from flowflex_core import file
from flowflex_transports.bodies import Sources

CONTENT = bytes(range(256)) * 1000  # almost four chunks


def measured(source, *, limit=10**9, expected=None, size=None):
    """Measure one source under the payload path `invoice`."""
    ref = file(source, filename="x.pdf", size=size)
    sources = Sources.measure(
        {ref: "invoice"}, max_file_bytes=limit, expected=None if expected is None else {ref: expected}
    )
    return sources, ref


def read(sources, ref):
    """Read a measured file as a transport does."""
    with sources.open(ref) as source:
        content = b"".join(source.chunks())
        assert len(content) == source.length == sources.sizes[ref]
    return content


def spooled():
    handle = tempfile.SpooledTemporaryFile()  # noqa: SIM115
    handle.write(CONTENT)
    handle.seek(0)
    return handle


def gzipped(path):
    packed = path.with_suffix(".gz")
    packed.write_bytes(gzip.compress(CONTENT))
    return gzip.open(packed)


def mapped(path):
    with path.open("rb") as handle:
        return mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)


def written(path):
    """Open a file that was written through the same handle, not all of it flushed."""
    handle = path.with_suffix(".new").open("w+b")
    handle.write(CONTENT)
    handle.seek(0)
    return handle


class Foreign:
    """A file object that is nobody's subclass, has no weak references and no hash."""

    __slots__ = ("_inner",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self):
        self._inner = io.BytesIO(CONTENT)

    def __eq__(self, other):
        return isinstance(other, Foreign)

    def read(self, size=-1):
        return self._inner.read(size)

    def seek(self, offset, whence=0):
        return self._inner.seek(offset, whence)

    def tell(self):
        return self._inner.tell()


KINDS: dict[str, Callable[[pathlib.Path], Any]] = {
    "str": str,
    "path": lambda path: path,
    "bytes path": lambda path: BytesPath(path),
    "bytes": lambda path: CONTENT,
    "bytearray": lambda path: bytearray(CONTENT),
    "memoryview": lambda path: memoryview(CONTENT),
    "memoryview of shorts": lambda path: memoryview(CONTENT).cast("H"),
    "memoryview with gaps": lambda path: memoryview(bytes(2).join(CONTENT[i : i + 1] for i in range(len(CONTENT))))[
        ::3
    ],
    "array": lambda path: array("H", CONTENT),
    "buffered": lambda path: path.open("rb"),
    "raw": lambda path: path.open("rb", buffering=0),
    "written": written,
    "BytesIO": lambda path: io.BytesIO(CONTENT),
    "spooled": lambda path: spooled(),
    "gzip": gzipped,
    "mmap": mapped,
    "foreign": lambda path: Foreign(),
}


class BytesPath:
    def __init__(self, path):
        self._path = os.fsencode(path)

    def __fspath__(self):
        return self._path


def rewrite(path):
    status = path.stat()
    path.write_bytes(CONTENT[::-1])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
