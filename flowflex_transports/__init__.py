"""Clients for FlowFlex: `FlowFlex` for blocking code, over urllib3, and `AsyncFlowFlex` for trio.

    from flowflex_transports import FlowFlex, file

    with FlowFlex() as client:  # credentials from FLOWFLEX_API_KEY and its like
        client.send_event("invoice.created", payload={"assetId": file("invoice.pdf")})

What needs trio is imported when it is first asked for.
"""

from typing import TYPE_CHECKING, Any

from flowflex_core import (
    FileRef,
    FlowFlexConfigError,
    FlowFlexConnectionError,
    FlowFlexError,
    FlowFlexOutcomeUnknownError,
    FlowFlexTimeoutError,
    FlowFlexUploadConnectionError,
    FlowFlexUploadError,
    FlowFlexUploadTimeoutError,
    SendEventResult,
    UploadUrl,
    __version__,
    file,
)
from flowflex_transports.calls import Event, SendOutcome
from flowflex_transports.protocols import AsyncSource, AsyncTransport, Source, Transport
from flowflex_transports.sync.client import FlowFlex
from flowflex_transports.sync.transport import Urllib3Transport
from flowflex_transports.trouble import failure_of

if TYPE_CHECKING:
    from flowflex_transports.trio.client import AsyncFlowFlex
    from flowflex_transports.trio.transport import TrioTransport

__all__ = [
    "AsyncFlowFlex",
    "AsyncSource",
    "AsyncTransport",
    "Event",
    "FileRef",
    "FlowFlex",
    "FlowFlexConfigError",
    "FlowFlexConnectionError",
    "FlowFlexError",
    "FlowFlexOutcomeUnknownError",
    "FlowFlexTimeoutError",
    "FlowFlexUploadConnectionError",
    "FlowFlexUploadError",
    "FlowFlexUploadTimeoutError",
    "SendEventResult",
    "SendOutcome",
    "Source",
    "Transport",
    "TrioTransport",
    "UploadUrl",
    "Urllib3Transport",
    "__version__",
    "failure_of",
    "file",
]

_NEED_TRIO = {"AsyncFlowFlex": "flowflex_transports.trio.client", "TrioTransport": "flowflex_transports.trio.transport"}


def __getattr__(name: str) -> Any:
    if name not in _NEED_TRIO:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        return getattr(import_module(_NEED_TRIO[name]), name)
    except ModuleNotFoundError as error:
        if error.name not in ("trio", "h11"):
            raise
        raise ModuleNotFoundError(
            f"{name} needs {error.name}, which is not installed: pip install 'flowflex-kit[trio]'", name=error.name
        ) from None
