"""Who tests the tester: the simulator notices every change for the worse that is planted in the core or in its loop."""

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.testing.simulation.killing import ROOT, hunt, told
from tests.testing.simulation.mutants import MUTANTS


@pytest.mark.slow
def test_every_mutant_is_noticed(capsys):
    """Each mutant breaks a rule within a bounded number of schedules; which rule, and in which schedule, is printed."""
    with ThreadPoolExecutor(2) as pool:
        killed = list(pool.map(hunt, MUTANTS))
    with capsys.disabled():
        sys.stdout.write("\n" + "".join(f"{told(*pair)}\n" for pair in zip(MUTANTS, killed, strict=True)))
    assert [mutant.name for mutant, noticed in zip(MUTANTS, killed, strict=True) if noticed is None] == []


def test_there_are_enough_mutants():
    """There are thirty and more, each of another name, and at least ten that the ordinary tests do not notice."""
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 30
    assert sum(mutant.survives for mutant in MUTANTS) >= 10


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_can_be_planted(mutant):
    """What a mutant replaces stands once in its file."""
    assert (ROOT / mutant.file).read_text().count(mutant.old) == 1
