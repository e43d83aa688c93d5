"""The live servers: start, stop, and what they leave behind."""

import gc
import socket
import ssl
import threading
import time
import warnings
from pathlib import Path

import pytest

from flowflex_testing.fake import FakeFlowFlex
from flowflex_testing.live import LiveServer
from flowflex_testing.tls import Authority
from tests.testing.test_connection import Wire, event, put, wire_to


def descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def fake_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("fake-flowflex")]


def test_a_fake_that_was_entered_serves_at_two_ports():
    """API and storage are two origins on loopback, and uploads go to the second."""
    with FakeFlowFlex() as fake:
        assert fake.base_url.startswith("http://127.0.0.1:")
        assert fake.storage_url.startswith("http://127.0.0.1:")
        assert fake.base_url != fake.storage_url
        assert fake.client_options["base_url"] == fake.base_url
        with wire_to(fake.storage_url) as wire:
            wire.send(put(fake, 4) + b"data")
            assert wire.reply()[0] == 200
    assert fake.base_url == "https://api.flowflex.test"


def test_stopping_leaves_no_thread_and_no_descriptor():
    """Idle, half-sent and busy connections end with the server, and at once."""
    gc.collect()
    before = descriptors()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        with FakeFlowFlex() as fake:
            wires = [Wire(fake.base_url) for _ in range(6)]
            wires[0].send(event(fake))
            assert wires[0].reply()[0] == 202
            wires[1].send(event(fake)[:40])
            storage = Wire(fake.storage_url)
            storage.send(put(fake, 1000) + b"begun")
            wires.append(storage)
            begin = time.monotonic()
        assert time.monotonic() - begin < 2
        assert fake_threads() == []
        for wire in wires:
            assert wire.is_over()
            wire.socket.close()
        gc.collect()
    assert descriptors() == before


def test_a_fake_can_be_started_again():
    """State stays over a stop; a running one is not started twice, and stopping twice is nothing."""
    fake = FakeFlowFlex()
    for number in range(2):
        with fake:
            with pytest.raises(RuntimeError, match="already running"):
                fake.start()
            with wire_to(fake.base_url) as wire:
                wire.send(event(fake, key=str(number)))
                assert wire.reply()[0] == 202
        fake.stop()
    assert len(fake.events) == 2


def test_the_port_of_the_api_can_be_given():
    """A port that is taken is an ordinary OSError, and leaves nothing open."""
    with FakeFlowFlex() as first:
        port = int(first.base_url.rpartition(":")[2])
        before = descriptors()
        with pytest.raises(OSError, match="in use"):
            FakeFlowFlex(port=port).start()
        assert descriptors() == before
    with FakeFlowFlex(port=port) as second:
        assert second.base_url == f"http://127.0.0.1:{port}"


def test_an_ipv6_host_stands_in_brackets():
    """A fake can listen at ::1."""
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    with FakeFlowFlex(host="::1") as fake:
        assert fake.base_url.startswith("http://[::1]:")
        with wire_to(fake.base_url) as wire:
            wire.send(event(fake))
            assert wire.reply()[0] == 202


def test_an_error_in_the_fake_is_not_silent():
    """A bug is a 500 on the wire, and raised where the server stops."""

    def broken(_head, _body):
        raise KeyError("a bug")

    server = LiveServer(broken, host="127.0.0.1", port=0, tls=False)
    server.start()
    with wire_to(server.api_url) as wire:
        wire.send(b"GET / HTTP/1.1\r\n\r\n")
        assert wire.reply()[0] == 500
    with pytest.raises(RuntimeError, match="the fake itself failed: KeyError"):
        server.stop()


def test_many_connections_are_served_at_once():
    """A silent, a half-sent and a slow peer hold nobody up."""
    with FakeFlowFlex() as fake:
        idle = [Wire(fake.base_url) for _ in range(20)]
        slow = Wire(fake.storage_url)
        slow.send(put(fake, 1000) + b"begun")
        with wire_to(fake.base_url) as wire:
            wire.send(event(fake))
            assert wire.reply()[0] == 202
        for one in (*idle, slow):
            one.socket.close()


def test_it_serves_tls_with_an_authority_of_its_own():
    """Both origins are https, trusted through `ca_pem` alone; a silent peer does not hold up another's handshake."""
    with FakeFlowFlex(tls=True) as fake:
        assert fake.base_url.startswith("https://127.0.0.1:")
        assert fake.storage_url.startswith("https://127.0.0.1:")
        silent = Wire(fake.base_url)
        context = ssl.create_default_context(cadata=fake.ca_pem.decode())
        for url, request in ((fake.base_url, event(fake)), (fake.storage_url, put(fake, 4) + b"data")):
            with wire_to(url) as wire:
                wire.socket = context.wrap_socket(wire.socket, server_hostname="127.0.0.1")
                wire.send(request)
                assert wire.reply()[0] in (200, 202)
        with wire_to(fake.base_url) as wire, pytest.raises(ssl.SSLError):
            ssl.create_default_context().wrap_socket(wire.socket, server_hostname="127.0.0.1")
    assert fake_threads() == []
    assert silent.is_over()
    silent.socket.close()


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


@pytest.mark.parametrize("tls", [False, True])
def test_an_early_refusal_under_tls_and_without(tls):
    """The 413 is there before the body in both."""
    with FakeFlowFlex(tls=tls) as fake, wire_to(fake.storage_url) as wire:
        if tls:
            context = ssl.create_default_context(cadata=fake.ca_pem.decode())
            wire.socket = context.wrap_socket(wire.socket, server_hostname="127.0.0.1", suppress_ragged_eofs=True)
        wire.send(put(fake, 30_000_000, size=...))
        assert wire.reply()[0] == 413
        assert wire.is_ended()


def test_without_trustme_tls_says_what_to_install(monkeypatch):
    """The sentence names the package, and the other way."""
    monkeypatch.setitem(__import__("sys").modules, "trustme", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install trustme, or give an ssl\.SSLContext"):
        FakeFlowFlex(tls=True).start()
