"""One HTTP/1.1 connection over a `Line`: the way to an origin, and one exchange after another on it.

urllib3 writes the requests, `reply` reads what comes back, and the line does all waiting. urllib3's pools are not
used: they rewrite percent-encoded URLs, which breaks presigned ones.
"""

import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from urllib3.connection import HTTPConnection
from urllib3.util import SKIP_HEADER

from flowflex_core import Request, Response
from flowflex_transports.protocols import Source
from flowflex_transports.route import HiddenHeaders, Route
from flowflex_transports.sync.line import Line, ReplyBegunError, Trouble
from flowflex_transports.sync.reply import read_head, read_reply


class Connection:
    """A connection to an origin.

    Args:
        route: The way that all its requests go.
        tls: Gives the context for an https origin.

    Attributes:
        line: What it goes over.
        reusable: Whether the last exchange left it fit for another.
        idle_since: When that ended.
    """

    def __init__(self, route: Route, tls: Callable[[], ssl.SSLContext]) -> None:
        self.line = Line()
        self.reusable = False
        self.idle_since = 0.0
        self._route = route
        self._tls = tls

    def connect(self) -> None:
        """Open the line, through the proxy's tunnel where there is one, and under TLS for https.

        Raises:
            Trouble: There is no way.
        """
        address, proxy = self._route.address, self._route.proxy
        if proxy is None:
            self.line.dial(address.host, address.port)
        else:
            try:
                self.line.dial(proxy.host, proxy.port)
                if address.scheme == "https":
                    self._ask_for_tunnel()
            except Trouble as trouble:
                raise _proxy_trouble(trouble) from None
        if address.scheme == "https":
            self.line.secure(self._tls(), address.host)

    def _ask_for_tunnel(self) -> None:
        with suppress(ReplyBegunError):  # what it says tells more
            self._write("CONNECT", self._route.tunnel, self._route.tunnel_headers, None)
        status = read_head(self.line).status
        if not 200 <= status < 300:
            raise Trouble("proxy", f"it opened no tunnel (status {status})")
        if self.line.has_unread:
            # In the clear: whoever sent them would speak as the server that TLS is about to vouch for.
            raise Trouble("proxy", "it sent bytes before the tunnel was used")

    def exchange(self, request: Request, route: Route, body: bytes | Source) -> Response:
        """Send a request and read its reply.

        Raises:
            Trouble: There is no whole reply.
        """
        self.reusable = False
        headers = route.headers(request, body)
        unsent: ReplyBegunError | None = None
        try:
            self._write(request.method, route.target, headers, body if isinstance(body, bytes) else body.chunks())
        except ReplyBegunError as stop:
            unsent = stop
        try:
            reply = read_reply(self.line)
        except Trouble as trouble:
            raise (unsent and unsent.trouble) or trouble from None
        # What is left of the old body is never sent, and a new request would be taken for it.
        self.reusable = reply.leaves_line_usable and unsent is None
        return Response(request.id, reply.head.status, reply.head.headers, reply.body, early=unsent is not None)

    def _write(self, method: str, target: str, headers: HiddenHeaders, body: bytes | Iterable[bytes] | None) -> None:
        # New for each request: it would wait for a reply that it is never asked to read.
        writer = HTTPConnection(self._route.address.host.strip("[]"))
        sock: Any = self.line
        writer.sock = sock
        unasked = {"Accept-Encoding": SKIP_HEADER, "User-Agent": SKIP_HEADER}
        writer.request(method, target, body, HiddenHeaders({**unasked, **headers}))

    def hang_up(self) -> None:
        """Close the connection for good."""
        self.line.hang_up()


def _proxy_trouble(trouble: Trouble) -> Trouble:
    return trouble if trouble.kind == "timeout" else Trouble("proxy", f"no way through the proxy: {trouble.message}")
