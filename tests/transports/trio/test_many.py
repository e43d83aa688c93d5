"""`send_many` on trio: pulled lazily, bounded, with failures as values."""

from typing import Any

import pytest
import trio

from flowflex_core import (
    FlowFlexConfigError,
    FlowFlexUploadError,
    Response,
    file,
)
from flowflex_transports.calls import Event
from flowflex_transports.trio.client import AsyncFlowFlex
from tests.support.trio_clients import Scripted, over_memory, text
from tests.support.trio_peer import in_trio


@in_trio
async def test_many_events_are_sent(memory):
    """Each event has one outcome, numbered as it was given."""
    events = [Event("e", {"n": n, "f": text()}, f"key-{n}") for n in range(20)]
    async with over_memory(memory).send_many(events, concurrency=3) as outcomes:
        seen = [outcome async for outcome in outcomes]
    assert sorted(outcome.index for outcome in seen) == list(range(20))
    for outcome in seen:
        assert outcome.event is events[outcome.index]
        assert outcome.result is not None
        assert outcome.result.idempotency_key == f"key-{outcome.index}"
    assert len(memory.events) == 20


@in_trio
async def test_events_are_taken_lazily(memory):
    """Never are more events taken than are on their way, or wait to be looked at."""
    taken = finished = 0

    async def events():
        nonlocal taken
        for n in range(12):
            taken += 1
            assert taken - finished <= 4
            await trio.lowlevel.checkpoint()
            yield Event("e", {"n": n})

    async with over_memory(memory).send_many(events(), concurrency=3) as outcomes:
        await trio.testing.wait_all_tasks_blocked()
        assert taken == 3
        async for _ in outcomes:
            finished += 1
    assert finished == 12


@in_trio
async def test_as_many_events_as_allowed_are_on_their_way(memory):
    """`concurrency` is a bound that is reached."""
    busy = most = 0

    async def answer(request, body):
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await trio.testing.wait_all_tasks_blocked()
        busy -= 1
        return Response(request.id, 202)

    client = AsyncFlowFlex(**memory.client_options, transport=Scripted(answer))
    async with client.send_many((Event("e") for _ in range(20)), concurrency=5) as outcomes:
        assert len([outcome async for outcome in outcomes]) == 20
    assert most == 5


@in_trio
async def test_a_failure_is_an_outcome(memory):
    """One event that fails leaves the others alone."""
    no_such = Event("good", {"f": file("/no/such.pdf")})
    events: list[Any] = [Event("good"), Event("bad\n"), no_such, Event("good"), "no event"]
    async with over_memory(memory).send_many(events) as outcomes:
        errors = {outcome.index: outcome.error async for outcome in outcomes}
    assert (errors[0], errors[3]) == (None, None)
    assert isinstance(errors[1], FlowFlexConfigError)
    assert isinstance(errors[2], FlowFlexUploadError)
    assert isinstance(errors[4], FlowFlexConfigError)
    assert len(memory.events) == 2


@in_trio
async def test_leaving_early_cancels_what_is_under_way(memory):
    """To leave the block ends the sends in it, and takes no more events."""
    started = 0

    async def answer(request, body):
        nonlocal started
        started += 1
        if started == 1:
            return Response(request.id, 202)
        return await trio.sleep_forever()

    client = AsyncFlowFlex(**memory.client_options, transport=Scripted(answer))
    async with client.send_many(Event("e") for _ in range(1000)) as outcomes:
        async for _ in outcomes:
            break
    assert started <= 6


@pytest.mark.parametrize("error", [ValueError("mine"), ExceptionGroup("mine", [ValueError(), KeyError()])])
@in_trio
async def test_what_the_block_raises_passes_as_it_is(error, memory):
    """The caller's own exception, be it a group, comes out of `send_many` unchanged, while sends are under way."""

    async def block() -> None:
        async with over_memory(memory).send_many(Event("e") for _ in range(50)) as outcomes:
            async for _ in outcomes:
                raise error

    with pytest.raises(type(error)) as caught:
        await block()
    assert caught.value is error


@pytest.mark.parametrize("asynchronous", [False, True])
@in_trio
async def test_what_the_events_raise_comes_last(asynchronous, memory):
    """An iterable that fails ends the iteration with its own exception, after the outcomes of what it gave before."""
    seen: dict[int, Exception | None] = {}

    def events():
        yield Event("e")
        yield Event("e")
        raise LookupError("the queue is gone")

    async def asynchronous_events():
        for event in events():
            yield event

    async def block() -> None:
        async with over_memory(memory).send_many(asynchronous_events() if asynchronous else events()) as outcomes:
            async for outcome in outcomes:
                seen[outcome.index] = outcome.error

    with pytest.raises(LookupError):
        await block()
    assert seen == {0: None, 1: None}


@in_trio
async def test_a_wrong_concurrency_is_refused(memory):
    """`concurrency` is at least 1."""
    with pytest.raises(FlowFlexConfigError, match="concurrency"):
        async with over_memory(memory).send_many([], concurrency=0):
            pass
