"""The states of a task and every way from one to the next, and the state of a whole send.

A task is a file on its way to an asset id, or the event on its way to its reply. Each goes through legs (upload-url
and put; event), and each leg through attempts. The table is the whole protocol: what is not in it cannot happen.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final

from flowflex_core.errors import FlowFlexError
from flowflex_core.messages import UploadUrl
from flowflex_core.verdict import Problem, Sign


class State(StrEnum):
    """Where a task stands: an attempt is due (now or after a wait), or sent and without an outcome, or all is over."""

    URL_DUE = "upload-url due"
    URL_SENT = "upload-url sent"
    PUT_DUE = "put due"
    PUT_SENT = "put sent"
    EVENT_DUE = "event due"
    EVENT_SENT = "event sent"
    ENDED = "ended"
    FAILED = "failed"


TRANSITIONS: Final[dict[tuple[State, Sign], State]] = {
    (State.URL_DUE, Sign.ISSUED): State.URL_SENT,
    (State.URL_SENT, Sign.GRANTED): State.PUT_DUE,
    (State.URL_SENT, Sign.REPEAT): State.URL_DUE,
    (State.URL_SENT, Sign.REFUSED): State.FAILED,
    (State.PUT_DUE, Sign.ISSUED): State.PUT_SENT,
    (State.PUT_DUE, Sign.RENEW): State.URL_DUE,
    (State.PUT_SENT, Sign.STORED): State.ENDED,
    (State.PUT_SENT, Sign.REPEAT): State.PUT_DUE,
    (State.PUT_SENT, Sign.RENEW): State.URL_DUE,
    (State.PUT_SENT, Sign.REFUSED): State.FAILED,
    (State.EVENT_DUE, Sign.ISSUED): State.EVENT_SENT,
    (State.EVENT_SENT, Sign.DELIVERED): State.ENDED,
    (State.EVENT_SENT, Sign.REPEAT): State.EVENT_DUE,
    (State.EVENT_SENT, Sign.REFUSED): State.FAILED,
}

IN_FLIGHT: Final = frozenset({State.URL_SENT, State.PUT_SENT, State.EVENT_SENT})

LEG_NAMES: Final = {
    State.URL_DUE: "upload-url",
    State.URL_SENT: "upload-url",
    State.PUT_DUE: "put",
    State.PUT_SENT: "put",
    State.EVENT_DUE: "event",
    State.EVENT_SENT: "event",
}

# The index of the task that is the event; files count from 0.
EVENT: Final = -1

# The time of a send that has not begun.
BEFORE: Final = float("-inf")


class Task:
    """One file, or the event, and how far it has come. Never changed once a step has returned it.

    Attributes:
        index: Which file, or `EVENT`.
        state: Where it stands.
        attempts: How many requests were issued for it, all legs together; it numbers the next one.
        failures: How many attempts of the present leg failed, or were interrupted.
        due: When the next attempt may be issued.
        doubt: Whether an attempt of the present leg may have arrived.
        issued: The ids of all requests issued for it; the last one may be in flight.
        granted: The upload URL, during a put.
        since: When the upload URL was asked for; during a put and after.
        first_put: When the first put to this URL was issued: the file lives from then on at the least.
        renewed: Whether the one new URL after a refusal for age was used up.
        problem: Why the last attempt failed.
    """

    __slots__ = (
        "attempts",
        "doubt",
        "due",
        "failures",
        "first_put",
        "granted",
        "index",
        "issued",
        "problem",
        "renewed",
        "since",
        "state",
    )

    index: int
    state: State
    attempts: int
    failures: int
    due: float
    doubt: bool
    issued: tuple[str, ...]
    granted: UploadUrl | None
    since: float
    first_put: float | None
    renewed: bool
    problem: Problem | None

    def __init__(self, index: int, due: float, attempts: int = 0, failures: int = 0, doubt: bool = False) -> None:
        self.index = index
        self.state = State.EVENT_DUE if index == EVENT else State.URL_DUE
        self.attempts = attempts
        self.failures = failures
        self.due = due
        self.doubt = doubt
        self.issued = ()
        self.granted = None
        self.since = due
        self.first_put = None
        self.renewed = False
        self.problem = None

    def copy(self) -> "Task":
        """Return a task of its own that a step may change."""
        other = object.__new__(Task)
        other.index = self.index
        other.state = self.state
        other.attempts = self.attempts
        other.failures = self.failures
        other.due = self.due
        other.doubt = self.doubt
        other.issued = self.issued
        other.granted = self.granted
        other.since = self.since
        other.first_put = self.first_put
        other.renewed = self.renewed
        other.problem = self.problem
        return other

    def turn(self, sign: Sign) -> None:
        """Go to the state that the table names."""
        self.state = TRANSITIONS[self.state, sign]


class Stored:
    """A stored file, linked to those that were stored before it: to add one costs the same however many there are."""

    __slots__ = ("asset_id", "before", "index", "issued", "since")

    def __init__(
        self, index: int, asset_id: str, since: float, issued: tuple[str, ...], before: "Stored | None"
    ) -> None:
        self.index = index
        self.asset_id = asset_id
        self.since = since
        self.issued = issued
        self.before = before


class SendState:
    """How far a send has come. Never changed once a step has returned it.

    Attributes:
        now: The time of the last step, `BEFORE` the first.
        deadline: When the run ends, if it does.
        pending: Indices of the files that are not stored, in order; `begun` of them were begun.
        under_way: The tasks that were begun and are not stored, by index; the event has the index `EVENT`.
        stored: The files that are stored, the last one first.
        body: The frozen body of the event.
        oldest: Since when the oldest asset in the frozen body has been stored.
        failed: The tasks that failed, with their errors.
        ended: How it ended: a value in a tuple of one, or an error.
    """

    __slots__ = ("begun", "body", "deadline", "ended", "failed", "now", "oldest", "pending", "stored", "under_way")

    now: float
    deadline: float | None
    pending: Sequence[int]
    begun: int
    under_way: dict[int, Task]
    stored: Stored | None
    body: bytes | None
    oldest: float
    failed: tuple[tuple[Task, FlowFlexError], ...]
    ended: tuple[object] | FlowFlexError | None

    def __init__(self, pending: Sequence[int]) -> None:
        self.now = BEFORE
        self.deadline = None
        self.pending = pending
        self.begun = 0
        self.under_way = {}
        self.stored = None
        self.body = None
        self.oldest = 0.0
        self.failed = ()
        self.ended = None

    def copy(self) -> "SendState":
        """Return a state of its own that a step may change."""
        other = object.__new__(SendState)
        other.now = self.now
        other.deadline = self.deadline
        other.pending = self.pending
        other.begun = self.begun
        other.under_way = self.under_way.copy()
        other.stored = self.stored
        other.body = self.body
        other.oldest = self.oldest
        other.failed = self.failed
        other.ended = self.ended
        return other

    def stored_files(self) -> Iterator[Stored]:
        """Go through the stored files, the last one first; of a file that was stored twice only the last time."""
        entry, seen = self.stored, set[int]()
        while entry is not None:
            if entry.index not in seen:
                seen.add(entry.index)
                yield entry
            entry = entry.before
