"""How long a repeated request waits: exponential, spread by its key, and as long as the server asks."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowflex_core import SendEvent, file
from flowflex_core.backoff import delay, retry_after
from tests.core.drive import HOUR, NOW, connection, error_of, fail, play, reply, start
from tests.core.generating import examples

LONGEST = [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


def event_waits(key="key-1", count=7, now=NOW):
    """Return the seconds between the attempts of an event that always fails."""
    operation = SendEvent.start(connection(max_retries=count), "e", idempotency_key=key)
    return play(operation, now, event=[fail()] * (count + 1)).waits("event")


@examples(60)
@given(st.text("abc-0123456789", min_size=1, max_size=36))
def test_waits_double_within_their_bounds(key):
    """Each wait is between half of its step and the whole step: 0.5 s, 1 s, 2 s, 4 s, and 8 s ever after."""
    for wait, longest in zip(event_waits(key), LONGEST, strict=True):
        assert longest / 2 - 1e-6 <= wait <= longest + 1e-6


def test_waits_replay():
    """The same key waits the same in every run, whenever it starts; another key waits otherwise."""
    assert event_waits("a", now=0.0) == pytest.approx(event_waits("a", now=4096.0))
    assert event_waits("a") != pytest.approx(event_waits("b"))


def test_waits_do_not_depend_on_the_process():
    """The jitter is a fixed function, so that a replay on another machine waits the same."""
    assert delay("key", "event", 1) == pytest.approx(0.3559877, abs=1e-6)


def test_keys_spread():
    """A thousand clients that fail at once do not come back at once: their waits fill the whole range evenly."""
    waits = sorted(delay(f"key-{number}", "event", 1) for number in range(1000))
    for number in range(10):
        share = sum(1 for wait in waits if 0.25 + 0.025 * number <= wait < 0.275 + 0.025 * number)
        assert 60 <= share <= 140


@examples(200)
@given(st.text(max_size=6), st.sampled_from(["upload-url", "put", "event"]), st.integers(1, 10**9))
def test_any_attempt_has_a_delay(key, leg, attempt):
    """However high the attempt and odd the key, the delay is the same each time and within the bounds."""
    seconds = delay(key, leg, attempt)
    assert 0.25 <= seconds <= 8.0
    assert seconds == delay(key, leg, attempt)


def test_a_key_that_is_no_text_has_a_delay():
    """A key may hold half of a surrogate pair, as a file name of an old system may: it seeds the jitter as well."""
    assert 0.25 <= delay("\ud800", "put", 1) <= 0.5


def test_legs_and_files_spread():
    """Two files of one send, and the legs of one file, do not wait in step."""
    operation = start({"a": [file("a.pdf"), file("b.pdf")]})
    played = play(operation, url=[fail(), fail()])
    first, second = played.waits("upload-url")[-2:]
    assert first > 0.0
    assert second > 0.0
    assert len({delay("k", leg, 1) for leg in ("upload-url", "put", "event")}) == 3


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("0", 0.0), ("1", 1.0), ("120", 120.0), (" 7 ", 7.0), ("007", 7.0), ("9" * 40, None)],
)
def test_retry_after_as_seconds(value, seconds):
    """A number is a number of seconds; an absurd one stays finite."""
    found = retry_after(value, None, NOW)
    assert found is not None
    assert found == seconds if seconds is not None else 1e17 < found < float("inf")


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "-5",
        "+5",
        "1.5",
        "1e3",
        "soon",
        "inf",
        "nan",
        "\u0667",
        "0x10",
        "5 seconds",
        "Wed",
        "Wed, 99 Foo 2024 25:61:61 GMT",
        "Wed, 31 Feb 2024 12:00:00 GMT",
        "Wed, 14 Nov 2023 25:00:00 GMT",
        "Tue, 14 Nov 2023 23:14:20 +0100",
    ],
)
def test_retry_after_that_cannot_be_read(value):
    """What is neither a number of seconds nor a date says nothing."""
    assert retry_after(value, None, NOW) is None


MOMENT = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    "form",
    [
        "Tue, 14 Nov 2023 22:14:20 GMT",
        "Tuesday, 14-Nov-23 22:14:20 GMT",
        "Tue Nov 14 22:14:20 2023",
    ],
)
def test_retry_after_as_a_date(form):
    """All three forms of an HTTP date, the two obsolete ones too, are read as the seconds from now."""
    assert MOMENT.timestamp() == NOW
    assert retry_after(form, None, NOW) == 60.0


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata"])
def test_a_date_is_in_gmt_wherever_it_is_read(monkeypatch, zone):
    """A date means the same on a machine in any time zone."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert retry_after("Tue, 14 Nov 2023 22:14:20 GMT", None, NOW) == 60.0
    finally:
        monkeypatch.undo()
        time.tzset()


