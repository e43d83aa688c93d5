"""Loops over the core as an embedder writes them, for each of the hosts."""

import asyncio
import atexit
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path
from queue import Empty
from shutil import rmtree
from tempfile import mkdtemp
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import trio

from examples import asyncio_loop, trio_loop
from flowflex_core import Failure
from flowflex_testing.simulation.hosts import blocking_client, client_on_trio
from flowflex_testing.simulation.network import API
from flowflex_testing.simulation.timeline import FIRST_MOMENT
from flowflex_testing.simulation.world import API_KEY, API_SECRET, CODE
from flowflex_transports.sync.client import FlowFlex
from flowflex_transports.trio.client import AsyncFlowFlex


def sequential(operation, host):
    """Perform one request after the other."""
    turn = operation.advance(host.now())
    while not turn.done:
        if turn.checkpoint:
            host.save(operation.snapshot())
        outcomes = [host.perform(request) for request in turn.requests]
        if not outcomes:
            host.sleep(turn.wait)
        turn = operation.advance(host.now(), *outcomes)
    return operation.result()


async def with_asyncio(operation, host, perform=None):
    """Run the example that README points to."""
    return await asyncio_loop.run(operation, perform or host.perform, host.save, host.now)


async def with_asyncio_timeouts(operation, host):
    """Bound each request by a timeout of one's own."""

    async def perform(request):
        try:
            async with asyncio.timeout(request.total):
                return await host.perform(request)
        except TimeoutError:
            return Failure(request.id, "timeout", "a timeout of the loop's own", sent=True)

    return await with_asyncio(operation, host, perform)


async def in_a_task_group(operation, host):
    """Save in a task, perform in others, and hand in what has come to a queue."""
    came: asyncio.Queue[Any] = asyncio.Queue()

    async def perform(request):
        came.put_nowait(await host.perform(request))

    async def save():
        host.save(operation.snapshot())

    async with asyncio.TaskGroup() as group:
        tasks = []
        turn = operation.advance(host.now())
        while not turn.done:
            if turn.checkpoint:
                await group.create_task(save())
            tasks += [group.create_task(perform(request)) for request in turn.requests]
            outcomes = []
            with suppress(TimeoutError):
                async with asyncio.timeout(turn.wait):
                    outcomes.append(await came.get())
            while not came.empty():
                outcomes.append(came.get_nowait())
            turn = operation.advance(host.now(), *outcomes)
        for task in tasks:
            task.cancel()
    return operation.result()


async def with_trio_timeouts(operation, host):
    """Bound each request by a timeout of one's own."""

    async def perform(request):
        with trio.move_on_after(request.total):
            return await host.perform(request)
        return Failure(request.id, "timeout", "a timeout of the loop's own", sent=True)

    return await with_trio(operation, host, perform)


async def with_trio(operation, host, perform=None):
    """Run the example that README points to."""
    return await trio_loop.run(operation, perform or host.perform, host.save, host.now)


def options_of(host):
    """Return the arguments of a client that sends what its host has."""
    bounds = host.settings
    return {
        "api_key": API_KEY,
        "api_secret": API_SECRET,
        "integration_code": CODE,
        "base_url": API,
        "timeout_seconds": bounds.timeout_seconds,
        "deadline_seconds": bounds.deadline_seconds,
        "max_retries": bounds.max_retries,
        "max_parallel_uploads": bounds.max_parallel_uploads,
        "transport": host,
    }


async def send_on_trio(host):
    """Send by `AsyncFlowFlex`, whose transport is the host."""
    client = AsyncFlowFlex(**options_of(host))
    if host.snapshot is not None:
        return await client.resume(host.snapshot)
    return await client.send_event(host.event, payload=host.payload_in(files()), idempotency_key=host.key)


async def at_once(work, *args, **_options):
    """Stand for a worker thread: what that does, in the task that waits for it."""
    await trio.lowlevel.checkpoint()
    return work(*args)


class VirtualQueue:
    """Stands for the queue by which the only worker of `FlowFlex` is woken: to wait for it lets time pass."""

    def __init__(self, host):
        self.host = host
        self.woken = 0

    def put(self, _item):
        self.woken += 1

    def get(self, timeout):
        if not self.woken:
            self.host.sleep(timeout)
            raise Empty
        self.woken -= 1


def send_in_a_thread(host):
    """Send by `FlowFlex`, whose transport is the host, with no thread to be had beside the one that there is."""
    client = FlowFlex(**options_of(host))
    # Not `host.now`: to look at the clock is no decision here, for a request may have waited for the worker since it.
    clock = SimpleNamespace(now=lambda: host._world.timeline.now)
    no_threads = SimpleNamespace(get=lambda: threading.Semaphore(0))
    with (
        patch.multiple(client, _clock=clock, _spare=no_threads),
        patch("flowflex_transports.sync.run.SimpleQueue", lambda: VirtualQueue(host)),
    ):
        if host.snapshot is not None:
            return client.resume(host.snapshot)
        return client.send_event(host.event, payload=host.payload_in(files()), idempotency_key=host.key)


@cache
def files():
    """Return a folder for files, which is removed in the end."""
    folder = mkdtemp(prefix="simulated-files-")
    atexit.register(rmtree, folder)
    return Path(folder)


our_blocking_client = blocking_client(send_in_a_thread, resumes=True)


def our_client_on_trio(world):
    """Run the sends of a world by `AsyncFlowFlex`, on whose wall clock it is as late as in the world."""
    clock = SimpleNamespace(time=lambda: FIRST_MOMENT + trio.current_time())
    with patch("flowflex_transports.calls.time", clock), patch("trio.to_thread.run_sync", at_once):
        client_on_trio(send_on_trio, resumes=True)(world)


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
