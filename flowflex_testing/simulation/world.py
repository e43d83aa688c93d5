"""A world for one schedule: what is sent in it and what may go wrong, all drawn from its tape."""

from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from flowflex_core.errors import FlowFlexError
from flowflex_core.files import FileRef
from flowflex_core.messages import Request, SendEventResult
from flowflex_core.payload import files_in
from flowflex_core.settings import Settings
from flowflex_testing.engine.routing import Engine
from flowflex_testing.engine.store import Store, Tenant
from flowflex_testing.faults.plan import FaultPlan
from flowflex_testing.simulation.mishaps import FATAL, HOUR, SURVIVABLE, Mishap
from flowflex_testing.simulation.network import API, STORAGE, Flight, Leg, Network, leg_of
from flowflex_testing.simulation.tape import Tape
from flowflex_testing.simulation.timeline import FIRST_MOMENT, ServerTime, Timeline
from flowflex_testing.switches import Switches

Mode = Literal["safety", "liveness", "chaos"]
MODES: tuple[Mode, ...] = ("safety", "liveness", "chaos")

API_KEY = "cik_simulated"
API_SECRET = "cis_simulated_secret"  # noqa: S105 - it opens nothing
TOKEN = b64encode(f"{API_KEY}:{API_SECRET}".encode()).decode()
CODE = "ic_simulated"

CONTENTS: Mapping[str, bytes] = {
    "/files/invoice.pdf": b"%PDF-1.7 an invoice",
    "/files/photo.png": b"\x89PNG a photo of some more bytes than the invoice has",
    "/files/empty.txt": b"",
    "/files/voice.ogg": b"OggS" * 40,
}
# Named once, and not at each use of the thousands that there are in a second.
_INVOICE, _PHOTO, _EMPTY, _VOICE = (
    FileRef(ref.source, filename=ref.filename, mime=ref.mime) for ref in (FileRef(path) for path in CONTENTS)
)

# Those of the fake itself: mishaps are of the network.
_NO_FAULTS = FaultPlan()

_MOST_LIVES = 3
_AWAY = (0, 1, 3, 12, 20, 23, 47, 60)

# Sent by its number; each is an object that the encoder walks anew.
PAYLOADS: tuple[dict[str, Any], ...] = (
    {"assetId": _INVOICE},
    {"customer": "Ada", "total": 12.5, "gallery": [_PHOTO, _INVOICE]},
    {"order": {"receipt": _INVOICE, "again": [_INVOICE, None]}, "paid": True},
    {"assetId": _VOICE, "note": "ümläut \N{SNOWMAN}"},
    {"a": {"b": {"c": [_EMPTY, {"d": _PHOTO}]}}, "files": [_VOICE, _INVOICE]},
    {"customer": "Ada", "lines": [1, 2, 3]},
)
SIZES = tuple({ref: len(CONTENTS[str(ref.source)]) for ref in files_in(payload)} for payload in PAYLOADS)

_REFS = (_INVOICE, _PHOTO, _EMPTY, _VOICE)


def _with_files(value: Any, files: Mapping[FileRef, FileRef]) -> Any:
    """Return a payload with other files in the place of its own."""
    if isinstance(value, FileRef):
        return files[value]
    if isinstance(value, dict):
        return {key: _with_files(child, files) for key, child in value.items()}
    return [_with_files(child, files) for child in value] if isinstance(value, list) else value


_IN_MEMORY = {ref: FileRef(CONTENTS[str(ref.source)], filename=ref.filename, mime=ref.mime) for ref in _REFS}


def _files_at(value: Any, path: str = "") -> dict[str, str]:
    """Map payload paths to file names, by a walk that is not the core's."""
    if isinstance(value, FileRef):
        return {path: str(value.filename)}
    children: dict[str, Any] = {}
    if isinstance(value, dict):
        children = {f"{path}.{key}" if path else key: child for key, child in value.items()}
    elif isinstance(value, list):
        children = {f"{path}[{index}]": child for index, child in enumerate(value)}
    return {place: name for at, child in children.items() for place, name in _files_at(child, at).items()}


FILES = tuple(_files_at(payload) for payload in PAYLOADS)

