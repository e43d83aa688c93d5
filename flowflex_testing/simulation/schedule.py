"""One schedule: a tape, a mode and a loop, run to its end and held against the invariants."""

from collections.abc import Callable
from dataclasses import dataclass

from flowflex_testing.simulation.invariants import violation
from flowflex_testing.simulation.sending import drive
from flowflex_testing.simulation.story import lines_of
from flowflex_testing.simulation.tape import Tape
from flowflex_testing.simulation.world import MODES, Mode, World

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
        return world, ("nothing_is_raised", f"{type(error).__name__}: {error}")


def conclude(world: World, wrong: Wrong | None, loop: Loop, *, seed: str = "", twice: bool = False) -> Finding | None:
    """Return what is wrong with a schedule that was run; `twice` to run it again, and see that it replays."""
    tape, mode = world.tape, world.mode
    if wrong is None and twice and lines_of(world) != lines_of(run(Tape(bytes(tape.taken)), mode, loop)):
        wrong = ("the_same_tape_tells_the_same_story", "it went another way the second time")
    if wrong is None:
        return None
    return Finding(*wrong, mode, str(tape), seed, tuple(lines_of(world)))
