"""The operations as objects: what they check, what they show, and that a misuse changes nothing."""

import copy
import dataclasses
import pickle
import traceback
from enum import Enum
from typing import Any

import pytest

from flowflex_core import (
    CreateUploadUrl,
    Failure,
    FlowFlexConfigError,
    FlowFlexError,
    FlowFlexOutcomeUnknownError,
    FlowFlexUploadError,
    Outcome,
    Request,
    Response,
    SendEvent,
    UploadFile,
    encode_payload,
    file,
)
from tests.core.drive import HAPPY, NOW, SECRETS, connection, error_of, failed, grant, json_of, play, reply, start


def operations():
    """Start one operation of each kind."""
    return [
        start({"a": file("a.pdf")}),
        UploadFile.start(connection(), file("a.pdf"), key="k"),
        CreateUploadUrl.start(connection(), filename="a.pdf", mime="application/pdf", key="k"),
    ]


# Misuse


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: type(operation).__name__)
@pytest.mark.parametrize("request_id", ["", "event/1", "put/0/2", "upload-url/0/2", "upload-url/1/1", "x"])
def test_an_id_that_was_never_issued_is_misuse(operation, request_id):
    """An outcome for a request that this operation never issued is the driver's mistake, and is named."""
    operation.advance(NOW)
    with pytest.raises(FlowFlexConfigError, match=f"^no request with the id {request_id!r} was issued"):
        operation.advance(NOW, Response(request_id, 200))


@pytest.mark.parametrize("outcome", [None, "event/1", 200, object(), (1, 2), FlowFlexError("x")])
def test_an_outcome_is_a_response_or_a_failure(outcome):
    """Anything else is the driver's mistake, alone or among good outcomes."""
    for others in ((), (reply(200),)):
        operation = start()
        [request] = operation.advance(NOW).requests
        with pytest.raises(
            FlowFlexConfigError, match=f"^an outcome is a Response or a Failure, not {type(outcome).__name__}"
        ):
            operation.advance(NOW, *(make(request) for make in others), outcome)


@pytest.mark.parametrize("now", [float("nan"), float("inf"), -float("inf"), "1", None, 10**400, b"1", [], 1e12, -1e12])
def test_now_is_a_finite_number(now):
    """A time that is no finite number, or thirty thousand years away, is the driver's mistake."""
    with pytest.raises(FlowFlexConfigError, match=r"^now must be a finite number of seconds since the epoch"):
        start().advance(now)


def test_misuse_changes_nothing():
    """After a misuse the operation stands where it stood: the good outcomes given with it can be given again."""
    operation = start({"a": file("a.pdf")})
    [url] = operation.advance(NOW).requests
    for mistake in (Response("never", 200), Failure("never", "timeout", "", False)):
        with pytest.raises(FlowFlexConfigError):
            operation.advance(NOW + 5, grant()(url), mistake)
    [put] = operation.advance(NOW, grant()(url)).requests
    assert put.id == "put/0/2"


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: type(operation).__name__)
def test_a_result_is_there_when_it_is_done(operation):
    """To ask for the result too early is a mistake, at every stage before the end."""
    for _ in range(2):
        with pytest.raises(FlowFlexConfigError, match=r"the operation is not done: advance it until turn\.done"):
            operation.result()
        operation.advance(NOW)


def test_a_result_can_be_asked_for_again():
    """Result and error are the same each time."""
    operation = start({"a": file("a.pdf")})
    play(operation)
    assert operation.result() == operation.result()
    broken = start({"a": file("a.pdf")})
    play(broken, put=[reply(403)])
    assert error_of(broken) is error_of(broken)


def test_each_result_is_the_callers_own():
    """A caller who changes the assets of a result does not change the next one."""
    operation = start({"a": file("a.pdf")})
    play(operation)
    operation.result().uploaded_assets.clear()
    assert operation.result().uploaded_assets == {"a": "asset_upload-url-0-1"}
    url = operations()[2]
    play(url)
    url.result().clear()
    assert url.result()["assetId"] == "asset_upload-url-0-1"


# What is checked at the start


