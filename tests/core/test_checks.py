"""What is wrong with a text or a number as such."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowflex_core import FlowFlexConfigError, SendEvent
from flowflex_core.checks import header_value, invisible_character, seconds, text, visible_text, whole_number
from tests.core.drive import connection
from tests.core.generating import examples


def start(**changes):
    """Start a send whose event or key is the one given."""
    arguments = {"event": "invoice.created", "idempotency_key": "key-1"} | changes
    return SendEvent.start(connection(), arguments.pop("event"), **arguments)


# More digits than the interpreter writes.
ENDLESS = pytest.param(10**5000, id="endless")
MINUS_ENDLESS = pytest.param(-(10**5000), id="minus endless")

BAD_HEADER_VALUES = [
    ("", "is required"),
    (" a", "blanks around"),
    ("a ", "blanks around"),
    ("\ta", "blanks around"),
    ("a\u00a0", "blanks around"),
    (" ", "blanks around"),
    ("a" * 1_025, "is 1025 characters long"),
    ("a\r\nx-admin: 1", r"U\+000D"),
    ("a\nb", r"U\+000A"),
    ("a\x00b", r"U\+0000"),
    ("a\tb", r"U\+0009"),
    ("a\x7fb", r"U\+007F"),
    ("a\x85b", r"U\+0085"),
    ("a\x9fb", r"U\+009F"),
    ("a\u202eb", r"U\+202E"),
    ("caf\u00e9 \u20ac", r"U\+20AC"),
    ("a\U0001f600", r"U\+1F600"),
    ("a\ud800", r"U\+D800"),
    (None, "must be a string, not NoneType"),
    (7, "must be a string, not int"),
    (b"a", "must be a string, not bytes"),
    ("a\u00adb", r"holds the invisible character U\+00AD: remove it"),
]


@pytest.mark.parametrize("argument", ["event", "idempotency_key"])
@pytest.mark.parametrize(("value", "why"), BAD_HEADER_VALUES)
def test_event_and_key_must_fit_a_header(argument, value, why):
    """An event or key that is empty, has outer blanks, control characters or what latin-1 lacks is refused by name."""
    with pytest.raises(FlowFlexConfigError, match=rf"^{argument} .*{why}"):
        start(**{argument: value})


@pytest.mark.parametrize("value", ["a", "order.placed", "two words", "order:123", "caf\u00e9", "~" * 300, "a\u00a0b"])
@pytest.mark.parametrize("argument", ["event", "idempotency_key"])
def test_event_and_key_reach_their_headers_unchanged(argument, value):
    """Any printable latin-1 text is sent as it was given."""
    headers = start(**{argument: value}).advance(0.0).requests[0].headers
    assert headers["x-event" if argument == "event" else "x-idempotency-key"] == value


@examples(300)
@given(st.text(max_size=8) | st.text(st.characters(codec="latin-1"), max_size=8))
def test_a_header_value_is_taken_exactly_when_it_is_safe(value):
    """A header value is taken just when it is latin-1 text without invisible characters and outer blanks."""
    safe = (
        value != ""
        and value == value.strip()
        and all(ord(character) <= 0xFF and unicodedata.category(character) not in ("Cc", "Cf") for character in value)
    )
    try:
        assert header_value(value, "event") == value
        taken = True
    except FlowFlexConfigError:
        taken = False
    assert taken is safe


@examples(300)
@given(st.text(max_size=6))
def test_invisible_characters_are_named(value):
    """The first control, format, surrogate or line-separating character of a text is named, and nothing else is."""
    kinds = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    bad = [character for character in value if unicodedata.category(character) in kinds]
    assert invisible_character(value) == (f"U+{ord(bad[0]):04X}" if bad else None)


@pytest.mark.parametrize(
    "value", ["a\x00", "a\x1b[31m", "a\u200b", "\u202eabc", "a\u2066b", "\ufeffa", "a\u2028b", "a\u2029b", "a\ud800"]
)
def test_visible_text_has_no_hidden_characters(value):
    """Controls, bidirectional overrides, zero-width characters and separators are named, not shown as they are."""
    with pytest.raises(
        FlowFlexConfigError, match=r"^name .* holds the invisible character U\+[0-9A-F]{4}: remove it$"
    ) as caught:
        visible_text(value, "name")
    assert caught.value.message.isprintable()


def test_a_secret_is_not_shown_in_the_refusal():
    """A refused credential is named and not repeated."""
    for value in ("SECRETSECRET ", "SECRET\u200bSECRET"):
        with pytest.raises(FlowFlexConfigError, match=r"^api_secret (has|holds)") as caught:
            visible_text(value, "api_secret", shown=False)
        assert "SECRET" not in caught.value.message


def test_text_must_be_there():
    """An empty text is missing."""
    with pytest.raises(FlowFlexConfigError, match=r"^key is required: it is empty$"):
        text("", "key")


@pytest.mark.parametrize(
    "value", [0, 0.0, -1, -0.5, float("nan"), float("inf"), -float("inf"), 1e300, 31_536_001, 10**400, ENDLESS]
)
def test_seconds_are_finite_and_positive(value):
    """A timeout that is zero, negative, not finite or over a year is refused."""
    with pytest.raises(
        FlowFlexConfigError, match=r"^timeout_seconds must be a finite number of seconds, above 0 and at most a year$"
    ):
        seconds(value, "timeout_seconds")


@pytest.mark.parametrize("value", [None, "30", True, b"3", [1], 1j])
def test_seconds_are_a_number(value):
    """A timeout that is no number is refused with the type that it has."""
    with pytest.raises(FlowFlexConfigError, match=rf"^timeout_seconds must be a number .*{type(value).__name__}"):
        seconds(value, "timeout_seconds")


@pytest.mark.parametrize("value", [1, 0.001, 30.0, 31_536_000])
def test_seconds_become_a_float(value):
    """A good number of seconds is kept."""
    result = seconds(value, "timeout_seconds")
    assert (result, type(result)) == (value, float)


@pytest.mark.parametrize("value", [-1, 2**63, ENDLESS, MINUS_ENDLESS])
def test_a_count_has_bounds(value):
    """A count below the least one, or beyond what anything counts, is refused, however many digits it has."""
    with pytest.raises(FlowFlexConfigError, match=r"^max_retries must be a whole number from 0 to "):
        whole_number(value, "max_retries", least=0)


@pytest.mark.parametrize("value", [0, 2**63 - 1])
def test_a_count_may_be_its_bound(value):
    """The least count and the largest one are taken as they are."""
    assert whole_number(value, "max_retries", least=0) == value


@pytest.mark.parametrize("value", [None, "2", 2.0, True])
def test_a_count_is_an_integer(value):
    """A count that is no integer is refused with the type that it has."""
    with pytest.raises(FlowFlexConfigError, match=rf"^max_retries must be a whole number, not {type(value).__name__}$"):
        whole_number(value, "max_retries", least=0)
