import inspect
import io
import json
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import flowflex_transports
from flowflex_core import (
    FlowFlexConfigError,
    FlowFlexConnectionError,
    FlowFlexError,
    FlowFlexOutcomeUnknownError,
    FlowFlexUploadError,
    FlowFlexUploadTimeoutError,
    Response,
)
from flowflex_testing.faults import Status
from flowflex_transports import Event, FlowFlex, SendEventResult, file
from flowflex_transports.calls import Clock
from tests.support.scripted import OK, ScriptedServer, Wire, answering
from tests.support.transports import BASE, Scripted, flowflex_threads


@pytest.fixture
def client(fake):
    with FlowFlex(**fake.client_options) as client:
        yield client
    assert not flowflex_threads()


# Sending


def test_a_stream_is_measured_for_no_longer_than_the_deadline(fake, monkeypatch):
    """A one-shot stream that goes on and on is left when the time is over, and nothing is sent."""
    seconds = [0.0]

    class Dripping:
        def read(self, size):
            seconds[0] += 0.4 if size else 0.0
            return b"x"[:size]

    monkeypatch.setattr("flowflex_transports.sync.client.Clock", lambda: Clock(lambda: seconds[0]))
    with FlowFlex(**fake.client_options, deadline_seconds=1.0) as client:
        ref = file(Dripping(), filename="d.txt")
        calls = [lambda: client.send_event("e", payload={"f": ref}), lambda: client.upload_file(ref)]
        for number, call in enumerate(calls, 1):
            with pytest.raises(FlowFlexUploadTimeoutError, match="was not measured before the deadline"):
                call()
            assert seconds[0] == pytest.approx(number * 1.2)
        (outcome,) = client.send_many([Event("e", {"f": ref})])
        assert isinstance(outcome.error, FlowFlexUploadTimeoutError)
    fake.assert_nothing_sent()


def test_an_event_without_files_is_sent(fake, client):
    """The result holds the reply, no assets, and the key that was made for it."""
    result = client.send_event("order.placed", payload={"name": "Ada", "total": 12.5})
    assert result.response["status"] == "accepted"
    assert result.uploaded_assets == {}
    event = fake.events[-1]
    assert (event.name, event.payload) == ("order.placed", {"name": "Ada", "total": 12.5})
    assert event.idempotency_key == result.idempotency_key


def test_files_anywhere_in_the_payload_are_uploaded_first(fake, client, tmp_path):
    """Each is replaced by its asset id; one that stands in two places is uploaded once."""
    path = tmp_path / "invoice.pdf"
    path.write_bytes(b"%PDF-1.7")
    both = client.file(b"both", filename="both.txt")
    payload = {"invoice": file(path), "gallery": [both, file(io.BytesIO(b"x"), filename="x.png")], "order": {"r": both}}
    result = client.send_event("invoice.created", payload=payload)
    assert [*result.uploaded_assets] == ["invoice", "gallery[0]", "gallery[1]", "order.r"]
    assert result.uploaded_assets["gallery[0]"] == result.uploaded_assets["order.r"]
    fake.assert_event("invoice.created", files={"invoice": "invoice.pdf", "gallery[0]": "both.txt"})
    assert len([request for request in fake.requests if request.method == "PUT"]) == 3
    fake.assert_never_sent(header="cookie")


def test_a_single_file_is_uploaded_without_an_event(client, fake):
    """`upload_file` returns the asset id, and tells progress."""
    told = []
    asset = client.upload_file(
        file(b"12345", filename="a.txt"), on_progress=lambda ref, sent, total: told.append((ref.filename, sent, total))
    )
    assert asset in fake.assets
    assert told == [("a.txt", 0, 5), ("a.txt", 5, 5)]


def test_an_upload_url_is_a_mapping(client):
    """With the names that the wire has."""
    granted = client.create_upload_url(filename="a.pdf", mime="application/pdf", size=3)
    assert {"assetId", "uploadUrl", "token"} >= {*granted}
    assert granted["assetId"].startswith("asset_")


def test_twenty_sends_with_a_file_use_at_most_three_connections(client, monkeypatch):
    """Connections are kept, to storage as to the API."""
    dialled = []

    class Counted(socket.socket):
        def connect(self, address, /):
            dialled.append(address)
            super().connect(address)

    monkeypatch.setattr(socket, "socket", Counted)
    for number in range(20):
        client.send_event("e", payload={"f": file(b"x", filename=f"{number}.txt")})
    assert 2 <= len(dialled) <= 3


