"""What goes wrong in an exchange, by the peer or by the source of a file, and how it is told."""

import socket

import pytest
import trio

from flowflex_core.messages import Request
from flowflex_transports.trio.transport import TrioTransport
from tests.support.attempts import shown_by_frames
from tests.support.trio_attempts import SECRET, Upload, a_request, failed, replied
from tests.support.trio_peer import Talk, answering, in_trio, serving

pytestmark = pytest.mark.usefixtures("no_descriptor_is_left")


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
        b"HTTP/2.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 400_000,
    ],
    ids=["smtp", "status", "older", "newer", "newer before", "switch", "length", "chunk", "endless head"],
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
