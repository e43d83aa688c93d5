"""The trio transport over real sockets and real TLS, against peers that behave and peers that do not."""

import gc
import os
import pickle
import random
import socket
import ssl
import sys
import traceback
import warnings
import weakref
from contextlib import suppress
from pathlib import Path

import pytest
import trio
import trustme

from flowflex_core import FlowFlexConfigError
from flowflex_core.messages import MAX_REPLY_BYTES, Failure, Request, Response
from flowflex_transports.protocols import AsyncSource
from flowflex_transports.trio import transport as transport_module
from flowflex_transports.trio.transport import TrioTransport
from tests.support.attempts import shown_by_frames
from tests.support.trio_peer import OK, Talk, answering, content_length, in_trio, serving

SECRET = "c2VjcmV0"  # in a header, a query and a proxy's credentials; never in a message


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def server_tls(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def client_tls(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture(params=["clear", "tls"])
def scheme(request, server_tls, client_tls):
    """Keywords of the peer and of the transport, for both ways to speak."""
    if request.param == "clear":
        return {}, {}
    return {"ssl_context": server_tls}, {"ssl_context": client_tls}


@pytest.fixture(autouse=True)
def no_descriptor_is_left():
    """After each test, as many descriptors are open as before."""
    gc.collect()  # or what an earlier test left to the garbage collector goes in the middle of this one
    before = descriptors()
    yield
    assert descriptors() == before


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0


def a_request(url: str, body: bytes = b"", *, method="POST", headers=None, timeout=5.0, total=10.0) -> Request:
    headers = {"Authorization": f"Basic {SECRET}"} if headers is None else headers
    return Request("r1", method, f"{url}?sig={SECRET}", headers, body, timeout, total)


class Upload:
    """A source of `length` bytes in chunks of 100 kB, which notes how much was taken from it."""

    def __init__(self, length: int, *, chunk: int = 100_000) -> None:
        self.length = length
        self.taken = 0
        self._chunk = chunk

    async def chunks(self):
        while self.taken < self.length:
            count = min(self._chunk, self.length - self.taken)
            self.taken += count
            yield b"x" * count


async def replied(transport: TrioTransport, request: Request, body: bytes | AsyncSource) -> Response:
    """Perform `request`, to which there is a reply."""
    outcome = await transport.perform(request, body)
    assert isinstance(outcome, Response), outcome
    return outcome


def failed(outcome: Response | Failure, kind: str, *, sent: bool) -> str:
    """Return the message of a `Failure` of `kind`, which holds no secret."""
    assert isinstance(outcome, Failure), outcome
    assert (outcome.request_id, outcome.kind, outcome.sent) == ("r1", kind, sent), outcome
    assert SECRET not in outcome.message
    return outcome.message


# What is on the wire


@in_trio
async def test_the_request_is_sent_as_it_is():
    """Target and headers go out byte for byte; Host and Content-Length are all that is added."""
    heads = []

    async def script(talk: Talk) -> None:
        heads.append(await talk.request())
        await talk.send(OK)

    async with serving(script) as peer:
        transport = TrioTransport()
        url = f"http://127.0.0.1:{peer.port}/v1/events/a%2fb%C3%a9;x=1//c?q=[1]&r=%zz&s=a+b|c"
        request = Request("r1", "POST", url, {"X-Name": "caf\xe9", "x-event": "a b"}, b"", 5, 5)
        outcome = await transport.perform(request, b"{}")
        await transport.aclose()
    assert outcome == Response("r1", 200, (("content-length", "2"),), b"ok")
    head = b"POST /v1/events/a%2fb%C3%a9;x=1//c?q=[1]&r=%zz&s=a+b|c HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n"
    head += b"X-Name: caf\xe9\r\nx-event: a b\r\nContent-Length: 2"
    assert heads == [(head.replace(b"PORT", str(peer.port).encode()), b"{}")]


@in_trio
async def test_an_empty_path_is_a_slash():
    """A URL without a path asks for `/`, as HTTP has it."""
    heads = []

    async def script(talk: Talk) -> None:
        heads.append(await talk.head())
        await talk.send(OK)

    async with serving(script) as peer:
        transport = TrioTransport()
        await transport.perform(Request("r1", "POST", peer.url("?a=b"), {}, b"", 5, 5), b"")
        await transport.aclose()
    assert heads[0].startswith(b"POST /?a=b HTTP/1.1\r\n")


@in_trio
async def test_a_file_is_streamed_with_its_length(scheme):
    """Every byte of a source arrives, under a true Content-Length, and an empty one as an empty body."""
    at_peer, at_client = scheme
    lengths = []

    async def script(talk: Talk) -> None:
        while head := await talk.head():
            lengths.append((content_length(head), len(await talk.body(content_length(head)))))
            await talk.send(OK)

    async with serving(script, **at_peer) as peer:
        transport = TrioTransport(**at_client)
        for length in (0, 1, 3_000_000):
            outcome = await replied(transport, a_request(peer.url("/f"), method="PUT"), Upload(length))
            assert outcome.status == 200
        await transport.aclose()
    assert lengths == [(0, 0), (1, 1), (3_000_000, 3_000_000)]


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nabcde",
        b"HTTP/1.0 200 OK\r\n\r\nabcde",
    ],
    ids=["chunked", "counted", "until the end"],
)
@in_trio
async def test_a_reply_is_read_in_every_framing(reply, scheme):
    """Chunked, counted and close-delimited replies give the same body, under TLS as in the clear."""
    at_peer, at_client = scheme

    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.send(reply)
        await talk.say_goodbye()

    async with serving(script, **at_peer) as peer:
        transport = TrioTransport(**at_client)
        outcome = await replied(transport, a_request(peer.url()), b"")
        await transport.aclose()
    assert (outcome.status, outcome.body) == (200, b"abcde")


