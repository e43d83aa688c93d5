"""HAProxy: ends the TLS before the API and before each storage, on a port each."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.counterparts.install import environment
from tests.counterparts.running import free_ports, running

_CONFIGURATION = """
global
    maxconn 200
defaults
    mode http
    retries 0
    timeout connect 5s
    timeout client 30s
    timeout server 30s
"""
_FRONT = """
frontend {name}
    bind 127.0.0.1:{port} ssl crt {certificate} alpn h2,http/1.1
    {rule}
    default_backend {name}
backend {name}
    server one 127.0.0.1:{behind}
"""
_NARROW = "http-request deny deny_status 413 if { req.hdr(content-length),sub(1048576) -m int gt 0 }"


class HAProxy:
    """A running HAProxy.

    Attributes:
        narrow: The port before a storage for files of at most 1 MiB.
        down: The port before a server that is down.
    """

    def __init__(self, ports: dict[str, int], before: dict[int, int]) -> None:
        self.narrow = ports["narrow"]
        self.down = ports["down"]
        self._before = before

    @classmethod
    @contextmanager
    def started(
        cls, program: Path, directory: Path, home: Path, certificate: Path, behind: dict[str, int], narrow: int
    ) -> Generator["HAProxy"]:
        """Run it while the block runs, before each of the ports of `behind`, named; `narrow` is a storage's port."""
        names = [*behind, "narrow", "down"]
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        configuration = _CONFIGURATION
        for name, port in ports.items():
            rule = _NARROW if name == "narrow" else ""
            # No one listens on port 1.
            to = {"narrow": narrow, "down": 1, **behind}[name]
            configuration += _FRONT.format(name=name, port=port, certificate=certificate, rule=rule, behind=to)
        path = home / "haproxy.cfg"
        path.write_text(configuration)
        with running([program, "-f", path], [*ports.values()], home / "haproxy.log", environment(directory)):
            yield cls(ports, {behind[name]: ports[name] for name in behind})

    def before(self, port: int) -> int:
        """Return its port before another's."""
        return self._before[port]
