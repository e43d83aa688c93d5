"""What a step costs: as much with a thousand files as with ten. Counted, not timed."""

import json
import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from flowflex_core import Failure, Outcome, Request, Response, SendEvent, file
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


class Looked(str):
    """Text that counts the characters that are looked at, in slices of it or in the whole of it."""

    __slots__ = ("characters",)

    def __init__(self, _: str) -> None:
        self.characters = 0

    def __getitem__(self, key: Any) -> str:
        found = super().__getitem__(key)
        self.characters += len(found)
        return found

    def whole(self, name: str, *arguments: Any) -> Any:
        self.characters += len(self)
        found = getattr(super(), name)(*arguments)
        return self if found == self else found

    def replace(self, *arguments: Any) -> Any:
        return self.whole("replace", *arguments)

    def find(self, *arguments: Any) -> Any:
        return self.whole("find", *arguments)

    def __contains__(self, part: Any) -> Any:
        return self.whole("__contains__", part)


class Page(bytes):
    """A body that is read as text of which one knows how much was looked at."""

    text: Looked

    def decode(self, *arguments: Any) -> str:
        self.text = Looked(super().decode(*arguments))
        return self.text


LONG_PAGE = b"<p>This is a page of a proxy, and none of FlowFlex.</p>\n" * 200


def a_refused_event(files: int, body: bytes) -> Callable[[], object]:
    """Return the step at which the event of a send with so many files, each with a URL of its own, is refused."""
    uploading = Uploading(files)
    while not any(request.id.startswith("event") for request in uploading.in_flight):
        request = uploading.in_flight.pop(0)
        number = request.id.split("/")[1]
        url = f"https://storage.example/?name={number}&signature={number:0>64}"
        granted = json.dumps({"assetId": f"asset_{number}", "uploadUrl": url, "token": f"{number:a>64}"}).encode()
        outcome = Response(request.id, 200, {}, b"" if request.method == "PUT" else granted)
        uploading.in_flight += uploading.operation.advance(FIRST_MOMENT, outcome).requests
    (event,) = uploading.in_flight
    return lambda: uploading.operation.advance(FIRST_MOMENT, Response(event.id, 400, {}, body))


def test_a_refusal_is_looked_through_once_for_the_secrets_of_all_files():
    """The reply to an event is searched for the secrets of a thousand upload URLs as for those of one."""
    looked: dict[int, int] = {}
    for files in (1, MANY):
        page = Page(LONG_PAGE)
        a_refused_event(files, page)()
        looked[files] = page.text.characters
    assert looked[1] > 0
    assert looked[MANY] == looked[1]


def test_the_cost_of_a_refused_event_grows_with_its_files_in_proportion():
    """Ten times the files make a refusal of the event cost at most about ten times as much, and a page no more."""
    few, many = (instructions(a_refused_event(files, LONG_PAGE)) for files in (MANY // 10, MANY))
    assert many <= 11 * few
    for_the_page = [instructions(a_refused_event(files, LONG_PAGE)) for files in (1, FEW)]
    alone = [instructions(a_refused_event(files, b"")) for files in (1, FEW)]
    assert abs((for_the_page[0] - alone[0]) - (for_the_page[1] - alone[1])) < 100


def a_resumed_send(files: int) -> Callable[[], object]:
    """Return what a client does with the snapshot of a send with so many files before it goes on."""
    text = Uploading(files).operation.snapshot()

    def resume() -> None:
        operation = SendEvent.resume(text, settings_with())
        assert all(operation.paths(ref) for ref in operation.files)

    return resume


def test_the_cost_of_resuming_grows_with_the_files_in_proportion():
    """To resume, and to ask for the payload paths of each file, costs ten times as much with ten times the files."""
    assert instructions(a_resumed_send(MANY)) <= 11 * instructions(a_resumed_send(MANY // 10))
