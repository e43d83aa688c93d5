"""Requests and sends as JSON for the inspector."""

import json

import pytest

from flowflex_testing import faults
from flowflex_testing.clock import Clock
from flowflex_testing.engine.data import Data
from flowflex_testing.engine.messages import Head
from flowflex_testing.fake import FakeFlowFlex
from flowflex_testing.inspector.presentation import Presentation
from flowflex_testing.inspector.sends import group
from flowflex_testing.rules import RULES
from tests.testing.caller import Caller


@pytest.fixture
def fake():
    fake = FakeFlowFlex(clock=Clock(1000.0), keep_files_bytes=1_000_000)
    yield fake
    fake.stop()


@pytest.fixture
def caller(fake):
    return Caller(fake)


def requests_of(fake):
    presentation = Presentation(fake.store, fake.base_url)
    return [presentation.request(request, None) for request in fake.requests]


def sends_of(fake):
    presentation = Presentation(fake.store, fake.base_url)
    return [presentation.send(send) for send in group(fake.requests)]


def test_a_request_is_shown_whole_without_its_secrets(fake, caller):
    """What was asked, what was answered, and by which rule."""
    caller.upload_url()
    (shown,) = requests_of(fake)
    assert shown["curl"].startswith("curl -X POST https://api.flowflex.test/v1/assets/upload-url -u ")
    assert ["authorization", "[secret]"] in shown["headers"]
    reply = shown.pop("reply")
    assert (reply["status"], reply["headers"][0]) == (200, ["content-type", "application/json"])
    issued = json.loads(reply["body"])
    assert issued["assetId"] == shown["assetId"]
    assert issued["uploadUrl"].endswith("/a.pdf?[secret]")
    assert issued["token"] == "[secret]"
    assert shown.pop("rule")["id"] == "upload-url.issued"
    wanted = {
        "number": 1,
        "at": 1000.0,
        "tenant": "default",
        "origin": "api",
        "operation": "upload-url",
        "method": "POST",
        "target": "/v1/assets/upload-url",
        "body": '{"filename": "a.pdf", "mime": "application/pdf", "size": 4}',
        "received": 59,
        "status": 200,
        "code": "",
        "fault": None,
        "eventId": None,
        "mark": None,
    }
    assert {name: shown[name] for name in wanted} == wanted


def test_the_words_that_were_signed_are_not_shown(fake, caller):
    """S3 repeats them to whom it refuses."""
    caller.put(caller.url()[:-1])
    shown = requests_of(fake)[1]
    assert shown["reply"]["body"].partition("<StringToSign>")[2].startswith("[secret]</StringToSign>")
    assert shown["target"].endswith("/a.pdf?[secret]")
    assert (shown["rule"]["id"], shown["code"], shown["body"]) == ("put.signature", "SignatureDoesNotMatch", None)


def test_a_refused_body_is_masked_too(fake, caller):
    """It is no JSON, and holds an upload URL all the same."""
    url = caller.upload_url().json()["uploadUrl"]
    token = url.rpartition("=")[2]
    caller.event(body=b'{"file": "%s", "x": "%s"' % (url.encode(), token.encode()))
    assert token not in json.dumps(requests_of(fake))
    assert requests_of(fake)[1]["code"] == "INVALID_JSON"


def test_a_refusal_says_what_was_wrong(fake, caller):
    """The reply's own sentence, whatever its dialect, without secrets; no other request has one."""
    caller.upload_url(filename="a/b")
    caller.put(caller.url(), b"five!")
    caller.event(name=None)
    caller.event({"n": 1})
    assert [request["said"] for request in requests_of(fake)] == [
        "filename is a path",
        None,
        "5 bytes were sent, and 4 declared",
        RULES["event.name-required"].sentence,
        None,
    ]


def test_a_file_is_named_as_its_requests_name_it(fake, caller):
    """From the request for its URL on, granted or not; an event names none, and a secret is masked here, too."""
    fake.faults.arm("upload-url", faults.Status(500))
    caller.upload_url(filename="ä.pdf")
    caller.put(caller.url(filename="ä b.pdf")[:-1])
    caller.upload_url(filename=f"{fake.api_secret}.pdf")
    caller.event()
    assert [request["filename"] for request in requests_of(fake)] == [
        "ä.pdf",
        "ä b.pdf",
        "ä b.pdf",
        "[secret].pdf",
        None,
    ]


@pytest.mark.parametrize(
    ("fault", "body", "state"),
    [
        (faults.Status(500), b"{}", "interrupted"),
        (faults.HtmlPage(502), b"{}", "interrupted"),
        (faults.Drip(), b"[]", "refused"),
        (faults.MalformedBody(), b"[]", "refused"),
    ],
)
def test_what_a_fault_answers_is_no_refusal(fake, caller, fault, body, state):
    """FlowFlex refuses by a rule; a fault that only bends such a reply changes nothing about that."""
    fake.faults.arm("event", fault)
    caller.event(body=body)
    assert [send["state"] for send in sends_of(fake)] == [state]


def test_an_upload_that_a_fault_refused_is_interrupted(fake, caller):
    """Until its next attempt is refused by a rule."""
    fake.faults.arm("put", faults.Status(503))
    url = caller.url()
    caller.put(url)
    assert [send["state"] for send in sends_of(fake)] == ["interrupted"]
    caller.put(url, b"five!")
    assert [send["state"] for send in sends_of(fake)] == ["refused"]


