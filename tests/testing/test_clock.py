"""The fake's time."""

import time

import pytest

from flowflex_testing.clock import Clock
from flowflex_testing.fake import FakeFlowFlex


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


def test_a_clock_with_a_rate_runs(monkeypatch):
    """At a rate of 1 it is real time, above that it is scaled, and it can be advanced all the same."""
    moments = iter([5.0, 5.0, 7.0, 7.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(moments))
    clock = Clock(1000.0, rate=60)
    assert clock.now() == 1000.0
    assert clock.now() == 1120.0
    assert clock.advance(seconds=30) == 1150.0


@pytest.mark.parametrize("rate", [-1, float("inf"), float("nan")])
def test_a_rate_is_finite_and_not_negative(rate):
    """Time neither goes back nor jumps to its end."""
    with pytest.raises(ValueError, match="forward"):
        Clock(rate=rate)


def test_a_fake_lives_in_the_clock_that_it_is_given():
    """Several fakes can share one time."""
    clock = Clock(1000.0)
    assert FakeFlowFlex(clock=clock).clock is clock
    assert repr(clock) == "Clock(now=1000.0)"


def test_the_rate_can_be_changed(monkeypatch):
    """Time goes on from where it is: faster, slower, or not at all."""
    moment = 5.0
    monkeypatch.setattr(time, "monotonic", lambda: moment)
    clock = Clock(1000.0, rate=60)
    moment = 7.0
    clock.rate = 1
    assert (clock.rate, clock.now()) == (1, 1120.0)
    moment = 8.0
    assert clock.now() == 1121.0
    clock.rate = 0
    moment = 99.0
    assert clock.now() == 1121.0
    with pytest.raises(ValueError, match="forward"):
        clock.rate = -1
    assert (clock.rate, clock.now()) == (0, 1121.0)
