"""The mounted face: a fake on somebody else's pytest-httpserver, reached through sockets."""

import http.client
import socket
import ssl
import struct
import threading
from typing import Any

import flowflex  # type: ignore[import-untyped]
import pytest
import trio
import trustme
from pytest_httpserver import HTTPServer

from flowflex_testing import faults
from flowflex_testing.fake import FakeFlowFlex
from flowflex_testing.faults.forms import KINDS
from flowflex_testing.server.mount import mount
from flowflex_transports import AsyncFlowFlex, FlowFlex, FlowFlexError, file
from tests.testing.server import test_connection as raw
from tests.testing.server.test_connection import Wire, wire_to

FILES = {"invoice": b"%PDF", "gallery[0]": b"b" * 300_000, "gallery[1]": b""}


@pytest.fixture
def fake(httpserver):
    fake = FakeFlowFlex()
    mount(fake, httpserver)
    yield fake
    fake.stop()
    fake.faults.assert_fired()


@pytest.fixture
def address(httpserver) -> str:
    return f"http://127.0.0.1:{httpserver.port}"


def get(httpserver: HTTPServer, target: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(httpserver.host, httpserver.port, timeout=10)
    try:
        connection.request("GET", target)
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def event(fake) -> bytes:
    return raw.event(fake).replace(b" /v1/", b" /flowflex/v1/", 1)


def put(fake, size: int) -> bytes:
    return raw.put(fake, size, size=...).replace(b" /assets/", b" /flowflex-storage/assets/", 1)


def close(wire: Wire) -> None:
    wire.socket.close()


def reset(wire: Wire) -> None:
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.socket.close()


def payload(make):
    return {
        "invoice": make(b"%PDF", filename="a b é.pdf"),
        "gallery": [make(b"b" * 300_000, filename="b.png"), make(b"", filename="c.txt")],
    }


def check_delivery(fake, uploaded_assets):
    found = fake.assert_event("invoice.created", files=FILES)
    assert {path: asset.id for path, asset in found.files.items()} == uploaded_assets
    fake.assert_attempts("put", 1, filename="a b é.pdf")
    fake.assert_never_sent(header="authorization", to="storage")


# Clients.


def test_the_sync_client_sends_files_beside_expectations(httpserver, fake):
    """The fake and the server's own expectations answer side by side, and neither is in the other's journal."""
    httpserver.expect_request("/users/1").respond_with_data("Ada")
    with FlowFlex(**fake.client_options) as client:
        check_delivery(fake, client.send_event("invoice.created", payload=payload(file)).uploaded_assets)
    assert get(httpserver, "/users/1") == (200, b"Ada")
    assert get(httpserver, "/flowflexible")[0] == 500
    assert [request.path for request, _ in httpserver.log] == ["/users/1", "/flowflexible"]
    with pytest.raises(AssertionError, match="No handler found"):
        httpserver.check()


def test_the_trio_client_sends_files(httpserver, fake):
    """The client for trio works with it as it does with a server that keeps connections."""

    async def main():
        async with AsyncFlowFlex(**fake.client_options) as client:
            return await client.send_event("invoice.created", payload=payload(file))

    check_delivery(fake, trio.run(main).uploaded_assets)
    httpserver.check()


def test_the_vendors_sdk_sends_files(httpserver, fake):
    """The unmodified SDK works with it."""
    client = flowflex.FlowFlex(**fake.client_options)
    check_delivery(fake, client.send_event("invoice.created", payload=payload(client.file)).uploaded_assets)
    httpserver.check()


def test_a_threaded_server_over_tls_serves_it(tmp_path, capfd):
    """A server with a certificate of its own and threads is as good; its certificate is not the fake's to give."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with HTTPServer(ssl_context=context, threaded=True) as httpserver:
        fake = FakeFlowFlex()
        mount(fake, httpserver)
        fake.faults.arm("event", faults.Reset())
        fake.faults.arm("put", faults.LoseReply())
        with FlowFlex(**fake.client_options, ca_file=tmp_path / "ca.pem") as client:
            client.send_event("invoice.created", payload=payload(file))
        with pytest.raises(RuntimeError, match="certificate authority"):
            _ = fake.ca_pem
        fake.stop()
        httpserver.check()
    fake.assert_event("invoice.created", files=FILES)
    fake.assert_attempts("event", 2)
    fake.assert_attempts("put", 4)
    fake.faults.assert_fired()
    assert capfd.readouterr().err == ""


# Rules.


def test_a_credential_that_goes_to_storage_shows(fake, address):
    """API and storage are two paths of one server, and the rule that parts them holds."""
    with wire_to(address) as wire:
        wire.send(put(fake, 4).replace(b"\r\n\r\n", b"\r\nAuthorization: Basic eA==\r\n\r\n") + b"data")
        status, _, body = wire.reply()
        assert (status, b"InvalidArgument" in body) == (400, True)
    with pytest.raises(AssertionError, match="never to be sent to storage"):
        fake.assert_never_sent(header="authorization", to="storage")


def test_the_head_arrives_as_it_was_sent(fake, address):
    """The path is not decoded, and of a doubled header nothing is lost."""
    with wire_to(address) as wire:
        wire.send(
            event(fake)
            .replace(b" HTTP/1.1", b"%2F%2e?a=%20 HTTP/1.1")
            .replace(b"\r\n\r\n", b"\r\nX-A_b: 1\r\nX-A_b: 2\r\n\r\n")
        )
        assert wire.reply()[0] == 404
        assert wire.is_ended()
    request = fake.requests[-1]
    assert request.target == f"/v1/events/{fake.integration_code}%2F%2e?a=%20"
    assert [value for name, value in request.headers if name == "x-a_b"] == ["1", "2"]


@pytest.mark.parametrize(
    ("target", "status", "seen"),
    [
        (b"http://whatever.example/flowflex/v1/x", 401, "/v1/x"),
        (b"/flowflex", 401, "/"),
        (b"/flowflex?x=1", 401, "/?x=1"),
        (b"/flowflex-storage/x", 404, "/x"),
    ],
)
def test_every_spelling_of_its_paths_is_taken(fake, address, target, status, seen):
    """A whole URL, the bare path, and a query behind it are the fake's; it sees what lies below its path."""
    with wire_to(address) as wire:
        wire.send(b"GET " + target + b" HTTP/1.1\r\nHost: fake\r\n\r\n")
        assert wire.reply()[0] == status
    assert fake.requests[-1].target == seen


def test_a_large_body_is_refused_before_it_is_read(fake, address):
    """Where the head alone tells that a file is too large, nobody waits for the file."""
    with wire_to(address) as wire:
        wire.send(put(fake, 26_214_401))
        assert wire.reply()[0] == 413
        wire.send(bytes(100_000))  # who has not looked yet is not cut off
        assert wire.is_ended()
    assert fake.requests[-1].received == 0


def test_a_peer_that_is_refused_before_its_body_need_not_send_it(fake, address):
    """It sees the end of the connection at once, and holds nobody up."""
    with wire_to(address) as wire:
        wire.send(put(fake, 4).replace(b"\r\n\r\n", b"\r\nAuthorization: Basic eA==\r\n\r\n"))
        assert wire.reply()[0] == 400
        assert wire.is_ended()


def test_a_body_is_asked_for_where_its_sender_waits(fake, address):
    """`Expect: 100-continue` is answered when the body is wanted, and not by the server before."""
    expecting = b"\r\nExpect: 100-continue\r\n\r\n"
    with wire_to(address) as wire:
        wire.send(put(fake, 4).replace(b"\r\n\r\n", expecting))
        assert wire.head()[0] == 100
        wire.send(b"data")
        assert wire.reply()[0] == 200
    with wire_to(address) as wire:
        wire.send(put(fake, 26_214_401).replace(b"\r\n\r\n", expecting))
        assert wire.reply()[0] == 413


def test_a_body_in_chunks_is_read(fake, address):
    """Transfer coding reaches the rules, too."""
    with wire_to(address) as wire:
        head = (
            event(fake).replace(b"Content-Length: 2\r\n", b"Transfer-Encoding: chunked\r\n").partition(b"\r\n\r\n")[0]
        )
        wire.send(head + b"\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n")
        assert wire.reply()[0] == 202


@pytest.mark.parametrize("head", [b"GET /flowflex HTTP/1.1\r\nbad header\r\n\r\n", b"GET /flowflex HTTP/3\r\n\r\n"])
def test_a_head_that_is_not_http_is_refused(fake, address, head):
    """Also below the paths of the fake nothing is guessed."""
    with wire_to(address) as wire:
        wire.send(head)
        assert wire.reply()[0] == 400
    fake.assert_nothing_sent()


@pytest.mark.parametrize("end", [close, reset])
def test_a_peer_that_goes_away_leaves_the_server_as_it_was(fake, address, capfd, end):
    """Neither a half head nor a half body stops the next request, or is an error of anybody's but the peer's."""
    for begun in (event(fake)[:40], put(fake, 4) + b"da"):
        with wire_to(address) as wire:
            wire.send(begun)
            end(wire)
    with wire_to(address) as wire:
        wire.send(event(fake))
        assert wire.reply()[0] == 202
    assert capfd.readouterr().err == ""


# Faults.


@pytest.mark.parametrize("threaded", [False, True])
def test_a_reset_is_a_reset(threaded, capfd):
    """The connection ends by RST, with nothing before it, and the server takes no offence."""
    with HTTPServer(threaded=threaded) as httpserver:
        fake = FakeFlowFlex()
        mount(fake, httpserver)
        fake.faults.arm("event", faults.Reset())
        with wire_to(f"http://127.0.0.1:{httpserver.port}") as wire:
            wire.send(event(fake))
            with pytest.raises(ConnectionResetError):
                wire.receive()
        fake.stop()
    assert capfd.readouterr().err == ""


def test_a_lost_reply_is_an_end(fake, address):
    """The connection ends by FIN, and the event was accepted."""
    fake.faults.arm("event", faults.LoseReply())
    with wire_to(address) as wire:
        wire.send(event(fake))
        assert wire.is_ended()
    fake.assert_event("e")


def test_a_reply_breaks_off_where_it_is_told_to(fake, address):
    """The head says more than there comes."""
    fake.faults.arm("event", faults.TruncateReply(body_bytes=3))
    with wire_to(address) as wire:
        wire.send(event(fake))
        assert wire.head()[0] == 202
        assert wire.is_over()
        assert wire.buffer == b'{"s'


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_delayed_reply_ends_with_the_mount(httpserver, address, capfd, is_gone):
    """Who stops the fake does not wait for what it holds back; that the peer has gone is no error of the server."""
    fake = FakeFlowFlex()
    mount(fake, httpserver)
    fake.faults.arm("event", faults.Delay(600))
    with wire_to(address) as wire:
        wire.send(event(fake))
        while not fake.requests or fake.requests[0].reply is None:
            threading.Event().wait(0.001)
        if is_gone:
            reset(wire)
        fake.stop()
        assert is_gone or wire.is_ended()
    # The server takes one request after the other.
    assert get(httpserver, "/")[0] == 500
    assert capfd.readouterr().err == ""
    httpserver.clear()


def crossing(url: str, request: bytes) -> tuple[bytes, bool]:
    """Send a request, and return all that comes, and whether it ends by a reset."""
    with wire_to(url) as wire:
        wire.send(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        try:
            while wire.receive():
                pass
        except ConnectionResetError:
            return wire.buffer, True
        return wire.buffer, False


# What a kind of fault needs to be told, or is made quick by.
SETTINGS: dict[str, dict[str, Any]] = {
    "Status": {"status": 503},
    "Delay": {"seconds": 0.01},
    "Drip": {"piece": 40, "seconds": 0.0},
}


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if not issubclass(kind, faults.ConnectionFault)])
def test_every_fault_crosses_the_wire_as_it_does_from_the_live_face(fake, address, kind):
    """To the byte, and to the end of the connection."""
    fault = KINDS[kind](**SETTINGS.get(kind, {}))
    with FakeFlowFlex() as live:
        if isinstance(fault, faults.AlreadyStored):
            to_live, to_mounted, url = raw.put(live, 4) + b"data", put(fake, 4) + b"data", live.storage_url
        else:
            to_live, to_mounted, url = raw.event(live), event(fake), live.base_url
        for one in (live, fake):
            one.faults.arm("put" if isinstance(fault, faults.AlreadyStored) else "event", fault, times=None)
        for _ in range(2):
            assert crossing(address, to_mounted) == crossing(url, to_live)
    assert [request.fault for request in fake.requests] == [request.fault for request in live.requests]


