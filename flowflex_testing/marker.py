"""The marker `@pytest.mark.flowflex(strict=False, faults="storage_outage")`: how the fake of a test is to be."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from flowflex_testing.fake import FakeFlowFlex
from flowflex_testing.faults.kinds import Aim
from flowflex_testing.faults.plan import FaultPlan
from flowflex_testing.switches import Switches

_SWITCHES = tuple(switch.name for switch in fields(Switches))
_WORDS = (*_SWITCHES, "faults")


class MarkerError(Exception):
    """The marker says something that means nothing."""


def fake_as_marked(markers: Iterable[tuple[tuple[Any, ...], Mapping[str, Any]]], **options: Any) -> FakeFlowFlex:
    """Make the fake of a test, its faults armed.

    Args:
        markers: Positional and keyword arguments of each marker, the nearest to the test last: of one word the last
            value counts.
        options: What else `FakeFlowFlex` takes.
    """
    settings: dict[str, Any] = {}
    for arguments, words in markers:
        if arguments:
            raise MarkerError(f"takes keywords alone, not {arguments[0]!r}: {', '.join(_WORDS)}")
        for word, value in words.items():
            if word not in _WORDS:
                near = difflib.get_close_matches(word, _WORDS, 1)
                raise MarkerError(f"takes {', '.join(_WORDS)}; not {word}{f' (is {near[0]} meant?)' if near else ''}")
            settings[word] = value
    faults = settings.pop("faults", ())
    try:
        fake = FakeFlowFlex(**options, **settings)
        _arm(fake.faults, faults)
    except (TypeError, ValueError) as error:
        raise MarkerError(f"cannot be obeyed: {error}") from error
    return fake


def _arm(plan: FaultPlan, faults: object) -> None:
    if isinstance(faults, str):
        plan.arm_preset(faults)
    elif isinstance(faults, list | tuple) and all(isinstance(aim, Aim) for aim in faults):
        plan.arm_all(faults)
    else:
        raise TypeError(f"faults is the name of a preset, or a list of Aim(operation, fault), not {faults!r}")
