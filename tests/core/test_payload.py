"""Payloads: what they become on the wire, where their files stand, and what is refused before anything is sent."""

import copy
import dataclasses
import json
import re
from collections import OrderedDict, UserDict
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum, Flag, IntEnum, StrEnum
from string import ascii_letters, digits
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID

import flowflex  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from flowflex_core import (
    FileRef,
    FlowFlexConfigError,
    FlowFlexError,
    FlowFlexUploadError,
    SendEvent,
    encode_payload,
    file,
    files_in,
)
from tests.core.drive import connection, json_of, play, start
from tests.core.generating import anything, examples, json_values


class Color(Enum):
    RED = "red"
    NESTED = ("a", (1,))


class Level(IntEnum):
    HIGH = 3


class Name(StrEnum):
    ADA = "ada"


class Key(str, Enum):  # noqa: UP042 - as people wrote it before StrEnum; its str() is not its value
    A = "a"


class Twin(str):
    """Text that equals no other, so that a dict takes it beside its double."""

    __slots__ = ()

    def __eq__(self, other):
        return self is other

    def __hash__(self):
        return 1


class Mode(Flag):
    READ = 4


@dataclasses.dataclass
class Line:
    name: str
    price: object = None
    receipt: object = None


class Model(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    name: str
    when: datetime | None = None
    attached: FileRef | None = None
    inner: "Model | None" = None


class Duck:
    """Has the one method of a pydantic model that matters, and returns whatever it was given."""

    def __init__(self, dumped):
        self.dumped = dumped

    def model_dump(self):
        if isinstance(self.dumped, Exception):
            raise self.dumped
        return self if self.dumped is ... else self.dumped


class Point(NamedTuple):
    x: int
    y: int


class Words(str):
    __slots__ = ()


class Count(int):
    __slots__ = ()

    def __repr__(self):
        return "many"


class Share(float):
    __slots__ = ()

    def __repr__(self):
        return "some"


class Row(list[Any]):
    __slots__ = ()


class OddDay(date):
    def isoformat(self):
        return "\ud800"


class OddDecimal(Decimal):
    def __str__(self):
        return "\ud800"


class BrokenDecimal(Decimal):
    def __str__(self):
        raise LookupError("gone")


class OddId(UUID):
    def __str__(self):
        return "\ud800"


class BrokenId(UUID):
    def __str__(self):
        raise LookupError("gone")


class Limit(Enum):
    NONE = float("inf")


class Scan(FileRef):
    __slots__ = ()


class BrokenZone(tzinfo):
    def utcoffset(self, moment):
        raise LookupError("no such zone")

    dst = tzname = utcoffset


class BrokenList(list[int]):
    def __iter__(self):
        raise LookupError("gone")


class BrokenMapping(Mapping[str, object]):
    def __init__(self, *keys):
        self.keys_given = keys

    def __getitem__(self, key):
        if not self.keys_given:
            raise LookupError("gone")
        return key

    def __iter__(self):
        return iter(self.keys_given or ("a",))

    def __len__(self):
        return len(self.keys_given)


class BrokenKey:
    def __repr__(self):
        raise LookupError("no repr")

    def __hash__(self):
        return 1


def sent(payload, **changes):
    """Return the JSON that is sent for a payload, keeping the order of keys."""
    operation = start(payload, **changes)
    return json_of(play(operation).of("event")[0])


def refusal(payload, **changes):
    """Return the error with which a payload is refused before anything is sent."""
    with pytest.raises(FlowFlexError) as caught:
        start(payload, **changes)
    assert caught.value.message.isprintable()
    return caught.value


# What is sent


@examples(120)
@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), json_values, max_size=5))
def test_plain_values_are_sent_as_the_standard_library_writes_them(payload):
    """What JSON has words for is encoded byte for byte as `json.dumps` does it, compactly and in ASCII."""
    before = copy.deepcopy(payload)
    body = encode_payload(payload).body({})
    assert body == json.dumps(payload, separators=(",", ":")).encode()
    assert json.loads(body) == payload
    assert payload == before


