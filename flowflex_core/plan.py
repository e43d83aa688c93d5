"""What a send is to do: decided when it starts, and never changed."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal

from flowflex_core.files import FileRef
from flowflex_core.payload import EncodedPayload
from flowflex_core.settings import Settings

# What a send is for, and so where it ends.
Goal = Literal["event", "asset", "upload-url"]

NO_HISTORY: Final[Mapping[int, tuple[int, int]]] = MappingProxyType({})


class PlannedFile:
    """One file of a send, with all that its requests need."""

    __slots__ = ("filename", "mime", "paths", "ref", "size")

    def __init__(self, ref: FileRef, filename: str, mime: str, size: int | None, paths: tuple[str, ...]) -> None:
        self.ref = ref
        self.filename = filename
        self.mime = mime
        self.size = size
        self.paths = paths


class Plan:
    """What a send is to do. Never changes.

    Attributes:
        settings: Where to send, as whom, and within which bounds.
        goal: Where it ends.
        key: The idempotency key of an event; the seed of the jitter.
        files: The files, by index; `by_ref` has them by what the caller holds.
        event: The name of the event.
        payload: Its payload; None without an event.
        history: Attempts and failures of files, by index, in the process that took the snapshot.
    """

    __slots__ = ("by_ref", "event", "files", "goal", "history", "key", "payload", "settings")

    def __init__(
        self,
        settings: Settings,
        goal: Goal,
        key: str,
        files: Sequence[PlannedFile],
        event: str = "",
        payload: EncodedPayload | None = None,
        history: Mapping[int, tuple[int, int]] = NO_HISTORY,
    ) -> None:
        self.settings = settings
        self.goal = goal
        self.key = key
        self.files = files
        self.by_ref = {file.ref: file for file in files}
        self.event = event
        self.payload = payload
        self.history = history
