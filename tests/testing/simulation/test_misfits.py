"""Loops that do what they should not: each is found, or said to be endless, and none can hold the simulator up."""

import asyncio
import re
import signal
from typing import Any

import pytest
import trio

from examples import asyncio_loop
from flowflex_core import Failure
from flowflex_testing.simulation.campaign import assert_every_rule_holds, first_finding, replayed, run_schedules
from flowflex_testing.simulation.hosts import blocking, on_asyncio, on_trio
from flowflex_testing.simulation.schedule import judge
from flowflex_testing.simulation.tape import Tape
from flowflex_testing.simulation.timeline import FIRST_MOMENT
from tests.testing.simulation import loops


async def waits_on_asyncio(operation, host):
    """Wait for what never comes."""
    operation.advance(host.now())
    await asyncio.Event().wait()


async def waits_on_trio(operation, host):
    """Wait for what never comes."""
    operation.advance(host.now())
    await trio.sleep_forever()


def asks_again_and_again(operation, host):
    """Never wait."""
    while not operation.advance(host.now()).done:
        pass
    return operation.result()


def sleeps_again_and_again(_operation, host):
    """Do nothing but wait."""
    while True:
        host.sleep(3_600.0)


async def looks_again_and_again(operation, host):
    """Wait without time."""
    operation.advance(host.now())
    while True:  # noqa: ASYNC110 - as somebody might
        await asyncio.sleep(0)


async def looks_again_and_again_on_trio(operation, host):
    """Wait without time."""
    operation.advance(host.now())
    while True:
        await trio.lowlevel.checkpoint()


@pytest.mark.parametrize(
    ("loop", "words"),
    [
        (on_asyncio(waits_on_asyncio), "nothing will ever happen"),
        (on_trio(waits_on_trio), "nothing will ever happen"),
        (blocking(asks_again_and_again), "does it wait turn.wait seconds"),
        (blocking(sleeps_again_and_again), "does it wait turn.wait seconds"),
        (on_asyncio(looks_again_and_again), "has gone round"),
        (on_trio(looks_again_and_again_on_trio), "its tasks have taken 50,000 steps"),
    ],
)
def test_a_loop_without_an_end_is_an_error(loop, words):
    """A loop that waits for what never happens, or goes round for ever, ends with an error that says so."""
    found = judge(Tape(b""), "safety", loop)
    assert found is not None
    assert found.rule == "nothing_is_raised"
    assert words in found.words
    assert not re.search(r"(runners|base_events|_run)\.py", found.words)  # the lines of a runtime lead nowhere


def looks_at_a_clock_of_its_own(operation, host):
    """Count the seconds since the loop began, which are told more finely than those since the epoch."""
    began = host.now()
    turn = operation.advance(0.0)
    while not turn.done:
        outcomes = [host.perform(request) for request in turn.requests]
        if not outcomes:
            host.sleep(turn.wait)
        turn = operation.advance(host.now() - began, *outcomes)
    return operation.result()


def test_the_shortest_wait_takes_time():
    """A wait that is shorter than the clock can show ends all the same."""
    for number in range(300):
        found = judge(Tape.of_seed(f"hosts/{number}"), "safety", blocking(looks_at_a_clock_of_its_own))
        assert found is None or found.rule != "nothing_is_raised"


async def cancels_itself(operation, host):
    """Raise what only a caller's cancel raises."""
    operation.advance(host.now())
    raise asyncio.CancelledError


async def in_tasks(operation, host, tasks, perform):
    """Perform in `tasks`, and leave those that are under way in the end to the caller."""
    turn = operation.advance(host.now())
    while not turn.done:
        tasks |= {asyncio.ensure_future(perform(request)) for request in turn.requests}
        done: set[asyncio.Task[Any]] = set()
        if tasks:
            done, _ = await asyncio.wait(tasks, timeout=turn.wait, return_when=asyncio.FIRST_COMPLETED)
            tasks -= done
        else:
            await asyncio.sleep(turn.wait)
        turn = operation.advance(host.now(), *[task.result() for task in done])
    return operation.result()


async def leaves_tasks(operation, host):
    """Perform in tasks, and forget them when all is done."""
    return await in_tasks(operation, host, set(), host.perform)


