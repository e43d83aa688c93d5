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
    save: Callable[[str], None] | None = None,
    now: Callable[[], float] | None = None,
) -> SendEventResult:
    """Drive an operation to its end.

    Args:
        operation: What `SendEvent.start` or `SendEvent.resume` returned.
        perform: Performs a request within its bounds, and returns what came of it; raises nothing but cancellation.
        save: Keeps a snapshot where it outlives the process. Leave it out for files that are bytes or open, which no
            snapshot can name.
        now: Tells the seconds since the epoch; if it is left out, a clock that goes on steadily when that of the
            machine is set anew, and moves no deadline by that.

    Raises:
        FlowFlexError: What ended the send.
        ExceptionGroup: Holds what `perform`, `save` or the making of a snapshot raised, as that of every nursery.
    """
    offset = time.time() - time.monotonic()
    now = now or (lambda: offset + time.monotonic())
    came, coming = trio.open_memory_channel[Outcome](math.inf)

    async def work(request: Request) -> None:
        came.send_nowait(await perform(request))

    async with trio.open_nursery() as nursery:
        turn = operation.advance(now())
        while not turn.done:
            if turn.checkpoint and save is not None:
                save(operation.snapshot())
            for request in turn.requests:
                nursery.start_soon(work, request)
            outcomes: list[Outcome] = []
            with trio.move_on_after(math.inf if turn.wait is None else turn.wait):
                outcomes.append(await coming.receive())
            turn = operation.advance(now(), *outcomes)
        nursery.cancel_scope.cancel()
    return operation.result()
