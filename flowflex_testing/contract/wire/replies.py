"""What comes back: replies of every shape are returned as they are, and none of them is acted upon."""

# ruff: noqa: D401 - the docstring of a check is the sentence that it holds a transport to

import gzip
from itertools import repeat

from flowflex_core.messages import MAX_REPLY_BYTES, Response
from flowflex_testing.contract.bench import Content
from flowflex_testing.contract.peers import Line, Peer, Script, answering, reply
from flowflex_testing.contract.violation import require
from flowflex_testing.contract.wire.bench import WireBench
from flowflex_testing.contract.wire.check import WireCheck

# Larger than what the sockets between us and the peer can hold.
_LARGE = 16 * 1024 * 1024


async def status_headers_and_body_are_returned(bench: WireBench) -> None:
    """Status, headers and body are returned as they arrived, errors like successes, repeated headers without harm."""
    fields = ("Retry-After: 7", "X-Request-Id: req_\xe9", "Set-Cookie: a=1", "Set-Cookie: b=2")
    for status in (200, 202, 299, 400, 401, 409, 429, 500, 503, 599):
        with Peer(answering(reply(status, b'{"a": 1}', *fields))) as peer:
            response = await bench.response(f"a reply {status} is not returned", peer.origin + "/", status=status)
            seen = (response.body, response.header("retry-after"), response.header("x-request-id"))
            expected = (b'{"a": 1}', "7", "req_\xe9")
            fault = "the reply's body and headers are not returned as they arrived"
            require(seen == expected, fault, expected=expected, seen=seen)


async def redirects_are_returned(bench: WireBench) -> None:
    """A redirect is the reply: it is not followed."""
    with Peer(answering(reply(200))) as elsewhere:
        for status in (301, 302, 303, 307, 308):
            with Peer(answering(reply(status, b"", f"Location: {elsewhere.origin}/"))) as peer:
                performed = await bench.perform(peer.origin + "/", body=b"{}")
            followed = elsewhere.connections > 0
            require(not followed, f"a redirect {status} is followed", expected="no further request", seen="one")
            returned = isinstance(performed.outcome, Response) and performed.outcome.status == status
            fault = f"a redirect {status} is not returned as the reply"
            require(returned, fault, expected=f"Response({status})", seen=str(performed))


async def interim_replies_are_skipped(bench: WireBench) -> None:
    """Replies 100, 102 and 103, one or many, in one piece with the final reply or before it, are passed over."""
    final = reply(201, b"final")
    for interim in (
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" * 10,
    ):
        for pieces in ((interim + final,), (interim, final)):
            with Peer(_dripping_reply(*pieces)) as peer:
                fault = "an interim reply (1xx) is not passed over"
                response = await bench.response(fault, peer.origin + "/", status=201, body=b"{}")
                require(response.body == b"final", fault, expected=b"final", seen=response.body)


async def reply_without_content_ends_with_its_head(bench: WireBench) -> None:
    """A 204 or 304 has no body and is returned at once, though the connection stays open."""
    for status in (204, 304):
        with Peer(answering(f"HTTP/1.1 {status} None\r\n\r\n".encode())) as peer:
            fault = f"a reply {status} is not returned when its head ends"
            response = await bench.response(fault, peer.origin + "/", status=status, timeout=1.0)
            require(response.body == b"", f"a reply {status} has a body", expected=b"", seen=response.body)


async def chunked_reply_is_decoded(bench: WireBench) -> None:
    """A chunked reply is returned without its framing, chunk extensions and trailers."""
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b'5\r\nfirst\r\n8;name="x"\r\n, second\r\n0\r\nX-Trailer: t\r\n\r\n'
    )
    with Peer(answering(chunked)) as peer:
        fault = "a chunked reply is not decoded"
        response = await bench.response(fault, peer.origin + "/")
        require(response.body == b"first, second", fault, expected=b"first, second", seen=response.body)


