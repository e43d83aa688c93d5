"""One live server for many tests: its sockets and threads stay, and the fake behind them is another for each test."""

from types import TracebackType
from typing import Any, Self

from flowflex_testing.engine.messages import Abort, BodyReader, Head, Reply
from flowflex_testing.fake import FakeFlowFlex
from flowflex_testing.server.guard import Guard
from flowflex_testing.server.live import LiveServer


class SharedServer:
    """A live server on free ports, over one fake after the other.

    Address and credentials stay as they are, so that a program that is started once for all tests can be pointed at it.

    Attributes:
        fake: The one that answers now.
    """

    def __init__(self) -> None:
        self._server = LiveServer(self._handle, host="127.0.0.1", port=0, tls=False)
        self.lend(FakeFlowFlex())

    def lend(self, fake: FakeFlowFlex) -> None:
        """Let `fake` answer from now on; requests that are under way belong to the one before it."""
        self.fake, self._guard = fake, Guard(fake.handle)
        fake.serve_through(_Lease(self._server, self._guard))

    @property
    def client_options(self) -> dict[str, Any]:
        """The four arguments that lead a client here: `FlowFlex(**server.client_options)`."""
        return self.fake.client_options

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.stop()

    def _handle(self, head: Head, body: BodyReader) -> Reply | Abort:
        return self._guard.answer(head, body)


class _Lease:
    """The server as the face of one fake: where that stops, the server goes on."""

    ca_pem = None

    def __init__(self, server: LiveServer, guard: Guard) -> None:
        self.api_url = server.api_url
        self.storage_url = server.storage_url
        self.ports = server.ports
        self.stop = guard.check
