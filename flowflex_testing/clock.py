"""The time that the fake lives in: virtual, and it only goes forward."""

import threading
import time


class Clock:
    """A clock that stands still until it is told to advance.

    It starts at the real time, to the second, because clients measure with their own real clock: a Retry-After
    date that the fake computes must lie near their present. For runs that replay byte for byte, give `start`.

    Args:
        start: Seconds since the epoch; by default the real time.
        rate: Seconds that pass here in a real second: 0 is frozen, 1 is real time, more is scaled.
    """

    def __init__(self, start: float | None = None, *, rate: float = 0.0) -> None:
        self.start = float(int(time.time())) if start is None else float(start)
        # How often it was moved or its rate set.
        self.changes = 0
        self._lock = threading.Lock()
        # The time at a moment of the real clock, and the rate since: one value, so that no reader sees half a change.
        self._line = (self.start, time.monotonic(), _checked_rate(rate))

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
        with self._lock:
            self._line = (self.now(), time.monotonic(), _checked_rate(rate))
            self.changes += 1

    def advance(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> float:
        """Go forward by the sum of the arguments, and return the new time."""
        step = 86_400 * days + 3_600 * hours + 60 * minutes + seconds
        if not 0 <= step < float("inf"):
            raise ValueError(f"the clock cannot advance by {step!r} seconds: time only goes forward")
        with self._lock:
            since, moment, rate = self._line
            self._line = (since + step, moment, rate)
            self.changes += 1
        return self.now()

    def __repr__(self) -> str:
        return f"Clock(now={self.now()!r})"


def _checked_rate(rate: float) -> float:
    if not 0 <= rate < float("inf"):
        raise ValueError(f"rate must be a finite number that is not negative, not {rate!r}: time only goes forward")
    return rate
