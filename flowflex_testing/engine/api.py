"""The two operations of the API: an upload URL is issued, an event is accepted.

The order of the rules is the order in which the code stands: credentials, the head, the body, and only then what the
body means. An answer is stored for its key when nothing can refuse the event any more.
"""

import json
import math
import re
from collections.abc import Iterable
from typing import Any, NoReturn
from urllib.parse import unquote

from flowflex_core.files import ALLOWED_MIMES, MAX_FILE_BYTES
from flowflex_core.payload import payload_path
from flowflex_testing.engine.dialects import JSON
from flowflex_testing.engine.exchange import Exchange
from flowflex_testing.engine.expiries import FILE_LIFETIME, KEY_LIFETIME, URL_LIFETIME
from flowflex_testing.engine.messages import Head, Reply
from flowflex_testing.engine.store import Answer, Asset, Event, Store, Tenant, Upload
from flowflex_testing.faults.plan import ArmedFault
from flowflex_testing.rules import RULES, Refused
from flowflex_testing.switches import RateLimit

UPLOAD_URL_PATH = "/v1/assets/upload-url"
EVENTS_PREFIX = "/v1/events/"

MAX_BODY_BYTES = 1_048_576
MAX_DEPTH = 64
MAX_HEADER_LENGTH = 255
MAX_FILENAME_BYTES = 255

_JSON_TYPE = re.compile(r"application/(?:[\w.+-]+\+)?json\s*(?:;.*)?", re.IGNORECASE | re.ASCII)
_ASSET_ID = re.compile(r"asset_[A-Za-z0-9]{8,}", re.ASCII)

# Where a value stands in the payload: the trail of what it stands in, and its key or index there.
_Trail = tuple[Any, str | int] | None


def _no_such_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError("it has a number that is larger than any can be")
    return number


# What comes out of it can be written as JSON again.
DECODER = json.JSONDecoder(parse_constant=_no_such_constant, parse_float=_finite)


def find_tenant(store: Store, authorization: str | None) -> Tenant | None:
    """Return the tenant whose credentials these are."""
    if authorization is None:
        return None
    tenant = store.tenant_by_authorization.get(authorization)
    if tenant is None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() == "basic":
            tenant = store.tenant_by_authorization.get(f"Basic {token.strip()}")
    return tenant


def admit(store: Store, authorization: str | None) -> Tenant:
    """Return the tenant whose credentials these are, if it may send one more request, or raise `Refused`."""
    tenant = find_tenant(store, authorization)
    if tenant is None:
        words = "There is no Authorization" if authorization is None else "No integration has this API key and secret"
        raise Refused("api.credentials", words, headers=(("WWW-Authenticate", 'Basic realm="FlowFlex"'),))
    if store.switches.rate_limit is not None:
        _hold_to_rate(store, tenant, store.switches.rate_limit)
    return tenant


def _hold_to_rate(store: Store, tenant: Tenant, limit: RateLimit) -> None:
    now = store.clock.now()
    with store.lock:
        if now >= tenant.rate_window_end:
            tenant.rate_window_end, tenant.rate_window_requests = now + limit.seconds, 0
        if tenant.rate_window_requests < limit.requests:
            tenant.rate_window_requests += 1
            return
        end = tenant.rate_window_end
    if limit.retry_after == "date":
        from email.utils import formatdate  # it loads much that a fake without a rate limit never needs

        retry_after = formatdate(math.ceil(end), usegmt=True)
    else:
        retry_after = str(math.ceil(end - now))
    message = f"An integration sends at most {limit.requests} requests in {limit.seconds} seconds"
    raise Refused("api.rate-limit", message, headers=(("Retry-After", retry_after),))


def is_event_path(path: str) -> bool:
    """Tell whether `path` is that of events, whatever the code in it."""
    return path.startswith(EVENTS_PREFIX) and "/" not in path[len(EVENTS_PREFIX) :]


class ApiExchange(Exchange):
    """A POST of JSON to the API. `tenant` is whose credentials it carries, once they have been checked."""

    tenant: Tenant

    def __init__(self, store: Store, head: Head, armed: ArmedFault | None) -> None:
        super().__init__(store, head, armed)
        self._pieces: list[bytes] = []

    def check_head(self) -> None:
        """Check the credentials and the rate, before anything else."""
        self.tenant = admit(self.store, self.fields.get("authorization"))
        self.record.tenant = self.tenant.name

    def check_json_head(self) -> None:
        """Hold the media type and the announced length to their rules."""
        media_type = self.fields.get("content-type", "")
        if media_type != "application/json" and _JSON_TYPE.fullmatch(media_type) is None:
            raise Refused("api.media-type", f"Content-Type is {media_type or 'missing'}, not application/json")
        if self.length is not None and self.length > MAX_BODY_BYTES:
            raise Refused("api.body-size")

    def take(self, data: bytes) -> None:
        """Collect the body."""
        if self.record.received > MAX_BODY_BYTES:
            raise Refused("api.body-size")
        self._pieces.append(data)

    def body(self) -> bytes:
        """Return what has arrived of the body."""
        if len(self._pieces) != 1:
            self._pieces = [b"".join(self._pieces)]
        return self._pieces[0]

    def release(self) -> None:
        """Note the body in the journal, as far as it arrived."""
        self.record.body = self.body()


