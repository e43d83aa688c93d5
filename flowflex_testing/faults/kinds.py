"""What can go wrong on purpose: faults as data, and which requests one is aimed at.

    fake.faults.arm("put", Status(503, retry_after=2))

A fault does no I/O: it says what goes out in place of the reply, and the face does it. One of your own is a subclass of
`Fault`. `fault_plan` says which request each one strikes.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Literal, Protocol

from flowflex_testing.engine.messages import Abort, Headers, Manner, OriginName, Reply

Operation = Literal["upload-url", "put", "event"]
OPERATIONS: tuple[Operation, ...] = ("upload-url", "put", "event")
ORIGINS: Mapping[Operation, OriginName] = {"upload-url": "api", "put": "storage", "event": "api"}

# So far ahead or back every date can be written.
_LONGEST_DATE = 3_155_760_000
# Each interim reply is a write of its own: so many are out in a moment, and are more than any proxy sends.
_MOST_INTERIMS = 10_000


class Struck(Protocol):
    """What a fault may know of the request that it strikes."""

    @property
    def rule(self) -> str | None:
        """The id of the rule behind the answer; None before there is one."""
        ...

    @property
    def now(self) -> float:
        """The fake's time, in seconds since the epoch."""
        ...

    def error(self, status: int, code: str, message: str, headers: Headers = (), /) -> Reply:
        """Make an error reply in the dialect of the origin that the request was sent to."""
        ...


class Fault:
    """The base of all faults. What is not overridden leaves the request as it would have been."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Show the fields that differ from their defaults."""
        own: tuple[dataclasses.Field[Any], ...] = dataclasses.fields(self) if dataclasses.is_dataclass(self) else ()
        told = [f"{field.name}={value!r}" for field in own if (value := getattr(self, field.name)) != field.default]
        return f"{type(self).__name__}({', '.join(told)})"

    def strikes_at(self) -> int | None:
        """Return the number of body bytes after which it strikes; None where it waits for the whole body."""
        return None

    def instead(self, struck: Struck, /) -> Reply | Abort | None:  # noqa: ARG002 - overridden where used
        """Return what goes out with the request never looked at; None where the request has its effect."""
        return None

    def after(self, reply: Reply, struck: Struck, /) -> Reply | Abort:  # noqa: ARG002 - overridden where used
        """Return what goes out in place of `reply`, after the request had its effect; `reply` where it is spared."""
        return reply


