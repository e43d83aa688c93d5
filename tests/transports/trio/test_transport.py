"""The trio transport whole: its connections, what is left after a cancel, a run or a fork, and its arguments."""

import os
import pickle
import random
import socket
import ssl
import traceback
import warnings
import weakref
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from flowflex_core import FlowFlexConfigError
from flowflex_transports.trio import transport as transport_module
from flowflex_transports.trio.transport import TrioTransport
from tests.support.trio_attempts import Upload, a_request, failed, replied
from tests.support.trio_peer import OK, Talk, answering, in_trio, serving

pytestmark = pytest.mark.usefixtures("no_descriptor_is_left")


# Connections


@in_trio
async def test_connections_are_reused(scheme):
    """Requests one after another use one connection an origin, files and all."""
    at_peer, at_client = scheme
    async with serving(answering(), **at_peer) as api, serving(answering(), **at_peer) as storage:
        transport = TrioTransport(**at_client)
        for _ in range(20):
            assert (await replied(transport, a_request(api.url()), b"{}")).status == 200
            assert (await replied(transport, a_request(storage.url()), Upload(300_000))).status == 200
        await transport.aclose()
    assert (len(api.talks), len(storage.talks)) == (1, 1)


@in_trio
async def test_requests_at_the_same_time_have_connections_of_their_own():
    """Two requests at once never share a connection, and more than the bound wait for their turn."""
    most = 0
    busy = 0

    async def script(talk: Talk) -> None:
        nonlocal busy, most
        while (await talk.request())[0]:
            busy += 1
            most = max(most, busy)
            await trio.sleep(0.001)
            busy -= 1
            await talk.send(OK)

    async with serving(script) as peer:
        transport = TrioTransport()
        async with trio.open_nursery() as nursery:
            for _ in range(150):
                nursery.start_soon(transport.perform, a_request(peer.url()), b"{}")
        assert len(peer.talks) == 64
        await transport.aclose()
    assert 2 < most <= 64


@pytest.mark.parametrize("ending", ["end", "reset", "unsolicited"])
@in_trio
async def test_a_dead_idle_connection_is_not_used(ending, scheme):
    """An idle connection that ended, was reset, or brought bytes nobody asked for is closed, and a new one opened."""
    at_peer, at_client = scheme
    answered = trio.Event()
    spoilt = trio.Event()

    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.send(OK)
        if talk.number == 0:
            await answered.wait()
            if ending == "unsolicited":
                await talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
            else:
                talk.reset() if ending == "reset" else talk.close()
            spoilt.set()
        await talk.request()

    async with serving(script, **at_peer) as peer:
        transport = TrioTransport(**at_client)
        await transport.perform(a_request(peer.url()), b"")
        answered.set()
        await spoilt.wait()
        outcome = await replied(transport, a_request(peer.url()), b"")
        await transport.aclose()
    assert outcome.body == b"ok"
    assert len(peer.talks) == 2


