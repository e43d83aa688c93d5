"""The rule reference: the rule table as a page of Markdown, which `docs/rules.md` holds.

python -m flowflex_testing.reference > docs/rules.md
"""

import sys

from flowflex_testing.rules import NOT_MODELLED, RULES, Rule

# What the first part of a rule's id stands for.
PLACES = {
    "api": "Both operations of the API",
    "upload-url": "`POST /v1/assets/upload-url`",
    "storage": "Storage",
    "put": "The `PUT` to an upload URL",
    "event": "`POST /v1/events/{code}`",
}

_OPENING = """\
<!-- Made from flowflex_testing/rules.toml: python -m flowflex_testing.reference > docs/rules.md -->

# The rules of the fake

What `FakeFlowFlex` enforces. The id of a rule stands in the journal, in the messages of failed assertions and beside
each refusal on the inspector page.

How each is known: *documented* is in the vendor's README; *vendor-source* was read in its SDK 0.1.0; *assumed* is a
guess, with its reason. That is about what a rule says. Of the answers, only the codes MIME_NOT_ALLOWED and
ASSET_FILE_MISSING are documented, with no status; all other statuses and codes are guesses.

A rule with a condition holds under these settings of the fake's switches alone: `FakeFlowFlex(strict=True)`. The module
`flowflex_testing.switches` tells what there is.
"""


def reference() -> str:
    """Return the page."""
    parts = [_OPENING]
    for place, title in PLACES.items():
        rows = [_row(rule) for rule in RULES.values() if rule.id.partition(".")[0] == place]
        parts.append("\n".join([f"## {title}\n", "| rule | answer | how it is known |", "|---|---|---|", *rows, ""]))
    limits = [f"- {what}: {note}" for what, note in NOT_MODELLED.items()]
    parts.append("\n".join(["## What is not modelled\n", *limits, ""]))
    return "\n".join(parts)


def _row(rule: Rule) -> str:
    condition = f"<br>where `{rule.condition}`" if rule.condition else ""
    answer = " ".join(filter(None, [str(rule.status), rule.code, *(f"+ {name}" for name in rule.headers)]))
    known = f"{rule.provenance}: {rule.reason}" if rule.reason else rule.provenance
    return f"| `{rule.id}`<br>{rule.sentence}{condition} | {answer} | {known} |"


if __name__ == "__main__":
    sys.stdout.write(reference())
