import json
import logging
import subprocess
import sys
import time
from typing import Any

import pytest
import trio

from flowflex_core import (
    Failure,
    FlowFlexConfigError,
    FlowFlexUploadError,
    Request,
    Response,
    SendEvent,
    Settings,
    UploadFile,
    file,
)
from flowflex_testing.fake import FakeFlowFlex
from flowflex_testing.faults import Status
from flowflex_transports import AsyncFlowFlex, FlowFlex
from flowflex_transports.bodies import Sources
from flowflex_transports.calls import (
    Clock,
    Deadline,
    Progress,
    WatchedSource,
    log_outcome,
    prepare_resume,
    prepare_send,
    prepare_upload,
    prepare_upload_url,
)

SETTINGS = Settings(
    api_key="cik_test",
    api_secret="not-so-secret",
    integration_code="ic",
    base_url="https://api.example.test",
    max_file_bytes=1000,
)


def first_body(operation) -> Any:
    return json.loads(operation.advance(0.0).requests[0].body)


def key_of(operation):
    turn = operation.advance(0.0)
    return turn.requests[0].headers["x-idempotency-key"]


# Preparation


def test_each_send_without_a_key_gets_one_of_its_own():
    """Two events are two events."""
    keys = {key_of(prepare_send(SETTINGS, "e", None, None)[0]) for _ in range(2)}
    assert len(keys) == 2
    assert key_of(prepare_send(SETTINGS, "e", None, "mine")[0]) == "mine"


def test_an_empty_key_is_an_error_and_not_a_missing_one():
    """Whoever gives a key means to repeat under it."""
    with pytest.raises(FlowFlexConfigError, match="idempotency_key"):
        prepare_send(SETTINGS, "e", None, "")


def test_the_files_of_a_payload_are_measured(tmp_path):
    """The upload URL is asked for with the measured size."""
    path = tmp_path / "a.pdf"
    path.write_bytes(b"12345")
    operation, sources = prepare_send(SETTINGS, "e", {"invoice": file(path)}, None)
    assert first_body(operation)["size"] == 5
    assert [*sources.sizes.values()] == [5]


def test_a_bad_event_is_told_before_a_stream_is_read():
    """What was read of a stream cannot be put back."""

    class Stream:
        def read(self, size=-1):
            pytest.fail("the stream was read")

    for event, key in (("", None), ("e", "bad\nkey")):
        with pytest.raises(FlowFlexConfigError):
            prepare_send(SETTINGS, event, {"f": file(Stream(), filename="x.pdf")}, key)


def test_a_file_that_cannot_be_sent_is_named_by_its_payload_path(tmp_path):
    """Before anything is sent."""
    with pytest.raises(FlowFlexUploadError, match=r"^order\.items\[1\]: cannot read '.*gone.pdf'"):
        prepare_send(SETTINGS, "e", {"order": {"items": [1, file(tmp_path / "gone.pdf")]}}, None)
    with pytest.raises(FlowFlexUploadError, match=r"^cannot read '.*gone.pdf'"):
        prepare_upload(SETTINGS, file(tmp_path / "gone.pdf"))
    with pytest.raises(FlowFlexUploadError, match=r"over the limit"):
        prepare_upload(SETTINGS, file(b"x" * 1001, filename="a.pdf"))


def test_an_upload_takes_a_file_ref_alone():
    """A path has to be wrapped by `file()`."""
    with pytest.raises(FlowFlexConfigError, match=r"file\(\)"):
        prepare_upload(SETTINGS, "a.pdf")  # type: ignore[arg-type]


def test_an_upload_url_is_checked():
    """The name and type are those that FlowFlex takes."""
    with pytest.raises(FlowFlexUploadError, match="mime"):
        prepare_upload_url(SETTINGS, filename="a.exe", mime="application/x-msdownload", size=None)


def snapshot_of(path):
    ref = file(path)
    sources = Sources.measure({ref: "invoice"}, max_file_bytes=1000)
    operation = SendEvent.start(SETTINGS, "e", {"invoice": ref}, idempotency_key="key", sizes=sources.sizes)
    operation.advance(0.0)
    return operation.snapshot()


