"""A process that sends one event with files, keeps its snapshots in a file, and may be told where to die.

    python sender.py blocking|trio [STEP]     reads one line of JSON: the settings, the files, where the snapshot is

This is the loop that the README gives to embedders, over our two transports. It goes on from the snapshot where there
is one. It prints the result as JSON, or is gone by SIGKILL at its STEP.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path

from flowflex_core import FileRef, Outcome, Request, SendEvent, Settings, file, files_in
from flowflex_transports.bodies import Sources
from flowflex_transports.calls import Progress, WatchedSource

KEY = "invoice-42"

task = json.loads(sys.stdin.readline())
kept = Path(task["snapshot"])
settings = Settings(**task["settings"], max_parallel_uploads=1, max_retries=0)


def reach(step: str) -> None:
    """Die here, if this is the place."""
    if step in sys.argv[2:]:
        os.kill(os.getpid(), signal.SIGKILL)


def begun() -> tuple[SendEvent, Sources]:
    """Go on from the snapshot; without one, begin with the key that the caller has kept."""
    if kept.exists():
        send = SendEvent.resume(kept.read_text(), settings)
        return send, Sources.measure(dict.fromkeys(send.files, ""), max_file_bytes=settings.max_file_bytes)
    payload = {"files": [file(path) for path in task["files"]], "customer_id": "cust_123"}
    sources = Sources.measure(files_in(payload), max_file_bytes=settings.max_file_bytes)
    return SendEvent.start(settings, "e", payload, idempotency_key=KEY, sizes=sources.sizes), sources


def save(text: str) -> None:
    """Replace the snapshot at one moment: a process that dies in the middle leaves the old one."""
    new = kept.with_suffix(".new")
    new.write_text(text)
    reach("before the snapshot takes its place")
    new.replace(kept)
    reach("after the snapshot took its place")


def halfway(ref: FileRef, sent: int, total: int) -> None:
    """Stand between two chunks of a file."""
    reach(f"{sent} of {total} bytes")


def loop(send: SendEvent) -> Generator[Request, Outcome | None, None]:
    """Yield the requests of a send, one at a time, to be given the outcome of each."""
    turn = send.advance(time.time())
    while not turn.done:
        if turn.checkpoint:
            save(send.snapshot())
        assert turn.requests, "a retry would have to be waited for, and nobody asked for one"
        for request in turn.requests:
            leg = request.id.rpartition("/")[0]  # without the number of the attempt
            reach(f"before {leg}")
            outcome = yield request
            assert outcome is not None
            reach(f"after {leg}")
            turn = send.advance(time.time(), outcome)


def blocking(send: SendEvent, sources: Sources) -> None:
    from flowflex_transports.sync.transport import Urllib3Transport

    transport = Urllib3Transport()

    def perform(request: Request) -> Outcome:
        if isinstance(request.body, bytes):
            return transport.perform(request, request.body)
        with sources.open(request.body) as source:
            return transport.perform(request, WatchedSource(Progress(halfway), request.body, source))

    requests = loop(send)
    outcome = None
    with suppress(StopIteration):
        while True:
            outcome = perform(requests.send(outcome))
    transport.close()


def in_trio(send: SendEvent, sources: Sources) -> None:
    import trio

    from flowflex_transports.trio.source import opened
    from flowflex_transports.trio.transport import TrioTransport

    async def perform(transport: TrioTransport, request: Request) -> Outcome:
        if isinstance(request.body, bytes):
            return await transport.perform(request, request.body)
        async with opened(sources, request.body, Progress(halfway)) as source:
            return await transport.perform(request, source)

    async def main() -> None:
        transport = TrioTransport()
        requests = loop(send)
        outcome = None
        with suppress(StopIteration):
            while True:
                outcome = await perform(transport, requests.send(outcome))
        await transport.aclose()

    trio.run(main)


send, sources = begun()
(in_trio if sys.argv[1] == "trio" else blocking)(send, sources)
result = send.result()
reach("after the result")
json.dump({"assets": result.uploaded_assets, "key": result.idempotency_key, "response": result.response}, sys.stdout)
