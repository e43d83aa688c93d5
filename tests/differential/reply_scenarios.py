"""Scenarios about what the server says: every shape of reply and error on each leg, and a network that fails."""

import gzip
import json
from collections.abc import Callable, Iterator

from tests.differential.recording import (
    DROPPED,
    GRANTED,
    SILENT,
    UPLOAD_SIGNATURE,
    Leg,
    Reply,
    json_reply,
    text_reply,
)
from tests.differential.replies import ACCEPTED, BREAKS, DIVERSIONS, ERRORS, HTML, XML, error
from tests.differential.scenario import Call, Kit, Scenario, create, send, upload


def _plain(_: Kit) -> Call:
    return send({"name": "Ada"})


def _with_file(kit: Kit) -> Call:
    return send({"assetId": kit.pdf()})


def _on(
    leg: Leg, calls: Callable[[Kit], Call], replies: dict[str, Reply | list[Reply]], *, max_retries: int = 0
) -> Iterator[Scenario]:
    for words, reply in replies.items():
        script = reply if isinstance(reply, list) else [reply]
        yield Scenario(f"{leg}: {words}", calls, ours={"max_retries": max_retries}, replies={leg: script})


_JSON = json.dumps(ACCEPTED).encode()
_GRANTED = json.dumps(GRANTED).encode()
_TYPE = ("Content-Type", "application/json")

