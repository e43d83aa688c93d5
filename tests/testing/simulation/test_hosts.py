"""Hosts: an embedder's own loop runs in the simulation, blocking, on asyncio and on trio."""

from contextlib import suppress
from types import SimpleNamespace

import pytest

from flowflex_core.messages import Request, SendEventResult
from flowflex_testing.simulation.campaign import first_finding, run_schedules
from flowflex_testing.simulation.hosts import blocking, on_asyncio, on_trio
from flowflex_testing.simulation.hosts.host import ProcessDied
from flowflex_testing.simulation.network import API
from flowflex_testing.simulation.schedule import judge, mode_of, run
from flowflex_testing.simulation.tape import Tape
from tests.testing.simulation import loops

HOSTS = {
    "blocking": blocking(loops.sequential, dies=True),
    "asyncio": on_asyncio(loops.with_asyncio, dies=True),
    "trio": on_trio(loops.with_trio, dies=True),
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


@pytest.mark.parametrize("host", ["blocking", "asyncio", "trio"])
def test_processes_die_and_callers_go_on(host):
    """Under each host processes die, and live again from what was saved, or from what came with an error."""
    worlds = [run(Tape.of_seed(f"deaths/{number}"), mode_of(number), HOSTS[host]) for number in range(300)]
    sends = [send for world in worlds for send in world.sends if send.lives > 1]
    assert any(send.came_with_errors for send in sends)
    assert any(send.snapshots and not send.came_with_errors for send in sends)
    assert any(send.result is not None for send in sends)


@pytest.mark.parametrize("host", ["our blocking client", "our client on trio"])
def test_callers_of_our_clients_go_on(host):
    """Callers of our clients resume from what came with an error, and succeed by that."""
    worlds = [run(Tape.of_seed(f"going on/{number}"), mode_of(number), HOSTS[host]) for number in range(600)]
    sends = [send for world in worlds for send in world.sends if send.came_with_errors]
    assert all(send.lives > 1 for send in sends)
    assert any(send.result is not None for send in sends)


def saves_nothing(operation, host):
    """Keep nothing for the time after the process."""
    return loops.sequential(operation, SimpleNamespace(**{**vars_of(host), "save": lambda _snapshot: None}))


def saves_late(operation, host):
    """Save what a turn says only when its requests have been performed."""
    turn = operation.advance(host.now())
    while not turn.done:
        outcomes = [host.perform(request) for request in turn.requests]
        if turn.checkpoint:
            host.save(operation.snapshot())
        if not outcomes:
            host.sleep(turn.wait)
        turn = operation.advance(host.now(), *outcomes)
    return operation.result()


def vars_of(host):
    """Return what a loop calls of its host."""
    return {name: getattr(host, name) for name in ("now", "perform", "sleep")}


@pytest.mark.parametrize("loop", [saves_nothing, saves_late])
def test_a_loop_that_does_not_save_in_time_is_found(loop):
    """A loop whose snapshots do not outlive its process keeps the rules where it does not die, and only there."""
    assert first_finding("hosts", 300, blocking(loop)) is None
    found = first_finding("hosts", 1_000, blocking(loop, dies=True))
    assert found is not None


def does_not_believe_it(operation, host):
    """Go on as if nothing was when the process was killed."""
    turn = operation.advance(host.now())
    try:
        while not turn.done:
            if turn.checkpoint:
                host.save(operation.snapshot())
            outcomes = [host.perform(request) for request in turn.requests]
            if not outcomes:
                host.sleep(turn.wait)
            turn = operation.advance(host.now(), *outcomes)
    except ProcessDied:
        with suppress(ProcessDied):
            host.save("a snapshot of a dead process")
        with suppress(ProcessDied):
            host.perform(Request("from the grave", "POST", API, {}, b"", 1.0, 1.0))
        return SendEventResult("all went well", {})
    return operation.result()


def test_a_dead_process_does_nothing_more():
    """What a loop does after its process was killed has no effect: no snapshot, no request, no result."""
    worlds = [
        run(Tape.of_seed(f"hosts/{number}"), "chaos", blocking(does_not_believe_it, dies=True)) for number in range(99)
    ]
    sends = [send for world in worlds for send in world.sends]
    assert any(send.lives > 1 for send in sends)
    assert all("a snapshot of a dead process" not in send.snapshots for send in sends)
    assert all(send.result is None or send.result.response != "all went well" for send in sends)
    assert all(flight.request.id != "from the grave" for world in worlds for flight in world.network.flights)


def test_a_loop_that_drops_failures_is_found():
    """A loop that keeps failures from the core is found to break a rule within a few schedules."""
    findings = (
        judge(Tape.of_seed(f"hosts/{number}"), mode_of(number), blocking(loops.forgetful)) for number in range(30)
    )
    found = next(finding for finding in findings if finding is not None)
    assert found.story


async def gives_up(operation, host):
    """Wait for what never comes."""
    import asyncio

    operation.advance(host.now())
    await asyncio.Event().wait()


def test_a_loop_that_waits_for_ever_is_an_error():
    """A loop of asyncio that waits for what never happens ends with an error that says so."""
    found = judge(Tape(b""), "safety", on_asyncio(gives_up))
    assert found is not None
    assert "nothing will ever happen" in found.words
