"""The core's contract, line by line: seven sentences that hold whatever a server, a network or a clock does."""

import base64
import math
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given

from flowflex_core import FlowFlexConfigError, FlowFlexOutcomeUnknownError, Request, Response, SendEvent
from tests.core.chances import Chances, any_chances
from tests.core.histories import (
    a_history,
    a_history_of_a_send,
    a_late_outcome,
    advance,
    issued,
    played,
    runs_in_a_row,
    see,
)
from tests.core.ledger import NAME_OF_THE_EVENT, Ledger, ledger_of
from tests.core.scenarios import an_operation, settings_with
from tests.core.worlds import CREDENTIAL, EVENT, FIRST_MOMENT, KEY, PUT, SECRET, UPLOAD_URL, benign, leg_of, named


@given(any_chances)
def test_1_only_misuse_raises_and_it_changes_nothing(chances: Chances):
    """`advance` raises for an id that was never issued, then as if not called, and never for what others do."""
    history = a_history(chances, an_operation(chances), troubled=True, absurd=True, contradicting=True)
    operation = history.again()
    for call in history.calls:
        never_issued = chances.pick(["put/0/99", "event/99", "upload-url/9/1", ""])
        with pytest.raises(FlowFlexConfigError):
            operation.advance(call.now, *call.outcomes, Response(never_issued, 200))
        turn = advance(operation, call.now, *call.outcomes)
        assert see(operation, turn) == call.seen, "a misuse changed something"


@given(any_chances)
def test_2_late_and_repeated_outcomes_are_no_ops(chances: Chances):
    """Whatever comes again for a request that had its outcome, or for a done operation, changes nothing."""
    history = a_history(chances, an_operation(chances))
    operation = history.again()
    answered: list[Request] = []
    high = -math.inf
    for call in history.calls:
        late = [a_late_outcome(chances, request) for request in chances.some(answered)]
        if late and chances.once_in(2):
            assert not advance(operation, high, *late).requests, "a late outcome led to a request"
            late = []
        repeated = chances.some(call.outcomes)
        turn = advance(operation, call.now, *late, *call.outcomes, *repeated)
        assert see(operation, turn) == call.seen, "a late or repeated outcome changed something"
        answered += [given.request for given in call.given]
        high = max(high, call.now)
    if history.last.turn.done:
        late = [a_late_outcome(chances, request) for request in [*answered, *history.in_flight.values()]]
        after = see(operation, advance(operation, high, *late))
        assert after.turn == ([], None, True, False), "an outcome after the end led to something"
        assert after.end == history.last.seen.end, "an outcome after the end changed it"


@given(any_chances)
def test_2_ids_are_unique(chances: Chances):
    """No id is issued twice by one operation: an outcome can only mean the attempt that it names."""
    history = a_history(chances, an_operation(chances))
    ids = Counter(request.id for request in history.requests)
    assert max(ids.values()) == 1, "an id was issued twice"


@given(any_chances)
def test_3_early_and_extra_calls_are_no_ops_and_time_never_goes_back(chances: Chances):
    """Calls before anything is due, or with a time that was before, change nothing but the wait."""
    history = a_history(chances, an_operation(chances))
    operation = history.again()
    high = -math.inf
    before = None
    for call in history.calls:
        if before is not None:
            # Up to the next real call, or to the timer where that comes first; and any time that is past.
            room = max(0.0, call.now - high)
            if before.wait is not None:
                room = min(room, before.wait * 0.999)
            early = high + room * chances.pick([0.0, 0.5, 1.0])
            past = high - chances.pick([0.5, 7_200.0, 1e9])
            for moment in chances.shuffled([early, past, early]):
                extra = advance(operation, moment)
                high = max(high, moment)
                assert not extra.requests, "an early call led to a request"
                assert extra.done == before.done, "an early call ended the operation"
                assert not extra.checkpoint, "an early call kept something new"
                assert (extra.wait is None) == (before.wait is None), "an early call lost the timer"
        high = max(high, call.now)
        turn = advance(operation, high, *call.outcomes)
        assert see(operation, turn) == call.seen, "an early call changed something, or time went back"
        before = turn


