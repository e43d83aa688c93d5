import threading

import pytest

from flowflex_core import Response
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
