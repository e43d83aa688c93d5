"""Snapshots: what they keep, what they leave out, and how a send goes on from one in another process."""

import io
import json
import pathlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowflex_core import (
    FlowFlexConfigError,
    FlowFlexError,
    FlowFlexOutcomeUnknownError,
    FlowFlexUploadError,
    SendEvent,
    file,
)
from tests.core.drive import (
    API_KEY,
    API_SECRET,
    HOUR,
    NOW,
    SECRETS,
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
from tests.core.generating import anything, examples, json_values


def well(request):
    """Answer a request well."""
    return {"upload-url": grant(), "put": reply(200), "event": reply(202, {"ok": True})}[leg_of(request)](request)


def resume(text, **changes):
    """Go on from a snapshot, as another process with the same settings would."""
    return SendEvent.resume(text, connection(**changes))


def stored(operation, *, now=NOW):
    """Run a send until its event is issued, and return that request."""
    requests = list(operation.advance(now).requests)
    while leg_of(requests[0]) != "event":
        requests += operation.advance(now, well(requests.pop(0))).requests
    return requests[0]


def texts():
    """Take snapshots at every stage of a send."""
    operation = start({"a": file("a.pdf", size=3), "l": [file("b.pdf"), 1]}, max_retries=9, max_parallel_uploads=1)
    requests = list(operation.advance(NOW).requests)
    found = [operation.snapshot()]
    while requests:
        requests += operation.advance(NOW, well(requests.pop(0))).requests
        found.append(operation.snapshot())
    return found


TEXTS = texts()


# What a snapshot holds


def test_a_snapshot_is_versioned_json():
    """A snapshot is ASCII JSON that says its version, and names the send."""
    fields = json.loads(start({"a": file("a.pdf"), "u": "\u00fc"}).snapshot())
    assert fields["flowflex_snapshot"] == 1
    assert (fields["event"], fields["idempotency_key"]) == ("invoice.created", "key-1")
    assert start({"u": "\u00fc"}).snapshot().isascii()


def test_no_snapshot_holds_a_secret():
    """At no moment of a send is a credential, an upload URL or a token in its snapshot, nor in that of its error."""
    operation = start({"a": file("a.pdf"), "b": file("b.pdf")}, max_retries=0)
    requests = list(operation.advance(NOW).requests)
    texts = [operation.snapshot()]
    while requests:
        requests += operation.advance(NOW, well(requests.pop(0))).requests
        texts.append(operation.snapshot())
    echo = f"{API_KEY} {API_SECRET}"
    error = failed(start({"a": file("a.pdf")}, max_retries=0), event=[reply(500, {"error": echo, "code": echo})])
    assert error.snapshot is not None
    for text in [*texts, error.snapshot]:
        for secret in (*SECRETS, "storage.flowflex.test"):
            assert secret not in text


def test_checkpoints():
    """A turn is a checkpoint after each stored file and with a POST that begins a doubt, and at no other time."""
    operation = start({"a": file("a.pdf"), "b": file("b.pdf")})
    turn = operation.advance(NOW)
    seen = []
    requests = list(turn.requests)
    while requests:
        request = requests.pop(0)
        outcome = fail()(request) if request.id in ("upload-url/0/1", "put/1/2", "event/1") else well(request)
        turn = operation.advance(NOW, outcome)
        seen.append((request.id, turn.checkpoint))
        if not turn.requests and not requests and not turn.done:
            turn = operation.advance(NOW + 99)
            seen.append(("a wait", turn.checkpoint))
        requests += turn.requests
    assert [name for name, checkpoint in seen if checkpoint] == ["put/1/3", "put/0/3"]
    assert not start().advance(NOW).done
    assert start().advance(NOW).checkpoint


def test_a_process_that_goes_on_from_an_error_knows_that_its_post_may_have_arrived():
    """Killed after that POST, and resumed from the checkpoint that came with it, no send is told as not accepted."""
    failing = start(max_retries=0)
    [first] = failing.advance(NOW).requests
    failing.advance(NOW, fail()(first))
    again = resume(failing.snapshot(), max_retries=0)
    turn = again.advance(NOW)
    assert turn.checkpoint
    last = resume(again.snapshot(), max_retries=0)
    [post] = last.advance(NOW).requests
    last.advance(NOW, fail()(post))
    assert isinstance(error_of(last), FlowFlexOutcomeUnknownError)


def test_a_snapshot_at_a_checkpoint_keeps_what_is_new():
    """A process that saves at each checkpoint, and dies just after, loses no stored file and no key."""
    operation = start({"a": file("a.pdf"), "b": file("b.pdf")}, max_parallel_uploads=1)
    requests = list(operation.advance(NOW).requests)
    kept = []
    while requests:
        turn = operation.advance(NOW, well(requests.pop(0)))
        requests += turn.requests
        if turn.checkpoint:
            kept.append(len(play(resume(operation.snapshot())).of("put")))
    assert kept == [1, 0]


# Going on


def test_what_is_stored_is_not_uploaded_anew():
    """A send that goes on uploads what was missing, and sends one body with all assets."""
    operation = start({"a": file("a.pdf"), "b": file("b.pdf"), "n": 1}, max_parallel_uploads=1)
    [url] = operation.advance(NOW).requests
    [put] = operation.advance(NOW, well(url)).requests
    operation.advance(NOW, well(put))
    again = resume(operation.snapshot())
    assert {ref.source: size for ref, size in again.files.items()} == {"b.pdf": None}
    played = play(again)
    assert [leg_of(request) for request in played.requests] == ["upload-url", "put", "event"]
    assert json_of(played.requests[0])["filename"] == "b.pdf"
    assert json_of(played.requests[-1])["a"] == "asset_upload-url-0-1"
    assert again.result().uploaded_assets.keys() == {"a", "b"}
    assert again.result().idempotency_key == "key-1"


def test_an_unfinished_upload_restarts_at_its_url():
    """An upload URL is had anew: the old one is not kept, and whether the put arrived does not matter."""
    operation = start({"a": file("a.pdf", filename="b.txt", mime="text/plain", size=3)})
    [url] = operation.advance(NOW).requests
    operation.advance(NOW, well(url))
    again = resume(operation.snapshot())
    [ref] = again.files
    assert (ref.source, ref.filename, ref.mime, again.files[ref], again.paths(ref)) == (
        "a.pdf",
        "b.txt",
        "text/plain",
        3,
        ("a",),
    )
    [request] = again.advance(NOW).requests
    assert leg_of(request) == "upload-url"
    assert request.body == url.body


def test_a_post_in_flight_is_due_again_byte_for_byte():
    """After a crash during the POST, the same body goes out under the same key, at once."""
    operation = start({"a": file("a.pdf"), "z": [1.5, "\u00fc"], "b": None})
    event = stored(operation)
    again = resume(operation.snapshot())
    [request] = again.advance(NOW + 9).requests
    assert (request.body, dict(request.headers), request.url) == (event.body, dict(event.headers), event.url)
    assert request.id != event.id


@pytest.mark.parametrize(
    "outcome", [fail("connection", sent=False), reply(429), reply(401), reply(302), fail("tls", sent=False)]
)
def test_an_interrupted_post_counts_as_sent(outcome):
    """A POST that was in flight may have arrived: what says nothing of it leaves the outcome unknown."""
    operation = start(max_retries=1)
    operation.advance(NOW)
    again = resume(operation.snapshot(), max_retries=1)
    assert type(failed(again, event=[outcome])) is FlowFlexOutcomeUnknownError


def test_a_doubt_goes_along():
    """A doubt of before the snapshot is one after it; only a definite reply removes it."""
    operation = start(max_retries=9)
    [event] = operation.advance(NOW).requests
    operation.advance(NOW, fail("timeout", sent=True)(event))
    text = operation.snapshot()
    assert type(failed(resume(text), event=[fail(sent=False)] * 3)) is FlowFlexOutcomeUnknownError
    assert type(failed(resume(text), event=[reply(422, {"error": "no"})])) is FlowFlexError


def test_no_doubt_is_made_up():
    """A POST that certainly did not arrive is none that may have."""
    operation = start(max_retries=9)
    [event] = operation.advance(NOW).requests
    operation.advance(NOW, fail(sent=False)(event))
    error = failed(resume(operation.snapshot(), max_retries=0), event=[fail(sent=False)])
    assert not isinstance(error, FlowFlexOutcomeUnknownError)


@pytest.mark.parametrize("before", [[], ["upload-url"], ["upload-url", "put"]])
def test_interrupted_attempts_count(before):
    """Attempts that a process died in count against `max_retries`, whichever leg it was; ids go on counting."""
    operation = start({"a": file("a.pdf")}, max_retries=2)
    ids = []
    for _ in range(3):
        [request] = operation.advance(NOW).requests
        while leg_of(request) in before:
            [request] = operation.advance(NOW, well(request)).requests
        ids.append(request.id)
        operation = resume(operation.snapshot(), max_retries=2)
    [request] = operation.advance(NOW).requests
    while leg_of(request) in before:
        [request] = operation.advance(NOW, well(request)).requests
    assert operation.advance(NOW, fail(sent=True)(request)).done
    assert len({*ids, request.id}) == 4


def test_a_wait_falls_due():
    """The wait that was left belongs to the process that ended: what is due after it is due at once."""
    operation = start({"a": file("a.pdf")})
    [url] = operation.advance(NOW).requests
    operation.advance(NOW, reply(503, retry_after="50")(url))
    assert len(resume(operation.snapshot()).advance(0.0).requests) == 1
    event = stored(operation := start())
    operation.advance(NOW, reply(503, retry_after="50")(event))
    assert len(resume(operation.snapshot()).advance(0.0).requests) == 1


def test_the_deadline_is_a_budget_of_each_run():
    """The deadline begins anew, and may be another."""
    operation = start(deadline_seconds=10)
    operation.advance(NOW)
    assert resume(operation.snapshot(), deadline_seconds=7).advance(NOW + 999).wait == 7.0


def test_a_failed_send_may_be_tried_as_often_again():
    """Who resumes from an error wants to try anew: all retries are there again."""
    error = failed(start(max_retries=2), event=[reply(500)] * 3)
    assert error.snapshot is not None
    again = resume(error.snapshot, max_retries=2)
    assert len(play(again, event=[reply(500)] * 3).requests) == 3
    assert error_of(again).attempts == 3


def test_a_send_that_is_done_stays_done():
    """The snapshot of a success holds its result, and nothing is sent again."""
    operation = start({"a": file(b"x", filename="a.pdf")})
    play(operation)
    again = resume(operation.snapshot())
    assert again.result() == operation.result()
    assert again.advance(NOW).requests == ()
    assert again.advance(NOW).done


def test_other_credentials_may_be_used():
    """A key that was rotated, other timeouts and limits do not matter: they are the settings of the run."""
    operation = start({"a": file("a.pdf")})
    again = resume(operation.snapshot(), api_key="other", api_secret="secret", timeout_seconds=3)
    assert again.advance(NOW).requests[0].timeout == 3.0


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"base_url": "https://other.test"}, "base_url"), ({"integration_code": "ic_2"}, "integration_code")],
)
def test_another_place_is_refused(changes, named):
    """A send begun for one FlowFlex or one integration is not continued at another: its assets are not there."""
    operation = start({"a": file("a.pdf")})
    with pytest.raises(FlowFlexConfigError, match=f"the snapshot is of a send to another {named}"):
        resume(operation.snapshot(), **changes)


