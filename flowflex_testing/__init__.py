"""A fake FlowFlex for tests and local work: in memory, or live on a free port.

`FakeFlowFlex`, the transports in memory and `faults` need nothing but the standard library; the live server needs the
extra `testing`. Nothing is imported before it is used: the pytest plugin lives in this package, and is loaded by every
run of pytest where it is installed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowflex_testing import faults as faults
    from flowflex_testing.clock import Clock as Clock
    from flowflex_testing.fake import FakeFlowFlex as FakeFlowFlex
    from flowflex_testing.memory import AsyncMemoryTransport as AsyncMemoryTransport
    from flowflex_testing.memory import MemoryTransport as MemoryTransport
    from flowflex_testing.switches import RateLimit as RateLimit

__all__ = ["AsyncMemoryTransport", "Clock", "FakeFlowFlex", "MemoryTransport", "RateLimit", "faults"]

_HOMES = {
    "AsyncMemoryTransport": "flowflex_testing.memory",
    "Clock": "flowflex_testing.clock",
    "FakeFlowFlex": "flowflex_testing.fake",
    "MemoryTransport": "flowflex_testing.memory",
    "RateLimit": "flowflex_testing.switches",
}


def __getattr__(name: str) -> Any:
    if name == "faults":
        return import_module("flowflex_testing.faults")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
