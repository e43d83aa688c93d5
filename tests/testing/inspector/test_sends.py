"""Which requests of a journal belong to one send."""

import pytest

from flowflex_testing import faults
from flowflex_testing.clock import Clock
from flowflex_testing.fake import FakeFlowFlex
from flowflex_testing.inspector.sends import BURST_PAUSE, group
from tests.testing.caller import Caller


@pytest.fixture
def fake():
    return FakeFlowFlex(clock=Clock(1000.0))


@pytest.fixture
def caller(fake):
    return Caller(fake)


def numbers(send):
    return [request.number for request in send.requests]


def target_of(caller, issued):
    return issued["uploadUrl"].removeprefix(caller.fake.storage_url)


def test_a_send_is_its_upload_urls_puts_and_event(fake, caller):
    """In the order of arrival; the asset ids in its body lead there."""
    first, second = (caller.upload_url().json() for _ in range(2))
    caller.put(target_of(caller, second))
    caller.put(target_of(caller, first))
    caller.event({"file": first["assetId"], "gallery": [second["assetId"]]}, key="k")
    (send,) = group(fake.requests)
    assert (send.id, numbers(send), send.state, send.key) == ("send-1", [1, 2, 3, 4, 5], "delivered", "k")
    assert send.asset_ids == (first["assetId"], second["assetId"])
    assert send.event_id == fake.events[0].id
    assert send.event is fake.requests[-1]
    assert send.marks == {}


def test_two_sends_at_once_are_told_apart(fake, caller):
    """Each event takes its own uploads, however they are mixed."""
    first, second = (caller.upload_url().json() for _ in range(2))
    caller.put(target_of(caller, second))
    caller.put(target_of(caller, first))
    caller.event({"file": second["assetId"]}, key="second")
    caller.event({"file": first["assetId"]}, key="first")
    sends = group(fake.requests)
    assert [(send.key, numbers(send)) for send in sends] == [("first", [1, 4, 6]), ("second", [2, 3, 5])]


def test_tenants_are_told_apart(fake, caller):
    """The same key is another send for another tenant, and no event takes the uploads of another."""
    other = Caller(fake)
    tenant = fake.add_tenant("other")
    other.authorization = fake.store.tenants["other"].authorization
    other.event_path = f"/v1/events/{tenant.integration_code}"
    asset_id = caller.asset()
    caller.event(key="k")
    other.event({"file": asset_id}, key="k")
    sends = group(fake.requests)
    assert [(send.tenant, numbers(send), send.state) for send in sends] == [
        ("default", [1, 2], "uploading"),
        ("default", [3], "delivered"),
        ("other", [4], "refused"),
    ]


def test_uploads_without_an_event_are_one_send_for_each_burst(fake, caller):
    """Until an event takes them; a pause ends a burst."""
    assets = [caller.asset(), caller.asset()]
    fake.clock.advance(seconds=BURST_PAUSE)
    assets.append(caller.asset())
    fake.clock.advance(seconds=BURST_PAUSE + 1)
    assets.append(caller.asset())
    sends = group(fake.requests)
    assert [(send.state, numbers(send)) for send in sends] == [
        ("uploading", [1, 2, 3, 4, 5, 6]),
        ("uploading", [7, 8]),
    ]
    assert sends[0].asset_ids == tuple(assets[:3])
    caller.event({"files": assets[1:3]})
    assert [(send.state, numbers(send)) for send in group(fake.requests)] == [
        ("uploading", [1, 2]),
        ("delivered", [3, 4, 5, 6, 9]),
        ("uploading", [7, 8]),
    ]


def test_an_event_that_is_refused_takes_its_uploads_too(fake, caller):
    """What failed is what one looks for; with the next attempt the send is delivered."""
    asset_id = caller.asset()
    caller.event({"file": asset_id, "other": "asset_0123456789"}, key="k")
    (send,) = group(fake.requests)
    assert (numbers(send), send.state, send.event_id) == ([1, 2, 3], "refused", None)
    caller.event({"file": asset_id}, key="k")
    (send,) = group(fake.requests)
    assert (numbers(send), send.state, send.marks) == ([1, 2, 3, 4], "delivered", {4: "retry"})


def test_another_attempt_is_marked(fake, caller):
    """Of an upload URL that was asked for in vain, of a PUT, and of an event whose reply was lost."""
    fake.faults.arm("upload-url", faults.Status(503))
    fake.faults.arm("put", faults.Status(503))
    fake.faults.arm("event", faults.LoseReply())
    caller.upload_url()
    issued = caller.upload_url().json()
    for _ in range(2):
        caller.put(target_of(caller, issued))
    for _ in range(2):
        caller.event({"file": issued["assetId"]}, key="k")
    (send,) = group(fake.requests)
    assert numbers(send) == [1, 2, 3, 4, 5, 6]
    assert send.marks == {2: "retry", 4: "retry", 6: "replay"}


