"""What goes over the wire, byte for byte, and what is made of any reply that comes back."""

import codecs
import gzip
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowflex_core import (
    MAX_REPLY_BYTES,
    CreateUploadUrl,
    Failure,
    FileRef,
    FlowFlexError,
    FlowFlexOutcomeUnknownError,
    Response,
    Settings,
    UploadFile,
    __version__,
    file,
)
from flowflex_core.wire import UnreadableError, read_event_reply
from tests.core.drive import (
    API_KEY,
    API_SECRET,
    BASIC_TOKEN,
    SECRETS,
    SIGNATURE,
    UPLOAD_TOKEN,
    connection,
    error_of,
    fail,
    failed,
    grant,
    json_of,
    play,
    reply,
    start,
)
from tests.core.generating import examples, json_values

UPLOAD_URL = f"https://storage.flowflex.test/bucket/a%2Fb.pdf?X-Expires=7200&X-Signature={SIGNATURE}"


def upload(**changes):
    """Start an upload without an event."""
    return UploadFile.start(connection(**changes), file("a.pdf"), key="k")


def assert_silent(error):
    """No secret is anywhere in an error, its fields and its failures."""
    shown = repr([error, str(error), vars(error), error.__cause__, error.__context__])
    for secret in SECRETS:
        assert secret not in shown


# Requests


def test_the_three_requests_are_complete():
    """Each leg has the documented method, URL, headers and body, and not a header more."""
    played = play(start({"doc": file("\u00fcber \u2215.pdf"), "n": 1}, sizes=None), url=[grant("asset_1", UPLOAD_URL)])
    url, put, event = played.requests
    agent = f"flowflex-kit/{__version__}"
    api = {
        "Authorization": f"Basic {BASIC_TOKEN}",
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": agent,
    }
    assert (url.method, url.url, dict(url.headers)) == ("POST", "https://api.flowflex.test/v1/assets/upload-url", api)
    assert json_of(url) == {"filename": "\u00fcber \u2215.pdf", "mime": "application/pdf"}
    assert (put.method, put.url) == ("PUT", UPLOAD_URL)
    assert dict(put.headers) == {"Content-Type": "application/pdf", "User-Agent": agent}
    assert isinstance(put.body, FileRef)
    assert put.body.source == "\u00fcber \u2215.pdf"
    assert (event.method, event.url) == ("POST", "https://api.flowflex.test/v1/events/ic_1")
    assert dict(event.headers) == api | {"x-event": "invoice.created", "x-idempotency-key": "key-1"}
    assert event.body == b'{"doc":"asset_1","n":1}'


def test_the_size_is_told_where_it_is_known():
    """A size that was measured, given, or that of bytes is sent; an unknown one is left out."""
    known, given_, measured = file(b"abc", filename="a.pdf"), file("b.pdf", size=0), file("c.pdf")
    played = play(start({"l": [known, given_, measured, file("d.pdf")]}, sizes={measured: 12}))
    sizes = [json_of(request).get("size") for request in played.of("upload-url")]
    assert sizes == [3, 0, 12, None]
    assert "size" not in json_of(played.of("upload-url")[3])


def test_a_put_never_carries_credentials():
    """Storage gets neither Authorization nor any other word of ours, retries and new URLs included."""
    played = play(
        start({"a": file("a.pdf")}),
        put=[reply(503), reply(403, b"<Code>AccessDenied</Code><Message>Request has expired</Message>"), fail()],
    )
    assert len(played.of("put")) == 4
    for request in played.of("put"):
        assert set(request.headers) == {"Content-Type", "User-Agent"}
        for secret in (API_KEY, API_SECRET, BASIC_TOKEN):
            assert secret not in f"{request.url} {dict(request.headers)}"


@pytest.mark.parametrize(
    "url",
    [
        UPLOAD_URL,
        "https://s.test",
        "HTTPS://S.Test:443/x?a=%2f%2F&b",
        "https://s.test:8443/x/y;z?sig=a+b/c==&x=%C3%BC",
        "https://10.1.2.3/x",
        "https://[2001:DB8::1]/x",
        "http://127.0.0.1:9000/x?y",
        "http://localhost.:9000/x?y",
        "http://[::1]/x",
    ],
)
def test_an_upload_url_is_used_byte_for_byte(url):
    """The URL that was granted is put to unchanged, as FlowFlex wrote it; plain http is for loopback only."""
    played = play(upload(base_url="http://localhost:8080"), url=[grant("asset_1", url)])
    assert played.of("put")[0].url == url


