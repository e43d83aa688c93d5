"""Tapes: the same one always tells the same, and 0 is what is usual."""

from hypothesis import given
from hypothesis import strategies as st

from flowflex_testing.simulation.tape import Tape

bounds = st.lists(st.integers(1, 256), max_size=600)


def test_a_seed_draws_the_same_decisions_on_every_version_of_python():
    """A seed draws the decisions that it drew when this was written."""
    tape = Tape.of_seed("seed")
    assert [tape.choose(256) for _ in range(8)] == [79, 214, 128, 11, 93, 223, 101, 50]


@given(bounds=bounds)
def test_a_tape_that_is_read_back_decides_the_same(bounds):
    """Whatever a seed draws, the text of its tape decides again."""
    drawn = Tape.of_seed("any")
    decided = [drawn.choose(bound) for bound in bounds]
    again = Tape.of_text(str(drawn))
    assert [again.choose(bound) for bound in bounds] == decided


@given(bounds=bounds, text=st.binary(max_size=20))
def test_a_decision_is_below_its_bound(bounds, text):
    """A decision lies below its bound, whatever is on the tape, and is 0 where the tape has run out."""
    tape = Tape(text)
    decided = [tape.choose(bound) for bound in bounds]
    assert all(0 <= value < bound for value, bound in zip(decided, bounds, strict=True))
    assert not any(decided[len(text) :])


def test_what_is_unusual_is_not_on_an_empty_tape():
    """On an empty tape nothing unusual happens."""
    assert not any(Tape(b"").once_in(times) for times in range(2, 20))
