"""`AsyncFlowFlex`, the trio client: the loop that drives an operation of the core, and the face that callers see."""

import math
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self, TypeVar

import trio

from flowflex_core import (
    FileRef,
    Operation,
    Outcome,
    Request,
    SendEventResult,
    UploadUrl,
    checks,
    encode_payload,
    file,
)
from flowflex_core.files import MAX_FILE_BYTES
from flowflex_core.settings import Default
from flowflex_transports.bodies import SourceError, Sources
from flowflex_transports.calls import (
    Clock,
    Event,
    OnProgress,
    Progress,
    SendOutcome,
    log_outcome,
    prepare_resume,
    prepare_send,
    prepare_upload,
    prepare_upload_url,
    source_failure,
)
from flowflex_transports.environment import settings_from_environment
from flowflex_transports.protocols import AsyncTransport
from flowflex_transports.trio.causes import single_cause
from flowflex_transports.trio.source import is_in_memory, opened
from flowflex_transports.trio.transport import TrioTransport

T = TypeVar("T")


class AsyncFlowFlex:
    """Fires events of one custom integration, and uploads the files in them, on trio.

    Made without a running loop, and usable in one trio run after another. What is left out of the first four
    arguments is taken from `FLOWFLEX_API_KEY`, `FLOWFLEX_API_SECRET`, `FLOWFLEX_INTEGRATION_CODE` and
    `FLOWFLEX_BASE_URL`.

    Args:
        api_key: The key of the custom integration.
        api_secret: Its secret.
        integration_code: Its code.
        base_url: `https://host[:port][/path]`; plain http for loopback only.
        timeout_seconds: The longest silence of one request, and, a file's transfer aside, its longest duration.
        deadline_seconds: The longest duration of a whole call, retries and waits included.
        max_file_bytes: A larger file is refused before anything is sent.
        max_retries: How often each request is repeated.
        max_parallel_uploads: How many files of one call are on their way at the same time.
        default: Called with a payload value of an unknown type; returns one that can be encoded.
        transport: Performs the requests; by default a `TrioTransport`. One that is given stays its giver's to close.

    Raises:
        FlowFlexConfigError: An argument is missing or wrong; the message names it.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        api_secret: str | None = None,
        integration_code: str | None = None,
        base_url: str | None = None,
        timeout_seconds: float = 30.0,
        deadline_seconds: float | None = None,
        max_file_bytes: int = MAX_FILE_BYTES,
        max_retries: int = 2,
        max_parallel_uploads: int = 16,
        default: Default | None = None,
        transport: AsyncTransport | None = None,
    ) -> None:
        self._settings = settings_from_environment(
            api_key=api_key,
            api_secret=api_secret,
            integration_code=integration_code,
            base_url=base_url,
            timeout_seconds=timeout_seconds,
            deadline_seconds=deadline_seconds,
            max_file_bytes=max_file_bytes,
            max_retries=max_retries,
            max_parallel_uploads=max_parallel_uploads,
            default=default,
        )
        self._owns_transport = transport is None
        self._transport: AsyncTransport = TrioTransport() if transport is None else transport

    file = staticmethod(file)

    async def send_event(
        self,
        event: str,
        *,
        payload: object = None,
        idempotency_key: str | None = None,
        on_progress: OnProgress | None = None,
        timeout_seconds: float | None = None,
        deadline_seconds: float | None = None,
        max_retries: int | None = None,
    ) -> SendEventResult:
        """Upload the files in `payload`, then send the event with their asset ids in their places.

        Args:
            event: The name of the event.
            payload: An object that may hold files, made by `file()`, anywhere; it is not changed.
            idempotency_key: Makes a repeated event have one effect; by default a new one, told by result and error.
            on_progress: Called with `(ref, sent, total)` as the bytes of a file are handed to the network.
            timeout_seconds: For this call, in place of the client's.
            deadline_seconds: For this call, in place of the client's.
            max_retries: For this call, in place of the client's.

        Raises:
            FlowFlexConfigError: An argument, or a value in the payload, cannot be sent. Nothing was.
            FlowFlexUploadError: A file cannot be read, or was not stored. The event was not sent.
            FlowFlexOutcomeUnknownError: The event may have arrived; `resume` its `.snapshot`.
            FlowFlexError: The event was not accepted.
        """
        settings = self._settings.replace(
            timeout_seconds=timeout_seconds, deadline_seconds=deadline_seconds, max_retries=max_retries
        )
        encoded = encode_payload(payload, settings.default)
        operation, sources = await _prepared(
            lambda: prepare_send(settings, event, encoded, idempotency_key),
            in_memory=all(is_in_memory(ref) for ref in encoded.files),
        )
        await self._drive(operation, sources, on_progress)
        return operation.result()

    async def resume(
        self,
        snapshot: str,
        *,
        on_progress: OnProgress | None = None,
        timeout_seconds: float | None = None,
        deadline_seconds: float | None = None,
        max_retries: int | None = None,
    ) -> SendEventResult:
        """Go on with a send from the `.snapshot` of its error: the same body under the same key, no upload twice.

        Raises:
            FlowFlexConfigError: The text is no snapshot, or one of a send to another `base_url` or integration.
            FlowFlexError: As `send_event` does.
        """
        settings = self._settings.replace(
            timeout_seconds=timeout_seconds, deadline_seconds=deadline_seconds, max_retries=max_retries
        )
        operation, sources = await _prepared(lambda: prepare_resume(settings, snapshot), in_memory=False)
        await self._drive(operation, sources, on_progress)
        return operation.result()

    async def upload_file(self, ref: FileRef, *, on_progress: OnProgress | None = None) -> str:
        """Upload one file, and return its asset id, which lives 48 hours.

        Raises:
            FlowFlexUploadError: The file cannot be read, or was not stored.
        """
        operation, sources = await _prepared(
            lambda: prepare_upload(self._settings, ref), in_memory=isinstance(ref, FileRef) and is_in_memory(ref)
        )
        await self._drive(operation, sources, on_progress)
        return operation.result()

    async def create_upload_url(self, *, filename: str, mime: str, size: int | None = None) -> UploadUrl:
        """Ask for a URL to upload to by yourself: a mapping with `assetId`, `uploadUrl` and `token`.

        The URL lives 2 hours; the file goes there by PUT with `mime` as its Content-Type, and no Authorization.

        Raises:
            FlowFlexUploadError: The name, type or size is one that FlowFlex would refuse.
        """
        operation = prepare_upload_url(self._settings, filename=filename, mime=mime, size=size)
        await self._drive(operation, Sources({}), None)
        return operation.result()

    @asynccontextmanager
    async def send_many(
        self, events: Iterable[Event] | AsyncIterable[Event], *, concurrency: int = 4
    ) -> AsyncGenerator[AsyncIterator[SendOutcome]]:
        """Send events as they come, `concurrency` at the same time; their outcomes are iterated over as they end.

            async with client.send_many(events) as outcomes:
                async for outcome in outcomes: ...

        An event is taken from `events` only once it can be sent. A failure is an outcome with an `error`. To leave
        the block early cancels what is under way.
        """
        checks.whole_number(concurrency, "concurrency", least=1)
        queue = _Queue(events)
        into, outcomes = trio.open_memory_channel[SendOutcome](0)

        async def work(into: trio.MemorySendChannel[SendOutcome]) -> None:
            async with into:
                while (taken := await queue.take()) is not None:
                    await into.send(await self._outcome(*taken))

        theirs: Exception | None = None
        with single_cause():
            async with outcomes, trio.open_nursery() as nursery:
                async with into:
                    for _ in range(concurrency):
                        nursery.start_soon(work, into.clone())
                try:
                    yield outcomes
                except Exception as error:
                    # What the caller's block raises, perhaps a group, is the caller's and passes as it is.
                    theirs = error
                nursery.cancel_scope.cancel()
        if theirs is not None:
            raise theirs

    async def aclose(self) -> None:
        """Close every connection. Closing twice is nothing."""
        if self._owns_transport:
            await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"AsyncFlowFlex({self._settings.base_url!r}, integration_code={self._settings.integration_code!r})"

    async def _outcome(self, index: int, event: Event) -> SendOutcome:
        try:
            result = await self.send_event(event.event, payload=event.payload, idempotency_key=event.idempotency_key)
        except Exception as error:
            return SendOutcome(index, event, None, error)
        return SendOutcome(index, event, result, None)

    async def _drive(self, operation: Operation, sources: Sources, on_progress: OnProgress | None) -> None:
        progress = Progress(on_progress)

        async def perform(request: Request) -> Outcome:
            if isinstance(request.body, bytes):
                return await self._transport.perform(request, request.body)
            begun = False
            try:
                async with opened(sources, request.body, progress) as source:
                    try:
                        return await self._transport.perform(request, source)
                    finally:
                        begun = source.begun
            except SourceError as error:
                return source_failure(request, error, sent=begun)

        with single_cause():
            async with trio.open_nursery() as nursery:
                await _Loop(operation, perform, nursery).run()


class _Loop:
    """Drives one operation: a task for each request, which performs it and then advances; and a timer."""

    def __init__(
        self, operation: Operation, perform: Callable[[Request], Awaitable[Outcome]], nursery: trio.Nursery
    ) -> None:
        self._operation = operation
        self._perform = perform
        self._nursery = nursery
        self._clock = Clock(trio.current_time)
        self._timer = trio.CancelScope()

    async def run(self) -> None:
        """Advance whenever the timer goes off, until the operation is done, which cancels the nursery."""
        while True:
            with trio.CancelScope() as self._timer:
                self._advance()
                await trio.sleep_forever()

    def _advance(self, *outcomes: Outcome) -> None:
        turn = self._operation.advance(self._clock.now(), *outcomes)
        if turn.done:
            self._nursery.cancel_scope.cancel()
            return
        self._timer.deadline = math.inf if turn.wait is None else trio.current_time() + turn.wait
        for request in turn.requests:
            self._nursery.start_soon(self._attempt, request)

    async def _attempt(self, request: Request) -> None:
        start = trio.current_time()
        outcome = await self._perform(request)
        log_outcome(request, outcome, trio.current_time() - start)
        self._advance(outcome)


async def _prepared(prepare: Callable[[], T], *, in_memory: bool) -> T:
    """Prepare an operation, in a worker thread where files are to be measured.

    To measure a one-shot stream reads it, perhaps for ever: a cancel does not wait for that thread.
    """
    return prepare() if in_memory else await trio.to_thread.run_sync(prepare, abandon_on_cancel=True)


class _Queue:
    """Takes events from what the caller gave, one at a time, and numbers them."""

    def __init__(self, events: Iterable[Event] | AsyncIterable[Event]) -> None:
        self._events = aiter(events) if isinstance(events, AsyncIterable) else iter(events)
        self._turn = trio.Lock()
        self._taken = 0

    async def take(self) -> tuple[int, Event] | None:
        """Return the next event with its number, or None after the last."""
        async with self._turn:
            if isinstance(self._events, AsyncIterator):
                event = await anext(self._events, None)
            else:
                event = next(self._events, None)
            self._taken += 1
            return None if event is None else (self._taken - 1, event)
