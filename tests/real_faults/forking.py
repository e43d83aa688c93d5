"""Forks workers that all go on with one client, and prints which key got which event: for a process of its own.

python forking.py TRANSPORT WORKERS SENDS OPTIONS_AS_JSON
"""

import json
import os
import sys
import threading
from typing import Any

import trio

from tests.real_faults.clients import EitherClient


def main(transport: str, workers: int, sends: int, options: dict[str, Any]) -> None:
    client = EitherClient(transport, options)
    told: dict[str, str] = {}

    async def send(key: str) -> None:
        result: Any = await client.send("forked", payload={"key": key}, idempotency_key=key)
        told[key] = result.response["eventId"]

    async def send_all(prefix: str, count: int) -> None:
        for number in range(count):
            await send(f"{prefix}-{number}")

    # As many kept connections as there will be workers, for each to take one that is not its own.
    warm = [threading.Thread(target=trio.run, args=(send_all, f"warm-{n}", 5)) for n in range(workers)]
    for thread in warm:
        thread.start()
    for thread in warm:
        thread.join()
    trio.run(send_all, "before", 1)
    reader, writer = os.pipe()
    children = []
    for worker in range(workers):
        child = os.fork()
        if not child:
            told.clear()
            trio.run(send_all, f"worker-{worker}", sends)
            with os.fdopen(writer, "w") as stream:
                # A line of its own for each key is short enough never to be mixed with another's.
                for item in told.items():
                    stream.write(json.dumps(item) + "\n")
                    stream.flush()
            os._exit(0)
        children.append(child)
    os.close(writer)
    with os.fdopen(reader) as stream:
        told.update(json.loads(line) for line in stream)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * workers
    trio.run(send_all, "after", 1)
    trio.run(client.close)
    print(json.dumps(told))  # noqa: T201 - this is how it tells


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4]))
