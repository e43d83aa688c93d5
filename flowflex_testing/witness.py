"""What a test can ask once requests have arrived: of a whole fake, or of one tenant in it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from flowflex_testing import assertions
from flowflex_testing.journal import RecordedRequest
from flowflex_testing.messages import OriginName
from flowflex_testing.store import Asset, Event


class Witness(ABC):
    """Saw every request that arrived, and says what it saw."""

    @property
    @abstractmethod
    def requests(self) -> list[RecordedRequest]:
        """Every request, in the order of arrival."""

    @property
    @abstractmethod
    def events(self) -> list[Event]:
        """The events that were accepted, each once, however often it was repeated."""

    @property
    @abstractmethod
    def assets(self) -> dict[str, Asset]:
        """The files that are stored, by asset id; expired ones too."""

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
