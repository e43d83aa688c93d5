"""A transport of one's own over the standard library's http.client, with a new connection for every request.

What it leaves undone is declared where it is held to the contract, and `WireSubject` tells what follows from it.
"""

import ssl
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from flowflex_core import MAX_REPLY_BYTES, Failure, FailureKind, Request, Response
from flowflex_transports.protocols import Source

# The first that fits counts.
_KINDS: dict[type[Exception], FailureKind] = {TimeoutError: "timeout", ssl.SSLError: "tls", OSError: "connection"}
_KINDS[Exception] = "protocol"


class HttpClientTransport:
    """Performs each request over a connection of its own."""

    def __init__(self, ssl_context: ssl.SSLContext | None = None) -> None:
        self._ssl_context = ssl_context or ssl.create_default_context()

    def perform(self, request: Request, body: bytes | Source) -> Response | Failure:
        """Send the request and return what came of it; what a source raises passes through."""
        url, patience = urlsplit(request.url), min(request.timeout, request.total)
        connection = HTTPConnection(url.netloc, timeout=patience)
        if url.scheme == "https":
            connection = HTTPSConnection(url.netloc, timeout=patience, context=self._ssl_context)
        target = request.url.partition("://")[2].removeprefix(url.netloc)  # byte for byte
        chunks, length = ((body,), len(body)) if isinstance(body, bytes) else (_chunks(body), body.length)
        headers = {**request.headers, "Content-Length": str(length)}
        sent = False
        try:
            connection.connect()
            sent = True
            connection.request(request.method, target if target.startswith("/") else f"/{target}", chunks, headers)
            reply = connection.getresponse()
            content = reply.read(MAX_REPLY_BYTES + 1)
            # Without a length, http.client takes for whole what was cut; with one, what is left of it tells.
            whole = reply.chunked or reply.length == 0 or len(content) > MAX_REPLY_BYTES
            if reply.status < 200 or not whole:
                raise HTTPException
            return Response(request.id, reply.status, reply.getheaders(), content)
        except _SourceBroke as broke:
            raise broke.args[0] from None
        except (OSError, HTTPException, ValueError) as error:  # ValueError: a chunk of negative size
            kind: FailureKind = next(kind for cause, kind in _KINDS.items() if isinstance(error, cause))
            return Failure(request.id, kind, type(error).__name__, sent)
        finally:
            connection.close()

    def close(self) -> None:
        """Do nothing: no connection outlives its request."""


class _SourceBroke(Exception):
    """Carries what a source raised past the clauses that are for the network's trouble."""


def _chunks(source: Source) -> Iterator[bytes]:
    try:
        yield from source.chunks()
    except Exception as error:
        raise _SourceBroke(error) from error
