"""Sends so many events over one client, and prints by how many KiB that made it grow: for a process of its own.

python growing.py TRANSPORT SENDS OPTIONS_AS_JSON
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import trio

from tests.real_faults.clients import EitherClient


def resident_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


async def main(transport: str, sends: int, options: dict[str, Any]) -> None:
    client = EitherClient(transport, options)
    for number in range(sends // 10):  # what is loaded, and kept for the next, once
        await client.send("growing", payload={"number": number})
    before = resident_kib()
    for number in range(sends):
        await client.send("growing", payload={"number": number})
    print(resident_kib() - before)  # noqa: T201 - this is how it tells
    await client.close()


trio.run(main, sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]))
