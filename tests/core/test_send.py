"""Whole sends: order, limits, the deadline, what fails fast, and what grows old."""

import gc
import sys
import tracemalloc
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowflex_core import (
    CreateUploadUrl,
    FlowFlexConnectionError,
    FlowFlexError,
    FlowFlexOutcomeUnknownError,
    FlowFlexTimeoutError,
    FlowFlexUploadConnectionError,
    FlowFlexUploadError,
    FlowFlexUploadTimeoutError,
    Outcome,
    Response,
    SendEvent,
    Turn,
    UploadFile,
    file,
)
from flowflex_core.send import step
from tests.core.drive import (
    HOUR,
    NOW,
    SIGNATURE,
    UPLOAD_TOKEN,
    connection,
    error_of,
    fail,
    failed,
    grant,
    json_of,
    leg_of,
    play,
    reply,
    start,
)
from tests.core.generating import examples

MINUTE = 60.0


def files(count):
    """Make files that have nothing in common."""
    return [file(f"{number}.pdf") for number in range(count)]


def well(request):
    """Answer a request well."""
    return {"upload-url": grant(), "put": reply(200), "event": reply(202, {"ok": True})}[leg_of(request)](request)


# Order and limits


def test_the_order_of_one_send():
    """Upload URLs, then the bytes, then the event, each as soon as what it needs is there."""
    operation = start({"a": file("a.pdf"), "b": file("b.pdf")})
    turn = operation.advance(NOW)
    first, second = turn.requests
    assert (first.id, second.id) == ("upload-url/0/1", "upload-url/1/1")
    [put] = operation.advance(NOW, well(first)).requests
    assert put.id == "put/0/2"
    assert operation.advance(NOW, well(put)).requests == ()
    [other] = operation.advance(NOW, well(second)).requests
    [event] = operation.advance(NOW, well(other)).requests
    assert event.id == "event/1"
    assert operation.advance(NOW, well(event)) == Turn((), None, True, False)


def test_a_send_without_files_is_one_request():
    """Where the payload has no file, the event goes out in the first turn, which is to be saved first."""
    turn = start({"n": 1}).advance(NOW)
    assert ([request.id for request in turn.requests], turn.wait, turn.done, turn.checkpoint) == (
        ["event/1"],
        None,
        False,
        True,
    )


@pytest.mark.parametrize("limit", [1, 2, 3, 16])
def test_never_more_uploads_than_the_limit(limit):
    """At most `max_parallel_uploads` files are on their way, in order, and always as many as may be."""
    operation = start({"l": files(7)}, max_parallel_uploads=limit)
    in_flight = list(operation.advance(NOW).requests)
    begun: list[str] = []
    while in_flight:
        if leg_of(in_flight[0]) != "event":
            left = 7 - len({asset for asset in begun if asset.startswith("put")})
            assert len(in_flight) == min(limit, left)
        request = in_flight.pop(0)
        begun.append(request.id)
        in_flight += operation.advance(NOW, well(request)).requests
    urls = [name for name in begun if name.startswith("upload-url")]
    assert urls == [f"upload-url/{number}/1" for number in range(7)]
    assert operation.result()


def test_an_upload_that_waits_keeps_its_place():
    """A file that waits for its next attempt counts as on its way: no other is begun in its place."""
    operation = start({"l": files(2)}, max_parallel_uploads=1)
    [request] = operation.advance(NOW).requests
    turn = operation.advance(NOW, fail()(request))
    assert turn.requests == ()
    assert turn.wait is not None
    [again] = operation.advance(NOW + turn.wait).requests
    assert again.id == "upload-url/0/2"


def test_a_slow_file_holds_up_only_itself():
    """While one file waits or is slow, the others go through all their legs."""
    operation = start({"l": files(3)}, max_parallel_uploads=2)
    slow, quick = operation.advance(NOW).requests
    done = []
    left = [quick]
    while left:
        request = left.pop()
        done.append(request.id)
        left += operation.advance(NOW, well(request)).requests
    assert done == ["upload-url/1/1", "put/1/2", "upload-url/2/1", "put/2/2"]
    assert slow.id == "upload-url/0/1"


