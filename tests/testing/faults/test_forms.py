"""Faults as JSON: what there is, and what becomes of a form."""

import datetime as dt
import json
import urllib.request
from dataclasses import dataclass

import pytest

from flowflex_testing import faults
from flowflex_testing.fake import FakeFlowFlex
from flowflex_testing.faults import Aim, Fault
from flowflex_testing.faults.forms import KINDS, as_form, build, catalogue, read_form
from flowflex_testing.faults.presets import PRESETS

# For each kind the fields that it cannot be built without.
LEAST = {"Status": {"status": 503}, "Delay": {"seconds": 1}}


def test_every_fault_is_a_kind():
    """A fault that is added to the module stands in the catalogue, too."""
    made = {name for name, value in vars(faults).items() if isinstance(value, type) and issubclass(value, Fault)}
    assert set(KINDS) == made - {"Fault", "ConnectionFault"}


def test_the_catalogue_is_json_with_a_sentence_for_each():
    """Kinds, fields and presets are told so that a page can draw its form from them."""
    told = json.loads(json.dumps(catalogue()))
    assert [kind["kind"] for kind in told["kinds"]] == list(KINDS)
    assert [preset["name"] for preset in told["presets"]] == list(PRESETS)
    assert all(one["sentence"].endswith(".") for one in told["kinds"] + told["presets"])
    status = told["kinds"][0]
    assert status["sentence"] == "An error status, without any effect; the whole body is read first."
    assert status["fields"] == [
        {"name": "status", "type": "int", "required": True, "default": None},
        {"name": "code", "type": "str", "required": False, "default": "INJECTED_FAULT"},
        {"name": "retry_after", "type": "float | str | None", "required": False, "default": None},
        {"name": "as_date", "type": "bool", "required": False, "default": False},
    ]


@pytest.mark.parametrize("kind", list(KINDS))
def test_each_kind_is_built_from_its_own_form(kind):
    """What the catalogue tells as defaults is what the kind has, and the form of an armed fault builds it again."""
    fault = build(kind, LEAST.get(kind, {}))
    armed = FakeFlowFlex().faults.arm("put", fault, occurrence=2, times=None)
    form = json.loads(json.dumps(as_form(armed)))
    assert (form["id"], form["kind"], form["seen"], form["hits"], form["text"]) == (1, kind, 0, 0, str(armed))
    again = {name: form[name] for name in form if name not in ("id", "seen", "hits", "text")}
    assert read_form(again) == [Aim("put", fault, occurrence=2, times=None)]


def test_a_form_needs_only_operation_and_kind():
    """What is left out has the defaults of `Aim` and of the kind."""
    assert read_form({"operation": "event", "kind": "LoseReply"}) == [Aim("event", faults.LoseReply())]


def test_a_preset_is_a_form_by_itself():
    """Its name is enough."""
    assert read_form({"preset": "lost_response"}) == [Aim("event", faults.LoseReply())]


def test_numbers_and_text_are_taken_as_json_has_them():
    """A whole number may stand for a fraction, and text for bytes."""
    assert build("Delay", {"seconds": 2}) == faults.Delay(2)
    assert build("Status", {"status": 429, "retry_after": "soon"}) == faults.Status(429, retry_after="soon")
    assert build("MalformedBody", {"body": "\u00e4"}) == faults.MalformedBody("\u00e4".encode())


def test_a_fault_of_ones_own_has_a_form_as_well():
    """One that is no dataclass has no fields to tell."""

    class Own(Fault):
        __slots__ = ()

    form = as_form(FakeFlowFlex().faults.arm("put", Own()))
    assert (form["kind"], form["fields"], form["text"]) == ("Own", {}, "Own() on put 1")


@dataclass(frozen=True)
class Maintenance(Fault):
    until: object


@pytest.mark.parametrize(
    ("until", "shown"),
    [
        (dt.date(2026, 1, 1), "datetime.date(2026, 1, 1)"),
        ({1}, "{1}"),
        (float("inf"), "inf"),
        ([b"a"], "[b'a']"),
        ({"hour": [12, None]}, {"hour": [12, None]}),
        (b"noon", "noon"),
    ],
)
def test_what_json_does_not_know_is_told_as_python_writes_it(until, shown):
    """A fault of one's own may hold anything; the page shows it, and the fake is no worse for it."""
    with FakeFlowFlex(inspector=True) as fake:
        fake.faults.arm("put", Maintenance(until))
        with urllib.request.urlopen(f"{fake.inspector_url}_fake/faults", timeout=10) as reply:
            (form,) = json.load(reply)["armed"]
    assert (form["kind"], form["fields"]) == ("Maintenance", {"until": shown})


FAULT = {"operation": "put", "kind": "Status", "fields": {"status": 503}}


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ([], "a fault is told as an object, not as []"),
        ({"operation": "put"}, "kind is missing"),
        ({"kind": "Status"}, "operation is missing"),
        (FAULT | {"operation": 7}, "operation is one of upload-url, put, event, not 7"),
        (FAULT | {"kind": "Statuss"}, "kind is one of Status, HtmlPage, "),
        (FAULT | {"kind": ["Status"]}, "kind is one of Status, HtmlPage, "),
        (FAULT | {"fields": 503}, "fields is an object, not 503"),
        (FAULT | {"fields": {}}, "status is missing: Status has no default for it"),
        (FAULT | {"fields": {"status": "503"}}, "status is int, not '503'"),
        (FAULT | {"fields": {"status": True}}, "status is int, not True"),
        (FAULT | {"fields": {"status": 200}}, "status is 400 to 599, not 200"),
        (FAULT | {"fields": {"status": 503, "code": None}}, "code is str, not None"),
        (FAULT | {"fields": {"status": 503, "retry_after": []}}, "retry_after is float | str | None, not []"),
        (FAULT | {"fields": {"status": 503, "as_date": 1}}, "as_date is bool, not 1"),
        (FAULT | {"fields": {"status": 503, "at": 1}}, "there is no field 'at': Status has status, code, "),
        (FAULT | {"kind": "AlreadyStored"}, "there is no field 'status': AlreadyStored has none"),
        (FAULT | {"kind": "Delay", "fields": {"seconds": float("nan")}}, "seconds is finite and not negative, not nan"),
        (FAULT | {"time": 1}, "there is no field 'time': a fault has operation, kind, fields, occurrence, "),
        (FAULT | {"times": 0}, "times is a whole number from 1, or None, not 0"),
        ({"preset": "throttel"}, "preset is one of lost_response, duplicate_on_retry, "),
        ({"preset": []}, "preset is one of lost_response, duplicate_on_retry, "),
        ({"preset": "throttle", "times": 2}, "there is no field 'times': a preset has preset"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_field(form, sentence):
    """Whoever sends a form learns what to mend."""
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the whole sentence is compared
        read_form(form)
    assert str(raised.value).startswith(sentence)
