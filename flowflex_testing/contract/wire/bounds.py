"""How long it takes: `timeout` bounds each silence, `total` the whole attempt, whatever the peer does to stretch it."""

# ruff: noqa: D401 - the docstring of a check is the sentence that it holds a transport to

from itertools import chain, repeat

from flowflex_testing.contract.bench import Content
from flowflex_testing.contract.peers import Line, Peer, full_port, reply
from flowflex_testing.contract.violation import require
from flowflex_testing.contract.wire.bench import WireBench
from flowflex_testing.contract.wire.check import WireCheck

_TIMEOUT = 0.2
_TOTAL = 0.25
_LARGE = 16 * 1024 * 1024


async def silence_is_bounded_by_timeout(bench: WireBench) -> None:
    """A peer that reads the request and never answers is kind `timeout`, sent, after `timeout`."""
    with Peer(_silent) as peer:
        fault = "a silent peer is not reported as `timeout`, sent, after `timeout`"
        await bench.failure(
            fault, peer.origin + "/", {"timeout"}, sent=True, body=b"{}", timeout=_TIMEOUT, after=_TIMEOUT
        )


async def silence_in_the_body_is_bounded_by_timeout(bench: WireBench) -> None:
    """A peer that falls silent in the midst of its reply is kind `timeout`, sent, after `timeout`."""

    def script(line: Line) -> None:
        line.request()
        line.send(reply(200, b"x" * 100)[:-50])
        line.hold()

    with Peer(script) as peer:
        fault = "a peer that falls silent in its reply is not reported as `timeout`, sent, after `timeout`"
        await bench.failure(fault, peer.origin + "/", {"timeout"}, sent=True, timeout=_TIMEOUT, after=_TIMEOUT)


async def silence_is_bounded_by_total(bench: WireBench) -> None:
    """Where `total` is shorter than `timeout`, a silent peer is given up after `total`."""
    with Peer(_silent) as peer:
        fault = "a silent peer is not given up after a `total` shorter than `timeout`"
        await bench.failure(fault, peer.origin + "/", {"timeout"}, sent=True, total=_TOTAL, after=_TOTAL)


async def connecting_is_bounded(bench: WireBench) -> None:
    """A peer that does not take the connection is kind `timeout`, not sent, after the shorter of the two bounds."""
    fault = "a peer that does not take the connection is not reported as `timeout`, not sent, in time"
    with full_port() as origin:
        await bench.failure(fault, origin + "/", {"timeout"}, sent=False, timeout=_TIMEOUT, after=_TIMEOUT)
        await bench.failure(fault, origin + "/", {"timeout"}, sent=False, total=_TIMEOUT, after=_TIMEOUT)


async def stalled_upload_is_bounded_by_timeout(bench: WireBench) -> None:
    """A peer that stops reading the body is kind `timeout`, sent, after `timeout`."""

    def script(line: Line) -> None:
        line.head()
        line.rest()

    with Peer(script) as peer:
        fault = "a peer that does not read the body is not reported as `timeout`, sent, after `timeout`"
        await bench.failure(
            fault,
            peer.origin + "/",
            {"timeout"},
            sent=True,
            method="PUT",
            body=Content.zeros(_LARGE),
            timeout=_TIMEOUT,
            after=_TIMEOUT,
        )


async def slow_upload_is_bounded_by_total(bench: WireBench) -> None:
    """A peer that reads the body little by little, never silent for long, is kind `timeout`, sent, after `total`."""

    def script(line: Line) -> None:
        line.head()
        line.sip(65_536)

    with Peer(script) as peer:
        fault = "`total` does not bound an upload to a peer that reads slowly"
        await bench.failure(
            fault,
            peer.origin + "/",
            {"timeout"},
            sent=True,
            method="PUT",
            body=Content.zeros(_LARGE),
            total=_TOTAL,
            after=_TOTAL,
        )


