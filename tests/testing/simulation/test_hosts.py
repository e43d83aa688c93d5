"""Hosts: an embedder's own loop runs in the simulation, blocking, on asyncio and on trio."""

import pytest

from flowflex_core import FlowFlexError
from flowflex_testing.simulation.campaign import run_schedules
from flowflex_testing.simulation.hosts import blocking, on_asyncio, on_trio
from flowflex_testing.simulation.schedule import judge, mode_of, run
from flowflex_testing.simulation.tape import Tape
from flowflex_testing.simulation.timeline import FIRST_MOMENT
from tests.testing.simulation import loops

HOSTS = {
    "blocking": blocking(loops.sequential, dies=True),
    "asyncio": on_asyncio(loops.with_asyncio, dies=True),
    "asyncio with timeouts": on_asyncio(loops.with_asyncio_timeouts, dies=True),
    "asyncio in a task group": on_asyncio(loops.in_a_task_group, dies=True),
    "trio": on_trio(loops.with_trio, dies=True),
    "trio with timeouts": on_trio(loops.with_trio_timeouts, dies=True),
    "our blocking client": loops.our_blocking_client,
    "our client on trio": loops.our_client_on_trio,
}


@pytest.mark.parametrize("host", HOSTS)
def test_a_good_loop_keeps_every_rule(host):
    """A loop that does what the core asks for keeps every rule, in every mode."""
    for number in range(60):
        assert judge(Tape.of_seed(f"hosts/{number}"), mode_of(number), HOSTS[host]) is None


@pytest.mark.parametrize("host", HOSTS)
def test_a_loop_tells_the_same_story_twice(host):
    """The same tape makes the same story, also on trio, which shuffles what is ready at the same time."""
    for number in range(20):
        assert judge(Tape.of_seed(f"hosts/{number}"), mode_of(number), HOSTS[host], twice=True) is None


@pytest.mark.parametrize("host", ["our blocking client", "our client on trio"])
def test_our_clients_come_to_every_end(host):
    """Our clients themselves come to ends of every kind in the simulation."""
    tally = run_schedules("client", range(600), HOSTS[host])
    assert tally.findings == {}
    ends = {end.partition(": ")[2] for end in tally.ends}
    assert {"success", "FlowFlexOutcomeUnknownError", "FlowFlexUploadTimeoutError"} <= ends
    assert ("cancelled" in ends) == (host == "our client on trio")


def test_a_loop_that_drops_failures_is_found():
    """A loop that keeps failures from the core is found to break a rule within a few schedules."""
    findings = (
        judge(Tape.of_seed(f"hosts/{number}"), mode_of(number), blocking(loops.forgetful)) for number in range(30)
    )
    found = next(finding for finding in findings if finding is not None)
    assert found.story


def test_who_wakes_has_looked_at_the_clock():
    """What a client with a clock of its own does after a sleep it has decided when it woke, and not before."""

    def sleeps_first(operation, host):
        requests = operation.advance(host.now()).requests
        host.sleep(60.0)
        host.perform(requests[0])
        raise FlowFlexError("enough")

    (flight,) = run(Tape(b""), "safety", blocking(sleeps_first)).network.flights
    assert flight.decided_at == flight.at >= FIRST_MOMENT + 60.0
