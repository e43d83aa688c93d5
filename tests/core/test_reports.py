"""What the caller reads at 3 a.m.: each sentence whole, and the fields beside it."""

import pytest

from flowflex_core import CreateUploadUrl, UploadFile, file
from tests.core.drive import HOUR, NOW, connection, error_of, fail, failed, grant, reply, start

EVENT = "event 'invoice.created'"
RESUME = "; resume from error.snapshot to repeat it under the same key"


def a_send(**changes):
    """Start a send with one file."""
    return start({"order": {"receipt": file("a.pdf")}}, **changes)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            {"url": [reply(400, {"error": "mime is missing", "code": "MIME_NOT_ALLOWED"})]},
            "order.receipt: 'a.pdf': the upload URL was not granted: mime is missing (400 MIME_NOT_ALLOWED)",
        ),
        (
            {"url": [reply(401)]},
            "order.receipt: 'a.pdf': the upload URL was not granted: the server answered 401; "
            "check api_key and api_secret",
        ),
        (
            {"url": [fail("connection", "connection refused")] * 3},
            "order.receipt: 'a.pdf': the upload URL was not granted by api.flowflex.test: connection refused, "
            "after 3 attempts",
        ),
        (
            {"url": [reply(200, {})]},
            "order.receipt: 'a.pdf': the upload URL was not granted: the reply has no assetId that could be one (200)",
        ),
        (
            {"put": [reply(403, b"<Code>AccessDenied</Code><Message>Access Denied</Message>")]},
            "order.receipt: 'a.pdf' was not stored: Access Denied (403 AccessDenied)",
        ),
        ({"put": [reply(413)]}, "order.receipt: 'a.pdf' was not stored: the server answered 413"),
        (
            {"put": [fail("source", "the file changed while it was sent")]},
            "order.receipt: 'a.pdf' was not stored: the file changed while it was sent",
        ),
        (
            {"put": [fail("timeout", "nothing came for 30 s", sent=True)] * 3},
            "order.receipt: 'a.pdf' was not stored by storage.flowflex.test: nothing came for 30 s, after 3 attempts",
        ),
        (
            {"put": [reply(302)]},
            "order.receipt: 'a.pdf' was not stored: the reply was a redirect, which is never followed (302)",
        ),
        (
            {"event": [reply(422, {"message": "asset is gone", "name": "ASSET_FILE_MISSING"})]},
            f"{EVENT} was not accepted: asset is gone (422 ASSET_FILE_MISSING)",
        ),
        (
            {"event": [reply(422, {"error": "The key was used", "code": "IDEMPOTENCY_KEY_REUSED"})]},
            f"{EVENT} was not accepted: The key was used (422 IDEMPOTENCY_KEY_REUSED); an earlier event under this key "
            "may have been accepted, so do not send it again under a new one",
        ),
        ({"event": [reply(404)]}, f"{EVENT} was not accepted: the server answered 404"),
        (
            {"event": [reply(429, retry_after="1")] * 3},
            f"{EVENT} was not accepted: the server answered 429, after 3 attempts",
        ),
        (
            {"event": [reply(307)]},
            f"{EVENT} was not accepted: the reply was a redirect, which is never followed (307)",
        ),
        (
            {"event": [fail("tls", "certificate has expired")]},
            f"{EVENT} was not accepted by api.flowflex.test: certificate has expired",
        ),
        (
            {"event": [reply(500)] * 3},
            f"{EVENT} may or may not have arrived: the server answered 500, after 3 attempts{RESUME}",
        ),
        (
            {"event": [fail("timeout", "nothing came for 30 s", sent=True)] * 3},
            f"{EVENT} may or may not have arrived at api.flowflex.test: nothing came for 30 s, after 3 attempts"
            f"{RESUME}",
        ),
        (
            {"event": [reply(200, b"<html>")] * 3},
            f"{EVENT} may or may not have arrived: the reply was a web page, as a proxy or a captive portal sends it, "
            f"after 3 attempts{RESUME}",
        ),
        ({"event": [reply(102)]}, f"{EVENT} may or may not have arrived: the server answered 102{RESUME}"),
    ],
)
def test_what_is_said(script, message):
    """An error says what was not done, why, after how many attempts, and what to do where something can be done."""
    assert failed(a_send(), **script).message == message