@pytest.mark.parametrize("has_length", [False, True])
@in_trio
async def test_under_tls_a_reply_without_a_length_ends_with_a_goodbye(has_length, server_tls, client_tls):
    """Anybody on the way can end a TCP connection: half a reply is not whole; one of known length needs no goodbye."""

    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.send(OK if has_length else b"HTTP/1.1 200 OK\r\n\r\nhalf of")
        talk.close()

    async with serving(script, ssl_context=server_tls) as peer:
        transport = TrioTransport(ssl_context=client_tls)
        outcome = await transport.perform(a_request(peer.url()), b"")
        await transport.aclose()
    if has_length:
        assert isinstance(outcome, Response)
        assert (outcome.status, outcome.body) == (200, b"ok")
    else:
        assert isinstance(outcome, Failure)
        assert (outcome.kind, outcome.sent) == ("connection", True)


@in_trio
async def test_informational_replies_are_skipped(scheme):
    """100, 102 and 103 before the final reply are nothing, also while a file is being sent."""
    at_peer, at_client = scheme

    async def script(talk: Talk) -> None:
        head = await talk.head()
        await talk.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n")
        await talk.body(content_length(head))
        await talk.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK)

    async with serving(script, **at_peer) as peer:
        transport = TrioTransport(**at_client)
        outcome = await replied(transport, a_request(peer.url()), Upload(2_000_000))
        await transport.aclose()
    assert (outcome.status, outcome.body) == (200, b"ok")


@in_trio
async def test_informational_replies_are_bounded():
    """A peer that sends nothing but 1xx replies is not listened to for ever."""

    async def script(talk: Talk) -> None:
        while True:
            await talk.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)

    async with serving(script) as peer:
        transport = TrioTransport()
        for body in (b"", Upload(5_000_000)):
            failed(await transport.perform(a_request(peer.url()), body), "protocol", sent=True)
        await transport.aclose()


@in_trio
async def test_a_head_of_150_long_headers_is_read():
    """150 headers of 1 kB are no trouble, also when they come slowly."""
    reply = b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"v" * 1000) for n in range(150))

    async def script(talk: Talk) -> None:
        await talk.request()
        for start in range(0, len(reply), 10_000):
            await talk.send(reply[start : start + 10_000])
        await talk.send(b"Content-Length: 0\r\n\r\n")

    async with serving(script) as peer:
        transport = TrioTransport()
        outcome = await replied(transport, a_request(peer.url()), b"")
        await transport.aclose()
    assert len(outcome.headers) == 151


@in_trio
async def test_a_reply_is_cut_one_byte_over_the_bound():
    """Of an endless reply, `MAX_REPLY_BYTES + 1` bytes are read, and the connection is closed."""

    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
        while True:
            await talk.send(b"x" * 100_000)

    async with serving(script) as peer:
        transport = TrioTransport()
        outcome = await replied(transport, a_request(peer.url()), b"")
        await peer.closed_by_client(0)
        await transport.aclose()
    assert len(outcome.body) == MAX_REPLY_BYTES + 1


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


