"""What the two endpoints of the API decide, beyond one example a rule."""

import pytest

from flowflex_testing.fake import FakeFlowFlex
from tests.testing.caller import Caller
from tests.testing.rule_examples import MIB


@pytest.fixture
def caller():
    return Caller(FakeFlowFlex())


@pytest.mark.parametrize(
    "filename", ["", "a/b.pdf", "a\\b.pdf", ".", "..", "a\n.pdf", "a\x85.pdf", 7, None, ..., "\ud800.pdf"]
)
def test_a_filename_is_one_visible_name(caller, filename):
    """A path, a control character, half a character, nothing, or another type is no file name."""
    answer = caller.upload_url(filename=filename)
    assert (answer.status, answer.rule) == (400, "upload-url.filename")


@pytest.mark.parametrize("size", [True, -1, -1.0, "4", 4.5, None])
def test_a_size_is_a_whole_number(caller, size):
    """Where there is a size, it is a number without a fraction that is not negative."""
    assert caller.upload_url(size=size).rule == "upload-url.size"


def test_a_whole_number_may_be_written_with_a_point(caller):
    """4.0 is 4 in JSON."""
    assert caller.put(caller.url(size=4.0)).status == 200
    assert caller.upload_url(size=26_214_401.0).rule == "upload-url.size-limit"


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 400 + ".0"])
def test_a_number_that_none_can_hold_is_no_json(caller, number):
    """Read, it would be infinity, which no answer, page or snapshot could write as JSON again."""
    for answer in (
        caller.upload_url(body=b'{"filename": "a.pdf", "mime": "text/plain", "size": %s}' % number.encode()),
        caller.event(body=b'{"deep": [{"total": %s}]}' % number.encode()),
    ):
        assert (answer.status, answer.rule) == (400, "api.json")
        assert answer.json()["error"] == "The body is not JSON: it has a number that is larger than any can be"
    assert caller.event({"total": 1.7e308, "small": 1e-999}).status == 202


@pytest.mark.parametrize("mime", [None, 7, ["image/png"]])
def test_a_mime_is_a_string(caller, mime):
    """A mime of another type counts as missing."""
    assert caller.upload_url(mime=mime).rule == "upload-url.mime-required"


def test_each_upload_url_is_for_a_new_asset(caller):
    """Two requests for the same file get two ids, two URLs and two tokens."""
    first, second = caller.upload_url().json(), caller.upload_url().json()
    assert all(first[name] != second[name] for name in ("assetId", "uploadUrl", "token"))
    assert first["assetId"].startswith("asset_")
    assert first["assetId"].removeprefix("asset_").isalnum()
    assert len(first["assetId"]) >= 26


def test_the_filename_is_encoded_whole_in_the_url(caller):
    """A name with any character stays one path segment of the upload URL, and works."""
    url = caller.url(filename="50% ä?#&+.pdf")
    assert "/50%25%20%C3%A4%3F%23%26%2B.pdf?X-Expires=" in url
    assert caller.put(url).status == 200


@pytest.mark.parametrize("authorization", [None, "Basic", "Bearer x", "Basic !!!"])
def test_credentials_come_before_everything(caller, authorization):
    """Without credentials, neither a bad body nor an unknown path nor a wrong method tells anything."""
    for target in (caller.event_path, "/v1/events/other", "/v1/assets/upload-url", "/nowhere"):
        for method in ("POST", "DELETE"):
            answer = caller.post(target, b"[", method=method, authorization=authorization, media_type="text/plain")
            assert (answer.status, answer.rule) == (401, "api.credentials")
            assert answer.headers["WWW-Authenticate"] == 'Basic realm="FlowFlex"'
            assert answer.read_bytes == 0


def test_a_wrong_method_is_told_the_right_one(caller):
    """405 comes with Allow."""
    assert caller.event(method="PUT").headers["Allow"] == "POST"


def test_an_announced_length_over_the_limit_is_refused_before_the_body_is_read(caller):
    """413 needs no byte of the body, where its length was told."""
    answer = caller.event(body=b"x" * (MIB + 1))
    assert (answer.status, answer.read_bytes) == (413, 0)


def test_a_body_of_unknown_length_is_counted(caller):
    """Without Content-Length, the API takes a body and refuses it at the first byte too many."""
    headers = [("transfer-encoding", "chunked"), ("authorization", caller.authorization), ("x-event", "e")]
    headers += [("content-type", "application/json"), ("x-idempotency-key", "k")]
    accepted = caller.send("api", "POST", caller.event_path, headers, b'{"a": 1}')
    assert accepted.rule == "event.accepted"
    refused = caller.send("api", "POST", caller.event_path, headers, b" " * (MIB + 1))
    assert refused.rule == "api.body-size"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b'{"a": Infinity}', b'{"a": -Infinity}', b'{"a": ' + b"9" * 5000 + b"}"]
)
def test_what_is_not_json_is_refused(caller, body):
    """An empty or broken body, other encodings and numbers that are none are not JSON."""
    assert caller.event(body=body).rule == "api.json"


