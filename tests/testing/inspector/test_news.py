"""Who follows the journal is told what is new and nothing else, whatever it is that has changed."""

import pytest

from flowflex_testing import faults
from flowflex_testing.clock import Clock
from flowflex_testing.engine.messages import Head
from flowflex_testing.fake import FakeFlowFlex
from flowflex_testing.inspector.news import Watch
from flowflex_testing.inspector.sends import group
from tests.testing.caller import Caller


@pytest.fixture
def fake():
    fake = FakeFlowFlex(clock=Clock(1000.0), keep_files_bytes=8)
    yield fake
    fake.stop()


@pytest.fixture
def caller(fake):
    return Caller(fake)


class Follower:
    """Asks for what is new, and says which requests and sends that were."""

    def __init__(self, watch):
        self.watch = watch
        self.cursor = ""

    def __call__(self):
        news = self.watch.since(self.cursor)
        self.cursor = news.cursor
        return [request.number for request, _ in news.requests], [
            list(map(number_of, send.requests)) for send in news.sends
        ]

    def is_whole(self):
        return self.watch.since(self.cursor).is_whole


def number_of(request):
    return request.number


@pytest.fixture
def news(fake):
    return Follower(Watch(fake.store))


def test_a_long_journal_is_told_once(caller, news):
    """Then each follower is told what came since its own last look."""
    for number in range(50):
        caller.event(key=str(number))
    assert news.is_whole()
    requests, sends = news()
    assert (len(requests), len(sends)) == (50, 50)
    assert not news.is_whole()
    assert news() == ([], [])
    late = Follower(news.watch)
    caller.event(key="more")
    assert news() == ([51], [[51]])
    assert [len(what) for what in late()] == [51, 51]
    caller.event(key="last")
    assert news() == late() == ([52], [[52]])


def test_an_old_send_that_goes_on_is_told(caller, news):
    """A repeat under its key brings the whole send, and of its requests the new one."""
    for number in range(10):
        caller.event(key=str(number))
    news()
    caller.event(key="3")
    assert news() == ([11], [[4, 11]])
    assert news() == ([], [])


def test_a_request_is_told_when_it_arrives_as_its_body_comes_and_when_it_ends(fake, caller, news):
    """With each look once."""
    target = caller.url()
    exchange = fake.open(Head("storage", "PUT", target, (("content-length", "4"), ("content-type", "application/pdf"))))
    assert news() == ([1, 2], [[1, 2]])
    exchange.feed(b"da")
    caller.event(key="meanwhile")
    assert news() == ([2, 3], [[1, 2], [3]])
    exchange.feed(b"ta")
    assert news() == ([2], [[1, 2]])
    assert news() == ([], [])


def test_a_send_that_lost_its_uploads_is_told(caller, news):
    """An event takes one of three uploads that were one send: that which is left is another one from then on."""
    first = caller.asset()
    caller.asset()
    assert news() == ([1, 2, 3, 4], [[1, 2, 3, 4]])
    caller.event({"file": first})
    assert news() == ([5], [[1, 2, 5], [3, 4]])


def test_a_request_that_turns_out_to_be_a_repeat_is_told(fake, caller, news):
    """The first attempt ends in vain only after the second has come: then the second is marked."""
    fake.faults.arm("upload-url", faults.LoseReply())
    body = b'{"filename": "a.pdf", "mime": "application/pdf"}'
    fields = (("authorization", caller.authorization), ("content-type", "application/json"))
    exchange = fake.open(Head("api", "POST", "/v1/assets/upload-url", (*fields, ("content-length", str(len(body))))))
    exchange.feed(body[:-1])
    caller.upload_url(body)
    assert news()[0] == [1, 2]
    exchange.feed(body[-1:])
    marks = {request.number: mark for request, mark in news.watch.since(news.cursor).requests}
    assert marks == {number: mark for send in group(fake.requests) for number, mark in send.marks.items()} | {1: None}


def test_a_file_that_lost_its_bytes_is_told(fake, caller, news):
    """To newer files, and to the clock; the sends of others are not told."""
    caller.event({"file": caller.asset()}, key="a")
    caller.event(key="b")
    caller.event({"file": caller.asset()}, key="c")
    news()
    caller.event({"file": caller.asset()}, key="d")
    assert news() == ([8, 9, 10], [[1, 2, 3], [8, 9, 10]])
    fake.clock.advance(days=3)
    assert news() == ([], [[5, 6, 7], [8, 9, 10]])


def test_a_file_that_another_send_names_is_told_with_it(caller, news):
    """Two events name one file, and it is put again: both show it."""
    target = caller.url()
    caller.put(target)
    asset_id = caller.fake.requests[0].asset_id
    for key in ("a", "b"):
        caller.event({"file": asset_id}, key=key)
    news()
    caller.fake.clock.advance(seconds=1)
    caller.put(target, b"other")
    assert news() == ([5], [[1, 2, 3, 5], [4]])


def test_a_send_that_lost_its_first_requests_is_told():
    """It is another one without them; what is gone whole is told by nothing but the count."""
    fake = FakeFlowFlex(keep_requests=3)
    caller, news = Caller(fake), Follower(Watch(fake.store))
    caller.event({"file": caller.asset()}, key="a")
    news()
    caller.event(key="b")
    assert news() == ([4], [[2, 3], [4]])


@pytest.mark.parametrize("cursor", ["", "12", "x" * 32 + "-1", "0" * 32 + "-1", "0" * 32 + "-²"])
def test_a_cursor_that_was_given_elsewhere_brings_everything(caller, news, cursor):
    """By another fake, or by this one before it forgot."""
    caller.event()
    news()
    found = news.watch.since(cursor)
    assert found.is_whole
    assert len(found.requests) == 1
