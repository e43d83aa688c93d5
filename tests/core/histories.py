"""What happens to an operation: the times and answers that it is given, and everything that can be seen of it.

A history is data: the calls of `advance` with all that was given and all that came back. It can be looked at, and
told again to a fresh operation with something changed that must not matter.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import currently_in_test_context, note

from flowflex_core import (
    Failure,
    FlowFlexConfigError,
    FlowFlexError,
    Outcome,
    Request,
    Response,
    SendEvent,
    Turn,
)
from tests.core.chances import Chances
from tests.core.scenarios import Operation, Scenario, a_send
from tests.core.worlds import EVENT, FIRST_MOMENT, SUCCESSES_OF, TROUBLES_OF, Answer, Effect, leg_of


@dataclass(frozen=True)
class Given:
    """An outcome, as the world gave it."""

    request: Request
    answer: Answer
    outcome: Outcome


@dataclass(frozen=True)
class Seen:
    """All that can be seen of an operation after a turn, so that it compares.

    Attributes:
        turn: The turn, its files by name: those of a resumed send are other objects each time.
        snapshot: The snapshot; None where there can be none.
        end: The result, or the fields of the error, of an operation that is done.
    """

    turn: tuple[object, ...]
    snapshot: str | None
    end: Any


@dataclass(frozen=True)
class Call:
    """One call of `advance`: what was given, and all that could be seen after it."""

    now: float
    given: tuple[Given, ...]
    turn: Turn
    seen: Seen

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        return tuple(given.outcome for given in self.given)


@dataclass
class History:
    """An operation from its start, or its resumption from `text`, to its end, or to where nothing more came.

    Attributes:
        in_flight: The requests that have no outcome yet, by id.
        answered: Those that have one.
        high: The latest moment of any call.
    """

    scenario: Scenario
    text: str | None = None
    calls: list[Call] = field(default_factory=list)
    in_flight: dict[str, Request] = field(default_factory=dict)
    answered: dict[str, Request] = field(default_factory=dict)
    high: float = float("-inf")

    @property
    def last(self) -> Call:
        return self.calls[-1]

    @property
    def requests(self) -> list[Request]:
        return [request for call in self.calls for request in call.turn.requests]

    def again(self, calls: int = 0) -> Operation:
        """Return the operation anew, as it was after the first so many calls."""
        operation = self.scenario.start()
        if self.text is not None:
            operation = SendEvent.resume(self.text, self.scenario.settings)
        for earlier in self.calls[:calls]:
            operation.advance(earlier.now, *earlier.outcomes)
        return operation

    def call(self, operation: Operation, now: float, given: Sequence[Given] = ()) -> None:
        """Advance, and write down what came of it."""
        turn = advance(operation, now, *(item.outcome for item in given))
        self.high = max(self.high, now)
        for item in given:
            if (request := self.in_flight.pop(item.request.id, None)) is not None:
                self.answered[request.id] = request
        self.in_flight |= {request.id: request for request in turn.requests}
        self.calls.append(Call(now, tuple(given), turn, see(operation, turn)))

    def __repr__(self) -> str:
        lines = [f"{self.scenario}", *([f"resumed from {self.text}"] if self.text else [])]
        for number, call in enumerate(self.calls, start=1):
            given = ", ".join(f"{item.request.id}: {item.answer}" for item in call.given)
            requests = " ".join(request.id for request in call.turn.requests)
            end = " done" if call.turn.done else f" wait={call.turn.wait}"
            lines.append(f"{number:4}. {call.now - FIRST_MOMENT:+.3f} s [{given}] -> {requests}{end}")
        return "\n".join(lines)


def advance(operation: Operation, now: float, *outcomes: Outcome) -> Turn:
    """Advance with what a server or a network did, which must not raise."""
    try:
        return operation.advance(now, *outcomes)
    except Exception as error:
        raise AssertionError(f"advance raised for what no caller did: {error!r}") from error


def see(operation: Operation, turn: Turn) -> Seen:
    """Look at an operation after a turn."""
    requests = [(request.id, *issued(request), request.timeout, request.total) for request in turn.requests]
    comparable = (requests, turn.wait, turn.done, turn.checkpoint)
    return Seen(comparable, snapshot_of(operation), end_of(operation) if turn.done else None)


def issued(request: Request) -> tuple[object, ...]:
    """Return what goes over the wire, the content of a file aside."""
    body = request.body if isinstance(request.body, bytes) else request.body.filename
    return request.method, request.url, dict(request.headers), body


def snapshot_of(operation: Operation) -> str | None:
    """Return the snapshot, or None where there can be none: a file that is not stored has no path."""
    if not isinstance(operation, SendEvent):
        return None
    try:
        return operation.snapshot()
    except FlowFlexConfigError:
        if all(isinstance(ref.source, str) for ref in operation.files):
            raise
        return None


def end_of(operation: Operation) -> Any:
    """Return the result, or the fields of the error, of an operation that is done."""
    try:
        return operation.result()
    except FlowFlexError as error:
        failures = {path: (type(failure), str(failure)) for path, failure in error.failures.items()}
        return vars(error) | {"type": type(error), "failures": failures}


# Leaps to about where a URL (2 h, less 5 minutes) or an asset (48 h, less an hour) becomes too old, and small ones.
_HOUR = 3600.0
_AGES = (2 * _HOUR - 300.0, 2 * _HOUR, 47 * _HOUR, 48 * _HOUR)
_LEAPS = (1.0, 0.001, 61.0, *(age + near for age in _AGES for near in (-1.0, 1.0)))


def a_time(chances: Chances, history: History) -> float:
    """Draw when the next call comes: at the timer, before it, at once, after a leap, or before the last one."""
    if not history.calls:
        return FIRST_MOMENT
    wait = history.last.turn.wait
    # With requests in flight the timer is often the deadline's, and the end.
    usual = "timer" if wait is not None and not history.in_flight else "at once"
    move = chances.pick([usual] * 10 + ["soon", "soon", "early", "leap", "back", "timer"])
    if move == "timer" and wait is not None:
        return history.high + wait
    if move == "early" and wait is not None:
        return history.high + wait / 2
    if move == "leap":
        return history.high + chances.pick(_LEAPS)
    if move == "back":
        return history.high - chances.pick(_LEAPS)
    return history.high + (1.0 if move == "soon" else 0.0)


def an_answer(chances: Chances, request: Request, *, trouble_in: int) -> Answer:
    """Draw an answer, one in so many of which is trouble."""
    leg = leg_of(request)
    if chances.once_in(trouble_in):
        return chances.pick(chances.pick(TROUBLES_OF[leg]))
    return chances.pick(SUCCESSES_OF[leg])


def a_late_outcome(chances: Chances, request: Request) -> Outcome:
    """Draw an outcome for a request that had its own already: it tells of other assets and URLs."""
    return an_answer(chances, request, trouble_in=2).make(request, 9_000 + chances.below(100))


_HEADERS = ("content-type", "Retry-After", "DATE", "x-should-retry", "X-Request-Id", "location")
_VALUES = (
    *("application/json", "text/html", "a/b+json;;", ";", "", "false", "1", "\x85\xa0", "0x1", "\xb2", "1_0", "- 1"),
    *("Mon, 1 Jan", "1 2 3 4 5 6", "Mon, 32 Jan 2020 00:00:00 +99999", ", , ,", "1 Jan -1 0:0:0", "(", "é" * 9),
)
_BODIES = (
    *(b"", b"{}", b"[[", b"\xff\xfe{\x00", b"\xef\xbb\xbf{}", b"1e999", b"9" * 5_000, b'"\\ud800"', b"<Code>", b"\x00"),
    *(b'{"error":{"message":{}}}', b'{"error":[],"message":{"code":[]}}', b'{"statusCode":[],"error":7}'),
    *(b'{"assetId":1,"uploadUrl":[]}', b'{"assetId":"a","uploadUrl":"https://["}', b'{"uploadUrl":"https://a:b/"}'),
)
_STATUSES = (200, 400, 409, 503, 403, 429, 204, 304, 0, -1, 99, 100, 600, 1_000, 10**6)


def nonsense(chances: Chances, request: Request) -> Given:
    """Draw what nothing in a sane world would answer."""
    headers = [(chances.pick(_HEADERS), chances.pick(_VALUES)) for _ in range(chances.below(4))]
    outcome: Outcome = Response(request.id, chances.pick(_STATUSES), headers, chances.pick(_BODIES))
    if chances.once_in(8):
        outcome = Failure(request.id, "protocol", chances.pick(["", "\ud800\x00\n", "x" * 10_000]), sent=True)
    return Given(request, Answer(f"{outcome} {headers}", (), Effect.NOTHING, lambda _r, _n: outcome), outcome)


def a_history(
    chances: Chances,
    scenario: Scenario,
    text: str | None = None,
    *,
    calls: int = 30,
    troubled: bool = False,
    absurd: bool = False,
    contradicting: bool = False,
    first_number: int = 1,
) -> History:
    """Draw what happens to an operation, in at most so many calls.

    Args:
        chances: What decides.
        scenario: What is started.
        text: The snapshot that it is resumed from instead.
        calls: When to stop at the latest.
        troubled: Trouble is as usual as success.
        absurd: Nonsense is mixed in, also as late and repeated outcomes.
        contradicting: Two outcomes may be given for one request in a call.
        first_number: What the numbers of the answers, and so their asset ids, begin with.
    """
    history = History(scenario, text)
    operation = history.again()
    number = first_number
    # Most uploads are to succeed, or no event would ever be sent.
    uploading, firing = (2, 2) if troubled else (chances.pick([12, 6, 2]), chances.pick([3, 2, 12]))
    while len(history.calls) < calls:
        given: list[Given] = []
        for request in history.in_flight.values():
            if chances.once_in(5):
                continue  # its answer is late, or lost
            if absurd and chances.once_in(4):
                given.append(nonsense(chances, request))
            for _ in range(1 + (contradicting and chances.once_in(2))):
                answer = an_answer(chances, request, trouble_in=firing if leg_of(request) == EVENT else uploading)
                given.append(Given(request, answer, answer.make(request, number)))
                number += 1
        if absurd:
            given += [nonsense(chances, request) for request in chances.some([*history.answered.values()], once_in=4)]
        lost = bool(history.in_flight) and not given and chances.once_in(6)
        history.call(operation, a_time(chances, history), given)
        if history.last.turn.done or lost:
            break  # it has ended, or nobody calls it any more
    _tell(history)
    return history


def _tell(history: History) -> None:
    """Let Hypothesis show the history where a test fails."""
    if currently_in_test_context():
        note(repr(history))


def a_history_of_a_send(chances: Chances, *, nameable: bool = False, **options: Any) -> History:
    """Draw a send and what happens to it."""
    return a_history(chances, a_send(chances, nameable=nameable), **options)


def runs_in_a_row(chances: Chances, **options: Any) -> list[History]:
    """Draw a send that is interrupted at any turn, or fails, and goes on from its snapshot."""
    runs: list[History] = []
    scenario, text = a_send(chances, nameable=True), None
    for run in range(chances.pick([2, 3, 1])):
        calls = chances.pick([30, 1, 2, 3, 4, 5, 6, 7, 8])
        runs.append(a_history(chances, scenario, text, calls=calls, first_number=100 * run + 1, **options))
        if runs[-1].last.turn.done and not isinstance(runs[-1].last.seen.end, dict):
            break
        text = runs[-1].last.seen.snapshot
    return runs


def played(
    scenario: Scenario,
    text: str | None,
    answer_to: Callable[[Request], Answer],
    *,
    now: float = FIRST_MOMENT,
    first_number: int = 1,
) -> History:
    """Return what happens where every request is answered at once, by a rule, and every timer is kept."""
    history = History(scenario, text)
    operation = history.again()
    history.call(operation, now)
    number = first_number
    while not history.last.turn.done:
        assert len(history.calls) < 200, "it does not end"
        given = []
        for request in history.in_flight.values():
            answer = answer_to(request)
            given.append(Given(request, answer, answer.make(request, number)))
            number += 1
        if not given:
            wait = history.last.turn.wait
            assert wait is not None, "nothing is in flight, and there is no timer"
            now += wait
        history.call(operation, now, given)
    _tell(history)
    return history
