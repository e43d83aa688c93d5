"""A loop of one's own over the core on trio, at full speed: a task for each request.

The simulator runs it (`tests/testing/simulation`), with processes that die and callers that cancel.
"""

import math
import time
from collections.abc import Awaitable, Callable

import trio

from flowflex_core import Outcome, Request, SendEvent, SendEventResult


async def run(
    operation: SendEvent,
    perform: Callable[[Request], Awaitable[Outcome]],
    save: Callable[[str], None],
    now: Callable[[], float] = time.time,
) -> SendEventResult:
    """Drive an operation to its end.

    Args:
        operation: What `SendEvent.start` or `SendEvent.resume` returned.
        perform: Performs a request within its bounds, and returns what came of it; raises nothing but cancellation.
        save: Keeps a snapshot where it outlives the process.
        now: Tells the seconds since the epoch.

    Raises:
        FlowFlexError: What ended the send.
        ExceptionGroup: Holds what `save` or `perform` raised, as that of every nursery does.
    """
    came, coming = trio.open_memory_channel[Outcome](math.inf)

    async def work(request: Request) -> None:
        came.send_nowait(await perform(request))

    async with trio.open_nursery() as nursery:
        turn = operation.advance(now())
        while not turn.done:
            if turn.checkpoint:
                save(operation.snapshot())
            for request in turn.requests:
                nursery.start_soon(work, request)
            outcomes: list[Outcome] = []
            with trio.move_on_after(math.inf if turn.wait is None else turn.wait):
                outcomes.append(await coming.receive())
            turn = operation.advance(now(), *outcomes)
        nursery.cancel_scope.cancel()
    return operation.result()
