"""A transport of one's own over the standard library's http.client, with a new connection for every request."""

import socket
import ssl
import time
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection, IncompleteRead
from threading import Timer
from urllib.parse import urlsplit

from flowflex_core import MAX_REPLY_BYTES, Failure, FailureKind, Request, Response
from flowflex_transports.protocols import Source


class HttpClientTransport:
    """Performs each request over a connection of its own, within its two bounds."""

    def __init__(self, ssl_context: ssl.SSLContext | None = None) -> None:
        self._ssl_context = ssl_context or ssl.create_default_context()

    def perform(self, request: Request, body: bytes | Source) -> Response | Failure:
        """Send the request and return what came of it; what a source raises passes through."""
        url = urlsplit(request.url)
        patience = min(request.timeout, request.total)
        connection = HTTPConnection(url.netloc, timeout=patience)
        if url.scheme == "https":
            connection = HTTPSConnection(url.netloc, timeout=patience, context=self._ssl_context)
        due = time.monotonic() + request.total
        sent = False
        try:
            try:
                connection.connect()
                sent = True
                _send_head(connection, request, len(body) if isinstance(body, bytes) else body.length)
            except OSError as error:
                return _failure(request, error, sent=sent)
            # http.client bounds each silence; what bounds the whole is that the plug is pulled.
            plug = Timer(due - time.monotonic(), _pull, (connection.sock,))
            plug.start()
            early = False
            try:
                for chunk in (body,) if isinstance(body, bytes) else body.chunks():
                    try:
                        connection.send(chunk)
                    except OSError:  # perhaps the peer has answered early: what it said is here by now
                        early = True
                        connection.sock.settimeout(0.01)
                        break
                return _receive(connection, request, due, early=early)
            finally:
                plug.cancel()
        finally:
            connection.close()

    def close(self) -> None:
        """Do nothing: no connection outlives its request."""


def _send_head(connection: HTTPConnection, request: Request, length: int) -> None:
    target = request.url.partition("://")[2].removeprefix(urlsplit(request.url).netloc)
    connection.putrequest(request.method, target if target.startswith("/") else "/" + target)
    for name, value in request.headers.items():
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(length))
    connection.endheaders()


def _receive(connection: HTTPConnection, request: Request, due: float, *, early: bool) -> Response | Failure:
    try:
        response = connection.getresponse()
        while response.status < 200:  # http.client passes over 100 alone
            response.headers = None  # type: ignore[assignment]  # or it takes the reply for read
            response.begin()
        content = response.read(MAX_REPLY_BYTES + 1)
        if response.length and len(content) <= MAX_REPLY_BYTES:
            raise IncompleteRead(content)
    except (OSError, HTTPException) as error:
        return _failure(request, TimeoutError() if time.monotonic() >= due else error, sent=True)
    if time.monotonic() >= due:  # what looks like the end of the reply was the plug
        return _failure(request, TimeoutError(), sent=True)
    return Response(request.id, response.status, response.getheaders(), content, early)


def _failure(request: Request, error: Exception, *, sent: bool) -> Failure:
    kind: FailureKind = "connection" if isinstance(error, OSError) else "protocol"
    if isinstance(error, TimeoutError):
        kind = "timeout"
    elif isinstance(error, ssl.SSLError):
        kind = "tls"
    return Failure(request.id, kind, type(error).__name__, sent)


def _pull(plugged: socket.socket) -> None:
    with suppress(OSError):
        # Not SSLSocket.shutdown, which drops the session under the reader's feet.
        socket.socket.shutdown(plugged, socket.SHUT_RDWR)