def test_the_same_place_may_be_spelled_otherwise():
    """A base_url that means the same is the same."""
    operation = start(base_url="https://API.flowflex.test:443/api/")
    assert resume(operation.snapshot(), base_url="https://api.flowflex.test")


def test_limits_hold_after_a_resume():
    """A send that goes on with a smaller limit keeps to it, whatever was under way."""
    operation = start({"l": [file(f"{number}.pdf") for number in range(5)]}, max_parallel_uploads=4)
    operation.advance(NOW)
    again = resume(operation.snapshot(), max_parallel_uploads=2)
    assert len(again.advance(NOW).requests) == 2
    assert len(play(resume(operation.snapshot(), max_parallel_uploads=2)).of("put")) == 5


@pytest.mark.parametrize("stage", range(len(TEXTS)))
def test_a_snapshot_of_what_was_resumed_is_the_same(stage):
    """To save again before going on loses nothing: not a count, not an asset, not a doubt."""
    text = TEXTS[stage]
    assert resume(text).snapshot() == text


# Sources


@pytest.mark.parametrize("source", ["dir/a.pdf", pathlib.PurePosixPath("dir/a.pdf")])
def test_a_path_is_nameable(source):
    """A path, as text or as an object, is kept as it was given."""
    [ref] = resume(start({"a": file(source)}).snapshot()).files
    assert ref.source == "dir/a.pdf"