def test_every_request_has_an_id_of_its_own():
    """No two requests of one operation share an id, whatever is repeated, renewed or stored anew."""
    expired = reply(403, b"<Code>AccessDenied</Code><Message>Request has expired</Message>")
    operation = start({"l": files(3)})
    played = play(operation, url=[fail()], put=[fail(), reply(503), expired], event=[fail()])
    ids = [request.id for request in played.requests]
    assert len(set(ids)) == len(ids) > 9


# Turns


def test_a_wait_is_told_exactly():
    """`wait` is the time to the nearest timer, and what is due then is issued then, not a moment before."""
    operation = start({"l": files(2)})
    first, second = operation.advance(NOW).requests
    turn = operation.advance(NOW, fail()(first), fail()(second))
    wait = turn.wait
    assert wait is not None
    early = operation.advance(NOW + wait - 0.01)
    assert early.requests == ()
    assert early.wait == pytest.approx(0.01)
    assert len(operation.advance(NOW + wait).requests) == 1


def test_a_wait_is_told_while_work_is_in_flight():
    """A timer of one file is told though another is in flight; without a timer only an outcome helps."""
    operation = start({"l": files(2)})
    first, _ = operation.advance(NOW).requests
    assert operation.advance(NOW).wait is None
    assert operation.advance(NOW, fail()(first)).wait is not None
    assert start(deadline_seconds=9).advance(NOW).wait == 9.0


def test_early_extra_and_backward_calls_change_nothing():
    """Calls without outcomes, before the wait is over or with a time that went back, issue nothing and lose nothing."""
    operation = start({"a": file("a.pdf")}, deadline_seconds=100)
    [request] = operation.advance(NOW).requests
    for now in (NOW, NOW + 5, NOW - 1e6, 0.0):
        turn = operation.advance(now)
        assert (turn.requests, turn.done, turn.checkpoint) == ((), False, False)
    assert turn.wait == 95.0
    [put] = operation.advance(NOW - 1e6, well(request)).requests
    assert put.total == 95.0


def test_late_and_repeated_outcomes_change_nothing():
    """An outcome that comes twice, or after its attempt was given up, has no effect, whatever it says."""
    operation = start({"a": file("a.pdf")})
    [url] = operation.advance(NOW).requests
    [put] = operation.advance(NOW, well(url), well(url), reply(500)(url)).requests
    for late in (well(url), fail()(url), reply(403)(url)):
        assert operation.advance(NOW, late).requests == ()
    turn = operation.advance(NOW, fail("timeout", sent=True)(put))
    [again] = operation.advance(NOW + (turn.wait or 0.0)).requests
    assert operation.advance(NOW, reply(403)(put), well(put)).requests == ()
    [event] = operation.advance(NOW, well(again)).requests
    assert operation.advance(NOW, reply(500)(put), well(again)).done is False
    assert operation.advance(NOW, well(event)).done
    for late in (well(event), reply(500)(event), well(url)):
        assert operation.advance(NOW, late) == Turn((), None, True, False)
    assert operation.result()


def test_outcomes_of_one_call_commute():
    """The order in which outcomes are given means nothing: the same requests follow, and the same error."""
    told = set()
    for order in permutations(range(3)):
        operation = start({"l": files(3)}, max_retries=0)
        requests = operation.advance(NOW).requests
        outcomes = [reply(403)(requests[0]), well(requests[1]), fail("timeout")(requests[2])]
        turn = operation.advance(NOW, *(outcomes[index] for index in order))
        told.add((turn.done, str(error_of(operation)), tuple(error_of(operation).failures)))
    assert len(told) == 1
    assert told.pop()[2] == ("l[0]", "l[2]")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (fail(message="\ud800"), fail(message="\udfff")),
        (fail(message="same", sent=False), fail(message="same", sent=True)),
        (reply(403), fail()),
    ],
)
def test_two_outcomes_of_one_request_commute(one, other):
    """Of two outcomes for one request the same counts, whichever is given first, though their words are no text."""
    told = set()
    for first, second in ((one, other), (other, one)):
        operation = start(max_retries=0)
        [event] = operation.advance(NOW).requests
        assert operation.advance(NOW, first(event), second(event)).done
        told.add((type(error_of(operation)), str(error_of(operation))))
    assert len(told) == 1


