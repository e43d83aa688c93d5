"""Reads the payload that `flowflex send` is given: the JSON of `--data`, and the files that `--file` puts into it."""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any, NoReturn

from flowflex_core.errors import FlowFlexConfigError
from flowflex_core.files import EXTENSION_TO_MIME, FileRef, file
from flowflex_core.payload import payload_path

Key = str | int

# Stands where a file is about to be put.
_EMPTY = object()

# One step of a payload path: [0], ["any key"], or a plain key, after a dot unless it is the first.
_STEP = re.compile(
    r"""\[(?P<index>[0-9]{1,9})\] | \[(?P<quoted>"(?:[^"\\]|\\.)*")\] | (?P<dot>\.)?(?P<plain>[^]["=.]+)""",
    re.VERBOSE | re.DOTALL,
)


def read_payload(data: str | None, files: list[str]) -> dict[str, Any]:
    """Return the payload: the object of `--data`, with a file at the path of each `--file`."""
    payload = {} if data is None else _object(data)
    for attachment in files:
        keys, filename = _split(attachment)
        _attach(payload, keys, named_file(filename))
    return payload


def named_file(filename: str) -> FileRef:
    """Return the file of this name, from which its type must be seen: the shell has no option that tells it."""
    ref = file(filename)
    _, dot, extension = ref.filename.rpartition(".")
    if not dot or extension.lower() not in EXTENSION_TO_MIME:
        raise FlowFlexConfigError(
            f"the type of {filename!r} cannot be inferred: "
            f"rename the file so that its extension is one of {', '.join(EXTENSION_TO_MIME)}"
        )
    return ref


def _text(data: str) -> str:
    try:
        if data == "-":
            return sys.stdin.buffer.read().decode()
        if data.startswith("@"):
            return Path(data[1:]).read_bytes().decode()
    except OSError as error:
        raise FlowFlexConfigError(f"--data {data}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise FlowFlexConfigError(f"--data {data} is not UTF-8 text") from None
    return data


def _object(data: str) -> dict[str, Any]:
    """Parse strictly: what two JSON readers could take in two ways is refused."""
    text = _text(data)
    if data == "-" and not text.strip():
        raise FlowFlexConfigError("--data -: stdin was empty")
    try:
        value = json.loads(text, object_pairs_hook=_without_doubles, parse_constant=_refuse_constant)
    except FlowFlexConfigError:
        raise
    except RecursionError:
        raise FlowFlexConfigError("--data is nested too deep") from None
    except ValueError as error:
        # isfile, unlike a Path, takes any text for a name.
        advice = f"; to read a file, write @{data}" if os.path.isfile(data) else ""  # noqa: PTH113
        raise FlowFlexConfigError(f"--data is not JSON: {error}{advice}") from None
    if not isinstance(value, dict):
        raise FlowFlexConfigError(f"--data must be a JSON object, not {_kind(value)}")
    return value


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise FlowFlexConfigError(f"--data has the key {json.dumps(key)} twice in one object")
        found[key] = value
    return found


def _refuse_constant(word: str) -> NoReturn:
    raise FlowFlexConfigError(f"--data holds {word}, which is not JSON")


def _split(attachment: str) -> tuple[list[Key], str]:
    """Read `PAYLOAD.PATH=FILE`. An `=` in a key stands in quotes, so the first one outside them ends the path."""
    keys: list[Key] = []
    position = 0
    while step := _STEP.match(attachment, position):
        if step["plain"] and bool(step["dot"]) != bool(keys):
            break
        position = step.end()
        keys.append(_key(step))
    filename = attachment[position + 1 :]
    if not keys or isinstance(keys[0], int) or attachment[position : position + 1] != "=" or not filename:
        raise FlowFlexConfigError(
            f"--file {attachment!r} is not PAYLOAD.PATH=FILE with a path such as invoice, order.receipt, "
            """gallery[0] or order["odd key"]"""
        )
    return keys, filename


def _key(step: re.Match[str]) -> Key:
    if step["index"]:
        return int(step["index"])
    if step["quoted"]:
        try:
            return str(json.loads(step["quoted"]))
        except ValueError:
            raise FlowFlexConfigError(f"--file has the key {step['quoted']}, which is not a JSON string") from None
    return step["plain"]


def _attach(payload: dict[str, Any], keys: list[Key], ref: FileRef) -> None:
    """Put `ref` at the place that `keys` name, making the objects and arrays on the way there."""
    place: Any = payload
    for depth, key in enumerate(keys):
        _make_room(place, keys, depth)
        if depth == len(keys) - 1:
            if place[key] is not _EMPTY:
                raise FlowFlexConfigError(f"--file {_path(keys)}: there is {_kind(place[key])} already")
            place[key] = ref
        elif place[key] is _EMPTY:
            place[key] = [] if isinstance(keys[depth + 1], int) else {}
        place = place[key]


def _make_room(place: Any, keys: list[Key], depth: int) -> None:
    """See to it that `place[keys[depth]]` is there, `_EMPTY` where nothing was."""
    key, above = keys[depth], keys[:depth]
    words = f"--file {_path(keys)}: {_path(above) or 'the payload'}"
    if isinstance(key, int):
        if not isinstance(place, list):
            raise FlowFlexConfigError(f"{words} is {_kind(place)}, not an array")
        if key > len(place):
            advice = f"{'go on' if place else 'start'} at {_path([*above, len(place)])}"
            raise FlowFlexConfigError(f"{words} has only {len(place)} items yet: {advice}")
        if key == len(place):
            place.append(_EMPTY)
    elif isinstance(place, dict):
        place.setdefault(key, _EMPTY)
    else:
        raise FlowFlexConfigError(f"{words} is {_kind(place)}, not an object")


def _path(keys: list[Key]) -> str:
    trail: Any = None
    for key in keys:
        trail = (trail, key)
    return payload_path(trail)


def _kind(value: Any) -> str:
    if isinstance(value, FileRef):
        return "a file"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "an array" if isinstance(value, list) else "an object"
