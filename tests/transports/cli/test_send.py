"""`flowflex send` and `flowflex upload`, in processes of their own against a live fake."""

import json
import re
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from flowflex_testing.faults import Delay, Fault, LoseReply, Status

TRANSPORTS = ["urllib3", "trio"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_an_event_with_files_is_sent_and_told(flowflex, flowflex_fake, transport):
    """The event arrives with its files, and stdout has the key, the asset ids as a flow reads them, and the answer."""
    run = flowflex(
        *("send", "invoice.created", "--data", '{"n": 1}', "--idempotency-key", "invoice-42"),
        *("--file", "assetId=invoice.pdf", "--file", "gallery[0]=photo.png", "--transport", transport),
    )
    (event,) = flowflex_fake.events
    assert (event.name, event.idempotency_key, event.payload["n"]) == ("invoice.created", "invoice-42", 1)
    assert {path: asset.filename for path, asset in event.files.items()} == {
        "assetId": "invoice.pdf",
        "gallery[0]": "photo.png",
    }
    assert run.returncode == 0
    first, *lines, last = run.stdout.splitlines()
    assert first == "accepted invoice.created under the idempotency key invoice-42"
    assert lines == [f"{{{{trigger.{path}}}}} = {asset.id}" for path, asset in event.files.items()]
    assert json.loads(last.removeprefix("answer: ")) == {"status": "accepted", "eventId": event.id}
    assert sorted(run.stderr.splitlines()) == [
        f"sent {name} ({(flowflex.folder / name).stat().st_size:,} bytes)" for name in ("invoice.pdf", "photo.png")
    ]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_json_is_for_programs(flowflex, flowflex_fake, transport):
    """With --json, stdout is one JSON object with the names of the library; a new key is in it."""
    run = flowflex("send", "invoice.created", "--file", "assetId=invoice.pdf", "--json", "--transport", transport)
    (event,) = flowflex_fake.events
    assert json.loads(run.stdout) == {
        "response": {"status": "accepted", "eventId": event.id},
        "uploaded_assets": {"assetId": event.files["assetId"].id},
        "idempotency_key": event.idempotency_key,
    }


def test_data_comes_from_stdin_and_from_a_file(flowflex, flowflex_fake):
    """--data - reads stdin, and --data @file a file."""
    (flowflex.folder / "data.json").write_text('{"from": "file"}')
    assert flowflex("send", "e", "--data", "-", stdin='{"from": "stdin"}').returncode == 0
    assert flowflex("send", "e", "--data", "@data.json").returncode == 0
    assert [event.payload for event in flowflex_fake.events] == [{"from": "stdin"}, {"from": "file"}]


def test_files_are_uploaded_and_their_ids_printed(flowflex, flowflex_fake):
    """Upload prints one line a file, asset id first, in the order of the arguments; with --json a list."""
    run = flowflex("upload", "photo.png", "invoice.pdf")
    assert run.returncode == 0
    by_name = {asset.filename: asset.id for asset in flowflex_fake.assets.values()}
    assert run.stdout.splitlines() == [f"{by_name[name]}  {name}" for name in ("photo.png", "invoice.pdf")]
    run = flowflex("upload", "invoice.pdf", "--json")
    (stored,) = json.loads(run.stdout)
    assert stored == {"file": "invoice.pdf", "asset_id": list(flowflex_fake.assets)[-1]}


def _sentence(run, code):
    """Return the one line that a failed command prints."""
    assert (run.returncode, run.stdout) == (code, ""), run.stderr
    (line,) = run.stderr.splitlines()
    assert line.startswith("flowflex")
    return line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "flowflex --help"),
        (["send"], "flowflex send --help"),
        (["send", "e", "--bogus"], "unrecognized arguments: '--bogus'; see flowflex send --help"),
        (["--bogus", "fake"], "unrecognized arguments: '--bogus'; see flowflex --help"),
        (["send", "e", "--transport", "carrier-pigeon"], "carrier-pigeon"),
        (["fake", "--port", "65536"], "0 to 65535"),
        (["fake", "--port", "-1"], "--port"),
        (["send", "e", "--data", "{"], "--data is not JSON"),
        (["send", "e", "--file", "a"], "PAYLOAD.PATH=FILE"),
        (["send", " e"], "blanks"),
        (["send", "e", "--idempotency-key", ""], "idempotency_key"),
        (["send", "e", "--data", '{"a": 1e999}'], "a is inf"),
        (["send", "e", "--file", "a.b=missing.pdf"], "a.b"),
        (["send", "e", "--file", "a.b=missing.pdf", "--transport", "trio"], "a.b"),
        (["send", "e", "--file", "a=data.exe"], "data.exe"),
        (["send", "e", "--file", "a=data.exe"], "rename the file"),
        (["upload", "missing.pdf"], "missing.pdf"),
        (["upload", "invoice.pdf", "data.exe"], "rename the file"),
    ],
)
def test_bad_input_is_one_sentence_and_code_2(flowflex, flowflex_fake, arguments, words):
    """Wrong options, payloads and files are told in one sentence that names them, and nothing is sent."""
    assert words in _sentence(flowflex(*arguments), 2)
    assert flowflex_fake.requests == []