@pytest.mark.parametrize("payload", [None, {}, OrderedDict(), MappingProxyType({})])
def test_an_empty_payload_is_an_empty_object(payload):
    """None and an empty mapping send `{}`."""
    assert sent(payload) == {}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (datetime(2024, 2, 29, 13, 5, 7, 9), "2024-02-29T13:05:07.000009"),
        (datetime(2024, 2, 29, 13, 5, tzinfo=UTC), "2024-02-29T13:05:00+00:00"),
        (datetime(2024, 2, 29, tzinfo=timezone(timedelta(hours=-3, minutes=-30))), "2024-02-29T00:00:00-03:30"),
        (date(2024, 2, 29), "2024-02-29"),
        (time(13, 5), "13:05:00"),
        (Decimal("1.10"), "1.10"),
        (Decimal("-0"), "-0"),
        (Decimal("1E+5"), "1E+5"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Color.RED, "red"),
        (Color.NESTED, ["a", [1]]),
        (Level.HIGH, 3),
        (Name.ADA, "ada"),
        (Key.A, "a"),
        (Mode.READ, 4),
        (Words("a"), "a"),
        (Count(7), 7),
        (Share(0.5), 0.5),
        (True, True),
        (1.5, 1.5),
        (1e300, 1e300),
        (-0.0, -0.0),
        (10**30, 10**30),
        ((1, (2, [])), [1, [2, []]]),
        (Point(1, 2), [1, 2]),
        (UserDict({"a": 1}), {"a": 1}),
        (MappingProxyType({"a": (1,)}), {"a": [1]}),
        (Line("x", Decimal("2.50")), {"name": "x", "price": "2.50", "receipt": None}),
        (Line("x", Line("y")), {"name": "x", "price": {"name": "y", "price": None, "receipt": None}, "receipt": None}),
        (
            Model(name="x", when=datetime(2024, 1, 1), inner=Model(name="y")),
            {
                "name": "x",
                "when": "2024-01-01T00:00:00",
                "attached": None,
                "inner": {"name": "y", "when": None, "attached": None, "inner": None},
            },
        ),
        (Duck({"a": Duck([1])}), {"a": [1]}),
        (Duck("words"), "words"),
        ("\u00fc\u2028</script>\U0001f600\x00", "\u00fc\u2028</script>\U0001f600\x00"),
    ],
)
def test_the_table_of_types(value, expected):
    """Each type that is encoded has one form on the wire, at any place."""
    assert sent({"a": value, "b": [value]}) == {"a": expected, "b": [expected]}
    if isinstance(expected, dict):
        assert sent(value) == expected


def test_the_order_of_keys_is_kept():
    """Keys are sent in the order in which the caller gave them, at every level, files or not."""
    payload = {"z": 1, "a": {"y": file("a.pdf"), "b": 2, "x": None}, "m": Line("n")}
    body = sent(payload)
    assert list(body) == ["z", "a", "m"]
    assert list(body["a"]) == ["y", "b", "x"]
    assert list(body["m"]) == ["name", "price", "receipt"]


def test_the_callers_payload_is_never_changed():
    """Neither starting nor sending changes the payload, and later changes to it do not reach the event."""
    ref = file("a.pdf")
    payload: dict[str, Any] = {"a": ref, "list": [1, {"b": ref}], "line": Line("x", receipt=ref)}
    before = copy.copy(payload), copy.copy(payload["list"]), copy.copy(payload["list"][1])
    operation = start(payload)
    payload["list"].append("late")
    body = json_of(play(operation).of("event")[0])
    payload["list"].pop()
    assert body["list"] == [1, {"b": body["a"]}]
    assert (payload, payload["list"], payload["list"][1]) == before
    assert payload["a"] is payload["line"].receipt is ref


def test_an_encoded_payload_serves_as_a_payload():
    """What `encode_payload` returned is sent again and again without being encoded anew."""
    encoded = encode_payload({"a": file("a.pdf"), "n": 1})
    assert list(sent(encoded)) == list(sent(encoded)) == ["a", "n"]


