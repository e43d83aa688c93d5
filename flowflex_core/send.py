"""One pure `step` from a state and what happened to the next state and what is to be done.

A send has a plan, which never changes, and a state, which a step replaces: it copies, changes the copy, and returns
it, so that an exception on the way changes nothing. Tasks that are under way are few (the limit), and a step looks at
these alone: its cost does not grow with the number of files.
"""

from collections.abc import Sequence
from typing import Final

from flowflex_core import verdict as judge
from flowflex_core import wire
from flowflex_core.backoff import LONGEST_RETRY_AFTER, delay
from flowflex_core.errors import FlowFlexConfigError
from flowflex_core.ledger import Stored
from flowflex_core.messages import Outcome, Request, Response, Turn, UploadUrl
from flowflex_core.plan import ASSET_LIFETIME, Plan
from flowflex_core.reports import deadline_error, failure_error, is_stale, stale_error
from flowflex_core.states import (
    BEFORE,
    EVENT,
    EVENT_SENT,
    IN_FLIGHT,
    LEG_NAMES,
    PUT_DUE,
    URL_DUE,
    URL_SENT,
    SendState,
    Task,
)
from flowflex_core.verdict import DELIVERED, GRANTED, ISSUED, REFUSED, RENEW, REPEAT, STORED, Sign, Verdict

# Documented by the vendor, less a margin for clocks that differ and for the time that a request takes.
URL_LIFETIME: Final = 2 * 3600.0
URL_MARGIN: Final = 300.0
ASSET_MARGIN: Final = 3600.0

# A put may last as long as its file takes at this rate, beyond the timeout: 25 MB in under seven minutes.
FLOOR_BYTES_PER_SECOND: Final = 65_536


def step(plan: Plan, state: SendState, now: float, outcomes: Sequence[Outcome]) -> tuple[SendState, Turn]:
    """Apply outcomes, then the clock, then issue what is due."""
    new = state.copy()
    if state.now == BEFORE:
        bound = plan.settings.deadline_seconds
        new.deadline = None if bound is None else now + bound
        new.now = now
    elif now > state.now:
        new.now = now
    before = new.stored
    for outcome in outcomes if len(outcomes) < 2 else sorted(outcomes, key=_order):
        _apply(plan, new, outcome)
    checkpoint = new.stored is not before
    if new.failed and new.ended is None:
        # Which failure is told does not depend on the order in which they came.
        new.ended = min(new.failed, key=lambda failure: failure[0].index)[1]
    requests: list[Request] = []
    wait: float | None = None
    if new.ended is None:
        if new.deadline is not None and new.now >= new.deadline:
            new.ended = deadline_error(plan, new)
        else:
            first_post = _issue(plan, new, requests)
            checkpoint = checkpoint or first_post
            wait = _wait(new) if new.ended is None else None
    if new.ended is not None and not checkpoint:
        return new, _OVER
    return new, Turn(tuple(requests), wait, new.ended is not None, checkpoint)


_OVER: Final = Turn((), None, done=True, checkpoint=False)


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
        # What is refused for good says what became of earlier attempts too; all else leaves their doubt.
        task.doubt = verdict.arrived or (task.doubt and not task.problem.is_definite)
        task.failures += 1
        if not _may_go_on(plan, new, task, sign):
            sign = REFUSED
    task.turn(sign)
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
    case = judge.Case(outcome, plan.settings, new.now, lambda: _granted(new, task, outcome))
    if task.state == EVENT_SENT:
        return judge.of_event(case)
    if task.state == URL_SENT:
        return judge.of_upload_url(case)
    return judge.of_put(case, is_old=_is_old(task, new.now), in_doubt=task.doubt)


def _granted(new: SendState, task: Task, outcome: Outcome) -> list[UploadUrl]:
    """List the upload URLs whose secrets words may repeat: those in use, and a reply to the event those of the run."""
    found = [other.granted for other in new.under_way.values()]
    if task.index == EVENT and isinstance(outcome, Response):
        found += [entry.granted for entry in new.stored]
    return [granted for granted in found if granted is not None]


def _grant(plan: Plan, new: SendState, task: Task, verdict: Verdict) -> None:
    if plan.goal == "upload-url":
        new.ended = (verdict.value,)
    assert isinstance(verdict.value, UploadUrl)
    task.granted = verdict.value
    task.failures = task.earlier
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