def test_the_options_of_one_call_take_the_place_of_the_clients(fake, client):
    """`max_retries=0` for this call, and the client's again for the next."""
    fake.faults.arm("event", Status(503))
    with pytest.raises(FlowFlexOutcomeUnknownError):
        client.send_event("e", max_retries=0)
    fake.faults.arm("event", Status(503))
    assert client.send_event("e").response["status"] == "accepted"


@pytest.mark.parametrize("name", ["timeout_seconds", "deadline_seconds"])
def test_a_bound_of_one_call_is_obeyed(name):
    """A silent server ends a call in the time that the call allows."""
    bound: dict[str, Any] = {name: 0.2}

    def silent(wire: Wire) -> None:
        wire.read_request()
        wire.hold()

    with ScriptedServer(silent) as server, FlowFlex(**{**BASE, "base_url": server.url("")}, max_retries=0) as client:
        start = time.monotonic()
        with pytest.raises(FlowFlexOutcomeUnknownError):
            client.send_event("e", **bound)
        assert time.monotonic() - start < 1.0


def test_a_file_that_changes_while_it_is_sent_is_an_upload_error(fake, client, tmp_path):
    """The error names the payload path, storage has nothing, and no event is sent."""
    path = tmp_path / "a.pdf"
    path.write_bytes(b"x" * 200_000)

    def on_progress(ref, sent, total):
        if sent:
            with path.open("ab") as handle:
                handle.write(b"more")

    with pytest.raises(FlowFlexUploadError, match=r"^invoice: .*while it was sent"):
        client.send_event("e", payload={"invoice": file(path)}, on_progress=on_progress)
    assert not fake.events
    assert [request.status for request in fake.requests if request.method == "PUT"] != [200]


def test_a_send_is_resumed_from_the_snapshot_of_its_error(fake, client, tmp_path):
    """The same key and body, and no file is uploaded twice."""
    path = tmp_path / "a.pdf"
    path.write_bytes(b"content")
    fake.faults.arm("event", Status(503))
    with pytest.raises(FlowFlexOutcomeUnknownError) as caught:
        client.send_event("e", payload={"f": file(path)}, max_retries=0)
    with FlowFlex(**fake.client_options) as other:
        result = other.resume(pickle.loads(pickle.dumps(caught.value)).snapshot)
    assert result.idempotency_key == caught.value.idempotency_key
    assert result.uploaded_assets == caught.value.uploaded_assets
    assert len([request for request in fake.requests if request.method == "PUT"]) == 1


def test_a_refusal_carries_status_and_code(fake):
    """As FlowFlex words it."""
    with (
        FlowFlex(**{**fake.client_options, "api_secret": "wrong-secret"}) as client,
        pytest.raises(FlowFlexError) as caught,
    ):
        client.send_event("e")
    assert (caught.value.status, caught.value.code) == (401, "UNAUTHORIZED")
    assert "wrong-secret" not in repr(caught.value)


def test_an_unreachable_server_is_a_connection_error():
    """Nothing was sent, and it is safe to call again."""
    with ScriptedServer(answering()) as server:
        base_url = server.url("")
    with FlowFlex(**{**BASE, "base_url": base_url}, max_retries=0) as client, pytest.raises(FlowFlexConnectionError):
        client.send_event("e")


def test_everything_but_the_event_is_a_keyword(client):
    """As in the vendor's SDK."""
    with pytest.raises(TypeError):
        client.send_event("e", {"payload": 1})


def test_the_default_hook_encodes_what_json_cannot(fake):
    """What it raises is told with the payload path, before anything is sent."""
    with FlowFlex(**fake.client_options, default=lambda value: f"{value.real}") as client:
        client.send_event("e", payload={"n": 3j})
        with pytest.raises(FlowFlexConfigError, match="what"):
            client.send_event("e", payload={"what": object()})
    assert [event.payload for event in fake.events] == [{"n": "0.0"}]


# The client as such


def test_the_environment_completes_the_constructor(fake, monkeypatch):
    """`FlowFlex()` works where the four variables are set."""
    for name, value in fake.client_options.items():
        monkeypatch.setenv(f"FLOWFLEX_{name.upper()}", value)
    with FlowFlex() as client:
        client.send_event("e")
    assert len(fake.events) == 1


def test_a_wrong_option_is_told_by_the_constructor():
    """Not by the first call."""
    for wrong in (
        {"timeout_seconds": float("nan")},
        {"max_parallel_uploads": 0},
        {"proxy": "socks5://p"},
        {"ca_file": "/no"},
    ):
        with pytest.raises(FlowFlexConfigError, match=next(iter(wrong))):
            FlowFlex(**{**BASE, **wrong})


