"""Many schedules, one after the other or on several cores, and what they were like."""

import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from flowflex_testing.simulation.schedule import Finding, Loop, attempt, conclude, judge, mode_of
from flowflex_testing.simulation.sending import drive
from flowflex_testing.simulation.shrink import shrink
from flowflex_testing.simulation.tape import Tape
from flowflex_testing.simulation.world import MODES, Mode, World

# What a core takes at once: a fifth of a second, so that none waits long for the last of the others.
_CHUNK = 500
# A loop that goes round for ever takes a second for each try.
_LONGEST_SHRINKING = 10.0
# Every so many schedules one is run twice, to see that it replays.
_TWICE_IN = 64


@dataclass
class Tally:
    """What some schedules were like.

    Attributes:
        schedules: How many.
        files: How many distinct files their sends had.
        flights: How many requests left.
        mishaps: How often each mishap struck.
        ends: How often a send of each mode ended how.
        findings: What was wrong, a finding for each rule that was broken: the first.
        broken: How often each rule was broken.
        seconds: How long they took, on one core.
    """

    schedules: int = 0
    files: int = 0
    flights: int = 0
    mishaps: Counter[str] = field(default_factory=Counter[str])
    ends: Counter[str] = field(default_factory=Counter[str])
    findings: dict[str, Finding] = field(default_factory=dict[str, Finding])
    broken: Counter[str] = field(default_factory=Counter[str])
    seconds: float = 0.0

    def add(self, other: "Tally") -> None:
        """Take in what others were like."""
        self.schedules += other.schedules
        self.files += other.files
        self.flights += other.flights
        self.mishaps += other.mishaps
        self.ends += other.ends
        self.findings = other.findings | self.findings
        self.broken += other.broken
        self.seconds += other.seconds

    def note(self, world: World) -> None:
        """Take in one schedule."""
        self.schedules += 1
        self.flights += len(world.network.flights)
        for flight in world.network.flights:
            if flight.mishap:
                self.mishaps[flight.mishap] += 1
        for send in world.sends:
            self.files += len(send.sizes)
            end = "success" if send.result is not None else type(send.error).__name__ if send.error else "cancelled"
            self.ends[f"{world.mode}: {end}"] += 1


def run_schedules(seed: str, numbers: range, loop: Loop = drive) -> Tally:
    """Run the schedules of these numbers in the campaign `seed`."""
    tally = Tally()
    began = time.perf_counter()
    for number in numbers:
        mode, drawn_from = mode_of(number), f"{seed}/{number}"
        world, wrong = attempt(Tape.of_seed(drawn_from), mode, loop)
        tally.note(world)
        finding = conclude(world, wrong, loop, seed=drawn_from, twice=number % _TWICE_IN == 0)
        if finding is not None:
            tally.broken[finding.rule] += 1
            tally.findings.setdefault(finding.rule, finding)
        world.let_go()  # for the garbage collector it would be a tenth of all work
    tally.seconds = time.perf_counter() - began
    return tally


def first_finding(seed: str, schedules: int, loop: Loop = drive) -> Finding | None:
    """Run the schedules of the campaign `seed` up to the first after which a rule does not hold, and return that."""
    for number in range(schedules):
        tally = run_schedules(seed, range(number, number + 1), loop)
        if tally.findings:
            return next(iter(tally.findings.values()))
    return None


def assert_every_rule_holds(loop: Loop, *, seed: str, schedules: int) -> None:
    """Run the schedules of the campaign `seed` over a loop; raise where a rule does not hold, with the simplest story.

    Raises:
        AssertionError: Names the rule, tells what happened, and how to run that schedule again.
    """
    found = first_finding(seed, schedules, loop)
    if found is not None:
        simplest = shrunk(found, loop)
        again = f"again: replayed({simplest.tape!r}, {simplest.mode!r}, loop)  # of {__name__}"
        raise AssertionError(f"{simplest}\nfound in schedule {found.seed}\n{again}")


def run_campaign(seed: str, schedules: int, jobs: int | None = None) -> Iterator[Tally]:
    """Run so many schedules over the core's own loop, on so many cores, and yield the tally so far, again and again."""
    chunks = [range(first, min(first + _CHUNK, schedules)) for first in range(0, schedules, _CHUNK)]
    total = Tally()
    jobs = jobs or os.cpu_count() or 1
    if jobs == 1:
        for numbers in chunks:
            total.add(run_schedules(seed, numbers))
            yield total
        return
    with ProcessPoolExecutor(jobs) as pool:
        for tally in pool.map(run_schedules, [seed] * len(chunks), chunks):
            total.add(tally)
            yield total


def shrunk(finding: Finding, loop: Loop = drive) -> Finding:
    """Return the simplest finding that breaks the same rule in the same mode, as far as it is found in some seconds."""
    until = time.monotonic() + _LONGEST_SHRINKING

    def still_fails(tape: bytes) -> bool:
        if time.monotonic() > until:
            return False
        found = judge(Tape(tape), finding.mode, loop)
        return found is not None and found.rule == finding.rule

    return replayed(shrink(bytes.fromhex(finding.tape), still_fails).hex(), finding.mode, loop) or finding


def replayed(tape: str, mode: Mode, loop: Loop = drive) -> Finding | None:
    """Run the schedule of a tape again.

    Raises:
        ValueError: The tape or the mode is none.
    """
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, not {mode!r}")
    return judge(Tape.of_text(tape), mode, loop, twice=True)