# The same payloads for a client, which opens files by itself.
OPENED: tuple[dict[str, Any], ...] = tuple(_with_files(payload, _IN_MEMORY) for payload in PAYLOADS)


class Send:
    """One send in a world, and what became of it.

    Attributes:
        number: Which one, from 0.
        files: Payload path to the name of the file there.
        lives: How many processes have worked on it.
        began_at: When the life of the present process began.
        snapshots: Every snapshot that was saved, in order.
        came_with_errors: Those of a send that had failed: they give it all attempts anew.
        result: What it returned; None where it did not.
        error: What it raised; None where it did not.
        ended_at: When it returned or raised.
        was_cancelled: Whether its caller gave up.
        struck: The mishaps that struck its flights: leg and file or event, and which.
    """

    __slots__ = (
        "began_at",
        "came_with_errors",
        "ended_at",
        "error",
        "event",
        "files",
        "key",
        "lives",
        "number",
        "opened",
        "payload",
        "result",
        "settings",
        "sizes",
        "snapshots",
        "struck",
        "was_cancelled",
    )

    def __init__(self, number: int, payload: int, settings: Settings) -> None:
        self.number = number
        self.event = "invoice.created"
        self.payload = PAYLOADS[payload]
        self.opened = OPENED[payload]
        self.sizes = SIZES[payload]
        self.files = FILES[payload]
        self.key = f"key-{number}"
        self.settings = settings
        self.lives = 1
        self.began_at = FIRST_MOMENT
        self.snapshots: list[str] = []
        self.came_with_errors: set[str] = set()
        self.result: SendEventResult | None = None
        self.error: FlowFlexError | None = None
        self.ended_at: float | None = None
        self.was_cancelled = False
        self.struck: dict[str, list[Mishap]] = {}


class World:
    """What a schedule runs in.

    Attributes:
        tape: Where all decisions come from.
        mode: What is promised of the sends.
        menu: The mishaps that exist in this world.
        sends: What is sent.
        is_endless: Whether things went on for so long that they were not waited for.
        notes: What else is to be told of it: after how many flights, when, and in words.
    """

    def __init__(self, tape: Tape, mode: Mode) -> None:
        self.tape = tape
        self.mode: Mode = mode
        choose = tape.choose
        self.menu = [SURVIVABLE[choose(len(SURVIVABLE))] for _ in range(4 - choose(4))]
        if tape.once_in(4):
            self.menu.append(FATAL[choose(len(FATAL))])
        if mode == "safety":
            self.menu = [mishap for mishap in self.menu if mishap.is_tame]
        retries = (2, 1, 3, 0)[choose(4)]
        deadline = None if mode == "safety" else (None, None, 20.0, 3.0)[choose(4)]
        settings = _settings(retries, (16, 1, 2)[choose(3)], deadline, (30.0, 5.0)[choose(2)])
        sends = 1 + (choose(8) == 7) + (choose(16) == 15)
        self.sends = [Send(number, choose(len(PAYLOADS)), settings) for number in range(sends)]
        self.may_die = mode == "chaos" and choose(3) == 2
        self.may_cancel = mode == "chaos" and choose(8) == 7
        # A lasting mishap strikes every flight of a leg from some point on.
        self.lasting: tuple[Mishap, Leg] | None = None
        if mode == "liveness" and self.menu:
            mishap = self.menu[-1]
            legs = sorted(mishap.legs)
            self.lasting = (mishap, legs[choose(len(legs))])
        # Whether callers go on after an error.
        self.goes_on = self.may_die or (mode == "liveness" and choose(4) == 3)
        # How long nobody works on a send that is gone on with, if it is not at once.
        self.away = HOUR * _AWAY[choose(len(_AWAY))] if self.goes_on else 0.0
        self.is_endless = False
        self.notes: list[tuple[int, float, str]] = []
        self.timeline = Timeline()
        self.store = Store(
            [Tenant("default", API_KEY, API_SECRET, CODE)], ServerTime(self.timeline), _switches(choose(2)), STORAGE
        )
        self.network = Network(tape, self.timeline, Engine(self.store, _NO_FAULTS))
        if mode == "safety":
            self.network.longest_way = 12 * HOUR  # no day passes, and every event is to arrive

    def let_go(self) -> None:
        """Forget what was sent: flights and those who sent them hold each other, and nobody else would part them."""
        self.sends.clear()
        self.network.flights.clear()

    @property
    def jumped(self) -> bool:
        """Whether time jumped, as while a machine sleeps."""
        return self.timeline.jumped

    def note(self, send: Send, words: str) -> None:
        """Take in what is to be told where it failed."""
        self.notes.append((len(self.network.flights), self.timeline.now, f"send {send.number} {words}"))

    def may_live_again(self, send: Send) -> bool:
        """Whether another process may work on a send after the present one."""
        return send.lives < _MOST_LIVES

    def time_to_next_life(self, send: Send) -> float:
        """Begin another life of a send: return in how many seconds."""
        send.lives += 1
        return 0.0 if self.tape.once_in(4) else self.away

    def goes_on_after(self, send: Send, error: FlowFlexError) -> bool:
        """Draw whether a send goes on, in another life, from the snapshot that came with an error."""
        if not (self.goes_on and error.snapshot and self.may_live_again(send) and self.tape.once_in(2)):
            return False
        send.snapshots.append(error.snapshot)
        send.came_with_errors.add(error.snapshot)
        return True

    def fly(self, flight: Flight, send: Send) -> None:
        """Let a flight leave, and draw what happens to it."""
        self.network.flights.append(flight)
        mishap = self._mishap(flight, send)
        if mishap is None:
            flight.goes_well()
        else:
            flight.mishap = mishap.name
            mishap.strike(flight)

    def _mishap(self, flight: Flight, send: Send) -> Mishap | None:
        if self.lasting is not None:
            mishap, leg = self.lasting
            return mishap if flight.leg == leg else None
        menu = [mishap for mishap in self.menu if flight.leg in mishap.legs]
        if not menu or not self.tape.once_in(2):
            return None
        mishap = menu[self.tape.choose(len(menu))]
        if self.mode == "safety":
            # The id of a request is leg/file/attempt, and leg/attempt for the event.
            struck = send.struck.setdefault(flight.request.id.rpartition("/")[0], [])
            if not self._is_affordable(mishap, struck, send):
                return None
            struck.append(mishap)
        return mishap

    def _is_affordable(self, mishap: Mishap, struck: list[Mishap], send: Send) -> bool:
        """Whether a send still has a promised end when one more mishap strikes."""
        if mishap.name == "two hours pass":  # they do for every send
            return not any(mishap in others for other in self.sends for others in other.struck.values())
        # A URL that grows old before its put costs an attempt of that.
        return mishap.leaves_budget or len(struck) < send.settings.max_retries - 1