# Replies that say yes


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
@pytest.mark.parametrize(
    ("body", "media_type", "response"),
    [
        (b'{"eventId":"evt_1"}', "application/json", {"eventId": "evt_1"}),
        (b'{"a":1}', "application/json; charset=utf-8", {"a": 1}),
        (b'{"a":1}', "Application/JSON", {"a": 1}),
        (b'{"a":1}', "application/vnd.flowflex+json", {"a": 1}),
        (b"\xef\xbb\xbf[1]", "application/json", [1]),
        (b"null", "application/json", None),
        (b"false", "application/problem+json;x=y", False),
        (b'"ok"', "application/json", "ok"),
        (b"0", "application/json", 0),
        (b"OK", "text/plain", "OK"),
        (b"{broken", "text/plain", "{broken"),
        (b"\xfd\xfe", "text/plain", "\ufffd\ufffd"),
        (b"\xef\xbb\xbfOK \xc3\xbc", "text/plain", "OK \u00fc"),
        ("OK \u00fc".encode("utf-16"), "text/plain", "OK \u00fc"),
        ("OK \u00fc".encode("utf-16-be"), "text/plain; charset=UTF-16BE", "OK \u00fc"),
        ("OK \u00fc".encode("utf-16-le"), "text/plain; charset=utf-16le", "OK \u00fc"),
        ("OK".encode("utf-16-be"), "text/plain", "OK"),
        ("OK \u20ac".encode("utf-16-le"), "text/plain; charset=UTF-16", "OK \u20ac"),  # as written on most machines
        (b"\x80 \xfc", 'text/plain; charset="Windows-1252"', "\u20ac \u00fc"),
        (b"\x80", "text/plain; charset=ISO-8859-1", "\u20ac"),
        (b"\x80", "text/plain; charset=latin-1", "\u20ac"),
        (b"\x80", "text/plain; charset=latin1", "\u20ac"),
        (b"\x80", "text/plain; charset=cp1252", "\u20ac"),
        (b"\xc3\xbc", "text/plain; charset=unheard-of", "\u00fc"),
        (b"accepted", "", "accepted"),
        (b"", "application/json", ""),
        (b"", "", ""),
        (b"", "text/html", ""),
    ],
)
def test_what_counts_as_delivered(status, body, media_type, response):
    """Any 2xx with any JSON, plain text or no body is success; JSON is known by its media type, `+json` too."""
    operation = start()
    play(operation, event=[reply(status, body, content_type=media_type)])
    assert operation.result().response == response


def test_gzip_that_nobody_asked_for_is_read():
    """A proxy that compresses all the same is understood; what would grow beyond the bound, or is cut, is not."""
    for body, response in ((gzip.compress(b'{"a":1}'), {"a": 1}), (gzip.compress(b"[]") + b"junk", [])):
        operation = start(max_retries=0)
        play(operation, event=[reply(200, body, content_type="application/json")])
        assert operation.result().response == response
    bomb = gzip.compress(b'"' + b"x" * 50_000_000 + b'"')
    for body, words in ((bomb, "too large"), (gzip.compress(b'{"a":1}')[:12], "broken"), (b"\x1f\x8bx", "broken")):
        error = failed(start(max_retries=0), event=[reply(200, body, content_type="application/json")])
        assert type(error) is FlowFlexOutcomeUnknownError
        assert words in error.message


TEXT_OF_PAGE = "<!DOCTYPE html><html><body>Please log in</body></html>"
PAGE = TEXT_OF_PAGE.encode()
WIDE = ("utf-16", "utf-16-le", "utf-16-be", "UTF-16LE", "UTF-16BE")


@pytest.mark.parametrize(
    ("body", "media_type", "words"),
    [
        (PAGE, "text/html", "web page"),
        (PAGE, "TEXT/HTML; charset=utf-8", "web page"),
        (PAGE, "text/plain", "web page"),
        (PAGE, "", "web page"),
        (b"  \r\n<HTML>", "", "web page"),
        (b"\xef\xbb\xbf" + PAGE, "text/plain", "web page"),
        (b" " * 500 + PAGE, "", "web page"),
        *((TEXT_OF_PAGE.encode(charset), "text/plain", "web page") for charset in WIDE),
        *((TEXT_OF_PAGE.encode(charset), f"text/plain; charset={charset}", "web page") for charset in WIDE),
        (codecs.BOM_UTF16_BE + TEXT_OF_PAGE.encode("utf-16-be"), "", "web page"),
        (b"<!-- login --><html>", "", "web page"),
        (b"Log in", "text/html", "web page"),
        (b"<html/>", "application/xhtml+xml", "web page"),
        (b"Log in", "application/xhtml+xml", "web page"),
        (PAGE, "application/json", "broken|web page"),
        (b"{", "application/json", "broken"),
        *((before + b'{"a":1}', "application/json", "broken") for before in (b"X", b"ok ", b"\x00", b")]}'\n")),
        (b'{"a":1} x', "application/json", "something behind it"),
        (b"\xff", "application/json", "broken"),
        (b'{"a":NaN}', "application/json", "broken"),
        (b"[Infinity]", "application/json", "broken"),
        (b" ", "application/json", "broken"),
        (b"9" * 5_000, "application/json", "broken"),
        (b"[" * 65 + b"]" * 65, "application/json", "too deep"),
        (b"[" * 100_000 + b"]" * 100_000, "application/json", "too deep|broken"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, "application/json", "too deep"),
        (b'"' + b"x" * MAX_REPLY_BYTES + b'"', "application/json", "too large"),
        (b"x" * (MAX_REPLY_BYTES + 1), "text/plain", "too large"),
    ],
)
def test_what_is_doubtful_is_repeated_then_unknown(body, media_type, words):
    """A web page, or JSON that is broken, too deep or large, is repeated under the key, then an unknown outcome."""
    doubtful = reply(200, body, content_type=media_type)
    operation = start(max_retries=1)
    played = play(operation, event=[doubtful, doubtful])
    first, second = played.of("event")
    assert (first.body, first.headers["x-idempotency-key"]) == (second.body, second.headers["x-idempotency-key"])
    error = error_of(operation)
    assert type(error) is FlowFlexOutcomeUnknownError
    assert re.search(words, error.message)
    assert len(error.message) < 400
    assert error.snapshot is not None
    again = start(max_retries=1)
    play(again, event=[doubtful])
    assert again.result().response == {"status": "accepted", "eventId": "evt_1"}


