"""The trio transport: performs one HTTP request over pooled native trio sockets and reports what came of it."""

import os
import ssl
from dataclasses import dataclass, field
from typing import Any

import h11
import trio

from flowflex_core import FlowFlexConfigError
from flowflex_core.address import AddressError
from flowflex_core.messages import Failure, FailureKind, Request, Response
from flowflex_transports.environment import Proxies, tls_context
from flowflex_transports.protocols import AsyncSource
from flowflex_transports.route import Route
from flowflex_transports.trio.causes import single_cause
from flowflex_transports.trio.connection import Connection, PeerClosed, SourceFault, WrongLength
from flowflex_transports.trio.dial import ProxyFault, TLSContext, dial
from flowflex_transports.trio.line import Silence
from flowflex_transports.trio.pool import Plan, Pool
from flowflex_transports.trouble import failure_of

_MOST_CONNECTIONS = 64
# Enough for the parallel uploads of a client, to storage and API.
_MOST_IDLE = 32
# Servers and the boxes in between close what is idle for a minute or more, often without a word.
_IDLE_SECONDS = 45.0

# What each exception but those of sockets means, first match first, in words that hold nothing of the request; None:
# its own words.
_FAULTS: tuple[tuple[type[Exception], FailureKind, str | None], ...] = (
    (Silence, "timeout", None),
    (ProxyFault, "proxy", None),
    (WrongLength, "source", None),
    (PeerClosed, "connection", "the peer ended the connection before its reply was whole"),
    (h11.RemoteProtocolError, "protocol", "the reply is not HTTP/1.1"),
    (h11.LocalProtocolError, "protocol", "the request cannot be written as HTTP/1.1"),
    (UnicodeEncodeError, "protocol", "the request cannot be written as HTTP/1.1"),
    (AddressError, "protocol", "the request has no usable URL"),
    (trio.BrokenResourceError, "connection", "the connection broke"),
    (trio.ClosedResourceError, "connection", "the connection was closed on this side"),
)
_FAULT_TYPES: tuple[type[Exception], ...] = (OSError, *(fault for fault, _, _ in _FAULTS))


class TrioTransport:
    """Performs requests for `AsyncFlowFlex`, or for a trio runtime of your own.

    Made without a running loop. Its connections belong to one trio run and one process: after `trio.run` has
    ended, or after a fork, it starts with fresh ones.

    Args:
        ssl_context: The TLS context for every connection; by default one that trusts the system's authorities.
        ca_file: A file of certificates to trust, in place of the system's.
        proxy: `http://[user:password@]host[:port]`, for all requests; by default what the environment says.
        trust_environment: Whether to ask the environment for proxies.

    Raises:
        FlowFlexConfigError: An argument, or a proxy of the environment, cannot be used.
    """

    def __init__(
        self,
        *,
        ssl_context: ssl.SSLContext | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        proxy: str | None = None,
        trust_environment: bool = True,
    ) -> None:
        self._proxies = Proxies(proxy, trust_environment=trust_environment)
        given = ssl_context is not None or ca_file is not None
        self._ssl_context = tls_context(ssl_context, ca_file) if given else None
        self._pid = os.getpid()
        self._runs: dict[trio.lowlevel.TrioToken, _Connections] = {}

    @trio.lowlevel.enable_ki_protection
    async def perform(self, request: Request, body: bytes | AsyncSource) -> Response | Failure:
        """Send `request` with `body` and return what came of it, within `request.timeout` and `request.total`."""
        claim = _Claim()
        with trio.move_on_after(request.total), single_cause():
            try:
                return await self._exchange(request, body, claim)
            except SourceFault as fault:
                raise fault.__cause__ or fault from None
            except _FAULT_TYPES as error:
                return _failure(request, error, claim.sent)
        return Failure(request.id, "timeout", f"the attempt took longer than {request.total:g} s in all", claim.sent)

    def __reduce__(self) -> tuple[Any, ...]:
        raise FlowFlexConfigError("a transport holds connections and a proxy's password: make it anew in each process")

    async def aclose(self) -> None:
        """Close every connection, also under requests in flight, and keep none from now on. Twice is nothing."""
        self._present().close()
        await trio.lowlevel.checkpoint()

    async def _exchange(self, request: Request, body: bytes | AsyncSource, claim: "_Claim") -> Response:
        route = Route.to(request.url, self._proxies)
        connections = self._present()
        try:
            connection = await connections.obtain(claim, route, self._tls, request.timeout)
            return await connection.exchange(request, route.target, route.headers(request, body), body)
        finally:
            connections.take_back(claim)

    def _present(self) -> "_Connections":
        """Return the connections of this run in this process, and let go of those of another."""
        token = trio.lowlevel.current_trio_token()
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._abandon(list(self._runs))
        if token not in self._runs:
            # A copy, made in one step: another thread's run may come or go meanwhile.
            self._abandon([other for other in list(self._runs) if _has_ended(other)])
            self._runs[token] = _Connections()
        return self._runs[token]

    def _abandon(self, tokens: list[trio.lowlevel.TrioToken]) -> None:
        for token in tokens:
            connections = self._runs.pop(token, None)
            if connections is not None:
                connections.abandon()

    async def _tls(self) -> ssl.SSLContext:
        if self._ssl_context is None:
            # Reading the system's authorities takes 25 ms: not for who needs no TLS, and not in the loop.
            context = await trio.to_thread.run_sync(tls_context, None, None)
            self._ssl_context = self._ssl_context or context
        return self._ssl_context


