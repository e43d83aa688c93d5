import contextvars
import re
import threading
import time

import pytest

from flowflex_core import (
    Failure,
    FlowFlexConfigError,
    FlowFlexError,
    FlowFlexOutcomeUnknownError,
    FlowFlexTimeoutError,
    FlowFlexUploadError,
    Request,
    Response,
    SendEvent,
    Settings,
    file,
)
from flowflex_testing import contract
from flowflex_transports.bodies import Sources
from flowflex_transports.calls import Clock, Deadline, Progress
from flowflex_transports.sync.run import Run
from tests.support.transports import BASE, RUBBISH, Abandoning, Scripted, flowflex_threads, leg


def send(transport, *, files=0, spare=15, on_progress=None, steady=time.monotonic, **bounds):
    """Make a run of a send with so many files, and its operation."""
    settings = Settings(**BASE, **bounds)
    refs = [file(b"x" * 100, filename=f"{number}.txt") for number in range(files)]
    sources = Sources.measure(dict.fromkeys(refs, "p"), max_file_bytes=1000)
    operation = SendEvent.start(settings, "e", {"files": refs}, idempotency_key="key", sizes=sources.sizes)
    run = Run(
        operation,
        sources,
        Progress(on_progress),
        transport=transport,
        deadline=Deadline(Clock(steady), settings.deadline_seconds),
        spare=threading.Semaphore(spare),
    )
    return run, operation


def run_to_end(operation, sources, transport, *, on_progress=None, spare=0, deadline=None):
    """Run an operation to its end."""
    Run(
        operation,
        sources,
        Progress(on_progress),
        transport=transport,
        deadline=deadline or Deadline(Clock(), None),
        spare=threading.Semaphore(spare),
    ).to_end()


@pytest.fixture(autouse=True)
def no_thread_is_left():
    """Whatever a run ends with, its threads end with it."""
    yield
    assert not flowflex_threads()


class ByFunction:
    """The `perform` of the contract as a transport."""

    def __init__(self, perform):
        self._perform = perform

    def perform(self, request, body):
        return self._perform(request)

    def close(self):
        pass


def run_by_contract(operation, perform):
    sources = Sources.measure(dict.fromkeys(operation.files, "p"), max_file_bytes=10**9)
    run_to_end(operation, sources, ByFunction(perform), spare=15)
    return operation.result()


RUNTIME = contract.RuntimeSubject(run=run_by_contract, at_once=True, gives_up=False, asynchronous=None)


@pytest.mark.parametrize("check", contract.runtime_checks(RUNTIME))
def test_the_loop_keeps_the_contract_of_runtimes(check):
    """Every check that is published for runtimes of one's own."""
    check(RUNTIME)


@pytest.mark.parametrize("files", [0, 1])
def test_what_needs_no_second_thread_gets_none(files):
    """An event without files, or with one, is sent in the caller's thread."""
    transport = Scripted()
    run, operation = send(transport, files=files)
    run.to_end()
    assert len(operation.result().uploaded_assets) == files
    assert {thread for _, thread in transport.performed} == {threading.current_thread()}


def test_files_are_uploaded_at_the_same_time_with_the_caller_as_a_worker():
    """As many threads as there are requests, the caller's among them."""
    together = threading.Barrier(5, timeout=10)
    transport = Scripted(lambda request: together.wait() and None if leg(request) == "put" else None)
    run, operation = send(transport, files=5)
    run.to_end()
    assert len(operation.result().uploaded_assets) == 5
    threads = {thread for _, thread in transport.performed}
    assert len(threads) == 5
    assert threading.current_thread() in threads


def test_one_slow_file_holds_up_no_other():
    """The slowest of many files is the only one that is waited for."""
    others_done = threading.Event()
    puts = []

    def meanwhile(request):
        if leg(request) == "put":
            puts.append(request)
            if len(puts) == 1:
                assert others_done.wait(10)
            if len(puts) == 20:
                others_done.set()

    run, operation = send(Scripted(meanwhile), files=20, spare=3, max_parallel_uploads=4)
    run.to_end()
    assert len(operation.result().uploaded_assets) == 20


