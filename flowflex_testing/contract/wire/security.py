"""Whom it trusts and whom it goes through: TLS, and proxies where they are spoken to at all."""

# ruff: noqa: D401 - the docstring of a check is the sentence that it holds a transport to

from itertools import chain, repeat

from flowflex_testing.contract.bench import Content
from flowflex_testing.contract.peers import CERTIFICATE, Line, Peer, answering, refusing_port, reply
from flowflex_testing.contract.violation import require
from flowflex_testing.contract.wire.bench import SECRET, WireBench
from flowflex_testing.contract.wire.check import WireCheck

_BOUND = 0.2
_LARGE = 16 * 1024 * 1024


async def unknown_authority_is_refused(bench: WireBench) -> None:
    """A server whose certificate nobody vouches for is kind `tls`, not sent, and gets no byte of the request."""
    with Peer(answering(reply(200)), tls=True) as peer:
        fault = "a certificate of an unknown authority is not reported as `tls`, not sent"
        await bench.failure(fault, peer.origin + "/", {"tls"}, sent=False, headers={"Authorization": SECRET})
        require(not peer.requests, fault, expected="no request", seen="a request at the peer")


async def other_name_is_refused(bench: WireBench) -> None:
    """A trusted certificate for another host is kind `tls`, not sent."""
    _trust_peers(bench)
    with Peer(answering(reply(200)), tls=True) as peer:
        fault = "a certificate for another host is not reported as `tls`, not sent"
        await bench.failure(fault, f"https://localhost:{peer.port}/", {"tls"}, sent=False)


async def refused_handshake_is_a_failure(bench: WireBench) -> None:
    """A peer that answers the handshake with an alert, or in plain text, is kind `tls`, not sent."""
    for data in (b"\x15\x03\x03\x00\x02\x02\x28", b"HTTP/1.1 400 Bad Request\r\n\r\n"):

        def script(line: Line, data: bytes = data) -> None:
            line.send(data)
            line.end()
            line.hold()

        with Peer(script) as peer:
            fault = f"the handshake that is answered by {data[:12]!r} is not reported as `tls`, not sent"
            await bench.failure(fault, f"https://127.0.0.1:{peer.port}/", {"tls"}, sent=False)


async def silent_handshake_is_bounded(bench: WireBench) -> None:
    """A peer that says nothing during the handshake is kind `timeout` or `tls`, not sent, after either bound."""
    with Peer(Line.hold) as peer:
        url = f"https://127.0.0.1:{peer.port}/"
        fault = "a silent handshake is not reported as `timeout` or `tls`, not sent, in time"
        await bench.failure(fault, url, {"timeout", "tls"}, sent=False, timeout=_BOUND, after=_BOUND)
        await bench.failure(fault, url, {"timeout", "tls"}, sent=False, total=_BOUND, after=_BOUND)


