"""What an embedder drives: three operations with one method that matters, `advance`.

Each holds a plan and a state, and puts the next state in the old one's place as its last statement.
"""

from collections.abc import Mapping
from typing import Any, Self

from flowflex_core import checks, snapshot
from flowflex_core.errors import FlowFlexConfigError, FlowFlexError, FlowFlexUploadError
from flowflex_core.files import FileRef, check_filename, check_mime, check_size
from flowflex_core.messages import FAILURE_KINDS, Failure, Outcome, Response, SendEventResult, Turn, UploadUrl
from flowflex_core.payload import EncodedPayload, encode_payload
from flowflex_core.plan import Plan, PlannedFile
from flowflex_core.send import step
from flowflex_core.settings import Settings
from flowflex_core.states import EVENT, SendState

# The year 33658: no clock shows it, and all arithmetic on times stays exact to a millisecond.
_LAST_DAY = 1e12


class Operation:
    """An operation under way. Made by `start` or `resume` of one of the three kinds."""

    __slots__ = ("_plan", "_state")

    def __init__(self, plan: Plan, state: SendState) -> None:
        self._plan = plan
        self._state = state

    def advance(self, now: float, *outcomes: Outcome) -> Turn:
        """Apply what happened, and return what is to be done next.

        Args:
            now: Seconds since the epoch. Going back is no matter: within an operation, time never does.
            outcomes: What came of earlier requests, in any order. Late and repeated ones change nothing.

        Raises:
            FlowFlexConfigError: An outcome is none, or names a request that was never issued, or `now` is no time.
        """
        if not isinstance(now, (int, float)) or not -_LAST_DAY < now < _LAST_DAY:
            raise FlowFlexConfigError("now must be a finite number of seconds since the epoch")
        for outcome in outcomes:
            if not isinstance(outcome, (Response, Failure)):
                raise FlowFlexConfigError(f"an outcome is a Response or a Failure, not {type(outcome).__name__}")
            if isinstance(outcome, Failure) and outcome.kind not in FAILURE_KINDS:
                kinds = ", ".join(FAILURE_KINDS)
                raise FlowFlexConfigError(f"the kind of a Failure is one of {kinds}; not {outcome.kind!r:.40}")
        state, turn = step(self._plan, self._state, now, outcomes)
        self._state = state
        return turn

    @property
    def files(self) -> dict[FileRef, int | None]:
        """The files that are not stored yet, each with its size in bytes where it is known."""
        files, state = self._plan.files, self._state
        indices = {*state.pending[state.begun :], *state.under_way} - {EVENT}
        return {files[index].ref: files[index].size for index in sorted(indices)}

    def paths(self, ref: FileRef) -> tuple[str, ...]:
        """List the payload paths of a file; none for an upload without an event."""
        file = self._plan.by_ref.get(ref)
        return () if file is None else file.paths

    def _ended(self) -> object:
        ended = self._state.ended
        if ended is None:
            raise FlowFlexConfigError("the operation is not done: advance it until turn.done")
        if isinstance(ended, FlowFlexError):
            raise self._told(ended).with_traceback(None)  # asked again, it tells of this call alone
        return ended[0]

    def _told(self, error: FlowFlexError) -> FlowFlexError:
        """Add to an error what was reached before it."""
        plan, state = self._plan, self._state
        failures = {
            path: failure for task, failure in state.failed if task.index >= 0 for path in plan.files[task.index].paths
        }
        error.uploaded_assets = _assets(plan, state)
        error.failures = failures
        error.idempotency_key = plan.key if plan.goal == "event" else None
        return error

    def __repr__(self) -> str:
        done = "done" if self._state.ended is not None else "under way"
        return f"{type(self).__name__}({self._plan.event or self._plan.goal!r}, {done})"

    def __reduce__(self) -> tuple[Any, ...]:
        raise FlowFlexConfigError("an operation holds credentials and is not pickled; a SendEvent has a snapshot()")


