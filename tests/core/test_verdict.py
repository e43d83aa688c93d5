"""The whole retry policy, status by status and leg by leg, told by what a send does next."""

import pytest

from flowflex_core import (
    FlowFlexConnectionError,
    FlowFlexError,
    FlowFlexOutcomeUnknownError,
    FlowFlexTimeoutError,
    FlowFlexUploadConnectionError,
    FlowFlexUploadError,
    FlowFlexUploadTimeoutError,
    file,
)
from tests.core.drive import HOUR, error_of, fail, failed, grant, leg_of, play, reply, start

LEGS = ["url", "put", "event"]
NAMES = {"url": "upload-url", "put": "put", "event": "event"}

REPEATED = [408, 425, 429, 500, 501, 502, 503, 504, 507, 520, 599]
NOT_REPEATED = [
    *(300, 301, 302, 303, 304, 307, 308),
    *(400, 401, 402, 403, 404, 405, 406, 407, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418, 422, 423, 424, 426),
    *(431, 451, 499),
    *(100, 102, 103, 199, 600, 999, 0),
]


def a_send(**changes):
    """Start a send with one file."""
    return start({"a": file("a.pdf")}, **changes)


def count(leg, *replies, **changes):
    """Return how often a leg is performed when its first replies are these."""
    return len(play(a_send(**changes), **{leg: replies}).of(NAMES[leg]))


@pytest.mark.parametrize("leg", LEGS)
@pytest.mark.parametrize("status", REPEATED)
def test_these_statuses_are_repeated(leg, status):
    """408, 425, 429 and every 5xx are repeated, in each leg."""
    assert count(leg, reply(status)) == 2


@pytest.mark.parametrize("leg", LEGS)
@pytest.mark.parametrize("status", NOT_REPEATED)
def test_all_others_end_the_send(leg, status):
    """Every other status but a 2xx ends the send at once; no redirect is followed, whatever its Location."""
    operation = a_send()
    played = play(operation, **{leg: [reply(status, b"", location="https://evil.test/")]})
    assert len(played.of(NAMES[leg])) == 1
    assert "evil" not in "".join(request.url for request in played.requests)
    assert error_of(operation).status == status
    if leg != "event":
        assert played.of("event") == []


@pytest.mark.parametrize("leg", LEGS)
@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize(
    ("kind", "attempts"), [("connection", 2), ("timeout", 2), ("proxy", 2), ("protocol", 2), ("tls", 1), ("source", 1)]
)
def test_failures_by_kind(leg, kind, sent, attempts):
    """Connection faults and timeouts are repeated; a bad certificate and a file that cannot be read are not."""
    assert count(leg, fail(kind, sent=sent)) == attempts


@pytest.mark.parametrize("leg", LEGS)
@pytest.mark.parametrize("max_retries", [0, 1, 2, 5])
def test_max_retries_counts_for_each_request(leg, max_retries):
    """A request is repeated `max_retries` times, and not once more."""
    operation = a_send(max_retries=max_retries)
    played = play(operation, **{leg: [reply(503)] * 9})
    assert len(played.of(NAMES[leg])) == max_retries + 1
    assert error_of(operation).attempts == max_retries + 1


def test_each_leg_of_each_file_has_its_own_retries():
    """What one leg of one file used up is not missing to the next leg, nor to another file."""
    operation = start({"a": file("a.pdf"), "b": file("b.pdf")}, max_retries=1, max_parallel_uploads=1)
    pattern = [reply(503), None, reply(503), None]
    script = {
        "url": [outcome or grant() for outcome in pattern],
        "put": [outcome or reply(200) for outcome in pattern],
        "event": [reply(503)],
    }
    played = play(operation, **script)
    assert operation.result().uploaded_assets.keys() == {"a", "b"}
    assert [len(played.of(leg)) for leg in NAMES.values()] == [4, 4, 2]


@pytest.mark.parametrize("leg", LEGS)
@pytest.mark.parametrize("status", [408, 429, 500, 503])
@pytest.mark.parametrize("value", ["false", "False", " FALSE "])
def test_a_server_may_forbid_repeating(leg, status, value):
    """`x-should-retry: false` is obeyed, whatever the status."""
    assert count(leg, reply(status, b"", **{"X-Should-Retry": value})) == 1


