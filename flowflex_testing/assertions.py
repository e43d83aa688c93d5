"""What the fake's `assert_...` methods look for, and the messages that they fail with.

A message says what was wanted, and shows the three requests that came nearest, each with the first thing in which it
differs: a header, a place in the payload as a JSON pointer (RFC 6901), a file; and the rule behind a refusal.
"""

import difflib
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from flowflex_core.secrets import MASKED
from flowflex_testing.engine.journal import RecordedRequest
from flowflex_testing.engine.messages import OriginName
from flowflex_testing.engine.store import Asset, Event
from flowflex_testing.faults.kinds import OPERATIONS, Operation
from flowflex_testing.timeline import filename_of, json_object, line, mask_for, notes, plural

File = str | bytes | os.PathLike[str]

_SHOWN = 3
# As much of a value as is shown.
_LONGEST_VALUE = 200
_SHOWN_BYTES = 40


@dataclass(frozen=True, slots=True, repr=False)
class _Words:
    """Is shown as it stands, where a value would be quoted; equals no value."""

    text: str

    def __repr__(self) -> str:
        return self.text


_NOTHING = _Words("nothing")
_NO_PAYLOAD = _Words("no JSON object")


@dataclass(frozen=True, slots=True)
class Difference:
    """How a request is not what was wanted: `header x-event differs`, and both values."""

    sentence: str
    wanted: object
    found: object

    def lines(self, mask: Callable[[str], str]) -> list[str]:
        """Show the values one above the other; of two long texts what comes before they part is left out."""
        sentence, wanted, found = self.sentence, self.wanted, self.found
        if isinstance(wanted, str) and isinstance(found, str):
            wanted, found = mask(wanted), mask(found)  # before they are cut: half a secret is not recognised
            if max(len(wanted), len(found)) > _LONGEST_VALUE:
                begins = _parting(wanted, found)
                sentence += f", from character {begins} on"
                wanted, found = wanted[begins:], found[begins:]
        return [sentence, f"  wanted  {_shown(wanted, mask)}", f"  found   {_shown(found, mask)}"]


Differences = Callable[[RecordedRequest], Iterable[Difference]]


@dataclass(frozen=True, slots=True)
class WantedEvent:
    """What `assert_event` was asked for."""

    name: str
    payload: Mapping[str, Any]
    files: Mapping[str, File]
    idempotency_key: str | None

    def differences(self, event: Event) -> Iterator[Difference]:
        """Yield how an event that was accepted is another."""
        yield from self._sent_differently(event.name, event.idempotency_key, event.payload)
        for path, file in self.files.items():
            yield from _file_differences(path, file, event.files)

    def differences_of_refused(self, request: RecordedRequest) -> Iterator[Difference]:
        """Yield how a request that led to no event is another; a file that it names may be none of ours."""
        if request.operation != "event":
            yield _differs("operation", "event", request.operation)
        else:
            name, key = request.header("x-event"), request.header("x-idempotency-key")
            payload = json_object(request.body)
            yield from self._sent_differently(name, key, _NO_PAYLOAD if payload is None else payload)

    def likeness(self, request: RecordedRequest) -> float:
        """Tell how near a request comes by its name alone: 1 is the same, below 0 is no event at all."""
        if request.operation != "event":
            return -1.0
        return difflib.SequenceMatcher(None, self.name, request.header("x-event") or "").ratio()

    def _sent_differently(self, name: str | None, key: str | None, payload: Any) -> Iterator[Difference]:
        if name != self.name:
            yield _differs("header x-event", self.name, name)
        if self.idempotency_key not in (None, key):
            yield _differs("header x-idempotency-key", self.idempotency_key, key)
        if self.payload:
            yield from _value_differences(self.payload, payload, "")

    def __str__(self) -> str:
        words = ["this payload"] if self.payload else []
        words += ["these files"] if self.files else []
        words += [] if self.idempotency_key is None else ["this idempotency key"]
        return f"event {self.name!r}{' with ' if words else ''}{' and '.join(words)}"


