"""What a test can ask once requests have arrived: of a whole fake, or of one tenant in it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from flowflex_testing import assertions
from flowflex_testing.assertions import File
from flowflex_testing.engine.journal import RecordedRequest
from flowflex_testing.engine.messages import OriginName
from flowflex_testing.engine.store import Asset, Event
from flowflex_testing.faults.kinds import Operation


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
        self,
        name: str,
        *,
        payload: Mapping[str, Any] | None = None,
        files: Mapping[str, File] | None = None,
        idempotency_key: str | None = None,
        times: int | None = None,
    ) -> Event:
        """Fail unless an event was accepted that has this name and what else is given; return the last such event.

        Args:
            name: The name of the event.
            payload: What its payload must hold: of an object the keys given here, anything else whole.
            files: Payload path, such as `order.receipt`, to the file that must stand there: a string is its name, bytes
                are its content, and a path is that of a file with its content.
            idempotency_key: The key that it was sent under.
            times: How many such events must have been accepted, however often each was repeated under its key.
        """
        __tracebackhide__ = True
        wanted = assertions.WantedEvent(name, payload or {}, files or {}, idempotency_key)
        return assertions.find_event(self.requests, self.events, wanted, times)

    def assert_attempts(
        self, operation: Operation, times: int, *, idempotency_key: str | None = None, filename: str | None = None
    ) -> None:
        """Fail unless exactly `times` requests came for an operation, whatever became of them.

        Args:
            operation: `upload-url`, `put` or `event`.
            times: How many; a first request and two that repeat it are 3.
            idempotency_key: Of `event`: count only those with this key.
            filename: Of `upload-url` and `put`: count only those about the file of this name.
        """
        __tracebackhide__ = True
        assertions.check_attempts(self.requests, operation, times, idempotency_key, filename)

    def assert_nothing_sent(self) -> None:
        """Fail if any request arrived."""
        __tracebackhide__ = True
        assertions.check_nothing_sent(self.requests)

    def assert_never_sent(self, *, header: str, to: OriginName | None = None) -> None:
        """Fail if a request carried `header`, to either origin or to the one given: `to="storage"`."""
        __tracebackhide__ = True
        assertions.check_never_sent(self.requests, header, to)
