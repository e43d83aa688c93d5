"""Opens a connection: directly or through a proxy, in the clear or under TLS."""

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import h11
import trio

from flowflex_core.address import Address
from flowflex_transports.environment import Proxy
from flowflex_transports.trio.connection import Connection, PeerClosed
from flowflex_transports.trio.line import Line, Silence

TLSContext = Callable[[], Awaitable[ssl.SSLContext]]


class ProxyFault(Exception):
    """The proxy could not be reached, or would not do what it was asked."""


@dataclass(frozen=True, slots=True)
class Route:
    """The way that a request goes.

    Attributes:
        url: Where it goes.
        address: The same in its parts.
        proxy: What stands between, if anything.
    """

    url: str = field(repr=False)
    address: Address
    proxy: Proxy | None

    @property
    def tunnelled(self) -> bool:
        """Whether the proxy passes bytes that it cannot read; without TLS it is given the whole URL instead."""
        return self.proxy is not None and self.address.scheme == "https"

    @property
    def key(self) -> str:
        """Names the connections that can serve this route."""
        if self.proxy is None:
            return self.address.origin
        through = f"proxy {self.proxy.host}:{self.proxy.port}"
        return f"{self.address.origin} through {through}" if self.tunnelled else through

    @property
    def host(self) -> str:
        """The value of the Host header: the authority as it stands in the URL, since a signature may cover it."""
        return self.url.partition("://")[2].partition("/")[0].partition("?")[0]

    @property
    def target(self) -> str:
        """The request target, of the URL's own bytes (RFC 9112, section 3.2)."""
        path = self.url.partition("://")[2].removeprefix(self.host)
        path = path if path.startswith("/") else f"/{path}"
        return path if self.proxy is None or self.tunnelled else f"http://{self.host}{path}"

    @property
    def proxy_headers(self) -> tuple[tuple[str, str], ...]:
        """What the proxy alone may see."""
        if self.proxy is None or self.proxy.authorization is None:
            return ()
        return (("Proxy-Authorization", self.proxy.authorization),)


async def dial(route: Route, tls: TLSContext, silence: float) -> Connection:
    """Open a connection along `route`, allowing silences of `silence` seconds."""
    address, proxy = route.address, route.proxy
    if proxy is None:
        connection = await _connected(address.host, address.port, silence)
    else:
        try:
            connection = await _connected(proxy.host, proxy.port, silence)
        except OSError as error:
            raise ProxyFault("the proxy could not be reached") from error
    try:
        if route.tunnelled:
            await _tunnel(connection, route)
        if address.scheme == "https":
            connection = await _secured(connection, address.host, await tls())
    except BaseException:
        connection.line.close()
        raise
    return connection


async def _connected(host: str, port: int, silence: float) -> Connection:
    try:
        with trio.fail_after(silence):
            stream = await trio.open_tcp_stream(host.strip("[]"), port)
    except trio.TooSlowError:
        raise Silence("no connection was made") from None
    line = Line(stream)
    line.timeout = silence
    return Connection(line, line)


async def _secured(connection: Connection, host: str, context: ssl.SSLContext) -> Connection:
    """Put TLS over what `connection` speaks over; certificates name hosts without brackets or a final dot."""
    name = host.strip("[]").removesuffix(".")
    # https_compatible: servers end connections without a TLS goodbye; HTTP's own framing tells a cut reply.
    stream = trio.SSLStream(connection.stream, context, server_hostname=name, https_compatible=True)
    await stream.do_handshake()
    return Connection(connection.line, stream)


async def _tunnel(connection: Connection, route: Route) -> None:
    authority = f"{route.address.host}:{route.address.port}"
    try:
        status = await connection.tunnel(authority, [("Host", authority), *route.proxy_headers])
    except (PeerClosed, h11.RemoteProtocolError, trio.BrokenResourceError) as error:
        raise ProxyFault("the proxy broke off while it was asked for a tunnel") from error
    if not 200 <= status < 300:
        raise ProxyFault(f"the proxy refused the tunnel with status {status}")
