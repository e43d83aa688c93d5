"""The pages in docs/ keep their word: their examples run as they stand, what they name exists, their links lead on."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from flowflex_testing.clock import Clock
from flowflex_testing.faults.forms import KINDS
from flowflex_testing.faults.presets import PRESETS
from flowflex_transports.cli.samples import sample_pdf

DOCS = Path(__file__).parent.parent / "docs"
PAGES = {path.name: path.read_text() for path in sorted(DOCS.glob("*.md"))}
# Its examples are of several test runners, and run in a test of their own.
ELSEWHERE = {"testing.md"}
EXAMPLES = {
    name: re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    for name, page in PAGES.items()
    if name not in ELSEWHERE
}


@pytest.mark.parametrize("page", [name for name, examples in EXAMPLES.items() if examples])
def test_the_examples_run_as_they_stand(page, tmp_path):
    """Each is a module of tests by itself, in a directory with a file to send; warnings are errors."""
    (tmp_path / "invoice.pdf").write_bytes(sample_pdf())
    for number, code in enumerate(EXAMPLES[page]):
        assert "\ndef test_" in code
        (tmp_path / f"test_{number}.py").write_text(code)
    plugins = ("-p", "flowflex_testing.plugin", "-p", "no:cacheprovider")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", *plugins],
        cwd=tmp_path,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{sum(code.count('def test_') for code in EXAMPLES[page])} passed" in run.stdout


@pytest.mark.parametrize("page", list(PAGES))
def test_every_name_exists(page):
    """Each dotted name of ours that a page gives can be imported."""
    for name in set(re.findall(r"\bflowflex_(?:core|transports|testing)(?:\.\w+)+", PAGES[page])):
        module, _, last = name.rpartition(".")
        found = importlib.import_module(module)
        assert hasattr(found, last) or importlib.import_module(name), name


@pytest.mark.parametrize("page", list(PAGES))
def test_every_link_leads_somewhere(page):
    """A link to another page or a heading of ours is not dead."""
    for target in re.findall(r"\]\(([^)#:]*(?:#[^)]*)?)\)", PAGES[page]):
        path, _, heading = target.partition("#")
        linked = PAGES[page] if not path else (DOCS / path).resolve().read_text()
        headings = {
            re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-")
            for title in re.findall(r"^#+ (.*)$", linked, re.MULTILINE)
        }
        assert not heading or heading in headings, target


def test_every_fault_and_preset_is_told():
    """Each kind has its row, with every field, and each preset has one."""
    rows = {row.split("`")[1].split("(")[0]: row for row in PAGES["faults.md"].splitlines() if row.startswith("| `")}
    for name, kind in KINDS.items():
        fields = getattr(kind, "__dataclass_fields__", {})
        assert [field for field in fields if field not in rows[name].split("|")[1]] == [], name
    assert set(PRESETS) <= set(rows)


def test_what_is_told_of_the_clock_exists():
    """What the page says can be set or asked is there."""
    for name in re.findall(r"`clock\.(\w+)", PAGES["faults.md"]):
        assert hasattr(Clock, name), name
