"""How a refusal looks on the wire: JSON from the API, XML or JSON from storage."""

import json
from collections.abc import Mapping
from html import escape
from typing import Protocol

from flowflex_testing.engine.messages import Headers, Reply
from flowflex_testing.switches import ApiDialect, StorageDialect

JSON: Headers = (("Content-Type", "application/json"),)


class ErrorMaker(Protocol):
    """Makes an error reply in one dialect."""

    def __call__(
        self, status: int, code: str, message: str, request_id: str, details: Mapping[str, object], headers: Headers, /
    ) -> Reply:
        """Return the reply."""
        ...


def _json_reply(status: int, value: object, headers: Headers) -> Reply:
    return Reply(status, JSON + headers, json.dumps(value).encode())


def _error_code(
    status: int, code: str, message: str, request_id: str, details: Mapping[str, object], headers: Headers
) -> Reply:
    body = {"error": message, "code": code, "details": details, "requestId": request_id}
    return _json_reply(status, body, headers)


def _message_name(
    status: int, code: str, message: str, request_id: str, details: Mapping[str, object], headers: Headers
) -> Reply:
    body = {"message": message, "name": code, "details": details, "requestId": request_id}
    return _json_reply(status, body, headers)


def _s3(
    status: int, code: str, message: str, request_id: str, details: Mapping[str, object], headers: Headers
) -> Reply:
    # Like the real one, it repeats the string to sign.
    fields = {"Code": code, "Message": message, **details, "RequestId": request_id}
    elements = "".join(f"<{name}>{escape(str(value), quote=False)}</{name}>" for name, value in fields.items())
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{elements}</Error>'
    return Reply(status, (("Content-Type", "application/xml"), *headers), body.encode())


def _supabase(
    status: int, code: str, message: str, _request_id: str, _details: Mapping[str, object], headers: Headers
) -> Reply:
    # A 4xx is a 400 that carries its true status.
    shown = 400 if status < 500 else status
    return _json_reply(shown, {"statusCode": str(status), "error": code, "message": message}, headers)


API_ERRORS: Mapping[ApiDialect, ErrorMaker] = {"error/code": _error_code, "message/name": _message_name}
STORAGE_ERRORS: Mapping[StorageDialect, ErrorMaker] = {"s3": _s3, "supabase": _supabase}
