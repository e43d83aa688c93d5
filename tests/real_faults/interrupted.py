"""Sends an event with a file from a terminal of its own, until Ctrl-C: for a process of its own.

python interrupted.py TRANSPORT OPTIONS_AS_JSON      its stdin is the terminal, of which it becomes the owner
"""

import fcntl
import json
import sys
import termios

import trio

from flowflex_transports import AsyncFlowFlex, FlowFlex, file

fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # from now on, what is typed as Ctrl-C is SIGINT here
options = json.loads(sys.argv[2])
payload = {"file": file(b"%PDF", filename="a.pdf")}
if sys.argv[1] == "urllib3":
    FlowFlex(**options).send_event("e", payload=payload)
else:

    async def main() -> None:
        await AsyncFlowFlex(**options).send_event("e", payload=payload)

    trio.run(main)
