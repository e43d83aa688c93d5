"""`FlowFlex`: the client for blocking code."""

import os
import ssl
import threading
from collections.abc import Generator, Iterable
from types import TracebackType
from typing import Any, Self

from flowflex_core import FileRef, Operation, SendEvent, SendEventResult, UploadUrl
from flowflex_core.checks import whole_number
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
from flowflex_transports.process import PerProcess
from flowflex_transports.protocols import Transport
from flowflex_transports.sync.many import send_many
from flowflex_transports.sync.run import Run
from flowflex_transports.sync.session import SessionTransport
from flowflex_transports.sync.transport import Urllib3Transport


class FlowFlex(Client):
    """Fires events of one custom integration, and uploads the files in them.

    Any number of threads may use one client, and a forked process goes on with it. The first four arguments, where
    left out, come from `FLOWFLEX_API_KEY`, `FLOWFLEX_API_SECRET`, `FLOWFLEX_INTEGRATION_CODE` and `FLOWFLEX_BASE_URL`.

    Args:
        api_key: The key of the custom integration.
        api_secret: Its secret.
        integration_code: The code in the event's URL.
        base_url: `https://host[:port][/path]`; plain http for loopback only.
        timeout_seconds: The longest silence of one request, and, a file's transfer aside, its longest duration.
        deadline_seconds: The longest duration of a whole call: measuring its files, retries and waits included. Two
            things alone are waited for beyond it: name resolution, and a `read` of a file object of yours that blocks.
        max_file_bytes: A larger file is refused before anything is sent.
        max_retries: How often each request is repeated.
        max_parallel_uploads: How many files of one call are on their way at the same time, and at most how many
            threads the client adds to those that call it. (`send_many` has `concurrency` threads beside them.)
        default: Called with a payload value of an unknown type; returns one that can be encoded.
        ssl_context: What TLS trusts; by default the system's authorities, or those of `SSL_CERT_FILE`.
        ca_file: A file of certificates to trust in place of those.
        proxy: `http://[user:password@]host[:port]`; by default what `HTTPS_PROXY` and `NO_PROXY` say.
        transport: Performs the requests in place of `Urllib3Transport`; whoever gives it closes it.
        session: A `requests.Session` or its like to send everything with; whoever gives it closes it.

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
        transport: Transport | None = None,
        session: Any = None,
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
        check_way(transport=transport, session=session, ssl_context=ssl_context, ca_file=ca_file, proxy=proxy)
        check_way(session=session, ssl_context=ssl_context, ca_file=ca_file, proxy=proxy)
        self._given = transport if session is None else SessionTransport(session)
        self._transport: Transport = self._given or Urllib3Transport(
            ssl_context=ssl_context, ca_file=ca_file, proxy=proxy
        )
        self._spare = PerProcess(lambda: threading.Semaphore(max_parallel_uploads - 1))
        self._clock = Clock()

    def send_event(
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
                After Ctrl-C it is not: whoever means to repeat the call then gives one.
            on_progress: Called with `(ref, sent, total)` as the bytes of a file are handed to the network: one call
                at a time, from whichever thread sends. `sent` is 0 when an attempt begins, also a repeated one. What
                it raises ends the send, and is raised here.
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
        deadline = Deadline(self._clock, settings.deadline_seconds)
        operation, sources = prepare_send(settings, event, payload, idempotency_key, lambda: deadline.left > 0)
        self._run(deadline, operation, sources, on_progress).to_end()
        return operation.result()

    def resume(
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
        deadline = Deadline(self._clock, settings.deadline_seconds)
        operation, sources = prepare_resume(settings, snapshot, lambda: deadline.left > 0)
        self._run(deadline, operation, sources, on_progress).to_end()
        return operation.result()

    def send_many(self, events: Iterable[Event], *, concurrency: int = 4) -> Generator[SendOutcome]:
        """Send events, `concurrency` at the same time, and yield the outcome of each as it ends: a result or an error.

        An event is taken from `events` only once it can be sent. To close the generator, or to leave it by Ctrl-C,
        stops what is under way.
        """
        self._check_open()
        whole_number(concurrency, "concurrency", least=1)

        def prepare(event: Event) -> tuple[SendEvent, Run]:
            deadline = Deadline(self._clock, self._settings.deadline_seconds)
            operation, sources = prepare_send(
                self._settings, event.event, event.payload, event.idempotency_key, lambda: deadline.left > 0
            )
            return operation, self._run(deadline, operation, sources, None)

        return send_many(prepare, events, concurrency)

    def upload_file(self, ref: FileRef, *, on_progress: OnProgress | None = None) -> str:
        """Upload one file, and return its asset id, which lives 48 hours.

        Raises:
            FlowFlexUploadError: The file cannot be read, or was not stored.
        """
        self._check_open()
        deadline = Deadline(self._clock, self._settings.deadline_seconds)
        operation, sources = prepare_upload(self._settings, ref, lambda: deadline.left > 0)
        self._run(deadline, operation, sources, on_progress).to_end()
        return operation.result()

    def create_upload_url(self, *, filename: str, mime: str, size: int | None = None) -> UploadUrl:
        """Ask for a URL to upload to by yourself: a mapping with `assetId`, `uploadUrl` and `token`.

        The URL lives 2 hours; the file goes there by PUT with `mime` as its Content-Type, and no Authorization.

        Raises:
            FlowFlexUploadError: The name, type or size is one that FlowFlex would refuse.
        """
        self._check_open()
        deadline = Deadline(self._clock, self._settings.deadline_seconds)
        operation = prepare_upload_url(self._settings, filename=filename, mime=mime, size=size)
        self._run(deadline, operation, Sources({}), None).to_end()
        return operation.result()

    def close(self) -> None:
        """Close the connections; a transport or session that was given is its giver's. Closing twice is nothing."""
        self._closed = True
        if self._given is None:
            self._transport.close()

    def _run(self, deadline: Deadline, operation: Operation, sources: Sources, on_progress: OnProgress | None) -> Run:
        return Run(
            operation,
            sources,
            Progress(on_progress),
            transport=self._transport,
            deadline=deadline,
            spare=self._spare.get(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
