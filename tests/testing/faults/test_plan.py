"""The fault plan: which request a fault strikes, and what becomes of one that never does."""

import socket
import threading

import pytest

from flowflex_testing import faults
from flowflex_testing.clock import Clock
from flowflex_testing.fake import FakeFlowFlex
from flowflex_testing.faults import Aim
from flowflex_testing.faults.plan import FaultPlan
from flowflex_testing.server.mount import mount
from flowflex_testing.server.shared import SharedServer
from tests.testing.caller import Caller


@pytest.fixture
def caller():
    return Caller(FakeFlowFlex())


def test_a_fault_strikes_by_occurrence_and_times(caller):
    """Requests are counted from the arming on, each operation for itself."""
    caller.event(key="0")
    armed = caller.fake.faults.arm("event", faults.Status(503), occurrence=2, times=2)
    caller.upload_url()
    assert [caller.event(key=str(number)).status for number in range(1, 5)] == [202, 503, 503, 202]
    assert (armed.seen, armed.hits) == (4, 2)


def test_a_fault_without_times_strikes_for_ever(caller):
    """times=None is every request from the first occurrence on."""
    caller.fake.faults.arm("event", faults.Status(500), times=None)
    assert [caller.event().status for _ in range(5)] == [500] * 5


def test_the_fault_that_was_armed_first_strikes(caller):
    """Two faults for one request: the first one fires, and the other one says that it did not."""
    caller.fake.faults.arm("event", faults.Status(500))
    second = caller.fake.faults.arm("event", faults.Status(502))
    assert caller.event().status == 500
    assert caller.fake.faults.unfired() == [second]
    assert second.seen == 1


def test_an_unfired_fault_fails_with_what_it_waited_for(caller):
    """The message names the fault, and how many requests came that it could have struck."""
    caller.fake.faults.arm("put", faults.Status(503), occurrence=3, times=None)
    caller.fake.faults.arm("event", faults.LoseReply(), times=2)
    caller.put(caller.url())
    with pytest.raises(AssertionError) as raised:
        caller.fake.faults.assert_fired()
    assert str(raised.value) == (
        "faults never fired: Status(status=503) on put 3, every time (1 such requests came); "
        "LoseReply() on event 1, 2 times (0 such requests came)"
    )
    caller.fake.faults.clear()
    caller.fake.faults.assert_fired()


def test_a_list_is_armed_at_one_moment(caller):
    """No request can come between two faults of one list, and their ids tell the order of arming."""
    first, second = caller.fake.faults.arm_all([Aim("event", faults.Status(500)), Aim("event", faults.LoseReply())])
    assert (first.id, second.id) == (1, 2)
    assert caller.fake.faults.armed == [first, second]


def test_a_mistake_in_a_list_arms_nothing(caller):
    """Whatever stands before the mistake is not armed either."""

    def wanted():
        yield Aim("event", faults.Status(500))
        yield Aim("event", faults.Status(200))

    with pytest.raises(ValueError, match="status is 400 to 599"):
        caller.fake.faults.arm_all(wanted())
    assert caller.fake.faults.armed == []


def test_a_fault_is_disarmed_by_its_id(caller):
    """The others stay, and its id is not given again."""
    plan = caller.fake.faults
    first = plan.arm("event", faults.Status(500), times=None)
    second = plan.arm("event", faults.Status(502))
    plan.disarm(first.id)
    assert plan.armed == [second]
    assert caller.event().status == 502
    with pytest.raises(ValueError, match="there is no armed fault 1"):
        plan.disarm(first.id)
    plan.clear()
    assert plan.arm("event", faults.Status(500)).id == 3


def test_a_chance_is_drawn_from_its_seed(caller):
    """The same requests are struck in every run, another seed strikes others, and the share is about right."""

    def struck(seed: int) -> list[int]:
        plan = FaultPlan()
        plan.arm("event", faults.Status(500), times=None, chance=0.25, seed=seed)
        return [number for number in range(1, 401) if plan.draw("event")]

    assert struck(7) == struck(7)
    assert struck(7) != struck(8)
    assert 70 < len(struck(7)) < 130


def test_a_certain_chance_always_strikes():
    """1 is no draw at all."""
    plan = FaultPlan()
    plan.arm("event", faults.Status(500), times=50, chance=1, seed=0)
    assert all(plan.draw("event") for _ in range(50))
    assert plan.draw("event") is None


