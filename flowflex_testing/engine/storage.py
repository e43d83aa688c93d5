"""Storage: the PUT to a presigned URL, and how such a URL is read.

The order of the rules is that of S3: the way of authenticating, the signature, its age, the framing; then the body.
"""

import hashlib
import hmac
from typing import TYPE_CHECKING
from urllib.parse import unquote

from flowflex_core.files import MAX_FILE_BYTES
from flowflex_testing.engine.exchange import Exchange
from flowflex_testing.engine.expiries import URL_LIFETIME
from flowflex_testing.engine.messages import Head, Reply
from flowflex_testing.engine.store import FIRST_BYTES, Asset, Store, Tenant, Upload
from flowflex_testing.faults.plan import ArmedFault
from flowflex_testing.rules import Refused

if TYPE_CHECKING:
    from flowflex_testing.engine.spool import Part

ASSETS_PREFIX = "/assets/"


def named_tenant(target: str) -> str:
    """Return the name of the tenant in the path of an upload URL."""
    return unquote(target.partition("?")[0].removeprefix(ASSETS_PREFIX).partition("/")[0])


class NoPutExchange(Exchange):
    """A request to storage that is no PUT to a presigned URL."""

    def check_head(self) -> None:
        """Refuse it."""
        if not self.head.target.startswith(ASSETS_PREFIX):
            raise Refused("storage.path")
        rule_id = "storage.private" if self.head.method in ("GET", "HEAD") else "storage.method"
        raise Refused(rule_id, headers=(("Allow", "PUT"),))


class PutExchange(Exchange):
    """`PUT /assets/{tenant}/{asset}/{filename}?X-Expires=..&X-Signature=..`."""

    operation = "put"
    incomplete_rule = "put.incomplete"

    def __init__(self, store: Store, head: Head, armed: ArmedFault | None) -> None:
        super().__init__(store, head, armed)
        self._digest = hashlib.sha256()
        self._first_bytes = b""
        self._place: tuple[Tenant, Upload] | None = None
        self._part: Part | None = None

    def check_head(self) -> None:
        """Check that the URL is ours, whole and young, and that the length is allowed."""
        if "authorization" in self.fields:
            raise Refused("put.authorization", "Only one auth mechanism allowed: the URL already carries a token")
        self._place = self._signed_place()
        upload = self._place[1]
        content_type = self.fields.get("content-type", "")
        if content_type != upload.mime:
            message = f"The request has Content-Type {content_type!r}; the URL was signed for {upload.mime!r}"
            raise self._bad_signature("put.content-type", content_type, message)
        if self.store.clock.now() - upload.issued_at > URL_LIFETIME:
            raise Refused("put.expired", "Request has expired")
        if self.length is None and "put.length-required" in self.store.enforced:
            raise Refused("put.length-required")
        if self.length is not None and self.length > MAX_FILE_BYTES:
            raise Refused("put.size-limit", details={"ProposedSize": self.length})
        if self.store.spool is not None:
            self._part = self.store.spool.begin()

    def take(self, data: bytes) -> None:
        """Count and digest the bytes; keep the first, or all of them."""
        if self.record.received > MAX_FILE_BYTES:
            raise Refused("put.size-limit")
        if len(self._first_bytes) < FIRST_BYTES:
            self._first_bytes = (self._first_bytes + data)[:FIRST_BYTES]
        self._digest.update(data)
        if self._part is not None:
            self._part.write(data)

    def release(self) -> None:
        """Give back the space of a file that was not stored."""
        if self._part is not None:
            self._part.abandon()

    def decide(self) -> Reply:
        """Store the file."""
        assert self._place is not None
        tenant, upload = self._place
        size = self.record.received
        if upload.size is not None and size != upload.size and "put.size" in self.store.enforced:
            raise Refused("put.size", f"{size} bytes were sent, and {upload.size} declared")
        sha256 = self._digest.hexdigest()
        with self.store.lock:
            first = tenant.assets.get(upload.asset_id)
            if first is not None and self.store.switches.storage_dialect == "supabase":
                raise Refused("put.duplicate", "The resource already exists")
            now = self.store.clock.now()
            asset = Asset(upload.asset_id, upload.filename, upload.mime, size, sha256, self._first_bytes, now)
            self._keep(tenant, asset, first)
        etag = (("ETag", f'"{sha256[:32]}"'),)
        return self.accept("put.stored" if first is None else "put.overwrite", etag, b"")

    def _keep(self, tenant: Tenant, asset: Asset, first: Asset | None) -> None:
        # Both files are on disk until the asset is the new one, so that its bytes are there whatever goes wrong or
        # kills the process. Files are told apart by content: where it is the same, there is one file for both.
        part = self._part
        if part is None:
            self.store.add_asset(tenant, asset)
            return
        is_same = first is not None and first.sha256 == asset.sha256
        part.keep(asset.id, asset.sha256)
        try:
            self.store.add_asset(tenant, asset)
        except BaseException:
            if not is_same:
                part.spool.drop(asset.id, asset.sha256)
            raise
        if first is not None and not is_same:
            part.spool.drop(first.id, first.sha256)

    def _signed_place(self) -> tuple[Tenant, Upload]:
        """Find the tenant and upload that the target names, where its signature covers every byte of it."""
        signed, _, token = self.head.target.partition("&X-Signature=")
        names = signed.partition("?")[0].removeprefix(ASSETS_PREFIX).split("/")
        tenant = self.store.tenants.get(named_tenant(signed))
        upload = tenant.uploads.get(names[1]) if tenant is not None and len(names) > 1 else None
        content_type = self.fields.get("content-type", "")
        if tenant is None or upload is None:
            raise self._bad_signature("put.signature", content_type)
        expected = self.store.signature("PUT", signed, upload.mime)
        if not hmac.compare_digest(expected.encode(), token.encode("utf-8", "surrogateescape")):
            raise self._bad_signature("put.signature", content_type)
        self.record.tenant, self.record.asset_id = tenant.name, upload.asset_id
        return tenant, upload

    def _bad_signature(self, rule_id: str, content_type: str, message: str = "") -> Refused:
        signed = self.head.target.partition("&X-Signature=")[0]
        words = self.store.string_to_sign("PUT", signed, content_type)
        return Refused(rule_id, message, details={"StringToSign": words})
