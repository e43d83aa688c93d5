"""The neutral server: two origins that know none of FlowFlex's rules, record every request and answer by script.

Whatever client is driven against it, it sees the same server; so what differs on the wire, or in the outcome, is
the client's own doing. It is independent of `flowflex_testing`, so that no assumption of the fake gets in between.
"""

import contextlib
import json
import re
import socket
import sys
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

Leg = Literal["upload-url", "put", "event", "elsewhere"]

# What stands for a secret in the scripts, so that it can be looked for in errors.
UPLOAD_SIGNATURE = "s1gnature"
UPLOAD_TOKEN = "upl0ad-token"


@dataclass(frozen=True)
class Reply:
    """One scripted answer.

    In `headers` and `body` stand for what only the running server knows: `<api>` and `<storage>` for the two
    origins, `<nobody>` for an origin that refuses connections, `<asset>` for an id made from the file's name.

    Attributes:
        status: The status; its reason phrase is never looked at.
        body: The content, or the whole message where `raw`.
        headers: In addition to Content-Length.
        raw: `body` goes out as it is, with no head made for it.
        ending: What becomes of the connection: kept open, closed, or left silent until the client goes away.
        pause: Seconds before each byte; 0 sends all at once.
    """

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    raw: bool = False
    ending: Literal["keep", "close", "hang"] = "keep"
    pause: float = 0

    def message(self, places: Mapping[str, str]) -> bytes:
        """Return the bytes that go out, with the `places` filled in."""
        body = _filled(self.body, places)
        if self.raw:
            return body
        head = [f"HTTP/1.1 {self.status} Scripted", *(f"{name}: {value}" for name, value in self.headers)]
        if self.status not in (204, 304):
            head.append(f"Content-Length: {len(body)}")
        return _filled("\r\n".join([*head, "", ""]).encode("latin-1"), places) + body


def json_reply(value: Any, status: int = 200, content_type: str = "application/json") -> Reply:
    """Answer with `value` as JSON."""
    return Reply(status, json.dumps(value).encode(), (("Content-Type", content_type),))


def text_reply(text: str, status: int = 200, content_type: str = "text/plain; charset=utf-8") -> Reply:
    """Answer with `text` as it stands, under any media type."""
    return Reply(status, text.encode(), (("Content-Type", content_type),))


DROPPED = Reply(raw=True, ending="close")
SILENT = Reply(raw=True, ending="hang")

GRANTED = {
    "assetId": "<asset>",
    "uploadUrl": f"<storage>/bucket/<asset>?token={UPLOAD_SIGNATURE}",
    "token": UPLOAD_TOKEN,
}
USUAL: Mapping[Leg, Sequence[Reply]] = {
    "upload-url": [json_reply(GRANTED)],
    "put": [Reply(200)],
    "event": [json_reply({"status": "accepted", "eventId": "evt_1"}, 202)],
    "elsewhere": [text_reply("you should not be here")],
}


