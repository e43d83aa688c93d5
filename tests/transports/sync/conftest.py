"""Transports over TLS and without, for the tests of this folder."""

import ssl

import pytest
import trustme

from flowflex_testing.fake import FakeFlowFlex
from flowflex_transports.sync.transport import Urllib3Transport


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    """No test meets a proxy that it did not ask for."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def transport():
    transport = Urllib3Transport()
    yield transport
    transport.close()


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture(scope="session")
def server_context(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost", "api.example.test").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def trusting(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def tls_transport(trusting):
    transport = Urllib3Transport(ssl_context=trusting)
    yield transport
    transport.close()


@pytest.fixture
def fake():
    with FakeFlowFlex() as fake:
        yield fake
