"""Texts given to `SendEvent.resume`: real snapshots with anything in any place, and rubbish in their shape."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowflex_core import FlowFlexError, SendEvent, file
from tests.core.drive import HAPPY, NOW, connection, leg_of
from tests.core.generating import json_values
from tests.fuzzing.effort import fuzz, memory_under
from tests.fuzzing.test_replies import ended

pytestmark = pytest.mark.slow  # many examples

SETTINGS = connection(max_retries=1, deadline_seconds=1_000)


def snapshots() -> list[str]:
    """Take a snapshot at each turn of a send, and after its end."""
    payload = {"a": file("a.pdf", size=4), "b": [file("b.png"), {"c": file("c.txt")}]}
    send = SendEvent.start(SETTINGS, "e", payload, idempotency_key="key-1")
    turn = send.advance(NOW)
    taken = []
    while not turn.done:
        taken.append(send.snapshot())
        turn = send.advance(NOW, *[HAPPY[leg_of(request)](request) for request in turn.requests])
    return [*taken, send.snapshot()]


REAL = [json.loads(text) for text in snapshots()]
KEYS = sorted({key for fields in REAL for key in [*fields, *fields["files"][0], *(fields["post"] or ())]})
EXTREMES: list[Any] = [
    *(0, -1, 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 10**300, 10**400),
    *(0.0, -0.0, 5e-324, 1e-9, 0.5, 1e12, 1e308, -1e308, float("inf"), float("-inf"), float("nan")),
    *(True, False, None, "", "\x00", "\ud800", "\udfff/\n", "a" * 10_000, [], {}, [[]], [None], [0, 0], ["", ""]),
]
extremes: st.SearchStrategy[Any] = st.sampled_from(EXTREMES)


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """List every place in a JSON value."""
    children: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(place for key, child in children for place in places(child, (*here, key)))]


PLACES = [places(fields)[1:] for fields in REAL]


def copied(value: Any) -> Any:
    """Copy a value, so that a later change of one place changes no other."""
    return json.loads(json.dumps(value))


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """Change up to four places of a real snapshot, taking some away, doubling others."""
    number = draw(st.integers(0, len(REAL) - 1))
    fields = copied(REAL[number])
    for _ in range(draw(st.integers(1, 4))):
        *way, last = draw(st.sampled_from(PLACES[number]))
        how, other = draw(st.integers(0, 4)), draw(st.sampled_from(KEYS))
        new = copied(draw(extremes | json_values))
        try:
            holder = fields
            for key in way:
                holder = holder[key]
            if how < 3:
                holder[last] = new
            elif how == 3:
                del holder[last]
            elif isinstance(holder, list):
                holder.append(copied(holder[last]))
            else:
                holder[other] = copied(holder[last])
        except (LookupError, TypeError):
            continue  # an earlier change took the place away
    return json.dumps(fields)


@st.composite
def rubbish(draw: st.DrawFn) -> str:
    """Fill the fields of a snapshot with anything."""
    fields = draw(st.dictionaries(st.sampled_from(KEYS), extremes | json_values))
    fields |= {"flowflex_snapshot": 1, "base_url": SETTINGS.base_url, "integration_code": SETTINGS.integration_code}
    return json.dumps(fields)


@st.composite
def cut(draw: st.DrawFn) -> str:
    """Cut pieces out of the text of a snapshot, and put others in."""
    text = json.dumps(draw(st.sampled_from(REAL)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.text(max_size=4)) + text[at + draw(st.integers(0, 30)) :]
    return text


def resumed(text: str) -> tuple[SendEvent | None, str]:
    try:
        return SendEvent.resume(text, SETTINGS), ""
    except FlowFlexError as error:
        return None, error.message


@fuzz(400)
@given(mutated() | rubbish() | cut() | st.text())
def test_a_snapshot_of_anything_is_refused_or_gone_on_from(text: str) -> None:
    """A refusal is a FlowFlexError in printable words; what is gone on from ends in few turns and tells itself anew."""
    with memory_under(8_000_000):
        send, refusal = resumed(text)
        if send is None:
            assert refusal.isprintable()
            return
        assert repr(send)
        error_at_the_end = ended(send, [])
        if error_at_the_end is not None:
            assert error_at_the_end.message.isprintable()
        again = SendEvent.resume(send.snapshot(), SETTINGS)
        assert again.idempotency_key == send.idempotency_key
