"""`Urllib3Transport`: performs one request at a time a thread, over connections that are kept and used again."""

import os
import ssl
from typing import Any

from flowflex_core import Failure, FlowFlexConfigError, Request, Response
from flowflex_core.address import AddressError
from flowflex_transports.environment import Proxies, tls_context
from flowflex_transports.process import PerProcess
from flowflex_transports.protocols import Source
from flowflex_transports.route import Route
from flowflex_transports.sync.connection import Connection
from flowflex_transports.sync.line import Trouble
from flowflex_transports.sync.pool import Pool


class Urllib3Transport:
    """Performs requests for `FlowFlex`, or for a runtime of your own with threads.

    Any number of threads may use it; a forked process starts with connections of its own.

    Args:
        ssl_context: What TLS trusts; by default the system's authorities, or those of `SSL_CERT_FILE`.
        ca_file: A file of certificates to trust in place of those.
        proxy: `http://[user:password@]host[:port]`, for all requests; by default what the environment says.
        trust_environment: Whether to ask the environment for proxies.

    Raises:
        FlowFlexConfigError: The context, the file or a proxy cannot be used.
    """

    def __init__(
        self,
        *,
        ssl_context: ssl.SSLContext | None = None,
        ca_file: "str | os.PathLike[str] | None" = None,
        proxy: str | None = None,
        trust_environment: bool = True,
    ) -> None:
        self._proxies = Proxies(proxy, trust_environment=trust_environment)
        given = ssl_context is not None or ca_file is not None
        self._context = tls_context(ssl_context, ca_file) if given else None
        self._pools = PerProcess(Pool, Pool.let_go)

    def perform(self, request: Request, body: bytes | Source) -> Response | Failure:
        """Send `request` with `body`, and return what came of it within `request.timeout` and `request.total`."""
        try:
            route = Route.to(request.url, self._proxies)
        except AddressError:
            return Failure(request.id, "protocol", "the request has no usable URL", False)
        pool = self._pools.get()
        connection = pool.take(request, route.key)
        sent = False
        try:
            if connection is None:
                connection = Connection(route, self._tls)
                pool.lend(request, connection)
                connection.line.allow(request.timeout, request.total)
                connection.connect()
            else:
                connection.line.allow(request.timeout, request.total)
            sent = True
            return connection.exchange(request, route, body)
        except Trouble as trouble:
            return Failure(request.id, trouble.kind, trouble.message, sent)
        finally:
            if connection is not None:
                if connection.reusable:
                    pool.give_back(request, route.key, connection)
                else:
                    pool.end(request, connection)

    def __reduce__(self) -> tuple[Any, ...]:
        raise FlowFlexConfigError("a transport holds connections and a proxy's password: make it anew in each process")

    def abandon(self, request: Request) -> None:
        """Make `perform` of this very request end at once, from another thread. Name resolution is not ended."""
        self._pools.get().abandon(request)

    def close(self) -> None:
        """Close every connection; those in use are closed when their exchange ends. Closing twice is nothing."""
        self._pools.get().close()

    def _tls(self) -> ssl.SSLContext:
        # Made when it is first needed: it takes longer than a whole send without TLS. Two threads may both make one,
        # which a lock could only prevent by surviving no fork.
        if self._context is None:
            self._context = tls_context(None, None)
        return self._context
