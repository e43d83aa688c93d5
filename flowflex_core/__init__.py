"""The sans-IO core of flowflex-kit: it decides everything about a send, and performs nothing.

send = SendEvent.start(settings, "invoice.created", {"assetId": file("invoice.pdf")}, idempotency_key=key)
turn = send.advance(now())
while not turn.done:
    outcomes = [perform(request) for request in turn.requests]
    if not outcomes:
        sleep(turn.wait)
    turn = send.advance(now(), *outcomes)
result = send.result()
"""

from flowflex_core.errors import (
    FlowFlexConfigError,
    FlowFlexConnectionError,
    FlowFlexError,
    FlowFlexOutcomeUnknownError,
    FlowFlexTimeoutError,
    FlowFlexUploadConnectionError,
    FlowFlexUploadError,
    FlowFlexUploadTimeoutError,
)
from flowflex_core.files import FileRef, file
from flowflex_core.messages import (
    MAX_REPLY_BYTES,
    Failure,
    FailureKind,
    Outcome,
    Request,
    Response,
    SendEventResult,
    Turn,
    UploadUrl,
)
from flowflex_core.operations import CreateUploadUrl, Operation, SendEvent, UploadFile
from flowflex_core.payload import EncodedPayload, encode_payload, files_in
from flowflex_core.settings import Settings
from flowflex_core.version import __version__

__all__ = [
    "MAX_REPLY_BYTES",
    "CreateUploadUrl",
    "EncodedPayload",
    "Failure",
    "FailureKind",
    "FileRef",
    "FlowFlexConfigError",
    "FlowFlexConnectionError",
    "FlowFlexError",
    "FlowFlexOutcomeUnknownError",
    "FlowFlexTimeoutError",
    "FlowFlexUploadConnectionError",
    "FlowFlexUploadError",
    "FlowFlexUploadTimeoutError",
    "Operation",
    "Outcome",
    "Request",
    "Response",
    "SendEvent",
    "SendEventResult",
    "Settings",
    "Turn",
    "UploadFile",
    "UploadUrl",
    "__version__",
    "encode_payload",
    "file",
    "files_in",
]
