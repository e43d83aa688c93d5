"""`AsyncFlowFlex` over the fake: live where sockets matter, in memory on a virtual clock where time does."""

import json
import logging
import os
import pickle
from typing import Any

import pytest
import trio

from flowflex_core import (
    FlowFlexConfigError,
    FlowFlexError,
    FlowFlexOutcomeUnknownError,
    FlowFlexUploadError,
    Response,
    SendEventResult,
    file,
)
from flowflex_testing import AsyncMemoryTransport, FakeFlowFlex
from flowflex_testing.faults import LoseReply, Reset, Status
from flowflex_transports.trio.client import AsyncFlowFlex
from tests.support.trio_clients import Scripted, over_memory, text
from tests.support.trio_peer import in_trio

# Sending


@in_trio
async def test_an_event_without_files_is_sent(fake):
    """The simplest call: an event and its payload arrive once, and the result tells the reply and the key."""
    async with AsyncFlowFlex(**fake.client_options) as client:
        result = await client.send_event("order.paid", payload={"total": 12}, idempotency_key="k-1")
    assert isinstance(result, SendEventResult)
    assert (result.idempotency_key, result.uploaded_assets) == ("k-1", {})
    assert fake.assert_event("order.paid", payload={"total": 12}).idempotency_key == "k-1"
    assert len(fake.requests) == 1


@in_trio
async def test_an_event_without_a_payload_or_a_key_is_sent(fake):
    """Both are optional; the key that was made is in the result."""
    async with AsyncFlowFlex(**fake.client_options) as client:
        result = await client.send_event("order.paid")
    assert fake.events[0].idempotency_key == result.idempotency_key
    assert fake.events[0].payload == {}


@in_trio
async def test_files_of_every_source_are_uploaded(fake, pdf):
    """A path, a string, bytes, a file object and a one-shot stream arrive byte for byte."""
    reader, writer = os.pipe()
    os.write(writer, b"one-shot")
    os.close(writer)
    content = pdf.read_bytes()
    async with AsyncFlowFlex(**fake.client_options) as client:
        with pdf.open("rb") as handle, os.fdopen(reader, "rb") as stream:
            handle.seek(4)
            result = await client.send_event(
                "e",
                payload={
                    "path": client.file(pdf),
                    "string": client.file(str(pdf)),
                    "more": [client.file(content, filename="a.pdf"), text(b"", "empty.txt")],
                    "handle": client.file(handle),
                    "stream": client.file(stream, filename="s.txt"),
                },
            )
            assert handle.tell() == 4
    expected = {
        "path": content,
        "string": content,
        "more[0]": content,
        "more[1]": b"",
        "handle": content[4:],
        "stream": b"one-shot",
    }
    fake.assert_event("e", files=expected)
    assert set(result.uploaded_assets) == set(expected)
    fake.assert_never_sent(header="authorization", to="storage")


@in_trio
async def test_one_ref_in_two_places_is_uploaded_once(fake):
    """A file that stands twice in the payload has one asset."""
    ref = text()
    async with AsyncFlowFlex(**fake.client_options) as client:
        result = await client.send_event("e", payload={"a": ref, "b": ref})
    assert len(fake.assets) == 1
    assert result.uploaded_assets["a"] == result.uploaded_assets["b"]


@in_trio
async def test_a_file_is_uploaded_by_itself(fake, pdf):
    """`upload_file` returns the id of a stored asset, and tells its progress."""
    told = []
    async with AsyncFlowFlex(**fake.client_options) as client:
        asset = await client.upload_file(client.file(pdf), on_progress=lambda ref, sent, total: told.append(sent))
        other = await client.upload_file(text())
    assert (fake.assets[asset].size, fake.assets[other].size) == (pdf.stat().st_size, 1)
    assert told == sorted(told)
    assert told[-1] == pdf.stat().st_size


@in_trio
async def test_an_upload_url_is_asked_for(fake):
    """`create_upload_url` returns the reply as a mapping."""
    async with AsyncFlowFlex(**fake.client_options) as client:
        url = await client.create_upload_url(filename="a.pdf", mime="application/pdf", size=3)
    assert set(url) == {"assetId", "uploadUrl", "token"}
    assert str(url["uploadUrl"]).startswith(fake.storage_url)


@in_trio
async def test_twenty_sends_with_a_file_use_two_connections(fake, pdf, opened):
    """Connections are reused, to storage as to the API."""
    async with AsyncFlowFlex(**fake.client_options) as client:
        for _ in range(20):
            await client.send_event("e", payload={"f": client.file(pdf)})
    assert len(opened) == 2


def test_one_client_serves_one_run_after_another(fake):
    """A client is made without a loop, and works in every trio run."""
    client = AsyncFlowFlex(**fake.client_options)

    async def main():
        await client.send_event("e", payload={"f": text()})

    trio.run(main)
    trio.run(main)
    trio.run(client.aclose)
    trio.run(client.aclose)
    assert len(fake.events) == 2


