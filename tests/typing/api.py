"""The core as a typed caller sees it: never run, only type-checked, so that a change of types is a change seen."""

from collections.abc import Mapping
from typing import Any, assert_type

from flowflex_core import (
    MAX_REPLY_BYTES,
    CreateUploadUrl,
    EncodedPayload,
    Failure,
    FailureKind,
    FileRef,
    FlowFlexConfigError,
    FlowFlexConnectionError,
    FlowFlexError,
    FlowFlexOutcomeUnknownError,
    FlowFlexTimeoutError,
    FlowFlexUploadConnectionError,
    FlowFlexUploadError,
    FlowFlexUploadTimeoutError,
    Operation,
    Outcome,
    Request,
    Response,
    SendEvent,
    SendEventResult,
    Settings,
    Turn,
    UploadFile,
    UploadUrl,
    __version__,
    encode_payload,
    file,
    files_in,
)


def settings() -> Settings:
    """Make settings with keywords alone, and replace them for one call."""
    made = Settings(
        api_key="key",
        api_secret="secret",
        integration_code="ic_1",
        base_url="https://api.flowflex.test",
        timeout_seconds=30,
        deadline_seconds=None,
        max_file_bytes=26_214_400,
        max_retries=2,
        max_parallel_uploads=16,
        default=lambda value: str(value),
    )
    Settings("key")  # type: ignore[call-arg]
    Settings(retries=2)  # type: ignore[call-arg]
    assert_type(made.base_url, str)
    assert_type(made.deadline_seconds, float | None)
    assert_type(made.mask.sentence("words"), str | None)
    return made.replace(timeout_seconds=5.0, deadline_seconds=60, max_retries=0)


def perform(request: Request) -> Outcome:
    """Read a request as a driver does, and answer with a response or a failure."""
    assert_type(request.id, str)
    assert_type(request.headers, Mapping[str, str])
    assert_type(request.body, bytes | FileRef)
    assert_type(request.total, float)
    request.url = "https://other.test"  # type: ignore[misc]
    if request.method == "PUT":
        kind: FailureKind = "timeout"
        return Failure(request.id, kind, "nothing came", sent=True)
    Failure(request.id, "dns", "no such kind", sent=True)  # type: ignore[arg-type]
    Response(request.id, 200, [("content-type", "text/plain")], b"")
    return Response(request.id, 202, {"content-type": "application/json"}, b"{}")


def run(operation: Operation) -> None:
    """One loop drives every operation."""
    turn = operation.advance(0.0)
    while not turn.done:
        assert_type(turn.requests, tuple[Request, ...])
        assert_type(turn.wait, float | None)
        assert_type(turn.checkpoint, bool)
        turn = operation.advance(1, *[perform(request) for request in turn.requests])
    assert_type(turn, Turn)
    assert_type(operation.files, dict[FileRef, int | None])
    assert_type(operation.paths(file("a.pdf")), tuple[str, ...])


def send(payload: dict[str, Any]) -> SendEventResult:
    """Start, resume, run and save an event, and take its result."""
    sizes = dict.fromkeys(files_in(payload), 3)
    assert_type(files_in(payload), dict[FileRef, str])
    operation = SendEvent.start(settings(), "invoice.created", payload, idempotency_key="key", sizes=sizes)
    SendEvent.start(settings(), "invoice.created")  # type: ignore[call-arg]
    SendEvent.start(settings(), "invoice.created", encode_payload(payload), idempotency_key="key")
    run(operation)
    assert_type(operation.snapshot(), str)
    assert_type(SendEvent.resume(operation.snapshot(), settings()), SendEvent)
    result = operation.result()
    assert_type(result.response, object)
    assert_type(result.uploaded_assets, dict[str, str])
    assert_type(result.idempotency_key, str)
    return result


def upload(ref: FileRef) -> str:
    """Upload a file alone, and take its asset id."""
    assert_type(ref.filename, str)
    assert_type(ref.mime, str)
    assert_type(ref.size, int | None)
    ref.size = 3  # type: ignore[misc]
    operation = UploadFile.start(settings(), ref, key="key", size=3)
    UploadFile.start(settings(), "a.pdf", key="key")  # type: ignore[arg-type]
    run(operation)
    return operation.result()


def create() -> UploadUrl:
    """Create an upload URL, which is a mapping."""
    operation = CreateUploadUrl.start(settings(), filename="a.pdf", mime="application/pdf", size=None, key="key")
    run(operation)
    assert_type(operation.result()["assetId"], str | None)
    return operation.result()


def branch(error: FlowFlexError) -> str | None:
    """Branch on the class of an error, and read its fields."""
    assert_type(error.status, int | None)
    assert_type(error.code, str | None)
    assert_type(error.retry_after, float | None)
    assert_type(error.attempts, int)
    assert_type(error.uploaded_assets, dict[str, str])
    assert_type(error.failures, dict[str, FlowFlexError])
    match error:
        case FlowFlexOutcomeUnknownError():
            return error.snapshot
        case FlowFlexUploadTimeoutError() | FlowFlexUploadConnectionError() | FlowFlexUploadError():
            return "the file"
        case FlowFlexTimeoutError() | FlowFlexConnectionError():
            return "again"
        case FlowFlexConfigError():
            return error.message
    raise FlowFlexError("no", status=400, code="CODE", details={"a": 1}, request_id="req_1")


def rest() -> None:
    """Use the remaining names."""
    assert_type(MAX_REPLY_BYTES, int)
    assert_type(__version__, str)
    encoded = encode_payload({"a": 1}, default=None)
    assert_type(encoded, EncodedPayload)
    assert_type(encoded.body({}), bytes)
    assert_type(file(b"", filename="a.pdf", mime="application/pdf", size=0), FileRef)
