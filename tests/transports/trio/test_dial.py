"""Making a connection: certificates and handshakes, proxies and their tunnels."""

import socket
import ssl

import pytest
import trio

from flowflex_core.messages import Request
from flowflex_transports.trio.transport import TrioTransport
from tests.support.trio_attempts import SECRET, a_request, failed, replied
from tests.support.trio_peer import OK, Talk, answering, content_length, in_trio, serving

pytestmark = pytest.mark.usefixtures("no_descriptor_is_left")


# Making connections


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
