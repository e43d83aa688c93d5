"""Tenants: custom integrations that share a fake and nothing else."""

from typing import Any

import pytest

from flowflex_core import Request, Response, errors
from flowflex_testing import faults
from flowflex_testing.clock import Clock
from flowflex_testing.fake import FakeFlowFlex
from flowflex_testing.memory import MemoryTransport
from flowflex_testing.tenants import TenantFake
from flowflex_transports import FlowFlex, file


@pytest.fixture(params=["live", "memory"])
def fake(request):
    """Give a fake over either face."""
    fake = FakeFlowFlex(clock=Clock(1_800_000_000.0))
    if request.param == "memory":
        yield fake
    else:
        with fake:
            yield fake


@pytest.fixture
def acme(fake):
    return fake.add_tenant("acme")


@pytest.fixture
def globex(fake):
    return fake.add_tenant("globex", api_key="key", api_secret="secret", integration_code="code")


def client_of(fake: FakeFlowFlex, tenant: FakeFlowFlex | TenantFake, **options: Any) -> FlowFlex:
    in_memory = fake.base_url.startswith("https://api.flowflex.test")
    transport = MemoryTransport(fake) if in_memory else None
    return FlowFlex(**{**tenant.client_options, "transport": transport, "max_retries": 0, **options})


def test_a_tenant_has_keys_and_a_code_of_its_own(fake, acme, globex):
    """Given, or made from its name; all of them reach the same server."""
    assert acme.client_options == {
        "api_key": "cik_acme",
        "api_secret": "cis_acme",
        "integration_code": "ic_acme",
        "base_url": fake.base_url,
    }
    assert (globex.api_key, globex.api_secret, globex.integration_code) == ("key", "secret", "code")
    assert repr(globex) == "TenantFake('globex', api_key='key', integration_code='code')"
    assert "secret" not in repr(globex).replace("api_secret", "")


def test_a_tenant_has_a_journal_and_assertions_of_its_own(fake, acme, globex):
    """What one sends, the other and the first integration have never seen; the fake has seen all."""
    with client_of(fake, acme) as client:
        client.send_event("invoice.created", payload={"f": file(b"data", filename="a.pdf")})
    with client_of(fake, globex) as client:
        client.send_event("order.placed")
    acme.assert_event("invoice.created", files={"f": b"data"})
    globex.assert_event("order.placed")
    with pytest.raises(AssertionError):
        globex.assert_event("invoice.created")
    assert [request.operation for request in acme.requests] == ["upload-url", "put", "event"]
    assert [request.operation for request in globex.requests] == ["event"]
    assert (len(acme.assets), len(globex.assets)) == (1, 0)
    assert [event.name for event in fake.events] == ["invoice.created", "order.placed"]
    assert (len(fake.requests), len(fake.assets)) == (4, 1)


def test_a_file_of_one_tenant_is_unknown_to_another(fake, acme, globex):
    """Its asset id in a payload is no asset there."""
    with client_of(fake, acme) as client:
        asset = client.upload_file(client.file(b"data", filename="a.pdf"))
    with client_of(fake, globex) as client, pytest.raises(errors.FlowFlexError) as raised:
        client.send_event("e", payload={"f": asset})
    assert (raised.value.status, raised.value.code) == (422, "ASSET_NOT_FOUND")
    with client_of(fake, acme) as client:
        client.send_event("e", payload={"f": asset})


def test_an_upload_url_is_of_one_tenant(fake, acme, globex):
    """The path names it, and the signature covers the path: with another name in it, the URL is forged."""
    with client_of(fake, acme) as client:
        url = client.create_upload_url(filename="a.pdf", mime="application/pdf")["uploadUrl"] or ""
    assert f"{fake.storage_url}/assets/acme/" in url
    forged = url.replace("/assets/acme/", "/assets/globex/")
    request = Request("1", "PUT", forged, {"Content-Type": "application/pdf"}, b"data", 10.0, 10.0)
    reply = MemoryTransport(fake).perform(request, b"data")
    assert isinstance(reply, Response)
    assert reply.status == 403
    assert (acme.assets, globex.assets) == ({}, {})