EVENT_REPLIES = [
    *_on(
        "event",
        _plain,
        {
            "200": json_reply(ACCEPTED),
            "201": json_reply(ACCEPTED, 201),
            "202": json_reply(ACCEPTED, 202),
            "204": Reply(204),
            "299": json_reply(ACCEPTED, 299),
            "empty": Reply(),
            "text": text_reply("queued"),
            "text in UTF-8 of no charset": text_reply("eingereiht für später", content_type="text/plain"),
            "text in latin-1": Reply(
                body="für".encode("latin-1"), headers=(("Content-Type", "text/plain; charset=latin-1"),)
            ),
            "text of no type": Reply(body=b"queued"),
            "JSON list": json_reply([1, {"a": None}]),
            "JSON null": json_reply(None),
            "JSON string": json_reply("queued"),
            "JSON false": json_reply(False),
            "JSON of a large number": text_reply('{"n": 123456789012345678901234567890}', 200, "application/json"),
            "JSON of a number of 5000 digits": text_reply('{"n": 1%s}' % ("0" * 5000), 200, "application/json"),
            "JSON with NaN": text_reply('{"n": NaN}', 200, "application/json"),
            "JSON with a byte order mark": Reply(body=b"\xef\xbb\xbf" + _JSON, headers=(_TYPE,)),
            "JSON of a vendor's type": json_reply(ACCEPTED, content_type="application/vnd.flowflex+json"),
            "JSON of an upper-case type": json_reply(ACCEPTED, content_type="Application/JSON"),
            "JSON of no type": Reply(body=_JSON),
            "JSON with blanks around it": Reply(body=b" \r\n" + _JSON + b"\n", headers=(_TYPE,)),
            "empty JSON": text_reply("", 200, "application/json"),
            "broken JSON": text_reply('{"status": "acc', 200, "application/json"),
            "JSON too deep to read": text_reply("[" * 100_000, 200, "application/json"),
            "HTML": text_reply(HTML, 200, "text/html; charset=utf-8"),
            "HTML said to be text": text_reply(HTML, 200, "text/plain"),
            "two megabytes of text": text_reply("x" * 2_000_000),
            "gzip": Reply(body=gzip.compress(_JSON, mtime=0), headers=(_TYPE, ("Content-Encoding", "gzip"))),
            "chunked": Reply(
                body=b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
                b'9\r\n{"status"\r\nd\r\n: "accepted"}\r\n0\r\n\r\n',
                raw=True,
            ),
            "chunked, with an extension and a trailer": Reply(
                body=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"6;a=b\r\nqueued\r\n0\r\nX-Checksum: 1\r\n\r\n",
                raw=True,
            ),
            "no reason phrase": Reply(body=b"HTTP/1.1 202\r\nContent-Length: 6\r\n\r\nqueued", raw=True),
            "lines that end in LF alone": Reply(body=b"HTTP/1.1 202 OK\nContent-Length: 6\n\nqueued", raw=True),
            "header over two lines": Reply(
                body=b"HTTP/1.1 202 OK\r\nX-Long: a\r\n b\r\nContent-Length: 6\r\n\r\nqueued", raw=True
            ),
            "header in latin-1": Reply(202, b"queued", (("X-Name", "Jos\xe9"),)),
            "header without a colon": Reply(
                body=b"HTTP/1.1 202 OK\r\nnonsense\r\nContent-Length: 6\r\n\r\nqueued", raw=True, ending="close"
            ),
            "body longer than its length": Reply(
                body=b"HTTP/1.1 202 OK\r\nContent-Length: 6\r\n\r\nqueued and more", raw=True, ending="close"
            ),
            "body without a length": Reply(body=b"HTTP/1.1 202 OK\r\n\r\nqueued", raw=True, ending="close"),
            "body of a 204": Reply(body=b"HTTP/1.1 204 None\r\n\r\nqueued", raw=True, ending="close"),
            "HTTP/1.0 that ends by closing": Reply(
                body=b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + _JSON, raw=True, ending="close"
            ),
            "Connection: close": Reply(200, _JSON, (_TYPE, ("Connection", "close")), ending="close"),
            "100 before the answer": Reply(
                body=b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", raw=True
            ),
            "103 before the answer": Reply(
                body=b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                b"HTTP/1.1 400 Bad\r\nContent-Type: application/json\r\nContent-Length: 24\r\n\r\n"
                b'{"error":"E","code":"C"}',
                raw=True,
            ),
            **ERRORS,
            **DIVERSIONS,
            **BREAKS,
        },
    ),
    Scenario("event: silent", _plain, {"timeout_seconds": 0.3}, replies={"event": [SILENT]}),
    Scenario(
        "event: dripping",
        _plain,
        {"timeout_seconds": 0.3},
        replies={"event": [Reply(200, b"queued", (("Content-Type", "text/plain"),), pause=0.008)]},
    ),
    Scenario(
        "event: two answers to one request",
        lambda _: [send({"n": 1}), send({"n": 2})],
        replies={
            "event": [
                Reply(
                    body=b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nX",
                    raw=True,
                ),
                text_reply("2"),
            ]
        },
    ),
    Scenario("event: nobody listens", _plain, {"base_url": "<nobody>"}),
    Scenario("event: refused after its file", _with_file, replies={"event": [error(422, "ASSET_FILE_MISSING")]}),
    Scenario(
        "event: cookies",
        lambda _: [send({"n": 1}), send({"n": 2})],
        replies={"event": [Reply(200, b"ok", (("Set-Cookie", "session=1; Path=/"),))]},
    ),
]

