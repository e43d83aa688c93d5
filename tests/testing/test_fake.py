"""`FakeFlowFlex` as a tester sees it."""

import subprocess
import sys

import pytest

from flowflex_testing import faults
from flowflex_testing.engine.messages import BodyCut, Head, Reply
from flowflex_testing.fake import FakeFlowFlex
from tests.testing.caller import Body, Caller


def test_it_needs_no_server_in_memory():
    """A fake that was not entered has addresses that nobody else answers to, and the four options of a client."""
    fake = FakeFlowFlex(api_key="key", api_secret="secret", integration_code="code")
    assert fake.client_options == {
        "api_key": "key",
        "api_secret": "secret",
        "integration_code": "code",
        "base_url": "https://api.flowflex.test",
    }
    assert fake.storage_url == "https://storage.flowflex.test"


def test_api_and_storage_have_different_origins():
    """A credential that goes to the wrong one shows."""
    fake = FakeFlowFlex()
    assert Caller(fake).upload_url().json()["uploadUrl"].startswith(fake.storage_url)
    assert fake.storage_url != fake.base_url


def test_the_journal_holds_every_request_in_order():
    """Each request is there with what was sent, what was decided, and by which rule."""
    caller = Caller(FakeFlowFlex())
    payload = {"assetId": caller.asset()}
    caller.event(payload)
    caller.post("/nowhere", b"{}")
    journal = [(request.number, request.operation, request.status, request.rule) for request in caller.fake.requests]
    assert journal == [
        (1, "upload-url", 200, "upload-url.issued"),
        (2, "put", 200, "put.stored"),
        (3, "event", 202, "event.accepted"),
        (4, None, 404, "api.path"),
    ]
    event = caller.fake.requests[2]
    assert event.header("X-Event") == "invoice.created"
    assert event.header("x-missing") is None
    assert event.body == b'{"assetId": "' + payload["assetId"].encode() + b'"}'
    assert event.at == caller.fake.clock.now()


def test_the_journal_shows_no_secret():
    """The repr of a request masks credentials and leaves the signature of an upload URL out."""
    caller = Caller(FakeFlowFlex())
    caller.asset()
    shown = repr(caller.fake.requests)
    assert caller.authorization not in shown
    assert "authorization=[secret]" in shown
    assert "Signature" not in shown
    assert caller.event().rule == "event.accepted"
    assert repr(caller.fake.requests[-1]).endswith("2 bytes -> 202")
    assert caller.event().rule == "event.replay"
    assert repr(caller.fake.requests[-1]).endswith("2 bytes -> 202 (rule event.replay)")
    caller.fake.faults.arm("event", faults.Reset())
    caller.event()
    assert repr(caller.fake.requests[-1]).endswith("0 bytes -> no answer (fault Reset())")
    assert "secret" not in repr(caller.fake.store.tenants)
    head = Head("api", "GET", "/a?X-Signature=1", (("authorization", "Basic x"),))
    assert repr(head) == "Head(GET api /a)"


def test_the_same_requests_give_the_same_journal():
    """Ids, tokens and answers come from a counter: two fakes that start at one time are alike byte by byte."""
    from flowflex_testing.clock import Clock

    def run() -> list[bytes]:
        caller = Caller(FakeFlowFlex(clock=Clock(1_000_000.0)))
        return [caller.upload_url().body, caller.event({"a": caller.asset()}).body]

    assert run() == run()


def test_reset_forgets_all_but_the_time():
    """After a reset nothing has happened, nothing is armed, and the clock goes on from where it was."""
    caller = Caller(FakeFlowFlex())
    caller.event({"a": caller.asset()})
    caller.fake.faults.arm("event", faults.Status(503))
    now = caller.fake.clock.advance(hours=1)
    caller.fake.reset()
    assert (caller.fake.events, caller.fake.assets, caller.fake.requests, caller.fake.faults.unfired()) == (
        [],
        {},
        [],
        [],
    )
    assert caller.fake.clock.now() == now
    assert caller.event({"n": 2}).rule == "event.accepted"
    assert caller.fake.requests[0].number == 1