class SendEvent(Operation):
    """Sends one event: uploads the files in its payload, then posts it with the asset ids in their place."""

    __slots__ = ()

    @classmethod
    def start(
        cls,
        settings: Settings,
        event: str,
        payload: object = None,
        *,
        idempotency_key: str,
        sizes: Mapping[FileRef, int] | None = None,
    ) -> Self:
        """Check everything, and return a send that has not begun.

        Args:
            settings: Where to send, as whom, and within which bounds.
            event: The name of the event.
            payload: An object (mapping, dataclass, pydantic model) that may hold files anywhere, None for an empty
                one, or what `encode_payload` returned.
            idempotency_key: The key that makes a repeated POST have one effect. Keep it if you may have to repeat.
            sizes: The measured size of each file in bytes; of those left out, the size that its `FileRef` tells.

        Raises:
            FlowFlexConfigError: An argument, or a value in the payload, cannot be sent, or `sizes` names a file that is
                not in the payload.
            FlowFlexUploadError: A file has no usable name, type or size.
        """
        _check_settings(settings)
        checks.header_value(event, "event")
        checks.header_value(idempotency_key, "idempotency_key")
        if sizes is not None and not isinstance(sizes, Mapping):
            raise FlowFlexConfigError(f"sizes must be a mapping of files to bytes, not {type(sizes).__name__}")
        encoded = encode_payload(payload, settings.default)
        if sizes and (strangers := sizes.keys() - set(encoded.files)):
            raise FlowFlexConfigError(
                f"sizes names {strangers.pop()!r}, which is no file of the payload: take its keys from "
                "files_in(payload), or, where a payload makes files when it is read, from the files of one "
                "encode_payload(payload)"
            )
        files = _planned(encoded, sizes or {}, settings) if encoded.files else ()
        plan = Plan(settings, "event", idempotency_key, files, event, encoded)
        return cls(plan, SendState(len(files)))

    @classmethod
    def resume(cls, text: str, settings: Settings) -> Self:
        """Go on from a snapshot, in this process or another.

        What was stored is kept; an unfinished upload begins anew; a POST that was under way is due again, with the
        same body under the same key. The deadline begins anew.

        Raises:
            FlowFlexConfigError: The text is no snapshot, or one of a send to another `base_url` or integration.
            FlowFlexUploadError: A file that is still to be stored is over the limit of the settings.
        """
        _check_settings(settings)
        operation = cls(*snapshot.read(text, settings))
        for index in operation._state.pending:
            file = operation._plan.files[index]
            _check_sizes(file.ref, None, file.paths[0], settings)
        return operation

    @property
    def event(self) -> str:
        """The name of the event."""
        return self._plan.event

    @property
    def idempotency_key(self) -> str:
        """The key that the event is sent under, for as long as it may have to be repeated."""
        return self._plan.key

    def snapshot(self) -> str:
        """Return what is durable as JSON text: no credentials, no upload URL, but the payload.

        Raises:
            FlowFlexConfigError: A file that is not stored yet has no path to find it by in another process.
        """
        return snapshot.write(self._plan, self._state)

    def result(self) -> SendEventResult:
        """Return what the accepted event left behind, or raise the `FlowFlexError` that ended the send."""
        response = self._ended()
        return SendEventResult(response, _assets(self._plan, self._state), self._plan.key)

    def _told(self, error: FlowFlexError) -> FlowFlexError:
        super()._told(error)
        error.snapshot = snapshot.write_if_worth_it(self._plan, self._state)
        return error


class UploadFile(Operation):
    """Uploads one file, without an event."""

    __slots__ = ()

    @classmethod
    def start(cls, settings: Settings, ref: FileRef, *, key: str, size: int | None = None) -> Self:
        """Check everything, and return an upload that has not begun. `key` only seeds the jitter of its retries.

        Raises:
            FlowFlexConfigError: `settings`, `ref` or `key` is of another type.
            FlowFlexUploadError: The file has no usable name, type or size.
        """
        _check_settings(settings)
        if not isinstance(ref, FileRef):
            raise FlowFlexConfigError(f"ref must be a FileRef, as file() returns it, not {type(ref).__name__}")
        checks.text(key, "key")
        size = _check_sizes(ref, size, "", settings)
        plan = Plan(settings, "asset", key, (PlannedFile(ref, ref.filename, ref.mime, size, ()),))
        return cls(plan, SendState(1))

    def result(self) -> str:
        """Return the asset id, or raise the `FlowFlexError` that ended the upload."""
        return str(self._ended())


class CreateUploadUrl(Operation):
    """Asks for one upload URL."""

    __slots__ = ()

    @classmethod
    def start(cls, settings: Settings, *, filename: str, mime: str, size: int | None = None, key: str) -> Self:
        """Check everything, and return a request that has not begun. `key` only seeds the jitter of its retries.

        Raises:
            FlowFlexConfigError: `settings` or `key` is of another type.
            FlowFlexUploadError: The name, type or size is one that FlowFlex would refuse.
        """
        _check_settings(settings)
        checks.text(key, "key")
        ref = FileRef(None, filename=check_filename(filename), mime=check_mime(mime), size=size)
        size = _check_sizes(ref, None, "", settings)
        plan = Plan(settings, "upload-url", key, (PlannedFile(ref, ref.filename, ref.mime, size, ()),))
        return cls(plan, SendState(1))

    @property
    def files(self) -> dict[FileRef, int | None]:
        """None: no file is read for an upload URL."""
        return {}

    def result(self) -> UploadUrl:
        """Return the upload URL, or raise the `FlowFlexError` that ended the request."""
        granted = self._ended()
        assert isinstance(granted, UploadUrl)
        return UploadUrl(granted)


def _check_settings(settings: object) -> None:
    if not isinstance(settings, Settings):
        raise FlowFlexConfigError(f"settings must be a Settings, not {type(settings).__name__}")


def _planned(encoded: EncodedPayload, sizes: Mapping[FileRef, int], settings: Settings) -> tuple[PlannedFile, ...]:
    return tuple(
        PlannedFile(ref, ref.filename, ref.mime, _check_sizes(ref, sizes.get(ref), paths[0], settings), paths)
        for ref, paths in encoded.paths_by_file().items()
    )


def _check_sizes(ref: FileRef, measured: int | None, path: str, settings: Settings) -> int | None:
    """Return the size of a file where it is known; refuse one that is too large, or not the one declared."""
    name = f"{path}: {ref.filename!r}" if path else repr(ref.filename)
    declared = ref.size
    if measured is not None:
        try:
            check_size(measured)
        except FlowFlexUploadError as error:
            raise FlowFlexUploadError(f"{name}: {error.message}") from None
    if measured is not None and declared is not None and measured != declared:
        raise FlowFlexUploadError(f"{name} is {measured} bytes, not the {declared} that size= says")
    size = declared if measured is None else measured
    if size is not None and size > settings.max_file_bytes:
        raise FlowFlexUploadError(f"{name} is {size} bytes, over the limit of {settings.max_file_bytes}")
    return size


def _assets(plan: Plan, state: SendState) -> dict[str, str]:
    if plan.payload is None or not state.stored.count:
        return {}
    ids = {entry.index: entry.asset_id for entry in state.stored}
    places = zip(plan.payload.places, plan.payload.paths, strict=True)
    return {path: ids[place] for place, path in places if place in ids}