@pytest.mark.parametrize("spare", [0, 1, 3])
def test_a_run_gets_along_with_the_threads_that_the_client_can_spare(spare):
    """Where other calls have taken the threads, requests wait for a worker; what was borrowed is given back."""
    transport = Scripted()
    run, operation = send(transport, files=8, spare=spare)
    run.to_end()
    assert len(operation.result().uploaded_assets) == 8
    assert len({thread for _, thread in transport.performed}) <= 1 + spare
    assert run._spare._value == spare


def test_context_variables_reach_the_workers():
    """Tracing and the like go on working in worker threads, and each has a context of its own."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="lost")
    together = threading.Barrier(4, timeout=10)
    seen = []

    def meanwhile(request):
        if leg(request) == "put":
            together.wait()
            seen.append(variable.get())
            variable.set("changed")

    variable.set("kept")
    run, _ = send(Scripted(meanwhile), files=4)
    run.to_end()
    assert seen == ["kept"] * 4


def test_the_first_fatal_failure_abandons_what_is_under_way():
    """Nobody waits for uploads that can no longer matter, in whichever thread they are."""
    refused: list[Request] = []

    def meanwhile(request):
        if leg(request) == "url" and not refused:
            refused.append(request)
            for _ in range(2):
                assert transport.under_way.acquire(timeout=10)
            return Response(request.id, 403, {}, b"")
        return None

    transport = Abandoning("put", meanwhile)
    run, operation = send(transport, files=3)
    run.to_end()
    with pytest.raises(FlowFlexError):
        operation.result()


def test_a_transport_that_cannot_abandon_is_waited_for():
    """Its requests are bounded in time; no thread outlives the call."""
    url_refused = threading.Event()
    finished = []

    def meanwhile(request):
        if leg(request) == "put":
            assert url_refused.wait(10)
            finished.append(request)
        if leg(request) == "url" and len(transport.performed) == 2:
            url_refused.set()
            return Response(request.id, 403, {}, b"")
        return None

    transport = Scripted(meanwhile)
    run, operation = send(transport, files=2)
    run.to_end()
    with pytest.raises(FlowFlexError):
        operation.result()
    assert not flowflex_threads()


def test_a_run_that_is_stopped_ends_at_once_and_says_so():
    """From another thread, whether it waits for replies or for the time of a repeat."""
    transport = Abandoning("put")
    run, _ = send(transport, files=3)
    stopper = threading.Thread(
        target=lambda: [transport.under_way.acquire(timeout=10) for _ in range(3)] and run.stop()
    )
    stopper.start()
    with pytest.raises(FlowFlexError, match="stopped"):
        run.to_end()
    stopper.join()


def test_a_run_that_is_stopped_before_it_begins_sends_nothing():
    """It may have waited for a thread."""
    transport = Scripted()
    run, _ = send(transport, files=3)
    run.stop()
    with pytest.raises(FlowFlexError, match="stopped"):
        run.to_end()
    assert not transport.performed


@pytest.mark.parametrize("files", [1, 3])
def test_what_on_progress_raises_ends_the_send_and_reaches_the_caller(files):
    """The callback is the caller's code: its exception is not swallowed, in whichever thread it was raised."""

    class MineError(Exception):
        pass

    def on_progress(ref, sent, total):
        raise MineError(ref.filename)

    transport = Scripted()
    run, _ = send(transport, files=files, on_progress=on_progress)
    with pytest.raises(MineError):
        run.to_end()
    assert "event" not in [name for name, _ in transport.performed]


class TakesAllForTrouble(Scripted):
    """A transport that makes a failure of the network of whatever is raised."""

    def perform(self, request, body):
        try:
            return super().perform(request, body)
        except Exception:
            return Failure(request.id, "connection", "the connection broke", True)


@pytest.mark.parametrize("make", [Scripted, TakesAllForTrouble])
@pytest.mark.parametrize("mine", [ConnectionResetError("of the callback"), StopIteration("of the callback")])
def test_what_a_transport_makes_of_a_callbacks_error_is_not_asked(make, mine):
    """It reaches the caller as it was raised, also where the transport, or Python itself, made another of it."""

    def on_progress(ref, sent, total):
        raise mine

    transport = make()
    run, _ = send(transport, files=1, on_progress=on_progress)
    with pytest.raises(type(mine)) as caught:
        run.to_end()
    assert caught.value is mine
    assert (mine.__cause__, mine.__context__) == (None, None)
    assert [name for name, _ in transport.performed] == ["url", "put"]


