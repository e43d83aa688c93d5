"""The loop that drives a send in a simulation: that of an embedder, with the timeline in the place of a runtime.

All requests of a turn leave at once, each outcome is handed in when it returns, and the next timer is a wait. With
process death in the world, a life ends at any turn, and another begins from the last snapshot that was saved; and who
is told of an error goes on from the snapshot that comes with it, later.
"""

from flowflex_core.errors import FlowFlexError
from flowflex_core.messages import Outcome, Turn
from flowflex_core.operations import SendEvent
from flowflex_testing.simulation.network import Flight
from flowflex_testing.simulation.world import Send, World, content_of

# A schedule of three sends with five files each, and a mishap for each flight, needs a few hundred.
_MOST_EVENTS = 5_000


class Life:
    """One process at work on one send."""

    __slots__ = ("_operation", "_wakes", "_world", "is_over", "number", "send", "tries_anew")

    def __init__(self, world: World, send: Send) -> None:
        self.send = send
        self.number = send.number
        self.is_over = False
        self.tries_anew = False
        self._world = world
        self._wakes = 0
        self._operation: SendEvent

    def begin(self) -> None:
        """Start the send, or resume it from the last snapshot."""
        send = self.send
        send.began_at = self._world.timeline.now
        if send.snapshots:
            self._operation = SendEvent.resume(send.snapshots[-1], send.settings)
            self.tries_anew = send.snapshots[-1] in send.came_with_errors
        else:
            self._operation = SendEvent.start(
                send.settings, send.event, send.payload, idempotency_key=send.key, sizes=send.sizes
            )
        self._take(self._operation.advance(send.began_at))

    def hear(self, flight: Flight, outcome: Outcome) -> None:  # noqa: ARG002 - a performer hears both
        """Hand an outcome in."""
        if not self.is_over:
            self._take(self._operation.advance(self._world.timeline.now, outcome))

    def _wake(self, number: int) -> None:
        if not self.is_over and number == self._wakes:
            self._take(self._operation.advance(self._world.timeline.now))

    def _take(self, turn: Turn) -> None:
        world, send = self._world, self.send
        self._wakes += 1
        if world.may_die and turn.checkpoint:
            send.snapshots.append(self._operation.snapshot())
        if world.may_die and world.may_live_again(send) and world.tape.once_in(6):
            self._die()
            return
        for request in turn.requests:
            world.fly(Flight(world.network, self, request, content_of(request)), send)
        if turn.done:
            self._end()
            return
        if world.may_cancel and world.tape.once_in(8):
            self.is_over = True
            send.was_cancelled = True
            send.ended_at = world.timeline.now
            return
        if world.may_die and world.tape.once_in(4):
            send.snapshots.append(self._operation.snapshot())  # nobody has to keep to checkpoints
        if turn.wait is not None:
            number = self._wakes
            if world.away and world.tape.once_in(4):  # the machine sleeps as long
                world.timeline.after(turn.wait / 2, lambda: world.timeline.jump(world.away))
            world.timeline.after(turn.wait, lambda: self._wake(number))

    def _die(self) -> None:
        world, send = self._world, self.send
        self.is_over = True
        world.timeline.after(world.time_to_next_life(send), Life(world, send).begin)

    def _end(self) -> None:
        world, send = self._world, self.send
        self.is_over = True
        try:
            send.result = self._operation.result()
        except FlowFlexError as error:
            if world.goes_on_after(send, error):
                self._die()
                return
            send.error = error.with_traceback(None)  # which would hold all that is in its frames
        send.ended_at = world.timeline.now


def drive(world: World) -> None:
    """Run every send of a world to its end, and the network until nothing moves."""
    for send in world.sends:
        world.timeline.after(0.0, Life(world, send).begin)
    for _ in range(_MOST_EVENTS):
        if not world.timeline.run_next():
            return
    world.is_endless = True
