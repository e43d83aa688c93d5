"""`flowflex fake`: serves a fake FlowFlex on this machine until it is told to end."""

import argparse
import shlex
import signal
import sys
import threading
from types import FrameType
from typing import Any

from flowflex_core.address import AddressError, parse
from flowflex_core.errors import FlowFlexConfigError
from flowflex_core.settings import Settings
from flowflex_transports.cli.extras import need


def serve(options: argparse.Namespace) -> None:
    """Print the four export lines, then serve until Ctrl-C or SIGTERM."""
    need("flowflex fake", "testing")
    from flowflex_testing import Clock, FakeFlowFlex

    _check_host(options.host)
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a handler takes two
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    given = {"api_key": options.api_key, "api_secret": options.api_secret, "integration_code": options.integration}
    chosen = {name: value for name, value in given.items() if value is not None}
    fake = FakeFlowFlex(host=options.host, port=options.port, clock=Clock(rate=1), **chosen)
    _check_usable(fake.client_options)
    try:
        fake.start()
    except OSError as error:
        raise FlowFlexConfigError(f"cannot listen on {options.host}, port {options.port}: {error.strerror}") from None
    try:
        for name, value in fake.client_options.items():
            print(f"export FLOWFLEX_{name.upper()}={shlex.quote(value)}")
        sys.stdout.flush()
        print("serving until Ctrl-C or SIGTERM", file=sys.stderr)
        ended.wait()
    finally:
        fake.stop()


def _check_usable(options: dict[str, Any]) -> None:
    """Refuse what no client could send, such as a key with a colon."""
    Settings(**options)


def _check_host(host: str) -> None:
    """Refuse to serve other machines: credentials and files would cross the network in clear text."""
    try:
        if parse(f"http://[{host}]" if ":" in host else f"http://{host}").is_loopback:
            return
    except AddressError:
        pass
    raise FlowFlexConfigError(f"--host {host!r} is not a loopback address, and the fake is for this machine alone")