def test_a_transport_that_takes_a_files_error_for_trouble_repeats_nothing(tmp_path):
    """A file that cannot be read is an error of its upload, whatever the transport says."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"content")
    settings, ref = Settings(**BASE), file(path)
    sources = Sources.measure({ref: "invoice"}, max_file_bytes=100)
    operation = SendEvent.start(settings, "e", {"invoice": ref}, idempotency_key="key", sizes=sources.sizes)

    def on_progress(ref, sent, total):
        path.write_bytes(b"")

    transport = TakesAllForTrouble()
    run_to_end(operation, sources, transport, on_progress=on_progress)
    with pytest.raises(FlowFlexUploadError, match="became shorter while it was sent"):
        operation.result()
    assert [name for name, _ in transport.performed] == ["url", "put"]


def test_a_transport_that_raises_ends_the_send():
    """A fault in a transport is shown, not taken for network trouble; a note names the transport."""

    def meanwhile(request):
        raise ZeroDivisionError

    run, _ = send(Scripted(meanwhile), files=3)
    with pytest.raises(ZeroDivisionError) as caught:
        run.to_end()
    (note,) = caught.value.__notes__
    assert note.startswith("Scripted.perform raised ZeroDivisionError for upload-url/")


@pytest.mark.parametrize(("make", "words"), RUBBISH, ids=[words for _, words in RUBBISH])
def test_a_transport_that_returns_no_outcome_is_named(make, words):
    """And what it returned is: nobody has to guess whose mistake it is."""

    class Rubbish(Scripted):
        def perform(self, request, body):
            return make(request.id)

    run, _ = send(Rubbish())
    with pytest.raises(FlowFlexConfigError, match=re.escape(f"Rubbish.perform returned {words} for event/1: it must")):
        run.to_end()


def test_a_file_that_vanishes_is_a_failure_of_its_upload(tmp_path):
    """What cannot be opened for an attempt is an upload error, and not repeated."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"content")
    settings = Settings(**BASE)
    ref = file(path)
    sources = Sources.measure({ref: "invoice"}, max_file_bytes=100)
    operation = SendEvent.start(settings, "e", {"invoice": ref}, idempotency_key="key", sizes=sources.sizes)
    transport = Scripted(lambda request: path.unlink(missing_ok=True))
    run_to_end(operation, sources, transport)
    with pytest.raises(FlowFlexUploadError, match=r"invoice.*No such file"):
        operation.result()
    assert [name for name, _ in transport.performed] == ["url"]


def test_the_deadline_ends_a_wait_between_repeats():
    """A repeat that would come too late is not waited for."""
    transport = Scripted(lambda request: Response(request.id, 503, {"Retry-After": "30"}, b""))
    run, operation = send(transport, deadline_seconds=0.2)
    start = time.monotonic()
    run.to_end()
    assert time.monotonic() - start < 1.0
    with pytest.raises(FlowFlexError):
        operation.result()


def test_a_request_that_waits_for_a_worker_does_not_gain_time():
    """The total of a request that starts late is what the deadline has left by then."""
    totals, seconds = [], [0.0]

    def meanwhile(request):
        totals.append(request.total)
        seconds[0] += 0.05

    run, _ = send(Scripted(meanwhile), files=3, spare=0, steady=lambda: seconds[0], deadline_seconds=5.0)
    run.to_end()
    assert totals[:3] == pytest.approx([4.99, 4.94, 4.89], abs=1e-3)


def test_the_deadline_passes_while_requests_wait_for_a_worker():
    """What can no longer be in time is not begun."""
    seconds = [0.0]

    def meanwhile(request):
        seconds[0] += 0.15

    transport = Scripted(meanwhile)
    run, operation = send(transport, files=5, spare=0, steady=lambda: seconds[0], deadline_seconds=0.2)
    run.to_end()
    with pytest.raises(FlowFlexTimeoutError):
        operation.result()
    assert len(transport.performed) == 2


@pytest.mark.parametrize(("sent", "kind"), [(False, FlowFlexTimeoutError), (True, FlowFlexOutcomeUnknownError)])
def test_whether_anything_was_sent_is_known_when_the_deadline_comes(sent, kind):
    """An attempt ends by itself a moment before, so that what it tells counts, though helpers wait for the deadline."""
    seconds = [0.0]

    def meanwhile(request):
        if leg(request) == "event":
            seconds[0] += request.total
            return Failure(request.id, "timeout", "too slow", sent)
        return None

    run, operation = send(Scripted(meanwhile), files=2, steady=lambda: seconds[0], deadline_seconds=5.0)
    run.to_end()
    assert seconds[0] <= 5.0
    with pytest.raises(kind):
        operation.result()