def test_an_unreadable_reply_tells_its_status():
    """What cannot be read came with a status all the same."""
    error = failed(start(max_retries=0), event=[reply(200, b"<html>")])
    assert (error.status, error.code) == (200, None)


@pytest.mark.parametrize("status", [300, 399])
def test_a_redirect_of_any_number_is_called_one(status):
    """No status from 300 to 399 is followed, be it one that nobody knows."""
    error = failed(start(), event=[reply(status)])
    assert f": the reply was a redirect, which is never followed ({status})" in error.message


def test_not_modified_is_no_redirect():
    """A 304 leads nowhere, and is not called what it is not."""
    error = failed(start(), event=[reply(304)])
    assert "304" in error.message
    assert "redirect" not in error.message


def test_a_reply_is_as_deep_as_its_deepest_part():
    """What stands beside each other adds nothing to the depth of a reply: 64 levels are read, however many brackets."""
    reply_of_64_levels = b"[" * 63 + b"[],[]" + b"]" * 63
    operation = start()
    play(operation, event=[reply(200, reply_of_64_levels, content_type="application/json")])
    assert operation.result().response == json.loads(reply_of_64_levels)


def test_the_bounds_of_a_reply_are_kept_exactly():
    """JSON of exactly a megabyte and of exactly 64 levels is read."""
    for body in (b'"' + b"x" * (MAX_REPLY_BYTES - 2) + b'"', b"[" * 64 + b"]" * 64):
        operation = start(max_retries=0)
        play(operation, event=[reply(200, body, content_type="application/json")])
        assert operation.result().response == json.loads(body)
    wide = b"[" + b"[]," * 1000 + b"[]]"
    operation = start(max_retries=0)
    play(operation, event=[reply(200, wide, content_type="application/json")])
    assert operation.result().response == json.loads(wide)


@pytest.mark.parametrize("status", [200, 201, 204])
def test_any_2xx_of_storage_is_stored(status):
    """Storage may say what it likes with a 2xx, but for a web page."""
    for body, media_type in (
        (b"", ""),
        (b"", "text/html; charset=UTF-8"),  # as Google's storage answers
        (b"<ok/>", "application/xml"),
        (b'{"Key":"x"}', "application/json"),
    ):
        operation = upload(max_retries=0)
        play(operation, put=[reply(status, body, content_type=media_type)])
        assert operation.result().startswith("asset_")


def test_a_web_page_is_not_stored():
    """A captive portal's page in answer to a PUT stores nothing: it is repeated, then told, and no event goes out."""
    for body, media_type in (
        (PAGE, "text/html"),
        (PAGE, ""),
        *((TEXT_OF_PAGE.encode(charset), "") for charset in WIDE),
    ):
        operation = start({"a": file("a.pdf")}, max_retries=1)
        played = play(operation, put=[reply(200, body, content_type=media_type)] * 2)
        assert len(played.of("put")) == 2
        assert played.of("event") == []
        assert "web page" in error_of(operation).message