@pytest.mark.parametrize(
    "start_",
    [
        lambda key: UploadFile.start(connection(), file("a.pdf"), key=key),
        lambda key: CreateUploadUrl.start(connection(), filename="a.pdf", mime="text/plain", key=key),
        lambda key: SendEvent.start(connection(), "e", idempotency_key=key),
    ],
)
@pytest.mark.parametrize("key", ["", None, 7])
def test_a_key_is_text(start_, key):
    """Each operation needs a key that is text and not empty."""
    with pytest.raises(FlowFlexConfigError, match="key"):
        start_(key)


@pytest.mark.parametrize("ref", [None, "a.pdf", b"x", object()])
def test_an_upload_needs_a_reference(ref):
    """What is no FileRef is refused with what to give instead."""
    with pytest.raises(
        FlowFlexConfigError, match=rf"^ref must be a FileRef, as file\(\) returns it, not {type(ref).__name__}"
    ):
        UploadFile.start(connection(), ref, key="k")


@pytest.mark.parametrize("size", [-1, True, 1.5, "3", float("nan"), b"3", [3]])
def test_a_measured_size_is_a_number_of_bytes(size):
    """A measured size that is none is refused, with the payload path of its file, declared or not."""
    for declared in (None, 3):
        ref = file("a.pdf", size=declared)
        with pytest.raises(FlowFlexUploadError, match=r"^order\.receipt: 'a\.pdf'.*size must be"):
            start({"order": {"receipt": ref}}, sizes={ref: size})
        with pytest.raises(FlowFlexUploadError, match=r"^'a\.pdf'.*size must be"):
            UploadFile.start(connection(), ref, size=size, key="k")


def test_a_file_of_another_size_than_declared_is_refused():
    """A source that is not as long as `size=` says is refused before anything is sent, naming both sizes."""
    ref = file("a.pdf", size=3)
    with pytest.raises(FlowFlexUploadError, match=r"^docs\[1\]: 'a\.pdf' is 4 bytes, not the 3 that size= says$"):
        start({"docs": [1, ref]}, sizes={ref: 4})
    with pytest.raises(FlowFlexUploadError, match=r"^'a\.pdf' is 0 bytes, not the 3"):
        UploadFile.start(connection(), ref, size=0, key="k")
    assert start({"a": ref}, sizes={ref: 3}).files == {ref: 3}


@pytest.mark.parametrize("measured", [True, False])
def test_a_file_over_the_limit_is_refused(measured):
    """A file over `max_file_bytes` is refused before anything is sent, by path, with its size and the limit."""
    ref = file("a.pdf", size=None if measured else 11)
    with pytest.raises(FlowFlexUploadError, match=r"^a: 'a\.pdf' is 11 bytes, over the limit of 10$"):
        start({"b": 1, "a": ref, "c": ref}, sizes={ref: 11} if measured else None, max_file_bytes=10)
    with pytest.raises(FlowFlexUploadError, match=r"^'a\.pdf' is 11 bytes, over the limit of 10$"):
        UploadFile.start(connection(max_file_bytes=10), ref, size=11 if measured else None, key="k")


def test_the_limit_is_25_mb():
    """The documented limit holds where none is given."""
    ref = file("a.pdf")
    assert start({"a": ref}, sizes={ref: 26_214_400})
    with pytest.raises(FlowFlexUploadError, match="26214401 bytes, over the limit of 26214400"):
        start({"a": ref}, sizes={ref: 26_214_401})


def test_the_size_of_a_file_that_is_not_in_the_payload_is_an_error():
    """Sizes are looked up by reference: one of a file of the same name is not that of the file, and is not ignored."""
    ref, other = file("a.pdf"), file("a.pdf")
    with pytest.raises(FlowFlexConfigError) as caught:
        start({"a": ref}, sizes={ref: 1, other: 1})
    assert caught.value.message == (
        "sizes names FileRef('a.pdf'), which is no file of the payload: take its keys from files_in(payload), "
        "or, where a payload makes files when it is read, from the files of one encode_payload(payload)"
    )
    assert start({"a": ref}, sizes={ref: 1}).files == {ref: 1}


def test_nothing_wrong_is_found_late():
    """Whatever starts has no more to complain of than what the network does: it gets to its event."""
    for payload in (None, {}, {"a": [file("a.pdf"), file(b"", filename="b.txt")]}, encode_payload({"n": 1})):
        operation = start(payload)
        assert play(operation).of("event")
        assert operation.result()


# What is told


