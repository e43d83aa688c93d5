"""Which requests belong together: the upload URL, the PUTs and the event of one send, found in the journal alone.

An upload is the requests for one asset id, from the one that asked for its URL on; what was asked for in vain counts as
its earlier attempts. An event takes the uploads whose asset ids its body names, whether it is accepted or not. Events
under one idempotency key are one send, and one that is refused because its key was used for another is a send of its
own. Uploads that no event has taken are a send of their own for each tenant and burst, until one does. A request whose
tenant is not known, for a fault struck it unseen, belongs to whoever repeats it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar
from urllib.parse import unquote

from flowflex_testing.engine.journal import RecordedRequest
from flowflex_testing.engine.messages import Abort, Reply

State = Literal["delivered", "failed-run", "refused", "interrupted", "uploading"]
Mark = Literal["retry", "replay", "overwrite"]

# Uploads with a longer pause between them are two bursts; in seconds of the fake's clock.
BURST_PAUSE = 60.0

# What accepts an event: a replay has no effect, and may carry another event where the key alone is compared.
_ACCEPTED = ("event.accepted", "event.run-failed")
# What refuses a request whose key was used for another one.
_KEY_REUSED = ("event.key-reused", "event.key-reused-400")

_ASSET_ID = re.compile(rb"asset_[A-Za-z0-9]{8,}")


@dataclass(frozen=True, slots=True)
class Send:
    """One send, as far as it has come.

    Attributes:
        tenant: The name of the tenant; None where no valid credentials told it.
        requests: Its requests, in the order of arrival.
        event: The request for its event that was accepted, the last one where none was; None where none came yet.
        event_id: The event that was accepted.
        key: The idempotency key of its event.
        state: `delivered`; `failed-run` where it was accepted and its run failed; `refused` and `interrupted` where
            its last request was, and `uploading` otherwise.
        asset_ids: What it has uploaded, in the order of their URLs.
        named_ids: The asset ids in the body of `event`.
        marks: The number of a request to what it repeats: `retry` is another attempt, `replay` was answered from the
            idempotency key, `overwrite` put a file a second time.
    """

    tenant: str | None
    requests: tuple[RecordedRequest, ...]
    event: RecordedRequest | None
    event_id: str | None
    key: str | None
    state: State
    asset_ids: tuple[str, ...]
    named_ids: tuple[str, ...]
    marks: dict[int, Mark]

    @property
    def id(self) -> str:
        """A name that stays while the send grows."""
        return f"send-{self.requests[0].number}"


@dataclass(slots=True)
class _Upload:
    """The requests for one file. `asset_ids` are several where a reply with one was lost."""

    tenant: str | None
    requests: list[RecordedRequest] = field(default_factory=list[RecordedRequest])
    asset_ids: list[str] = field(default_factory=list[str])
    is_taken: bool = False


@dataclass(slots=True)
class _Event:
    """The requests for one event, and the uploads that it has taken."""

    tenant: str | None
    key: str | None
    requests: list[RecordedRequest] = field(default_factory=list[RecordedRequest])
    uploads: list[_Upload] = field(default_factory=list[_Upload])
    event_id: str | None = None
    shown: RecordedRequest | None = None


def group(requests: Iterable[RecordedRequest]) -> list[Send]:
    """Group the requests of a journal into sends, in the order of their first requests."""
    grouping = _Grouping()
    for request in sorted(requests, key=lambda request: request.number):
        grouping.add(request)
    return grouping.sends()


class _Grouping:
    def __init__(self) -> None:
        self._uploads: list[_Upload] = []
        self._upload_by_asset: dict[str, _Upload] = {}
        # What was declared in vain: the next such declaration is another attempt.
        self._in_vain: dict[bytes, list[_Upload]] = {}
        self._events: list[_Event] = []
        self._events_by_key: dict[str, list[_Event]] = {}
        self._marks: dict[int, Mark] = {}

    def add(self, request: RecordedRequest) -> None:
        if request.operation == "upload-url":
            self._add_upload_url(request)
        elif request.operation == "put":
            self._add_put(request)
        elif request.operation == "event":
            self._add_event(request)

    def sends(self) -> list[Send]:
        sends = [self._send(event.tenant, event, event.uploads) for event in self._events]
        sends += [self._send(burst[0].tenant, None, burst) for burst in self._bursts()]
        return sorted(sends, key=lambda send: send.requests[0].number)

    def _add_upload_url(self, request: RecordedRequest) -> None:
        in_vain = self._in_vain.setdefault(request.body, []) if request.body else []
        upload = _of_tenant(in_vain, request.tenant)
        if upload is None:
            upload = self._new_upload(request.tenant)
        else:
            in_vain.remove(upload)
            self._marks[request.number] = "retry"
        upload.requests.append(request)
        if request.asset_id is not None:
            self._name(upload, request.asset_id)
        if request.reply is not None and not _arrived(request.reply):
            in_vain.append(upload)

    def _add_put(self, request: RecordedRequest) -> None:
        tenant, asset_id = _place(request)
        upload = self._upload_by_asset.get(asset_id)
        if upload is None:
            upload = self._new_upload(tenant)
            self._name(upload, asset_id)
        if request.rule == "put.overwrite":
            self._marks[request.number] = "overwrite"
        elif any(earlier.operation == "put" for earlier in upload.requests):
            self._marks[request.number] = "retry"
        upload.requests.append(request)

    def _add_event(self, request: RecordedRequest) -> None:
        key = request.header("x-idempotency-key")
        under_key = [] if key is None else self._events_by_key.setdefault(key, [])
        is_reuse = request.rule in _KEY_REUSED
        event = None if is_reuse else _of_tenant(under_key, request.tenant)
        if event is None or _is_another(request, event):
            event = _Event(request.tenant, key)
            self._events.append(event)
            if not is_reuse:  # what comes under its key is of the event that has the key
                under_key.append(event)
        if request.rule == "event.replay":
            self._marks[request.number] = "replay"
        elif event.requests:
            self._marks[request.number] = "retry"
        event.requests.append(request)
        event.event_id = request.event_id or event.event_id
        if event.shown is None or event.shown.rule not in _ACCEPTED:
            event.shown = request
        for asset_id in _named_ids(request):
            upload = self._upload_by_asset.get(asset_id)
            if upload is not None and not upload.is_taken and request.tenant in (None, upload.tenant):
                upload.is_taken = True
                event.uploads.append(upload)

    def _new_upload(self, tenant: str | None) -> _Upload:
        upload = _Upload(tenant)
        self._uploads.append(upload)
        return upload

    def _name(self, upload: _Upload, asset_id: str) -> None:
        upload.asset_ids.append(asset_id)
        self._upload_by_asset[asset_id] = upload

    def _bursts(self) -> Iterable[list[_Upload]]:
        bursts: dict[str | None, list[_Upload]] = {}
        for upload in self._uploads:
            if upload.is_taken:
                continue
            burst = bursts.get(upload.tenant)
            if burst is not None and upload.requests[0].at - burst[-1].requests[-1].at <= BURST_PAUSE:
                burst.append(upload)
                continue
            if burst is not None:
                yield burst
            bursts[upload.tenant] = [upload]
        yield from bursts.values()

    def _send(self, tenant: str | None, event: _Event | None, uploads: Sequence[_Upload]) -> Send:
        requests = [request for upload in uploads for request in upload.requests]
        requests += event.requests if event is not None else []
        requests.sort(key=lambda request: request.number)
        shown = event.shown if event is not None else None
        return Send(
            tenant,
            tuple(requests),
            shown,
            event.event_id if event is not None else None,
            event.key if event is not None else None,
            _state(event, uploads),
            tuple(asset_id for upload in uploads for asset_id in upload.asset_ids),
            () if shown is None else _named_ids(shown),
            {request.number: mark for request in requests if (mark := self._marks.get(request.number)) is not None},
        )


_Part = TypeVar("_Part", _Upload, _Event)


def _of_tenant(parts: Iterable[_Part], tenant: str | None) -> _Part | None:
    """Return the last part that can be of a tenant, and is of it from now on."""
    last = None
    for part in parts:
        if tenant is None or part.tenant in (None, tenant):
            last = part
    if last is not None:
        last.tenant = last.tenant or tenant
    return last


def _arrived(reply: Reply | Abort) -> bool:
    """Tell whether its sender got what it asked for."""
    return isinstance(reply, Reply) and reply.status < 300


def _is_interrupted(request: RecordedRequest) -> bool:
    """Tell whether it had no answer, or a fault's in place of FlowFlex's, which is no refusal."""
    is_error = request.status is None or request.status >= 400
    return isinstance(request.reply, Abort) or (request.fault is not None and not request.code and is_error)


def _place(request: RecordedRequest) -> tuple[str | None, str]:
    """Read the tenant and the asset id of a PUT off its path: a refused one belongs to nobody by the journal."""
    if request.asset_id is not None:
        return request.tenant, request.asset_id
    names = request.target.partition("?")[0].split("/")
    tenant, asset_id = (*names[2:4], "", "")[:2]
    return unquote(tenant) or None, asset_id


def _named_ids(request: RecordedRequest) -> tuple[str, ...]:
    """Return the asset ids in the body of an event."""
    return tuple(asset_id.decode() for asset_id in _ASSET_ID.findall(request.body))


def _is_another(request: RecordedRequest, event: _Event) -> bool:
    """Tell whether the key was forgotten in between, and has a new event now."""
    return request.event_id is not None and event.event_id not in (None, request.event_id)


def _state(event: _Event | None, uploads: Sequence[_Upload]) -> State:
    if event is not None and event.event_id is not None:
        return "failed-run" if any(request.rule == "event.run-failed" for request in event.requests) else "delivered"
    lasts = [event.requests[-1]] if event is not None else [upload.requests[-1] for upload in uploads]
    if any(_is_interrupted(last) for last in lasts):
        return "interrupted"
    if any(last.status is not None and last.status >= 400 for last in lasts):
        return "refused"
    return "uploading"