@pytest.mark.parametrize("fault", [faults.Refuse(), faults.ResetOnAccept()])
def test_a_fault_that_strikes_a_port_is_refused(httpserver, fake, fault):
    """The port is the server's; whether the fault or the mount comes first, the message says so."""
    with pytest.raises(ValueError, match=r"strikes a port, and this fake is a guest at another server's"):
        fake.faults.arm("put", fault)
    other = FakeFlowFlex()
    other.faults.arm("put", fault)
    with pytest.raises(ValueError, match=r"strikes a port, and this fake is a guest at another server's"):
        mount(other, httpserver, "/other")
    other.faults.clear()
    mount(other, httpserver, "/other")
    other.stop()


# The mount itself.


def test_a_server_is_left_as_it_was():
    """Two fakes share a server; when the last one stops, the server handles requests as before."""
    with HTTPServer() as httpserver:
        server = httpserver.server
        assert server is not None
        before = server.RequestHandlerClass
        first, second = FakeFlowFlex(), FakeFlowFlex()
        mount(first, httpserver)
        mount(second, httpserver, "/other/flowflex")
        for fake in (first, second):
            with FlowFlex(**fake.client_options) as client:
                client.send_event("a", payload={"f": file(b"x", filename="x.pdf")})
            assert len(fake.events) == 1
        first.stop()
        assert get(httpserver, "/flowflex/v1/x")[0] == 500
        with FlowFlex(**second.client_options) as client:
            client.send_event("b")
        second.stop()
        assert server.RequestHandlerClass is before