@pytest.mark.parametrize("value", ["true", "", "0", "no"])
def test_only_false_forbids_repeating(value):
    """Any other value of x-should-retry changes nothing: 503 is repeated, 400 is not."""
    assert count("event", reply(503, x_should_retry=value)) == 2
    assert count("event", reply(400, x_should_retry=value)) == 1


def test_a_forbidden_repeat_holds_for_what_could_not_be_read():
    """A web page, and S3's own RequestTimeout, are not repeated either where the server forbids it."""
    assert count("event", reply(200, b"<html>", x_should_retry="false")) == 1
    assert count("put", reply(400, b"<Code>RequestTimeout</Code>", x_should_retry="false")) == 1
    assert count("event", reply(409, retry_after="1", x_should_retry="false")) == 1


@pytest.mark.parametrize(("leg", "attempts"), [("url", 1), ("put", 1), ("event", 2)])
def test_a_conflict_with_retry_after_is_repeated_for_the_event_alone(leg, attempts):
    """A 409 with Retry-After means that the key is in flight: the event is asked for again, nothing else is."""
    assert count(leg, reply(409, {"code": "IDEMPOTENCY_IN_FLIGHT"}, retry_after="1")) == attempts
    assert count("event", reply(409, {"code": "CONFLICT"})) == 1


def test_a_conflict_that_lasts_is_an_unknown_outcome():
    """Where the key stays in flight to the end, the event may yet arrive."""
    error = failed(start(max_retries=1), event=[reply(409, retry_after="1")] * 2)
    assert type(error) is FlowFlexOutcomeUnknownError
    assert error.retry_after == 1.0


# Storage's own ways


def test_s3_says_408_in_a_400():
    """RequestTimeout in the XML of a 400 is repeated."""
    assert count("put", reply(400, b"<Error><Code>RequestTimeout</Code></Error>")) == 2


@pytest.mark.parametrize(
    ("wrapped", "attempts"),
    [("503", 2), (503, 2), ("429", 2), ("408", 2), ("404", 1), ("413", 1), ("200", 1), ("x", 1), (None, 1), (5030, 1)],
)
def test_supabase_wraps_its_status_in_a_400(wrapped, attempts):
    """The status inside the JSON of a 400 decides."""
    body = {"statusCode": wrapped, "error": "Error", "message": "It went wrong"}
    assert count("put", reply(400, body)) == attempts


def test_only_a_400_wraps_another_status():
    """The JSON of any other status decides nothing."""
    assert count("put", reply(404, {"statusCode": "503", "error": "x", "message": "y"})) == 1


DUPLICATES = [
    reply(400, {"error": "Duplicate", "message": "The resource already exists"}),
    reply(400, {"statusCode": "409", "error": "Duplicate", "message": "The resource already exists"}),
    reply(409, {"statusCode": "409", "error": "Duplicate", "message": "The resource already exists"}),
    reply(409, {"error": "x", "message": "Duplicate object"}),
    reply(409, b"<Error><Code>DuplicateObject</Code><Message>exists</Message></Error>"),
]


@pytest.mark.parametrize("duplicate", DUPLICATES)
@pytest.mark.parametrize(
    "doubt", [fail("connection", sent=True), fail("timeout", sent=True), reply(500), reply(503), reply(200, b"<html>")]
)
def test_duplicate_after_a_put_in_doubt_means_stored(doubt, duplicate):
    """Where an earlier attempt may have arrived, storage's "Duplicate" says that it did."""
    operation = a_send()
    played = play(operation, put=[doubt, duplicate])
    assert operation.result().uploaded_assets == {"a": "asset_upload-url-0-1"}
    assert len(played.of("put")) == 2


@pytest.mark.parametrize("duplicate", DUPLICATES)
@pytest.mark.parametrize("before", [None, fail("connection", sent=False), reply(429), reply(408)])
def test_duplicate_without_a_doubt_is_an_error(before, duplicate):
    """Where no earlier attempt can have arrived, what is stored there is not ours."""
    operation = a_send()
    played = play(operation, put=[duplicate] if before is None else [before, duplicate])
    assert type(error_of(operation)) is FlowFlexUploadError
    assert played.of("event") == []


