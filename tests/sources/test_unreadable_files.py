"""Sources that cannot be read, refused by a real system: told with their payload path, before anything is sent."""

import errno
import io
import os
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from flowflex_core import FlowFlexUploadError
from flowflex_testing import FakeFlowFlex
from flowflex_transports import file
from tests.sources.conftest import CONTENT, Caller, open_under

pytestmark = pytest.mark.slow  # both clients, on real files


def directory(path: Path) -> Path:
    return path.parent


def loop(path: Path) -> Path:
    link = path.with_name("loop.pdf")
    link.symlink_to(link)
    return link


def dangling(path: Path) -> Path:
    link = path.with_name("dangling.pdf")
    link.symlink_to(path.with_name("gone.pdf"))
    return link


def pipe(path: Path) -> Path:
    fifo = path.with_name("fifo.pdf")
    os.mkfifo(fifo)
    return fifo


def bound_socket(path: Path) -> Path:
    name = path.with_name("s.pdf")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(name))
    return name


def under_a_file(path: Path) -> Path:
    return path / "a.pdf"


def overlong(path: Path) -> Path:
    return path.with_name("a" * 300 + ".pdf")


REFUSED: list[tuple[Callable[[Path], Path], str]] = [
    (directory, "is a directory"),
    (loop, "Too many levels of symbolic links"),
    (dangling, "No such file or directory"),
    (pipe, "is not a regular file: open it and give the file object"),
    (bound_socket, "No such device or address"),
    (under_a_file, "Not a directory"),
    (overlong, "File name too long"),
    (lambda path: Path("/dev/zero"), "is not a regular file: open it and give the file object"),
    # Reading it fails as a bad block does.
    (lambda path: Path("/proc/self/mem"), "Input/output error"),
]


@contextmanager
def a_stranger() -> Iterator[None]:
    """Be somebody else for the system: root may read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Let the system open nothing more for this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    next_one = os.open(os.devnull, os.O_RDONLY)
    os.close(next_one)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_one, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def refused(
    fake: FakeFlowFlex, client: Caller, source: Any, words: str, under: AbstractContextManager[None] | None = None
) -> None:
    """Send an event with `source`, which fails before anything is sent, and then one with a good file."""
    good = {"photo": file(b"pixels", filename="photo.png")}
    with (
        pytest.raises(FlowFlexUploadError, match=rf"^order\.receipt: .*{words}$") as caught,
        under or nullcontext(),
    ):
        client.send("e", payload={"order": {"receipt": file(source, filename="a.pdf")}, **good})
    assert [*caught.value.failures] == ["order.receipt"]
    fake.assert_nothing_sent()
    client.send("e", payload=good)
    fake.assert_event("e", times=1, files={"photo": "photo.png"})


@pytest.mark.parametrize(("make", "words"), REFUSED)
def test_what_is_no_readable_file_is_refused(
    fake: FakeFlowFlex, client: Caller, path: Path, tmp_path: Path, make: Callable[[Path], Path], words: str
) -> None:
    """Each is told in the words of the system, waits for nobody, and leaves nothing open."""
    refused(fake, client, make(path), words)
    assert open_under(tmp_path) == []


def test_a_file_of_somebody_else_is_refused(fake: FakeFlowFlex, client: Caller, path: Path) -> None:
    """What the system does not let be read is told as such."""
    path.chmod(0)
    refused(fake, client, path, r"receipt\.pdf': Permission denied", a_stranger())


def test_a_process_without_a_descriptor_left_is_told_so(fake: FakeFlowFlex, client: Caller, path: Path) -> None:
    """The file is named; with descriptors to be had again, the same client sends again."""
    client.send("warm")  # the connection is there, and the modules that a first send loads
    fake.reset()
    refused(fake, client, path, r"receipt\.pdf': Too many open files", no_descriptor_left())


class BadBlock(io.FileIO):
    """An open file on a disk that is broken in its middle; closed behind the sender's back where `closes` is set."""

    closes = False

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= len(CONTENT) // 2:
            if self.closes:
                self.close()
            else:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().read(size) or b""


@pytest.mark.parametrize(("closes", "words"), [(False, "Input/output error"), (True, ".*closed file")])
def test_a_file_that_cannot_be_read_to_its_end_is_told(
    fake: FakeFlowFlex, client: Caller, path: Path, tmp_path: Path, closes: bool, words: str
) -> None:
    """A disk that breaks midway, or a file object closed meanwhile: no event, no retry, and the next send works."""
    with BadBlock(str(path)) as handle:
        handle.closes = closes
        with pytest.raises(FlowFlexUploadError, match=rf"^receipt: .*cannot read '.*receipt\.pdf': {words}"):
            client.send("e", payload={"receipt": file(handle)})
    assert (fake.events, fake.assets) == ([], {})
    fake.assert_attempts("upload-url", 1)
    assert open_under(tmp_path) == []
    client.send("e", payload={"receipt": file(path)})
    fake.assert_event("e", times=1, files={"receipt": "receipt.pdf"})