@pytest.mark.parametrize("rest", ["?t=1", "/a?next=https://h.test/b"])
def test_of_an_upload_url_the_host_alone_is_told(rest):
    """Where storage gave no reply its host is named, whatever comes after it in the upload URL."""
    script = {"url": [grant(url="https://storage.flowflex.test" + rest)], "put": [fail("connection", "refused")]}
    error = failed(a_send(max_retries=0), **script)
    assert error.message == "order.receipt: 'a.pdf' was not stored by storage.flowflex.test: refused"


def test_a_file_without_an_event_has_no_path():
    """Where there is no payload, the name of the file stands for its place."""
    error = failed(UploadFile.start(connection(), file("a.pdf"), key="k"), put=[reply(413)])
    assert error.message == "'a.pdf' was not stored: the server answered 413"


def test_odd_names_are_quoted():
    """A payload key or event name of a kind that could be mistaken for words of ours stands in quotes."""
    error = failed(start({"was not stored: x": file("a.pdf")}), put=[reply(413)])
    assert error.message == "was not stored: x: 'a.pdf' was not stored: the server answered 413"


@pytest.mark.parametrize("leg", ["url", "put", "event"])
def test_the_fields_beside_the_sentence(leg):
    """Status, code, details, request id, Retry-After and attempts of the last reply are told, in every leg."""
    body = {"error": "slow down", "code": "RATE_LIMITED", "message": "slow down"}
    last = reply(429, body, retry_after="90", x_request_id="req_9")
    error = failed(a_send(), **{leg: [reply(503), last]})
    assert (error.status, error.request_id, error.retry_after, error.attempts) == (429, "req_9", 90.0, 2)
    if leg == "put":
        assert error.code == "slow down"
        assert error.details == {"code": "slow down", "message": "slow down"}
    else:
        assert (error.code, error.details) == ("RATE_LIMITED", body)
    assert error.idempotency_key == "key-1"


def test_a_failure_has_no_fields_of_a_reply():
    """Where no reply came, there is no status, code or detail, not even that of an earlier attempt."""
    error = failed(a_send(), event=[reply(503, {"code": "X"}, x_request_id="req_1"), fail(), fail()])
    assert (error.status, error.code, error.details, error.request_id, error.retry_after) == (None,) * 5
    assert error.attempts == 3


def test_attempts_are_those_of_the_leg_that_failed():
    """What other legs or files needed does not count."""
    assert failed(a_send(), url=[fail(), fail()], put=[fail(), reply(403)]).attempts == 2


def test_the_first_of_several_failures_is_told():
    """Of files that fail together the first in the payload is told, and the others are in `.failures`."""
    operation = start({"b": file("b.pdf"), "a": file("a.pdf")}, max_retries=0)
    error = failed(operation, put=[reply(413), reply(403)])
    assert error.message.startswith("b: 'b.pdf'")
    assert [failure.status for failure in error.failures.values()] == [413, 403]


def test_the_first_in_the_payload_is_told_whichever_leg_failed():
    """Which of several failures is told depends on the payload alone: neither on the leg nor on the order."""
    operation = start({"b": file("b.pdf"), "a": file("a.pdf")}, max_retries=0)
    first, second = operation.advance(0.0).requests
    [put] = operation.advance(0.0, grant()(second)).requests
    operation.advance(0.0, reply(403)(put), reply(401)(first))
    error = error_of(operation)
    assert error.message.startswith("b: 'b.pdf': the upload URL was not granted")
    assert error.failures["b"] is error
    assert error.failures["a"].status == 403


@pytest.mark.parametrize(
    ("seconds", "told"), [(10, "10 s"), (0.5, "0.5 s"), (90.0, "90 s"), (86_400, "86400 s"), (31_536_000, "31536000 s")]
)
def test_a_deadline_is_told_in_seconds(seconds, told):
    """The deadline stands in the message as it was given."""
    operation = a_send(deadline_seconds=seconds)
    operation.advance(0.0)
    operation.advance(seconds)
    with pytest.raises(
        Exception, match=f"^the deadline of {told} came with 0 of 1 files stored; the event was not sent$"
    ):
        operation.result()


def test_a_deadline_tells_the_last_trouble():
    """Where something had failed before the deadline came, the message says what."""
    operation = a_send(deadline_seconds=10, max_retries=9)
    [url] = operation.advance(0.0).requests
    turn = operation.advance(0.0, fail("connection", "connection refused")(url))
    operation.advance(turn.wait or 0.0)
    operation.advance(10.0)
    with pytest.raises(Exception, match=r"the event was not sent: connection refused, after 2 attempts$"):
        operation.result()