@pytest.mark.parametrize(
    "given",
    [
        {"transport": Scripted(), "session": object()},
        {"transport": Scripted(), "ca_file": "ca.pem"},
        {"session": object(), "proxy": "http://proxy"},
    ],
)
def test_ways_to_send_that_exclude_each_other_are_refused(given):
    """Which of the two is meant is not guessed."""
    with pytest.raises(FlowFlexConfigError, match="give one of the two"):
        FlowFlex(**BASE, **given)


def test_a_closed_client_says_so():
    """Closing twice is nothing; files can still be named."""
    client = FlowFlex(**BASE)
    client.close()
    client.close()
    client.file(b"x")
    for call in (
        lambda: client.send_event("e"),
        lambda: client.upload_file(file(b"x", filename="a.txt")),
        lambda: client.create_upload_url(filename="a.txt", mime="text/plain"),
        lambda: client.resume("{}"),
        lambda: client.send_many([]),
    ):
        with pytest.raises(FlowFlexConfigError, match="closed"):
            call()


def test_a_transport_that_was_given_is_not_closed():
    """It is its giver's, who may share it."""

    class Closable(Scripted):
        closed = False

        def close(self):
            self.closed = True

    transport = Closable()
    with FlowFlex(**BASE, transport=transport) as client:
        client.send_event("e")
    assert not transport.closed


def test_closing_the_client_closes_its_connections():
    """No descriptor is left to a server."""
    with ScriptedServer(answering(OK)) as server:
        with FlowFlex(**{**BASE, "base_url": server.url("")}) as client:
            client.send_event("e")
        assert server.ended.acquire(timeout=5)


def test_the_repr_and_the_attributes_show_no_secret():
    """Neither for people nor for debuggers that print attributes."""
    client = FlowFlex(**BASE)
    assert "api.example.test" in repr(client)
    shown = f"{client!r} {vars(client)!r}"
    assert "not-so-secret" not in shown
    assert "cik_test" not in shown
    client.close()


def test_a_client_is_not_pickled():
    """It holds credentials and sockets; the error says what to do."""
    client = FlowFlex(**BASE)
    with pytest.raises(FlowFlexConfigError, match="in each process"):
        pickle.dumps(client)
    client.close()


def test_threads_may_share_a_client(fake, client):
    """Every send has its own result."""
    results: list[SendEventResult] = []

    def work(number):
        for turn in range(5):
            payload = {"n": [number, turn], "f": file(f"{number}".encode(), filename=f"{number}.txt")}
            results.append(client.send_event("e", payload=payload))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({result.idempotency_key for result in results}) == 30
    assert sorted(event.payload["n"] for event in fake.events) == [[a, b] for a in range(6) for b in range(5)]


def test_what_is_logged_has_no_secret(fake, client, caplog):
    """Under the logger `flowflex`, one line a request, without queries and credentials."""
    caplog.set_level("DEBUG")
    client.send_event("e", payload={"f": file(b"x", filename="a.txt")})
    lines = [record.getMessage() for record in caplog.records if record.name == "flowflex"]
    assert [line.split()[0] for line in lines] == ["POST", "PUT", "POST"]
    assert fake.api_secret not in caplog.text
    assert "?" not in "".join(lines)


# The package


def test_every_name_that_callers_need_is_in_the_package():
    """The clients, the values and every error; trio is imported when it is asked for."""
    for name in flowflex_transports.__all__:
        assert getattr(flowflex_transports, name) is not None
    errors = {name for name in vars(flowflex_transports) if name.startswith("FlowFlex") and name.endswith("Error")}
    assert errors <= {*flowflex_transports.__all__}
    assert len(errors) == 8
    with pytest.raises(AttributeError, match="nothing"):
        flowflex_transports.nothing  # noqa: B018


def test_both_clients_have_the_same_methods():
    """What is awaited on one is called on the other, with the same parameters."""

    def methods(cls):
        found = {
            name: inspect.signature(member) for name, member in vars(cls).items() if callable(member) and name[0] != "_"
        }
        return {name: [*signature.parameters] for name, signature in found.items() if "close" not in name}

    assert methods(FlowFlex) == methods(flowflex_transports.AsyncFlowFlex)


