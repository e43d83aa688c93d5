"""How much a test here tries, and what it may use while it does: the memory of each example is bounded."""

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import HealthCheck, settings

# How many examples there are in the long run for one in the short.
_LONGER = 100

# The number that the profile of the long run is told by: no other has it.
SOAK = 100_003


def fuzz(count: int) -> Callable[[Any], Any]:
    """Run a test with `count` examples, the same in each run; in the long run with many more, new each time."""
    is_long = settings.default is not None and settings.default.max_examples == SOAK
    return settings(
        max_examples=count * _LONGER if is_long else count,
        derandomize=not is_long,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@contextmanager
def memory_under(limit: int) -> Iterator[None]:
    """Fail where more than `limit` bytes are in use at a time, beyond what is in use now."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < limit, f"{peak} bytes"
