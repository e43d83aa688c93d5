"""The transports in memory: the shape of a transport, and no network."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import trio

from flowflex_core import errors
from flowflex_core.messages import Failure, Request, Response
from flowflex_testing import faults
from flowflex_testing.fake import FakeFlowFlex
from flowflex_testing.faults import Aim
from flowflex_testing.memory import AsyncMemoryTransport, MemoryTransport
from flowflex_transports import AsyncFlowFlex, FlowFlex
from tests.testing.caller import Caller


class Chunks:
    """A source that counts what was taken of it; `breaks` makes it fail at its end."""

    def __init__(self, *chunks: bytes, length: int | None = None, breaks: bool = False) -> None:
        self.length = sum(map(len, chunks)) if length is None else length
        self._chunks = chunks
        self._breaks = breaks
        self.taken = 0

    def chunks(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.taken += len(chunk)
            yield chunk
        if self._breaks:
            raise OSError("the file changed")


class AsyncChunks(Chunks):
    async def chunks(self) -> AsyncIterator[bytes]:  # type: ignore[override]
        for chunk in super().chunks():
            yield chunk


class Sync:
    """Performs through `MemoryTransport`."""

    source = Chunks

    def __init__(self, fake: FakeFlowFlex) -> None:
        self.transport = MemoryTransport(fake)

    def perform(self, request, body):
        return self.transport.perform(request, body)

    def close(self):
        self.transport.close()


class Async:
    """Performs through `AsyncMemoryTransport`, in a loop of its own: it needs no particular runtime."""

    source = AsyncChunks

    def __init__(self, fake: FakeFlowFlex) -> None:
        self.transport = AsyncMemoryTransport(fake)

    def perform(self, request, body):
        return asyncio.run(self.transport.perform(request, body))

    def close(self):
        asyncio.run(self.transport.aclose())


@pytest.fixture
def caller():
    return Caller(FakeFlowFlex())


@pytest.fixture(params=[Sync, Async])
def transport(request, caller):
    return request.param(caller.fake)


def put(caller: Caller, *, url: str | None = None, timeout: Any = 30.0, total: Any = 60.0, **declared: Any) -> Request:
    target = caller.fake.storage_url + caller.url(**declared) if url is None else url
    return Request("put-1", "PUT", target, {"Content-Type": "application/pdf"}, b"", timeout, total)


def test_a_request_reaches_the_fake_with_its_framing(caller, transport):
    """Bytes go out with Host and Content-Length, header names in any case; the reply carries the request's id."""
    url = f"{caller.fake.base_url}/v1/assets/upload-url"
    headers = {"AUTHORIZATION": caller.authorization, "Content-type": "application/json"}
    body = b'{"filename": "a.pdf", "mime": "application/pdf"}'
    reply = transport.perform(Request("url-1", "POST", url, headers, body, 30.0, 30.0), body)
    assert isinstance(reply, Response)
    assert (reply.request_id, reply.status, reply.header("content-type")) == ("url-1", 200, "application/json")
    record = caller.fake.requests[0]
    assert record.header("host") == "api.flowflex.test"
    assert record.header("content-length") == str(len(body))
    transport.close()


def test_a_source_is_streamed(caller, transport):
    """The chunks of a file arrive in order, empty ones too, and end the request."""
    reply = transport.perform(put(caller), transport.source(b"d", b"", b"ata"))
    assert isinstance(reply, Response)
    assert reply.status == 200
    assert [asset.first_bytes for asset in caller.fake.assets.values()] == [b"data"]


def test_a_file_that_is_refused_by_its_head_is_not_read(caller, transport):
    """An early refusal comes before the first chunk."""
    source = transport.source(b"x" * 10, length=26_214_401)
    reply = transport.perform(put(caller, size=...), source)
    assert isinstance(reply, Response)
    assert (reply.status, caller.fake.requests[-1].received) == (413, 0)


def test_an_error_out_of_a_source_passes_through(caller, transport):
    """The request has no effect, and the error is the caller's to read."""
    with pytest.raises(OSError, match="the file changed"):
        transport.perform(put(caller), transport.source(b"dat", length=4, breaks=True))
    assert caller.fake.requests[-1].rule == "put.incomplete"
    assert caller.fake.assets == {}


def test_a_source_that_ends_too_soon_stores_nothing(caller, transport):
    """A body shorter than its length is incomplete."""
    reply = transport.perform(put(caller), transport.source(b"dat", length=4))
    assert isinstance(reply, Response)
    assert (reply.status, caller.fake.assets) == (400, {})


def test_another_host_is_not_there(caller, transport):
    """What is not the fake's own address is never reached, and cannot have been seen."""
    for url in ("https://api.flowflex.test.other/v1", "http://api.flowflex.test/v1", "https://storage.flowflex.test"):
        failure = transport.perform(put(caller, url=url), b"data")
        assert isinstance(failure, Failure)
        assert (failure.request_id, failure.kind, failure.sent) == ("put-1", "connection", False)


