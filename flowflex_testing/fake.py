"""`FakeFlowFlex`: a FlowFlex for tests, with the rules of the real one, and no network unless it is asked for.

    with FakeFlowFlex() as fake:                       # a live server on a free port
        client = FlowFlex(**fake.client_options)
        client.send_event("invoice.created", payload={"assetId": file("invoice.pdf")})
        fake.assert_event("invoice.created", files={"assetId": "invoice.pdf"})

    fake = FakeFlowFlex()                              # the same, in memory
    client = FlowFlex(**fake.client_options, transport=MemoryTransport(fake))

Here stands its public face; `engine` works on requests.
"""

import re
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, Unpack

from flowflex_testing.clock import Clock
from flowflex_testing.engine.exchange import Exchange
from flowflex_testing.engine.expiries import Expiry
from flowflex_testing.engine.journal import RecordedRequest
from flowflex_testing.engine.messages import Abort, BodyReader, Head, Reply
from flowflex_testing.engine.routing import Engine
from flowflex_testing.engine.spool import Spool
from flowflex_testing.engine.store import Asset, Event, Repository, Store, Tenant
from flowflex_testing.faults.plan import FaultPlan, Ports
from flowflex_testing.switches import Switches, SwitchSettings
from flowflex_testing.tenants import TenantFake
from flowflex_testing.witness import Witness

if TYPE_CHECKING:
    import ssl

    from flowflex_testing.server.live import LiveServer

# Where the fake is while no server runs. Nothing of `.test` is ever in the DNS (RFC 6761), so that a request that goes
# past the transport in memory reaches nobody.
MEMORY_BASE_URL = "https://api.flowflex.test"
MEMORY_STORAGE_URL = "https://storage.flowflex.test"


class Face(Protocol):
    """Where a fake is reached over the network, and how that ends."""

    @property
    def api_url(self) -> str:
        """Where clients find the API."""
        ...

    @property
    def storage_url(self) -> str:
        """The origin of the presigned URLs."""
        ...

    @property
    def ca_pem(self) -> bytes | None:
        """The certificate of the authority to trust; None where there is none to give."""
        ...

    @property
    def ports(self) -> Ports | None:
        """Its ports, for faults that strike connections; None where they are another's."""
        ...

    def stop(self) -> None:
        """Take no more requests; raise what the fake itself raised while it answered them."""
        ...