@dataclass(eq=False, slots=True)
class _Claim:
    """A request's claim to a connection, and what it got."""

    granted: trio.Event = field(default_factory=trio.Event)
    connection: Connection | None = None

    @property
    def sent(self) -> bool:
        return self.connection is not None and self.connection.sent


class _Connections:
    """The connections of one trio run; does what the pool decides. Only `obtain` waits for anything."""

    def __init__(self) -> None:
        self._pool: Pool[_Claim, Connection] = Pool(
            most=_MOST_CONNECTIONS, most_idle=_MOST_IDLE, idle_seconds=_IDLE_SECONDS
        )

    async def obtain(self, claim: _Claim, route: Route, tls: TLSContext, silence: float) -> Connection:
        """Return a live connection for `claim`, an idle one or a new one. Whatever happens: `take_back` it."""
        self._carry_out(self._pool.wanted(claim, route.key, trio.current_time()))
        await claim.granted.wait()
        while claim.connection is not None:
            claim.connection.line.timeout = silence
            if await claim.connection.is_alive():
                return claim.connection
            self._carry_out(self._pool.stale(claim, trio.current_time()))
        connection = await dial(route, tls, silence)
        claim.connection = connection
        self._pool.opened(claim, connection)
        return connection

    def take_back(self, claim: _Claim) -> None:
        """End the request of `claim`, whatever became of it."""
        reusable = claim.connection is not None and claim.connection.reusable
        over = self._pool.released if reusable else self._pool.broken
        self._carry_out(over(claim, trio.current_time()))

    def close(self) -> None:
        """Close every connection."""
        self._carry_out(self._pool.closed())

    def abandon(self) -> None:
        """Close the descriptors of a run or process that is not the present one."""
        for connection in self._pool.closed().close:
            connection.line.abandon()

    def _carry_out(self, plan: Plan[_Claim, Connection]) -> None:
        for connection in plan.close:
            connection.line.close()
        for claim, granted in plan.grants:
            claim.connection = granted
            claim.granted.set()


def _has_ended(token: trio.lowlevel.TrioToken) -> bool:
    try:
        token.run_sync_soon(bool)
    except trio.RunFinishedError:
        return True
    return False


def _failure(request: Request, error: Exception, sent: bool) -> Failure:
    error = _root(error)
    if isinstance(error, OSError):
        return failure_of(request, error, sent=sent)
    _, kind, words = next(row for row in _FAULTS if isinstance(error, row[0]))
    if isinstance(error, Silence):
        words = f"{error} for {request.timeout:g} s"
    return Failure(request.id, kind, words or str(error), sent)


def _root(error: Exception) -> Exception:
    """Return what trio's exception stands for: the socket's or TLS's own, or the first of several connects."""
    if isinstance(error, trio.BrokenResourceError | OSError):
        cause = error.__cause__
        if isinstance(cause, ExceptionGroup):
            cause = cause.exceptions[0]
        if isinstance(cause, OSError):
            return cause
    return error
