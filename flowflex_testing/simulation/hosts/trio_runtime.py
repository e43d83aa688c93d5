"""trio in the time of a simulation."""

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, cast

from flowflex_testing.simulation.hosts.asynchronous import AsyncClientRun, AsyncHost, AsyncRun, with_operation
from flowflex_testing.simulation.hosts.host import ENDLESS, NOTHING_WILL_HAPPEN, ProcessDied
from flowflex_testing.simulation.timeline import FIRST_MOMENT, Timeline
from flowflex_testing.simulation.world import Send, World

if TYPE_CHECKING:
    import trio

# Seconds that no loop waits for.
_EVER = 1e6

# A schedule takes some hundreds.
_MOST_STEPS = 50_000


def on_trio(run: AsyncRun, *, dies: bool = False) -> Callable[[World], None]:
    """Make a loop out of an async function that runs on trio; the sends of a world run at the same time.

    `dies`: processes are killed, and callers go on after errors; the function is called again, with what was saved.
    """
    return _at_the_same_time(with_operation(run), dies=dies, resumes=dies)


def client_on_trio(run: AsyncClientRun, *, resumes: bool = False) -> Callable[[World], None]:
    """Make a loop out of an async function that sends by a client on trio; the sends run at the same time.

    `resumes`: callers go on after errors; the function is called again, with a `host.snapshot`.
    """
    return _at_the_same_time(run, dies=False, resumes=resumes)


def _at_the_same_time(run: AsyncClientRun, *, dies: bool, resumes: bool) -> Callable[[World], None]:
    from unittest.mock import patch

    import trio
    import trio.testing

    async def every_life(world: World, send: Send, pump: _Pump) -> None:
        away: float | None = 0.0
        while away is not None:
            await trio.sleep(away)
            pump.look_again()
            host = AsyncHost(world, send, (trio.Event, ProcessDied), dies=dies, resumes=resumes)
            host.catch_up = pump.look_again
            away, scope = None, trio.CancelScope()
            host.cancel = scope.cancel
            try:
                with scope:
                    away = await host.live(run)
            except BaseException:
                # A loop whose process died may have made anything of it.
                if not host.is_dead:
                    raise
            if host.is_dead:
                away = host.died()
            elif scope.cancelled_caught:
                host.was_cancelled()

    async def every_send(world: World, clock: trio.testing.MockClock) -> None:
        pump = _Pump(world.timeline, clock, trio.Event())
        async with trio.open_nursery() as nursery:
            steps = _Steps(nursery.cancel_scope)
            trio.lowlevel.add_instrument(cast("trio.abc.Instrument", steps))
            nursery.start_soon(pump.run, nursery.cancel_scope)
            async with trio.open_nursery() as senders:
                for send in world.sends:
                    senders.start_soon(every_life, world, send, pump)
            nursery.cancel_scope.cancel()
        if pump.is_stuck:
            raise RuntimeError(NOTHING_WILL_HAPPEN)
        if steps.are_too_many:
            raise RuntimeError(f"its tasks have taken {_MOST_STEPS:,} steps, and the sends have not ended: {ENDLESS}")

    def loop(world: World) -> None:
        clock = trio.testing.MockClock(autojump_threshold=0)
        # So that trio shuffles what is ready at the same time by the tape; pytest-trio does the same for Hypothesis.
        shuffled = Random(world.tape.choose(256))  # noqa: S311 - no secret
        with patch.multiple("trio._core._run", _r=shuffled, _ALLOW_DETERMINISTIC_SCHEDULING=True):
            try:
                trio.run(every_send, world, clock, clock=clock)
            except BaseExceptionGroup as group:
                if group.split(KeyboardInterrupt)[1] is None:
                    raise KeyboardInterrupt from None
                raise
        while world.timeline.run_next():
            pass

    return loop


class _Steps:
    """An instrument of trio that counts the steps of tasks, and cancels everything where they are too many."""

    def __init__(self, everything: "trio.CancelScope") -> None:
        self._everything = everything
        self._count = 0

    @property
    def are_too_many(self) -> bool:
        return self._count > _MOST_STEPS

    def before_task_step(self, _task: object) -> None:
        self._count += 1
        if self.are_too_many:
            self._everything.cancel()


class _Pump:
    """Keeps the timeline and the clock of trio together: the one that is behind is moved."""

    def __init__(self, timeline: Timeline, clock: "trio.testing.MockClock", changed: "trio.Event") -> None:
        self._timeline = timeline
        self._clock = clock
        self._changed = changed
        self.is_stuck = False

    def look_again(self) -> None:
        self._timeline.now = max(self._timeline.now, FIRST_MOMENT + self._clock.current_time())
        self._changed.set()

    async def run(self, everything: "trio.CancelScope") -> None:
        """Let what is on the timeline happen when it is due for trio; cancel everything where nothing ever will."""
        import trio

        timeline = self._timeline
        while not self.is_stuck:
            self._changed = trio.Event()
            while (next_at := timeline.next_at) is not None and next_at - FIRST_MOMENT <= self._clock.current_time():
                timeline.run_next()
                self._clock.jump(max(0.0, timeline.now - FIRST_MOMENT - self._clock.current_time()))
            with trio.move_on_at(
                self._clock.current_time() + _EVER if next_at is None else next_at - FIRST_MOMENT
            ) as scope:
                await self._changed.wait()
            self.is_stuck = next_at is None and scope.cancelled_caught
        everything.cancel()
