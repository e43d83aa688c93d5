"""What goes wrong at the peer: each trouble is a `Failure` of its kind, and `sent` tells whether bytes may have left.

`sent` is what an event's fate hangs on: a False too much repeats a send as safe that was not.
"""

# ruff: noqa: D401 - the docstring of a check is the sentence that it holds a transport to

from flowflex_core.messages import Response
from flowflex_testing.contract.bench import Content
from flowflex_testing.contract.peers import Line, Peer, Script, refusing_port, reply
from flowflex_testing.contract.violation import require
from flowflex_testing.contract.wire.bench import SECRET, WireBench
from flowflex_testing.contract.wire.check import WireCheck

_LARGE = 16 * 1024 * 1024


async def refused_connection_is_a_failure(bench: WireBench) -> None:
    """A refused connection is kind `connection`, not sent."""
    with refusing_port() as origin:
        fault = "a refused connection is not reported as `connection`, not sent"
        await bench.failure(fault, origin + "/", {"connection"}, sent=False, body=b"{}")


async def failures_tell_no_secret(bench: WireBench) -> None:
    """The message of a failure repeats neither the URL's query nor a header, whether or not bytes were sent."""
    headers = {"Authorization": f"Basic {SECRET}"}
    with refusing_port() as origin:
        url = f"{origin}/put?token={SECRET}"
        await bench.failure("a refused connection is no failure", url, {"connection"}, sent=False, headers=headers)
    with Peer(_answering_once(f"HTTP/1.1 {SECRET}\r\n\r\n".encode())) as peer:
        url = f"{peer.origin}/put?token={SECRET}"
        await bench.failure("an unreadable reply is no failure", url, {"protocol"}, sent=True, headers=headers)


async def reset_after_the_request_is_a_failure(bench: WireBench) -> None:
    """A connection that is reset when the request has arrived is kind `connection`, sent."""

    def script(line: Line) -> None:
        line.request()
        line.reset()

    with Peer(script) as peer:
        fault = "a reset after the request is not reported as `connection`, sent"
        await bench.failure(fault, peer.origin + "/", {"connection"}, sent=True, body=b"{}")


async def reset_during_the_upload_is_a_failure(bench: WireBench) -> None:
    """A connection that is reset while the body is being sent is kind `connection`, sent."""

    def script(line: Line) -> None:
        line.head()
        line.reset()

    with Peer(script) as peer:
        fault = "a reset during the upload is not reported as `connection`, sent"
        upload = Content.zeros(_LARGE)
        await bench.failure(fault, peer.origin + "/", {"connection"}, sent=True, method="PUT", body=upload)


async def end_without_reply_is_a_failure(bench: WireBench) -> None:
    """A connection that ends without a reply is kind `connection` or `protocol`, sent."""
    with Peer(_answering_once(b"")) as peer:
        fault = "a connection that ends without a reply is not reported as `connection` or `protocol`, sent"
        await bench.failure(fault, peer.origin + "/", {"connection", "protocol"}, sent=True, body=b"{}")


async def garbage_is_a_failure(bench: WireBench) -> None:
    """A reply that is not HTTP is kind `protocol`, sent."""
    for data in (
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x15\x03\x01\x00\x02\x02\x16\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\nx\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nok\r\n0\r\n\r\n",
    ):
        with Peer(_answering_once(data)) as peer:
            fault = f"the reply {data[:40]!r} is not reported as `protocol`, sent"
            await bench.failure(fault, peer.origin + "/", {"protocol"}, sent=True, body=b"{}")


async def oversized_head_is_a_failure(bench: WireBench) -> None:
    """A reply head without end is kind `protocol`, sent: it is not collected for ever."""

    def script(line: Line) -> None:
        line.request()
        line.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            line.send(b"X-Field: value\r\n" * 1000)

    with Peer(script) as peer:
        fault = "a reply head without end is not reported as `protocol`, sent"
        await bench.failure(fault, peer.origin + "/", {"protocol"}, sent=True, total=1.0)


async def truncated_reply_is_a_failure(bench: WireBench) -> None:
    """A reply that ends before its length is known, or before the end of its body, is no reply, sent."""
    for data in (
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chu",
        reply(200, b"{}")[:-6],
        reply(200, b"x" * 100)[:-1],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nxxx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxxx\r\n",
    ):
        with Peer(_answering_once(data)) as peer:
            fault = f"the truncated reply {data[:70]!r} is not reported as `protocol` or `connection`, sent"
            await bench.failure(fault, peer.origin + "/", {"protocol", "connection"}, sent=True, body=b"{}")


