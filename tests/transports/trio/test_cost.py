"""What an upload costs, in a process of its own: the loop is not stalled, and memory does not grow."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import trustme

SUPPORT = Path(__file__).parents[2] / "support"


@pytest.fixture(params=["clear", "tls"])
def discarding(request, tmp_path):
    """Serve from another process, which keeps nothing; give its port, and the file of its authority."""
    arguments, ca_file = [], ""
    if request.param == "tls":
        authority = trustme.CA()
        ca_file = str(tmp_path / "ca.pem")
        authority.cert_pem.write_to_path(ca_file)
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
        arguments = [str(tmp_path / "server.pem")]
    command = [sys.executable, str(SUPPORT / "discarding_server.py"), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip(), ca_file
        server.communicate()


def measured(port, ca_file, *paths):
    command = [sys.executable, str(SUPPORT / "measured_upload.py"), port, ca_file, *map(str, paths)]
    # Counting lines would be measured along.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    root = SUPPORT.parents[1]
    ran = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=root, env={**environment, "PYTHONPATH": str(root)}
    )
    return json.loads(ran.stdout)


@pytest.fixture
def large(tmp_path):
    path = tmp_path / "large.pdf"
    path.write_bytes(os.urandom(1_000_000) * 25)
    return path


@pytest.mark.slow
def test_a_large_upload_does_not_stall_the_loop(discarding, large):
    """While 25 MB are sent, another task of the run is never late by more than a few milliseconds."""
    stalls: list[float] = []
    # What another process does to this one is not the client's doing: one quiet upload proves it.
    while not stalls or (min(stalls) > 0.005 and len(stalls) < 20):
        stalls.append(measured(*discarding, large)["stall"])
    assert min(stalls) < 0.005


@pytest.mark.slow
def test_memory_does_not_grow_with_the_files(discarding, large):
    """Eight files of 25 MB at once cost less than 10 MB of memory, and leave no thread but trio's own."""
    cost = measured(*discarding, *[large] * 8)
    assert cost["grown_kb"] < 10_000
    assert cost["threads"] == []
