"""`flowflex demo`: what a stranger sees first."""

import re

import pytest

from flowflex_testing import FakeFlowFlex


@pytest.mark.parametrize("transport", ["urllib3", "trio"])
def test_the_demo_shows_both_sides(flowflex, flowflex_fake, transport):
    """The demo needs no settings, sends two files it makes, and shows progress, the flow's view and the wire."""
    flowflex.environment = {
        name: flowflex.environment[name] for name in ("PATH", "HOME") if name in flowflex.environment
    }
    run = flowflex("demo", "--transport", transport)
    assert run.returncode == 0, run.stderr
    assert sorted(re.findall(r"sent (\S+) \(", run.stderr)) == ["invoice.pdf", "photo.png"]
    seen, wire = run.stdout.split("What the flow sees:\n")[1].split("\nWhat crossed the wire:\n")
    assert re.search(r"^  \{\{trigger\.assetId\}\} = asset_\w+$", seen, re.MULTILINE)
    assert re.search(r"^  \{\{trigger\.gallery\[0\]\}\} = asset_\w+$", seen, re.MULTILINE)
    requests = [line.split() for line in wire.splitlines()]
    assert sorted((method, origin) for method, origin, *_ in requests) == [
        ("POST", "api"),
        ("POST", "api"),
        ("POST", "api"),
        ("PUT", "storage"),
        ("PUT", "storage"),
    ]
    for _, _, path, _, status, *_ in requests:
        assert path.startswith("/")
        assert "?" not in path
        assert status.startswith("2")
    assert requests[-1][2].startswith("/v1/events/")
    made = FakeFlowFlex()
    assert made.api_secret not in run.stdout + run.stderr
    assert flowflex_fake.requests == []


@pytest.mark.parametrize("transport", ["urllib3", "trio"])
def test_the_demo_takes_files(flowflex, transport):
    """Given files are sent in the place of those it makes: the first as assetId, the others in a gallery."""
    run = flowflex("demo", "photo.png", "invoice.pdf", "photo.png", "--transport", transport)
    assert run.returncode == 0, run.stderr
    assert re.findall(r"trigger\.([^ }]+)\}\} = asset_", run.stdout) == ["assetId", "gallery[0]", "gallery[1]"]
    assert f"{(flowflex.folder / 'invoice.pdf').stat().st_size:,} bytes" in run.stdout
    run = flowflex("demo", "photo.png", "--transport", transport)
    assert re.findall(r"trigger\.([^ }]+)\}\} = asset_", run.stdout) == ["assetId"]


def test_the_demo_ignores_a_proxy(flowflex):
    """A proxy in the environment does not stand between the demo and its own fake."""
    flowflex.environment |= {"HTTP_PROXY": "http://127.0.0.1:1", "http_proxy": "http://127.0.0.1:1"}
    assert flowflex("demo").returncode == 0


@pytest.mark.parametrize("transport", ["urllib3", "trio"])
def test_a_file_that_is_not_taken_is_one_sentence(flowflex, transport):
    """A missing file, or one of a type that FlowFlex does not take, ends the demo with code 2."""
    (flowflex.folder / "program.exe").write_bytes(b"MZ")
    for name in ("missing.pdf", "program.exe"):
        run = flowflex("demo", name, "--transport", transport)
        assert run.returncode == 2
        (line,) = run.stderr.splitlines()
        assert name in line
