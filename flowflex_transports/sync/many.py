"""`send_many`: sends events from any iterable, some at the same time, and tells what came of each as it ends."""

import _thread
import contextvars
import threading
from collections.abc import Callable, Generator, Iterable
from queue import SimpleQueue

from flowflex_core import FlowFlexConfigError, SendEvent, SendEventResult
from flowflex_transports.calls import Event, SendOutcome
from flowflex_transports.sync.run import Run

# Checks an event, measures its files, and returns what will send it.
Prepare = Callable[[Event], tuple[SendEvent, Run]]


def send_many(prepare: Prepare, events: Iterable[Event], concurrency: int) -> Generator[SendOutcome]:
    """Yield the outcome of each event; takes an event from the iterable only when there is a worker for it.

    Events are prepared in the thread of the generator, which Ctrl-C can interrupt, and sent by worker threads. To
    close the generator stops what is under way.
    """
    workers = _Workers()
    source = enumerate(events)
    failure: Exception | None = None
    exhausted = False
    try:
        while not exhausted or workers.busy:
            if exhausted or len(workers.busy) >= concurrency:
                yield workers.next_outcome()
                continue
            try:
                index, event = next(source)
            except StopIteration:
                exhausted = True
                continue
            except Exception as error:
                # What was taken before is still told of.
                exhausted, failure = True, error
                continue
            try:
                if not isinstance(event, Event):
                    raise FlowFlexConfigError(f"send_many takes Event values, not {type(event).__name__}")
                operation, run = prepare(event)
            except Exception as error:
                yield SendOutcome(index, event, None, error)
            else:
                workers.start(index, event, operation, run)
    finally:
        try:
            workers.end()
        finally:
            workers.end()  # Ctrl-C may have struck the first
    if failure is not None:
        raise failure


class _Workers:
    """Threads that each perform one run at a time; a new one starts only where all are busy."""

    def __init__(self) -> None:
        self.busy: dict[int, Run] = {}
        self._jobs: SimpleQueue[tuple[int, Event, SendEvent, Run, contextvars.Context] | None] = SimpleQueue()
        self._outcomes: SimpleQueue[SendOutcome | BaseException] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._ended = False

    def start(self, index: int, event: Event, operation: SendEvent, run: Run) -> None:
        self.busy[index] = run
        self._jobs.put((index, event, operation, run, contextvars.copy_context()))
        if len(self._threads) < len(self.busy):
            try:
                _thread.start_new_thread(self._hire, ())
            except RuntimeError:
                if len(self.busy) == 1:  # else those that there are do everything
                    raise

    def next_outcome(self) -> SendOutcome:
        outcome = self._outcomes.get()
        if isinstance(outcome, BaseException):
            raise outcome
        del self.busy[outcome.index]
        return outcome

    def end(self) -> None:
        """Stop every run that is under way, and every thread."""
        with self._lock:
            self._ended = True
        for _ in self._threads:
            self._jobs.put(None)
        for run in self.busy.values():
            run.stop()
        for thread in self._threads:
            thread.join()

    def _hire(self) -> None:
        """Start a thread that is wanted, in one that Ctrl-C does not strike; those listed have started."""
        with self._lock:
            if not self._ended and len(self._threads) < len(self.busy):
                thread = threading.Thread(target=self._work, name="flowflex-send", daemon=True)
                try:
                    thread.start()
                except RuntimeError as error:
                    if not self._threads:
                        self._outcomes.put(error)
                else:
                    self._threads.append(thread)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            index, event, operation, run, context = job
            result: SendEventResult | None = None
            problem: Exception | None = None
            try:
                context.run(run.to_end)
                result = operation.result()
            except Exception as error:
                problem = error
            except BaseException as error:
                return self._outcomes.put(error)  # not the outcome of an event: it ends the whole
            self._outcomes.put(SendOutcome(index, event, result, problem))
        return None
