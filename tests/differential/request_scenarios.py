"""Scenarios about what a caller says: constructor options, base_url, code, event, key, and the values of a payload."""

import datetime as dt
import decimal
import enum
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

from tests.differential.scenario import Call, Kit, Scenario, create, send, upload

PLAIN = {"name": "Ada", "order_id": "ord_42"}


class _Colour(enum.Enum):
    RED = "red"


class _Level(enum.IntEnum):
    HIGH = 3


class _Name(str, enum.Enum):  # noqa: UP042 - a StrEnum formats as its value, which hides the difference
    SHIPPED = "order.shipped"


class _Point(NamedTuple):
    x: int
    y: int


@dataclass
class _Order:
    number: int


def _only_construct(_: Kit) -> list[Call]:
    return []


def _send_plain(_: Kit) -> Call:
    return send(PLAIN)


def _says(name: str, call: Call) -> Scenario:
    return Scenario(name, lambda _: call)


def _nested(depth: int) -> object:
    value: object = "leaf"
    for _ in range(depth):
        value = {"a": value}
    return value


def _cycle() -> dict[str, object]:
    value: dict[str, object] = {}
    value["itself"] = value
    return value


CONSTRUCTION = [
    *(
        Scenario(f"option: {name} {words}", _only_construct, {name: value})
        for name in ("api_key", "api_secret", "integration_code", "base_url")
        for words, value in (("empty", ""), ("left out", None))
    ),
    *(
        Scenario(f"base_url: {words}", _only_construct, {"base_url": url})
        for words, url in {
            "https": "https://api.flowflex.example",
            "https with a port and a path": "https://api.flowflex.example:8443/eu/api",
            "https in upper case": "HTTPS://API.flowflex.example",
            "http off loopback": "http://api.flowflex.example",
            "http to an address off loopback": "http://10.0.0.1",
            "http to a name that starts like loopback": "http://127.0.0.1.flowflex.example",
            "http to a name that starts like localhost": "http://localhost.flowflex.example",
            "http to IPv6 loopback": "http://[::1]:8080",
            "http to IPv6 off loopback": "http://[2001:db8::1]",
            "http to 127.0.0.2": "http://127.0.0.2:8080",
            "http to localhost with its final dot": "http://localhost.:8080",
            "http to loopback written as one number": "http://2130706433",
            "http to 0.0.0.0": "http://0.0.0.0:8080",
            "another scheme": "ftp://api.flowflex.example",
            "no scheme": "api.flowflex.example",
            "no host": "https://",
            "only a path": "/api",
            "user and password": "https://user:password@api.flowflex.example",
            "user that looks like loopback": "http://127.0.0.1@api.flowflex.example",
            "backslash": "http://localhost\\@api.flowflex.example",
            "query": "https://api.flowflex.example?tenant=1",
            "fragment": "https://api.flowflex.example#top",
            "blank in the host": "https://api flowflex.example",
            "blank around it": " https://api.flowflex.example ",
            "line break": "https://api.flowflex.example\r\nX-Injected: 1",
            "unicode host": "https://api.flöwflex.example",
            "port out of range": "https://api.flowflex.example:99999",
            "port that is no number": "https://api.flowflex.example:port",
            "dot segment": "https://api.flowflex.example/a/../b",
        }.items()
    ),
    Scenario("option: api_key with a colon", _only_construct, {"api_key": "cik:other"}),
    Scenario("option: api_key with a line break", _only_construct, {"api_key": "cik\r\nX-Injected: 1"}),
    Scenario("option: api_key in unicode", _send_plain, {"api_key": "cik_ä€"}),
    Scenario("option: api_secret with a colon", _send_plain, {"api_secret": "a:b"}),
    Scenario("option: api_secret with a final line break", _only_construct, {"api_secret": "secret\n"}),
    Scenario("option: api_key of another type", _only_construct, {"api_key": 7}),
    Scenario("option: timeout of zero", _only_construct, {"timeout_seconds": 0}),
    Scenario("option: negative timeout", _only_construct, {"timeout_seconds": -1}),
    Scenario("option: timeout that is no number", _only_construct, {"timeout_seconds": float("nan")}),
    Scenario("option: timeout as text", _only_construct, {"timeout_seconds": "30"}),
    Scenario("option: two timeouts", _only_construct, {"timeout_seconds": (3, 30)}),
    Scenario("option: negative file limit", _only_construct, {"max_file_bytes": -1}),
    Scenario("option: unknown", _only_construct, {"colour": "red"}),
]

