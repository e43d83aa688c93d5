"""A live fake behind two proxies that harm what passes, and short waits between repeats."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from flowflex_core import backoff
from flowflex_testing import FakeFlowFlex
from tests.real_faults.clients import TRANSPORTS
from tests.support.fault_proxy import FaultProxy


@dataclass(frozen=True)
class Place:
    """Where clients send: a proxy before each origin of the fake."""

    fake: FakeFlowFlex
    api: FaultProxy
    storage: FaultProxy

    @property
    def options(self) -> dict[str, Any]:
        """The arguments that lead a client here."""
        return {**self.fake.client_options, "base_url": self.api.url}

    def serve_storage(self) -> None:
        """Have upload URLs lead through the proxy."""
        self.fake.store.storage_url = self.storage.url


@pytest.fixture
def place() -> Iterator[Place]:
    with FakeFlowFlex() as fake, FaultProxy(fake.base_url) as api, FaultProxy(fake.storage_url) as storage:
        place = Place(fake, api, storage)
        place.serve_storage()
        yield place


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat soon: how long is waited is tried elsewhere, on virtual clocks."""
    monkeypatch.setattr(backoff, "FIRST_DELAY", 0.02)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test meets a proxy that it did not ask for."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
