"""A host for async code of either runtime: requests at the same time, each in the task that awaits it."""

from collections.abc import Callable, Coroutine
from typing import Any

from flowflex_core.errors import FlowFlexError
from flowflex_core.messages import Outcome, Request, SendEventResult
from flowflex_core.operations import SendEvent
from flowflex_testing.simulation.hosts.host import Host
from flowflex_testing.simulation.network import Flight
from flowflex_testing.simulation.world import Send, World, content_of

# What is done in the moment of a cancel may still be done.
_MOMENT = 0.001
_LET_OUT = "it is to let the cancellation out that was raised where it waited"

AsyncRun = Callable[[SendEvent, "AsyncHost"], Coroutine[Any, Any, SendEventResult]]
AsyncClientRun = Callable[["AsyncHost"], Coroutine[Any, Any, SendEventResult]]


class AsyncHost(Host):
    """Performs requests at the same time.

    Args:
        world: Where it lives.
        send: What it works on.
        runtime: What an event of its runtime is made by, and what is raised in a task that is stopped.
        dies: Whether the process may be killed.
        resumes: Whether whoever is told of an error may go on from the snapshot that came with it.

    Attributes:
        catch_up: Brings the timeline to the present of the runtime, and whoever waits for it to look again.
        cancel: Cancels all that runs in this life.
        given_up_at: When it was cancelled by its caller; None where it was not.
    """

    def __init__(
        self,
        world: World,
        send: Send,
        runtime: tuple[Callable[[], Any], type[BaseException]],
        *,
        dies: bool,
        resumes: bool,
    ) -> None:
        super().__init__(world, send, dies=dies, resumes=resumes)
        self.catch_up: Callable[[], object] = lambda: None
        self.cancel: Callable[[], object] = lambda: None
        self.given_up_at: float | None = None
        self._make_event, self._stopped = runtime
        self._heard: dict[int, Any] = {}

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
        self._count()
        self._stay_dead()
        self.catch_up()
        world = self._world
        # Where time jumps it may do so in that very moment.
        if self.given_up_at is not None and world.timeline.now > self.given_up_at + _MOMENT and not world.jumped:
            raise RuntimeError(f"the loop was cancelled, and performs {request.id} all the same: {_LET_OUT}")
        flight = Flight(world.network, self, request, content)
        event = self._heard[id(flight)] = self._make_event()
        world.fly(flight, self._send)
        self._die_perhaps()
        if world.may_cancel and not self.is_over and world.tape.once_in(8):
            self.given_up_at = world.timeline.now
            self.cancel()
        self.catch_up()
        try:
            await event.wait()
        except BaseException:
            self._gives_up(flight)
            raise
        self._die_perhaps()
        assert flight.outcome is not None
        return flight.outcome

    def _gives_up(self, flight: Flight) -> None:
        """Let a flight end for a loop that has cancelled it, by a timeout of its own or because all is done."""
        self._heard.pop(id(flight), None)
        if not self.is_over and self.given_up_at is None:
            self.catch_up()
            flight.is_waited_for_no_more()

    @property
    def is_waited_for(self) -> bool:
        """Whether tasks still wait for an outcome."""
        return bool(self._heard)

    def _die(self) -> None:
        self.is_over = self.is_dead = True
        self.cancel()
        raise self._stopped

    def hear(self, flight: Flight, outcome: Outcome) -> None:  # noqa: ARG002 - a performer hears both
        """Wake the task that waits for this flight."""
        if (event := self._heard.pop(id(flight), None)) is not None:
            event.set()

    async def aclose(self) -> None:
        """Do nothing: there are no connections."""

    async def live(self, run: AsyncClientRun) -> float | None:
        """Run a loop, and write down how it ended; return in how many seconds another life begins, None for never."""
        try:
            result = await run(self)
        except FlowFlexError as error:
            return self.failed(error)
        if self.given_up_at is not None and not isinstance(result, SendEventResult):
            raise TypeError(f"the loop was cancelled, and returned {result!r:.80}: {_LET_OUT}")
        return self.succeeded(result)


def with_operation(run: AsyncRun) -> AsyncClientRun:
    """Make of what drives an operation what needs a host alone."""

    async def drive(host: AsyncHost) -> SendEventResult:
        return await run(host.operation(), host)

    return drive