@pytest.mark.parametrize(
    "fault", [faults.Reset(), faults.Reset(at=2), faults.LoseReply(), faults.LoseReply(reset=True)]
)
def test_an_abort_is_a_failure_of_the_connection(caller, transport, fault):
    """The request may have been seen, as far as anyone can tell."""
    caller.fake.faults.arm("put", fault)
    failure = transport.perform(put(caller), b"data")
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.sent) == ("connection", True)


def test_a_delay_over_the_timeout_is_a_timeout_at_once(caller, transport):
    """Nothing sleeps: the delay is compared with the silence and the time that the request allows."""
    caller.fake.faults.arm("put", faults.Delay(5.0), times=None)
    assert isinstance(transport.perform(put(caller, timeout=5.0), b"data"), Response)
    for request in (put(caller, timeout=4.9), put(caller, total=4.9)):
        failure = transport.perform(request, b"data")
        assert isinstance(failure, Failure)
        assert (failure.kind, failure.sent) == ("timeout", True)
    assert len(caller.fake.assets) == 3


def test_a_delay_by_the_clock_of_the_fake_is_compared_as_well(caller, transport):
    """In memory nobody could move the clock meanwhile."""
    caller.fake.faults.arm("put", faults.Delay(5.0, clock="fake"), times=None)
    assert isinstance(transport.perform(put(caller, timeout=5.0), b"data"), Response)
    failure = transport.perform(put(caller, timeout=4.9), b"data")
    assert isinstance(failure, Failure)
    assert failure.kind == "timeout"


@pytest.mark.parametrize(
    ("drip", "bounds"),
    [
        (faults.Drip(piece=1, seconds=3.0), {"timeout": 2.9}),
        (faults.Drip(piece=1, seconds=1.0), {"timeout": 2.0, "total": 60.0}),
    ],
)
def test_a_drip_over_what_the_request_allows_is_a_timeout(caller, transport, drip, bounds):
    """Be it that one piece is too late, or the last of many; a quick one is a reply."""
    caller.fake.faults.arm("put", drip)
    failure = transport.perform(put(caller, **bounds), b"data")
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.sent) == ("timeout", True)
    caller.fake.faults.arm("put", faults.Drip(piece=64, seconds=0.01, head=False))
    assert isinstance(transport.perform(put(caller), b"data"), Response)
    caller.fake.faults.assert_fired()


@pytest.mark.parametrize(("fault", "sent"), [(faults.Refuse(), False), (faults.ResetOnAccept(), True)])
def test_a_request_counts_as_a_connection(caller, transport, fault, sent):
    """Faults of connections strike by occurrence and times; nobody has seen the request, so no journal has it."""
    armed = caller.fake.faults.arm("put", fault, occurrence=2, times=2)
    outcomes = [transport.perform(put(caller), b"data") for _ in range(4)]
    assert [type(outcome) for outcome in outcomes] == [Response, Failure, Failure, Response]
    failure = outcomes[1]
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.sent) == ("connection", sent)
    assert (armed.seen, armed.hits) == (4, 2)
    assert sum(request.operation == "put" for request in caller.fake.requests) == 2


def test_a_fault_that_is_all_wire_is_an_error_in_memory(caller, transport):
    """A test that tries interim replies here would try nothing, and is told so."""
    caller.fake.faults.arm("put", faults.Interims())
    with pytest.raises(RuntimeError, match=r"interim replies have no meaning in memory.* use a live fake"):
        transport.perform(put(caller), b"data")


def test_both_clients_see_the_same_faults_in_memory(caller):
    """One plan, armed for one send after the other: the classes of errors are those of the live fake."""
    plan = [
        (faults.Refuse(), errors.FlowFlexConnectionError),
        (faults.LoseReply(), errors.FlowFlexOutcomeUnknownError),
        (faults.TruncateReply(), errors.FlowFlexOutcomeUnknownError),
    ]
    options = {**caller.fake.client_options, "max_retries": 0}

    async def send_event() -> None:
        async with AsyncFlowFlex(**options, transport=AsyncMemoryTransport(caller.fake)) as client:
            await client.send_event("e")

    for fault, error in plan:
        caller.fake.faults.arm_all([Aim("event", fault), Aim("event", fault, occurrence=2)])
        with FlowFlex(**options, transport=MemoryTransport(caller.fake)) as client, pytest.raises(error):
            client.send_event("e")
        with pytest.raises(error):
            trio.run(send_event)
    caller.fake.faults.assert_fired()


def test_a_live_fake_can_be_reached_in_memory_too(caller):
    """While the server runs its real addresses count, for both faces serve the same fake."""
    with caller.fake as fake:
        transport = MemoryTransport(fake)
        assert fake.base_url.startswith("http://127.0.0.1:")
        assert isinstance(transport.perform(put(caller), b"data"), Response)


def test_the_asynchronous_one_imports_no_runtime():
    """It awaits nothing but the chunks of a body, and so works under any loop."""
    code = "import sys, flowflex_testing.memory; print({'trio', 'asyncio', 'werkzeug', 'ssl'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"
