"""File objects: whose turn it is to read one, and what can be read only once."""

import gc
import io
import os
import pathlib
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

from flowflex_core import FlowFlexUploadError, FlowFlexUploadTimeoutError, file
from flowflex_transports.bodies import Sources
from flowflex_transports.reading import CHUNK_BYTES, SourceError
from tests.support.files import CONTENT, KINDS, measured, read, rewrite


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
        with pytest.raises(
            FlowFlexUploadError, match=r"^invoice: .* has at least 100001 bytes, over the limit of 100000 "
        ):
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


def temporary_files() -> set[str]:
    """Find the open files that have no name: other tests may leave sockets that close meanwhile."""
    names = set()
    for descriptor in pathlib.Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            names.add(str(descriptor.readlink()))
    return {name for name in names if name.endswith("(deleted)")}


def test_the_copy_of_a_one_shot_stream_ends_with_the_stream():
    """No temporary file outlives the file object."""
    handle = OneShot(io.BytesIO(b"x" * 3_000_000))  # more than is kept in memory
    gc.collect()  # what other tests left would make place for a file of the same name
    before = temporary_files()
    sources, ref = measured(handle)
    assert len(read(sources, ref)) == 3_000_000
    [copy] = temporary_files() - before
    del handle, sources, ref
    assert copy not in temporary_files()


def test_a_file_object_that_changes_between_attempts_is_an_error(path):
    """The file behind a file object is watched like one behind a path."""
    with path.open("rb") as handle:
        sources, ref = measured(handle)
        rewrite(path)
        with pytest.raises(SourceError, match="changed after it was measured"):
            read(sources, ref)


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
