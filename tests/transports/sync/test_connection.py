import socket
import threading
from typing import Any

import pytest

from flowflex_core import FlowFlexConfigError, Response
from flowflex_transports.sync.transport import Urllib3Transport
from tests.support.attempts import Chunks, request, timed
from tests.support.scripted import OK, ScriptedServer, Wire, answering

# What goes over the wire


def test_the_request_is_sent_byte_for_byte_with_framing_alone_added(transport):
    """The target is that of the URL, the headers are those given, and Host and Content-Length are all that is added."""
    target = "/a%2fb/%7Ec;p=1//d?sig=a%2Bb==&empty&x=%c3%a9"
    with ScriptedServer(answering()) as server:
        headers = {"Authorization": "Basic x", "User-Agent": "u/1"}
        outcome = transport.perform(request(server.url(target), headers=headers), b'{"a": 1}')
    assert outcome == Response(outcome.request_id, 200, (("Content-Length", "2"),), b"ok")
    received = server.requests[0]
    assert received.line == f"POST {target} HTTP/1.1"
    assert received.headers == {
        "host": f"127.0.0.1:{server.port}",
        "authorization": "Basic x",
        "user-agent": "u/1",
        "content-length": "8",
    }
    assert received.body == b'{"a": 1}'


@pytest.mark.parametrize(("suffix", "target"), [("", "/"), ("?q=1", "/?q=1")])
def test_a_url_without_a_path_asks_for_the_root(transport, suffix, target):
    """HTTP has no empty target."""
    with ScriptedServer(answering()) as server:
        transport.perform(request(server.url(suffix)), b"")
    assert server.requests[0].target == target


def test_no_header_is_invented(transport):
    """Not even a User-Agent is added where the request has none."""
    with ScriptedServer(answering()) as server:
        transport.perform(request(server.url(), headers={"X-Only": "1"}), b"")
    assert server.requests[0].header_names == ("Host", "X-Only", "Content-Length")


@pytest.mark.parametrize("chunks", [(), (b"one",), (b"one", b"", b"two" * 100_000)])
def test_a_source_is_streamed_with_its_exact_length(transport, chunks):
    """A source's chunks are the body, framed by its length; an empty file is one too."""
    with ScriptedServer(answering()) as server:
        outcome = transport.perform(request(server.url(), method="PUT"), Chunks(*chunks))
    assert outcome.status == 200
    assert server.requests[0].body == b"".join(chunks)
    assert server.requests[0].headers["content-length"] == str(len(b"".join(chunks)))
    assert "transfer-encoding" not in server.requests[0].headers


def test_a_redirect_is_a_reply_like_any_other(transport):
    """No redirect is followed."""
    moved = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
    with ScriptedServer(answering(moved)) as server:
        outcome = transport.perform(request(server.url()), b"")
    assert (outcome.status, outcome.header("location"), len(server.requests)) == (302, "/elsewhere", 1)


def test_cookies_do_not_come_back(transport):
    """What a server sets is not sent to it again."""
    cookie = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    with ScriptedServer(answering(cookie)) as server:
        for _ in range(2):
            transport.perform(request(server.url()), b"")
    assert "cookie" not in server.requests[1].headers


def test_coded_content_is_handed_over_as_it_is(transport):
    """Nothing asks for compression, and nothing is decompressed."""
    zipped = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08"
    with ScriptedServer(answering(zipped)) as server:
        outcome = transport.perform(request(server.url()), b"")
    assert outcome.body == b"\x1f\x8b\x08"
    assert "accept-encoding" not in server.requests[0].headers


# Replies


@pytest.mark.parametrize("interim", [b"100 Continue", b"102 Processing", b"103 Early Hints"])
@pytest.mark.parametrize("times", [1, 5])
def test_interim_replies_are_passed_over(transport, interim, times):
    """1xx replies, in any number, are not the answer."""
    before = (b"HTTP/1.1 " + interim + b"\r\nLink: </a>\r\n\r\n") * times
    with ScriptedServer(answering(before + OK)) as server:
        outcomes = [transport.perform(request(server.url()), b"") for _ in range(2)]
    assert [outcome.body for outcome in outcomes] == [b"ok", b"ok"]
    assert server.connections == 1