def test_the_code_of_another_tenant_is_unknown(fake, acme, globex):
    """Good credentials do not open somebody else's integration."""
    with client_of(fake, acme, integration_code="code") as client, pytest.raises(errors.FlowFlexError) as raised:
        client.send_event("e")
    assert (raised.value.status, raised.value.code) == (404, "INTEGRATION_NOT_FOUND")


def test_an_idempotency_key_is_of_one_tenant(fake, acme, globex):
    """Two tenants may use the same one, for different events."""
    for tenant, name in ((acme, "a"), (globex, "b")):
        with client_of(fake, tenant) as client:
            client.send_event(name, idempotency_key="order-7")
    assert [event.name for event in fake.events] == ["a", "b"]


def test_what_expires_is_of_one_tenant(fake, acme, globex):
    """Each is told of its own ends."""
    with client_of(fake, acme) as client:
        client.send_event("e", idempotency_key="a")
    with client_of(fake, globex) as client:
        client.send_event("e", idempotency_key="b")
    fake.clock.advance(days=2)
    assert [expiry.id for expiry in acme.expired] == ["a"]
    assert [expiry.id for expiry in globex.expired] == ["b"]
    assert [expiry.tenant for expiry in fake.expired] == ["acme", "globex"]


def test_a_fault_can_be_aimed_at_one_tenant(fake, acme, globex):
    """Requests of the others are neither struck nor counted: on the API by credentials, at storage by the URL."""
    armed = fake.faults.arm_all(
        [
            faults.Aim("put", faults.Status(400), tenant="acme"),
            faults.Aim("event", faults.Status(400), occurrence=2, tenant="globex"),
        ]
    )
    payload = {"f": file(b"data", filename="a.pdf")}
    with client_of(fake, globex) as client:
        client.send_event("e", payload=payload)
        with pytest.raises(errors.FlowFlexError, match="Injected fault"):
            client.send_event("e")
    with client_of(fake, acme) as client, pytest.raises(errors.FlowFlexUploadError, match="Injected fault"):
        client.send_event("e", payload=payload)
    with client_of(fake, fake) as client:
        client.send_event("e", payload=payload)
    assert [(one.seen, one.hits) for one in armed] == [(1, 1), (2, 1)]


def test_a_request_that_a_fault_struck_is_its_tenants(fake, acme, globex):
    """A fault that answers before any rule does not take the request out of the journal of its tenant."""
    fake.faults.arm("event", faults.Status(503))
    with client_of(fake, acme) as client, pytest.raises(errors.FlowFlexError):
        client.send_event("invoice.created")
    assert [request.status for request in acme.requests] == [503]
    assert globex.requests == []


def test_a_reset_keeps_the_tenants(fake, acme):
    """All that they sent is forgotten, and their credentials are good as before."""
    with client_of(fake, acme) as client:
        client.send_event("e")
        fake.reset()
        assert acme.requests == []
        assert acme.events == []
        client.send_event("f")
    acme.assert_event("f")


def test_a_request_without_good_credentials_is_nobodys(fake, acme):
    """It stands in the journal of the fake alone."""
    with client_of(fake, acme, api_secret="wrong") as client, pytest.raises(errors.FlowFlexError):
        client.send_event("e")
    acme.assert_nothing_sent()
    assert [request.tenant for request in fake.requests] == [None]


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("Acme", {}, "lower-case letters, digits and hyphens, not 'Acme'"),
        ("", {}, "lower-case letters, digits and hyphens, not ''"),
        ("default", {}, "there is a tenant 'default' already"),
        ("acme", {}, "there is a tenant 'acme' already"),
        ("other", {"api_key": "cik_acme", "api_secret": "cis_acme"}, "has the credentials of another"),
    ],
)
def test_a_tenant_that_cannot_be_told_from_another_is_an_error(fake, acme, name, options, sentence):
    """Nothing is added then."""
    with pytest.raises(ValueError, match=sentence):
        fake.add_tenant(name, **options)
    assert list(fake.store.tenants) == ["default", "acme"]
