"""The loop: performs what an operation asks for, until the operation is done.

The thread that calls is the first worker. Only where an operation wants more at the same time do helper threads join
it, as many as there are requests, within a bound for the whole client. All workers do the same: take a request,
perform it without the lock, and with the lock advance the operation by its outcome. A worker with nothing to perform
waits for the operation's next timer.

Ctrl-C can strike the main thread between any two steps of Python code. It finds no lock held that is not given back,
because only locks are used whose `with` is one step: those of `threading.Condition` and `Thread.start` are not.
"""

import _thread
import contextvars
import threading
import time
from collections import deque
from contextlib import suppress
from queue import Empty, SimpleQueue

from flowflex_core import Failure, FileRef, FlowFlexError, Operation, Outcome, Request
from flowflex_transports.bodies import Sources
from flowflex_transports.calls import (
    Deadline,
    Progress,
    WatchedSource,
    blame,
    checked,
    log_outcome,
    source_failure,
)
from flowflex_transports.protocols import Transport
from flowflex_transports.reading import SourceError

# How often a request is abandoned again that its transport may not have taken up yet.
_AGAIN_SECONDS = 0.005


class Run:
    """One run of one operation.

    Args:
        operation: What to advance until it is done.
        sources: Its files.
        progress: Told what is handed over of each file.
        transport: Performs the requests.
        deadline: When the call that this run is part of must have ended, and the time that the operation is told.
        spare: How many helper threads the client may still start.
    """

    def __init__(
        self,
        operation: Operation,
        sources: Sources,
        progress: Progress,
        *,
        transport: Transport,
        deadline: Deadline,
        spare: threading.Semaphore,
    ) -> None:
        self._operation = operation
        self._sources = sources
        self._progress = progress
        self._transport = transport
        self._deadline = deadline
        self._clock = deadline.clock
        self._spare = spare
        self._context = contextvars.copy_context()
        self._lock = threading.Lock()
        self._changes: SimpleQueue[None] = SimpleQueue()  # one for each worker that waits
        self._waiting = 0
        self._ready: deque[Request] = deque()
        self._in_flight: dict[int, Request] = {}  # by the thread that performs it
        self._helpers: list[threading.Thread] = []
        self._coming = 0
        self._due: float | None = None
        self._ended = False
        self._error: BaseException | None = None

    def to_end(self) -> None:
        """Work until the operation is done; its result, or error, is then its own to tell.

        Ends early, with nothing left in flight and no thread left, by Ctrl-C, by `stop`, or by what a callback of
        the caller raised; that exception is raised here. Ctrl-C comes before any other.
        """
        try:
            with self._lock:
                if not self._ended:
                    self._advance(self._deadline.begun)
            self._work()
        finally:
            try:
                self._finish()
            finally:
                self._finish()  # Ctrl-C may have struck the first
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # else this frame and the exception would keep each other, and all that they hold

    def stop(self) -> None:
        """End the run from another thread; `to_end` raises."""
        self._end_all(FlowFlexError("the send was stopped"))

    def _work(self) -> None:
        while (request := self._next()) is not None:
            self._landed(self._perform(request))

    def _finish(self) -> None:
        self._end_all(None)
        for helper in self._helpers:
            helper.join()

    def _next(self) -> Request | None:
        """Wait for a request to perform, and take it; None where the run has ended."""
        while True:
            with self._lock:
                if self._ended:
                    self._changes.put(None)  # for the next to know
                    return None
                if self._ready:
                    # It waited for a worker; the deadline has not.
                    request = self._deadline.cut(self._ready.popleft())
                    if isinstance(request, Failure):
                        self._advance(self._clock.now(), request)
                        continue
                    self._in_flight[threading.get_ident()] = request
                    return request
                now = self._clock.now()
                if self._due is not None and now >= self._due:
                    self._advance(now)
                    continue
                patience = None if self._due is None else self._due - now
                self._waiting += 1
            with suppress(Empty):
                self._changes.get(timeout=patience)

    def _perform(self, request: Request) -> Outcome:
        start = time.monotonic()
        if isinstance(request.body, bytes):
            outcome = self._ask(request, request.body)
        else:
            outcome = self._upload(request, request.body)
        if not self._ended:
            log_outcome(request, outcome, time.monotonic() - start)
        return outcome

    def _upload(self, request: Request, ref: FileRef) -> Outcome:
        watched: WatchedSource | None = None
        try:
            with self._sources.open(ref) as source:
                watched = WatchedSource(self._progress, ref, source)
                return self._ask(request, watched)
        except SourceError as error:
            return source_failure(request, error, sent=watched is not None and watched.begun)

    def _ask(self, request: Request, body: bytes | WatchedSource) -> Outcome:
        try:
            outcome = self._transport.perform(request, body)
        except Exception as error:
            if not isinstance(body, bytes):
                body.raise_own()
            blame(self._transport, request, error)
            raise
        if not isinstance(body, bytes):
            body.raise_own()
        return checked(self._transport, request, outcome)

    def _landed(self, outcome: Outcome) -> None:
        with self._lock:
            del self._in_flight[threading.get_ident()]
            if not self._ended:
                self._advance(self._clock.now(), outcome)

    def _advance(self, now: float, *outcomes: Outcome) -> None:
        turn = self._operation.advance(now, *outcomes)
        self._due = None if turn.wait is None else now + turn.wait
        self._ready.extend(turn.requests)
        self._ended = self._ended or turn.done
        for _ in range(self._waiting):
            self._changes.put(None)
        self._waiting = 0
        wanted = len(self._ready) - (1 + self._coming + len(self._helpers) - len(self._in_flight))
        if wanted > 0:
            self._coming += wanted
            with suppress(RuntimeError):  # no thread is to be had: the workers that there are do everything
                _thread.start_new_thread(self._hire, (wanted,))

    def _hire(self, wanted: int) -> None:
        """Start helpers, in a thread that Ctrl-C does not strike; those that are listed have started."""
        with self._lock, suppress(RuntimeError):
            self._coming -= wanted
            while wanted and not self._ended and self._spare.acquire(blocking=False):
                context = self._context.copy()
                helper = threading.Thread(target=context.run, args=(self._help,), name="flowflex-upload", daemon=True)
                try:
                    helper.start()
                except RuntimeError:
                    self._spare.release()
                    raise
                self._helpers.append(helper)
                wanted -= 1

    def _help(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self._end_all(error)
        else:
            self._end_all(None)
        finally:
            self._spare.release()

    def _end_all(self, error: BaseException | None) -> None:
        """End the run, for `error` where it is the first, and abandon what is in flight until it has landed."""
        abandon = getattr(self._transport, "abandon", _wait_for_it)
        with self._lock:
            self._ended = True
            self._error = self._error or error
            self._changes.put(None)
        me = threading.get_ident()
        if me in self._in_flight:
            # Something took this very thread away from it, perhaps before its connection was given back.
            abandon(self._in_flight[me])
            del self._in_flight[me]
        while left := list(self._in_flight.values()):
            for request in left:
                # The transport may not have taken a request up yet when it is first told to abandon it.
                abandon(request)
            time.sleep(_AGAIN_SECONDS)  # no event: Ctrl-C can strike a wait on one and leave its lock taken


def _wait_for_it(request: Request) -> None:
    """Do nothing: a transport that cannot abandon a request ends it within the request's own bounds."""