def test_what_the_deadline_leaves_no_time_for_was_not_sent():
    """A deadline that is over before the first request can begin leaves no doubt, and nothing is performed."""
    transport = Scripted()
    run, operation = send(transport, deadline_seconds=1e-6)  # more than the clock can tell, less than any step takes
    run.to_end()
    with pytest.raises(FlowFlexTimeoutError):
        operation.result()
    assert transport.performed == []


def test_measuring_is_part_of_the_call():
    """The deadline counts from the call, for the operation too: what measuring takes is missing afterwards."""
    seconds, totals, told = [0.0], [], []
    deadline = Deadline(Clock(lambda: seconds[0]), 5.0)
    seconds[0] += 3.0
    operation = SendEvent.start(Settings(**BASE, deadline_seconds=5.0), "e", {}, idempotency_key="key")

    class Telling:
        def advance(self, now, *outcomes):
            told.append(now - deadline.begun)
            return operation.advance(now, *outcomes)

    transport = Scripted(lambda request: totals.append(request.total))
    run_to_end(Telling(), Sources({}), transport, deadline=deadline)
    assert totals == [pytest.approx(2.0, abs=0.02)]
    assert told == pytest.approx([0.0, 3.0], abs=1e-3)


def test_a_due_timer_is_served_while_others_are_busy():
    """A file whose repeat is due goes on while another is on its way."""
    repeated = threading.Event()
    first: list[Request] = []

    def meanwhile(request):
        if leg(request) == "put" and not first:
            first.append(request)
            return Response(request.id, 503, {"Retry-After": "0"}, b"")
        if leg(request) == "put" and len(transport.performed) < 5:
            assert repeated.wait(10)
        if leg(request) == "put":
            repeated.set()
        return None

    transport = Scripted(meanwhile)
    run, operation = send(transport, files=2)
    run.to_end()
    assert len(operation.result().uploaded_assets) == 2


@pytest.mark.parametrize("in_helper", [False, True])
def test_what_strikes_between_two_steps_ends_the_run(in_helper):
    """Ctrl-C, or a fault, while an operation is advanced: by the caller, or by a helper whose caller waits."""
    together = threading.Barrier(2, timeout=10)
    transport = Scripted(lambda request: together.wait() and None if leg(request) == "put" else None)
    run, operation = send(transport, files=2)

    class Struck:
        def advance(self, now, *outcomes):
            caller = threading.current_thread() is threading.main_thread()
            if any(outcome.request_id.startswith("put") for outcome in outcomes) and caller is not in_helper:
                raise KeyboardInterrupt
            return operation.advance(now, *outcomes)

    run._operation = Struck()
    with pytest.raises(KeyboardInterrupt):
        run.to_end()


@pytest.mark.parametrize("where", ["threading.Thread.start", "_thread.start_new_thread"])
def test_where_no_thread_is_to_be_had_the_caller_does_everything(where, monkeypatch):
    """Under a limit of threads, a send takes longer and does not fail; the client's threads are not used up."""
    refused = threading.Event()

    def refuse(*_):
        refused.set()
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(where, refuse)
    transport = Scripted(lambda request: None if refused.wait(10) else pytest.fail("no thread was asked for"))
    run, operation = send(transport, files=4, spare=3)
    run.to_end()
    assert len(operation.result().uploaded_assets) == 4
    assert {thread for _, thread in transport.performed} == {threading.current_thread()}
    assert run._spare._value == 3


def test_ctrl_c_is_not_lost_to_an_error_of_a_helper():
    """It reaches the caller also where a helper has ended the run by then."""
    together = threading.Barrier(2, timeout=10)
    ended = threading.Event()

    def meanwhile(request):
        if leg(request) != "put":
            return
        together.wait()
        if threading.current_thread() is not threading.main_thread():
            raise ZeroDivisionError
        assert ended.wait(10)
        raise KeyboardInterrupt

    class Telling(Scripted):
        def abandon(self, request):
            ended.set()

    run, _ = send(Telling(meanwhile), files=2)
    with pytest.raises(KeyboardInterrupt):
        run.to_end()
