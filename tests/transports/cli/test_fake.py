"""`flowflex fake`: a server that other programs are pointed at, and that ends when it is told to."""

import base64
import json
import re
import shlex
import signal
import socket
import urllib.request
from pathlib import Path

import pytest

from flowflex_testing.engine.data import Data
from flowflex_testing.switches import ALLOWED
from flowflex_transports import FlowFlex, FlowFlexError, file
from flowflex_transports.cli import fake as cli_fake
from flowflex_transports.cli.arguments import parse
from tests.testing.server.test_connection import Wire


def _serving(flowflex, *arguments):
    """Start the fake, and give its process and the settings that it prints first."""
    process = flowflex.start("fake", *arguments)
    words = [shlex.split(process.stdout.readline()) for _ in range(4)]
    assert [word[0] for word in words] == ["export"] * 4
    return process, dict(word[1].split("=", 1) for word in words)


def _client(settings):
    return FlowFlex(**{name.removeprefix("FLOWFLEX_").lower(): value for name, value in settings.items()})


def _asked(settings, path):
    with urllib.request.urlopen(f"{settings['FLOWFLEX_BASE_URL']}/_fake/{path}", timeout=10) as reply:
        return json.load(reply)


def _begun_event(settings):
    """Return a connection on which the fake waits for the body of an event, `{}`."""
    wire = Wire(settings["FLOWFLEX_BASE_URL"])
    token = base64.b64encode(f"{settings['FLOWFLEX_API_KEY']}:{settings['FLOWFLEX_API_SECRET']}".encode())
    wire.send(
        b"POST /v1/events/%s HTTP/1.1\r\nHost: fake\r\nAuthorization: Basic %s\r\nX-Event: order.placed\r\n"
        b"X-Idempotency-Key: k\r\nContent-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        % (settings["FLOWFLEX_INTEGRATION_CODE"].encode(), token)
    )
    assert wire.head()[0] == 100
    return wire


def _lines_up_to(process, start):
    for line in process.stderr:
        if line.startswith(start):
            return line
    raise AssertionError(f"it ended without {start!r}")


def _wait_for_a_closed_port(settings):
    while True:
        try:
            Wire(settings["FLOWFLEX_BASE_URL"]).socket.close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:
            pass  # it was in the queue when the port closed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_end(flowflex, number):
    """It prints four export lines, serves whoever follows them, and ends cleanly on Ctrl-C and SIGTERM."""
    process, settings = _serving(flowflex)
    assert list(settings) == [
        "FLOWFLEX_API_KEY",
        "FLOWFLEX_API_SECRET",
        "FLOWFLEX_INTEGRATION_CODE",
        "FLOWFLEX_BASE_URL",
    ]
    flowflex.environment |= settings
    run = flowflex("send", "invoice.created", "--file", "assetId=invoice.pdf")
    assert run.returncode == 0, run.stderr
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=10)
    assert (process.returncode, stdout) == (0, "")
    inspector, serving, ending = stderr.splitlines()
    assert inspector == f"inspector: {settings['FLOWFLEX_BASE_URL']}/"
    assert serving == "serving until Ctrl-C or SIGTERM"
    assert ending == "ending: requests under way get 5 seconds; a second signal ends at once"


def test_what_it_takes_can_be_chosen(flowflex):
    """Host, port, credentials and code are as given, quoted for the shell."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    _, settings = _serving(
        flowflex,
        *("--host", "localhost", "--port", str(port), "--api-key", "my key"),
        *("--api-secret", "it's a $ecret", "--integration", "my/code"),
    )
    assert settings == {
        "FLOWFLEX_API_KEY": "my key",
        "FLOWFLEX_API_SECRET": "it's a $ecret",
        "FLOWFLEX_INTEGRATION_CODE": "my/code",
        "FLOWFLEX_BASE_URL": f"http://localhost:{port}",
    }
    with _client(settings) as client:
        client.send_event("order.placed")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "not a loopback address"),
        (["--host", "192.0.2.1"], "not a loopback address"),
        (["--host", "no host"], "not a loopback address"),
        (["--host", "::"], "give --allow-remote"),
        (["--data", "invoice.pdf"], "no directory"),
        (["--api-key", "a:b"], "colon"),
        (["--integration", ".."], "dot segment"),
        (["--api-secret", ""], "api_secret"),
    ],
)
def test_what_no_client_could_use_is_refused(flowflex, arguments, words):
    """It serves this machine alone, and takes only what a client can send."""
    run = flowflex("fake", *arguments)
    assert (run.returncode, run.stdout) == (2, "")
    (line,) = run.stderr.splitlines()
    assert words in line


def test_a_port_that_is_taken_is_one_sentence(flowflex):
    """Two fakes on one port: the second says so."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        run = flowflex("fake", "--port", port)
    assert run.returncode == 2
    (line,) = run.stderr.splitlines()
    assert f"--port {port}" in line


