"""What a fake holds outlives its process, and what cannot be used is one sentence."""

import shutil
import sqlite3
import time
from contextlib import closing

import pytest

from flowflex_testing import faults
from flowflex_testing.engine.data import Data, DataError
from flowflex_testing.engine.messages import Head
from flowflex_testing.engine.store import Upload
from flowflex_testing.fake import FakeFlowFlex
from flowflex_testing.inspector.admin import Admin
from flowflex_testing.inspector.presentation import masking_of
from tests.testing.caller import Body, Caller

FILE = "flowflex-fake.sqlite3"


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "data"


def fake_over(data, **options):
    return FakeFlowFlex(
        repository=data, clock=data.clock(0), keep_files_bytes=1_000_000, keep_files_in=data.files, **options
    )


def killed(directory):
    """Return a directory as it would be found if the process had been killed now."""
    copy = directory.with_name(f"{directory.name}-killed")
    shutil.rmtree(copy, ignore_errors=True)
    return shutil.copytree(directory, copy)


def headers_of(request):
    return [header for header in request.headers if header[0] != "authorization"]


def state_of(fake):
    store = fake.store
    return (
        {
            name: (tenant.uploads, tenant.assets, tenant.answers, tenant.events)
            for name, tenant in store.tenants.items()
        },
        [(repr(request), headers_of(request), request.body, request.reply) for request in store.requests],
        store.ids_given,
    )


def test_all_that_was_answered_is_there_after_a_kill(directory):
    """Upload URLs, files with their bytes, events, answers, the journal and the count of ids."""
    with Data(directory) as data:
        fake = fake_over(data)
        caller = Caller(fake)
        fake.faults.arm("put", faults.TruncateReply(body_bytes=3), occurrence=3)
        fake.faults.arm("event", faults.Reset(), occurrence=2)
        asset_id = caller.asset(filename="ä.pdf")
        unused = caller.url(size=...)
        caller.put(caller.url(size=...))
        caller.event({"file": asset_id, "more": {"list": [asset_id, None, 1.5, "\ud83d\ude00"]}}, key="k")
        caller.event(key="l")
        caller.event({"file": "asset_0123456789"}, key="é")
        caller.put(caller.url(), b"data")
        with Data(killed(directory)) as found:
            again = fake_over(found)
            assert state_of(again) == state_of(fake)
            assert again.content(asset_id) == b"data"
            caller = Caller(again)
            assert caller.put(unused).status == 200
            replay = caller.event({"file": asset_id, "more": {"list": [asset_id, None, 1.5, "\ud83d\ude00"]}}, key="k")
            assert replay.rule == "event.replay"
            assert caller.upload_url().json()["assetId"] not in {request.asset_id for request in fake.requests}
            numbers = [request.number for request in again.requests]
            assert numbers == list(range(1, len(numbers) + 1))


def test_every_effect_is_kept_before_its_answer(directory):
    """Not with the journal alone: a file whose reply never went out is stored."""
    with Data(directory) as data:
        caller = Caller(fake_over(data))
        target = caller.url()
        exchange = caller.fake.open(
            Head("storage", "PUT", target, (("content-length", "4"), ("content-type", "application/pdf")))
        )
        with Data(killed(directory)) as found:
            assert list(fake_over(found).assets) == []
        exchange.feed(b"data")
        with Data(killed(directory)) as found:
            assert [asset.size for asset in fake_over(found).assets.values()] == [4]


def test_an_event_keeps_the_file_that_it_took(directory):
    """Also where another is in its place by now."""
    with Data(directory) as data:
        fake = fake_over(data)
        caller = Caller(fake)
        issued = caller.upload_url(size=...).json()
        target = issued["uploadUrl"].removeprefix(fake.storage_url)
        caller.put(target, b"first")
        caller.event({"file": issued["assetId"]})
        caller.put(target, b"second one")
        with Data(killed(directory)) as found:
            again = fake_over(found)
            assert again.assets[issued["assetId"]].size == 10
            assert again.events[0].files["file"].size == 5
            assert again.content(issued["assetId"]) == b"second one"


def test_a_tenant_finds_what_it_sent_when_it_is_added(directory):
    """By its name; it may have other credentials now."""
    with Data(directory) as data:
        fake = fake_over(data)
        fake.add_tenant("other")
        caller = Caller(fake)
        caller.authorization = fake.store.tenants["other"].authorization
        asset_id = caller.asset()
    with Data(directory) as data:
        fake = fake_over(data)
        assert fake.assets == {}
        assert list(fake.add_tenant("other", api_secret="new").assets) == [asset_id]


def test_a_failed_run_stays_one(directory):
    """The failure is part of the event."""
    with Data(directory) as data:
        caller = Caller(fake_over(data, missing_file="failed-run"))
        caller.event({"file": caller.upload_url().json()["assetId"]})
    with Data(directory) as data:
        assert fake_over(data).events[0].failure == "ASSET_FILE_MISSING"


