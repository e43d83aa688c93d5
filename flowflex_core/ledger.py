"""What is stored, by the index of its file: a table that is never changed, and cheap to have a changed copy of.

A copy shares all but one branch with its original, 32 entries at each of its few levels, so a step over ten thousand
files costs what a step over ten does. It is the vector of Clojure, without growing.
"""

from collections.abc import Iterator
from typing import Any

from flowflex_core.messages import UploadUrl

_BITS = 5
_WIDTH = 1 << _BITS


class Stored:
    """One stored file.

    Attributes:
        index: Which file.
        asset_id: What FlowFlex calls it.
        since: When the put that stored it was issued: it lives 48 hours from then on at the least.
        attempts: How many requests were issued for it.
        issued: The ids of those that were issued in this process.
        granted: The upload URL, where it was granted in this process: its secrets are masked in later replies.
    """

    __slots__ = ("asset_id", "attempts", "granted", "index", "issued", "since")

    def __init__(
        self,
        index: int,
        asset_id: str,
        since: float,
        attempts: int = 0,
        issued: tuple[str, ...] = (),
        granted: UploadUrl | None = None,
    ) -> None:
        self.index = index
        self.asset_id = asset_id
        self.since = since
        self.attempts = attempts
        self.issued = issued
        self.granted = granted


class Ledger:
    """The stored files of one send, by index. `put` returns another ledger."""

    __slots__ = ("_root", "_top", "count", "length")

    # A branch is a list of branches, or of entries at the lowest level; None where nothing is stored below.
    _root: list[Any] | None

    def __init__(self, length: int) -> None:
        self.length = length
        self.count = 0
        self._top = 0
        while length > _WIDTH << self._top:
            self._top += _BITS
        self._root = None

    def get(self, index: int) -> Stored | None:
        """Return what is stored of a file, or None."""
        node: Any = self._root
        shift = self._top
        while node is not None and shift >= 0:
            node = node[(index >> shift) & (_WIDTH - 1)]
            shift -= _BITS
        return node  # type: ignore[no-any-return]

    def of(self, request_id: object) -> Stored | None:
        """Return what is stored of the file that a request of ours is about, by the second part of its id."""
        parts = request_id.split("/") if isinstance(request_id, str) else ()
        if len(parts) != 3 or not (parts[1].isdecimal() and len(parts[1]) < 12):
            return None
        index = int(parts[1])
        return self.get(index) if index < self.length else None

    def put(self, entry: Stored) -> "Ledger":
        """Return this ledger with `entry` in the place of its index."""
        other = object.__new__(Ledger)
        other.length = self.length
        other.count = self.count + (self.get(entry.index) is None)
        other._top = self._top
        other._root = _branch(self._root, self._top, entry)
        return other

    def __iter__(self) -> Iterator[Stored]:
        """Go through what is stored, in the order of the files."""
        return (entry for index in range(self.length if self.count else 0) if (entry := self.get(index)) is not None)


def _branch(node: list[Any] | None, shift: int, entry: Stored) -> list[Any]:
    children: list[Any] = [None] * _WIDTH if node is None else node.copy()
    slot = (entry.index >> shift) & (_WIDTH - 1)
    children[slot] = entry if shift == 0 else _branch(children[slot], shift - _BITS, entry)
    return children