def test_a_path_of_odd_bytes_is_kept():
    """A path that is not UTF-8 survives, where its file has a name that can be sent."""
    source = b"caf\xe9.pdf".decode(errors="surrogateescape")
    [ref] = resume(start({"a": file(source, filename="cafe.pdf")}).snapshot()).files
    assert ref.source == source


@pytest.mark.parametrize("source", [b"abc", bytearray(b"abc"), memoryview(b"abc"), io.BytesIO(b"abc")])
def test_bytes_and_handles_cannot_be_named(source):
    """What is in memory or open cannot be found again: the error names the file, until it is stored."""
    operation = start({"order": {"receipt": file(source, filename="a.pdf")}})
    requests = operation.advance(NOW).requests
    for _ in ("upload-url", "put"):
        with pytest.raises(FlowFlexConfigError, match=r"^order.receipt: 'a.pdf' comes from memory or an open file"):
            operation.snapshot()
        requests = operation.advance(NOW, well(requests[0])).requests
    again = resume(operation.snapshot())
    assert again.files == {}
    assert [leg_of(request) for request in play(again).requests] == ["event"]


# Age


def test_an_old_asset_is_uploaded_anew_after_a_resume():
    """A file stored almost 48 hours before the send goes on is stored anew, counted from one, if its path is known."""
    operation = start({"a": file("a.pdf"), "b": file("b.pdf")}, max_retries=0, max_parallel_uploads=1)
    play(operation, url=[grant("asset_old"), reply(403)])
    text = error_of(operation).snapshot
    assert text is not None
    again = resume(text)
    played = play(again, NOW + 47.5 * HOUR)
    assert [(request.id, json_of(request)["filename"]) for request in played.of("upload-url")] == [
        ("upload-url/1/2", "b.pdf"),
        ("upload-url/0/1", "a.pdf"),
    ]
    assert "asset_old" not in again.result().uploaded_assets.values()
    young = resume(text)
    play(young, NOW + 46 * HOUR)
    assert young.result().uploaded_assets["a"] == "asset_old"


