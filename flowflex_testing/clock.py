"""The time that the fake lives in: virtual, and it only goes forward. What is planned for a moment happens in order.

Reading the time has no effects. What is due happens while the clock advances, and when a clock that runs is told to
settle; the fake does so with every request, and whenever it is asked what has expired.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class Occasion(Protocol):
    """Something that the clock comes by for, again and again."""

    @property
    def moment(self) -> float | None:
        """When the clock is wanted next: once it is past this; None where nothing is planned."""
        ...

    def come(self) -> None:
        """Let happen what is next; the clock calls this."""
        ...

    def tell(self) -> str:
        """Say in words what is next."""
        ...


class Time(Protocol):
    """What a store and who looks into it ask of a clock: what time it is, and to be come by for.

    Attributes:
        changes: How often it was moved or its rate set.
    """

    changes: int

    @property
    def rate(self) -> float:
        """Seconds that pass here in a real second."""
        ...

    def now(self) -> float:
        """Return the seconds since the epoch."""
        ...

    def settle(self) -> None:
        """Let everything happen that is due."""
        ...

    def attend(self, occasion: Occasion) -> None:
        """Come by at an occasion from now on."""
        ...

    def leave(self, occasion: Occasion) -> None:
        """Come by at an occasion no more."""
        ...


@dataclass(frozen=True, slots=True)
class Upcoming:
    """What happens next: as soon as the clock is past `at`."""

    at: float
    what: str


class Clock:
    """A clock that stands still until it is told to advance, or runs at a rate.

    It starts at the real time, to the second, because clients measure with their own real clock: a Retry-After
    date that the fake computes must lie near their present. For runs that replay byte for byte, give `start`.

    It can be used from any thread.

    Args:
        start: Seconds since the epoch; by default the real time.
        rate: Seconds that pass here in a real second: 0 is frozen, 1 is real time, more is scaled.

    Attributes:
        start: Where it began.
    """

    def __init__(self, start: float | None = None, *, rate: float = 0.0) -> None:
        self.start = float(int(time.time())) if start is None else float(start)
        # How often it was moved or its rate set.
        self.changes = 0
        # The time at a moment of the real clock, and the rate since: one value, so that no reader sees half a change.
        self._line = (self.start, time.monotonic(), _checked_rate(rate))
        self._lock = threading.Lock()
        self._moved = threading.Condition(self._lock)
        self._occasions: list[Occasion] = []
        # Held while things happen, so that they do one after the other; each may look at the clock, and plan more.
        self._turn = threading.RLock()

    def now(self) -> float:
        """Return the seconds since the epoch."""
        since, moment, rate = self._line
        return since + rate * (time.monotonic() - moment) if rate else since

    @property
    def rate(self) -> float:
        """Seconds that pass here in a real second. Where it is set, time goes on from where it is."""
        return self._line[2]

    @rate.setter
    def rate(self, rate: float) -> None:
        _checked_rate(rate)
        with self._turn:
            self.settle()
            self._go_to(self.now(), rate)
            self.changes += 1

    def advance(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> float:
        """Go forward by the sum of the arguments, and return the new time.

        What is planned on the way happens in the order of its moments, at each of which the clock stands meanwhile.
        """
        step = 86_400 * days + 3_600 * hours + 60 * minutes + seconds
        if not 0 <= step < float("inf"):
            raise ValueError(f"the clock cannot advance by {step!r} seconds: time only goes forward")
        with self._turn:
            rate = self.rate
            self._go_to(self.now(), 0.0)
            end = self.now() + step
            while (due := self._first(before=end)) is not None:
                at, occasion = due
                self._go_to(max(at, self.now()), 0.0)
                occasion.come()
            self._go_to(end, rate)
            self.changes += 1
            return end

    def settle(self) -> None:
        """Let everything happen that is due: a clock that runs does not come by by itself."""
        with self._turn:
            while (due := self._first(before=self.now())) is not None:
                due[1].come()

    @property
    def next(self) -> Upcoming | None:
        """What happens next; None where nothing is planned."""
        self.settle()
        with self._turn:
            first = self._first()
            return None if first is None else Upcoming(first[0], first[1].tell())

    def attend(self, occasion: Occasion) -> None:
        """Come by at an occasion from now on. Of those that have one moment, who came first is first."""
        with self._lock:
            self._occasions = [*self._occasions, occasion]

    def leave(self, occasion: Occasion) -> None:
        """Come by at an occasion no more."""
        with self._lock:
            self._occasions = [other for other in self._occasions if other is not occasion]

    def wait_until(self, at: float, what: str, gives_up: Callable[[], bool]) -> None:
        """Block until the clock has come to `at`, or `gives_up()` is true when `wake` is called."""
        waiting = _Waiting(at, what)
        self.attend(waiting)
        try:
            with self._moved:
                while not gives_up() and (left := at - self.now()) > 0:
                    rate = self.rate
                    self._moved.wait(left / rate if rate else None)
        finally:
            self.leave(waiting)

    def wake(self) -> None:
        """Have everyone who waits look whether they give up."""
        with self._moved:
            self._moved.notify_all()

    def _first(self, *, before: float = float("inf")) -> tuple[float, Occasion] | None:
        first = None
        for occasion in self._occasions:
            moment = occasion.moment
            if moment is not None and moment < before:
                first, before = (moment, occasion), moment
        return first

    def _go_to(self, moment: float, rate: float) -> None:
        with self._moved:
            self._line = (moment, time.monotonic(), rate)
            self._moved.notify_all()

    def __repr__(self) -> str:
        return f"Clock(now={self.now()!r})"


class _Waiting:
    """The occasion of a thread that waits, and goes on by itself."""

    def __init__(self, moment: float, what: str) -> None:
        self.moment: float | None = moment
        self._what = what

    def come(self) -> None:
        """Be over."""
        self.moment = None

    def tell(self) -> str:
        """Say what the thread is about to do."""
        return self._what


def _checked_rate(rate: float) -> float:
    if not 0 <= rate < float("inf"):
        raise ValueError(f"rate must be a finite number that is not negative, not {rate!r}: time only goes forward")
    return rate