# Where files stand


def test_files_are_found_everywhere():
    """Files in mappings, lists, tuples, dataclasses, models and what the hook returns are replaced by their ids."""
    refs = [file(f"{number}.pdf") for number in range(8)]
    payload = {
        "plain": refs[0],
        "list": [refs[1], (refs[2],)],
        "mapping": UserDict({"x": refs[3]}),
        "line": Line("n", receipt=refs[4]),
        "model": Model(name="m", attached=refs[5]),
        "duck": Duck({"y": [refs[6]]}),
        "hooked": SimpleNamespace(z=refs[7]),
    }
    operation = start(payload, default=vars)
    body = json_of(play(operation).of("event")[0])
    assets = operation.result().uploaded_assets
    assert list(assets) == [
        "plain",
        "list[0]",
        "list[1][0]",
        "mapping.x",
        "line.receipt",
        "model.attached",
        "duck.y[0]",
        "hooked.z",
    ]
    assert list(files_in(payload, vars)) == refs
    assert body["list"] == [assets["list[0]"], [assets["list[1][0]"]]]
    assert body["line"]["receipt"] == assets["line.receipt"]
    assert body["model"]["attached"] == assets["model.attached"]
    assert body["hooked"] == {"z": assets["hooked.z"]}
    assert len(set(assets.values())) == 8


def test_one_file_in_several_places_is_uploaded_once():
    """One reference is one upload and one id, told for each of its paths; an equal other one is another upload."""
    ref, other = file("a.pdf"), file("a.pdf")
    operation = start({"a": ref, "b": [ref, other], "c": {"d": ref}})
    played = play(operation)
    assets = operation.result().uploaded_assets
    assert len(played.of("put")) == 2
    assert assets["a"] == assets["b[0]"] == assets["c.d"] != assets["b[1]"]
    assert operation.paths(ref) == ("a", "b[0]", "c.d")
    assert operation.paths(other) == ("b[1]",)
    assert operation.paths(file("a.pdf")) == ()


def test_a_file_of_a_derived_class_is_a_file():
    """A subclass of FileRef is uploaded like one."""
    operation = start({"a": Scan("a.pdf")})
    play(operation)
    assert operation.result().uploaded_assets.keys() == {"a"}


def test_files_in_tells_each_file_with_its_first_path():
    """`files_in` lists the distinct files in order, each with the path at which it first stands."""
    ref, other = file("a.pdf"), file("b.png")
    assert files_in({"x": [ref, other], "y": ref}) == {ref: "x[0]", other: "x[1]"}
    assert files_in(None) == {}
    assert files_in({"a": 1}) == {}


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        ({"invoice": ...}, "invoice"),
        ({"order": {"receipt": ...}}, "order.receipt"),
        ({"gallery": [..., 1]}, "gallery[0]"),
        ({"a": [[1], [2, {"b": ...}]]}, "a[1][1].b"),
        ({"a.b": ...}, '["a.b"]'),
        ({"a": {"b.c": ...}}, 'a["b.c"]'),
        ({"a": {"": ...}}, 'a[""]'),
        ({"a[0]": ...}, '["a[0]"]'),
        ({"a": {'"': ...}}, 'a["\\""]'),
        ({"a": {"0": ...}}, "a.0"),
        ({"a": {"\n": ...}}, 'a["\\n"]'),
        ({"a": {"\u202e": ...}}, 'a["\\u202e"]'),
        ({"gr\u00f6\u00dfe": ...}, "gr\u00f6\u00dfe"),
        ({Key.A: {Key.A: ...}}, "a.a"),
        *(({key: ...}, key) for key in (ascii_letters, digits, "-_~ $@/\\#?:;,!'()*+=|<>{}%^&`")),
    ],
)
def test_payload_paths(payload, path):
    """Plain keys are joined by dots, indices stand in brackets, and odd keys are quoted."""
    ref = file("a.pdf")
    assert files_in(place(payload, ref)) == {ref: path}