async def reply_without_length_ends_with_the_connection(bench: WireBench) -> None:
    """A reply that says nothing of its length goes on until the peer closes the connection."""

    def script(line: Line) -> None:
        line.request()
        line.drip((b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil ", b"the end"))
        line.end()
        line.hold()

    with Peer(script) as peer:
        fault = "a reply that ends with its connection is not returned whole"
        response = await bench.response(fault, peer.origin + "/")
        require(response.body == b"until the end", fault, expected=b"until the end", seen=response.body)


async def content_coding_is_left_alone(bench: WireBench) -> None:
    """A compressed body, which nobody asked for, is returned as it is: it could be a bomb."""
    packed = gzip.compress(bytes(4 * MAX_REPLY_BYTES))
    with Peer(answering(reply(200, packed, "Content-Encoding: gzip"))) as peer:
        fault = "a compressed reply is unpacked"
        response = await bench.response(fault, peer.origin + "/")
        seen = f"{len(response.body)} bytes"
        require(response.body == packed, fault, expected=f"the {len(packed)} bytes as they came", seen=seen)


async def largest_reply_is_returned_whole(bench: WireBench) -> None:
    """A body of exactly MAX_REPLY_BYTES is returned whole."""
    body = b"x" * MAX_REPLY_BYTES
    with Peer(answering(reply(200, body))) as peer:
        fault = "a reply of MAX_REPLY_BYTES is not returned whole"
        response = await bench.response(fault, peer.origin + "/")
        require(response.body == body, fault, expected=f"{len(body)} bytes", seen=f"{len(response.body)} bytes")


async def reply_is_bounded(bench: WireBench) -> None:
    """Of a body without end, MAX_REPLY_BYTES + 1 bytes are returned, however it is framed; the rest is not read."""
    piece = b"x" * 65_536
    for framing, data in (
        ("Content-Length: 99999999999", piece),
        ("Transfer-Encoding: chunked", b"10000\r\n" + piece + b"\r\n"),
        ("Connection: close", piece),
    ):
        with Peer(_endless(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode(), data)) as peer:
            fault = f"a reply without end ({framing}) is not cut after MAX_REPLY_BYTES + 1 bytes"
            response = await bench.response(fault, peer.origin + "/")
            seen = len(response.body)
            require(seen == MAX_REPLY_BYTES + 1, fault, expected=MAX_REPLY_BYTES + 1, seen=seen)
            fault = "the connection stays open after a reply that was not read to its end"
            require(peer.wait_for_hang_ups(1), fault, expected="a closed connection", seen="an open one")


async def early_reply_ends_the_upload(bench: WireBench) -> None:
    """A 413 that comes while the body is still being sent is returned, though the peer reads no more of it."""

    def script(line: Line) -> None:
        line.head()
        line.send(reply(413, b"too large", "Connection: close"))
        line.rest()

    with Peer(script) as peer:
        fault = "an early reply (413) during an upload is missed"
        upload = Content.zeros(_LARGE)
        response = await bench.response(fault, peer.origin + "/", status=413, method="PUT", body=upload, timeout=0.3)
        require(response.body == b"too large", fault, expected=b"too large", seen=response.body)


async def early_reply_is_marked(bench: WireBench) -> None:
    """A reply that begins while the body is still being sent is `early`, a success too; one after it is not."""

    def early(line: Line) -> None:
        line.head()
        line.send(reply(200))
        line.rest()

    with Peer(early) as peer:
        fault = "a 200 that comes before the request was sent whole is not marked as early"
        upload = Content.zeros(_LARGE)
        response = await bench.response(fault, peer.origin + "/", method="PUT", body=upload, timeout=0.3)
        require(response.early, fault, expected="early=True", seen="early=False")
    with Peer(answering(reply(200))) as peer:
        fault = "a reply to a request that was sent whole is marked as early"
        for body in (b"", b"{}", Content.zeros(_LARGE // 16)):
            response = await bench.response(fault, peer.origin + "/", method="PUT", body=body)
            require(not response.early, fault, expected="early=False", seen="early=True")


def _dripping_reply(*pieces: bytes) -> Script:
    def script(line: Line) -> None:
        while True:
            line.request()
            line.drip(pieces)

    return script


def _endless(head: bytes, piece: bytes) -> Script:
    def script(line: Line) -> None:
        line.request()
        line.send(head)
        # A transport that reads it all gets sixteen times what it may, and is told so.
        for data in repeat(piece, 16 * MAX_REPLY_BYTES // 65_536):
            line.send(data)

    return script


CHECKS = (
    WireCheck(status_headers_and_body_are_returned),
    WireCheck(redirects_are_returned),
    WireCheck(interim_replies_are_skipped, needs=("skips_interim",)),
    WireCheck(reply_without_content_ends_with_its_head),
    WireCheck(chunked_reply_is_decoded),
    WireCheck(reply_without_length_ends_with_the_connection, needs=("reads_unframed_replies",)),
    WireCheck(content_coding_is_left_alone),
    WireCheck(largest_reply_is_returned_whole),
    WireCheck(reply_is_bounded),
    WireCheck(early_reply_ends_the_upload, needs=("reads_early_replies",)),
    WireCheck(early_reply_is_marked, needs=("reads_early_replies",)),
)
