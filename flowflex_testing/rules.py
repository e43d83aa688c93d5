"""The rule table: what the fake enforces, read from `rules.toml`, and the exception that a broken rule raises."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pkgutil import get_data
from typing import Literal

from flowflex_testing.messages import Headers

Provenance = Literal["documented", "vendor-source", "assumed"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table.

    Attributes:
        id: Where it applies and what it is about: `put.expired`.
        sentence: What FlowFlex demands, or does.
        provenance: How it is known.
        status: The HTTP status of the answer.
        code: The code of a refusal; empty where the answer is a success.
        reason: Why it is assumed, where it is.
        strict: Whether `strict=False` turns it off.
    """

    id: str
    sentence: str
    provenance: Provenance
    status: int
    code: str
    reason: str = ""
    strict: bool = False


def _read() -> dict[str, Rule]:
    # Lighter than importlib.resources, and as good in a zip file.
    table = get_data("flowflex_testing", "rules.toml") or b""
    rows = tomllib.loads(table.decode())["rule"]
    return {row["id"]: Rule(**row) for row in rows}


RULES: Mapping[str, Rule] = _read()


def enforced(*, strict: bool) -> frozenset[str]:
    """Return the ids of the rules that hold under the switch `strict`."""
    return frozenset(rule.id for rule in RULES.values() if strict or not rule.strict)


class Refused(Exception):
    """A request broke a rule: a decision of the server, not an error of the fake.

    Args:
        rule_id: The `id` of the rule.
        message: What exactly was wrong; by default the sentence of the rule.
        details: More, for machines.
        headers: What the answer carries beside its body.
    """

    def __init__(
        self, rule_id: str, message: str = "", *, details: Mapping[str, object] | None = None, headers: Headers = ()
    ) -> None:
        self.rule = RULES[rule_id]
        self.message = message or self.rule.sentence
        self.details = details or {}
        self.headers = headers
        super().__init__(self.message)
