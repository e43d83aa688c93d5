"""Permitted differences in what a caller may say: options, event, key and payload."""

from tests.differential.shapes import ACCEPTED, CONFIG, PUT, SEND, STORED, Permitted, outcome, refused, response, works

CONSTRUCTION: Permitted = {
    "A missing option is a configuration error like a wrong one, not a TypeError: it may be set in the environment.": {
        f"option: {name} left out": outcome("TypeError", CONFIG)
        for name in ("api_key", "api_secret", "integration_code", "base_url")
    },
    "All of 127.0.0.0/8 is loopback, and so is localhost with its final dot: no credential leaves the machine.": {
        "base_url: http to 127.0.0.2": outcome(CONFIG, "ok"),
        "base_url: http to localhost with its final dot": outcome(CONFIG, "ok"),
    },
    "A base_url that parsers read in different ways, or that holds more than an origin and a path, is refused.": {
        f"base_url: {words}": outcome("ok", CONFIG)
        for words in (
            "user and password",
            "query",
            "fragment",
            "blank in the host",
            "blank around it",
            "line break",
            "unicode host",
            "port out of range",
            "port that is no number",
            "dot segment",
        )
    },
    "A trailing /api is stripped however many slashes follow it, as without them.": {
        "base_url: /api//": {
            "requests": (["POST /api/v1/assets/upload-url", PUT, "POST /api/v1/events/ic_abc123"], SEND)
        },
    },
    "An option that cannot work is refused where it is given: by type, by range, and in what a header can carry.": {
        f"option: {words}": outcome("ok", CONFIG)
        for words in (
            "api_key with a colon",
            "api_key with a line break",
            "api_secret with a final line break",
            "api_key of another type",
            "timeout of zero",
            "negative timeout",
            "timeout that is no number",
            "timeout as text",
            "two timeouts",
            "negative file limit",
        )
    },
    "A code that is a dot segment names another endpoint; one with blanks around it or control characters is a slip.": {
        "integration_code: one dot": refused(CONFIG, ["POST /v1/events/"]),
        "integration_code: two dots": refused(CONFIG, ["POST /v1/"]),
        "integration_code: line break": refused(CONFIG, ["POST /v1/events/ic%0D%0Aabc"]),
        "integration_code: blanks around it": refused(CONFIG, ["POST /v1/events/%20ic%20"]),
    },
}

ARGUMENTS: Permitted = {
    "What no header can carry is refused before the first byte is sent, as one kind of error.": {
        "event name: beyond latin-1": outcome("UnicodeEncodeError", CONFIG),
        "event name: beyond latin-1, with a file": refused(CONFIG, STORED, "UnicodeEncodeError"),
        "event name: C1 control character": refused(CONFIG, ["event"]),
        "event name: not a string": outcome("TypeError", CONFIG),
        "key: beyond latin-1": outcome("UnicodeEncodeError", CONFIG),
        "key: C1 control character": refused(CONFIG, ["event"]),
        "key: not a string": outcome("TypeError", CONFIG),
    },
    "An empty key is a slip of the caller's, who believes the send to be safe to repeat.": {
        "key: empty": refused(CONFIG, ["event"]),
    },
    "The payload is an object: the flow reads its fields.": {
        "payload: list": refused(CONFIG, ["event"]),
        "payload: empty list": refused(CONFIG, ["event"]),
        "payload: text": refused(CONFIG, ["event"]),
        "place: the payload itself": outcome("TypeError", CONFIG),
    },
    "Common values are encoded, where the vendor's crashes, with a file after its upload.": {
        **{
            f"payload: {words}": works("TypeError", ["event"])
            for words in ("datetime", "date", "decimal", "uuid", "enum", "dataclass")
        },
        "payload: datetime beside a file": works("TypeError", SEND, STORED),
    },
    "What JSON cannot say, or not every reader can read, is refused with its path before anything is sent.": {
        "payload: 65 deep": refused(CONFIG, ["event"]),
        "payload: 2000 deep": outcome("RecursionError", CONFIG),
        "payload: cycle": outcome("RecursionError", CONFIG),
        "payload: surrogate": refused(CONFIG, ["event"]),
        "payload: bytes": outcome("TypeError", CONFIG),
        "payload: set": outcome("TypeError", CONFIG),
        "payload: unknown type": outcome("TypeError", CONFIG),
        "payload: unknown type beside a file": refused(CONFIG, STORED, "TypeError"),
        "payload: NaN beside a file": {"requests": (STORED, [])},
    },
    "A key that is no string would be turned into one, and may meet another.": {
        "payload: number as key": refused(CONFIG, ["event"]),
        "payload: None as key": refused(CONFIG, ["event"]),
        "payload: keys that collide": refused(CONFIG, ["event"]),
        "payload: tuple as key": outcome("TypeError", CONFIG),
    },
    "What is sent to this machine goes there, not to a proxy, which would see the credentials in clear text.": {
        "ambient: proxy": {
            "requests": (["POST <api>/v1/events/ic_abc123"], ["event"]),
            **response("you should not be here", ACCEPTED),
        },
    },
    "Nothing but what the caller gave takes part: no netrc, no cookie.": {
        "ambient: netrc": {
            f"{request} authorization": ("Basic c29tZWJvZHk6ZWxzZQ==", ours)
            for request, ours in {
                "upload-url": "Basic Y2lrX2RpZmZlcmVudGlhbDpzM2NyZXQtZGlmZmVyZW50aWFs",
                PUT: None,
                "event": "Basic Y2lrX2RpZmZlcmVudGlhbDpzM2NyZXQtZGlmZmVyZW50aWFs",
            }.items()
        },
        "event: cookies": {"event 2 cookie": ("session=1", None)},
    },
}
