"""Transports that call the fake directly: no sockets, no threads, no waiting.

    fake = FakeFlowFlex()
    client = FlowFlex(**fake.client_options, transport=MemoryTransport(fake))

Both have the shape that `flowflex_transports.protocols` describes.
"""

from typing import TYPE_CHECKING

from flowflex_core.messages import MAX_REPLY_BYTES, Failure, Request, Response
from flowflex_testing.engine.exchange import Exchange
from flowflex_testing.engine.messages import Abort, Head, Manner, OriginName, Reply
from flowflex_testing.fake import FakeFlowFlex

if TYPE_CHECKING:
    from flowflex_transports.protocols import AsyncSource, Source


class MemoryTransport:
    """Performs requests on a fake, in the caller's thread.

    The body is read as far as the fake wants it: a file that is refused by its head is not read at all. A delayed reply
    comes at once, or is a timeout at once where the delay is over the request's timeout.
    """

    def __init__(self, fake: FakeFlowFlex) -> None:
        self._fake = fake

    def perform(self, request: Request, body: "bytes | Source") -> Response | Failure:
        """Hand `request` with `body` to the fake, and return what came of it."""
        head = _head(self._fake, request, len(body) if isinstance(body, bytes) else body.length)
        if head is None:
            return _no_such_host(request)
        exchange = self._fake.open(head)
        try:
            for chunk in [body] if isinstance(body, bytes) else body.chunks():
                if exchange.outcome is not None:
                    break
                _feed(exchange, chunk)
        finally:
            _leave(exchange)
        return _outcome(request, exchange.outcome, self._fake.clock.now())

    def close(self) -> None:
        """Do nothing: there is no connection."""


class AsyncMemoryTransport:
    """Performs requests on a fake, from any asynchronous runtime; it awaits nothing but the chunks of a body."""

    def __init__(self, fake: FakeFlowFlex) -> None:
        self._fake = fake

    async def perform(self, request: Request, body: "bytes | AsyncSource") -> Response | Failure:
        """Hand `request` with `body` to the fake, and return what came of it."""
        head = _head(self._fake, request, len(body) if isinstance(body, bytes) else body.length)
        if head is None:
            return _no_such_host(request)
        exchange = self._fake.open(head)
        try:
            if isinstance(body, bytes):
                _feed(exchange, body)
            else:
                await _feed_all(exchange, body)
        finally:
            _leave(exchange)
        return _outcome(request, exchange.outcome, self._fake.clock.now())

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""


def _feed(exchange: Exchange, chunk: bytes) -> None:
    if chunk and exchange.outcome is None:
        exchange.feed(chunk)


async def _feed_all(exchange: Exchange, body: "AsyncSource") -> None:
    chunks = body.chunks()
    try:
        while exchange.outcome is None:
            _feed(exchange, await anext(chunks))
    except StopAsyncIteration:
        pass
    finally:
        # An asynchronous generator that is left unfinished would be closed late, and with a warning.
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()


def _head(fake: FakeFlowFlex, request: Request, length: int) -> Head | None:
    """Return the head that a driver would send; None where it would not reach the fake."""
    origins: tuple[tuple[OriginName, str], ...] = (("api", fake.base_url), ("storage", fake.storage_url))
    for origin, url in origins:
        if request.url.startswith(f"{url}/"):
            fields = tuple((name.lower(), value) for name, value in request.headers.items())
            framing = (("host", url.partition("://")[2]), ("content-length", str(length)))
            return Head(origin, request.method, request.url[len(url) :], framing + fields)
    return None


def _no_such_host(request: Request) -> Failure:
    return Failure(request.id, "connection", "the name of the host is not known", sent=False)


def _leave(exchange: Exchange) -> None:
    if exchange.outcome is None:
        exchange.cut_short()


def _outcome(request: Request, outcome: Reply | Abort | None, now: float) -> Response | Failure:
    if isinstance(outcome, Abort) and outcome.refused:
        return Failure(request.id, "connection", "the connection was refused", sent=False)
    if not isinstance(outcome, Reply):
        how = "was reset" if outcome is None or outcome.reset else "ended before the reply did"
        return Failure(request.id, "connection", f"the connection {how}", sent=True)
    if outcome.manner is not None and _takes_too_long(outcome, outcome.manner, request, now):
        return Failure(request.id, "timeout", "no reply came in time", sent=True)
    return Response(request.id, outcome.status, outcome.headers, outcome.body[: MAX_REPLY_BYTES + 1])


def _takes_too_long(reply: Reply, manner: Manner, request: Request, now: float) -> bool:
    """Tell whether a reply in its manner would be later than the request allows; nobody waits for it here."""
    if manner.interims:
        raise RuntimeError(
            "interim replies have no meaning in memory, where there is no wire: use a live fake for Interims"
        )
    delay = manner.delay if manner.due is None else max(0.0, manner.due - now)
    drip = 0.0
    if manner.piece:
        head_bytes = sum(len(name) + len(value) + 4 for name, value in reply.headers) if manner.drips_head else 0
        drip = manner.pause * ((head_bytes + len(reply.body)) // manner.piece)
    return max(delay, manner.pause) > request.timeout or delay + drip > request.total
