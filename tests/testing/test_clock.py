"""The fake's time, and what happens in it."""

import itertools
import threading
import time

import pytest

from flowflex_testing.clock import Clock, Upcoming
from flowflex_testing.fake import FakeFlowFlex


class RealTime:
    """Stands in for the real clock, which a test turns by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 5.0
        monkeypatch.setattr(time, "monotonic", lambda: self.seconds)


class Noted:
    """An occasion at some moments, which notes when the clock came."""

    def __init__(self, clock: Clock, *moments: float, name: str = "it", tape: list[str] | None = None) -> None:
        self.clock = clock
        self.left = list(moments)
        self.came: list[float] = []
        self.name = name
        self.tape = tape
        clock.attend(self)

    @property
    def moment(self) -> float | None:
        return self.left[0] if self.left else None

    def come(self) -> None:
        del self.left[0]
        self.came.append(self.clock.now())
        if self.tape is not None:
            self.tape.append(self.name)

    def tell(self) -> str:
        return f"{self.name} ends"


@pytest.fixture
def real(monkeypatch):
    return RealTime(monkeypatch)


def test_a_clock_stands_still_until_it_is_advanced():
    """Time passes when the test says so, and by how much it says."""
    clock = Clock(1000.0)
    assert clock.now() == clock.now() == 1000.0
    assert clock.advance(days=1, hours=2, minutes=3, seconds=4.5) == 1000.0 + 93784.5
    assert clock.now() == 94784.5


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_a_clock_only_goes_forward(seconds):
    """A step back, or to nowhere, is an error and changes nothing."""
    clock = Clock(1000.0)
    with pytest.raises(ValueError, match="forward"):
        clock.advance(seconds=seconds)
    assert clock.now() == 1000.0


def test_a_clock_starts_at_the_real_time_to_the_second():
    """Dates in replies lie near the present of the clients, which have a real clock."""
    clock = Clock()
    assert clock.start.is_integer()
    assert abs(clock.now() - time.time()) < 60


def test_a_clock_with_a_rate_runs(real):
    """At a rate of 1 it is real time, above that it is scaled, and it can be advanced all the same."""
    clock = Clock(1000.0, rate=60)
    assert clock.now() == 1000.0
    real.seconds += 2
    assert clock.now() == 1120.0
    assert clock.advance(seconds=30) == 1150.0
    real.seconds += 1
    assert clock.now() == 1210.0


def test_the_rate_can_be_set_while_it_runs(real):
    """Time goes on from where it is: it can be stopped, slowed and let run again."""
    clock = Clock(1000.0, rate=60)
    real.seconds += 1
    clock.rate = 0
    real.seconds += 1
    assert (clock.now(), clock.rate) == (1060.0, 0)
    clock.rate = 1
    real.seconds += 1
    assert (clock.now(), clock.rate) == (1061.0, 1)


def test_it_tells_that_it_was_changed():
    """Whoever shows the time looks at one number: each step and each rate makes it another one."""
    clock = Clock()
    seen = [clock.changes]
    clock.advance(hours=1)
    seen.append(clock.changes)
    clock.rate = 0
    seen.append(clock.changes)
    assert len(set(seen)) == 3


@pytest.mark.parametrize("rate", [-1, float("inf"), float("nan")])
def test_a_rate_is_finite_and_not_negative(rate):
    """Time neither goes back nor jumps to its end, and a wrong rate changes nothing."""
    with pytest.raises(ValueError, match="forward"):
        Clock(rate=rate)
    clock = Clock(rate=1)
    with pytest.raises(ValueError, match="forward"):
        clock.rate = rate
    assert clock.rate == 1


def test_a_fake_lives_in_the_clock_that_it_is_given():
    """Several fakes can share one time."""
    clock = Clock(1000.0)
    assert FakeFlowFlex(clock=clock).clock is clock
    assert repr(clock) == "Clock(now=1000.0)"


def test_what_is_planned_happens_in_the_order_of_its_moments():
    """Whoever planned it; of one moment who attended first; and the clock stands at that moment."""
    clock = Clock(1000.0)
    tape: list[str] = []
    first = Noted(clock, 1010.0, 1020.0, 1030.0, name="first", tape=tape)
    second = Noted(clock, 1005.0, 1010.0, 1015.0, name="second", tape=tape)
    assert clock.advance(seconds=25) == 1025.0
    assert tape == ["second", "first", "second", "second", "first"]
    assert (first.came, second.came) == ([1010.0, 1020.0], [1005.0, 1010.0, 1015.0])
    assert clock.now() == 1025.0


def test_it_happens_once_its_moment_is_past():
    """At the end of its lifetime a thing is still good."""
    clock = Clock(1000.0)
    noted = Noted(clock, 1010.0)
    clock.advance(seconds=10)
    assert noted.came == []
    clock.advance(seconds=1)
    assert noted.came == [1010.0]


def test_what_happens_can_plan_more():
    """A thing that is planned on the way, and due on the way, happens on the way."""

    class Ticking(Noted):
        def come(self) -> None:
            self.left.append(self.left[0] + 10)
            super().come()

    clock = Clock(1000.0)
    ticking = Ticking(clock, 1010.0)
    clock.advance(seconds=35)
    assert ticking.came == [1010.0, 1020.0, 1030.0]
    assert clock.next == Upcoming(1040.0, "it ends")


def test_the_next_thing_can_be_told():
    """What it is and when, without its happening; nothing where nothing is planned."""
    assert Clock(1000.0).next is None
    clock = Clock(1000.0)
    noted = Noted(clock, 1020.0)
    other = Noted(clock, 1010.0, name="another")
    assert clock.next == Upcoming(1010.0, "another ends")
    assert (noted.came, other.came) == ([], [])


def test_a_running_clock_comes_by_when_it_is_told_to_settle(real):
    """Reading the time has no effects; asking what is next lets happen what is due before."""
    clock = Clock(1000.0, rate=10)
    noted = Noted(clock, 1010.0, 1030.0)
    real.seconds += 2
    assert clock.now() == 1020.0
    assert len(noted.came) == 0
    clock.settle()
    assert len(noted.came) == 1
    real.seconds += 2
    assert clock.next is None
    assert noted.came == [1020.0, 1040.0]


def test_stopping_a_clock_lets_happen_what_is_due(real):
    """What was due while it ran does not wait for the next step."""
    clock = Clock(1000.0, rate=10)
    noted = Noted(clock, 1010.0)
    real.seconds += 2
    clock.rate = 0
    assert noted.came == [1020.0]


def test_advancing_a_running_clock_does_not_go_back(real):
    """What is overdue happens at the time that it is, not at its own moment."""
    clock = Clock(1000.0, rate=10)
    noted = Noted(clock, 1010.0)
    real.seconds += 2
    assert clock.advance(seconds=5) == 1025.0
    assert (noted.came, clock.rate) == ([1020.0], 10)


def test_a_step_ends_no_earlier_than_what_happened_on_the_way(monkeypatch):
    """Real time that passes meanwhile does not carry a running clock past the end of its step, and back."""
    ticks = itertools.count(5)
    monkeypatch.setattr(time, "monotonic", lambda: float(next(ticks)))
    clock = Clock(1000.0, rate=1)
    noted = Noted(clock, 1000.0)
    end = clock.advance(seconds=0.5)
    assert noted.came
    assert noted.came[0] <= end <= clock.now()


def test_an_occasion_can_be_left():
    """The plans of others stay."""
    clock = Clock(1000.0)
    mine, yours = Noted(clock, 1010.0), Noted(clock, 1010.0)
    clock.leave(mine)
    clock.advance(minutes=1)
    assert (mine.came, yours.came) == ([], [1010.0])


class Waiter:
    """A thread that waits for a moment of a clock."""

    def __init__(self, clock: Clock, at: float) -> None:
        self.gives_up = False
        self.begun = threading.Event()
        self.thread = threading.Thread(target=clock.wait_until, args=(at, "a waiter goes on", self._look))
        self.thread.start()
        assert self.begun.wait(10)

    def _look(self) -> bool:
        self.begun.set()
        return self.gives_up

    def ends(self) -> bool:
        self.thread.join(10)
        return not self.thread.is_alive()


def test_a_thread_can_wait_for_a_moment():
    """It goes on when the clock has come so far, and not before; meanwhile the clock tells about it."""
    clock = Clock(1000.0)
    waiter = Waiter(clock, 1010.0)
    clock.advance(seconds=9)
    assert clock.next == Upcoming(1010.0, "a waiter goes on")
    assert waiter.thread.is_alive()
    clock.advance(seconds=1)
    assert waiter.ends()
    assert clock.next is None


def test_a_thread_that_waits_can_be_freed():
    """Woken, it looks whether it gives up."""
    clock = Clock(1000.0)
    waiter, other = Waiter(clock, 1010.0), Waiter(clock, 1010.0)
    waiter.gives_up = True
    clock.wake()
    assert waiter.ends()
    assert other.thread.is_alive()
    clock.advance(seconds=10)
    assert other.ends()


def test_a_thread_that_waits_goes_on_by_itself_when_the_clock_runs():
    """Also where the clock began to run only later."""
    clock = Clock(1000.0)
    waiter = Waiter(clock, 1010.0)
    clock.rate = 1000
    assert waiter.ends()


def test_a_moment_that_is_past_is_not_waited_for():
    """Nobody needs to move the clock for it."""
    clock = Clock(1000.0)
    clock.wait_until(1000.0, "now", lambda: False)
    assert clock.now() == 1000.0


def test_steps_from_many_threads_add_up():
    """No step is lost, and everything planned happens once and in order."""
    clock = Clock(0.0)
    noted = Noted(clock, *map(float, range(400)))
    threads = [threading.Thread(target=lambda: [clock.advance(seconds=1) for _ in range(100)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (clock.now(), noted.came) == (400.0, [float(moment) for moment in range(400)])
