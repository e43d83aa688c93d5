"""The one place that knows FlowFlex's paths, header names and JSON fields: builds requests, reads replies.

Reading never raises and never trusts: a reply may come from FlowFlex, from a proxy or from a captive portal, may be
anything, and may repeat our own secrets to us.
"""

import codecs
import json
import re
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii
from typing import Any, Final

from flowflex_core.address import AddressError, parse
from flowflex_core.files import FileRef
from flowflex_core.messages import MAX_REPLY_BYTES, Request, Response, UploadUrl
from flowflex_core.payload import MAX_DEPTH
from flowflex_core.secrets import Mask, secrets_of_url
from flowflex_core.settings import Settings
from flowflex_core.version import __version__

USER_AGENT: Final = f"flowflex-kit/{__version__}"

# What is kept of an error reply, in bytes of JSON or characters of anything else.
MAX_JSON_DETAILS = 65_536
MAX_TEXT_DETAILS = 2_000

# No storage reads a longer request line; and every later reply is searched for its parts.
MAX_UPLOAD_URL = 8_000


# Requests

_OF_THE_API: Final = {
    "Content-Type": "application/json",
    "Accept": "application/json",
    # Without it, a server may send any coding (RFC 9110, section 12.5.3).
    "Accept-Encoding": "identity",
    "User-Agent": USER_AGENT,
}


def upload_url_request(
    settings: Settings, request_id: str, filename: str, mime: str, size: int | None, timeout: float, total: float
) -> Request:
    """Ask for an upload URL."""
    last = "" if size is None else f',"size":{size:d}'
    body = f'{{"filename":{encode_basestring_ascii(filename)},"mime":{encode_basestring_ascii(mime)}{last}}}'
    url = f"{settings.base_url}/v1/assets/upload-url"
    headers = {"Authorization": settings.authorization, **_OF_THE_API}
    return Request(request_id, "POST", url, headers, body.encode(), timeout, total)


def put_request(request_id: str, url: str, ref: FileRef, mime: str, timeout: float, total: float) -> Request:
    """Send a file to storage. No Authorization: the URL carries its own, and storage refuses two."""
    return Request(request_id, "PUT", url, {"Content-Type": mime, "User-Agent": USER_AGENT}, ref, timeout, total)


def event_request(
    settings: Settings, request_id: str, event: str, key: str, body: bytes, timeout: float, total: float
) -> Request:
    """Fire the event."""
    headers = {"Authorization": settings.authorization, **_OF_THE_API, "x-event": event, "x-idempotency-key": key}
    return Request(request_id, "POST", settings.event_url, headers, body, timeout, total)


# Replies that say yes


class UnreadableError(ValueError):
    """Says in a few words why a reply cannot be what FlowFlex would send."""


def read_event_reply(response: Response) -> Any:
    """Return what an accepted event answers: any JSON, plain text, or `""`; raises `UnreadableError`."""
    _refuse_early(response)
    if not response.body:
        return ""
    media_type = _media_type(response)
    if _is_json(media_type):
        return _read_json(response)
    text = _text(response, _content(response))
    # What begins with a tag is no plain text, whatever it says that it is.
    if media_type in _PAGES or text.lstrip().startswith("<"):
        raise UnreadableError(_A_PAGE)
    return text


def read_put_reply(response: Response) -> None:
    """Accept any success of storage but a web page, which a captive portal sends; raises `UnreadableError`."""
    _refuse_early(response)
    _refuse_page(response)


