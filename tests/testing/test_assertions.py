"""What `assert_event` and its like take for true, and what they say when it is not."""

from unittest.mock import ANY

import pytest

from flowflex_testing.fake import FakeFlowFlex
from tests.testing.caller import Caller


@pytest.fixture
def caller():
    return Caller(FakeFlowFlex())


def message_of(check, *args, **kwargs) -> str:
    with pytest.raises(AssertionError) as raised:
        check(*args, **kwargs)
    return str(raised.value)


def test_an_event_is_found_by_name_payload_and_files(caller):
    """The keys that are given must be there, a file by its name or content; the last such event is returned."""
    asset_id = caller.asset()
    caller.event({"n": 1}, key="a")
    caller.event({"n": 1, "order": {"id": 7, "items": [1, 2]}, "file": asset_id}, key="b")
    caller.event({"n": 2}, key="c")
    event = caller.fake.assert_event("invoice.created", payload={"n": 1, "order": {"items": (1, 2)}})
    assert event.idempotency_key == "b"
    caller.fake.assert_event("invoice.created", files={"file": "a.pdf"})
    caller.fake.assert_event("invoice.created", files={"file": b"data"}, payload={"file": ANY})
    assert caller.fake.assert_event("invoice.created").idempotency_key == "c"


@pytest.mark.parametrize(
    ("payload", "difference"),
    [
        ({"b": 1}, "b is missing; 1 was wanted"),
        ({"a": {"x": [1, 3]}}, "a.x[1] is 2; 3 was wanted"),
        ({"a": {"x": [1]}}, "a.x has 2 items; 1 were wanted"),
        ({"a": {"x": 1}}, "a.x is [1, 2]; 1 was wanted"),
        ({"t": 1}, "t is True; 1 was wanted"),
        ({"one": True}, "one is 1; True was wanted"),
        ({"a": {"y": {}}}, "a.y is missing; {} was wanted"),
    ],
)
def test_the_first_difference_of_a_payload_is_told(caller, payload, difference):
    """The message names the payload path that differs, and both values."""
    caller.event({"a": {"x": [1, 2]}, "t": True, "one": 1})
    message = message_of(caller.fake.assert_event, "invoice.created", payload=payload)
    assert message.splitlines()[1].endswith(f": {difference}")


@pytest.mark.parametrize(
    ("files", "difference"),
    [
        ({"g": "a.pdf"}, "there is no file at g; files stand at: f"),
        ({"f": "b.pdf"}, "the file at f is called 'a.pdf'; 'b.pdf' was wanted"),
        ({"f": b"tada!"}, "the file at f has 4 other bytes than the 5 that were wanted"),
    ],
)
def test_the_first_difference_of_the_files_is_told(caller, files, difference):
    """The message names the payload path, and what stands there."""
    caller.event({"f": caller.asset()})
    message = message_of(caller.fake.assert_event, "invoice.created", files=files)
    assert message.splitlines()[1].endswith(f": {difference}")


def test_a_failure_shows_the_nearest_requests(caller):
    """Three requests, the likeliest first: what was sent, what came of it, and the rule behind a refusal."""
    caller.event({"f": caller.asset()}, key="a")
    caller.event(name="order.placed", key="b")
    caller.event({"a": "asset_0123456789"}, name="invoice.create", key="c")
    assert message_of(caller.fake.assert_event, "invoice.created", payload={"n": 1}) == (
        "no event 'invoice.created' was accepted with what was asked for; the last one of that name differs:\n"
        f"  {caller.fake.events[0].id}: n is missing; 1 was wanted\n"
        "\n"
        "nearest requests:\n"
        "  #3 POST api /v1/events/ic_test_4d2e x-event='invoice.created' x-idempotency-key='a' "
        "authorization=[masked] 39 bytes -> 202\n"
        "  #5 POST api /v1/events/ic_test_4d2e x-event='invoice.create' x-idempotency-key='c' "
        "authorization=[masked] 25 bytes -> 422 ASSET_NOT_FOUND (rule event.asset-unknown: A string in the payload "
        "that is an asset id (`asset_` and 8 or more letters or digits) names an asset of this integration.)\n"
        "  #4 POST api /v1/events/ic_test_4d2e x-event='order.placed' x-idempotency-key='b' "
        "authorization=[masked] 2 bytes -> 202\n"
        "  and 2 more"
    )


def test_of_two_equally_near_requests_the_later_is_shown_first(caller):
    """What was sent last is what the test is about."""
    for key in ("a", "b"):
        caller.event(key=key)
    message = message_of(caller.fake.assert_event, "invoice.created", payload={"n": 1})
    assert message.index("'b'") < message.index("'a'")


def test_a_failure_without_any_request_says_so(caller):
    """The likeliest mistake is a client that never called."""
    assert message_of(caller.fake.assert_event, "a") == "no event 'a' was accepted\n\nno request arrived"


def test_nothing_sent_is_nothing_at_all(caller):
    """Any request counts, refused ones too."""
    caller.fake.assert_nothing_sent()
    caller.post("/nowhere", b"")
    message = message_of(caller.fake.assert_nothing_sent)
    assert message.startswith(
        "nothing was to be sent, and 1 request arrived\n\nnearest requests:\n  #1 POST api /nowhere"
    )


def test_a_header_was_never_sent(caller):
    """In any case of its name, to one origin or to both."""
    caller.put(caller.url(), extra=[("cookie", "a=b")])
    caller.fake.assert_never_sent(header="X-Other")
    caller.fake.assert_never_sent(header="Authorization", to="storage")
    caller.fake.assert_never_sent(header="Cookie", to="api")
    message = message_of(caller.fake.assert_never_sent, header="Cookie", to="storage")
    assert message.startswith("Cookie was never to be sent to storage, and 1 request carried it\n")
    assert "a=b" not in message
    assert "2 requests" not in message
    assert "1 request carried" in message_of(caller.fake.assert_never_sent, header="authorization")
