"""A test's scene: a client over one of the transports, the API with a new fake, and the way to it and to a storage."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from flowflex_core import FlowFlexError, SendEventResult
from flowflex_testing import FakeFlowFlex
from tests.counterparts.api import Api, Grant
from tests.counterparts.calling import send_all


class Storage(Protocol):
    """nginx or SeaweedFS."""

    @property
    def storage(self) -> int:
        """Its port."""
        ...

    def url(self, origin: str, asset: str, mime: str, *, age: float = 0) -> str:
        """Return the URL to put an asset to, as if it had been made `age` seconds ago."""
        ...

    def read(self, asset: str) -> bytes | None:
        """Return what is stored of an asset."""
        ...


@dataclass(frozen=True)
class Scene:
    """Sends to `base_url`, and to where `origin_of` says that the port of a storage is reached."""

    transport: str
    fake: FakeFlowFlex
    api: Api
    base_url: str
    origin_of: Callable[[int], str]
    options: dict[str, Any] = field(default_factory=dict)

    def send(self, storage: Storage, payload: Any, **options: Any) -> SendEventResult:
        """Send one event with its files."""
        [outcome] = self.send_all(storage, [payload], **options)
        if isinstance(outcome, FlowFlexError):
            raise outcome
        return outcome

    def send_all(
        self,
        storage: Storage,
        payloads: list[Any],
        *,
        grant: Grant | None = None,
        between: Callable[[], object] = lambda: None,
        **options: Any,
    ) -> list[SendEventResult | FlowFlexError]:
        """Send one event after another over one client; `grant` gives the upload URLs in place of `storage.url`."""
        origin = self.origin_of(storage.storage)
        grant = grant or (lambda asset, mime: storage.url(origin, asset, mime))
        options = {**self.fake.client_options, "base_url": self.base_url, **self.options, **options}
        with self.api.serving(self.fake, grant, storage.read):
            return send_all(self.transport, payloads, between, **options)

    def first_of(self, storage: Storage, *ages: float) -> Grant:
        """Grant URLs that are so many seconds old, one after another."""
        origin, left = self.origin_of(storage.storage), iter(ages)
        return lambda asset, mime: storage.url(origin, asset, mime, age=next(left))
