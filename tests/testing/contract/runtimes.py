"""Loops over the core: the plainest one, and one for threads, trio and asyncio each."""

import asyncio
import queue
import threading
import time
from typing import Any

import trio

from flowflex_testing import contract


def sequential(operation, perform):
    """Follow the core's own documentation."""
    turn = operation.advance(time.time())
    while not turn.done:
        outcomes = [perform(request) for request in turn.requests]
        if not outcomes:
            time.sleep(turn.wait)  # as the loop of an embedder does
        turn = operation.advance(time.time(), *outcomes)
    return operation.result()


def threaded(operation, perform):
    """Take a thread a request; leave those that are under way in the end to themselves."""
    arrived: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def work(request):
        try:
            arrived.put((perform(request), None))
        except BaseException as error:
            arrived.put((None, error))

    turn = operation.advance(time.time())
    while not turn.done:
        for request in turn.requests:
            threading.Thread(target=work, args=(request,), daemon=True).start()
        try:
            outcome, error = arrived.get(timeout=turn.wait)
        except queue.Empty:
            turn = operation.advance(time.time())
            continue
        if error is not None:
            raise error
        turn = operation.advance(time.time(), outcome)
    return operation.result()


async def on_trio(operation, perform):
    """Take a task a request; cancel those that are under way in the end."""
    raised = []
    sending, receiving = trio.open_memory_channel(1000)

    async def work(request, scope):
        try:
            sending.send_nowait(await perform(request))
        except trio.Cancelled:
            raise
        except BaseException as error:
            raised.append(error)
            scope.cancel()

    async with trio.open_nursery() as nursery:
        turn = operation.advance(time.time())
        while not turn.done:
            for request in turn.requests:
                nursery.start_soon(work, request, nursery.cancel_scope)
            outcomes = []
            with trio.move_on_after(float("inf") if turn.wait is None else turn.wait):
                outcomes.append(await receiving.receive())
            turn = operation.advance(time.time(), *outcomes)
        nursery.cancel_scope.cancel()
    if raised:
        raise raised[0]
    return operation.result()


async def on_asyncio(operation, perform):
    """Take a task a request; cancel those that are under way in the end."""
    tasks = set()
    turn = operation.advance(time.time())
    try:
        while not turn.done:
            tasks |= {asyncio.ensure_future(perform(request)) for request in turn.requests}
            if tasks:
                done, tasks = await asyncio.wait(tasks, timeout=turn.wait, return_when=asyncio.FIRST_COMPLETED)
            else:
                done = set()
                await asyncio.sleep(turn.wait)
            turn = operation.advance(time.time(), *[task.result() for task in done])
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return operation.result()


async def trio_tasks(functions):
    async with trio.open_nursery() as nursery:
        for function in functions:
            nursery.start_soon(function)


async def asyncio_tasks(functions):
    await asyncio.gather(*(function() for function in functions))


TRIO = contract.Asynchronous(run=trio.run, together=trio_tasks, sleep=trio.sleep)
ASYNCIO = contract.Asynchronous(
    run=lambda function: asyncio.run(function()), together=asyncio_tasks, sleep=asyncio.sleep
)
