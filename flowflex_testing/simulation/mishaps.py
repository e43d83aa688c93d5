"""What can happen to a flight: the alphabet of a simulation, as a table.

Each mishap is named, says on which legs it can happen and whether it may pass when the request is repeated. One that
cannot pass names the error that it ends with; on the event, where it leaves a doubt, the outcome may be unknown
instead.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate

from flowflex_core.errors import FlowFlexConnectionError, FlowFlexError, FlowFlexUploadError
from flowflex_testing.simulation.network import LATENCY, Flight, Leg

_JSON = (("content-type", "application/json"),)
_HTML = (("content-type", "text/html"),)
_PAGE = b"<!doctype html><title>Welcome</title>"

HOUR = 3600.0

_API: frozenset[Leg] = frozenset({"upload-url", "event"})
_ALL: frozenset[Leg] = frozenset({"upload-url", "put", "event"})
_PUT: frozenset[Leg] = frozenset({"put"})


@dataclass(frozen=True, slots=True)
class Mishap:
    """One thing that can happen.

    Attributes:
        name: Of which the timeline of a failure speaks.
        strike: What it does to a flight.
        legs: Where it can happen.
        ends_with: The error that it ends a send with; None where the attempt may be repeated.
        leaves_budget: Whether the attempt succeeds all the same, and so costs no repetition.
        is_tame: Whether it can be told beforehand how a send with few of these must end.
    """

    name: str
    strike: Callable[[Flight], None]
    legs: frozenset[Leg] = _ALL
    ends_with: type[FlowFlexError] | None = None
    leaves_budget: bool = False
    is_tame: bool = True


def _refused(flight: Flight) -> None:
    flight.fails(LATENCY, "connection", sent=False)


def _no_proxy(flight: Flight) -> None:
    flight.fails(LATENCY, "proxy", sent=False)


def _bad_certificate(flight: Flight) -> None:
    flight.fails(LATENCY, "tls", sent=False)


def _lost(flight: Flight) -> None:
    flight.fails(flight.request.timeout, "timeout", sent=True)


def _reset(flight: Flight) -> None:
    flight.fails(LATENCY, "connection", sent=True)


def _cut(flight: Flight) -> None:
    length = len(flight.body)
    flight.arrives_in_part((0, 1, length // 2, length - 1)[flight.tape.choose(4)])
    flight.fails(2 * LATENCY, "connection", sent=True)


def _reply_lost(flight: Flight) -> None:
    flight.arrives()
    if flight.tape.choose(2):
        flight.fails(flight.request.timeout, "timeout", sent=True)
    else:
        flight.fails(2 * LATENCY, "connection", sent=True)


def _reply_cut(flight: Flight) -> None:
    flight.arrives()
    flight.fails(2 * LATENCY, "protocol", sent=True)


def _late(flight: Flight) -> None:
    flight.fails(flight.request.timeout, "timeout", sent=True)
    flight.arrives(flight.request.timeout + (0.01, 0.6, 5.0, 90.0)[flight.tape.choose(4)])


def _twice(flight: Flight) -> None:
    flight.goes_well()
    flight.arrives((2 * LATENCY, 0.5, 4.0, 120.0)[flight.tape.choose(4)])


def _slow(flight: Flight) -> None:
    flight.arrives_slowly((0.3, 2.0, 35.0)[flight.tape.choose(3)])
    flight.fails(flight.request.timeout, "timeout", sent=True)


def _drip(flight: Flight) -> None:
    if flight.tape.choose(2):
        flight.arrives()
    flight.fails(flight.request.total, "timeout", sent=True)


def _overrun(flight: Flight) -> None:
    if flight.tape.choose(2):
        flight.arrives()
    flight.fails(flight.request.total + 3.0, "timeout", sent=True)


def _told_twice(flight: Flight) -> None:
    flight.goes_well()
    flight.tells_again((2 * LATENCY, 3 * LATENCY, 0.5, 30.0)[flight.tape.choose(4)])


def _answered_after_all(flight: Flight) -> None:
    flight.arrives()
    flight.fails(2 * LATENCY, "connection", sent=True)
    flight.tells_again((0.3, 3 * LATENCY, 0.7, 1.5, 3.0)[flight.tape.choose(5)])


def _another_time(flight: Flight) -> None:
    status = (503, 408, 425, 429, 500, 502, 504, 599)[flight.tape.choose(8)]
    form = wait = (None, "0", "1", "45", "-1", "soon", "date", "past")[flight.tape.choose(8)]
    now = flight.timeline.now
    if wait == "date":
        wait = formatdate(now + 3, usegmt=True)
    elif wait == "past":
        wait = formatdate(now - 9_999, usegmt=True)
    asked = {"0": 0.0, "1": 1.0, "45": 45.0, "date": 3.0 - 1.0}.get(form or "", 0.0)
    flight.not_before = now + 2 * LATENCY + asked if form != "date" else now + asked
    flight.replies(2 * LATENCY, status, () if wait is None else (("Retry-After", wait),))


def _failed_after_the_effect(flight: Flight) -> None:
    flight.arrives()
    flight.replies(2 * LATENCY, (502, 504, 500)[flight.tape.choose(3)], _HTML, _PAGE)


def _portal(flight: Flight) -> None:
    flight.replies(2 * LATENCY, 200, _HTML, _PAGE)


def _malformed(flight: Flight) -> None:
    flight.arrives()
    form = flight.tape.choose(6)
    if form < 4:
        body = (b'{"status": "acc', b"[" * 200, b'{"a": NaN}', b"\xff\xfe{}")[form]
        flight.replies(2 * LATENCY, 200, _JSON, body)
    else:
        flight.answers_in_part((2, 4)[form - 4])


def _fields_missing(flight: Flight) -> None:
    flight.arrives()
    body = (b"{}", b'{"assetId": null, "uploadUrl": "x"}', b'{"assetId": "asset_12345678"}')[flight.tape.choose(3)]
    flight.replies(2 * LATENCY, 200, _JSON, body)


def _redirect(flight: Flight) -> None:
    headers = (("location", "https://elsewhere.test/"),)
    flight.replies(2 * LATENCY, (302, 301, 307, 308, 303)[flight.tape.choose(5)], headers)


def _interim(flight: Flight) -> None:
    flight.replies(2 * LATENCY, (103, 100, 199)[flight.tape.choose(3)])


def _at_work(flight: Flight) -> None:
    body = b'{"error": "In progress.", "code": "IDEMPOTENCY_KEY_IN_USE"}'
    flight.replies(2 * LATENCY, 409, (*_JSON, ("retry-after", "1")), body)


def _key_refused(flight: Flight) -> None:
    status, code = ((422, "IDEMPOTENCY_KEY_REUSED"), (409, "IDEMPOTENCY_KEY_IN_USE"))[flight.tape.choose(2)]
    flight.replies(2 * LATENCY, status, _JSON, f'{{"error": "No.", "code": "{code}"}}'.encode())


def _firewall(flight: Flight) -> None:
    flight.replies(2 * LATENCY, (403, 404, 400, 413, 451)[flight.tape.choose(5)], _HTML, _PAGE)


def _echo(flight: Flight) -> None:
    """Answer by an error that repeats every secret of the request."""
    request = flight.request
    said = f"No {request.headers.get('Authorization', '')} {request.url}"
    if flight.leg == "put":
        body = f"<Error><Code>Odd</Code><Message>{said.replace('&', '&amp;')}</Message></Error>"
        flight.replies(2 * LATENCY, 400, (("content-type", "application/xml"),), body.encode())
    else:
        flight.replies(2 * LATENCY, 401, _JSON, json.dumps({"error": said, "code": "ODD", "you": said}).encode())


def _never_again(flight: Flight) -> None:
    flight.replies(2 * LATENCY, 503, (("x-should-retry", "false"),))


def _too_long_a_wait(flight: Flight) -> None:
    wait = ("3600", "61", "9" * 30)[flight.tape.choose(3)]
    flight.replies(2 * LATENCY, 429, (("retry-after", wait),))


def _revoked(flight: Flight) -> None:
    body = b'{"error": "No.", "code": "UNAUTHORIZED"}'
    flight.replies(2 * LATENCY, 401, _JSON, body)


def _forged(flight: Flight) -> None:
    body = b"<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error>"
    flight.replies(2 * LATENCY, 403, (("content-type", "application/xml"),), body)


def _source_fails(flight: Flight) -> None:
    form = flight.tape.choose(3)
    if form == 0:  # it has vanished
        flight.fails(0.0, "source", sent=False)
        return
    if form == 1:  # it has shrunk, or cannot be read any farther
        flight.arrives_in_part(len(flight.body) // 2)
    else:  # it has grown
        flight.arrives()
    flight.fails(2 * LATENCY, "source", sent=True)


def _time_passes(flight: Flight, seconds: float) -> None:
    # Before it arrives, but for an event: that a network keeps one for a day no sender can foresee.
    before = LATENCY / 2 if flight.leg != "event" else 1.5 * LATENCY
    flight.timeline.after(before, lambda: flight.timeline.jump(seconds))


def _two_hours(flight: Flight) -> None:
    _time_passes(flight, (7_300.0, 7_199.0, 7_201.0, 6_900.0)[flight.tape.choose(4)])
    flight.goes_well()


def _two_days(flight: Flight) -> None:
    _time_passes(flight, (49.0, 47.5, 48.0, 24.5, 23.5, 100.0, 20.0, 16.0, 20.0, 12.0)[flight.tape.choose(10)] * HOUR)
    form = flight.tape.choose(3)
    if form == 1:
        flight.goes_well()
        return
    if form == 2:
        flight.arrives()
    flight.fails(2 * LATENCY, "connection", sent=True)


# Tapes know them by their number, among those that a send survives or the others: a new one comes last.
ALPHABET: tuple[Mishap, ...] = (
    Mishap("connection refused", _refused),
    Mishap("proxy unreachable", _no_proxy),
    Mishap("request lost", _lost),
    Mishap("reset before the head", _reset),
    Mishap("cut at a byte", _cut),
    Mishap("reply lost", _reply_lost),
    Mishap("reply cut", _reply_cut),
    Mishap("late delivery", _late),
    Mishap("duplicate delivery", _twice, leaves_budget=True),
    Mishap("drip", _drip),
    Mishap("not now", _another_time),
    Mishap("5xx after the effect", _failed_after_the_effect),
    Mishap("captive portal", _portal),
    Mishap("malformed reply", _malformed, _API),
    Mishap("two hours pass", _two_hours, leaves_budget=True),
    Mishap("slow server", _slow, leaves_budget=True, is_tame=False),
    Mishap("two days pass", _two_days, leaves_budget=True, is_tame=False),
    Mishap("key in flight", _at_work, frozenset({"event"})),
    Mishap("timeout kept late", _overrun),
    Mishap("told twice", _told_twice, leaves_budget=True),
    Mishap("answered after all", _answered_after_all),
    Mishap("bad certificate", _bad_certificate, ends_with=FlowFlexConnectionError),
    Mishap("fields missing", _fields_missing, frozenset({"upload-url"}), FlowFlexError),
    Mishap("redirect", _redirect, ends_with=FlowFlexError),
    Mishap("interim status", _interim, ends_with=FlowFlexError),
    Mishap("never again", _never_again, ends_with=FlowFlexError),
    Mishap("too long a wait", _too_long_a_wait, ends_with=FlowFlexError),
    Mishap("credentials revoked", _revoked, _API, FlowFlexError),
    Mishap("signature refused", _forged, _PUT, FlowFlexUploadError),
    Mishap("source fails", _source_fails, _PUT, FlowFlexUploadError),
    Mishap("firewall", _firewall, ends_with=FlowFlexError),
    Mishap("key refused", _key_refused, frozenset({"event"}), FlowFlexError),
    Mishap("secrets echoed", _echo, ends_with=FlowFlexError),
)
SURVIVABLE = tuple(mishap for mishap in ALPHABET if mishap.ends_with is None)
FATAL = tuple(mishap for mishap in ALPHABET if mishap.ends_with is not None)
