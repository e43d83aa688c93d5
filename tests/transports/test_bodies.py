import errno
import gzip
import io
import mmap
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from flowflex_core import FlowFlexUploadError, FlowFlexUploadTimeoutError, file
from flowflex_transports.bodies import Sources
from flowflex_transports.reading import CHUNK_BYTES, SourceError

CONTENT = bytes(range(256)) * 1000  # almost four chunks


def measured(source, *, limit=10**9, expected=None, size=None):
    """Measure one source under the payload path `invoice`."""
    ref = file(source, filename="x.pdf", size=size)
    sources = Sources.measure(
        {ref: "invoice"}, max_file_bytes=limit, expected=None if expected is None else {ref: expected}
    )
    return sources, ref


def read(sources, ref):
    """Read a measured file as a transport does."""
    with sources.open(ref) as source:
        content = b"".join(source.chunks())
        assert len(content) == source.length == sources.sizes[ref]
    return content


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file.pdf"
    path.write_bytes(CONTENT)
    return path


def spooled():
    handle = tempfile.SpooledTemporaryFile()  # noqa: SIM115
    handle.write(CONTENT)
    handle.seek(0)
    return handle


def gzipped(path):
    packed = path.with_suffix(".gz")
    packed.write_bytes(gzip.compress(CONTENT))
    return gzip.open(packed)


def mapped(path):
    with path.open("rb") as handle:
        return mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)


def written(path):
    """Open a file that was written through the same handle, not all of it flushed."""
    handle = path.with_suffix(".new").open("w+b")
    handle.write(CONTENT)
    handle.seek(0)
    return handle


class Foreign:
    """A file object that is nobody's subclass, has no weak references and no hash."""

    __slots__ = ("_inner",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self):
        self._inner = io.BytesIO(CONTENT)

    def __eq__(self, other):
        return isinstance(other, Foreign)

    def read(self, size=-1):
        return self._inner.read(size)

    def seek(self, offset, whence=0):
        return self._inner.seek(offset, whence)

    def tell(self):
        return self._inner.tell()


KINDS: dict[str, Callable[[pathlib.Path], Any]] = {
    "str": str,
    "path": lambda path: path,
    "bytes path": lambda path: BytesPath(path),
    "bytes": lambda path: CONTENT,
    "bytearray": lambda path: bytearray(CONTENT),
    "memoryview": lambda path: memoryview(CONTENT),
    "memoryview of shorts": lambda path: memoryview(CONTENT).cast("H"),
    "memoryview with gaps": lambda path: memoryview(bytes(2).join(CONTENT[i : i + 1] for i in range(len(CONTENT))))[
        ::3
    ],
    "buffered": lambda path: path.open("rb"),
    "raw": lambda path: path.open("rb", buffering=0),
    "written": written,
    "BytesIO": lambda path: io.BytesIO(CONTENT),
    "spooled": lambda path: spooled(),
    "gzip": gzipped,
    "mmap": mapped,
    "foreign": lambda path: Foreign(),
}


class BytesPath:
    def __init__(self, path):
        self._path = os.fsencode(path)

    def __fspath__(self):
        return self._path


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


# File objects


def test_a_file_object_is_read_from_where_it_stands_and_put_back_there(path):
    """The bytes before its position are not sent, and the position is the caller's again."""
    with path.open("rb") as handle:
        handle.seek(1000)
        sources, ref = measured(handle)
        assert handle.tell() == 1000
        assert read(sources, ref) == CONTENT[1000:]
        assert handle.tell() == 1000
        with sources.open(ref) as opened:
            next(opened.chunks())
        assert handle.tell() == 1000
        assert not handle.closed


def test_a_file_object_that_stands_past_its_end_gives_nothing(path):
    """There is nothing after the end."""
    with path.open("rb") as handle:
        handle.seek(10**6)
        sources, ref = measured(handle)
        assert read(sources, ref) == b""
        assert handle.tell() == 10**6


