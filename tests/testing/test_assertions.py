"""What `assert_event` and its like take for true, and what they say when it is not."""

from unittest.mock import ANY

import pytest

from flowflex_testing import faults
from flowflex_testing.fake import FakeFlowFlex
from tests.testing.caller import Caller
from tests.testing.golden.comparing import assert_golden


@pytest.fixture
def caller():
    return Caller(FakeFlowFlex())


@pytest.fixture
def fake(caller):
    return caller.fake


def message_of(check, *args, **kwargs) -> str:
    with pytest.raises(AssertionError) as raised:
        check(*args, **kwargs)
    return str(raised.value)


# What is true.


def test_an_event_is_found_by_name_payload_files_and_key(caller, fake, tmp_path):
    """The keys that are given must be there, a file by its name, content or path; the last such event is returned."""
    asset_id = caller.asset()
    caller.event({"n": 1}, key="a")
    caller.event({"n": 1, "order": {"id": 7, "items": [1, 2]}, "file": asset_id}, key="b")
    caller.event({"n": 2}, key="c")
    event = fake.assert_event("invoice.created", payload={"n": 1, "order": {"items": (1, 2)}})
    assert event.idempotency_key == "b"
    fake.assert_event("invoice.created", files={"file": "a.pdf"})
    fake.assert_event("invoice.created", files={"file": b"data"}, payload={"file": ANY})
    (tmp_path / "another name.pdf").write_bytes(b"data")
    fake.assert_event("invoice.created", files={"file": tmp_path / "another name.pdf"})
    assert fake.assert_event("invoice.created", idempotency_key="a").payload == {"n": 1}
    assert fake.assert_event("invoice.created").idempotency_key == "c"


def test_events_are_counted_once_however_often_they_were_repeated(caller, fake):
    """`times` counts what FlowFlex accepted; a repeat under the same key is the same event."""
    for key in ("a", "b", "b"):
        caller.event({"n": 1}, key=key)
    fake.assert_event("invoice.created", times=2)
    fake.assert_event("invoice.created", idempotency_key="b", times=1)
    with pytest.raises(ValueError, match="times counts from 1, not 0"):
        fake.assert_event("invoice.created", times=0)


def test_attempts_are_counted_whatever_became_of_them(caller, fake):
    """Refused, struck and repeated requests count alike; by key or by file name, and 0 is a number as well."""
    fake.assert_attempts("put", 0)
    fake.faults.arm("put", faults.Status(503))
    url = caller.url(filename="b c.pdf")
    for _ in range(2):
        caller.put(url)
    caller.asset()
    for key in ("a", "b", "a"):
        caller.event(key=key)
    fake.assert_attempts("upload-url", 2)
    fake.assert_attempts("upload-url", 1, filename="b c.pdf")
    fake.assert_attempts("put", 3)
    fake.assert_attempts("put", 2, filename="b c.pdf")
    fake.assert_attempts("event", 2, idempotency_key="a")


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("get", 1), {}, "attempts are those of upload-url, put, event, not of 'get'"),
        (("put", 1), {"idempotency_key": "a"}, "put has no idempotency key"),
        (("event", 1), {"filename": "a.pdf"}, "event has no file name"),
    ],
)
def test_attempts_that_nothing_can_have_are_an_error(fake, arguments, options, message):
    """What would never match is a slip of the test."""
    with pytest.raises(ValueError, match=message):
        fake.assert_attempts(*arguments, **options)


def test_nothing_sent_is_nothing_at_all(caller, fake):
    """Any request counts, refused ones too."""
    fake.assert_nothing_sent()
    caller.post("/nowhere", b"")
    assert_golden("nothing_sent", message_of(fake.assert_nothing_sent))


def test_a_header_was_never_sent(caller, fake):
    """In any case of its name, to one origin or to both; what it holds is not repeated."""
    caller.put(caller.url(), extra=[("cookie", "a=b")])
    fake.assert_never_sent(header="X-Other")
    fake.assert_never_sent(header="Authorization", to="storage")
    fake.assert_never_sent(header="Cookie", to="api")
    message = message_of(fake.assert_never_sent, header="Cookie", to="storage")
    assert "a=b" not in message
    assert_golden("never_sent", message)