# Early replies

REFUSAL = b"HTTP/1.1 413 Too Large\r\nContent-Length: 9\r\n\r\ntoo large"


@pytest.mark.parametrize("ending", ["silent", "blocked", "closed", "reset", "dripped"])
@in_trio
async def test_an_early_reply_to_an_upload_is_read(ending, scheme):
    """A 413 that comes before the body is read is the outcome, whatever the peer does to the connection then."""
    at_peer, at_client = scheme

    async def script(talk: Talk) -> None:
        await talk.head()
        if ending == "blocked":
            # Until every buffer is full, and the client waits for room that will not come.
            await trio.testing.wait_all_tasks_blocked(0.3)
        await (talk.drip(REFUSAL, 0.001) if ending == "dripped" else talk.send(REFUSAL))
        if ending in ("silent", "blocked"):
            await trio.sleep_forever()
        if ending == "reset":
            await trio.testing.wait_all_tasks_blocked()
            talk.reset()

    async with serving(script, receive_buffer=20_000 if ending == "blocked" else None, **at_peer) as peer:
        transport = TrioTransport(**at_client)
        source = Upload(50_000_000)
        request = a_request(peer.url(), method="PUT", timeout=90, total=90)
        outcome = await replied(transport, request, source)
        assert (outcome.status, outcome.body, outcome.early) == (413, b"too large", True)
        assert source.taken < 25_000_000, "it went on sending"
        assert (await replied(transport, a_request(peer.url(), method="PUT"), Upload(0))).status == 413
        await transport.aclose()
    assert len(peer.talks) == 2, "the connection was used again"


@in_trio
async def test_an_early_reply_to_a_large_event_is_read(scheme):
    """A 413 is read while a body of bytes is being sent, too."""
    at_peer, at_client = scheme

    async def script(talk: Talk) -> None:
        await talk.head()
        await talk.send(REFUSAL)
        await trio.sleep_forever()

    async with serving(script, **at_peer) as peer:
        transport = TrioTransport(**at_client)
        for _ in range(2):
            request = a_request(peer.url(), timeout=90, total=90)
            outcome = await replied(transport, request, b"x" * 30_000_000)
            assert (outcome.status, outcome.early) == (413, True)
        await transport.aclose()
    assert len(peer.talks) == 2, "the rest of the body would be taken for the next request"


@in_trio
async def test_a_reply_to_a_whole_request_is_not_early(scheme):
    """However fast the reply comes after the last byte, small bodies and large ones alike."""
    at_peer, at_client = scheme

    async def script(talk: Talk) -> None:
        while True:
            await talk.request()
            await talk.send(OK)

    async with serving(script, **at_peer) as peer:
        transport = TrioTransport(**at_client)
        for body in (b"", b"{}", b"x" * 8_192, b"x" * 8_193, b"x" * 3_000_000, Upload(0), Upload(3_000_000)):
            assert not (await replied(transport, a_request(peer.url()), body)).early
        await transport.aclose()


@in_trio
async def test_a_reply_that_waits_when_the_send_breaks_is_read(scheme):
    """A peer that answered and closed before the request left: the answer is read, though the send is refused."""
    at_peer, at_client = scheme

    async def script(talk: Talk) -> None:
        await talk.send(REFUSAL)
        talk.close()

    async with serving(script, **at_peer) as peer:
        transport = TrioTransport(**at_client)
        outcome = await replied(transport, a_request(peer.url()), b"x" * 8_000)
        await transport.aclose()
    assert outcome.status == 413


@in_trio
async def test_a_reply_as_the_last_byte_arrives_keeps_the_connection():
    """A reply that overtakes the end of the upload by a hair does not cost the connection."""

    async def script(talk: Talk) -> None:
        while (await talk.request())[0]:
            await talk.send(OK)

    class Lingering(Upload):
        async def chunks(self):
            async for chunk in super().chunks():
                yield chunk
            # The whole file is on the wire, and the reply comes while the source is still to say that it has ended.
            await trio.testing.wait_all_tasks_blocked()

    async with serving(script) as peer:
        transport = TrioTransport()
        for _ in range(3):
            assert (await replied(transport, a_request(peer.url()), Lingering(10_000))).status == 200
        await transport.aclose()
    assert len(peer.talks) == 1


