"""What all hosts have in common. A host is one life of a process: another begins where that one died."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from flowflex_core.errors import FlowFlexError
from flowflex_core.messages import Outcome, SendEventResult, Turn
from flowflex_core.operations import SendEvent
from flowflex_core.settings import Settings
from flowflex_testing.simulation.network import Flight
from flowflex_testing.simulation.world import Send, World, payload_in

# A loop that calls its host so often in one life goes round for ever; one that sleeps in slices of a tenth of a second
# does not come near.
_MOST_CALLS = 100_000

NOTHING_WILL_HAPPEN = (
    "the loop waits, and nothing will ever happen: does it hand every outcome in, and do all its work by its host, "
    "without threads and sockets?"
)
ENDLESS = (
    "does it wait turn.wait seconds where there is nothing to perform, tell the time by host.now(), and hand every "
    "outcome in?"
)


class ProcessDied(BaseException):
    """The process is killed in this very call of the host. Nothing that a loop makes of it is heard of."""


class Host:
    """One life of a process that works on one send.

    Args:
        world: Where it lives.
        send: What it works on.
        dies: Whether the process may be killed.
        resumes: Whether whoever is told of an error may go on from the snapshot that came with it.

    Attributes:
        number: Which send of the world it is.
        is_over: Whether nobody is there any more to hear of an outcome.
        is_dead: Whether the process was killed.
        tries_anew: Whether it goes on after an error, and so has all attempts again.
    """

    def __init__(self, world: World, send: Send, *, dies: bool, resumes: bool) -> None:
        self.number = send.number
        self.is_over = False
        self.is_dead = False
        self.tries_anew = bool(send.snapshots) and send.snapshots[-1] in send.came_with_errors
        self._world = world
        self._send = send
        self._dies = dies and world.may_die
        self._resumes = resumes and world.goes_on
        self._looked_at = send.began_at = world.timeline.now
        self._calls = 0
        if send.lives > 1:
            begins = "from the start" if not send.snapshots else f"from snapshot {len(send.snapshots)}"
            world.note(send, f"begins life {send.lives}, {begins}")
        # None of a client, which has it for itself.
        self._operation: _WatchedSend | None = None
        # The requests of which the operation had heard when it was saved.
        self._saved: set[str] = set()

    # For the loop

    def now(self) -> float:
        """Return the seconds since the epoch."""
        self._count()
        self._looked_at = self._world.timeline.now
        return self._looked_at

    def save(self, snapshot: str) -> None:
        """Keep a snapshot where the death of the process does not reach it."""
        if not isinstance(snapshot, str):
            raise TypeError(f"host.save keeps text, as operation.snapshot() returns it, not {type(snapshot).__name__}")
        self._count()
        self._die_perhaps()
        self._send.snapshots.append(snapshot)
        self._world.note(self._send, f"saves snapshot {len(self._send.snapshots)}")
        if self._operation is not None:
            self._saved |= self._operation.handed_in
            if self._operation.is_done:
                self._send.came_with_errors.add(snapshot)  # as that of the error is, it gives all attempts anew
        self._die_perhaps()

    @property
    def settings(self) -> Settings:
        """Where to send, as whom, and within which bounds."""
        return self._send.settings

    @property
    def event(self) -> str:
        """The name of the event."""
        return self._send.event

    @property
    def key(self) -> str:
        """The key that the event is sent under."""
        return self._send.key

    @property
    def payload(self) -> dict[str, Any]:
        """What is sent, with the bytes of its files: at the paths of the operation nothing stands on any disk."""
        return self._send.opened

    def payload_in(self, folder: Path) -> dict[str, Any]:
        """Return what is sent, with its files in a folder: a snapshot of it names files that a later life can read."""
        return payload_in(folder, self._send)

    @property
    def snapshot(self) -> str | None:
        """What to go on from; None where the send is to begin."""
        return self._send.snapshots[-1] if self._send.snapshots else None

    def operation(self) -> SendEvent:
        """Start the send, or go on with it."""
        send, snapshot = self._send, self.snapshot
        if snapshot is not None:
            operation = _WatchedSend.resume(snapshot, send.settings)
        else:
            operation = _WatchedSend.start(
                send.settings, send.event, send.payload, idempotency_key=send.key, sizes=send.sizes
            )
        operation.handed_in = set()
        operation.is_done = False
        self._operation = operation
        return operation

    # For the network

    def hear(self, flight: Flight, outcome: Outcome) -> None:
        """Take the outcome of a flight."""

    # For who began this life: each returns in how many seconds another begins, None where none does.

    def succeeded(self, result: SendEventResult) -> float | None:
        """Write down that the loop returned."""
        if not self.is_dead:
            if not isinstance(result, SendEventResult):
                raise TypeError(f"the loop returned {result!r:.80}, and not the SendEventResult of its operation")
            self._end()
            self._send.result = result
        return None

    def failed(self, error: FlowFlexError) -> float | None:
        """Write down that the loop raised."""
        if self.is_dead:
            return None
        self._end()
        if self._resumes and self._world.goes_on_after(self._send, error):
            ended_at, self._send.ended_at = self._send.ended_at, None
            if (operation := self._operation) is None:
                # What came in the very moment of the error may have come behind it, and be in no snapshot.
                self._forget(lambda flight: flight.landed_at == ended_at)
            else:
                self._forget(lambda flight: flight.request.id not in operation.handed_in)
            self._world.note(self._send, f"raises {type(error).__name__}, whose snapshot is gone on with: {error}")
            return self._world.time_to_next_life(self._send)
        self._send.error = error.with_traceback(None)  # which would hold all that is in its frames
        return None

    def died(self) -> float | None:
        """Write down that the process was killed: what it had heard and not saved, nobody has heard."""
        self._world.note(self._send, "the process is killed")
        self._forget(lambda flight: flight.request.id not in self._saved)
        return self._world.time_to_next_life(self._send)

    def _forget(self, is_lost: Callable[[Flight], bool]) -> None:
        for flight in self._world.network.flights:
            if flight.performer is self and is_lost(flight):
                flight.was_heard = False

    def was_cancelled(self) -> None:
        """Write down that the caller gave up."""
        self._end()
        self._send.was_cancelled = True

    def _end(self) -> None:
        self.is_over = True
        self._send.ended_at = self.now()

    def _count(self) -> None:
        self._calls += 1
        if self._calls > _MOST_CALLS:
            raise RuntimeError(
                f"the loop has called its host {_MOST_CALLS:,} times, and its send has not ended: {ENDLESS}"
            )

    # Death

    def _die_perhaps(self) -> None:
        if self.is_dead or self._dies_now():
            self._die()

    def _stay_dead(self) -> None:
        if self.is_dead:
            self._die()

    def _dies_now(self) -> bool:
        return (
            self._dies and not self.is_over and self._world.may_live_again(self._send) and self._world.tape.once_in(8)
        )

    def _die(self) -> None:
        self.is_over = self.is_dead = True
        raise ProcessDied


class _WatchedSend(SendEvent):
    """A send that tells of which requests it has heard: a process may die between that and what it saves."""

    __slots__ = ("handed_in", "is_done")

    handed_in: set[str]
    is_done: bool

    def advance(self, now: float, *outcomes: Outcome) -> Turn:
        turn = super().advance(now, *outcomes)
        self.handed_in.update(outcome.request_id for outcome in outcomes)
        self.is_done = turn.done
        return turn
