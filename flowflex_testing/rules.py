"""The rule table: what the fake enforces, read from `rules.toml`, and the exception that a broken rule raises."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pkgutil import get_data
from typing import Any, Literal

from flowflex_testing.engine.messages import Headers

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
        headers: The names of the headers that the answer carries for it.
        where: The settings of switches under which it holds; `given` is any but None.
    """

    id: str
    sentence: str
    provenance: Provenance
    status: int
    code: str
    reason: str = ""
    headers: tuple[str, ...] = ()
    where: Mapping[str, str | int | bool] = field(default_factory=dict[str, str | int | bool], hash=False)

    @property
    def condition(self) -> str:
        """The settings under which it holds, as they are written in a call; empty where it always does."""
        return ", ".join(
            f"{name}={'...' if wanted == 'given' else repr(wanted)}" for name, wanted in self.where.items()
        )


def _rule(row: dict[str, Any]) -> Rule:
    headers: list[str] = row.pop("headers", [])
    return Rule(**row, headers=tuple(headers))


# Lighter than importlib.resources, and as good in a zip file.
_TABLE: dict[str, list[dict[str, Any]]] = tomllib.loads((get_data("flowflex_testing", "rules.toml") or b"").decode())

RULES: Mapping[str, Rule] = {row["id"]: _rule(row) for row in _TABLE["rule"]}

# What a test against the fake proves nothing about, each with a note.
NOT_MODELLED: Mapping[str, str] = {row["what"]: row["note"] for row in _TABLE["not-modelled"]}


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
