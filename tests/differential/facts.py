"""What is compared: the facts of a run, on the wire and in the outcome, and in what two runs differ.

A fact has a name (`outcome`, `event x-event`, `PUT /bucket/asset_apdf1 body`) and a plain value that holds nothing
which no two runs share: no port, no automatic key.
"""

import json
import traceback
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from tests.differential.recording import UPLOAD_SIGNATURE, UPLOAD_TOKEN, Recorded, RecordingServer

Facts = dict[str, Any]
Differences = dict[str, tuple[Any, Any]]

_LEGS = ("upload-url", "put", "event", "elsewhere")
_HEADERS = ("authorization", "content-type", "cookie", "x-event", "x-idempotency-key")
_VENDOR_ERRORS = ("FlowFlexError", "FlowFlexConfigError", "FlowFlexUploadError")


def outcome(
    results: Sequence[Any], error: Exception | None, server: RecordingServer, options: Mapping[str, Any]
) -> Facts:
    """State what the caller got: results, or an error by class, status, code and details, and secrets in its text."""
    if error is None:
        return {"outcome": "ok", "results": [_result(result, server) for result in results], "leaks": []}
    status, code, details = (getattr(error, name, None) for name in ("status", "code", "details"))
    shown = "".join(traceback.format_exception(error)) + repr(details)
    return {
        "outcome": " ".join(str(part) for part in (type(error).__name__, status, code) if part is not None),
        "kinds": [kind.__name__ for kind in type(error).__mro__],
        "details": _short(details),
        "leaks": [name for name, secret in _secrets(options).items() if secret in shown],
    }


def wire(server: RecordingServer, keys: Sequence[str]) -> Facts:
    """State what reached the server; `keys` are the idempotency keys that the caller gave."""
    # Uploads are on their way at the same time, so they stand in the order of their content; events as they came.
    arranged = sorted(
        server.requests,
        key=lambda request: (
            _LEGS.index(request.leg),
            () if request.leg == "event" else (request.target, request.body),
        ),
    )
    names = [_name(request, server) for request in arranged]
    generated: list[str] = []
    facts: Facts = {"requests": names}
    for number, (name, request) in enumerate(zip(names, arranged, strict=True)):
        earlier = names[:number].count(name)
        if earlier:
            name = f"{name} {earlier + 1}"
        for header in _HEADERS:
            facts[f"{name} {header}"] = request.headers.get(header)
        key = request.headers.get("x-idempotency-key")
        if key is not None and key not in keys:
            if key not in generated:
                generated.append(key)
            facts[f"{name} x-idempotency-key"] = f"automatic {generated.index(key) + 1}"
        facts[f"{name} body"] = request.body if request.leg == "put" else _parsed(request.body)
    return facts


def differing(vendor: Facts, ours: Facts) -> Differences:
    """Return every fact that differs, as (vendor's, ours).

    Three things are no differences: an error of ours that is a subclass of the vendor's, with the same status and
    code; a `size` that ours declare where the vendor does not know it, as long as it is the true one; and the facts
    of a request that only one of the two made, which `requests` tells.
    """
    names = [name for name in vendor if name in ours and name not in ("kinds", "results", "details")]
    found = {name: (vendor[name], ours[name]) for name in names if not _same(vendor[name], ours[name])}
    if "outcome" in found and _is_of_the_vendors_class(vendor, ours):
        del found["outcome"]
    if "outcome" not in found:
        for name in ("results", "details"):
            if not _same(vendor.get(name), ours.get(name)):
                found[name] = (vendor.get(name), ours.get(name))
    sizes = {len(body) for name, body in ours.items() if name.startswith("PUT ") and name.endswith(" body")}
    return {name: pair for name, pair in found.items() if not _only_adds_size(name, *pair, sizes)}


def _result(result: Any, server: RecordingServer) -> Any:
    if hasattr(result, "uploaded_assets"):
        return (_short(result.response), dict(result.uploaded_assets))
    if isinstance(result, dict):
        return {name: _portless(value, server) for name, value in result.items()}
    return result


def _secrets(options: Mapping[str, Any]) -> Mapping[str, str]:
    key, secret = options.get("api_key"), options.get("api_secret")
    if not (isinstance(key, str) and isinstance(secret, str) and key and secret):
        return {}
    return {
        "api key": key,
        "api secret": secret,
        "basic token": b64encode(f"{key}:{secret}".encode()).decode(),
        "upload signature": UPLOAD_SIGNATURE,
        "upload token": UPLOAD_TOKEN,
    }


def _short(value: Any) -> Any:
    if isinstance(value, str) and len(value) > 200:
        return f"{len(value)} characters: {value[:20]}..."
    return value


def _portless(text: Any, server: RecordingServer) -> Any:
    if isinstance(text, str):
        for place in ("<api>", "<storage>"):
            text = text.replace(server.places[place], place)
    return text


def _name(request: Recorded, server: RecordingServer) -> str:
    name = f"{request.method} {_portless(request.target, server)}".replace(f"?token={UPLOAD_SIGNATURE}", "")
    usual = {"POST /v1/assets/upload-url": "upload-url", "POST /v1/events/ic_abc123": "event"}
    return usual.get(name, name)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    # In JSON, 1 is neither true nor 1.0; and a NaN that was read is the same as another.
    return type(one) is type(other) and (one == other or one != one)


def _is_of_the_vendors_class(vendor: Facts, ours: Facts) -> bool:
    name, *told = vendor["outcome"].split(" ")
    return name in _VENDOR_ERRORS and name in ours.get("kinds", ()) and told == ours["outcome"].split(" ")[1:]


def _only_adds_size(name: str, vendors: Any, ours: Any, sizes: set[int]) -> bool:
    if not (name.startswith("upload-url") and name.endswith(" body")) or "size" in vendors or "size" not in ours:
        return False
    # Where nothing was put, there is nothing to hold the size against.
    return _same({**vendors, "size": ours["size"]}, ours) and (not sizes or ours["size"] in sizes)