@dataclass(frozen=True)
class Recorded:
    """One request as it arrived: the target byte for byte, header names in lower case."""

    leg: Leg
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class RecordingServer:
    """Listens on two free ports while it is entered. `script` gives the replies of each leg, the last one for ever."""

    script: Mapping[Leg, Sequence[Reply]]
    requests: list[Recorded] = field(default_factory=list)
    faults: list[BaseException] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._lock = threading.Lock()
        self._asked: Counter[str] = Counter()
        self._connections: set[socket.socket] = set()
        self.stopping = threading.Event()
        # Bound and never listening: a connection to it is refused, and nobody else can take the port.
        self._nobody = socket.socket()
        self._nobody.bind(("127.0.0.1", 0))
        self._origins = {name: _Origin(self, name) for name in ("api", "storage")}
        self.places = {
            "<nobody>": f"http://127.0.0.1:{self._nobody.getsockname()[1]}",
            "<port>": str(self._origins["api"].server_port),
            **{f"<{name}>": f"http://127.0.0.1:{origin.server_port}" for name, origin in self._origins.items()},
        }
        self._threads = [
            threading.Thread(target=origin.serve_forever, args=(0.002,), name=f"recording {name}")
            for name, origin in self._origins.items()
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        for origin in self._origins.values():
            origin.shutdown()
        with self._lock:
            for connection in self._connections:
                _end(connection)
        for origin in self._origins.values():
            origin.server_close()
        for thread in self._threads:
            thread.join()
        self._nobody.close()
        if self.faults and error is None:
            raise self.faults[0]

    def filled(self, text: str) -> str:
        """Return `text` with the origins of this server in their places."""
        return _filled(text.encode(), self.places).decode()

    def answer(self, request: Recorded) -> tuple[Reply, Mapping[str, str]]:
        """Record `request` and take the next reply of its leg, with what is to be filled in."""
        with self._lock:
            self.requests.append(request)
            replies = self.script.get(request.leg, USUAL[request.leg])
            reply = replies[min(self._asked[request.leg], len(replies) - 1)]
            self._asked[request.leg] += 1
            return reply, {**self.places, "<asset>": self._asset(request)}

    def opened(self, connection: socket.socket) -> None:
        """Keep `connection` in mind, so that stopping need not wait for it."""
        with self._lock:
            self._connections.add(connection)
            if self.stopping.is_set():
                _end(connection)

    def closed(self, connection: socket.socket) -> None:
        """Forget `connection`, which is about to be closed."""
        with self._lock:
            self._connections.discard(connection)

    def _asset(self, request: Recorded) -> str:
        # From the name of the file, not from a counter: uploads arrive in any order.
        if request.leg != "upload-url":
            return ""
        name = re.sub(r"[^A-Za-z0-9]", "", json.loads(request.body)["filename"]) or "unnamed"
        self._asked[name] += 1
        return f"asset_{name}{self._asked[name]}"


class _Origin(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 64

    def __init__(self, server: RecordingServer, name: str) -> None:
        self.server = server
        self.name = name
        super().__init__(("127.0.0.1", 0), _Handler)

    def leg_of(self, target: str) -> Leg:
        path = target.partition("?")[0]
        if self.name == "storage":
            return "put" if path.startswith("/bucket/") else "elsewhere"
        if path.endswith("/v1/assets/upload-url"):
            return "upload-url"
        return "event" if "/v1/events/" in path else "elsewhere"

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exception()
        # A client that goes away in the middle is what some scenarios are about.
        if error is not None and not isinstance(error, OSError):
            self.server.faults.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Origin

    def setup(self) -> None:
        super().setup()
        self.server.server.opened(self.connection)

    def finish(self) -> None:
        self.server.server.closed(self.connection)
        super().finish()

    def __getattr__(self, name: str) -> Any:
        # http.server asks for a method `do_PUT`, `do_GET` ...: all are recorded alike.
        if name.startswith("do_"):
            return self._record
        raise AttributeError(name)

    def _record(self) -> None:
        target = self.requestline.split(" ")[1]
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): ", ".join(self.headers.get_all(name, [])) for name in self.headers}
        recording = self.server.server
        request = Recorded(self.server.leg_of(target), self.command, target, headers, body)
        reply, places = recording.answer(request)
        message = reply.message(places)
        if reply.pause:
            for byte in message:
                if recording.stopping.wait(reply.pause):
                    break
                self.wfile.write(bytes([byte]))
        else:
            self.wfile.write(message)
        if reply.ending == "hang":
            self.connection.settimeout(0.01)
            while not recording.stopping.is_set() and not self._is_gone():
                pass
        self.close_connection = reply.ending != "keep" or self.headers.get("Connection", "").lower() == "close"

    def _is_gone(self) -> bool:
        try:
            return not self.connection.recv(1)
        except TimeoutError:
            return False

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server gives it
        """Say nothing: the record is the log."""


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _filled(text: bytes, places: Mapping[str, str]) -> bytes:
    for name, value in places.items():
        text = text.replace(name.encode(), value.encode())
    return text
