"""An exchange that is fed by hand, as a server or a simulator does it."""

from flowflex_testing import faults
from flowflex_testing.clock import Clock
from flowflex_testing.engine.messages import Abort, Head, Manner, Reply
from flowflex_testing.fake import FakeFlowFlex
from tests.testing.caller import Caller


def head_of_put(caller: Caller, length: int) -> Head:
    headers = (("content-length", str(length)), ("content-type", "application/pdf"))
    return Head("storage", "PUT", caller.url(size=length), headers)


def test_an_exchange_has_its_outcome_with_the_last_byte():
    """Fed in pieces, it decides as soon as the announced length is there, and not before."""
    caller = Caller(FakeFlowFlex())
    exchange = caller.fake.open(head_of_put(caller, 4))
    for piece in (b"d", b"at"):
        exchange.feed(piece)
        assert exchange.outcome is None
    assert caller.fake.assets == {}
    exchange.feed(b"a")
    assert isinstance(exchange.outcome, Reply)
    assert [asset.first_bytes for asset in caller.fake.assets.values()] == [b"data"]


def test_an_exchange_without_a_body_is_decided_by_its_head():
    """A body of no bytes need not be waited for."""
    caller = Caller(FakeFlowFlex())
    outcome = caller.fake.open(head_of_put(caller, 0)).outcome
    assert isinstance(outcome, Reply)
    assert outcome.status == 200


def test_two_requests_under_one_key_at_the_same_time():
    """While the first is under way the second is told to wait; when the first has ended, it is a replay."""
    caller = Caller(FakeFlowFlex())
    headers = [("content-length", "2"), ("authorization", caller.authorization), ("x-event", "invoice.created")]
    headers += [("content-type", "application/json"), ("x-idempotency-key", "key-1")]
    first = caller.fake.open(Head("api", "POST", caller.event_path, tuple(headers)))
    answer = caller.event()
    assert (answer.status, answer.rule, answer.headers["Retry-After"]) == (409, "event.key-in-flight", "1")
    first.feed(b"{}")
    assert caller.event().rule == "event.replay"


def test_a_put_that_is_cut_short_is_refused_and_not_stored():
    """Whoever still listens hears that the body was incomplete."""
    caller = Caller(FakeFlowFlex())
    exchange = caller.fake.open(head_of_put(caller, 4))
    exchange.feed(b"dat")
    exchange.cut_short()
    assert (exchange.record.rule, exchange.record.received, caller.fake.assets) == ("put.incomplete", 3, {})


def test_a_struck_put_that_is_cut_short_just_ends():
    """A fault that waits for the end of the body has nothing to answer when the peer is gone."""
    caller = Caller(FakeFlowFlex())
    caller.fake.faults.arm("put", faults.Status(503))
    exchange = caller.fake.open(head_of_put(caller, 4))
    exchange.cut_short()
    assert exchange.outcome == Abort(reset=False)


def test_a_delayed_reply_says_how_long():
    """The delay is a value of the reply, for the face to wait."""
    caller = Caller(FakeFlowFlex())
    caller.fake.faults.arm("put", faults.Delay(1.5))
    outcome = caller.fake.open(head_of_put(caller, 0)).outcome
    assert isinstance(outcome, Reply)
    assert outcome.manner == Manner(delay=1.5)


def test_the_journals_of_two_runs_that_did_the_same_are_the_same():
    """How long each request took in real time is in no comparison."""
    journals = []
    for _ in range(2):
        caller = Caller(FakeFlowFlex(clock=Clock(1000.0)))
        exchange = caller.fake.open(head_of_put(caller, 4))
        assert exchange.record.ended is None
        exchange.feed(b"data")
        caller.event(key=None)
        journals.append(list(caller.fake.requests))
    assert journals[0] == journals[1]
    assert all(request.ended is not None and request.ended >= request.arrived for request in journals[0])
    assert [request.arrived for request in journals[0]] != [request.arrived for request in journals[1]]