def python(code, *arguments, warnings="ignore", **options):
    command = [sys.executable, "-W", warnings, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


def test_a_missing_extra_is_told_in_one_sentence():
    """Whoever asks for trio without having it learns what to install."""
    code = (
        "import sys; sys.modules['trio'] = None\n"
        "try:\n from flowflex_transports import AsyncFlowFlex\n"
        "except ImportError as error: print(error)"
    )
    shown = python(code)
    assert shown.stdout == "AsyncFlowFlex needs trio, which is not installed: pip install 'flowflex-kit[trio]'\n"


def test_the_sync_client_imports_neither_trio_nor_h11():
    """Who takes the sync client pays for no other."""
    code = "import sys, flowflex_transports; print({'trio', 'h11', 'requests', 'werkzeug', 'rich'} & {*sys.modules})"
    assert python(code).stdout.strip() == "set()"


# Processes


FORK = """
import os, sys, json
from flowflex_transports import FlowFlex, file
client = FlowFlex(**json.loads(sys.argv[1]))
def send(who):
    payload = {"who": who, "files": [file(who.encode(), filename=f"{n}.txt") for n in range(3)]}
    assert len(client.send_event("e", payload=payload).uploaded_assets) == 3
send("before")
children = []
for number in range(3):
    child = os.fork()
    if child == 0:
        for turn in range(5):
            send(f"child {number}")
        client.close()
        os._exit(0)
    children.append(child)
for turn in range(5):
    send("parent")
for child in children:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
client.close()
"""


def test_forked_processes_go_on_with_the_client(fake):
    """Parent and children send at the same time, and none gets another's reply."""
    shown = python(FORK, json.dumps(fake.client_options))
    assert shown.returncode == 0, shown.stderr
    assert len(fake.events) == 1 + 4 * 5


INTERRUPTED = """
import faulthandler
faulthandler.dump_traceback_later(20, exit=True)  # a hang tells where

import os, signal, socket, sys, threading, time, json
from flowflex_transports import Event, FlowFlex, file

struck = []
def strike(*_):
    struck.append(time.monotonic())
    raise KeyboardInterrupt
signal.signal(signal.SIGINT, strike)

options, files, many = json.loads(sys.argv[1])
client = FlowFlex(**options, timeout_seconds=60)
payload = {"f": [file(b"x" * 2_000_000, filename=f"{n}.txt") for n in range(files)]}
try:
    if many:
        list(client.send_many([Event("e", payload)] * many, concurrency=many))
    else:
        client.send_event("e", payload=payload)
except KeyboardInterrupt:
    freed = time.monotonic() - struck[0]
    left = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    client.close()
    sockets = []
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                sockets.append(name)
        except OSError:
            pass
    print(json.dumps([freed, left, sockets]))
"""


@contextmanager
def struck_once(server, files, many, environment, *, ready) -> Iterator[list[Any]]:
    """Run a send in a process of its own, strike Ctrl-C once it is `ready`, and give what it says of its end."""
    options = {**BASE, "base_url": server.url("")}
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, json.dumps([options, files, many])],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        ready()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    yield json.loads(out)


@pytest.mark.parametrize(
    ("files", "many", "stuck"),
    [(0, 0, "event"), (1, 0, "put"), (4, 0, "put"), (4, 0, "url"), (1, 0, "backoff"), (2, 2, "put"), (0, 3, "event")],
)
def test_ctrl_c_frees_the_caller_at_once(files, many, stuck, unmeasured):
    """Within 0.2 s, with every socket closed and no thread left, whatever the send was doing."""
    reached = threading.Semaphore(0)

    def script(wire: Wire) -> None:
        while head := wire.read_head():
            leg = "put" if head.line.startswith("PUT") else "url" if "upload-url" in head.target else "event"
            if leg == stuck:
                reached.release()
                wire.hold()
                return
            wire.read_body(int(head.headers["content-length"]))
            if stuck == "backoff":
                wire.send(b"HTTP/1.1 503 Busy\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n")
                reached.release()
                continue
            body = json.dumps({"assetId": "asset_12345678", "uploadUrl": server.url("/put?sig=1")}).encode()
            wire.send(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            )

    def ready():
        for _ in range(max(files, 1) * max(many, 1)):
            assert reached.acquire(timeout=20)

    with (
        ScriptedServer(script) as server,
        struck_once(server, files, many, unmeasured, ready=ready) as (freed, threads, sockets),
    ):
        assert freed < 0.2
        assert threads == []
        assert sockets == []