def test_interim_replies_do_not_stop_an_upload(transport):
    """A server that says 100 or 103 while it still reads gets the whole body."""

    def script(wire: Wire) -> None:
        head: Any = wire.read_head()
        wire.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early")
        first = wire.read_body(100_000)
        wire.send(b" Hints\r\nA: b\r\n\r\n")
        rest = wire.read_body(int(head.headers["content-length"]) - len(first))
        wire.send(OK if len(first + rest) == 1_000_000 else b"HTTP/1.1 400 short\r\n\r\n")

    with ScriptedServer(script) as server:
        outcome = transport.perform(request(server.url(), method="PUT"), Chunks(*[b"x" * 50_000] * 20))
    assert outcome.status == 200


@pytest.mark.parametrize("secured", [False, True])
@pytest.mark.parametrize("then", ["close", "reset", "hold"])
def test_an_early_refusal_is_read_while_the_upload_stalls(transport, tls_transport, server_context, secured, then):
    """A 413 during the upload is the response, whether the server then closes, resets or just stops reading."""
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig"

    def script(wire: Wire) -> None:
        wire.read_head()
        wire.read_body(10)
        wire.send(refusal)
        if then == "reset":
            wire.read_body(2_000_000)
        if then == "hold":
            wire.hold()

    with ScriptedServer(script, tls=server_context if secured else None) as server:
        body = Chunks(*[b"x" * 65_536] * 400)
        outcome = (tls_transport if secured else transport).perform(request(server.url(), method="PUT"), body)
    assert isinstance(outcome, Response), outcome
    assert (outcome.status, outcome.body, outcome.early) == (413, b"big", True)


@pytest.mark.parametrize("body", [b"x" * 20_000_000, Chunks(*[b"x" * 65_536] * 300)])
def test_a_reply_before_the_request_was_sent_whole_is_marked_early(transport, body):
    """Whatever its status: what it means is not for a transport to say."""

    def script(wire: Wire) -> None:
        wire.read_head()
        wire.send(OK)
        wire.hold()

    with ScriptedServer(script, receive_buffer=4096) as server:
        outcome = transport.perform(request(server.url(), method="PUT"), body)
    assert (outcome.status, outcome.early) == (200, True)


def test_a_reply_that_lies_there_before_the_request_is_early(transport):
    """It answers nothing that was asked, on a new connection as on one that was used before."""
    talked = threading.Event()

    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(OK)
        wire.read_head()
        wire.send(OK)
        talked.set()
        wire.wait_for_end()

    with ScriptedServer(script) as server:
        body = Chunks(b"a", b"b", between=lambda: talked.wait(5))
        outcomes = [transport.perform(request(server.url()), sent) for sent in (b"{}", body)]
    assert [(outcome.status, outcome.early) for outcome in outcomes] == [(200, False), (200, True)]


@pytest.mark.parametrize("body", [b"", b"x" * 100_000, Chunks(b"a", b"b" * 100_000)])
def test_a_reply_to_the_whole_request_is_not_early_however_fast_it_comes(transport, body):
    """From a server that reads the last byte and answers at once."""
    with ScriptedServer(answering()) as server:
        assert not any(transport.perform(request(server.url()), body).early for _ in range(20))


def test_an_early_refusal_ends_the_connection(transport):
    """What is left of the old body is never sent, and no new request goes where it would be taken for it."""

    def refusing(wire: Wire) -> None:
        wire.read_head()
        wire.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        wire.wait_for_end()

    with ScriptedServer(refusing, answering()) as server:
        body = Chunks(*[b"x" * 65_536] * 400)
        statuses = [transport.perform(request(server.url(), method="PUT"), body).status for _ in range(2)]
    assert (statuses, server.connections) == ([413, 200], 2)


