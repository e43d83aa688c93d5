"""Replies that several legs may give: errors in every shape, diversions, and a network that breaks."""

from tests.differential.recording import (
    DROPPED,
    UPLOAD_SIGNATURE,
    Reply,
    json_reply,
    text_reply,
)

HTML = "<!doctype html><title>Sign in</title>"
XML = f"<Error><Code>AccessDenied</Code><StringToSign>{UPLOAD_SIGNATURE}</StringToSign></Error>"
ACCEPTED = {"status": "accepted", "eventId": "evt_1"}


def error(status: int, code: str) -> Reply:
    """Answer with an error as the API words it."""
    return json_reply({"error": f"Refused with {code}", "code": code}, status)


# Errors that either API leg may answer with.
ERRORS: dict[str, Reply | list[Reply]] = {
    "400": error(400, "MIME_NOT_ALLOWED"),
    "401": error(401, "UNAUTHORIZED"),
    "403": error(403, "FORBIDDEN"),
    "404": error(404, "INTEGRATION_NOT_FOUND"),
    "409": error(409, "CONFLICT"),
    "413": error(413, "FILE_TOO_LARGE"),
    "422": error(422, "ASSET_FILE_MISSING"),
    "429": error(429, "RATE_LIMITED"),
    "500": error(500, "INTERNAL"),
    "503": error(503, "UNAVAILABLE"),
    "error as message and name": json_reply({"message": "A sentence", "name": "A_NAME"}, 400),
    "error with both spellings": json_reply({"error": "E", "message": "M", "code": "C", "name": "N"}, 400),
    "error with empty spellings": json_reply({"error": "", "message": "M", "code": "", "name": "N"}, 400),
    "error with details": json_reply({"error": "E", "code": "C", "details": {"field": ["a"]}, "requestId": "r"}, 400),
    "error object": json_reply({"error": {"message": "A sentence", "code": "A_CODE"}}, 400),
    "error as a number": json_reply({"error": 7, "code": 8}, 400),
    "error as a list": json_reply(["A sentence"], 400),
    "error as a JSON string": json_reply("A sentence", 400),
    "error as JSON null": json_reply(None, 400),
    "error as problem+json": json_reply(
        {"title": "A title", "detail": "A sentence", "code": "A_CODE"}, 400, "application/problem+json"
    ),
    "error as JSON with a charset": json_reply({"error": "É", "code": "C"}, 400, "application/json; charset=utf-8"),
    "error as JSON of an upper-case type": json_reply({"error": "E", "code": "C"}, 400, "Application/JSON"),
    "error as JSON of no type": Reply(400, b'{"error": "E", "code": "C"}'),
    "error as text": text_reply("Refused", 400),
    "error as HTML": text_reply(HTML, 502, "text/html"),
    "error as broken JSON": text_reply('{"error": "E', 400, "application/json"),
    "error as JSON too deep to read": text_reply("[" * 100_000, 400, "application/json"),
    "error without a body": Reply(400),
    "error of two megabytes": text_reply("x" * 2_000_000, 400),
    "error that echoes the credentials": json_reply(
        {"error": "Bad credentials cik_differential:s3cret-differential", "code": "C"}, 401
    ),
}

# Replies to either API leg that are neither a success nor an error.
DIVERSIONS: dict[str, Reply | list[Reply]] = {
    **{f"{status}": Reply(status, headers=(("Location", "<api>/landed"),)) for status in (301, 302, 303, 307, 308)},
    "302 to the other origin": Reply(302, headers=(("Location", "<storage>/landed"),)),
    "302 to nowhere": Reply(302),
    "300": json_reply({"choices": []}, 300),
    "304": Reply(304),
}

# A network that fails: nothing definite comes back.
BREAKS: dict[str, Reply | list[Reply]] = {
    "dropped": DROPPED,
    "reply cut in its head": Reply(body=b"HTTP/1.1 200 OK\r\nContent-Ty", raw=True, ending="close"),
    "reply cut in its body": Reply(
        body=b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"a',
        raw=True,
        ending="close",
    ),
    "reply cut in a chunk": Reply(
        body=b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{",
        raw=True,
        ending="close",
    ),
    "two lengths": Reply(
        body=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\nqueue", raw=True, ending="close"
    ),
    "length that is no number": Reply(
        body=b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nqueue", raw=True, ending="close"
    ),
    "status that is no number": Reply(body=b"HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n", raw=True, ending="close"),
    "status of four digits": Reply(body=b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", raw=True, ending="close"),
    "status 600": Reply(600),
    "not HTTP": Reply(body=b"SSH-2.0-OpenSSH_9.2\r\n", raw=True, ending="close"),
}
