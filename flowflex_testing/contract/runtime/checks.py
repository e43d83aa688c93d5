"""What the core asks of the loop that drives it."""

# ruff: noqa: D401 - the docstring of a check is the sentence that it holds a runtime to

import time
from dataclasses import dataclass
from typing import Literal

from flowflex_core.errors import FlowFlexError
from flowflex_core.messages import Failure, Outcome, Request, SendEventResult
from flowflex_core.operations import CreateUploadUrl, UploadFile
from flowflex_testing.contract.check import Check
from flowflex_testing.contract.runtime.stage import (
    STUCK,
    Stage,
    Watched,
    file_of_text,
    leg,
    reply,
    send,
    settings,
    succeed,
)
from flowflex_testing.contract.subject import RuntimeSubject
from flowflex_testing.contract.violation import describe, require

# Seconds by which a moment may be missed on a busy machine.
_GRACE = 1.0


@dataclass(frozen=True)
class RuntimeCheck(Check):
    """A check of how a runtime drives operations.

    Attributes:
        needs: What the subject must promise for the check to apply; None where it applies to all.
    """

    needs: Literal["at_once", "gives_up"] | None = None

    def applies_to(self, subject: RuntimeSubject) -> bool:
        """Whether the subject promises what the check needs."""
        return self.needs is None or bool(getattr(subject, self.needs))

    def __call__(self, subject: RuntimeSubject) -> None:
        """Run the check; raises `ContractViolation`."""
        self.function(Stage(subject))


def result_is_returned(stage: Stage) -> None:
    """What the operation's `result()` returns is what `run` returns, for each kind of operation."""
    put = UploadFile.start(settings(), file_of_text(), key="k", size=4)
    url = CreateUploadUrl.start(settings(), filename="a.txt", mime="text/plain", key="k")
    for operation in (send(files=1), Watched(put), Watched(url)):
        seen = stage.run(operation, succeed)
        expected = operation.result()
        fault = "run does not return the result of the operation"
        require(seen == expected, fault, expected=repr(expected), seen=describe(seen))


def error_is_raised(stage: Stage) -> None:
    """The `FlowFlexError` that ended the operation is raised by `run`, itself and not in a group."""

    async def refuse(request: Request) -> Outcome:
        return reply(request, 422, error="no", code="ASSET_NOT_FOUND")

    seen = stage.run(send(), refuse)
    good = isinstance(seen, FlowFlexError) and seen.code == "ASSET_NOT_FOUND"
    fault = "run does not raise the error of the operation"
    require(good, fault, expected="FlowFlexError with code ASSET_NOT_FOUND", seen=describe(seen))


def requests_are_performed_once(stage: Stage) -> None:
    """Every request that is issued is performed once, as it stands, and no other is."""
    operation = send(files=3)
    stage.run(operation, succeed)
    expected = sorted(request.id for request in operation.issued)
    seen = sorted(request.id for request in stage.performed)
    require(seen == expected, "a request is not performed exactly once", expected=expected, seen=seen)
    same = all(any(request is issued for issued in operation.issued) for request in stage.performed)
    require(same, "a request is changed before it is performed", expected="the issued request", seen="another")


def outcomes_are_handed_in_once(stage: Stage) -> None:
    """Every outcome, a failure like a response, is handed to `advance` once, as it stands."""
    operation = send(files=3)
    troubled: list[str] = []

    async def stumble(request: Request) -> Outcome:
        if leg(request) == "put" and not troubled:
            troubled.append(request.id)
            return Failure(request.id, "connection", "reset", sent=True)
        return await succeed(request)

    seen = stage.run(operation, stumble)
    fault = "a send with one failure, which can be repeated, does not succeed"
    require(isinstance(seen, SendEventResult), fault, expected="a SendEventResult", seen=describe(seen))
    handed = sorted(map(id, operation.outcomes))
    fault = "an outcome is not handed to advance exactly once, as it stands"
    count = f"{len(operation.outcomes)} outcomes"
    require(handed == sorted(map(id, stage.given)), fault, expected=f"{len(stage.given)} outcomes", seen=count)


def time_is_in_seconds(stage: Stage) -> None:
    """`now` is in seconds since the epoch, and never goes back."""
    operation = send(files=2)
    stage.run(operation, succeed)
    moments = operation.moments
    good = all(1e9 < moment < 1e11 for moment in moments)  # from 2001 on, and no milliseconds
    require(good, "`now` is not in seconds since the epoch", expected="about 1.8e9", seen=moments[0])
    require(moments == sorted(moments), "`now` goes back", expected="steady time", seen=moments)


