"""Requests and sends as the inspector shows them: plain JSON values, in which no secret stands."""

from collections.abc import Callable, Iterator
from typing import Any

from flowflex_core.payload import payload_path
from flowflex_testing.engine.api import DECODER
from flowflex_testing.engine.expiries import FILE_LIFETIME, URL_LIFETIME
from flowflex_testing.engine.journal import RecordedRequest
from flowflex_testing.engine.messages import Abort, Reply
from flowflex_testing.engine.spool import Spool
from flowflex_testing.engine.store import Store, Tenant, Upload
from flowflex_testing.inspector.curl import curl_command
from flowflex_testing.inspector.sends import Mark, Send
from flowflex_testing.masking import Masking
from flowflex_testing.rules import RULES
from flowflex_testing.timeline import filename_of, sentence_of_reply

# A file deeper in a payload than FlowFlex reads is not looked for.
_MAX_DEPTH = 64

_Trail = tuple[Any, str | int] | None


class Presentation:
    """Shows what stands in one store.

    Args:
        store: Whose journal is shown.
        base_url: Where clients find the API; the curl commands lead there.
    """

    def __init__(self, store: Store, base_url: str) -> None:
        self._store = store
        self._base_url = base_url
        self.masking = masking_of(store)

    def request(self, request: RecordedRequest, mark: Mark | None) -> dict[str, Any]:
        """Return one request, with `mark` for what it repeats."""
        text = self.masking.text
        is_api = request.origin == "api"
        shown = {
            "number": request.number,
            "at": request.at,
            "arrived": None if _is_restored(request) else request.arrived,
            "took": None if request.ended is None else request.ended - request.arrived,
            "tenant": request.tenant,
            "origin": request.origin,
            "operation": request.operation,
            "method": text(request.method),
            "target": self.masking.target(request.target),
            "filename": _optional(text, filename_of(request)),
            "headers": self.masking.headers(request.headers),
            "body": self._text(request.body) if is_api else None,
            "received": request.received,
            "status": request.status,
            "code": request.code,
            "rule": _rule(request.rule),
            "said": _optional(text, sentence_of_reply(request)) if request.code else None,
            "fault": _optional(text, request.fault),
            "reply": self._reply(request.reply),
            "assetId": request.asset_id,
            "eventId": request.event_id,
            "mark": mark,
        }
        return {**shown, "curl": curl_command(shown, self._base_url)}

    def send(self, send: Send) -> dict[str, Any]:
        """Return one send, with its files."""
        event = send.event
        name = None if event is None else event.header("x-event")
        text = "" if event is None else self._text(event.body)
        payload = _payload(text)
        return {
            "id": send.id,
            # The path of a refused PUT may name any.
            "tenant": send.tenant if send.tenant in self._store.tenants else None,
            "event": _optional(self.masking.text, name),
            "key": _optional(self.masking.text, send.key),
            "eventId": send.event_id,
            "state": send.state,
            "at": send.requests[0].at,
            "until": send.requests[-1].at,
            "requests": [request.number for request in send.requests],
            "retries": list(send.marks.values()).count("retry"),
            "replays": list(send.marks.values()).count("replay"),
            # As it was written: the values that a browser makes of it have lost the spelling of numbers.
            "payload": None if payload is None else text,
            "files": list(self._files(send, payload)),
        }

    def _text(self, body: bytes) -> str:
        return self.masking.text(body.decode("utf-8", "replace"))

    def _files(self, send: Send, payload: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
        tenant = self._store.tenants.get(send.tenant or "")
        if tenant is None:
            return
        uploads = tenant.uploads
        places = [(path, asset_id) for path, asset_id in _strings(payload, None, 1) if asset_id in uploads]
        named = {asset_id for _, asset_id in places}
        places += [(None, asset_id) for asset_id in send.asset_ids if asset_id in uploads and asset_id not in named]
        for path, asset_id in places:
            yield self._file(tenant, uploads[asset_id], path)

    def _file(self, tenant: Tenant, upload: Upload, path: str | None) -> dict[str, Any]:
        asset = tenant.assets.get(upload.asset_id)
        return {
            "path": path,
            "assetId": upload.asset_id,
            "filename": upload.filename,
            "mime": upload.mime,
            "size": upload.size if asset is None else asset.size,
            "stored": asset is not None,
            "expiresAt": upload.issued_at + URL_LIFETIME if asset is None else asset.stored_at + FILE_LIFETIME,
            "kept": asset is not None and is_kept(self._store.spool, asset.id, asset.sha256),
        }

    def _reply(self, reply: Reply | Abort | None) -> dict[str, Any] | None:
        if reply is None:
            return None
        if isinstance(reply, Abort):
            return {"abort": "reset" if reply.reset else "end"}
        return {
            "status": reply.status,
            "headers": self.masking.headers(reply.headers),
            "body": self._text(reply.body),
        }


def masking_of(store: Store) -> Masking:
    """Return a masking of all that is secret in a store."""
    credentials = [
        word
        for tenant in list(store.tenants.values())
        for word in (tenant.api_key, tenant.api_secret, tenant.authorization.removeprefix("Basic "))
    ]
    return Masking(credentials, store.tokens)


def is_kept(spool: Spool | None, asset_id: str, sha256: str) -> bool:
    """Tell whether all of a file is on disk."""
    return spool is not None and spool.path(asset_id, sha256) is not None


def _payload(text: str) -> dict[str, Any] | None:
    """Read a payload; None where it is no JSON object, or none that other languages can read."""
    try:
        payload = DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
    return payload if isinstance(payload, dict) else None


def _optional(change: Callable[[str], str], text: str | None) -> str | None:
    return None if text is None else change(text)


def _is_restored(request: RecordedRequest) -> bool:
    """Tell whether it came to an earlier process, whose real clock was another one."""
    return request.reply is not None and request.ended is None


def _rule(rule_id: str | None) -> dict[str, str] | None:
    if rule_id is None:
        return None
    rule = RULES[rule_id]
    return {"id": rule.id, "sentence": rule.sentence, "provenance": rule.provenance, "reason": rule.reason}


def _strings(value: Any, trail: _Trail, depth: int) -> Iterator[tuple[str | None, str]]:
    """Yield each string of a payload, after its path."""
    if isinstance(value, str):
        yield payload_path(trail), value
    if not isinstance(value, dict | list) or depth > _MAX_DEPTH:
        return
    for key, child in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _strings(child, (trail, key), depth + 1)
