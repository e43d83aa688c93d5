"""The loop on trio: what it lets through to its caller, when a call must end, and what is told of it then."""

import contextvars
import io
import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest
import trio

from flowflex_core import (
    Failure,
    FlowFlexConfigError,
    FlowFlexOutcomeUnknownError,
    FlowFlexTimeoutError,
    FlowFlexUploadError,
    file,
)
from flowflex_testing import AsyncMemoryTransport, FakeFlowFlex
from flowflex_testing.faults import Delay, Status
from flowflex_transports.trio.client import AsyncFlowFlex
from tests.support.attempts import full_listener
from tests.support.transports import BASE, RUBBISH
from tests.support.trio_clients import Scripted, over_memory, text
from tests.support.trio_peer import in_trio, until_no_thread_is_busy

# What is raised


def in_a_group():
    return ExceptionGroup("mine", [ValueError(1), ExceptionGroup("inner", [OSError(2), KeyError(3)])])


@pytest.mark.parametrize("mine", [in_a_group(), StopAsyncIteration("mine"), ConnectionResetError("mine")], ids=repr)
@pytest.mark.parametrize("careless", [False, True])
@in_trio
async def test_a_callbacks_exception_reaches_the_caller_as_it_was_raised(mine, careless):
    """Be it a group, or what ends an iteration, and whatever the transport makes of it."""
    inner = AsyncMemoryTransport(fake := FakeFlowFlex())

    async def answer(request, body):
        try:
            return await inner.perform(request, body)
        except Exception:
            if careless:
                return Failure(request.id, "connection", "broken", True)
            raise

    def on_progress(ref, sent, total):
        raise mine

    client = AsyncFlowFlex(**fake.client_options, transport=Scripted(answer))
    payload = {"a": file(b"1", filename="a.txt"), "b": file(b"2", filename="b.txt")}
    with pytest.raises(type(mine)) as caught:
        await client.send_event("e", payload=payload, on_progress=on_progress)
    assert caught.value is mine
    assert mine.__cause__ is None
    assert not hasattr(mine, "__notes__")


@in_trio
async def test_what_no_coroutine_can_raise_is_a_cause():
    """Python makes a RuntimeError of a StopIteration that leaves a coroutine."""
    fake = FakeFlowFlex()
    mine = StopIteration("mine")

    def on_progress(ref, sent, total):
        raise mine

    client = AsyncFlowFlex(**fake.client_options, transport=AsyncMemoryTransport(fake))
    with pytest.raises(RuntimeError) as caught:
        await client.send_event("e", payload={"a": file(b"1", filename="a.txt")}, on_progress=on_progress)
    assert caught.value.__cause__ is mine


@in_trio
async def test_a_transport_that_raises_is_heard_and_named():
    """What a foreign transport raises reaches the caller alone, though it came out of two nurseries."""

    async def answer(request, body):
        async with trio.open_nursery():
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        await AsyncFlowFlex(**BASE, transport=Scripted(answer)).send_event("e")
    (note,) = caught.value.__notes__
    assert note.startswith("Scripted.perform raised ZeroDivisionError for event/1")


@pytest.mark.parametrize(("make", "words"), RUBBISH, ids=[words for _, words in RUBBISH])
@in_trio
async def test_a_transport_that_returns_no_outcome_is_named(make, words):
    """And what it returned is: nobody has to guess whose mistake it is."""

    async def answer(request, body):
        return make(request.id)

    with pytest.raises(FlowFlexConfigError) as caught:
        await AsyncFlowFlex(**BASE, transport=Scripted(answer)).send_event("e")
    assert f"Scripted.perform returned {words} for event/1: it must return" in str(caught.value)


# Time


class Slow:
    """A transport that waits for each request's own bounds to end, and then says whether it was sent."""

    def __init__(self, *, sent):
        self.sent = sent
        self.totals: list[float] = []

    async def perform(self, request, body):
        self.totals.append(request.total)
        await trio.sleep(request.total)
        return Failure(request.id, "timeout", "too slow", self.sent)

    async def aclose(self):
        pass


