"""The API side: a live fake FlowFlex, but for where its files go.

It passes every request on to the fake, and gives out URLs of another's storage in place of the fake's own. As FlowFlex
does, it looks into that storage when an event arrives: what it finds there it hands to the fake, which then judges the
event and its files as always.

Its replies are chunked, and its connections are kept.
"""

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from flowflex_testing import FakeFlowFlex

# From the id and MIME type of an asset to where it is to be put.
Grant = Callable[[str, str], str]
# From the id of an asset to what is stored of it, or None.
Read = Callable[[str], bytes | None]


@dataclass
class _Desk:
    """What the API works with for one test."""

    fake: FakeFlowFlex
    grant: Grant
    read: Read
    # For the id of each asset its MIME type and the fake's own URL for it.
    granted: dict[str, tuple[str, str]] = field(default_factory=dict)


class Api:
    """Serves one fake at a time; `port` stays the same."""

    def __init__(self) -> None:
        self._desk: _Desk | None = None
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                assert api._desk is not None
                _answer(self, api._desk)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        return self._server.server_address[1]

    @contextmanager
    def serving(self, fake: FakeFlowFlex, grant: Grant, read: Read) -> Generator[None]:
        """Serve `fake` while the block runs."""
        self._desk = _Desk(fake, grant, read)
        try:
            yield
        finally:
            self._desk = None

    def close(self) -> None:
        """Take no more requests."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _answer(handler: BaseHTTPRequestHandler, desk: _Desk) -> None:
    body = handler.rfile.read(int(handler.headers["Content-Length"]))
    if not handler.path.endswith("/upload-url"):
        _hand_over(desk)
    headers = {name: value for name, value in handler.headers.items() if name.lower() not in ("host", "connection")}
    reply, content = _ask(desk.fake.base_url + handler.path, "POST", body, headers)
    if reply.status == 200 and handler.path.endswith("/upload-url"):
        granted, mime = json.loads(content), json.loads(body)["mime"]
        asset = granted["assetId"]
        desk.granted[asset] = (mime, granted["uploadUrl"])
        content = json.dumps({**granted, "uploadUrl": desk.grant(asset, mime)}).encode()
    handler.send_response(reply.status)
    for name in ("Content-Type", "Retry-After", "WWW-Authenticate"):
        if name in reply.headers:
            handler.send_header(name, reply.headers[name])
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content))


def _hand_over(desk: _Desk) -> None:
    for asset, (mime, url) in list(desk.granted.items()):
        stored = desk.read(asset)
        if stored is not None:
            reply, content = _ask(url, "PUT", stored, {"Content-Type": mime})
            assert reply.status == 200, content
            del desk.granted[asset]


def _ask(url: str, method: str, body: bytes, headers: dict[str, str]) -> tuple[HTTPResponse, bytes]:
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=30)
    try:
        connection.request(method, url.partition(parts.netloc)[2], body, headers)
        reply = connection.getresponse()
        return reply, reply.read()
    finally:
        connection.close()
