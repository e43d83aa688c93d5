"""A transport of one's own over the standard library's http.client, with a new connection for every request.

What it leaves undone is declared where it is held to the contract, and `WireSubject` tells what follows from it.
"""

import ssl
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from flowflex_core import MAX_REPLY_BYTES, Failure, Request, Response
from flowflex_transports import Source, failure_of


class HttpClientTransport:
    """Performs each request over a connection of its own."""

    def __init__(self, ssl_context: ssl.SSLContext | None = None) -> None:
        self._ssl_context = ssl_context or ssl.create_default_context()

    def perform(self, request: Request, body: bytes | Source) -> Response | Failure:
        """Send the request and return what came of it."""
        scheme, host, *_ = urlsplit(request.url)
        target = "/" + request.url.removeprefix(f"{scheme}://{host}").removeprefix("/")  # byte for byte
        chunks, length = (body, len(body)) if isinstance(body, bytes) else (body.chunks(), body.length)
        connection = HTTPConnection(host, timeout=min(request.timeout, request.total))
        if scheme == "https":
            connection = HTTPSConnection(host, timeout=connection.timeout, context=self._ssl_context)
        sent = False
        try:
            connection.connect()
            sent = True
            connection.request(request.method, target, chunks, {**request.headers, "Content-Length": str(length)})
            reply = connection.getresponse()
            content = reply.read(MAX_REPLY_BYTES + 1)
            # Without a length, http.client takes for whole what was cut; with one, what is left of it tells.
            if reply.status < 200 or not (reply.chunked or reply.length == 0 or len(content) > MAX_REPLY_BYTES):
                raise HTTPException("no final reply, or not a whole one")
            return Response(request.id, reply.status, reply.getheaders(), content)
        except (OSError, HTTPException, ValueError) as error:  # ValueError: a chunk of negative size
            return failure_of(request, error, sent=sent)
        finally:
            connection.close()

    def close(self) -> None:
        """Do nothing: no connection outlives its request."""