def _issue(plan: Plan, new: SendState, requests: list[Request]) -> bool:
    """Issue every attempt that is due; return whether the first POST of the event is among them."""
    for index in sorted(new.under_way) if len(new.under_way) > 1 else tuple(new.under_way):
        task = new.under_way[index]
        if task.due <= new.now and task.state not in IN_FLIGHT:
            if index == EVENT:
                return _issue_event(plan, new, task.copy(), requests)
            _issue_upload(plan, new, task.copy(), requests)
    limit = plan.settings.max_parallel_uploads
    while len(new.under_way) < limit and new.begun < len(new.pending):
        index = new.pending[new.begun]
        new.begun += 1
        task = Task(index, new.now, *new.history.get(index, (0, 0)))
        grown_old = new.stored.get(index)
        if grown_old is not None:
            task.attempts, task.issued = grown_old.attempts, grown_old.issued
        _issue_upload(plan, new, task, requests)
    if new.under_way or plan.goal != "event":
        return False
    event = Task(EVENT, new.now)
    stale = _freeze(plan, new)
    if not stale:
        return _issue_event(plan, new, event, requests)
    if any(plan.files[entry.index].ref.source is None for entry in stale):
        new.ended = stale_error(plan, event)
        return False
    # What was stored so long ago that it may be gone when the event arrives is stored anew.
    new.pending, new.begun = [entry.index for entry in stale], 0
    return _issue(plan, new, requests)


def _issue_upload(plan: Plan, new: SendState, task: Task, requests: list[Request]) -> None:
    if task.state == PUT_DUE and _is_old(task, new.now):
        task.turn(RENEW)
        _begin_again(task, new.now)
    file, settings = plan.files[task.index], plan.settings
    request_id = _next_id(task)
    if task.state == URL_DUE:
        task.since = new.now
        timeout, total = _bounds(new, settings.timeout_seconds, 0.0)
        request = wire.upload_url_request(
            settings,
            request_id,
            filename=file.filename,
            mime=file.mime,
            size=file.size,
            timeout=timeout,
            total=total,
        )
    else:
        assert task.granted is not None
        if task.first_put is None:
            task.first_put = new.now
        size = settings.max_file_bytes if file.size is None else file.size
        timeout, total = _bounds(new, settings.timeout_seconds, size / FLOOR_BYTES_PER_SECOND)
        url = str(task.granted["uploadUrl"])
        request = wire.put_request(request_id, url=url, ref=file.ref, mime=file.mime, timeout=timeout, total=total)
    task.turn(ISSUED)
    new.under_way[task.index] = task
    requests.append(request)


def _issue_event(plan: Plan, new: SendState, task: Task, requests: list[Request]) -> bool:
    assert new.body is not None
    new.under_way[EVENT] = task
    if is_stale(plan, new):
        task.turn(REFUSED)
        new.ended = stale_error(plan, task)
        return False
    first = task.attempts == 0
    timeout, total = _bounds(new, plan.settings.timeout_seconds, 0.0)
    requests.append(
        wire.event_request(
            plan.settings,
            _next_id(task),
            event=plan.event,
            key=plan.key,
            body=new.body,
            timeout=timeout,
            total=total,
        )
    )
    task.turn(ISSUED)
    return first


def _freeze(plan: Plan, new: SendState) -> list[Stored]:
    """Put the body together for good, or return the files whose assets are too old to be put in."""
    assert plan.payload is not None
    if not plan.files:
        new.body = plan.payload.body({})
        return []
    stored = list(new.stored)
    stale = [entry for entry in stored if new.now >= entry.since + ASSET_LIFETIME - ASSET_MARGIN]
    if not stale:
        new.oldest = min(entry.since for entry in stored)
        new.body = plan.payload.body({entry.index: entry.asset_id for entry in stored})
    return stale


def _next_id(task: Task) -> str:
    task.attempts += 1
    leg = LEG_NAMES[task.state]
    request_id = f"{leg}/{task.attempts}" if task.index == EVENT else f"{leg}/{task.index}/{task.attempts}"
    task.issued = (*task.issued, request_id)
    return request_id


def _bounds(new: SendState, timeout: float, extra: float) -> tuple[float, float]:
    total = timeout + extra
    if new.deadline is not None:
        total = min(total, new.deadline - new.now)
    return min(timeout, total), total


def _is_old(task: Task, now: float) -> bool:
    return now >= task.since + URL_LIFETIME - URL_MARGIN


def _wait(new: SendState) -> float | None:
    """Return the seconds to the next timer; None where only an outcome helps."""
    moment = new.deadline
    for task in new.under_way.values():
        if task.state not in IN_FLIGHT and (moment is None or task.due < moment):
            moment = task.due
    return None if moment is None else moment - new.now
