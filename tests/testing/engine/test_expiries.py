"""What ends by itself while the fake's clock goes on."""

import pytest

from flowflex_testing.clock import Clock, Upcoming
from flowflex_testing.engine.data import Data
from flowflex_testing.engine.expiries import Expiry
from flowflex_testing.fake import FakeFlowFlex
from flowflex_testing.memory import MemoryTransport
from flowflex_transports import FlowFlex
from tests.testing.caller import Caller

HOUR = 3600.0


@pytest.fixture
def caller():
    return Caller(FakeFlowFlex(clock=Clock(0.0)))


def test_ends_come_in_the_order_of_time(caller):
    """A URL after 2 hours, a key after 24, a file after 48, each told with its moment."""
    asset = caller.asset()
    caller.fake.clock.advance(hours=1)
    caller.event({"a": asset}, key="order-7")
    caller.fake.clock.advance(days=3)
    assert caller.fake.expired == [
        Expiry(2 * HOUR, "upload-url", "default", asset),
        Expiry(25 * HOUR, "key", "default", "order-7"),
        Expiry(48 * HOUR, "file", "default", asset),
    ]
    assert [str(expiry) for expiry in caller.fake.expired] == [
        f"the upload URL of {asset} expires",
        "the idempotency key 'order-7' expires",
        f"the file of {asset} expires",
    ]


def test_an_end_is_noted_when_the_rule_begins_to_hold(caller):
    """At the last moment the URL is good and nothing has ended; a second later both have changed."""
    url = caller.url()
    caller.fake.clock.advance(hours=2)
    assert (caller.put(url).status, caller.fake.expired) == (200, [])
    caller.fake.clock.advance(seconds=1)
    assert caller.put(url).rule == "put.expired"
    assert [expiry.kind for expiry in caller.fake.expired] == ["upload-url"]


def test_the_clock_tells_what_expires_next(caller):
    """In words, and when."""
    asset = caller.asset()
    assert caller.fake.clock.next == Upcoming(2 * HOUR, f"the upload URL of {asset} expires")
    caller.fake.clock.advance(hours=3)
    assert caller.fake.clock.next == Upcoming(48 * HOUR, f"the file of {asset} expires")


@pytest.mark.parametrize("hours", [0, 1])
def test_a_file_that_is_stored_anew_lives_anew(caller, hours):
    """Its end is that of the second upload, and comes once."""
    issued = caller.upload_url().json()
    target = issued["uploadUrl"].removeprefix(caller.fake.storage_url)
    caller.put(target)
    caller.fake.clock.advance(hours=hours)
    caller.put(target)
    caller.fake.clock.advance(days=3)
    ends = [expiry.at for expiry in caller.fake.expired if expiry.kind == "file"]
    assert ends == [(48 + hours) * HOUR]


def test_the_bytes_of_a_file_go_with_it():
    """Space is given back when a file expires, and the error tells why its content is not there."""
    caller = Caller(FakeFlowFlex(clock=Clock(0.0), keep_files_bytes=100))
    asset = caller.asset()
    caller.fake.clock.advance(hours=48)
    assert caller.fake.content(asset) == b"data"
    caller.fake.clock.advance(seconds=1)
    with pytest.raises(LookupError, match="it has expired"):
        caller.fake.content(asset)
    assert asset in caller.fake.assets


def test_on_a_clock_that_runs_things_expire_when_they_are_looked_at():
    """Neither a request nor the list needs a step by hand."""
    caller = Caller(FakeFlowFlex(clock=Clock(0.0, rate=1e9)))
    url = caller.url()
    while caller.put(url).status == 200:
        pass
    assert [expiry.kind for expiry in caller.fake.store.expired] == ["upload-url"]


def test_a_reset_takes_the_ends_along(caller):
    """Nothing of before expires any more, and a clock that is shared keeps the plans of the other fake."""
    other = Caller(FakeFlowFlex(clock=caller.fake.clock))
    caller.asset()
    caller.fake.clock.advance(hours=1)
    asset = other.upload_url().json()["assetId"]
    caller.fake.reset()
    assert other.fake.clock.next == Upcoming(3 * HOUR, f"the upload URL of {asset} expires")
    other.fake.clock.advance(days=3)
    assert caller.fake.expired == []
    assert [expiry.kind for expiry in other.fake.expired] == ["upload-url"]


def test_what_was_kept_goes_on_to_expire(tmp_path):
    """Over a restart the ends of all tenants stay in order, and what has ended meanwhile is told as well."""
    with Data(tmp_path) as data:
        fake = FakeFlowFlex(clock=Clock(0.0), repository=data)
        asset = Caller(fake).asset()
        fake.clock.advance(hours=1)
        Caller(fake).event(key="order-7")
        fake.clock.advance(seconds=1)
        with FlowFlex(**fake.add_tenant("acme").client_options, transport=MemoryTransport(fake)) as client:
            client.send_event("e", idempotency_key="order-8")
    with Data(tmp_path) as data:
        again = FakeFlowFlex(clock=Clock(24 * HOUR), repository=data)
        assert [expiry.at for expiry in again.expired] == [2 * HOUR]
        assert again.clock.next == Upcoming(25 * HOUR, "the idempotency key 'order-7' expires")
        again.add_tenant("acme")
        again.clock.advance(days=2)
        ends = [("key", "order-7"), ("key", "order-8"), ("file", asset)]
        assert [(expiry.kind, expiry.id) for expiry in again.expired[1:]] == ends