def place(value, ref):
    """Put `ref` where `...` stands."""
    if isinstance(value, dict):
        return {key: place(child, ref) for key, child in value.items()}
    if isinstance(value, list):
        return [place(child, ref) for child in value]
    return ref if value is ... else value


STEP = re.compile(r'\[(?P<index>\d+)\]|\[(?P<quoted>"(?:[^"\\]|\\.)*")\]|(?:^|\.)(?P<plain>[^.\[\]"]+)', re.DOTALL)


def look_up(payload, path):
    """Follow a path as its documentation says that it is written, and return what stands there."""
    end = 0
    for match in STEP.finditer(path):
        assert match.start() == end, path
        end = match.end()
        if match["index"] is not None:
            payload = payload[int(match["index"])]
        elif match["quoted"] is not None:
            payload = payload[json.loads(match["quoted"])]
        else:
            payload = payload[match["plain"]]
    assert end == len(path), path
    return payload


odd_keys = st.text(st.sampled_from(list('ab.[]"\\0 \n\u00fc\u202e')), max_size=3)
trees = st.recursive(
    st.builds(file, st.just("a.pdf")) | st.integers(0, 1),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd_keys, inner, max_size=4),
    max_leaves=12,
)


@examples(200)
@given(st.dictionaries(odd_keys, trees, max_size=4))
def test_every_path_leads_back_to_its_file(payload):
    """However odd the keys are, a path names one place: no two files share one, and following it finds the file."""
    encoded = encode_payload(payload)
    assert len(set(encoded.paths)) == len(encoded.paths)
    for place_, path in zip(encoded.places, encoded.paths, strict=True):
        assert look_up(payload, path) is encoded.files[place_]
        assert path.isprintable()


def with_ids(value, ids):
    """Put ids in the place of files, in a plain way."""
    if isinstance(value, FileRef):
        return ids[value]
    if isinstance(value, dict):
        return {key: with_ids(child, ids) for key, child in value.items()}
    return [with_ids(child, ids) for child in value] if isinstance(value, list) else value


@examples(120)
@given(st.dictionaries(odd_keys, trees, max_size=4), st.text(max_size=4))
def test_asset_ids_stand_where_their_files_stood(payload, odd):
    """The body is the payload with each file replaced by its id as a string, whatever the id holds."""
    encoded = encode_payload(payload)
    odd = odd.encode(errors="replace").decode()
    ids = {ref: f'{odd}"{index}' for index, ref in enumerate(encoded.files)}
    body = encoded.body({index: ids[ref] for index, ref in enumerate(encoded.files)})
    assert json.loads(body) == with_ids(payload, ids)
    assert body.isascii()


# What is refused


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        ([], "list"),
        ("x", "str"),
        (1, "int"),
        (True, "bool"),
        (Level.HIGH, "Level"),
        (file("a.pdf"), "FileRef"),
        ([{}], "list"),
    ],
)
def test_the_payload_is_an_object(payload, kind):
    """A payload that is not an object is refused with the type that it has."""
    assert refusal(payload).message == f"payload must be an object, such as a dict, or None, not {kind}"