def test_an_old_asset_from_memory_is_an_honest_error():
    """Where the bytes are gone with their process, an asset near its end ends the send, and nothing is sent."""
    operation = start({"a": file(b"x", filename="a.pdf"), "b": file("b.pdf")}, max_parallel_uploads=1, max_retries=0)
    play(operation, url=[grant("asset_old"), reply(403)])
    again = resume(error_of(operation).snapshot)
    played = play(again, NOW + 47.5 * HOUR)
    assert played.of("event") == []
    error = error_of(again)
    assert (type(error), error.code) == (FlowFlexError, "ASSET_FILE_MISSING")


def test_a_frozen_body_grows_old():
    """A frozen body that has not arrived is sent until its first asset is 48 hours old, and never with other assets."""
    operation = start({"a": file("a.pdf")})
    event = stored(operation)
    operation.advance(NOW, fail("connection", sent=False)(event))
    text = operation.snapshot()
    assert play(resume(text), NOW + 47.9 * HOUR).requests[0].body == event.body
    late = resume(text)
    assert play(late, NOW + 48.1 * HOUR).requests == []
    error = error_of(late)
    assert (type(error), error.code, error.snapshot) == (FlowFlexError, "ASSET_FILE_MISSING", None)


@pytest.mark.parametrize("payload", [None, {"a": file("a.pdf")}], ids=["no file", "a file"])
def test_a_key_is_forgotten(payload):
    """A post that may have arrived is repeated for 23 hours, and never when FlowFlex may take it for another event."""
    operation = start(payload)
    event = stored(operation)
    text = operation.snapshot()
    assert play(resume(text), NOW + 22.9 * HOUR).requests[0].body == event.body
    late = resume(text)
    assert play(late, NOW + 23 * HOUR).requests == []
    error = error_of(late)
    assert (type(error), error.code, error.snapshot) == (FlowFlexOutcomeUnknownError, None, None)
    assert "may have forgotten its key (24 hours)" in str(error)


