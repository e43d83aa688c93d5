"""How requests are told: in a line, and in the report of a failed test."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowflex_testing import faults
from flowflex_testing.engine.journal import RecordedRequest
from flowflex_testing.engine.messages import Abort, Reply
from flowflex_testing.fake import FakeFlowFlex
from flowflex_testing.faults import OPERATIONS
from flowflex_testing.timeline import line, mask_for, notes, timeline
from tests.testing.caller import Caller
from tests.testing.golden.comparing import assert_golden


@pytest.fixture
def caller():
    return Caller(FakeFlowFlex())


@pytest.fixture
def fake(caller):
    return caller.fake


def told(fake) -> str:
    """Return the timeline as if each request had come a hundredth of a second after the one before."""
    for number, request in enumerate(fake.requests):
        request.arrived = 1_000 + number / 100
    return timeline(fake)


def test_a_whole_test_is_told(caller, fake):
    """Requests, refusals with their rule, faults, moves of the clock, and faults that never fired, in their order."""
    fake.faults.arm("event", faults.LoseReply())
    fake.faults.arm("put", faults.Status(503), occurrence=9)
    caller.send("api", "GET", "/nowhere?secret=1", [], b"")
    asset_id = caller.asset(filename="Rechnung für Ada.pdf")
    fake.clock.advance(hours=3, minutes=30)
    for key in ("order-1", "order-1", None):
        caller.event({"file": asset_id}, key=key)
    fake.clock.advance(days=2, seconds=1)
    caller.event({"file": asset_id}, key="order-2")
    url = caller.url()
    for _ in range(2):
        caller.put(url)
    caller.put(url + "x")
    fake.clock.advance(seconds=90)
    assert_golden("timeline", told(fake))


def test_a_test_without_requests_says_so(fake):
    """The likeliest mistake is a client that never called."""
    fake.faults.arm("put", faults.Status(503))
    assert_golden("timeline_empty", told(fake))


def test_of_very_many_requests_the_beginning_and_the_end_are_told(caller, fake):
    """A report stays one that can be read."""
    for number in range(100):
        caller.event({}, key=str(number))
    lines = told(fake).splitlines()
    assert len(lines) == 61
    assert lines[19].split()[2] == "#20"
    assert lines[20].strip() == "... 40 more ..."
    assert lines[21].split()[2] == "#61"
    assert lines[60].split()[2] == "#100"


def test_a_clock_that_runs_was_not_moved(fake, caller):
    """Only what goes beyond the real time is told as a move of the clock."""
    for at in (0.0, 30.0, 90.0):
        caller.event({}, key=str(at))
        request = fake.requests[-1]
        request.at, request.arrived = fake.clock.now() + at, 1_000 + min(at, 30.0)
    moves = [words for words in timeline(fake).splitlines() if "clock" in words]
    assert [words.strip() for words in moves] == ["the fake's clock moved on by 1 min"]


@pytest.mark.parametrize(
    ("send", "words"),
    [
        (lambda caller: caller.event(name=None), "#1  POST event '', key 'key-1', 0 bytes -> 400 EVENT_REQUIRED"),
        (lambda caller: caller.event(key=None), "no key, 0 bytes -> 400 IDEMPOTENCY_KEY_REQUIRED"),
        (lambda caller: caller.upload_url(filename=...), "#1  POST upload-url no name -> 400 FILENAME_INVALID"),
        (lambda caller: caller.upload_url(body=b"["), "#1  POST upload-url no name -> 400 INVALID_JSON"),
        (lambda caller: caller.upload_url(body=b"[" * 100_000), "#1  POST upload-url no name -> 400 INVALID_JSON"),
        (lambda caller: caller.upload_url(filename="a\nb"), "#1  POST upload-url 'a\\nb' -> 400 FILENAME_INVALID"),
        (lambda caller: caller.put("/assets/x/y/a%0Ab"), "#1  PUT put 'a\\nb', 0 bytes -> 403 SignatureDoesNotMatch"),
        (lambda caller: caller.post("/\x85", b""), "#1  POST api '/\\x85' -> 404 NOT_FOUND"),
        (lambda caller: caller.put("/x?secret"), "#1  PUT storage /x -> 404 NoSuchKey"),
    ],
)
def test_odd_requests_have_a_line_too(caller, fake, send, words):
    """What is missing is said, what cannot be printed is escaped, and a line stays one line."""
    send(caller)
    told = line(fake.requests[0])
    assert told.endswith(words)
    assert told.isprintable()


@pytest.mark.parametrize("dialects", [{}, {"api_dialect": "message/name", "storage_dialect": "supabase"}])
def test_what_a_refusal_says_is_told_in_every_dialect(dialects):
    """The rule says what is demanded, the reply says what was wrong with this request."""
    fake = FakeFlowFlex(**dialects)
    caller = Caller(fake)
    caller.upload_url(filename="a/b")
    caller.put(caller.url(), b"five!")
    assert notes(fake.requests[0])[1:] == ["the reply says: filename is a path"]
    assert notes(fake.requests[2])[1:] == ["the reply says: 5 bytes were sent, and 4 declared"]


def test_a_reply_that_is_none_says_nothing(caller, fake):
    """A fault may take the reply away, or make something else of it."""
    for fault in (faults.LoseReply(), faults.HtmlPage(), faults.MalformedBody(), faults.MalformedBody(b"[]")):
        fake.faults.arm("event", fault)
        caller.event(key=None)
    assert [request.fault in note for request in fake.requests for note in notes(request)[-1:]] == [True] * 4
    assert not any("the reply says" in note for request in fake.requests for note in notes(request))


HEADERS = st.dictionaries(
    st.sampled_from(["authorization", "x-event", "x-idempotency-key"]),
    st.text(st.characters(max_codepoint=255)) | st.just("Basic eDp5"),
)
BODIES = st.binary() | st.sampled_from(
    [
        b"[1]",
        b"[" * 99_999,
        b'{"filename": 1, "message": 2, "uploadUrl": 3}',
        b'{"filename": "\\ud800"}',
        b"<?xml <Message>",
    ]
)
RECORDS = st.builds(
    RecordedRequest,
    number=st.just(1),
    at=st.just(0.0),
    origin=st.sampled_from(["api", "storage"]),
    operation=st.sampled_from([None, *OPERATIONS]),
    method=st.just("PUT"),
    target=st.text(st.characters(max_codepoint=255)),
    headers=HEADERS.map(lambda headers: tuple(headers.items())),
    body=BODIES,
    code=st.sampled_from(["", "NO"]),
    rule=st.sampled_from([None, "api.json", "upload-url.issued"]),
    reply=st.none() | st.builds(Abort, st.booleans()) | st.builds(Reply, st.just(400), body=BODIES),
)


@given(RECORDS)
def test_nothing_that_arrives_breaks_the_report(record):
    """Whatever a client or a fault made of a request, it has a line, and the report of the run is not lost over it."""
    assert line(record).isprintable()
    assert isinstance(mask_for([record])("\n".join(notes(record))), str)


def test_a_timeline_holds_no_secret(caller, fake):
    """Not even where a client puts one into a name."""
    caller.event({}, name=f"paid by {fake.api_secret}")
    caller.send("api", "GET", f"/{fake.api_key}?key={fake.api_secret}", [("authorization", caller.authorization)], b"")
    caller.put(caller.url())
    words = told(fake)
    assert "paid by [secret]" in words
    for secret in (fake.api_key, fake.api_secret, caller.authorization.partition(" ")[2], "X-Signature"):
        assert secret not in words
