"""What a loop of one's own is given in place of a runtime: it performs requests, tells the time, sleeps and saves.

    def my_loop(operation, host):
        turn = operation.advance(host.now())
        while not turn.done:
            if turn.checkpoint:
                host.save(operation.snapshot())
            outcomes = [host.perform(request) for request in turn.requests]
            if not outcomes:
                host.sleep(turn.wait)
            turn = operation.advance(host.now(), *outcomes)
        return operation.result()

    finding = judge(Tape.of_seed("1"), "safety", blocking(my_loop))

`blocking` takes such a function, `on_asyncio` an async one that runs on an event loop of asyncio, in which
`asyncio.sleep` and timeouts take no real time, and `on_trio` one that runs on trio.

`blocking_client` takes a function of a host alone, for a client that has its loop within: the host is its transport.

    def with_my_client(host):
        client = MyClient(host.settings, transport=host)
        return client.send_event(host.event, payload=host.payload, idempotency_key=host.key)

`client_on_trio` takes an async one.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from functools import partial
from math import inf, nextafter
from random import Random
from typing import TYPE_CHECKING, Any

from flowflex_core.errors import FlowFlexError
from flowflex_core.messages import Failure, Outcome, Request, SendEventResult
from flowflex_core.operations import SendEvent
from flowflex_core.settings import Settings
from flowflex_testing.simulation.network import Flight
from flowflex_testing.simulation.timeline import FIRST_MOMENT, Timeline
from flowflex_testing.simulation.world import Send, World, content_of

if TYPE_CHECKING:
    import trio

BlockingRun = Callable[[SendEvent, "BlockingHost"], SendEventResult]
BlockingClientRun = Callable[["BlockingHost"], SendEventResult]
AsyncRun = Callable[[SendEvent, "AsyncHost"], Coroutine[Any, Any, SendEventResult]]
ClientRun = Callable[["AsyncHost"], Coroutine[Any, Any, SendEventResult]]


class _Host:
    """What the hosts have in common."""

    def __init__(self, world: World, send: Send) -> None:
        self.number = send.number
        self.is_over = False
        self.tries_anew = False
        self._world = world
        self._send = send
        self._looked_at = world.timeline.now

    def now(self) -> float:
        """Return the seconds since the epoch."""
        self._looked_at = self._world.timeline.now
        return self._looked_at

    def save(self, snapshot: str) -> None:
        """Keep a snapshot where the death of the process does not reach it."""
        self._send.snapshots.append(snapshot)

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

    def operation(self) -> SendEvent:
        """Start the send."""
        send = self._send
        return SendEvent.start(send.settings, send.event, send.payload, idempotency_key=send.key, sizes=send.sizes)

    def end(self, result: SendEventResult | FlowFlexError) -> None:
        """Write down how the loop ended."""
        self.is_over = True
        self._send.ended_at = self.now()
        if isinstance(result, FlowFlexError):
            self._send.error = result
        else:
            self._send.result = result


class BlockingHost(_Host):
    """Performs one request at a time, in the only thread there is."""

    def perform(self, request: Request, body: Any = None) -> Outcome:
        """Perform a request, and return what came of it; `body`, as a transport is given it, where a client does."""
        content = content_of(request) if body is None or isinstance(body, bytes) else b"".join(body.chunks())
        flight = Flight(self._world.network, self, request, content)
        flight.decided_at = self._looked_at
        self._world.fly(flight, self._send)
        timeline, until = self._world.timeline, flight.at + request.total
        while flight.outcome is None:
            next_at = timeline.next_at
            if next_at is None or (next_at > until and not self._world.jumped):
                timeline.now = max(timeline.now, until)
                flight.ends(Failure(request.id, "timeout", "simulated: it took too long", sent=True))
            else:
                timeline.run_next()
        return flight.outcome

    def sleep(self, seconds: float) -> None:
        """Let so much time pass."""
        until = self.now() + seconds
        timeline = self._world.timeline
        while (next_at := timeline.next_at) is not None and next_at <= until:
            timeline.run_next()
        timeline.now = max(timeline.now, until)

    def hear(self, flight: Flight, outcome: Outcome) -> None:
        """Nothing: `perform` looks for the outcome itself."""

    def close(self) -> None:
        """Do nothing: there are no connections."""


class AsyncHost(_Host):
    """Performs requests at the same time, each in the task that awaits it."""

    def __init__(self, world: World, send: Send, make_event: Callable[[], Any]) -> None:
        super().__init__(world, send)
        self._make_event = make_event
        self._heard: dict[int, Any] = {}
        # Brings the timeline to the present of the runtime, and whoever waits for it to look again.
        self.catch_up: Callable[[], None] = lambda: None
        # Cancels the loop, where its runtime can.
        self.give_up: Callable[[], None] | None = None

    def now(self) -> float:
        """Return the seconds since the epoch."""
        self.catch_up()
        return super().now()

    async def perform(self, request: Request, body: Any = None) -> Outcome:
        """Perform a request, and return what came of it; `body`, as a transport is given it, where a client does."""
        if body is None or isinstance(body, bytes):
            content = content_of(request)
        else:
            content = b"".join([chunk async for chunk in body.chunks()])
        self.catch_up()
        world = self._world
        flight = Flight(world.network, self, request, content)
        event = self._heard[id(flight)] = self._make_event()
        world.fly(flight, self._send)
        if self.give_up is not None and world.may_cancel and world.tape.once_in(8):
            self.give_up()
        self.catch_up()
        await event.wait()
        assert flight.outcome is not None
        return flight.outcome

    def hear(self, flight: Flight, outcome: Outcome) -> None:  # noqa: ARG002 - a performer hears both
        """Wake the task that waits for this flight."""
        if (event := self._heard.pop(id(flight), None)) is not None:
            event.set()

    async def aclose(self) -> None:
        """Do nothing: there are no connections."""

    async def run_to_end(self, run: ClientRun) -> None:
        """Run a loop, and write down how it ended."""
        self._send.began_at = self.now()
        try:
            self.end(await run(self))
        except FlowFlexError as error:
            self.end(error)

    def was_cancelled(self) -> None:
        """Write down that the caller gave up."""
        self.is_over = True
        self._send.was_cancelled = True
        self._send.ended_at = self.now()


def blocking(run: BlockingRun) -> Callable[[World], None]:
    """Make a loop out of a function that drives one operation; the sends of a world follow one another."""
    return blocking_client(lambda host: run(host.operation(), host))


def blocking_client(run: BlockingClientRun) -> Callable[[World], None]:
    """Make a loop out of a function that sends by a client; the sends of a world follow one another."""

    def loop(world: World) -> None:
        for send in world.sends:
            host = BlockingHost(world, send)
            send.began_at = host.now()
            try:
                host.end(run(host))
            except FlowFlexError as error:
                host.end(error)
        while world.timeline.run_next():
            pass

    return loop


def on_asyncio(run: AsyncRun) -> Callable[[World], None]:
    """Make a loop out of an async function that runs on asyncio; the sends of a world run at the same time."""

    def loop(world: World) -> None:
        async def every_send() -> None:
            hosts = [AsyncHost(world, send, asyncio.Event) for send in world.sends]
            await asyncio.gather(*(host.run_to_end(partial(_drive, run)) for host in hosts))

        event_loop = _TimelineEventLoop(world.timeline)
        with asyncio.Runner(loop_factory=lambda: event_loop) as runner:
            runner.run(every_send())
        while world.timeline.run_next():
            pass

    return loop


def on_trio(run: AsyncRun) -> Callable[[World], None]:
    """Make a loop out of an async function that runs on trio; the sends of a world run at the same time."""
    return client_on_trio(partial(_drive, run))


def client_on_trio(run: ClientRun) -> Callable[[World], None]:
    """Make a loop out of an async function that sends by a client on trio; the sends run at the same time."""
    from unittest.mock import patch

    import trio
    import trio.testing

    async def run_until_cancelled(host: AsyncHost) -> None:
        with trio.CancelScope() as scope:
            host.give_up = scope.cancel
            await host.run_to_end(run)
        if scope.cancelled_caught:
            host.was_cancelled()

    def loop(world: World) -> None:
        clock = trio.testing.MockClock(autojump_threshold=0)

        async def every_send() -> None:
            pump = _Pump(world.timeline, clock, trio.Event())
            async with trio.open_nursery() as nursery:
                nursery.start_soon(pump.run)
                async with trio.open_nursery() as senders:
                    for send in world.sends:
                        host = AsyncHost(world, send, trio.Event)
                        host.catch_up = pump.look_again
                        senders.start_soon(run_until_cancelled, host)
                nursery.cancel_scope.cancel()

        # So that trio shuffles what is ready at the same time by the tape; pytest-trio does the same for Hypothesis.
        shuffled = Random(world.tape.choose(256))  # noqa: S311 - no secret
        with patch.multiple("trio._core._run", _r=shuffled, _ALLOW_DETERMINISTIC_SCHEDULING=True):
            trio.run(every_send, clock=clock)
        while world.timeline.run_next():
            pass

    return loop


async def _drive(run: AsyncRun, host: AsyncHost) -> SendEventResult:
    return await run(host.operation(), host)


class _TimelineSelector(selectors.SelectSelector):
    """Waits by letting the next thing happen."""

    def __init__(self, timeline: Timeline) -> None:
        super().__init__()
        self._timeline = timeline

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Let time pass, `timeout` seconds at most."""
        timeline = self._timeline
        next_at = timeline.next_at
        if timeout is not None and (timeout <= 0 or next_at is None or next_at > timeline.now + timeout):
            # At least to the next number there is: asyncio wants a timer to be past, and not just due.
            timeline.now = nextafter(timeline.now + max(timeout, 0.0), inf)
        elif next_at is None:
            raise RuntimeError("the loop waits, and nothing will ever happen")
        else:
            timeline.run_next()
        return []


class _TimelineEventLoop(asyncio.SelectorEventLoop):
    def __init__(self, timeline: Timeline) -> None:
        super().__init__(_TimelineSelector(timeline))
        self._timeline = timeline

    def time(self) -> float:
        return self._timeline.now


class _Pump:
    """Keeps the timeline and the clock of trio together: the one that is behind is moved."""

    def __init__(self, timeline: Timeline, clock: "trio.testing.MockClock", changed: "trio.Event") -> None:
        self._timeline = timeline
        self._clock = clock
        self._changed = changed

    def look_again(self) -> None:
        self._timeline.now = max(self._timeline.now, FIRST_MOMENT + self._clock.current_time())
        self._changed.set()

    async def run(self) -> None:
        import trio

        timeline = self._timeline
        while True:
            self._changed = trio.Event()
            while (next_at := timeline.next_at) is not None and next_at - FIRST_MOMENT <= self._clock.current_time():
                timeline.run_next()
                self._clock.jump(max(0.0, timeline.now - FIRST_MOMENT - self._clock.current_time()))
            with trio.move_on_at(float("inf") if next_at is None else next_at - FIRST_MOMENT):
                await self._changed.wait()
