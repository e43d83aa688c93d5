"""Thousands of tests with a fake each, on several workers: not one may fail by chance."""

import re
import subprocess
import sys

import pytest

TESTS = """
from concurrent.futures import ThreadPoolExecutor

import pytest
from flowflex_testing import faults
from flowflex_transports import FlowFlex, file

@pytest.mark.parametrize("number", range(500))
def test_alone(flowflex_fake, number):
    check(flowflex_fake, number)


@pytest.mark.parametrize("number", range(900))
def test_session(flowflex_fake_session, number):
    check(flowflex_fake_session, number)


@pytest.mark.parametrize("number", range(400))
def test_mounted(mount_flowflex, httpserver, number):
    check(mount_flowflex(httpserver), number)
    httpserver.check()


@pytest.mark.flowflex(strict=False, faults=[faults.Aim("event", faults.Status(503, retry_after=0))])
@pytest.mark.parametrize("number", range(150))
def test_repeated(flowflex_fake_session, number):
    with FlowFlex(**flowflex_fake_session.client_options) as client:
        client.send_event("order.placed", payload={"n": number})
    flowflex_fake_session.assert_attempts("event", 2)
    flowflex_fake_session.assert_event("order.placed", payload={"n": number}, times=1)


@pytest.mark.parametrize("number", range(50))
def test_threads(flowflex_fake, number):
    with FlowFlex(**flowflex_fake.client_options) as client, ThreadPoolExecutor(4) as pool:
        for answer in [pool.submit(client.send_event, f"e{n}", payload={"n": n}) for n in range(8)]:
            answer.result()
    for n in range(8):
        flowflex_fake.assert_event(f"e{n}", payload={"n": n}, times=1)


def check(fake, number):
    fake.assert_nothing_sent()
    content = b"%d" % number
    with FlowFlex(**fake.client_options, max_retries=0) as client:
        client.send_event("invoice.created", payload={"n": number, "f": file(content, filename="a.pdf")})
    fake.assert_event("invoice.created", payload={"n": number}, files={"f": content}, times=1)
    assert len(fake.requests) == 3
    fake.clock.advance(hours=number)
"""


@pytest.mark.slow
def test_two_thousand_tests_on_four_workers_pass_without_a_flake(tmp_path, unmeasured):
    """Fakes of their own, of the session and mounted, faults and threads: each test sees its own requests alone."""
    (tmp_path / "test_many.py").write_text(TESTS)
    plugins = ["-p", "xdist", "-p", "flowflex_testing.plugin", "-p", "pytest_httpserver.pytest_plugin"]
    command = [sys.executable, "-m", "pytest", "-q", "-n", "4", "-W", "error", "-p", "no:cacheprovider", *plugins]
    # What is measured elsewhere need not be measured two thousand times.
    environment = unmeasured | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert re.search(r"^2000 passed in", run.stdout, re.MULTILINE), run.stdout[-5_000:] + run.stderr
