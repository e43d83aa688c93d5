"""A lean client for benchmarks: raw sockets, requests made beforehand, one after the other on each connection.

The same for every server. `wrk` makes the small requests where it is installed: it costs a server's neighbour on a
small machine less than Python does.
"""

import base64
import json
import re
import selectors
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from itertools import count

from contenders import EVENT_PATH, Contender

API_KEY, API_SECRET = "cik_test_9f3a51", "cis_test_c07be2d4"
AUTHORIZATION = "Basic " + base64.b64encode(f"{API_KEY}:{API_SECRET}".encode()).decode()
PAYLOAD = '{"name": "Ada", "order_id": "ord_42"}'
HAS_WRK = shutil.which("wrk") is not None

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_CLOSES = re.compile(rb"connection: *close", re.IGNORECASE)
_numbers = count()


def event_headers(key: str) -> dict[str, str]:
    """Return the headers of a small event."""
    return {
        "Host": "127.0.0.1",
        "Authorization": AUTHORIZATION,
        "X-Event": "order.placed",
        "X-Idempotency-Key": key,
        "Content-Type": "application/json",
        "Content-Length": str(len(PAYLOAD)),
    }


def request(method: str, target: str, headers: dict[str, str], body: str = "") -> bytes:
    """Write a request."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", body]
    return "\r\n".join(lines).encode()


def event() -> bytes:
    """Write a small event, which was never sent before."""
    return request("POST", EVENT_PATH, event_headers(f"key-{next(_numbers)}"), PAYLOAD)


def address(url: str) -> tuple[str, int]:
    """Return where a server listens."""
    host, _, port = url.partition("://")[2].rpartition(":")
    return host, int(port)


class Line:
    """One connection: it is made when it is needed, and kept as long as the server keeps it.

    Attributes:
        connections: How many were made.
    """

    def __init__(self, url: str, context: ssl.SSLContext | None = None) -> None:
        self.connections = 0
        self._address = address(url)
        self._context = context
        self._sock: socket.socket | None = None

    @property
    def sock(self) -> socket.socket:
        """The socket; a new one where the server has closed the last."""
        if self._sock is None:
            sock = socket.create_connection(self._address, timeout=60)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is not None:
                sock = self._context.wrap_socket(sock, server_hostname=self._address[0])
            self._sock = sock
            self.connections += 1
        return self._sock

    def send(self, *parts: bytes) -> None:
        """Send a request."""
        for part in parts:
            self.sock.sendall(part)

    def receive(self) -> tuple[int, bytes]:
        """Read the reply: its status and its body."""
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more()
        head = data[:end]
        length = _LENGTH.search(head)
        assert length is not None, head
        while len(data) < end + 4 + int(length[1]):
            data += self._more()
        if _CLOSES.search(head):
            self.close()
        return int(head.split(b" ", 2)[1]), data[end + 4 :]

    def ask(self, *parts: bytes) -> bytes:
        """Send a request, and return the body of the reply, which must be a success."""
        self.send(*parts)
        status, body = self.receive()
        assert status in (200, 202), (status, body)
        return body

    def close(self) -> None:
        """End the connection."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _more(self) -> bytes:
        data = self.sock.recv(65_536)
        assert data, "the server ended the connection before its reply was whole"
        return data


def put_head(contender: Contender, size: int, context: ssl.SSLContext | None = None) -> bytes:
    """Write the head of a PUT of `size` bytes, after having asked for its URL."""
    target = "/assets/file"
    if contender.checks:
        line = Line(contender.api, context)
        declared = json.dumps({"filename": "a.pdf", "mime": "application/pdf", "size": size})
        headers = event_headers("none") | {"Content-Length": str(len(declared))}
        url = json.loads(line.ask(request("POST", "/v1/assets/upload-url", headers, declared)))["uploadUrl"]
        target = url.removeprefix(contender.storage)
        line.close()
    return request("PUT", target, {"Host": "x", "Content-Type": "application/pdf", "Content-Length": str(size)})


def events_per_second(contender: Contender, connections: int, seconds: float) -> float:
    """Send small events over as many connections, and return how many were answered in a second."""
    if HAS_WRK:
        return _events_by_wrk(contender, connections, seconds)
    return _events_by_ourselves(contender, connections, seconds)


def _events_by_ourselves(contender: Contender, connections: int, seconds: float) -> float:
    with selectors.DefaultSelector() as selector:
        lines = [Line(contender.api) for _ in range(connections)]

        def ask(line: Line) -> None:
            line.send(event())
            selector.register(line.sock, selectors.EVENT_READ, line)

        for line in lines:
            ask(line)
        answered = 0
        begun = time.perf_counter()
        while (elapsed := time.perf_counter() - begun) < seconds:
            for key, _ in selector.select():
                selector.unregister(key.fileobj)
                status, _body = key.data.receive()
                assert status == 202, status
                answered += 1
                ask(key.data)
        for line in lines:
            line.close()
        return answered / elapsed


def _events_by_wrk(contender: Contender, connections: int, seconds: float) -> float:
    headers = "".join(f'wrk.headers["{name}"] = "{value}"\n' for name, value in event_headers("").items())
    script = f"""wrk.method = "POST"
wrk.body = '{PAYLOAD}'
{headers}
local number = 0
request = function()
    number = number + 1
    wrk.headers["X-Idempotency-Key"] = "{next(_numbers)}-" .. number
    return wrk.format(nil, "{EVENT_PATH}")
end
"""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "-s", file.name, contender.api]
        said = subprocess.check_output(words, text=True)  # noqa: S603 - no word is a stranger's
    assert "Non-2xx" not in said, said
    return float(said.partition("Requests/sec:")[2].split()[0])
