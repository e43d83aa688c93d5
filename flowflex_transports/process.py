"""What belongs to one process alone: a value that a forked child makes anew instead of sharing its parent's.

Sockets and locks do not survive a fork: a shared connection hands one process the other's reply, and a lock that
another thread held stays locked for ever. So the process is compared before any lock is taken, and none is taken
to compare it: the operations on a dict used here are atomic.
"""

import os
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerProcess(Generic[T]):
    """A value made on first use in each process.

    Args:
        make: Makes the value; two threads may both call it, and one of the two values is kept.
        let_go: Called in a child with the value that it inherited.
    """

    def __init__(self, make: Callable[[], T], let_go: Callable[[T], None] | None = None) -> None:
        self._make = make
        self._let_go = let_go
        self._values: dict[int, T] = {}

    def get(self) -> T:
        """Return this process's value."""
        pid = os.getpid()
        value = self._values.get(pid)
        return self._first(pid) if value is None else value

    def _first(self, pid: int) -> T:
        value = self._values.setdefault(pid, self._make())
        for other in [other for other in list(self._values) if other != pid]:
            inherited = self._values.pop(other, None)
            if inherited is not None and self._let_go is not None:
                self._let_go(inherited)
        return value
