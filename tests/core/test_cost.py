"""What a step costs: as much with a thousand files as with ten. Counted, not timed."""

import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from flowflex_core import Failure, Outcome, Request, SendEvent, file
from tests.core.scenarios import EVENT_NAME, IDEMPOTENCY_KEY, settings_with
from tests.core.worlds import FIRST_MOMENT, Answer, benign, named

FEW, MANY = 24, 1_000
LIMIT = 4


def instructions(call: Callable[[], object]) -> int:
    """Count the bytecode instructions that a call executes."""
    traced(lambda: None)  # Python 3.12 heeds `f_trace_opcodes` from the second trace on.
    return traced(call)


def traced(call: Callable[[], object]) -> int:
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


def peak(call: Callable[[], object]) -> int:
    """Measure the bytes that a call has allocated at its highest: what C code copies takes no instruction."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class Uploading:
    """A send of many files, whose requests are answered one by one, the oldest first."""

    def __init__(self, files: int) -> None:
        payload = {"files": [file(f"/data/file-{number}.pdf", size=number) for number in range(files)]}
        settings = settings_with(max_parallel_uploads=LIMIT)
        self.operation = SendEvent.start(settings, EVENT_NAME, payload, idempotency_key=IDEMPOTENCY_KEY)
        self.in_flight = list(self.operation.advance(FIRST_MOMENT).requests)
        self.answered = 0

    def answer(self, request: Request, answer: Answer) -> Outcome:
        self.answered += 1
        return answer.make(request, self.answered)

    def go_on(self, answers: int) -> None:
        """Let so many requests succeed: a round of URLs, a round of PUTs, and so on."""
        for _ in range(answers):
            request = self.in_flight.pop(0)
            turn = self.operation.advance(FIRST_MOMENT, self.answer(request, benign(request)))
            self.in_flight += turn.requests


def a_step(kind: str, files: int) -> Callable[[], object]:
    """Return the next step of a send with half of its files stored."""
    uploading = Uploading(files)
    first = uploading.in_flight[0]
    uploading.go_on(files // 2 // LIMIT * 2 * LIMIT)
    if kind == "stored":
        uploading.go_on(LIMIT)
    request = first if kind == "late" else uploading.in_flight[0]
    answer = named("503") if kind == "repeated" else benign(request)
    outcomes = [] if kind == "early" else [uploading.answer(request, answer)]
    return lambda: uploading.operation.advance(FIRST_MOMENT, *outcomes)


@pytest.mark.parametrize("cost", [instructions, peak])
@pytest.mark.parametrize("kind", ["granted", "stored", "repeated", "late", "early"])
def test_the_cost_of_a_step_does_not_grow_with_the_files(kind, cost):
    """A step of a send costs over a thousand files what it costs over a few, whatever happened."""
    few, many = cost(a_step(kind, FEW)), cost(a_step(kind, MANY))
    assert few > 0
    # A branch more of the ledger for every 32 times the files: two lists of 32 at the most here.
    assert many <= 1.1 * few + 600, "a step over many files costs more"


def a_failed_event(files: int) -> Callable[[], object]:
    """Return the step at which the event of a send with so many files gets no reply."""
    uploading = Uploading(files)
    uploading.go_on(2 * files)
    (event,) = uploading.in_flight
    failure = Failure(event.id, "timeout", "nothing came for 30 s", sent=True)
    return lambda: uploading.operation.advance(FIRST_MOMENT, failure)


@pytest.mark.parametrize("cost", [instructions, peak])
def test_the_cost_of_a_failed_event_does_not_grow_with_the_files(cost):
    """That no reply comes to the event costs over a thousand files what it costs over a few."""
    few, many = cost(a_failed_event(FEW)), cost(a_failed_event(MANY))
    assert few > 0
    assert many <= 1.1 * few + 600, "a step over many files costs more"
