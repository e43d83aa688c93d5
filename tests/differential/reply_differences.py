"""Permitted differences in what a reply means, what is kept of it, and what is repeated."""

from tests.differential.shapes import (
    ACCEPTED,
    PUT,
    SEND,
    STORED,
    UNKNOWN,
    UPLOAD,
    Permitted,
    outcome,
    response,
    stops,
    works,
)

# What the vendor's makes of a redirect: some change the method.
_POST_BECOMES = {301: "GET", 302: "GET", 303: "GET", 307: "POST", 308: "POST"}
_PUT_BECOMES = {301: "PUT", 302: "GET", 303: "GET", 307: "PUT", 308: "PUT"}
REPLIES: Permitted = {
    "Only a 2xx is success, and no redirect is followed: the event would be a GET, the file would not be stored.": {
        **{
            f"event: {status}": stops("ok", f"FlowFlexError {status}", ["event", f"{method} /landed"], ["event"])
            for status, method in _POST_BECOMES.items()
        },
        "event: 302 to the other origin": stops("ok", "FlowFlexError 302", ["event", "GET /landed"], ["event"]),
        "event: 302 to nowhere": outcome("ok", "FlowFlexError 302"),
        "event: status 600": outcome("ok", f"{UNKNOWN} 600"),
        "upload-url: status 600": outcome("TypeError", "FlowFlexError 600"),
        "put: status 600": stops("ok", f"{UPLOAD} 600", SEND, STORED),
        "event: 300": outcome("ok", "FlowFlexError 300"),
        "event: 304": outcome("ok", "FlowFlexError 304"),
        **{
            f"upload-url: {status}": stops(
                "TypeError", f"FlowFlexError {status}", ["upload-url", f"{method} /landed"], ["upload-url"]
            )
            for status, method in _POST_BECOMES.items()
        },
        "upload-url: 302 to the other origin": stops(
            "TypeError", "FlowFlexError 302", ["upload-url", "GET /landed"], ["upload-url"]
        ),
        "upload-url: 302 to nowhere": outcome("TypeError", "FlowFlexError 302"),
        "upload-url: 300": outcome("KeyError", "FlowFlexError 300"),
        "upload-url: 304": outcome("TypeError", "FlowFlexError 304"),
        "upload-url: create_upload_url, 302": stops(
            "ok", "FlowFlexError 302", ["upload-url", "GET /landed"], ["upload-url"]
        ),
        **{
            f"put: {status}": stops("ok", f"{UPLOAD} {status}", [*SEND, f"{method} /landed"], STORED)
            for status, method in _PUT_BECOMES.items()
        },
        "put: 302 to nowhere": stops("ok", f"{UPLOAD} 302", SEND, STORED),
        "put: 304": stops("ok", f"{UPLOAD} 304", SEND, STORED),
        "put: upload_file, 302": stops("ok", f"{UPLOAD} 302", [*STORED, "GET /landed"], STORED),
    },
    "A reply that FlowFlex cannot have sent does not say that the event arrived: the outcome is unknown.": {
        "event: HTML": outcome("ok", f"{UNKNOWN} 200"),
        "event: HTML said to be text": outcome("ok", f"{UNKNOWN} 200"),
        "event: broken JSON": outcome("ok", f"{UNKNOWN} 200"),
        "event: JSON with NaN": outcome("ok", f"{UNKNOWN} 200"),
        "event: JSON of a number of 5000 digits": outcome("ok", f"{UNKNOWN} 200"),
        "event: JSON too deep to read": outcome("RecursionError", f"{UNKNOWN} 200"),
        "event: two megabytes of text": outcome("ok", f"{UNKNOWN} 200"),
        "event: reply cut in its head": outcome("ok", UNKNOWN),
        "put: HTML": stops("ok", f"{UPLOAD} 200", SEND, STORED),
        "event: header without a colon": outcome("ok", UNKNOWN),
        "event: length that is no number": outcome("ok", UNKNOWN),
        "put: length that is no number": stops("ok", "FlowFlexUploadConnectionError", SEND, STORED),
        "put: reply cut in its head": stops("ok", "FlowFlexUploadConnectionError", SEND, STORED),
    },
    "An interim reply is not the answer.": {
        "event: 103 before the answer": outcome("ok", "FlowFlexError 400 C"),
        "put: 103 before the answer": stops("ok", f"{UPLOAD} 500", SEND, STORED),
    },
    "One timeout bounds the whole request, also where a byte comes now and then.": {
        "event: dripping": outcome("ok", UNKNOWN),
    },
    "JSON is told by its media type however that is spelt; other text is UTF-8 unless it says otherwise.": {
        "event: JSON of a vendor's type": response(str(ACCEPTED).replace("'", '"'), ACCEPTED),
        "event: JSON of an upper-case type": response(str(ACCEPTED).replace("'", '"'), ACCEPTED),
        "event: JSON with a byte order mark": response("\ufeff" + str(ACCEPTED).replace("'", '"'), ACCEPTED),
        "event: text in UTF-8 of no charset": response("eingereiht fÃ¼r spÃ¤ter", "eingereiht für später"),
        **{
            f"upload-url: {words}": works("TypeError", SEND, ["upload-url"])
            for words in (
                "JSON of a vendor's type",
                "JSON of an upper-case type",
                "JSON of no type",
                "JSON said to be text",
            )
        },
    },
    "A reply without a usable asset id and upload URL is a clear error, no crash and no event without its file.": {
        "upload-url: no assetId": outcome("KeyError", "FlowFlexError 200"),
        "upload-url: no uploadUrl": outcome("KeyError", "FlowFlexError 200"),
        **{
            f"upload-url: assetId {words}": stops("ok", "FlowFlexError 200", SEND, ["upload-url"])
            for words in ("null", "empty", "as a number")
        },
        **{
            f"upload-url: {words}": outcome("TypeError", "FlowFlexError 200")
            for words in ("list", "null", "empty", "HTML", "broken JSON")
        },
        "upload-url: 204": outcome("TypeError", "FlowFlexError 204"),
        "upload-url: too deep to read": outcome("RecursionError", "FlowFlexError 200"),
        "upload-url: reply cut in its head": outcome("TypeError", "FlowFlexConnectionError"),
        "upload-url: length that is no number": outcome("TypeError", "FlowFlexConnectionError"),
        "upload-url: create_upload_url, no assetId": outcome("ok", "FlowFlexError 200"),
        "upload-url: create_upload_url, HTML": outcome("ok", "FlowFlexError 200"),
        "upload-url: upload_file, no assetId": outcome("KeyError", "FlowFlexError 200"),
    },
    "create_upload_url answers with the three documented fields; what else a reply holds may change any day.": {
        "upload-url: create_upload_url, more fields": {
            "results": (
                [
                    {
                        "assetId": "asset_xpdf1",
                        "uploadUrl": "<storage>/bucket/asset_xpdf1?token=s1gnature",
                        "token": "upl0ad-token",
                        "expiresIn": 7200,
                    }
                ],
                [
                    {
                        "assetId": "asset_xpdf1",
                        "uploadUrl": "<storage>/bucket/asset_xpdf1?token=s1gnature",
                        "token": "upl0ad-token",
                    }
                ],
            )
        },
    },
    "An upload URL is sent byte for byte, for its signature covers that; what cannot be sent so is refused.": {
        "upload-url: uploadUrl with escapes": {
            "requests": (
                ["upload-url", "PUT /bucket/~a%2FbA?s=a%2Fb~%20+c", "event"],
                ["upload-url", "PUT /bucket/%7Ea%2fb%41?s=a%2Fb%7E%20+c", "event"],
            )
        },
        "upload-url: uploadUrl with odd query marks": {
            "requests": (
                ["upload-url", "PUT /bucket/a?b=%5B1%5D&c='2'&d=%7C", "event"],
                ["upload-url", "PUT /bucket/a?b=[1]&c='2'&d=|", "event"],
            )
        },
        **{
            f"upload-url: uploadUrl {words}": stops(
                "ok", "FlowFlexError 200", ["upload-url", put, "event"], ["upload-url"]
            )
            for words, put in {
                "with a line break": "PUT /bucket/a%0D%0AX:%20y",
                "with dot segments": "PUT /bucket/b?token=t",
                "with a blank": "PUT /bucket/a%20b?token=t",
                "in unicode": "PUT /bucket/%C3%A4?token=t",
                "with a fragment": "PUT /bucket/a?token=t",
            }.items()
        },
        **{
            f"upload-url: uploadUrl {words}": outcome(UPLOAD, "FlowFlexError 200")
            for words in ("null", "empty", "relative", "of another scheme", "with a user")
        },
    },
}

