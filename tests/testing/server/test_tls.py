"""The live face under TLS: whom its certificate convinces, and how connections begin and end."""

import socket
import ssl
import sys
from contextlib import contextmanager

import pytest

from flowflex_testing import faults
from flowflex_testing.fake import FakeFlowFlex
from flowflex_testing.server import connection
from flowflex_testing.server.live import Origin
from flowflex_testing.server.tls import Authority
from tests.testing.server.test_connection import Wire, event, put, wire_to
from tests.testing.server.test_live import fake_threads


@pytest.fixture
def fake():
    with FakeFlowFlex(tls=True) as fake:
        yield fake


@contextmanager
def tls_wire_to(fake: FakeFlowFlex, url: str):
    """Shake hands with `fake` at `url`; an end without a goodbye raises `ssl.SSLEOFError`."""
    context = ssl.create_default_context(cadata=fake.ca_pem.decode())
    with wire_to(url) as wire:
        wire.socket = context.wrap_socket(wire.socket, server_hostname="127.0.0.1", suppress_ragged_eofs=False)
        yield wire


def test_both_origins_are_https_and_trusted_through_the_authority_alone(fake):
    """`ca_pem` opens both; without it no client trusts either."""
    for url, request in ((fake.base_url, event(fake)), (fake.storage_url, put(fake, 4) + b"data")):
        assert url.startswith("https://127.0.0.1:")
        with tls_wire_to(fake, url) as wire:
            wire.send(request)
            assert wire.reply()[0] in (200, 202)
        with wire_to(url) as wire, pytest.raises(ssl.SSLCertVerificationError):
            ssl.create_default_context().wrap_socket(wire.socket, server_hostname="127.0.0.1")


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "::1"])
def test_the_certificate_is_for_every_name_of_loopback(fake, name):
    """However a test reaches the fake."""
    context = ssl.create_default_context(cadata=fake.ca_pem.decode())
    with wire_to(fake.base_url) as wire:
        wire.socket = context.wrap_socket(wire.socket, server_hostname=name)


def test_a_silent_peer_holds_up_no_other_handshake(fake):
    """While 50 peers never begin theirs, another is served at once; the end does not wait for them."""
    silent = [Wire(fake.base_url) for _ in range(50)]
    with tls_wire_to(fake, fake.base_url) as wire:
        wire.send(event(fake))
        assert wire.reply()[0] == 202
    fake.stop()
    assert fake_threads() == []
    for one in silent:
        assert one.is_over()
        one.socket.close()


def test_a_handshake_has_its_time(monkeypatch):
    """Who never begins one is let go."""
    monkeypatch.setattr(connection, "HANDSHAKE_SECONDS", 0.01)
    with FakeFlowFlex(tls=True) as fake, wire_to(fake.base_url) as wire:
        assert wire.is_over()


def test_an_established_connection_may_be_idle(fake, monkeypatch):
    """The time for the handshake is none for what follows."""
    tracked: list[socket.socket] = []
    monkeypatch.setattr(Origin, "track", lambda _origin, sock: tracked.append(sock))
    with tls_wire_to(fake, fake.base_url) as wire:
        wire.send(event(fake))
        assert wire.reply()[0] == 202
        assert [sock.gettimeout() for sock in tracked] == [None]


def test_an_announced_end_is_said_under_tls_too(fake):
    """After Connection: close, and after an early refusal, comes a goodbye: nothing was cut off."""
    with tls_wire_to(fake, fake.base_url) as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: fake\r\nConnection: close\r\n\r\n")
        assert wire.reply()[0] == 401
        assert wire.is_ended()
    with tls_wire_to(fake, fake.storage_url) as wire:
        wire.send(put(fake, 30_000_000, size=...))
        assert wire.reply()[0] == 413
        assert wire.is_ended()


@pytest.mark.parametrize("fault", [faults.LoseReply(), faults.TruncateReply(body_bytes=7)])
def test_a_lost_reply_ends_without_a_goodbye(fake, fault):
    """Under TLS a peer can tell that it was cut off."""
    fake.faults.arm("event", fault)
    with tls_wire_to(fake, fake.base_url) as wire:
        wire.send(event(fake))
        with pytest.raises(ssl.SSLEOFError):
            wire.reply()


@pytest.mark.parametrize("fault", [faults.Reset(), faults.LoseReply(reset=True)])
def test_a_reset_is_a_reset_under_tls_too(fake, fault):
    """Neither a goodbye nor an end: RST, as the bare socket shows; OpenSSL tells its own tale of it."""
    fake.faults.arm("event", fault)
    with tls_wire_to(fake, fake.base_url) as wire:
        wire.send(event(fake))
        with pytest.raises(ConnectionResetError):  # noqa: PT012 - tickets for another session may come first
            while socket.socket.recv(wire.socket, 65_536):
                pass


def test_who_speaks_no_tls_ends_only_its_own_connection(fake):
    """A plain request to the port is no error of the fake."""
    with wire_to(fake.base_url) as wire:
        wire.send(event(fake))
        assert wire.is_over()
    with tls_wire_to(fake, fake.base_url) as wire:
        wire.send(event(fake))
        assert wire.reply()[0] == 202


def test_tls_can_be_done_with_a_context_that_is_given():
    """Then there is no authority of the fake's own."""
    authority = Authority("127.0.0.1")
    with FakeFlowFlex(tls=authority.server_context) as fake:
        context = ssl.create_default_context(cadata=authority.ca_pem.decode())
        with wire_to(fake.base_url) as wire:
            wire.socket = context.wrap_socket(wire.socket, server_hostname="127.0.0.1")
            wire.send(event(fake))
            assert wire.reply()[0] == 202
        with pytest.raises(RuntimeError, match="tls=True"):
            _ = fake.ca_pem


def test_a_handshake_that_begins_when_the_server_stops_is_not_begun():
    """The socket that is new by then was not among those that were shut down."""
    origin = Origin("api", lambda _head, _body: pytest.fail("no request"), "127.0.0.1", 0, None)
    origin.stop()
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(ConnectionAbortedError):
        origin.track(ours)


def test_without_trustme_tls_says_what_to_install(monkeypatch):
    """The sentence names the package, and the other way."""
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'flowflex-kit\[tls\]', or give an ssl\.SSLContext"):
        FakeFlowFlex(tls=True).start()
