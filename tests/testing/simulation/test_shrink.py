"""Shrinking: what is left of a tape is no more than what the failure needs."""

from hypothesis import given
from hypothesis import strategies as st

from flowflex_testing.simulation.shrink import shrink


@given(tape=st.binary(min_size=1, max_size=60), floor=st.integers(1, 200))
def test_one_decision_that_matters_is_all_that_is_left(tape, floor):
    """Where one decision of at least so much makes the failure, the shrunken tape holds that one alone."""
    tape += bytes([255])

    def still_fails(candidate):
        return any(value >= floor for value in candidate)

    assert shrink(tape, still_fails) == bytes([floor])


def test_decisions_that_hang_together_are_kept_in_order():
    """What needs two decisions in their order keeps both, and nothing between them."""

    def still_fails(candidate):
        return 7 in candidate and 9 in candidate[candidate.index(7) :]

    assert shrink(bytes([1, 7, 3, 3, 9, 4]), still_fails) == bytes([7, 9])


def test_it_comes_to_an_end_where_nothing_is_simpler():
    """A failure that any tape shows is shown by the empty one; one that a single tape shows keeps it."""
    assert shrink(b"\1\2\3", lambda candidate: True) == b""
    assert shrink(b"\1\2\3", lambda candidate: candidate == b"\1\2\3") == b"\1\2\3"
