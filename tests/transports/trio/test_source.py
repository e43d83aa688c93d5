"""Files that are read in worker threads: a cancel or a deadline waits for none of these, and each cleans up."""

import io
import os
import sys
import threading
from pathlib import Path

import pytest
import trio

from flowflex_core import FlowFlexTimeoutError, FlowFlexUploadTimeoutError, file
from flowflex_testing import AsyncMemoryTransport, FakeFlowFlex
from flowflex_transports import AsyncFlowFlex
from flowflex_transports.bodies import Sources
from flowflex_transports.calls import Progress
from flowflex_transports.trio.source import opened
from tests.support.trio_peer import in_trio, until_no_thread_is_busy


@pytest.fixture
def fake():
    return FakeFlowFlex()


@pytest.fixture
def client(fake):
    return AsyncFlowFlex(**fake.client_options, transport=AsyncMemoryTransport(fake))


class Stuck(io.BytesIO):
    """A file object whose first read of content waits until it is let go on."""

    def __init__(self, content):
        super().__init__(content)
        self.reading = trio.Event()
        self.go_on = threading.Event()

    def read(self, size=-1, /):
        if size and not self.go_on.is_set():
            trio.from_thread.run_sync(self.reading.set)
            assert self.go_on.wait(10)
        return super().read(size)


@in_trio
async def test_a_cancel_does_not_wait_for_a_read_and_the_file_object_is_put_back(client, fake):
    """The thread ends with its read, puts the file object back where it stood, and does not close it."""
    handle = Stuck(b"before" + b"x" * 100)
    handle.seek(6)
    async with trio.open_nursery() as nursery:

        async def send():
            await client.send_event("e", payload={"f": file(handle, filename="f.txt")})

        nursery.start_soon(send)
        await handle.reading.wait()
        nursery.cancel_scope.cancel()
    assert not fake.events
    handle.go_on.set()
    await until_no_thread_is_busy()
    assert handle.tell() == 6
    await client.send_event("e", payload={"f": file(handle, filename="f.txt")})
    fake.assert_event("e", files={"f": b"x" * 100})


@in_trio(virtual=True)
async def test_a_deadline_does_not_wait_for_a_read(client, fake):
    """An upload whose file object blocks ends on time."""
    handle = Stuck(b"x" * 100)
    start = trio.current_time()
    with pytest.raises(FlowFlexTimeoutError):
        await client.send_event("e", payload={"f": file(handle, filename="f.txt")}, deadline_seconds=5)
    assert trio.current_time() - start == pytest.approx(5.0, abs=0.02)
    handle.go_on.set()
    await until_no_thread_is_busy()


@in_trio(virtual=True)
async def test_a_deadline_does_not_wait_for_a_stream_to_be_measured(client, fake):
    """A one-shot stream that gives nothing is measured for no longer than the deadline; what it gave is not lost."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb", buffering=0) as stream:
        ref = file(stream, filename="s.txt")
        start = trio.current_time()
        with pytest.raises(FlowFlexUploadTimeoutError, match="not measured before the deadline; nothing was sent"):
            await client.send_event("e", payload={"f": ref}, deadline_seconds=5)
        assert trio.current_time() - start == pytest.approx(5.0, abs=0.001)
        fake.assert_nothing_sent()
        os.write(writer, b"late")
        await until_no_thread_is_busy()
        os.close(writer)
        await client.send_event("e", payload={"f": ref})
    fake.assert_event("e", files={"f": b"late"})


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc for the open files")
@in_trio
async def test_a_descriptor_is_not_closed_under_a_thread_that_reads_it(tmp_path, monkeypatch):
    """Its number could be another file's by then: the thread closes it when its read has ended."""
    path = tmp_path / "f.pdf"
    path.write_bytes(b"x" * 100)
    reading, go_on = trio.Event(), threading.Event()

    class StuckFile(io.FileIO):
        def read(self, size=-1, /):
            trio.from_thread.run_sync(reading.set)
            assert go_on.wait(10)
            return super().read(size)

    monkeypatch.setattr("flowflex_transports.bodies.io.FileIO", StuckFile)
    ref = file(path)
    sources = Sources.measure({ref: "f"}, max_file_bytes=1000)
    async with trio.open_nursery() as nursery:

        async def read():
            async with opened(sources, ref, Progress(None)) as source:
                await anext(source.chunks())

        nursery.start_soon(read)
        await reading.wait()
        nursery.cancel_scope.cancel()
    assert str(path) in open_files()
    go_on.set()
    await until_no_thread_is_busy()
    assert str(path) not in open_files()


def open_files() -> set[str]:
    return {str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.exists()}


@in_trio
async def test_a_cancel_before_a_thread_begins_leaves_nothing_open(client, tmp_path):
    """A file that waits for a thread is given up with the wait."""
    path = tmp_path / "f.pdf"
    path.write_bytes(b"x" * 100)
    ref = file(path)
    sources = Sources.measure({ref: "f"}, max_file_bytes=1000)
    limiter = trio.to_thread.current_default_thread_limiter()
    total, limiter.total_tokens = limiter.total_tokens, 1
    limiter.acquire_on_behalf_of_nowait(sources)
    with trio.CancelScope() as scope:
        scope.cancel()
        async with opened(sources, ref, Progress(None)):
            pytest.fail("the file was opened")
    limiter.release_on_behalf_of(sources)
    limiter.total_tokens = total
    assert scope.cancelled_caught


@in_trio
async def test_a_callback_cannot_feign_the_end_of_a_file():
    """A transport would take its StopAsyncIteration for that, and wait for the reply to half a request."""

    def on_progress(ref, sent, total):
        raise StopAsyncIteration

    ref = file(b"x", filename="f.txt")
    async with opened(Sources.measure({ref: "f"}, max_file_bytes=1), ref, Progress(on_progress)) as source:
        with pytest.raises(RuntimeError, match="a callback raised StopAsyncIteration"):
            [chunk async for chunk in source.chunks()]
