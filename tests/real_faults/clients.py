"""Both clients behind one face, and what one of them holds of this process: its sockets and threads."""

import os
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import trio

from flowflex_core import FileRef, SendEventResult
from flowflex_transports import AsyncFlowFlex, FlowFlex

TRANSPORTS = ["urllib3", "trio"]


class EitherClient:
    """`FlowFlex` or `AsyncFlowFlex`, awaited in both cases: the one blocks, and there is nothing else to run."""

    def __init__(self, transport: str, options: dict[str, Any]) -> None:
        self._client: FlowFlex | AsyncFlowFlex = (FlowFlex if transport == "urllib3" else AsyncFlowFlex)(**options)

    async def send(self, event: str, **arguments: Any) -> SendEventResult:
        """Send an event."""
        sent = self._client.send_event(event, **arguments)
        return sent if isinstance(sent, SendEventResult) else await sent

    async def resume(self, snapshot: str) -> SendEventResult:
        """Go on from the snapshot of an error."""
        sent = self._client.resume(snapshot)
        return sent if isinstance(sent, SendEventResult) else await sent

    async def upload(self, ref: FileRef) -> str:
        """Upload a file alone."""
        uploaded = self._client.upload_file(ref)
        return uploaded if isinstance(uploaded, str) else await uploaded

    async def close(self) -> None:
        """Close the client."""
        if isinstance(self._client, FlowFlex):
            self._client.close()
        else:
            await self._client.aclose()


def play(transport: str, options: dict[str, Any], script: Callable[[EitherClient], Awaitable[None]]) -> None:
    """Play a script with a client of that transport, close it, and see that it leaves no thread behind."""
    before = set(threading.enumerate())

    async def main() -> None:
        with trio.fail_after(60):
            client = EitherClient(transport, options)
            try:
                await script(client)
                assert flowflex_threads(before) == []
            finally:
                await client.close()

    trio.run(main)
    assert flowflex_threads(before) == []


def flowflex_threads(before: set[threading.Thread]) -> list[str]:
    """Name the threads that came since, but for those of the servers in this process, and the ones that trio keeps."""
    foreign = ("fake-flowflex", "fault-proxy", "Trio thread")
    return [
        thread.name for thread in threading.enumerate() if thread not in before and not thread.name.startswith(foreign)
    ]


def assert_no_socket_to(*ports: int) -> None:
    """See that this process has no socket that leads to these ports, or, having been reset, nowhere.

    The servers in this process have such ones too, for as long as their threads take to notice.
    """
    until = time.monotonic() + 5
    while left := [peer for peer in map(_peer, Path("/proc/self/fd").iterdir()) if peer in (*ports, "nowhere")]:
        assert time.monotonic() < until, f"sockets are left, to {left}"
        time.sleep(0.002)  # threads of the servers are about to notice, and tell nobody


def _peer(descriptor: Path) -> int | str | None:
    """Return the port at the other end, "nowhere" where that is gone, and None for what has no other end."""
    if not descriptor.is_socket():
        return None
    with suppress(OSError), socket.socket(fileno=os.dup(int(descriptor.name))) as sock:
        if sock.family == socket.AF_INET and not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            try:
                return int(sock.getpeername()[1])
            except OSError:
                return "nowhere"
    return None
