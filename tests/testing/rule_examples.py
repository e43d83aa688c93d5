"""For each rule of the table, a request that it lets through and one that it stops.

`good` and `bad` are each a function of a caller, and return the answer that counts. A rule that is no refusal is what
stands behind `bad`, too: `good` is then the nearest request that it has nothing to do with.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flowflex_testing.switches import RateLimit
from tests.testing.caller import Answer, Caller

CAP = 26_214_400
MIB = 1_048_576

Act = Callable[[Caller], Answer]


@dataclass(frozen=True)
class Example:
    """What a rule lets through, and what it stops, on a fake with `options`."""

    good: Act
    bad: Act
    options: dict[str, Any] = field(default_factory=dict)


def nested(depth: int) -> bytes:
    """Write an object with `depth` containers in one another."""
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def padded(size: int) -> bytes:
    """Write an object of `size` bytes."""
    return b'{"a":"' + b"x" * (size - 8) + b'"}'


def tampered_url(caller: Caller) -> Answer:
    return caller.put(caller.url().replace("a.pdf", "b.pdf"))


def url_after(caller: Caller, **time: float) -> Answer:
    url = caller.url()
    caller.fake.clock.advance(**time)
    return caller.put(url)


def put_of(caller: Caller, declared: Any, body: bytes, **options: Any) -> Answer:
    return caller.put(caller.url(size=declared), body, **options)


def twice(caller: Caller) -> Answer:
    url = caller.url()
    assert caller.put(url).status == 200
    return caller.put(url, b"tada")


def event_with_asset(caller: Caller, **time: float) -> Answer:
    asset_id = caller.asset()
    caller.fake.clock.advance(**time)
    return caller.event({"a": [asset_id]})


def event_after(caller: Caller, first: dict[str, Any], second: dict[str, Any], **time: float) -> Answer:
    assert caller.event(**first).rule == "event.accepted"
    caller.fake.clock.advance(**time)
    return caller.event(**second)


def one_too_many(caller: Caller, **time: float) -> Answer:
    assert caller.event().rule == "event.accepted"
    caller.fake.clock.advance(**time)
    return caller.upload_url()


def event_while_key_is_held(caller: Caller) -> Answer:
    caller.fake.store.tenants["default"].keys_in_flight.add("key-1")
    return caller.event()


EXAMPLES = {
    "api.credentials": Example(
        lambda caller: caller.event(authorization=caller.authorization.replace("Basic", "basic")),
        lambda caller: caller.event(authorization="Basic d3Jvbmc6d3Jvbmc="),
    ),
    "api.rate-limit": Example(
        lambda caller: one_too_many(caller, seconds=60),
        lambda caller: one_too_many(caller, seconds=59),
        {"rate_limit": RateLimit(1, 60)},
    ),
    "api.path": Example(
        lambda caller: caller.upload_url(),
        lambda caller: caller.post("/v1/assets/upload-url/", b"{}"),
    ),
    "api.method": Example(
        lambda caller: caller.event(),
        lambda caller: caller.event(method="GET"),
    ),
    "api.media-type": Example(
        lambda caller: caller.event(media_type="application/vnd.api+json; charset=utf-8"),
        lambda caller: caller.event(media_type="text/plain"),
    ),
    "api.body-size": Example(
        lambda caller: caller.event(body=padded(MIB)),
        lambda caller: caller.event(body=padded(MIB + 1)),
    ),
    "api.json": Example(
        lambda caller: caller.event(body='{"a": "é"}'.encode()),
        lambda caller: caller.event(body=b'{"a": NaN}'),
    ),
    "upload-url.object": Example(
        lambda caller: caller.upload_url(),
        lambda caller: caller.upload_url(body=b'["a.pdf"]'),
    ),
    "upload-url.filename": Example(
        lambda caller: caller.upload_url(filename="é" * 127 + "."),
        lambda caller: caller.upload_url(filename="é" * 128),
    ),
    "upload-url.mime-required": Example(
        lambda caller: caller.upload_url(mime="image/png"),
        lambda caller: caller.upload_url(mime=...),
    ),
    "upload-url.mime": Example(
        lambda caller: caller.upload_url(mime="video/3gpp"),
        lambda caller: caller.upload_url(mime="application/zip"),
    ),
    "upload-url.size": Example(
        lambda caller: caller.upload_url(size=0),
        lambda caller: caller.upload_url(size=1.5),
    ),
    "upload-url.size-limit": Example(
        lambda caller: caller.upload_url(size=CAP),
        lambda caller: caller.upload_url(size=CAP + 1),
    ),
    "upload-url.issued": Example(
        lambda caller: caller.event(),
        lambda caller: caller.upload_url(size=...),
    ),
    "storage.path": Example(
        lambda caller: caller.put(caller.url()),
        lambda caller: caller.put("/other"),
    ),
    "storage.private": Example(
        lambda caller: caller.put(caller.url()),
        lambda caller: caller.put(caller.url(), b"", method="GET"),
    ),
    "storage.method": Example(
        lambda caller: caller.put(caller.url()),
        lambda caller: caller.put(caller.url(), method="POST"),
    ),
    "put.authorization": Example(
        lambda caller: caller.put(caller.url()),
        lambda caller: caller.put(caller.url(), extra=[("authorization", caller.authorization)]),
    ),
    "put.signature": Example(lambda caller: caller.put(caller.url()), tampered_url),
    "put.content-type": Example(
        lambda caller: caller.put(caller.url(mime="text/plain"), media_type="text/plain"),
        lambda caller: caller.put(caller.url(mime="text/plain"), media_type="text/plain; charset=utf-8"),
    ),
    "put.expired": Example(
        lambda caller: url_after(caller, hours=2),
        lambda caller: url_after(caller, hours=2, seconds=1),
    ),
    "put.length-required": Example(
        lambda caller: caller.put(caller.url()),
        lambda caller: caller.put(caller.url(), chunked=True),
    ),
    "put.size-limit": Example(
        lambda caller: put_of(caller, ..., b"\0" * CAP),
        lambda caller: put_of(caller, ..., b"", length=CAP + 1),
    ),
    "put.size": Example(
        lambda caller: put_of(caller, ..., b"any length"),
        lambda caller: put_of(caller, 4, b"12345"),
    ),
    "put.incomplete": Example(
        lambda caller: put_of(caller, 4, b"1234", ends_early=True),
        lambda caller: put_of(caller, 4, b"123", length=4, ends_early=True),
    ),
    "put.stored": Example(twice, lambda caller: put_of(caller, 0, b"")),
    "put.overwrite": Example(lambda caller: caller.put(caller.url()), twice),
    "put.duplicate": Example(
        lambda caller: caller.put(caller.url()),
        twice,
        {"storage_dialect": "supabase"},
    ),
    "event.integration": Example(
        lambda caller: caller.event(path="/v1/events/ic%5Ftest_4d2e?source=test"),
        lambda caller: caller.event(path="/v1/events/ic_other"),
    ),
    "event.name-required": Example(
        lambda caller: caller.event(name="a"),
        lambda caller: caller.event(name=None),
    ),
    "event.name": Example(
        lambda caller: caller.event(name="n" * 255),
        lambda caller: caller.event(name="n" * 256),
    ),
    "event.key-required": Example(
        lambda caller: caller.event(key="k"),
        lambda caller: caller.event(key=None),
    ),
    "event.key": Example(
        lambda caller: caller.event(key="k" * 255),
        lambda caller: caller.event(key="k" * 256),
    ),
    "event.payload": Example(
        lambda caller: caller.event({}),
        lambda caller: caller.event([]),
    ),
    "event.depth": Example(
        lambda caller: caller.event(body=nested(64)[:-1] + b',"b":[]}'),
        lambda caller: caller.event(body=nested(65)),
    ),
    "event.key-in-flight": Example(lambda caller: caller.event(), event_while_key_is_held),
    "event.replay": Example(
        lambda caller: event_after(caller, {"key": "a"}, {"key": "b"}),
        lambda caller: event_after(caller, {}, {}, hours=24),
    ),
    "event.key-reused": Example(
        lambda caller: event_after(caller, {"payload": {"n": 1}}, {"payload": {"n": 2}}, hours=24, seconds=1),
        lambda caller: event_after(caller, {"payload": {"n": 1}}, {"payload": {"n": 2}}),
    ),
    "event.key-reused-400": Example(
        lambda caller: event_after(caller, {"name": "a"}, {"name": "a"}),
        lambda caller: event_after(caller, {"name": "a"}, {"name": "b"}),
        {"reused_key_status": 400},
    ),
    "event.asset-unknown": Example(
        lambda caller: caller.event({"a": "asset_short", "b": "an asset_0123456789", "c": "asset_01234567-8"}),
        lambda caller: caller.event({"a": "asset_01234567"}),
    ),
    "event.asset-never-stored": Example(
        event_with_asset,
        lambda caller: caller.event({"a": caller.upload_url().json()["assetId"]}),
    ),
    "event.asset-expired": Example(
        lambda caller: event_with_asset(caller, hours=48),
        lambda caller: event_with_asset(caller, hours=48, seconds=1),
    ),
    "event.run-failed": Example(
        event_with_asset,
        lambda caller: event_with_asset(caller, hours=49),
        {"missing_file": "failed-run"},
    ),
    "event.accepted": Example(
        lambda caller: event_after(caller, {}, {}),
        lambda caller: caller.event({"name": "Ada"}),
    ),
}

# A rule that holds under some settings of a switch, and the other setting -> the rule behind the answer to its `bad`
# request then.
OTHERWISE: dict[tuple[str, str, Any], str] = {
    ("api.rate-limit", "rate_limit", None): "upload-url.issued",
    ("put.length-required", "strict", False): "put.stored",
    ("put.size", "strict", False): "put.stored",
    ("put.overwrite", "storage_dialect", "supabase"): "put.duplicate",
    ("put.duplicate", "storage_dialect", "s3"): "put.overwrite",
    ("event.key-required", "strict", False): "event.accepted",
    ("event.key-in-flight", "refuses_key_in_flight", False): "event.accepted",
    ("event.key-reused", "key_fingerprint", "key"): "event.replay",
    ("event.key-reused", "reused_key_status", 400): "event.key-reused-400",
    ("event.key-reused-400", "key_fingerprint", "key"): "event.replay",
    ("event.key-reused-400", "reused_key_status", 422): "event.key-reused",
    ("event.asset-never-stored", "missing_file", "failed-run"): "event.run-failed",
    ("event.asset-expired", "missing_file", "failed-run"): "event.run-failed",
    ("event.run-failed", "missing_file", "refused"): "event.asset-expired",
}
