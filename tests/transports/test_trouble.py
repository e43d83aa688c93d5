import socket
import ssl
from http.client import BadStatusLine, RemoteDisconnected

import pytest

from flowflex_core import Failure, Request
from flowflex_transports import failure_of

REQUEST = Request("event/1", "POST", "https://host/?sig=hidden", {"Authorization": "Basic hidden"}, b"", 1.0, 1.0)


def untrusted():
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] of https://host/?sig=hidden")
    error.verify_message = "self-signed certificate"
    return error


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (untrusted(), "tls", "the server's certificate is not trusted (self-signed certificate)"),
        (ssl.SSLEOFError(8, "EOF"), "connection", "the peer ended the connection without a TLS goodbye"),
        (ssl.SSLError(1, "x"), "tls", "TLS failed"),
        (TimeoutError("hidden"), "timeout", "the network gave up"),
        (socket.gaierror(-2, "Name or service not known"), "connection", "the host name could not be resolved"),
        (ConnectionRefusedError(111, "Connection refused"), "connection", "the connection was refused"),
        (
            ConnectionRefusedError(111, "Error connecting to ('127.0.0.1', 9): Connection refused"),  # as trio says it
            "connection",
            "the connection was refused (Connection refused)",
        ),
        (ConnectionResetError(104, "Connection reset by peer"), "connection", "the connection broke (Connection reset"),
        (RemoteDisconnected("hidden"), "connection", "the connection broke"),
        (BadStatusLine("hidden"), "protocol", "the reply is not HTTP/1.1"),
        (ValueError("hidden"), "protocol", "the reply is not HTTP/1.1"),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("sent", [True, False])
def test_an_exception_of_the_network_is_told_by_its_class(error, kind, words, sent):
    """With what the system says, and never with a message that could hold something of the request."""
    outcome = failure_of(REQUEST, error, sent=sent)
    assert outcome == Failure("event/1", kind, outcome.message, sent)
    assert outcome.message.startswith(words)
    assert "hidden" not in outcome.message
