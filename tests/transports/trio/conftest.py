"""TLS on both sides, and an eye on descriptors, for the tests of this folder."""

import gc
import ssl
import sys
from pathlib import Path

import pytest
import trio
import trustme

from flowflex_testing import FakeFlowFlex


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture(scope="session")
def server_tls(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def client_tls(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture(params=["clear", "tls"])
def scheme(request, server_tls, client_tls):
    """Keywords of the peer and of the transport, for both ways to speak."""
    if request.param == "clear":
        return {}, {}
    return {"ssl_context": server_tls}, {"ssl_context": client_tls}


@pytest.fixture
def no_descriptor_is_left():
    """After each test, as many descriptors are open as before."""
    gc.collect()  # or what an earlier test left to the garbage collector goes in the middle of this one
    before = descriptors()
    yield
    assert descriptors() == before


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0


@pytest.fixture
def fake():
    with FakeFlowFlex() as fake:
        yield fake


@pytest.fixture
def memory():
    """Give a fake that is reached without sockets, so that time can be virtual."""
    return FakeFlowFlex()


@pytest.fixture
def opened(monkeypatch):
    """Collect every stream that a client opens."""
    streams = []
    open_tcp_stream = trio.open_tcp_stream

    async def collecting(host, port):
        streams.append(await open_tcp_stream(host, port))
        return streams[-1]

    monkeypatch.setattr(trio, "open_tcp_stream", collecting)
    return streams


@pytest.fixture
def pdf(tmp_path):
    path = tmp_path / "invoice.pdf"
    path.write_bytes(b"%PDF" + bytes(range(256)) * 2000)
    return path
