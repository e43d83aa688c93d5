"""What the exceptions of sockets and TLS mean, for every driver alike, and for a transport of one's own."""

import os
import socket
import ssl

from flowflex_core.messages import Failure, FailureKind, Request

# First match first, in words that hold nothing of the request.
_MEANINGS: tuple[tuple[type[Exception], FailureKind, str], ...] = (
    (ssl.SSLCertVerificationError, "tls", "the server's certificate is not trusted"),
    (ssl.SSLEOFError, "connection", "the peer ended the connection without a TLS goodbye"),
    (ssl.SSLError, "tls", "TLS failed"),
    (TimeoutError, "timeout", "the network gave up"),
    (socket.gaierror, "connection", "the host name could not be resolved"),
    (ConnectionRefusedError, "connection", "the connection was refused"),
    (OSError, "connection", "the connection broke"),
    (Exception, "protocol", "the reply is not HTTP/1.1"),
)


def meaning(error: Exception) -> tuple[FailureKind, str]:
    """Return the kind of failure that an exception of the network is, and a few words of it.

    An `OSError` is told by its class, with what the system or OpenSSL says; whatever else an HTTP library raises in
    reading a reply means that it could not be read.
    """
    _, kind, words = next(row for row in _MEANINGS if isinstance(error, row[0]))
    if isinstance(error, ConnectionError) and error.errno:
        reason: object = os.strerror(error.errno)  # trio's own words name the address again
    else:
        names = ("verify_message", "reason", "strerror")
        reason = next((word for name in names if (word := getattr(error, name, None))), None)
    told = isinstance(error, OSError) and isinstance(reason, str) and reason
    return kind, f"{words} ({reason})" if told else words


def failure_of(request: Request, error: Exception, *, sent: bool) -> Failure:
    """Make of an exception what `perform` returns; `sent` tells whether any byte of `request` may have left."""
    kind, words = meaning(error)
    return Failure(request.id, kind, words, sent)
