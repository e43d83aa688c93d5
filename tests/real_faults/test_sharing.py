"""One client for many: forked processes and threads use it at the same time, and each gets its own replies."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import trio

from flowflex_core import file
from flowflex_testing import FakeFlowFlex
from flowflex_transports import AsyncFlowFlex
from tests.real_faults.clients import EitherClient, assert_no_socket_to, flowflex_threads

ROOT = Path(__file__).parent.parent.parent
THREADS, SENDS_EACH = 16, 20


@pytest.fixture
def fake():
    with FakeFlowFlex() as fake:
        yield fake


def events_by_key(fake: FakeFlowFlex) -> dict[str | None, str]:
    """Return the event of each key, to which it was sent in its payload, too."""
    assert all(event.payload["key"] == event.idempotency_key for event in fake.events)
    return {event.idempotency_key: event.id for event in fake.events}


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forked_workers_go_on_with_one_client(fake, transport, unmeasured):
    """Four workers send 1,000 events each over a client of before the fork, and no reply goes to another."""
    script = Path(__file__).with_name("forking.py")
    options = {**fake.client_options, "max_retries": 0}
    arguments = [sys.executable, str(script), transport, "4", "1000", json.dumps(options)]
    environment = {**unmeasured, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore:.*fork:DeprecationWarning"}
    shown = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert json.loads(shown.stdout) == events_by_key(fake)
    assert len(fake.events) == 4 * 5 + 1 + 4 * 1_000 + 1


def test_threads_share_one_client(fake, transport):
    """Sixteen threads send with and without files at the same time: each result is that of its own event."""
    before = set(threading.enumerate())
    client = EitherClient(transport, {**fake.client_options, "max_retries": 0})
    told: dict[str, str] = {}
    errors: list[Exception] = []
    all_there = threading.Barrier(THREADS)

    async def send_all(number: int) -> None:
        for turn in range(SENDS_EACH):
            key = f"{number}-{turn}"
            content = {"file": file(key.encode(), filename=f"{key}.txt")} if turn % 4 == 0 else {}
            sent: Any = await client.send("threads", payload={"key": key, **content}, idempotency_key=key)
            told[key] = sent.response["eventId"]

    def work(number: int) -> None:
        all_there.wait()
        try:
            trio.run(send_all, number)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert told == events_by_key(fake)
    assert len(told) == THREADS * SENDS_EACH
    assert all(
        asset.filename == f"{event.payload['key']}.txt" for event in fake.events for asset in event.files.values()
    )
    trio.run(client.close)
    assert flowflex_threads(before) == []
    assert_no_socket_to(*(int(url.rpartition(":")[2]) for url in (fake.base_url, fake.storage_url)))


def test_runs_of_trio_in_many_threads_share_one_client(fake):
    """They come and go at the same time, one send each, and none is disturbed by another's beginning or end."""
    client = AsyncFlowFlex(**fake.client_options, max_retries=0)
    errors: list[BaseException] = []

    async def send() -> None:
        await client.send_event("e")

    def work() -> None:
        for _ in range(8):
            try:
                trio.run(send)
            except Exception as error:
                errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that threads take turns within a few steps of each other
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    trio.run(client.aclose)
    assert errors == []
    assert len(fake.events) == THREADS * 8