def find_event(
    requests: Sequence[RecordedRequest], events: Sequence[Event], wanted: WantedEvent, times: int | None
) -> Event:
    """Return the last event that is as wanted, or fail; also where there are not `times` of them."""
    __tracebackhide__ = True
    if times is not None and times < 1:
        raise ValueError(f"times counts from 1, not {times!r}")
    found = [event for event in events if not any(wanted.differences(event))]
    if found and times in (None, len(found)):
        return found[-1]
    by_id = {event.id: event for event in events}

    def differences(request: RecordedRequest) -> Iterator[Difference]:
        event = by_id.get(request.event_id or "")
        return wanted.differences_of_refused(request) if event is None else wanted.differences(event)

    sentence = f"no {wanted} was accepted"
    if found:
        sentence = f"{wanted} was accepted {_counted(len(found), times)}"
    # Of two equally near requests the later is nearer: what was sent last is what the test is about.
    nearest = sorted(
        requests,
        key=lambda request: (-wanted.likeness(request), len(list(differences(request))), -request.number),
    )
    raise _failure(sentence, nearest, differences)


def check_attempts(
    requests: Sequence[RecordedRequest],
    operation: Operation,
    wanted: int,
    idempotency_key: str | None,
    filename: str | None,
) -> None:
    """Fail unless exactly `wanted` requests came for the operation, under that key, about the file of that name."""
    __tracebackhide__ = True
    if operation not in OPERATIONS:
        raise ValueError(f"attempts are those of {', '.join(OPERATIONS)}, not of {operation!r}")
    if idempotency_key is not None and operation != "event":
        raise ValueError(f"{operation} has no idempotency key; event has one")
    if filename is not None and operation == "event":
        raise ValueError("event has no file name; upload-url and put have one")

    def differences(request: RecordedRequest) -> Iterator[Difference]:
        if request.operation != operation:
            yield _differs("operation", operation, request.operation)
        elif idempotency_key not in (None, key := request.header("x-idempotency-key")):
            yield _differs("header x-idempotency-key", idempotency_key, key)
        elif filename not in (None, name := filename_of(request)):
            yield _differs("file name", filename, name)

    nearest = sorted(requests, key=lambda request: len(list(differences(request))))
    count = sum(not any(differences(request)) for request in requests)
    if count != wanted:
        what = operation if idempotency_key is None else f"{operation} with the key {idempotency_key!r}"
        what += "" if filename is None else f" of {filename!r}"
        raise _failure(f"{what} was attempted {_counted(count, wanted)}", nearest, differences)


def check_nothing_sent(requests: Sequence[RecordedRequest]) -> None:
    """Fail if there is a request."""
    __tracebackhide__ = True
    if requests:
        raise _failure(f"nothing was to be sent, and {plural(len(requests), 'request')} arrived", requests)


def check_never_sent(requests: Sequence[RecordedRequest], header: str, to: OriginName | None) -> None:
    """Fail if a request carries the header. What it holds is not shown: it was not to be sent at all."""
    __tracebackhide__ = True
    found = [request for request in requests if to in (None, request.origin) and request.header(header) is not None]
    if found:
        where = f" to {to}" if to else ""
        sentence = f"the header {header} was never to be sent{where}, and {plural(len(found), 'request')} carried it"

        def differences(_: RecordedRequest) -> Iterator[Difference]:
            yield Difference(f"header {header.lower()} differs", _NOTHING, _Words(MASKED))

        raise _failure(sentence, found, differences)


