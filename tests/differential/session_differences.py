"""Permitted differences of our sync client over a session of the caller's, where they are not those of the other two.

What the caller's session does to URLs and replies beneath us, we cannot undo.
"""

from tests.differential.shapes import SEND, STORED, UNKNOWN, UPLOAD, Permitted, outcome, stops

SESSION: Permitted = {
    "The session decides about proxies, as its owner wants.": {"ambient: proxy": {}},
    "http.client, beneath every requests.Session, takes a broken head for a short one.": {
        "event: header without a colon": {},
        "event: length that is no number": {},
        "event: reply cut in its head": {},
        "put: length that is no number": {},
        "put: reply cut in its head": {},
        "upload-url: length that is no number": outcome("TypeError", "FlowFlexError 200"),
        "upload-url: reply cut in its head": outcome("TypeError", "FlowFlexError 200"),
    },
    "http.client takes an interim reply for the last; for us that is no success.": {
        "event: 103 before the answer": outcome("ok", f"{UNKNOWN} 103"),
        "put: 103 before the answer": stops("ok", f"{UPLOAD} 103", SEND, STORED),
    },
    "urllib3 rewrites the hex digits of an escape, and escapes what it thinks must be.": {
        "upload-url: uploadUrl with escapes": {
            "requests": (
                ["upload-url", "PUT /bucket/~a%2FbA?s=a%2Fb~%20+c", "event"],
                ["upload-url", "PUT /bucket/%7Ea%2Fb%41?s=a%2Fb%7E%20+c", "event"],
            )
        },
        "upload-url: uploadUrl with odd query marks": {},
    },
}
