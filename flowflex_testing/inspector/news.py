"""What is new in a journal since somebody looked: who follows it is told that alone, however long it has become.

Requests and sends change after they have come: a request ends, an event takes uploads out of a burst, a file loses its
bytes. So what is new is found by comparing with the last look, and not by numbers.
"""

import re
import threading
import uuid
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from flowflex_testing.engine.journal import RecordedRequest
from flowflex_testing.engine.store import Store
from flowflex_testing.inspector.presentation import is_kept
from flowflex_testing.inspector.sends import Mark, Send, group

_CURSOR = re.compile(r"([0-9a-f]{32})-([0-9]{1,15})", re.ASCII)

_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class News:
    """What a follower does not know yet.

    Attributes:
        cursor: What to ask with the next time.
        is_whole: Whether this is all there is: whatever else the follower knows is no more.
        requests: Each with the mark for what it repeats.
        sends: Whole. A request that is in one of them is in no other.
    """

    cursor: str
    is_whole: bool
    requests: list[tuple[RecordedRequest, Mark | None]]
    sends: list[Send]


class Watch:
    """Watches the journal of one store, for any number of followers. It works only when it is asked."""

    def __init__(self, store: Store) -> None:
        self._store = store
        # Of another store, or in another process, cursors mean nothing.
        self._name = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._turn = 0
        self._requests = _Changes[int]()
        self._sends = _Changes[str]()
        self._request_by_number: dict[int, tuple[RecordedRequest, Mark | None]] = {}
        self._send_by_id: dict[str, Send] = {}

    def since(self, cursor: str) -> News:
        """Return what is new since `cursor` was given; all there is where it was not given here, or is empty."""
        match = _CURSOR.fullmatch(cursor)
        known = int(match[2]) if match is not None and match[1] == self._name else 0
        with self._lock:
            self._look()
            if known == self._turn:
                return News(cursor, is_whole=False, requests=[], sends=[])
            return News(
                f"{self._name}-{self._turn}",
                is_whole=known == 0,
                requests=[self._request_by_number[number] for number in self._requests.since(known)],
                sends=[self._send_by_id[send_id] for send_id in self._sends.since(known)],
            )

    def _look(self) -> None:
        store = self._store
        # Read before what it stands for: what changes meanwhile is found by the next look.
        seen = (store.revision, store.clock.changes)
        if seen == self._seen:
            return
        self._seen = seen
        self._turn += 1
        requests = list(store.requests)
        sends = group(requests)
        marks: dict[int, Mark] = {number: mark for send in sends for number, mark in send.marks.items()}
        self._request_by_number = {request.number: (request, marks.get(request.number)) for request in requests}
        self._send_by_id = {send.id: send for send in sends}
        self._requests.compare(
            self._turn,
            {
                number: (request.reply is None, request.received, mark)
                for number, (request, mark) in self._request_by_number.items()
            },
        )
        changed_at = self._requests.turn_of
        self._sends.compare(
            self._turn,
            {
                send.id: (
                    tuple(request.number for request in send.requests),
                    max(changed_at(request.number) for request in send.requests),
                    self._files(send),
                )
                for send in sends
            },
        )

    def _files(self, send: Send) -> tuple[Hashable, ...]:
        """Return what of the files of a send may change without a request of its own."""
        tenant = self._store.tenants.get(send.tenant or "")
        if tenant is None:
            return ()
        files: list[Hashable] = []
        for asset_id in (*send.asset_ids, *send.named_ids):
            asset = tenant.assets.get(asset_id)
            kept = asset is not None and is_kept(self._store.spool, asset.id, asset.sha256)
            files.append((tenant.uploads.get(asset_id), asset, kept))
        return tuple(files)


class _Changes(Generic[_Key]):
    """When each of many things was last found to be another than before."""

    def __init__(self) -> None:
        self._known: dict[_Key, tuple[Hashable, int]] = {}

    def compare(self, turn: int, states: Mapping[_Key, Hashable]) -> None:
        """Take in how everything is now; what has another state than before, or none, has changed at this turn."""
        known = self._known
        self._known = {
            key: last if (last := known.get(key)) is not None and last[0] == state else (state, turn)
            for key, state in states.items()
        }

    def turn_of(self, key: _Key) -> int:
        """Return when a thing has changed."""
        return self._known[key][1]

    def since(self, turn: int) -> list[_Key]:
        """Return what has changed after `turn`."""
        return [key for key, (_, changed_at) in self._known.items() if changed_at > turn]
