"""What one exchange is on the wire: the request that is sent, the reply that is read, and one that comes early."""

import pytest
import trio

from flowflex_core.messages import MAX_REPLY_BYTES, Failure, Request, Response
from flowflex_transports.trio.transport import TrioTransport
from tests.support.trio_attempts import Upload, a_request, failed, replied
from tests.support.trio_peer import OK, Talk, content_length, in_trio, serving

pytestmark = pytest.mark.usefixtures("no_descriptor_is_left")


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


@in_trio
async def test_a_chunk_that_comes_later_is_looked_at_too():
    """A bare CR before it, which not all readers take for the same."""

    async def script(talk: Talk) -> None:
        await talk.request()
        await talk.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")
        await trio.testing.wait_all_tasks_blocked()
        await talk.send(b"2;a\rb\r\nok\r\n0\r\n\r\n")

    async with serving(script) as peer:
        transport = TrioTransport()
        failed(await transport.perform(a_request(peer.url()), b""), "protocol", sent=True)
        await transport.aclose()


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