@pytest.mark.parametrize("arguments", [["send"], ["send", "e", "--bogus"], ["upload"], ["send", "e", "--data", "{"]])
def test_bad_input_is_told_as_json_too(flowflex, arguments):
    """With --json what is wrong with the command line stands on stdout, too, as any other error does."""
    run = flowflex(*arguments, "--json")
    assert run.returncode == 2
    assert json.loads(run.stdout)["error"] in run.stderr
    assert set(json.loads(run.stdout)) >= {"error", "code", "status", "idempotency_key"}


@pytest.mark.parametrize("arguments", [["send", "e", "--js"], ["send", "e", "--bogus", "--", "--json"]])
def test_what_is_not_the_option_asks_for_no_json(flowflex, arguments):
    """No beginning of an option stands for it, and behind `--` none is one."""
    run = flowflex(*arguments)
    assert (run.returncode, run.stdout) == (2, "")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_missing_setting_names_its_variable(flowflex, transport):
    """Whoever has not set the environment is told what to set."""
    del flowflex.environment["FLOWFLEX_API_SECRET"]
    assert "set FLOWFLEX_API_SECRET in" in _sentence(flowflex("send", "e", "--transport", transport), 2)


@pytest.mark.parametrize("command", [["send", "e"], ["upload", "invoice.pdf"]])
def test_all_missing_settings_are_named_at_once(flowflex, command):
    """Whoever has set nothing reads all four variables in one sentence, and of no argument that the shell has not."""
    for name in flowflex.settings:
        del flowflex.environment[name]
    line = _sentence(flowflex(*command), 2)
    assert [name for name in flowflex.settings if name not in line] == []
    assert "argument" not in line


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_refusal_is_code_1(flowflex, transport):
    """What FlowFlex refuses is told with its own words."""
    flowflex.environment["FLOWFLEX_API_SECRET"] = "wrong-secret"
    line = _sentence(flowflex("send", "e", "--transport", transport), 1)
    assert "wrong-secret" not in line


def test_a_file_that_storage_refuses_is_code_1(flowflex, flowflex_fake):
    """An upload that was tried and refused is no wrong input; no event follows it."""
    flowflex_fake.faults.arm("put", Status(400))
    run = flowflex("send", "e", "--file", "a=invoice.pdf")
    assert (run.returncode, run.stdout) == (1, "")
    assert "invoice.pdf" in run.stderr.splitlines()[-1]
    assert flowflex_fake.events == []


