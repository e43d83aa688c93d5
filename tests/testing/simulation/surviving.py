"""Runs the ordinary fast tests over a copy of the project in which a mutant was planted that they do not notice.

python -m tests.testing.simulation.surviving [WORD ...]    those that are said to survive, or some of them

A mutant is a minute or two. The exit code is 1 where a test notices one: its `survives` then says too much.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.testing.simulation.killing import ROOT, break_in
from tests.testing.simulation.mutants import MUTANTS, Mutant

# What there is of tests for the core and for both clients; those of the simulator itself are no ordinary ones.
_TESTS = ("tests/core", "tests/transports")
_LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", ".hypothesis", "dist")


def noticed(mutant: Mutant) -> str | None:
    """Return what pytest says of the first test that notices a mutant; None where none does."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "project"
        shutil.copytree(ROOT, place, ignore=_LEFT_OUT)
        break_in(mutant, place)
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-m", "not slow", "-p", "no:cacheprovider", *_TESTS],
            cwd=place,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    lines = ended.stdout.splitlines()
    if ended.returncode == 0:
        return None
    return next((line for line in lines if line.startswith(("FAILED", "ERROR"))), lines[-1] if lines else ended.stderr)


def main(words: list[str]) -> int:
    """Run the command."""
    wrong = 0
    for mutant in MUTANTS:
        if mutant.survives and all(word in mutant.name for word in words):
            by = noticed(mutant)
            wrong += by is not None
            sys.stdout.write(f"{'survives' if by is None else by}: {mutant.name}\n")
            sys.stdout.flush()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
