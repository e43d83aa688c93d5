"""README.md keeps its word: its commands stand as they are run, its examples run as they stand, its names exist."""

import importlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from flowflex_core import errors
from flowflex_testing import FakeFlowFlex
from flowflex_transports.cli.samples import sample_pdf

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
FENCES = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
EXAMPLES = [code for language, code in FENCES if language == "python"]
SHELL = [line for language, code in FENCES if language == "sh" for line in code.splitlines()]


@pytest.fixture
def fake():
    """Serve the FlowFlex that the examples talk to."""
    with FakeFlowFlex() as server:
        yield server


@pytest.fixture
def place(tmp_path, fake):
    """Prepare what a reader of the README has: settings in the environment, and a file."""
    (tmp_path / "invoice.pdf").write_bytes(sample_pdf())
    settings = {f"FLOWFLEX_{name.upper()}": value for name, value in fake.client_options.items()}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {"cwd": tmp_path, "env": {**os.environ, **settings, "PATH": path}}


def _run(command, place):
    run = subprocess.run(command, **place, capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stderr) == (0, ""), run.stdout + run.stderr
    return run.stdout


def test_the_readme_tells_what_it_is_in_five_lines():
    """Between the title and the first heading stand five lines."""
    opening = README.partition("\n\n")[2].partition("\n\n")[0]
    assert len(opening.splitlines()) == 5


def test_two_commands_do_all_the_set_up():
    """The two commands are exactly these; .ci/run takes them from the README and runs them."""
    assert SHELL[:2] == [
        "python3 -m venv .venv && .venv/bin/pip install -q '.[all]' && .venv/bin/flowflex demo",
        "python3 -m venv .venv && .venv/bin/pip install -q -e '.[dev]' && .venv/bin/pytest",
    ]


@pytest.mark.parametrize("code", [code for code in EXAMPLES if "def test_" not in code], ids=lambda code: code[:40])
def test_an_example_runs_as_it_stands(code, place, fake):
    """A Python example runs in a program of its own, without a warning, and its events arrive."""
    _run([sys.executable, "-W", "error", "-c", code], place)
    assert fake.events


@pytest.mark.parametrize("code", [code for code in EXAMPLES if "def test_" in code], ids=lambda code: code[:40])
def test_an_example_for_testers_runs_under_pytest(code, place):
    """A test in the README is green in a directory that holds nothing else."""
    (place["cwd"] / "test_example.py").write_text(code)
    _run([sys.executable, "-W", "error", "-m", "pytest", "-q", "test_example.py"], place)


@pytest.mark.parametrize("kind", ["FlowFlex()", "AsyncFlowFlex()", "SendEvent.start(", "flowflex_fake"])
def test_each_kind_of_user_has_an_example(kind):
    """Sync caller, async caller, embedder and tester each find an example that runs."""
    assert any(kind in code for code in EXAMPLES)


@pytest.mark.parametrize("line", [line for line in SHELL if line.startswith(("flowflex send", "flowflex upload"))])
def test_a_command_runs_as_it_stands(line, place):
    """The commands in the README work with the settings in the environment."""
    run = subprocess.run(["sh", "-c", line], **place, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr


def test_every_name_in_the_readme_exists():
    """Each dotted name of ours that the README gives can be imported."""
    names = set(re.findall(r"\bflowflex_(?:core|transports|testing)(?:\.\w+)+", README))
    assert "flowflex_core.files.EXTENSION_TO_MIME" in names
    for name in names:
        module, _, last = name.rpartition(".")
        found = importlib.import_module(module)
        assert hasattr(found, last) or importlib.import_module(name), name


def _names_of_the_vendor():
    """Collect every public name of the vendor's SDK: modules, classes, options, methods, attributes, constants."""
    flowflex = importlib.import_module("flowflex")
    yield from (*flowflex.__all__, "__version__", "message", "status", "code", "details")
    yield from ("response", "uploaded_assets", "source")  # set in __init__, so no inspection of the class shows them
    for name in ("client", "errors", "file"):
        module = importlib.import_module(f"flowflex.{name}")
        yield module.__name__
        for member, value in vars(module).items():
            if not member.startswith("_") and (member.isupper() or member == "FileSource"):
                yield member
            if inspect.isclass(value) and value.__module__.startswith("flowflex."):
                yield from (attribute for attribute in vars(value) if not attribute.startswith("_"))
                yield from (
                    option for option in inspect.signature(value).parameters if option not in ("args", "kwargs")
                )


def test_every_public_name_of_the_vendor_has_its_place_in_the_table():
    """Who moves from the vendor's SDK finds each name that they may have used."""
    table = README.partition("## Moving from the vendor's SDK")[2].partition("What you may notice")[0]
    left = "\n".join(line.split("|")[1] for line in table.splitlines() if line.startswith("|"))
    missing = {name for name in _names_of_the_vendor() if not re.search(rf"\b{re.escape(name)}\b", left)}
    assert missing == set()


def test_every_error_has_its_row():
    """The table of errors tells for each class whether the event was accepted."""
    table = README.partition("## Errors, and when to repeat")[2].partition("\n## ")[0]
    rows = "\n".join(line.split("|")[1] for line in table.splitlines() if line.startswith("|"))
    classes = [name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)]
    assert [name for name in classes if f"`{name}`" not in rows] == []
