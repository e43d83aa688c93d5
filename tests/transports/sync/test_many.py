import _thread
import contextvars
import threading

import pytest

from flowflex_core import FlowFlexConfigError, FlowFlexError, FlowFlexUploadError, Response, file
from flowflex_transports import Event, FlowFlex
from tests.support.transports import BASE, Abandoning, Scripted, flowflex_threads, leg


@pytest.fixture(autouse=True)
def no_thread_is_left():
    """Whatever a send_many ends with, its threads end with it."""
    yield
    assert not flowflex_threads()


def client(transport, **options):
    return FlowFlex(**BASE, transport=transport, **options)


def numbered(count, pulled=None):
    for number in range(count):
        if pulled is not None:
            pulled.append(number)
        yield Event("e", {"n": number}, f"key-{number}")


def test_every_event_has_one_outcome():
    """Each tells its place, its event and its result."""
    outcomes = list(client(Scripted()).send_many(numbered(25), concurrency=4))
    assert sorted(outcome.index for outcome in outcomes) == [*range(25)]
    for outcome in outcomes:
        assert outcome.error is None
        assert outcome.event.payload == {"n": outcome.index}
        assert outcome.result is not None
        assert outcome.result.idempotency_key == f"key-{outcome.index}"


def test_events_are_sent_at_the_same_time_up_to_the_concurrency():
    """Three at once, and never a fourth."""
    together = threading.Barrier(3, timeout=10)
    transport = Scripted(lambda request: together.wait() and None)
    assert len(list(client(transport).send_many(numbered(9), concurrency=3))) == 9
    assert len({thread for _, thread in transport.performed}) == 3


def test_outcomes_come_as_they_end():
    """A slow event does not hold up the outcomes of others."""
    last = threading.Event()

    def meanwhile(request):
        if request.headers["x-idempotency-key"] == "key-0":
            assert last.wait(10)

    order = []
    for outcome in client(Scripted(meanwhile)).send_many(numbered(6), concurrency=2):
        order.append(outcome.index)
        if len(order) == 5:
            last.set()
    assert order == [1, 2, 3, 4, 5, 0]


def test_events_are_pulled_only_as_they_can_be_sent():
    """An endless iterable is no trouble."""
    pulled: list[int] = []
    outcomes = client(Scripted()).send_many(numbered(10**9, pulled), concurrency=2)
    assert pulled == []
    for count in range(1, 20):
        next(outcomes)
        assert len(pulled) <= count + 2
    outcomes.close()


def test_context_variables_reach_the_workers():
    """Each event is sent in the context in which its outcome was waited for."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="lost")
    seen = []

    def meanwhile(request):
        seen.append(variable.get())

    variable.set("kept")
    assert len(list(client(Scripted(meanwhile)).send_many(numbered(5), concurrency=2))) == 5
    assert seen == ["kept"] * 5


def test_failures_are_values():
    """A refused event, a bad one and one whose file is missing do not disturb the others."""

    def meanwhile(request):
        if request.headers.get("x-idempotency-key") == "refused":
            return Response(request.id, 403, {"Content-Type": "application/json"}, b'{"error": "no"}')
        return None

    events = [
        Event("e", None, "refused"),
        Event("bad\nevent"),
        Event("e", {"f": file("/nowhere/a.pdf")}),
        "not an event",
        Event("e", {"fine": 1}),
    ]
    outcomes = sorted(client(Scripted(meanwhile)).send_many(events), key=lambda outcome: outcome.index)
    kinds = [type(outcome.error) for outcome in outcomes]
    assert kinds == [FlowFlexError, FlowFlexConfigError, FlowFlexUploadError, FlowFlexConfigError, type(None)]
    assert [outcome.result is None for outcome in outcomes] == [True] * 4 + [False]


def test_an_iterable_that_fails_takes_no_outcome_with_it():
    """What was taken before is told of, and then the exception passes."""

    def failing():
        yield from numbered(3)
        raise ZeroDivisionError

    outcomes = []
    with pytest.raises(ZeroDivisionError):
        outcomes.extend(client(Scripted()).send_many(failing(), concurrency=2))
    assert sorted(outcome.index for outcome in outcomes) == [0, 1, 2]


def test_to_close_early_stops_what_is_under_way():
    """Requests are abandoned, and threads end, when the generator is closed."""
    transport = Abandoning("put", lambda request: None)
    events = [Event("e"), *(Event("e", {"f": file(b"x", filename="a.txt")}) for _ in range(3))]
    outcomes = client(transport).send_many(events, concurrency=4)
    assert next(outcomes).index == 0
    for _ in range(3):
        assert transport.under_way.acquire(timeout=10)
    outcomes.close()
    assert not flowflex_threads()
    assert [name for name, _ in transport.performed].count("event") == 1


def test_threads_are_bounded_for_the_client():
    """Many events with many files do not multiply into threads."""
    most = []

    def meanwhile(request):
        if leg(request) == "put":
            most.append(len(flowflex_threads()))

    events = [Event("e", {"f": [file(b"x", filename=f"{n}.txt") for n in range(6)]}) for _ in range(12)]
    outcomes = list(client(Scripted(meanwhile), max_parallel_uploads=4).send_many(events, concurrency=3))
    assert all(outcome.error is None for outcome in outcomes)
    assert max(most) <= 3 + 3


@pytest.mark.parametrize("concurrency", [0, -1, 1.5, None])
def test_a_wrong_concurrency_is_told_at_once(concurrency):
    """Not when the first outcome is asked for."""
    with pytest.raises(FlowFlexConfigError, match="concurrency"):
        client(Scripted()).send_many([], concurrency=concurrency)


def test_no_events_are_no_outcomes():
    """And no thread is started."""
    assert list(client(Scripted()).send_many([])) == []


@pytest.mark.parametrize("files", [0, 1, 3])
def test_what_is_no_error_of_an_event_ends_the_whole(files):
    """SystemExit and its like, met by a worker, reach the caller, who would else wait for ever."""

    def meanwhile(request):
        if leg(request) == ("put" if files else "event"):
            raise SystemExit(3)

    events = [Event("e", {"f": [file(b"x", filename=f"{n}.txt") for n in range(files)]})] * 3
    with pytest.raises(SystemExit):
        list(client(Scripted(meanwhile)).send_many(events, concurrency=2))


@pytest.mark.parametrize(
    ("where", "start"),
    [("threading.Thread.start", threading.Thread.start), ("_thread.start_new_thread", _thread.start_new_thread)],
)
@pytest.mark.parametrize("had", [0, 1])
def test_where_too_few_threads_are_to_be_had_those_do_everything(where, start, had, monkeypatch):
    """Only where there is none at all, nothing can be sent, and the caller is told why."""
    left = [start] * had

    def start_what_may_be(*arguments):
        if not left:
            raise RuntimeError("can't start new thread")
        return left.pop()(*arguments)

    monkeypatch.setattr(where, start_what_may_be)
    outcomes = client(Scripted()).send_many(numbered(6), concurrency=3)
    if had:
        assert sorted(outcome.index for outcome in outcomes) == list(range(6))
    else:
        with pytest.raises(RuntimeError, match="can't start new thread"):
            list(outcomes)
