"""What ends by itself, and when: upload URLs, files and idempotency keys."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Expiring = Literal["upload-url", "file", "key"]

# In seconds; a thing is still good at the end of its lifetime, and not after it.
URL_LIFETIME = 7_200
FILE_LIFETIME = 172_800
KEY_LIFETIME = 86_400
_LIFETIMES: dict[Expiring, int] = {"upload-url": URL_LIFETIME, "file": FILE_LIFETIME, "key": KEY_LIFETIME}

_WORDS: dict[Expiring, str] = {
    "upload-url": "the upload URL of {} expires",
    "file": "the file of {} expires",
    "key": "the idempotency key {!r} expires",
}


@dataclass(frozen=True, slots=True)
class Expiry:
    """The end of something, by the fake's clock.

    Attributes:
        at: The last moment at which it was good.
        kind: What ended.
        tenant: The name of the tenant that it belonged to.
        id: The asset id, or the idempotency key.
    """

    at: float
    kind: Expiring
    tenant: str
    id: str

    def __str__(self) -> str:
        return _WORDS[self.kind].format(self.id)


class Expiries:
    """All that is going to expire in one store.

    Everything of one kind lives equally long, and so ends in the order in which it began: no sorting is needed, and
    an event costs next to nothing for its key's sake.
    """

    def __init__(self) -> None:
        self._ends: dict[Expiring, deque[tuple[float, str, str]]] = {kind: deque() for kind in _LIFETIMES}

    def plan(self, kind: Expiring, tenant: str, name: str, since: float) -> None:
        """Take in what begins at `since`, which is not before what began last."""
        self._ends[kind].append((since + _LIFETIMES[kind], tenant, name))

    def restore(self, kind: Expiring, tenant: str, began: Mapping[str, float]) -> None:
        """Take in what began long ago: names to the moments."""
        ends = [(since + _LIFETIMES[kind], tenant, name) for name, since in began.items()]
        self._ends[kind] = deque(sorted([*self._ends[kind], *ends]))

    @property
    def moment(self) -> float | None:
        """When the next thing ends."""
        return min((ends[0][0] for ends in self._ends.values() if ends), default=None)

    def take(self) -> Expiry:
        """Return what ends next, which is planned no more."""
        expiry = self.next()
        self._ends[expiry.kind].popleft()
        return expiry

    def next(self) -> Expiry:
        """Return what ends next."""
        firsts = [Expiry(ends[0][0], kind, *ends[0][1:]) for kind, ends in self._ends.items() if ends]
        return min(firsts, key=lambda expiry: expiry.at)
