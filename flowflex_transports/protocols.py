"""What a transport is: one method and a close. Any object of this shape drives the clients.

A transport performs one HTTP request and reports what came back. It decides nothing: it does not repeat, follow
redirects, or look at a status. It never raises for network trouble, which is a `Failure`; `failure_of` makes one of an
exception. Where `body.chunks()` raises, it closes the connection, and lets the exception pass or reports a `Failure`,
as is simpler: the client remembers what the file raised. `flowflex_testing.contract` proves all this for a transport of
your own, and examples/http_client_transport.py is one in 30 lines.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Protocol

from flowflex_core.messages import Failure, Request, Response


class Source(Protocol):
    """An opened file: exactly `length` bytes, in chunks, read once from its start."""

    @property
    def length(self) -> int:
        """The number of bytes that `chunks` gives in all."""
        ...

    def chunks(self) -> Iterator[bytes]:
        """Read the bytes; raises where the file is no longer what was measured."""
        ...


class AsyncSource(Protocol):
    """An opened file for an asynchronous transport: exactly `length` bytes, in chunks, read once."""

    @property
    def length(self) -> int:
        """The number of bytes that `chunks` gives in all."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Read the bytes; raises where the file is no longer what was measured."""
        ...


class Transport(Protocol):
    """Performs requests, from several threads at the same time."""

    def perform(self, request: Request, body: bytes | Source) -> Response | Failure:
        """Send `request` with `body` and return what came of it, within `request.timeout` and `request.total`."""
        ...

    def close(self) -> None:
        """Close every connection. Closing twice is nothing."""
        ...


class AbandoningTransport(Transport, Protocol):
    """A transport that can be told from another thread to give a request up, so that Ctrl-C need not wait for it."""

    def abandon(self, request: Request) -> None:
        """Make `perform` of this very request end at once; nothing where it is not under way."""
        ...


class AsyncTransport(Protocol):
    """Performs requests for trio, from several tasks at the same time; cancelled like any other call."""

    async def perform(self, request: Request, body: bytes | AsyncSource) -> Response | Failure:
        """Send `request` with `body` and return what came of it, within `request.timeout` and `request.total`."""
        ...

    async def aclose(self) -> None:
        """Close every connection. Closing twice is nothing."""
        ...