def test_outcomes_count_before_the_clock():
    """A reply that comes in with the very call that reaches the deadline still counts."""
    operation = start(deadline_seconds=10)
    [event] = operation.advance(NOW).requests
    assert operation.advance(NOW + 10, well(event)).done
    assert operation.result().response == {"ok": True}


# The bounds of requests


def test_a_request_is_bounded_by_the_timeout():
    """Silence and total of an API request are `timeout_seconds`."""
    for request in play(start({"a": file("a.pdf")}, timeout_seconds=7), url=(), event=()).requests:
        assert request.timeout == 7.0
        if leg_of(request) != "put":
            assert request.total == 7.0


@pytest.mark.parametrize(("size", "total"), [(0, 30.0), (65_536, 31.0), (26_214_400, 430.0), (None, 430.0)])
def test_a_put_has_time_for_its_size(size, total):
    """A put may last its timeout and its size over 64 KiB a second; an unknown size counts as the largest."""
    ref = file("a.pdf")
    [put] = play(start({"a": ref}, sizes={} if size is None else {ref: size})).of("put")
    assert (put.timeout, put.total) == (30.0, total)


def test_bounds_are_cut_to_what_is_left_of_the_deadline():
    """No request may last longer than the operation, in silence or in all."""
    operation = start({"a": file("a.pdf")}, deadline_seconds=50)
    [url] = operation.advance(NOW).requests
    assert (url.timeout, url.total) == (30.0, 30.0)
    [put] = operation.advance(NOW + 10, well(url)).requests
    assert (put.timeout, put.total) == (30.0, 40.0)
    [event] = operation.advance(NOW + 45, well(put)).requests
    assert (event.timeout, event.total) == (5.0, 5.0)


# The deadline


@examples(100)
@given(st.floats(0.1, 100.0), st.integers(0, 3), st.floats(0.01, 20.0), st.data())
def test_nothing_outlasts_the_deadline(deadline, count, took, data):
    """Whatever fails, however long each request takes, a send is over when its deadline comes."""
    replies = [reply(503), fail("timeout", sent=True), reply(429, retry_after="9"), well, well]
    operation = start({"l": files(count)}, deadline_seconds=deadline, max_retries=9)
    script = {leg: data.draw(st.lists(st.sampled_from(replies), max_size=9)) for leg in ("url", "put", "event")}
    played = play(operation, NOW, took, **script)
    for request, moment in zip(played.requests, played.times, strict=True):
        assert moment + request.total <= NOW + deadline + 1e-6
        assert 0 < request.timeout <= request.total
    assert max(played.times) < NOW + deadline


def test_the_deadline_counts_from_the_first_call():
    """The budget starts when the operation is first advanced, not when it is made."""
    operation = start(deadline_seconds=10)
    assert operation.advance(NOW + 500).wait == 10.0
    assert not operation.advance(NOW + 509.9).done
    assert operation.advance(NOW + 510).done


def test_a_deadline_during_the_uploads():
    """Where the deadline comes before the event, it was not sent: the error is a timeout, and tells what is stored."""
    operation = start({"a": file("a.pdf"), "b": file("b.pdf")}, deadline_seconds=10)
    first, _ = operation.advance(NOW).requests
    [put] = operation.advance(NOW, well(first)).requests
    operation.advance(NOW, well(put))
    turn = operation.advance(NOW + 10)
    assert turn == Turn((), None, True, False)
    error = error_of(operation)
    assert type(error) is FlowFlexTimeoutError
    assert list(error.uploaded_assets) == ["a"]
    assert error.failures == {}
    assert error.snapshot is not None
    assert error.message == "the deadline of 10 s came with 1 of 2 files stored; the event was not sent"


def test_a_deadline_while_the_event_is_in_flight():
    """Where the deadline comes with the event in flight, its outcome is unknown, and a snapshot can repeat it."""
    operation = start({"n": 1}, deadline_seconds=10)
    operation.advance(NOW)
    operation.advance(NOW + 10)
    error = error_of(operation)
    assert type(error) is FlowFlexOutcomeUnknownError
    assert "may or may not have arrived when the deadline of 10 s came" in error.message
    assert error.snapshot is not None
    resumed = SendEvent.resume(error.snapshot, connection())
    [event] = play(resumed).requests
    assert json_of(event) == {"n": 1}
    assert event.headers["x-idempotency-key"] == error.idempotency_key


