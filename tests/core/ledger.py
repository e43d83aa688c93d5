"""What someone who sees only the wire knows of a send: which files are stored, and what became of the POSTs.

It reads a history call by call, and knows nothing of the core: what answers mean is told by `worlds`.
"""

import json
from dataclasses import dataclass, field

from flowflex_core import Request, Response
from tests.core.histories import Call, Given, History
from tests.core.worlds import EVENT, PUT, UPLOAD_URL, Effect, leg_of

# What else than a POST is told apart by: the name of its file.
NAME_OF_THE_EVENT = ""


# Seconds for which FlowFlex is trusted to know a key, and so for which a refusal is about the first POST, too.
_KEY_IS_REMEMBERED = 23 * 3600.0


@dataclass
class Ledger:
    """The books of one send, over all of its runs.

    Attributes:
        in_flight: Requests without an outcome, by id.
        granted: By file name, the asset id and the upload URL that were granted last.
        stored: By file name, the asset id.
        posts: Every POST of the event.
        doubt: Whether one of the answered POSTs may have had its effect.
        accepted: Whether one of them had it.
        ever_granted: The names of the files that an upload URL was granted for.
        now: The latest time that the present run was told.
        posted_at: When the event was first posted: after 23 hours no reply says what became of that any more.
        failed: By file name ("" for the event) and leg, how many attempts of the present leg had no success.
    """

    in_flight: dict[str, Request] = field(default_factory=dict)
    granted: dict[str, tuple[str, str]] = field(default_factory=dict)
    stored: dict[str, str] = field(default_factory=dict)
    posts: list[Request] = field(default_factory=list)
    doubt: bool = False
    accepted: bool = False
    failed: dict[tuple[str, str], int] = field(default_factory=dict)
    ever_granted: set[str] = field(default_factory=set)
    now: float = float("-inf")
    posted_at: float | None = None
    _put_doubt: set[str] = field(default_factory=set)

    def enter(self, call: Call) -> None:
        """Enter all of a call."""
        self.enter_answers(call)
        for request in call.turn.requests:
            self.enter_request(request)

    def enter_answers(self, call: Call) -> None:
        self.now = max(self.now, call.now)
        for given in call.given:
            if self.in_flight.pop(given.request.id, None) is not None:
                self._answer(given)

    def enter_request(self, request: Request) -> None:
        self.in_flight[request.id] = request
        if leg_of(request) == EVENT:
            if not self.posts:
                self.posted_at = self.now
            self.posts.append(request)

    def name(self, request: Request) -> str:
        """Return the name of the file that a request is about."""
        leg = leg_of(request)
        if leg == EVENT:
            return NAME_OF_THE_EVENT
        if leg == PUT:
            assert not isinstance(request.body, bytes)
            return request.body.filename
        assert isinstance(request.body, bytes)
        return str(json.loads(request.body)["filename"])

    def interrupt(self) -> None:
        """End a run: what is in flight counts as an attempt that may have arrived, and nobody will tell."""
        for request in self.in_flight.values():
            self._count(request)
            if leg_of(request) == EVENT:
                self.doubt = True
        self.in_flight.clear()
        self.granted.clear()
        self.now = float("-inf")

    @property
    def may_have_arrived(self) -> bool:
        """Whether the event may have had its effect, and no definite reply says so or denies it."""
        return self.doubt or any(leg_of(request) == EVENT for request in self.in_flight.values())

    def _answer(self, given: Given) -> None:
        request, effect = given.request, given.answer.effect
        name, leg = self.name(request), leg_of(request)
        if leg == UPLOAD_URL and effect is Effect.DONE:
            assert isinstance(given.outcome, Response)
            reply = json.loads(given.outcome.body)
            self.granted[name] = reply["assetId"], reply["uploadUrl"]
            self._put_doubt.discard(name)
            self.ever_granted.add(name)
            self.failed[name, UPLOAD_URL] = self.failed[name, PUT] = 0
        elif leg == PUT and (effect is Effect.DONE or (effect is Effect.DONE_BEFORE and name in self._put_doubt)):
            self.stored[name] = self.granted.pop(name)[0]
        elif leg == EVENT and effect is Effect.DONE:
            self.accepted, self.doubt = True, False
        else:
            self._count(request)
            if effect is Effect.MAYBE:
                self._put_doubt.add(name) if leg == PUT else None
                self.doubt = self.doubt or leg == EVENT
            elif effect is Effect.NEVER and leg == EVENT:
                assert self.posted_at is not None
                self.doubt = self.doubt and self.now >= self.posted_at + _KEY_IS_REMEMBERED

    def _count(self, request: Request) -> None:
        place = self.name(request), leg_of(request)
        self.failed[place] = self.failed.get(place, 0) + 1


def ledger_of(history: History, calls: int | None = None, ledger: Ledger | None = None) -> Ledger:
    """Return the books after so many calls of a history, or all; `ledger` holds those of the runs before."""
    ledger = ledger or Ledger()
    for call in history.calls[:calls]:
        ledger.enter(call)
    return ledger
