"""`send_many`: sends events from any iterable, some at the same time, and tells what came of each as it ends."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Self

import trio

from flowflex_core import FlowFlexConfigError, SendEventResult
from flowflex_transports.calls import Event, SendOutcome
from flowflex_transports.trio.causes import single_cause

Send = Callable[[Event], Awaitable[SendEventResult]]


@asynccontextmanager
async def send_many(
    send: Send, events: Iterable[Event] | AsyncIterable[Event], concurrency: int
) -> AsyncGenerator[AsyncIterator[SendOutcome]]:
    """Give an iterator over the outcomes; an event is taken only when there is a worker for it.

    To leave the block cancels what is under way.
    """
    queue = _Queue(events)
    into, outcomes = trio.open_memory_channel[SendOutcome](0)
    theirs: Exception | None = None
    with single_cause():
        async with outcomes, trio.open_nursery() as nursery:
            async with into:
                for _ in range(concurrency):
                    nursery.start_soon(_work, send, queue, into.clone())
            try:
                yield _Outcomes(outcomes, queue)
            except Exception as error:
                # What the caller's block raises, perhaps a group, is the caller's and passes as it is.
                theirs = error
            nursery.cancel_scope.cancel()
    if theirs is not None:
        raise theirs


async def _work(send: Send, queue: "_Queue", into: trio.MemorySendChannel[SendOutcome]) -> None:
    async with into:
        while (taken := await queue.take()) is not None:
            index, event = taken
            result: SendEventResult | None = None
            problem: Exception | None = None
            try:
                if not isinstance(event, Event):
                    raise FlowFlexConfigError(f"send_many takes Event values, not {type(event).__name__}")
                result = await send(event)
            except Exception as error:
                problem = error
            await into.send(SendOutcome(index, event, result, problem))


class _Queue:
    """Takes events from what the caller gave, one at a time, and numbers them.

    Attributes:
        failure: What the iterable raised, which ended it.
    """

    def __init__(self, events: Iterable[Event] | AsyncIterable[Event]) -> None:
        self.failure: Exception | None = None
        self._events = aiter(events) if isinstance(events, AsyncIterable) else iter(events)
        self._turn = trio.Lock()
        self._taken = 0
        self._ended = False

    async def take(self) -> tuple[int, Event] | None:
        """Return the next event with its number, or None after the last."""
        async with self._turn:
            if self._ended:
                return None
            try:
                event = await anext(self._events) if isinstance(self._events, AsyncIterator) else next(self._events)
            except (StopIteration, StopAsyncIteration):
                self._ended = True
                return None
            except Exception as error:
                self._ended, self.failure = True, error
                return None
            self._taken += 1
            return self._taken - 1, event


class _Outcomes:
    """Iterates over the outcomes; what the iterable of events raised comes after those of the events before it."""

    def __init__(self, outcomes: trio.MemoryReceiveChannel[SendOutcome], queue: _Queue) -> None:
        self._outcomes = outcomes
        self._queue = queue

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SendOutcome:
        try:
            return await self._outcomes.receive()
        except trio.EndOfChannel:
            if self._queue.failure is not None:
                raise self._queue.failure from None
            raise StopAsyncIteration from None
