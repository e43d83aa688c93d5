"""`FakeFlowFlex`: a FlowFlex for tests, with the rules of the real one, and no network unless it is asked for.

    with FakeFlowFlex() as fake:                       # a live server on a free port
        client = FlowFlex(**fake.client_options)
        client.send_event("invoice.created", payload={"assetId": file("invoice.pdf")})
        fake.assert_event("invoice.created", files={"assetId": "invoice.pdf"})

    fake = FakeFlowFlex()                              # the same, in memory
    client = FlowFlex(**fake.client_options, transport=MemoryTransport(fake))

Here stand its public face and the way from a head to the operation that it is for.
"""

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from flowflex_testing import assertions
from flowflex_testing.api import UPLOAD_URL_PATH, EventExchange, NoEndpointExchange, UploadUrlExchange, is_event_path
from flowflex_testing.clock import Clock
from flowflex_testing.dialects import STORAGE_ERRORS, StorageDialect
from flowflex_testing.exchange import Exchange
from flowflex_testing.faults import FaultPlan
from flowflex_testing.messages import Abort, BodyCut, BodyReader, Head, OriginName, Reply
from flowflex_testing.storage import ASSETS_PREFIX, NoPutExchange, PutExchange
from flowflex_testing.store import Asset, Event, RecordedRequest, Store, Tenant

if TYPE_CHECKING:
    import ssl

    from flowflex_testing.live import LiveServer

# Where the fake is while no server runs. Nothing of `.test` is ever in the DNS (RFC 6761), so that a request that goes
# past the transport in memory reaches nobody.
MEMORY_BASE_URL = "https://api.flowflex.test"
MEMORY_STORAGE_URL = "https://storage.flowflex.test"

_PIECE_BYTES = 262_144


