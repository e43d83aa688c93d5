"""What FlowFlex holds: tenants with their uploads, assets, answers and events; and the journal of all requests."""

import base64
import hashlib
import itertools
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from flowflex_testing.clock import Time
from flowflex_testing.engine.expiries import FILE_LIFETIME, URL_LIFETIME, Expiries, Expiry
from flowflex_testing.engine.journal import RecordedRequest
from flowflex_testing.engine.messages import Head
from flowflex_testing.switches import Switches

if TYPE_CHECKING:
    from flowflex_testing.engine.spool import Spool

# As much of each file as is kept beside its digest.
FIRST_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class Upload:
    """A presigned URL that was issued: the file it is for, and when. `size` is None where none was declared."""

    asset_id: str
    filename: str
    mime: str
    size: int | None
    issued_at: float


@dataclass(frozen=True, slots=True)
class Asset:
    """A stored file. Of its content the digest, the size and the first bytes are kept here; a spool has all of it.

    Attributes:
        id: `asset_` and letters and digits.
        filename: As declared.
        mime: As declared.
        size: The number of bytes that arrived.
        sha256: Their digest, in hex.
        first_bytes: At most `FIRST_BYTES` of them.
        stored_at: By the fake's clock.
    """

    id: str
    filename: str
    mime: str
    size: int
    sha256: str
    first_bytes: bytes
    stored_at: float


@dataclass(frozen=True, slots=True)
class Event:
    """An event that was accepted.

    Attributes:
        id: `evt_` and letters and digits.
        name: The value of x-event.
        payload: The JSON, asset ids in the places of files.
        idempotency_key: None where none was sent, which `strict=False` allows.
        files: Payload path, such as `order.receipt` or `gallery[0]`, to the asset whose id stands there.
        accepted_at: By the fake's clock.
        failure: The code with which the run of its flow fails, `ASSET_FILE_MISSING`; empty where no cause is known.
    """

    id: str
    name: str
    payload: dict[str, Any]
    idempotency_key: str | None
    files: Mapping[str, Asset]
    accepted_at: float
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """The content of the answer that is stored for an idempotency key, and the request that it belongs to."""

    event_id: str
    event_name: str
    body: bytes
    content: bytes
    stored_at: float


@dataclass(slots=True)
class Tenant:
    """A custom integration: its credentials, and all that it has sent."""

    name: str
    api_key: str
    api_secret: str = field(repr=False)
    integration_code: str
    uploads: dict[str, Upload] = field(default_factory=dict[str, Upload])
    assets: dict[str, Asset] = field(default_factory=dict[str, Asset])
    answers: dict[str, Answer] = field(default_factory=dict[str, Answer])
    keys_in_flight: set[str] = field(default_factory=set[str])
    events: list[Event] = field(default_factory=list[Event])
    rate_window_end: float = 0.0
    rate_window_requests: int = 0

    @property
    def authorization(self) -> str:
        """The Authorization header that its requests carry."""
        return "Basic " + base64.b64encode(f"{self.api_key}:{self.api_secret}".encode()).decode()


class Repository(Protocol):
    """What outlives a store. It is told of every effect before anybody is answered, and keeps it before it returns."""

    def restore(self, store: "Store") -> None:
        """Put the requests that it keeps and the counts of ids and dropped requests into a new store."""
        ...

    def restore_tenant(self, tenant: Tenant) -> None:
        """Put what a tenant of this name has sent into a new one."""
        ...

    def add_upload(self, tenant: Tenant, upload: Upload, ids_given: int) -> None:
        """Keep an upload URL that is issued."""
        ...

    def add_asset(self, tenant: Tenant, asset: Asset) -> None:
        """Keep a file that is stored, in place of one with its id."""
        ...

    def add_event(self, tenant: Tenant, event: Event, answer: Answer | None, ids_given: int) -> None:
        """Keep an event that is accepted, and the answer for its idempotency key."""
        ...

    def add_request(self, request: RecordedRequest, dropped: int) -> None:
        """Keep a request that has its outcome, and none up to the number `dropped`."""
        ...

    def note_time(self) -> None:
        """Keep what time it is."""
        ...

    def clear(self) -> None:
        """Forget all but the time."""
        ...


