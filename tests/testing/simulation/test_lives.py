"""Lives: processes die in a simulation, callers go on after errors, and what a dead process does is not heard of."""

from contextlib import suppress

import pytest

from flowflex_core import FlowFlexError, Request, SendEvent, SendEventResult
from flowflex_testing.simulation.campaign import first_finding
from flowflex_testing.simulation.hosts import blocking, on_asyncio, on_trio
from flowflex_testing.simulation.network import API
from flowflex_testing.simulation.schedule import mode_of, run
from flowflex_testing.simulation.tape import Tape
from tests.testing.simulation import loops
from tests.testing.simulation.test_hosts import HOSTS


def worlds_of(seed, schedules, loop):
    """Run schedules, and return what came of them."""
    return [run(Tape.of_seed(f"{seed}/{number}"), mode_of(number), loop) for number in range(schedules)]


@pytest.mark.parametrize("host", ["blocking", "asyncio", "trio"])
def test_processes_die_and_callers_go_on(host):
    """Processes die in any call, and live again from what was saved, or from what came with an error."""
    worlds = worlds_of("deaths", 300, HOSTS[host])
    sends = [send for world in worlds for send in world.sends if send.lives > 1]
    assert any(send.came_with_errors for send in sends)
    assert any(send.snapshots and not send.came_with_errors for send in sends)
    assert any(send.result is not None for send in sends)
    deaths = [moment for world in worlds for _, moment, words in world.notes if "is killed" in words]
    departures = {flight.at for world in worlds for flight in world.network.flights}
    landings = {flight.landed_at for world in worlds for flight in world.network.flights}
    assert departures & set(deaths)
    assert (landings - departures) & set(deaths)


@pytest.mark.parametrize("host", ["our blocking client", "our client on trio"])
def test_callers_of_our_clients_go_on(host):
    """Callers of our clients resume from what came with an error, and succeed by that."""
    sends = [send for world in worlds_of("going on", 600, HOSTS[host]) for send in world.sends if send.came_with_errors]
    assert any(send.result is not None for send in sends)


def saves_nothing(operation, host):
    """Keep nothing for the time after the process."""
    turn = operation.advance(host.now())
    while not turn.done:
        outcomes = [host.perform(request) for request in turn.requests]
        if not outcomes:
            host.sleep(turn.wait)
        turn = operation.advance(host.now(), *outcomes)
    return operation.result()


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


@pytest.mark.parametrize("loop", [saves_nothing, saves_late])
def test_a_loop_that_does_not_save_in_time_is_found(loop):
    """A loop whose snapshots do not outlive its process keeps the rules where it does not die, and only there."""
    assert first_finding("hosts", 300, blocking(loop)) is None
    assert first_finding("hosts", 1_000, blocking(loop, dies=True)) is not None


def saves_the_end(operation, host):
    """Save the snapshot that comes with an error, too, before it is raised."""
    try:
        return loops.sequential(operation, host)
    except FlowFlexError as error:
        if error.snapshot:
            host.save(error.snapshot)
        raise


def test_a_loop_may_save_what_came_with_an_error():
    """A process that dies when it has saved the snapshot of an error has all attempts again in its next life."""
    loop = blocking(saves_the_end, dies=True)
    assert first_finding("v2", 1_000, loop) is None
    assert any(" from snapshot " in words for world in worlds_of("v2", 300, loop) for _, _, words in world.notes)


def test_a_loop_that_uploads_again_what_it_has_saved_is_found(tmp_path):
    """What a process had saved before it died is stored, and no later life may upload it once more."""

    def begins_anew(operation, host):
        if host.snapshot is not None:
            payload = host.payload_in(tmp_path)
            operation = SendEvent.start(host.settings, host.event, payload, idempotency_key=host.key)
        return loops.sequential(operation, host)

    rules = set()
    for number in range(400):
        found = first_finding(f"anew {number}", 3, blocking(begins_anew, dies=True))
        rules |= {found.rule} if found else set()
    assert "no_put_without_a_cause" in rules


A_REQUEST = Request("from the grave", "POST", API, {}, b"", 1.0, 1.0)
A_RESULT = SendEventResult("all went well", {})


def blocking_that_does_not_believe_it(operation, host):
    """Go on as if nothing was when the process was killed."""
    try:
        return loops.sequential(operation, host)
    except FlowFlexError:
        raise
    except BaseException:
        with suppress(BaseException):
            host.save("a snapshot of a dead process")
        with suppress(BaseException):
            host.perform(A_REQUEST)
        return A_RESULT


def async_that_does_not_believe_it(loop):
    """Go on as if nothing was when the process was killed, on either runtime."""

    async def does_not_believe_it(operation, host):
        try:
            return await loop(operation, host)
        except FlowFlexError:
            raise
        except BaseException:
            if not host.is_dead:
                raise
            with suppress(BaseException):
                host.save("a snapshot of a dead process")
            with suppress(BaseException):
                await host.perform(A_REQUEST)
            if host.number:
                raise FlowFlexError("all went wrong") from None
            return A_RESULT

    return does_not_believe_it


@pytest.mark.parametrize(
    "loop",
    [
        blocking(blocking_that_does_not_believe_it, dies=True),
        on_asyncio(async_that_does_not_believe_it(loops.with_asyncio), dies=True),
        on_asyncio(async_that_does_not_believe_it(loops.in_a_task_group), dies=True),
        on_trio(async_that_does_not_believe_it(loops.with_trio), dies=True),
    ],
)
def test_a_dead_process_does_nothing_more(loop):
    """What a loop does after its process was killed has no effect: no snapshot, no request, no result, no error."""
    worlds = worlds_of("graves", 400, loop)
    sends = [send for world in worlds for send in world.sends]
    assert any(send.lives > 1 for send in sends)
    assert all("a snapshot of a dead process" not in send.snapshots for send in sends)
    assert all(send.result is not A_RESULT and str(send.error) != "all went wrong" for send in sends)
    assert all(flight.request.id != "from the grave" for world in worlds for flight in world.network.flights)


def test_a_story_tells_of_lives():
    """Who reads of a schedule sees where the process was killed, what was saved, and from where the next began."""
    found = first_finding("hosts", 1_000, blocking(saves_late, dies=True))
    assert found is not None
    story = "\n".join(found.story)
    assert "the process is killed" in story
    assert "begins life 2, from" in story
    moments = [float(line.split()[0]) for line in found.story[1:] if " life 2" in line or "send 0: event/" in line]
    assert moments == sorted(moments)