LOOP_LIST: list[object] = []
LOOP_LIST.append(LOOP_LIST)
LOOP_DICT: dict[str, object] = {}
LOOP_DICT["self"] = [LOOP_DICT]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (float("nan"), "is nan, which JSON has no word for"),
        (float("inf"), "is inf, which"),
        (-float("inf"), "is -inf, which"),
        (Decimal("NaN"), "is NaN, which"),
        (Decimal("sNaN"), "is sNaN, which"),
        (Decimal("-Infinity"), "is -Infinity, which"),
        ("\ud800", "surrogate"),
        ("a\udfffb", "surrogate"),
        (Words("\ud800"), "surrogate"),
        ({"\ud800": 1}, "surrogate"),
        ({"\ud800": "x"}, "surrogate"),
        ({1, 2}, "is of type set"),
        (frozenset(), "is of type frozenset"),
        (b"bytes", "is of type bytes"),
        (bytearray(), "is of type bytearray"),
        (memoryview(b""), "is of type memoryview"),
        (1j, "is of type complex"),
        (object(), "is of type object"),
        (range(3), "is of type range"),
        ((x for x in "ab"), "is of type generator"),
        (timedelta(1), "is of type datetime.timedelta, which JSON has no word for: convert it, or give default="),
        (Line, "is of type type"),
        (SimpleNamespace(a=1), "is of type types.SimpleNamespace"),
        (flowflex.file("a.pdf"), "is of type flowflex.file.FileRef, .*: make it by file\\(\\) of flowflex_transports"),
        ({1: 2}, "key"),
        ({None: 2}, "key"),
        ({True: 2}, "key"),
        ({(1,): 2}, "key"),
        ({b"a": 2}, "key"),
        ({BrokenKey(): 2}, "key"),
        (UserDict({1: 2}), "key"),
        (LOOP_LIST, "holds itself"),
        (LOOP_DICT, "holds itself"),
        (BrokenMapping("a", "b", "a"), "key"),
        ({Twin("a"): 1, "a": 2}, "key"),
        pytest.param(10**5000, "is a number of too many digits", id="endless"),
    ],
)
def test_what_json_has_no_word_for_is_refused_with_its_path(value, why):
    """What cannot be sent is refused before anything is sent, and the error says where in the payload it stands."""
    assert re.match(rf"order\.lines\[1\]\.odd.* .*{why}", refusal({"order": {"lines": [1, {"odd": value}]}}).message)
    assert re.match(rf'\["a\.b"\].* .*{why}', refusal({"a.b": value}).message)


def half_a_line():
    """Make a dataclass that has lost a field."""
    line = Line("x")
    del line.name
    return line


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"", "is of type bytes, which JSON has no word for: convert it, or give default="),
        (Limit.NONE, "is inf, which JSON has no word for"),
        (Share("nan"), "is nan, which JSON has no word for"),
        (Count(10**5000), "is a number of too many digits"),
        (Row([b""]), "[0] is of type bytes, which JSON has no word for: convert it, or give default="),
        ("\ud800", "holds half of a surrogate pair, which is not text"),
        (Words("\ud800"), "holds half of a surrogate pair, which is not text"),
        (OddDay(2024, 1, 1), "holds half of a surrogate pair, which is not text"),
        (OddDecimal(1), "holds half of a surrogate pair, which is not text"),
        (OddId(int=1), "holds half of a surrogate pair, which is not text"),
        (Decimal("NaN"), "is NaN, which JSON has no word for"),
        (BrokenDecimal(1), "cannot be converted: LookupError: gone"),
        (BrokenId(int=1), "cannot be converted: LookupError: gone"),
        (BrokenList([1]), "cannot be converted: LookupError: gone"),
        (Duck(LookupError("gone")), "cannot be converted: LookupError: gone"),
        (Duck(...), "is converted again and again, and never to something that JSON has a word for"),
        (half_a_line(), "cannot be converted: AttributeError: 'Line' object has no attribute 'name'"),
        ({"b": 1, 7: 2}, "has a key that is not a string but of type int"),
        ({"b": 1, Twin("a"): 1, "a": 2}, "has the key 'a' twice"),
        (LOOP_LIST, "[0]" * 63 + " is nested over 64 levels deep, or holds itself"),
        (Row(LOOP_LIST), "[0]" * 63 + " is nested over 64 levels deep, or holds itself"),
    ],
)
def test_the_sentence_of_a_refusal(value, message):
    """Each refusal is the whole path, and one sentence; the payload itself is called so."""
    blank = "" if message.startswith("[") else " "
    assert refusal({"a": value}).message == f"a{blank}{message}"


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (object(), "payload is of type object, which JSON has no word for: convert it, or give default="),
        (Duck(LookupError("gone")), "payload cannot be converted: LookupError: gone"),
        ({"a" * 200: b""}, "a" * 200 + " is of type bytes, which JSON has no word for: convert it, or give default="),
        (
            {"a" * 201: b""},
            "a" * 200 + "... is of type bytes, which JSON has no word for: convert it, or give default=",
        ),
    ],
)
def test_the_place_of_a_refusal(payload, message):
    """What is wrong with the payload as a whole is said of the payload; a path is told up to its 200th character."""
    assert refusal(payload).message == message