def test_the_environment_is_asked_for_what_is_left_out(fake, monkeypatch):
    """The four arguments come from `FLOWFLEX_*` where they are left out."""
    for name, value in fake.client_options.items():
        monkeypatch.setenv(f"FLOWFLEX_{name.upper()}", value)

    async def main():
        async with AsyncFlowFlex() as client:
            await client.send_event("e")

    trio.run(main)
    assert len(fake.events) == 1


def test_a_missing_argument_is_refused(monkeypatch):
    """What is missing is named when the client is made."""
    monkeypatch.delenv("FLOWFLEX_API_SECRET", raising=False)
    with pytest.raises(FlowFlexConfigError, match="api_secret"):
        AsyncFlowFlex(api_key="k", integration_code="c", base_url="https://x.example")


def test_no_secret_is_shown(fake):
    """Neither the key nor the secret is in the repr."""
    shown = repr(AsyncFlowFlex(**fake.client_options))
    assert fake.api_secret not in shown
    assert fake.api_key not in shown


@in_trio
async def test_a_given_transport_is_not_closed(memory):
    """Who gives a transport closes it: it may serve other clients."""

    async def answer(request, body):
        return Response(request.id, 202)

    transport = Scripted(answer)
    async with AsyncFlowFlex(**memory.client_options, transport=transport) as client:
        await client.send_event("e")
    assert transport.closed == 0


@in_trio
async def test_tls_options_are_the_transports(tmp_path):
    """`ca_file` is trusted by the client's own transport, for the API and storage alike."""
    with FakeFlowFlex(tls=True) as fake:
        (tmp_path / "ca.pem").write_bytes(fake.ca_pem)
        options: dict[str, Any] = {**fake.client_options, "ca_file": tmp_path / "ca.pem"}
        async with AsyncFlowFlex(**options) as client:
            await client.send_event("e", payload={"f": text()})
    fake.assert_event("e", files={"f": b"x"})


def test_a_transport_takes_no_options_for_another(memory):
    """TLS and proxy are the given transport's own affair."""
    with pytest.raises(FlowFlexConfigError, match="proxy"):
        over_memory(memory, proxy="http://127.0.0.1:1")


@in_trio
async def test_a_closed_client_sends_nothing(memory):
    """Every call on a closed client is one clear error."""
    client = over_memory(memory)
    await client.aclose()
    for call in (
        lambda: client.send_event("e"),
        lambda: client.resume(""),
        lambda: client.upload_file(text()),
        lambda: client.create_upload_url(filename="a.pdf", mime="application/pdf"),
    ):
        with pytest.raises(FlowFlexConfigError, match="closed"):
            await call()
    with pytest.raises(FlowFlexConfigError, match="closed"):
        client.send_many([])


def test_a_client_is_not_pickled(memory):
    """A pickle would hold the credentials."""
    with pytest.raises(FlowFlexConfigError, match="credentials"):
        pickle.dumps(over_memory(memory))


# What is wrong is told before anything is sent


@in_trio
async def test_a_missing_file_is_named_by_its_payload_path(fake, tmp_path):
    """A file that is not there fails before the other one is uploaded."""
    async with AsyncFlowFlex(**fake.client_options) as client:
        with pytest.raises(FlowFlexUploadError, match=r"gallery\[1\]"):
            await client.send_event("e", payload={"gallery": [text(), file(tmp_path / "no.pdf")]})
    fake.assert_nothing_sent()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda client: client.send_event("e\n"), "event"),
        (lambda client: client.send_event("e", payload=[1]), "payload"),
        (lambda client: client.send_event("e", payload={"a": {1}}), "a"),
        (lambda client: client.send_event("e", idempotency_key=""), "idempotency_key"),
        (lambda client: client.send_event("e", timeout_seconds=0), "timeout_seconds"),
        (lambda client: client.send_event("e", deadline_seconds=-1), "deadline_seconds"),
        (lambda client: client.send_event("e", max_retries=1.5), "max_retries"),
        (lambda client: client.upload_file(b"x"), "FileRef"),
        (lambda client: client.resume("{}"), "snapshot"),
    ],
)
@in_trio
async def test_a_wrong_argument_is_named(call, words, fake):
    """One clear error, and nothing sent."""
    async with AsyncFlowFlex(**fake.client_options) as client:
        with pytest.raises(FlowFlexConfigError, match=words):
            await call(client)
    fake.assert_nothing_sent()


# Failures and repeats


@in_trio
async def test_each_attempt_reads_the_file_afresh(fake, pdf):
    """A PUT that was reset in the middle is repeated from the first byte, and the progress says so."""
    fake.faults.arm("put", Reset(at=200_000))
    told = []
    async with AsyncFlowFlex(**fake.client_options) as client:
        await client.send_event(
            "e", payload={"f": client.file(pdf)}, on_progress=lambda ref, sent, total: told.append(sent)
        )
    fake.assert_event("e", files={"f": pdf.read_bytes()})
    assert told.count(0) == 2
    second = told[len(told) - told[::-1].index(0) - 1 :]
    assert second == sorted(second)
    assert second[-1] == pdf.stat().st_size