@pytest.mark.parametrize("path", ["", "/", "flowflex", "/flowflex/", "/my/api", "/a b", "/a//b", "/a?b", "/a/../b"])
def test_a_path_that_clients_would_read_otherwise_is_an_error(httpserver, path):
    """The message shows a good one."""
    with pytest.raises(ValueError, match="path is like /flowflex"):
        mount(FakeFlowFlex(), httpserver, path)


def test_a_path_is_given_once(httpserver, fake):
    """Neither the path of an API nor that of a storage is taken by two."""
    for path in ("/flowflex", "/flowflex-storage"):
        with pytest.raises(ValueError, match=f"a fake is mounted at {path} already"):
            mount(FakeFlowFlex(), httpserver, path)


def test_only_a_running_server_is_mounted_on():
    """The message says what is wrong."""
    with pytest.raises(RuntimeError, match="httpserver is not running"):
        mount(FakeFlowFlex(), HTTPServer())


def test_an_error_of_the_fake_itself_is_told_when_it_stops(httpserver, monkeypatch):
    """A bug of the fake is a 500 to the client, and not lost in the server's thread."""
    fake = FakeFlowFlex()

    def fail(*_):
        raise LookupError("a bug")

    monkeypatch.setattr(fake, "handle", fail)
    mount(fake, httpserver)
    with FlowFlex(**fake.client_options, max_retries=0) as client, pytest.raises(FlowFlexError):
        client.send_event("a")
    with pytest.raises(RuntimeError, match="the fake itself failed: LookupError"):
        fake.stop()
    httpserver.check()