def test_two_keys_of_one_spelling_are_refused():
    """What is two keys to Python and one to JSON is refused: files there would share a path."""
    error = refusal({"x": {Twin("a"): file("a.pdf"), "a": file("b.pdf")}})
    assert error.message.startswith("x")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (datetime(2024, 1, 1, tzinfo=BrokenZone()), "LookupError: .*no such zone"),
        (time(1, tzinfo=BrokenZone()), "LookupError: .*no such zone"),
        (BrokenMapping(), "LookupError: .*gone"),
        (BrokenList([1]), "LookupError: .*gone"),
        (Duck(ValueError("no")), "ValueError: no"),
        (Duck(...), ""),
    ],
)
def test_a_type_that_fails_is_refused_with_its_path(value, why):
    """An exception out of a type of the caller's is told as a FlowFlexConfigError that names the place."""
    error = refusal({"a": [value]})
    assert type(error) is FlowFlexConfigError
    assert re.match(rf"a\[0\] .*{why}", error.message)


def nested(depth, wrap):
    """Nest an object so that it has `depth` levels."""
    value = {"leaf": 1}
    for _ in range(depth - 2):
        value = wrap(value)
    return {"top": value}


WRAPS = [
    lambda value: {"k": value},
    lambda value: [value],
    lambda value: (value,),
    lambda value: Row([value]),
    lambda value: UserDict(k=value),
    lambda value: Line("n", value),
    lambda value: Duck({"k": value}),
    lambda value: SimpleNamespace(k=value),
]


@pytest.mark.parametrize("wrap", WRAPS, ids=["dict", "list", "tuple", "row", "mapping", "dataclass", "model", "hook"])
def test_depth_is_bounded(wrap):
    """64 levels are sent, however each is written, and 65 are refused with the path."""
    assert encode_payload(nested(64, wrap), vars).body({})
    with pytest.raises(FlowFlexConfigError, match=r"^top.* is nested over 64 levels deep"):
        encode_payload(nested(65, wrap), vars)


def test_a_very_deep_payload_does_not_overflow():
    """A payload of ten thousand levels is refused like one of 65, with a bounded message."""
    value: object = 1
    for _ in range(10_000):
        value = {"key" * 10: [value]}
    error = refusal({"a": value})
    assert "nested over 64 levels deep" in error.message
    assert len(error.message) < 400


def test_a_file_that_cannot_be_named_is_refused_with_its_path():
    """A file without a name, type or good name is a FlowFlexUploadError that says where it stands."""
    for source, why in ((b"x", "give filename="), ("a.exe", "give mime="), ("a\u202e.pdf", "invisible")):
        error = refusal({"order": [0, {"receipt": file(source)}]})
        assert type(error) is FlowFlexUploadError
        assert error.message.startswith("order[1].receipt: ")
        assert why in error.message


# The hook


def test_the_hook_is_asked_about_unknown_types_alone():
    """`default` sees each value of an unknown type, and what it returns is encoded like anything else."""
    asked = []

    def hook(value):
        asked.append(value)
        return sorted(value) if isinstance(value, set) else {"at": date(2024, 1, 1), "raw": str(value)}

    assert sent({"s": {2, 1}, "d": date(2024, 1, 2), "c": 1j, "e": Color.RED}, default=hook) == {
        "s": [1, 2],
        "d": "2024-01-02",
        "c": {"at": "2024-01-01", "raw": "1j"},
        "e": "red",
    }
    assert asked == [{1, 2}, 1j]