def test_a_deadline_while_the_event_waits():
    """Where no attempt can have arrived, the deadline is a timeout and no doubt."""
    operation = start(deadline_seconds=10, max_retries=9)
    [event] = operation.advance(NOW).requests
    operation.advance(NOW + 1, fail("connection", sent=False)(event))
    operation.advance(NOW + 10)
    assert type(error_of(operation)) is FlowFlexTimeoutError


def test_what_the_deadline_forbids_is_not_waited_for():
    """Where the next attempt would come after the deadline, the send ends at once with the error that it has."""
    operation = start(deadline_seconds=5)
    [event] = operation.advance(NOW).requests
    assert operation.advance(NOW + 4.9, fail("connection", sent=False)(event)).done
    assert type(error_of(operation)) is FlowFlexConnectionError
    other = start(deadline_seconds=5)
    [event] = other.advance(NOW).requests
    assert other.advance(NOW, reply(429, retry_after="6")(event)).done
    assert error_of(other).retry_after == 6.0
    # An attempt that is due in the moment of the deadline is forbidden, too.
    third = start(deadline_seconds=5)
    [event] = third.advance(NOW).requests
    assert third.advance(NOW, reply(429, retry_after="5")(event)).done


def test_uploads_and_urls_have_a_deadline_too():
    """The other two operations end at their deadline as well."""
    upload = UploadFile.start(connection(deadline_seconds=5), file("a.pdf"), key="k")
    ask = CreateUploadUrl.start(connection(deadline_seconds=5), filename="a.pdf", mime="text/plain", key="k")
    for operation, kind, what in (
        (upload, FlowFlexUploadTimeoutError, "'a.pdf' was not stored"),
        (ask, FlowFlexTimeoutError, "'a.pdf': the upload URL was not granted"),
    ):
        assert operation.advance(NOW).wait == 5.0
        assert operation.advance(NOW + 5).done
        error = error_of(operation)
        assert type(error) is kind
        told = (error.message, error.attempts, error.idempotency_key, error.snapshot)
        assert told == (f"{what} when the deadline of 5 s came", 1, None, None)


# Failing fast


def test_the_first_fatal_outcome_ends_the_send():
    """One refused file ends it all: nothing more is issued, and what was in flight is to be cancelled."""
    operation = start({"l": files(5)}, max_parallel_uploads=2)
    first, second = operation.advance(NOW).requests
    assert operation.advance(NOW, reply(400)(first)) == Turn((), None, True, False)
    assert operation.advance(NOW, well(second)) == Turn((), None, True, False)
    assert list(error_of(operation).failures) == ["l[0]"]


def test_an_error_tells_what_was_reached():
    """The error of a failed send holds the stored assets by path, each failure by path, its key, and a snapshot."""
    good, bad, other = files(3)
    operation = start({"good": good, "bad": bad, "more": [good, other]}, max_retries=0)
    urls = operation.advance(NOW).requests
    puts = operation.advance(NOW, *map(well, urls)).requests
    operation.advance(NOW, well(puts[0]), reply(403)(puts[1]), fail("connection", "reset")(puts[2]))
    error = error_of(operation)
    assert type(error) is FlowFlexUploadError
    asset = "asset_upload-url-0-1"
    assert error.uploaded_assets == {"good": asset, "more[0]": asset}
    assert {path: (type(failure), failure.status) for path, failure in error.failures.items()} == {
        "bad": (FlowFlexUploadError, 403),
        "more[1]": (FlowFlexUploadConnectionError, None),
    }
    assert error is error.failures["bad"]
    assert error.idempotency_key == "key-1"
    assert error.snapshot is not None
    resumed = SendEvent.resume(error.snapshot, connection())
    assert len(play(resumed).of("put")) == 2
    assert resumed.result().uploaded_assets["good"] == asset