@pytest.mark.parametrize("kind", ["buffered", "raw", "BytesIO", "gzip"])
def test_one_file_object_in_two_refs_and_two_threads_gives_the_same_bytes(path, kind):
    """All who read one file object take turns, and each has a position of its own."""
    handle = KINDS[kind](path)
    handle.seek(10)
    refs = [file(handle, filename=f"{number}.pdf") for number in range(4)]
    sources = Sources.measure(dict.fromkeys(refs, "p"), max_file_bytes=10**9)
    barrier = threading.Barrier(len(refs))
    contents = []

    def work(ref):
        barrier.wait()
        contents.append(read(sources, ref))

    threads = [threading.Thread(target=work, args=(ref,)) for ref in refs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert contents == [CONTENT[10:]] * len(refs)
    assert handle.tell() == 10
    handle.close()


def test_nobody_moves_a_file_object_while_another_is_about_to_read():
    """To seek and to read are one step."""
    both_sought = threading.Barrier(2)

    class Hesitant(io.BytesIO):
        def seek(self, offset, whence=0, /):
            position = super().seek(offset, whence)
            if sources is not None:
                with suppress(threading.BrokenBarrierError):
                    both_sought.wait(0.05)
            return position

    sources = None
    handle = Hesitant(bytes(10) + CONTENT)
    handle.read(10)
    sources, ref = measured(handle)
    contents = []
    threads = [threading.Thread(target=lambda: contents.append(read(sources, ref))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert contents == [CONTENT] * 2


def pipe(content):
    """Return the reading end of a pipe that holds `content`, and the thread that fills it."""
    reading, writing = os.pipe()

    def fill():
        with open(writing, "wb") as out:  # noqa: PTH123
            out.write(content)

    thread = threading.Thread(target=fill)
    thread.start()
    return open(reading, "rb"), thread  # noqa: PTH123


def test_a_one_shot_stream_is_read_once_and_sent_as_often_as_needed():
    """A pipe gives its bytes to every attempt, to a second ref, and to a second send."""
    handle, thread = pipe(CONTENT * 10)
    first, ref = measured(handle)
    other = file(handle, filename="y.pdf")
    second = Sources.measure({other: "a", ref: "b"}, max_file_bytes=10**9)
    thread.join()
    handle.close()
    assert [read(first, ref), read(first, ref), read(second, other), read(second, ref)] == [CONTENT * 10] * 4


def test_an_endless_stream_is_refused_after_the_limit():
    """No more than one byte over the limit is read of a stream that never ends."""
    with pathlib.Path("/dev/zero").open("rb", buffering=0) as zeros:
        endless = OneShot(zeros)
        with pytest.raises(FlowFlexUploadError, match=r"^invoice: .* limit of 100000 bytes"):
            measured(endless, limit=100_000)
        assert endless.given == 100_001


def test_a_stream_that_nobody_waits_for_any_more_is_read_no_further():
    """It is asked between two reads; what was read stays, and the next send goes on from there."""
    endless = OneShot(io.BytesIO(CONTENT * 100))
    ref = file(endless, filename="x.pdf")
    asked = iter([True] * 3 + [False])
    with pytest.raises(FlowFlexUploadTimeoutError, match=r"^invoice: .* was not measured before the deadline"):
        Sources.measure({ref: "invoice"}, max_file_bytes=10**9, go_on=lambda: next(asked))
    assert endless.given == 2 * CHUNK_BYTES
    assert read(Sources.measure({ref: "invoice"}, max_file_bytes=10**9), ref) == CONTENT * 100


def test_no_further_file_is_measured_when_nobody_waits_any_more(tmp_path):
    """Each may take its time, as on a slow mount."""
    first, second = tmp_path / "first.pdf", tmp_path / "second.pdf"
    first.write_bytes(b"x")
    second.write_bytes(b"x")
    asked = iter([True, False])
    with pytest.raises(FlowFlexUploadTimeoutError) as caught:
        Sources.measure({file(first): "a", file(second): "b"}, max_file_bytes=10, go_on=lambda: next(asked))
    assert [*caught.value.failures] == ["b"]


class OneShot(io.RawIOBase):
    def __init__(self, inner):
        self._inner = inner
        self.given = 0

    def readable(self):
        return True

    def read(self, size=-1, /):
        content = self._inner.read(size)
        self.given += len(content)
        return content


def test_the_copy_of_a_one_shot_stream_ends_with_the_stream():
    """No temporary file outlives the file object."""
    handle = OneShot(io.BytesIO(b"x" * 3_000_000))  # more than is kept in memory
    before = len(list(pathlib.Path("/proc/self/fd").iterdir()))
    sources, ref = measured(handle)
    assert len(read(sources, ref)) == 3_000_000
    assert len(list(pathlib.Path("/proc/self/fd").iterdir())) == before + 1
    del handle, sources, ref
    assert len(list(pathlib.Path("/proc/self/fd").iterdir())) == before


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
        r"cannot read '.*': ": path.with_name("w").open("wb"),
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
    with pytest.raises(FlowFlexUploadError, match=r"^invoice: '.*huge.pdf' is over the limit of 2999999999 bytes"):
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


def rewrite(path):
    status = path.stat()
    path.write_bytes(CONTENT[::-1])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


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


def test_a_file_object_that_changes_between_attempts_is_an_error(path):
    """The file behind a file object is watched like one behind a path."""
    with path.open("rb") as handle:
        sources, ref = measured(handle)
        rewrite(path)
        with pytest.raises(SourceError, match="changed after it was measured"):
            read(sources, ref)


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


def test_a_file_object_without_a_file_is_watched_by_its_length():
    """As one that unpacks an archive: to know more would be to read it twice."""

    class Unpacking(io.RawIOBase):
        content = CONTENT

        def __init__(self):
            self.at = 0

        def seekable(self):
            return True

        def seek(self, offset, whence=0, /):
            self.at = len(self.content) if whence else offset
            return self.at

        def tell(self):
            return self.at

        def read(self, size=-1, /):
            chunk = self.content[self.at : self.at + size]
            self.at += len(chunk)
            return chunk

    handle = Unpacking()
    sources, ref = measured(handle)
    for content in (CONTENT[:5], CONTENT + b"y"):
        handle.content = content
        with pytest.raises(SourceError, match="while it was sent"):
            read(sources, ref)


def test_a_file_object_that_gives_more_than_it_was_asked_for_is_an_error():
    """A body longer than its Content-Length would be read as the next request."""

    class Generous(io.BytesIO):
        def read(self, size=-1, /):
            return super().read(size) + (b"GET / HTTP/1.1" if size > 1 else b"")

    sources, ref = measured(Generous(b"x" * 100))
    with pytest.raises(SourceError, match="more bytes than it was asked for"), sources.open(ref) as source:
        list(source.chunks())


def test_a_closed_file_object_is_told_when_it_is_opened(path):
    """The caller closed it after the send began."""
    handle = path.open("rb")
    sources, ref = measured(handle)
    handle.close()
    with pytest.raises(SourceError, match=r"closed|changed"):
        read(sources, ref)


def test_no_descriptor_is_left_open(path):
    """After each attempt, whole or broken off, the descriptor of a path is closed."""
    before = len(list(pathlib.Path("/proc/self/fd").iterdir()))
    sources, ref = measured(path)
    read(sources, ref)
    with sources.open(ref) as opened:
        next(opened.chunks())
    assert len(list(pathlib.Path("/proc/self/fd").iterdir())) == before


FORK = """
import io, os, threading
from flowflex_core import file
from flowflex_transports.bodies import Sources

inside, go_on = threading.Event(), threading.Event()

class Slow(io.BytesIO):
    wait = True
    def read(self, size=-1):
        if size and Slow.wait:
            inside.set()
            go_on.wait(10)
        return super().read(size)

ref = file(Slow(b"content"), filename="x.pdf")
def read():
    with Sources.measure({ref: ""}, max_file_bytes=100).open(ref) as source:
        return b"".join(source.chunks())
thread = threading.Thread(target=read)
thread.start()
inside.wait()
if (child := os.fork()) == 0:
    Slow.wait = False
    os._exit(0 if read() == b"content" else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
go_on.set()
thread.join()
"""


def test_a_forked_process_waits_for_no_turn_of_its_parents():
    """A file object that another thread was reading when the process forked can be read in the child."""
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORK], check=True, timeout=30)
