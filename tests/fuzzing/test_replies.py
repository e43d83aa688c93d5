"""Replies of every kind, given to a send by `advance`: it ends in few turns and little memory, as the contract says."""

import gzip
import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowflex_core import (
    MAX_REPLY_BYTES,
    Failure,
    FailureKind,
    FlowFlexError,
    Outcome,
    Request,
    Response,
    SendEvent,
    file,
)
from tests.core.drive import API_KEY, API_SECRET, BASIC_TOKEN, NOW, SECRETS, connection, grant, reply
from tests.core.generating import json_values
from tests.fuzzing.effort import fuzz, memory_under

pytestmark = pytest.mark.slow  # many examples

# Text as a careless transport hands it over: halves of surrogate pairs in it, and NUL.
odd_text = st.text(st.characters(), max_size=20) | st.text(st.characters(categories=["Cs", "Cc", "Cf"]), max_size=4)

NAMES = ["content-type", "Content-Type", "retry-after", "date", "x-should-retry", "x-request-id", "location"]
VALUES = [
    "application/json",
    "application/problem+json; charset=utf-16",
    "text/html",
    "text/plain; charset=utf-16le",
    "0",
    "9" * 400,
    "-1",
    "\u0665",
    "Wed, 21 Oct 2015 07:28:00 GMT",
    "Wednesday, 99-Oct-99 99:99:99 GMT",
    "Fri, 31 Dec 9999 23:59:60 GMT",
    "Sat, 01 Jan 0000 00:00:00 GMT",
    "false",
]
headers = st.lists(st.tuples(st.sampled_from(NAMES) | odd_text, st.sampled_from(VALUES) | odd_text), max_size=4)

FIELDS = ("error", "message", "code", "name", "statusCode", "requestId", "assetId", "uploadUrl", "token")
WORDS = ["https://storage.flowflex.test/a?X=1", "http://[::1", "https://\u2488.test/", "duplicate", "expired", *SECRETS]
objects = st.dictionaries(st.sampled_from(FIELDS), json_values | st.sampled_from(WORDS) | odd_text)

bodies = (
    st.binary(max_size=60)
    | json_values.map(lambda value: json.dumps(value).encode())
    | objects.map(lambda value: json.dumps(value).encode())
    | objects.map(lambda value: json.dumps(value).encode("utf-16", "surrogatepass"))
)
statuses = st.sampled_from([200, 202, 204, 301, 400, 401, 403, 408, 409, 413, 422, 425, 429, 500, 503]) | st.integers(
    -1, 10_000
)
responses = st.tuples(statuses, headers, bodies, st.booleans())
failures = st.tuples(st.sampled_from(get_args(FailureKind)), odd_text, st.booleans())


def outcome_of(request: Request, drawn: Any) -> Outcome:
    """Make of what was drawn an outcome of `request`: None is a good one."""
    if drawn is None:
        return reply(200)(request) if request.method == "PUT" else grant()(request)
    if len(drawn) == 3:
        return Failure(request.id, *drawn)
    status, pairs, body, early = drawn
    return Response(request.id, status, pairs, body, early)


def ended(send: SendEvent, drawn: list[Any]) -> FlowFlexError | None:
    """Give a send what was drawn, two outcomes for each request; return the error that it ended with."""
    left = iter(drawn)
    now = NOW
    turn = send.advance(now)
    # A few files and an event, each of their legs tried up to twice, with one new URL for each file.
    for _ in range(100):
        if turn.done:
            break
        outcomes = [outcome_of(request, next(left, None)) for request in turn.requests for _ in range(2)]
        now += 0 if outcomes else turn.wait or 0
        turn = send.advance(now, *outcomes)
    assert turn.done, "it goes on for ever"
    try:
        send.result()
    except FlowFlexError as error:
        return error
    return None


def judged(drawn: list[Any]) -> None:
    """Give a send what was drawn, and look at what it says in the end."""
    settings = connection(max_retries=1)
    payload = {"a": file("a.pdf"), "b": [file("b.png")]}
    send = SendEvent.start(settings, "e", payload, idempotency_key="key-1")
    error = ended(send, drawn)
    if error is None:
        return
    shown = f"{error.message} {error.code} {error.details!r} {error.request_id}"
    assert error.message.isprintable()
    assert len(error.message) < 3_000
    assert not any(secret in shown for secret in (API_KEY, API_SECRET, BASIC_TOKEN))
    if error.snapshot is not None:
        ended(SendEvent.resume(error.snapshot, settings), [])


@fuzz(250)
@given(st.lists(st.none() | responses | failures, max_size=16))
def test_any_reply_is_judged_in_few_turns(drawn: list[Any]) -> None:
    """Nothing but a FlowFlexError comes of it, whose words can be printed and hold no secret; its snapshot goes on."""
    with memory_under(2_000_000):
        judged(drawn)


HUGE = {
    "arrays in arrays": b"[" * MAX_REPLY_BYTES,
    "objects in objects": b'{"a":' * 100_000,
    "a string that does not end": b'"' + b"a" * (MAX_REPLY_BYTES - 1),
    "digits": b"1" * 5_000,
    "an exponent": b"-1e" + b"9" * 300,
    "many objects": b"[" + b"{}," * 300_000 + b"{}]",
    "XML that is never closed": b"<Code>" * 150_000,
    "a code that never ends": b"<Code>" + b"<" * 900_000,
    "words that are no text": b"<Message>" + b"\xff" * 900_000 + b"</Message>",
    "URLs": b'{"message":"' + b"https://h/?" * 90_000 + b'"}',
    "halves of surrogate pairs": b'{"error":{"message":"' + b"\\ud800" * 100_000 + b'"}}',
    "blanks": b" " * MAX_REPLY_BYTES,
    "UTF-16": b"\xff\xfe" + b"<\x00" * 500_000,
    "50 MB of zeros in gzip": gzip.compress(bytes(50_000_000), 1),
    "50 MB of arrays in gzip": gzip.compress(b"[" * 50_000_000, 1),
    "more than is taken": b"a" * (MAX_REPLY_BYTES + 1),
}


@pytest.mark.parametrize("name", HUGE)
@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize("before", [0, 2, 4], ids=["upload-url", "put", "event"])
def test_a_reply_that_is_huge_takes_no_more_than_a_multiple_of_its_bound(name: str, status: int, before: int) -> None:
    """In each leg, whatever its status: no time that grows with the square of it, and bounded memory."""
    drawn = [None] * before * 2 + [(status, [("content-type", "application/json")], HUGE[name], False)]
    # Objects of Python stand for the shortest JSON: 64 bytes of an empty dict for three characters.
    with memory_under(40 * MAX_REPLY_BYTES):
        judged(drawn)
