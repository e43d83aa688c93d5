"""The live servers: start, stop, and what they leave behind."""

import contextlib
import gc
import json
import socket
import ssl
import struct
import threading
import time
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from flowflex_testing.fake import FakeFlowFlex
from flowflex_testing.server.live import LiveServer
from tests.testing.caller import Caller
from tests.testing.server.test_connection import Wire, event, put, wire_to


def descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def fake_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("fake-flowflex")]


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    end = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.001)


def refuses(url: str) -> bool:
    """Whether nobody new is let in any more."""
    try:
        Wire(url).socket.close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass  # it was in the queue when the port closed
    return False


def test_a_fake_that_was_entered_serves_at_two_ports():
    """API and storage are two origins on loopback, and uploads go to the second."""
    with FakeFlowFlex() as fake:
        assert fake.base_url.startswith("http://127.0.0.1:")
        assert fake.storage_url.startswith("http://127.0.0.1:")
        assert fake.base_url != fake.storage_url
        assert fake.client_options["base_url"] == fake.base_url
        with wire_to(fake.storage_url) as wire:
            wire.send(put(fake, 4) + b"data")
            assert wire.reply()[0] == 200
    assert fake.base_url == "https://api.flowflex.test"


def test_stopping_leaves_no_thread_and_no_descriptor():
    """Idle, half-sent and busy connections end with the server, and at once."""
    gc.collect()
    before = descriptors()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        with FakeFlowFlex() as fake:
            wires = [Wire(fake.base_url) for _ in range(6)]
            wires[0].send(event(fake))
            assert wires[0].reply()[0] == 202
            wires[1].send(event(fake)[:40])
            storage = Wire(fake.storage_url)
            storage.send(put(fake, 1000) + b"begun")
            wires.append(storage)
            begin = time.monotonic()
        assert time.monotonic() - begin < 2
        assert fake_threads() == []
        for wire in wires:
            assert wire.is_over()
            wire.socket.close()
        gc.collect()
    assert descriptors() == before


def test_a_fake_can_be_started_again():
    """State stays over a stop; a running one is not started twice, and stopping twice is nothing."""
    fake = FakeFlowFlex()
    for number in range(2):
        with fake:
            with pytest.raises(RuntimeError, match="already running"):
                fake.start()
            with wire_to(fake.base_url) as wire:
                wire.send(event(fake, key=str(number)))
                assert wire.reply()[0] == 202
        fake.stop()
    assert len(fake.events) == 2


def test_the_port_of_the_api_can_be_given():
    """A port that is taken is an ordinary OSError, and leaves nothing open."""
    with FakeFlowFlex() as first:
        port = int(first.base_url.rpartition(":")[2])
        before = descriptors()
        with pytest.raises(OSError, match="in use"):
            FakeFlowFlex(port=port).start()
        assert descriptors() == before
    with FakeFlowFlex(port=port) as second:
        assert second.base_url == f"http://127.0.0.1:{port}"


def test_an_ipv6_host_stands_in_brackets():
    """A fake can listen at ::1."""
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    with FakeFlowFlex(host="::1") as fake:
        assert fake.base_url.startswith("http://[::1]:")
        with wire_to(fake.base_url) as wire:
            wire.send(event(fake))
            assert wire.reply()[0] == 202


def upload_url(fake: FakeFlowFlex, host: str) -> str:
    """Ask for an upload URL as one who knows the API by `host`."""
    body = b'{"filename": "a.pdf", "mime": "application/pdf", "size": 4}'
    with wire_to(fake.base_url) as wire:
        wire.send(
            f"POST /v1/assets/upload-url HTTP/1.1\r\nHost: {host}\r\nAuthorization: {Caller(fake).authorization}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        return str(json.loads(wire.reply()[2])["uploadUrl"])


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("flowflex-fake:8787", "flowflex-fake"),
        ("192.0.2.7", "192.0.2.7"),
        ("[2001:DB8::7]:80", "[2001:db8::7]"),
        ("localhost:1", "localhost"),
    ],
)
@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_who_listens_at_every_address_is_found_where_it_was_asked(address, host, name):
    """Upload URLs lead to the host that a client names, for loopback is the client's own machine to it."""
    if ":" in address and not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    with FakeFlowFlex(host=address) as fake:
        port = fake.storage_url.rpartition(":")[2]
        start, _, place = upload_url(fake, host).partition("/assets/")
        assert start == f"http://{name}:{port}"
        with wire_to(fake.storage_url) as wire:
            wire.send(
                f"PUT /assets/{place} HTTP/1.1\r\nHost: {name}:{port}\r\nContent-Type: application/pdf\r\n"
                "Content-Length: 4\r\n\r\ndata".encode()
            )
            assert wire.reply()[0] == 200


@pytest.mark.parametrize(
    "host", ["user@elsewhere.test", "elsewhere.test/path", "elsewhere.test?", "a b", "1.2.3", "a:b"]
)
def test_a_host_that_is_neither_name_nor_address_stands_in_no_upload_url(host):
    """The URL leads to loopback then."""
    with FakeFlowFlex(host="0.0.0.0") as fake:
        assert upload_url(fake, "flowflex-fake").startswith("http://flowflex-fake:")
        assert upload_url(fake, host).startswith(f"{fake.storage_url}/assets/")


def test_who_listens_at_one_address_is_found_there_whatever_it_is_called():
    """A client may call the API by any name."""
    with FakeFlowFlex() as fake:
        assert upload_url(fake, "flowflex-fake").startswith(f"{fake.storage_url}/assets/")