NO_ASSET_ID = "the reply has no assetId that could be one (200)"
NO_URL = "the reply has no uploadUrl (200)"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, NO_ASSET_ID),
        ({"uploadUrl": UPLOAD_URL}, NO_ASSET_ID),
        ({"assetId": None, "uploadUrl": UPLOAD_URL}, NO_ASSET_ID),
        ({"assetId": "", "uploadUrl": UPLOAD_URL}, NO_ASSET_ID),
        ({"assetId": 7, "uploadUrl": UPLOAD_URL}, NO_ASSET_ID),
        ({"assetId": ["x"], "uploadUrl": UPLOAD_URL}, NO_ASSET_ID),
        ({"assetId": "a\nb", "uploadUrl": UPLOAD_URL}, NO_ASSET_ID),
        ({"assetId": "x" * 1_001, "uploadUrl": UPLOAD_URL}, NO_ASSET_ID),
        ({"assetId": "asset_1"}, NO_URL),
        ({"assetId": "asset_1", "uploadUrl": ""}, NO_URL),
        ({"assetId": "asset_1", "uploadUrl": {}}, NO_URL),
        ({"assetId": "asset_1", "uploadUrl": 7}, NO_URL),
        ({"assetId": "asset_1", "uploadUrl": "ftp://s.test/x"}, "its uploadUrl is not of the form"),
        ({"assetId": "asset_1", "uploadUrl": "/relative?token=x"}, "its uploadUrl is not of the form"),
        ({"assetId": "asset_1", "uploadUrl": "http://s.test/x"}, "its uploadUrl is plain http to s.test"),
        ({"assetId": "asset_1", "uploadUrl": "http://127.0.0.1/x"}, "its uploadUrl is plain http"),
        ({"assetId": "asset_1", "uploadUrl": "https://u:p@s.test/x"}, "its uploadUrl has a user name"),
        ({"assetId": "asset_1", "uploadUrl": "https://s.test/x y"}, "its uploadUrl holds a blank"),
        ({"assetId": "asset_1", "uploadUrl": "https://s.test/x\r\nX: y"}, "its uploadUrl holds"),
        ({"assetId": "asset_1", "uploadUrl": "https://s.test/../x"}, "its uploadUrl has a dot segment"),
        ({"assetId": "asset_1", "uploadUrl": "https://s.test/x#f"}, "its uploadUrl has a fragment"),
        (
            {"assetId": "asset_1", "uploadUrl": UPLOAD_URL, "token": 7},
            "the reply has a token that is not a string (200)",
        ),
        ([], "the reply is not an object (200)"),
        ("asset_1", "the reply is not an object (200)"),
        (None, "the reply is not an object (200)"),
    ],
)
def test_a_malformed_upload_url_reply_is_a_clear_error(body, words):
    """A 200 without what it should hold is told at once, whatever is missing or wrong, and without the URL."""
    operation = start({"doc": file("a.pdf")})
    played = play(operation, url=[reply(200, body)])
    error = error_of(operation)
    assert len(played.requests) == 1
    assert error.message.startswith(f"doc: 'a.pdf': the upload URL was not granted: {words}")
    assert error.status == 200
    assert "token=x" not in error.message
    assert_silent(error)


@pytest.mark.parametrize("body", [b"", b"{", PAGE, b"[" * 99_999, b"\xff"])
def test_an_unreadable_upload_url_reply_is_repeated(body):
    """A reply that is no JSON came from something in between: it is asked for again."""
    operation = upload(max_retries=1)
    assert len(play(operation, url=[reply(200, body, content_type="application/json")]).of("upload-url")) == 2
    assert operation.result()
    assert "the reply was" in failed(upload(max_retries=0), url=[reply(200, body)]).message


def test_a_page_instead_of_an_upload_url_is_called_one():
    """Whoever reads the error learns that a portal stands in the way, whatever type the page was sent as."""
    for media_type in ("text/html", "application/json", ""):
        error = failed(upload(max_retries=0), url=[reply(200, PAGE, content_type=media_type)])
        assert "the reply was a web page, as a proxy or a captive portal sends it" in error.message


def test_the_longest_asset_id_is_taken():
    """An asset id may have a thousand characters."""
    play(operation := upload(), url=[grant("x" * 1_000)])
    assert operation.result() == "x" * 1_000


def test_the_token_is_optional():
    """An upload URL may come with a token, with null or with none."""
    for token, expected in ((UPLOAD_TOKEN, {"token": UPLOAD_TOKEN}), (None, {})):
        operation = CreateUploadUrl.start(connection(), filename="a.pdf", mime="application/pdf", key="k")
        play(operation, url=[grant("asset_1", UPLOAD_URL, token)])
        assert operation.result() == {"assetId": "asset_1", "uploadUrl": UPLOAD_URL} | expected
    play(operation := upload(), url=[reply(200, {"assetId": "asset_1", "uploadUrl": UPLOAD_URL, "token": None})])
    assert operation.result() == "asset_1"


# Replies that say no


