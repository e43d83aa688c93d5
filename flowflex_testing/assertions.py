"""What the fake's `assert_...` methods look at, and the messages that they fail with.

A message says what was wanted, what the likeliest candidate lacks, and which requests came nearest.
"""

import difflib
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flowflex_core.payload import payload_path
from flowflex_testing.journal import RecordedRequest
from flowflex_testing.messages import OriginName
from flowflex_testing.store import Asset, Event

_SHOWN = 3

_Trail = tuple[Any, str | int] | None


def find_event(
    requests: Sequence[RecordedRequest],
    events: Sequence[Event],
    name: str,
    payload: Mapping[str, Any],
    files: Mapping[str, str | bytes],
) -> Event:
    """Return the last event of that name with that payload and those files, or fail."""
    differences: list[str] = []
    for event in reversed(events):
        if event.name == name:
            difference = _payload_difference(payload, event.payload, None) or _files_difference(files, event.files)
            if difference is None:
                return event
            differences.append(f"{event.id}: {difference}")
    wanted = f"no event {name!r} was accepted"
    if differences:
        wanted += " with what was asked for; the last one of that name differs:\n  " + differences[0]
    raise _failure(wanted, nearest(requests, name))


def check_nothing_sent(requests: Sequence[RecordedRequest]) -> None:
    """Fail if there is a request."""
    if requests:
        raise _failure(f"nothing was to be sent, and {_count(len(requests), 'request')} arrived", requests)


def check_never_sent(requests: Sequence[RecordedRequest], header: str, to: OriginName | None) -> None:
    """Fail if a request carries the header."""
    found = [request for request in requests if to in (None, request.origin) and request.header(header) is not None]
    if found:
        where = f" to {to}" if to else ""
        raise _failure(f"{header} was never to be sent{where}, and {_count(len(found), 'request')} carried it", found)


def nearest(requests: Iterable[RecordedRequest], event_name: str) -> list[RecordedRequest]:
    """Sort the requests by how near they come to sending an event of that name; of equals the later is nearer."""

    def distance(request: RecordedRequest) -> tuple[float, int]:
        sent = request.header("x-event") or ""
        likeness = difflib.SequenceMatcher(None, event_name, sent).ratio() if request.operation == "event" else -1.0
        return -likeness, -request.number

    return sorted(requests, key=distance)


def _payload_difference(wanted: Any, found: Any, trail: _Trail) -> str | None:
    if isinstance(wanted, Mapping) and isinstance(found, dict):
        keys: Mapping[str, Any] = wanted
        values: dict[str, Any] = found
        for key, value in keys.items():
            if key not in values:
                return f"{payload_path((trail, key))} is missing; {value!r} was wanted"
            difference = _payload_difference(value, values[key], (trail, key))
            if difference is not None:
                return difference
        return None
    if isinstance(wanted, list | tuple) and isinstance(found, list):
        return _list_difference(list(wanted), list(found), trail)
    # 1 == True in Python, but not in JSON.
    is_other_kind = isinstance(wanted, int | float) and isinstance(wanted, bool) != isinstance(found, bool)
    is_same = wanted == found and not is_other_kind
    return None if is_same else f"{payload_path(trail) or 'payload'} is {found!r}; {wanted!r} was wanted"


def _list_difference(wanted: list[Any], found: list[Any], trail: _Trail) -> str | None:
    for index, (value, other) in enumerate(zip(wanted, found, strict=False)):
        difference = _payload_difference(value, other, (trail, index))
        if difference is not None:
            return difference
    if len(wanted) != len(found):
        return f"{payload_path(trail)} has {_count(len(found), 'item')}; {len(wanted)} were wanted"
    return None


def _files_difference(wanted: Mapping[str, str | bytes], found: Mapping[str, Asset]) -> str | None:
    for path, file in wanted.items():
        asset = found.get(path)
        if asset is None:
            return f"there is no file at {path}; files stand at: {', '.join(found) or 'no path'}"
        if isinstance(file, bytes):
            if hashlib.sha256(file).hexdigest() != asset.sha256:
                return f"the file at {path} has {asset.size} other bytes than the {len(file)} that were wanted"
        elif file != asset.filename:
            return f"the file at {path} is called {asset.filename!r}; {file!r} was wanted"
    return None


def _failure(sentence: str, requests: Sequence[RecordedRequest]) -> AssertionError:
    lines = [sentence, "", "nearest requests:" if requests else "no request arrived"]
    lines += [f"  {request!r}" for request in requests[:_SHOWN]]
    if len(requests) > _SHOWN:
        lines.append(f"  and {len(requests) - _SHOWN} more")
    return AssertionError("\n".join(lines).rstrip())


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
