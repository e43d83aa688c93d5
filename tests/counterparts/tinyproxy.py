"""tinyproxy: a proxy that opens tunnels by CONNECT, and reads what is not encrypted."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.counterparts.install import environment
from tests.counterparts.running import free_ports, running

USER, PASSWORD = "proxyuser", "notsosecret"


class Tinyproxy:
    """A running tinyproxy, on `port`."""

    def __init__(self, port: int, log: Path) -> None:
        self.port = port
        self._log = log

    @classmethod
    @contextmanager
    def started(cls, program: Path, directory: Path, home: Path, *, asks: bool) -> Generator["Tinyproxy"]:
        """Run it while the block runs; it may ask for credentials."""
        [port] = free_ports(1)
        lines = [f"Port {port}", "Listen 127.0.0.1", "Allow 127.0.0.1", "Timeout 60", "LogLevel Connect"]
        lines += [f"BasicAuth {USER} {PASSWORD}"] if asks else []
        configuration = home / "tinyproxy.conf"
        configuration.write_text("\n".join([*lines, ""]))
        log = home / "tinyproxy.log"
        with running([program, "-d", "-c", configuration], [port], log, environment(directory)):
            yield cls(port, log)

    def tunnels(self) -> int:
        """Return how many tunnels it was asked for so far."""
        return self._log.read_text().count("Request (file descriptor")
