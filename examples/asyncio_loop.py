"""A loop of one's own over the core on asyncio, at full speed: a task for each request.

The simulator runs it (`tests/testing/simulation`), with processes that die and callers that cancel.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

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
    """
    offset = time.time() - time.monotonic()
    now = now or (lambda: offset + time.monotonic())
    tasks: set[asyncio.Future[Outcome]] = set()
    turn = operation.advance(now())
    try:
        while not turn.done:
            if turn.checkpoint and save is not None:
                save(operation.snapshot())
            tasks |= {asyncio.ensure_future(perform(request)) for request in turn.requests}
            done: set[asyncio.Future[Outcome]] = set()
            if tasks:
                done, tasks = await asyncio.wait(tasks, timeout=turn.wait, return_when=asyncio.FIRST_COMPLETED)
            elif turn.wait is not None:  # a retry is due then
                await asyncio.sleep(turn.wait)
            turn = operation.advance(now(), *[task.result() for task in done])
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return operation.result()
