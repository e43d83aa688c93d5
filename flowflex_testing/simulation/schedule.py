"""One schedule: a tape, a mode and a loop, run to its end and held against the invariants."""

import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flowflex_testing.simulation.invariants import violation
from flowflex_testing.simulation.sending import drive
from flowflex_testing.simulation.story import lines_of
from flowflex_testing.simulation.tape import Tape
from flowflex_testing.simulation.world import MODES, Mode, World

_NOT_TOLD = re.compile(rf"^{re.escape(str(Path(__file__).parent))}|[/\\]asyncio[/\\]|[/\\]trio[/\\]_")

# Runs every send of a world: `drive` is that of the core alone, and an embedder has one of its own.
Loop = Callable[[World], None]

# The name of a rule that does not hold, and in words what is wrong.
Wrong = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Finding:
    """A schedule after which a rule does not hold.

    Attributes:
        rule: The name of the rule.
        words: What is wrong.
        mode: Of the schedule.
        tape: Its decisions, as text that `Tape.of_text` reads.
        seed: What they were drawn from; empty where they were not.
        story: What happened, a line each.
    """

    rule: str
    words: str
    mode: Mode
    tape: str
    seed: str
    story: tuple[str, ...]

    def __str__(self) -> str:
        """Tell it in lines: for who reads of it in the output of a test."""
        drawn = f" from seed {self.seed}" if self.seed else ""
        lines = [f"{self.rule}: {self.words}", *self.story, f"{self.mode}{drawn}; tape {self.tape or '(empty)'}"]
        return "\n".join(lines)


def mode_of(number: int) -> Mode:
    """Return the mode of the schedule of that number in a campaign: each in its turn."""
    return MODES[number % len(MODES)]


def run(tape: Tape, mode: Mode, loop: Loop = drive) -> World:
    """Run a schedule, and return the world at its end."""
    world = World(tape, mode)
    loop(world)
    return world


def judge(tape: Tape, mode: Mode, loop: Loop = drive, *, seed: str = "", twice: bool = False) -> Finding | None:
    """Run a schedule, and return what is wrong with it; `twice` to see that it replays."""
    world, wrong = attempt(tape, mode, loop)
    return conclude(world, wrong, loop, seed=seed, twice=twice)


def attempt(tape: Tape, mode: Mode, loop: Loop) -> tuple[World, Wrong | None]:
    """Run a schedule, and return the world at its end, with the first rule that does not hold."""
    world = World(tape, mode)
    try:
        loop(world)
        return world, violation(world)
    except Exception as error:
        return world, ("nothing_is_raised", _told(error))


def _told(error: BaseException) -> str:
    """Say what was raised, and where: the last lines that led there, those of this package and of runtimes left out."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _NOT_TOLD.search(frame.filename)]
    places = ", ".join(f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in frames[-3:])
    return f"{type(error).__name__}: {error}" + (f" (at {places})" if places else "")


def conclude(world: World, wrong: Wrong | None, loop: Loop, *, seed: str = "", twice: bool = False) -> Finding | None:
    """Return what is wrong with a schedule that was run; `twice` to run it again, and see that it replays."""
    tape, mode = world.tape, world.mode
    if wrong is None and twice:
        again, second = attempt(Tape(bytes(tape.taken)), mode, loop)
        if second is not None:
            wrong = ("the_same_tape_tells_the_same_story", f"the second time, {': '.join(second)}")
        elif lines_of(world) != lines_of(again):
            wrong = ("the_same_tape_tells_the_same_story", "it went another way the second time")
    if wrong is None:
        return None
    return Finding(*wrong, mode, str(tape), seed, tuple(lines_of(world)))