def test_files_are_those_that_are_not_stored():
    """`files` lists what has yet to be stored, with each known size; a stored file is no longer in it."""
    known, unknown = file(b"abc", filename="a.pdf"), file("b.pdf")
    operation = start({"a": known, "b": [unknown, known]}, max_parallel_uploads=1)
    assert operation.files == {known: 3, unknown: None}
    assert (operation.paths(known), operation.paths(unknown)) == (("a", "b[1]"), ("b[0]",))
    [url] = operation.advance(NOW).requests
    [put] = operation.advance(NOW, grant()(url)).requests
    assert put.body is known
    assert operation.files == {known: 3, unknown: None}
    operation.advance(NOW, reply(200)(put))
    assert operation.files == {unknown: None}


def test_a_send_tells_its_event_and_key():
    """What a send is about can be asked, also of one that came out of a snapshot, and not changed."""
    for operation in (start(), SendEvent.resume(start().snapshot(), connection())):
        assert (operation.event, operation.idempotency_key) == ("invoice.created", "key-1")
        for name in ("event", "idempotency_key"):
            with pytest.raises(AttributeError):
                setattr(operation, name, "other")


def test_files_of_the_other_operations():
    """An upload has one file and no path; an upload URL reads none."""
    ref = file("a.pdf")
    upload = UploadFile.start(connection(), ref, size=7, key="k")
    assert (upload.files, upload.paths(ref)) == ({ref: 7}, ())
    play(upload)
    assert upload.files == {}
    url = operations()[2]
    assert (url.files, url.paths(ref)) == ({}, ())


@pytest.mark.parametrize("which", range(3))
def test_the_repr_shows_no_secret(which):
    """The repr of an operation says its kind and whether it is done, and no secret."""
    operation = operations()[which]
    shown = repr(operation)
    play(operation)
    shown += repr(operation)
    for secret in SECRETS:
        assert secret not in shown
    assert type(operation).__name__ in shown
    assert "under way" in shown
    assert "done" in shown


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: type(operation).__name__)
@pytest.mark.parametrize("how", [pickle.dumps, copy.copy, copy.deepcopy])
def test_operations_are_neither_pickled_nor_copied(operation, how):
    """An operation holds credentials and is one run: the error says what to use instead."""
    with pytest.raises(
        FlowFlexConfigError,
        match=r"^an operation holds credentials and is not pickled; a SendEvent has a snapshot\(\)$",
    ):
        how(operation)


def test_operations_of_one_file_are_independent():
    """One reference in two sends is uploaded by each: no asset id outlives its send."""
    ref = file("a.pdf")
    first, second = start({"a": ref}), start({"a": ref})
    assert len(play(first).of("put")) == len(play(second, url=[grant("asset_2")]).of("put")) == 1
    assert first.result().uploaded_assets != second.result().uploaded_assets


def test_operations_have_no_other_attributes():
    """A misspelled attribute is an error, and no state hides in one."""
    for name in ("deadline", "settings", "state"):
        for operation in operations():
            with pytest.raises(AttributeError):
                setattr(operation, name, 3)


# Replies that only some drivers make

# What no type checker lets through, and callers without one give all the same.
NONSENSE: Any = 7


def early(answer):
    """Give a response before the request was sent whole."""

    def answer_early(request: Request) -> Outcome:
        response = answer(request)
        assert isinstance(response, Response)
        return dataclasses.replace(response, early=True)

    return answer_early


@pytest.mark.parametrize("leg", ["upload-url", "put", "event"])
def test_an_early_success_is_none(leg):
    """A success that came before the request was sent whole is repeated, and never believed."""
    script = {leg.removeprefix("upload-"): [early(HAPPY[leg])]}
    played = play(operation := start({"a": file("a.pdf")}), **script)
    assert len(played.of(leg)) == 2
    assert operation.result().uploaded_assets.keys() == {"a"}


def test_an_early_success_of_the_event_leaves_a_doubt():
    """Where no more than early successes come, the event may have arrived."""
    assert type(failed(start(), event=[early(HAPPY["event"])] * 3)) is FlowFlexOutcomeUnknownError


def test_an_early_refusal_is_one():
    """A refusal may come before the request was sent whole, as a 413 does."""
    assert failed(start({"a": file("a.pdf")}), put=[early(reply(413))]).status == 413


