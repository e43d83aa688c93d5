"""Every scenario that the vendor's SDK and our clients are held to, by its name."""

from tests.differential.file_scenarios import FILE_SCENARIOS
from tests.differential.reply_scenarios import REPLY_SCENARIOS
from tests.differential.request_scenarios import REQUEST_SCENARIOS
from tests.differential.scenario import Scenario

SCENARIOS: list[Scenario] = [*FILE_SCENARIOS, *REQUEST_SCENARIOS, *REPLY_SCENARIOS]
