"""Our clients do what the vendor's does, on the wire and in the outcome, but for a list of wanted differences."""

from functools import cache
from pathlib import Path

import pytest

from tests.differential.differences import PERMITTED
from tests.differential.facts import Differences, Facts, differing
from tests.differential.reply_scenarios import EVENT_REPLIES, PUT_REPLIES, UPLOAD_URL_REPLIES
from tests.differential.request_scenarios import AMBIENT
from tests.differential.runner import Face, run
from tests.differential.scenario import Scenario
from tests.differential.scenarios import SCENARIOS
from tests.differential.session_differences import SESSION
from tests.differential.shapes import Permitted

pytestmark = pytest.mark.slow  # hundreds of scenarios, on a real socket each


@pytest.fixture(scope="module")
def vendor_facts(tmp_path_factory):
    """Run the vendor's client once a scenario."""

    @cache
    def facts(scenario: Scenario) -> Facts:
        return run(scenario, "vendor", tmp_path_factory.mktemp("vendor"))

    return facts


def permitted(scenario: Scenario, *tables: Permitted) -> Differences:
    """Return what may, and must, differ in `scenario`: the row of the first table that has one."""
    rows = (row for table in tables for rows in table.values() for name, row in rows.items() if name == scenario.name)
    return next(rows, {})


@pytest.mark.parametrize("face", ["sync", "async"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_against_the_vendor(scenario: Scenario, face: Face, vendor_facts, tmp_path: Path):
    """Our client makes the requests and has the outcome of the vendor's, but for exactly what the list permits."""
    differences = differing(vendor_facts(scenario), run(scenario, face, tmp_path))
    assert differences == permitted(scenario, PERMITTED)


@pytest.mark.parametrize(
    "scenario",
    [*AMBIENT, *EVENT_REPLIES, *UPLOAD_URL_REPLIES, *PUT_REPLIES],
    ids=lambda scenario: scenario.name,
)
def test_over_a_session(scenario: Scenario, vendor_facts, tmp_path: Path):
    """Our sync client does the same over a session that holds other credentials, headers and cookies."""
    differences = differing(vendor_facts(scenario), run(scenario, "session", tmp_path))
    assert differences == permitted(scenario, SESSION, PERMITTED)


def test_every_permitted_difference_names_a_scenario():
    """No row of the list is about a scenario that does not exist, and none stands under two reasons."""
    for table in (PERMITTED, SESSION):
        names = [name for rows in table.values() for name in rows]
        assert set(names) <= {scenario.name for scenario in SCENARIOS}
        assert len(set(names)) == len(names)


def test_scenarios_have_names_of_their_own():
    """There are 50 scenarios and more, each with a name that no other has."""
    names = [scenario.name for scenario in SCENARIOS]
    assert len(set(names)) == len(names) >= 50
