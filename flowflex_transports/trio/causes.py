"""Makes one exception of an ExceptionGroup, so that no nursery of ours shows from outside."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager

import trio


@contextmanager
def single_cause() -> Generator[None]:
    """Raise the one exception that counts in place of a group of them."""
    try:
        yield
    except BaseExceptionGroup as group:
        cause = min(_leaves(group), key=_rank)
        context = cause.__context__
        try:
            raise cause
        finally:
            # The group must not become the context of its own member.
            cause.__context__ = context


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for member in group.exceptions:
        if isinstance(member, BaseExceptionGroup):
            yield from _leaves(member)
        else:
            yield member


def _rank(leaf: BaseException) -> int:
    """Ctrl-C before errors; a Cancelled last: the scope that caused it needs no second notice."""
    if isinstance(leaf, trio.Cancelled):
        return 2
    return 1 if isinstance(leaf, Exception) else 0