@pytest.mark.parametrize(
    ("body", "sentence", "code"),
    [
        ({"error": "No such thing", "code": "NOT_FOUND"}, "No such thing", "NOT_FOUND"),
        ({"message": "No such thing", "name": "NotFound"}, "No such thing", "NotFound"),
        ({"error": "First", "message": "second", "code": "A", "name": "B"}, "First", "A"),
        ({"error": {"message": "Inner", "code": "IN"}}, "Inner", "IN"),
        ({"error": {"message": "Inner", "name": "In"}, "statusCode": 400}, "Inner", "In"),
        ({"message": {"message": "Inner", "code": "IN"}}, "Inner", "IN"),
        ({"error": {"message": "Inner"}, "code": "OUTER"}, "Inner", "OUTER"),
        ({"error": None, "message": "m"}, "m", None),
        ({"error": "", "message": "m", "code": ""}, "m", None),
        ({"error": ["x"], "message": "m", "code": {"a": 1}}, "m", None),
        ({"error": True, "code": 42}, None, "42"),
        ({}, None, None),
        ({"other": 1}, None, None),
        ([1], None, None),
        ("words", None, None),
    ],
)
def test_error_bodies(body, sentence, code):
    """`error` or `message` is the sentence, `code` or `name` the code, flat or in an object; details are the body."""
    for media_type in ("application/json", "application/problem+json"):
        error = failed(start(), event=[reply(422, body, content_type=media_type)])
        assert type(error) is FlowFlexError
        assert (error.status, error.code, error.details) == (422, code, body)
        told = sentence or "the server answered 422"
        assert error.message.startswith(f"event 'invoice.created' was not accepted: {told}")
        assert "{" not in error.message
        assert "422" in error.message


@pytest.mark.parametrize(
    "body", [b"Bad Gateway", PAGE, b"{", b"\xfd\xfe", b"", b"[" * 99_999, b"x" * (MAX_REPLY_BYTES + 1)]
)
@pytest.mark.parametrize("media_type", ["text/html", "application/json", ""])
def test_error_bodies_that_are_not_json(body, media_type):
    """Anything else becomes details as text, of which only the beginning is kept."""
    error = failed(start(), event=[reply(400, body, content_type=media_type)])
    assert error.message == "event 'invoice.created' was not accepted: the server answered 400"
    assert isinstance(error.details, str)
    assert len(error.details) <= 2_000
    assert error.details == body.decode(errors="replace")[:2_000]


@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_an_error_is_read_in_its_own_encoding(charset):
    """The text of an error reply is told, and searched for secrets, in the encoding that it came in."""
    body = f"no: {API_SECRET} \u00fc".encode(charset)
    error = failed(start(), event=[reply(400, body, content_type=f"text/plain; charset={charset}")])
    assert error.details.startswith("no: [secret] ")
    assert_silent(error)


def test_an_error_that_is_compressed_is_bounded_as_it_is_read():
    """What is kept of an error reply is counted after gzip is undone."""
    for size, kept in ((1_000, {"error": "x" * 1_000}), (100_000, ('{"error": "' + "x" * 2_000)[:2_000])):
        body = gzip.compress(json.dumps({"error": "x" * size}).encode())
        error = failed(start(), event=[reply(400, body, content_type="application/json")])
        assert error.details == kept
        assert error.message.startswith("event 'invoice.created' was not accepted: xxx")


@pytest.mark.parametrize("name", ["x-request-id", "X-Request-Id", "request-id", "x-amz-request-id"])
def test_the_request_id_is_read_from_a_header(name):
    """The server's id of a request is told, whichever of the usual headers it stands in."""
    bodies: list[Any] = [{"requestId": "req_body"}, [], b"no JSON"]
    for body in bodies:
        assert failed(start(), event=[reply(400, body, **{name: "req_header"})]).request_id == "req_header"
    assert failed(start(), event=[reply(400, {"requestId": "req_body"})]).request_id == "req_body"


@pytest.mark.parametrize("odd", ["", "a\x1bb", "a\nb", "x" * 50_000, 7, None, ["x"], {}])
def test_an_odd_request_id_is_short_and_printable(odd):
    """However odd the request id is, in a header or in the body, what is told of it is one short printable word."""
    for script in (reply(400, {"requestId": odd}), reply(400, {}, x_request_id=str(odd))):
        found = failed(start(), event=[script]).request_id
        assert found is None or (found.isprintable() and 0 < len(found) <= 300)


S3 = (
    b'<?xml version="1.0"?>\n<Error><Code>SignatureDoesNotMatch</Code><Message>The signature does not match</Message>'
    b"<StringToSign>AWS4 SIGNATURESIGNATURE</StringToSign><SignatureProvided>SIGNATURESIGNATURE</SignatureProvided>"
    b"<RequestId>4442587FB7D0A2F9</RequestId></Error>"
)


def test_what_is_not_called_json_is_not_read_as_json():
    """The media type decides: of a text that looks like JSON no field is taken for FlowFlex's own words."""
    error = failed(start(), event=[reply(422, b'{"error": "no", "code": "X"}', content_type="text/plain")])
    assert (error.code, error.details) == (None, '{"error": "no", "code": "X"}')