async def hands_in_one(operation, host):
    """Hand in one outcome of those that have come, and forget the others."""
    tasks = set()
    turn = operation.advance(host.now())
    try:
        while not turn.done:
            tasks |= {asyncio.ensure_future(host.perform(request)) for request in turn.requests}
            done: set[asyncio.Task[Any]] = set()
            if tasks:
                done, tasks = await asyncio.wait(tasks, timeout=turn.wait, return_when=asyncio.FIRST_COMPLETED)
            else:
                await asyncio.sleep(60.0 if turn.wait is None else turn.wait)
            turn = operation.advance(host.now(), *[task.result() for task in done][:1])
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return operation.result()


@pytest.mark.parametrize(
    ("loop", "words"),
    [
        (cancels_itself, "cancelled by itself"),
        (leaves_tasks, "their tasks were not cancelled"),
        (hands_in_one, ""),
    ],
)
def test_what_asyncio_lets_pass_is_found(loop, words):
    """A loop that cancels itself, leaves its tasks behind, or drops one of two outcomes of one moment is found."""
    found = first_finding("misfits", 1_000, on_asyncio(loop))
    assert found is not None
    assert words in found.words


async def swallows_a_cancel(operation, host):
    """Take a cancel for nothing."""
    try:
        return await loops.with_asyncio(operation, host)
    except asyncio.CancelledError:
        return None


async def swallows_a_cancel_on_trio(operation, host):
    """Take a cancel for nothing."""
    result = None
    try:
        result = await loops.with_trio(operation, host)
    except* trio.Cancelled:
        pass
    return result


async def goes_on_after_a_cancel(operation, host):
    """Take a cancel for a failure of the request."""

    async def perform(request):
        try:
            return await host.perform(request)
        except asyncio.CancelledError:
            return Failure(request.id, "connection", "cancelled", sent=True)

    turn = operation.advance(host.now())
    while not turn.done:
        outcomes = [await perform(request) for request in turn.requests]
        if not outcomes:
            await asyncio.sleep(turn.wait)
        turn = operation.advance(host.now(), *outcomes)
    return operation.result()


@pytest.mark.parametrize(
    ("loop", "words"),
    [
        (on_asyncio(swallows_a_cancel), "the loop was cancelled, and returned None"),
        (on_trio(swallows_a_cancel_on_trio), "the loop was cancelled, and returned None"),
        (on_asyncio(goes_on_after_a_cancel), "the loop was cancelled, and performs "),
    ],
)
def test_a_cancel_that_is_swallowed_is_found(loop, words):
    """A loop that does not let the cancellation of its caller out is found, on both runtimes."""
    found = next(
        found
        for n in range(600)
        if (found := judge(Tape.of_seed(f"misfits/{n}"), "chaos", loop)) and words in found.words
    )
    assert found.rule == "nothing_is_raised"
    assert "it is to let the cancellation out" in found.words


def returns_nothing(operation, host):
    """Forget the result."""


def returns_words(operation, host):
    """Give something else for a result."""
    return "sent!"


def saves_a_mapping(operation, host):
    """Keep something else than text."""
    host.save({})


@pytest.mark.parametrize(
    ("loop", "words"),
    [
        (returns_nothing, "the loop returned None, and not the SendEventResult"),
        (returns_words, "the loop returned 'sent!', and not the SendEventResult"),
        (saves_a_mapping, "host.save keeps text, as operation.snapshot() returns it, not dict"),
    ],
)
def test_what_a_loop_gives_is_looked_at(loop, words):
    """What is neither a result nor a snapshot is told as what it is."""
    found = judge(Tape(b""), "safety", blocking(loop))
    assert found is not None
    assert words in found.words


async def looks_at_the_loops_clock(operation, host):
    """Tell the core the time of the event loop, which is none of the day."""
    return await asyncio_loop.run(operation, host.perform, host.save, asyncio.get_running_loop().time)


def test_a_clock_that_is_none_of_the_day_is_found():
    """A loop that tells the core the time of its event loop loses it with its process, and is found."""
    found = first_finding("misfits", 1_000, on_asyncio(looks_at_the_loops_clock, dies=True))
    assert found is not None


async def looks_at_a_clock_that_stands(operation, host):
    """Forget that the time is that of the simulation: beside it, the clock of the machine all but stands."""
    return await asyncio_loop.run(operation, host.perform, host.save, lambda: FIRST_MOMENT)