def test_headers_may_be_bytes():
    """Header pairs in bytes, as h11 has them, are read like those in text."""
    headers: Any = [(b"Content-Type", b"application/json"), (b"X", b"\xe9")]
    play(operation := start(), event=[lambda request: Response(request.id, 200, headers, b"[1]")])
    assert operation.result().response == [1]


@pytest.mark.parametrize("request_id", [None, 7, b"put/0/1", "put/" + "9" * 5_000 + "/1", "put/99/1", "put/x/1", ""])
def test_an_id_of_any_kind_is_misuse(request_id):
    """An outcome whose id is none of ours is told as such, whatever it is."""
    operation = start({"a": file("a.pdf")})
    operation.advance(NOW)
    with pytest.raises(FlowFlexConfigError, match="was issued by this operation"):
        operation.advance(NOW, Response(request_id, 200))


@pytest.mark.parametrize(
    "call",
    [
        lambda: SendEvent.start(NONSENSE, "e", idempotency_key="k"),
        lambda: SendEvent.resume("{}", NONSENSE),
        lambda: UploadFile.start(NONSENSE, file("a.pdf"), key="k"),
        lambda: CreateUploadUrl.start(NONSENSE, filename="a.pdf", mime="application/pdf", key="k"),
        lambda: SendEvent.start(connection(), "e", {"a": file("a.pdf")}, idempotency_key="k", sizes=NONSENSE),
    ],
)
def test_an_argument_of_another_type_is_told(call):
    """What is no Settings, or no mapping of sizes, is named in one sentence."""
    with pytest.raises(FlowFlexConfigError, match=r"^(settings|sizes) must be a "):
        call()


def test_a_missing_asset_leaves_nothing_to_resume():
    """A frozen body whose files FlowFlex says are deleted is refused for ever: the error has no snapshot of it."""
    gone = [reply(422, {"error": "gone", "code": "ASSET_FILE_MISSING"})]
    assert failed(start({"a": file("a.pdf")}), event=gone).snapshot is None
    other = [reply(422, {"error": "no", "code": "INVALID_BODY"})]
    assert failed(start({"a": file("a.pdf")}), event=other).snapshot is not None


def test_an_error_that_is_asked_for_again_gathers_no_traceback():
    """The hundredth time, the traceback is as short as the first time."""
    operation = start({"a": file("a.pdf")})
    play(operation, put=[reply(403)])

    def depth():
        return len(traceback.extract_tb(error_of(operation).__traceback__))

    assert depth() == depth() == depth()


def test_the_name_of_an_enums_member_is_its_value():
    """A file name that is a member of an enum is sent as the text that was checked."""

    class Name(str, Enum):  # noqa: UP042 - what a StrEnum is not: its str() is the name of the member
        INVOICE = "invoice.pdf"

    played = play(start({"a": file(b"x", filename=Name.INVOICE)}))
    assert json_of(played.requests[0])["filename"] == "invoice.pdf"


def test_what_is_wrong_with_one_upload_is_told():
    """An upload or its URL has no payload: the key, and a file that is too large, are told without a path."""
    with pytest.raises(FlowFlexConfigError, match=r"^key is required: it is empty$"):
        UploadFile.start(connection(), file("a.pdf"), key="")
    with pytest.raises(FlowFlexConfigError, match=r"^key is required: it is empty$"):
        CreateUploadUrl.start(connection(), filename="a.pdf", mime="application/pdf", key="")
    too_large = r"^'a.pdf' is 11 bytes, over the limit of 10$"
    with pytest.raises(FlowFlexUploadError, match=too_large):
        UploadFile.start(connection(max_file_bytes=10), file("a.pdf"), key="k", size=11)
    with pytest.raises(FlowFlexUploadError, match=too_large):
        CreateUploadUrl.start(connection(max_file_bytes=10), filename="a.pdf", mime="text/plain", size=11, key="k")


def test_a_failure_of_no_known_kind_is_refused():
    """A misspelt kind is told with those that there are, and changes nothing."""
    operation = start()
    [request] = operation.advance(NOW).requests
    with pytest.raises(FlowFlexConfigError, match=r"^the kind of a Failure is one of connection, .*; not 'conn'"):
        operation.advance(NOW, Failure(request.id, "conn", "no", sent=False))  # type: ignore[arg-type]
    operation.advance(NOW, Response(request.id, 202))
    assert operation.result().response == ""
