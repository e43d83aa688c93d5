"""What both clients do around their loops, and what waits for nothing: values, preparation, progress, logging.

The loops differ in how they wait and in nothing else; all that they would otherwise both hold stands here.
"""

import logging
import math
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

from flowflex_core import (
    CreateUploadUrl,
    Failure,
    FileRef,
    FlowFlexConfigError,
    Outcome,
    Request,
    Response,
    SendEvent,
    SendEventResult,
    Settings,
    UploadFile,
    encode_payload,
    files_in,
)
from flowflex_core.checks import header_value
from flowflex_core.messages import FAILURE_KINDS
from flowflex_transports.bodies import Sources
from flowflex_transports.protocols import Source
from flowflex_transports.reading import GoOn, SourceError, always

log = logging.getLogger("flowflex")
# Whoever configures no logging sees nothing of ours.
log.addHandler(logging.NullHandler())


# Told `(ref, sent, total)`: how many bytes of a file were handed to the network. An attempt, also a repeated one,
# begins with `sent=0`: there alone the number goes back. Called from whichever thread sends, one call at a time.
# What it raises ends the send, and reaches the caller of the client.
OnProgress = Callable[[FileRef, int, int], object]


@dataclass(frozen=True, slots=True)
class Event:
    """One event for `send_many`; without a key it gets one of its own."""

    event: str
    payload: object = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class SendOutcome:
    """What came of one event of `send_many`: a result or an error.

    Attributes:
        index: The place of the event among those given, from 0.
        event: The event as it was given.
        result: What it left behind, or None.
        error: Why it failed, or None. A `FlowFlexError`, or what a callback of the caller raised.
    """

    index: int
    event: Event
    result: SendEventResult | None
    error: Exception | None


class Clock:
    """Seconds since the epoch that never jump: the wall clock when it was made, plus steady time since."""

    def __init__(self, steady: Callable[[], float] = time.monotonic) -> None:
        self._steady = steady
        self._start = time.time() - steady()

    def now(self) -> float:
        """Return the time."""
        return self._start + self._steady()


# So much before the deadline an attempt ends by itself: it alone knows whether anything was sent.
_MARGIN_SECONDS = 0.01


class Deadline:
    """When a call must have ended: so many seconds after this was made, however long its files take to measure.

    Attributes:
        clock: The time that the operation is told.
        begun: When the call began.
    """

    def __init__(self, clock: Clock, seconds: float | None) -> None:
        self.clock = clock
        self.begun = clock.now()
        self._end = math.inf if seconds is None else self.begun + seconds

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return self._end - self.clock.now()

    def cut(self, request: Request) -> Request | Failure:
        """Bound a request that is about to be performed by what is left; where nothing is, it has failed unsent."""
        left = self.left
        if left <= 0:
            return Failure(request.id, "timeout", "the deadline passed before it was begun", False)
        total = min(request.total, left - min(_MARGIN_SECONDS, left / 10))
        return request if total == request.total else replace(request, timeout=min(request.timeout, total), total=total)


def new_key() -> str:
    """Make an idempotency key for a send that was given none."""
    return str(uuid.uuid4())


# Preparation: everything is checked and measured before anything is sent. These block where files are measured; to do
# so they `go_on` for as long as that says.


def prepare_send(
    settings: Settings, event: str, payload: object, idempotency_key: str | None, go_on: GoOn = always
) -> tuple[SendEvent, Sources]:
    """Check an event and measure its files.

    Raises:
        FlowFlexError: Something cannot be sent; the message names the argument or the payload path.
    """
    key = new_key() if idempotency_key is None else header_value(idempotency_key, "idempotency_key")
    header_value(event, "event")
    encoded = encode_payload(payload, settings.default)
    sources = Sources.measure(files_in(encoded), max_file_bytes=settings.max_file_bytes, go_on=go_on)
    return SendEvent.start(settings, event, encoded, idempotency_key=key, sizes=sources.sizes), sources


def prepare_resume(settings: Settings, snapshot: str, go_on: GoOn = always) -> tuple[SendEvent, Sources]:
    """Read a snapshot, and measure the files that are still to be uploaded.

    Raises:
        FlowFlexError: The snapshot cannot be gone on from here, or a file is gone or has another size by now.
    """
    operation = SendEvent.resume(snapshot, settings)
    files = operation.files
    first_paths = {ref: operation.paths(ref)[0] for ref in files}
    sources = Sources.measure(first_paths, max_file_bytes=settings.max_file_bytes, expected=files, go_on=go_on)
    return operation, sources


def prepare_upload(settings: Settings, ref: FileRef, go_on: GoOn = always) -> tuple[UploadFile, Sources]:
    """Check and measure one file.

    Raises:
        FlowFlexError: The file cannot be sent.
    """
    if not isinstance(ref, FileRef):
        raise FlowFlexConfigError(f"ref must be a FileRef, as file() returns it, not {type(ref).__name__}")
    sources = Sources.measure({ref: ""}, max_file_bytes=settings.max_file_bytes, go_on=go_on)
    return UploadFile.start(settings, ref, key=new_key(), size=sources.sizes[ref]), sources