def test_an_upload_url_that_was_lost_is_part_of_the_send(fake, caller):
    """Its asset was never used, and the next attempt got another."""
    fake.faults.arm("upload-url", faults.LoseReply())
    caller.upload_url()
    asset_id = caller.asset()
    caller.event({"file": asset_id})
    (send,) = group(fake.requests)
    assert numbers(send) == [1, 2, 3, 4]
    assert send.asset_ids[1] == asset_id


def test_a_file_that_is_put_again_is_marked(fake, caller):
    """It is in the place of the first."""
    issued = caller.upload_url().json()
    for _ in range(2):
        caller.put(target_of(caller, issued))
    assert group(fake.requests)[0].marks == {3: "overwrite"}


def test_a_put_that_is_refused_belongs_to_the_upload_that_its_path_names(fake, caller):
    """The journal knows no tenant of it, for its signature is wrong."""
    issued = caller.upload_url().json()
    caller.put(target_of(caller, issued)[:-1])
    (send,) = group(fake.requests)
    assert (send.tenant, numbers(send), send.state) == ("default", [1, 2], "refused")


def test_a_put_to_nowhere_is_a_send_of_its_own(fake, caller):
    """Whatever its path is."""
    for target in ("/assets/", "/assets/nobody/asset_1/a.pdf"):
        caller.put(target)
    assert [(send.tenant, numbers(send), send.state) for send in group(fake.requests)] == [
        (None, [1], "refused"),
        ("nobody", [2], "refused"),
    ]


@pytest.mark.parametrize("fault", [faults.Reset(), faults.Status(503)])
def test_a_fault_interrupts_a_send(fake, caller, fault):
    """It has no answer, or one in the place of FlowFlex's; as long as no other attempt follows."""
    fake.faults.arm("event", fault)
    caller.event(key="k")
    assert [send.state for send in group(fake.requests)] == ["interrupted"]
    caller.event(key="k")
    assert [send.state for send in group(fake.requests)] == ["delivered"]


def test_a_run_that_fails_is_told():
    """The event was accepted all the same."""
    fake = FakeFlowFlex(missing_file="failed-run")
    caller = Caller(fake)
    issued = caller.upload_url().json()
    caller.event({"file": issued["assetId"]})
    (send,) = group(fake.requests)
    assert (send.state, numbers(send)) == ("failed-run", [1, 2])


def test_a_key_that_was_forgotten_is_another_send(fake, caller):
    """After its lifetime it has a new event."""
    caller.event(key="k")
    fake.clock.advance(hours=25)
    caller.event(key="k")
    caller.event(key="k")
    assert [(numbers(send), send.marks) for send in group(fake.requests)] == [([1], {}), ([2, 3], {3: "replay"})]


@pytest.mark.parametrize("status", [422, 400])
def test_a_key_that_is_used_for_something_else_is_another_send(status):
    """It is refused, and the first stays what it is; a repeat of the first still is one."""
    fake = FakeFlowFlex(reused_key_status=status)
    caller = Caller(fake)
    asset_id = caller.asset()
    caller.event({"n": 1}, key="k")
    caller.event({"n": 2, "file": asset_id}, key="k")
    caller.event({"n": 3}, name="other.event", key="k")
    caller.event({"n": 1}, key="k")
    sends = group(fake.requests)
    assert [(numbers(send), send.state, send.event_id, send.marks) for send in sends] == [
        ([1, 2, 4], "refused", None, {}),
        ([3, 6], "delivered", fake.events[0].id, {6: "replay"}),
        ([5], "refused", None, {}),
    ]
    assert [send.key for send in sends] == ["k", "k", "k"]


def test_the_event_of_a_send_is_the_one_that_was_accepted():
    """Not a replay with another body, which has no effect, nor a later attempt in vain; before it, the last attempt."""
    fake = FakeFlowFlex(key_fingerprint="key")
    caller = Caller(fake)
    assets = [caller.asset(), caller.asset()]
    for place in (0, 1):
        fake.faults.arm("event", faults.Status(503))
        caller.event({"n": place}, key="k")
        assert group(fake.requests)[-1].event is fake.requests[-1]
    caller.event({"file": assets[0]}, key="k")
    accepted = fake.requests[-1]
    caller.event({"file": assets[1]}, name="other.event", key="k")
    fake.faults.arm("event", faults.Status(503))
    caller.event(key="k")
    (send,) = group(fake.requests)
    assert send.event is accepted
    assert send.named_ids == (assets[0],)
    assert (send.state, send.asset_ids) == ("delivered", tuple(assets))


def test_events_without_a_key_are_sends_of_their_own():
    """Nothing tells that one repeats another."""
    fake = FakeFlowFlex(strict=False)
    caller = Caller(fake)
    for _ in range(2):
        caller.event(key=None)
    assert [numbers(send) for send in group(fake.requests)] == [[1], [2]]


def test_what_is_no_operation_belongs_to_no_send(fake, caller):
    """A stray request is shown by itself."""
    caller.send("api", "GET", "/", [], b"")
    caller.send("storage", "GET", "/assets/default/asset_1/a.pdf", [], b"")
    assert group(fake.requests) == []