def test_no_word_of_today_settles_what_became_of_yesterday():
    """A refusal that comes when the key may be forgotten says nothing of an earlier attempt."""
    operation = start(None)
    operation.advance(NOW, fail("connection", sent=True)(stored(operation)))
    [again] = operation.advance(NOW + HOUR).requests
    refusal = reply(422, {"error": "No.", "code": "ASSET_FILE_MISSING"})(again)
    operation.advance(NOW + 30 * HOUR, refusal)
    assert type(error_of(operation)) is FlowFlexOutcomeUnknownError


def test_an_asset_that_is_being_stored_anew_is_missing():
    """A snapshot taken while an old file is stored once more does not trust the old asset."""
    operation = start({"a": file("a.pdf"), "b": file("b.pdf")}, max_parallel_uploads=1)
    [url] = operation.advance(NOW).requests
    [put] = operation.advance(NOW, grant("asset_old")(url)).requests
    [url] = operation.advance(NOW, well(put)).requests
    operation.advance(NOW, fail()(url))
    late = NOW + 47.5 * HOUR
    [url] = operation.advance(late).requests
    [put] = operation.advance(late, well(url)).requests
    [url] = operation.advance(late, well(put)).requests
    assert json_of(url)["filename"] == "a.pdf"
    again = resume(operation.snapshot())
    assert [ref.source for ref in again.files] == ["a.pdf"]
    played = play(again, late)
    assert len(played.of("put")) == 1
    assert "asset_old" not in again.result().uploaded_assets.values()


# Anything at all


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is not JSON text"),
        ("x", "is not JSON text"),
        ("[" * 100_000, "is not JSON text"),
        (None, "is not JSON text"),
        (7, "is not JSON text"),
        ("[]", "is not one of a send"),
        ("{}", "is not one of a send"),
        ('{"flowflex_snapshot": 2}', "has version 2, and this release reads version 1"),
        ('{"flowflex_snapshot": "1"}', "has version '1'"),
        ('{"flowflex_snapshot": 1}', "is of a send to another base_url"),
        ('{"flowflex_snapshot": 1, "base_url": "https://api.flowflex.test", "integration_code": "ic_1"}', "is damaged"),
    ],
)
def test_what_is_no_snapshot_is_told(text, why):
    """Each way not to be a snapshot has its own sentence."""
    with pytest.raises(FlowFlexConfigError, match=f"^the snapshot {why}"):
        resume(text)