def test_retry_after_is_measured_by_the_servers_own_clock():
    """A date is compared with the reply's Date, for the two clocks may differ by hours; without one, with ours."""
    later = formatdate(NOW + 3 * 3600 + 30, usegmt=True)
    date = formatdate(NOW + 3 * 3600, usegmt=True)
    assert retry_after(later, date, NOW) == 30.0
    assert retry_after(later, "no date", NOW) == 3 * 3600 + 30
    assert retry_after(formatdate(NOW - 60, usegmt=True), None, NOW) == 0.0


def http_dates(moment):
    """Write a moment in the three forms of RFC 9110, section 5.6.7."""
    short, long, month = DAYS[moment.weekday()][:3], DAYS[moment.weekday()], MONTHS[moment.month - 1]
    return (
        f"{short}, {moment.day:02} {month} {moment.year} {moment:%H:%M:%S} GMT",
        f"{long}, {moment.day:02}-{month}-{moment.year % 100:02} {moment:%H:%M:%S} GMT",
        f"{short} {month} {moment.day:2} {moment:%H:%M:%S} {moment.year}",
    )


DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@pytest.mark.parametrize("month", range(1, 13))
def test_every_month_is_read_by_its_name(month):
    """A date in each month of the year is read in all three forms."""
    moment = datetime(2023, month, 28, tzinfo=UTC)
    for form in http_dates(moment):
        assert retry_after(form, None, moment.timestamp() - 60) == 60.0


@examples(60)
@given(st.integers(946_684_800, 4_102_444_799), st.integers(0, 86_400))
def test_any_date_of_the_century_is_read_as_it_was_written(moment, later):
    """A date of this century is, in each of its forms, the moment that it was written for."""
    date = formatdate(moment, usegmt=True)
    for form in http_dates(datetime.fromtimestamp(moment, UTC) + timedelta(seconds=later)):
        if moment + later < 4_102_444_800:
            assert retry_after(form, date, 0.0) == later


DATE_PIECES = [
    "Tue",
    ",",
    " ",
    "14",
    "Nov",
    "2023",
    "99999",
    "22:14:20",
    "22.14",
    ":",
    "GMT",
    "+0100",
    "-9999999999",
    "-",
    "(",
    ")",
    "\x00",
    '"',
    "0",
]


@examples(300)
@given(st.text(max_size=30) | st.lists(st.sampled_from(DATE_PIECES), max_size=9).map("".join))
def test_any_retry_after_is_read_or_says_nothing(value):
    """Whatever the header holds, it is a finite number of seconds, 0 or more, or None."""
    for given_ in (retry_after(value, None, NOW), retry_after("Tue, 14 Nov 2023 22:14:20 GMT", value, NOW)):
        assert given_ is None or 0.0 <= given_ < float("inf")


@pytest.mark.parametrize(
    ("value", "wait"),
    [("3", 3.0), ("60", 60.0), (formatdate(NOW + 20, usegmt=True), 20.0)],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_that_the_server_asks_for_is_kept(status, value, wait):
    """The next attempt comes when Retry-After says, in either form."""
    played = play(start(), event=[reply(status, retry_after=value)])
    assert played.waits("event") == [pytest.approx(wait)]


def test_a_reply_is_measured_by_its_own_date():
    """A wait until a date counts from the Date of the same reply, however wrong the server's clock is."""
    later, date = formatdate(NOW + HOUR + 30, usegmt=True), formatdate(NOW + HOUR, usegmt=True)
    assert play(start(), event=[reply(503, retry_after=later, date=date)]).waits("event") == [pytest.approx(30.0)]


@pytest.mark.parametrize("value", ["0", formatdate(NOW - 99, usegmt=True), "soon", "-1"])
def test_a_shorter_wait_than_our_own_is_not_taken(value):
    """A Retry-After of nothing does not make us hammer: our own backoff is the least."""
    [wait] = play(start(), event=[reply(503, retry_after=value)]).waits("event")
    assert 0.25 <= wait <= 0.5


@pytest.mark.parametrize(
    "value", ["61", "86400", "9" * 30, formatdate(NOW + 7 * 86_400, usegmt=True), "Fri, 31 Dec 9999 23:59:59 GMT"]
)
def test_an_absurd_wait_is_told_and_not_waited_for(value):
    """Where the server asks for over a minute, the send ends at once and its error says how long to wait."""
    operation = start()
    played = play(operation, event=[reply(429, retry_after=value)])
    error = error_of(operation)
    assert (len(played.requests), played.now) == (1, NOW)
    assert error.retry_after is not None
    assert error.retry_after > 60.0
