"""Each test here goes through a whole client, blocking and in trio, to a live fake, and leaves nothing open."""

import gc
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

import pytest
import trio

from flowflex_core import SendEventResult
from flowflex_testing import FakeFlowFlex
from flowflex_transports import AsyncFlowFlex, FlowFlex

# Sixteen chunks, no two alike.
CONTENT = b"".join(number.to_bytes(4) for number in range(262_144))


class Caller(Protocol):
    """A client as a blocking caller sees it; any number of threads may call."""

    def send(self, event: str, **options: Any) -> SendEventResult: ...

    def resume(self, snapshot: str) -> SendEventResult: ...

    def close(self) -> None: ...


class Blocking:
    def __init__(self, **options: Any) -> None:
        self._client = FlowFlex(**options)

    def send(self, event: str, **options: Any) -> SendEventResult:
        return self._client.send_event(event, **options)

    def resume(self, snapshot: str) -> SendEventResult:
        return self._client.resume(snapshot)

    def close(self) -> None:
        self._client.close()


class InTrio:
    """A client in a trio run of its own, in a thread of its own, for as long as the client lives."""

    def __init__(self, **options: Any) -> None:
        self._client = AsyncFlowFlex(**options)
        self._over = trio.Event()
        tokens: SimpleQueue[trio.lowlevel.TrioToken] = SimpleQueue()
        self._thread = threading.Thread(target=trio.run, args=(self._live, tokens))
        self._thread.start()
        self._token = tokens.get()

    async def _live(self, tokens: "SimpleQueue[trio.lowlevel.TrioToken]") -> None:
        async with self._client:
            tokens.put(trio.lowlevel.current_trio_token())
            await self._over.wait()

    def send(self, event: str, **options: Any) -> SendEventResult:
        return trio.from_thread.run(partial(self._client.send_event, event, **options), trio_token=self._token)

    def resume(self, snapshot: str) -> SendEventResult:
        return trio.from_thread.run(self._client.resume, snapshot, trio_token=self._token)

    def close(self) -> None:
        trio.from_thread.run_sync(self._over.set, trio_token=self._token)
        self._thread.join()


@pytest.fixture
def fake() -> Iterator[FakeFlowFlex]:
    """Serve; as many descriptors are open afterwards as before, those of the test and its client included."""
    gc.collect()  # or what an earlier test left to the garbage collector goes in the middle of this one
    before = len(descriptors())
    with FakeFlowFlex() as fake:
        yield fake
    assert len(descriptors()) == before, descriptors()


@pytest.fixture(params=[Blocking, InTrio], ids=["blocking", "trio"])
def client(request: pytest.FixtureRequest, fake: FakeFlowFlex) -> Iterator[Caller]:
    """Send one file after another, so that it is known which one a mishap strikes."""
    client: Caller = request.param(**fake.client_options, max_parallel_uploads=1)
    yield client
    client.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "receipt.pdf"
    path.write_bytes(CONTENT)
    return path


def descriptors() -> list[str]:
    """List what is open in this process."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(link.readlink()))
        except FileNotFoundError:  # that of the listing itself
            continue
    return found


def open_under(directory: Path) -> list[str]:
    """List the open files of a directory, deleted ones too."""
    return [target for target in descriptors() if target.startswith(str(directory))]