def test_a_reply_to_the_event_that_repeats_an_upload_url_is_masked():
    """What was granted for a file that is stored is still secret, and the event's reply may hold it."""
    echo = {"error": f"bad token {UPLOAD_TOKEN}", "code": SIGNATURE}
    error = failed(start({"a": file("a.pdf")}), event=[reply(422, echo)])
    told = f"{error} {error.code} {error.details}"
    assert UPLOAD_TOKEN not in told
    assert SIGNATURE not in told
    assert "bad token" in told


def test_a_file_in_several_places_fails_in_all_of_them():
    """A failure is told for each path of its file."""
    ref = file("a.pdf")
    assert list(failed(start({"a": ref, "b": [ref]}), put=[reply(403)]).failures) == ["a", "b[0]"]


@pytest.mark.parametrize(
    ("payload", "script", "worth"),
    [
        (None, {"event": [reply(422)]}, False),
        (None, {"event": [fail(sent=False)] * 3}, False),
        (None, {"event": [reply(500)] * 3}, True),
        ({"a": file("a.pdf")}, {"put": [reply(403)]}, False),
        ({"a": file("a.pdf")}, {"event": [reply(422)]}, True),
        ({"a": file(b"x", filename="a.pdf")}, {"event": [reply(500)] * 3}, True),
        ({"a": file("a.pdf"), "b": file("b.pdf")}, {"put": [reply(200), reply(403)]}, True),
        ({"a": file("a.pdf"), "b": file(b"x", filename="b.pdf")}, {"put": [reply(200), reply(403)]}, False),
    ],
)
def test_a_snapshot_comes_with_an_error_where_it_is_worth_it(payload, script, worth):
    """A failed send has a snapshot where that saves an upload or keeps a key to its body, and can be taken."""
    assert (failed(start(payload), **script).snapshot is not None) is worth


def test_an_unknown_outcome_always_has_a_snapshot():
    """Its message says to resume from error.snapshot: there is one, in each way that an outcome gets unknown."""
    for script in ([reply(500)] * 3, [fail("timeout", sent=True)] * 3, [reply(200, b"<html>")] * 3, [reply(102)]):
        error = failed(start(), event=script)
        assert type(error) is FlowFlexOutcomeUnknownError
        assert "resume from error.snapshot" in error.message
        assert error.snapshot is not None


# The body and its key


def test_one_key_has_one_body():
    """Every attempt of an event has the same body, byte for byte, and the same key."""
    played = play(start({"a": file("a.pdf"), "z": 1, "y": 2}, max_retries=5), event=[reply(503), fail(), reply(429)])
    assert len({(request.body, request.headers["x-idempotency-key"]) for request in played.of("event")}) == 1
    assert len(played.of("event")) == 4


# Age


def old_send(age):
    """Run a send of two files, the second of which can be uploaded only `age` seconds after the first was stored."""
    operation = start({"a": file("a.pdf"), "b": file("b.pdf")}, max_parallel_uploads=1)
    [url] = operation.advance(NOW).requests
    [put] = operation.advance(NOW, well(url)).requests
    [url] = operation.advance(NOW, well(put)).requests
    operation.advance(NOW, fail()(url))
    [url] = operation.advance(NOW + age).requests
    [put] = operation.advance(NOW + age, grant("asset_b")(url)).requests
    return operation, operation.advance(NOW + age, well(put))


def test_assets_near_their_end_are_uploaded_anew():
    """While the body is not frozen, a file stored almost 48 hours ago is stored anew, and sent by its new id."""
    operation, turn = old_send(47.5 * HOUR)
    [url] = turn.requests
    assert url.id == "upload-url/0/3"
    assert operation.files.keys() == {url_ref(operation, "a")}
    [put] = operation.advance(NOW + 47.5 * HOUR, grant("asset_new")(url)).requests
    assert put.id == "put/0/4"
    [event] = operation.advance(NOW + 47.5 * HOUR, well(put)).requests
    assert json_of(event) == {"a": "asset_new", "b": "asset_b"}
    operation.advance(NOW + 47.5 * HOUR, well(event))
    assert operation.result().uploaded_assets == {"a": "asset_new", "b": "asset_b"}


def url_ref(operation, path):
    """Find the file that stands at a path."""
    return next(ref for ref in operation.files if path in operation.paths(ref))


