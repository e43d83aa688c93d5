"""What can go wrong on purpose: faults as data, and the plan that says which request each one strikes.

fake.faults.arm("put", Status(503, retry_after=2))          # the next PUT
fake.faults.arm("event", LoseReply(), occurrence=2)         # the second event from now on
fake.faults.arm("upload-url", HtmlPage(), times=None)       # every request for an upload URL
"""

import dataclasses
import threading
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal, Protocol

from flowflex_testing.messages import Abort, Headers, Reply

Operation = Literal["upload-url", "put", "event"]
OPERATIONS: tuple[Operation, ...] = ("upload-url", "put", "event")


class ErrorReply(Protocol):
    """Makes an error reply in the dialect of the origin that the request was sent to."""

    def __call__(self, status: int, code: str, message: str, headers: Headers = (), /) -> Reply:
        """Return the reply."""
        ...


class Fault:
    """The base of all faults. What is not overridden leaves the request as it would have been."""

    __slots__ = ()

    def strikes_at(self) -> int | None:
        """Return the number of body bytes after which it strikes; None where it waits for the whole body."""
        return None

    def instead(self, error_reply: ErrorReply, /) -> Reply | Abort | None:  # noqa: ARG002 - overridden where used
        """Return what goes out with the request never looked at; None where the request has its effect."""
        return None

    def after(self, reply: Reply, /) -> Reply | Abort:
        """Return what goes out in place of `reply`, after the request had its effect."""
        return reply


@dataclass(frozen=True, slots=True)
class Status(Fault):
    """An error status, without any effect; the whole body is read first.

    Attributes:
        status: 400 to 599.
        code: The code in the body.
        retry_after: The value of Retry-After: seconds, or text that is sent as it is, such as a date.
    """

    status: int
    code: str = "INJECTED_FAULT"
    retry_after: float | str | None = None

    def __post_init__(self) -> None:
        if not 400 <= self.status <= 599:
            raise ValueError(f"a fault's status is 400 to 599, not {self.status!r}")

    def instead(self, error_reply: ErrorReply, /) -> Reply | Abort | None:
        """Answer with the status."""
        headers: Headers = () if self.retry_after is None else (("Retry-After", str(self.retry_after)),)
        return error_reply(self.status, self.code, f"Injected fault: {_phrase(self.status)}", headers)


@dataclass(frozen=True, slots=True)
class HtmlPage(Fault):
    """The HTML page of a proxy or a captive portal that stands before FlowFlex, without any effect."""

    status: int = 502

    def instead(self, error_reply: ErrorReply, /) -> Reply | Abort | None:  # noqa: ARG002 - the proxy has no dialect
        """Answer with the page."""
        title = f"{self.status} {_phrase(self.status)}"
        page = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
        return Reply(self.status, (("Content-Type", "text/html; charset=utf-8"),), page.encode())


@dataclass(frozen=True, slots=True)
class Reset(Fault):
    """A connection reset, without any effect, after `at` bytes of the body: 0 is with the head alone.

    A body that is shorter than `at` is not struck.
    """

    at: int = 0

    def strikes_at(self) -> int | None:
        """Return `at`."""
        return self.at

    def instead(self, error_reply: ErrorReply, /) -> Reply | Abort | None:  # noqa: ARG002 - nothing is said
        """Reset."""
        return Abort(reset=True)


@dataclass(frozen=True, slots=True)
class LoseReply(Fault):
    """The effect happens, and no byte of the reply arrives: the connection ends, by a reset where `reset` is set."""

    reset: bool = False

    def after(self, reply: Reply, /) -> Reply | Abort:  # noqa: ARG002 - it is the one that is lost
        """End the connection."""
        return Abort(reset=self.reset)


@dataclass(frozen=True, slots=True)
class TruncateReply(Fault):
    """The effect happens, and the reply breaks off after `body_bytes` of its body."""

    body_bytes: int = 1

    def after(self, reply: Reply, /) -> Reply | Abort:
        """Begin the reply."""
        return Abort(reset=False, begun=reply, body_bytes=self.body_bytes)


@dataclass(frozen=True, slots=True)
class MalformedBody(Fault):
    """The effect happens, and the body of the reply is not what its Content-Type says."""

    body: bytes = b'{"status": "acc'

    def after(self, reply: Reply, /) -> Reply | Abort:
        """Put the broken body into the reply."""
        return dataclasses.replace(reply, body=self.body)


@dataclass(frozen=True, slots=True)
class Delay(Fault):
    """The effect happens, and the reply goes out `seconds` later, by the real clock.

    The in-memory face never sleeps: a delay that is over the timeout of the request is a timeout at once.
    """

    seconds: float

    def after(self, reply: Reply, /) -> Reply | Abort:
        """Hold the reply back."""
        return dataclasses.replace(reply, delay=self.seconds)


@dataclass(slots=True)
class ArmedFault:
    """A fault in the plan.

    Attributes:
        operation: Which requests it waits for.
        fault: What it does to them.
        occurrence: The first one that it strikes, counted from 1 when it was armed.
        times: How many it strikes from there on; None is all of them.
        seen: How many it has waited for or struck by now.
        hits: How many it has struck.
    """

    operation: Operation
    fault: Fault
    occurrence: int
    times: int | None
    seen: int = 0
    hits: int = 0

    def takes_next(self) -> bool:
        """Count a request, and return whether it is one that is to be struck."""
        self.seen += 1
        return self.seen >= self.occurrence and (self.times is None or self.seen < self.occurrence + self.times)

    def __str__(self) -> str:
        times = "" if self.times == 1 else ", every time" if self.times is None else f", {self.times} times"
        return f"{self.fault!r} on {self.operation} {self.occurrence}{times}"


class FaultPlan:
    """The faults of one fake. Where two would strike one request, the one that was armed first does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[ArmedFault] = []

    def arm(self, operation: Operation, fault: Fault, *, occurrence: int = 1, times: int | None = 1) -> ArmedFault:
        """Strike the `occurrence`-th request for `operation` from now on, and `times` in all; None is all of them."""
        if operation not in OPERATIONS:
            raise ValueError(f"a fault strikes one of {', '.join(OPERATIONS)}, not {operation!r}")
        if not isinstance(fault, Fault):
            raise TypeError(f"a fault is one of flowflex_testing.faults, such as Status(503), not {fault!r}")
        if occurrence < 1 or (times is not None and times < 1):
            raise ValueError("occurrence and times count from 1")
        armed = ArmedFault(operation, fault, occurrence, times)
        with self._lock:
            self._armed.append(armed)
        return armed

    def draw(self, operation: str | None) -> ArmedFault | None:
        """Count a request for `operation`, and return the fault that is to strike it."""
        if not self._armed:
            return None
        with self._lock:
            due = [armed for armed in self._armed if armed.operation == operation and armed.takes_next()]
        return due[0] if due else None

    def unfired(self) -> list[ArmedFault]:
        """Return the faults that have not struck any request."""
        with self._lock:
            return [armed for armed in self._armed if not armed.hits]

    def assert_fired(self) -> None:
        """Fail where a fault never fired: the test has not tried what it says."""
        unfired = [f"{armed} ({armed.seen} such requests came)" for armed in self.unfired()]
        if unfired:
            raise AssertionError("faults never fired: " + "; ".join(unfired))

    def clear(self) -> None:
        """Disarm every fault."""
        with self._lock:
            self._armed.clear()


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
