"""What all files have in common while they are read: errors in words for people, chunks, and the watch for changes."""

import io
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from flowflex_transports.protocols import Source

CHUNK_BYTES = 65_536

# Asked between the reads that measuring takes: whether anybody still waits for it.
GoOn = Callable[[], bool]


def always() -> bool:
    """Go on for as long as it takes."""
    return True


class SourceError(Exception):
    """A file cannot be read, or is no longer what was measured; says so in words for people."""


class TooLateError(SourceError):
    """A file was not measured for as long as anybody waited."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} was not measured before the deadline")


class Measured(Protocol):
    """A source whose size is known."""

    @property
    def length(self) -> int:
        """The number of bytes."""
        ...

    def open(self) -> AbstractContextManager[Source]:
        """Open it for one attempt; entering may raise `SourceError`."""
        ...


@dataclass(frozen=True, slots=True)
class Opened:
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


# What tells one content of a file from another: inode, size, and when it was last written to.
Stamp = tuple[int, int, int, int]


def stamp_of(descriptor: int) -> Stamp:
    """Return the stamp of an open file."""
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


@contextmanager
def trouble_named(name: str) -> Generator[None]:
    """Turn whatever reading raises into a `SourceError`: the code of a file object may be anybody's."""
    try:
        yield
    except SourceError:
        raise
    except io.UnsupportedOperation as error:
        raise SourceError(f"cannot read {name} ({error}): open it for reading, in binary mode") from error
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise SourceError(f"cannot read {name}: {reason}") from error