def test_doubt_lasts_over_a_later_failure_that_was_not_sent():
    """Once an attempt may have arrived, a later one that certainly did not changes nothing about it."""
    operation = a_send()
    play(operation, put=[fail("timeout", sent=True), fail("connection", sent=False), DUPLICATES[0]])
    assert operation.result().uploaded_assets


def test_doubt_does_not_outlive_its_upload_url():
    """A new URL is another asset: a "Duplicate" there is not ours, though the old URL was in doubt."""
    operation = a_send(max_retries=5)
    play(operation, put=[fail("timeout", sent=True), EXPIRED[0], DUPLICATES[0]])
    assert error_of(operation).code == "Duplicate"


def test_another_conflict_is_not_a_duplicate():
    """A 409 for another reason is an error, in doubt or not."""
    assert failed(a_send(), put=[reply(500), reply(409, {"error": "Conflict", "message": "locked"})]).status == 409


EXPIRED = [
    reply(403, b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"),
    reply(400, {"statusCode": "400", "error": "InvalidJWT", "message": '"exp" claim timestamp check failed'}),
    reply(400, {"statusCode": "403", "error": "Unauthorized", "message": "jwt expired"}),
    reply(401, {"error": "x", "message": "token is expired"}),
    reply(400, {"error": "x", "message": "Exp claim is in the past"}),
    reply(400, b"<Error><Code>ExpiredToken</Code><Message>no</Message></Error>"),
]


@pytest.mark.parametrize("expired", EXPIRED)
@pytest.mark.parametrize("max_retries", [0, 2])
def test_a_put_refused_for_its_age_gets_a_new_url_once(expired, max_retries):
    """Where the reply says expired, a new URL is asked for, at once, also without retries; the asset is the new one."""
    operation = a_send(max_retries=max_retries)
    played = play(operation, put=[expired])
    assert [request.id for request in played.requests] == [
        "upload-url/0/1",
        "put/0/2",
        "upload-url/0/3",
        "put/0/4",
        "event/1",
    ]
    assert played.of("put")[0].url != played.of("put")[1].url
    assert played.times == [played.times[0]] * 5
    assert operation.result().uploaded_assets == {"a": "asset_upload-url-0-3"}


@pytest.mark.parametrize("expired", EXPIRED)
def test_a_new_url_is_asked_for_only_once(expired):
    """Where the new URL is refused for its age as well, that is an error."""
    operation = a_send(max_retries=5)
    played = play(operation, put=[expired, expired])
    assert len(played.of("upload-url")) == 2
    assert type(error_of(operation)) is FlowFlexUploadError


def test_a_new_url_comes_with_retries_of_its_own():
    """What the old URL used up is not missing to the new one."""
    operation = a_send(max_retries=1)
    played = play(operation, put=[reply(503), EXPIRED[0], reply(503)])
    assert operation.result()
    assert len(played.of("put")) == 4


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>",
        b"<Error><Code>SignatureDoesNotMatch</Code></Error>",
        b'{"statusCode":"403","error":"Unauthorized","message":"new row violates row-level security policy"}',
    ],
)
def test_any_other_403_ends_the_send(body):
    """A fresh URL that is refused is an error at once, with retries left or not."""
    operation = a_send()
    assert len(play(operation, put=[reply(403, body)]).of("upload-url")) == 1
    assert error_of(operation).status == 403


@pytest.mark.parametrize("status", [400, 401, 403, 410])
@pytest.mark.parametrize(("age", "renewed"), [(1.9 * HOUR, False), (1.95 * HOUR, True), (3 * HOUR, True)])
def test_a_refusal_of_an_old_url_is_for_its_age(status, age, renewed):
    """By our clock a URL is old from two hours less a margin on: what refuses it then gets a new one."""
    operation = a_send(max_retries=0)
    turn = operation.advance(0.0)
    turn = operation.advance(0.0, grant()(turn.requests[0]))
    turn = operation.advance(age, reply(status)(turn.requests[0]))
    assert turn.done is not renewed
    assert [request.id for request in turn.requests] == (["upload-url/0/3"] if renewed else [])


