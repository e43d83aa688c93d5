import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import trio

from flowflex_testing import contract
from tests.testing.contract import runtimes


def declare(run, *, at_once=False, gives_up=False, asynchronous=None):
    return contract.RuntimeSubject(run=run, at_once=at_once, gives_up=gives_up, asynchronous=asynchronous)


RUNTIMES = {
    "sequential": declare(runtimes.sequential),
    "threaded": declare(runtimes.threaded, at_once=True, gives_up=True),
    "trio": declare(runtimes.on_trio, at_once=True, gives_up=True, asynchronous=runtimes.TRIO),
    "asyncio": declare(runtimes.on_asyncio, at_once=True, gives_up=True, asynchronous=runtimes.ASYNCIO),
}
CHECKS = {check.__name__: check for check in contract.RUNTIME}


def performs_twice(operation, perform):
    return runtimes.sequential(operation, lambda request: (perform(request), perform(request))[0])


def drops_failures(operation, perform):
    turn = operation.advance(time.time())
    while not turn.done:
        outcomes = [perform(request) for request in turn.requests]
        turn = operation.advance(time.time(), *[each for each in outcomes if hasattr(each, "status")])
        if turn.wait is None and not turn.requests and not turn.done:
            return None
    return operation.result()


class Advancing:
    """Passes an operation on, with `advance` changed."""

    def __init__(self, operation, advance):
        self.operation = operation
        self.advance = advance

    def result(self):
        return self.operation.result()


def hands_in_twice(operation, perform):
    return runtimes.sequential(
        Advancing(operation, lambda now, *outcomes: operation.advance(now, *outcomes, *outcomes)), perform
    )


def counts_from_its_start(operation, perform):
    start = time.time()
    return runtimes.sequential(
        Advancing(operation, lambda now, *outcomes: operation.advance(now - start, *outcomes)), perform
    )


def turns_round(operation, perform):
    turn = operation.advance(time.time())
    while not turn.done:
        turn = operation.advance(time.time(), *[perform(request) for request in turn.requests])
    return operation.result()


def oversleeps(operation, perform):
    turn = operation.advance(time.time())
    while not turn.done:
        outcomes = [perform(request) for request in turn.requests]
        if not outcomes:
            time.sleep(turn.wait + 1.5)  # the planted fault
        turn = operation.advance(time.time(), *outcomes)
    return operation.result()


def swallows_errors(operation, perform):
    try:
        return runtimes.sequential(operation, perform)
    except Exception:
        return None


def returns_nothing(operation, perform):
    runtimes.sequential(operation, perform)


def hangs(operation, perform):
    time.sleep(7)  # the planted fault


def waits_for_whole_turns(operation, perform):
    turn = operation.advance(time.time())
    with ThreadPoolExecutor(8) as pool:
        while not turn.done:
            outcomes = list(pool.map(perform, turn.requests))
            if not outcomes:
                time.sleep(turn.wait)  # as the loop of an embedder does
            turn = operation.advance(time.time(), *outcomes)
    return operation.result()


async def groups_exceptions(operation, perform):
    async def shielded(request):
        return await perform(request)

    async with trio.open_nursery() as nursery:
        results = []

        async def work():
            turn = operation.advance(time.time())
            while not turn.done:
                turn = operation.advance(time.time(), *[await shielded(request) for request in turn.requests])
            results.append(operation.result())

        nursery.start_soon(work)
    return results[0]


PLANTED = [
    (declare(performs_twice), "requests_are_performed_once", "a request is not performed exactly once"),
    (declare(drops_failures), "outcomes_are_handed_in_once", "run returns before the operation is done"),
    (declare(hands_in_twice), "outcomes_are_handed_in_once", "an outcome is not handed to advance exactly once"),
    (declare(counts_from_its_start), "time_is_in_seconds", "`now` is not in seconds since the epoch"),
    (declare(turns_round), "wait_is_kept", "calls advance again and again instead of waiting"),
    (declare(oversleeps), "wait_is_kept", "sleeps much longer than `wait`"),
    (declare(swallows_errors), "error_is_raised", "run does not raise the error of the operation"),
    (declare(swallows_errors), "raised_exception_passes", "run returns before the operation is done"),
    (declare(returns_nothing), "result_is_returned", "run does not return the result"),
    (declare(runtimes.sequential, at_once=True), "requests_run_at_once", "the requests of a turn wait for each other"),
    (declare(waits_for_whole_turns, at_once=True), "outcome_is_handed_in_at_once", "an outcome is held back"),
    (declare(waits_for_whole_turns, gives_up=True), "done_ends_the_run", "though the operation is done"),
    (declare(runtimes.sequential, gives_up=True), "deadline_ends_the_run", "does not heed `wait`"),
    (declare(groups_exceptions, asynchronous=runtimes.TRIO), "error_is_raised", "does not raise the error of"),
]


@pytest.mark.parametrize(
    ("subject", "check"),
    [
        pytest.param(subject, check, id=f"{name}-{check.__name__}")
        for name, subject in RUNTIMES.items()
        for check in contract.runtime_checks(subject)
    ],
)
def test_a_runtime_of_ones_own_keeps_the_contract(subject, check):
    """The core's own plain loop, and loops over threads, trio and asyncio, pass every check that applies."""
    check(subject)


@pytest.mark.parametrize(
    ("subject", "check", "fault"), PLANTED, ids=[f"{row[0].run.__name__}-{row[1]}" for row in PLANTED]
)
def test_a_planted_fault_is_named(subject, check, fault):
    """A runtime with one fault is rejected, by a message that names the fault and what was expected and seen."""
    with pytest.raises(contract.ContractViolation) as caught:
        CHECKS[check](subject)
    assert fault in str(caught.value)
    assert ": expected " in str(caught.value)
    assert "; saw " in str(caught.value)


@pytest.mark.parametrize("check", contract.RUNTIME)
def test_no_check_is_passed_by_doing_nothing(check):
    """A runtime that performs nothing is rejected by every check."""
    with pytest.raises(contract.ContractViolation):
        check(declare(lambda _operation, _perform: None))


@pytest.mark.slow
def test_a_runtime_that_hangs_is_told_so():
    """A runtime that never ends fails its check instead of hanging it."""
    with pytest.raises(contract.ContractViolation, match="the runtime hangs"):
        CHECKS["result_is_returned"](declare(hangs))


def test_what_a_runtime_does_not_promise_is_left_out():
    """Checks of concurrency and of giving up apply only where they are promised."""
    everything = contract.runtime_checks(declare(runtimes.threaded, at_once=True, gives_up=True))
    assert everything == list(contract.RUNTIME)
    left_out = set(everything) - set(contract.runtime_checks(declare(runtimes.sequential)))
    assert {check.__name__ for check in left_out} == {
        "requests_run_at_once",
        "outcome_is_handed_in_at_once",
        "done_ends_the_run",
        "deadline_ends_the_run",
    }
    assert all(check.sentence.endswith(".") for check in contract.RUNTIME)


def test_check_runtime_stops_at_the_first_violation():
    """`check_runtime` runs the checks that apply, and raises what the first violated one raises."""
    with pytest.raises(contract.ContractViolation, match="run does not return the result"):
        contract.check_runtime(declare(returns_nothing))
