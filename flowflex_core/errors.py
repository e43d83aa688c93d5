"""Every error that this library raises, and who is to blame for each.

    FlowFlexError                       the root; on its own: FlowFlex answered with a refusal
    ├── FlowFlexConfigError             the caller gave something wrong; nothing was sent
    ├── FlowFlexUploadError             a file could not be read, or storage did not take it; no event was sent
    │   ├── FlowFlexUploadTimeoutError      ... for lack of time
    │   └── FlowFlexUploadConnectionError   ... for want of a connection
    ├── FlowFlexTimeoutError            time ran out before the event could arrive
    │   └── FlowFlexUploadTimeoutError
    ├── FlowFlexConnectionError         no connection held; the event cannot have arrived
    │   └── FlowFlexUploadConnectionError
    └── FlowFlexOutcomeUnknownError     the event was sent, and may or may not have arrived

Only after `FlowFlexOutcomeUnknownError` may the event have had its effect: resume from its `.snapshot`, which
repeats the same body under the same key. After every other error no event was accepted.

No error ever holds a credential, a presigned query or a raw storage reply.
"""

from typing import Any


class FlowFlexError(Exception):
    """The base of every error raised here; raised itself when FlowFlex answers with a refusal.

    Attributes:
        message: What went wrong, where, and what to do.
        status: The HTTP status of the reply, where there was one.
        code: The machine-readable code, such as `MIME_NOT_ALLOWED` or `ASSET_FILE_MISSING`.
        details: The parsed body of an error reply, bounded and with secrets masked.
        idempotency_key: The key that the event was, or would have been, sent under.
        request_id: The server's id of the request, for its support.
        retry_after: Seconds that the server asked to wait.
        attempts: How often the request that failed was performed.
        uploaded_assets: What is stored by now: payload path to asset id.
        failures: Every upload that failed: payload path to its error.
        snapshot: The text to resume from, where the state is worth it.
    """

    message: str
    status: int | None
    code: str | None
    details: Any
    idempotency_key: str | None
    request_id: str | None
    retry_after: float | None
    attempts: int
    uploaded_assets: dict[str, str]
    failures: "dict[str, FlowFlexError]"
    snapshot: str | None

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        details: Any = None,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        attempts: int = 0,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.details = details
        self.idempotency_key = idempotency_key
        self.request_id = request_id
        self.retry_after = retry_after
        self.attempts = attempts
        self.uploaded_assets = {}
        self.failures = {}
        self.snapshot = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle whole: the keyword arguments of `Exception` subclasses are lost by default."""
        return _rebuild, (type(self), self.message, dict(vars(self)))


def _rebuild(cls: type[FlowFlexError], message: str, state: dict[str, Any]) -> FlowFlexError:
    error = cls(message)
    vars(error).update(state)
    return error


class FlowFlexConfigError(FlowFlexError):
    """The caller gave something wrong: an option, an argument, a value in the payload. Nothing was sent for it.

    A driver gets it too where it misuses an operation; what was sent before stands.
    """


class FlowFlexUploadError(FlowFlexError):
    """A file could not be named, read or measured, or storage did not take it. No event was sent."""


class FlowFlexTimeoutError(FlowFlexError):
    """Time ran out, and the event cannot have arrived: to send it again is safe."""


class FlowFlexConnectionError(FlowFlexError):
    """No connection could be made, or none held; the event cannot have arrived: to send it again is safe."""


class FlowFlexOutcomeUnknownError(FlowFlexError):
    """The event was sent and no definite reply came: it may have arrived.

    `client.resume(error.snapshot)` repeats it byte for byte under its idempotency key, with no new upload.
    To repeat the call itself is safe only with the same key and without files: files would get new asset ids,
    and the body would differ under the key.
    """


class FlowFlexUploadTimeoutError(FlowFlexUploadError, FlowFlexTimeoutError):
    """Storage did not take a file in time. No event was sent."""


class FlowFlexUploadConnectionError(FlowFlexUploadError, FlowFlexConnectionError):
    """No connection to storage held. No event was sent."""