@pytest.mark.parametrize("status", [404, 405, 411, 413, 422])
def test_age_explains_no_other_refusal(status):
    """A file that is too large does not become smaller by a new URL."""
    operation = a_send()
    turn = operation.advance(0.0)
    turn = operation.advance(0.0, grant()(turn.requests[0]))
    assert operation.advance(3 * HOUR, reply(status)(turn.requests[0])).done


def test_an_old_url_is_not_even_tried():
    """A put that falls due when its URL is old asks for a new one first, and has one attempt less."""
    operation = a_send(max_retries=2)
    turn = operation.advance(0.0)
    turn = operation.advance(0.0, grant()(turn.requests[0]))
    operation.advance(0.0, reply(503)(turn.requests[0]))
    turn = operation.advance(3 * HOUR)
    assert [request.id for request in turn.requests] == ["upload-url/0/3"]
    turn = operation.advance(3 * HOUR, grant()(turn.requests[0]))
    assert [request.id for request in turn.requests] == ["put/0/4"]
    assert operation.advance(3 * HOUR, reply(503)(turn.requests[0])).done


def test_a_machine_that_sleeps_for_hours_again_and_again_is_given_up():
    """A URL that is old whenever it comes is asked for as often as may be repeated, then tried, then refused."""
    operation = a_send(max_retries=2)
    now, legs = 0.0, []
    turn = operation.advance(now)
    while not turn.done:
        [request] = turn.requests
        legs.append(leg_of(request))
        now += 3 * HOUR
        turn = operation.advance(now, (grant() if legs[-1] == "upload-url" else reply(403))(request))
    assert legs == ["upload-url"] * 3 + ["put", "upload-url", "put"]


def test_an_old_url_is_tried_where_no_attempt_is_left():
    """With no repetition left an old URL is tried all the same, for FlowFlex's word on it renews it once."""
    operation = a_send(max_retries=0)
    turn = operation.advance(0.0)
    turn = operation.advance(3 * HOUR, grant()(turn.requests[0]))
    assert [request.id for request in turn.requests] == ["put/0/2"]
    turn = operation.advance(3 * HOUR, reply(403)(turn.requests[0]))
    assert [request.id for request in turn.requests] == ["upload-url/0/3"]


# Which error