@pytest.mark.parametrize(
    ("pace", "stored", "is_sent"), [(24.0, "0120102", False), (16.0, "01201", False), (15.8, "01201", True)]
)
def test_files_that_grow_old_again_and_again_do_not_keep_a_send_for_ever(pace, stored, is_sent):
    """Files are stored anew twice; after that the event leaves while none of them is deleted, or the send ends."""
    operation = start({"l": [file(f"{name}.pdf") for name in "abc"]}, max_parallel_uploads=1)
    now, puts = NOW, []
    turn = operation.advance(now)
    while turn.requests and leg_of(turn.requests[0]) != "event":
        [request] = turn.requests
        if leg_of(request) == "put":
            puts.append(request.id.split("/")[1])
            now += pace * HOUR
        turn = operation.advance(now, well(request))
    assert ("".join(puts), turn.done) == (stored, not is_sent)
    if not is_sent:
        error = error_of(operation)
        assert (type(error), error.code) == (FlowFlexError, "ASSET_FILE_MISSING")
        assert "was not sent" in error.message


def test_younger_assets_are_not_uploaded_anew():
    """A file stored under 47 hours ago is good for its event."""
    _, turn = old_send(46.9 * HOUR)
    assert [request.id for request in turn.requests] == ["event/1"]


def test_a_late_outcome_of_the_first_upload_is_not_taken_for_the_second():
    """While a file is stored anew, a repeated outcome of its first upload has no effect."""
    operation, turn = old_send(47.5 * HOUR)
    old_put = Response("put/0/2", 200)
    assert operation.advance(NOW + 47.5 * HOUR, old_put).requests == ()
    [put] = operation.advance(NOW + 47.5 * HOUR, grant("asset_new")(turn.requests[0])).requests
    assert operation.advance(NOW + 47.5 * HOUR, old_put, Response("upload-url/0/1", 500)).requests == ()
    assert operation.advance(NOW + 47.5 * HOUR, well(put)).requests


def test_an_old_frozen_body_is_an_honest_error():
    """Once the body is frozen, 48 hours end the send: its assets are gone, and another body must not have its key."""
    for doubtful, cls in ((False, FlowFlexError), (True, FlowFlexOutcomeUnknownError)):
        operation = start({"a": file("a.pdf")}, max_retries=9)
        [url] = operation.advance(NOW).requests
        [put] = operation.advance(NOW, well(url)).requests
        [event] = operation.advance(NOW, well(put)).requests
        operation.advance(NOW, fail(sent=doubtful)(event))
        assert operation.advance(NOW + 48 * HOUR).done
        error = error_of(operation)
        assert (type(error), error.code, error.snapshot) == (cls, "ASSET_FILE_MISSING", None)
        assert "48 hours" in error.message
        assert ("may or may not have arrived" in error.message) is doubtful
        assert list(error.uploaded_assets) == ["a"]


def test_a_frozen_body_is_repeated_until_its_assets_are_gone():
    """A minute before 48 hours the frozen body is still sent, byte for byte."""
    operation = start({"a": file("a.pdf")}, max_retries=9)
    [url] = operation.advance(NOW).requests
    [put] = operation.advance(NOW, well(url)).requests
    [event] = operation.advance(NOW, well(put)).requests
    operation.advance(NOW, fail()(event))
    [again] = operation.advance(NOW + 48 * HOUR - MINUTE).requests
    assert again.body == event.body


def test_only_an_event_that_is_due_is_held_against_its_assets():
    """An event in flight, or one that waits, is not ended because its assets are gone: only its next attempt is."""
    operation = start({"a": file("a.pdf")}, max_retries=9)
    [url] = operation.advance(NOW).requests
    [put] = operation.advance(NOW, well(url)).requests
    [event] = operation.advance(NOW, well(put)).requests
    gone = NOW + 49 * HOUR
    assert not operation.advance(gone).done
    waiting = operation.advance(gone, reply(503, retry_after="60")(event))
    assert (waiting.done, waiting.wait) == (False, 60.0)
    assert not operation.advance(gone + 59.0).done
    assert operation.advance(gone + 60.0).done
    assert error_of(operation).code == "ASSET_FILE_MISSING"