@pytest.mark.parametrize("is_cut", [False, True])
def test_under_tls_a_reply_without_a_length_ends_with_a_goodbye(tls_transport, server_context, is_cut):
    """Anybody on the way can end a TCP connection; half a reply is not taken for a whole one."""

    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(b"HTTP/1.1 200 OK\r\n\r\nhalf of")
        if not is_cut:
            wire.say_goodbye()

    with ScriptedServer(script, tls=server_context) as server:
        outcome = tls_transport.perform(request(server.url()), b"")
    if is_cut:
        assert (outcome.kind, outcome.sent) == ("connection", True)
    else:
        assert (outcome.status, outcome.body) == (200, b"half of")


def test_under_tls_a_reply_with_a_length_needs_no_goodbye(tls_transport, server_context):
    """Many a server closes what is idle without one; the next request then goes over a new connection."""
    closed = threading.Event()

    def script(wire: Wire) -> None:
        wire.read_request()
        wire.send(OK)
        wire.close()
        closed.set()

    with ScriptedServer(script, tls=server_context) as server:
        first = tls_transport.perform(request(server.url()), b"")
        closed.wait(5)
        second = tls_transport.perform(request(server.url()), b"")
    assert (first.status, second.status, server.connections) == (200, 200, 2)


# Proxies


def tunnelling(*, status=b"200 OK"):
    """Return a proxy's script that opens tunnels to where the test says, and the list of where it was asked to."""
    asked = []

    def script(wire: Wire) -> None:
        head: Any = wire.read_head()
        asked.append(head)
        wire.send(b"HTTP/1.1 " + status + b"\r\nVia: test\r\n\r\n")
        if status.startswith(b"2"):
            wire.relay("127.0.0.1", int(head.target.rpartition(":")[2]))

    return script, asked


def test_https_goes_through_a_tunnel_and_credentials_stay_with_the_proxy(trusting, server_context):
    """The proxy sees host, port and its own credentials; the server sees neither those nor the proxy."""
    script, asked = tunnelling()
    with ScriptedServer(answering(), tls=server_context) as server, ScriptedServer(script) as proxy:
        transport: Any = Urllib3Transport(ssl_context=trusting, proxy=f"http://us%40er:pa%3Ass@127.0.0.1:{proxy.port}")
        outcomes = [
            transport.perform(request(server.url("/p?sig=1", host="api.example.test")), b"body") for _ in range(2)
        ]
        transport.close()
    assert [outcome.status for outcome in outcomes] == [200, 200]
    assert [head.target for head in asked] == [f"api.example.test:{server.port}"]
    assert asked[0].headers["proxy-authorization"] == "Basic dXNAZXI6cGE6c3M="
    assert server.requests[0].target == "/p?sig=1"
    assert server.requests[0].headers["host"] == f"api.example.test:{server.port}"
    assert "proxy-authorization" not in server.requests[0].headers


def test_plain_http_is_given_to_a_proxy_with_its_whole_url():
    """Without TLS the proxy reads the request: absolute form, and credentials for the proxy."""
    with ScriptedServer(answering()) as proxy:
        transport: Any = Urllib3Transport(proxy=f"http://u:p@127.0.0.1:{proxy.port}")
        outcome = transport.perform(request("http://api.example.test/a%2fb?c"), b"")
        transport.close()
    assert outcome.status == 200
    assert proxy.requests[0].target == "http://api.example.test/a%2fb?c"
    assert proxy.requests[0].headers["host"] == "api.example.test"
    assert proxy.requests[0].headers["proxy-authorization"] == "Basic dTpw"


@pytest.mark.parametrize("status", [b"407 Proxy Authentication Required", b"502 Bad Gateway"])
def test_a_refused_tunnel_is_a_proxy_failure_and_nothing_was_sent(status):
    """The failure tells the proxy's status and nothing of its credentials."""
    script, _ = tunnelling(status=status)
    with ScriptedServer(script) as proxy:
        transport: Any = Urllib3Transport(proxy=f"http://user:hidden@127.0.0.1:{proxy.port}")
        outcome = transport.perform(request("https://api.example.test/"), b"")
    assert (outcome.kind, outcome.sent) == ("proxy", False)
    assert status[:3].decode() in outcome.message
    assert "hidden" not in repr(outcome)


