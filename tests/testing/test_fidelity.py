"""The fidelity block of README.md says what the rule table and the tests say."""

import re

import pytest

from flowflex_testing.rules import NOT_MODELLED, RULES
from tests.testing.fidelity import BEGIN, DRIVEN, END, README, ROOT, block


def test_the_block_is_up_to_date():
    """Between its two markers README.md holds what is made from the rule table and the tests."""
    assert BEGIN + block() + END in README.read_text(), "run: python -m tests.testing.fidelity"


def test_the_block_tells_how_every_rule_is_known():
    """The three numbers are those of the table, and what is not modelled is named."""
    words = " ".join(block().split())
    for provenance, what in [("documented", "documented"), ("vendor-source", "were read"), ("assumed", "are assumed")]:
        number = sum(rule.provenance == provenance for rule in RULES.values())
        assert re.search(rf"\b{number} (are )?{what}", words)
    assert all(what in words for what in NOT_MODELLED)


@pytest.mark.parametrize("driven", DRIVEN, ids=lambda driven: driven.client)
def test_a_client_is_driven_by_the_module_that_is_named(driven):
    """The test module that the block names exists, has tests, and drives that client."""
    text = (ROOT / driven.module).read_text()
    assert "def test_" in text
    assert driven.shown_by in text
