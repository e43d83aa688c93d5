"""`flowflex fake`: serves a fake FlowFlex on this machine until it is told to end."""

import argparse
import shlex
import signal
import sys
from contextlib import ExitStack, suppress
from queue import SimpleQueue
from types import FrameType
from typing import TYPE_CHECKING, Any

from flowflex_core.address import AddressError, parse
from flowflex_core.errors import FlowFlexConfigError
from flowflex_core.settings import Settings
from flowflex_transports.cli.extras import need

if TYPE_CHECKING:
    from flowflex_testing import FakeFlowFlex
    from flowflex_testing.engine.data import Data

# How long requests under way may take to end, once the fake is told to.
DRAIN_SECONDS = 5.0
# The newest files that are kept whole, for the page.
KEPT_FILES_BYTES = 1_073_741_824
# The newest requests that the journal keeps: more than anybody reads, in some tens of megabytes where bodies are small.
KEPT_REQUESTS = 10_000

_CREDENTIALS = {"api_key": "api_key", "api_secret": "api_secret", "integration": "integration_code"}
_SWITCHES = (
    *("strict", "storage_dialect", "api_dialect", "key_fingerprint", "reused_key_status", "refuses_key_in_flight"),
    "missing_file",
)
_PORTS = ("port", "storage_port")


class _EndAtOnce(Exception):
    """A second signal came: requests under way are not waited for."""


def serve(options: argparse.Namespace) -> None:
    """Print the four export lines, then serve until Ctrl-C or SIGTERM, and let requests under way end."""
    need("flowflex fake", "testing")
    _check_host(options.host, options.allow_remote)
    # Unlike an event, it has no lock that the interrupted thread could hold.
    told: SimpleQueue[int] = SimpleQueue()
    is_told = False

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a handler takes two
        nonlocal is_told
        if is_told:
            raise _EndAtOnce
        is_told = True
        told.put(number)

    _on_signals(end)
    with suppress(_EndAtOnce), ExitStack() as stack:
        data = None if options.data is None else _opened(options, stack)
        ports = _ports(options, data)
        fake = _fake(options, ports, data)
        _check_usable(fake.client_options)
        stack.callback(fake.stop)
        _start(fake, options, ports, data)
        stack.callback(_on_signals, signal.SIG_IGN)
        for name, value in fake.client_options.items():
            print(f"export FLOWFLEX_{name.upper()}={shlex.quote(value)}")
        sys.stdout.flush()
        if not _is_loopback(options.host):
            _say(
                f"warning: whoever reaches {options.host} can read and change everything here, and sends in clear text"
            )
        _say(f"inspector: {fake.inspector_url}")
        _say("serving until Ctrl-C or SIGTERM")
        told.get()
        _say(f"ending: requests under way get {DRAIN_SECONDS:g} seconds; a second signal ends at once")
        fake.drain(DRAIN_SECONDS)


def _ports(options: argparse.Namespace, data: "Data | None") -> dict[str, int]:
    """Return the ports to listen on, 0 for a free one.

    With a data directory, free ones are those of the last time: upload URLs that were issued then lead there.
    """
    ports: dict[str, int] = {}
    for name in _PORTS:
        remembered = None if data is None else data.remembered(name)
        ports[name] = getattr(options, name) or int(remembered or 0)
    return ports


def _fake(options: argparse.Namespace, ports: dict[str, int], data: "Data | None") -> "FakeFlowFlex":
    from flowflex_testing import Clock, FakeFlowFlex
    from flowflex_testing.switches import RateLimit

    given: dict[str, Any] = {name: getattr(options, option) for option, name in _CREDENTIALS.items()}
    given |= {switch: getattr(options, switch) for switch in _SWITCHES}
    given["rate_limit"] = None if options.rate_limit is None else RateLimit(*options.rate_limit)
    return FakeFlowFlex(
        host=options.host,
        port=ports["port"],
        storage_port=ports["storage_port"],
        inspector=True,
        inspector_port=options.inspector_port,
        clock=Clock(rate=options.clock) if data is None else data.clock(options.clock),
        keep_files_bytes=KEPT_FILES_BYTES,
        keep_files_in=None if data is None else data.files,
        keep_requests=KEPT_REQUESTS,
        repository=data,
        **{name: value for name, value in given.items() if value is not None},
    )


def _opened(options: argparse.Namespace, stack: ExitStack) -> "Data":
    from flowflex_testing.engine.data import Data, DataError

    try:
        return stack.enter_context(Data(options.data))
    except DataError as error:
        raise FlowFlexConfigError(f"--data: {error}") from None


def _start(fake: "FakeFlowFlex", options: argparse.Namespace, ports: dict[str, int], data: "Data | None") -> None:
    try:
        fake.start()
    except OSError as error:
        wanted = {**ports, "inspector_port": options.inspector_port}
        words = ", ".join(f"--{name.replace('_', '-')} {port}" for name, port in wanted.items() if port)
        where = f"{options.host} ({words})" if words else options.host
        raise FlowFlexConfigError(f"cannot listen on {where}: {error.strerror}") from None
    if data is not None:
        for name, url in zip(_PORTS, (fake.base_url, fake.storage_url), strict=True):
            data.remember(name, int(url.rpartition(":")[2]))


def _on_signals(handler: Any) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def _check_usable(options: dict[str, Any]) -> None:
    """Refuse what no client could send, such as a key with a colon."""
    Settings(**options)


def _check_host(host: str, allow_remote: bool) -> None:
    """Refuse to serve other machines unasked: credentials and files would cross the network in clear text."""
    if not allow_remote and not _is_loopback(host):
        raise FlowFlexConfigError(
            f"--host {host!r} is not a loopback address, so that whoever reaches it could read and change everything: "
            f"give --allow-remote if that is wanted"
        )


def _is_loopback(host: str) -> bool:
    try:
        return parse(f"http://[{host}]" if ":" in host else f"http://{host}").is_loopback
    except AddressError:
        return False


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
