"""The loop on trio: what it lets through to its caller, when a call must end, and what is told of it then."""

import pytest
import trio

from flowflex_core import Failure, FlowFlexConfigError, FlowFlexOutcomeUnknownError, FlowFlexTimeoutError, file
from flowflex_testing import AsyncMemoryTransport, FakeFlowFlex
from flowflex_transports import AsyncFlowFlex
from tests.support.attempts import full_listener
from tests.support.transports import BASE, RUBBISH
from tests.support.trio_peer import in_trio

# What is raised


class Answering:
    """A transport that asks a function for the outcome of each request."""

    def __init__(self, answer):
        self._answer = answer

    async def perform(self, request, body):
        return await self._answer(request, body)

    async def aclose(self):
        pass


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

    client = AsyncFlowFlex(**fake.client_options, transport=Answering(answer))
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
        await AsyncFlowFlex(**BASE, transport=Answering(answer)).send_event("e")
    (note,) = caught.value.__notes__
    assert note.startswith("Answering.perform raised ZeroDivisionError for event/1")


@pytest.mark.parametrize(("make", "words"), RUBBISH, ids=[words for _, words in RUBBISH])
@in_trio
async def test_a_transport_that_returns_no_outcome_is_named(make, words):
    """And what it returned is: nobody has to guess whose mistake it is."""

    async def answer(request, body):
        return make(request.id)

    with pytest.raises(FlowFlexConfigError) as caught:
        await AsyncFlowFlex(**BASE, transport=Answering(answer)).send_event("e")
    assert f"Answering.perform returned {words} for event/1: it must return" in str(caught.value)


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
    assert trio.current_time() - start <= 5.0


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
            await client.send_event("e", payload=payload, deadline_seconds=1e-9)
    assert transport.totals == []


@in_trio(virtual=True)
async def test_measuring_is_part_of_the_call(tmp_path, monkeypatch):
    """The deadline counts from the call: what measuring takes is missing afterwards."""
    fake = FakeFlowFlex()
    client = AsyncFlowFlex(**fake.client_options, transport=(slow := Slow(sent=False)))
    path = tmp_path / "a.pdf"
    path.write_bytes(b"content")
    run_sync = trio.to_thread.run_sync

    async def slowly(*arguments, **options):
        await trio.sleep(3)
        return await run_sync(*arguments, **options)

    monkeypatch.setattr(trio.to_thread, "run_sync", slowly)
    start = trio.current_time()
    with pytest.raises(FlowFlexTimeoutError):
        await client.send_event("e", payload={"a": file(path)}, deadline_seconds=5)
    assert slow.totals == [pytest.approx(2, abs=0.02)]
    assert trio.current_time() - start <= 5.0


@in_trio(virtual=True)
async def test_a_timer_is_kept_from_the_time_that_it_was_told_at():
    """A transport that keeps to no bounds is left at the deadline, to the second, however long measuring took."""
    fake = FakeFlowFlex()
    inner = AsyncMemoryTransport(fake)

    class Endless:
        async def perform(self, request, body):
            if request.method == "PUT":
                await trio.sleep_forever()
            return await inner.perform(request, body)

        async def aclose(self):
            pass

    client = AsyncFlowFlex(**fake.client_options, transport=Endless())
    start = trio.current_time()
    with pytest.raises(FlowFlexTimeoutError):
        await client.send_event("e", payload={"a": file(b"x", filename="a.txt")}, deadline_seconds=5)
    assert trio.current_time() - start == pytest.approx(5.0, abs=0.001)
