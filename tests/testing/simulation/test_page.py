"""The page about the simulator tells what there is."""

from pathlib import Path

from flowflex_testing.simulation.invariants import ALWAYS, PROMISES
from flowflex_testing.simulation.mishaps import ALPHABET
from flowflex_testing.simulation.world import MODES
from tests.testing.simulation.mutants import MUTANTS

PAGE = (Path(__file__).parents[3] / "docs" / "simulation.md").read_text(encoding="utf-8")


def test_every_rule_has_its_row():
    """Each rule stands on the page in the words of the code."""
    promised = {rule: f" ({mode})" for mode, rules in PROMISES.items() for rule in rules}
    for rule in (*ALWAYS, *promised):
        assert f"| `{rule.__name__}`{promised.get(rule, '')} | {rule.__doc__} |" in PAGE


def test_every_mode_has_its_row():
    """Each mode stands on the page."""
    for mode in MODES:
        assert f"| `{mode}` |" in PAGE


def test_every_mishap_has_its_row():
    """Each mishap of which a story may speak stands on the page, in the words of the code."""
    for mishap in ALPHABET:
        assert f"| {mishap.name} | {mishap.strike.__doc__} |" in PAGE


def test_the_mutants_are_counted():
    """The page tells how many mutants there are, and names those that the ordinary tests do not notice."""
    surviving = [mutant.name for mutant in MUTANTS if mutant.survives]
    assert f"holds {len(MUTANTS)} changes for the worse" in PAGE
    assert f"{len(surviving)} of them" in PAGE
    assert [name for name in surviving if f"- {name}\n" not in PAGE] == []