class Store:
    """The state of one fake, and the switches that it was made with; an `Occasion` of its clock, for what expires.

    Ids and signatures come from a keyed counter, never from chance, so that the same requests give the same journal.
    Whoever reads and then writes holds `lock`.
    """

    def __init__(
        self,
        tenants: Iterable[Tenant],
        clock: Time,
        switches: Switches,
        storage_url: str,
        spool: "Spool | None" = None,
        repository: Repository | None = None,
        keep_requests: int | None = None,
    ) -> None:
        self.clock = clock
        self.switches = switches
        self.enforced = switches.enforced
        # Where upload URLs point to; the live face sets its own.
        self.storage_url = storage_url
        # Where whole files go; None where nobody asked for them.
        self.spool = spool
        # What keeps all this when the process ends; None where nobody asked for it.
        self.repository = repository
        self.lock = threading.Lock()
        self.expired: list[Expiry] = []
        self._expiries = Expiries()
        clock.attend(self)
        # Of the upload URLs that were issued, so that they can be masked wherever they are shown.
        self.tokens: set[str] = set()
        self.tenants: dict[str, Tenant] = {}
        self.tenant_by_authorization: dict[str, Tenant] = {}
        for tenant in tenants:
            self.add(tenant)
        self.requests: list[RecordedRequest] = []
        # How many of them are kept, the newest ones; None is all.
        self.keep_requests = keep_requests
        # The highest number of those that were dropped for it: how many they are.
        self.dropped = 0
        # Another one whenever a request has arrived or ended: whoever follows the journal looks at it alone.
        self.revision = 0
        self._revisions = itertools.count(1)
        # How many requests and ids have been numbered.
        self._numbers = itertools.count(1)
        self.ids_given = 0
        if repository is not None:
            repository.restore(self)
            last = max((request.number for request in self.requests), default=self.dropped)
            self._numbers = itertools.count(last + 1)

    def add(self, tenant: Tenant) -> None:
        """Take requests of one more tenant."""
        authorization = tenant.authorization
        if authorization in self.tenant_by_authorization:
            raise ValueError(f"tenant {tenant.name!r} has the credentials of another")
        self.tenants[tenant.name] = tenant
        self.tenant_by_authorization[authorization] = tenant
        if self.repository is not None:
            self.repository.restore_tenant(tenant)
            expiries, name = self._expiries, tenant.name
            expiries.restore(
                "upload-url", name, {upload.asset_id: upload.issued_at for upload in tenant.uploads.values()}
            )
            expiries.restore("file", name, {asset.id: asset.stored_at for asset in tenant.assets.values()})
            for upload in tenant.uploads.values():
                self.upload_url(tenant, upload, URL_LIFETIME)  # it notes the token
            expiries.restore("key", name, {key: answer.stored_at for key, answer in tenant.answers.items()})

    def record(self, head: Head, operation: str | None) -> RecordedRequest:
        """Enter a head that has arrived into the journal."""
        request = RecordedRequest(
            next(self._numbers), self.clock.now(), head.origin, operation, head.method, head.target, head.headers
        )
        self.requests.append(request)
        if self.keep_requests is not None:
            with self.lock:
                while len(self.requests) > self.keep_requests:
                    self.dropped = max(self.dropped, self.requests.pop(0).number)
        self.revision = next(self._revisions)
        return request

    def note_end(self, request: RecordedRequest) -> None:
        """Take note that a request in the journal has its outcome."""
        repository = self.repository
        if repository is not None:
            repository.add_request(request, self.dropped)
        self.revision = next(self._revisions)

    def note_time(self) -> None:
        """Take note that the clock was moved."""
        repository = self.repository
        if repository is not None:
            repository.note_time()

    def close(self) -> None:
        """Let nothing expire any more."""
        self.clock.leave(self)

    # Under the lock.

    def new_id(self, prefix: str) -> str:
        """Return a new id: `prefix`, an underscore and 24 hexadecimal digits."""
        self.ids_given += 1
        return f"{prefix}_{hashlib.blake2b(b'%d' % self.ids_given, key=b'ids', digest_size=12).hexdigest()}"

    def add_upload(self, tenant: Tenant, upload: Upload) -> None:
        """Hold an upload URL that is issued."""
        if self.repository is not None:
            self.repository.add_upload(tenant, upload, self.ids_given)
        tenant.uploads[upload.asset_id] = upload
        self._expiries.plan("upload-url", tenant.name, upload.asset_id, upload.issued_at)

    def add_asset(self, tenant: Tenant, asset: Asset) -> None:
        """Hold a file that is stored, in place of one with its id."""
        if self.repository is not None:
            self.repository.add_asset(tenant, asset)
        first = tenant.assets.get(asset.id)
        tenant.assets[asset.id] = asset
        if first is None or first.stored_at != asset.stored_at:
            self._expiries.plan("file", tenant.name, asset.id, asset.stored_at)

    def add_event(self, tenant: Tenant, event: Event, answer: Answer | None) -> None:
        """Hold an event that is accepted, and the answer for its idempotency key."""
        if self.repository is not None:
            self.repository.add_event(tenant, event, answer, self.ids_given)
        tenant.events.append(event)
        if answer is not None and event.idempotency_key is not None:
            tenant.answers[event.idempotency_key] = answer
            self._expiries.plan("key", tenant.name, event.idempotency_key, answer.stored_at)

    # Called by the clock.

    @property
    def moment(self) -> float | None:
        """When the next thing that it holds ends."""
        return self._expiries.moment

    def tell(self) -> str:
        """Say what ends next."""
        return str(self._expiries.next())

    def come(self) -> None:
        """Let the next thing end."""
        expiry = self._expiries.take()
        if expiry.kind == "file":
            with self.lock:
                asset = self.tenants[expiry.tenant].assets[expiry.id]
                if asset.stored_at + FILE_LIFETIME > expiry.at:
                    return  # it was stored anew
                # The bytes of a file go with it.
                if self.spool is not None:
                    self.spool.drop(asset.id, asset.sha256)
        self.expired.append(expiry)

    # Signatures.

    def upload_url(self, tenant: Tenant, upload: Upload, lifetime: int, origin: str | None = None) -> tuple[str, str]:
        """Return the presigned URL for `upload`, at `origin` or else where storage is for everybody, and its token."""
        path = f"/assets/{tenant.name}/{upload.asset_id}/{quote(upload.filename, safe='')}"
        signed = f"{path}?X-Expires={int(upload.issued_at + lifetime)}"
        token = self.signature("PUT", signed, upload.mime)
        self.tokens.add(token)
        # A signature covers the path and the query alone, so that any origin which leads here will do.
        return f"{origin or self.storage_url}{signed}&X-Signature={token}", token

    @staticmethod
    def string_to_sign(method: str, signed_target: str, mime: str) -> str:
        """Return what the signature of a presigned URL is made over."""
        return f"{method}\n{signed_target}\ncontent-type:{mime}"

    def signature(self, method: str, signed_target: str, mime: str) -> str:
        """Sign a method, a target up to its signature, and a content type."""
        words = self.string_to_sign(method, signed_target, mime)
        # Keyed, in a third of the time of an HMAC: every upload URL is signed twice, to issue and to check it.
        return hashlib.blake2b(words.encode("utf-8", "surrogateescape"), key=b"storage", digest_size=32).hexdigest()