@pytest.mark.parametrize("injected", [b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged", b"x"])
def test_bytes_behind_the_opening_of_a_tunnel_are_a_proxy_failure(trusting, server_context, injected):
    """Sent in the clear, they would be read as the server's own once TLS vouches for it."""

    def script(wire: Wire) -> None:
        head: Any = wire.read_head()
        wire.send(b"HTTP/1.1 200 Connection established\r\n\r\n" + injected)
        wire.relay("127.0.0.1", int(head.target.rpartition(":")[2]))

    with ScriptedServer(answering(), tls=server_context) as server, ScriptedServer(script) as proxy:
        transport: Any = Urllib3Transport(ssl_context=trusting, proxy=f"http://127.0.0.1:{proxy.port}")
        outcome = transport.perform(request(server.url(host="api.example.test")), b"")
    assert (outcome.kind, outcome.sent, server.requests) == ("proxy", False, [])


@pytest.mark.parametrize("reply", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nVia: x"])
def test_a_proxy_that_talks_nonsense_is_a_proxy_failure(reply):
    """An ended or unreadable reply to CONNECT is the proxy's fault."""

    def script(wire: Wire) -> None:
        wire.read_head()
        wire.send(reply)

    with ScriptedServer(script) as proxy:
        transport: Any = Urllib3Transport(proxy=f"http://127.0.0.1:{proxy.port}")
        outcome = transport.perform(request("https://api.example.test/"), b"")
    assert (outcome.kind, outcome.sent) == ("proxy", False)


def test_a_proxy_that_is_not_there_is_a_proxy_failure():
    """The origin is not blamed."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        transport: Any = Urllib3Transport(proxy=f"http://127.0.0.1:{unused.getsockname()[1]}")
        outcome = transport.perform(request("https://api.example.test/"), b"")
    assert (outcome.kind, outcome.sent) == ("proxy", False)


def test_a_dripping_proxy_cannot_outlast_the_total():
    """The reply to CONNECT is waited for within the attempt's bounds."""

    def script(wire: Wire) -> None:
        wire.read_head()
        wire.drip(b"HTTP/1.1 200 OK\r\nA: " + b"x" * 500, 0.02)

    with ScriptedServer(script) as proxy:
        transport: Any = Urllib3Transport(proxy=f"http://127.0.0.1:{proxy.port}")
        outcome, seconds = timed(transport, request("https://api.example.test/", total=0.3))
    assert (outcome.kind, outcome.sent) == ("timeout", False)
    assert seconds < 0.5


def test_the_environment_names_the_proxy(trusting, server_context, monkeypatch):
    """`HTTPS_PROXY` is used, and `NO_PROXY` and `trust_environment=False` are obeyed."""
    script, asked = tunnelling()
    with ScriptedServer(answering(), tls=server_context) as server, ScriptedServer(script) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        sent = request(server.url(host="api.example.test"))
        transport: Any = Urllib3Transport(ssl_context=trusting)
        assert transport.perform(sent, b"").status == 200
        assert len(asked) == 1
        transport.close()
        resolve = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", lambda _host, port, **options: resolve("127.0.0.1", port, **options))
        direct: Any = Urllib3Transport(ssl_context=trusting, trust_environment=False)
        assert direct.perform(sent, b"").status == 200
        direct.close()
        monkeypatch.setenv("NO_PROXY", "example.test")
        spared: Any = Urllib3Transport(ssl_context=trusting)
        assert spared.perform(sent, b"").status == 200
        spared.close()
    assert len(asked) == 1


def test_a_bad_proxy_is_refused_when_the_transport_is_made():
    """A configuration error is told at once, and does not repeat what may be a password."""
    with pytest.raises(FlowFlexConfigError, match="proxy") as caught:
        Urllib3Transport(proxy="socks5://user:hidden@host:1080")
    assert "hidden" not in str(caught.value)
