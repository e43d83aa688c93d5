"""The command line of the simulator.

    python -m flowflex_testing.simulation                              100,000 schedules from a new seed
    python -m flowflex_testing.simulation --seed S --schedules N       the same ones again
    python -m flowflex_testing.simulation --minutes 60                 a soak
    python -m flowflex_testing.simulation --replay tests/tapes/x.tape  one schedule, told line by line

A soak goes on with new seeds, and ends when its time is over. `--jobs` bounds the cores that are used, and `--tapes` is
where what was found is kept.

The exit code is 0 where every rule held, 1 where one was broken, and 2 for wrong usage.
"""

import argparse
import math
import secrets
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from flowflex_testing.simulation.campaign import Tally, run_campaign, shrunk
from flowflex_testing.simulation.schedule import Finding, attempt, conclude
from flowflex_testing.simulation.sending import drive
from flowflex_testing.simulation.story import lines_of
from flowflex_testing.simulation.tape import Tape
from flowflex_testing.simulation.tapes import read_tape, write_tape
from flowflex_testing.simulation.world import Mode

# Of a story, its beginning and its end; a tape keeps no more either.
_MOST_LINES = 60


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m flowflex_testing.simulation", description="Try the core by chance."
    )
    parser.add_argument("--schedules", type=_count, default=100_000, help="how many (default: 100,000)")
    parser.add_argument("--seed", default="", help="what they are drawn from (default: a new one, which is printed)")
    parser.add_argument("--minutes", type=_minutes, default=None, help="go on, with new seeds, for so long")
    parser.add_argument("--jobs", type=_count, default=None, help="on how many cores (default: all)")
    parser.add_argument("--tapes", type=Path, default=Path("tests/tapes"), help="where tapes of failures are kept")
    parser.add_argument("--replay", type=Path, metavar="TAPE", help="run the schedule of one tape, and tell its story")
    options = parser.parse_args(arguments)
    if options.replay is not None:
        try:
            return _replay(*read_tape(options.replay))
        except (OSError, ValueError) as error:
            parser.error(f"argument --replay: {error}")
    seed = options.seed or secrets.token_hex(8)
    until = None if options.minutes is None else time.monotonic() + 60 * options.minutes
    while True:
        tally = _campaign(seed, options.schedules, options.jobs, until)
        if tally.findings:
            for finding in tally.findings.values():
                _tell(shrunk(finding), finding, tally.broken[finding.rule], options.tapes)
            return 1
        if until is None or time.monotonic() >= until:
            return 0
        seed = secrets.token_hex(8)


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {number}")
    return number


def _minutes(text: str) -> float:
    minutes = float(text)
    if not 0 < minutes < math.inf:
        raise argparse.ArgumentTypeError(f"must be more than 0, not {text}")
    return minutes


def _campaign(seed: str, schedules: int, jobs: int | None, until: float | None) -> Tally:
    print(f"seed {seed}", flush=True)
    began = time.monotonic()
    tally = Tally()
    for tally in run_campaign(seed, schedules, jobs):
        if sys.stderr.isatty():
            print(f"\r{tally.schedules:,} schedules", end="", file=sys.stderr, flush=True)
        if until is not None and time.monotonic() >= until:
            break
    seconds = time.monotonic() - began
    print(f"{tally.schedules:,} schedules in {seconds:.0f} s: {tally.schedules / seconds:,.0f} a second")
    each = tally.schedules or 1
    print(
        f"each has {tally.files / each:.2f} files, {tally.flights / each:.2f} requests"
        f" and {tally.mishaps.total() / each:.2f} mishaps on average"
    )
    print("mishaps:", ", ".join(f"{name} {count:,}" for name, count in tally.mishaps.most_common()))
    print("ends:", ", ".join(f"{name} {count:,}" for name, count in sorted(tally.ends.items())))
    return tally


def _tell(shrunken: Finding, finding: Finding, times: int, tapes: Path) -> None:
    path = write_tape(tapes, shrunken)
    print(f"\nBROKEN {shrunken.rule} ({times} times): {shrunken.words}")
    print(f"  seed {finding.seed}, {finding.mode}; tape {shrunken.tape or '(empty)'}")
    _print_story(shrunken.story)
    print(f"  again: python -m flowflex_testing.simulation --replay {path}")


def _replay(mode: Mode, text: str) -> int:
    world, wrong = attempt(Tape.of_text(text), mode, drive)
    finding = conclude(world, wrong, drive, twice=True)
    print("every rule holds" if finding is None else f"BROKEN {finding.rule}: {finding.words}")
    _print_story(lines_of(world))
    return 0 if finding is None else 1


def _print_story(story: Sequence[str]) -> None:
    shown = story if len(story) <= _MOST_LINES else (*story[: _MOST_LINES // 2], "...", *story[-_MOST_LINES // 2 :])
    for line in shown:
        print(f"  {line}")


if __name__ == "__main__":
    sys.exit(main())