def test_a_resumed_send_measures_its_files_again(tmp_path):
    """A file that has another size by now, or is gone, is not the one that was meant."""
    path = tmp_path / "a.pdf"
    path.write_bytes(b"12345")
    text = snapshot_of(path)
    _, sources = prepare_resume(SETTINGS, text)
    assert [*sources.sizes.values()] == [5]
    path.write_bytes(b"123456")
    with pytest.raises(FlowFlexUploadError, match=r"^invoice: .* has 6 bytes now, and had 5"):
        prepare_resume(SETTINGS, text)
    path.unlink()
    with pytest.raises(FlowFlexUploadError, match=r"^invoice: .*No such file"):
        prepare_resume(SETTINGS, text)


def test_a_single_upload_knows_its_size():
    """Measured like the files of an event."""
    operation, _ = prepare_upload(SETTINGS, file(b"123", filename="a.pdf"))
    assert isinstance(operation, UploadFile)
    assert first_body(operation)["size"] == 3


# Progress


def test_progress_begins_at_zero_for_each_attempt_and_then_only_grows():
    """A chunk counts once the next one is asked for; a repeated attempt is told by a zero."""
    told = []
    ref = file(b"x" * 100_000, filename="a.pdf")
    sources = Sources.measure({ref: "p"}, max_file_bytes=10**6)
    progress = Progress(lambda ref, sent, total: told.append((sent, total)))
    for chunks in (1, 2, 3):
        with sources.open(ref) as source:
            reading = WatchedSource(progress, ref, source).chunks()
            for _ in range(chunks):
                next(reading, None)
    total = 100_000
    assert told == [
        (0, total),
        (0, total),
        (65_536, total),
        (0, total),
        (65_536, total),
        (total, total),
    ]


def test_an_empty_file_has_progress_too():
    """It begins, and there is nothing more to tell."""
    told = []
    ref = file(b"", filename="a.txt")
    sources = Sources.measure({ref: "p"}, max_file_bytes=10)
    with sources.open(ref) as source:
        watched = WatchedSource(Progress(lambda *what: told.append(what)), ref, source)
        assert [*watched.chunks()] == []
        assert watched.length == 0
    assert told == [(ref, 0, 0)]


@pytest.mark.parametrize("careless", [False, True])
def test_what_reading_a_file_raised_comes_without_the_transport(careless):
    """Neither its frames, in whose locals credentials stand, nor what it made of the exception."""

    def on_progress(ref, sent, total):
        raise OSError("mine")

    def perform(source):
        try:
            return [*source.chunks()]
        except OSError as error:
            if careless:
                raise RuntimeError("the network") from error
            raise

    def loop(source):
        try:
            perform(source)
        except Exception:
            source.raise_own()

    ref = file(b"x", filename="a.txt")
    with Sources.measure({ref: "p"}, max_file_bytes=10).open(ref) as source:
        watched = WatchedSource(Progress(on_progress), ref, source)
        watched.raise_own()  # nothing yet
        with pytest.raises(OSError, match="mine") as caught:
            loop(watched)
        watched.raise_own()  # not twice
    assert [entry.name for entry in caught.traceback][2:] == ["raise_own", "chunks", "_tell", "tell", "on_progress"]
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


# Deadlines


@pytest.mark.parametrize(
    ("passed", "bounds"), [(0.0, (3.0, 4.99)), (4.0, (0.99, 0.99)), (4.95, (0.045, 0.045)), (5.001, None), (9.0, None)]
)
def test_a_request_is_bounded_by_what_the_deadline_leaves(passed, bounds):
    """Less a little, in which it tells whether it was sent; where nothing is left, it has failed unsent."""
    seconds = [100.0]
    deadline = Deadline(Clock(lambda: seconds[0]), 5.0)
    seconds[0] += passed
    given = Request("event/1", "POST", "https://api.example.test", {}, b"", 3.0, 10.0)
    request = deadline.cut(given)
    assert deadline.left == pytest.approx(5.0 - passed, abs=1e-3)
    if bounds is None:
        assert isinstance(request, Failure)
        assert (request.request_id, request.kind, request.sent) == ("event/1", "timeout", False)
    else:
        assert isinstance(request, Request)
        assert (request.timeout, request.total) == pytest.approx(bounds, abs=1e-3)
    assert Deadline(Clock(lambda: seconds[0]), None).cut(given) is given


