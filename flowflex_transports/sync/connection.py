"""One HTTP/1.1 connection over a `Line`: the way to an origin, and one exchange after another on it.

urllib3's connection writes requests and asks a proxy for tunnels; `http.client` reads the replies. The line does all
waiting. urllib3's pools are not used: they rewrite percent-encoded URLs, which breaks presigned ones.
"""

import http.client
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from email.errors import MissingHeaderBodySeparatorDefect
from typing import Any

from urllib3.connection import HTTPConnection
from urllib3.util import SKIP_HEADER

from flowflex_core import MAX_REPLY_BYTES, Request, Response
from flowflex_core.address import Address, parse
from flowflex_transports.environment import Proxies, Proxy
from flowflex_transports.protocols import Source
from flowflex_transports.sync.line import Line, ReplyBegunError, Trouble

_URL_PARTS = re.compile(r"[^:/?#]+://(?P<authority>[^/?#]*)(?P<target>.*)", re.DOTALL)

# A connection can serve all requests to the same scheme, host and port through the same proxy.
Origin = tuple[str, str, int, Proxy | None]


@dataclass(frozen=True, slots=True)
class Route:
    """How one URL is reached.

    Attributes:
        address: The URL in its parts.
        proxy: What stands in between, or None.
        host: The Host header: the authority as it stands in the URL.
        target: What the request line holds: bytes of the URL, none changed.
    """

    address: Address
    proxy: Proxy | None
    host: str
    target: str

    @classmethod
    def to(cls, url: str, proxies: Proxies) -> "Route":
        """Find the way to `url`."""
        address = parse(url)
        proxy = proxies.for_address(address)
        parts = _URL_PARTS.fullmatch(url)
        assert parts is not None, "parse() takes no other URLs"
        path = parts["target"] if parts["target"].startswith("/") else "/" + parts["target"]
        is_forwarded = proxy is not None and address.scheme == "http"
        target = f"http://{parts['authority']}{path}" if is_forwarded else path
        return cls(address, proxy, parts["authority"], target)

    @property
    def origin(self) -> Origin:
        """What tells whether an open connection serves this route."""
        return (self.address.scheme, self.address.host, self.address.port, self.proxy)


class Connection(HTTPConnection):
    """A connection to an origin, opened by its first exchange.

    Args:
        route: The way that all its requests go.
        tls: Gives the context for an https origin.
    """

    response_class: Any  # set below: typed by http.client as its own

    def __init__(self, route: Route, tls: Callable[[], ssl.SSLContext]) -> None:
        first = route.proxy or route.address
        super().__init__(first.host.strip("[]"), first.port)
        self.line = Line()
        self.idle_since = 0.0
        self._route = route
        self._tls = tls
        if route.proxy is not None and route.address.scheme == "https":
            host, port = route.address.host, route.address.port
            self.set_tunnel(host.strip("[]"), port, {"Host": f"{host}:{port}"} | _credentials(route.proxy))

    def connect(self) -> None:
        """Open the line, through the proxy's tunnel where there is one, and under TLS for https."""
        address, proxy = self._route.address, self._route.proxy
        if proxy is None:
            self.line.dial(address.host, address.port)
        else:
            try:
                self.line.dial(proxy.host, proxy.port)
            except Trouble as trouble:
                raise _proxy_trouble(trouble) from None
        self.sock: Any = self.line
        if address.scheme == "https":
            if proxy is not None:
                self._ask_for_tunnel()
            self.line.secure(self._tls(), address.host)

    def _ask_for_tunnel(self) -> None:
        try:
            self._tunnel()
        except Trouble as trouble:
            raise _proxy_trouble(trouble) from None
        except (OSError, http.client.HTTPException, ReplyBegunError) as error:
            status = re.match(r"Tunnel connection failed: (\d{3})", str(error))
            told = f" (status {status[1]})" if status else ""
            raise Trouble("proxy", f"the proxy opened no tunnel{told}") from None

    def exchange(self, request: Request, route: Route, body: bytes | Source) -> Response:
        """Send a request and read its reply.

        Raises:
            Trouble: There is no whole reply.
        """
        length = len(body) if isinstance(body, bytes) else body.length
        headers = {"Host": route.host, "Accept-Encoding": SKIP_HEADER, "User-Agent": SKIP_HEADER}
        if route.proxy is not None and route.address.scheme == "http":
            headers |= _credentials(route.proxy)
        headers |= {**request.headers, "Content-Length": str(length)}
        unsent: ReplyBegunError | None = None
        try:
            self.request(request.method, route.target, body if isinstance(body, bytes) else body.chunks(), headers)
        except ReplyBegunError as stop:
            unsent = stop
        try:
            return self._reply(request.id)
        except Trouble as trouble:
            raise (unsent and unsent.trouble) or trouble from None
        finally:
            if unsent is not None:
                self.hang_up()

    def _reply(self, request_id: str) -> Response:
        try:
            # Not urllib3's getresponse: it logs the URL, presigned query and all, where a header line is odd.
            reply = http.client.HTTPConnection.getresponse(self)
            body = reply.read(MAX_REPLY_BYTES + 1)
            if reply.length and len(body) <= MAX_REPLY_BYTES:
                raise http.client.IncompleteRead(body, reply.length)
            if not reply.isclosed():
                self.hang_up()
            return Response(request_id, reply.status, tuple(reply.headers.items()), body)
        except (http.client.HTTPException, ValueError) as error:
            # A chunk without a readable size is an IncompleteRead to http.client as well.
            if isinstance(error, http.client.IncompleteRead) and self.line.has_ended:
                raise Trouble("connection", "the connection was closed before the reply was whole") from None
            raise Trouble("protocol", "the reply is not HTTP/1.1") from None

    def hang_up(self) -> None:
        """Close the connection for good."""
        self.close()
        self.line.hang_up()


class _Reply(http.client.HTTPResponse):
    """A reply that is read past every interim one, where `http.client` knows 100 alone, and whose framing is strict."""

    def begin(self) -> None:
        super().begin()
        while 100 <= self.status < 200:
            if self.status == http.HTTPStatus.SWITCHING_PROTOCOLS:
                raise http.client.UnknownProtocol("nobody asked for another protocol")
            self.headers = self.msg = None  # type: ignore[assignment]  # else begin() does nothing
            super().begin()
        if any(isinstance(defect, MissingHeaderBodySeparatorDefect) for defect in self.headers.defects):
            raise http.client.HTTPException("a header line without a colon, which hides those after it")
        if self.headers.get("transfer-encoding", "chunked").strip().lower() != "chunked":
            raise http.client.UnknownTransferEncoding("nobody asked for another coding")
        lengths = set(self.headers.get_all("content-length", ()))
        if len(lengths) > 1 or not all(length.isascii() and length.isdecimal() for length in lengths):
            raise http.client.HTTPException("a Content-Length that is no number, or two numbers")


Connection.response_class = _Reply


def _credentials(proxy: Proxy) -> dict[str, str]:
    return {} if proxy.authorization is None else {"Proxy-Authorization": proxy.authorization}


def _proxy_trouble(trouble: Trouble) -> Trouble:
    return trouble if trouble.kind == "timeout" else Trouble("proxy", f"no way through the proxy: {trouble.message}")