# What is said: the first place that differs, as a JSON pointer.


@pytest.mark.parametrize(
    ("payload", "pointer", "wanted", "found"),
    [
        ({"b": 1}, "/b", "1", "nothing"),
        ({"a": {"x": [1, 3]}}, "/a/x/1", "3", "2"),
        ({"a": {"x": [1]}}, "/a/x/1", "nothing", "2"),
        ({"a": {"x": [1, 2, 3]}}, "/a/x/2", "3", "nothing"),
        ({"a": {"x": 1}}, "/a/x", "1", "[1, 2]"),
        ({"a": {"y": {}}}, "/a/y", "{}", "nothing"),
        ({"t": 1}, "/t", "1", "True"),
        ({"one": True}, "/one", "True", "1"),
        ({"missing": "nothing"}, "/missing", "'nothing'", "nothing"),
        ({"words": []}, "/words/0", "nothing", "'nothing'"),
        ({"missing": "a" * 199}, "/missing", f"'{'a' * 199}... and 1 character more", "nothing"),
        ({"a/b": {"~": 2}}, "/a~1b/~0", "2", "1"),
    ],
)
def test_the_first_difference_of_a_payload_is_told(caller, fake, payload, pointer, wanted, found):
    """The message holds the pointer to what differs (RFC 6901), and both values."""
    caller.event({"a": {"x": [1, 2]}, "t": True, "one": 1, "a/b": {"~": 1}, "words": ["nothing"]})
    lines = message_of(fake.assert_event, "invoice.created", payload=payload).splitlines()
    assert [line.strip() for line in lines[4:7]] == [
        f"payload differs at {pointer}",
        f"wanted  {wanted}",
        f"found   {found}",
    ]


@pytest.mark.parametrize(
    ("files", "lines"),
    [
        ({"g": "a.pdf"}, ["file at g differs", "wanted  'a.pdf'", "found   nothing; files stand at f"]),
        ({"g": b"x"}, ["file at g differs", "wanted  a file", "found   nothing; files stand at f"]),
        ({"f": "b.pdf"}, ["name of the file at f differs", "wanted  'b.pdf'", "found   'a.pdf'"]),
        (
            {"f": b"dates"},
            ["content of the file at f differs from byte 3 on", "wanted  5 bytes, b'es'", "found   4 bytes, b'a'"],
        ),
        (
            {"f": b"data and more"},
            [
                "content of the file at f differs from byte 4 on",
                "wanted  13 bytes, b' and more'",
                "found   4 bytes, b''",
            ],
        ),
    ],
)
def test_the_first_difference_of_the_files_is_told(caller, fake, files, lines):
    """The message names the payload path, and shows what stands there."""
    caller.event({"f": caller.asset()})
    message = message_of(fake.assert_event, "invoice.created", files=files)
    assert [line.strip() for line in message.splitlines()[4:7]] == lines


def test_a_difference_behind_what_is_kept_of_a_file_is_told_as_such(caller, fake):
    """Of a stored file the first bytes are kept; what comes after them is compared, and cannot be shown."""
    url = caller.upload_url(size=5_000).json()
    caller.put(url["uploadUrl"].removeprefix(fake.storage_url), bytes(5_000))
    caller.event({"f": url["assetId"]})
    message = message_of(fake.assert_event, "invoice.created", files={"f": bytes(4_999) + b"1"})
    assert "content of the file at f differs after byte 4096\n" in message
    assert "wanted  5,000 bytes\n" in message


# What is said: whole messages, as someone meets them.


