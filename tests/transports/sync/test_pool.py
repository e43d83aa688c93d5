import os
import ssl
import threading
from contextlib import ExitStack
from queue import SimpleQueue

import pytest

from flowflex_core import Response
from flowflex_transports.sync import pool
from tests.support.attempts import request
from tests.support.scripted import OK, ScriptedServer, Wire, answering


def test_one_connection_serves_one_request_after_another(transport):
    """20 requests in a row use one connection."""
    with ScriptedServer(answering()) as server:
        for _ in range(20):
            transport.perform(request(server.url()), b"{}")
    assert server.connections == 1


@pytest.mark.parametrize(
    "reply",
    [
        OK,
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 500 Error\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ],
)
def test_a_connection_is_kept_after_any_whole_reply(tls_transport, server_context, reply):
    """Under TLS, by length, in chunks, without content, or an error: a whole reply leaves the connection usable."""
    with ScriptedServer(answering(reply), tls=server_context) as server:
        for _ in range(3):
            assert isinstance(tls_transport.perform(request(server.url()), b"{}"), Response)
    assert server.connections == 1


@pytest.mark.parametrize("how", ["close", "reset", "half_close"])
def test_a_connection_that_the_server_has_ended_is_not_used_again(transport, how):
    """What was closed while idle is noticed before a request goes out on it."""
    ended = threading.Event()

    def once(wire: Wire) -> None:
        wire.read_request()
        wire.send(OK)
        getattr(wire, how)()
        ended.set()
        if how == "half_close":
            wire.wait_for_end()

    with ScriptedServer(once) as server:
        for _ in range(3):
            ended.clear()
            assert isinstance(transport.perform(request(server.url()), b""), Response)
            assert ended.wait(5)
    assert server.connections == 3


def test_a_reply_that_nobody_asked_for_is_not_taken_for_the_next(transport):
    """A connection with bytes left over is not used again."""
    forged = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
    with ScriptedServer(answering(OK + forged)) as server:
        bodies = [transport.perform(request(server.url()), b"").body for _ in range(2)]
    assert (bodies, server.connections) == ([b"ok", b"ok"], 2)


def test_a_connection_that_the_server_wants_closed_is_closed(transport):
    """`Connection: close` is obeyed."""
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"

    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(closing)
        wire.wait_for_end()

    with ScriptedServer(script) as server:
        transport.perform(request(server.url()), b"")
        assert server.ended.acquire(timeout=5)


def test_threads_share_a_transport(transport):
    """Eight threads at once get their own replies, over eight connections at most."""

    def echo(wire: Wire) -> None:
        while received := wire.read_request():
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(received.body) + received.body)

    wrong: list[bytes] = []

    def work(number):
        for turn in range(20):
            body = f"{number}/{turn}".encode()
            if transport.perform(request(server.url()), body).body != body:
                wrong.append(body)

    with ScriptedServer(echo) as server:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong
    assert server.connections <= 8


def test_close_closes_idle_connections_and_may_be_called_twice(transport):
    """After close no descriptor is left."""
    with ScriptedServer(answering()) as server:
        transport.perform(request(server.url()), b"")
        transport.close()
        transport.close()
        assert server.ended.acquire(timeout=5)


@pytest.mark.parametrize("secured", [False, True])
def test_a_child_closes_what_it_inherited_without_a_word(
    transport, tls_transport, server_context, monkeypatch, secured
):
    """Under TLS too: a goodbye would end the parent's connection."""
    used = tls_transport if secured else transport
    endings: SimpleQueue[type[Exception] | None] = SimpleQueue()

    def script(wire: Wire) -> None:
        while wire.read_request():
            wire.send(OK)
        endings.put(wire.ending)

    with ScriptedServer(script, tls=server_context if secured else None) as server:
        assert used.perform(request(server.url()), b"").status == 200
        monkeypatch.setattr(os, "getpid", lambda: -1)
        assert used.perform(request(server.url()), b"").status == 200
        # One process plays both here, so the descriptor was the last one.
        assert endings.get(timeout=5) is (ssl.SSLEOFError if secured else None)
        assert server.connections == 2


def test_idle_connections_are_bounded(transport, monkeypatch):
    """The oldest are closed where there are too many."""
    monkeypatch.setattr(pool, "_MOST_IDLE", 2)
    with ExitStack() as stack:
        servers = [stack.enter_context(ScriptedServer(answering())) for _ in range(3)]
        for server in servers:
            transport.perform(request(server.url()), b"")
        assert servers[0].ended.acquire(timeout=5)
        for server in servers[1:]:
            transport.perform(request(server.url()), b"")
        assert [server.connections for server in servers] == [1, 1, 1]
        transport.perform(request(servers[0].url()), b"")
        assert servers[0].connections == 2


def test_a_connection_that_was_idle_for_long_is_not_used_again(transport, monkeypatch):
    """Boxes on the way forget connections without telling."""
    with ScriptedServer(answering()) as server:
        transport.perform(request(server.url()), b"")
        monkeypatch.setattr(pool, "_LONGEST_IDLE_SECONDS", 0.0)
        transport.perform(request(server.url()), b"")
    assert server.connections == 2


def test_a_connection_in_use_is_closed_after_its_exchange_when_the_transport_is(transport):
    """Closing waits for nobody, and keeps nothing."""
    asked, go_on = threading.Event(), threading.Event()

    def script(wire: Wire) -> None:
        wire.read_request()
        asked.set()
        go_on.wait(5)
        wire.send(OK)
        wire.wait_for_end()

    with ScriptedServer(script) as server:
        outcomes = []
        thread = threading.Thread(target=lambda: outcomes.append(transport.perform(request(server.url()), b"")))
        thread.start()
        assert asked.wait(5)
        transport.close()
        go_on.set()
        thread.join()
        assert outcomes[0].status == 200
        assert server.ended.acquire(timeout=5)


def test_what_ctrl_c_keeps_from_being_given_back_is_closed_by_the_thread_that_was_struck(transport, monkeypatch):
    """Nobody else knows of the connection any more."""

    def struck(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(pool.Pool, "give_back", struck)
    with ScriptedServer(answering()) as server:
        sent = request(server.url())
        with pytest.raises(KeyboardInterrupt) as caught:
            transport.perform(sent, b"")
        transport.abandon(sent)
        assert server.ended.acquire(timeout=5), caught
