"""The fake as an OpenAPI 3.1 document, made from the rule table: every status and code in it is that of a rule."""

from collections.abc import Iterable
from typing import Any

from flowflex_core.files import ALLOWED_MIMES, MAX_FILE_BYTES
from flowflex_core.version import __version__
from flowflex_testing.engine.api import MAX_FILENAME_BYTES, MAX_HEADER_LENGTH, UPLOAD_URL_PATH
from flowflex_testing.rules import NOT_MODELLED, RULES, Rule

Schema = dict[str, Any]

# Refusals of what is none of the three operations.
BESIDE = ("api.path", "api.method", "storage.path", "storage.private", "storage.method")

# As a header arrives: visible at both ends, without controls, in latin-1.
_HEADER_TEXT: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_HEADER_LENGTH,
    "pattern": "^[!-~\u00a0-\u00ff]([ -~\u00a0-\u00ff]*[!-~\u00a0-\u00ff])?$",
}

_FILENAME: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_FILENAME_BYTES,
    "pattern": "^[^/\\\\\u0000-\u001f\u007f-\u009f]+$",
    "not": {"enum": [".", ".."]},
    "description": f"At most {MAX_FILENAME_BYTES} bytes in UTF-8.",
}

_REPLY_HEADERS: dict[str, Schema] = {
    "Allow": {"type": "string"},
    "ETag": {"type": "string"},
    "Retry-After": {"type": "string", "description": "Seconds, or a date as HTTP writes it."},
    "WWW-Authenticate": {"type": "string"},
    "x-request-id": {"type": "string"},
}


def document(server_url: str, storage_url: str) -> dict[str, Any]:
    """Return the document of a fake whose API and storage are at these origins.

    Its statuses and codes are those of all settings of the switches together.
    """
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {"title": "FlowFlex, as its fake has it", "version": __version__, "description": _description()},
        "servers": [{"url": server_url, "description": "The API"}],
        "security": [{"basic": []}],
        "paths": {
            UPLOAD_URL_PATH: {"post": _upload_url()},
            "/v1/events/{code}": {"post": _event()},
            "/assets/{tenant}/{asset}/{filename}": {
                "servers": [{"url": storage_url, "description": "Storage"}],
                "put": _put(),
            },
        },
        "components": {"securitySchemes": {"basic": {"type": "http", "scheme": "basic"}}},
    }


def _description() -> str:
    lines = ["Made from the rule table of `flowflex_testing`. Beside the operations:", ""]
    lines += [_line(RULES[rule_id]) for rule_id in BESIDE]
    lines += ["", "Not modelled:", "", *(f"- {what}: {note}" for what, note in NOT_MODELLED.items())]
    return "\n".join(lines)


def _upload_url() -> dict[str, Any]:
    declared = {
        "type": "object",
        "required": ["filename", "mime"],
        "properties": {
            "filename": _FILENAME,
            "mime": {"enum": sorted(ALLOWED_MIMES)},
            "size": {"type": "integer", "minimum": 0, "maximum": MAX_FILE_BYTES},
        },
    }
    issued = _object(
        {"assetId": {"type": "string"}, "uploadUrl": {"type": "string", "format": "uri"}, "token": {"type": "string"}}
    )
    return {
        "operationId": "createUploadUrl",
        "summary": "Issue a presigned URL for one file",
        "requestBody": {"required": True, "content": {"application/json": {"schema": declared}}},
        "responses": _responses(_rules("api", "upload-url"), issued),
    }


def _event() -> dict[str, Any]:
    accepted = _object({"status": {"const": "accepted"}, "eventId": {"type": "string"}})
    return {
        "operationId": "sendEvent",
        "summary": "Fire an event",
        "parameters": [
            {"name": "code", "in": "path", "required": True, "schema": {"type": "string"}},
            {"name": "x-event", "in": "header", "required": True, "schema": _HEADER_TEXT},
            {"name": "x-idempotency-key", "in": "header", "required": True, "schema": _HEADER_TEXT},
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
        "responses": _responses(_rules("api", "event"), accepted),
    }


def _put() -> dict[str, Any]:
    rules = _rules("put")
    responses = _responses(rules, None)
    refusals = [rule for rule in rules if rule.code]
    # The dialect `supabase` has one status for all of them.
    wrapped = {"statusCode": {"enum": sorted({str(rule.status) for rule in refusals})}, "error": _codes(refusals)}
    responses["400"]["content"]["application/json"] = {"schema": _object({**wrapped, "message": {"type": "string"}})}
    return {
        "operationId": "putFile",
        "summary": "Store the file; the URL is taken from `uploadUrl` as it is",
        "security": [],
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                for name in ("tenant", "asset", "filename")
            ),
            *(
                {"name": name, "in": "query", "required": True, "schema": {"type": "string"}}
                for name in ("X-Expires", "X-Signature")
            ),
        ],
        "requestBody": {"required": True, "content": {mime: {} for mime in sorted(ALLOWED_MIMES)}},
        "responses": responses,
    }


def _rules(*places: str) -> list[Rule]:
    return [rule for rule in RULES.values() if rule.id.partition(".")[0] in places and rule.id not in BESIDE]


def _responses(rules: Iterable[Rule], success: Schema | None) -> dict[str, Any]:
    by_status: dict[int, list[Rule]] = {}
    for rule in rules:
        by_status.setdefault(rule.status, []).append(rule)
    return {str(status): _response(by_status[status], success) for status in sorted(by_status)}


def _response(rules: list[Rule], success: Schema | None) -> dict[str, Any]:
    headers = sorted({name for rule in rules for name in rule.headers} | {"x-request-id"})
    response: dict[str, Any] = {
        "description": "\n".join(map(_line, rules)),
        "headers": {name: {"schema": _REPLY_HEADERS[name]} for name in headers},
    }
    if rules[0].code:
        in_storage = success is None
        response["content"] = _storage_error(rules) if in_storage else _api_error(rules)
    elif success is not None:
        response["content"] = {"application/json": {"schema": success}}
    return response


def _line(rule: Rule) -> str:
    code = f" {rule.code}" if rule.code else ""
    where = f" Where `{rule.condition}`." if rule.condition else ""
    return f"- `{rule.id}`{code}: {rule.sentence}{where}"


def _api_error(rules: Iterable[Rule]) -> dict[str, Any]:
    shapes = [
        _object(
            {
                sentence: {"type": "string"},
                code: _codes(rules),
                "details": {"type": "object"},
                "requestId": {"type": "string"},
            }
        )
        for sentence, code in (("error", "code"), ("message", "name"))
    ]
    return {"application/json": {"schema": {"oneOf": shapes}}}


def _storage_error(rules: Iterable[Rule]) -> dict[str, Any]:
    elements = {"Code": _codes(rules), "Message": {"type": "string"}, "RequestId": {"type": "string"}}
    schema = {"type": "object", "xml": {"name": "Error"}, "required": [*elements], "properties": elements}
    return {"application/xml": {"schema": schema}}


def _codes(rules: Iterable[Rule]) -> Schema:
    return {"enum": sorted({rule.code for rule in rules})}


def _object(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "required": [*properties], "properties": properties, "additionalProperties": False}