def test_an_event_with_another_payload(caller, fake):
    """Three requests, the likeliest first: what was sent, how it differs, and the rule behind a refusal."""
    caller.event({"f": caller.asset()}, key="a")
    caller.event(name="order.placed", key="b")
    caller.event({"a": "asset_0123456789"}, name="invoice.create", key="c")
    assert_golden("event_payload", message_of(fake.assert_event, "invoice.created", payload={"n": 1}))


def test_an_event_with_other_files(caller, fake):
    """The file is told by its payload path."""
    caller.event({"order": {"receipt": caller.asset()}})
    message = message_of(fake.assert_event, "invoice.created", files={"order.receipt": "receipt.pdf"})
    assert_golden("event_files", message)


def test_an_event_that_was_refused(caller, fake):
    """What was sent as wanted and refused is nearest, with the rule that it broke."""
    caller.event({"n": 2}, key="a")
    caller.event({"n": 1}, key="a")
    assert_golden("event_refused", message_of(fake.assert_event, "invoice.created", payload={"n": 1}))


def test_an_event_under_another_key(caller, fake):
    """The header is named; a body that is no JSON is no payload."""
    caller.event({"n": 1}, key="order-1")
    caller.event(body=b"no", key="order-2")
    message = message_of(
        fake.assert_event, "invoice.created", payload={"n": 1}, files={"f": "a.pdf"}, idempotency_key="order-2"
    )
    assert_golden("event_key", message)


def test_an_event_that_was_accepted_twice(caller, fake):
    """The number of events is told, and each of them."""
    caller.event(key="a")
    caller.event(key="b")
    assert_golden("event_times", message_of(fake.assert_event, "invoice.created", payload={}, times=1))


def test_an_event_of_which_there_is_no_trace(fake):
    """The likeliest mistake is a client that never called."""
    assert_golden("event_no_request", message_of(fake.assert_event, "invoice.created"))


def test_a_value_that_is_very_long_is_cut(caller, fake):
    """A message stays one that can be read."""
    caller.event({"text": "a" * 5_000 + "b" * 1_000})
    message = message_of(fake.assert_event, "invoice.created", payload={"text": "a" * 5_000 + "c" * 1_000})
    assert_golden("event_long_value", message)


def test_more_attempts_than_wanted(caller, fake):
    """Each attempt is told with what became of it."""
    fake.faults.arm("put", faults.Status(503, "SlowDown"))
    url = caller.url()
    for _ in range(2):
        caller.put(url)
    assert_golden("attempts", message_of(fake.assert_attempts, "put", 1, filename="a.pdf"))


def test_fewer_attempts_than_wanted(caller, fake):
    """What does not count shows why: another key, another operation."""
    caller.asset()
    caller.event(key="a")
    caller.event(key="b")
    assert_golden("attempts_key", message_of(fake.assert_attempts, "event", 2, idempotency_key="b"))


def test_no_message_holds_a_secret(caller, fake):
    """Neither the credentials, nor what authorises an upload, nor a header that was never to be sent."""
    granted = caller.upload_url().json()
    caller.put(granted["uploadUrl"].removeprefix(fake.storage_url))
    payload = {
        "a": fake.api_secret,
        "b": granted["uploadUrl"],
        "c": "x" * 180 + granted["token"],
        "d": [granted["token"]] * 4,
    }
    caller.event(payload, extra=[("cookie", "session=1234567")])
    fake.faults.arm("upload-url", faults.MalformedBody())
    caller.upload_url(body=b'{"filename": "a.pdf", "mime": "application/pdf"}')
    messages = [
        *(message_of(fake.assert_event, "invoice.created", payload={key: "x"}) for key in payload),
        message_of(fake.assert_attempts, "put", 3),
        message_of(fake.assert_nothing_sent),
        message_of(fake.assert_never_sent, header="authorization"),
        message_of(fake.assert_never_sent, header="cookie"),
    ]
    token = granted["token"]
    secrets = (fake.api_secret, caller.authorization.partition(" ")[2], token[:8], token[-8:], "session=1234567")
    assert [secret for secret in secrets for message in messages if secret in message] == []
    assert all("[secret]" in message for message in messages[:4])
