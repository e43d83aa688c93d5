"""Faults: what each does to a request."""

import pytest

from flowflex_testing import faults
from flowflex_testing.engine.messages import Abort, Reply
from flowflex_testing.fake import FakeFlowFlex
from tests.testing.caller import Caller


@pytest.fixture
def caller():
    return Caller(FakeFlowFlex())


def test_a_status_answers_in_place_of_flowflex(caller):
    """The body is read and the request journalled, and nothing happens; Retry-After is sent as it was given."""
    caller.fake.faults.arm("event", faults.Status(503, retry_after=2))
    answer = caller.event({"n": 1})
    assert (answer.status, answer.headers["Retry-After"], answer.json()["code"]) == (503, "2", "INJECTED_FAULT")
    record = caller.fake.requests[0]
    assert (record.body, record.status, record.rule) == (b'{"n": 1}', 503, None)
    assert record.fault == "Status(status=503, retry_after=2)"
    assert caller.fake.events == []
    assert caller.event({"n": 1}).status == 202


def test_a_status_may_have_a_code_and_a_date():
    """A 429 can say RATE_LIMITED, and its Retry-After be a date or nonsense; storage speaks its dialect."""
    caller = Caller(FakeFlowFlex(storage_dialect="supabase"))
    date = "Wed, 21 Oct 2015 07:28:00 GMT"
    caller.fake.faults.arm("upload-url", faults.Status(429, "RATE_LIMITED", retry_after=date))
    answer = caller.upload_url()
    assert (answer.status, answer.headers["Retry-After"], answer.json()["code"]) == (429, date, "RATE_LIMITED")
    caller.fake.faults.arm("put", faults.Status(503, "SlowDown"))
    answer = caller.put(caller.url())
    assert (answer.status, answer.json()["error"]) == (503, "SlowDown")


def test_a_status_strikes_whatever_the_request_is_worth(caller):
    """A gateway that is down asks for no credentials."""
    caller.fake.faults.arm("event", faults.Status(599))
    answer = caller.event(authorization=None)
    assert (answer.status, answer.json()["error"]) == (599, "Injected fault: Unknown")


def test_even_a_struck_put_is_bounded(caller):
    """A fault that answers at the end of the body does not make the fake read on for ever."""
    caller.fake.faults.arm("event", faults.Status(503))
    assert caller.event(body=b" " * 1_048_577).rule == "api.body-size"


def test_an_html_page_is_what_a_proxy_says(caller):
    """No dialect and no effect: an error page, or the page of a captive portal."""
    caller.fake.faults.arm("event", faults.HtmlPage())
    caller.fake.faults.arm("event", faults.HtmlPage(200), occurrence=2)
    first, second = caller.event(), caller.event()
    assert (first.status, first.headers["Content-Type"]) == (502, "text/html; charset=utf-8")
    assert b"<h1>502 Bad Gateway</h1>" in first.body
    assert "x-request-id" not in first.headers
    assert (second.status, b"<h1>200 OK</h1>" in second.body) == (200, True)
    assert caller.fake.events == []


@pytest.mark.parametrize("at", [0, 1, 3, 4])
def test_a_reset_comes_at_its_byte_and_without_effect(caller, at):
    """The connection is reset after so many bytes of the body; the file is not stored, and its URL not burnt."""
    caller.fake.faults.arm("put", faults.Reset(at=at))
    url = caller.url()
    answer = caller.put(url)
    assert answer.abort == Abort(reset=True)
    assert caller.fake.requests[-1].received == at
    assert caller.fake.assets == {}
    assert caller.put(url).status == 200


def test_a_reset_behind_the_end_of_a_body_does_not_fire(caller):
    """A body that is shorter goes through, and the fault is told as unfired."""
    armed = caller.fake.faults.arm("put", faults.Reset(at=5))
    assert caller.put(caller.url()).status == 200
    assert caller.fake.faults.unfired() == [armed]


def test_a_reset_does_not_fire_where_the_head_is_refused(caller):
    """What the head already forbids is refused before any byte of the body could come."""
    caller.fake.faults.arm("put", faults.Reset(at=2))
    assert caller.put(caller.url() + "0").status == 403
    assert caller.fake.requests[-1].fault is None


@pytest.mark.parametrize("reset", [False, True])
def test_a_lost_reply_had_its_effect(caller, reset):
    """The event is accepted, nobody hears of it, and a repeat under the same key is a replay."""
    caller.fake.faults.arm("event", faults.LoseReply(reset=reset))
    assert caller.event().abort == Abort(reset=reset)
    assert (len(caller.fake.events), caller.fake.requests[0].status) == (1, 202)
    assert caller.event().rule == "event.replay"


def test_a_lost_refusal_is_lost_as_well(caller):
    """A fault after the effect strikes the reply, whatever it says."""
    caller.fake.faults.arm("event", faults.LoseReply())
    answer = caller.event(name=None)
    assert (answer.abort, answer.rule) == (Abort(reset=False), "event.name-required")


def test_a_truncated_reply_breaks_off_in_its_body(caller):
    """The head promises the whole body, and so many bytes of it come."""
    caller.fake.faults.arm("event", faults.TruncateReply(body_bytes=5))
    abort = caller.event().abort
    assert abort is not None
    assert isinstance(abort.begun, Reply)
    assert (abort.reset, abort.begun.status, abort.body_bytes) == (False, 202, 5)
    assert len(caller.fake.events) == 1


def test_a_reply_that_is_too_short_to_be_truncated_is_spared(caller):
    """Nothing would be missing, so that the fault has not struck."""
    armed = caller.fake.faults.arm("put", faults.TruncateReply(body_bytes=0))
    assert caller.put(caller.url()).status == 200
    assert caller.fake.requests[-1].fault is None
    assert (armed.seen, armed.hits) == (1, 0)


def test_a_malformed_body_has_the_head_of_a_good_reply(caller):
    """Status and Content-Type promise JSON, and the effect happened."""
    caller.fake.faults.arm("upload-url", faults.MalformedBody())
    answer = caller.upload_url()
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    with pytest.raises(ValueError, match="Unterminated"):
        answer.json()


@pytest.mark.parametrize("seconds", [float("inf"), float("-inf"), float("nan")])
def test_a_wait_that_is_no_number_is_refused(seconds):
    """A Retry-After that JSON cannot hold is refused when the fault is made; as text it may say anything."""
    with pytest.raises(ValueError, match="retry_after"):
        faults.Status(503, retry_after=seconds)
    assert faults.Status(503, retry_after="inf").retry_after == "inf"


@pytest.mark.parametrize("count", [0, 10_001, 10**12])
def test_interim_replies_are_bounded(count):
    """More of them would keep a worker busy for as long as the peer listens."""
    with pytest.raises(ValueError, match=f"count is 1 to 10,000, not {count}$"):
        faults.Interims(count)
    assert faults.Interims(10_000).count == 10_000