# Time


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
async def test_a_silent_handshake_is_cut_at_the_timeout(client_tls):
    """A peer that accepts and then says nothing to the TLS handshake is given up; nothing of the request was sent."""

    async def script(talk: Talk) -> None:
        await trio.sleep_forever()

    async with serving(script) as peer:
        transport = TrioTransport(ssl_context=client_tls)
        start = trio.current_time()
        outcome = await transport.perform(a_request(peer.url().replace("http", "https"), timeout=2, total=9), b"")
        assert trio.current_time() - start == pytest.approx(2, abs=0.1)
        await transport.aclose()
    failed(outcome, "timeout", sent=False)


@in_trio(virtual=True)
async def test_a_connect_without_an_answer_is_cut_at_the_timeout():
    """A host that drops our packets is given up after `timeout`."""

    class Unanswered(trio.abc.HostnameResolver):
        async def getaddrinfo(self, *args, **kwargs):
            await trio.sleep_forever()

        async def getnameinfo(self, *args, **kwargs):
            raise NotImplementedError

    trio.socket.set_custom_hostname_resolver(Unanswered())
    transport = TrioTransport()
    start = trio.current_time()
    outcome = await transport.perform(a_request("http://nowhere.invalid/", timeout=2, total=9), b"")
    assert trio.current_time() - start == pytest.approx(2, abs=0.1)
    assert failed(outcome, "timeout", sent=False) == "no connection was made for 2 s"


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


# What goes wrong


@in_trio
async def test_a_refused_connection_was_not_sent():
    """Nobody listens: nothing was sent."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        outcome = await TrioTransport().perform(a_request(url), b"")
    assert "refused" in failed(outcome, "connection", sent=False)


@in_trio
async def test_an_unknown_host_was_not_sent():
    """A name that does not resolve: nothing was sent."""

    class Unknown(trio.abc.HostnameResolver):
        async def getaddrinfo(self, *args, **kwargs):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        async def getnameinfo(self, *args, **kwargs):
            raise NotImplementedError

    trio.socket.set_custom_hostname_resolver(Unknown())
    outcome = await TrioTransport().perform(a_request("http://nowhere.invalid/"), b"")
    assert "resolved" in failed(outcome, "connection", sent=False)


@pytest.mark.parametrize(
    "said",
    [b"", b"HT", b"HTTP/1.1 200 OK\r\nContent-", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "reset"],
    ids=["nothing", "a letter", "half a head", "half a body", "reset"],
)
@in_trio
async def test_a_reply_that_breaks_off_is_a_connection_failure(said, scheme):
    """A connection that ends before the reply is whole, at whatever point: it may have arrived."""
    at_peer, at_client = scheme

    async def script(talk: Talk) -> None:
        await talk.request()
        if said == "reset":
            talk.reset()
        else:
            await talk.send(said)

    async with serving(script, **at_peer) as peer:
        transport = TrioTransport(**at_client)
        for body in (b"", Upload(100_000)):
            failed(await transport.perform(a_request(peer.url()), body), "connection", sent=True)
        await transport.aclose()


@in_trio
async def test_an_upload_that_the_peer_drops_is_a_connection_failure(scheme):
    """A peer that resets in the middle of an upload, without an answer."""
    at_peer, at_client = scheme

    async def script(talk: Talk) -> None:
        await talk.head()
        await talk.body(100_000)
        talk.reset()

    async with serving(script, **at_peer) as peer:
        transport = TrioTransport(**at_client)
        outcome = await transport.perform(a_request(peer.url()), Upload(50_000_000))
        await transport.aclose()
    failed(outcome, "connection", sent=True)


@pytest.mark.parametrize(
    "said",
    [
        b"220 mail ESMTP\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 400_000,
    ],
    ids=["smtp", "status", "older", "newer", "switch", "length", "chunk", "endless head"],
)
@in_trio
async def test_a_reply_that_is_not_http_is_a_protocol_failure(said):
    """Bytes that are not HTTP/1.1, at whatever point."""

    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.send(said)

    async with serving(script) as peer:
        transport = TrioTransport()
        for body in (b"", Upload(100_000)):
            failed(await transport.perform(a_request(peer.url()), body), "protocol", sent=True)
        await transport.aclose()


@in_trio
async def test_an_untrusted_certificate_is_a_tls_failure(server_tls):
    """A certificate that nobody vouches for: nothing was sent, and the message says why."""
    async with serving(answering(), ssl_context=server_tls) as peer:
        transport = TrioTransport()
        outcome = await transport.perform(a_request(peer.url()), b"")
        await transport.aclose()
    assert "certificate" in failed(outcome, "tls", sent=False)


@in_trio
async def test_a_certificate_of_another_host_is_a_tls_failure(authority, client_tls):
    """The host's name is checked against the certificate."""
    other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("example.org").configure_cert(other)
    async with serving(answering(), ssl_context=other) as peer:
        transport = TrioTransport(ssl_context=client_tls)
        outcome = await transport.perform(a_request(peer.url()), b"")
        await transport.aclose()
    assert "127.0.0.1" in failed(outcome, "tls", sent=False)


