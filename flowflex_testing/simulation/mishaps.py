"""What can happen to a flight: the alphabet of a simulation, as a table.

Each mishap is named and told in a sentence, which is that of the function that does it. It says on which legs it can
happen, and whether it may pass when the request is repeated. One that cannot pass names the error that it ends with; on
the event, where it leaves a doubt, the outcome may be unknown instead.
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
    """Nobody listens: no byte has left."""
    flight.fails(LATENCY, "connection", sent=False)


def _no_proxy(flight: Flight) -> None:
    """The proxy cannot be reached: no byte has left."""
    flight.fails(LATENCY, "proxy", sent=False)


def _bad_certificate(flight: Flight) -> None:
    """The certificate is refused: no byte has left."""
    flight.fails(LATENCY, "tls", sent=False)


def _lost(flight: Flight) -> None:
    """It never arrives, and silence is all that is heard."""
    flight.fails(flight.request.timeout, "timeout", sent=True)


def _reset(flight: Flight) -> None:
    """The connection is reset before the server has read a byte."""
    flight.fails(LATENCY, "connection", sent=True)


def _cut(flight: Flight) -> None:
    """The connection ends at some byte of the body."""
    length = len(flight.body)
    flight.arrives_in_part((0, 1, length // 2, length - 1)[flight.tape.choose(4)])
    flight.fails(2 * LATENCY, "connection", sent=True)


def _reply_lost(flight: Flight) -> None:
    """It has its effect, and its reply is lost."""
    flight.arrives()
    if flight.tape.choose(2):
        flight.fails(flight.request.timeout, "timeout", sent=True)
    else:
        flight.fails(2 * LATENCY, "connection", sent=True)


def _reply_cut(flight: Flight) -> None:
    """It has its effect, and what comes back is no HTTP."""
    flight.arrives()
    flight.fails(2 * LATENCY, "protocol", sent=True)


def _late(flight: Flight) -> None:
    """It counts as lost by a timeout, and arrives up to 90 seconds later."""
    flight.fails(flight.request.timeout, "timeout", sent=True)
    flight.arrives(flight.request.timeout + (0.01, 0.6, 5.0, 90.0)[flight.tape.choose(4)])


def _twice(flight: Flight) -> None:
    """It is answered, and a copy arrives up to two minutes later."""
    flight.goes_well()
    flight.arrives((2 * LATENCY, 0.5, 4.0, 120.0)[flight.tape.choose(4)])


def _slow(flight: Flight) -> None:
    """The server works on it for up to 35 seconds."""
    flight.arrives_slowly((0.3, 2.0, 35.0)[flight.tape.choose(3)])
    flight.fails(flight.request.timeout, "timeout", sent=True)


def _drip(flight: Flight) -> None:
    """Bytes trickle until its `total` is over; it may have arrived."""
    if flight.tape.choose(2):
        flight.arrives()
    flight.fails(flight.request.total, "timeout", sent=True)


def _overrun(flight: Flight) -> None:
    """The transport ends it only 3 seconds after its `total`."""
    if flight.tape.choose(2):
        flight.arrives()
    flight.fails(flight.request.total + 3.0, "timeout", sent=True)


def _told_twice(flight: Flight) -> None:
    """The same outcome is handed in once more, up to 30 seconds later."""
    flight.goes_well()
    flight.tells_again((2 * LATENCY, 3 * LATENCY, 0.5, 30.0)[flight.tape.choose(4)])


def _answered_after_all(flight: Flight) -> None:
    """It counts as failed, and then its reply is handed in all the same."""
    flight.arrives()
    flight.fails(2 * LATENCY, "connection", sent=True)
    flight.tells_again((0.3, 3 * LATENCY, 0.7, 1.5, 3.0)[flight.tape.choose(5)])


def _another_time(flight: Flight) -> None:
    """A 408, 425, 429 or 5xx without effect, with or without a Retry-After, also a senseless one."""
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
    """It has its effect, and a 5xx is the answer."""
    flight.arrives()
    flight.replies(2 * LATENCY, (502, 504, 500)[flight.tape.choose(3)], _HTML, _PAGE)


def _portal(flight: Flight) -> None:
    """Somebody else answers 200 with a web page."""
    flight.replies(2 * LATENCY, 200, _HTML, _PAGE)


def _malformed(flight: Flight) -> None:
    """It has its effect, and its reply is cut or is no JSON."""
    flight.arrives()
    form = flight.tape.choose(6)
    if form < 4:
        body = (b'{"status": "acc', b"[" * 200, b'{"a": NaN}', b"\xff\xfe{}")[form]
        flight.replies(2 * LATENCY, 200, _JSON, body)
    else:
        flight.answers_in_part((2, 4)[form - 4])


def _fields_missing(flight: Flight) -> None:
    """The reply lacks a field, or has nothing in it."""
    flight.arrives()
    body = (b"{}", b'{"assetId": null, "uploadUrl": "x"}', b'{"assetId": "asset_12345678"}')[flight.tape.choose(3)]
    flight.replies(2 * LATENCY, 200, _JSON, body)


def _redirect(flight: Flight) -> None:
    """Somebody answers by a redirect."""
    headers = (("location", "https://elsewhere.test/"),)
    flight.replies(2 * LATENCY, (302, 301, 307, 308, 303)[flight.tape.choose(5)], headers)


def _interim(flight: Flight) -> None:
    """An interim status is told as the final one."""
    flight.replies(2 * LATENCY, (103, 100, 199)[flight.tape.choose(3)])


def _at_work(flight: Flight) -> None:
    """A 409 with a Retry-After: the key is being worked on."""
    body = b'{"error": "In progress.", "code": "IDEMPOTENCY_KEY_IN_USE"}'
    flight.replies(2 * LATENCY, 409, (*_JSON, ("retry-after", "1")), body)


def _key_refused(flight: Flight) -> None:
    """A 409 or 422 about the key."""
    status, code = ((422, "IDEMPOTENCY_KEY_REUSED"), (409, "IDEMPOTENCY_KEY_IN_USE"))[flight.tape.choose(2)]
    flight.replies(2 * LATENCY, status, _JSON, f'{{"error": "No.", "code": "{code}"}}'.encode())


def _firewall(flight: Flight) -> None:
    """Somebody else answers 4xx with a web page."""
    flight.replies(2 * LATENCY, (403, 404, 400, 413, 451)[flight.tape.choose(5)], _HTML, _PAGE)


def _echo(flight: Flight) -> None:
    """A 4xx that repeats every secret of the request."""
    request = flight.request
    said = f"No {request.headers.get('Authorization', '')} {request.url}"
    if flight.leg == "put":
        body = f"<Error><Code>Odd</Code><Message>{said.replace('&', '&amp;')}</Message></Error>"
        flight.replies(2 * LATENCY, 400, (("content-type", "application/xml"),), body.encode())
    else:
        flight.replies(2 * LATENCY, 401, _JSON, json.dumps({"error": said, "code": "ODD", "you": said}).encode())


def _never_again(flight: Flight) -> None:
    """A 503 that forbids to repeat it."""
    flight.replies(2 * LATENCY, 503, (("x-should-retry", "false"),))


def _too_long_a_wait(flight: Flight) -> None:
    """A 429 that asks for more than a minute."""
    wait = ("3600", "61", "9" * 30)[flight.tape.choose(3)]
    flight.replies(2 * LATENCY, 429, (("retry-after", wait),))


def _revoked(flight: Flight) -> None:
    """A 401: the credentials are taken no more."""
    body = b'{"error": "No.", "code": "UNAUTHORIZED"}'
    flight.replies(2 * LATENCY, 401, _JSON, body)


def _forged(flight: Flight) -> None:
    """Storage says that the signature is wrong."""
    body = b"<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error>"
    flight.replies(2 * LATENCY, 403, (("content-type", "application/xml"),), body)


def _source_fails(flight: Flight) -> None:
    """The file has vanished, has shrunk or has grown."""
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
    """Two hours pass while it is under way, as while a machine sleeps; then it is answered."""
    _time_passes(flight, (7_300.0, 7_199.0, 7_201.0, 6_900.0)[flight.tape.choose(4)])
    flight.goes_well()


def _two_days(flight: Flight) -> None:
    """Half a day to four days pass while it is under way; then it is answered or lost."""
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