class ConnectionFault(Fault):
    """The base of faults that strike a connection, before there is a request: the journal shows nothing of them.

    Where there are no connections, in memory, each request counts as one of its own.
    """

    __slots__ = ()

    def strike(self) -> Abort:
        """Return what becomes of the connection."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, repr=False)
class Refuse(ConnectionFault):
    """No connection is made: the port of the origin does not listen, from the request on that it is aimed at.

    It is closed once the request before that has arrived, and at once for the first; connections that are open end
    with what is under way on them. A server never learns who knocked at a closed port. So a hit is the closing, the
    port opens by time, and the `times` of its aim count in memory alone.

    Attributes:
        seconds: How long the port is closed, by the real clock; None is until the fault is disarmed. In memory no time
            is looked at.
    """

    seconds: float | None = 1.0

    def __post_init__(self) -> None:
        is_time = self.seconds is None or 0 < self.seconds < math.inf
        _check("seconds", self.seconds, is_time, "finite and over 0, or None")

    def strike(self) -> Abort:
        """Refuse."""
        return Abort(reset=False, refused=True)


@dataclass(frozen=True, slots=True, repr=False)
class ResetOnAccept(ConnectionFault):
    """A reset as soon as a connection is accepted, before a head is read; connections to the origin are counted."""

    def strike(self) -> Abort:
        """Reset."""
        return Abort(reset=True)


@dataclass(frozen=True, slots=True, repr=False)
class Status(Fault):
    """An error status, without any effect; the whole body is read first.

    Attributes:
        status: 400 to 599.
        code: The code in the body.
        retry_after: The value of Retry-After: seconds, or text that is sent as it is, absurd as it may be.
        as_date: Whether Retry-After tells the moment that lies so many seconds ahead, by the fake's clock.
    """

    status: int
    code: str = "INJECTED_FAULT"
    retry_after: float | str | None = None
    as_date: bool = False

    def __post_init__(self) -> None:
        _check("status", self.status, 400 <= self.status <= 599, "400 to 599")
        if isinstance(self.retry_after, str):
            _check("retry_after", self.retry_after, _fits_header(self.retry_after), "latin-1 text without line breaks")
        elif self.retry_after is not None:
            _check(
                "retry_after", self.retry_after, math.isfinite(self.retry_after), "a finite number of seconds, or text"
            )
        if self.as_date:
            seconds = self.retry_after
            is_date = isinstance(seconds, int | float) and abs(seconds) <= _LONGEST_DATE
            _check("retry_after", seconds, is_date, "a number of seconds within a century, with as_date=True")

    def instead(self, struck: Struck, /) -> Reply | Abort | None:
        """Answer with the status."""
        headers: Headers = ()
        if isinstance(self.retry_after, int | float) and self.as_date:
            headers = (("Retry-After", formatdate(struck.now + self.retry_after, usegmt=True)),)
        elif self.retry_after is not None:
            headers = (("Retry-After", str(self.retry_after)),)
        return struck.error(self.status, self.code, f"Injected fault: {_phrase(self.status)}", headers)


@dataclass(frozen=True, slots=True, repr=False)
class HtmlPage(Fault):
    """The HTML page of a proxy or a captive portal that stands before FlowFlex, without any effect.

    Attributes:
        status: 200 to 599; a captive portal says 200.
    """

    status: int = 502

    def __post_init__(self) -> None:
        _check("status", self.status, 200 <= self.status <= 599, "200 to 599")

    def instead(self, struck: Struck, /) -> Reply | Abort | None:  # noqa: ARG002 - the proxy has no dialect
        """Answer with the page."""
        title = f"{self.status} {_phrase(self.status)}"
        page = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
        return Reply(self.status, (("Content-Type", "text/html; charset=utf-8"),), page.encode())


@dataclass(frozen=True, slots=True, repr=False)
class AlreadyStored(Fault):
    """A second PUT to one URL is told that the file is there already; every other request is spared."""

    def after(self, reply: Reply, struck: Struck, /) -> Reply | Abort:
        """Answer as a storage does that overwrites nothing."""
        if struck.rule not in ("put.overwrite", "put.duplicate"):
            return reply
        return struck.error(409, "Duplicate", "The resource already exists")


@dataclass(frozen=True, slots=True, repr=False)
class Reset(Fault):
    """A connection reset, without any effect, after `at` bytes of the body: 0 is with the head alone.

    A body that is shorter than `at` is not struck.
    """

    at: int = 0

    def __post_init__(self) -> None:
        _check("at", self.at, self.at >= 0, "0 or more")

    def strikes_at(self) -> int | None:
        """Return `at`."""
        return self.at

    def instead(self, struck: Struck, /) -> Reply | Abort | None:  # noqa: ARG002 - nothing is said
        """Reset."""
        return Abort(reset=True)


@dataclass(frozen=True, slots=True, repr=False)
class LoseReply(Fault):
    """The effect happens, and no byte of the reply arrives: the connection ends, by a reset where `reset` is set."""

    reset: bool = False

    def after(self, reply: Reply, struck: Struck, /) -> Reply | Abort:  # noqa: ARG002 - the reply is what is lost
        """End the connection."""
        return Abort(reset=self.reset)


@dataclass(frozen=True, slots=True, repr=False)
class TruncateReply(Fault):
    """The effect happens, and the reply breaks off after `body_bytes` of its body, by a reset where `reset` is set.

    A reply whose body is no longer than that is spared.
    """

    body_bytes: int = 1
    reset: bool = False

    def __post_init__(self) -> None:
        _check("body_bytes", self.body_bytes, self.body_bytes >= 0, "0 or more")

    def after(self, reply: Reply, struck: Struck, /) -> Reply | Abort:  # noqa: ARG002 - whatever is to be said
        """Begin the reply."""
        if self.body_bytes >= len(reply.body):
            return reply
        return Abort(reset=self.reset, begun=reply, body_bytes=self.body_bytes)


@dataclass(frozen=True, slots=True, repr=False)
class MalformedBody(Fault):
    """The effect happens, and the body of the reply is not what its Content-Type says."""

    body: bytes = b'{"status": "acc'

    def after(self, reply: Reply, struck: Struck, /) -> Reply | Abort:  # noqa: ARG002 - whatever was to be said
        """Put the broken body into the reply."""
        return dataclasses.replace(reply, body=self.body)


@dataclass(frozen=True, slots=True, repr=False)
class Delay(Fault):
    """The effect happens, and the reply goes out `seconds` later.

    In memory nothing waits: a delay over the timeout of the request is a timeout at once, and any other is none.

    Attributes:
        seconds: How long, by the clock that is meant.
        clock: `real`, or `fake`: then a live reply waits until the fake's clock has come so far, as by `clock.advance`.
    """

    seconds: float
    clock: Literal["real", "fake"] = "real"

    def __post_init__(self) -> None:
        _check("seconds", self.seconds, 0 <= self.seconds < math.inf, "finite and not negative")
        _check("clock", self.clock, self.clock in ("real", "fake"), "'real' or 'fake'")

    def after(self, reply: Reply, struck: Struck, /) -> Reply | Abort:
        """Hold the reply back."""
        is_real = self.clock == "real"
        manner = Manner(delay=self.seconds) if is_real else Manner(due=struck.now + self.seconds)
        return dataclasses.replace(reply, manner=manner)


@dataclass(frozen=True, slots=True, repr=False)
class Drip(Fault):
    """The effect happens, and the reply goes out in pieces of so many bytes, one every so many real seconds.

    In memory nothing waits: where the pieces would take longer than the request allows, it is a timeout at once.

    Attributes:
        piece: The bytes of a piece.
        seconds: The time from one piece to the next.
        head: Whether the head comes in pieces, too, and not only the body.
    """

    piece: int = 1
    seconds: float = 0.1
    head: bool = True

    def __post_init__(self) -> None:
        _check("piece", self.piece, self.piece >= 1, "1 or more")
        _check("seconds", self.seconds, 0 <= self.seconds < math.inf, "finite and not negative")

    def after(self, reply: Reply, struck: Struck, /) -> Reply | Abort:  # noqa: ARG002 - whatever is to be said
        """Let the reply drip."""
        manner = Manner(piece=self.piece, pause=self.seconds, drips_head=self.head)
        return dataclasses.replace(reply, manner=manner)


@dataclass(frozen=True, slots=True, repr=False)
class Interims(Fault):
    """The effect happens, and before the reply come interim ones: as many as a proxy sends that wants to be patient.

    In memory there is no wire for them, so that a request which it strikes there is an error.

    Attributes:
        count: How many, up to 10,000.
        status: 100 to 199 but not 101, which would end HTTP.
    """

    count: int = 100
    status: int = 102

    def __post_init__(self) -> None:
        _check("count", self.count, 1 <= self.count <= _MOST_INTERIMS, f"1 to {_MOST_INTERIMS:,}")
        _check("status", self.status, 100 <= self.status <= 199 and self.status != 101, "100 to 199 but not 101")

    def after(self, reply: Reply, struck: Struck, /) -> Reply | Abort:  # noqa: ARG002 - whatever is to be said
        """Put the interim replies before it."""
        return dataclasses.replace(reply, manner=Manner(interims=self.count, interim_status=self.status))


@dataclass(frozen=True, slots=True)
class Aim:
    """A fault, and the requests that it is to strike.

    Attributes:
        operation: Which requests are counted.
        fault: What happens to those that it strikes.
        occurrence: The first that it strikes, counted from 1 when it is armed.
        times: How many it strikes from there on; None is all of them.
        chance: How likely it strikes each of those, over 0 and up to 1; None is for certain.
        seed: What the chance is drawn from, so that the same requests are struck in every run.
        tenant: The name of the tenant whose requests are counted; None is every request.
    """

    operation: Operation
    fault: Fault
    _: KW_ONLY
    occurrence: int = 1
    times: int | None = 1
    chance: float | None = None
    seed: int | None = None
    tenant: str | None = None

    def __post_init__(self) -> None:
        _check("operation", self.operation, self.operation in OPERATIONS, f"one of {', '.join(OPERATIONS)}")
        if not isinstance(self.fault, Fault):
            raise TypeError(f"a fault is one of flowflex_testing.faults, such as Status(503), not {self.fault!r}")
        _check("occurrence", self.occurrence, _is_count(self.occurrence), "a whole number from 1")
        _check("times", self.times, self.times is None or _is_count(self.times), "a whole number from 1, or None")
        chance = self.chance
        if chance is not None:
            is_share = isinstance(chance, int | float) and not isinstance(chance, bool) and 0 < chance <= 1
            _check("chance", chance, is_share, "over 0 and up to 1")
        is_seed = isinstance(self.seed, int) and not isinstance(self.seed, bool)
        if is_seed != (chance is not None) or (self.seed is not None and not is_seed):
            raise ValueError("chance and seed go together, and seed is a whole number: no run is left to luck")
        if isinstance(self.fault, ConnectionFault):
            _check("tenant", self.tenant, self.tenant is None, "None: a connection is nobody's yet")
        if isinstance(self.fault, Refuse):
            _check("chance", chance, chance is None, "None: a port is not closed by halves")
        is_name = self.tenant is None or (isinstance(self.tenant, str) and self.tenant != "")
        _check("tenant", self.tenant, is_name, "the name of a tenant, or None")

    def __str__(self) -> str:
        words = f"{self.fault!r} on {self.operation} {self.occurrence}"
        if self.times != 1:
            words += ", every time" if self.times is None else f", {self.times} times"
        if self.chance is not None:
            words += f", with a chance of {self.chance} from seed {self.seed}"
        return words if self.tenant is None else f"{words}, of tenant {self.tenant!r}"


def _check(name: str, value: object, is_good: bool, wanted: str) -> None:
    if not is_good:
        raise ValueError(f"{name} is {wanted}, not {value!r}")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _fits_header(value: str) -> bool:
    return not any(character < " " or character == "\x7f" or character > "\xff" for character in value)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