async def reply_cut_in_its_head_is_a_failure(bench: WireBench) -> None:
    """A reply whose head has no end is kind `protocol` or `connection`, sent: what follows could have been anything."""
    for head in (
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Ty",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n",
    ):
        with Peer(_answering_once(head)) as peer:
            fault = f"the reply {head!r}, cut in its head, is not reported as `protocol` or `connection`, sent"
            await bench.failure(fault, peer.origin + "/", {"protocol", "connection"}, sent=True, body=b"{}")


async def odd_chunks_are_a_failure(bench: WireBench) -> None:
    """A chunk whose size is not plain hexadecimal, or not alone in its line, or wrong, is kind `protocol`, sent."""
    sizes = (b"-2", b"+2", b"0x2", b"0_2", b" 2", b"", b"2\r", b"2;a\rb", b"2;a\r")
    for chunk in (*(size + b"\r\nok" for size in sizes), b"2\r\nok!!"):
        data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + b"\r\n0\r\n\r\n"
        with Peer(_answering_once(data)) as peer:
            fault = f"the chunk {chunk!r} is not reported as `protocol`, sent"
            await bench.failure(fault, peer.origin + "/", {"protocol"}, sent=True, body=b"{}")


async def doubtful_framing_is_a_failure(bench: WireBench) -> None:
    """A reply that is framed in two ways, or in one that nobody knows, is kind `protocol`, sent."""
    for framing in (
        "Content-Length: 2\r\nTransfer-Encoding: chunked",
        "Content-Length: 2\r\nContent-Length: 12",
        "Content-Length: +2",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip",
        "Transfer-Encoding: gzip, chunked",
        "X: a\r\r\nContent-Length: 2",
        "X: a\rContent-Length: 2",
    ):
        data = f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n2\r\nok\r\n0\r\n\r\n".encode()
        with Peer(_answering_once(data)) as peer:
            fault = f"a reply with the framing {framing!r} is not reported as `protocol`, sent"
            await bench.failure(fault, peer.origin + "/", {"protocol"}, sent=True, body=b"{}")


async def source_error_ends_the_request(bench: WireBench) -> None:
    """A request whose source raises is broken off, and is a failure or lets the exception pass; the next one works."""

    def script(line: Line) -> None:
        while True:
            line.request()
            line.send(reply(200))

    changed = _SourceChangedError("the file changed while it was sent")
    # The latter two are what trouble with the network looks like.
    for pieces, error in (
        ((), changed),
        ((b"x" * 100,), changed),
        ((bytes(100_000), b"x"), changed),
        ((b"x" * 100,), ConnectionResetError("of the disk")),
        ((b"x" * 100,), ValueError("of a callback")),
    ):
        with Peer(script) as peer:
            content = Content(pieces, 200_000, error)
            performed = await bench.perform(peer.origin + "/", method="PUT", body=content)
            fault = "a request whose source raised is reported as answered"
            answered = isinstance(performed.outcome, Response)
            require(not answered, fault, expected=f"a Failure, or {error!r}", seen=str(performed))
            hung_up = peer.connections == 0 or peer.wait_for_hang_ups(1)
            fault = "the connection stays open after its source raised"
            require(hung_up, fault, expected="a closed connection", seen="an open one")
            require(not peer.requests, "a request whose source raised is completed", expected=[], seen=peer.requests)
            await bench.response("after a source raised, the next request fails", peer.origin + "/", body=b"{}")


class _SourceChangedError(Exception):
    """Stands for what a source raises."""


def _answering_once(data: bytes) -> Script:
    def script(line: Line) -> None:
        line.request()
        line.send(data)
        line.end()
        line.hold()

    return script


CHECKS = (
    WireCheck(refused_connection_is_a_failure),
    WireCheck(failures_tell_no_secret),
    WireCheck(reset_after_the_request_is_a_failure),
    WireCheck(reset_during_the_upload_is_a_failure),
    WireCheck(end_without_reply_is_a_failure),
    WireCheck(garbage_is_a_failure),
    WireCheck(oversized_head_is_a_failure),
    WireCheck(truncated_reply_is_a_failure),
    WireCheck(reply_cut_in_its_head_is_a_failure, needs=("reads_strictly",)),
    WireCheck(odd_chunks_are_a_failure, needs=("reads_strictly",)),
    WireCheck(doubtful_framing_is_a_failure, needs=("reads_strictly",)),
    WireCheck(source_error_ends_the_request),
)