@pytest.mark.parametrize(("sent", "kind"), [(False, FlowFlexTimeoutError), (True, FlowFlexOutcomeUnknownError)])
@in_trio(virtual=True)
async def test_whether_anything_was_sent_is_known_when_the_deadline_comes(sent, kind):
    """An attempt ends by itself a moment before, so that what it tells counts."""
    client = AsyncFlowFlex(**BASE, transport=Slow(sent=sent))
    start = trio.current_time()
    with pytest.raises(kind):
        await client.send_event("e", deadline_seconds=5)
    assert trio.current_time() - start == pytest.approx(5.0, abs=0.02)


@in_trio(virtual=True)
async def test_a_connection_that_is_never_made_leaves_no_doubt():
    """The deadline comes while the connection is still being made: nothing was sent, so the outcome is known."""
    with full_listener() as port:
        async with AsyncFlowFlex(**BASE | {"base_url": f"http://127.0.0.1:{port}"}) as client:
            with pytest.raises(FlowFlexTimeoutError):
                await client.send_event("e", deadline_seconds=5)


@in_trio
async def test_what_the_deadline_leaves_no_time_for_was_not_sent():
    """A deadline that is over before the first request can begin leaves no doubt, and nothing is performed."""
    transport = Slow(sent=True)
    client = AsyncFlowFlex(**BASE, transport=transport)
    for payload in ({}, {"a": file(b"x", filename="a.txt")}, {"a": file(__file__, filename="a.txt")}):
        with pytest.raises(FlowFlexTimeoutError):
            await client.send_event(
                "e", payload=payload, deadline_seconds=1e-6
            )  # more than the clock can tell, less than any step takes
    assert transport.totals == []


@pytest.fixture
def slow_threads(monkeypatch):
    """Let whatever is done in a worker thread take three seconds of virtual time."""
    run_sync = trio.to_thread.run_sync

    async def slowly(*arguments, **options):
        await trio.sleep(3)
        return await run_sync(*arguments, **options)

    monkeypatch.setattr(trio.to_thread, "run_sync", slowly)


@in_trio(virtual=True)
async def test_measuring_is_part_of_the_call(slow_threads, pdf):
    """The deadline counts from the call: what measuring takes is missing afterwards."""
    client = AsyncFlowFlex(**BASE, transport=(slow := Slow(sent=False)))
    start = trio.current_time()
    with pytest.raises(FlowFlexTimeoutError):
        await client.send_event("e", payload={"a": file(pdf)}, deadline_seconds=5)
    assert slow.totals == [pytest.approx(2, abs=0.02)]
    assert trio.current_time() - start == pytest.approx(5.0, abs=0.02)


@in_trio(virtual=True)
async def test_a_transport_that_keeps_to_no_bounds_is_left_at_the_deadline(slow_threads, pdf):
    """To the second, however long measuring took."""

    async def answer(request, body):
        await trio.sleep_forever()

    client = AsyncFlowFlex(**BASE, transport=Scripted(answer))
    start = trio.current_time()
    with pytest.raises(FlowFlexTimeoutError):
        await client.send_event("e", payload={"a": file(pdf)}, deadline_seconds=5)
    assert trio.current_time() - start == pytest.approx(5.0, abs=0.001)


@in_trio(virtual=True)
async def test_the_wait_before_a_repeat_is_kept(memory):
    """Retry-After is obeyed to the second, on the loop's own clock."""
    memory.faults.arm("event", Status(503, retry_after=30))
    start = trio.current_time()
    await over_memory(memory).send_event("e", payload={"f": text()})
    assert trio.current_time() - start == pytest.approx(30, abs=1)
    assert len(memory.events) == 1


@in_trio(virtual=True)
async def test_the_deadline_ends_a_request_in_flight(memory):
    """A deadline frees the caller on time, whatever the transport does."""

    async def answer(request, body):
        await trio.sleep_forever()

    client = AsyncFlowFlex(**memory.client_options, transport=Scripted(answer))
    start = trio.current_time()
    with pytest.raises(FlowFlexOutcomeUnknownError):
        await client.send_event("e", deadline_seconds=5)
    with pytest.raises(FlowFlexTimeoutError):
        await client.send_event("e", payload={"f": text()}, deadline_seconds=5)
    assert trio.current_time() - start == pytest.approx(10, abs=0.1)


# Exceptions and cancels


