"""`AsyncFlowFlex`: the client for trio."""

import os
import ssl
import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self, TypeVar

import trio

from flowflex_core import (
    FileRef,
    FlowFlexUploadTimeoutError,
    Operation,
    SendEventResult,
    Settings,
    UploadUrl,
    checks,
    encode_payload,
)
from flowflex_core.files import MAX_FILE_BYTES
from flowflex_core.payload import Default
from flowflex_transports.bodies import Sources
from flowflex_transports.calls import (
    Clock,
    Deadline,
    Event,
    OnProgress,
    Progress,
    SendOutcome,
    prepare_resume,
    prepare_send,
    prepare_upload,
    prepare_upload_url,
)
from flowflex_transports.client import Client, check_way
from flowflex_transports.environment import settings_from_environment
from flowflex_transports.protocols import AsyncTransport
from flowflex_transports.reading import GoOn, always
from flowflex_transports.trio.many import send_many
from flowflex_transports.trio.run import Run
from flowflex_transports.trio.source import is_in_memory
from flowflex_transports.trio.transport import TrioTransport

T = TypeVar("T")


class AsyncFlowFlex(Client):
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
        deadline_seconds: The longest duration of a whole call: measuring its files, retries and waits included. A file
            object whose `read` blocks in a worker thread then, or on a cancel, is left to that thread, which puts it
            back where it stood when the `read` returns.
        max_file_bytes: A larger file is refused before anything is sent.
        max_retries: How often each request is repeated.
        max_parallel_uploads: How many files of one call are on their way at the same time.
        default: Called with a payload value of an unknown type; returns one that can be encoded.
        ssl_context: What TLS trusts; by default the system's authorities, or those of `SSL_CERT_FILE`.
        ca_file: A file of certificates to trust in place of those.
        proxy: `http://[user:password@]host[:port]`; by default what `HTTPS_PROXY` and `NO_PROXY` say.
        transport: Performs the requests in place of `TrioTransport`; whoever gives it closes it.

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
        ssl_context: ssl.SSLContext | None = None,
        ca_file: "str | os.PathLike[str] | None" = None,
        proxy: str | None = None,
        transport: AsyncTransport | None = None,
    ) -> None:
        settings = settings_from_environment(
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
        super().__init__(settings)
        check_way(transport=transport, ssl_context=ssl_context, ca_file=ca_file, proxy=proxy)
        self._given = transport
        self._transport: AsyncTransport = (
            TrioTransport(ssl_context=ssl_context, ca_file=ca_file, proxy=proxy) if transport is None else transport
        )

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
        settings = self._settings_for(timeout_seconds, deadline_seconds, max_retries)
        deadline = _deadline(settings)
        encoded = encode_payload(payload, settings.default)
        operation, sources = await _prepared(
            lambda go_on: prepare_send(settings, event, encoded, idempotency_key, go_on),
            deadline,
            in_memory=all(is_in_memory(ref) for ref in encoded.files),
        )
        await self._run(deadline, operation, sources, on_progress)
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
        settings = self._settings_for(timeout_seconds, deadline_seconds, max_retries)
        deadline = _deadline(settings)
        operation, sources = await _prepared(
            lambda go_on: prepare_resume(settings, snapshot, go_on), deadline, in_memory=False
        )
        await self._run(deadline, operation, sources, on_progress)
        return operation.result()

    async def upload_file(self, ref: FileRef, *, on_progress: OnProgress | None = None) -> str:
        """Upload one file, and return its asset id, which lives 48 hours.

        Raises:
            FlowFlexUploadError: The file cannot be read, or was not stored.
        """
        self._check_open()
        deadline = _deadline(self._settings)
        operation, sources = await _prepared(
            lambda go_on: prepare_upload(self._settings, ref, go_on),
            deadline,
            in_memory=isinstance(ref, FileRef) and is_in_memory(ref),
        )
        await self._run(deadline, operation, sources, on_progress)
        return operation.result()

    async def create_upload_url(self, *, filename: str, mime: str, size: int | None = None) -> UploadUrl:
        """Ask for a URL to upload to by yourself: a mapping with `assetId`, `uploadUrl` and `token`.

        The URL lives 2 hours; the file goes there by PUT with `mime` as its Content-Type, and no Authorization.

        Raises:
            FlowFlexUploadError: The name, type or size is one that FlowFlex would refuse.
        """
        self._check_open()
        operation = prepare_upload_url(self._settings, filename=filename, mime=mime, size=size)
        await self._run(_deadline(self._settings), operation, Sources({}), None)
        return operation.result()

    def send_many(
        self, events: Iterable[Event] | AsyncIterable[Event], *, concurrency: int = 4
    ) -> AbstractAsyncContextManager[AsyncIterator[SendOutcome]]:
        """Send events, `concurrency` at the same time, and give the outcome of each as it ends: a result or an error.

            async with client.send_many(events) as outcomes:
                async for outcome in outcomes: ...

        An event is taken from `events` only once it can be sent. To leave the block cancels what is under way.
        """
        self._check_open()
        checks.whole_number(concurrency, "concurrency", least=1)

        async def send(event: Event) -> SendEventResult:
            return await self.send_event(event.event, payload=event.payload, idempotency_key=event.idempotency_key)

        return send_many(send, events, concurrency)

    async def aclose(self) -> None:
        """Close the connections; a transport that was given is its giver's. Closing twice is nothing."""
        self._closed = True
        if self._given is None:
            await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _run(
        self, deadline: Deadline, operation: Operation, sources: Sources, on_progress: OnProgress | None
    ) -> None:
        await Run(operation, sources, Progress(on_progress), self._transport, deadline).to_end()


def _deadline(settings: Settings) -> Deadline:
    # By the loop's own time, which may be virtual.
    return Deadline(Clock(trio.current_time), settings.deadline_seconds)


async def _prepared(prepare: Callable[[GoOn], T], deadline: Deadline, *, in_memory: bool) -> T:
    """Prepare an operation, in a worker thread where files are to be measured.

    To measure a one-shot stream reads it, perhaps for ever: neither the deadline nor a cancel waits for that thread,
    which ends with the `read` that it is in.
    """
    if in_memory:
        return prepare(always)
    given_up = threading.Event()
    try:
        with trio.move_on_after(max(0.0, deadline.left)):
            return await trio.to_thread.run_sync(prepare, lambda: not given_up.is_set(), abandon_on_cancel=True)
    finally:
        given_up.set()
    raise FlowFlexUploadTimeoutError("the files were not measured before the deadline; nothing was sent")
