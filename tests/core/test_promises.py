"""What a send promises beyond its contract, whatever a server, a network or a clock does."""

import base64
import math
import pickle
import traceback
from collections import Counter
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given

from flowflex_core import FlowFlexError, FlowFlexOutcomeUnknownError, Request, Response, SendEventResult, file
from tests.core.chances import Chances, any_chances
from tests.core.histories import a_history, a_history_of_a_send, advance, issued, played, runs_in_a_row
from tests.core.ledger import Ledger, ledger_of
from tests.core.scenarios import IDEMPOTENCY_KEY, Operation, Scenario, a_send, an_operation, settings_with
from tests.core.worlds import (
    CREDENTIAL,
    EVENT,
    FIRST_MOMENT,
    KEY,
    PUT,
    SECRET,
    TROUBLES_OF,
    UPLOAD_URL,
    Answer,
    Effect,
    benign,
    leg_of,
    named,
)

# Tokens and signatures stand in a URL's query; the Basic token is the one secret that does not show what it is.
SECRETS = (SECRET, base64.b64encode(f"{KEY}:{CREDENTIAL}".encode()).decode())


@given(any_chances)
def test_one_key_and_one_body_for_every_post(chances: Chances):
    """All POSTs of a send, over all of its runs, are the same to the byte: the payload with the asset ids in place."""
    ledger = Ledger()
    for run in runs_in_a_row(chances):
        for call in run.calls:
            ledger.enter_answers(call)
            for request in call.turn.requests:
                ledger.enter_request(request)
                if leg_of(request) == EVENT:
                    assert request.headers["x-idempotency-key"] == IDEMPOTENCY_KEY
                    assert issued(request) == issued(ledger.posts[0])
                    assert request.body == run.scenario.body(ledger.stored)
        ledger.interrupt()


@given(any_chances)
def test_success_is_a_2xx_and_tells_what_it_carried(chances: Chances):
    """A send has a result if and only if its POST was accepted; `uploaded_assets` is what that POST carried."""
    ledger = Ledger()
    for run in runs_in_a_row(chances):
        ledger_of(run, ledger=ledger)
        end = run.last.seen.end
        assert isinstance(end, SendEventResult) == ledger.accepted
        if ledger.accepted:
            operation = run.again()
            carried = {path: ref.filename for ref in run.scenario.files for path in run.scenario.start().paths(ref)}
            assert end.uploaded_assets == {path: ledger.stored[name] for path, name in carried.items()}
            assert end.idempotency_key == IDEMPOTENCY_KEY
            assert repr(operation)
        ledger.interrupt()


@given(any_chances)
def test_outcome_unknown_if_and_only_if_it_is(chances: Chances):
    """A send fails with the outcome unknown exactly where some POST may have arrived and no definite reply came."""
    ledger = Ledger()
    for run in runs_in_a_row(chances):
        ledger_of(run, ledger=ledger)
        end = run.last.seen.end
        if isinstance(end, dict):
            assert (end["type"] is FlowFlexOutcomeUnknownError) == ledger.may_have_arrived
        ledger.interrupt()


@pytest.mark.parametrize("first", ["503", "429", "timeout failure, sent=True", "connection failure, sent=False"])
def test_every_sort_of_answer_leaves_the_doubt_that_it_should(first):
    """Whatever comes after an attempt that has failed, the outcome is known or unknown as the two of them say."""
    scenario = Scenario("event", settings_with(max_retries=1), None, (), {})
    for last in (answer for answers in TROUBLES_OF[EVENT] for answer in answers):
        history = played(scenario, None, partial(by_attempt, [named(first), last]))
        assert len(history.requests) == 2, last
        unknown = history.last.seen.end["type"] is FlowFlexOutcomeUnknownError
        assert unknown == ledger_of(history).may_have_arrived, last


@pytest.mark.parametrize("last", ["Duplicate in a 400", "Duplicate in a 409"])
def test_a_duplicate_means_stored_exactly_after_a_doubt(last):
    """A PUT answered with Duplicate has stored the file if one before it may have arrived; else it has failed."""
    scenario = Scenario("asset", settings_with(max_retries=1), None, (file("/data/file-0.pdf"),), {})
    for first in (answer for answers in TROUBLES_OF[PUT] for answer in answers):
        answers = [named("granted"), first, named(last)]
        history = played(scenario, None, partial(by_attempt, answers))
        if len(history.requests) == 3 and leg_of(history.requests[2]) == PUT:
            stored = history.last.seen.end == "asset_00000001"
            assert stored == (first.effect is Effect.MAYBE), first