_TWO_MEGABYTES = "2000000 characters: xxxxxxxxxxxxxxxxxxxx..."
_STORAGE_DETAILS: dict[str, object] = {"code": None, "message": None}
ERRORS: Permitted = {
    "An error body is read in every documented and common shape, within bounds.": {
        f"{leg}: error {words}": differences
        for leg in ("event", "upload-url")
        for words, differences in {
            "object": outcome("FlowFlexError 400", "FlowFlexError 400 A_CODE"),
            "as problem+json": outcome("FlowFlexError 400", "FlowFlexError 400 A_CODE"),
            "as JSON of an upper-case type": outcome("FlowFlexError 400", "FlowFlexError 400 C"),
            "as JSON too deep to read": outcome("RecursionError", "FlowFlexError 400"),
            "of two megabytes": {"details": (_TWO_MEGABYTES, "2000 characters: xxxxxxxxxxxxxxxxxxxx...")},
        }.items()
    },
    "No secret stands in an error, whoever put it there.": {
        **{
            f"{leg}: error that echoes the credentials": {
                "leaks": (["api key", "api secret"], []),
                "details": (
                    {"error": "Bad credentials cik_differential:s3cret-differential", "code": "C"},
                    {"error": "Bad credentials [secret]:[secret]", "code": "C"},
                ),
            }
            for leg in ("event", "upload-url")
        },
        "upload-url: uploadUrl refused": {"leaks": (["upload signature"], [])},
    },
    "A storage reply is parsed to code and message, and never kept raw: it may hold the string that was signed.": {
        **{
            f"put: {words}": {
                "outcome": (f"{UPLOAD} 403", f"{UPLOAD} 403 AccessDenied"),
                "leaks": (["upload signature"], []),
            }
            for words in ("XML error", "upload_file, XML error")
        },
        "put: XML error of another kind": outcome(f"{UPLOAD} 404", f"{UPLOAD} 404 NoSuchBucket"),
        "put: JSON error": outcome(f"{UPLOAD} 400", f"{UPLOAD} 400 InvalidRequest"),
        "put: duplicate at the first attempt": outcome(f"{UPLOAD} 400", f"{UPLOAD} 400 Duplicate"),
        "put: two megabytes of error": {"details": (_TWO_MEGABYTES, _STORAGE_DETAILS)},
        **{
            f"put: {words}": {"details": ("no", _STORAGE_DETAILS)}
            for words in ("400", "401", "409", "413", "429", "500", "503", "400 that must not be repeated")
        },
    },
    "What is safe to repeat is repeated; an upload whose URL has expired gets a new one.": {
        **{
            f"event: {words}, then accepted": works(vendors, ["event", "event"], ["event"])
            for words, vendors in {
                "503": "FlowFlexError 503",
                "409 with Retry-After": "FlowFlexError 409",
                "dropped": "FlowFlexError",
            }.items()
        },
        "event: HTML, then accepted": {
            "requests": (["event"], ["event", "event"]),
            **response("<!doctype html><title>Sign in</title>", ACCEPTED),
        },
        "upload-url: 503, then granted": works(
            "FlowFlexError 503",
            ["upload-url", "upload-url", "PUT /bucket/asset_invoicepdf2", "event"],
            ["upload-url"],
        ),
        "put: 503, then stored": works(f"{UPLOAD} 503", ["upload-url", PUT, PUT, "event"], STORED),
        "put: lost, then duplicate": works(UPLOAD, ["upload-url", PUT, PUT, "event"], STORED),
        "put: expired, then stored": works(
            f"{UPLOAD} 403",
            ["upload-url", "upload-url", PUT, "PUT /bucket/asset_invoicepdf2", "event"],
            STORED,
        ),
    },
}