def test_what_was_stored_before_a_failure_is_told(flowflex, flowflex_fake):
    """Upload prints each asset id as soon as it has it, with --json at the end: also those before a failure."""
    run = flowflex("upload", "invoice.pdf", "missing.pdf")
    (asset,) = flowflex_fake.assets
    assert (run.returncode, run.stdout) == (2, f"{asset}  invoice.pdf\n")
    run = flowflex("upload", "invoice.pdf", "missing.pdf", "--json")
    assert run.returncode == 2
    assert [stored["file"] for stored in json.loads(run.stdout)["stored"]] == ["invoice.pdf"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_lost_answer_is_code_3_and_tells_the_key(flowflex, flowflex_fake, transport):
    """When the event may have arrived, the sentence has the key to repeat it with."""
    flowflex_fake.faults.arm("event", LoseReply(), times=None)
    line = _sentence(flowflex("send", "e", "--idempotency-key", "key-7", "--transport", transport), 3)
    assert "key-7" in line


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_nobody_there_is_code_1(flowflex, transport):
    """A connection that cannot be made is told; nothing was accepted."""
    flowflex.environment["FLOWFLEX_BASE_URL"] = "http://127.0.0.1:1"
    _sentence(flowflex("send", "e", "--transport", transport), 1)


class Shouting(Fault):
    """A refusal whose words hold line breaks, and codes that a terminal would obey."""

    __slots__ = ()

    def instead(self, struck, /):
        return struck.error(400, "NO", "first line\nsecond \x1b]0;title\x07\x1b[2J line", ())


def test_the_words_of_a_server_stay_one_harmless_line(flowflex, flowflex_fake):
    """A server cannot break the line, nor send codes to the terminal."""
    flowflex_fake.faults.arm("event", Shouting())
    line = _sentence(flowflex("send", "e"), 1)
    assert "first line second" in line
    assert line.isprintable()


@pytest.mark.parametrize("command", [["send", "e"], ["demo"]])
def test_the_transport_is_the_one_asked_for(flowflex, command):
    """Trio is loaded when it is asked for, and only then."""
    flowflex.environment["PYTHONPROFILEIMPORTTIME"] = "1"
    loads_trio = {
        transport: bool(re.search(r"\| +trio$", flowflex(*command, "--transport", transport).stderr, re.MULTILINE))
        for transport in TRANSPORTS
    }
    assert loads_trio == {"urllib3": False, "trio": True}


def test_what_was_given_stays_one_harmless_line(flowflex):
    """Codes in an argument do not reach the terminal through the sentence about it."""
    assert _sentence(flowflex("send", "e", "--data", "@no\x1b[2J\nfile"), 2).isprintable()


def test_with_stderr_closed_the_exit_code_tells(flowflex):
    """A failure that nobody can be told about still has its code."""
    process = flowflex.start("send", " e")
    process.stderr.close()
    assert (process.stdout.read(), process.wait(timeout=60)) == ("", 2)


def test_streams_that_were_never_open_are_no_matter(flowflex, flowflex_fake):
    """Without stdout and stderr (>&- 2>&-) the event is sent, and the exit code tells."""
    command = 'exec "$0" send e --file a=invoice.pdf >&- 2>&-'
    assert (
        subprocess.run(
            ["sh", "-c", command, flowflex.command], cwd=flowflex.folder, env=flowflex.environment, check=False
        ).returncode
        == 0
    )
    assert len(flowflex_fake.events) == 1


def test_a_full_disk_under_stdout_is_told(flowflex):
    """A result that could not be written is no success."""
    with Path("/dev/full").open("w") as full:
        process = flowflex.start("send", "e", stdout=full)
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (3, "flowflex: cannot go on: No space left on device\n")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_ctrl_c_ends_a_send_at_once_and_tells_the_key(flowflex, flowflex_fake, unmeasured, transport):
    """Ctrl-C during a send ends it with one line and code 130, and the key that was made for it is not lost."""
    flowflex.environment = {**unmeasured, **flowflex.settings}
    flowflex_fake.faults.arm("event", Delay(30))
    process = flowflex.start("send", "e", "--json", "--transport", transport)
    _wait_for(lambda: flowflex_fake.events)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=10)
    key = flowflex_fake.events[0].idempotency_key
    sentence = f"interrupted: event 'e' may have been accepted (idempotency key {key})"
    assert (process.returncode, stderr) == (130, f"flowflex: {sentence}\n")
    assert json.loads(stdout) == {"error": sentence, "code": None, "status": None, "idempotency_key": key}


