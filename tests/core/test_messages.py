"""The values that cross the border: frozen, and silent about secrets."""

import dataclasses
import json
import pickle
from typing import Any

import flowflex  # type: ignore[import-untyped]
import pytest

from flowflex_core import (
    MAX_REPLY_BYTES,
    Failure,
    Response,
    SendEventResult,
    Turn,
    UploadUrl,
    file,
)
from tests.core.drive import SECRETS, UPLOAD_TOKEN, play, start

GRANTED = UploadUrl(assetId="asset_1", uploadUrl="https://s.test/x?token=SIGNATURESIGNATURE", token=UPLOAD_TOKEN)


def assert_silent(shown):
    """No secret is in a text."""
    for secret in SECRETS:
        assert secret not in shown


def test_border_values_are_frozen():
    """Requests, responses, failures, turns and results cannot be changed, and hold nothing but their fields."""
    operation = start({"a": file("a.pdf")})
    turn = operation.advance(0.0)
    values: list[Any] = [
        turn,
        turn.requests[0],
        Response("event/1", 200),
        Failure("event/1", "timeout", "slow", True),
        SendEventResult("", {}, "k"),
    ]
    for value in values:
        for field in dataclasses.fields(value):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(value, field.name, None)
        assert not hasattr(value, "__dict__")


def test_the_repr_of_a_request_shows_no_secret():
    """Neither Authorization, nor the presigned query, nor the body is in the repr of a request or of its turn."""
    played = play(start({"a": file("a.pdf"), "note": UPLOAD_TOKEN}))
    for request, turn in zip(played.requests, played.turns, strict=False):
        assert_silent(repr(request) + str(request) + repr(turn))
        assert request.id in repr(request)
        assert request.method in repr(request)
    url, put = played.of("upload-url")[0], played.of("put")[0]
    assert isinstance(url.body, bytes)
    assert repr(url) == (
        "Request(upload-url/0/1 POST https://api.flowflex.test/v1/assets/upload-url, " + f"{len(url.body)} bytes)"
    )
    assert repr(put) == "Request(put/0/2 PUT https://storage.flowflex.test, FileRef('a.pdf'))"


def test_the_repr_of_a_response_shows_no_secret():
    """A reply may hold an upload URL: neither its body nor its headers are shown."""
    shown = repr(Response("upload-url/0/1", 200, {"x-token": UPLOAD_TOKEN}, json.dumps(GRANTED).encode()))
    assert_silent(shown)
    assert "upload-url/0/1" in shown
    assert "200" in shown


@pytest.mark.parametrize("how", [repr, str, "{}".format, "{!r}".format, lambda value: f"{[value]}"])
def test_an_upload_url_shows_no_secret(how):
    """However an upload URL is printed, its query and its token are not."""
    shown = how(GRANTED)
    assert_silent(shown)
    assert "asset_1" in shown


def test_an_upload_url_is_the_mapping_that_the_vendor_returns():
    """It is read, compared and encoded like the dict that the vendor's `create_upload_url` returns."""
    assert GRANTED["assetId"] == "asset_1"
    assert dict(GRANTED) == json.loads(json.dumps(GRANTED)) == GRANTED
    assert set(GRANTED) == {"assetId", "uploadUrl", "token"}
    assert pickle.loads(pickle.dumps(GRANTED)) == GRANTED


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "7"},
        {"RETRY-AFTER": "7"},
        [("x", "1"), ("retry-after", "7"), ("Retry-After", "8")],
        (("Retry-After", "7"),),
    ],
)
def test_headers_are_found_in_any_shape_and_case(headers):
    """Headers may be a mapping or pairs, in any case; of a doubled one the first counts."""
    assert Response("event/1", 429, headers).header("retry-after") == "7"
    assert Response("event/1", 429, headers).header("date") is None


def test_headers_may_be_an_object_of_a_librarys_own():
    """An object that is no Mapping, but has `items()`, serves as headers."""

    class Headers:
        def items(self):
            return [("Retry-After", "7")]

    headers: Any = Headers()
    assert Response("event/1", 429, headers).header("retry-after") == "7"


def test_a_response_needs_no_headers_and_no_body():
    """A bare status is a whole response."""
    response = Response("event/1", 204)
    assert (response.header("date"), list(response.pairs()), response.body) == (None, [], b"")


def test_the_bound_on_replies_is_what_drivers_read():
    """A megabyte is the most that is taken of a reply."""
    assert MAX_REPLY_BYTES == 1_048_576


def test_a_result_has_the_vendors_fields():
    """The vendor's constructor, two arguments, and its two attributes work here; the key is ours."""
    theirs = flowflex.SendEventResult({"ok": True}, {"a": "asset_1"})
    ours = SendEventResult({"ok": True}, {"a": "asset_1"})
    assert (ours.response, ours.uploaded_assets, ours.idempotency_key) == (theirs.response, theirs.uploaded_assets, "")
    by_name = SendEventResult(response="", uploaded_assets={}, idempotency_key="key-1")
    assert by_name.idempotency_key == "key-1"


def test_results_pickle():
    """A result and a turn reach another process."""
    result = SendEventResult({"ok": True}, {"a": "asset_1"}, "key-1")
    turn = Turn((), 1.5, False, True)
    assert pickle.loads(pickle.dumps((result, turn))) == (result, turn)
