"""Opens a connection: directly or through a proxy, in the clear or under TLS."""

import ssl
from collections.abc import Awaitable, Callable

import h11
import trio

from flowflex_transports.route import Route
from flowflex_transports.trio.connection import Connection, PeerClosed
from flowflex_transports.trio.line import Line, Silence

TLSContext = Callable[[], Awaitable[ssl.SSLContext]]


class ProxyFault(Exception):
    """The proxy could not be reached, or would not do what it was asked."""


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
    # An end without a TLS goodbye is an error where a reply is read to the end, and is met nowhere else: anybody on the
    # way can end a TCP connection, and half a reply would be taken for a whole one.
    stream = trio.SSLStream(connection.stream, context, server_hostname=name)
    await stream.do_handshake()
    return Connection(connection.line, stream)


async def _tunnel(connection: Connection, route: Route) -> None:
    try:
        status = await connection.tunnel(route.tunnel, route.tunnel_headers)
    except (PeerClosed, h11.RemoteProtocolError, trio.BrokenResourceError) as error:
        raise ProxyFault("the proxy broke off while it was asked for a tunnel") from error
    if not 200 <= status < 300:
        raise ProxyFault(f"the proxy refused the tunnel with status {status}")