def test_hits_are_counted_from_all_threads(caller):
    """Each of many requests at once is counted, once."""
    armed = caller.fake.faults.arm("event", faults.Status(500), times=100)
    callers = [
        threading.Thread(target=lambda: [Caller(caller.fake).event(key=None) for _ in range(25)]) for _ in range(8)
    ]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join()
    assert (armed.seen, armed.hits) == (200, 100)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"operation": "upload"}, "operation is one of upload-url, put, event, not 'upload'"),
        ({"occurrence": 0}, "occurrence is a whole number from 1, not 0"),
        ({"occurrence": True}, "occurrence is a whole number from 1, not True"),
        ({"occurrence": "2"}, "occurrence is a whole number from 1, not '2'"),
        ({"times": 0}, "times is a whole number from 1, or None, not 0"),
        ({"chance": 0, "seed": 1}, "chance is over 0 and up to 1, not 0"),
        ({"chance": 1.5, "seed": 1}, "chance is over 0 and up to 1, not 1.5"),
        ({"chance": "often", "seed": 1}, "chance is over 0 and up to 1, not 'often'"),
        ({"chance": True, "seed": 1}, "chance is over 0 and up to 1, not True"),
        ({"chance": 0.5}, "chance and seed go together"),
        ({"seed": 1}, "chance and seed go together"),
        ({"chance": 0.5, "seed": "x"}, "chance and seed go together"),
        ({"chance": 0.5, "seed": True}, "chance and seed go together"),
        ({"tenant": ""}, "tenant is the name of a tenant, or None, not ''"),
        ({"tenant": 1}, "tenant is the name of a tenant, or None, not 1"),
        ({"fault": faults.Refuse(), "tenant": "acme"}, "tenant is None: a connection is nobody's yet, not 'acme'"),
        ({"fault": faults.Refuse(), "chance": 0.5, "seed": 1}, "chance is None: a port is not closed by halves"),
    ],
)
def test_a_plan_refuses_what_it_cannot_mean(caller, wrong, sentence):
    """Each mistake fails when it is armed, by a sentence that names the argument."""
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the whole sentence is compared
        caller.fake.faults.arm(**{"operation": "put", "fault": faults.Status(503)} | wrong)
    assert str(raised.value).startswith(sentence)


def test_a_class_is_no_fault(caller):
    """A forgotten pair of brackets is told."""
    with pytest.raises(TypeError, match="such as Status"):
        caller.fake.faults.arm("put", faults.Status)


def test_an_aim_tells_all_that_it_aims_at():
    """Its words stand in the report of a fault that never fired."""
    aim = Aim("put", faults.Reset(at=7), occurrence=2, times=None, chance=0.5, seed=3, tenant="acme")
    assert str(aim) == "Reset(at=7) on put 2, every time, with a chance of 0.5 from seed 3, of tenant 'acme'"


def test_faults_of_connections_need_ports_of_ones_own(httpserver):
    """A fake that is a guest at another's server refuses them, armed before it was mounted or after."""
    fake = FakeFlowFlex()
    fake.faults.arm("put", faults.ResetOnAccept())
    with pytest.raises(ValueError, match=r"ResetOnAccept\(\) strikes a port, and this fake is a guest"):
        mount(fake, httpserver)
    fake.faults.clear()
    mount(fake, httpserver)
    with pytest.raises(ValueError, match="strikes a port, and this fake is a guest"):
        fake.faults.arm("put", faults.Refuse())
    fake.stop()
    assert fake.faults.arm("put", faults.Refuse()).hits == 0


def test_a_shared_server_opens_its_ports_for_the_next_fake():
    """What a test has closed, no other test meets."""
    with SharedServer() as server:
        first = server.fake
        first.faults.arm("event", faults.Refuse(None))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(first.base_url.rsplit(":", 1)[1])))
        first.stop()
        server.lend(FakeFlowFlex())
        socket.create_connection(("127.0.0.1", int(server.fake.base_url.rsplit(":", 1)[1]))).close()
        server.fake.stop()


def test_the_same_tape_gives_the_same_journal():
    """Faults by chance, repeats and expiries included: while the clock stands still, no real time matters."""

    def play() -> list[str]:
        caller = Caller(FakeFlowFlex(clock=Clock(1_800_000_000.0)))
        caller.fake.faults.arm("event", faults.Status(503, retry_after=5, as_date=True), times=None, chance=0.5, seed=3)
        caller.fake.faults.arm_preset("duplicate_on_retry")
        url = caller.url()
        tape = [caller.put(url).body, caller.put(url).body]
        for number in range(20):
            caller.fake.clock.advance(hours=3)
            tape.append(repr(caller.event({"n": number}, key=str(number))).encode())
        return [*map(str, tape), *map(repr, caller.fake.requests), *map(repr, caller.fake.expired)]

    first = play()
    assert first == play()
    assert any("Status" in line for line in first)
    assert any("Expiry" in line for line in first)
