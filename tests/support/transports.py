"""Transports without a network, which answer as FlowFlex does, for tests of loops and clients."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from flowflex_core import Failure, Request, Response

BASE: dict[str, Any] = {
    "api_key": "cik_test",
    "api_secret": "not-so-secret",
    "integration_code": "c",
    "base_url": "https://api.example.test",
}


# What a careless transport may return for a request of an id, and how that is told.
_KIND: Any = "no kind"
_TEXT: Any = "no number"
_NOTHING: Any = None
RUBBISH: list[tuple[Callable[[str], object], str]] = [
    (lambda _: None, "None"),
    (lambda _: (200, b"ok"), "a tuple"),
    (lambda _: Response("event/7", 200), "an outcome of 'event/7'"),
    (lambda _: Failure("event/7", "timeout", "late", True), "an outcome of 'event/7'"),
    (lambda own: Failure(own, _KIND, "late", True), "a Failure whose kind, message or sent is none"),
    (lambda own: Failure(own, "timeout", _NOTHING, True), "a Failure whose kind, message or sent is none"),
    (lambda own: Failure(own, "timeout", "late", _NOTHING), "a Failure whose kind, message or sent is none"),
    (lambda own: Response(own, _TEXT), "a Response whose status, headers or body are none"),
    (lambda own: Response(own, 200, (), _NOTHING), "a Response whose status, headers or body are none"),
    (lambda own: Response(own, 200, _NOTHING), "a Response whose status, headers or body are none"),
    (lambda own: Response(own, 200, {"X": _NOTHING}), "a Response whose status, headers or body are none"),
]


class Scripted:
    """A transport that answers at once, unless `meanwhile(request)` takes its time or answers otherwise."""

    def __init__(self, meanwhile=lambda request: None):
        self.meanwhile = meanwhile
        self.performed: list[tuple[str, threading.Thread]] = []
        self._lock = threading.Lock()
        self._assets = 0

    def perform(self, request, body):
        with self._lock:
            self.performed.append((leg(request), threading.current_thread()))
        return self.meanwhile(request) or self.answer(request, body)

    def answer(self, request, body):
        if leg(request) == "url":
            with self._lock:
                self._assets += 1
                asset = f"asset_{self._assets:08}"
            text = f'{{"assetId": "{asset}", "uploadUrl": "https://storage.example.test/{asset}?sig=x"}}'
            return Response(request.id, 200, {"Content-Type": "application/json"}, text.encode())
        if leg(request) == "put":
            for _ in body.chunks():
                pass
        return Response(request.id, 200, {"Content-Type": "application/json"}, b'{"ok": true}')

    def close(self):
        pass


class Abandoning(Scripted):
    """A transport whose requests of the leg `stuck` go on until they are abandoned."""

    def __init__(self, stuck, meanwhile=lambda request: None):
        super().__init__(meanwhile)
        self._stuck = stuck
        self._abandoned: dict[int, threading.Event] = {}
        self.under_way = threading.Semaphore(0)

    def perform(self, request, body):
        if leg(request) != self._stuck:
            return super().perform(request, body)
        abandoned = self._abandoned[id(request)] = threading.Event()
        self.under_way.release()
        if not abandoned.wait(10):
            pytest.fail("the request was not abandoned")
        return Failure(request.id, "connection", "abandoned", True)

    def abandon(self, request):
        if id(request) in self._abandoned:
            self._abandoned[id(request)].set()


def leg(request: Request) -> str:
    if request.method == "PUT":
        return "put"
    return "url" if request.url.endswith("/upload-url") else "event"


def flowflex_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("flowflex-")]