@in_trio
async def test_the_final_dot_of_a_host_is_not_in_its_certificate(server_tls, client_tls):
    """A host may be written as a root name; certificates never hold the dot."""

    class Local(trio.abc.HostnameResolver):
        async def getaddrinfo(self, host, port, family=0, type=0, proto=0, flags=0):  # noqa: A002
            assert host == b"localhost."
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        async def getnameinfo(self, sockaddr, flags):
            raise NotImplementedError

    trio.socket.set_custom_hostname_resolver(Local())
    async with serving(answering(), ssl_context=server_tls) as peer:
        transport = TrioTransport(ssl_context=client_tls)
        url = f"https://localhost.:{peer.port}/"
        assert (await replied(transport, a_request(url), b"")).status == 200
        await transport.aclose()


@in_trio
async def test_a_peer_without_tls_is_a_tls_failure(client_tls):
    """An answer in clear text to the handshake."""

    async def script(talk: Talk) -> None:
        await talk.send(OK)
        await talk.stream.receive_some(9)

    async with serving(script) as peer:
        transport = TrioTransport(ssl_context=client_tls)
        outcome = await transport.perform(a_request(peer.url().replace("http", "https")), b"")
        await transport.aclose()
    failed(outcome, "tls", sent=False)


@pytest.mark.parametrize("reset", [False, True])
@in_trio
async def test_a_handshake_that_breaks_off_is_a_connection_failure(reset, client_tls):
    """A peer that hangs up during the handshake: nothing was sent, and to try again is worth it."""

    async def script(talk: Talk) -> None:
        await talk.stream.receive_some(65_536)
        if reset:
            talk.reset()

    async with serving(script) as peer:
        transport = TrioTransport(ssl_context=client_tls)
        outcome = await transport.perform(a_request(peer.url().replace("http", "https")), b"")
        await transport.aclose()
    failed(outcome, "connection", sent=False)