def paths_into(value, here=()):
    """List every place in a JSON value."""
    yield here
    if isinstance(value, dict):
        for key, child in value.items():
            yield from paths_into(child, (*here, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from paths_into(child, (*here, index))


def changed(value, place, new):
    """Put another value in one place, or take it away."""
    if not place:
        return new
    copied: Any = value.copy()
    if new is ... and len(place) == 1:
        del copied[place[0]]
    else:
        copied[place[0]] = changed(value[place[0]], place[1:], new)
    return copied


def goes_on_or_is_refused(text):
    """Resume from a text, and run what comes of it to its end."""
    try:
        operation = resume(text, max_retries=1)
        played = play(operation)
        operation.snapshot()
        operation.result()
    except FlowFlexError as error:
        return error.message
    return f"{len(played.requests)} requests"


@examples(250)
@given(st.sampled_from(TEXTS), st.data())
def test_a_damaged_snapshot_is_refused_or_goes_on(text, data):
    """Whatever stands in whichever place of a snapshot, resuming raises a FlowFlexError or gives a send that ends."""
    fields = json.loads(text)
    place = data.draw(st.sampled_from(list(paths_into(fields))[1:]))
    new = data.draw(
        st.just(...) | json_values | st.sampled_from([-1, 10**18, 10**400, 1e308, True, "a/b", "\n", {}, [0], [[]]])
    )
    assert goes_on_or_is_refused(json.dumps(changed(fields, place, new))).isprintable()


@examples(150)
@given(st.sampled_from(TEXTS), st.integers(0, 2_000), st.integers(0, 20), st.text(max_size=5))
def test_a_cut_snapshot_is_refused_or_goes_on(text, where, length, instead):
    """A snapshot with a piece missing or overwritten raises a FlowFlexError or gives a send that ends."""
    assert goes_on_or_is_refused(text[:where] + instead + text[where + length :]).isprintable()


@examples(150)
@given(st.text(max_size=30) | json_values.map(json.dumps) | anything)
def test_any_text_is_refused(text):
    """What is no snapshot at all raises a FlowFlexConfigError."""
    with pytest.raises(FlowFlexConfigError):
        resume(text)


def test_a_snapshot_with_a_nameless_file_is_refused():
    """A file that is neither stored nor has a path cannot be uploaded: that is told when the send is resumed."""
    fields = json.loads(TEXTS[0])
    fields["files"][0] |= {"path": None, "asset_id": None}
    with pytest.raises(FlowFlexConfigError, match="the snapshot is damaged"):
        resume(json.dumps(fields))


def test_a_file_over_the_limit_is_refused_on_resume():
    """A file that is over the limit of the settings is refused before anything is sent, on resume as at the start."""
    operation = start({"a": file("a.pdf", size=1_000)})
    with pytest.raises((FlowFlexUploadError, FlowFlexConfigError), match="1000 bytes, over the limit of 10"):
        resume(operation.snapshot(), max_file_bytes=10)


def test_what_a_finished_send_answered_is_kept_as_it_was():
    """The response after a resume is the one before it, links and tokens in it too; our credentials alone are not."""
    answer = {"token": "run_42", "link": "https://app.flowflex.test/run?id=42", "echo": f"by {API_KEY}"}
    play(operation := start(), event=[reply(200, answer)])
    assert resume(operation.snapshot()).result().response == answer | {"echo": "by [secret]"}


def test_a_response_that_repeats_an_upload_url_is_kept_without_it():
    """What signs an upload is in no snapshot, though the reply to the event may repeat it."""
    operation = start({"a": file("a.pdf", size=1)})
    granted = {
        "assetId": "asset_1",
        "uploadUrl": "https://storage.flowflex.test/a?sig=SIGNATURE123",
        "token": "TOKEN456",
    }
    play(operation, url=[reply(200, granted)], event=[reply(200, {"seen": granted})])
    text = operation.snapshot()
    assert "SIGNATURE123" not in text
    assert "TOKEN456" not in text


def test_files_that_grew_old_before_the_event_leave_nothing_to_resume():
    """What can only fail again is not offered: the file came from memory, and its asset is deleted by now."""
    operation = start({"a": file(b"x", filename="a.pdf"), "b": file("b.pdf")}, max_parallel_uploads=1)
    requests = operation.advance(NOW).requests
    for _ in range(3):
        requests = operation.advance(NOW, well(requests[0])).requests
    again = resume(operation.snapshot())
    requests = again.advance(NOW + 48 * HOUR).requests
    for _ in range(2):
        requests = again.advance(NOW + 48 * HOUR, well(requests[0])).requests
    error = error_of(again)
    assert (error.code, error.snapshot) == ("ASSET_FILE_MISSING", None)
