import socket
import ssl
import threading
import time
from typing import Any

import pytest

from flowflex_core import Failure, Response
from flowflex_transports.sync.transport import Urllib3Transport
from tests.support.attempts import Chunks, full_listener, request, timed
from tests.support.scripted import OK, ScriptedServer, Wire, answering

# Connecting


def test_the_second_address_of_a_host_is_tried(transport, monkeypatch):
    """Where the first address of a name refuses, the next is asked."""
    resolve = socket.getaddrinfo

    def two_addresses(host, port, **options):
        refusing = resolve("127.0.0.2", port, **options)
        return refusing + resolve("127.0.0.1", port, **options)

    with ScriptedServer(answering()) as server:
        monkeypatch.setattr(socket, "getaddrinfo", two_addresses)
        outcome = transport.perform(request(server.url(host="localhost")), b"")
    assert isinstance(outcome, Response)


def test_a_silent_first_address_leaves_time_for_the_second(transport, monkeypatch):
    """An address that swallows everything takes its share of the time, not all."""
    resolve = socket.getaddrinfo
    with full_listener() as silent, ScriptedServer(answering()) as server:

        def two_addresses(host, port, **options):
            return resolve("127.0.0.1", silent, **options) + resolve("127.0.0.1", port, **options)

        monkeypatch.setattr(socket, "getaddrinfo", two_addresses)
        outcome = transport.perform(request(server.url(host="localhost"), timeout=0.4, total=0.4), b"")
    assert isinstance(outcome, Response), outcome


def test_a_connection_that_is_not_taken_times_out(transport):
    """The bounds hold while connecting, and nothing was sent."""
    with full_listener() as port:
        outcome = transport.perform(request(f"http://127.0.0.1:{port}/", timeout=0.1), b"")
    assert (outcome.kind, outcome.sent) == ("timeout", False)


# Bounds in time


@pytest.mark.parametrize("secured", [False, True])
@pytest.mark.parametrize(
    "dripped",
    [
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"y" * 1000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\ny\r\n" * 300,
        b"HTTP/1.1 102 Processing\r\n\r\n" * 50,
    ],
)
def test_a_dripping_peer_cannot_outlast_the_total(transport, tls_transport, server_context, secured, dripped):
    """A byte at a time, in head or body, under TLS or not, ends with the attempt's total."""

    def script(wire: Wire) -> None:
        wire.read_request()
        wire.drip(dripped, 0.02)

    with ScriptedServer(script, tls=server_context if secured else None) as server:
        sent = request(server.url(), timeout=5.0, total=0.3)
        outcome, seconds = timed(tls_transport if secured else transport, sent)
    assert (outcome.kind, outcome.sent) == ("timeout", True)
    assert 0.29 < seconds < 0.5


def test_a_dripped_tls_handshake_cannot_outlast_the_total(tls_transport):
    """The bytes of a handshake are waited for within the same bounds."""

    def script(wire: Wire) -> None:
        wire.read_body(5)
        wire.drip(b"\x16\x03\x03\x40\x00" + b"\x02" * 500, 0.02)

    with ScriptedServer(script) as server:
        sent = request(f"https://127.0.0.1:{server.port}/", timeout=5.0, total=0.3)
        outcome, seconds = timed(tls_transport, sent)
    assert (outcome.kind, outcome.sent) == ("timeout", False)
    assert 0.29 < seconds < 0.5


@pytest.mark.parametrize("secured", [False, True])
@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"])
def test_silence_ends_an_attempt_long_before_its_total(transport, tls_transport, server_context, secured, before):
    """The longest silence bounds each wait."""

    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(before)
        wire.hold()

    with ScriptedServer(script, tls=server_context if secured else None) as server:
        sent = request(server.url(), timeout=0.1, total=60.0)
        outcome, seconds = timed(tls_transport if secured else transport, sent)
    assert (outcome.kind, outcome.sent) == ("timeout", True)
    assert seconds < 0.4


@pytest.mark.parametrize("secured", [False, True])
def test_a_slow_but_steady_peer_is_waited_for(transport, tls_transport, server_context, secured):
    """As long as bytes come, silence is not what ends an attempt."""

    def script(wire: Wire) -> None:
        wire.read_request()
        wire.drip(OK, 0.01)

    with ScriptedServer(script, tls=server_context if secured else None) as server:
        sent = request(server.url(), timeout=0.3, total=10.0)
        assert (tls_transport if secured else transport).perform(sent, b"").status == 200


@pytest.mark.parametrize("secured", [False, True])
@pytest.mark.parametrize(("timeout", "total"), [(0.2, 60.0), (60.0, 0.2)])
def test_a_peer_that_stops_reading_ends_the_upload_in_time(
    transport, tls_transport, server_context, secured, timeout, total
):
    """A stalled send is bounded by the silence and by the total."""

    def script(wire: Wire) -> None:
        wire.read_head()
        wire.hold()

    with ScriptedServer(script, tls=server_context if secured else None, receive_buffer=4096) as server:
        sent = request(server.url(), method="PUT", timeout=timeout, total=total)
        body = Chunks(*[b"x" * 65_536] * 400)
        outcome, seconds = timed(tls_transport if secured else transport, sent, body)
    assert (outcome.kind, outcome.sent) == ("timeout", True)
    assert seconds < 1.0


def test_a_peer_that_reads_slowly_cannot_outlast_the_total(transport):
    """A reader that takes a little at a time is bounded by the total too."""

    def script(wire: Wire) -> None:
        wire.read_head()
        while not wire.closed_by_client.is_set() and wire.read_body(20_000):
            time.sleep(0.01)  # the slowness is what is tested

    with ScriptedServer(script, receive_buffer=4096) as server:
        sent = request(server.url(), method="PUT", timeout=5.0, total=0.3)
        outcome, seconds = timed(transport, sent, Chunks(*[b"x" * 65_536] * 400))
    assert (outcome.kind, outcome.sent) == ("timeout", True)
    assert seconds < 0.6