@pytest.mark.parametrize(
    ("arguments", "fault", "code", "fields"),
    [
        (["send", "e", "--data", "{"], None, 2, {"code": None, "status": None, "idempotency_key": None}),
        (["send", "e"], Status(418, code="TEAPOT"), 1, {"code": "TEAPOT", "status": 418, "idempotency_key": "k"}),
        (["send", "e"], LoseReply(), 3, {"code": None, "status": None, "idempotency_key": "k"}),
        (["upload", "missing.pdf"], None, 2, {"code": None, "status": None, "stored": []}),
    ],
)
def test_json_tells_a_failure_too(flowflex, flowflex_fake, arguments, fault, code, fields):
    """With --json a failure is one JSON object on stdout, its sentence that of stderr."""
    if fault is not None:
        flowflex_fake.faults.arm("event", fault, times=None)
    run = flowflex(*arguments, "--json", *(["--idempotency-key", "k"] if arguments[0] == "send" else []))
    (line,) = run.stderr.splitlines()
    told = json.loads(run.stdout)
    assert run.returncode == code
    assert f"flowflex: {told.pop('error')}" == line
    assert {name: told[name] for name in fields} == fields


def test_json_on_a_full_disk_changes_no_exit_code(flowflex):
    """A failure whose JSON cannot be written still has its own code and sentence."""
    with Path("/dev/full").open("w") as full:
        process = flowflex.start("send", " e", "--json", stdout=full)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "blanks" in stderr


def _wait_for(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)  # another process is on its way to the fake, and nothing here tells when


class InfiniteAnswer(Fault):
    """An acceptance whose JSON holds a number that Python reads as infinite."""

    __slots__ = ()

    def after(self, reply, struck, /):
        return replace(reply, body=b'{"a": [1e999, -1e999, 1.5]}')


def test_an_infinite_number_in_the_answer_leaves_valid_json(flowflex, flowflex_fake):
    """What JSON cannot hold is printed as null, as JavaScript does, with --json and without."""
    flowflex_fake.faults.arm("event", InfiniteAnswer(), times=None)
    answer = {"a": [None, None, 1.5]}
    assert _strictly(flowflex("send", "e", "--json").stdout)["response"] == answer
    assert _strictly(flowflex("send", "e").stdout.splitlines()[-1].removeprefix("answer: ")) == answer


def _strictly(text):
    def refuse(word):
        raise AssertionError(word)

    return json.loads(text, parse_constant=refuse)


def test_help_promises_nothing_of_earlier_events(flowflex):
    """A key that was used before is refused though its first event was accepted: no exit code denies that."""
    for command in ([], ["send"], ["upload"]):
        words = " ".join(flowflex(*command, "--help").stdout.split())
        assert "no event was accepted" not in words
        assert "this event was not accepted (an earlier one under its key may have been)" in words


def test_a_reader_that_left_does_not_fail_a_send_that_went_well(flowflex, flowflex_fake):
    """With stdout closed (as by | head), the command still ends in 0 and silence: the event was accepted."""
    process = flowflex.start("send", "e")
    process.stdout.close()
    assert (process.stderr.read(), process.wait(timeout=60)) == ("", 0)
    assert len(flowflex_fake.events) == 1


def test_a_name_that_the_terminal_lacks_is_printed_with_escapes(flowflex, flowflex_fake):
    """A file name outside the encoding of stdout does not fail an upload that went well."""
    (flowflex.folder / "größe.png").write_bytes(b"x")
    flowflex.environment["PYTHONIOENCODING"] = "ascii"
    run = flowflex("upload", "größe.png")
    (asset,) = flowflex_fake.assets
    assert (run.returncode, run.stdout) == (0, f"{asset}  gr\\xf6\\xdfe.png\n")
