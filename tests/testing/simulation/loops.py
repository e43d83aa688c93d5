"""Loops over the core as an embedder writes them, for each of the hosts."""

import asyncio
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import trio

from flowflex_testing.simulation.hosts import client_on_trio
from flowflex_testing.simulation.network import API
from flowflex_testing.simulation.timeline import FIRST_MOMENT
from flowflex_testing.simulation.world import API_KEY, API_SECRET, CODE
from flowflex_transports.trio.client import AsyncFlowFlex


def sequential(operation, host):
    """Perform one request after the other."""
    turn = operation.advance(host.now())
    while not turn.done:
        outcomes = [host.perform(request) for request in turn.requests]
        if not outcomes:
            host.sleep(turn.wait)
        turn = operation.advance(host.now(), *outcomes)
    return operation.result()


async def with_asyncio(operation, host):
    """Take a task a request, and cancel those that are under way in the end."""
    tasks = set()
    turn = operation.advance(host.now())
    try:
        while not turn.done:
            tasks |= {asyncio.ensure_future(host.perform(request)) for request in turn.requests}
            done: set[asyncio.Future[Any]] = set()
            if tasks:
                done, tasks = await asyncio.wait(tasks, timeout=turn.wait, return_when=asyncio.FIRST_COMPLETED)
            else:
                await asyncio.sleep(turn.wait)
            turn = operation.advance(host.now(), *[task.result() for task in done])
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return operation.result()


async def with_trio(operation, host):
    """Take a task a request, and cancel those that are under way in the end."""
    sending, receiving = trio.open_memory_channel(100)

    async def work(request):
        sending.send_nowait(await host.perform(request))

    async with trio.open_nursery() as nursery:
        turn = operation.advance(host.now())
        while not turn.done:
            for request in turn.requests:
                nursery.start_soon(work, request)
            outcomes = []
            with trio.move_on_after(float("inf") if turn.wait is None else turn.wait):
                outcomes.append(await receiving.receive())
            turn = operation.advance(host.now(), *outcomes)
        nursery.cancel_scope.cancel()
    return operation.result()


async def send_by_our_client(host):
    """Send by `AsyncFlowFlex`, whose transport is the host."""
    bounds = host.settings
    client = AsyncFlowFlex(
        api_key=API_KEY,
        api_secret=API_SECRET,
        integration_code=CODE,
        base_url=API,
        timeout_seconds=bounds.timeout_seconds,
        deadline_seconds=bounds.deadline_seconds,
        max_retries=bounds.max_retries,
        max_parallel_uploads=bounds.max_parallel_uploads,
        transport=host,
    )
    return await client.send_event(host.event, payload=host.payload, idempotency_key=host.key)


def our_client_on_trio(world):
    """Run the sends of a world by `AsyncFlowFlex`, on whose wall clock it is as late as in the world."""
    clock = SimpleNamespace(time=lambda: FIRST_MOMENT + trio.current_time())
    with patch("flowflex_transports.calls.time", clock):
        client_on_trio(send_by_our_client)(world)


def forgetful(operation, host):
    """Tell the core nothing of requests that failed."""
    turn = operation.advance(host.now())
    while not turn.done:
        outcomes = [host.perform(request) for request in turn.requests]
        turn = operation.advance(host.now(), *[outcome for outcome in outcomes if hasattr(outcome, "status")])
        if not turn.done and not turn.requests:
            host.sleep(60.0 if turn.wait is None else turn.wait)
            turn = operation.advance(host.now())
            if not turn.requests:
                break
    return operation.result()