def test_what_is_forgotten_is_forgotten_for_good(directory):
    """With the files; what is under way at that moment leaves nothing either, and what was remembered stays."""
    with Data(directory) as data:
        data.remember("port", 8080)
        fake = fake_over(data)
        caller = Caller(fake)
        caller.event({"file": caller.asset()})
        exchange = fake.open(
            Head("storage", "PUT", caller.url(), (("content-length", "4"), ("content-type", "application/pdf")))
        )
        fake.reset()
        exchange.feed(b"data")
    assert [path for path in (directory / "files").iterdir() if path.name.startswith("asset_")] == []
    with Data(directory) as data:
        assert state_of(fake_over(data)) == state_of(FakeFlowFlex())
        assert data.remembered("port") == 8080
        assert data.remembered("storage_port") is None


def numbers_in(directory):
    with closing(sqlite3.connect(killed(directory) / FILE)) as connection:
        return [number for (number,) in connection.execute("SELECT number FROM requests ORDER BY number")]


def test_a_bounded_journal_is_bounded_on_disk(directory):
    """The oldest requests go, and are counted the next time; events, files and answers stay."""
    with Data(directory) as data:
        fake = fake_over(data, keep_requests=3)
        caller = Caller(fake)
        asset_id = caller.asset()
        first = caller.event({"file": asset_id}, key="first")
        for number in range(5):
            caller.event(key=str(number))
        assert numbers_in(directory) == [6, 7, 8]
    with Data(directory) as data:
        again = fake_over(data, keep_requests=3)
        assert state_of(again) == state_of(fake)
        assert again.store.dropped == 5
        caller = Caller(again)
        assert caller.event({"file": asset_id}, key="first").body == first.body
        assert [request.number for request in again.requests] == [7, 8, 9]
        again.reset()
        assert caller.event().status == 202
    with Data(directory) as data:
        assert fake_over(data).store.dropped == 0


def test_a_journal_that_is_longer_than_its_bound_is_cut_when_it_is_opened(directory):
    """Another fake may have kept all of it; and who keeps all again is told of what is gone."""
    with Data(directory) as data:
        caller = Caller(fake_over(data))
        for number in range(10):
            caller.event(key=str(number))
    with Data(directory) as data:
        fake = fake_over(data, keep_requests=4)
        assert [request.number for request in fake.requests] == [7, 8, 9, 10]
        assert fake.store.dropped == 6
        assert numbers_in(directory) == [7, 8, 9, 10]
    with Data(directory) as data:
        fake = fake_over(data)
        assert (len(fake.requests), fake.store.dropped) == (4, 6)
        Caller(fake).event()
        assert fake.requests[-1].number == 11


def test_a_dropped_request_that_ends_late_is_not_kept(directory):
    """It was under way when newer ones took its place."""
    with Data(directory) as data:
        fake = fake_over(data, keep_requests=2)
        caller = Caller(fake)
        head = Head("storage", "PUT", caller.url(), (("content-length", "4"), ("content-type", "application/pdf")))
        exchange = fake.open(head)
        for number in range(2):
            caller.event(key=str(number))
        exchange.feed(b"data")
        assert numbers_in(directory) == [3, 4]
        assert len(fake.assets) == 1


def test_a_token_of_the_last_time_is_masked(directory):
    """Its URL is still good, wherever a body says it."""
    with Data(directory) as data:
        token = Caller(fake_over(data)).upload_url().json()["token"]
    with Data(directory) as data:
        fake = fake_over(data)
        assert token not in masking_of(fake.store).text(f"it is {token}")


def test_an_event_without_a_key_is_kept(directory):
    """It has no stored answer."""
    with Data(directory) as data:
        Caller(fake_over(data, strict=False)).event({"n": 1}, key=None)
    with Data(directory) as data:
        fake = fake_over(data)
        assert [(event.payload, event.idempotency_key) for event in fake.events] == [({"n": 1}, None)]
        assert fake.store.tenants["default"].answers == {}


def test_an_effect_that_cannot_be_kept_is_none(directory):
    """It raises, nothing of it is there, and the next one is kept."""
    with Data(directory) as data:
        fake = fake_over(data)
        upload = Upload("asset_12345678", "a.pdf", "application/pdf", 2**64, 0.0)
        with pytest.raises(OverflowError):
            fake.store.add_upload(fake.store.tenants["default"], upload)
        assert fake.store.tenants["default"].uploads == {}
        Caller(fake).upload_url()
    with Data(directory) as data:
        assert len(fake_over(data).store.tenants["default"].uploads) == 1


@pytest.mark.parametrize("second", [b"second", b"first", b""])
def test_a_file_that_is_replaced_stays_until_another_is_kept(directory, monkeypatch, second):
    """It is there whole after a kill or an error in between; where it was an error, nothing stays of the other."""
    with Data(directory) as data:
        fake = fake_over(data)
        caller = Caller(fake)
        issued = caller.upload_url(size=...).json()
        target = issued["uploadUrl"].removeprefix(fake.storage_url)
        caller.put(target, b"first")

        def fail(_tenant, _asset):
            killed(directory)
            raise OSError("the disk is full")

        monkeypatch.setattr(data, "add_asset", fail)
        with pytest.raises(OSError, match="the disk is full"):
            caller.put(target, second)
        assert fake.assets[issued["assetId"]].size == 5
        assert fake.content(issued["assetId"]) == b"first"
        assert len(list(data.files.iterdir())) == 1
        monkeypatch.undo()
        caller.put(target, second)
        assert fake.content(issued["assetId"]) == second
        assert len(list(data.files.iterdir())) == 1
    with Data(directory.with_name("data-killed")) as found:
        assert fake_over(found).content(issued["assetId"]) == b"first"


