"""One string of bytes that decides everything in a case of a property.

Hypothesis draws the bytes, and makes them simpler where a case fails: zeros, which stand for what is usual. To draw
each decision by itself would be slower, and five of six cases would be near copies of one another.
"""

from collections.abc import Sequence
from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


class Chances:
    """Decisions, a byte each; when the bytes have run out, all is as usual."""

    def __init__(self, decisions: bytes) -> None:
        self._decisions = decisions
        self._next = 0

    def below(self, bound: int) -> int:
        """Return a number from 0, which is the usual one."""
        if self._next == len(self._decisions):
            return 0
        self._next += 1
        return self._decisions[self._next - 1] % bound

    def once_in(self, times: int) -> bool:
        """Whether something happens that is not usual."""
        return self.below(times) == times - 1

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options, the first of which is the usual one."""
        return options[self.below(len(options))]

    def some(self, items: Sequence[T], *, once_in: int = 2) -> list[T]:
        """Return some of the items, in order; usually none."""
        return [item for item in items if self.once_in(once_in)]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return the items in any order, usually in theirs."""
        rest = list(items)
        return [rest.pop(self.below(len(rest))) for _ in items]

    def __repr__(self) -> str:
        return f"Chances({self._decisions.rstrip(bytes(1))!r})"


any_chances = st.binary(min_size=400, max_size=400).map(Chances)
