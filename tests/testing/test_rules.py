"""The rule table, and that every row of it is enforced."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from flowflex_testing.fake import FakeFlowFlex
from flowflex_testing.reference import reference
from flowflex_testing.rules import NOT_MODELLED, RULES, Refused
from flowflex_testing.switches import Switches
from tests.testing.caller import Caller
from tests.testing.rule_examples import EXAMPLES, OTHERWISE


def caller_for(rule_id: str, **options) -> Caller:
    return Caller(FakeFlowFlex(**{**EXAMPLES[rule_id].options, **options}))


def test_every_rule_has_an_example_and_every_example_a_rule():
    """A rule without a request that it lets through and one that it stops is not in the table."""
    assert list(RULES) == list(EXAMPLES)


@pytest.mark.parametrize("rule_id", RULES)
def test_a_rule_lets_good_requests_through(rule_id):
    """The request that keeps to the rule succeeds, and not by that rule."""
    answer = EXAMPLES[rule_id].good(caller_for(rule_id))
    assert answer.status in (200, 202), answer
    assert answer.rule != rule_id


@pytest.mark.parametrize("rule_id", RULES)
def test_a_rule_stops_bad_requests(rule_id):
    """The request that breaks the rule gets the status, the code and the headers of its row."""
    caller = caller_for(rule_id)
    answer = EXAMPLES[rule_id].bad(caller)
    rule = RULES[rule_id]
    assert answer.rule == rule_id
    record = caller.fake.requests[-1]
    assert record.code == rule.code
    if caller.fake.switches.storage_dialect == "supabase":
        assert answer.json()["statusCode"] == str(rule.status)
    else:
        assert answer.status == record.status == rule.status
    assert {*answer.headers} - {"Content-Type", "x-request-id"} == {*rule.headers}
    if rule.code:
        assert rule.code.encode() in answer.body
        assert record.rule not in [request.rule for request in caller.fake.requests[:-1]]


@pytest.mark.parametrize("rule_id", RULES)
def test_a_refusal_has_no_effect(rule_id):
    """Whatever is refused leaves neither an asset nor an event, and its key unused."""
    caller = caller_for(rule_id)
    if RULES[rule_id].code:
        EXAMPLES[rule_id].bad(caller)
        accepted = [request for request in caller.fake.requests if request.rule == "event.accepted"]
        stored = [request for request in caller.fake.requests if request.rule in ("put.stored", "put.overwrite")]
        assert len(caller.fake.events) == len(accepted)
        assert len(caller.fake.assets) == len(stored)
        caller.fake.store.tenants["default"].keys_in_flight.discard("key-1")
        if not accepted and rule_id != "event.key-in-flight":
            assert caller.event({"n": 3}).rule == "event.accepted"


@pytest.mark.parametrize(("rule_id", "switch", "setting"), OTHERWISE)
def test_a_switch_turns_its_rules_off(rule_id, switch, setting):
    """Under another setting the request that the rule would stop meets the rule that stands in its place."""
    answer = EXAMPLES[rule_id].bad(caller_for(rule_id, **{switch: setting}))
    assert answer.rule == OTHERWISE[rule_id, switch, setting]


@pytest.mark.parametrize("rule_id", RULES)
def test_a_rule_holds_where_its_row_says(rule_id):
    """With the settings of its example a rule is enforced; with another setting of a switch in its row it is not."""
    options = EXAMPLES[rule_id].options
    assert rule_id in Switches(**options).enforced
    others = [(switch, setting) for example, switch, setting in OTHERWISE if example == rule_id]
    assert {switch for switch, _ in others} == {*RULES[rule_id].where}
    for switch, setting in others:
        assert rule_id not in Switches(**{**options, switch: setting}).enforced


def test_strict_turns_off_nothing_that_is_known():
    """Only an assumption can be turned off as too strict: what the vendor documents or does stays enforced."""
    off = Switches().enforced - Switches(strict=False).enforced
    assert {RULES[rule_id].provenance for rule_id in off} == {"assumed"}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_each_row_is_whole(rule):
    """A row says in a sentence what holds, how that is known and, where it is assumed, why."""
    assert rule.sentence.endswith(".")
    assert rule.provenance in ("documented", "vendor-source", "assumed")
    assert bool(rule.reason) == (rule.provenance == "assumed")
    assert (rule.status < 300) == (rule.code == "")


def test_what_is_not_modelled_is_said():
    """The table also names what a test against the fake proves nothing about."""
    assert NOT_MODELLED
    assert all(NOT_MODELLED.values())


def test_a_refusal_says_the_sentence_of_its_rule_unless_it_knows_better():
    """The default message is the row's own sentence."""
    assert str(Refused("api.path")) == RULES["api.path"].sentence
    assert str(Refused("api.path", "no such place")) == "no such place"


def test_an_api_error_has_the_shape_that_clients_read():
    """An API error is JSON: error, code, details and requestId, which is also in a header."""
    answer = Caller(FakeFlowFlex()).event({"a": {"b": "asset_0123456789"}})
    assert answer.json() == {
        "error": "a.b: there is no asset asset_0123456789",
        "code": "ASSET_NOT_FOUND",
        "details": {"assetId": "asset_0123456789", "path": "a.b"},
        "requestId": "req_00000001",
    }
    assert answer.headers == {"Content-Type": "application/json", "x-request-id": "req_00000001"}


def test_s3_words_its_errors_as_xml_with_the_string_to_sign():
    """In the dialect `s3` a storage error is XML, escaped, and repeats what a client must never show."""
    caller = Caller(FakeFlowFlex())
    answer = caller.put(caller.url(), media_type="text/<plain>")
    assert answer.headers["Content-Type"] == "application/xml"
    assert b"<Code>SignatureDoesNotMatch</Code>" in answer.body
    assert b"<StringToSign>PUT\n/assets/default/asset_" in answer.body
    assert b"text/&lt;plain&gt;" in answer.body


def test_supabase_hides_its_status_in_a_400():
    """In the dialect `supabase` every refusal is a 400 with the true status in its JSON."""
    caller = Caller(FakeFlowFlex(storage_dialect="supabase"))
    answer = caller.put(caller.url() + "0")
    assert answer.status == 400
    assert json.loads(answer.body)["statusCode"] == "403"
    assert json.loads(answer.body)["error"] == "SignatureDoesNotMatch"


def test_the_rule_reference_is_up_to_date():
    """docs/rules.md is what the table makes of it, and holds every rule."""
    page = (Path(__file__).parents[2] / "docs" / "rules.md").read_text()
    assert page == reference(), "run: python -m flowflex_testing.reference > docs/rules.md"
    assert all(f"| `{rule.id}`<br>{rule.sentence}" in page for rule in RULES.values())
    assert all(f"- {what}: {note}\n" in page for what, note in NOT_MODELLED.items())


def test_the_rule_reference_is_printed_by_a_command():
    """`python -m flowflex_testing.reference` writes the page to its standard output."""
    run = subprocess.run([sys.executable, "-m", "flowflex_testing.reference"], capture_output=True, check=True)
    assert run.stdout.decode() == reference()
