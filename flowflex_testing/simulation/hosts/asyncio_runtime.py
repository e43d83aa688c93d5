"""asyncio in the time of a simulation."""

import asyncio
import selectors
from collections.abc import Callable
from math import inf, nextafter

from flowflex_testing.simulation.hosts.asynchronous import AsyncHost, AsyncRun, with_operation
from flowflex_testing.simulation.hosts.host import ENDLESS, NOTHING_WILL_HAPPEN
from flowflex_testing.simulation.tape import Tape
from flowflex_testing.simulation.timeline import FIRST_MOMENT, Timeline
from flowflex_testing.simulation.world import Send, World

# A schedule takes some hundreds.
_MOST_ROUNDS = 100_000

# A cancel goes through one task a round, and each `wait_for` of Python 3.11 is one.
_MOST_LAYERS = 20


def on_asyncio(run: AsyncRun, *, dies: bool = False) -> Callable[[World], None]:
    """Make a loop out of an async function that runs on asyncio; the sends of a world run at the same time.

    `dies`: processes are killed, and callers go on after errors; the function is called again, with what was saved.
    """

    async def every_life(world: World, send: Send) -> None:
        away: float | None = 0.0
        while away is not None:
            await asyncio.sleep(away)
            host = AsyncHost(world, send, (asyncio.Event, asyncio.CancelledError), dies=dies, resumes=dies)
            life = asyncio.ensure_future(host.live(with_operation(run)))
            host.cancel = life.cancel
            away = None
            try:
                away = await life
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise  # by Ctrl-C, or for what another send did: this loop has done nothing
                if host.given_up_at is not None:
                    host.was_cancelled()
                elif not host.is_dead:
                    raise RuntimeError("it was cancelled by itself, and not by its caller") from None
            except BaseException:
                # A loop whose process died may have made anything of it.
                if not host.is_dead:
                    raise
            if host.is_dead:
                away = host.died()
                continue
            for _ in range(_MOST_LAYERS):
                if host.is_waited_for:
                    await asyncio.sleep(0)  # for what was cancelled last
            if host.is_waited_for:
                raise RuntimeError("it ended with requests in flight, and their tasks were not cancelled")

    async def every_send(world: World) -> None:
        await asyncio.gather(*(every_life(world, send) for send in world.sends))

    def loop(world: World) -> None:
        event_loop = _TimelineEventLoop(world.timeline, world.tape)
        with asyncio.Runner(loop_factory=lambda: event_loop) as runner:
            try:
                runner.run(every_send(world))
            finally:
                # What the other sends make of being cancelled now is no matter: what ended this is told.
                event_loop.set_exception_handler(lambda _loop, _context: None)
        while world.timeline.run_next():
            pass

    return loop


class _TimelineSelector(selectors.SelectSelector):
    """Waits by letting the next thing happen."""

    def __init__(self, timeline: Timeline, tape: Tape) -> None:
        super().__init__()
        self._timeline = timeline
        self._tape = tape
        self._rounds = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Let time pass, `timeout` seconds at most."""
        timeline = self._timeline
        next_at = timeline.next_at
        if timeout is not None and (timeout <= 0 or next_at is None or next_at > timeline.now + timeout):
            # At least to the next number there is: asyncio wants a timer to be past, and not just due.
            timeline.now = nextafter(timeline.now + max(timeout, 0.0), inf)
        elif next_at is None:
            raise RuntimeError(NOTHING_WILL_HAPPEN)
        else:
            timeline.run_next()
            # What happens in the same moment may be seen at the same time, or one after the other.
            while timeline.next_at == timeline.now and self._tape.once_in(2):
                timeline.run_next()
        self._rounds += 1
        if self._rounds > _MOST_ROUNDS:
            self._rounds = 0  # for the tasks to be cancelled
            raise RuntimeError(
                f"the event loop has gone round {_MOST_ROUNDS:,} times, and the sends have not ended: {ENDLESS}"
            )
        return []


class _TimelineEventLoop(asyncio.SelectorEventLoop):
    def __init__(self, timeline: Timeline, tape: Tape) -> None:
        super().__init__(_TimelineSelector(timeline, tape))
        self._timeline = timeline

    def time(self) -> float:
        # As everywhere, it is no time of day: one that is told to the core in place of that is found.
        return self._timeline.now - FIRST_MOMENT
