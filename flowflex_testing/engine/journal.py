"""The journal: every request that arrived, and what became of it. A record is shown without secrets."""

import time
from dataclasses import dataclass, field

from flowflex_core.secrets import MASKED
from flowflex_testing.engine.messages import Abort, Headers, OriginName, Reply
from flowflex_testing.masking import SECRET_HEADER
from flowflex_testing.rules import RULES


@dataclass(slots=True, repr=False)
class RecordedRequest:
    """A request that arrived, and what became of it.

    Attributes:
        number: From 1, in the order in which heads arrived.
        at: When its head arrived, by the fake's clock.
        arrived: The same by the real clock, in seconds from no particular moment (`time.monotonic`).
        ended: When its reply was decided on, by the real clock; None before that, and of a process that is no more.
        origin: `api` or `storage`.
        operation: `upload-url`, `put`, `event`, or None where it was none of these.
        method: As sent.
        target: Path and query, as sent.
        headers: Pairs, names in lower case.
        body: The body of a request to the API, as far as it was read; empty for storage.
        received: How many bytes of the body arrived.
        status: The status that was decided on; None where nothing was.
        code: The code of a refusal, otherwise empty.
        rule: The id of the rule behind the answer.
        fault: The fault that struck.
        tenant: The name of the tenant whose request it is; None where no valid credentials or upload URL told it.
        asset_id: The asset that it is about: issued here, or named by the upload URL.
        event_id: The event that was accepted, or whose stored answer was given again.
        reply: What went out, or would have without a fault that took it; None where nothing was decided.
    """

    number: int
    at: float
    origin: OriginName
    operation: str | None
    method: str
    target: str
    headers: Headers
    body: bytes = b""
    received: int = 0
    status: int | None = None
    code: str = ""
    rule: str | None = None
    fault: str | None = None
    tenant: str | None = None
    asset_id: str | None = None
    event_id: str | None = None
    reply: Reply | Abort | None = None
    # In no two runs the same.
    arrived: float = field(default_factory=time.monotonic, compare=False)
    ended: float | None = field(default=None, compare=False)

    @property
    def request_id(self) -> str:
        """The id that the reply carries in x-request-id."""
        return f"req_{self.number:08d}"

    def header(self, name: str) -> str | None:
        """Return the first value of the header `name`, in any case, or None."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key == wanted), None)

    def __repr__(self) -> str:
        """Show one line without secrets: neither the query nor credentials."""
        words = [f"#{self.number}", self.method, self.origin, self.target.partition("?")[0]]
        secret = [name for name, _ in self.headers if SECRET_HEADER.fullmatch(name)]
        shown = [pair for pair in self.headers if pair[0].startswith("x-") and pair[0] not in secret]
        words += [f"{name}={value!r}" for name, value in shown]
        words += [f"{name}={MASKED}" for name in secret]
        words += [f"{self.received} bytes", "->", str(self.status or "no answer")]
        if self.code and self.rule:
            words.append(f"{self.code} (rule {self.rule}: {RULES[self.rule].sentence})")
        elif self.rule in ("event.replay", "event.run-failed", "put.overwrite"):
            words.append(f"(rule {self.rule})")
        if self.fault:
            words.append(f"(fault {self.fault})")
        return " ".join(words)