@pytest.mark.parametrize(
    ("script", "cls"),
    [
        ({"url": [reply(400)]}, FlowFlexError),
        ({"url": [reply(503)]}, FlowFlexError),
        ({"url": [reply(200, b"<html>")]}, FlowFlexError),
        ({"url": [fail("connection")]}, FlowFlexConnectionError),
        ({"url": [fail("connection", sent=True)]}, FlowFlexConnectionError),
        ({"url": [fail("tls")]}, FlowFlexConnectionError),
        ({"url": [fail("proxy")]}, FlowFlexConnectionError),
        ({"url": [fail("protocol", sent=True)]}, FlowFlexConnectionError),
        ({"url": [fail("timeout", sent=True)]}, FlowFlexTimeoutError),
        ({"put": [reply(403)]}, FlowFlexUploadError),
        ({"put": [reply(503)]}, FlowFlexUploadError),
        ({"put": [reply(200, b"<html>")]}, FlowFlexUploadError),
        ({"put": [fail("source")]}, FlowFlexUploadError),
        ({"put": [fail("source", sent=True)]}, FlowFlexUploadError),
        ({"put": [fail("connection", sent=True)]}, FlowFlexUploadConnectionError),
        ({"put": [fail("tls")]}, FlowFlexUploadConnectionError),
        ({"put": [fail("protocol", sent=True)]}, FlowFlexUploadConnectionError),
        ({"put": [fail("timeout", sent=True)]}, FlowFlexUploadTimeoutError),
        ({"event": [reply(400)]}, FlowFlexError),
        ({"event": [reply(302)]}, FlowFlexError),
        ({"event": [reply(401)]}, FlowFlexError),
        ({"event": [reply(429)]}, FlowFlexError),
        ({"event": [reply(408)]}, FlowFlexError),
        ({"event": [reply(409)]}, FlowFlexError),
        ({"event": [fail("connection")]}, FlowFlexConnectionError),
        ({"event": [fail("tls")]}, FlowFlexConnectionError),
        ({"event": [fail("proxy")]}, FlowFlexConnectionError),
        ({"event": [fail("timeout")]}, FlowFlexTimeoutError),
        ({"event": [fail("timeout", sent=True)]}, FlowFlexOutcomeUnknownError),
        ({"event": [fail("connection", sent=True)]}, FlowFlexOutcomeUnknownError),
        ({"event": [fail("protocol", sent=True)]}, FlowFlexOutcomeUnknownError),
        ({"event": [fail("tls", sent=True)]}, FlowFlexOutcomeUnknownError),
        ({"event": [reply(500)]}, FlowFlexOutcomeUnknownError),
        ({"event": [reply(503)]}, FlowFlexOutcomeUnknownError),
        ({"event": [reply(500, x_should_retry="false")]}, FlowFlexOutcomeUnknownError),
        ({"event": [reply(102)]}, FlowFlexOutcomeUnknownError),
        ({"event": [reply(600)]}, FlowFlexOutcomeUnknownError),
        ({"event": [reply(200, b"<html>")]}, FlowFlexOutcomeUnknownError),
    ],
)
def test_which_error_a_failure_becomes(script, cls):
    """Each way to fail has one class: by leg, by reason, and for an event by whether it may have arrived."""
    assert type(failed(a_send(max_retries=0), **script)) is cls


DOUBT = fail("timeout", sent=True)


@pytest.mark.parametrize(
    ("later", "cls"),
    [
        ([fail("connection", sent=False)], FlowFlexOutcomeUnknownError),
        ([fail("tls", sent=False)], FlowFlexOutcomeUnknownError),
        ([reply(429)], FlowFlexOutcomeUnknownError),
        ([reply(408), reply(425)], FlowFlexOutcomeUnknownError),
        ([reply(401)], FlowFlexOutcomeUnknownError),
        ([reply(403)], FlowFlexOutcomeUnknownError),
        ([reply(407)], FlowFlexOutcomeUnknownError),
        ([reply(409)], FlowFlexOutcomeUnknownError),
        ([reply(302)], FlowFlexOutcomeUnknownError),
        ([reply(100)], FlowFlexOutcomeUnknownError),
        # A firewall, a proxy or a portal may say these: they are not in FlowFlex's words.
        ([reply(400)], FlowFlexOutcomeUnknownError),
        ([reply(404, b"<html>not found</html>", content_type="text/html")], FlowFlexOutcomeUnknownError),
        ([reply(413, {})], FlowFlexOutcomeUnknownError),
        # About the key: it may be about the attempt that is in doubt.
        ([reply(422, {"error": "no", "code": "IDEMPOTENCY_KEY_REUSED"})], FlowFlexOutcomeUnknownError),
        ([reply(422, {"error": "this idempotency key was used"})], FlowFlexOutcomeUnknownError),
        ([reply(400, {"error": "no"})], FlowFlexError),
        ([reply(404, {"code": "INTEGRATION_NOT_FOUND"})], FlowFlexError),
        ([reply(413, {"message": "too large"})], FlowFlexError),
        ([fail("connection", sent=False), reply(422, {"error": "no"})], FlowFlexError),
    ],
)
def test_only_a_definite_reply_removes_a_doubt(later, cls):
    """After an attempt that may have arrived, only a reply about the event itself says that it did not."""
    operation = start(max_retries=len(later))
    play(operation, event=[DOUBT, *later])
    assert type(error_of(operation)) is cls


def test_a_doubt_can_end_well():
    """An event that may have arrived, repeated under its key and accepted, is a success like any other."""
    operation = start()
    play(operation, event=[DOUBT, reply(500)])
    assert operation.result().response == {"status": "accepted", "eventId": "evt_1"}
