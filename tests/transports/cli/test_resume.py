"""`flowflex send --snapshot` and `flowflex resume`: how a send whose outcome is unknown goes on from the shell."""

import json
import shlex
import signal
import stat
import time

import pytest

from flowflex_core import FlowFlexOutcomeUnknownError
from flowflex_testing.faults import Delay, LoseReply, Status
from flowflex_transports.cli import snapshot

TRANSPORTS = ["urllib3", "trio"]


def _lose_replies(flowflex, flowflex_fake, *arguments):
    flowflex_fake.faults.arm("event", LoseReply(), times=None)
    run = flowflex("send", "e", "--file", "a=invoice.pdf", *arguments)
    flowflex_fake.faults.clear()
    return run


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_lost_answer_is_resumed_under_the_same_key(flowflex, flowflex_fake, transport):
    """The command that the sentence tells sends the same body under the same key: one event, no upload twice."""
    run = _lose_replies(flowflex, flowflex_fake, "--snapshot", "my send.json", "--transport", transport)
    assert (run.returncode, run.stdout) == (3, "")
    line = run.stderr.splitlines()[-1]
    assert "error.snapshot" not in line
    told = line.partition("; ")[2].partition(" goes on")[0]
    assert told == "flowflex resume 'my send.json'"
    file = flowflex.folder / "my send.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    run = flowflex(*shlex.split(told)[1:], "--json", "--transport", transport)
    (event,) = flowflex_fake.events
    (asset,) = flowflex_fake.assets
    assert (run.returncode, run.stderr) == (0, "")
    assert json.loads(run.stdout) == {
        "response": {"status": "accepted", "eventId": event.id},
        "uploaded_assets": {"a": asset},
        "idempotency_key": event.idempotency_key,
    }
    assert not file.exists()


def test_a_resumed_send_is_told_like_any_other(flowflex, flowflex_fake):
    """Without --json, resume prints what send prints."""
    _lose_replies(flowflex, flowflex_fake, "--snapshot", "s.json")
    run = flowflex("resume", "s.json")
    (event,) = flowflex_fake.events
    assert run.stdout.splitlines()[0] == f"accepted e under the idempotency key {event.idempotency_key}"
    assert f"{{{{trigger.a}}}} = {event.files['a'].id}" in run.stdout


def test_a_refused_send_keeps_what_it_has_stored(flowflex, flowflex_fake):
    """An event that was refused once goes on with the files that were stored for it."""
    flowflex_fake.faults.arm("event", Status(400))
    run = flowflex("send", "e", "--file", "a=invoice.pdf", "--snapshot", "s.json")
    assert run.returncode == 1
    assert "flowflex resume s.json goes on" in run.stderr.splitlines()[-1]
    run = flowflex("resume", "s.json")
    assert (run.returncode, run.stderr) == (0, "")
    assert len(flowflex_fake.events) == len(flowflex_fake.assets) == 1


def test_a_resume_that_fails_leaves_a_file_to_go_on_with(flowflex, flowflex_fake):
    """The file is there for as long as the send is not accepted."""
    _lose_replies(flowflex, flowflex_fake, "--snapshot", "s.json")
    flowflex_fake.faults.arm("event", LoseReply(), times=None)
    run = flowflex("resume", "s.json")
    assert run.returncode == 3
    assert "flowflex resume s.json goes on" in run.stderr
    flowflex_fake.faults.clear()
    key = flowflex_fake.events[0].idempotency_key
    assert key in flowflex("resume", "s.json").stdout
    assert len(flowflex_fake.events) == 1


def test_ctrl_c_while_resuming_tells_how_to_go_on(flowflex, flowflex_fake, unmeasured):
    """The file is still there, and the sentence names the command."""
    _lose_replies(flowflex, flowflex_fake, "--snapshot", "s.json")
    flowflex.environment = {**unmeasured, **flowflex.settings}
    before = len(flowflex_fake.requests)
    flowflex_fake.faults.arm("event", Delay(30))
    process = flowflex.start("resume", "s.json")
    end = time.monotonic() + 20
    while not any(request.fault for request in flowflex_fake.requests[before:]):
        assert time.monotonic() < end
        time.sleep(0.01)  # another process is on its way to the fake, and nothing here tells when
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=10)
    words = "interrupted: the event may have been accepted; flowflex resume s.json goes on under the same key"
    assert (process.returncode, stderr) == (130, f"flowflex: {words}\n")
    assert flowflex("resume", "s.json").returncode == 0


def test_without_a_snapshot_the_shell_is_told_what_it_has(flowflex, flowflex_fake):
    """An unknown outcome names no attribute of an error: with files the option, without them the key again."""
    line = _lose_replies(flowflex, flowflex_fake, "--idempotency-key", "k 1").stderr.splitlines()[-1]
    assert line.endswith("; only a send with --snapshot FILE can be resumed (idempotency key k 1)")
    flowflex_fake.faults.arm("event", LoseReply(), times=None)
    (line,) = flowflex("send", "e", "--idempotency-key", "k 2").stderr.splitlines()
    assert line.endswith("; the same command with --idempotency-key 'k 2' repeats it safely (idempotency key k 2)")


def test_no_snapshot_is_written_where_there_is_none(flowflex, flowflex_fake):
    """Neither an accepted event nor a refused one without files leaves a file."""
    assert flowflex("send", "e", "--snapshot", "s.json").returncode == 0
    flowflex_fake.faults.arm("event", Status(400))
    run = flowflex("send", "e", "--snapshot", "s.json")
    assert run.returncode == 1
    assert "resume" not in run.stderr
    assert not (flowflex.folder / "s.json").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["send", "e", "--snapshot", "invoice.pdf"], "--snapshot invoice.pdf: there is such a file already"),
        (["send", "e", "--snapshot", "missing/s.json"], "--snapshot missing/s.json: no file can be made there"),
        (["send", "e", "--snapshot", ""], "no file can be made there"),
        (["resume", "missing.json"], "missing.json: No such file"),
        (["resume", "photo.png"], "photo.png: the snapshot is not JSON text"),
        (["resume", "other.json"], "the snapshot is not one of a send"),
    ],
)
def test_a_file_that_will_not_do_is_told_before_anything_is_sent(flowflex, flowflex_fake, arguments, words):
    """No snapshot of another send is written over, and no send is begun whose snapshot has no place."""
    (flowflex.folder / "other.json").write_text("{}")
    run = flowflex(*arguments)
    assert (run.returncode, run.stdout) == (2, "")
    assert words in run.stderr
    assert flowflex_fake.requests == []
    assert (flowflex.folder / "invoice.pdf").read_bytes().startswith(b"%PDF")


def test_a_snapshot_that_cannot_be_written_is_told_beside_the_outcome(tmp_path):
    """A directory that has gone meanwhile does not hide that the outcome is unknown."""
    error = FlowFlexOutcomeUnknownError("event 'e' may or may not have arrived")
    error.snapshot = "{}"
    with pytest.raises(FlowFlexOutcomeUnknownError) as caught, snapshot.kept(str(tmp_path / "gone" / "s.json")):
        raise error
    assert caught.value.message.endswith("s.json could not be written: No such file or directory")
