"""A host for blocking code: one request at a time, in the only thread there is."""

from collections.abc import Callable
from math import inf, nextafter
from typing import Any

from flowflex_core.errors import FlowFlexError
from flowflex_core.messages import Failure, Outcome, Request, SendEventResult
from flowflex_core.operations import SendEvent
from flowflex_testing.simulation.hosts.host import Host
from flowflex_testing.simulation.network import Flight
from flowflex_testing.simulation.timeline import Timeline
from flowflex_testing.simulation.world import World, content_of, one_at_a_time

BlockingRun = Callable[[SendEvent, "BlockingHost"], SendEventResult]
BlockingClientRun = Callable[["BlockingHost"], SendEventResult]


class BlockingHost(Host):
    """Performs one request at a time, and lets time pass meanwhile."""

    def perform(self, request: Request, body: Any = None) -> Outcome:
        """Perform a request, and return what came of it; `body`, as a transport is given it, where a client does."""
        content = content_of(request) if body is None or isinstance(body, bytes) else b"".join(body.chunks())
        self._count()
        self._stay_dead()
        flight = Flight(self._world.network, self, request, content)
        flight.decided_at = self._looked_at
        self._world.fly(flight, self._send)
        self._die_perhaps()
        timeline, until = self._world.timeline, flight.at + request.total
        while flight.outcome is None:
            next_at = timeline.next_at
            if next_at is None or (next_at > until and not self._world.jumped):
                timeline.now = max(timeline.now, until)
                flight.ends(Failure(request.id, "timeout", "simulated: it took too long", sent=True))
            else:
                timeline.run_next()
        self._die_perhaps()
        return flight.outcome

    def sleep(self, seconds: float) -> None:
        """Let so much time pass."""
        self._count()
        self._die_perhaps()
        _pass(self._world.timeline, seconds)
        self.now()  # a client with a clock of its own looks at that when it wakes

    def close(self) -> None:
        """Do nothing: there are no connections."""

    def live(self, run: BlockingClientRun) -> float | None:
        """Run a loop, and write down how it ended; return in how many seconds another life begins, None for never."""
        away = None
        try:
            away = self.succeeded(run(self))
        except FlowFlexError as error:
            away = self.failed(error)
        except BaseException:
            # A loop whose process died may have made anything of it.
            if not self.is_dead:
                raise
        return self.died() if self.is_dead else away


def blocking(run: BlockingRun, *, dies: bool = False) -> Callable[[World], None]:
    """Make a loop out of a function that drives one operation; the sends of a world follow one another.

    All settings have `max_parallel_uploads=1`: a loop that can perform one request at a time must not be asked for two,
    for the second would have waited for the first when it leaves.

    `dies`: processes are killed, and callers go on after errors; the function is called again, with what was saved.
    """
    loop = _one_after_the_other(lambda host: run(host.operation(), host), dies=dies, resumes=dies)

    def one_request_at_a_time(world: World) -> None:
        for send in world.sends:
            send.settings = one_at_a_time(send.settings)
        loop(world)

    return one_request_at_a_time


def blocking_client(run: BlockingClientRun, *, resumes: bool = False) -> Callable[[World], None]:
    """Make a loop out of a function that sends by a client; the sends of a world follow one another.

    `resumes`: callers go on after errors; the function is called again, with a `host.snapshot`.
    """
    return _one_after_the_other(run, dies=False, resumes=resumes)


def _one_after_the_other(run: BlockingClientRun, *, dies: bool, resumes: bool) -> Callable[[World], None]:
    def loop(world: World) -> None:
        for send in world.sends:
            away: float | None = 0.0
            while away is not None:
                _pass(world.timeline, away)
                away = BlockingHost(world, send, dies=dies, resumes=resumes).live(run)
        while world.timeline.run_next():
            pass

    return loop


def _pass(timeline: Timeline, seconds: float) -> None:
    # At least to the next number there is: a wait may be too short for a clock of seconds since the epoch.
    until = nextafter(timeline.now + seconds, inf) if seconds > 0 else timeline.now
    while (next_at := timeline.next_at) is not None and next_at <= until:
        timeline.run_next()
    timeline.now = max(timeline.now, until)
