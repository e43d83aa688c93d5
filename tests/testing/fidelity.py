"""The fidelity block of README.md: how far the fake can be trusted, made from the rule table and the tests.

python -m tests.testing.fidelity
"""

import textwrap
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from flowflex_testing.rules import NOT_MODELLED, RULES

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
BEGIN = "<!-- fidelity, from here on made by: python -m tests.testing.fidelity -->\n"
END = "<!-- end of fidelity -->\n"


@dataclass(frozen=True)
class Driven:
    """A client that was driven against the fake: the test module that does it, and what in its text shows that."""

    client: str
    module: str
    shown_by: str


DRIVEN = [
    Driven("`FlowFlex`, ours over urllib3", "tests/transports/sync/test_client.py", "FlowFlex(**fake.client_options"),
    Driven(
        "`AsyncFlowFlex`, ours over trio", "tests/transports/trio/test_client.py", "AsyncFlowFlex(**fake.client_options"
    ),
    Driven(
        "the vendor's SDK 0.1.0 over requests, unmodified",
        "tests/testing/test_vendor_sdk.py",
        "flowflex.FlowFlex(**fake.client_options",
    ),
    Driven("a small transport over http.client", "tests/testing/contract/test_semantics.py", "HttpClientTransport()"),
    Driven("curl", "tests/testing/server/test_curl.py", '"curl"'),
    Driven("schemathesis, by the OpenAPI document", "tests/testing/test_openapi.py", '"schemathesis"'),
]


def block() -> str:
    """Return what stands between the markers."""
    count = Counter(rule.provenance for rule in RULES.values())
    facts = (
        f"The fake has {len(RULES)} rules: {count['documented']} are documented by the vendor, "
        f"{count['vendor-source']} were read in the source of its SDK, and {count['assumed']} are assumed, "
        "each for a reason that [the rule reference](docs/rules.md) tells. "
        "No answer was ever compared with the real FlowFlex."
    )
    limits = f"Not modelled: {'; '.join(NOT_MODELLED)}."
    rows = [f"| {driven.client} | `{driven.module}` |" for driven in DRIVEN]
    table = "\n".join(["| driven against it | by |", "|---|---|", *rows])
    return f"\n{textwrap.fill(facts, 120)}\n\n{textwrap.fill(limits, 120)}\n\n{table}\n\n"


if __name__ == "__main__":
    before, _, rest = README.read_text().partition(BEGIN)
    README.write_text(before + BEGIN + block() + END + rest.partition(END)[2])