def test_the_end_of_a_connection_is_shown(fake, caller):
    """A reset is told from an end, and both from a request that is under way."""
    fake.faults.arm("event", faults.Reset())
    fake.faults.arm("event", faults.LoseReply(), occurrence=2)
    for key in ("a", "b"):
        caller.event(key=key)
    shown = requests_of(fake)
    assert [request["reply"] for request in shown] == [{"abort": "reset"}, {"abort": "end"}]
    assert shown[0]["fault"] == "Reset()"
    assert shown[0]["status"] is None
    assert shown[0]["rule"] is None


def test_a_request_under_way_is_shown(fake, caller):
    """Without an answer, as far as it has come."""
    head = Head("storage", "PUT", caller.url(), (("content-length", "4"), ("content-type", "application/pdf")))
    exchange = fake.open(head)
    exchange.feed(b"da")
    shown = requests_of(fake)[1]
    assert (shown["received"], shown["status"], shown["reply"]) == (2, None, None)
    assert sends_of(fake)[0]["state"] == "uploading"
    exchange.cut_short()


def test_a_request_is_timed_by_the_real_clock(fake, caller, tmp_path):
    """The fake's own may be frozen; of a request to an earlier process no real time is known."""
    caller.event()
    fake.requests[0].arrived, fake.requests[0].ended = 50.25, 52.0
    fake.open(Head("storage", "PUT", caller.url(), (("content-length", "4"), ("content-type", "application/pdf"))))
    told = [(request["took"], request["arrived"]) for request in requests_of(fake)]
    assert told[0] == (1.75, 50.25)
    assert told[2] == (None, fake.requests[2].arrived)
    for earlier in (True, False):
        with Data(tmp_path / "data") as data:
            kept = FakeFlowFlex(repository=data, clock=data.clock(rate=0))
            if earlier:
                Caller(kept).event()
            (shown,) = requests_of(kept)
            assert (shown["took"] is None, shown["arrived"] is None) == (not earlier, not earlier)
            kept.stop()


def test_a_send_is_shown_with_its_files(fake, caller):
    """Each with its place in the payload, its end, and whether its bytes can be had."""
    assets = [caller.asset(filename="ä.pdf"), caller.asset()]
    fake.clock.advance(hours=1)
    caller.event({"file": assets[0], "gallery": [assets[1], "asset_0123456789"]}, key="k")
    fake.faults.arm("event", faults.LoseReply())
    caller.event({"file": assets[0]}, key="l")
    first, second = sends_of(fake)
    assert first["state"] == "refused"
    assert json.loads(first["payload"])["gallery"] == [assets[1], "asset_0123456789"]
    assert first["files"] == [
        {
            "path": path,
            "assetId": asset_id,
            "filename": filename,
            "mime": "application/pdf",
            "size": 4,
            "stored": True,
            "expiresAt": 1000.0 + 172_800,
            "kept": True,
        }
        for path, asset_id, filename in (("file", assets[0], "ä.pdf"), ("gallery[0]", assets[1], "a.pdf"))
    ]
    assert (first["at"], first["until"], first["requests"]) == (1000.0, 4600.0, [1, 2, 3, 4, 5])
    assert (second["event"], second["key"], second["state"]) == ("invoice.created", "l", "delivered")
    assert [file["path"] for file in second["files"]] == ["file"]


def test_uploads_without_an_event_are_shown_with_their_files(fake, caller):
    """Stored or not yet."""
    caller.upload_url()
    caller.asset()
    (send,) = sends_of(fake)
    assert (send["event"], send["payload"], send["state"]) == (None, None, "uploading")
    assert [(file["path"], file["stored"], file["kept"]) for file in send["files"]] == [
        (None, False, False),
        (None, True, True),
    ]
    assert send["files"][0]["expiresAt"] == 1000.0 + 7_200


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"a": NaN}', b'{"a": 1e999}', b"[" * 100_000, b'{"a": "\xff"', b'{"a":' * 3000]
)
def test_a_payload_that_other_languages_cannot_read_is_none(fake, caller, body):
    """It would break the whole reply; the request shows the text of it."""
    caller.event(body=body)
    (send,) = sends_of(fake)
    assert send["payload"] is None
    assert json.dumps(requests_of(fake), allow_nan=False)


def test_a_payload_is_shown_as_it_was_written(fake, caller):
    """With the order of its keys, those that stand twice, and the spelling of its numbers."""
    body = '{"b": 1.0,"10" : 12345678901234567890, "b": 1E+2}'
    caller.event(body=body.encode())
    assert sends_of(fake)[0]["payload"] == body


def test_secrets_in_a_payload_are_masked_and_the_rest_is_as_it_was(fake, caller):
    """The JSON remains JSON."""
    url = "https://h/a?b=c"
    caller.event({"url": url, "quote": f'{url}"x', "list": [url + "\n"], "token": "abc", "n": 1.5})
    (send,) = sends_of(fake)
    assert json.loads(send["payload"]) == {
        "url": "https://h/a?[secret]",
        "quote": 'https://h/a?[secret]"x',
        "list": ["https://h/a?[secret]"],
        "token": "[secret]",
        "n": 1.5,
    }


def test_only_tenants_that_there_are_are_named(fake, caller):
    """The path of a refused PUT may say anything."""
    caller.put("/assets/nobody/asset_1/a.pdf")
    assert [send["tenant"] for send in sends_of(fake)] == [None]