def parse_json(body: bytes, *, too_deep: str = "api.json") -> object:
    """Read a body as JSON, or raise `Refused`; `too_deep` is the rule for what is nested beyond any parser."""
    try:
        return DECODER.decode(body.decode())
    except RecursionError:
        raise Refused(too_deep) from None
    except ValueError as error:
        raise Refused("api.json", f"The body is not JSON: {error}") from None


class NoEndpointExchange(Exchange):
    """A request to the API that is for neither operation."""

    def check_head(self) -> None:
        """Refuse it; who has no credentials does not learn what there is."""
        admit(self.store, self.fields.get("authorization"))
        path = self.head.target.partition("?")[0]
        if path == UPLOAD_URL_PATH or is_event_path(path):
            raise Refused("api.method", headers=(("Allow", "POST"),))
        raise Refused("api.path", f"There is no {path[:100]} here: it may be the base_url that is wrong")


class UploadUrlExchange(ApiExchange):
    """`POST /v1/assets/upload-url`."""

    operation = "upload-url"

    def check_head(self) -> None:
        """Check credentials and framing."""
        super().check_head()
        self.check_json_head()

    def decide(self) -> Reply:
        """Check the declared file and issue its URL."""
        declared = parse_json(self.body())
        if not isinstance(declared, dict):
            raise Refused("upload-url.object")
        fields: dict[str, Any] = declared
        filename = _checked_filename(fields.get("filename"))
        mime = _checked_mime(fields.get("mime"))
        size = _checked_size(fields["size"]) if "size" in fields else None
        tenant = self.tenant
        with self.store.lock:
            upload = Upload(self.store.new_id("asset"), filename, mime, size, self.store.clock.now())
            self.store.add_upload(tenant, upload)
        self.record.asset_id = upload.asset_id
        url, token = self.store.upload_url(tenant, upload, URL_LIFETIME, self.head.storage_url)
        issued = f'{{"assetId": "{upload.asset_id}", "uploadUrl": {json.dumps(url)}, "token": "{token}"}}'
        return self.accept("upload-url.issued", JSON, issued.encode())


def _checked_filename(filename: object) -> str:
    if not isinstance(filename, str) or not filename:
        raise Refused("upload-url.filename", "filename is missing or empty")
    try:
        length = len(filename.encode())
    except UnicodeEncodeError:
        raise Refused("upload-url.filename", "filename holds half of a surrogate pair") from None
    if length > MAX_FILENAME_BYTES:
        raise Refused("upload-url.filename", f"filename is {length} bytes, over {MAX_FILENAME_BYTES}")
    if "/" in filename or "\\" in filename or filename in (".", ".."):
        raise Refused("upload-url.filename", "filename is a path")
    if _has_control(filename):
        raise Refused("upload-url.filename", "filename holds a control character")
    return filename


def _checked_mime(mime: object) -> str:
    if not isinstance(mime, str):
        raise Refused("upload-url.mime-required")
    if mime not in ALLOWED_MIMES:
        raise Refused("upload-url.mime", f"mime {mime!r} is not allowed", details={"allowed": sorted(ALLOWED_MIMES)})
    return mime


def _checked_size(size: object) -> int:
    if isinstance(size, float) and size.is_integer():
        size = int(size)  # JSON does not tell 4.0 from 4
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise Refused("upload-url.size")
    if size > MAX_FILE_BYTES:
        raise Refused("upload-url.size-limit", f"size is {size} bytes, over {MAX_FILE_BYTES}")
    return size