def _value_differences(wanted: Any, found: Any, pointer: str) -> Iterator[Difference]:
    """Compare what is wanted with what was sent: objects by the keys that are wanted, anything else whole."""
    if isinstance(wanted, Mapping) and isinstance(found, dict):
        keys: Mapping[str, Any] = wanted
        values: dict[str, Any] = found
        for key, value in keys.items():
            # RFC 6901, section 3.
            token = str(key).replace("~", "~0").replace("/", "~1")
            yield from _value_differences(value, values.get(key, _NOTHING), f"{pointer}/{token}")
    elif isinstance(wanted, list | tuple) and isinstance(found, list):
        for index, (value, other) in enumerate(zip_longest(wanted, found, fillvalue=_NOTHING)):
            yield from _value_differences(value, other, f"{pointer}/{index}")
    else:
        # 1 == True in Python, but not in JSON.
        is_other_kind = isinstance(wanted, int | float) and isinstance(wanted, bool) != isinstance(found, bool)
        if wanted is _NOTHING or found is _NOTHING or wanted != found or is_other_kind:
            yield Difference(f"payload differs at {pointer}" if pointer else "payload differs", wanted, found)


def _file_differences(path: str, wanted: File, files: Mapping[str, Asset]) -> Iterator[Difference]:
    found = files.get(path)
    if found is None:
        words = f"nothing; files stand at {', '.join(files)}" if files else "nothing, and no other file"
        name = wanted if isinstance(wanted, str) else _Words("a file")
        yield Difference(f"file at {path} differs", name, _Words(words))
    elif isinstance(wanted, str):
        if wanted != found.filename:
            yield Difference(f"name of the file at {path} differs", wanted, found.filename)
    else:
        content = wanted if isinstance(wanted, bytes) else Path(wanted).read_bytes()
        if hashlib.sha256(content).hexdigest() != found.sha256:
            yield _content_difference(path, content, found)


def _content_difference(path: str, wanted: bytes, found: Asset) -> Difference:
    begins = _parting(wanted, found.first_bytes)
    # Beyond the first bytes nothing is kept of a stored file.
    is_kept = begins < len(found.first_bytes) or found.size == len(found.first_bytes)
    where = f"from byte {begins} on" if is_kept else f"after byte {len(found.first_bytes)}"
    shown = [
        _Words(
            f"{plural(size, 'byte')}, {content[begins : begins + _SHOWN_BYTES]!r}" if is_kept else plural(size, "byte")
        )
        for size, content in ((len(wanted), wanted), (found.size, found.first_bytes))
    ]
    return Difference(f"content of the file at {path} differs {where}", *shown)


def _parting(one: str | bytes, other: str | bytes) -> int:
    """Return the first index at which they differ, or at which the shorter ends."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (left, right) in pairs if left != right), min(len(one), len(other)))


def _differs(place: str, wanted: object, found: object | None) -> Difference:
    return Difference(f"{place} differs", wanted, _NOTHING if found is None else found)


def _shown(value: object, mask: Callable[[str], str]) -> str:
    text = mask(repr(value))
    rest = len(text) - _LONGEST_VALUE
    return text if rest <= 0 else f"{text[:_LONGEST_VALUE]}... and {plural(rest, 'character')} more"


def _counted(number: int, wanted: int | None) -> str:
    return f"{plural(number, 'time')}; {wanted} {'was' if wanted == 1 else 'were'} wanted"


def _no_differences(_: RecordedRequest) -> Iterable[Difference]:
    return ()


def _failure(
    sentence: str, nearest: Sequence[RecordedRequest], differences: Differences = _no_differences
) -> AssertionError:
    if not nearest:
        return AssertionError(f"{sentence}\n\nno request arrived")
    mask = mask_for(nearest)
    shown = nearest[:_SHOWN]
    lines = [sentence, "", f"the nearest requests, {len(shown)} of {len(nearest)}:"]
    for request in shown:
        lines.append(f"  {line(request)}")
        lines += [f"      {note}" for note in notes(request)]
        first = next(iter(differences(request)), None)
        lines += [f"      {words}" for words in (first.lines(mask) if first else ())]
    return AssertionError(mask("\n".join(lines)))