@pytest.mark.parametrize(("length", "is_parsed"), [(65_536, True), (65_537, False)])
def test_the_details_of_an_error_are_parsed_up_to_their_bound(length, is_parsed):
    """Up to 64 KiB the details are what JSON says, and beyond them a beginning of its text."""
    body = b'{"error": "' + b"x" * (length - 13) + b'"}'
    assert len(body) == length
    error = failed(start(), event=[reply(422, body, content_type="application/json")])
    assert isinstance(error.details, dict) is is_parsed


@pytest.mark.parametrize(
    ("body", "code", "sentence"),
    [
        (b' \n{"error": "Duplicate", "message": "is there"}', "Duplicate", "is there"),
        (b'{"code": "NoSuchUpload", "message": "is gone"}', "NoSuchUpload", "is gone"),
        (b'{"error": "E", "code": "C"}', "E", None),
        (b'[{"code": "C"}]', None, None),
    ],
)
def test_storage_json_is_parsed_to_code_and_sentence(body, code, sentence):
    """Storage that answers in JSON has its code in `error` or `code`, whatever blanks stand before it."""
    error = failed(upload(), put=[reply(413, body, content_type="application/json")])
    assert error.details == {"code": code, "message": sentence}


def test_a_source_that_failed_in_an_event_leaves_a_doubt():
    """A driver that calls the failure of a POST one of its source has sent it all the same, where it says so."""
    error = failed(start(max_retries=0), event=[fail("source", "it broke", sent=True)])
    assert type(error) is FlowFlexOutcomeUnknownError


def test_storage_xml_is_parsed_and_never_kept():
    """Of an XML reply only code, message and request id are told: the rest holds the string that was signed."""
    error = failed(start({"a": file("a.pdf")}), put=[reply(403, S3, content_type="application/xml")])
    assert (error.status, error.code, error.request_id) == (403, "SignatureDoesNotMatch", "4442587FB7D0A2F9")
    assert error.details == {"code": "SignatureDoesNotMatch", "message": "The signature does not match"}
    assert "The signature does not match (403 SignatureDoesNotMatch)" in error.message
    assert "StringToSign" not in repr(vars(error))
    assert_silent(error)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"nonsense SIGNATURESIGNATURE", b"<Error/>", b"\xff", b'{"statusCode":"x"}', b"{" * 99_999],
)
def test_storage_replies_of_any_form_are_told(body):
    """A storage reply that says nothing readable is told by its status, and never kept raw."""
    error = failed(start({"a": file("a.pdf")}), put=[reply(400, body)])
    assert error.message == "a: 'a.pdf' was not stored: the server answered 400"
    assert error.details == {"code": None, "message": None}


# Secrets

ECHOES = [
    API_KEY,
    API_SECRET,
    f"Basic {BASIC_TOKEN}",
    f"{API_KEY}:{API_SECRET}",
    UPLOAD_URL,
    f"url: /bucket/a%2Fb.pdf?X-Expires=7200&X-Signature={SIGNATURE} (Caused by",
    f"X-Signature={SIGNATURE}",
    SIGNATURE,
    UPLOAD_TOKEN,
    f"token={UPLOAD_TOKEN}",
]


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("kind", ["connection", "timeout", "tls", "proxy", "protocol", "source"])
def test_a_failure_that_repeats_a_secret_is_masked(echo, kind):
    """Whatever a transport writes into a Failure of a put, no secret of the request is in the error."""
    operation = start({"a": file("a.pdf")}, max_retries=0)
    error = failed(operation, url=[grant("asset_1", UPLOAD_URL)], put=[fail(kind, f"it broke: {echo} so", sent=True)])
    assert_silent(error)
    assert "it broke" in error.message


def test_what_a_failure_says_behind_a_long_url_is_told():
    """The longest upload URL is masked, and the cause that a transport names behind it is not lost."""
    url = "https://s.test/?sig=" + "x" * 7_900
    failure = fail("connection", f"no connection to {url} (and again {url}): Broken pipe")
    error = failed(start({"a": file("a.pdf")}, max_retries=0), url=[grant(url=url)], put=[failure])
    assert "https://s.test/?[secret]" in error.message
    assert "Broken pipe" in error.message


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("status", [400, 403, 409, 413, 500])
def test_a_storage_reply_that_repeats_a_secret_is_masked(echo, status):
    """Whatever storage repeats in XML, JSON, text or its request id, no secret is in the error."""
    replies = [
        f"<Error><Code>{echo}</Code><Message>no {echo}</Message><RequestId>{echo}</RequestId></Error>".encode(),
        {"error": echo, "message": f"no {echo}", "code": echo, "token": echo},
        echo.encode(),
    ]
    for body in replies:
        operation = start({"a": file("a.pdf")}, max_retries=0)
        put = reply(status, body, x_request_id=echo.replace(" ", ""))
        assert_silent(failed(operation, url=[grant("asset_1", UPLOAD_URL)], put=[put]))