def test_a_forgotten_clock_is_told():
    """A loop that waits for ever because it asks another clock is told where the time is to be had."""
    loop = on_asyncio(looks_at_a_clock_that_stands)
    findings = (judge(Tape.of_seed(f"misfits/{number}"), "safety", loop) for number in range(100))
    found = next(found for found in findings if found is not None)
    assert "tell the time by host.now()" in found.words


async def breaks_under_way(operation, host):
    """Fail by a mistake while other sends are under way."""
    turn = operation.advance(host.now())
    await host.perform(turn.requests[0])
    raise KeyError("no such key")


def test_nothing_but_the_finding_is_told(caplog):
    """What asyncio would say of the other sends of a world that breaks does not hide what is wrong with it."""
    for loop in (breaks_under_way, swallows_a_cancel):
        assert run_schedules("misfits", range(300), on_asyncio(loop)).broken["nothing_is_raised"] > 1
    assert caplog.messages == []


async def in_layers(operation, host):
    """Cancel in the end what waits behind timeouts in timeouts, and do not wait for it."""

    async def perform(request):
        outcome = host.perform(request)
        for _ in range(3):
            outcome = asyncio.wait_for(outcome, 1e9)
        return await outcome

    tasks: set[asyncio.Task[Any]] = set()
    try:
        return await in_tasks(operation, host, tasks, perform)
    finally:
        for task in tasks:
            task.cancel()


def test_a_cancel_may_take_its_time():
    """What was cancelled, and has layers to go through, is not taken for left behind."""
    assert_every_rule_holds(on_asyncio(in_layers), seed="misfits", schedules=300)


async def strikes(operation, host):
    """Press Ctrl-C while a request is in flight."""
    turn = operation.advance(host.now())
    signal.raise_signal(signal.SIGINT)
    await host.perform(turn.requests[0])


@pytest.mark.parametrize("on", [on_asyncio, on_trio])
def test_ctrl_c_is_no_finding(on):
    """It ends the simulation as it ends any program, and says nothing against the loop."""
    with pytest.raises(KeyboardInterrupt):
        judge(Tape(b""), "safety", on(strikes))


def test_a_loop_that_raises_the_second_time_is_found():
    """What leaks from one run into the next does not replay, and is told with its tape."""
    runs = []

    def leaks(operation, host):
        runs.append(operation)
        if len(runs) > 1:
            raise ValueError("it is there already")
        return loops.sequential(operation, host)

    found = judge(Tape(b""), "safety", blocking(leaks), twice=True)
    assert found is not None
    assert found.rule == "the_same_tape_tells_the_same_story"
    assert found.words.startswith(
        "the second time, nothing_is_raised: ValueError: it is there already (at test_misfits.py:"
    )


def breaks(operation, host):
    """Fail by a mistake of the loop's own."""
    operation.advance(host.now())
    return vars(host)["no such key"]


async def breaks_in_a_task(operation, host):
    """Fail by a mistake in a task of a nursery."""
    async with trio.open_nursery():
        breaks(operation, host)


@pytest.mark.parametrize("loop", [blocking(breaks), on_trio(breaks_in_a_task)])
def test_an_exception_is_told_with_its_place(loop):
    """What a loop raises by mistake is told as it was raised, with the line that raised it."""
    found = judge(Tape(b""), "safety", loop)
    assert found is not None
    assert found.words.startswith("KeyError: 'no such key' (at ")
    assert "test_misfits.py" in found.words
    assert "in breaks)" in found.words


def test_a_finding_is_told_whole():
    """An assertion that fails tells the rule, the simplest story, its schedule, and how to run it again."""
    loop = blocking(loops.forgetful)
    with pytest.raises(AssertionError) as caught:
        assert_every_rule_holds(loop, seed="hosts", schedules=30)
    words = str(caught.value)
    found = first_finding("hosts", 30, loop)
    assert found is not None
    assert words.startswith(f"{found.rule}: ")
    assert "send 0: upload-url/0/1" in words
    assert f"found in schedule {found.seed}" in words
    again = words.rpartition("again: ")[2].partition("  #")[0]
    assert eval(again, {"replayed": replayed, "loop": loop}).rule == found.rule


def test_a_loop_that_keeps_every_rule_passes():
    """Of a loop with which nothing is wrong nothing is said."""
    assert_every_rule_holds(blocking(loops.sequential, dies=True), seed="hosts", schedules=60)