UPLOAD_URL_REPLIES = [
    *_on(
        "upload-url",
        _with_file,
        {
            "200": json_reply(GRANTED),
            "201": json_reply(GRANTED, 201),
            "202": json_reply(GRANTED, 202),
            "more fields": json_reply({**GRANTED, "expiresIn": 7200, "method": "PUT"}),
            "no token": json_reply({name: value for name, value in GRANTED.items() if name != "token"}),
            "token null": json_reply({**GRANTED, "token": None}),
            "JSON of a vendor's type": json_reply(GRANTED, content_type="application/vnd.flowflex+json"),
            "JSON of an upper-case type": json_reply(GRANTED, content_type="APPLICATION/JSON"),
            "JSON of no type": Reply(body=_GRANTED),
            "JSON said to be text": text_reply(_GRANTED.decode()),
            "no assetId": json_reply({"uploadUrl": GRANTED["uploadUrl"], "token": "t"}),
            "no uploadUrl": json_reply({"assetId": "asset_1", "token": "t"}),
            "assetId null": json_reply({**GRANTED, "assetId": None}),
            "assetId empty": json_reply({**GRANTED, "assetId": ""}),
            "assetId as a number": json_reply({**GRANTED, "assetId": 7}),
            "uploadUrl null": json_reply({**GRANTED, "uploadUrl": None}),
            "uploadUrl empty": json_reply({**GRANTED, "uploadUrl": ""}),
            "uploadUrl relative": json_reply({**GRANTED, "uploadUrl": "/bucket/a"}),
            "uploadUrl of another scheme": json_reply({**GRANTED, "uploadUrl": "ftp://127.0.0.1/bucket/a"}),
            "uploadUrl with a line break": json_reply({**GRANTED, "uploadUrl": "<storage>/bucket/a\r\nX: y"}),
            "uploadUrl with a user": json_reply({**GRANTED, "uploadUrl": "http://user:word@127.0.0.1:1/bucket/a"}),
            "uploadUrl refused": json_reply(
                {**GRANTED, "uploadUrl": "<nobody>/bucket/<asset>?token=" + UPLOAD_SIGNATURE}
            ),
            "uploadUrl with escapes": json_reply(
                {**GRANTED, "uploadUrl": "<storage>/bucket/%7Ea%2fb%41?s=a%2Fb%7E%20+c"}
            ),
            "uploadUrl with dot segments": json_reply({**GRANTED, "uploadUrl": "<storage>/bucket/a/../b?token=t"}),
            "uploadUrl with doubled slashes": json_reply({**GRANTED, "uploadUrl": "<storage>/bucket//a///b?token=t"}),
            "uploadUrl with a blank": json_reply({**GRANTED, "uploadUrl": "<storage>/bucket/a b?token=t"}),
            "uploadUrl in unicode": json_reply({**GRANTED, "uploadUrl": "<storage>/bucket/ä?token=t"}),
            "uploadUrl with a fragment": json_reply({**GRANTED, "uploadUrl": "<storage>/bucket/a?token=t#top"}),
            "uploadUrl with odd query marks": json_reply(
                {**GRANTED, "uploadUrl": "<storage>/bucket/a?b=[1]&c='2'&d=|"}
            ),
            "uploadUrl to the API's origin": json_reply({**GRANTED, "uploadUrl": "<api>/bucket/a?token=t"}),
            "list": json_reply([GRANTED]),
            "null": json_reply(None),
            "empty": Reply(),
            "204": Reply(204),
            "HTML": text_reply(HTML, 200, "text/html"),
            "broken JSON": text_reply('{"assetId": "asset_1"', 200, "application/json"),
            "too deep to read": text_reply("[" * 100_000, 200, "application/json"),
            **ERRORS,
            **DIVERSIONS,
            **BREAKS,
        },
    ),
    Scenario("upload-url: silent", _with_file, {"timeout_seconds": 0.3}, replies={"upload-url": [SILENT]}),
    Scenario("upload-url: nobody listens", _with_file, {"base_url": "<nobody>"}),
]

PUT_REPLIES = [
    *_on(
        "put",
        _with_file,
        {
            "200": Reply(),
            "201": Reply(201),
            "204": Reply(204),
            "text": text_reply("stored"),
            "JSON": json_reply({"Key": "bucket/a"}),
            "HTML": text_reply(HTML, 200, "text/html"),
            "XML error": text_reply(XML, 403, "application/xml"),
            "XML error of another kind": text_reply("<Error><Code>NoSuchBucket</Code></Error>", 404, "application/xml"),
            "JSON error": json_reply({"statusCode": "400", "error": "InvalidRequest", "message": "No"}, 400),
            "expired, then stored": [
                text_reply(
                    "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>",
                    403,
                    "application/xml",
                ),
                Reply(),
            ],
            "duplicate at the first attempt": json_reply(
                {"statusCode": "409", "error": "Duplicate", "message": "The resource already exists"}, 400
            ),
            "400": text_reply("no", 400),
            "401": text_reply("no", 401),
            "409": text_reply("no", 409),
            "413": text_reply("no", 413),
            "429": text_reply("no", 429),
            "500": text_reply("no", 500),
            "503": text_reply("no", 503),
            "two megabytes of error": text_reply("x" * 2_000_000, 400),
            **{
                f"{status}": Reply(status, headers=(("Location", "<storage>/landed"),))
                for status in (301, 302, 303, 307, 308)
            },
            "302 to nowhere": Reply(302),
            "304": Reply(304),
            "103 before the answer": Reply(
                body=b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n", raw=True
            ),
            **BREAKS,
        },
    ),
    Scenario("put: silent", _with_file, {"timeout_seconds": 0.3}, replies={"put": [SILENT]}),
    Scenario(
        "put: cookies",
        lambda kit: [send({"a": kit.pdf("a.pdf")}), send({"a": kit.pdf("b.pdf")})],
        replies={"put": [Reply(200, headers=(("Set-Cookie", "session=1; Path=/"),))]},
    ),
]