@in_trio
async def test_a_ca_file_is_trusted(authority, server_tls, tmp_path):
    """`ca_file` names the authorities to trust."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with serving(answering(), ssl_context=server_tls) as peer:
        transport = TrioTransport(ca_file=tmp_path / "ca.pem")
        assert (await replied(transport, a_request(peer.url()), b"")).status == 200
        await transport.aclose()


def test_wrong_arguments_are_refused_at_once(tmp_path):
    """What cannot be used is an error when the transport is made."""
    with pytest.raises(FlowFlexConfigError, match="ca_file"):
        TrioTransport(ca_file=tmp_path / "missing.pem")
    with pytest.raises(FlowFlexConfigError, match="both"):
        TrioTransport(ca_file=tmp_path / "missing.pem", ssl_context=ssl.create_default_context())
    with pytest.raises(FlowFlexConfigError, match="proxy"):
        TrioTransport(proxy="socks5://127.0.0.1:1")


@pytest.mark.parametrize(
    "request_",
    [
        a_request("http://user:c2VjcmV0@host/"),
        a_request("http://127.0.0.1:9/", headers={"X": "c2VjcmV0\r\nY: z"}),
        a_request("http://127.0.0.1:9/", headers={"X": "c2VjcmV0\u20ac"}),
    ],
    ids=["url", "line break", "not latin-1"],
)
@in_trio
async def test_a_request_that_cannot_be_written_is_not_sent(request_):
    """What would break the framing is refused, and the message holds nothing of it."""
    async with serving(answering()) as peer:
        request = Request("r1", "POST", request_.url.replace(":9/", f":{peer.port}/"), request_.headers, b"", 5, 5)
        transport = TrioTransport()
        failed(await transport.perform(request, b""), "protocol", sent=False)
        await transport.aclose()


# Sources


@in_trio
async def test_an_exception_of_the_source_passes_through(scheme):
    """What the source raises is raised as it is, even an OSError; the connection is closed."""
    at_peer, at_client = scheme
    mine = FileNotFoundError("gone")

    class Broken(Upload):
        async def chunks(self):
            yield b"x" * 100
            raise mine

    async with serving(answering(), **at_peer) as peer:
        transport = TrioTransport(**at_client)
        await transport.perform(a_request(peer.url()), b"")
        with pytest.raises(FileNotFoundError) as caught:
            await transport.perform(a_request(peer.url()), Broken(1000))
        assert caught.value is mine
        assert (await replied(transport, a_request(peer.url()), b"")).status == 200
        await transport.aclose()
    assert len(peer.talks) == 2


@in_trio
async def test_no_frame_shows_a_credential(scheme):
    """Tools that report errors print the locals of all frames that an exception came through."""

    class Torn(Upload):
        async def chunks(self):
            yield b"x"
            raise ZeroDivisionError

    async with serving(answering(), **scheme[0]) as peer:
        transport = TrioTransport(**scheme[1])
        with pytest.raises(ZeroDivisionError) as caught:
            await transport.perform(a_request(peer.url()), Torn(100))
        await transport.aclose()
    shown = shown_by_frames(caught.value)
    assert "perform: " in shown
    assert SECRET not in shown


@pytest.mark.parametrize("given", [99, 101])
@in_trio
async def test_a_source_of_another_length_is_a_source_failure(given):
    """A source that gives more or fewer bytes than it said never becomes a whole request."""
    bodies = []

    class Wrong(Upload):
        async def chunks(self):
            yield b"x" * given

    async def script(talk: Talk) -> None:
        bodies.append((await talk.request())[1])

    async with serving(script) as peer:
        transport = TrioTransport()
        failed(await transport.perform(a_request(peer.url()), Wrong(100)), "source", sent=True)
        await transport.aclose()
        await trio.testing.wait_all_tasks_blocked()
    assert len(bodies[0]) < 100


# Proxies


def a_proxy(heads: list[bytes], to_port: int | None = None, status: bytes = b"200 Connection established"):
    """Play a proxy: answers plain requests itself, and tunnels CONNECT to `to_port`."""

    async def script(talk: Talk) -> None:
        while head := await talk.head():
            heads.append(head)
            if not head.startswith(b"CONNECT"):
                await talk.body(content_length(head))
                await talk.send(OK)
                continue
            await talk.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 " + status + b"\r\nX: y\r\n\r\n")
            if not status.startswith(b"200"):
                return
            target = await trio.open_tcp_stream("127.0.0.1", to_port or 0)

            async def copy(source, sink) -> None:
                while data := await source.receive_some():
                    await sink.send_all(data)
                nursery.cancel_scope.cancel()

            async with target, trio.open_nursery() as nursery:
                nursery.start_soon(copy, talk.stream, target)
                nursery.start_soon(copy, target, talk.stream)

    return script


@in_trio
async def test_plain_requests_go_to_the_proxy_in_absolute_form():
    """A proxy is given the whole URL, and its own credentials; one connection serves every origin."""
    heads: list[bytes] = []
    async with serving(a_proxy(heads)) as proxy:
        transport = TrioTransport(proxy=f"http://user:{SECRET}@127.0.0.1:{proxy.port}")
        for host in ("one.invalid", "two.invalid:81"):
            request = Request("r1", "POST", f"http://{host}/a%2fb?c", {"X": "y"}, b"", 5, 5)
            assert (await replied(transport, request, b"{}")).status == 200
        await transport.aclose()
    assert heads[0] == (
        b"POST http://one.invalid/a%2fb?c HTTP/1.1\r\nHost: one.invalid\r\nX: y\r\n"
        b"Proxy-Authorization: Basic dXNlcjpjMlZqY21WMA==\r\nContent-Length: 2"
    )
    assert heads[1].startswith(b"POST http://two.invalid:81/a%2fb?c HTTP/1.1\r\nHost: two.invalid:81\r\n")
    assert len(proxy.talks) == 1


@in_trio
async def test_tls_goes_through_a_tunnel(server_tls, client_tls):
    """The proxy sees CONNECT and its own credentials; the server sees neither; the tunnel is reused."""
    heads: list[bytes] = []
    seen = []

    async def script(talk: Talk) -> None:
        while head := await talk.head():
            seen.append(head)
            await talk.send(OK)

    async with serving(script, ssl_context=server_tls) as peer, serving(a_proxy(heads, peer.port)) as proxy:
        transport = TrioTransport(ssl_context=client_tls, proxy=f"http://user:pass@127.0.0.1:{proxy.port}")
        for _ in range(2):
            assert (await replied(transport, a_request(peer.url("/p")), b"")).status == 200
        await transport.aclose()
    authority = f"127.0.0.1:{peer.port}"
    assert heads == [
        f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\nProxy-Authorization: Basic dXNlcjpwYXNz".encode()
    ]
    assert len(seen) == 2
    assert seen[0].startswith(f"POST /p?sig={SECRET} HTTP/1.1\r\n".encode())
    assert b"Proxy-" not in seen[0]


@in_trio
async def test_each_origin_has_a_tunnel_of_its_own(server_tls, client_tls):
    """A tunnel is to one origin, and serves no other."""
    heads: list[bytes] = []
    async with serving(answering(), ssl_context=server_tls) as peer, serving(a_proxy(heads, peer.port)) as proxy:
        transport = TrioTransport(ssl_context=client_tls, proxy=f"http://127.0.0.1:{proxy.port}")
        for host in ("127.0.0.1", "localhost"):
            assert (await replied(transport, a_request(f"https://{host}:{peer.port}/"), b"")).status == 200
        await transport.aclose()
    assert [head.split()[1].partition(b":")[0] for head in heads] == [b"127.0.0.1", b"localhost"]


@pytest.mark.parametrize("status", [b"407 Proxy Authentication Required", b"502 Bad Gateway"])
@in_trio
async def test_a_refused_tunnel_is_a_proxy_failure(status, client_tls):
    """A proxy that refuses: nothing was sent, and the message tells the status."""
    async with serving(a_proxy([], status=status)) as proxy:
        transport = TrioTransport(ssl_context=client_tls, proxy=f"http://user:{SECRET}@127.0.0.1:{proxy.port}")
        outcome = await transport.perform(a_request("https://one.invalid/"), b"")
        await transport.aclose()
    assert status[:3].decode() in failed(outcome, "proxy", sent=False)


@pytest.mark.parametrize("said", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nbytes too early", "reset"])
@in_trio
async def test_a_proxy_that_misbehaves_is_a_proxy_failure(said, client_tls):
    """A proxy that hangs up, talks nonsense, or speaks before it is asked through the tunnel."""

    async def script(talk: Talk) -> None:
        await talk.head()
        talk.reset() if said == "reset" else await talk.send(said)

    async with serving(script) as proxy:
        transport = TrioTransport(ssl_context=client_tls, proxy=f"http://127.0.0.1:{proxy.port}")
        failed(await transport.perform(a_request("https://one.invalid/"), b""), "proxy", sent=False)
        await transport.aclose()


@in_trio
async def test_an_unreachable_proxy_is_a_proxy_failure():
    """Nobody listens where the proxy should be."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        transport = TrioTransport(proxy=f"http://127.0.0.1:{unused.getsockname()[1]}")
        failed(await transport.perform(a_request("http://one.invalid/"), b""), "proxy", sent=False)


@in_trio(virtual=True)
async def test_a_proxy_that_drips_is_cut_at_the_total(client_tls):
    """The bounds hold for the proxy's part of the attempt, too."""

    async def script(talk: Talk) -> None:
        await talk.head()
        await talk.drip(b"HTTP/1.1 200 OK\r\n\r\n", 1)

    async with serving(script) as proxy:
        transport = TrioTransport(ssl_context=client_tls, proxy=f"http://127.0.0.1:{proxy.port}")
        outcome = await transport.perform(a_request("https://one.invalid/", timeout=2, total=5), b"")
        await transport.aclose()
    failed(outcome, "timeout", sent=False)


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
