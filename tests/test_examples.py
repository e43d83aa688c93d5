"""The loops that are there to be copied: they drive a send of any files, by a clock that is not set back.

Under processes that die and callers that cancel, the simulator runs them (tests/testing/simulation).
"""

import asyncio
import json
from itertools import count, pairwise
from types import SimpleNamespace

import pytest
import trio

from examples import asyncio_loop, trio_loop
from flowflex_core import FlowFlexConfigError, Response, SendEvent, Settings, file

SETTINGS = Settings(api_key="k", api_secret="s3cr3t", integration_code="ic_1", base_url="https://flowflex.example")


async def perform(request):
    """Answer as FlowFlex and its storage do when all is well."""
    if request.method == "PUT":
        return Response(request.id, 200)
    number = request.id.split("/")[1]
    granted = {"assetId": f"asset_{number}", "uploadUrl": f"https://storage.example/{number}?signature=0123456789"}
    return Response(request.id, 200, {"Content-Type": "application/json"}, json.dumps(granted).encode())


def on_asyncio(*arguments):
    return asyncio.run(asyncio_loop.run(*arguments))


def on_trio(*arguments):
    return trio.run(trio_loop.run, *arguments)


def send(kind=SendEvent):
    """Return a send of two files that have no path, of which one is stored before the other."""
    payload = {"files": [file(b"one", filename="1.txt"), file(b"two", filename="2.txt")]}
    return kind.start(SETTINGS, "e", payload, idempotency_key="k")


@pytest.mark.parametrize("run", [on_asyncio, on_trio])
def test_files_without_a_path_are_sent(run):
    """Without `save` nothing is asked for that such files do not have."""
    assert run(send(), perform).uploaded_assets == {"files[0]": "asset_0", "files[1]": "asset_1"}


@pytest.mark.parametrize("run", [on_asyncio, on_trio])
def test_what_cannot_be_saved_is_said(run):
    """With `save`, they end the run by the error that names the file; on trio in the group of a nursery."""

    async def one_after_the_other(request):
        if request.id.startswith("put/1"):
            sleep = asyncio.sleep if run is on_asyncio else trio.sleep
            await sleep(3_600)
        return await perform(request)

    with pytest.raises((FlowFlexConfigError, ExceptionGroup)) as caught:
        run(send(), one_after_the_other, lambda snapshot: None)
    error = caught.value.exceptions[0] if isinstance(caught.value, ExceptionGroup) else caught.value
    assert "files[1]: '2.txt' comes from memory" in str(error)


@pytest.mark.parametrize(("module", "run"), [(asyncio_loop, on_asyncio), (trio_loop, on_trio)])
def test_the_clock_goes_on_steadily(module, run, monkeypatch):
    """The time of day is looked at once: who sets that clock back moves no deadline."""
    days, seconds = iter([1_700_000_000.0]), count(50.0)
    clock = SimpleNamespace(time=lambda: next(days), monotonic=lambda: next(seconds))
    told = []

    class Watched(SendEvent):
        def advance(self, now, *outcomes):
            told.append(now)
            return super().advance(now, *outcomes)

    monkeypatch.setattr(module, "time", clock)
    run(send(Watched), perform)
    assert told[0] == 1_700_000_001.0
    assert [later - earlier for earlier, later in pairwise(told)] == [1.0] * (len(told) - 1)