def by_attempt(answers: list[Answer], request: Request) -> Answer:
    """Answer the n-th attempt with the n-th answer."""
    return answers[int(request.id.rpartition("/")[2]) - 1]


@given(any_chances)
def test_an_error_tells_what_is_stored_and_can_be_resumed_from(chances: Chances):
    """The error of a send tells each asset that is stored by its path, and holds a snapshot where that saves one."""
    history = a_history_of_a_send(chances, nameable=True)
    end = history.last.seen.end
    if not isinstance(end, dict):
        return
    ledger = ledger_of(history)
    paths = {path: ref.filename for ref in history.scenario.files for path in history.again().paths(ref)}
    assert end["uploaded_assets"] == {
        path: ledger.stored[name] for path, name in paths.items() if name in ledger.stored
    }
    assert end["idempotency_key"] == IDEMPOTENCY_KEY
    if end["snapshot"] is not None:
        assert ledger.stored or ledger.may_have_arrived
        assert end["snapshot"] == history.last.seen.snapshot
    elif ledger.stored or ledger.may_have_arrived:
        gone = end["code"] == "ASSET_FILE_MISSING" or history.high >= FIRST_MOMENT + 48 * 3600.0
        forgotten = ledger.may_have_arrived and history.high >= FIRST_MOMENT + 23 * 3600.0
        assert gone or forgotten, "what is stored cannot be resumed from"


@given(any_chances)
def test_max_retries_bounds_the_attempts_of_each_leg(chances: Chances):
    """Each leg is attempted once and `max_retries` times more: the event, each upload URL, and each PUT to one."""
    history = a_history(chances, an_operation(chances), troubled=chances.once_in(2))
    ledger = Ledger()
    for call in history.calls:
        ledger.enter_answers(call)
        for request in call.turn.requests:
            failed = ledger.failed.get((ledger.name(request), leg_of(request)), 0)
            assert failed <= history.scenario.settings.max_retries
            ledger.enter_request(request)


@given(any_chances)
def test_each_leg_has_all_of_its_retries(chances: Chances):
    """A send succeeds where each of its legs, of each file, fails `max_retries` times, for what is worth repeating."""
    scenario = replace(a_send(chances), settings=settings_with(max_retries=chances.pick([2, 1, 3])))
    failed: Counter[tuple[str, str]] = Counter()

    def answer_to(request: Request) -> Answer:
        leg = Ledger().name(request), leg_of(request)
        failed[leg] += 1
        if failed[leg] > scenario.settings.max_retries:
            return benign(request)
        return named(
            chances.pick(["503", "408", "429", "timeout failure, sent=True", "a web page", "proxy failure, sent=False"])
        )

    history = played(scenario, None, answer_to)
    assert isinstance(history.last.seen.end, SendEventResult)


@given(any_chances)
def test_a_put_refused_for_its_age_gets_one_new_url(chances: Chances):
    """A file whose URL is said to have expired is given one more, also without retries, and no third."""
    scenario = replace(a_send(chances), settings=settings_with(max_retries=chances.pick([2, 0])))
    expired = chances.pick(["expired, as S3 says it", "expired, as Supabase says it"])
    history = played(scenario, None, lambda request: named(expired) if leg_of(request) == PUT else benign(request))
    urls = Counter(Ledger().name(request) for request in history.requests if leg_of(request) == UPLOAD_URL)
    assert max(urls.values(), default=2) == 2


@given(any_chances)
def test_a_repeat_waits_and_never_for_less_than_was_asked(chances: Chances):
    """A leg is repeated a quarter of a second after its last failure at the earliest, and after its Retry-After."""
    history = a_history(chances, an_operation(chances), troubled=chances.once_in(2))
    ledger = Ledger()
    not_before: dict[tuple[str, str], float] = {}
    high = -math.inf
    for call in history.calls:
        high = max(high, call.now)
        for item in call.given:
            asked = item.outcome.header("retry-after") if isinstance(item.outcome, Response) else None
            seconds = float(asked) if asked is not None and asked.isdigit() else 0.0
            not_before[ledger.name(item.request), leg_of(item.request)] = high + max(0.25, seconds)
        ledger.enter_answers(call)
        for request in call.turn.requests:
            leg = ledger.name(request), leg_of(request)
            assert not ledger.failed.get(leg) or high >= not_before[leg]
            ledger.enter_request(request)