@given(any_chances)
def test_4_not_done_means_in_flight_or_a_numeric_wait(chances: Chances):
    """There is always something to wait for, and what `wait` tells is when something happens by itself."""
    history = a_history(chances, an_operation(chances))
    ledger = Ledger()
    for call in history.calls:
        ledger.enter(call)
        wait = call.turn.wait
        if call.turn.done:
            assert (call.turn.requests, wait) == ((), None), "a done operation asks for more"
        else:
            assert ledger.in_flight or wait is not None, "nothing is in flight, and there is no timer"
            assert wait is None or 0.0 < wait < math.inf, "the wait is no time"
    place = 1 + chances.below(len(history.calls))
    wait = history.calls[place - 1].turn.wait
    if wait is not None:
        high = max(call.now for call in history.calls[:place])
        turn = advance(history.again(place), high + wait)
        assert turn.requests or turn.done, "the timer came, and nothing happened"


@given(any_chances)
def test_5_each_leg_waits_for_the_one_before_and_the_limit_holds(chances: Chances):
    """No PUT before its URL, no event before its files, and never more uploads in flight than the limit."""
    history = a_history(chances, an_operation(chances))
    ledger = Ledger()
    for call in history.calls:
        ledger.enter_answers(call)
        for request in call.turn.requests:
            if leg_of(request) == PUT:
                _, url = ledger.granted.get(ledger.name(request), ("", ""))
                assert request.url == url, "a PUT went to a URL that was not granted for its file"
            elif leg_of(request) == EVENT:
                assert not ledger.in_flight, "the event was sent with something in flight"
                assert set(ledger.stored) == history.scenario.names, "the event was sent before a file was stored"
            ledger.enter_request(request)
        assert len(ledger.in_flight) <= history.scenario.settings.max_parallel_uploads, "more in flight than the limit"


@given(any_chances)
def test_6_a_resumed_send_goes_on_from_what_is_stored(chances: Chances):
    """`resume(snapshot())` is the send with unfinished uploads back at their URL, and a POST in flight due again."""
    history = a_history_of_a_send(chances, nameable=True)
    place = chances.below(len(history.calls) + 1)
    scenario, operation = history.scenario, history.again(place)
    assert isinstance(operation, SendEvent)
    text = operation.snapshot()
    assert SendEvent.resume(text, scenario.settings).snapshot() == text, "the snapshot of what was resumed is another"

    ledger = ledger_of(history, place)
    ledger.interrupt()
    stored, unfinished = dict(ledger.stored), scenario.names - set(ledger.stored)
    # From one process to another: at once, or when what was stored may have gone by its age.
    pause = chances.pick([0.0, 1.0, 7_200.0, 22 * 3600.0, 47 * 3600.0, 48 * 3600.0])
    now = max((call.now for call in history.calls[:place]), default=FIRST_MOMENT) + pause
    resumed = played(scenario, text, benign, now=now, first_number=1_000)
    first, end = resumed.calls[0].turn, resumed.last.seen.end
    if ledger.accepted:
        assert end == operation.result(), "a send that was done is not"
    elif isinstance(end, dict):
        assert ledger.posts, "an asset was given up that could have been stored anew"
        if end["code"] == "ASSET_FILE_MISSING":
            assert now >= FIRST_MOMENT + 48 * 3600.0, "an asset was given up before it was old"
        else:
            assert "may have forgotten its key" in str(end), "a resumed send failed on a good day"
            assert now >= FIRST_MOMENT + 23 * 3600.0, "a key was given up before it was old"
    elif ledger.posts:
        assert [issued(request) for request in first.requests] == [issued(ledger.posts[0])], (
            "the POST was not due again"
        )
    else:
        names = [ledger.name(request) for request in first.requests if leg_of(request) == UPLOAD_URL]
        if unfinished:
            assert set(names) <= unfinished, "a stored file was uploaded again"
            assert len(names) == min(len(unfinished), scenario.settings.max_parallel_uploads), "uploads did not go on"
        books = ledger_of(resumed, ledger=ledger)
        assert books.accepted, "a resumed send was not accepted on a good day"
        assert books.posts[0].body == scenario.body(books.stored), "the body holds other assets"
        kept = {name for name in stored if books.stored[name] == stored[name]}
        assert kept == set(stored) or now >= FIRST_MOMENT + 47 * 3600.0, "a stored asset was not kept"