def test_a_deadline_with_the_event_in_doubt():
    """A doubt that the deadline ends is told with its reason."""
    operation = start(deadline_seconds=10, max_retries=9)
    [event] = operation.advance(0.0).requests
    operation.advance(0.0, fail("timeout", "nothing came", sent=True)(event))
    operation.advance(10.0)
    with pytest.raises(
        Exception, match=f"^{EVENT} may or may not have arrived when the deadline of 10 s came: nothing came{RESUME}$"
    ):
        operation.result()


@pytest.mark.parametrize(("asked", "told"), [("3600", True), ("61", True), ("60", False)])
def test_a_wait_that_is_too_long_is_told(asked, told):
    """Where the server asks for more than is waited for, the message says so, and how much."""
    error = failed(start(max_retries=1), event=[reply(429, retry_after=asked)] * 2)
    assert (f"; it asks to wait {asked} s, more than the 60 s waited for" in error.message) is told
    assert error.attempts == (1 if told else 2)


def test_a_wait_that_is_too_long_is_told_after_what_happened():
    """How long the server asks to wait comes behind what failed, and why."""
    error = failed(start(), event=[reply(429, retry_after="61")])
    assert error.message == (
        f"{EVENT} was not accepted: the server answered 429; it asks to wait 61 s, more than the 60 s waited for"
    )


def test_a_deadline_tells_why_the_event_did_not_arrive():
    """Where the event was refused for the time being, the deadline's error says so, with the fields of that refusal."""
    operation = start(deadline_seconds=10, max_retries=9)
    [event] = operation.advance(0.0).requests
    operation.advance(9.0, reply(429, retry_after="0.9")(event))
    operation.advance(10.0)
    error = error_of(operation)
    assert error.message == ("the deadline of 10 s came before the event could arrive: the server answered 429")
    assert (error.status, error.attempts) == (429, 1)


def test_a_deadline_before_any_trouble_has_no_attempts():
    """Of a send whose uploads had no failure, no attempt is told as failed."""
    operation = a_send(deadline_seconds=10)
    operation.advance(0.0)
    operation.advance(10.0)
    assert error_of(operation).attempts == 0


def test_a_deadline_too_short_for_the_clock_is_told_too():
    """A deadline that is past before anything is begun, for the clock cannot tell it from now, is told as any other."""
    settings = connection(deadline_seconds=1e-9)
    for operation, message in (
        (UploadFile.start(settings, file("a.pdf"), key="k"), "'a.pdf' was not stored"),
        (
            CreateUploadUrl.start(settings, filename="a.pdf", mime="application/pdf", key="k"),
            "'a.pdf': the upload URL was not granted",
        ),
    ):
        operation.advance(NOW)
        assert error_of(operation).message == f"{message} when the deadline of 1e-09 s came"


FORGOTTEN = (
    "it was first sent so long ago that FlowFlex may have forgotten its key (24 hours), "
    "and would take it for another event"
)


def test_a_doubt_that_comes_too_late_to_be_settled():
    """Where a reply comes so late that the event cannot be repeated any more, no repetition is advised."""
    operation = start(max_retries=0)
    [event] = operation.advance(0.0).requests
    operation.advance(24 * HOUR, fail("timeout", "nothing came", sent=True)(event))
    assert error_of(operation).message == (
        f"{EVENT} may or may not have arrived at api.flowflex.test: nothing came; "
        f"it cannot be repeated, for {FORGOTTEN}"
    )


def test_a_doubt_that_slept_too_long_is_not_repeated():
    """Where a machine slept between two attempts until the key is forgotten, the error says so, and counts one."""
    operation = start()
    [event] = operation.advance(0.0).requests
    operation.advance(0.0, reply(500)(event))
    operation.advance(24 * HOUR)
    error = error_of(operation)
    assert error.message == f"{EVENT} may or may not have arrived, and cannot be repeated: {FORGOTTEN}"
    assert error.attempts == 1


def test_an_event_whose_files_are_gone_is_not_repeated():
    """Where a machine slept between two attempts until the files are deleted, the error says what to do."""
    operation = a_send()
    now = 0.0
    turn = operation.advance(now)
    for answer in (grant(), reply(200), reply(429)):
        turn = operation.advance(now, *(answer(request) for request in turn.requests))
    operation.advance(48 * HOUR)
    error = error_of(operation)
    assert error.message == (
        f"{EVENT} was not sent: its files were stored so long ago that FlowFlex deletes them (48 hours); "
        "send it anew, with its files"
    )
    assert (error.code, error.attempts) == ("ASSET_FILE_MISSING", 1)