async def trusted_peer_is_spoken_to(bench: WireBench) -> None:
    """With the authority trusted, a request and its body cross TLS unchanged."""
    _trust_peers(bench)
    with Peer(answering(reply(200, b"secured")), tls=True) as peer:
        fault = "a request over TLS does not get its reply"
        response = await bench.response(fault, peer.origin + "/a%2fb", method="PUT", body=Content.zeros(_LARGE // 16))
        seen = (response.body, [(request.target, len(request.body)) for request in peer.requests])
        expected = (b"secured", [(b"/a%2fb", _LARGE // 16)])
        require(seen == expected, "a request does not cross TLS unchanged", expected=expected, seen=seen)


async def tls_is_bounded_by_total(bench: WireBench) -> None:
    """Under TLS, too, `total` bounds a reply that drips, and `timeout` a peer that does not read."""
    _trust_peers(bench)

    def dripping(line: Line) -> None:
        line.request()
        line.drip(chain((b"HTTP/1.1 200 OK\r\nX: ",), repeat(b"x")))

    def resting(line: Line) -> None:
        line.head()
        line.rest()

    with Peer(dripping, tls=True) as peer:
        fault = "`total` does not bound a reply that drips under TLS"
        await bench.failure(fault, peer.origin + "/", {"timeout"}, sent=True, total=_BOUND, after=_BOUND)
    with Peer(resting, tls=True) as peer:
        fault = "`timeout` does not bound an upload under TLS to a peer that does not read"
        upload = Content.zeros(_LARGE)
        await bench.failure(fault, peer.origin + "/", {"timeout"}, sent=True, body=upload, timeout=_BOUND, after=_BOUND)


async def truncated_tls_is_a_failure(bench: WireBench) -> None:
    """A reply that is cut off under TLS is not taken for whole."""
    _trust_peers(bench)

    def script(line: Line) -> None:
        line.request()
        line.send(reply(200, b"half of it")[:-5])
        line.end()
        line.hold()

    with Peer(script, tls=True) as peer:
        fault = "a reply that is cut off under TLS is taken for whole"
        await bench.failure(fault, peer.origin + "/", {"protocol", "connection", "tls"}, sent=True)


async def proxy_is_asked(bench: WireBench) -> None:
    """A plain request goes to the proxy with its whole URL as the target, byte for byte."""
    with Peer(answering(reply(200, b"by proxy"))) as proxy, refusing_port() as origin:
        bench.use(_require_proxied(bench, proxy.origin))
        url = f"{origin}/a%2fb?z=1&a=2"
        response = await bench.response("a request does not go through the proxy", url)
        seen = (response.body, [request.target for request in proxy.requests])
        expected = (b"by proxy", [url.encode()])
        require(seen == expected, "the proxy does not get the whole URL", expected=expected, seen=seen)


async def proxy_tunnels_https(bench: WireBench) -> None:
    """For https the proxy is asked to CONNECT, and sees nothing of the request; a refusal is `proxy`, not sent."""
    seen: list[tuple[bytes, bytes, list[bytes]]] = []

    def script(line: Line) -> None:
        head = line.head()
        seen.append((head.method, head.target, head.values(b"authorization")))
        line.send(reply(403, b"no"))
        line.end()
        line.hold()

    with Peer(script) as proxy:
        bench.use(_require_proxied(bench, proxy.origin))
        fault = "a proxy that refuses the tunnel is not reported as `proxy`, not sent"
        headers = {"Authorization": SECRET}
        url = f"https://flowflex.example/a?token={SECRET}"
        await bench.failure(fault, url, {"proxy"}, sent=False, headers=headers)
        fault = "the proxy is not asked for a tunnel alone"
        require(seen == [(b"CONNECT", b"flowflex.example:443", [])], fault, expected="one CONNECT", seen=seen)


async def tunnel_is_no_reason_to_trust(bench: WireBench) -> None:
    """Behind a proxy's tunnel, too, a certificate that nobody vouches for is kind `tls`, not sent."""

    def script(line: Line) -> None:
        line.head()
        line.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        line.secure()
        line.request()
        line.send(reply(200))

    with Peer(script) as proxy:
        bench.use(_require_proxied(bench, proxy.origin))
        fault = "an unknown authority is not reported as `tls`, not sent, behind a proxy"
        await bench.failure(fault, f"https://127.0.0.1:{proxy.port}/", {"tls"}, sent=False)


async def proxy_cannot_speak_for_the_server(bench: WireBench) -> None:
    """Bytes in the clear behind the opening of a tunnel are kind `proxy`, not sent, never the server's reply."""

    def script(line: Line) -> None:
        line.head()
        line.send(b"HTTP/1.1 200 Connection established\r\n\r\n" + reply(200, b"forged"))
        line.secure()
        line.request()
        line.hold()

    with Peer(script) as proxy:
        bench.use(_require_proxied(bench, proxy.origin))
        fault = "bytes behind the opening of a tunnel are not reported as `proxy`, not sent"
        await bench.failure(fault, "https://flowflex.example/", {"proxy"}, sent=False)


async def unreachable_proxy_is_a_failure(bench: WireBench) -> None:
    """A proxy that refuses the connection is kind `proxy`, not sent."""
    with refusing_port() as origin:
        bench.use(_require_proxied(bench, origin))
        fault = "a proxy that cannot be reached is not reported as `proxy`, not sent"
        for url in ("http://flowflex.example/", "https://flowflex.example/"):
            await bench.failure(fault, url, {"proxy"}, sent=False)


def _trust_peers(bench: WireBench) -> None:
    assert bench.subject.trusting is not None
    bench.use(bench.subject.trusting(str(CERTIFICATE)))


def _require_proxied(bench: WireBench, url: str) -> object:
    assert bench.subject.proxied is not None
    return bench.subject.proxied(url)


CHECKS = (
    WireCheck(unknown_authority_is_refused),
    WireCheck(refused_handshake_is_a_failure),
    WireCheck(silent_handshake_is_bounded),
    WireCheck(other_name_is_refused, needs=("trusting",)),
    WireCheck(trusted_peer_is_spoken_to, needs=("trusting",)),
    WireCheck(tls_is_bounded_by_total, needs=("trusting", "bounds_total")),
    WireCheck(truncated_tls_is_a_failure, needs=("trusting",)),
    WireCheck(proxy_is_asked, needs=("proxied",)),
    WireCheck(proxy_tunnels_https, needs=("proxied",)),
    WireCheck(tunnel_is_no_reason_to_trust, needs=("proxied",)),
    WireCheck(proxy_cannot_speak_for_the_server, needs=("proxied",)),
    WireCheck(unreachable_proxy_is_a_failure, needs=("proxied",)),
)