def test_a_bounded_journal_keeps_the_newest_requests():
    """What FlowFlex holds is none of it: an event whose request was dropped is replayed, and its file can be sent."""
    caller = Caller(FakeFlowFlex(keep_requests=3))
    asset_id = caller.asset()
    first = caller.event({"file": asset_id}, key="first")
    for number in range(10):
        caller.event({"n": number}, key=str(number))
    assert [request.number for request in caller.fake.requests] == [11, 12, 13]
    assert caller.fake.store.dropped == 10
    assert caller.event({"file": asset_id}, key="first").body == first.body
    assert caller.event({"file": asset_id}, key="another").rule == "event.accepted"
    assert len(caller.fake.events) == 12
    assert caller.fake.events[0].files["file"].id == asset_id
    caller.fake.reset()
    assert (caller.event().status, caller.fake.store.dropped) == (202, 0)


def test_a_request_under_way_that_was_dropped_has_its_effect():
    """It stands in the journal no more, and is answered all the same."""
    caller = Caller(FakeFlowFlex(keep_requests=1))
    head = Head("storage", "PUT", caller.url(), (("content-length", "4"), ("content-type", "application/pdf")))
    exchange = caller.fake.open(head)
    caller.event()
    exchange.feed(b"data")
    assert isinstance(exchange.outcome, Reply)
    assert exchange.outcome.status == 200
    assert [request.operation for request in caller.fake.requests] == ["event"]
    assert len(caller.fake.assets) == 1


def test_a_journal_keeps_all_unless_it_is_bounded():
    """A test looks at everything; a bound that keeps nothing is a mistake."""
    caller = Caller(FakeFlowFlex())
    for number in range(20):
        caller.event(key=str(number))
    assert len(caller.fake.requests) == 20
    with pytest.raises(ValueError, match="keep_requests is 1 or more, or None, not 0"):
        FakeFlowFlex(keep_requests=0)


def test_an_error_out_of_a_body_passes_through():
    """What a body raises is its own affair: the request has no effect, and its key is free."""

    class Broken:
        def read(self, size: int) -> bytes:
            raise RuntimeError("the source broke")

    caller = Caller(FakeFlowFlex())
    headers = [("content-length", "2"), ("authorization", caller.authorization), ("x-event", "invoice.created")]
    headers += [("content-type", "application/json"), ("x-idempotency-key", "key-1")]
    with pytest.raises(RuntimeError, match="the source broke"):
        caller.fake.handle(Head("api", "POST", caller.event_path, tuple(headers)), Broken())
    assert caller.event().status == 202


def test_a_body_that_is_cut_is_no_error_of_the_fake():
    """A peer that goes away is something that happens."""
    body = Body(b"", ends_early=True)
    with pytest.raises(BodyCut):
        body.read(1)
    caller = Caller(FakeFlowFlex())
    assert caller.put(caller.url(), b"d", length=4, ends_early=True).rule == "put.incomplete"


def test_an_unknown_storage_dialect_is_an_error():
    """A typing slip is told with what there is."""
    with pytest.raises(ValueError, match="'s3', 'supabase', not 'gcs'"):
        FakeFlowFlex(storage_dialect="gcs")  # type: ignore[arg-type]


def test_a_certificate_is_there_only_under_tls():
    """Who asks for the authority of a fake without one is told when there is one."""
    with pytest.raises(RuntimeError, match="tls=True"):
        _ = FakeFlowFlex().ca_pem


def test_without_werkzeug_the_live_fake_names_its_extra():
    """The fake works in memory, and starting its server says in one sentence what to install."""
    code = """
import sys
sys.modules["werkzeug"] = None
sys.modules["pytest"] = None
from flowflex_testing import AsyncMemoryTransport, FakeFlowFlex, MemoryTransport, faults
fake = FakeFlowFlex()
MemoryTransport(fake), AsyncMemoryTransport(fake)
try:
    fake.start()
except ModuleNotFoundError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "the live fake needs werkzeug: pip install 'flowflex-kit[testing]'\n"