@pytest.mark.parametrize("echo", [API_KEY, API_SECRET, f"Basic {BASIC_TOKEN}", f"{API_KEY}:{API_SECRET}", UPLOAD_URL])
@pytest.mark.parametrize("leg", ["url", "event"])
def test_an_api_reply_that_repeats_a_secret_is_masked(echo, leg):
    """Whatever the API repeats, in any field, as a key, as text or as its request id, no secret is in the error."""
    replies = [
        {"error": f"no {echo}", "code": echo, "requestId": echo},
        {"error": {"message": echo, "deep": [{"deeper": [echo]}]}},
        {"message": "no", echo: echo},
        f"{echo} is wrong".encode(),
    ]
    for body in replies:
        script = {leg: [reply(401, body, x_request_id=echo.replace(" ", ""))]}
        assert_silent(failed(start({"a": file("a.pdf")}), **script))


@pytest.mark.parametrize("status", [400, 409])
def test_an_upload_url_in_an_error_reply_is_masked(status):
    """An error reply that carries an upload URL and its token all the same does not put them into the error."""
    body = {"error": "exists", "assetId": "asset_1", "uploadUrl": UPLOAD_URL, "token": UPLOAD_TOKEN}
    error = failed(start({"a": file("a.pdf")}), url=[reply(status, body)])
    assert_silent(error)
    assert error.details["assetId"] == "asset_1"


@pytest.mark.parametrize("field", ["authorization", "token", "uploadUrl"])
def test_a_field_that_names_a_secret_is_masked_whatever_it_holds(field):
    """What stands under the name of a secret is one, also where we have never seen it, in any case of the letters."""
    for name in (field, field.upper()):
        error = failed(start(), event=[reply(401, {"error": "no", "echo": [{name: "somebody else's"}]})])
        assert error.details == {"error": "no", "echo": [{name: "[secret]"}]}


def test_a_decoded_signature_is_masked():
    """Storage that repeats a part of the query without its percent-encoding is masked as well."""
    url = "https://s.test/x?sig=SIGN%2FATURE%2BSIGN%3D"
    body = b"<Error><Code>X</Code><Message>bad SIGN/ATURE+SIGN= here</Message></Error>"
    error = failed(start({"a": file("a.pdf")}), url=[grant("asset_1", url)], put=[reply(403, body)])
    assert "ATURE" not in repr(vars(error))


@examples(150)
@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=60),
    st.integers(0, 2_100),
    st.integers(1, 60),
)
def test_a_secret_across_a_cut_is_masked(secret, before, times):
    """Wherever a long reply or message is cut, no half of a secret is left at its end."""
    settings = Settings(api_key="key_1", api_secret=secret, integration_code="ic", base_url="https://h.test")
    words = "~" * before + secret * times
    for outcome in (
        Response("event/1", 400, {"content-type": "text/plain"}, words.encode()),
        Response("event/1", 400, {"content-type": "application/json"}, json.dumps({"error": words}).encode()),
        Failure("event/1", "tls", words, False),
    ):
        operation = start_with(settings)
        operation.advance(0.0)
        operation.advance(0.0, outcome)
        error = error_of(operation)
        for shown in (error.message, str(error.details)):
            assert secret[:7] not in shown.replace("[secret]", "") or secret[:7] in "~" * 7


def start_with(settings):
    """Start a send without files."""
    return type(start()).start(settings, "e", idempotency_key="k")


@pytest.mark.parametrize("leg", ["url", "put", "event"])
def test_a_sentence_is_one_short_printable_line(leg):
    """A sentence and a code that a server sends can neither flood nor steer a terminal or a log."""
    hostile = "a\r\nFAKE LOG LINE\x1b[31m\u202e\x00" + "x" * 50_000
    for body in (
        {"error": hostile, "code": hostile},
        {"message": hostile, "name": hostile},
        {"error": {"message": hostile, "code": hostile}},
        f"<Error><Code>{hostile}</Code><Message>{hostile}</Message></Error>".encode(),
        hostile.encode(),
    ):
        error = failed(start({"a": file("a.pdf")}), **{leg: [reply(403, body)]})
        assert error.message.isprintable()
        assert len(error.message) <= 1_000
        assert error.code is None or (error.code.isprintable() and len(error.code) <= 300)


def test_a_failure_is_one_short_printable_line():
    """What a transport says is shortened to one printable line, and an empty message is told by its kind."""
    hostile = "a\r\nFAKE\x1b[31m\u202e\ud800" + "x" * 50_000
    message = failed(start(max_retries=0), event=[fail("protocol", hostile)]).message
    assert message.isprintable()
    assert len(message) <= 500
    assert "protocol" in failed(start(max_retries=0), event=[fail("protocol", "")]).message


