"""Campaigns: many schedules keep every rule, and what breaks one is shrunk, told and kept."""

from dataclasses import replace
from itertools import chain, count, repeat
from pathlib import Path
from types import SimpleNamespace

import pytest

from flowflex_testing.simulation.__main__ import main
from flowflex_testing.simulation.campaign import replayed, run_campaign, run_schedules, shrunk
from flowflex_testing.simulation.mishaps import ALPHABET
from flowflex_testing.simulation.schedule import judge
from flowflex_testing.simulation.sending import drive
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
    """The command runs one tape again, says that every rule holds, and tells what happened."""
    found = judge(Tape(b""), "safety", broken)
    assert found is not None
    assert main(["--replay", str(write_tape(tmp_path, found))]) == 0
    first, *story = capsys.readouterr().out.splitlines()
    assert first == "every rule holds"
    assert [line.split()[0] for line in story] == ["safety:", *["+0.000", "+0.080", "+0.160", "+0.200", "+0.240"]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--replay", "missing.tape"], "argument --replay: [Errno 2] No such file or directory: 'missing.tape'"),
        (
            ["--replay", "odd.tape"],
            "argument --replay: a tape is written in hexadecimal digits, two a decision, not 'xyz'",
        ),
        (["--replay", "other.tape"], "argument --replay: other.tape is no tape"),
        (["--schedules", "0"], "argument --schedules: must be 1 or more, not 0"),
        (["--jobs", "-1"], "argument --jobs: must be 1 or more, not -1"),
        (["--minutes", "0"], "argument --minutes: must be more than 0, not 0"),
        (["--minutes", "inf"], "argument --minutes: must be more than 0, not inf"),
    ],
)
def test_a_wrong_command_line_is_told(capsys, tmp_path, monkeypatch, arguments, words):
    """What cannot be run is one sentence that names the option, and exit code 2."""
    monkeypatch.chdir(tmp_path)
    Path("odd.tape").write_text("chaos\nxyz\n")
    Path("other.tape").write_text("hello\n")
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_a_soak_ends_when_its_time_is_over(capsys, monkeypatch):
    """It does not finish a round that would take longer, and takes a new seed for each."""
    times = chain(range(7), repeat(70))  # the second round begins at 6
    monkeypatch.setattr("flowflex_testing.simulation.__main__.time", SimpleNamespace(monotonic=lambda: next(times)))
    assert main(["--minutes", "1", "--schedules", "1000", "--jobs", "1"]) == 0
    told = capsys.readouterr().out
    assert told.count("seed ") == 2
    assert "1,000 schedules in" in told
    assert "500 schedules in" in told


@pytest.mark.parametrize(
    ("tape", "mode", "words"), [("00", "chaotic", "mode must be one of"), ("xyz", "chaos", "hexa")]
)
def test_only_a_tape_is_replayed(tape, mode, words):
    """Another mode, or text that is no tape, is refused, and is no finding."""
    with pytest.raises(ValueError, match=words):
        replayed(tape, mode)


def test_simplifying_ends_in_some_seconds(monkeypatch):
    """Where every try takes long, the simplest tape so far is told."""
    found = replace(run_schedules("tests", range(5), broken).findings["it_ends"], tape="01" * 50)
    seconds = count(0, 6)
    monkeypatch.setattr("flowflex_testing.simulation.campaign.time", SimpleNamespace(monotonic=lambda: next(seconds)))
    tries = []

    def keeps_every_rule(world):
        tries.append(world)
        drive(world)

    assert shrunk(found, keeps_every_rule) == found
    assert len(tries) == 1 + 2  # one before the time is over; to tell what is left, it is run twice


def test_cores_do_not_matter():
    """On two cores a campaign is like on one."""
    *_, one = run_campaign("tests", 2_100, jobs=1)
    *_, two = run_campaign("tests", 2_100, jobs=2)
    assert (one.flights, one.mishaps, one.ends) == (two.flights, two.mishaps, two.ends)
