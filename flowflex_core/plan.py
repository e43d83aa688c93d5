"""What a send is to do: decided when it starts, and never changed."""

from collections.abc import Sequence
from typing import Final, Literal

from flowflex_core.files import FileRef
from flowflex_core.payload import EncodedPayload
from flowflex_core.settings import Settings

# Documented by the vendor: after 48 hours a file is deleted.
ASSET_LIFETIME: Final = 48 * 3600.0

# What a send is for, and so where it ends.
Goal = Literal["event", "asset", "upload-url"]


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
    """What a send is to do. Never changes."""

    __slots__ = ("by_ref", "event", "files", "goal", "key", "payload", "settings")

    def __init__(
        self,
        settings: Settings,
        goal: Goal,
        key: str,
        files: Sequence[PlannedFile],
        event: str = "",
        payload: EncodedPayload | None = None,
    ) -> None:
        self.settings = settings
        self.goal = goal
        self.key = key
        self.files = files
        self.by_ref = {file.ref: file for file in files}
        self.event = event
        self.payload = payload