def wait_is_kept(stage: Stage) -> None:
    """Where a turn has nothing but a `wait`, the runtime sleeps that long, neither turning round nor much longer."""
    operation = send()

    async def stumble(request: Request) -> Outcome:
        if len(stage.performed) == 1:
            return reply(request, 503, error="not now", code="UNAVAILABLE")
        return await succeed(request)

    seen = stage.run(operation, stumble)
    fault = "a send that is to be repeated after a wait does not succeed"
    require(isinstance(seen, SendEventResult), fault, expected="a SendEventResult", seen=describe(seen))
    calls = len(operation.turns)
    fault = "the runtime calls advance again and again instead of waiting"
    require(calls < 50, fault, expected="a few calls", seen=f"{calls} calls")
    started = next(at for at, turn in enumerate(operation.turns) if not turn.requests and turn.wait is not None)
    repeated = next(at for at, turn in enumerate(operation.turns) if at > started and turn.requests)
    wait = operation.turns[started].wait or 0.0
    slept = operation.moments[repeated] - operation.moments[started]
    fault = "the runtime sleeps much longer than `wait`"
    require(slept < wait + _GRACE, fault, expected=f"{wait:.2f} s", seen=f"{slept:.2f} s")


def raised_exception_passes(stage: Stage) -> None:
    """What `perform` raises, an interrupt or a fault of the transport, leaves `run` as it is, and ends the run."""
    for error in (_TransportBrokenError("a fault of the transport"), _Interrupt()):
        stage.performed.clear()

        async def stumble(request: Request, error: BaseException = error) -> Outcome:  # noqa: ARG001
            raise error

        seen = stage.run(send(), stumble)
        fault = f"an exception ({type(error).__name__}) that perform raises does not leave run as it is"
        require(seen is error, fault, expected=repr(error), seen=describe(seen))
        count = len(stage.performed)
        fault = "the runtime goes on after perform has raised"
        require(count == 1, fault, expected="no further request", seen=f"{count - 1} further requests")


def requests_run_at_once(stage: Stage) -> None:
    """The requests of a turn are under way at the same time."""
    met: list[bool] = []

    async def gather(request: Request) -> Outcome:
        if leg(request) == "upload-url":
            met.append(await stage.wait_for(lambda: len(stage.performed) >= 3))
        return await succeed(request)

    seen = stage.run(send(files=3), gather)
    fault = "the requests of a turn wait for each other"
    require(all(met), fault, expected="three requests at once", seen="fewer")
    require(isinstance(seen, SendEventResult), "a send fails", expected="a SendEventResult", seen=describe(seen))


def outcome_is_handed_in_at_once(stage: Stage) -> None:
    """An outcome is handed in when it is there, though others of its turn are still under way."""
    met: list[bool] = []

    async def hold_back(request: Request) -> Outcome:
        if leg(request) == "upload-url" and stage.performed[0] is not request:
            # The second URL comes only when the first file is on its way.
            met.append(await stage.wait_for(lambda: any(leg(each) == "put" for each in stage.performed)))
        return await succeed(request)

    seen = stage.run(send(files=2), hold_back)
    fault = "an outcome is held back until the other requests of its turn have theirs"
    require(all(met), fault, expected="the next request of the first file", seen="none")
    require(isinstance(seen, SendEventResult), "a send fails", expected="a SendEventResult", seen=describe(seen))


def done_ends_the_run(stage: Stage) -> None:
    """When the operation is done, a request that is still under way is given up."""

    async def refuse_one(request: Request) -> Outcome:
        if stage.performed[0] is request:
            await stage.wait_for(lambda: len(stage.performed) == 2)
            return reply(request, 400, error="no", code="MIME_NOT_ALLOWED")
        await stage.pause(STUCK)
        return await succeed(request)

    start = time.monotonic()
    seen = stage.run(send(files=2), refuse_one)
    seconds = time.monotonic() - start
    fault = "the runtime waits for a request though the operation is done"
    require(seconds < STUCK - 0.5, fault, expected="an end at once", seen=f"{describe(seen)} after {seconds:.1f} s")


def deadline_ends_the_run(stage: Stage) -> None:
    """`wait` counts while requests are under way too: a deadline ends the run though no outcome comes."""

    async def hang(request: Request) -> Outcome:
        await stage.pause(STUCK)
        return await succeed(request)

    start = time.monotonic()
    seen = stage.run(send(deadline_seconds=0.3), hang)
    seconds = time.monotonic() - start
    fault = "the runtime does not heed `wait` while a request is under way"
    good = isinstance(seen, FlowFlexError) and seconds < STUCK - 0.5
    require(good, fault, expected="an error after 0.3 s", seen=f"{describe(seen)} after {seconds:.1f} s")


class _TransportBrokenError(Exception):
    """Stands for a fault in a transport."""


class _Interrupt(BaseException):
    """Stands for KeyboardInterrupt and its like."""


RUNTIME: tuple[RuntimeCheck, ...] = (
    RuntimeCheck(result_is_returned),
    RuntimeCheck(error_is_raised),
    RuntimeCheck(requests_are_performed_once),
    RuntimeCheck(outcomes_are_handed_in_once),
    RuntimeCheck(time_is_in_seconds),
    RuntimeCheck(wait_is_kept),
    RuntimeCheck(raised_exception_passes),
    RuntimeCheck(requests_run_at_once, needs="at_once"),
    RuntimeCheck(outcome_is_handed_in_at_once, needs="at_once"),
    RuntimeCheck(done_ends_the_run, needs="gives_up"),
    RuntimeCheck(deadline_ends_the_run, needs="gives_up"),
)
