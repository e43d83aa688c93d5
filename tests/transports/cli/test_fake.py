"""`flowflex fake`: a server that other programs are pointed at, and that ends when it is told to."""

import shlex
import signal
import socket

import pytest

from flowflex_transports import FlowFlex


def _serving(flowflex, *arguments):
    """Start the fake, and give its process and the settings that it prints first."""
    process = flowflex.start("fake", *arguments)
    words = [shlex.split(process.stdout.readline()) for _ in range(4)]
    assert [word[0] for word in words] == ["export"] * 4
    return process, dict(word[1].split("=", 1) for word in words)


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
    assert stderr == "serving until Ctrl-C or SIGTERM\n"


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
    options = {name.removeprefix("FLOWFLEX_").lower(): value for name, value in settings.items()}
    with FlowFlex(**options) as client:
        client.send_event("order.placed")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "not a loopback address"),
        (["--host", "192.0.2.1"], "not a loopback address"),
        (["--host", "no host"], "not a loopback address"),
        (["--host", "::"], "not a loopback address"),
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
    assert port in line
