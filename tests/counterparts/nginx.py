"""nginx: storage behind URLs that `secure_link` checks and WebDAV stores, and a gateway before the API."""

import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.counterparts.install import environment
from tests.counterparts.running import free_ports, running, wait_until

_SECRET = "not-so-secret"
_LIFETIME = 7200

# The signature covers the content type, as S3's does. Expired links are told from forged ones; nginx says "0".
_CONFIGURATION = """
{user}
daemon off;
worker_processes 1;
pid {home}/nginx.pid;
error_log stderr;
events {{}}
http {{
    log_format wire escape=json '{{"connection": "$connection", "method": "$request_method", "uri": "$uri", '
        '"status": "$status", "length": "$content_length", "authorization": "$http_authorization", '
        '"proxy_authorization": "$http_proxy_authorization", '
        '"expect": "$http_expect", "coding": "$http_transfer_encoding", '
        '"reply_coding": "$sent_http_transfer_encoding"}}';
    access_log {home}/access.log wire;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;

    server {{
        listen 127.0.0.1:{storage};
        client_max_body_size 25m;
        include {home}/private.conf;
    }}
    server {{
        listen 127.0.0.1:{narrow};
        client_max_body_size 1m;
        include {home}/private.conf;
    }}
    server {{
        listen 127.0.0.1:{gateway};
        location / {{
            proxy_pass http://127.0.0.1:{api};
            proxy_http_version 1.1;
        }}
    }}
}}
"""
_PRIVATE = """
location /private/ {{
    root {home};
    secure_link $arg_signature,$arg_expires;
    secure_link_md5 "$secure_link_expires$uri $content_type {secret}";
    default_type application/json;
    if ($secure_link = "") {{ return 403 '{{"error": "Forbidden", "message": "the link is forged"}}'; }}
    if ($secure_link = "0") {{ return 403 '{{"error": "Forbidden", "message": "the link has expired"}}'; }}
    dav_methods PUT;
    create_full_put_path on;
    limit_except PUT {{ deny all; }}
}}
"""


class Nginx:
    """A running nginx.

    Attributes:
        storage: The port of the storage, for files of at most 25 MiB.
        narrow: The port of the same storage, for files of at most 1 MiB.
        gateway: The port of the gateway before the API.
    """

    def __init__(self, home: Path, ports: list[int], process: "subprocess.Popen[bytes]") -> None:
        self._home = home
        self._process = process
        self.storage, self.narrow, self.gateway = ports

    @classmethod
    @contextmanager
    def started(cls, program: Path, directory: Path, home: Path, api: int) -> Generator["Nginx"]:
        """Run it while the block runs; `api` is the port of the API."""
        ports = free_ports(3)
        # Started by root, its workers would become another user, who may not enter the directory.
        names = {"user": "user root;" if os.geteuid() == 0 else "", "home": home, "api": api, "secret": _SECRET}
        names.update(zip(("storage", "narrow", "gateway"), ports, strict=True))
        (home / "private.conf").write_text(_PRIVATE.format(**names))
        configuration = home / "nginx.conf"
        configuration.write_text(_CONFIGURATION.format(**names))
        command: list[str | Path] = [program, "-e", "stderr", "-p", home, "-c", configuration]
        with running(command, ports, home / "nginx.log", environment(directory)) as process:
            yield cls(home, ports, process)

    def url(self, origin: str, asset: str, mime: str, *, age: float = 0) -> str:
        """Return the URL to put an asset to, as if it had been made `age` seconds ago."""
        expires, path = int(time.time() - age) + _LIFETIME, f"/private/{asset}"
        digest = hashlib.md5(f"{expires}{path} {mime} {_SECRET}".encode()).digest()
        signature = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        return f"{origin}{path}?signature={signature}&expires={expires}"

    def read(self, asset: str) -> bytes | None:
        """Return what is stored of an asset."""
        path = self._home / "private" / asset
        return path.read_bytes() if path.exists() else None

    def requests(self, count: int, **wanted: str) -> list[dict[str, Any]]:
        """Return the requests since `empty` that are as wanted, when there are `count` of them.

        nginx notes a request some time after its reply.
        """
        found: list[dict[str, Any]] = []

        def are_noted() -> bool:
            lines = (self._home / "access.log").read_text().splitlines(keepends=True)
            noted = [json.loads(line) for line in lines if line.endswith("\n")]
            found[:] = [request for request in noted if wanted.items() <= request.items()]
            return len(found) >= count

        wait_until(are_noted, f"nginx has noted {count} requests")
        return found

    def empty(self) -> None:
        """Forget what is stored, and the requests so far."""
        shutil.rmtree(self._home / "private", ignore_errors=True)
        os.truncate(self._home / "access.log", 0)

    def reload(self) -> None:
        """Have new workers take over, and wait for the end of the old ones, who close their idle connections."""
        old = self._workers()
        self._process.send_signal(signal.SIGHUP)
        wait_until(lambda: not old & (new := self._workers()) and bool(new), "nginx has reloaded")

    def _workers(self) -> set[str]:
        return set(Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split())
