"""The states of a task and every way from one to the next, and the state of a whole send.

A task is a file on its way to an asset id, or the event on its way to its reply. Each goes through legs (upload-url
and put; event), and each leg through attempts. The table is the whole protocol: what is not in it cannot happen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from flowflex_core.errors import FlowFlexError
from flowflex_core.ledger import Ledger
from flowflex_core.messages import UploadUrl

# Plain strings and no enum: an enum's members cost a tenth of a microsecond at each mention on Python 3.11.
State = Literal[
    "upload-url due", "upload-url sent", "put due", "put sent", "event due", "event sent", "ended", "failed"
]

# An attempt is due (now, or after a wait), or sent and without an outcome; or all is over.
URL_DUE: Final = "upload-url due"
URL_SENT: Final = "upload-url sent"
PUT_DUE: Final = "put due"
PUT_SENT: Final = "put sent"
EVENT_DUE: Final = "event due"
EVENT_SENT: Final = "event sent"
ENDED: Final = "ended"
FAILED: Final = "failed"

# What happened to a leg; with the state it happened in, it names the next state.
Sign = Literal["issued", "granted", "stored", "delivered", "repeat", "renew", "refused"]

ISSUED: Final = "issued"
GRANTED: Final = "granted"
STORED: Final = "stored"
DELIVERED: Final = "delivered"
REPEAT: Final = "repeat"
RENEW: Final = "renew"
REFUSED: Final = "refused"

TRANSITIONS: Final[dict[tuple[State, Sign], State]] = {
    (URL_DUE, ISSUED): URL_SENT,
    (URL_SENT, GRANTED): PUT_DUE,
    (URL_SENT, REPEAT): URL_DUE,
    (URL_SENT, REFUSED): FAILED,
    (PUT_DUE, ISSUED): PUT_SENT,
    (PUT_DUE, RENEW): URL_DUE,
    (PUT_SENT, STORED): ENDED,
    (PUT_SENT, REPEAT): PUT_DUE,
    (PUT_SENT, RENEW): URL_DUE,
    (PUT_SENT, REFUSED): FAILED,
    (EVENT_DUE, ISSUED): EVENT_SENT,
    (EVENT_DUE, REFUSED): FAILED,
    (EVENT_SENT, DELIVERED): ENDED,
    (EVENT_SENT, REPEAT): EVENT_DUE,
    (EVENT_SENT, REFUSED): FAILED,
}

IN_FLIGHT: Final = frozenset[State]({URL_SENT, PUT_SENT, EVENT_SENT})

LEG_NAMES: Final[dict[State, str]] = {
    URL_DUE: "upload-url",
    URL_SENT: "upload-url",
    PUT_DUE: "put",
    PUT_SENT: "put",
    EVENT_DUE: "event",
    EVENT_SENT: "event",
}

# The index of the task that is the event; files count from 0.
EVENT: Final = -1

# The time of a send that has not begun.
BEFORE: Final = float("-inf")

# A time that does not come.
NEVER: Final = float("inf")

NOTHING_STORED: Final = Ledger(0)

# Why a leg did not succeed: the server said no, there was no time, there was no connection, the reply was no answer,
# or the file could not be read.
Reason = Literal["refused", "timeout", "connection", "unreadable", "source"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an attempt did not succeed, in words and in the fields of an error.

    `is_definite`: the request, and its identical earlier attempts, had no effect, and never will have.
    `is_about_key`: the idempotency key was refused, which an earlier event had that may have been accepted.
    """

    reason: Reason
    words: str
    status: int | None = None
    code: str | None = None
    details: Any = None
    request_id: str | None = None
    retry_after: float | None = None
    is_definite: bool = False
    is_about_key: bool = False


