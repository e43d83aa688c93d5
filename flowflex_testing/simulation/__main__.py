"""The command line of the simulator.

    python -m flowflex_testing.simulation                              100,000 schedules from a new seed
    python -m flowflex_testing.simulation --seed S --schedules N       the same ones again
    python -m flowflex_testing.simulation --minutes 60                 a soak
    python -m flowflex_testing.simulation --replay tests/tapes/x.tape  one schedule, told line by line

The exit code is 0 where every rule held, 1 where one was broken, and 2 for wrong usage.
"""

import argparse
import secrets
import sys
import time
from pathlib import Path

from flowflex_testing.simulation.campaign import Tally, replayed, run_campaign, shrunk
from flowflex_testing.simulation.schedule import Finding
from flowflex_testing.simulation.tapes import read_tape, write_tape

# Of a story, its beginning and its end; a tape keeps no more either.
_MOST_LINES = 60


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m flowflex_testing.simulation", description="Try the core by chance."
    )
    parser.add_argument("--schedules", type=int, default=100_000, help="how many (default: 100,000)")
    parser.add_argument("--seed", default="", help="what they are drawn from (default: a new one, which is printed)")
    parser.add_argument("--minutes", type=float, default=0.0, help="go on, with new seeds, for so long")
    parser.add_argument("--jobs", type=int, default=None, help="on how many cores (default: all)")
    parser.add_argument("--tapes", type=Path, default=Path("tests/tapes"), help="where tapes of failures are kept")
    parser.add_argument("--replay", type=Path, metavar="TAPE", help="run the schedule of one tape, and tell its story")
    options = parser.parse_args(arguments)
    if options.replay is not None:
        return _replay(options.replay)
    seed = options.seed or secrets.token_hex(8)
    until = time.monotonic() + 60 * options.minutes
    while True:
        tally = _campaign(seed, options.schedules, options.jobs)
        if tally.findings:
            for finding in tally.findings.values():
                _tell(shrunk(finding), finding, tally.broken[finding.rule], options.tapes)
            return 1
        if time.monotonic() >= until:
            return 0
        seed = secrets.token_hex(8)


def _campaign(seed: str, schedules: int, jobs: int | None) -> Tally:
    print(f"seed {seed}", flush=True)
    began = time.monotonic()
    tally = Tally()
    for tally in run_campaign(seed, schedules, jobs):
        if sys.stderr.isatty():
            print(f"\r{tally.schedules:,} schedules", end="", file=sys.stderr, flush=True)
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
    _print_story(shrunken)
    print(f"  again: python -m flowflex_testing.simulation --replay {path}")


def _replay(path: Path) -> int:
    mode, tape = read_tape(path)
    finding = replayed(tape, mode)
    if finding is None:
        print("every rule holds")
        return 0
    print(f"BROKEN {finding.rule}: {finding.words}")
    _print_story(finding)
    return 1


def _print_story(finding: Finding) -> None:
    story = finding.story
    shown = story if len(story) <= _MOST_LINES else (*story[: _MOST_LINES // 2], "...", *story[-_MOST_LINES // 2 :])
    for line in shown:
        print(f"  {line}")


if __name__ == "__main__":
    sys.exit(main())