class FakeFlowFlex:
    """A fake FlowFlex with one custom integration; entering it starts its live server.

    Args:
        api_key: The key that it takes.
        api_secret: The secret that it takes.
        integration_code: The code in the path of its events.
        host: Where the live server listens.
        port: The port of the API; 0 is a free one. Storage always has a free one.
        strict: Whether the rules that are an assumed strictness hold.
        storage_dialect: `s3` or `supabase`: how storage words its errors, and takes a second PUT.
        tls: True to serve https, with a certificate whose authority is `ca_pem`, or a server's context to do it with.
        clock: Its time; by default one that stands still.

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
        strict: bool = True,
        storage_dialect: StorageDialect = "s3",
        tls: "bool | ssl.SSLContext" = False,
        clock: Clock | None = None,
    ) -> None:
        if storage_dialect not in STORAGE_ERRORS:
            raise ValueError(f"storage_dialect is one of {', '.join(STORAGE_ERRORS)}, not {storage_dialect!r}")
        self.api_key = api_key
        self.api_secret = api_secret
        self.integration_code = integration_code
        self.clock = Clock() if clock is None else clock
        self.faults = FaultPlan()
        self._host = host
        self._port = port
        self._strict = strict
        self._storage_dialect: StorageDialect = storage_dialect
        self._tls = tls
        self._live: LiveServer | None = None
        self._store = self._new_store()

    # The live server.

    def start(self) -> None:
        """Start the live server; `with` does it."""
        if self._live is not None:
            raise RuntimeError("the fake is already running")
        try:
            from flowflex_testing.live import LiveServer
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "werkzeug":
                raise
            raise ModuleNotFoundError(
                "the live fake needs werkzeug: pip install 'flowflex-kit[testing]'", name=error.name
            ) from None
        self._live = LiveServer(self.handle, host=self._host, port=self._port, tls=self._tls)
        self._live.start()
        self._store.storage_url = self.storage_url

    def stop(self) -> None:
        """Stop the live server: connections are closed, its threads ended. Stopping twice is nothing."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()

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
        return MEMORY_BASE_URL if self._live is None else self._live.api_url

    @property
    def storage_url(self) -> str:
        """The origin of the presigned URLs."""
        return MEMORY_STORAGE_URL if self._live is None else self._live.storage_url

    @property
    def ca_pem(self) -> bytes:
        """The certificate of the authority to trust, where `tls=True` and the server runs."""
        if self._live is None or self._live.ca_pem is None:
            raise RuntimeError("there is a certificate authority only while a fake with tls=True is running")
        return self._live.ca_pem

    @property
    def client_options(self) -> dict[str, Any]:
        """The four arguments that lead a client here: `FlowFlex(**fake.client_options)`."""
        return {
            "api_key": self.api_key,
            "api_secret": self.api_secret,
            "integration_code": self.integration_code,
            "base_url": self.base_url,
        }

    # What has happened.

    @property
    def requests(self) -> list[RecordedRequest]:
        """Every request, in the order of arrival."""
        return list(self._store.requests)

    @property
    def events(self) -> list[Event]:
        """The events that were accepted, each once, however often it was repeated."""
        return [event for tenant in self._store.tenants.values() for event in tenant.events]

    @property
    def assets(self) -> dict[str, Asset]:
        """The files that are stored, by asset id; expired ones too."""
        return {name: asset for tenant in self._store.tenants.values() for name, asset in tenant.assets.items()}

    def reset(self) -> None:
        """Forget everything that happened, and every fault; the clock stays where it is."""
        self._store = self._new_store()
        self.faults.clear()

    def assert_event(
        self, name: str, *, payload: Mapping[str, Any] | None = None, files: Mapping[str, str | bytes] | None = None
    ) -> Event:
        """Fail unless an event was accepted that has this name and what else is given; return the last such event.

        Args:
            name: The name of the event.
            payload: What its payload must hold: of an object the keys given here, anything else whole.
            files: Payload path to the name or the content of the file that must stand there.
        """
        return assertions.find_event(self.requests, self.events, name, payload or {}, files or {})

    def assert_nothing_sent(self) -> None:
        """Fail if any request arrived."""
        assertions.check_nothing_sent(self.requests)

    def assert_never_sent(self, *, header: str, to: OriginName | None = None) -> None:
        """Fail if a request carried `header`, to either origin or to the one given: `to="storage"`."""
        assertions.check_never_sent(self.requests, header, to)

    # The way in, for every face.

    def handle(self, head: Head, body: BodyReader) -> Reply | Abort:
        """Work on one request, and return what goes out. The body is read as far as it is wanted, and no farther."""
        exchange = self.open(head)
        try:
            while exchange.outcome is None:
                data = body.read(_PIECE_BYTES)
                if data:
                    exchange.feed(data)
                else:
                    exchange.finish()
        except BodyCut:
            exchange.cut_short()
        except BaseException:
            exchange.cut_short()
            raise
        assert exchange.outcome is not None
        return exchange.outcome

    def open(self, head: Head) -> Exchange:
        """Begin with a request whose head has arrived, for who wants to feed the body piece by piece."""
        exchange = self._exchange(head)
        exchange.open()
        return exchange

    def _exchange(self, head: Head) -> Exchange:
        path = head.target.partition("?")[0]
        if head.origin == "storage":
            if head.method == "PUT" and path.startswith(ASSETS_PREFIX):
                return PutExchange(self._store, head, self.faults.draw("put"))
            return NoPutExchange(self._store, head)
        if head.method == "POST":
            if is_event_path(path):
                return EventExchange(self._store, head, self.faults.draw("event"))
            if path == UPLOAD_URL_PATH:
                return UploadUrlExchange(self._store, head, self.faults.draw("upload-url"))
        return NoEndpointExchange(self._store, head)

    def _new_store(self) -> Store:
        tenant = Tenant("default", self.api_key, self.api_secret, self.integration_code)
        store = Store(tenant, self.clock, strict=self._strict, storage_dialect=self._storage_dialect)
        store.storage_url = self.storage_url
        return store