class Task:
    """One file, or the event, and how far it has come. Never changed once a step has returned it.

    Attributes:
        index: Which file, or `EVENT`.
        state: Where it stands.
        attempts: How many requests were issued for it, all legs together; it numbers the next one.
        failures: How many attempts of the present leg failed, those of `earlier` included.
        earlier: How many attempts failed or were interrupted in processes before this one: they count in every leg.
        due: When the next attempt may be issued.
        doubt: Whether an attempt of the present leg may have arrived.
        issued: The ids of all requests issued for it; the last one may be in flight.
        granted: The upload URL, during a put.
        since: When the upload URL was asked for; during a put and after. Of the event, when it was first sent.
        first_put: When the first put to this URL was issued: the file lives from then on at the least.
        carried: Failed attempts of the put, those included that came too late for their upload URL: they count for the
            next one.
        renewed: Whether the one new URL after a refusal for age was used up.
        problem: Why the last attempt failed.
    """

    __slots__ = (
        "attempts",
        "carried",
        "doubt",
        "due",
        "earlier",
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
    earlier: int
    due: float
    doubt: bool
    issued: tuple[str, ...]
    granted: UploadUrl | None
    since: float
    first_put: float | None
    carried: int
    renewed: bool
    problem: Problem | None

    def __init__(self, index: int, due: float, attempts: int = 0, earlier: int = 0, doubt: bool = False) -> None:
        self.index = index
        self.state = EVENT_DUE if index == EVENT else URL_DUE
        self.attempts = attempts
        self.failures = earlier
        self.earlier = earlier
        self.due = due
        self.doubt = doubt
        self.issued = ()
        self.granted = None
        self.since = due
        self.first_put = None
        self.carried = 0
        self.renewed = False
        self.problem = None

    def copy(self) -> "Task":
        """Return a task of its own that a step may change."""
        other = object.__new__(Task)
        other.index = self.index
        other.state = self.state
        other.attempts = self.attempts
        other.failures = self.failures
        other.earlier = self.earlier
        other.due = self.due
        other.doubt = self.doubt
        other.issued = self.issued
        other.granted = self.granted
        other.since = self.since
        other.first_put = self.first_put
        other.carried = self.carried
        other.renewed = self.renewed
        other.problem = self.problem
        return other

    def move(self, sign: Sign) -> None:
        """Go to the state that the table names."""
        self.state = TRANSITIONS[self.state, sign]


class SendState:
    """How far a send has come. Never changed once a step has returned it.

    Attributes:
        now: The time of the last step, `BEFORE` the first.
        deadline: When the run ends, if it does.
        pending: Indices of the files that are to be stored, in order; `begun` of them were begun.
        under_way: The tasks that were begun and are not stored, by index; the event has the index `EVENT`.
        stored: The files that are stored.
        renewals: How often files were had anew that had grown old before the event could leave.
        body: The frozen body of the event.
        oldest: Since when the oldest asset in the frozen body has been stored; `NEVER` where there is none.
        failed: The tasks that failed, with their errors.
        ended: How it ended: a value in a tuple of one, or an error.
    """

    __slots__ = (
        "begun",
        "body",
        "deadline",
        "ended",
        "failed",
        "now",
        "oldest",
        "pending",
        "renewals",
        "stored",
        "under_way",
    )

    now: float
    deadline: float | None
    pending: Sequence[int]
    begun: int
    under_way: dict[int, Task]
    stored: Ledger
    renewals: int
    body: bytes | None
    oldest: float
    failed: tuple[tuple[Task, FlowFlexError], ...]
    ended: tuple[object] | FlowFlexError | None

    def __init__(self, files: int) -> None:
        self.now = BEFORE
        self.deadline = None
        self.pending = range(files)
        self.begun = 0
        self.under_way = {}
        self.stored = NOTHING_STORED if files == 0 else Ledger(files)
        self.renewals = 0
        self.body = None
        self.oldest = NEVER
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
        other.renewals = self.renewals
        other.body = self.body
        other.oldest = self.oldest
        other.failed = self.failed
        other.ended = self.ended
        return other
