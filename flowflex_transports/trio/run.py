"""The loop: performs what an operation asks for, each request in a task of its own, until the operation is done."""

import math

import trio

from flowflex_core import Failure, Operation, Outcome, Request
from flowflex_transports.bodies import Sources
from flowflex_transports.calls import Deadline, Progress, blame, checked, log_outcome, source_failure
from flowflex_transports.protocols import AsyncTransport
from flowflex_transports.reading import SourceError
from flowflex_transports.trio.causes import single_cause
from flowflex_transports.trio.source import WatchedFile, opened


class Run:
    """One run of one operation.

    Args:
        operation: What to advance until it is done.
        sources: Its files.
        progress: Told what is handed over of each file.
        transport: Performs the requests.
        deadline: When the call that this run is part of must have ended, and the time that the operation is told.
    """

    def __init__(
        self,
        operation: Operation,
        sources: Sources,
        progress: Progress,
        transport: AsyncTransport,
        deadline: Deadline,
    ) -> None:
        self._operation = operation
        self._sources = sources
        self._progress = progress
        self._transport = transport
        self._deadline = deadline
        self._clock = deadline.clock
        self._timer = trio.CancelScope()
        self._error: Exception | None = None
        self._nursery: trio.Nursery

    async def to_end(self) -> None:
        """Work until the operation is done; its result, or error, is then its own to tell.

        Ends early, with nothing left in flight, by a cancel or by what a callback of the caller raised; that exception
        is raised here as it is, be it a group. (A `StopIteration` is what no coroutine can raise: it comes as the cause
        of a `RuntimeError`, which Python makes of it.)
        """
        with single_cause():
            async with trio.open_nursery() as self._nursery:
                await self._keep_time()
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # else this frame and the exception would keep each other, and all that they hold

    async def _keep_time(self) -> None:
        now = self._deadline.begun
        while True:
            with trio.CancelScope() as self._timer:
                self._advance(now)
                await trio.sleep_forever()
            now = self._clock.now()

    def _advance(self, now: float, *outcomes: Outcome) -> None:
        turn = self._operation.advance(now, *outcomes)
        if turn.done:
            self._nursery.cancel_scope.cancel()
            return
        late: list[Outcome] = []
        for request in map(self._deadline.cut, turn.requests):
            if isinstance(request, Failure):
                late.append(request)
            else:
                self._nursery.start_soon(self._attempt, request)
        if late:
            self._advance(self._clock.now(), *late)
        elif turn.wait is None:
            self._timer.deadline = math.inf
        else:
            self._timer.deadline = trio.current_time() + turn.wait - (self._clock.now() - now)

    async def _attempt(self, request: Request) -> None:
        start = trio.current_time()
        try:
            outcome = await self._perform(request)
        except Exception as error:
            self._error = self._error or error  # raised where no nursery makes a group of it
            self._nursery.cancel_scope.cancel()
        else:
            log_outcome(request, outcome, trio.current_time() - start)
            self._advance(self._clock.now(), outcome)

    async def _perform(self, request: Request) -> Outcome:
        if isinstance(request.body, bytes):
            return await self._ask(request, request.body)
        watched: WatchedFile | None = None
        try:
            async with opened(self._sources, request.body, self._progress) as watched:
                return await self._ask(request, watched)
        except SourceError as error:
            return source_failure(request, error, sent=watched is not None and watched.begun)

    async def _ask(self, request: Request, body: bytes | WatchedFile) -> Outcome:
        try:
            with single_cause():
                outcome = await self._transport.perform(request, body)
        except Exception as error:
            if not isinstance(body, bytes):
                body.raise_own()
            blame(self._transport, request, error)
            raise
        if not isinstance(body, bytes):
            body.raise_own()
        return checked(self._transport, request, outcome)