class EventExchange(ApiExchange):
    """`POST /v1/events/{code}`."""

    operation = "event"

    def __init__(self, store: Store, head: Head, armed: ArmedFault | None) -> None:
        super().__init__(store, head, armed)
        self._name = ""
        self._key: str | None = None
        self._holds_key = False

    def check_head(self) -> None:
        """Check credentials, code, event, key and framing, and take the key."""
        super().check_head()
        tenant = self.tenant
        code = unquote(self.head.target.partition("?")[0].removeprefix(EVENTS_PREFIX))
        if code != tenant.integration_code:
            raise Refused("event.integration", f"There is no integration {code!r}")
        self._name = self._checked_name()
        self._key = self._checked_key()
        self.check_json_head()
        if self._key is not None and "event.key-in-flight" in self.store.enforced:
            with self.store.lock:
                if self._key in tenant.keys_in_flight:
                    raise Refused("event.key-in-flight", headers=(("Retry-After", "1"),))
                tenant.keys_in_flight.add(self._key)
                self._holds_key = True

    def release(self) -> None:
        """Note the body, and give the key back."""
        super().release()
        if self._holds_key and self._key is not None:
            self.tenant.keys_in_flight.discard(self._key)

    def decide(self) -> Reply:
        """Answer from the key's stored answer, or check the payload and accept the event."""
        body = self.body()
        payload = parse_json(body, too_deep="event.depth")
        if not isinstance(payload, dict):
            raise Refused("event.payload")
        tenant = self.tenant
        with self.store.lock:
            answer = self._stored_answer(body)
            if answer is not None:
                self.record.event_id = answer.event_id
                return self.accept("event.replay", JSON, answer.content)
            files, failure = self._files(payload, body)
            now = self.store.clock.now()
            event = Event(self.store.new_id("evt"), self._name, payload, self._key, files, now, failure)
            content = f'{{"status": "accepted", "eventId": "{event.id}"}}'.encode()
            answer = Answer(event.id, self._name, body, content, event.accepted_at)
            self.store.add_event(tenant, event, None if self._key is None else answer)
        self.record.event_id = event.id
        return self.accept("event.run-failed" if failure else "event.accepted", JSON, content)

    def _checked_name(self) -> str:
        name = self.fields.get("x-event")
        if not name:
            raise Refused("event.name-required")
        if len(name) > MAX_HEADER_LENGTH or _has_control(name) or self._is_doubled("x-event"):
            raise Refused("event.name")
        return name

    def _checked_key(self) -> str | None:
        key = self.fields.get("x-idempotency-key")
        if key is None:
            if "event.key-required" in self.store.enforced:
                raise Refused("event.key-required")
            return None
        if not key or len(key) > MAX_HEADER_LENGTH or _has_control(key) or self._is_doubled("x-idempotency-key"):
            raise Refused("event.key")
        return key

    def _is_doubled(self, name: str) -> bool:
        headers = self.head.headers
        return len(self.fields) != len(headers) and sum(key == name for key, _ in headers) > 1

    def _stored_answer(self, body: bytes) -> Answer | None:
        answer = None if self._key is None else self.tenant.answers.get(self._key)
        if answer is None or self.store.clock.now() - answer.stored_at > KEY_LIFETIME:
            return None
        if self.store.switches.key_fingerprint == "key":
            return answer
        reused = "event.key-reused" if "event.key-reused" in self.store.enforced else "event.key-reused-400"
        if answer.event_name != self._name:
            raise Refused(reused, f"The key was used for the event {answer.event_name!r}")
        if answer.body != body:
            raise Refused(reused, "The key was used with another body")
        return answer

    def _files(self, payload: dict[str, Any], body: bytes) -> tuple[dict[str, Asset], str]:
        # Return the files by their paths, and the code with which the run fails for one that is missing.
        #
        # Most events are small and carry no file: neither an asset id nor depth can hide in such a body.
        if b"asset_" not in body and b"\\u" not in body and body.count(b"{") + body.count(b"[") <= MAX_DEPTH:
            return {}, ""
        found: dict[str, Asset | None] = {}
        self._walk(payload, None, 1, found)
        files = {path: asset for path, asset in found.items() if asset is not None}
        return files, "" if len(files) == len(found) else RULES["event.asset-expired"].code

    def _walk(self, value: Any, trail: _Trail, depth: int, found: dict[str, Asset | None]) -> None:
        if isinstance(value, str) and _ASSET_ID.fullmatch(value):
            path = payload_path(trail)
            found[path] = self._asset(value, path)
        if not isinstance(value, dict | list):
            return
        if depth > MAX_DEPTH:
            raise Refused("event.depth")
        children: Iterable[tuple[str | int, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
        for key, child in children:
            self._walk(child, (trail, key), depth + 1, found)

    def _asset(self, asset_id: str, path: str) -> Asset | None:
        # None is a file that is missing, which only the run of the flow will find.
        details = {"assetId": asset_id, "path": path}
        if asset_id not in self.tenant.uploads:
            raise Refused("event.asset-unknown", f"{path}: there is no asset {asset_id}", details=details)
        asset = self.tenant.assets.get(asset_id)
        if asset is not None and self.store.clock.now() - asset.stored_at <= FILE_LIFETIME:
            return asset
        if self.store.switches.missing_file == "failed-run":
            return None
        if asset is None:
            raise Refused("event.asset-never-stored", f"{path}: nothing was uploaded for {asset_id}", details=details)
        message = f"{path}: the file of {asset_id} is older than 48 hours"
        raise Refused("event.asset-expired", message, details=details)


def _has_control(value: str) -> bool:
    """Tell whether `value` holds a control character, C0 or C1."""
    return not (value.isascii() and value.isprintable()) and any(
        ord(character) < 0x20 or 0x7F <= ord(character) <= 0x9F for character in value
    )
