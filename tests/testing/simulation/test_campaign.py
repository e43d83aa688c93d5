"""Campaigns: many schedules keep every rule, and what breaks one is shrunk, told and kept."""

from pathlib import Path

import pytest

from flowflex_testing.simulation.__main__ import main
from flowflex_testing.simulation.campaign import replayed, run_campaign, run_schedules, shrunk
from flowflex_testing.simulation.mishaps import ALPHABET
from flowflex_testing.simulation.schedule import judge
from flowflex_testing.simulation.tape import Tape
from flowflex_testing.simulation.tapes import read_tape, write_tape

TAPES = sorted((Path(__file__).parents[2] / "tapes").glob("*.tape"))


def test_a_small_campaign_keeps_every_rule():
    """Over some hundred schedules every rule holds, and every mishap of the alphabet strikes."""
    tally = run_schedules("tests", range(900))
    assert tally.findings == {}
    assert set(tally.mishaps) == {mishap.name for mishap in ALPHABET}


def test_a_campaign_has_a_file_and_two_mishaps_a_schedule():
    """On average a schedule has at least one file and two mishaps."""
    tally = run_schedules("tests", range(900))
    assert tally.files >= tally.schedules
    assert tally.mishaps.total() >= 2 * tally.schedules


@pytest.mark.parametrize("path", TAPES, ids=[path.stem for path in TAPES])
def test_what_once_failed_holds(path):
    """A tape that once broke a rule breaks none."""
    mode, tape = read_tape(path)
    assert replayed(tape, mode) is None


def broken(world):
    """Stand for a loop that never begins."""


def test_a_finding_is_shrunk_and_kept(tmp_path):
    """What breaks a rule is made as simple as can be, written down with its story, and read back."""
    found = run_schedules("tests", range(5), broken).findings["it_ends"]
    simple = shrunk(found, broken)
    assert simple.tape == ""
    path = write_tape(tmp_path, simple)
    assert "never ended" in path.read_text()
    assert read_tape(path) == (simple.mode, "")


def test_an_exception_in_a_loop_is_a_finding():
    """Whatever a loop raises is told, as a rule that is broken."""

    def raises(world):
        raise ZeroDivisionError("by nothing")

    found = judge(Tape(b""), "chaos", raises)
    assert found is not None
    assert found.rule == "nothing_is_raised"
    assert found.words.startswith("ZeroDivisionError: by nothing (at test_campaign.py:")


def test_a_file_that_is_no_tape_is_told(tmp_path):
    """A file that is no tape is refused with its name."""
    path = tmp_path / "x.tape"
    path.write_text("hello\n")
    with pytest.raises(ValueError, match=r"x\.tape is no tape"):
        read_tape(path)


def test_the_command_tells_what_a_campaign_was_like(capsys, tmp_path):
    """The command prints its seed, its speed and its distribution, and exits with 0 where every rule held."""
    assert main(["--schedules", "60", "--seed", "tests", "--jobs", "1", "--tapes", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "seed tests" in told
    assert "60 schedules in" in told
    assert "mishaps on average" in told


def test_the_command_replays_a_tape(capsys, tmp_path):
    """The command runs one tape again, and says that every rule holds."""
    found = judge(Tape(b""), "safety", broken)
    assert found is not None
    assert main(["--replay", str(write_tape(tmp_path, found))]) == 0
    assert capsys.readouterr().out == "every rule holds\n"


def test_cores_do_not_matter():
    """On two cores a campaign is like on one."""
    *_, one = run_campaign("tests", 2_100, jobs=1)
    *_, two = run_campaign("tests", 2_100, jobs=2)
    assert (one.flights, one.mishaps, one.ends) == (two.flights, two.mishaps, two.ends)
