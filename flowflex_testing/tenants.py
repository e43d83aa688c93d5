"""One tenant of a fake as a test sees it: a custom integration with credentials, a store and a journal of its own."""

from typing import TYPE_CHECKING, Any

from flowflex_testing.engine.expiries import Expiry
from flowflex_testing.engine.journal import RecordedRequest
from flowflex_testing.engine.store import Asset, Event
from flowflex_testing.witness import Witness

if TYPE_CHECKING:
    from flowflex_testing.fake import FakeFlowFlex


class TenantFake(Witness):
    """A tenant; `FakeFlowFlex.add_tenant` makes it.

    Its journal holds what is known to be its own: a request with wrong credentials belongs to no tenant, and stands in
    the journal of the fake alone.

    Attributes:
        name: As it stands in the paths of its files.
        api_key: The key that it takes.
        api_secret: The secret that it takes.
        integration_code: The code in the path of its events.
    """

    def __init__(self, fake: "FakeFlowFlex", name: str, api_key: str, api_secret: str, integration_code: str) -> None:
        self.name = name
        self.api_key = api_key
        self.api_secret = api_secret
        self.integration_code = integration_code
        self._fake = fake

    def __repr__(self) -> str:
        return f"TenantFake({self.name!r}, api_key={self.api_key!r}, integration_code={self.integration_code!r})"

    @property
    def client_options(self) -> dict[str, Any]:
        """The four arguments that lead a client here: `FlowFlex(**tenant.client_options)`."""
        return {
            "api_key": self.api_key,
            "api_secret": self.api_secret,
            "integration_code": self.integration_code,
            "base_url": self._fake.base_url,
        }

    @property
    def requests(self) -> list[RecordedRequest]:
        """Its requests, in the order of arrival."""
        return [request for request in self._fake.requests if request.tenant == self.name]

    @property
    def events(self) -> list[Event]:
        """Its events that were accepted, each once."""
        return list(self._fake.store.tenants[self.name].events)

    @property
    def expired(self) -> list[Expiry]:
        """Its upload URLs, files and idempotency keys that have come to their end, in the order of their ends."""
        return [expiry for expiry in self._fake.expired if expiry.tenant == self.name]

    @property
    def assets(self) -> dict[str, Asset]:
        """Its files that are stored, by asset id; expired ones too."""
        return dict(self._fake.store.tenants[self.name].assets)