def test_json_that_no_parser_can_hold_is_too_deep(caller):
    """A hundred thousand brackets are refused like 65; a declared file has nothing that could be deep."""
    assert caller.upload_url(body=b"[" * 100_000).rule == "api.json"
    assert caller.event(body=b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}").rule == "event.depth"


@pytest.mark.parametrize("name", ["a\x07b", "a\x85b", ""])
def test_an_event_name_is_printable(caller, name):
    """Control characters, C0 and C1, and the empty name are refused; latin-1 letters are not."""
    assert caller.event(name=name).status == 400
    assert caller.event(name="rechnung.größe").status == 202


@pytest.mark.parametrize("key", ["", "a\tb"])
def test_a_key_is_printable(caller, key):
    """An empty key is not a missing one, and a control character is refused."""
    assert caller.event(key=key).rule == "event.key"


@pytest.mark.parametrize(("header", "rule"), [("x-event", "event.name"), ("x-idempotency-key", "event.key")])
def test_a_doubled_header_is_refused(caller, header, rule):
    """A header that comes twice could mean either: it means neither."""
    assert caller.event(extra=[(header, "other")]).rule == rule


def test_other_headers_may_come_twice(caller):
    """What the API does not read, it does not judge."""
    assert caller.event(extra=[("via", "a"), ("via", "b")]).status == 202


def test_without_a_key_every_request_is_an_event(caller):
    """With strict=False a keyless event is taken, each time anew."""
    lenient = Caller(FakeFlowFlex(strict=False))
    assert [lenient.event(key=None).status for _ in range(2)] == [202, 202]
    assert [event.idempotency_key for event in lenient.fake.events] == [None, None]


def test_a_repeat_gets_the_first_answer_and_no_second_effect(caller):
    """One key, one event, however often it comes; each reply has a request id of its own."""
    answers = [caller.event({"n": 1}) for _ in range(3)]
    assert len({answer.body for answer in answers}) == 1
    assert len({answer.headers["x-request-id"] for answer in answers}) == 3
    assert len(caller.fake.events) == 1


def test_a_repeat_is_answered_though_its_file_has_expired(caller):
    """The stored answer comes before any look at assets: the effect has happened."""
    payload = {"a": caller.asset()}
    caller.fake.clock.advance(hours=30)
    assert caller.event(payload).rule == "event.accepted"
    caller.fake.clock.advance(hours=20)
    assert caller.event(payload).rule == "event.replay"
    assert caller.event(payload, key="key-2").rule == "event.asset-expired"


def test_a_refused_event_leaves_its_key_unused(caller):
    """An answer is stored for its key only after validation: the mended request goes through under it."""
    assert caller.event({"a": "asset_0123456789"}).status == 422
    assert caller.event({"a": "mended"}).status == 202


def test_a_key_belongs_to_one_event_name(caller):
    """The same body under the same key for another event is another request."""
    assert caller.event({"n": 1}, name="a").status == 202
    assert caller.event({"n": 1}, name="b").rule == "event.key-reused"


def test_a_key_is_free_again_after_its_request_was_cut_short(caller):
    """A body that never ends holds its key only as long as its connection."""
    headers = [("content-length", "10"), ("authorization", caller.authorization), ("x-event", "e")]
    headers += [("content-type", "application/json"), ("x-idempotency-key", "key-1")]
    answer = caller.send("api", "POST", caller.event_path, headers, b"{", ends_early=True)
    assert answer.abort is not None
    assert caller.event().status == 202


def test_files_are_found_by_payload_path(caller):
    """An event tells which asset stands where, escaped spellings and odd keys included."""
    first, second = caller.asset(), caller.asset(filename="b.pdf")
    spelled = "\\u0061" + second[1:]
    body = f'{{"g": [1, "{first}"], "x.y": {{"z": "{spelled}"}}, "none": "asset_"}}'.encode()
    assert caller.event(body=body).status == 202
    files = caller.fake.events[0].files
    assert {path: asset.id for path, asset in files.items()} == {"g[1]": first, '["x.y"].z': second}
    assert files['["x.y"].z'].filename == "b.pdf"


def test_an_escaped_asset_id_is_found_on_its_own(caller):
    """No spelling hides an asset id: the strings count, not the bytes."""
    assert caller.event(body=b'{"a": "\\u0061sset_0123456789"}').rule == "event.asset-unknown"


def test_an_asset_id_as_a_key_is_no_file(caller):
    """Only values are looked up."""
    assert caller.event({"asset_0123456789": 1}).status == 202