def test_an_event_without_files_does_not_grow_old():
    """Where there are no assets, nothing is deleted after 48 hours."""
    operation = start(max_retries=9)
    [event] = operation.advance(NOW).requests
    operation.advance(NOW, fail()(event))
    assert len(operation.advance(NOW + 500 * HOUR).requests) == 1


def test_a_step_is_pure():
    """A step taken twice from one state comes out the same: no state is changed once a step has returned it."""
    operation = start({"a": file("a.pdf"), "b": file("b.pdf")}, max_retries=9)
    plan, state, now = operation._plan, operation._state, NOW
    asked: list[str] = []
    outcomes: list[Outcome] = []
    for _ in range(30):
        [(after, turn), (_, again)] = [step(plan, state, now, outcomes) for _ in range(2)]
        assert turn == again
        state = after
        if turn.done:
            break
        # Each leg fails at first; the reply to the event is one that assets do not outlive.
        failing = [request for request in turn.requests if asked.count(leg_of(request)) < 2]
        asked += [leg_of(request) for request in turn.requests]
        outcomes = [reply(503)(request) if request in failing else well(request) for request in turn.requests]
        now += (turn.wait or 0.0) if not turn.requests else 49 * HOUR if "event" in asked else 0.0
    assert [*dict.fromkeys(asked)] == ["upload-url", "put", "event"]
    assert state.ended is not None


# Cost


def cost_of_a_step(count):
    """Count the calls of one step in the middle of a send of `count` files, and the bytes that it allocates."""
    operation = start({"l": files(count)}, max_parallel_uploads=4)
    requests = list(operation.advance(NOW).requests)
    for _ in range(20):
        requests += operation.advance(NOW, well(requests.pop(0))).requests
    outcome = well(requests.pop(0))
    calls = 0

    def note(frame, event, argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    gc.disable()  # what others do at a collection is no cost of ours
    sys.setprofile(note)
    try:
        requests += operation.advance(NOW, outcome).requests
    finally:
        sys.setprofile(before)
        gc.enable()
    outcome = well(requests.pop(0))
    tracemalloc.start()
    operation.advance(NOW, outcome)
    allocated = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return calls, allocated


def test_the_cost_of_a_step_does_not_grow_with_the_files():
    """A step in a send of 10,000 files makes hardly more calls, and allocates hardly more, than in one of 100."""
    few, many = cost_of_a_step(100), cost_of_a_step(10_000)
    assert many[0] <= few[0] + 8
    assert many[1] <= few[1] + 2_000


# The other two operations


def test_one_upload():
    """`UploadFile` asks for a URL, puts the bytes, and gives the asset id; no event goes out."""
    operation = UploadFile.start(connection(), file(b"abc", filename="a.pdf"), key="k")
    played = play(operation, url=[grant("asset_1")])
    assert [request.id for request in played.requests] == ["upload-url/0/1", "put/0/2"]
    assert operation.result() == "asset_1"


def test_one_upload_url():
    """`CreateUploadUrl` makes one request, and gives what was granted."""
    operation = CreateUploadUrl.start(connection(), filename="a.pdf", mime="text/plain", size=3, key="k")
    played = play(operation, url=[fail(), grant("asset_1", "https://s.test/x", None)])
    assert json_of(played.requests[1]) == {"filename": "a.pdf", "mime": "text/plain", "size": 3}
    assert operation.result() == {"assetId": "asset_1", "uploadUrl": "https://s.test/x"}
    assert dict(operation.files) == {}


def test_they_retry_like_an_event():
    """Both repeat what can be repeated, and end with the error of their leg."""
    upload = UploadFile.start(connection(), file("a.pdf"), key="k")
    assert len(play(upload, url=[reply(503)], put=[fail()]).requests) == 4
    failing = UploadFile.start(connection(), file("a.pdf"), key="k")
    error = failed(failing, put=[reply(403)])
    assert (type(error), error.message) == (
        FlowFlexUploadError,
        "'a.pdf' was not stored: the server answered 403",
    )
    assert (error.idempotency_key, error.snapshot, error.uploaded_assets, error.failures) == (None, None, {}, {})
    refused = CreateUploadUrl.start(connection(), filename="a.pdf", mime="text/plain", key="k")
    assert (
        failed(refused, url=[reply(404)]).message == "'a.pdf': the upload URL was not granted: the server answered 404"
    )