def test_requests_under_way_end_before_it_does(flowflex):
    """SIGTERM lets an event that has begun be accepted, on a connection that ends then, and no other begin."""
    process, settings = _serving(flowflex)
    wire = _begun_event(settings)
    process.terminate()
    _lines_up_to(process, "ending:")
    _wait_for_a_closed_port(settings)
    wire.send(b"{}")
    status, head, _ = wire.reply()
    assert status == 202
    assert b"Connection: close" in head
    assert wire.is_ended()
    wire.socket.close()
    assert process.wait(timeout=10) == 0
    with pytest.raises(ConnectionRefusedError):
        Wire(settings["FLOWFLEX_BASE_URL"])


def test_a_second_signal_ends_it_at_once(flowflex, unmeasured):
    """A request that is under way is cut then, and the end is as clean."""
    flowflex.environment = unmeasured
    process, settings = _serving(flowflex)
    wire = _begun_event(settings)
    process.send_signal(signal.SIGINT)
    _lines_up_to(process, "ending:")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=4) == 0
    assert wire.is_over()
    wire.socket.close()


def test_other_machines_are_served_where_that_is_asked_for(flowflex):
    """It says what that means, and prints addresses that lead to it from here."""
    process, settings = _serving(flowflex, "--host", "0.0.0.0", "--allow-remote")
    assert _lines_up_to(process, "warning:") == (
        "warning: whoever reaches 0.0.0.0 can read and change everything here, and sends in clear text\n"
    )
    assert settings["FLOWFLEX_BASE_URL"].startswith("http://127.0.0.1:")
    with _client(settings) as client:
        client.send_event("order.placed", payload={"file": file(b"x", filename="a.txt")})
    assert _asked(settings, "health")["requests"] == 3
    process.terminate()
    assert process.wait(timeout=10) == 0


def test_the_page_can_have_a_port_of_its_own(flowflex):
    """It is printed, and answers there."""
    process, settings = _serving(flowflex, "--inspector-port", "0")
    url = _lines_up_to(process, "inspector:").split()[1]
    assert not url.startswith(settings["FLOWFLEX_BASE_URL"])
    with urllib.request.urlopen(url, timeout=10) as reply:
        assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    process.terminate()
    assert process.wait(timeout=10) == 0


def test_every_switch_of_the_fake_can_be_set():
    """The options of the command take what the fake takes."""
    for name, settings in ALLOWED.items():
        option = name.replace("_", "-")
        assert getattr(parse(["fake"]), name) is None
        for setting in settings:
            words = [f"--{option}", str(setting)]
            if isinstance(setting, bool):
                words = [f"--{option}" if setting else f"--no-{option}"]
            assert getattr(parse(["fake", *words]), name) == setting
    assert parse(["fake", "--rate-limit", "100/60"]).rate_limit == (100, 60.0)
    assert [parse(["fake", "--clock", word]).clock for word in ("real", "frozen", "60")] == [1.0, 0.0, 60.0]


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--clock", "backwards", "not real, frozen or a number over 0"),
        ("--clock", "nan", "not real, frozen or a number over 0"),
        ("--rate-limit", "5", "not like 100/60"),
        ("--rate-limit", "0/60", "not like 100/60"),
        ("--rate-limit", "5/0", "not like 100/60"),
    ],
)
def test_an_option_that_means_nothing_is_one_sentence(capsys, option, value, words):
    """It names the option and what it takes."""
    with pytest.raises(SystemExit):
        parse(["fake", f"{option}={value}"])
    (line,) = capsys.readouterr().err.splitlines()
    assert option in line
    assert words in line


