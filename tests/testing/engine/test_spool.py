"""Whole files on disk: what is kept, what makes room, and what is left behind."""

import gc
import hashlib
import os
import stat
import threading
from pathlib import Path

import pytest

from flowflex_testing.engine.messages import Head
from flowflex_testing.engine.spool import Spool
from flowflex_testing.fake import FakeFlowFlex
from tests.testing.caller import Caller

SHA = "0" * 64


def store(spool: Spool, asset_id: str, content: bytes, sha256: str = SHA) -> Path | None:
    """Spool `content` in two pieces, and return where it is kept."""
    part = spool.begin()
    part.write(content[:1])
    part.write(content[1:])
    part.keep(asset_id, sha256)
    return spool.path(asset_id, sha256)


def directory_of(spool: Spool) -> Path:
    """Return the private directory of a spool, which makes it with its first file."""
    part = spool.begin()
    part.abandon()
    return part.path.parent


def upload(caller: Caller, content: bytes) -> str:
    """Upload `content` to the fake, and return its asset id."""
    issued = caller.upload_url(size=len(content)).json()
    assert caller.put(issued["uploadUrl"].removeprefix(caller.fake.storage_url), content).status == 200
    return str(issued["assetId"])


def test_a_fake_that_was_asked_to_keep_files_gives_them_back():
    """All of a file is there, byte for byte; one of no bytes is a file as well."""
    caller = Caller(FakeFlowFlex(keep_files_bytes=1_000_000))
    for content in (bytes(range(256)) * 1000, b""):
        asset_id = upload(caller, content)
        assert caller.fake.keeps(asset_id)
        assert caller.fake.content(asset_id) == content


def test_a_fake_keeps_no_whole_file_unless_it_was_asked_to():
    """The error says how to ask."""
    caller = Caller(FakeFlowFlex())
    asset_id = upload(caller, b"data")
    assert not caller.fake.keeps(asset_id)
    with pytest.raises(LookupError, match=rf"{asset_id} is not kept: only FakeFlowFlex\(keep_files_bytes=\.\.\.\)"):
        caller.fake.content(asset_id)
    with pytest.raises(LookupError, match="there is no asset 'asset_none'"):
        caller.fake.content("asset_none")
    with pytest.raises(ValueError, match="keep_files_in needs keep_files_bytes"):
        FakeFlowFlex(keep_files_in=Path("never-made"))
    assert not Path("never-made").exists()


def test_the_oldest_files_make_room():
    """At the bound the oldest go, as many as are needed; what they were is still known."""
    caller = Caller(FakeFlowFlex(keep_files_bytes=10))
    first, second, third = (upload(caller, content) for content in (b"1234", b"12345", b"12"))
    assert [caller.fake.keeps(asset_id) for asset_id in (first, second, third)] == [False, True, True]
    with pytest.raises(LookupError, match="newer files took all of keep_files_bytes"):
        caller.fake.content(first)
    assert caller.fake.assets[first].sha256 == hashlib.sha256(b"1234").hexdigest()


def test_a_file_over_the_bound_is_stored_and_not_kept():
    """The fake answers as ever, and nothing of the file stays on disk."""
    caller = Caller(FakeFlowFlex(keep_files_bytes=3))
    assert not caller.fake.keeps(upload(caller, b"1234"))
    assert caller.fake.keeps(upload(caller, b"123"))


def test_the_bound_holds_while_files_arrive():
    """Files that are arriving count, and are no room for one another."""
    spool = Spool(10)
    first, second = spool.begin(), spool.begin()
    first.write(b"123456")
    second.write(b"12345")
    assert spool.used == 6
    assert not second.path.exists()
    first.keep("asset_1", SHA)
    second.keep("asset_2", SHA)
    assert spool.path("asset_1", SHA) is not None
    assert spool.path("asset_2", SHA) is None
    spool.close()


def test_an_overwritten_file_gives_its_space_back():
    """In the dialect `s3` a second PUT replaces the first file on disk, be it the same or another."""
    caller = Caller(FakeFlowFlex(keep_files_bytes=8))
    issued = caller.upload_url(size=4).json()
    url = issued["uploadUrl"].removeprefix(caller.fake.storage_url)
    for content in (b"1234", b"5678", b"5678", b"abcd"):
        assert caller.put(url, content).status == 200
        assert caller.fake.content(issued["assetId"]) == content
    other = upload(caller, b"rest")
    assert caller.fake.keeps(other)
    assert caller.fake.keeps(issued["assetId"])


def test_space_is_counted_once():
    """A file that replaces its equal counts once, and one that was abandoned no more."""
    spool = Spool(100)
    for _ in range(2):
        store(spool, "asset_1", b"data")
    part = spool.begin()
    part.write(b"more")
    assert spool.used == 8
    part.abandon()
    assert spool.used == 4
    spool.drop("asset_1", SHA)
    assert spool.used == 0
    spool.close()


