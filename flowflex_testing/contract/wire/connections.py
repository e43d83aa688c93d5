"""How connections live: used again where that is promised, given up where they are no good, closed in the end."""

# ruff: noqa: D401 - the docstring of a check is the sentence that it holds a transport to

import threading
from functools import partial

from flowflex_testing.contract.peers import PATIENCE, Line, Peer, answering, reply
from flowflex_testing.contract.violation import require
from flowflex_testing.contract.wire.bench import WireBench
from flowflex_testing.contract.wire.check import WireCheck

_AT_ONCE = 4


async def connection_is_reused(bench: WireBench) -> None:
    """Requests to one origin that follow each other share a connection, whatever their replies."""
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    for data in (reply(200, b"ok"), reply(404, b"no"), reply(503), b"HTTP/1.1 204 None\r\n\r\n", chunked):
        with Peer(answering(data)) as peer:
            for _ in range(3):
                await bench.perform(peer.origin + "/", body=b"{}")
            fault = f"connections are not reused after {data[:40]!r}"
            require(peer.connections == 1, fault, expected="1 connection", seen=f"{peer.connections} connections")


async def closed_connection_is_not_reused(bench: WireBench) -> None:
    """After a reply that says Connection: close, the next request opens a connection of its own."""

    def script(line: Line) -> None:
        line.request()
        line.send(reply(200, b"", "Connection: close"))
        line.hold()

    fault = "a request is sent over a connection that the peer declared closed"
    with Peer(script) as peer:
        for _ in range(2):
            await bench.response(fault, peer.origin + "/", timeout=0.4)
        seen = [request.line for request in peer.requests]
        require(seen == [1, 2], fault, expected="a connection each", seen=f"requests on connections {seen}")


async def stale_connection_is_replaced(bench: WireBench) -> None:
    """A kept connection that the peer has closed meanwhile is noticed before a request is sent over it."""
    ended = threading.Event()

    def script(line: Line) -> None:
        line.request()
        line.send(reply(200))
        line.end()
        ended.set()
        line.hold()

    with Peer(script) as peer:
        await bench.response("a plain request does not get its reply", peer.origin + "/")
        ended.wait(PATIENCE)
        fault = "a request fails over a kept connection that the peer had closed before"
        await bench.response(fault, peer.origin + "/")
        seen = [request.line for request in peer.requests]
        require(seen == [1, 2], fault, expected="a connection each", seen=f"requests on connections {seen}")


async def unasked_reply_is_nobodys(bench: WireBench) -> None:
    """What a peer sends after its reply, unasked, is never taken for the reply to the next request."""
    said = threading.Event()

    def script(line: Line) -> None:
        line.request()
        line.send(reply(200, b"own"))
        line.send(reply(408, b"nobody's"))
        said.set()
        while True:
            line.request()
            line.send(reply(200, b"own"))

    with Peer(script) as peer:
        for _ in range(2):
            fault = "a reply that nobody asked for is returned to the next request"
            response = await bench.response(fault, peer.origin + "/")
            require(response.body == b"own", fault, expected=b"own", seen=response.body)
            said.wait(PATIENCE)


async def request_is_sent_once(bench: WireBench) -> None:
    """A request whose connection dies is not repeated: whether to repeat is for others to decide."""

    def script(line: Line) -> None:
        line.request()
        if line.number == 1:
            line.send(reply(200))
            line.request()
        line.end()
        line.hold()

    with Peer(script) as peer:
        await bench.response("a plain request does not get its reply", peer.origin + "/")
        performed = await bench.perform(peer.origin + "/", body=b"{}")
        count = len(peer.requests) - 1
        require(count == 1, "the transport repeats a request by itself", expected="1 request", seen=f"{count} requests")
        require(
            getattr(performed.outcome, "sent", None) is True,
            "a request over a connection that dies is not reported as sent",
            expected="a Failure with sent=True",
            seen=str(performed),
        )


async def unavailable_is_returned(bench: WireBench) -> None:
    """A 503 with Retry-After is the reply: it is not acted upon."""
    with Peer(answering(reply(503, b"", "Retry-After: 0"))) as peer:
        await bench.response("a 503 is not returned", peer.origin + "/", status=503, method="PUT")
        count = len(peer.requests)
        require(count == 1, "the transport repeats a request by itself", expected="1 request", seen=f"{count} requests")


async def requests_run_at_once(bench: WireBench) -> None:
    """Requests performed at the same time are under way at the same time, and each gets its own reply."""
    gathered = threading.Barrier(_AT_ONCE)

    def script(line: Line) -> None:
        while True:
            received = line.request()
            try:
                gathered.wait(timeout=1.0)
            except threading.BrokenBarrierError:
                line.send(reply(500))
            else:
                line.send(reply(200, received.target))

    with Peer(script) as peer:

        async def one(target: str) -> None:
            fault = "requests performed at the same time wait for each other"
            response = await bench.response(fault, peer.origin + target)
            fault = "a request gets the reply to another"
            require(response.body == target.encode(), fault, expected=target.encode(), seen=response.body)

        await bench.together([partial(one, f"/{number}") for number in range(_AT_ONCE)])


async def close_closes_connections(bench: WireBench) -> None:
    """`close` closes every connection, and a second one does nothing."""
    with Peer(answering(reply(200))) as peer:
        await bench.response("a plain request does not get its reply", peer.origin + "/")
        await bench.close()
        closed = peer.wait_for_hang_ups(1)
        require(closed, "close leaves a connection open", expected="a closed connection", seen="an open one")
        await bench.close()


CHECKS = (
    WireCheck(connection_is_reused, needs=("reuses_connections",)),
    WireCheck(closed_connection_is_not_reused),
    WireCheck(stale_connection_is_replaced),
    WireCheck(unasked_reply_is_nobodys),
    WireCheck(request_is_sent_once),
    WireCheck(unavailable_is_returned),
    WireCheck(requests_run_at_once),
    WireCheck(close_closes_connections),
)