@given(any_chances)
def test_6_interrupted_attempts_count(chances: Chances):
    """What was tried before an interruption is not tried as often again, and an interrupted POST may have arrived."""
    history = a_history_of_a_send(chances, nameable=True)
    place = chances.below(len(history.calls) + 1)
    ledger = ledger_of(history, place)
    if ledger.accepted:
        return
    text = see(history.again(place), history.calls[place - 1].turn).snapshot
    # A send that failed may be tried as often again: who resumes it asks for that.
    failed = place > 0 and history.calls[place - 1].turn.done
    ledger.interrupt()
    tried = {} if failed else dict(ledger.failed)
    retries = history.scenario.settings.max_retries
    scenario = replace(history.scenario, settings=settings_with(max_retries=retries))

    trouble = chances.pick(["503", "connection failure, sent=False"])
    resumed = played(scenario, text, lambda request: named(trouble))
    names = Counter(ledger.name(request) for request in resumed.requests)
    if ledger.posts:
        left = max(1, retries + 1 - tried.get((NAME_OF_THE_EVENT, EVENT), 0))
        assert names == {NAME_OF_THE_EVENT: left}, "interrupted attempts of the event were not counted"
        unknown = trouble == "503" or ledger.doubt
        end = resumed.last.seen.end
        assert (end["type"] is FlowFlexOutcomeUnknownError) == unknown, "an interrupted POST left no doubt"
    for name in set(names) - {NAME_OF_THE_EVENT} - ledger.ever_granted:
        left = max(1, retries + 1 - tried.get((name, UPLOAD_URL), 0))
        assert names[name] <= left, "interrupted attempts of an upload were not counted"


@given(any_chances)
def test_6_a_snapshot_holds_no_secret(chances: Chances):
    """Neither a credential nor an upload URL, its query or its token is in a snapshot, at any turn of any run."""
    token = base64.b64encode(f"{KEY}:{CREDENTIAL}".encode()).decode()
    for run in runs_in_a_row(chances):
        for call in run.calls:
            assert call.seen.snapshot is not None
            assert SECRET not in call.seen.snapshot, "a snapshot holds a secret"
            assert token not in call.seen.snapshot, "a snapshot holds the Basic token"
            assert "storage.example" not in call.seen.snapshot, "a snapshot holds an upload URL"


@pytest.mark.parametrize("changed", [{"base_url": "https://api.other.example"}, {"integration_code": "code/2"}])
@given(any_chances)
def test_6_a_snapshot_is_of_one_place(changed: dict[str, str], chances: Chances):
    """Settings with another base_url or code are refused, and the message holds no secret."""
    history = a_history_of_a_send(chances, nameable=True, calls=8)
    text = history.last.seen.snapshot
    assert text is not None
    with pytest.raises(FlowFlexConfigError, match=next(iter(changed))) as refusal:
        SendEvent.resume(text, settings_with(**changed))
    assert SECRET not in str(refusal.value)


@given(any_chances)
def test_7_outcomes_given_in_one_call_commute(chances: Chances):
    """The order of the outcomes of one call means nothing, even where two of them contradict each other."""
    history = a_history(chances, an_operation(chances), contradicting=True)
    operation = history.again()
    for call in history.calls:
        turn = advance(operation, call.now, *chances.shuffled(call.outcomes))
        assert see(operation, turn) == call.seen, "the order of the outcomes of a call made a difference"