def test_a_file_is_replaced_by_its_equal_at_one_stroke(monkeypatch):
    """It is never gone, whatever ends the process or goes wrong in between."""
    spool = Spool(100)
    path = store(spool, "asset_1", b"data")
    assert path is not None
    part = spool.begin()
    part.write(b"data")

    def fail(_self, _target):
        assert path.read_bytes() == b"data"
        raise OSError("the disk is full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="the disk is full"):
        part.keep("asset_1", SHA)
    part.abandon()
    assert (spool.path("asset_1", SHA), spool.used) == (path, 4)
    spool.close()


@pytest.mark.parametrize("refused", [b"12345", b"123"])
def test_a_refused_put_leaves_nothing_on_disk(tmp_path, refused):
    """A file of another size than was declared was not stored, and so is not kept."""
    caller = Caller(FakeFlowFlex(keep_files_bytes=100, keep_files_in=tmp_path))
    assert caller.put(caller.url(size=4), refused, length=4 if len(refused) < 4 else None).status == 400
    assert caller.put(caller.url(size=4), b"12", length=4, ends_early=True).status == 400
    assert list(tmp_path.iterdir()) == []


def test_reset_gives_all_space_back(tmp_path):
    """Also that of a file which is arriving: it belongs to what was forgotten."""
    fake = FakeFlowFlex(keep_files_bytes=100, keep_files_in=tmp_path)
    caller = Caller(fake)
    upload(caller, b"data")
    url = caller.url(size=4)

    class Body:
        """Resets the fake between two pieces."""

        pieces: tuple[bytes, ...] = (b"da", b"ta", b"")

        def read(self, _size: int) -> bytes:
            piece, *rest = self.pieces
            self.pieces = tuple(rest)
            if piece == b"ta":
                fake.reset()
                assert list(tmp_path.iterdir()) == []
            return piece

    head = Head("storage", "PUT", url, (("content-length", "4"), ("content-type", "application/pdf")))
    fake.handle(head, Body())
    assert list(tmp_path.iterdir()) == []


def test_nobody_else_can_read_what_is_kept():
    """Directory and files belong to the owner alone, whatever the umask says."""
    before = os.umask(0)
    try:
        spool = Spool(100)
        part = spool.begin()
        assert stat.S_IMODE(part.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(part.path.parent.stat().st_mode) == 0o700
        part.keep("asset_1", SHA)
        path = spool.path("asset_1", SHA)
        assert path is not None
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(before)
    spool.close()


def test_a_private_directory_goes_away_with_its_spool():
    """Closing removes it, and so does the end of a spool that nobody closed; a closed one can begin anew."""
    spool = Spool(100)
    first = directory_of(spool)
    store(spool, "asset_1", b"data")
    spool.close()
    assert not first.exists()
    assert (spool.path("asset_1", SHA), spool.used) == (None, 0)
    second = directory_of(spool)
    assert second.exists()
    del spool
    gc.collect()
    assert not second.exists()


def test_a_live_fake_takes_its_files_away_when_it_stops():
    """After the `with` there is nothing left on disk, and the assets are still known."""
    with FakeFlowFlex(keep_files_bytes=100) as fake:
        asset_id = upload(Caller(fake), b"data")
        assert fake.content(asset_id) == b"data"
    assert not fake.keeps(asset_id)
    assert fake.assets[asset_id].first_bytes == b"data"
    with pytest.raises(LookupError, match="before a stop"):
        fake.content(asset_id)


def test_a_directory_that_was_given_keeps_its_files(tmp_path):
    """Another spool finds them, the oldest first, and within its own bound; what is not a spool's stays untouched."""
    directory = tmp_path / "made" / "for it"
    spool = Spool(100, directory)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    for age, asset_id in enumerate(["asset_3", "asset_1", "asset_2"]):
        path = store(spool, asset_id, b"1234")
        assert path is not None
        os.utime(path, (age, age))
    begun = spool.begin()
    (directory / "notes.txt").write_text("mine")
    spool.close()
    assert not begun.path.exists()
    (directory / "left.flowflex-part").write_bytes(b"of a process that died")

    again = Spool(8, directory)
    assert again.used == 8
    assert again.path("asset_3", SHA) is None
    path = again.path("asset_2", SHA)
    assert path is not None
    assert path.read_bytes() == b"1234"
    assert sorted(path.name[:7] for path in directory.iterdir()) == ["asset_1", "asset_2", "notes.t"]


def test_a_part_that_has_ended_takes_no_more(tmp_path):
    """Whatever is called after keep, abandon or close does nothing."""
    spool = Spool(100, tmp_path)
    kept, abandoned, closed = spool.begin(), spool.begin(), spool.begin()
    kept.write(b"data")
    kept.keep("asset_1", SHA)
    abandoned.abandon()
    spool.close()
    for part in (kept, abandoned, closed):
        part.write(b"more")
        part.keep("asset_2", SHA)
        part.abandon()
    assert spool.used == 4
    assert [path.name for path in tmp_path.iterdir()] == [f"asset_1-{SHA}"]
    assert kept.file.closed
    assert abandoned.file.closed
    assert closed.file.closed


def test_many_threads_share_one_spool():
    """The bound and the books hold when files arrive at the same time."""
    spool = Spool(1_000)
    ready = threading.Barrier(8)

    def work(name: int) -> None:
        ready.wait()
        for number in range(20):
            store(spool, f"asset_{name}x{number}", bytes(90))

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sizes = [path.stat().st_size for path in directory_of(spool).iterdir()]
    assert sum(sizes) == spool.used <= 1_000
    assert len(sizes) >= 3
    spool.close()


def test_a_bound_is_no_negative_number():
    """Said where the spool is made."""
    with pytest.raises(ValueError, match="0 bytes or more, not -1"):
        Spool(-1)
