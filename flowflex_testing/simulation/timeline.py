"""One loop over one heap: what happens, in the order of its time, in a single thread."""

from collections.abc import Callable
from heapq import heappop, heappush

from flowflex_testing.clock import Occasion

Action = Callable[[], None]

# Any moment will do, and with this one a tape tells the same story everywhere.
FIRST_MOMENT = 1_700_000_000.0


class Timeline:
    """What is still to happen, and the present.

    Attributes:
        now: Seconds since the epoch.
        jumped: Whether time has ever jumped.
    """

    __slots__ = ("_count", "_heap", "jumped", "now")

    def __init__(self) -> None:
        self.now = FIRST_MOMENT
        self.jumped = False
        self._heap: list[tuple[float, int, Action]] = []
        self._count = 0

    def after(self, seconds: float, action: Action) -> None:
        """Let `action` happen in so many seconds; of what is due at the same time, what was told first comes first."""
        self._count += 1
        heappush(self._heap, (self.now + seconds, self._count, action))

    def jump(self, seconds: float) -> None:
        """Let time pass at once, as while a machine sleeps: what was due in it happens late."""
        self.now += seconds
        self.jumped = True

    @property
    def next_at(self) -> float | None:
        """When something happens next; None when nothing does."""
        return max(self._heap[0][0], self.now) if self._heap else None

    def run_next(self) -> bool:
        """Let the next thing happen; return whether there was one."""
        if not self._heap:
            return False
        at, _, action = heappop(self._heap)
        if at > self.now:
            self.now = at
        action()
        return True


class ServerTime:
    """A server's clock, which shows the present of a timeline.

    Nobody is come by for: whether something is too old, the rules tell from its age.
    """

    __slots__ = ("_timeline", "changes", "rate")

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self.changes = 0
        self.rate = 0.0

    def now(self) -> float:
        """Return the seconds since the epoch."""
        return self._timeline.now

    def settle(self) -> None:
        """Do nothing: nothing is planned."""

    def attend(self, occasion: Occasion) -> None:
        """Do nothing."""

    def leave(self, occasion: Occasion) -> None:
        """Do nothing."""