@in_trio
async def test_what_on_progress_raises_comes_out_alone(fake, pdf):
    """A callback's exception ends the send and reaches the caller as it is, not in a group."""
    mine = RuntimeError("mine")

    def on_progress(ref, sent, total):
        raise mine

    async with AsyncFlowFlex(**fake.client_options) as client:
        with pytest.raises(RuntimeError) as caught:
            await client.send_event("e", payload={"a": client.file(pdf), "b": text()}, on_progress=on_progress)
    assert caught.value is mine


@in_trio
async def test_a_source_that_cannot_be_opened_any_more_is_a_source_failure(memory, pdf):
    """A file that goes away between measuring and sending was not sent."""

    async def answer(request, body):
        pdf.unlink(missing_ok=True)
        return await inner.perform(request, body)

    inner = AsyncMemoryTransport(memory)
    client = AsyncFlowFlex(**memory.client_options, transport=Scripted(answer))
    with pytest.raises(FlowFlexUploadError, match=r"invoice\.pdf"):
        await client.send_event("e", payload={"f": file(pdf)})


@in_trio
async def test_a_cancel_frees_the_caller_and_leaves_nothing(fake, pdf, opened):
    """300 sends cancelled at random points leave neither sockets nor files open, and the client goes on."""
    chance = random.Random(3)
    cancelled = 0
    async with AsyncFlowFlex(**fake.client_options) as client:
        for _ in range(300):
            with trio.move_on_after(chance.random() * 0.015) as scope:
                await client.send_event("cancelled", payload={"f": client.file(pdf), "g": [text(), text()]})
            cancelled += scope.cancelled_caught
        assert (await client.send_event("last", payload={"f": client.file(pdf)})).uploaded_assets
        # Three uploads at once leave at most three connections to each origin.
        assert len([stream for stream in opened if stream.socket.fileno() != -1]) <= 6
    assert cancelled > 50
    assert all(stream.socket.fileno() == -1 for stream in opened)
    await until_no_thread_is_busy()
    assert str(pdf) not in open_files()
    fake.assert_event("last")


def open_files() -> set[str]:
    if sys.platform != "linux":
        return set()
    return {str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.exists()}


@pytest.mark.parametrize(("operation", "idle"), [("upload-url", 0), ("put", 1)])
def test_ctrl_c_comes_out_alone_and_closes_its_sockets(operation, idle, fake, opened, pdf):
    """A KeyboardInterrupt while a request is in flight is raised at once, in no group; idle connections are kept."""
    fake.faults.arm(operation, Delay(5))
    client = AsyncFlowFlex(**fake.client_options)
    still_open = None

    async def press() -> None:
        for _ in range(5000):
            if any(request.operation == operation and request.status for request in fake.requests):
                signal.raise_signal(signal.SIGINT)
                return
            await trio.sleep(0.001)

    async def main() -> None:
        nonlocal still_open
        trio.lowlevel.spawn_system_task(press)
        try:
            await client.send_event("e", payload={"a": file(pdf)})
        except KeyboardInterrupt:
            still_open = len([stream for stream in opened if stream.socket.fileno() != -1])
        await client.aclose()

    start = time.monotonic()
    trio.run(main)
    assert still_open == idle
    assert time.monotonic() - start < 1


@in_trio
async def test_a_cancel_does_not_wait_for_a_stream_that_gives_nothing(fake):
    """A one-shot stream that blocks while it is read does not hold the caller who cancels."""
    reader, writer = os.pipe()
    async with AsyncFlowFlex(**fake.client_options) as client:
        with os.fdopen(reader, "rb") as stream:
            with trio.move_on_after(0.05) as scope:
                await client.send_event("e", payload={"f": file(stream, filename="s.txt")})
            # Its thread reads on, and ends now.
            os.close(writer)
    assert scope.cancelled_caught
    fake.assert_nothing_sent()


@in_trio
async def test_context_variables_are_seen(memory):
    """What runs for a caller, in a worker thread too, sees the caller's context variables."""
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("mine")
    seen = []

    class Strange(io.BytesIO):
        def read(self, size=-1):
            seen.append(variable.get())
            return super().read(size)

    def on_progress(ref, sent, total):
        seen.append(variable.get())

    ref = file(Strange(b"x" * 1000), filename="s.txt")
    await over_memory(memory).send_event("e", payload={"f": ref}, on_progress=on_progress)
    assert set(seen) == {"mine"}