def test_it_behaves_as_its_options_say(flowflex):
    """Switches and clock are those that were given."""
    options = ("--no-strict", "--storage-dialect", "supabase", "--clock", "frozen", "--rate-limit", "2/60")
    process, settings = _serving(flowflex, *options)
    health = _asked(settings, "health")
    assert (health["strict"], health["storageDialect"]) == (False, "supabase")
    assert _asked(settings, "clock")["rate"] == 0
    assert health["now"] == _asked(settings, "health")["now"]
    with _client(settings) as client:
        for number in range(2):
            client.send_event("order.placed", payload={"number": number})
        with pytest.raises(FlowFlexError) as caught:
            client.send_event("order.placed", max_retries=0)
    assert caught.value.status == 429
    process.terminate()
    assert process.wait(timeout=10) == 0


def test_the_documentation_tells_every_option(capsys):
    """As `flowflex fake --help` has them."""
    with pytest.raises(SystemExit):
        parse(["fake", "--help"])
    options = set(re.findall(r"--[a-z][a-z-]*", capsys.readouterr().out)) - {"--help"}
    told = set(re.findall(r"--[a-z][a-z-]*", (Path(__file__).parents[3] / "docs" / "fake.md").read_text()))
    assert options == told


def test_its_journal_is_bounded():
    """It may run for weeks; how many requests it keeps is told where its other bounds are."""
    ports = dict.fromkeys(cli_fake._PORTS, 0)
    fake = cli_fake._fake(parse(["fake"]), ports, None)
    assert fake.store.keep_requests == cli_fake.KEPT_REQUESTS
    told = (Path(__file__).parents[3] / "docs" / "fake.md").read_text()
    assert f"the newest {cli_fake.KEPT_REQUESTS:,} requests" in " ".join(told.split())


@pytest.mark.parametrize("options", [[], ["--port", "0", "--storage-port", "0"]])
def test_a_free_port_is_that_of_the_last_time(tmp_path, options):
    """With a data directory: 0 means a free one as much as leaving the option out does; a port that is given is it."""
    with Data(tmp_path) as data:
        data.remember("port", 8787)
        data.remember("storage_port", 8788)
        assert cli_fake._ports(parse(["fake", *options]), data) == {"port": 8787, "storage_port": 8788}
        assert cli_fake._ports(parse(["fake", *options, "--port", "9000"]), data)["port"] == 9000
    assert cli_fake._ports(parse(["fake", *options]), None) == {"port": 0, "storage_port": 0}


@pytest.mark.slow
def test_with_a_data_directory_it_goes_on_where_it_was_killed(flowflex, tmp_path):
    """What was answered before a kill -9 is there after it: a URL can be used, a key is replayed, files are found."""
    process, settings = _serving(flowflex, "--data", "data")
    with _client(settings) as client:
        issued = client.create_upload_url(filename="late.txt", mime="text/plain", size=5)
        first = client.send_event(
            "order.placed", payload={"file": file(b"kept", filename="a.txt")}, idempotency_key="order-1"
        )
    second = flowflex("fake", "--data", "data")
    assert (second.returncode, second.stderr.count("\n")) == (2, 1)
    assert "in use by another fake" in second.stderr
    process.kill()
    process.wait()

    _, again = _serving(flowflex, "--data", "data")
    assert again == settings
    put = urllib.request.Request(issued["uploadUrl"], b"later", {"Content-Type": "text/plain"}, method="PUT")
    with urllib.request.urlopen(put, timeout=10) as reply:
        assert reply.status == 200
    (asset_id,) = first.uploaded_assets.values()
    with _client(settings) as client:
        # By the asset ids of the first time, so that it is the same body under the same key.
        replayed = client.send_event("order.placed", payload={"file": asset_id}, idempotency_key="order-1")
        assert replayed.response == first.response
        assert client.create_upload_url(filename="b.txt", mime="text/plain")["assetId"] not in (
            asset_id,
            issued["assetId"],
        )
    journal = _asked(settings, "journal")
    assert [request["number"] for request in journal["requests"]] == list(range(1, 8))
    assert journal["requests"][-2]["mark"] == "replay"
    content = urllib.request.urlopen(f"{settings['FLOWFLEX_BASE_URL']}/_fake/assets/{asset_id}", timeout=10)
    with content:
        assert content.read() == b"kept"