# Anything at all

statuses = st.integers(100, 599) | st.sampled_from([0, -1, 99, 600, 999, 10**9])
header_names = st.sampled_from(
    ["content-type", "retry-after", "date", "x-should-retry", "x-request-id", "location"]
) | st.text(max_size=5)
header_values = st.sampled_from(
    ["application/json", "text/html", "application/xml", "0", "5", "false", "Wed, 21 Oct 2015"]
) | st.text(max_size=12)
bodies = (
    st.binary(max_size=40)
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("error", "message", "code", "name", "statusCode", "requestId", "assetId", "uploadUrl", "token"),
            json_values,
        ),
    ).map(lambda value: json.dumps(value).encode())
    | st.lists(
        st.sampled_from([b"<Code>", b"</Code>", b"<Message>", b"x", b"</Message>", b"Duplicate", b"expired"])
    ).map(b"".join)
)
outcomes = st.tuples(statuses, st.lists(st.tuples(header_names, header_values), max_size=3), bodies) | st.tuples(
    st.sampled_from(["connection", "timeout", "tls", "proxy", "protocol", "source"]),
    st.text(max_size=20),
    st.booleans(),
)


@examples(200)
@given(st.lists(outcomes, max_size=6))
def test_any_reply_is_judged(drawn: list[Any]):
    """Whatever replies come, in any leg, a send ends with a result or a FlowFlexError and raises nothing on its way."""
    left = iter(drawn)

    def answer(request):
        outcome = next(left, None)
        if outcome is None:
            return reply(200)(request) if request.method == "PUT" else grant()(request)
        first, second, third = outcome
        if third is True or third is False:
            return Failure(request.id, first, second, third)
        return Response(request.id, first, second, third)

    operation = start({"a": file("a.pdf")})
    play(operation, url=[answer] * 20, put=[answer] * 20, event=[answer] * 20)
    try:
        assert operation.result().uploaded_assets
    except FlowFlexError as error:
        message = error.message
    else:
        message = "it arrived"
    assert message.isprintable()


@pytest.mark.parametrize("name", ["Signature", "X-Amz-Signature", "AWSAccessKeyId"])
def test_the_name_of_a_query_field_is_no_secret(name):
    """Error codes hold such names: callers who branch on them would be misled."""
    url = f"https://storage.flowflex.test/a?{name}={SIGNATURE}"
    body = f"<Error><Code>{name}DoesNotMatch</Code><Message>The {name} {SIGNATURE} is off</Message></Error>"
    error = failed(start({"a": file("a.pdf")}), url=[grant(url=url)], put=[reply(403, body.encode())])
    assert error.code == f"{name}DoesNotMatch"
    assert f"The {name} [secret] is off" in error.message


def test_an_overlong_upload_url_is_refused():
    """Every later reply is searched for its parts, and no storage reads such a request line."""
    at = "https://storage.flowflex.test/a?s="
    assert failed(start({"a": file("a.pdf")}), url=[grant(url=at + "x" * 8_000)]).message == (
        "a: 'a.pdf': the upload URL was not granted: its uploadUrl is over 8000 characters long (200)"
    )
    play(operation := start({"a": file("a.pdf")}), url=[grant(url=at + "x" * (8_000 - len(at)))])
    assert operation.result()


@pytest.mark.parametrize(
    ("response", "words"),
    [
        (Response("event/1", 200, early=True), "one to a request that had not been sent whole"),
        (Response("event/1", 200, body=b"a" * 1_048_577), "a reply that is too large"),
        (Response("event/1", 200, {"content-type": "application/json"}, b"{} {}"), "JSON with something behind it"),
        (Response("event/1", 200, {"content-type": "application/json"}, b'{"a"'), "JSON that is broken"),
        (
            Response("event/1", 200, {"content-type": "application/json"}, b"[" * 65 + b"]" * 65),
            "JSON that is nested too deep",
        ),
        (
            Response("event/1", 200, {"content-type": "application/json"}, b"[" * 200_000 + b"]" * 200_000),
            "JSON that is nested too deep",
        ),
    ],
    ids=["early", "large", "followed", "broken", "deep", "deeper than the stack"],
)
def test_what_makes_a_reply_unreadable_is_told_in_these_words(response, words):
    """Each reason not to take a reply has words of its own, and no others."""
    with pytest.raises(UnreadableError) as caught:
        read_event_reply(response)
    assert str(caught.value) == words


def test_blanks_around_json_mean_nothing():
    """A reply may end in a line break, and begin with one."""
    response = Response("event/1", 200, {"content-type": "application/json"}, b'\r\n {"a": 1} \r\n')
    assert read_event_reply(response) == {"a": 1}
