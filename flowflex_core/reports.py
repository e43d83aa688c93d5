"""Turns the end of a send into the error that its caller reads: one sentence, and the fields to branch on."""

from flowflex_core.backoff import LONGEST_RETRY_AFTER
from flowflex_core.errors import (
    FlowFlexConnectionError,
    FlowFlexError,
    FlowFlexOutcomeUnknownError,
    FlowFlexTimeoutError,
    FlowFlexUploadConnectionError,
    FlowFlexUploadError,
    FlowFlexUploadTimeoutError,
)
from flowflex_core.lifetimes import is_forgotten, is_gone
from flowflex_core.plan import Plan
from flowflex_core.states import EVENT, EVENT_SENT, IN_FLIGHT, Problem, SendState, Task

# To callers of the library; a command line has another way.
REPEAT = "resume from error.snapshot to repeat it under the same key"
_FILES_GONE = "its files were stored so long ago that FlowFlex deletes them (48 hours)"
_KEY_FORGOTTEN = (
    "it was first sent so long ago that FlowFlex may have forgotten its key (24 hours), "
    "and would take it for another event"
)

_OF_A_PUT: dict[str, type[FlowFlexError]] = {
    "timeout": FlowFlexUploadTimeoutError,
    "connection": FlowFlexUploadConnectionError,
}
_OF_THE_API: dict[str, type[FlowFlexError]] = {
    "timeout": FlowFlexTimeoutError,
    "connection": FlowFlexConnectionError,
}


def failure_error(plan: Plan, state: SendState, task: Task, leg: str) -> FlowFlexError:
    """Return the error for a task that has used up its attempts, or was refused for good."""
    problem = task.problem
    assert problem is not None
    if leg == "event" and task.doubt:
        words = f"{_what(plan, task, leg)} may or may not have arrived"
        return _error(FlowFlexOutcomeUnknownError, words + _host("at", plan, task), task, _advice(state, task))
    if leg == "put":
        kind = _OF_A_PUT.get(problem.reason, FlowFlexUploadError)
        return _error(kind, f"{_what(plan, task, leg)} was not stored" + _host("by", plan, task), task)
    kind = _OF_THE_API.get(problem.reason, FlowFlexError)
    words = f"{_what(plan, task, leg)} was not {'accepted' if leg == 'event' else 'granted'}"
    advice = ""
    if problem.status == 401:
        advice = "check api_key and api_secret"
    elif problem.is_about_key:
        advice = "an earlier event under this key may have been accepted, so do not send it again under a new one"
    return _error(kind, words + _host("by", plan, task), task, advice)


def deadline_error(plan: Plan, state: SendState) -> FlowFlexError:
    """Return the error for a run whose deadline came."""
    seconds = plan.settings.deadline_seconds
    task = state.under_way.get(EVENT)
    if task is not None:
        if task.doubt or task.state == EVENT_SENT:
            words = (
                f"{_what(plan, task, 'event')} may or may not have arrived when the deadline of {seconds:.10g} s came"
            )
            return _error(FlowFlexOutcomeUnknownError, words, task, _advice(state, task))
        return _error(
            FlowFlexTimeoutError, f"the deadline of {seconds:.10g} s came before the event could arrive", task
        )
    came = f"the deadline of {seconds:.10g} s came"
    if plan.goal == "event":
        last = next((task for task in state.under_way.values() if task.problem is not None), None)
        words = f"{came} with {state.stored.count} of {len(plan.files)} files stored; the event was not sent"
        return _error(FlowFlexTimeoutError, words, last)
    # The one task of an upload, or of a request for its URL.
    task = next(iter(state.under_way.values()), None)
    leg, kind = ("put", FlowFlexUploadTimeoutError) if plan.goal == "asset" else ("upload-url", FlowFlexTimeoutError)
    what = _what(plan, task or Task(0, state.now), leg)
    return _error(kind, f"{what} was not {'stored' if leg == 'put' else 'granted'} when {came}", task)


def why_too_late(state: SendState, event: Task) -> str | None:
    """Tell why an event cannot be sent, or sent again; None where it can."""
    if is_gone(state.oldest, state.now):
        return _FILES_GONE
    if (event.doubt or event.state == EVENT_SENT) and is_forgotten(event.since, state.now):
        return _KEY_FORGOTTEN
    return None


def too_late_error(plan: Plan, event: Task, why: str = _FILES_GONE) -> FlowFlexError:
    """Return the error for an event that cannot be sent, or sent again."""
    code = "ASSET_FILE_MISSING" if why == _FILES_GONE else None
    if event.doubt:
        words = f"{_what(plan, event, 'event')} may or may not have arrived, and cannot be repeated: {why}"
        return FlowFlexOutcomeUnknownError(words, code=code, attempts=event.failures)
    words = f"{_what(plan, event, 'event')} was not sent: {why}; send it anew, with its files"
    return FlowFlexError(words, code=code, attempts=event.failures)


def _advice(state: SendState, event: Task) -> str:
    why = why_too_late(state, event)
    return REPEAT if why is None else f"it cannot be repeated, for {why}"


def _host(preposition: str, plan: Plan, task: Task) -> str:
    """Name the host that gave no reply, for whoever looks for the fault: of an upload URL no more than that."""
    assert task.problem is not None
    if task.problem.reason not in ("connection", "timeout"):
        return ""
    url = plan.settings.base_url if task.granted is None else str(task.granted["uploadUrl"])
    return f" {preposition} {url.partition('://')[2].partition('/')[0].partition('?')[0]}"


def _what(plan: Plan, task: Task, leg: str) -> str:
    if leg == "event":
        return f"event {plan.event!r}"
    file = plan.files[task.index]
    name = f"{file.paths[0]}: {file.filename!r}" if file.paths else repr(file.filename)
    return name if leg == "put" else f"{name}: the upload URL"


def _error(kind: type[FlowFlexError], words: str, task: Task | None, advice: str = "") -> FlowFlexError:
    problem = task.problem if task else None
    if problem is not None:
        words += f": {_reason(problem)}"
    # Counted for the leg that failed; one that is in flight was performed too.
    attempts = 0 if task is None else task.failures + (task.state in IN_FLIGHT)
    if attempts > 1:
        words += f", after {attempts} attempts"
    if problem is not None and problem.retry_after is not None and problem.retry_after > LONGEST_RETRY_AFTER:
        words += f"; it asks to wait {problem.retry_after:.10g} s, more than the {LONGEST_RETRY_AFTER:g} s waited for"
    if advice:
        words += f"; {advice}"
    if problem is None:
        return kind(words, attempts=attempts)
    return kind(
        words,
        status=problem.status,
        code=problem.code,
        details=problem.details,
        request_id=problem.request_id,
        retry_after=problem.retry_after,
        attempts=attempts,
    )


def _reason(problem: Problem) -> str:
    mark = " ".join(str(part) for part in (problem.status, problem.code) if part is not None)
    if problem.reason != "refused":
        return problem.words
    return f"{problem.words} ({mark})" if problem.words else f"the server answered {mark}"
