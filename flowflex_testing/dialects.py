"""How a refusal looks on the wire: JSON from the API, XML or JSON from storage."""

import json
from collections.abc import Mapping
from html import escape

from flowflex_testing.messages import Headers, Reply

JSON: Headers = (("Content-Type", "application/json"),)


def _json_reply(status: int, value: object, headers: Headers = ()) -> Reply:
    """Make a reply whose body is `value` as JSON."""
    return Reply(status, JSON + headers, json.dumps(value).encode())


def api_error(
    status: int, code: str, message: str, request_id: str, details: Mapping[str, object], headers: Headers
) -> Reply:
    """Make the error reply of the API."""
    body = {"error": message, "code": code, "details": details, "requestId": request_id}
    return _json_reply(status, body, headers)


def s3_error(
    status: int, code: str, message: str, request_id: str, details: Mapping[str, object], headers: Headers
) -> Reply:
    """Make the error reply of an S3-like storage; like the real one, it repeats the string to sign."""
    fields = {"Code": code, "Message": message, **details, "RequestId": request_id}
    elements = "".join(f"<{name}>{escape(str(value), quote=False)}</{name}>" for name, value in fields.items())
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{elements}</Error>'
    return Reply(status, (("Content-Type", "application/xml"), *headers), body.encode())


def supabase_error(
    status: int, code: str, message: str, _request_id: str, _details: Mapping[str, object], headers: Headers
) -> Reply:
    """Make the error reply of a Supabase-like storage: a 4xx is a 400 that carries its true status."""
    shown = 400 if status < 500 else status
    return _json_reply(shown, {"statusCode": str(status), "error": code, "message": message}, headers)


STORAGE_ERRORS = {"s3": s3_error, "supabase": supabase_error}
