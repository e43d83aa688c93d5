"""The servers that `server.py` compares, each in a process of its own: ours, and two as a user would write them.

All take the same requests, an event or a file; only ours checks them. A process says in one line where it listens, and
serves until its standard input ends; in a second line, how much processor time that took.
"""

import hashlib
import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response
from werkzeug.serving import make_server

from flowflex_testing.fake import FakeFlowFlex

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

EVENT_PATH = "/v1/events/ic_test_4d2e"
ACCEPTED = {"status": "accepted", "eventId": "evt_0123456789"}
KEPT_BYTES = 1_000_000_000


@contextmanager
def ours(*, tls: bool = False, keep_files_bytes: int | None = None) -> Iterator[dict[str, str]]:
    """Serve as the fake does."""
    with FakeFlowFlex(tls=tls, keep_files_bytes=keep_files_bytes) as fake:
        yield {"api": fake.base_url, "storage": fake.storage_url, "ca": fake.ca_pem.decode() if tls else ""}


def application(*, digests: bool) -> "WSGIApplication":
    """Answer as one would who needs a FlowFlex for a test: read what comes, and say that all is well.

    With `digests` it does with a file what ours does: it can tell later which one it was. Without, it counts bytes.
    """

    @Request.application
    def answer(request: Request) -> Response:
        if request.method == "PUT":
            digest, size = hashlib.sha256(), 0
            while piece := request.stream.read(262_144):
                size += len(piece)
                if digests:
                    digest.update(piece)
            return Response(status=200)
        if not isinstance(request.get_json(), dict):
            return Response(status=400)
        return Response(json.dumps(ACCEPTED), 202, content_type="application/json")

    return answer


@contextmanager
def werkzeug(*, digests: bool = True) -> Iterator[dict[str, str]]:
    """Serve with werkzeug's own threaded server."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, application(digests=digests), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.port}"
        yield {"api": url, "storage": url}
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def pytest_httpserver() -> Iterator[dict[str, str]]:
    """Serve with pytest-httpserver, as its fixture does."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with HTTPServer() as server:
        server.expect_request(EVENT_PATH, method="POST").respond_with_json(ACCEPTED, status=202)
        server.expect_request("/assets/file", method="PUT").respond_with_data("")
        url = server.url_for("").rstrip("/")
        yield {"api": url, "storage": url}


SERVERS = {
    "ours": ours,
    "ours, tls": lambda: ours(tls=True),
    "ours, files kept": lambda: ours(keep_files_bytes=KEPT_BYTES),
    "werkzeug": werkzeug,
    "werkzeug, counting": lambda: werkzeug(digests=False),
    "pytest-httpserver": pytest_httpserver,
}


class Contender:
    """A server in a process of its own.

    Attributes:
        process_time: The seconds of processor time that it took to serve, once it has ended.
    """

    def __init__(self, name: str) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - this very file
            [sys.executable, __file__, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        urls = json.loads(self.process.stdout.readline())
        self.api, self.storage, self.ca = urls["api"], urls["storage"], urls.get("ca", "")
        # The others know no upload URLs: they take any.
        self.checks = name.startswith("ours")
        self.process_time = 0.0

    def resident_bytes(self) -> int:
        """Return how much memory the process has."""
        status = Path(f"/proc/{self.process.pid}/status")
        if status.exists():
            return int(status.read_text().partition("VmRSS:")[2].split()[0]) * 1024
        words = ["ps", "-o", "rss=", "-p", str(self.process.pid)]
        return int(subprocess.check_output(words, text=True)) * 1024  # noqa: S603 - no word is a stranger's

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process_time = float(self.process.stdout.read())
        self.process.stdout.close()
        self.process.wait()


if __name__ == "__main__":
    with SERVERS[sys.argv[1]]() as urls:
        print(json.dumps(urls), flush=True)
        begun = time.process_time()
        sys.stdin.read()
        print(time.process_time() - begun)