def prepare_upload_url(settings: Settings, *, filename: str, mime: str, size: int | None) -> CreateUploadUrl:
    """Check a request for one upload URL.

    Raises:
        FlowFlexError: The name, type or size is one that FlowFlex would refuse.
    """
    return CreateUploadUrl.start(settings, filename=filename, mime=mime, size=size, key=new_key())


# Around each request


class Progress:
    """Counts what a transport takes of each file, and tells it to the caller's `on_progress`."""

    def __init__(self, on_progress: OnProgress | None) -> None:
        self._on_progress = on_progress
        self._turn = threading.Lock()

    def tell(self, ref: FileRef, sent: int, total: int) -> None:
        """Tell the caller that `sent` bytes of `total` were handed over."""
        if self._on_progress is not None:
            with self._turn:
                self._on_progress(ref, sent, total)


class Watched:
    """A file while a transport reads it: counted, and with what reading it raised.

    A transport may let that pass, or make something else of it, such as a broken connection of a broken disk: the
    loop asks here.

    Attributes:
        begun: Whether the transport has asked for the first chunk.
    """

    def __init__(self, progress: Progress, ref: FileRef, source: Source) -> None:
        self.begun = False
        self._progress = progress
        self._ref = ref
        self._source = source
        self._raised: tuple[Exception, TracebackType | None] | None = None

    @property
    def length(self) -> int:
        """The number of bytes that `chunks` gives in all."""
        return self._source.length

    def raise_own(self) -> None:
        """Raise what reading the file, or telling of it, raised, if anything."""
        if self._raised is not None:
            error, traceback = self._raised
            context, self._raised = error.__context__, None
            try:
                # Without the frames of the transport: tools that report errors print the locals of every frame, and
                # credentials stand in those.
                raise error.with_traceback(traceback)
            finally:
                error.__context__ = context  # not what the transport made of it
                del error, traceback, context  # else this frame and the exception would keep each other

    def _tell(self, sent: int) -> None:
        self._progress.tell(self._ref, sent, self.length)

    def _remember(self, error: Exception) -> None:
        self._raised = error, error.__traceback__


class WatchedSource(Watched):
    """A `Source` that counts: a chunk is handed over once the transport asks for the next."""

    def chunks(self) -> Iterator[bytes]:
        """Read the bytes; raises where the file is no longer what was measured, and what `on_progress` raises."""
        self.begun = True
        sent = 0
        try:
            self._tell(0)
            for chunk in self._source.chunks():
                yield chunk
                sent += len(chunk)
                self._tell(sent)
        except Exception as error:
            self._remember(error)
            raise


def checked(transport: object, request: Request, outcome: Any) -> Outcome:
    """Return what `perform` of a transport returned, where that is an outcome of this request.

    Raises:
        FlowFlexConfigError: It is something else; the message names the transport, and says what.
    """
    returned = None
    if not isinstance(outcome, Response | Failure):
        returned = "None" if outcome is None else f"a {type(outcome).__name__}"
    elif outcome.request_id != request.id:
        returned = f"an outcome of {outcome.request_id!r}"
    elif isinstance(outcome, Failure):
        if not (outcome.kind in FAILURE_KINDS and isinstance(outcome.message, str) and isinstance(outcome.sent, bool)):
            returned = "a Failure whose kind, message or sent is none"
    elif not (isinstance(outcome.status, int) and isinstance(outcome.body, bytes) and _has_headers(outcome)):
        returned = "a Response whose status, headers or body are none"
    if returned is not None:
        raise FlowFlexConfigError(_misuse(transport, request, f"returned {returned}"))
    return outcome  # type: ignore[no-any-return]


def blame(transport: object, request: Request, error: Exception) -> None:
    """Note in an exception that `perform` of a transport raised it; it passes, since it tells best what went wrong."""
    if isinstance(error, FlowFlexConfigError):
        return  # the way that a request would take is set up wrong, and it did not leave
    error.add_note(_misuse(transport, request, f"raised {type(error).__name__}"))


def _misuse(transport: object, request: Request, what: str) -> str:
    return (
        f"{type(transport).__name__}.perform {what} for {request.id}: it must return a Response or a Failure that "
        "names this request; whether the request arrived is not known"
    )


def _has_headers(response: Response) -> bool:
    try:
        return all(isinstance(name, str) and isinstance(value, str) for name, value in response.pairs())
    except (AttributeError, LookupError, TypeError, ValueError):
        return False


def source_failure(request: Request, error: SourceError, *, sent: bool) -> Failure:
    """Report that a file could not be read; `sent` where the transport had begun to read it."""
    return Failure(request.id, "source", str(error), sent)


def log_outcome(request: Request, outcome: Outcome, seconds: float) -> None:
    """Log what came of a request: no upload URL, no headers, no bodies, no message that is not ours."""
    place = request.place
    if isinstance(outcome, Response):
        log.debug("%s %s: status %d after %.3f s", request.method, place, outcome.status, seconds)
    else:
        doubt = "may have arrived" if outcome.sent else "not sent"
        log.warning("%s %s: %s failure after %.3f s, %s", request.method, place, outcome.kind, seconds, doubt)
