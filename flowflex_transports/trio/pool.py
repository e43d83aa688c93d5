"""Decides which request gets which connection, without any I/O.

The pool is told what happened, and when; it returns what is to be done. A claim is a request's wish for a
connection to an origin: it waits, or it holds a place. Claims and connections are opaque here, which is why the
whole of it can be tested without a socket. The idea is that of encode/httpcore's connection pool.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Claim = TypeVar("Claim", bound=Hashable)
Connection = TypeVar("Connection")


@dataclass(frozen=True, slots=True)
class Plan(Generic[Claim, Connection]):
    """What is to be done now.

    Attributes:
        grants: Who has a place from now on, and with which connection; None: open one, and tell `opened`.
        close: Connections that the pool has forgotten: close them.
    """

    grants: tuple[tuple[Claim, Connection | None], ...] = ()
    close: tuple[Connection, ...] = ()


@dataclass(slots=True)
class _Place(Generic[Connection]):
    origin: str
    connection: Connection | None


@dataclass(frozen=True, slots=True)
class _Idle(Generic[Connection]):
    origin: str
    connection: Connection
    since: float


class Pool(Generic[Claim, Connection]):
    """Connections to any number of origins, bounded in number, idle number and idle age.

    Who came first is served first, whatever its origin. While anyone waits, every place is taken and nothing idles.

    Args:
        most: How many connections there are at the same time, busy or idle.
        most_idle: How many of them may idle.
        idle_seconds: How long one may idle and be used again.
    """

    def __init__(self, *, most: int, most_idle: int, idle_seconds: float) -> None:
        self._most = most
        self._most_idle = most_idle
        self._idle_seconds = idle_seconds
        self._waiting: dict[Claim, str] = {}
        self._places: dict[Claim, _Place[Connection]] = {}
        self._idle: list[_Idle[Connection]] = []  # the one that has idled longest comes first

    def wanted(self, claim: Claim, origin: str, now: float) -> Plan[Claim, Connection]:
        """Note that `claim` wants a connection to `origin`. Where the plan does not grant it, a later one will."""
        self._waiting[claim] = origin
        return self._settled(now)

    def opened(self, claim: Claim, connection: Connection) -> None:
        """Note that the connection that `claim` was told to open is there."""
        self._places[claim].connection = connection

    def stale(self, claim: Claim, now: float) -> Plan[Claim, Connection]:
        """Replace the idle connection granted to `claim`, which is dead; the place is kept."""
        place = self._places[claim]
        dead = () if place.connection is None else (place.connection,)
        expired = self._expired(now)
        place.connection = self._idle_to(place.origin)
        return Plan(((claim, place.connection),), dead + expired)

    def released(self, claim: Claim, now: float) -> Plan[Claim, Connection]:
        """Note that the request is over, and its connection can serve another."""
        place = self._places.pop(claim)
        if place.connection is not None:
            self._idle.append(_Idle(place.origin, place.connection, now))
        return self._settled(now)

    def broken(self, claim: Claim, now: float) -> Plan[Claim, Connection]:
        """Note that the request is over, waiting or not, and a connection that it has must not be used again."""
        self._waiting.pop(claim, None)
        place = self._places.pop(claim, None)
        dead = () if place is None or place.connection is None else (place.connection,)
        return self._settled(now, dead)

    def closed(self) -> Plan[Claim, Connection]:
        """Close everything and let nothing idle again; the requests of busy connections will report them broken."""
        self._most_idle = 0
        busy = [place.connection for place in self._places.values() if place.connection is not None]
        idle = [idle.connection for idle in self._idle]
        self._idle.clear()
        return Plan(close=(*busy, *idle))

    def _settled(self, now: float, close: tuple[Connection, ...] = ()) -> Plan[Claim, Connection]:
        closing = [*close, *self._expired(now)]
        grants: list[tuple[Claim, Connection | None]] = []
        while self._waiting and len(self._places) < self._most:
            claim = next(iter(self._waiting))
            origin = self._waiting.pop(claim)
            connection = self._idle_to(origin)
            if connection is None and len(self._places) + len(self._idle) == self._most:
                closing.append(self._idle.pop(0).connection)
            self._places[claim] = _Place(origin, connection)
            grants.append((claim, connection))
        while len(self._idle) > self._most_idle:
            closing.append(self._idle.pop(0).connection)
        return Plan(tuple(grants), tuple(closing))

    def _idle_to(self, origin: str) -> Connection | None:
        """Take the idle connection to `origin` that was used last: it is the least likely to be dead."""
        for index in reversed(range(len(self._idle))):
            if self._idle[index].origin == origin:
                return self._idle.pop(index).connection
        return None

    def _expired(self, now: float) -> tuple[Connection, ...]:
        alive = 0
        while alive < len(self._idle) and now - self._idle[alive].since > self._idle_seconds:
            alive += 1
        expired = tuple(idle.connection for idle in self._idle[:alive])
        del self._idle[:alive]
        return expired
