"""Whole files on disk, for a fake that was asked to keep them: bounded, private, and gone when they are not wanted.

A file arrives piece by piece as a `Part`, and is kept under the asset that it became. At the bound the oldest files
make room for the newest, and one that is larger than the bound is not kept. Memory holds names and sizes only.
"""

import os
import re
import shutil
import tempfile
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_PART_SUFFIX = ".flowflex-part"
_KEPT_NAME = re.compile(r"asset_[A-Za-z0-9]+-[0-9a-f]{64}", re.ASCII)


@dataclass(slots=True, eq=False)
class Part:
    """A file that is arriving. Once it is kept or abandoned, be it by its spool, its methods do nothing."""

    spool: "Spool"
    path: Path
    file: BinaryIO
    size: int = 0

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        self.spool.write(self, data)

    def keep(self, asset_id: str, sha256: str) -> None:
        """Keep the file, which is whole, for an asset."""
        self.spool.keep(self, asset_id, sha256)

    def abandon(self) -> None:
        """Give the space back."""
        self.spool.abandon(self)


class Spool:
    """The files that one fake keeps.

    Args:
        limit: How many bytes may be on disk, files that are arriving included.
        directory: Where files stay after `close`, for another spool to find. What is not a spool's own is not touched
            there. By default a temporary directory that nobody else can read, made with the first file.
    """

    def __init__(self, limit: int, directory: Path | None = None) -> None:
        if limit < 0:
            raise ValueError(f"a spool holds 0 bytes or more, not {limit!r}")
        self._limit = limit
        self._directory = directory
        self._remove_directory: weakref.finalize[..., Spool] | None = None
        self._lock = threading.Lock()
        self._parts: set[Part] = set()
        # Names to sizes, the oldest first.
        self._kept: dict[str, int] = {}
        self._used = 0
        if directory is not None:
            self._find_kept(directory)

    @property
    def used(self) -> int:
        """The bytes on disk."""
        return self._used

    def begin(self) -> Part:
        """Begin with a file that arrives."""
        with self._lock:
            directory = self._directory or self._make_directory()
            # Nobody but the owner can read what mkstemp makes.
            descriptor, path = tempfile.mkstemp(suffix=_PART_SUFFIX, dir=directory)
            part = Part(self, Path(path), os.fdopen(descriptor, "wb"))
            self._parts.add(part)
            return part

    def write(self, part: Part, data: bytes) -> None:
        """Take the next bytes of `part`, where the oldest files can make room for them."""
        with self._lock:
            if part not in self._parts:
                return
            while self._kept and self._used + len(data) > self._limit:
                self._drop(next(iter(self._kept)))
            if self._used + len(data) > self._limit:
                self._abandon(part)
                return
            # Counted first: a write that fails may have taken its space.
            part.size += len(data)
            self._used += len(data)
            part.file.write(data)

    def keep(self, part: Part, asset_id: str, sha256: str) -> None:
        """Keep `part` for an asset, in place of a file that is the same."""
        with self._lock:
            if part not in self._parts:
                return
            part.file.close()
            name = _kept_name(asset_id, sha256)
            # At one stroke, so that a file with its name is never gone.
            part.path.replace(part.path.with_name(name))
            self._used -= self._kept.pop(name, 0)
            self._parts.remove(part)
            self._kept[name] = part.size

    def abandon(self, part: Part) -> None:
        """Give the space of `part` back."""
        with self._lock:
            self._abandon(part)

    def path(self, asset_id: str, sha256: str) -> Path | None:
        """Return where the file of an asset is; None where it is not kept."""
        name = _kept_name(asset_id, sha256)
        with self._lock:
            return self._directory / name if self._directory is not None and name in self._kept else None

    def drop(self, asset_id: str, sha256: str) -> None:
        """Give back the space of an asset's file, where it is kept."""
        with self._lock:
            self._drop(_kept_name(asset_id, sha256))

    def clear(self) -> None:
        """Give back all space, that of files which are arriving as well."""
        with self._lock:
            self._clear()

    def close(self) -> None:
        """Abandon what is arriving; a directory of its own goes away, with all that it holds."""
        with self._lock:
            for part in list(self._parts):
                self._abandon(part)
            if self._remove_directory is not None:
                self._clear()
                self._remove_directory()
                self._remove_directory = self._directory = None

    # Under the lock.

    def _make_directory(self) -> Path:
        self._directory = directory = Path(tempfile.mkdtemp(prefix="flowflex-fake-"))
        # For who never closes: a fake in memory does not stop.
        self._remove_directory = weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
        return directory

    def _find_kept(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found: list[tuple[float, str, int]] = []
        for path in directory.iterdir():
            if path.name.endswith(_PART_SUFFIX):
                path.unlink()  # of a process that died
            elif _KEPT_NAME.fullmatch(path.name):
                status = path.stat()
                found.append((status.st_mtime, path.name, status.st_size))
        self._kept = {name: size for _, name, size in sorted(found)}
        self._used = sum(self._kept.values())
        while self._used > self._limit:
            self._drop(next(iter(self._kept)))

    def _clear(self) -> None:
        for part in list(self._parts):
            self._abandon(part)
        for name in list(self._kept):
            self._drop(name)

    def _abandon(self, part: Part) -> None:
        if part in self._parts:
            self._parts.remove(part)
            self._used -= part.size
            part.path.unlink()
            part.file.close()

    def _drop(self, name: str) -> None:
        size = self._kept.pop(name, None)
        if size is not None and self._directory is not None:
            self._used -= size
            (self._directory / name).unlink(missing_ok=True)


def _kept_name(asset_id: str, sha256: str) -> str:
    return f"{asset_id}-{sha256}"
