"""What is sent: any payload with any files in it, within any bounds, as one drawn operation."""

import json
from dataclasses import dataclass
from typing import Any

from flowflex_core import CreateUploadUrl, FileRef, SendEvent, Settings, UploadFile, file
from tests.core.chances import Chances
from tests.core.worlds import CREDENTIAL, KEY

Operation = SendEvent | UploadFile | CreateUploadUrl

EVENT_NAME = "order.placed"
IDEMPOTENCY_KEY = "key-of-the-event"


def settings_with(**changed: Any) -> Settings:
    options: dict[str, Any] = {
        "api_key": KEY,
        "api_secret": CREDENTIAL,
        "integration_code": "code/1",
        "base_url": "https://api.example",
    }
    return Settings(**(options | changed))


@dataclass(frozen=True)
class Scenario:
    """An operation to be: what it sends, and the settings that bound it."""

    kind: str
    settings: Settings
    payload: dict[str, Any] | None
    files: tuple[FileRef, ...]
    sizes: dict[FileRef, int]

    def start(self) -> Operation:
        if self.kind == "asset":
            return UploadFile.start(self.settings, self.files[0], key="seed")
        if self.kind == "upload-url":
            return CreateUploadUrl.start(self.settings, filename="file-0.pdf", mime="application/pdf", key="seed")
        return SendEvent.start(
            self.settings, EVENT_NAME, self.payload, idempotency_key=IDEMPOTENCY_KEY, sizes=self.sizes
        )

    @property
    def names(self) -> set[str]:
        return {ref.filename for ref in self.files}

    def body(self, assets: dict[str, str]) -> bytes:
        """Return what the event is to carry: the payload with the asset ids in place, by file name."""
        return json.dumps(_filled(self.payload or {}, assets), separators=(",", ":")).encode()

    def __repr__(self) -> str:
        settings = self.settings
        return (
            f"{self.kind} {self.payload}, measured {len(self.sizes)}, max_retries={settings.max_retries}, "
            f"max_parallel_uploads={settings.max_parallel_uploads}, deadline_seconds={settings.deadline_seconds}"
        )


def _filled(value: Any, assets: dict[str, str]) -> Any:
    if isinstance(value, FileRef):
        return assets[value.filename]
    if isinstance(value, dict):
        return {key: _filled(child, assets) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(child, assets) for child in value]
    return value


def a_send(chances: Chances, *, nameable: bool = False) -> Scenario:
    """Draw a send; `nameable`: all of its files have a path, so that it has a snapshot at any time."""
    files = [_file(chances, number, nameable=nameable) for number in range(4)]
    payload = {chances.pick(_KEYS): _tree(chances, files, 0) for _ in range(chances.pick([2, 2, 3, 3, 4, 4, 1, 0]))}
    used = tuple(ref for ref in files if _holds(payload, ref))
    sizes = {ref: ref.size or 0 for ref in chances.some(used)}
    return Scenario("event", _settings(chances), payload or None, used, sizes)


def an_operation(chances: Chances) -> Scenario:
    """Draw an operation of any kind, most often a send."""
    kind = chances.pick(["event", "event", "event", "asset", "upload-url"])
    if kind == "event":
        return a_send(chances)
    return Scenario(kind, _settings(chances), None, (file("/data/file-0.pdf"),), {})


_KEYS = ("first", "second", "third", "", "a.b", "g[0]", 'it"s', "\x00", "é", "\U0001f600")
_VALUES = (
    "text",
    "",
    "asset_00000001",
    "é\u2028\x7f\\",
    "\U0001f600",
    0,
    -1,
    2**70,
    0.1,
    -0.0,
    1e300,
    True,
    False,
    None,
)


def _tree(chances: Chances, files: list[FileRef], depth: int) -> Any:
    """Draw a value: most often a file, which may stand elsewhere too."""
    kind = chances.pick(["file", "file", "file", "file", "list", "object", "tuple", "value"])
    if kind == "file":
        return chances.pick(files)
    if kind == "value" or depth == 3:
        return chances.pick(_VALUES)
    if kind == "object":
        return {chances.pick(_KEYS): _tree(chances, files, depth + 1) for _ in range(chances.pick([1, 2, 3, 0]))}
    children = [_tree(chances, files, depth + 1) for _ in range(chances.pick([1, 2, 3, 0]))]
    return tuple(children) if kind == "tuple" else children


def _holds(value: Any, ref: FileRef) -> bool:
    if isinstance(value, dict):
        return any(_holds(child, ref) for child in value.values())
    if isinstance(value, list | tuple):
        return any(_holds(child, ref) for child in value)
    return value is ref


def _file(chances: Chances, number: int, *, nameable: bool) -> FileRef:
    name = f"file-{number}.pdf"
    if nameable or not chances.once_in(4):
        return file(f"/data/{name}", size=chances.pick([number, None]))
    return file(b"x" * number, filename=name)


def _settings(chances: Chances) -> Settings:
    return settings_with(
        max_retries=chances.pick([2, 1, 0]),
        max_parallel_uploads=chances.pick([2, 1, 3]),
        deadline_seconds=chances.pick([None, None, None, None, None, None, 400_000.0, 7_000.0, 30.0, 0.4]),
        timeout_seconds=chances.pick([30.0, 0.1]),
    )