BASE_URLS = [
    Scenario(f"base_url: {words}", lambda kit: send({"a": kit.pdf()}), {"base_url": url})
    for words, url in {
        "plain": "<api>",
        "final slash": "<api>/",
        "final slashes": "<api>//",
        "/api": "<api>/api",
        "/api/": "<api>/api/",
        "/api//": "<api>/api//",
        "/api/api": "<api>/api/api",
        "/API": "<api>/API",
        "/myapi": "<api>/myapi",
        "path prefix": "<api>/eu/west",
        "path prefix and /api": "<api>/eu/west/api",
        "path prefix and final slash": "<api>/eu/west/",
        "percent in the prefix": "<api>/eu%2Fwest",
        "localhost": "http://localhost:<port>",
        "localhost in upper case": "http://LOCALHOST:<port>",
        "scheme in upper case": "HTTP://127.0.0.1:<port>",
    }.items()
]

CODES = [
    Scenario(f"integration_code: {words}", _send_plain, {"integration_code": code})
    for words, code in {
        "plain": "ic_abc123",
        "slash": "ic/abc",
        "blank": "ic abc",
        "percent": "ic%2Fabc",
        "question mark": "ic?abc=1",
        "hash": "ic#abc",
        "unicode": "ïc_€",
        "text enum": _Name.SHIPPED,
        "unreserved marks": "ic-_.~",
        "reserved marks": "ic:@!$&'()*+,;=",
        "backslash": "ic\\abc",
        "one dot": ".",
        "two dots": "..",
        "dots and a slash": "../events",
        "line break": "ic\r\nabc",
        "blanks around it": " ic ",
    }.items()
]

EVENTS = [
    Scenario("event name: no payload", lambda _: send()),
    *(
        _says(f"event name: {words}", send(PLAIN, event=event))
        for words, event in {
            "empty": "",
            "blank inside": "order placed",
            "latin-1": "café.ordered",
            "beyond latin-1": "order.€",
            "line break": "order\r\nX-Injected: 1",
            "C0 control character": "order\x01",
            "delete character": "order\x7f",
            "C1 control character": "order\x85",
            "blanks around it": " order.placed ",
            "looks like a header": "X-Api-Key: 1",
            "300 characters": "e" * 300,
            "text enum": _Name.SHIPPED,
            "not a string": 7,
        }.items()
    ),
    Scenario(
        "event name: beyond latin-1, with a file",
        lambda kit: send({"a": kit.pdf()}, event="order.€"),
    ),
    *(
        _says(f"key: {words}", send(PLAIN, idempotency_key=key))
        for words, key in {
            "given": "key-1",
            "with marks": "order/42:é",
            "empty": "",
            "None": None,
            "line break": "key\r\nX-Injected: 1",
            "beyond latin-1": "key-€",
            "C1 control character": "key\x9f",
            "blanks around it": " key ",
            "text enum": _Name.SHIPPED,
            "not a string": 42,
        }.items()
    ),
    Scenario("key: given, with a file", lambda kit: send({"a": kit.pdf()}, idempotency_key="key-1")),
    Scenario("key: not given, two events", lambda _: [send(PLAIN), send(PLAIN)]),
]

