"""The switches of a fake: what they take, and what each does beyond the rules that it turns off."""

import pytest

from flowflex_core import FlowFlexError, SendEvent, Settings
from flowflex_testing import Clock, FakeFlowFlex, MemoryTransport, RateLimit
from flowflex_testing.engine.messages import Head
from flowflex_testing.rules import RULES
from flowflex_testing.switches import ALLOWED, Switches
from flowflex_transports import FlowFlex
from tests.testing.caller import Caller

SETTINGS = [(name, setting) for name, allowed in ALLOWED.items() for setting in allowed]


def caller_with(**options) -> Caller:
    return Caller(FakeFlowFlex(**options))


@pytest.mark.parametrize(("name", "setting"), SETTINGS)
def test_every_setting_is_taken_and_the_first_is_the_default(name, setting):
    """A fake is made with any of the settings, and without one behaves as with the first."""
    assert getattr(FakeFlowFlex(**{name: setting}).switches, name) == setting
    assert getattr(FakeFlowFlex().switches, name) == ALLOWED[name][0]


def test_every_rule_that_depends_on_switches_names_ones_that_exist():
    """A row asks for a setting that its switch can have."""
    for rule in RULES.values():
        for name, wanted in rule.where.items():
            assert wanted in ALLOWED.get(name, ("given",)), rule.id


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"storage_dialect": "gcs"}, "storage_dialect is one of 's3', 'supabase', not 'gcs'"),
        ({"strict": 1}, "strict is one of True, False, not 1"),
        ({"reused_key_status": 409}, "reused_key_status is one of 422, 400, not 409"),
        ({"rate_limit": 5}, "rate_limit is a RateLimit or None, not 5"),
    ],
)
def test_a_slip_is_told_with_what_there_is(options, message):
    """A setting that does not exist is a ValueError that names those that do."""
    with pytest.raises(ValueError, match="^" + message.replace(".", r"\.")):
        Switches(**options)


def test_an_unknown_switch_is_a_type_error():
    """A keyword that is no switch is refused like any other."""
    with pytest.raises(TypeError, match="stricter"):
        FakeFlowFlex(stricter=True)  # type: ignore[call-arg]


@pytest.mark.parametrize("arguments", [(0, 60), (1.5, 60), (1, 0), (1, float("inf")), (1, 60, "minutes")])
def test_a_rate_is_some_requests_in_some_seconds(arguments):
    """No requests, no time, time without end or an unknown form are refused."""
    with pytest.raises(ValueError, match=r"requests|seconds|retry_after"):
        RateLimit(*arguments)


def test_api_errors_in_the_other_dialect():
    """With `message/name` the sentence and the code are in these fields, everything else stays."""
    answer = caller_with(api_dialect="message/name").upload_url(mime="application/zip")
    assert (answer.status, answer.rule) == (400, "upload-url.mime")
    body = answer.json()
    assert {*body} == {"message", "name", "details", "requestId"}
    assert (body["message"], body["name"]) == ("mime 'application/zip' is not allowed", "MIME_NOT_ALLOWED")


def test_a_key_alone_can_be_what_is_compared():
    """With key_fingerprint="key" another body and another event get the stored answer, and have no effect."""
    caller = caller_with(key_fingerprint="key")
    first = caller.event({"n": 1})
    others = [caller.event({"n": 2}), caller.event({"n": 1}, name="other")]
    assert [(other.rule, other.body) for other in others] == [("event.replay", first.body)] * 2
    assert [event.payload for event in caller.fake.events] == [{"n": 1}]


def test_even_where_the_key_is_compared_alone_a_body_must_be_an_object():
    """What is no payload at all is refused before the key is looked at."""
    caller = caller_with(key_fingerprint="key")
    caller.event()
    assert caller.event(body=b"[").rule == "api.json"


def test_two_requests_under_one_key_can_both_be_worked_on():
    """With refuses_key_in_flight=False the slower of two gets the answer that the faster one left, and one event."""
    caller = caller_with(refuses_key_in_flight=False)
    headers = [("content-length", "2"), ("authorization", caller.authorization), ("x-event", "invoice.created")]
    headers += [("content-type", "application/json"), ("x-idempotency-key", "key-1")]
    slower = caller.fake.open(Head("api", "POST", caller.event_path, tuple(headers)))
    faster = caller.event(body=b"{}")
    slower.feed(b"{}")
    assert (faster.rule, slower.record.rule) == ("event.accepted", "event.replay")
    assert slower.record.event_id == caller.fake.events[0].id
    assert len(caller.fake.events) == 1


