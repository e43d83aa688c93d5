"""How requests are told to people: one in a line, and all of a test in the report of its failure. No secret is shown.

+0.000 s  #1  POST upload-url  invoice.pdf -> 200
+0.004 s  #2  PUT put  invoice.pdf, 4 bytes -> 503
              fault Status(status=503, code='INJECTED_FAULT', retry_after=None)
"""

import base64
import json
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from flowflex_core.secrets import Mask, secrets_of_url
from flowflex_testing.engine.journal import RecordedRequest
from flowflex_testing.engine.messages import Reply
from flowflex_testing.rules import RULES

if TYPE_CHECKING:
    from flowflex_testing.fake import FakeFlowFlex

# Of a test with very many requests its beginning and its end are shown.
_FIRST, _LAST = 20, 40

_SHORTEST_SECRET = 6

_OUTCOMES = {"event.accepted": "accepted", "event.replay": "replayed", "put.overwrite": "overwritten"}
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def line(request: RecordedRequest) -> str:
    """Tell a request and its answer in a line: neither the query of its URL nor a credential is in it."""
    what = f"{request.operation} {_subject(request)}" if request.operation else _plain(request.target.partition("?")[0])
    status = "no answer" if request.status is None else str(request.status)
    words = [status, request.code or _OUTCOMES.get(request.rule or "", "")]
    where = "" if request.operation else f"{request.origin} "
    return f"#{request.number}  {request.method} {where}{what} -> {' '.join(filter(None, words))}"


def notes(request: RecordedRequest) -> list[str]:
    """Tell in a line each why it was refused, and what was done to it on purpose."""
    found: list[str] = []
    if request.code and request.rule:
        sentence = RULES[request.rule].sentence
        found.append(f"refused by the rule {request.rule}: {sentence}")
        said = sentence_of_reply(request)
        if said not in (None, sentence):
            found.append(f"the reply says: {said}")
    if request.fault:
        found.append(f"struck by the fault {request.fault}")
    return found


def timeline(fake: "FakeFlowFlex") -> str:
    """Tell what arrived at a fake since it was made or reset, when, and which armed faults never fired.

    Times are real ones, counted from the first request; where the fake's clock was moved on in between stands a line.
    """
    requests = fake.requests
    lines = [] if requests else ["no request arrived"]
    last: RecordedRequest | None = None
    for request in requests:
        if last is not None:
            lines += _clock_move(request.at - last.at, request.arrived - last.arrived)
        when = f"+{request.arrived - requests[0].arrived:.3f} s"
        lines.append("\n".join([f"{when:>10}  {line(request)}", *(f"{'':16}{note}" for note in notes(request))]))
        last = request
    if len(lines) > _FIRST + _LAST:
        lines[_FIRST:-_LAST] = [f"{'':12}... {len(lines) - _FIRST - _LAST} more ..."]
    if last is not None:
        lines += _clock_move(fake.clock.now() - last.at, time.monotonic() - last.arrived)
    lines += [f"{'':12}armed, and never fired: {armed}" for armed in fake.faults.unfired()]
    return mask_for(requests)("\n".join(lines))


def filename_of(request: RecordedRequest) -> str | None:
    """Return the name of the file that a request for an upload URL or a PUT is about; None where it tells none."""
    if request.operation == "put":
        return unquote(request.target.partition("?")[0].rpartition("/")[2])
    if request.operation == "upload-url":
        name = (json_object(request.body) or {}).get("filename")
        return name if isinstance(name, str) else None
    return None


def sentence_of_reply(request: RecordedRequest) -> str | None:
    """Return the sentence in the body of the reply, in whatever dialect."""
    if not isinstance(request.reply, Reply):
        return None
    text = request.reply.body.decode("utf-8", "replace")
    if text.startswith("<?xml"):
        return unescape(text.partition("<Message>")[2].partition("</Message>")[0]) or None
    fields = json_object(request.reply.body) or {}
    sentence = fields.get("message", fields.get("error"))
    return sentence if isinstance(sentence, str) else None


def json_object(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object in a body; None where it is none."""
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def plural(number: int, noun: str) -> str:
    """Count something in words."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def mask_for(requests: Iterable[RecordedRequest]) -> Callable[[str], str]:
    """Return what masks in a text all that the requests were authorised by: credentials, and upload URLs."""
    secrets: set[str] = set()
    for request in requests:
        token = (request.header("authorization") or "").partition(" ")[2].strip()
        secrets.add(token)
        with suppress(ValueError):
            secrets.update(base64.b64decode(token, validate=True).decode().split(":", 1))
        if request.rule == "upload-url.issued" and isinstance(request.reply, Reply):
            granted = json_object(request.reply.body) or {}  # a fault may have made something else of it
            secrets |= secrets_of_url(str(granted.get("uploadUrl")), str(granted.get("token")))
    # A shorter one is a word that stands everywhere.
    return Mask().also(secret for secret in secrets if len(secret) >= _SHORTEST_SECRET).known


def _subject(request: RecordedRequest) -> str:
    if request.operation == "event":
        key = request.header("x-idempotency-key")
        words = [repr(request.header("x-event") or ""), "no key" if key is None else f"key {key!r}"]
    else:
        name = filename_of(request)
        words = ["no name" if name is None else _plain(name)]
    if request.operation != "upload-url":
        words.append(plural(request.received, "byte"))
    return ", ".join(words)


def _plain(text: str) -> str:
    return text if text.isprintable() else repr(text)


def _clock_move(fakes: float, real: float) -> list[str]:
    # A clock that runs with the real one was not moved.
    is_moved = fakes >= 1 and abs(fakes - real) >= 1
    return [f"{'':12}the fake's clock moved on by {_span(round(fakes))}"] if is_moved else []


def _span(seconds: int) -> str:
    words: list[str] = []
    for size, unit in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            words.append(f"{count} {unit}")
    return " ".join(words)
