"""What a server, a proxy or a network may answer to a request of the core: every sort of it, as one table.

Each answer says what it means for the request it answers. That is written down here by hand, from the wire's own
rules, so that it can be held against what the core makes of it.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import chain
from typing import Any

from flowflex_core import MAX_REPLY_BYTES, Failure, FailureKind, Outcome, Request, Response

UPLOAD_URL, PUT, EVENT = "upload-url", "put", "event"
LEGS = (UPLOAD_URL, PUT, EVENT)
OF_THE_API = (UPLOAD_URL, EVENT)

# Stands in every secret: what the core tells must never hold it. The Basic token needs a look of its own.
SECRET = "s3cr3t"

FIRST_MOMENT = 1_700_000_000.0
FIRST_DATE = "Tue, 14 Nov 2023 22:13:20 GMT"


class Effect(Enum):
    """What an answer says of what became of the request, and of identical ones before it."""

    DONE = "it had its effect"
    DONE_BEFORE = "one before it had its effect, if any may have"
    MAYBE = "it may have had its effect"
    NOTHING = "it had none, and of those before it nothing is said"
    NEVER = "neither it nor one before it had any"


@dataclass(frozen=True)
class Answer:
    """One sort of answer: to which legs it may come, what it means, and how it is made for the n-th request."""

    name: str
    legs: tuple[str, ...]
    effect: Effect
    make: Callable[[Request, int], Outcome]

    def __repr__(self) -> str:
        return f"<{self.name}>"


def leg_of(request: Request) -> str:
    """Tell the leg as the other side of the wire sees it."""
    if request.method == "PUT":
        return PUT
    return UPLOAD_URL if request.url.endswith("/v1/assets/upload-url") else EVENT


def say(status: int, body: bytes | str | dict[str, Any] = b"", **headers: str) -> Callable[[Request, int], Response]:
    """Make a reply: a dict goes as JSON, a header's underscores as hyphens."""
    pairs = {name.replace("_", "-"): value for name, value in headers.items()}
    if isinstance(body, dict):
        pairs.setdefault("Content-Type", "application/json")
        body = json.dumps(body)
    content = body if isinstance(body, bytes) else body.encode()
    return lambda request, number: Response(request.id, status, pairs, content)


def fail(kind: FailureKind, message: str, *, sent: bool) -> Callable[[Request, int], Failure]:
    return lambda request, number: Failure(request.id, kind, f"{message} at {request.url}", sent)