STRUCK_ANYWHERE = """
import json, os, random, sys, threading
from flowflex_transports import Event, FlowFlex, file

options, many = json.loads(sys.argv[1])

def send(client):
    payload = {"f": [file(b"x" * 1000, filename=f"{number}.txt") for number in range(3)]}
    if many:
        list(client.send_many([Event("e", payload)] * 3, concurrency=2))
    else:
        client.send_event("e", payload=payload)

def sockets():
    paths = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    return [path for path in paths if os.path.lexists(path) and os.readlink(path).startswith("socket:")]

def struck(at):
    # Where Python looks for signals: on entering a function, and after a call of one written in C.
    steps, place = 0, None
    def step(frame, event, _):
        nonlocal steps, place
        if event in ("call", "c_return"):
            steps += 1
            if steps == at:
                place = f"{frame.f_code.co_filename}:{frame.f_lineno} {event}"
                raise KeyboardInterrupt
    client = FlowFlex(**options, max_parallel_uploads=3)
    sys.setprofile(step)
    try:
        send(client)
    except KeyboardInterrupt:
        pass
    sys.setprofile(None)
    threads = threading.enumerate()[1:]
    client.close()
    assert not threads and not sockets(), (at, place, threads, sockets())
    return steps

steps = struck(at=None)
chosen = random.Random(20)
for _ in range(150):
    struck(at=chosen.randrange(1, steps))
"""


@pytest.mark.parametrize("many", [False, True])
def test_ctrl_c_at_any_step_neither_hangs_nor_leaves_anything(fake, many):
    """Whatever the main thread is about: no thread is left, and no socket once the client is closed."""
    shown = python(STRUCK_ANYWHERE, json.dumps([fake.client_options, many]))
    assert shown.returncode == 0, shown.stderr


DROPPED = """
import gc, json, sys
from flowflex_transports import FlowFlex, file
for in_a_cycle in (False, True):
    client = FlowFlex(**json.loads(sys.argv[1]))
    client.send_event("e", payload={"f": [file(b"x", filename=f"{number}.txt") for number in range(3)]})
    if in_a_cycle:
        client.itself = client
    del client
    gc.collect()
client = FlowFlex(**json.loads(sys.argv[1]))
client.send_event("e")
"""


def test_a_client_that_is_dropped_unclosed_closes_its_sockets_without_a_word(fake):
    """As the vendor's, which has no close: no ResourceWarning, alone, in a cycle, or at the end of the program."""
    shown = python(DROPPED, json.dumps(fake.client_options), warnings="always")
    assert (shown.returncode, shown.stderr) == (0, "")


MEMORY = """
import json, re, sys
from flowflex_transports import FlowFlex, file
def peak():
    # Not ru_maxrss, which begins with that of the process that started this one.
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1])
client = FlowFlex(**json.loads(sys.argv[1]))
def send(name, count):
    refs = [file(name, filename=f"{n}.mp4") for n in range(count)]
    assert len(client.send_event("e", payload={"files": refs}).uploaded_assets) == count
send(sys.argv[2], 8)
before = peak()
send(sys.argv[3], 8)
print(peak() - before)
client.close()
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_files(fake, tmp_path):
    """8 files of 25 MB at once take less than 10 MB more than 8 small ones."""
    small, large = tmp_path / "small.mp4", tmp_path / "large.mp4"
    small.write_bytes(b"x" * 1000)
    with large.open("wb") as handle:
        handle.truncate(26_214_400)
    shown = python(MEMORY, json.dumps(fake.client_options), str(small), str(large))
    assert shown.returncode == 0, shown.stderr
    assert int(shown.stdout) < 10_000  # kB


LEFT = """
import json, os, sys, threading
from flowflex_transports import FlowFlex, FlowFlexError, file
files = [file(sys.argv[2]) for _ in range(3)]
with FlowFlex(**json.loads(sys.argv[1]), max_retries=0) as client:
    client.send_event("e", payload={"f": files})
    try:
        client.send_event("refused", payload={"f": files}, idempotency_key="x" * 300)
    except FlowFlexError as error:
        assert error.status == 400, error
links = [os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if name > "2"
         and os.path.exists(f"/proc/self/fd/{name}")]
print([link for link in links if link.startswith("socket:") or link == sys.argv[2]], threading.active_count())
"""


def test_nothing_is_left_open_by_success_or_failure(fake, tmp_path):
    """After a client is closed no socket, file or thread of it is left."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"x" * 100_000)
    shown = python(LEFT, json.dumps(fake.client_options), str(path))
    assert shown.stdout == "[] 1\n", shown.stderr


def test_a_reply_that_is_no_json_leaves_doubt():
    """An HTML page is no success; what it says is not shown."""
    page = Response("", 200, {"Content-Type": "text/html"}, b"<html>captive</html>")
    transport = Scripted(lambda request: Response(request.id, page.status, page.headers, page.body))
    with FlowFlex(**BASE, transport=transport, max_retries=0) as client, pytest.raises(FlowFlexOutcomeUnknownError):
        client.send_event("e")
