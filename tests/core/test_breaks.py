"""For each line of the contract a break in the code that turns its property red."""

import pytest

from tests.core.planting import Break, StaleBreakError, assert_turns_red, copied, plant, run

CONTRACT = "tests/core/test_contract.py::test_"

BREAKS = [
    Break(
        "line 1: a reply nested deeper than the stack raises",
        "flowflex_core/wire.py",
        "except RecursionError:",
        "except MemoryError:",
        f"{CONTRACT}1_only_misuse_raises_and_it_changes_nothing",
        "advance raised for what no caller did: RecursionError",
    ),
    Break(
        "line 2: an outcome of an earlier attempt is taken for that of the present one",
        "flowflex_core/send.py",
        " and request_id == task.issued[-1] else None",
        " else None",
        f"{CONTRACT}2_late_and_repeated_outcomes_are_no_ops",
        "a late (or repeated )?outcome",
    ),
    Break(
        "line 3: time goes back with the clock",
        "flowflex_core/send.py",
        "elif now > state.now:",
        "else:",
        f"{CONTRACT}3_early_and_extra_calls_are_no_ops_and_time_never_goes_back",
        "an early call|time went back",
    ),
    Break(
        "line 4: a task that waits has no timer",
        "flowflex_core/send.py",
        "if task.state not in IN_FLIGHT and (moment",
        "if task.state in IN_FLIGHT and (moment",
        f"{CONTRACT}4_not_done_means_in_flight_or_a_numeric_wait",
        "there is no timer|the timer came",
    ),
    Break(
        "line 5: one upload more than the limit is begun",
        "flowflex_core/send.py",
        "while len(new.under_way) < limit",
        "while len(new.under_way) <= limit",
        f"{CONTRACT}5_each_leg_waits_for_the_one_before_and_the_limit_holds",
        "more in flight than the limit",
    ),
    Break(
        "line 6: a snapshot forgets that a POST was in flight",
        "flowflex_core/snapshot.py",
        "doubt = event.doubt or event.state == EVENT_SENT",
        "doubt = event.doubt",
        f"{CONTRACT}6_interrupted_attempts_count",
        "an interrupted POST left no doubt",
    ),
    Break(
        "line 6: an interrupted attempt does not count",
        "flowflex_core/snapshot.py",
        "task.failures + (task.state in IN_FLIGHT)",
        "task.failures",
        f"{CONTRACT}6_interrupted_attempts_count",
        "interrupted attempts of (the event|an upload) were not counted",
    ),
    Break(
        "line 7: of two outcomes for one request, the first given counts",
        "flowflex_core/send.py",
        "sorted(outcomes, key=_order)",
        "outcomes",
        f"{CONTRACT}7_outcomes_given_in_one_call_commute",
        "the order of the outcomes of a call made a difference",
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize("planted", BREAKS, ids=lambda planted: planted.name)
def test_a_break_turns_its_line_red(planted: Break, tmp_path):
    """The property of each line of the contract fails, and says why, once the code breaks it."""
    assert_turns_red(planted, tmp_path)


@pytest.mark.slow
def test_without_a_break_the_same_run_is_green(tmp_path):
    """What turns red is due to the break: an unbroken copy passes the same tests in the same way."""
    ended = run(sorted({planted.test for planted in BREAKS}), copied("flowflex_core", tmp_path))
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_each_line_has_a_break():
    """No line of the contract is without a break."""
    assert {planted.name.partition(":")[0] for planted in BREAKS} == {f"line {number}" for number in range(1, 8)}


def test_a_stale_break_says_so(tmp_path):
    """A break whose text is gone from the source fails, and names itself and the text."""
    with pytest.raises(StaleBreakError, match=r"an old break: 'no such text' stands 0 times in flowflex_core/send.py"):
        plant(Break("an old break", "flowflex_core/send.py", "no such text", "", "", ""), tmp_path)