def test_a_clock_goes_on_from_where_it_was(directory, monkeypatch):
    """One that stands still, or is scaled, at that moment; in real time it has run meanwhile."""
    with Data(directory) as data:
        clock = data.clock(0)
        assert abs(clock.now() - time.time()) < 60
        FakeFlowFlex(repository=data, clock=clock)
        clock.advance(days=3)
        moment, real = clock.now(), time.time()
    monkeypatch.setattr(time, "time", lambda: real + 100)
    with Data(directory) as data:
        assert data.clock(0).now() == moment
        assert data.clock(60).start == moment
        assert 99 <= data.clock(1).now() - moment < 160
    monkeypatch.setattr(time, "time", lambda: real - 100)
    with Data(directory) as data:
        assert data.clock(1).start == moment


def test_the_time_is_kept_when_the_clock_is_moved(directory):
    """On the page, and nothing else need happen."""
    with Data(directory) as data:
        fake = fake_over(data)
        headers = (("host", "127.0.0.1"), ("content-type", "application/json"))
        moved = Admin(fake, "127.0.0.1").handle(
            Head("api", "POST", "/_fake/clock", headers), Body(b'{"advance": {"days": 1}}')
        )
        assert moved.status == 200
        with Data(killed(directory)) as found:
            assert found.clock(0).now() == fake.clock.now()


def test_nobody_else_can_read_it_and_no_credentials_are_in_it(directory):
    """Files are for the owner alone, and Authorization is written nowhere."""
    with Data(directory) as data:
        fake = fake_over(data)
        caller = Caller(fake)
        caller.asset()
        written = b""
        for path in [directory, *directory.rglob("*")]:
            assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
            written += b"" if path.is_dir() else path.read_bytes()
    for secret in (caller.authorization, fake.api_key, fake.api_secret):
        assert secret.removeprefix("Basic ").encode() not in written


# What cannot be used.


def refusal_of(directory):
    with pytest.raises(DataError) as caught:
        Data(directory)
    message = str(caught.value)
    assert repr(str(directory)) in message
    assert "\n" not in message
    return message


def test_one_process_has_a_directory_at_a_time(directory):
    """The other is told what to do; afterwards it is free."""
    with Data(directory):
        assert "in use by another fake: stop it, or name another directory" in refusal_of(directory)
    Data(directory).close()


def test_the_file_of_another_program_is_left_alone(directory):
    """Not a byte of it is changed."""
    directory.mkdir(mode=0o700)
    with sqlite3.connect(directory / FILE) as connection:
        connection.execute("CREATE TABLE notes (text)")
    connection.close()
    before = (directory / FILE).read_bytes()
    assert f"holds a {FILE} that is not of a fake" in refusal_of(directory)
    assert (directory / FILE).read_bytes() == before
    assert [path.name for path in directory.iterdir()] == [FILE]


def test_what_is_no_database_is_told(directory):
    """Such as one that was damaged."""
    directory.mkdir(mode=0o700)
    (directory / FILE).write_bytes(b"no database" * 1000)
    assert f"holds a {FILE} that is not of a fake, or is damaged" in refusal_of(directory)


def test_the_file_of_a_newer_version_is_told(directory):
    """The sentence says which formats there are."""
    Data(directory).close()
    with sqlite3.connect(directory / FILE) as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    assert "by a newer version of flowflex-kit (its format is 2, and this one knows 1)" in refusal_of(directory)


def test_a_directory_that_others_can_write_to_is_not_trusted(directory):
    """Somebody could have laid a file into it."""
    directory.mkdir()
    directory.chmod(0o777)
    assert "can be written to by other users: chmod 700 it" in refusal_of(directory)


def test_what_is_no_directory_is_told(directory):
    """A file in its place, or in the place of what it lies in."""
    directory.write_text("")
    assert refusal_of(directory).endswith("is no directory")
    assert "cannot be used: Not a directory" in refusal_of(directory / "inside")


def test_a_directory_that_there_is_already_is_used(directory):
    """Whatever else lies in it stays."""
    directory.mkdir(mode=0o755)
    (directory / "notes.txt").write_text("mine")
    with Data(directory) as data:
        fake = fake_over(data)
        Caller(fake).asset()
        fake.reset()
    assert (directory / "notes.txt").read_text() == "mine"


def test_a_link_is_not_followed_to_another_file(directory, tmp_path):
    """The name of the file leads to no other."""
    directory.mkdir(mode=0o700)
    other = tmp_path / "other"
    other.write_bytes(b"")
    (directory / FILE).symlink_to(other)
    assert "cannot be used: " in refusal_of(directory)
    assert other.stat().st_size == 0
    assert [path.name for path in directory.iterdir()] == [FILE]
