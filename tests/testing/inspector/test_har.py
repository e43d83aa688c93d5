"""The journal as an HTTP Archive, held to the fields that HAR 1.2 demands."""

import json
from datetime import datetime

import pytest

from flowflex_testing import faults
from flowflex_testing.clock import Clock
from flowflex_testing.engine.messages import Head
from flowflex_testing.fake import FakeFlowFlex
from flowflex_testing.inspector.har import archive
from flowflex_testing.inspector.presentation import Presentation
from tests.testing.caller import Caller

# Every field that http://www.softwareishard.com/blog/har-12-spec/ does not call optional, with its type.
ENTRY = {
    "startedDateTime": str,
    "time": (int, float),
    "request": {
        "method": str,
        "url": str,
        "httpVersion": str,
        "cookies": [{"name": str, "value": str}],
        "headers": [{"name": str, "value": str}],
        "queryString": [{"name": str, "value": str}],
        "headersSize": int,
        "bodySize": int,
    },
    "response": {
        "status": int,
        "statusText": str,
        "httpVersion": str,
        "cookies": [{"name": str, "value": str}],
        "headers": [{"name": str, "value": str}],
        "content": {"size": int, "mimeType": str},
        "redirectURL": str,
        "headersSize": int,
        "bodySize": int,
    },
    "cache": {},
    "timings": {"send": (int, float), "wait": (int, float), "receive": (int, float)},
}
HAR = {"log": {"version": str, "creator": {"name": str, "version": str}, "entries": [ENTRY]}}
POST_DATA = {"mimeType": str, "params": [{"name": str}], "text": str}


def check(value, wanted, place="har"):
    """Fail where a field is missing or of another type."""
    if isinstance(wanted, dict):
        assert isinstance(value, dict), place
        for name, inner in wanted.items():
            assert name in value, f"{place}.{name} is missing"
            check(value[name], inner, f"{place}.{name}")
    elif isinstance(wanted, list):
        assert isinstance(value, list), place
        for index, item in enumerate(value):
            check(item, wanted[0], f"{place}[{index}]")
    else:
        assert isinstance(value, wanted), f"{place} is {value!r}"


@pytest.fixture
def fake():
    return FakeFlowFlex(clock=Clock(1000.0))


@pytest.fixture
def caller(fake):
    return Caller(fake)


def archive_of(fake):
    presentation = Presentation(fake.store, fake.base_url)
    shown = [presentation.request(request, None) for request in fake.requests]
    return archive(shown, {"api": fake.base_url, "storage": fake.storage_url}, fake.store.dropped)


def test_whatever_happened_is_a_valid_archive(fake, caller):
    """Successes, refusals, statuses that have no name, and connections that ended."""
    fake.faults.arm("put", faults.Status(599), occurrence=2)
    fake.faults.arm("event", faults.Reset(at=1))
    target = caller.url()
    for _ in range(2):
        caller.put(target)
    caller.put(target, extra=[("authorization", "x")])
    for key in ("a", "b"):
        caller.event({"n": 1}, key=key)
    caller.send("api", "GET", "/nowhere?a=b", [], b"")
    har = json.loads(json.dumps(archive_of(fake)))
    check(har, HAR)
    entries = har["log"]["entries"]
    assert len(entries) == 7
    assert [entry["response"]["status"] for entry in entries] == [200, 200, 599, 400, 0, 202, 401]
    for entry in entries:
        assert datetime.fromisoformat(entry["startedDateTime"]).timestamp() == 1000.0
        if "postData" in entry["request"]:
            check(entry["request"]["postData"], POST_DATA)
    assert har["log"]["version"] == "1.2"


def test_an_entry_tells_what_crossed_the_wire(fake, caller):
    """Where it went, what was sent and what came back; the rule and the fault stand in its comment."""
    fake.faults.arm("event", faults.Status(503), occurrence=2)
    for key in ("a", "b"):
        caller.event({"n": 1}, key=key)
    first, second = archive_of(fake)["log"]["entries"]
    request, response = first["request"], first["response"]
    assert request["url"] == f"{fake.base_url}/v1/events/{fake.integration_code}"
    assert request["postData"] == {"mimeType": "application/json", "params": [], "text": '{"n": 1}'}
    assert (request["bodySize"], response["statusText"]) == (8, "Accepted")
    assert response["content"]["mimeType"] == "application/json"
    assert json.loads(response["content"]["text"])["status"] == "accepted"
    assert "rule event.accepted: " in first["comment"]
    assert "fault Status(" in second["comment"]


def test_an_entry_tells_how_long_it_took(fake, caller):
    """In milliseconds, of which all was waiting; nothing where it has no end."""
    caller.event()
    fake.requests[0].ended = fake.requests[0].arrived + 0.0021234
    fake.open(Head("storage", "PUT", caller.url(), (("content-length", "4"), ("content-type", "application/pdf"))))
    first, _, second = archive_of(fake)["log"]["entries"]
    assert (first["time"], first["timings"]) == (2.123, {"send": 0, "wait": 2.123, "receive": 0})
    assert (second["time"], second["timings"]["wait"]) == (0, 0)


def test_what_the_journal_has_dropped_is_told(fake, caller):
    """An archive that is not whole says so, and is valid."""
    caller.event()
    assert "comment" not in archive_of(fake)["log"]
    short = FakeFlowFlex(keep_requests=2)
    for key in ("a", "b", "c"):
        Caller(short).event(key=key)
    har = archive_of(short)
    check(har, HAR)
    assert har["log"]["comment"] == "requests 1 to 1 are not in it: the journal keeps the newest ones"
    assert len(har["log"]["entries"]) == 2


def test_no_secret_is_exported(fake, caller):
    """People attach archives to issues."""
    caller.asset()
    caller.event()
    text = json.dumps(archive_of(fake))
    tokens = [request.target.rpartition("=")[2] for request in fake.requests if request.operation == "put"]
    for secret in (caller.authorization, fake.api_key, fake.api_secret, *tokens):
        assert secret not in text
    put = archive_of(fake)["log"]["entries"][1]["request"]
    assert put["queryString"] == [{"name": "[secret]", "value": ""}]
