"""Speaks the wire to a fake byte by byte, with none of our clients: a test must be able to say what no client sends."""

import json
from dataclasses import dataclass
from typing import Any

from flowflex_testing.engine.messages import Abort, BodyCut, Head, OriginName, Reply
from flowflex_testing.fake import FakeFlowFlex

Pairs = list[tuple[str, str]]


class Body:
    """Gives a body in pieces, and counts what was asked for; `ends_early` is a peer that goes away then."""

    def __init__(self, content: bytes, ends_early: bool = False) -> None:
        self.left = content
        self.ends_early = ends_early
        self.read_bytes = 0

    def read(self, size: int) -> bytes:
        data, self.left = self.left[:size], self.left[size:]
        if not data and self.ends_early:
            raise BodyCut
        self.read_bytes += len(data)
        return data


@dataclass(frozen=True)
class Answer:
    """What the fake said, and the rule behind it."""

    status: int | None
    headers: dict[str, str]
    body: bytes
    rule: str | None
    abort: Abort | None = None
    read_bytes: int = 0

    def json(self) -> Any:
        return json.loads(self.body)


class Caller:
    """Makes good requests; each argument makes one of them bad in one way."""

    def __init__(self, fake: FakeFlowFlex) -> None:
        self.fake = fake
        self.authorization = fake.store.tenants["default"].authorization
        self.event_path = f"/v1/events/{fake.integration_code}"

    def send(
        self, origin: OriginName, method: str, target: str, headers: Pairs, body: bytes, *, ends_early: bool = False
    ) -> Answer:
        source = Body(body, ends_early)
        outcome = self.fake.handle(Head(origin, method, target, tuple(headers)), source)
        rule = self.fake.requests[-1].rule
        if isinstance(outcome, Reply):
            return Answer(outcome.status, dict(outcome.headers), outcome.body, rule, read_bytes=source.read_bytes)
        return Answer(None, {}, b"", rule, outcome, source.read_bytes)

    def post(
        self,
        target: str,
        body: bytes,
        *,
        method: str = "POST",
        authorization: str | None = "",
        media_type: str | None = "application/json",
        length: int | None = None,
        extra: Pairs | None = None,
    ) -> Answer:
        headers: Pairs = [("content-length", str(len(body) if length is None else length))]
        if authorization is not None:
            headers.append(("authorization", authorization or self.authorization))
        if media_type is not None:
            headers.append(("content-type", media_type))
        return self.send("api", method, target, headers + (extra or []), body)

    def upload_url(self, body: bytes | None = None, **fields: Any) -> Answer:
        """Declare a PDF of 4 bytes; a field given as `...` is left out."""
        declared = {"filename": "a.pdf", "mime": "application/pdf", "size": 4} | fields
        content = json.dumps({name: value for name, value in declared.items() if value is not ...}).encode()
        return self.post("/v1/assets/upload-url", content if body is None else body)

    def url(self, **fields: Any) -> str:
        """Return a new upload URL, from its path on."""
        return str(self.upload_url(**fields).json()["uploadUrl"]).removeprefix(self.fake.storage_url)

    def put(
        self,
        target: str,
        body: bytes = b"data",
        *,
        method: str = "PUT",
        media_type: str = "application/pdf",
        length: int | None = None,
        chunked: bool = False,
        extra: Pairs | None = None,
        ends_early: bool = False,
    ) -> Answer:
        framing = ("transfer-encoding", "chunked")
        if not chunked:
            framing = ("content-length", str(len(body) if length is None else length))
        headers = [framing, ("content-type", media_type), *(extra or [])]
        return self.send("storage", method, target, headers, body, ends_early=ends_early)

    def asset(self, **fields: Any) -> str:
        """Upload a file, and return its asset id."""
        issued = self.upload_url(**fields).json()
        assert self.put(issued["uploadUrl"].removeprefix(self.fake.storage_url)).status == 200
        return str(issued["assetId"])

    def event(
        self,
        payload: Any = None,
        *,
        body: bytes | None = None,
        name: str | None = "invoice.created",
        key: str | None = "key-1",
        path: str | None = None,
        extra: Pairs | None = None,
        **options: Any,
    ) -> Answer:
        headers: Pairs = [
            (header, value) for header, value in (("x-event", name), ("x-idempotency-key", key)) if value is not None
        ]
        content = json.dumps({} if payload is None else payload).encode() if body is None else body
        return self.post(path or self.event_path, content, extra=headers + (extra or []), **options)
