"""Uploads files with `AsyncFlowFlex` and prints, as JSON, what that cost: for tests that run it in a fresh process.

python measured_upload.py PORT CA_FILE_OR_EMPTY FILE...
"""

import json
import resource
import sys
import threading
import time

import trio

from flowflex_transports.trio.client import AsyncFlowFlex
from flowflex_transports.trio.transport import TrioTransport


async def main(*arguments: str) -> None:
    port, ca_file, *paths = arguments
    transport = TrioTransport(ca_file=ca_file) if ca_file else TrioTransport()
    client = AsyncFlowFlex(
        api_key="k",
        api_secret="s",
        integration_code="c",
        base_url=f"{'https' if ca_file else 'http'}://127.0.0.1:{port}",
        transport=transport,
    )
    # A first, small send, so that what is only loaded once is loaded.
    await client.send_event("warm.up", payload={"file": client.file(b"x", filename="x.txt")})
    await client.upload_file(client.file(paths[0]))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            due = trio.current_time() + 0.001
            await trio.sleep_until(due)
            longest = max(longest, trio.current_time() - due)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tick)
        start = time.perf_counter()
        await client.send_event("big.event", payload={"files": [client.file(path) for path in paths]})
        seconds = time.perf_counter() - start
        nursery.cancel_scope.cancel()
    await transport.aclose()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    foreign = [t.name for t in threading.enumerate() if t is not threading.main_thread() and "Trio" not in t.name]
    sys.stdout.write(json.dumps({"grown_kb": grown, "stall": longest, "seconds": seconds, "threads": foreign}))


trio.run(main, *sys.argv[1:])