def test_the_hook_may_make_the_payload_itself():
    """A payload of an unknown type is taken where the hook turns it into an object."""
    assert sent(SimpleNamespace(a=1), default=vars) == {"a": 1}


@pytest.mark.parametrize(
    ("hook", "why"),
    [
        (lambda value: value, r"^a\[0\] "),
        (lambda value: [value], r"^a\[0\]"),
        (lambda value: 1 / 0, r"^a\[0\] cannot be converted: ZeroDivisionError: division by zero$"),
        (lambda value: float("nan"), r"^a\[0\] is nan"),
        (lambda: None, r"^a\[0\] cannot be converted: TypeError"),
    ],
)
def test_a_hook_that_fails_is_refused_with_the_path(hook, why):
    """A hook that raises, gives the same back for ever, or gives what cannot be sent, is told with the path."""
    with pytest.raises(FlowFlexConfigError, match=why):
        start({"a": [object()]}, default=hook)


class Wrapped:
    """Is turned into what it wraps."""

    def __init__(self, value):
        self.value = value


def wrapped(times):
    """Wrap a value so that the hook is asked about it `times` times."""
    value: object = "end"
    for _ in range(times):
        value = Wrapped(value)
    return value


def test_conversions_are_bounded_one_in_the_other():
    """A value is converted up to 64 times, and no more; how many stand beside each other in a payload is no matter."""
    beside = [wrapped(1) for _ in range(200)]
    payload = {"beside": beside, "deep": wrapped(64)}
    assert sent(payload, default=lambda value: value.value) == {"beside": ["end"] * 200, "deep": "end"}
    error = refusal({"beside": beside, "deep": wrapped(65)}, default=lambda value: value.value)
    assert error.message.startswith("deep is converted again and again")


def test_the_cause_of_a_failed_conversion_is_kept():
    """The caller's own exception is the cause, so that the traceback leads to their code."""
    mistake = ValueError("no")
    assert refusal({"a": Duck(mistake)}).__cause__ is mistake


# Made afresh for each example: some cannot even be shown.
HOSTILE: dict[str, Callable[[], Any]] = {
    "a list that fails": lambda: BrokenList([1]),
    "a mapping that fails": BrokenMapping,
    "a mapping with a key twice": lambda: BrokenMapping("a", "a"),
    "a key that fails": lambda: {BrokenKey(): 1},
    "two keys of one spelling": lambda: {Twin("a"): 1, "a": 2},
    "a model without end": lambda: Duck(...),
    "a model that fails": lambda: Duck(LookupError()),
    "a time zone that fails": lambda: datetime(2024, 1, 1, tzinfo=BrokenZone()),
    "a cycle": lambda: LOOP_DICT,
    "a class": lambda: Line,
    "a model": lambda: Model(name="x"),
    "an enum": lambda: Color.NESTED,
}
hostile = st.recursive(
    anything | st.sampled_from(sorted(HOSTILE)).map(lambda name: HOSTILE[name]()) | st.builds(file, anything),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(st.text(max_size=2) | st.integers(0, 2), inner, max_size=3)
        | st.builds(Duck, inner)
        | st.builds(Line, inner, inner)
    ),
    max_leaves=6,
)


@examples(250)
@given(hostile)
def test_any_object_is_encoded_or_refused(payload):
    """Whatever a payload is, it becomes JSON or a FlowFlexError, and nothing else is raised."""
    try:
        encoded = encode_payload(payload)
    except FlowFlexError:
        return
    ids = dict.fromkeys(range(len(encoded.files)), "asset_1")
    assert isinstance(json.loads(encoded.body(ids)), dict)


def test_bad_payloads_are_refused_before_anything_is_sent():
    """A payload with good files and one bad value raises when it is started: no request is ever issued."""
    with pytest.raises(FlowFlexConfigError, match=r"^z is nan"):
        SendEvent.start(connection(), "e", {"a": file("a.pdf"), "z": float("nan")}, idempotency_key="k")