@given(any_chances)
def test_no_event_carries_an_asset_that_is_gone(chances: Chances):
    """No POST is sent 48 hours or more after the first PUT to the URL of one of its files."""
    history = a_history_of_a_send(chances, nameable=True)
    ledger = Ledger()
    first_put: dict[str, float] = {}
    put_of: dict[str, str] = {}
    high = -math.inf
    for call in history.calls:
        high = max(high, call.now)
        ledger.enter(call)
        for request in call.turn.requests:
            if leg_of(request) == PUT:
                first_put.setdefault(request.url, high)
                put_of[ledger.name(request)] = request.url
            elif leg_of(request) == EVENT:
                assert all(high < first_put[put_of[name]] + 48 * 3600.0 for name in ledger.stored)


@given(any_chances)
def test_the_deadline_bounds_all(chances: Chances):
    """Nothing is asked for that could outlast the deadline, a call at it is the last, and nobody waits for it alone."""
    history = a_history(chances, an_operation(chances))
    settings = history.scenario.settings
    end = history.calls[0].now + (settings.deadline_seconds or math.inf)
    high = -math.inf
    ledger = Ledger()
    for call in history.calls:
        high = max(high, call.now)
        ledger.enter(call)
        assert call.turn.done or high < end
        assert call.turn.done or ledger.in_flight or high + (call.turn.wait or 0.0) < end, "it waits only for the end"
        assert call.turn.wait is None or high + call.turn.wait <= end
        for request in call.turn.requests:
            assert 0.0 < request.timeout <= min(request.total, settings.timeout_seconds)
            assert request.total < math.inf
            assert high + request.total <= end
            if leg_of(request) != PUT:
                assert request.total <= settings.timeout_seconds


@given(any_chances)
def test_a_checkpoint_is_where_a_snapshot_keeps_something_new(chances: Chances):
    """`checkpoint` is true after each stored file and with each POST of an event not in doubt, and nowhere else."""
    history = a_history_of_a_send(chances)
    ledger = Ledger()
    for call in history.calls:
        stored, posts = dict(ledger.stored), len(ledger.posts)
        ledger.enter(call)
        is_posted = len(ledger.posts) > posts
        assert call.turn.checkpoint == (ledger.stored != stored or (is_posted and not ledger.doubt))


@given(any_chances)
def test_only_the_api_is_given_credentials(chances: Chances):
    """Every request to the API carries the credentials and names its media types; a PUT carries its type alone."""
    history = a_history(chances, an_operation(chances))
    for request in history.requests:
        headers = {name.lower() for name in request.headers}
        if leg_of(request) == PUT:
            assert headers == {"content-type", "user-agent"}
        else:
            assert request.url.startswith("https://api.example/v1/")
            assert {"authorization", "content-type", "accept", "user-agent"} <= headers
            if leg_of(request) == UPLOAD_URL:
                assert not any(name.startswith("x-") for name in headers)


@given(any_chances)
def test_no_secret_is_told(chances: Chances):
    """No error, in words, fields, pickle or traceback, and no repr holds a credential, a query or a token."""
    history = a_history(chances, an_operation(chances), troubled=True)
    operation = history.again(len(history.calls) - 1)
    turn = advance(operation, history.last.now, *history.last.outcomes)
    outcomes = [outcome for call in history.calls for outcome in call.outcomes if isinstance(outcome, Response)]
    texts = [repr(operation), repr(turn), repr([call.turn for call in history.calls]), repr(outcomes)]
    if turn.done:
        texts += words_of_the_end(operation)
    for text in texts:
        for secret in SECRETS:
            assert secret not in text


def words_of_the_end(operation: Operation) -> list[str]:
    """Return all that a caller, a log or a crash report may show of the end of an operation."""
    try:
        return [repr(operation.result())]
    except FlowFlexError as error:
        errors = [error, *error.failures.values()]
        words = [text for error in errors for text in (str(error), repr(error), repr(vars(error)))]
        return [*words, pickle.dumps(error).decode("latin-1"), "".join(traceback.format_exception(error))]