def read_upload_url(response: Response, settings: Settings) -> UploadUrl | str:
    """Return the granted upload URL, or in words what is wrong with it; raises `UnreadableError` for no JSON at all."""
    _refuse_early(response)
    try:
        reply = _read_json(response)
    except UnreadableError:
        _refuse_page(response)
        raise
    if not isinstance(reply, dict):
        return "the reply is not an object"
    asset_id, url, token = reply.get("assetId"), reply.get("uploadUrl"), reply.get("token")
    if not isinstance(asset_id, str) or not asset_id or len(asset_id) > 1_000 or not asset_id.isprintable():
        return "the reply has no assetId that could be one"
    if not isinstance(url, str) or not url:
        return "the reply has no uploadUrl"
    if len(url) > MAX_UPLOAD_URL:
        return f"its uploadUrl is over {MAX_UPLOAD_URL} characters long"
    if token is not None and not isinstance(token, str):
        return "the reply has a token that is not a string"
    try:
        address = parse(url)
    except AddressError as error:
        return f"its uploadUrl {error}"
    if address.scheme != "https" and not (address.is_loopback and settings.is_loopback):
        return f"its uploadUrl is plain http to {address.host}: the file would cross the network in clear text"
    granted = UploadUrl(assetId=asset_id, uploadUrl=url)
    if token is not None:
        granted["token"] = token
    return granted


def secrets_of(granted: UploadUrl) -> set[str]:
    """List what of a granted upload URL nobody else may see."""
    return secrets_of_url(str(granted["uploadUrl"]), granted.get("token"))


def mask_of(settings: Settings, granted: Iterable[UploadUrl]) -> Mask:
    """Return what masks every secret of a run: the credentials, and what of its upload URLs nobody else may see."""
    return settings.mask.also(secret for url in granted for secret in secrets_of(url))


# Replies that say no


@dataclass(frozen=True, slots=True)
class Refusal:
    """What an error reply says, with every secret masked.

    Attributes:
        status: The HTTP status, or the one that storage wrapped in the JSON of a 400.
        sentence: The server's own words, or None.
        code: Its machine-readable code, or None.
        details: The parsed body, or its beginning as text.
        request_id: The server's id of the request, or None.
    """

    status: int
    sentence: str | None
    code: str | None
    details: Any
    request_id: str | None


def read_refusal(response: Response, mask: Mask) -> Refusal:
    """Read an error reply of the API: `error` or `message`, `code` or `name`, flat or as an object."""
    body: Any = None
    # The beginning of a large or foreign body tells as much as all of it.
    details: Any = mask.beginning(_text(response, _body(response)), MAX_TEXT_DETAILS)
    if response.body and _is_json(_media_type(response)):
        with suppress(UnreadableError):
            body = _read_json(response)
            if len(_content(response)) <= MAX_JSON_DETAILS:
                details = mask.value(body)
    if not isinstance(body, dict):
        return Refusal(response.status, None, None, details, _request_id(response, mask))
    fields = body
    for name in ("error", "message"):
        if isinstance(body.get(name), dict):
            fields = {**body, **body[name]}
            break
    sentence = _word(fields.get("error")) or _word(fields.get("message"))
    code = _word(fields.get("code")) or _word(fields.get("name"))
    return Refusal(
        response.status,
        mask.sentence(sentence),
        mask.sentence(code),
        details,
        _request_id(response, mask) or mask.sentence(_word(body.get("requestId"))),
    )


_XML_FIELD = {name: re.compile(rf"<{name}>([^<]*)</{name}>") for name in ("Code", "Message", "RequestId")}


def read_storage_refusal(response: Response, mask: Mask) -> Refusal:
    """Read an error reply of storage to code and message alone: the rest may hold the string that was signed."""
    text = _text(response, _body(response))
    found: dict[str, str | None] = {
        name: match[1] if (match := pattern.search(text)) else None for name, pattern in _XML_FIELD.items()
    }
    code, sentence, status = found["Code"], found["Message"], response.status
    if code is None and sentence is None and text.lstrip()[:1] == "{":
        try:
            body = _read_json(response)
        except UnreadableError:
            body = {}
        code = _word(body.get("error")) or _word(body.get("code"))
        sentence = _word(body.get("message"))
        # Supabase answers 400 and puts the status that it means inside.
        wrapped = str(body.get("statusCode", ""))
        if status == 400 and re.fullmatch(r"[45][0-9][0-9]", wrapped):
            status = int(wrapped)
    sentence, code = mask.sentence(sentence), mask.sentence(code)
    details = {"code": code, "message": sentence}
    return Refusal(
        status,
        sentence,
        code,
        details,
        _request_id(response, mask) or mask.sentence(found["RequestId"]),
    )