# Abandoning


def abandoned(transport, sent, body=b"", *, reached):
    """Perform in a thread, abandon once `reached` is set, and return the outcome and how long the ending took."""
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(transport.perform(sent, body)))
    thread.start()
    assert reached.wait(5)
    start = time.monotonic()
    while thread.is_alive():
        transport.abandon(sent)
        thread.join(0.01)
    return outcomes[0], time.monotonic() - start


@pytest.mark.parametrize("secured", [False, True])
def test_a_request_is_abandoned_while_it_waits_for_its_reply(transport, tls_transport, server_context, secured):
    """Another thread ends a wait of any length at once, and the request may have arrived."""
    reached = threading.Event()

    def script(wire: Wire) -> None:
        wire.read_request()
        reached.set()
        wire.wait_for_end()

    with ScriptedServer(script, tls=server_context if secured else None) as server:
        sent = request(server.url(), timeout=60.0, total=60.0)
        outcome, seconds = abandoned(tls_transport if secured else transport, sent, reached=reached)
    assert isinstance(outcome, Failure)
    assert outcome.sent
    assert seconds < 0.2


def test_a_request_is_abandoned_during_its_handshake(tls_transport):
    """A peer that takes connections and says nothing holds nobody up."""
    reached = threading.Event()

    def script(wire: Wire) -> None:
        wire.read_body(1)
        reached.set()
        wire.wait_for_end()

    with ScriptedServer(script) as server:
        sent = request(f"https://127.0.0.1:{server.port}/", timeout=60.0, total=60.0)
        outcome, seconds = abandoned(tls_transport, sent, reached=reached)
    assert (outcome.kind, outcome.sent) == ("connection", False)
    assert seconds < 0.2


def test_a_request_is_abandoned_while_it_connects(transport):
    """A connection that is not taken is given up."""
    reached = threading.Event()
    reached.set()
    with full_listener() as port:
        sent = request(f"http://127.0.0.1:{port}/", timeout=60.0, total=60.0)
        outcome, seconds = abandoned(transport, sent, reached=reached)
    assert (outcome.kind, outcome.sent) == ("connection", False)
    assert seconds < 0.2


def test_a_request_that_is_abandoned_while_its_host_is_resolved_goes_no_further(transport, monkeypatch):
    """Resolving cannot be ended, but nothing follows it."""
    reached, go_on = threading.Event(), threading.Event()
    resolve = socket.getaddrinfo

    def slow(*arguments, **options):
        reached.set()
        assert go_on.wait(5)
        return resolve(*arguments, **options)

    with full_listener() as port:
        monkeypatch.setattr(socket, "getaddrinfo", slow)
        sent = request(f"http://127.0.0.1:{port}/", timeout=60.0, total=60.0)
        outcomes: list[Failure] = []
        thread = threading.Thread(target=lambda: outcomes.append(transport.perform(sent, b"")))
        thread.start()
        assert reached.wait(5)
        transport.abandon(sent)
        go_on.set()
        thread.join(5)
    assert [(outcome.kind, outcome.sent) for outcome in outcomes] == [("connection", False)]


def test_a_request_is_abandoned_during_its_upload(transport):
    """A peer that stops reading holds nobody up."""
    reached = threading.Event()

    def script(wire: Wire) -> None:
        wire.read_head()
        reached.set()
        wire.hold()

    with ScriptedServer(script, receive_buffer=4096) as server:
        sent = request(server.url(), method="PUT", timeout=60.0, total=60.0)
        outcome, seconds = abandoned(transport, sent, Chunks(*[b"x" * 65_536] * 400), reached=reached)
    assert isinstance(outcome, Failure)
    assert seconds < 0.2


def test_to_abandon_what_is_not_under_way_is_nothing(transport):
    """A request that has ended, or never began, is not looked for."""
    with ScriptedServer(answering()) as server:
        sent = request(server.url())
        transport.abandon(sent)
        assert transport.perform(sent, b"").status == 200
        transport.abandon(sent)
        assert transport.perform(request(server.url()), b"").status == 200
    assert server.connections == 1


def test_tls_may_have_to_receive_before_it_sends_and_the_other_way_round():
    """Its own messages, such as new keys, pass between those of HTTP."""
    moods = []

    class MoodySocket(socket.socket):
        def moodily(self, mood, method, *arguments):
            if (mood, method.__name__) not in moods:
                moods.append((mood, method.__name__))
                raise mood
            return method(*arguments)

        def do_handshake(self):
            self.moodily(ssl.SSLWantWriteError, self.fileno)

        def send(self, data, flags=0, /):
            return self.moodily(ssl.SSLWantReadError, super().send, data)

        def recv(self, size, flags=0, /):
            return self.moodily(ssl.SSLWantWriteError, super().recv, size)

    class MoodyContext:
        def wrap_socket(self, sock, **_):
            moody = MoodySocket(fileno=sock.detach())
            moody.setblocking(False)
            return moody

    def script(wire: Wire) -> None:
        wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        wire.read_request()
        wire.send(OK)

    context: Any = MoodyContext()
    transport: Any = Urllib3Transport(ssl_context=context)
    with ScriptedServer(script) as server:
        outcome = transport.perform(request(f"https://127.0.0.1:{server.port}/"), b"body")
        transport.close()
    assert outcome.status == 200
    assert len(moods) == 3