def grant(request: Request, number: int, *, token: bool = True) -> Response:
    """Grant an upload URL that no other request is granted."""
    assert isinstance(request.body, bytes)
    granted = {
        "assetId": f"asset_{number:08}",
        "uploadUrl": f"https://storage.example/{number}/file?X-Signature=sign-{SECRET}-{number}&token=tok-{SECRET}",
    }
    if token:
        granted["token"] = f"tok-{SECRET}"
    return Response(request.id, 201 if number % 2 else 200, {"content-type": "application/json"}, _json(granted))


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _xml(code: str, message: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


JSON = {"Content_Type": "application/json"}
TOO_DEEP = b"[" * 70 + b"]" * 70
DEEPER_THAN_THE_STACK = b"[" * 100_000
TOO_LARGE = b'"' + b"x" * MAX_REPLY_BYTES + b'"'
PAGE = "<!DOCTYPE html><html><body>Welcome to the station's network</body></html>"


def _successes() -> Iterator[Answer]:
    yield Answer("granted", (UPLOAD_URL,), Effect.DONE, grant)
    yield Answer("granted, no token", (UPLOAD_URL,), Effect.DONE, lambda r, n: grant(r, n, token=False))
    yield Answer("stored", (PUT,), Effect.DONE, say(200))
    yield Answer("stored, as JSON", (PUT,), Effect.DONE, say(201, {"Key": "uploads/file"}))
    yield Answer("stored, broken JSON", (PUT,), Effect.DONE, say(200, "{", **JSON))
    yield Answer("accepted", (EVENT,), Effect.DONE, say(202, {"status": "accepted", "eventId": "evt_1"}))
    yield Answer("accepted, as text", (EVENT,), Effect.DONE, say(200, "ok", content_type="text/plain"))
    yield Answer("accepted, empty", (EVENT,), Effect.DONE, say(204))
    yield Answer("accepted, odd JSON", (EVENT,), Effect.DONE, say(200, "[1, null]", CONTENT_TYPE="text/x+json; a=b"))


def _no_answers_at_all() -> Iterator[Answer]:
    """Yield successes that nobody at FlowFlex sent, or that nobody can read."""
    yield Answer("a web page", LEGS, Effect.MAYBE, say(200, PAGE, content_type="text/html"))
    yield Answer("a web page as JSON", LEGS, Effect.MAYBE, say(200, PAGE, **JSON))
    yield Answer("broken JSON", OF_THE_API, Effect.MAYBE, say(200, '{"assetId": "as', **JSON))
    yield Answer("not a number", OF_THE_API, Effect.MAYBE, say(200, "[NaN]", **JSON))
    yield Answer("not UTF-8", OF_THE_API, Effect.MAYBE, say(200, b'"\xff"', **JSON))
    yield Answer("too deep", OF_THE_API, Effect.MAYBE, say(200, TOO_DEEP, **JSON))
    yield Answer("deeper than the stack", OF_THE_API, Effect.MAYBE, say(200, DEEPER_THAN_THE_STACK, **JSON))
    yield Answer("too large", OF_THE_API, Effect.MAYBE, say(200, TOO_LARGE, **JSON))
    yield Answer("too large a text", (EVENT,), Effect.MAYBE, say(200, TOO_LARGE, content_type="text/plain"))
    yield Answer("an interim status", LEGS, Effect.MAYBE, say(102))
    yield Answer("no such status", LEGS, Effect.MAYBE, say(999))


def _malformed_grants() -> Iterator[Answer]:
    good: dict[str, Any] = {"assetId": "asset_1", "uploadUrl": f"https://storage.example/?token={SECRET}"}
    for name, body in {
        "no asset id": {"uploadUrl": good["uploadUrl"]},
        "a null asset id": good | {"assetId": None},
        "an empty asset id": good | {"assetId": ""},
        "half a character": good | {"assetId": "\ud800"},
        "no URL": {"assetId": "asset_1"},
        "a URL in clear": good | {"uploadUrl": f"http://storage.example/?token={SECRET}"},
        "a URL with a password": good | {"uploadUrl": f"https://me:{SECRET}@storage.example/"},
        "a URL that is none": good | {"uploadUrl": f"//storage.example\\?{SECRET}"},
        "a number as token": good | {"token": 7},
        "an error in a success": {"error": "no"},
    }.items():
        yield Answer(f"granted with {name}", (UPLOAD_URL,), Effect.NEVER, say(200, body))
    yield Answer("granted as a list", (UPLOAD_URL,), Effect.NEVER, say(200, "[]", **JSON))


def _refusals() -> Iterator[Answer]:
    for status in (301, 302, 303, 307, 308, 304, 300):
        redirect = say(status, location=f"https://elsewhere.example/?token={SECRET}")
        yield Answer(f"{status} redirect", LEGS, Effect.NOTHING, redirect)
    for status, code in ((400, "MIME_NOT_ALLOWED"), (404, "INTEGRATION_NOT_FOUND"), (422, "ASSET_FILE_MISSING")):
        flat = say(status, {"error": "No.", "code": code, "details": {"a": [1]}, "requestId": "req_1"})
        yield Answer(f"{status} {code}", LEGS, Effect.NEVER, flat)
        nested = say(status, {"error": {"message": "No.\nNo.", "code": code}})
        yield Answer(f"{status} {code}, nested", LEGS, Effect.NEVER, nested)
    # Not in FlowFlex's words, so perhaps a proxy's, which knows nothing of earlier attempts.
    for status in (400, 404, 422):
        yield Answer(f"{status} without a code", LEGS, Effect.NOTHING, say(status, "No. " * 2_000))
    yield Answer("413 with a broken body", LEGS, Effect.NOTHING, say(413, "{{{", **JSON))
    yield Answer("405 with a body deeper than the stack", LEGS, Effect.NOTHING, say(405, DEEPER_THAN_THE_STACK, **JSON))
    yield Answer("410 with a body too large", LEGS, Effect.NOTHING, say(410, TOO_LARGE, **JSON))
    used = say(422, {"error": "The key was used before.", "code": "IDEMPOTENCY_KEY_REUSED"})
    yield Answer("422 about the key", (EVENT,), Effect.NOTHING, used)
    # About who asks, or about another attempt: an earlier one may still have arrived.
    for status in (401, 403, 407, 409):
        yield Answer(f"{status}", LEGS, Effect.NOTHING, say(status, {"message": "No.", "name": "NO"}))
    for wait in ("1", "0", "soon", "Wed, 99 Foo 2023"):
        busy = say(409, {"code": "IDEMPOTENCY_IN_PROGRESS"}, retry_after=wait)
        yield Answer(f"409, retry after {wait!r}", LEGS, Effect.MAYBE, busy)


def _of_storage() -> Iterator[Answer]:
    expired = say(403, _xml("AccessDenied", "Request has expired"), content_type="application/xml")
    yield Answer("expired, as S3 says it", (PUT,), Effect.NOTHING, expired)
    expired = say(400, {"statusCode": "400", "error": "InvalidJWT", "message": '"exp" claim timestamp check failed'})
    yield Answer("expired, as Supabase says it", (PUT,), Effect.NOTHING, expired)
    duplicate = say(400, {"statusCode": "409", "error": "Duplicate", "message": "The resource already exists"})
    yield Answer("Duplicate in a 400", (PUT,), Effect.DONE_BEFORE, duplicate)
    yield Answer("Duplicate in a 409", (PUT,), Effect.DONE_BEFORE, say(409, {"error": "Duplicate"}))
    yield Answer("a wrapped 503", (PUT,), Effect.MAYBE, say(400, {"statusCode": "503", "message": "Slow down"}))
    yield Answer("S3's 408", (PUT,), Effect.NOTHING, say(400, _xml("RequestTimeout", "Your socket was idle.")))
    yield Answer("forged", (PUT,), Effect.NOTHING, say(403, _xml("SignatureDoesNotMatch", "Signatures differ.")))


def _not_now() -> Iterator[Answer]:
    for status in (408, 425, 429, 500, 502, 503, 504, 599):
        effect = Effect.MAYBE if status >= 500 else Effect.NOTHING
        yield Answer(f"{status}", LEGS, effect, say(status, PAGE, content_type="text/html"))
        yield Answer(f"{status}, never again", LEGS, effect, say(status, {"error": "No."}, x_should_retry="FALSE"))
    for wait in ("0", "2", "59", "61", "9" * 40, "-1", "1.5", "soon", "", "Fri, 32 Dec 99999 99:99:99 +9999"):
        yield Answer(f"503, retry after {wait!r}", LEGS, Effect.MAYBE, say(503, retry_after=wait))
        yield Answer(f"429, retry after {wait!r}", LEGS, Effect.NOTHING, say(429, Retry_After=wait))
    for date in (
        FIRST_DATE,
        "Tue, 14 Nov 2023 22:14:00 GMT",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 GMT",
    ):
        yield Answer(f"503, retry at {date}", LEGS, Effect.MAYBE, say(503, retry_after=date))
        yield Answer(f"503, retry at {date}, dated", LEGS, Effect.MAYBE, say(503, retry_after=date, date=FIRST_DATE))


def _failures() -> Iterator[Answer]:
    kinds: tuple[FailureKind, ...] = ("connection", "timeout", "tls", "proxy", "protocol")
    for sent in (False, True):
        effect = Effect.MAYBE if sent else Effect.NOTHING
        for kind in kinds:
            yield Answer(f"{kind} failure, sent={sent}", LEGS, effect, fail(kind, "it broke\r\n", sent=sent))
        yield Answer(f"source failure, sent={sent}", (PUT,), effect, fail("source", "the file changed", sent=sent))


def _echoes() -> Iterator[Answer]:
    """Yield replies that repeat to us, wherever there is room, every secret of the request that they answer."""

    def of_the_api(request: Request, number: int) -> Response:
        told = " ".join([*map(str, request.headers.values()), *_credentials(request)])
        body = {"error": f"got {told}", "code": told, "details": {told: [told]}, "requestId": told}
        return Response(request.id, 400, {"content-type": "application/json", "X-Request-Id": told}, _json(body))

    def as_text(request: Request, number: int) -> Response:
        told = f"{request.headers} {_credentials(request)}"
        return Response(request.id, 500, {"content-type": "text/plain", "retry-after": told}, told.encode())

    def of_storage(request: Request, number: int) -> Response:
        query = request.url.partition("?")[2]
        told = f"{request.url} and {query} and {' '.join(query.replace('=', '&').split('&'))}"
        content = _xml(f"Signature{query}", f"{told}</Message><RequestId>{query}</RequestId><StringToSign>{told}")
        return Response(request.id, 403, {"x-amz-request-id": query}, content)

    def of_storage_as_json(request: Request, number: int) -> Response:
        fields = {"statusCode": "404", "error": request.url, "message": f"no object at {request.url}"}
        return Response(request.id, 400, {"content-type": "application/json"}, _json(fields))

    yield Answer("400 with every secret", OF_THE_API, Effect.NEVER, of_the_api)
    yield Answer("500 with every secret", OF_THE_API, Effect.MAYBE, as_text)
    yield Answer("403 with every secret", (PUT,), Effect.NOTHING, of_storage)
    yield Answer("400 with every secret, as JSON", (PUT,), Effect.NEVER, of_storage_as_json)


def _credentials(request: Request) -> tuple[str, ...]:
    token = request.headers["Authorization"].removeprefix("Basic ")
    return token, KEY, CREDENTIAL


KEY = f"key-{SECRET}"
CREDENTIAL = f"secret-{SECRET}/+=%"

SUCCESSES = tuple(_successes())
TROUBLES = {
    "no answer": (*_no_answers_at_all(),),
    "malformed": (*_malformed_grants(),),
    "refused": (*_refusals(),),
    "storage": (*_of_storage(),),
    "not now": (*_not_now(),),
    "failure": (*_failures(),),
    "echo": (*_echoes(),),
}

SUCCESSES_OF = {leg: [answer for answer in SUCCESSES if leg in answer.legs] for leg in LEGS}
# By leg the troubles that may come there, sort by sort.
TROUBLES_OF = {
    leg: [found for answers in TROUBLES.values() if (found := [answer for answer in answers if leg in answer.legs])]
    for leg in LEGS
}


def named(name: str) -> Answer:
    """Return one sort of answer."""
    return next(answer for answer in chain(SUCCESSES, *TROUBLES.values()) if answer.name == name)


def benign(request: Request) -> Answer:
    """Return the answer of a good day."""
    return SUCCESSES_OF[leg_of(request)][0]
