"""tinyproxy, through which both transports reach TLS by CONNECT, and plain HTTP by whole URLs."""

import pytest

from flowflex_core import FlowFlexConnectionError, file
from flowflex_core.files import MAX_FILE_BYTES
from tests.counterparts.tinyproxy import PASSWORD, USER


def test_a_tunnel_passes_every_byte(encrypted, storage, open_proxy, tmp_path):
    """The largest file and the event go through a tunnel each to storage and API."""
    path = tmp_path / "film.mp4"
    path.write_bytes(bytes(range(256)) * (MAX_FILE_BYTES // 256))
    before = open_proxy.tunnels()
    result = encrypted.send(storage, {"film": file(path)}, proxy=f"http://127.0.0.1:{open_proxy.port}", max_retries=0)
    assert storage.read(result.uploaded_assets["film"]) == path.read_bytes()
    assert open_proxy.tunnels() - before == 2


def test_a_tunnel_is_used_again(encrypted, nginx, open_proxy):
    """Five sends with a file use the same two tunnels."""
    before = open_proxy.tunnels()
    payloads = [{"note": file(b"note", filename="note.txt")} for _ in range(5)]
    proxy = f"http://127.0.0.1:{open_proxy.port}"
    outcomes = encrypted.send_all(nginx, payloads, proxy=proxy, max_retries=0)
    assert all(nginx.read(outcome.uploaded_assets["note"]) == b"note" for outcome in outcomes)
    assert open_proxy.tunnels() - before == 2


def test_a_proxy_that_asks_for_credentials_gets_them(encrypted, nginx, asking_proxy):
    """The credentials in the proxy's URL open the tunnels."""
    proxy = f"http://{USER}:{PASSWORD}@127.0.0.1:{asking_proxy.port}"
    result = encrypted.send(nginx, {"note": file(b"note", filename="note.txt")}, proxy=proxy, max_retries=0)
    assert nginx.read(result.uploaded_assets["note"]) == b"note"


@pytest.mark.parametrize("credentials", ["", f"{USER}:wrong-password@"])
def test_a_proxy_that_refuses_is_named(encrypted, nginx, asking_proxy, credentials):
    """Without the right credentials the error says that the proxy refused, without them, and no request arrives."""
    proxy = f"http://{credentials}127.0.0.1:{asking_proxy.port}"
    with pytest.raises(FlowFlexConnectionError, match="proxy") as caught:
        encrypted.send(nginx, None, proxy=proxy, max_retries=0)
    assert "wrong-password" not in f"{caught.value!r} {vars(caught.value)}"
    encrypted.fake.assert_nothing_sent()


def test_a_proxy_reads_what_is_not_encrypted(plain, nginx, asking_proxy):
    """Plain HTTP goes through the proxy by whole URLs, and the proxy's credentials go no farther.

    tinyproxy 1.11 ends each of these connections after its reply, and does not say so: it takes out the server's
    `Connection: close`. A request that meets the end of the connection is repeated, the event under its key.
    """
    proxy = f"http://{USER}:{PASSWORD}@127.0.0.1:{asking_proxy.port}"
    content = bytes(range(256)) * 4_000
    result = plain.send(nginx, {"note": file(content, filename="note.txt")}, proxy=proxy)
    assert nginx.read(result.uploaded_assets["note"]) == content
    plain.fake.assert_event("document.ready", files={"note": content}, times=1)
    puts = nginx.requests(1, method="PUT")
    assert {(put["authorization"], put["proxy_authorization"]) for put in puts} == {("", "")}
