import errno
import io
import os
import pathlib

import pytest

from flowflex_core import FlowFlexUploadError, FlowFlexUploadTimeoutError, file
from flowflex_transports.bodies import Sources
from flowflex_transports.reading import CHUNK_BYTES, SourceError
from tests.support.files import CONTENT, KINDS, measured, read, rewrite


@pytest.fixture(params=KINDS)
def source(request, path):
    source = KINDS[request.param](path)
    yield source
    if hasattr(source, "close"):
        source.close()


def test_every_kind_of_source_gives_its_bytes_to_each_attempt(source):
    """A path, bytes-like objects and binary file objects: measured, and read afresh as often as it takes."""
    sources, ref = measured(source)
    assert sources.sizes == {ref: len(CONTENT)}
    assert [read(sources, ref) for _ in range(3)] == [CONTENT] * 3


def test_an_attempt_that_is_broken_off_spoils_nothing(source):
    """The next attempt begins at the beginning."""
    sources, ref = measured(source)
    with sources.open(ref) as opened:
        next(opened.chunks())
    assert read(sources, ref) == CONTENT


def test_chunks_are_small(path):
    """What is in memory at a time does not depend on the size."""
    for source in (path, CONTENT):
        sources, ref = measured(source)
        with sources.open(ref) as opened:
            assert {len(chunk) for chunk in opened.chunks()} == {CHUNK_BYTES, len(CONTENT) % CHUNK_BYTES}


@pytest.mark.parametrize("kind", ["path", "bytes", "bytearray", "memoryview", "BytesIO", "buffered"])
def test_an_empty_file_is_a_file(tmp_path, kind):
    """Zero bytes are sent like any other number."""
    path = tmp_path / "empty.txt"
    path.touch()
    with path.open("rb") as handle:
        source = {
            "path": path,
            "bytes": b"",
            "bytearray": bytearray(),
            "memoryview": memoryview(b""),
            "BytesIO": io.BytesIO(),
            "buffered": handle,
        }[kind]
        sources, ref = measured(source)
        assert sources.sizes == {ref: 0}
        assert read(sources, ref) == b""


def test_no_further_file_is_measured_when_nobody_waits_any_more(tmp_path):
    """Each may take its time, as on a slow mount."""
    first, second = tmp_path / "first.pdf", tmp_path / "second.pdf"
    first.write_bytes(b"x")
    second.write_bytes(b"x")
    asked = iter([True, False])
    with pytest.raises(FlowFlexUploadTimeoutError) as caught:
        Sources.measure({file(first): "a", file(second): "b"}, max_file_bytes=10, go_on=lambda: next(asked))
    assert [*caught.value.failures] == ["b"]


# What cannot be sent


def refusals(path, tmp_path):
    closed = path.open("rb")
    closed.close()
    released = memoryview(b"x")
    released.release()
    fifo = tmp_path / "fifo.pdf"
    os.mkfifo(fifo)
    return {
        r"cannot read '.*/missing.pdf': No such file or directory": tmp_path / "missing.pdf",
        r"'.*' is a directory": tmp_path,
        r"'.*fifo.pdf' is not a regular file": fifo,
        r"'/dev/zero' is not a regular file": "/dev/zero",
        r"cannot read 'a\\x00b': ": "a\0b",
        r"is open in text mode: open it with mode 'rb'": path.open(encoding="latin-1"),
        r"the StringIO given is open in text mode": io.StringIO("text"),
        r"cannot read '.*': .*closed file": closed,
        r"cannot read '.*' \(read\): open it for reading, in binary mode": path.with_name("w").open("wb"),
        r"cannot read the memoryview given: .*released": released,
        r"not NoneType": None,
        r"not int": 3,
        r"not list": [b"x"],
        r"the Liar given gave str where bytes were read": Liar(),
        r"cannot read the Broken given: it broke": Broken(),
    }


class Liar(io.RawIOBase):
    def readable(self):
        return True

    def read(self, size=-1, /):
        return "text" if size else b""


class Broken(io.BytesIO):
    def read(self, size=-1, /):
        raise RuntimeError("it broke")