@in_trio
async def test_bytes_after_the_reply_spoil_the_connection(scheme):
    """A second reply that comes along with the first never becomes the answer to the next request."""
    at_peer, at_client = scheme

    async def script(talk: Talk) -> None:
        while (await talk.request())[0]:
            await talk.send(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged" + b" " * 40_000)

    async with serving(script, **at_peer) as peer:
        transport = TrioTransport(**at_client)
        for _ in range(3):
            assert (await replied(transport, a_request(peer.url()), b"")).body == b"ok"
        await transport.aclose()
    assert len(peer.talks) == 3


@in_trio
async def test_what_the_peer_says_about_the_connection_is_heard():
    """After `Connection: close` the connection is closed."""
    async with serving(answering(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")) as peer:
        transport = TrioTransport()
        for _ in range(2):
            assert (await replied(transport, a_request(peer.url()), b"")).status == 204
        await transport.aclose()
    assert len(peer.talks) == 2


@in_trio
async def test_closing_ends_requests_in_flight():
    """`aclose` closes busy connections too; their requests fail, and closing twice is nothing."""
    outcomes = []

    async def script(talk: Talk) -> None:
        await talk.request()
        received.set()
        await trio.sleep_forever()

    async def perform() -> None:
        outcomes.append(await transport.perform(a_request(peer.url()), b""))

    received = trio.Event()
    async with serving(script) as peer:
        transport = TrioTransport()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(perform)
            await received.wait()
            await transport.aclose()
        await transport.aclose()
    failed(outcomes[0], "connection", sent=True)


@in_trio
async def test_nothing_is_kept_after_closing():
    """A request after `aclose` is performed, and leaves no connection behind."""
    async with serving(answering()) as peer:
        transport = TrioTransport()
        await transport.aclose()
        for _ in range(2):
            assert (await replied(transport, a_request(peer.url()), b"")).status == 200
    assert len(peer.talks) == 2


def test_the_connections_of_a_run_that_ended_are_let_go():
    """A client made outside of trio serves one run after another, each with fresh connections."""
    transport = TrioTransport()
    counts = []

    @in_trio
    async def run():
        async with serving(answering()) as peer:
            for _ in range(2):
                assert (await replied(transport, a_request(peer.url()), b"")).status == 200
            counts.append(len(peer.talks))

    @in_trio
    async def close():
        await transport.aclose()

    run()
    run()
    close()
    assert counts == [1, 1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
@in_trio
async def test_a_forked_child_starts_afresh(scheme):
    """A child opens connections of its own, closes what it inherited, and leaves the parent's connection alive."""
    at_peer, at_client = scheme

    def child(url: str, port: int) -> int:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:

                async def main():
                    outcome = await replied(transport, a_request(url), b"child")
                    assert outcome.body == b"ok", outcome
                    assert connections_to(port) == 1, "the inherited connection is still open"
                    await transport.aclose()

                # trio finds that the wakeup descriptor is set already: by the run that this process is a copy of.
                warnings.simplefilter("ignore", RuntimeWarning)
                trio.run(main)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        return os.waitpid(pid, 0)[1]

    bodies = []

    async def script(talk: Talk) -> None:
        while (request := await talk.request())[0]:
            bodies.append((talk.number, request[1]))
            await talk.send(OK)

    async with serving(script, **at_peer) as peer:
        transport = TrioTransport(**at_client)
        await transport.perform(a_request(peer.url()), b"parent")
        assert await trio.to_thread.run_sync(child, peer.url(), peer.port) == 0
        assert (await replied(transport, a_request(peer.url()), b"parent")).body == b"ok"
        await transport.aclose()
    assert bodies == [(0, b"parent"), (1, b"child"), (0, b"parent")]


def connections_to(port: int) -> int:
    """Count the descriptors of this process that are connected to `port`."""
    count = 0
    for descriptor in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as copy:
            count += copy.family == socket.AF_INET and copy.getpeername()[1] == port
    return count


# Arguments


def test_wrong_arguments_are_refused_at_once(tmp_path):
    """What cannot be used is an error when the transport is made."""
    with pytest.raises(FlowFlexConfigError, match="ca_file"):
        TrioTransport(ca_file=tmp_path / "missing.pem")
    with pytest.raises(FlowFlexConfigError, match="both"):
        TrioTransport(ca_file=tmp_path / "missing.pem", ssl_context=ssl.create_default_context())
    with pytest.raises(FlowFlexConfigError, match="proxy"):
        TrioTransport(proxy="socks5://127.0.0.1:1")


# Cancelling


@in_trio
async def test_a_cancel_at_any_await_leaves_the_pool_whole(scheme, monkeypatch):
    """After 300 requests cancelled at random points: every place is free again, and no descriptor is left."""
    monkeypatch.setattr(transport_module, "_MOST_CONNECTIONS", 3)
    at_peer, at_client = scheme
    chance = random.Random(20)

    async with serving(answering(), **at_peer) as peer:
        transport = TrioTransport(**at_client)
        await transport.perform(a_request(peer.url()), b"")

        async def one(cancel_after: int) -> None:
            """Perform a request, and cancel it at its `cancel_after`th wait."""
            body = Upload(400_000) if chance.random() < 0.5 else b"{}"
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:

                    async def count() -> None:
                        for _ in range(cancel_after):
                            await trio.lowlevel.checkpoint()
                        scope.cancel()

                    nursery.start_soon(count)
                    outcome = await replied(transport, a_request(peer.url()), body)
                    assert outcome.status == 200, outcome
                    nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            limit = trio.CapacityLimiter(8)

            async def limited(cancel_after: int) -> None:
                async with limit:
                    await one(cancel_after)

            for _ in range(300):
                nursery.start_soon(limited, chance.randrange(1, 60))

        async with trio.open_nursery() as nursery:
            for _ in range(9):
                nursery.start_soon(perform_well, transport, peer.url())
        await transport.aclose()


async def perform_well(transport: TrioTransport, url: str) -> None:
    assert (await replied(transport, a_request(url), b"")).status == 200


@in_trio
async def test_no_exception_group_gets_out():
    """What is raised inside, a Ctrl-C among it, comes out alone."""

    class Interrupted(Upload):
        async def chunks(self):
            yield b"x"
            raise KeyboardInterrupt

    async with serving(answering()) as peer:
        transport = TrioTransport()
        with pytest.raises(KeyboardInterrupt):
            await transport.perform(a_request(peer.url()), Interrupted(1000))
        await transport.aclose()


@in_trio
async def test_nothing_of_a_request_is_kept():
    """Once performed, a request and its body are free to go."""
    async with serving(answering()) as peer:
        transport = TrioTransport()
        source = Upload(1000)
        seen = weakref.ref(source)
        await transport.perform(a_request(peer.url()), source)
        del source
        assert seen() is None
        await transport.aclose()


def test_a_transport_is_not_pickled():
    """It may hold a proxy's password, and its connections belong to one process."""
    with pytest.raises(FlowFlexConfigError, match="make it anew in each process"):
        pickle.dumps(TrioTransport(proxy="http://me:PASSWORD@127.0.0.1:1"))