def payload_in(folder: Path, send: Send) -> dict[str, Any]:
    """Return what is sent, with its files in a folder, where they are put if they are not there."""
    refs = {}
    for ref in _REFS:
        path = folder / str(ref.filename)
        if not path.exists():
            path.write_bytes(CONTENTS[str(ref.source)])
        refs[ref] = FileRef(path, filename=ref.filename, mime=ref.mime)
    payload: dict[str, Any] = _with_files(send.payload, refs)
    return payload


def source_of(request: Request) -> str:
    """Return the path of the file that a request sends; empty for any other."""
    return "" if isinstance(request.body, bytes) else f"/files/{request.body.filename}"


def content_of(request: Request) -> bytes:
    """Return the bytes of a request: of a file, what stands at its path."""
    body = request.body
    return body if isinstance(body, bytes) else CONTENTS[source_of(request)]


def one_at_a_time(settings: Settings) -> Settings:
    """Return settings with which no two requests are issued at the same time."""
    return _settings(settings.max_retries, 1, settings.deadline_seconds, settings.timeout_seconds)


@cache
def _settings(retries: int, parallel: int, deadline: float | None, timeout: float) -> Settings:
    return Settings(
        api_key=API_KEY,
        api_secret=API_SECRET,
        integration_code=CODE,
        base_url=API,
        timeout_seconds=timeout,
        deadline_seconds=deadline,
        max_retries=retries,
        max_parallel_uploads=parallel,
    )


@cache
def _switches(dialect: int) -> Switches:
    return Switches(storage_dialect="supabase" if dialect else "s3")


__all__ = ["CONTENTS", "MODES", "PAYLOADS", "Mode", "Send", "World", "content_of", "leg_of"]