@pytest.mark.parametrize("number", range(15))
def test_what_cannot_be_sent_is_told_with_its_payload_path(path, tmp_path, number):
    """A missing file, a directory, a pipe without a writer, text, a closed handle: one clear sentence, and no hang."""
    cases = refusals(path, tmp_path)
    pattern, source = list(cases.items())[number]
    with pytest.raises(FlowFlexUploadError, match=f"^invoice: .*{pattern}|^invoice: {pattern}"):
        measured(source)
    for handle in cases.values():
        if hasattr(handle, "close"):
            handle.close()


def test_a_file_that_may_not_be_read_is_refused(path, monkeypatch):
    """Permission is found out before anything is sent; who runs the tests may be allowed everything."""

    def refuse(*_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(FlowFlexUploadError, match="Permission denied"):
        measured(path)


@pytest.mark.parametrize("nameless", ["path", "file object"])
def test_a_source_that_cannot_tell_its_name_is_refused(nameless):
    """Whatever it raises is trouble with the file."""

    class Nameless(os.PathLike[str]):
        def __fspath__(self):
            raise RuntimeError("no name")

    class Handle(io.BytesIO):
        @property
        def name(self):
            raise RuntimeError("no name")

    with pytest.raises(FlowFlexUploadError, match=r"invoice: cannot read the .* given: no name"):
        measured(Nameless() if nameless == "path" else Handle(b"x"))


def test_all_files_are_measured_before_the_first_is_refused(tmp_path):
    """The error names the first file, and holds every one that cannot be sent."""
    files = {file(tmp_path / f"{name}.pdf"): name for name in "abc"}
    (tmp_path / "b.pdf").touch()
    with pytest.raises(FlowFlexUploadError, match=r"^a: .*a.pdf.* \(and 1 more\)$") as caught:
        Sources.measure(files, max_file_bytes=1)
    assert [*caught.value.failures] == ["a", "c"]


def test_a_file_without_a_payload_path_is_told_by_its_own(tmp_path):
    """An upload without an event has no payload path."""
    with pytest.raises(FlowFlexUploadError, match=r"^cannot read '.*gone.pdf'"):
        Sources.measure({file(tmp_path / "gone.pdf"): ""}, max_file_bytes=1)


def test_a_file_over_the_limit_is_refused_by_its_size(tmp_path):
    """A sparse file of 3 GB is measured, not read; exactly the limit is allowed."""
    path = tmp_path / "huge.pdf"
    with path.open("wb") as handle:
        handle.truncate(3_000_000_000)
    with pytest.raises(FlowFlexUploadError, match=r"^invoice: '.*huge.pdf' has at least 3000000000 bytes, over"):
        measured(path, limit=2_999_999_999)
    with path.open("rb") as handle, pytest.raises(FlowFlexUploadError, match="over the limit"):
        measured(handle, limit=2_999_999_999)
    assert measured(path, limit=3_000_000_000)


@pytest.mark.parametrize("kind", ["path", "BytesIO", "memoryview of shorts"])
def test_a_declared_size_must_be_the_measured_one(path, kind):
    """`size=` that is not true is an error, and a true one is none."""
    source = KINDS[kind](path)
    with pytest.raises(FlowFlexUploadError, match=rf"has {len(CONTENT)} bytes, but size=7 was given"):
        measured(source, size=7)
    assert measured(source, size=len(CONTENT))


def test_a_file_that_was_not_measured_is_measured_when_it_is_opened(path):
    """A resumed send may store a file anew that it had stored before; limit and known size hold then as well."""
    for limit, size, words in ((10**9, len(CONTENT), None), (100, None, "over the limit"), (10**9, 3, "size=3")):
        ref = file(path, size=size)
        sources = Sources.measure({}, max_file_bytes=limit)
        if words is None:
            assert [read(sources, ref) for _ in range(2)] == [CONTENT] * 2
            continue
        with pytest.raises(SourceError, match=words), sources.open(ref):
            pass


def test_a_file_without_a_size_that_has_content_is_refused():
    """The system makes up some files as they are read."""
    with pytest.raises(FlowFlexUploadError, match=r"invoice: '/proc/version' has content.* give the bytes"):
        measured("/proc/version")


def test_a_size_known_from_an_earlier_run_must_be_the_measured_one(path):
    """A file that has another size by the time of a resume is not the file that was meant."""
    assert measured(path, expected=len(CONTENT))
    with pytest.raises(FlowFlexUploadError, match=r"has 256000 bytes now, and had 5 when the send began"):
        measured(path, expected=5)


# Change


def grow(path):
    with path.open("ab") as handle:
        handle.write(b"more")


def shrink(path):
    os.truncate(path, CHUNK_BYTES + 5)


def put_another_in_its_place(path):
    other = path.with_suffix(".other")
    other.write_bytes(CONTENT[::-1])
    status = path.stat()
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.rename(path)


@pytest.mark.parametrize("change", [grow, shrink, rewrite, put_another_in_its_place, pathlib.Path.unlink])
def test_a_path_that_changes_between_attempts_is_an_error(path, change):
    """Size, time, inode: what was measured must be what is opened."""
    sources, ref = measured(path)
    change(path)
    with pytest.raises(SourceError, match=r"changed|No such file"):
        read(sources, ref)


@pytest.mark.parametrize("kind", ["path", "buffered", "raw"])
@pytest.mark.parametrize("change", [grow, shrink, rewrite])
def test_a_file_that_changes_while_it_is_sent_is_never_sent_whole(path, kind, change):
    """The error comes before the last chunk, so that no server can take the file for complete."""
    source = KINDS[kind](path)
    sources, ref = measured(source)
    with sources.open(ref) as opened:
        chunks = opened.chunks()
        sent = [next(chunks)]
        change(path)
        with pytest.raises(SourceError, match="while it was sent"):
            sent.extend(chunks)
    assert len(b"".join(sent)) < len(CONTENT)
    if kind != "path":
        source.close()


def swap_a_byte(memory):
    memory[-1] ^= 1


IN_MEMORY = [
    (io.BytesIO, lambda handle: handle.truncate(5)),
    (io.BytesIO, lambda handle: handle.write(CONTENT[:-1] + b"y")),
    (io.BytesIO, lambda handle: handle.write(CONTENT + b"y")),
    (bytearray, lambda memory: memory.append(1)),
    (bytearray, swap_a_byte),
    (lambda content: memoryview(bytearray(content)), swap_a_byte),
]


@pytest.mark.parametrize(("make", "change"), IN_MEMORY)
def test_what_changes_in_memory_between_attempts_is_an_error(make, change):
    """It is told by its checksum, since its size may be the same."""
    source = make(CONTENT)
    sources, ref = measured(source)
    assert read(sources, ref) == CONTENT
    change(source)
    if isinstance(source, io.BytesIO):
        source.seek(0)
    with pytest.raises(SourceError, match="changed after it was measured"):
        read(sources, ref)


@pytest.mark.parametrize(("make", "change"), [IN_MEMORY[1], *IN_MEMORY[4:6]])
def test_what_changes_in_memory_while_it_is_sent_is_never_sent_whole(make, change):
    """The error comes before the last chunk; that a bytearray keeps its size meanwhile, Python sees to."""
    source = make(CONTENT)
    sources, ref = measured(source)
    with sources.open(ref) as opened:
        chunks = opened.chunks()
        sent = [next(chunks)]
        change(source)
        with pytest.raises(SourceError, match="changed while it was sent"):
            sent.extend(chunks)
    assert len(b"".join(sent)) < len(CONTENT)


def test_no_descriptor_is_left_open(path):
    """After each attempt, whole or broken off, the descriptor of a path is closed."""
    before = len(list(pathlib.Path("/proc/self/fd").iterdir()))
    sources, ref = measured(path)
    read(sources, ref)
    with sources.open(ref) as opened:
        next(opened.chunks())
    assert len(list(pathlib.Path("/proc/self/fd").iterdir())) == before