def forbids_repeating(response: Response) -> bool:
    """Whether the server says that the request is not to be repeated."""
    return (response.header("x-should-retry") or "").strip().lower() == "false"


# Parts


def _media_type(response: Response) -> str:
    return (response.header("content-type") or "").partition(";")[0].strip().lower()


def _is_json(media_type: str) -> bool:
    return media_type == "application/json" or media_type.endswith("+json")


_PAGES = frozenset({"text/html", "application/xhtml+xml"})
_PAGE = re.compile(r"<(?:!doctype html|html|head|body)\b", re.IGNORECASE)
_A_PAGE = "a web page, as a proxy or a captive portal sends it"


def _refuse_early(response: Response) -> None:
    if response.early:
        raise UnreadableError("one to a request that had not been sent whole")


def _refuse_page(response: Response) -> None:
    # An empty body is no page, though Google's storage calls it one. Others answer in XML, so a tag alone makes none.
    if not response.body:
        return
    if _media_type(response) in _PAGES or _PAGE.search(_text(response, _content(response))[:1_024]):
        raise UnreadableError(_A_PAGE)


def _content(response: Response) -> bytes:
    """Return the body, of bounded size."""
    body = _body(response)
    if len(body) > MAX_REPLY_BYTES:
        raise UnreadableError("a reply that is too large")
    return body


def _body(response: Response) -> bytes:
    """Return the body as it came; gzip that nobody asked for is undone, to one byte more than is taken."""
    body = response.body
    if body[:2] == b"\x1f\x8b":
        with suppress(zlib.error):
            return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(body, MAX_REPLY_BYTES + 1)
    return body


_CHARSET = re.compile(r"charset=[\"']?([\w.-]+)", re.IGNORECASE)
# Besides UTF-8, those that servers still name, in lower case; RFC 9110 has no default.
_CHARSETS = {
    **dict.fromkeys(("iso-8859-1", "latin-1", "latin1", "windows-1252", "cp1252"), "cp1252"),
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
}
# What a text begins with says more about its encoding than a header (WHATWG Encoding, section 6).
_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def _text(response: Response, body: bytes) -> str:
    """Decode text by the mark that it begins with, by the charset that is named, or as UTF-8."""
    named = _CHARSET.search(response.header("content-type") or "")
    charset = _MARKS.get(body[:2]) or _CHARSETS.get(named[1].lower() if named else "", "utf-8-sig")
    # No text holds NUL, but UTF-16 without mark and name does, in the place of half its characters.
    return body.decode(charset, "replace").replace("\0", "")


def _no_constant(name: str) -> Any:
    raise ValueError(name)


# A byte order mark is not JSON, but it is what some servers put before it.
_LEADING = "\ufeff \t\r\n"
_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def _read_json(response: Response) -> Any:
    """Parse JSON of bounded size and depth, or raise `UnreadableError`."""
    body = _content(response)
    try:
        text = body.decode().lstrip(_LEADING)
        value, end = _DECODER.raw_decode(text)
        if end != len(text) and text[end:].strip():
            raise UnreadableError("JSON with something behind it")
    except RecursionError:
        raise UnreadableError("JSON that is nested too deep") from None
    except UnreadableError:
        raise
    except ValueError:
        raise UnreadableError("JSON that is broken") from None
    # Each level takes two characters.
    if len(body) > 2 * MAX_DEPTH and body.count(b"[") + body.count(b"{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise UnreadableError("JSON that is nested too deep")
    return value


def _depth(value: Any) -> int:
    """Count the levels of a parsed value, one level at a time: it may be deeper than the stack."""
    depth = 0
    level = [value]
    while containers := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [child for item in containers for child in (item.values() if isinstance(item, dict) else item)]
    return depth


def _word(value: Any) -> str | None:
    """Return a field that is text or a number as text; None where it is empty or anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value) or None


def _request_id(response: Response, mask: Mask) -> str | None:
    for name in ("x-request-id", "request-id", "x-amz-request-id"):
        value = response.header(name)
        if value:
            return mask.sentence(value)
    return None
