"""Time: silence, the whole of an attempt, and peers that drip or stall."""

import pytest
import trio

from flowflex_transports.trio import transport as transport_module
from flowflex_transports.trio.transport import TrioTransport
from tests.support.trio_attempts import Upload, a_request, failed, replied
from tests.support.trio_peer import OK, Talk, answering, in_trio, serving

pytestmark = pytest.mark.usefixtures("no_descriptor_is_left")


@pytest.mark.parametrize("reply", [OK, b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 900])
@in_trio(virtual=True)
async def test_a_dripping_reply_is_cut_at_the_total(reply, scheme):
    """A peer that drips in its head or body is never silent for `timeout`, and still the attempt ends at `total`."""
    at_peer, at_client = scheme

    async def script(talk: Talk) -> None:
        await talk.request()
        if b"1000" in reply:
            await talk.send(reply[:45])
        await talk.drip(reply, 1)

    async with serving(script, **at_peer) as peer:
        transport = TrioTransport(**at_client)
        start = trio.current_time()
        outcome = await transport.perform(a_request(peer.url(), timeout=2, total=7), b"")
        assert trio.current_time() - start == pytest.approx(7, abs=0.1)
        await transport.aclose()
    assert failed(outcome, "timeout", sent=True) == "the attempt took longer than 7 s in all"


@in_trio(virtual=True)
async def test_a_drip_below_the_total_is_waited_for(scheme):
    """Silence is what counts for `timeout`: a reply that takes ten times as long arrives."""
    at_peer, at_client = scheme

    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.drip(OK, 1)

    async with serving(script, **at_peer) as peer:
        transport = TrioTransport(**at_client)
        outcome = await replied(transport, a_request(peer.url(), timeout=2, total=100), b"")
        await transport.aclose()
    assert outcome.status == 200


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 2", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"]
)
@pytest.mark.parametrize("body", [b"", Upload(100_000)], ids=["event", "file"])
@in_trio(virtual=True)
async def test_silence_is_cut_at_the_timeout(said, body, scheme):
    """A peer that falls silent, at whatever point of its reply, is given up after `timeout`."""
    at_peer, at_client = scheme

    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.send(said)
        await trio.sleep_forever()

    async with serving(script, **at_peer) as peer:
        transport = TrioTransport(**at_client)
        if isinstance(body, Upload):
            body.taken = 0
        start = trio.current_time()
        outcome = await transport.perform(a_request(peer.url(), timeout=3, total=50), body)
        assert trio.current_time() - start == pytest.approx(3, abs=0.1)
        await transport.aclose()
    assert failed(outcome, "timeout", sent=True) == "the peer gave no byte for 3 s"


@in_trio(virtual=True)
async def test_each_request_has_bounds_of_its_own():
    """A reused connection goes by the `timeout` of the request that uses it."""

    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.send(OK)
        await talk.request()
        await trio.sleep_forever()

    async with serving(script) as peer:
        transport = TrioTransport()
        await transport.perform(a_request(peer.url(), timeout=60, total=90), b"")
        start = trio.current_time()
        failed(await transport.perform(a_request(peer.url(), timeout=2, total=90), b""), "timeout", sent=True)
        assert trio.current_time() - start == pytest.approx(2, abs=0.1)
        await transport.aclose()
    assert len(peer.talks) == 1


@in_trio
async def test_a_request_without_time_was_not_sent():
    """A request whose `total` is over before its idle connection is tried has sent nothing."""
    async with serving(answering()) as peer:
        transport = TrioTransport()
        await transport.perform(a_request(peer.url()), b"")
        failed(await transport.perform(a_request(peer.url(), total=1e-9), b""), "timeout", sent=False)
        await transport.aclose()


@in_trio(virtual=True)
async def test_a_peer_that_stops_reading_is_cut_at_the_timeout(scheme):
    """An upload that makes no progress is given up after `timeout`."""
    at_peer, at_client = scheme

    async def script(talk: Talk) -> None:
        await talk.head()
        await trio.sleep_forever()

    async with serving(script, receive_buffer=20_000, **at_peer) as peer:
        transport = TrioTransport(**at_client)
        start = trio.current_time()
        outcome = await transport.perform(a_request(peer.url(), timeout=3, total=50), Upload(30_000_000))
        assert trio.current_time() - start == pytest.approx(3, abs=0.5)
        await transport.aclose()
    assert failed(outcome, "timeout", sent=True) == "the peer took no byte for 3 s"


@in_trio(virtual=True)
async def test_a_peer_that_reads_slowly_is_cut_at_the_total(scheme):
    """An upload that trickles is not silent, and ends at `total`."""
    at_peer, at_client = scheme

    async def script(talk: Talk) -> None:
        await talk.head()
        for _ in range(100):
            await talk.stream.receive_some(16_384)
            await trio.sleep(1)

    async with serving(script, receive_buffer=20_000, **at_peer) as peer:
        transport = TrioTransport(**at_client)
        start = trio.current_time()
        outcome = await transport.perform(a_request(peer.url(), timeout=5, total=30), Upload(30_000_000))
        assert trio.current_time() - start == pytest.approx(30, abs=0.5)
        await transport.aclose()
    assert failed(outcome, "timeout", sent=True) == "the attempt took longer than 30 s in all"


@in_trio(virtual=True)
async def test_a_slow_source_is_no_silence_of_the_peer():
    """Time that the source takes counts for `total` alone."""

    class Slow(Upload):
        async def chunks(self):
            async for chunk in super().chunks():
                await trio.sleep(4)
                yield chunk

    async with serving(answering()) as peer:
        transport = TrioTransport()
        outcome = await replied(transport, a_request(peer.url(), timeout=2, total=50), Slow(300_000))
        await transport.aclose()
    assert outcome.status == 200


@in_trio(virtual=True)
async def test_waiting_for_a_place_counts_for_the_total(monkeypatch):
    """A request that gets no connection in time has sent nothing."""
    monkeypatch.setattr(transport_module, "_MOST_CONNECTIONS", 1)

    async def script(talk: Talk) -> None:
        await talk.request()
        await trio.sleep_forever()

    async with serving(script) as peer:
        transport = TrioTransport()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(transport.perform, a_request(peer.url(), timeout=90, total=90), b"")
            await trio.testing.wait_all_tasks_blocked()
            outcome = await transport.perform(a_request(peer.url(), timeout=2, total=5), b"")
            failed(outcome, "timeout", sent=False)
            nursery.cancel_scope.cancel()
        await transport.aclose()