@pytest.mark.parametrize("bug", [KeyError("a bug"), OSError("no space left on device")])
def test_an_error_in_the_fake_is_not_silent(bug):
    """A bug or a full disk is a 500 on the wire, and raised where the server stops."""

    def broken(_head, _body):
        raise bug

    server = LiveServer(broken, host="127.0.0.1", port=0, tls=False)
    server.start()
    with wire_to(server.api_url) as wire:
        wire.send(b"GET / HTTP/1.1\r\nHost: fake\r\n\r\n")
        assert wire.reply()[0] == 500
    with pytest.raises(RuntimeError, match=f"the fake itself failed: {type(bug).__name__}"):
        server.stop()


def test_a_peer_that_resets_in_its_body_is_no_error_of_the_fake():
    """It is a body that ended too soon."""
    with FakeFlowFlex() as fake:
        wire = Wire(fake.storage_url)
        wire.send(put(fake, 1000) + b"begun")
        wait_until(lambda: fake.requests[-1].received == 5)
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.socket.close()
        wait_until(lambda: fake.requests[-1].rule == "put.incomplete")


def test_a_system_without_another_thread_costs_one_connection(monkeypatch):
    """That one ends; the next is served."""
    start = threading.Thread.start
    refusals = [RuntimeError("can't start new thread")]

    def refuse_once(thread: threading.Thread) -> None:
        if thread.name == "fake-flowflex-api" and refusals:
            raise refusals.pop()
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse_once)
    with FakeFlowFlex() as fake:
        with wire_to(fake.base_url) as wire:
            assert wire.is_over()
        with wire_to(fake.base_url) as wire:
            wire.send(event(fake))
            assert wire.reply()[0] == 202


def test_a_process_without_another_descriptor_serves_as_soon_as_there_is_one():
    """Connections wait meanwhile, and the accepting thread does not die."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with FakeFlowFlex() as fake, socket.socket() as waiting:
        fillers = [socket.socket()]
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (fillers[0].fileno() + 1, hard))
            while True:
                try:
                    fillers.append(socket.socket())
                except OSError:
                    break
            host, port = fake.base_url.partition("://")[2].split(":")
            waiting.connect((host, int(port)))
            waiting.sendall(event(fake))
            waiting.settimeout(0.05)
            with pytest.raises(TimeoutError):
                waiting.recv(1)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for filler in fillers:
                filler.close()
        waiting.settimeout(10)
        assert waiting.recv(12) == b"HTTP/1.1 202"


@pytest.mark.parametrize("keep_files_bytes", [None, 30_000_000])
def test_a_large_file_is_at_no_time_in_memory(keep_files_bytes):
    """A PUT of 25 MB costs less than one, whether its file is kept or not."""
    content = bytes(25_000_000)
    with FakeFlowFlex(keep_files_bytes=keep_files_bytes) as fake, wire_to(fake.storage_url) as wire:
        head = put(fake, len(content))
        tracemalloc.start()
        try:
            wire.send(head)
            wire.send(content)
            assert wire.reply()[0] == 200
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 1_000_000
        (asset_id,) = fake.assets
        assert fake.keeps(asset_id) == (keep_files_bytes is not None)


def test_who_is_slow_holds_nobody_up():
    """While 200 peers are silent, or in the middle of a head or file, another is served; the end comes at once."""
    with FakeFlowFlex() as fake:
        slow = [Wire(url) for url in (fake.base_url, fake.storage_url) for _ in range(100)]
        for number, wire in enumerate(slow[50:100]):
            wire.send(event(fake)[:number])
        for wire in slow[150:]:
            wire.send(put(fake, 1000) + b"begun")
        with wire_to(fake.base_url) as wire:
            wire.send(event(fake))
            assert wire.reply()[0] == 202
        begin = time.monotonic()
    assert time.monotonic() - begin < 2
    assert fake_threads() == []
    for wire in slow:
        wire.socket.close()


@pytest.mark.parametrize("tls", [False, True])
def test_a_drain_lets_the_exchange_under_way_end(tls):
    """Idle connections end at once, nobody new is let in, and the last reply says that it is the last."""
    with FakeFlowFlex(tls=tls) as fake:
        idle, busy = Wire(fake.base_url), Wire(fake.storage_url)
        if tls:
            for wire in (idle, busy):
                wire.socket = fake.ssl_context.wrap_socket(wire.socket, server_hostname="127.0.0.1")
        idle.send(event(fake))
        assert idle.reply()[0] == 202
        busy.send(put(fake, 4).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
        assert busy.head()[0] == 100
        drain = threading.Thread(target=fake.drain, args=(10,))
        drain.start()
        with contextlib.suppress(ssl.SSLError):  # under TLS it is told that nothing more is read
            assert idle.is_over()
        wait_until(lambda: refuses(fake.storage_url))  # a connection may end before the ports are closed
        busy.send(b"data")
        status, head, _ = busy.reply()
        assert status == 200
        assert b"Connection: close" in head
        assert busy.is_ended()
        for wire in (idle, busy):
            wire.socket.close()
        drain.join(5)
        assert not drain.is_alive()
        assert len(fake.assets) == 1
    assert fake_threads() == []


def test_a_drain_waits_no_longer_than_it_may():
    """Then the fake stops as ever; without a server there is nothing to drain."""
    with FakeFlowFlex() as fake, wire_to(fake.storage_url) as wire:
        wire.send(put(fake, 1000).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
        assert wire.head()[0] == 100  # only now is the exchange surely under way
        wire.send(b"begun")
        fake.drain(0)
        assert fake_threads() != []
        fake.stop()
        assert wire.is_over()
    fake.drain(0)
