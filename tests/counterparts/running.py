"""Processes and ports on the loopback interface: each process is waited for until it listens, and ends with the run."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

SECONDS = 30.0


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on, each another."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in listeners]


@contextmanager
def running(
    command: Sequence[str | Path], ports: Sequence[int], log: Path, environment: Mapping[str, str]
) -> Generator["subprocess.Popen[bytes]"]:
    """Run a server until the block ends; what it writes goes to `log`, and into the error where it does not start."""
    with log.open("ab") as output:
        # In a session of its own, Ctrl-C in a terminal does not end it under the requests that are still torn down.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True
        )
    try:
        wait_until(lambda: process.poll() is not None or all(map(_listens, ports)), f"{command[0]} listens")
        if process.poll() is not None:
            raise RuntimeError(f"{command[0]} ended with {process.returncode}: {log.read_text()[-2000:]}")
        yield process
    finally:
        # With the processes that it has started; nothing that they have is to be kept.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Wait for what another process does, and tells nobody of."""
    end = time.monotonic() + SECONDS
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {SECONDS:g} s in vain until {what}")
        time.sleep(0.02)  # another process gets ready, and nothing tells when


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