@in_trio
async def test_a_lost_reply_is_an_unknown_outcome_that_can_be_resumed(fake, pdf):
    """After a lost reply the error holds a snapshot; to resume it repeats the body under its key, with no upload."""
    fake.faults.arm("event", LoseReply())
    async with AsyncFlowFlex(**fake.client_options) as client:
        with pytest.raises(FlowFlexOutcomeUnknownError) as caught:
            await client.send_event("e", payload={"f": client.file(pdf)}, max_retries=0)
        assert caught.value.snapshot is not None
        result = await client.resume(caught.value.snapshot)
    assert result.idempotency_key == caught.value.idempotency_key
    assert result.uploaded_assets == caught.value.uploaded_assets
    assert len(fake.events) == 1
    assert [request.operation for request in fake.requests] == ["upload-url", "put", "event", "event"]


@in_trio
async def test_resuming_notices_a_file_of_another_size(fake, pdf):
    """A file that has another size by now is an error before anything is sent."""
    fake.faults.arm("put", Status(403), occurrence=2)
    other = pdf.with_name("other.pdf")
    other.write_bytes(b"1234")
    async with AsyncFlowFlex(**fake.client_options, max_parallel_uploads=1) as client:
        with pytest.raises(FlowFlexUploadError) as caught:
            await client.send_event("e", payload={"f": client.file(pdf), "g": client.file(other)})
        other.write_bytes(b"12345")
        count = len(fake.requests)
        with pytest.raises(FlowFlexUploadError, match="g"):
            await client.resume(str(caught.value.snapshot))
    assert len(fake.requests) == count


@pytest.mark.parametrize("size", [0, 1_000_000])
@in_trio
async def test_a_file_that_changes_while_it_is_sent_is_an_error(size, fake, tmp_path, caplog):
    """A file that grows under the upload, even an empty one, is not sent as if nothing had happened."""
    path = tmp_path / "growing.txt"
    path.write_bytes(b"x" * size)

    def grow(ref, sent, total):
        if sent == 0:
            with path.open("ab") as grown:
                grown.write(b"y")

    async with AsyncFlowFlex(**fake.client_options) as client:
        with pytest.raises(FlowFlexUploadError, match="f"):
            await client.send_event("e", payload={"f": client.file(path)}, on_progress=grow, max_retries=0)
    assert not fake.events
    assert "source failure" in caplog.text
    assert "may have arrived" in caplog.text


@in_trio
async def test_a_fatal_upload_ends_the_others(memory):
    """One refused file ends the send at once: what is in flight is cancelled."""
    cancelled = []

    async def answer(request, body):
        if request.method == "PUT" and body.length == 2:
            return Response(request.id, 400, {"Content-Type": "application/json"}, b'{"error": "no", "code": "NO"}')
        if request.method == "PUT":
            try:
                await trio.sleep_forever()
            finally:
                cancelled.append(body.length)
        reply = json.dumps({"assetId": "asset_12345678", "uploadUrl": "https://storage.flowflex.test/x"})
        return Response(request.id, 200, {"Content-Type": "application/json"}, reply.encode())

    client = AsyncFlowFlex(**memory.client_options, transport=Scripted(answer))
    with pytest.raises(FlowFlexUploadError):
        await client.send_event("e", payload={"a": text(b"1"), "b": text(b"12"), "c": text(b"3")})
    assert cancelled == [1, 1]


@in_trio
async def test_parallel_uploads_are_bounded(memory):
    """No more files than `max_parallel_uploads` are on their way, and so many are."""
    busy = most = 0

    async def answer(request, body):
        nonlocal busy, most
        if request.method == "PUT":
            busy += 1
            most = max(most, busy)
            await trio.testing.wait_all_tasks_blocked()
            busy -= 1
        return await inner.perform(request, body)

    inner = AsyncMemoryTransport(memory)
    client = AsyncFlowFlex(**memory.client_options, transport=Scripted(answer), max_parallel_uploads=3)
    await client.send_event("e", payload={"files": [text(b"x" * n) for n in range(10)]})
    assert most == 3


@in_trio(virtual=True)
async def test_options_of_one_call_hold_for_that_call(memory):
    """`max_retries=0` for one call leaves the client's own for the next."""
    memory.faults.arm("event", Status(503), times=2)
    client = over_memory(memory)
    with pytest.raises(FlowFlexError):
        await client.send_event("e", max_retries=0)
    await client.send_event("e")
    assert len(memory.requests) == 3


@in_trio
async def test_the_log_tells_no_secret(fake, caplog):
    """Every request is logged under `flowflex`, without query, header or body."""
    caplog.set_level(logging.DEBUG, "flowflex")
    fake.faults.arm("put", Reset())
    async with AsyncFlowFlex(**fake.client_options) as client:
        await client.send_event("e", payload={"f": text(), "private": "hidden"})
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("flowflex")]
    assert len(lines) == 4
    queries = [request.target.partition("?")[2] for request in fake.requests if "?" in request.target]
    for secret in [fake.api_secret, "hidden", "Basic", *queries]:
        assert not any(secret in line for line in lines)
