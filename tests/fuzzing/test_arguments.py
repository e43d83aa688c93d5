"""What callers give, as careless as can be: a value or a FlowFlexError, and nothing else."""

import io
import json
import os
from collections import OrderedDict, UserDict, UserList, namedtuple
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowflex_core import FileRef, FlowFlexError, SendEvent, Settings, encode_payload, file, files_in
from tests.core.drive import API_SECRET, connection
from tests.core.generating import anything
from tests.fuzzing.effort import fuzz, memory_under

pytestmark = pytest.mark.slow  # many examples

text = st.text(st.characters(), max_size=12)
SYNTAX = ["https://", "HTTP://", "//", "/", "\\", "@", ":", "?", "#", "%", "%2e", " ", "\t", "\x00", "\u3002", "\uff0f"]
HOSTS = ["a", ".", "..", "443", "99999", "[::1]", "127.1", "0x7f", "localhost", "xn--", "api"]
urls = st.lists(st.sampled_from(SYNTAX + HOSTS), max_size=8).map("".join)
ARGUMENTS = (
    "api_key",
    "integration_code",
    "base_url",
    "timeout_seconds",
    "deadline_seconds",
    "max_file_bytes",
    "max_retries",
    "max_parallel_uploads",
    "default",
)


def attempted(changes: dict[str, Any]) -> tuple[Settings | None, str]:
    try:
        return connection(**changes), ""
    except FlowFlexError as error:
        return None, error.message


@fuzz(300)
@given(st.dictionaries(st.sampled_from(ARGUMENTS), anything | text | urls, min_size=1, max_size=4))
def test_settings_are_made_or_refused(changes: dict[str, Any]) -> None:
    """What is made can be shown and sent with; what is refused names its argument."""
    settings, refusal = attempted(changes)
    if settings is None:
        assert any(name in refusal for name in ARGUMENTS)
        return
    assert API_SECRET not in repr(settings)
    turn = SendEvent.start(settings, "e", idempotency_key="k").advance(1e9)
    if turn.done:  # the deadline is shorter than what a clock tells apart
        assert settings.deadline_seconds is not None
        assert settings.deadline_seconds < 1e-6
        return
    [request] = turn.requests
    assert request.url.isascii()
    assert request.url.isprintable()
    assert 0 < request.timeout <= request.total < 10**9


class Colour(Enum):
    RED = "red"
    ODD = (1, 2)


class Number(IntEnum):
    ONE = 1


@dataclass
class Order:
    inner: Any


Pair = namedtuple("Pair", "a b")  # noqa: PYI024 - as callers have them


class Broken(UserDict[str, Any]):
    def __getitem__(self, key: str) -> Any:
        raise RuntimeError(key)


class Model:
    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def model_dump(self) -> Any:
        return self.inner


class Named(io.BytesIO):
    """A file object that calls itself by anything."""

    def __init__(self, name: Any) -> None:
        super().__init__(b"x")
        self.name = name


class OddPath(os.PathLike[Any]):
    """A path that is anything; None has none to tell."""

    def __init__(self, path: Any) -> None:
        self._path = path

    def __fspath__(self) -> Any:
        if self._path is None:
            raise RuntimeError("no path")
        return self._path


sources = anything | text | text.map(OddPath) | anything.map(OddPath) | anything.map(Named) | text.map(Named)
FILE_NAMES = st.none() | anything | text | st.sampled_from(["a.pdf", "a.PDF", ".pdf", "a.", "\u202e.pdf", "é" * 200])
MIMES = st.none() | anything | st.sampled_from(["application/pdf", "Application/PDF", "image/png;", ""])


@st.composite
def files(draw: st.DrawFn) -> FileRef | None:
    """Make a file of anything; None where it is refused, which is as good."""
    try:
        return file(draw(sources), filename=draw(FILE_NAMES), mime=draw(MIMES), size=draw(st.none() | anything))
    except FlowFlexError:
        return None


@fuzz(300)
@given(files())
def test_a_file_of_anything_is_made_or_refused(ref: FileRef | None) -> None:
    """Its name, type and size are told or refused, and it can be shown."""
    if ref is None:
        return
    for name in ("filename", "mime", "size"):
        with suppress(FlowFlexError):
            getattr(ref, name)
    assert repr(ref).startswith("FileRef(")


@st.composite
def holding_itself(draw: st.DrawFn) -> Any:
    ring: list[Any] = [draw(anything)]
    ring.append(draw(st.sampled_from(["list", "dict", "tuple"])))
    ring[1] = {"list": ring, "dict": {"a": ring}, "tuple": (ring,)}[ring[1]]
    return ring


@st.composite
def nested(draw: st.DrawFn) -> Any:
    depth = draw(st.integers(60, 70))
    return json.loads("[" * depth + "]" * depth)


CONSTANTS = [
    *Colour,
    *Number,
    datetime(2026, 1, 1, tzinfo=UTC),
    date.min,
    time.max,
    Decimal("NaN"),
    Decimal("1e999999"),
]
odd_values: st.SearchStrategy[Any] = (
    anything
    | text
    | files()
    | holding_itself()
    | nested()
    | st.sampled_from(CONSTANTS)
    | st.builds(UUID, int=st.integers(0, 2**128 - 1))
)


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = st.lists(inner, max_size=3)
    named = st.dictionaries(text, inner, max_size=3)
    return (
        lists
        | lists.map(tuple)
        | lists.map(UserList)
        | st.dictionaries(text | st.sampled_from([*Colour, 1, None, ("a",)]), inner, max_size=3)
        | named.map(UserDict)
        | named.map(OrderedDict)
        | named.map(Broken)
        | inner.map(Order)
        | inner.map(Model)
        | st.builds(Pair, inner, inner)
    )


payloads = st.recursive(odd_values, containers, max_leaves=10)
HOOKS: list[Any] = [None, repr, lambda value: value, lambda value: [value, value], lambda value: 1 / 0]


@fuzz(400)
@given(payloads, st.sampled_from(HOOKS))
def test_a_payload_of_anything_is_encoded_or_refused(payload: Any, hook: Any) -> None:
    """What is encoded is JSON, with a path of its own for each file."""
    with memory_under(8_000_000):
        try:
            encoded = encode_payload({"a": payload}, hook)
        except FlowFlexError:
            return
    body = encoded.body({index: f"asset_{index}" for index in range(len(encoded.files))})
    assert isinstance(json.loads(body), dict)
    assert len(set(encoded.paths)) == len(encoded.paths)
    assert list(files_in(encoded)) == list(encoded.files)
