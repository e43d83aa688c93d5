"""One open file in two places and two threads, and pipes: everybody gets all of the bytes."""

import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flowflex_core import FlowFlexUploadError
from flowflex_testing import FakeFlowFlex, faults
from flowflex_transports import file
from tests.sources.conftest import CONTENT, Blocking, Caller, InTrio, open_under


def digests(fake: FakeFlowFlex) -> set[tuple[int, str]]:
    return {(asset.size, asset.sha256) for asset in fake.assets.values()}


def whole(content: bytes) -> set[tuple[int, str]]:
    return {(len(content), hashlib.sha256(content).hexdigest())}


@pytest.mark.parametrize("make", [Blocking, InTrio])
@pytest.mark.parametrize("buffering", [0, -1], ids=["raw", "buffered"])
def test_one_open_file_in_two_refs_and_two_threads_arrives_whole_each_time(
    fake: FakeFlowFlex, path: Path, tmp_path: Path, make: type[Blocking] | type[InTrio], buffering: int
) -> None:
    """Four uploads read it at the same time, each from where it stood; it stands there still."""
    client = make(**fake.client_options)
    both = threading.Barrier(2)
    with path.open("rb", buffering=buffering) as handle:
        handle.seek(40)

        def send(number: int) -> None:
            payload = {"one": file(handle), "two": [file(handle, filename="copy.pdf")]}
            both.wait()
            client.send("e", payload=payload, idempotency_key=f"key-{number}")

        with ThreadPoolExecutor(2) as threads:
            list(threads.map(send, range(2)))
        assert handle.tell() == 40
    client.close()
    assert digests(fake) == whole(CONTENT[40:])
    assert len(fake.assets) == 4
    fake.assert_event("e", times=2, files={"one": "receipt.pdf", "two[0]": "copy.pdf"})
    assert open_under(tmp_path) == []


def piped(path: Path, content: bytes) -> threading.Thread:
    """Make a pipe that somebody writes `content` to."""
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(content,))
    writer.start()
    return writer


def test_an_open_pipe_is_sent_as_often_as_it_takes(fake: FakeFlowFlex, client: Caller, tmp_path: Path) -> None:
    """It can be read only once; a second attempt and a second send have its bytes all the same."""
    fake.faults.arm("put", faults.Status(403, code="RequestExpired"))
    writer = piped(tmp_path / "pipe.pdf", CONTENT)
    with (tmp_path / "pipe.pdf").open("rb") as pipe:
        writer.join(timeout=0)
        ref = file(pipe)
        client.send("e", payload={"receipt": ref})
        writer.join()
        client.send("e", payload={"receipt": ref})
    assert digests(fake) == whole(CONTENT)
    fake.assert_attempts("put", 3)
    fake.assert_event("e", times=2, files={"receipt": "pipe.pdf"})


def test_a_pipe_that_ends_early_is_told_where_its_size_was_given(
    fake: FakeFlowFlex, client: Caller, tmp_path: Path
) -> None:
    """A writer that dies leaves a shorter file: whoever says how long it is to be is not sent half of it."""
    writer = piped(tmp_path / "pipe.pdf", CONTENT[:1000])
    with (
        (tmp_path / "pipe.pdf").open("rb") as pipe,
        pytest.raises(FlowFlexUploadError, match=r"^receipt: '.*pipe\.pdf' has 1000 bytes, but size=2000 was given"),
    ):
        client.send("e", payload={"receipt": file(pipe, size=2000)})
    writer.join()
    fake.assert_nothing_sent()
    client.send("e")
    fake.assert_event("e", times=1)
