"""Finds the files in a payload, checks it and encodes it in one walk, and puts the asset ids in.

The walk happens before anything is sent. What comes out is JSON text in segments, with a place for an asset id
between each two, so that the body is later put together without encoding anything twice.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from json.encoder import encode_basestring, encode_basestring_ascii
from math import isfinite
from typing import Any, NoReturn
from uuid import UUID

from flowflex_core.errors import FlowFlexConfigError, FlowFlexUploadError
from flowflex_core.files import FileRef

# Deeper payloads are refused by many JSON readers; the fake refuses them too. A value that holds itself ends here.
MAX_DEPTH = 64

# A hook that turns a value of a type that JSON has no word for into one that it has.
Default = Callable[[Any], Any]

# Where a value stands: the trail of what it stands in, and its key or index there. None is the payload itself.
_Trail = tuple[Any, str | int] | None


class EncodedPayload:
    """A payload that was checked and encoded, with places for the asset ids of its files.

    Attributes:
        segments: ASCII JSON text, one segment more than there are places.
        places: For each place the index of its file in `files`.
        paths: For each place its payload path.
        files: The distinct files, in the order in which they first appear.
    """

    __slots__ = ("files", "paths", "places", "segments")

    def __init__(
        self,
        segments: Sequence[str],
        places: Sequence[int],
        paths: Sequence[str],
        files: Sequence[FileRef],
    ) -> None:
        self.segments = segments
        self.places = places
        self.paths = paths
        self.files = files

    def paths_by_file(self) -> dict[FileRef, tuple[str, ...]]:
        """List the files in their order, each with the payload paths at which it stands."""
        found: list[list[str]] = [[] for _ in self.files]
        for place, path in zip(self.places, self.paths, strict=True):
            found[place].append(path)
        return {ref: tuple(paths) for ref, paths in zip(self.files, found, strict=True)}

    def body(self, asset_ids: Mapping[int, str]) -> bytes:
        """Put the asset ids in, by index of their file."""
        if not self.places:
            return self.segments[0].encode("ascii")
        pieces = [self.segments[0]]
        for place, segment in zip(self.places, self.segments[1:], strict=True):
            pieces.append(encode_basestring_ascii(asset_ids[place]))
            pieces.append(segment)
        return "".join(pieces).encode("ascii")


def encode_payload(payload: object, default: Default | None = None) -> EncodedPayload:
    """Check and encode a payload: an object, or None for an empty one. The payload itself is never changed.

    Objects are mappings, dataclasses and pydantic models; arrays are lists and tuples; datetime, date, time, Decimal,
    UUID and Enum have a fixed form. `default` is asked about any other type.

    Raises:
        FlowFlexConfigError: A value cannot be sent; the message names its payload path.
        FlowFlexUploadError: A file has no usable name or type; the message names its payload path.
    """
    if isinstance(payload, EncodedPayload):
        return payload
    if payload is None:
        return EncodedPayload(("{}",), (), (), ())
    encoder = _Encoder(default)
    encoder.value(payload, None, 0)
    last = "".join(encoder.pieces)
    if (encoder.segments[0] if encoder.segments else last)[:1] != "{":
        raise FlowFlexConfigError(f"payload must be an object, such as a dict, or None, not {type(payload).__name__}")
    encoder.segments.append(last)
    return EncodedPayload(encoder.segments, encoder.places, encoder.paths, tuple(encoder.files))


def files_in(payload: object, default: Default | None = None) -> dict[FileRef, str]:
    """List the distinct files of a payload, each with its first payload path; raises what `encode_payload` raises."""
    return {ref: paths[0] for ref, paths in encode_payload(payload, default).paths_by_file().items()}


class _Encoder:
    """Walks a payload once, and writes."""

    __slots__ = ("conversions", "default", "files", "paths", "pieces", "places", "segments")

    def __init__(self, default: Default | None) -> None:
        self.default = default
        self.conversions = 0
        self.pieces: list[str] = []
        self.segments: list[str] = []
        self.places: list[int] = []
        self.paths: list[str] = []
        self.files: dict[FileRef, int] = {}

    def value(self, value: Any, trail: _Trail, depth: int) -> None:
        kind = type(value)
        if kind is str:
            self.pieces.append(_string(value, trail))
        elif kind is int:
            self.pieces.append(_integer(value, trail))
        elif kind is dict:
            self.object(tuple(value.items()), trail, depth + 1)
        elif kind is list or kind is tuple:
            self.array(value, trail, depth + 1)
        elif value is None:
            self.pieces.append("null")
        elif value is True:
            self.pieces.append("true")
        elif value is False:
            self.pieces.append("false")
        elif kind is float:
            self.pieces.append(_float(value, trail))
        elif kind is FileRef:
            self.file(value, trail)
        else:
            self.other(value, trail, depth)

    def object(self, items: Sequence[tuple[Any, Any]], trail: _Trail, depth: int) -> None:
        if depth > MAX_DEPTH:
            _refuse(trail, f"is nested over {MAX_DEPTH} levels deep, or holds itself")
        pieces = self.pieces
        opening = "{"
        for key, child in items:
            if type(key) is not str:
                key = _plain_key(key, items, trail)
            if type(child) is str and key.isascii() and child.isascii():  # most are, and nothing can be wrong with them
                pieces.append(f"{opening}{encode_basestring_ascii(key)}:{encode_basestring_ascii(child)}")
            else:
                here = (trail, key)
                pieces.append(f"{opening}{_string(key, here)}:")
                self.value(child, here, depth)
            opening = ","
        pieces.append("{}" if opening == "{" else "}")

    def array(self, children: Iterable[Any], trail: _Trail, depth: int) -> None:
        if depth > MAX_DEPTH:
            _refuse(trail, f"is nested over {MAX_DEPTH} levels deep, or holds itself")
        opening = "["
        for index, child in enumerate(children):
            self.pieces.append(opening)
            self.value(child, (trail, index), depth)
            opening = ","
        self.pieces.append("[]" if opening == "[" else "]")

    def file(self, ref: FileRef, trail: _Trail) -> None:
        path = payload_path(trail)
        index = self.files.get(ref)
        if index is None:
            try:
                _ = ref.filename, ref.mime
            except FlowFlexUploadError as error:
                raise FlowFlexUploadError(f"{path or 'payload'}: {error.message}", code=error.code) from None
            index = self.files[ref] = len(self.files)
        self.segments.append("".join(self.pieces))
        self.pieces.clear()
        self.places.append(index)
        self.paths.append(path)

    def other(self, value: Any, trail: _Trail, depth: int) -> None:
        """Write a value whose type is none of the plain ones; an Enum first, for it may be a string or a number too."""
        if isinstance(value, Enum):
            member: Enum = value
            self.converted(lambda: member.value, trail, depth)
        elif isinstance(value, FileRef):
            self.file(value, trail)
        elif isinstance(value, str):
            self.pieces.append(_string(value, trail))
        elif isinstance(value, int):
            self.pieces.append(_integer(value, trail))
        elif isinstance(value, float):
            self.pieces.append(_float(value, trail))
        elif isinstance(value, datetime | date | time):
            self.pieces.append(_string(_foreign(lambda: str(value.isoformat()), trail), trail))
        elif isinstance(value, Decimal):
            if not value.is_finite():
                _refuse(trail, f"is {value}, which JSON has no word for")
            # As a string: a number would be read as binary floating point, and change.
            self.pieces.append(_string(_foreign(lambda: str(value), trail), trail))
        elif isinstance(value, UUID):
            self.pieces.append(_string(_foreign(lambda: str(value), trail), trail))
        elif isinstance(value, list | tuple):
            children: Sequence[Any] = value
            self.array(_foreign(lambda: list[Any](children), trail), trail, depth + 1)
        elif isinstance(value, Mapping):
            mapping: Mapping[Any, Any] = value
            items = _foreign(lambda: [(key, child) for key, child in mapping.items()], trail)
            _check_distinct(items, trail)
            self.object(items, trail, depth + 1)
        elif callable(dump := getattr(type(value), "model_dump", None)):
            self.converted(lambda: dump(value), trail, depth)
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = dataclasses.fields(value)
            items = _foreign(lambda: [(field.name, getattr(value, field.name)) for field in fields], trail)
            self.object(items, trail, depth + 1)
        elif self.default is not None:
            hook = self.default
            self.converted(lambda: hook(value), trail, depth)
        else:
            _refuse(trail, f"is of type {_name_of(type(value))}, which JSON has no word for: {_remedy(value)}")

    def converted(self, convert: Callable[[], Any], trail: _Trail, depth: int) -> None:
        """Write what a model or the default= hook turns a value into, in its place."""
        self.conversions += 1
        if self.conversions > MAX_DEPTH:
            _refuse(trail, "is converted again and again, and never to something that JSON has a word for")
        self.value(_foreign(convert, trail), trail, depth)
        self.conversions -= 1


def _plain_key(key: Any, items: Sequence[tuple[Any, Any]], trail: _Trail) -> str:
    """Return a key of another type than str, such as a member of an enum, as the string that it is."""
    if not isinstance(key, str):
        _refuse(trail, f"has a key that is not a string but of type {type(key).__name__}")
    _check_distinct(items, trail)
    return str.__str__(key)  # of an enum's member its value, and not its name


def _check_distinct(items: Sequence[tuple[Any, Any]], trail: _Trail) -> None:
    """Refuse keys that differ as objects and are one in JSON."""
    keys = [str.__str__(key) for key, _ in items if isinstance(key, str)]
    if len(set(keys)) < len(keys):
        _refuse(trail, f"has the key {next(key for key in keys if keys.count(key) > 1)!r} twice")


def _string(value: str, trail: _Trail) -> str:
    if not str.isascii(value):
        try:
            str.encode(value)
        except UnicodeEncodeError:
            _refuse(trail, "holds half of a surrogate pair, which is not text")
    return encode_basestring_ascii(value)


def _name_of(cls: type) -> str:
    return cls.__name__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__name__}"


def _remedy(value: object) -> str:
    if type(value).__name__ == "FileRef":  # of the vendor's SDK, from which callers come
        return "make it by file() of flowflex_transports or flowflex_core"
    return "convert it, or give default="


def _integer(value: int, trail: _Trail) -> str:
    try:
        return int.__repr__(value)
    except ValueError:  # over the interpreter's limit of digits
        _refuse(trail, "is a number of too many digits")


def _float(value: float, trail: _Trail) -> str:
    if not isfinite(value):
        _refuse(trail, f"is {float.__repr__(value)}, which JSON has no word for")
    return float.__repr__(value)


def _foreign(call: Callable[[], Any], trail: _Trail) -> Any:
    """Run code of the caller's types, and say where in the payload it failed."""
    try:
        return call()
    except Exception as error:
        place = payload_path(trail) or "payload"
        raise FlowFlexConfigError(f"{place} cannot be converted: {type(error).__name__}: {error}") from error


def _refuse(trail: _Trail, why: str) -> NoReturn:
    path = payload_path(trail) or "payload"
    raise FlowFlexConfigError(f"{path if len(path) <= 200 else path[:200] + '...'} {why}")


# A key with any of these in it, or with a character that cannot be printed, is quoted in a path.
_ODD = frozenset('."[]')


def payload_path(trail: _Trail) -> str:
    """Write a trail as people and flows do: `a.b`, `g[0]`; keys that would be ambiguous as `a["x.y"]`."""
    parts: list[str] = []
    while trail is not None:
        trail, key = trail
        if isinstance(key, int):
            parts.append(f"[{key}]")
        elif key and _ODD.isdisjoint(key) and key.isprintable():
            parts.append(key if trail is None else f".{key}")
        else:
            quote = encode_basestring if key.isprintable() else encode_basestring_ascii
            parts.append(f"[{quote(key)}]")
    return "".join(reversed(parts))