PAYLOADS = [
    _says(f"payload: {words}", send(payload))
    for words, payload in {
        "None": None,
        "empty": {},
        "plain values": {"text": "Ada", "whole": 3, "real": 1.5, "yes": True, "no": False, "none": None},
        "large and small numbers": {"large": 2**80, "small": -1e-300, "zero": 0, "minus": -0.0},
        "unicode": {"name": "Ada Lövelace ☂ 𝄞 \u2028 e\u0301", "schlüssel": "ß"},
        "control characters": {"text": "a\r\n\t\x00\x1f\x7f\x85"},
        "nested": {"order": {"lines": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}], "tags": []}, "empty": {}},
        "ordered mapping": OrderedDict([("b", 1), ("a", 2)]),
        "tuple": {"pair": (1, 2)},
        "looks like an asset": {"assetId": "asset_0123456789"},
        "int enum": {"level": _Level.HIGH},
        "text enum": {"name": _Name.SHIPPED},
        "text enum as key": {_Name.SHIPPED: 1},
        "named tuple": {"at": _Point(1, 2)},
        "number of 5000 digits": {"n": 10**5000},
        "64 deep": _nested(64),
        "65 deep": _nested(65),
        "2000 deep": _nested(2000),
        "cycle": _cycle(),
        "list": [1, 2],
        "empty list": [],
        "text": "text",
        "datetime": {"at": dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)},
        "date": {"on": dt.date(2026, 1, 2)},
        "decimal": {"total": decimal.Decimal("10.50")},
        "uuid": {"id": uuid.UUID(int=7)},
        "enum": {"colour": _Colour.RED},
        "dataclass": {"order": _Order(7)},
        "NaN": {"n": float("nan")},
        "infinity": {"n": float("inf")},
        "surrogate": {"text": "\ud800"},
        "bytes": {"raw": b"raw"},
        "set": {"tags": {"a"}},
        "unknown type": {"thing": object()},
        "number as key": {1: "a"},
        "None as key": {None: "a"},
        "keys that collide": {1: "a", "1": "b"},
        "tuple as key": {(1, 2): "a"},
    }.items()
]
PAYLOADS += [
    Scenario("payload: NaN beside a file", lambda kit: send({"a": kit.pdf(), "n": float("nan")})),
    Scenario("payload: datetime beside a file", lambda kit: send({"a": kit.pdf(), "at": dt.date(2026, 1, 2)})),
    Scenario("payload: unknown type beside a file", lambda kit: send({"a": kit.pdf(), "thing": object()})),
]

LOWER_LEVEL = [
    Scenario("create_upload_url: without a size", lambda _: create(filename="x.pdf", mime="application/pdf")),
    Scenario("create_upload_url: with a size", lambda _: create(filename="x.pdf", mime="application/pdf", size=7)),
    Scenario("create_upload_url: size of zero", lambda _: create(filename="x.pdf", mime="application/pdf", size=0)),
    Scenario("create_upload_url: negative size", lambda _: create(filename="x.pdf", mime="application/pdf", size=-1)),
    Scenario("create_upload_url: type not allowed", lambda _: create(filename="x.html", mime="text/html")),
    Scenario("create_upload_url: empty name", lambda _: create(filename="", mime="application/pdf")),
    Scenario("create_upload_url: no name", lambda _: create(mime="application/pdf")),
    Scenario(
        "create_upload_url: over the limit",
        lambda _: create(filename="x.pdf", mime="application/pdf", size=6),
        {"max_file_bytes": 5},
    ),
    Scenario("upload_file: path", lambda kit: upload(kit.file(kit.path()))),
    Scenario("upload_file: bytes", lambda kit: upload(kit.pdf())),
    Scenario("upload_file: twice", lambda kit: [upload(ref) for ref in [kit.pdf()] * 2]),
    Scenario("upload_file: missing file", lambda kit: upload(kit.file(kit.folder / "missing.pdf"))),
    Scenario("upload_file: not a file", lambda _: upload("invoice.pdf")),
]

AMBIENT = [
    Scenario(
        "ambient: netrc",
        lambda kit: send({"a": kit.pdf()}),
        netrc="machine 127.0.0.1 login somebody password else\n",
    ),
    Scenario(
        "ambient: proxy", lambda _: send(PLAIN), environment={"HTTP_PROXY": "<storage>", "http_proxy": "<storage>"}
    ),
    Scenario(
        "ambient: no_proxy",
        lambda kit: send({"a": kit.pdf()}),
        environment={
            "HTTP_PROXY": "<nobody>",
            "http_proxy": "<nobody>",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        },
    ),
]

REQUEST_SCENARIOS = [
    *CONSTRUCTION,
    *BASE_URLS,
    *CODES,
    *EVENTS,
    *PAYLOADS,
    *LOWER_LEVEL,
    *AMBIENT,
]