LOWER_LEVEL_REPLIES = [
    *_on(
        "upload-url",
        lambda _: create(filename="x.pdf", mime="application/pdf"),
        {
            "create_upload_url, refused": error(400, "MIME_NOT_ALLOWED"),
            "create_upload_url, no assetId": json_reply({"uploadUrl": GRANTED["uploadUrl"]}),
            "create_upload_url, no token": json_reply({"assetId": "a", "uploadUrl": GRANTED["uploadUrl"]}),
            "create_upload_url, more fields": json_reply({**GRANTED, "expiresIn": 7200}),
            "create_upload_url, HTML": text_reply(HTML, 200, "text/html"),
            "create_upload_url, 302": Reply(302, headers=(("Location", "<api>/landed"),)),
            "create_upload_url, dropped": DROPPED,
        },
    ),
    *_on(
        "upload-url",
        lambda kit: upload(kit.pdf()),
        {
            "upload_file, refused": error(413, "FILE_TOO_LARGE"),
            "upload_file, no assetId": json_reply({"uploadUrl": GRANTED["uploadUrl"]}),
        },
    ),
    *_on(
        "put",
        lambda kit: upload(kit.pdf()),
        {
            "upload_file, XML error": text_reply(XML, 403, "application/xml"),
            "upload_file, 302": Reply(302, headers=(("Location", "<storage>/landed"),)),
            "upload_file, dropped": DROPPED,
        },
    ),
]

_AT_ONCE = (("Retry-After", "0"),)
RETRIES = [
    *_on(
        "event",
        _plain,
        {
            "503, then accepted": [Reply(503, headers=_AT_ONCE), json_reply(ACCEPTED)],
            "409 with Retry-After, then accepted": [Reply(409, headers=_AT_ONCE), json_reply(ACCEPTED)],
            "400 that must not be repeated": [error(400, "INVALID"), json_reply(ACCEPTED)],
            "HTML, then accepted": [text_reply(HTML, 200, "text/html"), json_reply(ACCEPTED)],
            "dropped, then accepted": [DROPPED, json_reply(ACCEPTED)],
        },
        max_retries=1,
    ),
    *_on(
        "upload-url",
        _with_file,
        {
            "503, then granted": [Reply(503, headers=_AT_ONCE), json_reply(GRANTED)],
            "403 that must not be repeated": [error(403, "FORBIDDEN"), json_reply(GRANTED)],
        },
        max_retries=1,
    ),
    *_on(
        "put",
        _with_file,
        {
            "503, then stored": [Reply(503, headers=_AT_ONCE), Reply()],
            "400 that must not be repeated": [text_reply("no", 400), Reply()],
            "lost, then duplicate": [
                DROPPED,
                json_reply({"statusCode": "409", "error": "Duplicate", "message": "The resource already exists"}, 400),
            ],
        },
        max_retries=1,
    ),
]

REPLY_SCENARIOS = [*EVENT_REPLIES, *UPLOAD_URL_REPLIES, *PUT_REPLIES, *LOWER_LEVEL_REPLIES, *RETRIES]
