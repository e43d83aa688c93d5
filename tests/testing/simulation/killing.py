"""Runs the simulator over a copy of our packages in which a mutant was planted, until it is noticed.

python -m tests.testing.simulation.killing [WORD ...]    all mutants, or those with these words in their names
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.testing.simulation.mutants import MUTANTS, Mutant

ROOT = Path(__file__).parents[3]

# Whatever is alive after so many schedules is counted as not noticed.
MOST_SCHEDULES = 30_000

_HUNT = f"""
import sys
from flowflex_testing.simulation.campaign import first_finding
if sys.argv[1] == "drive":
    from flowflex_testing.simulation.sending import drive as loop
else:
    import tests.testing.simulation.loops
    loop = getattr(tests.testing.simulation.loops, sys.argv[1])
found = first_finding("mutants", {MOST_SCHEDULES}, loop)
print(f"{{found.seed.partition('/')[2]}} {{found.rule}}" if found else "-")
"""


def plant(mutant: Mutant, place: Path) -> None:
    """Copy the packages that the simulator runs, and break one of them."""
    for package in ("flowflex_core", "flowflex_testing", "flowflex_transports"):
        shutil.copytree(ROOT / package, place / package, ignore=shutil.ignore_patterns("__pycache__", "inspector"))
    loops = place / "tests" / "testing" / "simulation" / "loops.py"
    loops.parent.mkdir(parents=True)
    shutil.copyfile(Path(__file__).with_name("loops.py"), loops)
    break_in(mutant, place)


def break_in(mutant: Mutant, place: Path) -> None:
    """Break the copy of the project that stands in a place."""
    target = place / mutant.file
    source = target.read_text()
    found = source.count(mutant.old)
    if found != 1:
        raise AssertionError(f"{mutant.name}: {mutant.old!r} stands {found} times in {mutant.file}, not once")
    target.write_text(source.replace(mutant.old, mutant.new))


def hunt(mutant: Mutant) -> tuple[int, str] | None:
    """Return the number of the schedule that notices a mutant and the rule that it breaks; None where none does."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        plant(mutant, place)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
        ended = subprocess.run(
            [sys.executable, "-P", "-c", _HUNT, mutant.loop],
            env=kept | {"PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    if ended.returncode:
        raise AssertionError(f"{mutant.name}: the simulator did not run: {ended.stderr}")
    number, _, rule = ended.stdout.strip().partition(" ")
    return None if number == "-" else (int(number), rule)


def told(mutant: Mutant, killed: tuple[int, str] | None) -> str:
    """Say in a line what became of a mutant: the number of the schedule, the rule, and its name."""
    number, rule = ("ALIVE", "") if killed is None else killed
    return f"{number:>6} {rule:<30} {mutant.name}"


def main(words: list[str]) -> int:
    """Run the command."""
    alive = 0
    for mutant in MUTANTS:
        if all(word in mutant.name for word in words):
            killed = hunt(mutant)
            alive += killed is None
            sys.stdout.write(f"{told(mutant, killed)}\n")
            sys.stdout.flush()
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
