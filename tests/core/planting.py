"""Plants breaks in a copy of a package, and runs the tests that are to notice: what cannot fail proves nothing."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Break:
    """One change for the worse.

    Attributes:
        name: What no longer holds.
        file: The source file, from the root of the project.
        old: Text that stands in the file exactly once.
        new: What takes its place.
        test: The node id of the test that turns red.
        says: A pattern of what its failure says, so that it is red for the right reason.
    """

    name: str
    file: str
    old: str
    new: str
    test: str
    says: str


class StaleBreakError(AssertionError):
    """The text that a break replaces does not stand in the source any more: the break must be written anew."""


def copied(package: str, place: Path) -> Path:
    """Copy a package to where the tests are to find it first."""
    shutil.copytree(ROOT / package, place / package, ignore=shutil.ignore_patterns("__pycache__"))
    return place


def plant(planted: Break, place: Path) -> None:
    """Copy the package that is to be broken, and break it."""
    copied(planted.file.partition("/")[0], place)
    target = place / planted.file
    source = target.read_text()
    found = source.count(planted.old)
    if found != 1:
        raise StaleBreakError(f"{planted.name}: {planted.old!r} stands {found} times in {planted.file}, not once")
    target.write_text(source.replace(planted.old, planted.new))


def run(tests: Iterable[str], place: Path) -> subprocess.CompletedProcess[str]:
    """Run tests against the packages in a place, with few but fixed examples, and without measuring coverage."""
    path = os.pathsep.join([str(place), str(ROOT)])
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTEST"))}
    plain = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "_hypothesis_pytestplugin", "--hypothesis-profile=breaks"]
    return subprocess.run(
        [sys.executable, "-P", "-m", "pytest", *options, "-o", f"pythonpath={place} {ROOT}", *tests],
        cwd=ROOT,
        env=kept | plain,
        capture_output=True,
        text=True,
        check=False,
    )


def assert_turns_red(planted: Break, place: Path) -> None:
    """Plant a break, and see that its test fails because of it."""
    plant(planted, place)
    ended = run([planted.test], place)
    told = f"{planted.name}\n{ended.stdout}{ended.stderr}"
    assert ended.returncode != 0, f"no test noticed: {told}"
    assert ended.returncode == 1, f"the tests did not run: {told}"
    assert re.search(planted.says, ended.stdout), f"red, but not because of {planted.says!r}: {told}"