async def dripping_head_is_bounded_by_total(bench: WireBench) -> None:
    """A reply head that comes byte by byte is kind `timeout`, sent, after `total`."""

    def script(line: Line) -> None:
        line.request()
        line.drip(chain((b"HTTP/1.1 200 OK\r\nX: ",), repeat(b"x")))

    with Peer(script) as peer:
        fault = "`total` does not bound a reply whose head drips"
        await bench.failure(fault, peer.origin + "/", {"timeout"}, sent=True, total=_TOTAL, after=_TOTAL)


async def dripping_body_is_bounded_by_total(bench: WireBench) -> None:
    """A reply body that comes byte by byte is kind `timeout`, sent, after `total`, however it is framed."""
    for framing, data in (("Content-Length: 5000", b"x"), ("Transfer-Encoding: chunked", b"1\r\nx\r\n")):
        head = f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode()

        def script(line: Line, head: bytes = head, data: bytes = data) -> None:
            line.request()
            line.drip(chain((head,), repeat(data)))

        with Peer(script) as peer:
            fault = f"`total` does not bound a reply whose body drips ({framing})"
            await bench.failure(fault, peer.origin + "/", {"timeout"}, sent=True, total=_TOTAL, after=_TOTAL)


async def interim_replies_are_bounded_by_total(bench: WireBench) -> None:
    """A peer that sends interim replies without end is kind `timeout`, sent, after `total`."""

    def script(line: Line) -> None:
        line.request()
        line.drip(repeat(b"HTTP/1.1 102 Processing\r\n\r\n"))

    with Peer(script) as peer:
        fault = "`total` does not bound a peer that sends interim replies for ever"
        await bench.failure(fault, peer.origin + "/", {"timeout"}, sent=True, total=_TOTAL, after=_TOTAL)


async def peer_that_never_pauses_is_bounded_by_total(bench: WireBench) -> None:
    """A peer that sends interim replies, header lines or trailers without pause or end is given up within `total`."""
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    for begins, goes_on in (
        (b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 1000),
        (b"HTTP/1.1 200 OK\r\n", b"X-Field: value\r\n" * 1000),
        (chunked, b"X-Trailer: value\r\n" * 1000),
    ):

        def script(line: Line, begins: bytes = begins, goes_on: bytes = goes_on) -> None:
            line.request()
            line.send(begins)
            line.flood(goes_on)

        with Peer(script) as peer:
            performed = await bench.perform(peer.origin + "/", total=_TOTAL)
            fault = f"`total` does not bound a peer that sends {goes_on[:27]!r} without pause"
            given_up = getattr(performed.outcome, "kind", None) in {"timeout", "protocol"}
            in_time = performed.seconds <= _TOTAL + 1.0
            require(given_up and in_time, fault, expected=f"a Failure within {_TOTAL} s", seen=str(performed))


async def steady_reply_outlasts_timeout(bench: WireBench) -> None:
    """`timeout` bounds silence alone: a reply that takes longer, but keeps coming, is returned."""

    def script(line: Line) -> None:
        line.request()
        whole = reply(200, b"x" * 10)
        line.drip(whole[at : at + 4] for at in range(0, len(whole), 4))

    with Peer(script) as peer:
        fault = "`timeout` cuts off a reply that is slow but never silent for so long"
        response = await bench.response(fault, peer.origin + "/", timeout=0.4)
        require(response.body == b"x" * 10, fault, expected=b"x" * 10, seen=response.body)


def _silent(line: Line) -> None:
    line.request()
    line.hold()


CHECKS = (
    WireCheck(silence_is_bounded_by_timeout),
    WireCheck(silence_in_the_body_is_bounded_by_timeout),
    WireCheck(silence_is_bounded_by_total),
    WireCheck(connecting_is_bounded),
    WireCheck(stalled_upload_is_bounded_by_timeout),
    WireCheck(slow_upload_is_bounded_by_total, needs=("bounds_total",)),
    WireCheck(dripping_head_is_bounded_by_total, needs=("bounds_total",)),
    WireCheck(dripping_body_is_bounded_by_total, needs=("bounds_total",)),
    WireCheck(interim_replies_are_bounded_by_total, needs=("bounds_total", "skips_interim")),
    WireCheck(peer_that_never_pauses_is_bounded_by_total, needs=("bounds_total",)),
    WireCheck(steady_reply_outlasts_timeout),
)
