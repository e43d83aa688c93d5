"""docs/testing.md keeps its word: its examples run as they stand, and what it shows of messages is what is said."""

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from flowflex_testing.faults.presets import PRESETS
from flowflex_testing.switches import Switches
from flowflex_testing.witness import Witness
from flowflex_transports.cli.samples import sample_pdf

GUIDE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()
FENCES = re.findall(r"^```(\w+)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
EXAMPLES = [code for language, code in FENCES if language == "python"]
FOR_UNITTEST = [code for code in EXAMPLES if "import unittest" in code]
FOR_PYTEST = [code for code in EXAMPLES if "import unittest" not in code]


@pytest.fixture
def run(tmp_path):
    """Run a module of Python in a directory with a file to send, warnings being errors; return what it printed."""
    (tmp_path / "invoice.pdf").write_bytes(sample_pdf())

    def run(module: str, *arguments: str) -> str:
        command = [sys.executable, "-W", "error", "-m", module, *arguments]
        environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def test_the_examples_for_pytest_pass(run, tmp_path):
    """Each in a module of its own, with nothing but the plugins that the guide speaks of."""
    for number, code in enumerate(FOR_PYTEST):
        (tmp_path / f"test_{number}.py").write_text(code)
    plugins = ("-p", "flowflex_testing.plugin", "-p", "pytest_httpserver.pytest_plugin", "-p", "no:cacheprovider")
    # One of them is run for two numbers.
    tests = sum(code.count("def test_") for code in FOR_PYTEST) + 1
    assert f"{tests} passed" in run("pytest", "-q", "-W", "error", *plugins)


@pytest.mark.parametrize("code", FOR_UNITTEST)
def test_the_examples_for_unittest_pass(run, tmp_path, code):
    """They need no pytest to run."""
    (tmp_path / "test_example.py").write_text(code)
    assert "\nOK" in run("unittest", "test_example")


def test_a_fault_that_never_fired_fails_the_example_for_unittest(tmp_path):
    """By the line of its setUp, in whatever test; one that struck does not."""
    (code,) = FOR_UNITTEST
    code += """
    def test_never(self):
        self.fake.faults.arm("put", Status(503))

    def test_fired(self):
        self.fake.faults.arm("event", Status(503, retry_after=0))
        self.client.send_event("order.placed")
"""
    (tmp_path / "test_example.py").write_text(f"from flowflex_testing.faults import Status\n\n{code}")
    command = [sys.executable, "-W", "error", "-m", "unittest", "test_example"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "FAIL: test_never " in done.stderr
    assert "FAILED (failures=1)" in done.stderr
    assert "Status(status=503) on put 1" in done.stderr


def test_the_message_that_it_shows_is_what_is_said():
    """What the guide shows of a failure is the beginning of a message that is compared elsewhere."""
    shown = next(text for language, text in FENCES if language == "text" and text.startswith("no event"))
    golden = (Path(__file__).parent / "golden" / "event_payload.txt").read_text()
    for line in shown.splitlines():
        assert line.removesuffix("...") in golden


def test_every_switch_assertion_and_fixture_is_told():
    """What can be set and asked stands in the guide, each by its name."""
    from flowflex_testing import plugin

    names = {switch.name for switch in dataclasses.fields(Switches)}
    names |= {name for name in vars(Witness) if name.startswith("assert_")}
    names |= {name for name in vars(plugin) if name.startswith(("flowflex_", "mount_"))}
    assert [name for name in sorted(names) if f"`{name}" not in GUIDE] == []
    assert {name for code in EXAMPLES for name in re.findall(r'faults="(\w+)"', code)} <= set(PRESETS)