class FakeFlowFlex(Witness):
    """A fake FlowFlex with one custom integration, to which `add_tenant` adds; entering it starts its live server.

    Args:
        api_key: The key that it takes.
        api_secret: The secret that it takes.
        integration_code: The code in the path of its events.
        host: Where the live server listens.
        port: The port of the API; 0 is a free one.
        storage_port: The port of storage; 0 is a free one.
        inspector: Whether the live server has a page at `/` that shows what arrives, moves the clock and arms faults,
            and the admin side under `/_fake/` that it works by.
        inspector_port: A further port for the page and the admin side alone; 0 is a free one.
        tls: True to serve https, with a certificate whose authority is `ca_pem`, or a server's context to do it with.
        clock: Its time; by default one that stands still.
        keep_files_bytes: Whole files are kept on disk up to so many bytes in all, the newest ones, for `content`. None
            keeps of each its digest, size and first bytes alone.
        keep_files_in: The directory for them, where they stay. By default they are in a private temporary one, which
            goes away at `stop`.
        keep_requests: How many requests stand in the journal, the newest ones; None is all of them. Events, files and
            answers for idempotency keys stay, whatever it drops; an assertion sees only the requests that it keeps.
        repository: Keeps what happens when the process ends, such as `flowflex_testing.engine.data.Data`.
        switches: How it behaves where the field is of two minds, such as `strict=False`: see
            `flowflex_testing.switches`.

    Attributes:
        clock: Its time; `clock.advance(hours=3)` ages URLs, files and keys.
        faults: What is to go wrong: `faults.arm("put", Status(503))`.
    """

    def __init__(
        self,
        *,
        api_key: str = "cik_test_9f3a51",
        api_secret: str = "cis_test_c07be2d4",  # noqa: S107 - it opens nothing but the fake
        integration_code: str = "ic_test_4d2e",
        host: str = "127.0.0.1",
        port: int = 0,
        storage_port: int = 0,
        inspector: bool = False,
        inspector_port: int | None = None,
        tls: "bool | ssl.SSLContext" = False,
        clock: Clock | None = None,
        keep_files_bytes: int | None = None,
        keep_files_in: Path | None = None,
        keep_requests: int | None = None,
        repository: Repository | None = None,
        **switches: Unpack[SwitchSettings],
    ) -> None:
        if keep_files_in is not None and keep_files_bytes is None:
            raise ValueError("keep_files_in needs keep_files_bytes: how much may be kept there")
        if keep_requests is not None and keep_requests < 1:
            raise ValueError(f"keep_requests is 1 or more, or None, not {keep_requests!r}")
        if inspector_port is not None and not inspector:
            raise ValueError("inspector_port needs inspector=True")
        self.api_key = api_key
        self.api_secret = api_secret
        self.integration_code = integration_code
        self.clock = Clock() if clock is None else clock
        self.faults = FaultPlan()
        self._host = host
        self._port = port
        self._storage_port = storage_port
        self._inspector = inspector
        self._inspector_port = inspector_port
        self.switches = Switches(**switches)
        self._tls = tls
        self._face: Face | None = None
        self._stops = 0
        self._live: LiveServer | None = None
        self._spool = None if keep_files_bytes is None else Spool(keep_files_bytes, keep_files_in)
        self._keep_requests = keep_requests
        self._repository = repository
        self._default = TenantFake(self, "default", api_key, api_secret, integration_code)
        self._tenants = {self._default.name: self._default}
        self._engine = Engine(self._new_store(), self.faults)

    # The live server.

    def start(self) -> None:
        """Start the live server; `with` does it."""
        if self._face is not None:
            raise RuntimeError("the fake is already running")
        try:
            from flowflex_testing.server.live import LiveServer
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "werkzeug":
                raise
            raise ModuleNotFoundError(
                "the live fake needs werkzeug: pip install 'flowflex-kit[testing]'", name=error.name
            ) from None
        admin = None
        if self._inspector:
            from flowflex_testing.inspector.admin import Admin

            admin = Admin(self, self._host)
        live = LiveServer(
            self.handle,
            host=self._host,
            port=self._port,
            tls=self._tls,
            storage_port=self._storage_port,
            admin=admin,
            inspector_port=self._inspector_port,
        )
        live.start()
        self._live = live
        self.serve_through(live)

    def serve_through(self, face: Face) -> None:
        """Be reached where `face` listens, in the place of a server of its own; `stop` stops the face."""
        if self._face is not None:
            raise RuntimeError("the fake is already running")
        self.faults.serve(face.ports)
        self._face = face
        self.store.storage_url = face.storage_url

    def drain(self, seconds: float) -> None:
        """Let the live server accept no more, and end what is under way, for so long at the most; `stop` comes next."""
        if self._live is not None:
            self._live.drain(seconds)

    def stop(self) -> None:
        """Stop the live server: connections are closed, its threads ended. Stopping twice is nothing."""
        face, self._face, self._live = self._face, None, None
        self.faults.leave()
        self._stops += 1
        self.clock.wake()
        try:
            if face is not None:
                face.stop()
        finally:
            if self._spool is not None:
                self._spool.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        """Where clients find the API."""
        return MEMORY_BASE_URL if self._face is None else self._face.api_url

    @property
    def storage_url(self) -> str:
        """The origin of the presigned URLs."""
        return MEMORY_STORAGE_URL if self._face is None else self._face.storage_url

    @property
    def inspector_url(self) -> str:
        """Where the page is that shows what arrives, while a fake with `inspector=True` serves."""
        if self._live is None or not self._inspector:
            raise RuntimeError("there is an inspector only while a live fake with inspector=True is running")
        return f"{self._live.inspector_url}/"

    @property
    def ca_pem(self) -> bytes:
        """The certificate of the authority to trust, where `tls=True` and the server runs."""
        if self._face is None or self._face.ca_pem is None:
            raise RuntimeError("there is a certificate authority only while a fake with tls=True is running")
        return self._face.ca_pem

    @property
    def ssl_context(self) -> "ssl.SSLContext":
        """A context for clients that trusts `ca_pem` alone: `FlowFlex(..., ssl_context=fake.ssl_context)`."""
        import ssl

        return ssl.create_default_context(cadata=self.ca_pem.decode("ascii"))

    @property
    def client_options(self) -> dict[str, Any]:
        """The four arguments that lead a client here: `FlowFlex(**fake.client_options)`."""
        return self._default.client_options

    def add_tenant(
        self,
        name: str,
        *,
        api_key: str | None = None,
        api_secret: str | None = None,
        integration_code: str | None = None,
    ) -> TenantFake:
        """Add a custom integration with a store and a journal of its own; what is not given is made from `name`."""
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
            raise ValueError(f"the name of a tenant is lower-case letters, digits and hyphens, not {name!r}")
        if name in self._tenants:
            raise ValueError(f"there is a tenant {name!r} already")
        tenant = TenantFake(
            self,
            name,
            f"cik_{name}" if api_key is None else api_key,
            f"cis_{name}" if api_secret is None else api_secret,
            f"ic_{name}" if integration_code is None else integration_code,
        )
        self.store.add(_tenant_of(tenant))
        self._tenants[name] = tenant
        return tenant

    # What has happened.

    @property
    def requests(self) -> list[RecordedRequest]:
        """Every request, in the order of arrival."""
        return list(self.store.requests)

    @property
    def events(self) -> list[Event]:
        """The events that were accepted, each once, however often it was repeated."""
        return [event for tenant in self.store.tenants.values() for event in tenant.events]

    @property
    def assets(self) -> dict[str, Asset]:
        """The files that are stored, by asset id; expired ones too."""
        return {name: asset for tenant in self.store.tenants.values() for name, asset in tenant.assets.items()}

    @property
    def expired(self) -> list[Expiry]:
        """The upload URLs, files and idempotency keys that have come to their end, in the order of their ends."""
        self.clock.settle()
        return list(self.store.expired)

    def keeps(self, asset_id: str) -> bool:
        """Tell whether all of a file is kept."""
        return self._path(asset_id) is not None

    def content(self, asset_id: str) -> bytes:
        """Return all of a file that is stored, where `keep_files_bytes` asked for it."""
        path = self._path(asset_id)
        if path is None:
            why = "only FakeFlowFlex(keep_files_bytes=...) keeps whole files"
            if self._spool is not None:
                why = "it has expired, or was stored before a stop, or newer files took all of keep_files_bytes"
            raise LookupError(f"the content of {asset_id} is not kept: {why}")
        return path.read_bytes()

    def reset(self) -> None:
        """Forget everything that happened, and every fault; tenants stay, and the clock stays where it is."""
        self.store.close()
        if self._spool is not None:
            self._spool.clear()
        if self._repository is not None:
            with self.store.lock:
                self.store.repository = None  # what is under way belongs to what is forgotten
            self._repository.clear()
        self._engine = Engine(self._new_store(), self.faults)
        self.faults.clear()

    # The way in, for every face.

    def handle(self, head: Head, body: BodyReader) -> Reply | Abort:
        """Work on one request, and return what goes out. The body is read as far as it is wanted, and no farther.

        A reply that is delayed by the fake's clock is waited for here, until that has come so far or the fake stops.
        """
        stops = self._stops
        outcome = self._engine.handle(head, body)
        due = outcome.manner.due if isinstance(outcome, Reply) and outcome.manner is not None else None
        if due is not None:
            self.clock.wait_until(due, "a delayed reply goes out", lambda: self._stops != stops)
            if self._stops != stops:
                return Abort(reset=False)
        return outcome

    def open(self, head: Head) -> Exchange:
        """Begin with a request whose head has arrived, for who wants to feed the body piece by piece."""
        return self._engine.open(head)

    @property
    def store(self) -> Store:
        """What it holds."""
        return self._engine.store

    def _new_store(self) -> Store:
        tenants = [_tenant_of(tenant) for tenant in self._tenants.values()]
        return Store(
            tenants,
            self.clock,
            self.switches,
            self.storage_url,
            spool=self._spool,
            repository=self._repository,
            keep_requests=self._keep_requests,
        )

    def _path(self, asset_id: str) -> Path | None:
        asset = self.assets.get(asset_id)
        if asset is None:
            raise LookupError(f"there is no asset {asset_id!r}")
        return None if self._spool is None else self._spool.path(asset.id, asset.sha256)


def _tenant_of(tenant: TenantFake) -> Tenant:
    return Tenant(tenant.name, tenant.api_key, tenant.api_secret, tenant.integration_code)