@pytest.mark.parametrize("time", [{}, {"hours": 49}], ids=["never stored", "expired"])
def test_a_missing_file_can_fail_the_run(time):
    """With missing_file="failed-run" the event is accepted; the event and the journal tell that its run fails."""
    caller = caller_with(missing_file="failed-run")
    there = caller.asset()
    missing = caller.asset() if time else caller.upload_url().json()["assetId"]
    caller.fake.clock.advance(**time)
    there = caller.asset() if time else there
    answer = caller.event({"there": there, "missing": [missing]})
    (event,) = caller.fake.events
    assert (answer.status, answer.rule) == (202, "event.run-failed")
    assert answer.json() == {"status": "accepted", "eventId": event.id}
    assert event.failure == "ASSET_FILE_MISSING"
    assert list(event.files) == ["there"]
    assert repr(caller.fake.requests[-1]).endswith("-> 202 (rule event.run-failed)")


def test_a_run_with_all_its_files_does_not_fail():
    """Nothing is known against an event whose files are there, under either setting."""
    for setting in ALLOWED["missing_file"]:
        caller = caller_with(missing_file=setting)
        assert caller.event({"a": caller.asset()}).rule == "event.accepted"
        assert caller.fake.events[0].failure == ""


def test_an_asset_that_was_never_issued_is_refused_under_either_setting():
    """What becomes of missing files says nothing about ids that are made up."""
    assert caller_with(missing_file="failed-run").event({"a": "asset_01234567"}).rule == "event.asset-unknown"


def test_a_failed_run_is_repeated_as_it_was():
    """The stored answer is given again; there is no second run."""
    caller = caller_with(missing_file="failed-run")
    payload = {"a": caller.upload_url().json()["assetId"]}
    assert caller.event(payload).body == caller.event(payload).body
    assert len(caller.fake.events) == 1


def test_what_is_refused_by_the_rate_does_not_count():
    """Whoever waits as long as they are told gets through, however often they tried before."""
    caller = caller_with(rate_limit=RateLimit(2, 10))
    answers = [caller.event({"n": 1}) for _ in range(5)]
    assert [answer.status for answer in answers] == [202, 202, 429, 429, 429]
    caller.fake.clock.advance(seconds=9.5)
    refused = caller.upload_url()
    assert (refused.rule, refused.headers["Retry-After"]) == ("api.rate-limit", "1")
    caller.fake.clock.advance(seconds=int(refused.headers["Retry-After"]))
    assert caller.upload_url().status == 200


def test_retry_after_can_be_a_date():
    """In the other form it is the moment at which the window ends, as HTTP writes it (RFC 9110, section 5.6.7)."""
    caller = caller_with(rate_limit=RateLimit(1, 90.5, "date"), clock=Clock(784_111_777.0))
    caller.event()
    assert caller.event().headers["Retry-After"] == "Sun, 06 Nov 1994 08:51:08 GMT"


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_who_obeys_retry_after_gets_through(form):
    """Our core reads either form, waits as long as it says, and is taken with the first repeat."""
    fake = FakeFlowFlex(rate_limit=RateLimit(1, 30, form))
    Caller(fake).upload_url()
    transport = MemoryTransport(fake)
    send = SendEvent.start(Settings(**fake.client_options), "invoice.created", idempotency_key="key-1")
    turn = send.advance(fake.clock.now())
    while not turn.done:
        outcomes = [transport.perform(request, b"{}") for request in turn.requests]
        if not outcomes:
            assert turn.wait is not None
            fake.clock.advance(seconds=turn.wait)
        turn = send.advance(fake.clock.now(), *outcomes)
    assert send.result().idempotency_key == "key-1"
    assert [request.status for request in fake.requests] == [200, 429, 202]
    assert 30 <= fake.requests[-1].at - fake.requests[0].at < 60


@pytest.mark.parametrize("dialect", ALLOWED["api_dialect"])
def test_our_client_reads_either_dialect(dialect):
    """Sentence and code of a refusal arrive whatever the fields are called."""
    fake = FakeFlowFlex(api_dialect=dialect)
    with (
        FlowFlex(**fake.client_options, transport=MemoryTransport(fake)) as client,
        pytest.raises(FlowFlexError) as raised,
    ):
        client.send_event("invoice.created", payload={"a": "asset_01234567"})
    assert (raised.value.status, raised.value.code) == (422, "ASSET_NOT_FOUND")
    assert "there is no asset" in raised.value.message


def test_the_rate_is_that_of_one_integration():
    """Another tenant has its own window, and who has no credentials learns nothing of it."""
    caller = caller_with(rate_limit=RateLimit(1, 60))
    other = caller.fake.add_tenant("other")
    caller.event()
    assert caller.event().status == 429
    assert caller.event(authorization="Basic x").status == 401
    caller.authorization = caller.fake.store.tenants["other"].authorization
    assert caller.event(path=f"/v1/events/{other.integration_code}").status == 202


def test_every_request_to_the_api_counts_and_none_to_storage():
    """A path that does not exist uses up the rate as well; storage has none."""
    caller = caller_with(rate_limit=RateLimit(2, 60))
    url = caller.url()
    assert caller.post("/nowhere", b"{}").status == 404
    assert caller.post("/nowhere", b"{}").status == 429
    assert caller.put(url).status == 200
    assert caller.put(url).status == 200
