"""What an outcome means, as three functions from an outcome to a verdict: success, no, not now, or old URL.

They see one outcome of one leg and no state but what is passed in: `now`, and the upload URLs that were `granted` in
this run, which are gone through for their secrets only where words are taken from outside. Whether there is another
attempt is decided in `send`, where the attempts, the deadline and the one new URL are counted.
"""

from collections.abc import Iterable
from typing import Any

from flowflex_core import wire
from flowflex_core.backoff import retry_after
from flowflex_core.messages import Failure, Outcome, Response, UploadUrl
from flowflex_core.secrets import Mask
from flowflex_core.settings import Settings
from flowflex_core.states import DELIVERED, GRANTED, REFUSED, RENEW, REPEAT, STORED, Problem, Reason, Sign


class Verdict:
    """What an outcome means.

    Attributes:
        sign: What happened.
        value: What was gained: an upload URL, or the reply to the event.
        problem: Why nothing was gained; None exactly where something was.
        arrived: Whether the request may have had its effect: True adds a doubt that only a definite reply removes.
    """

    __slots__ = ("arrived", "problem", "sign", "value")

    sign: Sign
    value: Any
    problem: Problem | None
    arrived: bool

    def __init__(
        self,
        sign: Sign,
        value: Any = None,
        problem: Problem | None = None,
        *,
        arrived: bool = False,
    ) -> None:
        self.sign = sign
        self.value = value
        self.problem = problem
        self.arrived = arrived


# RFC 9110 and 6585: the server did not get to the request, or asks for another time.
_ANOTHER_TIME = frozenset({408, 425, 429})
# About who asks, or about another attempt under the same key: says nothing of what became of an earlier attempt.
_NOT_ABOUT_THE_EVENT = frozenset({401, 403, 407, 409})
# How storage says that a URL is too old: S3 403 "Request has expired", a token service 400 or 401 "jwt expired", and
# 410 is HTTP's own word for what is gone.
_OLD_URL = frozenset({400, 401, 403, 410})
_EXPIRED = ("expired", "exp claim", '"exp"')


def of_upload_url(outcome: Outcome, settings: Settings, now: float, granted: Iterable[UploadUrl]) -> Verdict:
    """Judge the outcome of a request for an upload URL."""
    if not isinstance(outcome, Response):
        return _of_failure(outcome, wire.mask_of(settings, granted))
    if 200 <= outcome.status < 300:
        try:
            reply = wire.read_upload_url(outcome, settings)
        except wire.UnreadableError as error:
            return _unreadable(outcome, error)
        if isinstance(reply, str):
            return Verdict(REFUSED, problem=Problem("refused", reply, outcome.status))
        return Verdict(GRANTED, reply)
    return _of_refusal(outcome, wire.read_refusal(outcome, wire.mask_of(settings, granted)), now)


def of_put(
    outcome: Outcome,
    settings: Settings,
    now: float,
    granted: Iterable[UploadUrl],
    *,
    is_old: bool,
    in_doubt: bool,
) -> Verdict:
    """Judge the outcome of sending a file to its upload URL.

    `is_old`: the URL may have expired; `in_doubt`: an earlier attempt may have arrived.
    """
    if not isinstance(outcome, Response):
        return _of_failure(outcome, wire.mask_of(settings, granted))
    if 200 <= outcome.status < 300:
        try:
            wire.read_put_reply(outcome)
        except wire.UnreadableError as error:
            return _unreadable(outcome, error)
        return Verdict(STORED)
    refusal = wire.read_storage_refusal(outcome, wire.mask_of(settings, granted))
    words = f"{refusal.code or ''} {refusal.sentence or ''}".lower()
    if in_doubt and refusal.status in (400, 409) and "duplicate" in words:
        return Verdict(STORED)
    verdict = _of_refusal(outcome, refusal, now)
    if verdict.sign == REFUSED and refusal.status in _OLD_URL:
        if is_old or any(word in words for word in _EXPIRED):
            return Verdict(RENEW, problem=verdict.problem)
        # How S3 says 408.
        if refusal.code == "RequestTimeout" and not wire.forbids_repeating(outcome):
            return Verdict(REPEAT, problem=verdict.problem)
    return verdict


def of_event(outcome: Outcome, settings: Settings, now: float, granted: Iterable[UploadUrl]) -> Verdict:
    """Judge the outcome of firing the event."""
    if not isinstance(outcome, Response):
        return _of_failure(outcome, wire.mask_of(settings, granted))
    if 200 <= outcome.status < 300:
        try:
            return Verdict(DELIVERED, wire.read_event_reply(outcome))
        except wire.UnreadableError as error:
            return _unreadable(outcome, error)
    verdict = _of_refusal(outcome, wire.read_refusal(outcome, wire.mask_of(settings, granted)), now)
    if outcome.status == 409 and outcome.header("retry-after") is not None:
        # An attempt under the same key is being worked on: it may yet succeed.
        sign: Sign = REFUSED if wire.forbids_repeating(outcome) else REPEAT
        return Verdict(sign, problem=verdict.problem, arrived=True)
    return verdict


def _of_failure(failure: Failure, mask: Mask) -> Verdict:
    words = mask.sentence(failure.message) or failure.kind
    if failure.kind == "source":
        return Verdict(REFUSED, problem=Problem("source", words), arrived=failure.sent)
    reason: Reason = "timeout" if failure.kind == "timeout" else "connection"
    # A certificate that is refused now is refused in a second, too.
    sign: Sign = REFUSED if failure.kind == "tls" else REPEAT
    return Verdict(sign, problem=Problem(reason, words), arrived=failure.sent)


def _unreadable(response: Response, error: wire.UnreadableError) -> Verdict:
    words = f"the reply was {error}"
    sign: Sign = REFUSED if wire.forbids_repeating(response) else REPEAT
    return Verdict(sign, problem=Problem("unreadable", words, response.status), arrived=True)


def _of_refusal(response: Response, refusal: wire.Refusal, now: float) -> Verdict:
    status = refusal.status
    wait = retry_after(response.header("retry-after"), response.header("date"), now)
    words = refusal.sentence
    if words is None and 300 <= status < 400 and status != 304:
        words = "the reply was a redirect, which is never followed"
    # Only FlowFlex's own words settle what became of earlier attempts: a proxy, a firewall or a portal knows nothing
    # of them, and what is said about the key may be about an earlier attempt that succeeded.
    in_its_words = refusal.code is not None or refusal.sentence is not None
    is_about_key = "idempoten" in f"{refusal.code} {refusal.sentence}".lower()
    is_definite = 400 <= status < 500 and status not in _ANOTHER_TIME | _NOT_ABOUT_THE_EVENT and in_its_words
    problem = Problem(
        "refused",
        words or "",
        response.status,
        refusal.code,
        refusal.details,
        refusal.request_id,
        wait,
        is_definite=is_definite and not is_about_key,
        is_about_key=is_about_key,
    )
    # The server may have failed before or after it did what was asked, and an interim status is no answer.
    arrived = status >= 500 or status < 200
    if (status in _ANOTHER_TIME or 500 <= status < 600) and not wire.forbids_repeating(response):
        return Verdict(REPEAT, problem=problem, arrived=arrived)
    return Verdict(REFUSED, problem=problem, arrived=arrived)
