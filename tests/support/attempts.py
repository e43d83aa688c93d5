"""Requests, sources and peers for tests of single attempts."""

import socket
import time
from collections.abc import Iterator

from flowflex_core import Request

REQUEST_IDS = iter(range(10**9))


def request(url, *, method="POST", headers=None, timeout=5.0, total=5.0):
    return Request(str(next(REQUEST_IDS)), method, url, headers or {"User-Agent": "test"}, b"", timeout, total)


class Chunks:
    """A source of given chunks, which does something before each but the first."""

    def __init__(self, *chunks, length=None, between=lambda: None):
        self._chunks = chunks
        self._between = between
        self.length = sum(map(len, chunks)) if length is None else length

    def chunks(self) -> Iterator[bytes]:
        for number, chunk in enumerate(self._chunks):
            if number:
                self._between()
            yield chunk


def timed(transport, sent, body=b""):
    start = time.monotonic()
    outcome = transport.perform(sent, body)
    return outcome, time.monotonic() - start


class full_listener:  # noqa: N801 - used like a function
    """A port whose queue of connections is full: a further connection is neither taken nor refused."""

    def __enter__(self) -> int:
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        self._waiting = []
        for _ in range(3):
            waiting = socket.socket()
            waiting.setblocking(False)
            waiting.connect_ex(self._listener.getsockname())
            self._waiting.append(waiting)
        return int(self._listener.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        for sock in [*self._waiting, self._listener]:
            sock.close()


def shown_by_frames(error: BaseException) -> str:
    """Return what a tool that prints the locals of every frame prints, but for those of the tests."""
    shown = []
    traceback = error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        if "/tests/" not in frame.f_code.co_filename:
            shown.append(f"{frame.f_code.co_name}: {frame.f_locals!r}")
        traceback = traceback.tb_next
    return "\n".join(shown)