# Logging


def request():
    return Request(
        "1", "PUT", "https://s.example.test/a/b?sig=hidden", {"Authorization": "Basic hidden"}, b"hidden", 1.0, 1.0
    )


def test_outcomes_are_logged_without_secrets(caplog):
    """Method, host and path, status or kind, and time; a failure is a warning."""
    caplog.set_level(logging.DEBUG, logger="flowflex")
    log_outcome(request(), Response("1", 503, {"X": "hidden"}, b"hidden"), 0.25)
    log_outcome(request(), Failure("1", "timeout", "hidden", True), 0.5)
    log_outcome(request(), Failure("1", "tls", "hidden", False), 0.5)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("DEBUG", "PUT https://s.example.test/a/b: status 503 after 0.250 s"),
        ("WARNING", "PUT https://s.example.test/a/b: timeout failure after 0.500 s, may have arrived"),
        ("WARNING", "PUT https://s.example.test/a/b: tls failure after 0.500 s, not sent"),
    ]


def test_no_more_than_the_host_of_an_upload_url_is_logged(caplog):
    """With some storages its path is a credential too."""
    caplog.set_level(logging.DEBUG, logger="flowflex")
    ref = file(b"x", filename="x.pdf")
    put = Request("1", "PUT", "https://s.example.test/hidden/b?sig=hidden", {}, ref, 1.0, 1.0)
    log_outcome(put, Failure("1", "tls", "", False), 0.5)
    assert caplog.messages == ["PUT https://s.example.test: tls failure after 0.500 s, not sent"]


def test_without_logging_configured_nothing_is_printed():
    """A library does not write to stderr by itself."""
    code = "from flowflex_transports.calls import log; log.warning('heard')"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert shown.stderr == ""


# Time


def test_the_clock_is_the_wall_clock_once_and_steady_since(monkeypatch):
    """A wall clock that is set does not move it."""
    clock = Clock()
    assert abs(clock.now() - time.time()) < 1.0
    before = clock.now()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert 0 <= clock.now() - before < 1.0


# Resuming, through both clients


def resumed_by_flowflex(options, snapshot):
    with FlowFlex(**options) as client:
        return client.resume(snapshot)


def resumed_by_async_flowflex(options, snapshot):
    async def main():
        async with AsyncFlowFlex(**options) as client:
            return await client.resume(snapshot)

    return trio.run(main)


@pytest.mark.parametrize("resumed", [resumed_by_flowflex, resumed_by_async_flowflex])
def test_a_file_that_was_stored_long_ago_is_stored_anew(tmp_path, resumed):
    """It is measured when its turn comes, and must still be what it was."""
    first, second = tmp_path / "a.pdf", tmp_path / "b.pdf"
    first.write_bytes(b"first")
    second.write_bytes(b"second")
    with FakeFlowFlex() as fake:
        options: dict[str, Any] = {**fake.client_options, "max_parallel_uploads": 1}
        fake.faults.arm("put", Status(400), occurrence=2)
        with FlowFlex(**options) as client, pytest.raises(FlowFlexUploadError) as caught:
            client.send_event("e", payload={"a": file(first), "b": file(second)})
        fields = json.loads(caught.value.snapshot or "")
        fields["files"][0]["stored_at"] -= 47.95 * 3600
        result = resumed(options, json.dumps(fields))
        assert len([request for request in fake.requests if request.method == "PUT"]) == 4
        assert result.uploaded_assets["a"] != fields["files"][0]["asset_id"]
        first.write_bytes(b"longer than before")
        with pytest.raises(FlowFlexUploadError, match=r"a: .*18 bytes.*5"):
            resumed(options, json.dumps(fields))
