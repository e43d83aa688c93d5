"""One pure `step` from a state and what happened to the next state and what is to be done.

A send has a plan, which never changes, and a state, which a step replaces: it copies, changes the copy, and returns
it, so that an exception on the way changes nothing. Tasks that are under way are few (the limit), and a step looks at
these alone: its cost does not grow with the number of files.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from flowflex_core import verdict as judge
from flowflex_core import wire
from flowflex_core.backoff import LONGEST_RETRY_AFTER, delay
from flowflex_core.errors import FlowFlexConfigError
from flowflex_core.ledger import Stored
from flowflex_core.lifetimes import is_forgotten, is_gone, is_old_asset, is_old_url
from flowflex_core.messages import Outcome, Request, Response, Turn, UploadUrl
from flowflex_core.plan import Plan
from flowflex_core.reports import deadline_error, failure_error, too_late_error, why_too_late
from flowflex_core.states import (
    BEFORE,
    DELIVERED,
    EVENT,
    EVENT_DUE,
    EVENT_SENT,
    GRANTED,
    IN_FLIGHT,
    ISSUED,
    LEG_NAMES,
    PUT_DUE,
    REFUSED,
    RENEW,
    REPEAT,
    STORED,
    URL_DUE,
    URL_SENT,
    SendState,
    Sign,
    Task,
)
from flowflex_core.verdict import Verdict

# A put may last as long as its file takes at this rate, beyond the timeout: 25 MB in under seven minutes.
FLOOR_BYTES_PER_SECOND: Final = 65_536

# Where files grow old before the last of them is stored, for a machine that sleeps for hours again and again, the same
# may happen to the new ones, and so on for ever.
MOST_RENEWALS: Final = 2


def step(plan: Plan, state: SendState, now: float, outcomes: Sequence[Outcome]) -> tuple[SendState, Turn]:
    """Apply outcomes, then the clock, then issue what is due."""
    new = state.copy()
    if state.now == BEFORE:
        bound = plan.settings.deadline_seconds
        new.deadline = None if bound is None else now + bound
        new.now = now
    elif now > state.now:
        new.now = now
    for outcome in outcomes if len(outcomes) < 2 else sorted(outcomes, key=_order):
        _apply(plan, new, outcome)
    if new.ended is None:
        _end_if_it_must(plan, new)
    requests = _issue(plan, new) if new.ended is None else []
    # A file is stored, or an event that cannot have arrived is posted: a snapshot would keep that.
    checkpoint = new.stored is not state.stored or _begins_a_doubt(state, new)
    if new.ended is not None:
        return new, _OVER[checkpoint]
    return new, Turn(tuple(requests), _wait(new), False, checkpoint)


def _begins_a_doubt(state: SendState, new: SendState) -> bool:
    """Whether an event is posted now of which every earlier snapshot may say that it cannot have arrived."""
    before, event = state.under_way.get(EVENT), new.under_way.get(EVENT)
    if event is None or event.state != EVENT_SENT or (before is not None and before.state == EVENT_SENT):
        return False  # nothing is posted
    return not event.doubt


_OVER: Final = {checkpoint: Turn((), None, True, checkpoint) for checkpoint in (False, True)}


def _order(outcome: Outcome) -> tuple[object, ...]:
    """Sort outcomes of one call so that the order they were given in means nothing."""
    if isinstance(outcome, Response):
        return outcome.request_id, 0, str(outcome.status), outcome.body, sorted(outcome.pairs())
    return outcome.request_id, 1, outcome.kind, outcome.message.encode(errors="replace"), [(str(outcome.sent), "")]


# Outcomes


def _apply(plan: Plan, new: SendState, outcome: Outcome) -> None:
    task = _task_of(new, outcome)
    if task is None or new.ended is not None:
        return
    task = task.copy()
    new.under_way[task.index] = task
    verdict = _judge(plan, new, task, outcome)
    sign, leg = verdict.sign, LEG_NAMES[task.state]
    task.problem = verdict.problem
    if task.problem is not None:
        # What is refused for good says what became of earlier attempts too, as long as they are remembered; all else
        # leaves their doubt.
        is_settled = task.problem.is_definite and not (task.index == EVENT and is_forgotten(task.since, new.now))
        task.doubt = verdict.arrived or (task.doubt and not is_settled)
        task.failures += 1
        if not _may_go_on(plan, new, task, sign):
            sign = REFUSED
    task.move(sign)
    if sign == DELIVERED:
        new.ended = (verdict.value,)
    elif sign == GRANTED:
        _grant(plan, new, task, verdict)
    elif sign == STORED:
        _store(plan, new, task)
    elif sign == RENEW:
        task.renewed = True
        _begin_again(task, new.now)
    elif sign == REPEAT:
        task.due = _next_due(plan, new, task, leg)
    else:
        new.failed = (*new.failed, (task, failure_error(plan, new, task, leg)))


def _task_of(new: SendState, outcome: Outcome) -> Task | None:
    """Find the task that waits for an outcome; None where it is late or repeated; raise where it was never issued."""
    request_id = outcome.request_id
    for task in new.under_way.values():
        if request_id in task.issued:
            return task if task.state in IN_FLIGHT and request_id == task.issued[-1] else None
    entry = new.stored.of(request_id)
    if entry is not None and request_id in entry.issued:
        return None
    raise FlowFlexConfigError(f"no request with the id {request_id!r} was issued by this operation")


def _judge(plan: Plan, new: SendState, task: Task, outcome: Outcome) -> Verdict:
    settings, now, granted = plan.settings, new.now, _granted(new, task, outcome)
    if task.state == EVENT_SENT:
        return judge.of_event(outcome, settings, now, granted)
    if task.state == URL_SENT:
        return judge.of_upload_url(outcome, settings, now, granted)
    is_old = is_old_url(task.since, now)
    return judge.of_put(outcome, settings, now, granted, is_old=is_old, in_doubt=task.doubt)


def _granted(new: SendState, task: Task, outcome: Outcome) -> Iterator[UploadUrl]:
    """Go through the upload URLs that words may repeat: those in use, and for a reply to the event those of the run."""
    for other in new.under_way.values():
        if other.granted is not None:
            yield other.granted
    if task.index == EVENT and isinstance(outcome, Response):
        for entry in new.stored:
            if entry.granted is not None:
                yield entry.granted


def _grant(plan: Plan, new: SendState, task: Task, verdict: Verdict) -> None:
    if plan.goal == "upload-url":
        new.ended = (verdict.value,)
    assert isinstance(verdict.value, UploadUrl)
    task.granted = verdict.value
    task.failures = max(task.earlier, task.carried)
    task.doubt = False
    task.due = new.now


def _store(plan: Plan, new: SendState, task: Task) -> None:
    assert task.granted is not None
    asset_id = str(task.granted["assetId"])
    since = task.since if task.first_put is None else task.first_put
    new.stored = new.stored.put(Stored(task.index, asset_id, since, task.attempts, task.issued, task.granted))
    del new.under_way[task.index]
    if plan.goal == "asset":
        new.ended = (asset_id,)


def _begin_again(task: Task, now: float) -> None:
    """Go back to asking for an upload URL. A new URL is another asset: no doubt about the old one matters."""
    task.granted = None
    task.first_put = None
    task.doubt = False
    task.failures = task.earlier
    task.due = now


def _may_go_on(plan: Plan, new: SendState, task: Task, sign: Sign) -> bool:
    """Whether a failed attempt may be followed by another: a repetition by the policy, a new upload URL once."""
    if sign == RENEW:
        return not task.renewed
    return (
        sign == REPEAT
        and task.failures <= plan.settings.max_retries
        and _asked(task) <= LONGEST_RETRY_AFTER
        # To wait for an attempt that the deadline forbids would only delay the news.
        and (new.deadline is None or _next_due(plan, new, task, LEG_NAMES[task.state]) < new.deadline)
    )


def _next_due(plan: Plan, new: SendState, task: Task, leg: str) -> float:
    return new.now + max(delay(f"{plan.key}/{task.index}", leg, task.failures), _asked(task))


def _asked(task: Task) -> float:
    """Return the seconds that the server asked to wait."""
    return (task.problem.retry_after if task.problem else None) or 0.0


# The clock, and what is due


def _end_if_it_must(plan: Plan, new: SendState) -> None:
    """End a send that failed, whose deadline came, or whose event cannot be sent or repeated any more."""
    event = new.under_way.get(EVENT)
    if new.failed:
        # Which failure is told does not depend on the order in which they came.
        new.ended = min(new.failed, key=lambda failure: failure[0].index)[1]
    elif new.deadline is not None and new.now >= new.deadline:
        new.ended = deadline_error(plan, new)
    elif event is not None and event.state == EVENT_DUE and event.due <= new.now:
        why = why_too_late(new, event)
        if why is not None:
            event = new.under_way[EVENT] = event.copy()
            event.move(REFUSED)
            new.ended = too_late_error(plan, event, why)


def _issue(plan: Plan, new: SendState) -> list[Request]:
    """Issue every attempt that is due: of what is under way, of the event once all is stored, of the next files."""
    requests: list[Request] = []
    for index in sorted(new.under_way):
        task = new.under_way[index]
        if task.due <= new.now and task.state not in IN_FLIGHT:
            requests.append(_attempt(plan, new, task.copy()))
    if plan.goal == "event" and not new.under_way and new.begun == len(new.pending) and _freeze(plan, new):
        requests.append(_attempt(plan, new, Task(EVENT, new.now)))
    limit = plan.settings.max_parallel_uploads
    while len(new.under_way) < limit and new.begun < len(new.pending):
        requests.append(_attempt(plan, new, _next_upload(plan, new)))
    return requests


def _freeze(plan: Plan, new: SendState) -> bool:
    """Put the body together for good; False where assets are too old for it: they are had anew, or the send ends."""
    assert plan.payload is not None
    if not plan.files:
        new.body = plan.payload.body({})
        return True
    stored = list(new.stored)
    stale = [entry for entry in stored if is_old_asset(entry.since, new.now)]
    is_lost = any(plan.files[entry.index].ref.source is None for entry in stale)
    if stale and not is_lost and new.renewals < MOST_RENEWALS:
        new.renewals += 1
        new.pending, new.begun = [entry.index for entry in stale], 0
        return False
    if is_lost or any(is_gone(entry.since, new.now) for entry in stale):
        new.ended = too_late_error(plan, Task(EVENT, new.now))
        return False
    new.oldest = min(entry.since for entry in stored)
    new.body = plan.payload.body({entry.index: entry.asset_id for entry in stored})
    return True


def _next_upload(plan: Plan, new: SendState) -> Task:
    index = new.pending[new.begun]
    new.begun += 1
    task = Task(index, new.now, *plan.history.get(index, (0, 0)))
    grown_old = new.stored.get(index)
    if grown_old is not None:
        task.attempts, task.issued = grown_old.attempts, grown_old.issued
    return task


def _attempt(plan: Plan, new: SendState, task: Task) -> Request:
    """Issue the next attempt of a task."""
    new.under_way[task.index] = task
    if task.state == PUT_DUE and is_old_url(task.since, new.now) and task.failures < plan.settings.max_retries:
        # To come too late counts, or a machine that sleeps for hours again and again would go on for ever. With no
        # attempt left the old URL is tried: FlowFlex may take it, or refuse it, and then it is had anew once.
        task.carried = task.failures + 1
        task.move(RENEW)
        _begin_again(task, new.now)
    task.attempts += 1
    leg = LEG_NAMES[task.state]
    request_id = f"{leg}/{task.attempts}" if task.index == EVENT else f"{leg}/{task.index}/{task.attempts}"
    task.issued = (*task.issued, request_id)
    request = _request(plan, new, task, request_id)
    task.move(ISSUED)
    return request


def _request(plan: Plan, new: SendState, task: Task, request_id: str) -> Request:
    settings = plan.settings
    if task.state == EVENT_DUE:
        assert new.body is not None
        timeout, total = _bounds(new, settings.timeout_seconds)
        return wire.event_request(settings, request_id, plan.event, plan.key, new.body, timeout, total)
    file = plan.files[task.index]
    if task.state == URL_DUE:
        task.since = new.now
        timeout, total = _bounds(new, settings.timeout_seconds)
        return wire.upload_url_request(settings, request_id, file.filename, file.mime, file.size, timeout, total)
    assert task.granted is not None
    if task.first_put is None:
        task.first_put = new.now
    size = settings.max_file_bytes if file.size is None else file.size
    timeout, total = _bounds(new, settings.timeout_seconds, size / FLOOR_BYTES_PER_SECOND)
    return wire.put_request(request_id, str(task.granted["uploadUrl"]), file.ref, file.mime, timeout, total)


def _bounds(new: SendState, timeout: float, extra: float = 0.0) -> tuple[float, float]:
    """Return the longest silence and the longest duration of an attempt, cut to what is left of the deadline."""
    total = timeout + extra
    if new.deadline is None:
        return timeout, total
    left = new.deadline - new.now
    return min(timeout, left), min(total, left)


def _wait(new: SendState) -> float | None:
    """Return the seconds to the next timer; None where only an outcome helps."""
    moment = new.deadline
    for task in new.under_way.values():
        if task.state not in IN_FLIGHT and (moment is None or task.due < moment):
            moment = task.due
    return None if moment is None else moment - new.now
