"""`python -m tests.mutation [PATTERN...]`: mutates `flowflex_core`, and looks which mutants tests/core lets live.

A pattern names mutants, as in `flowflex_core.send*`; without one all are tried. Works in a copy of the tree. Red where
a mutant lives that explained.toml does not explain. Needs mutmut: see docs/mutation.md.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
EXPLAINED = Path(__file__).with_name("explained.toml")

# Counts frames or is about other breaks than those of mutmut, whose mutants stand behind two calls more.
NOT_RUN = [
    "--ignore=tests/core/test_breaks.py",
    "--ignore=tests/core/test_cost.py",
    "--deselect=tests/core/test_send.py::test_the_cost_of_a_step_does_not_grow_with_the_files",
]

# What the type checker refuses is red in CI, so no test is asked about it. But for two rules of strict mypy, which find
# many a mutant by chance: those are for the tests to kill.
TYPES = ["--disable-error-code", "unused-ignore", "--disable-error-code", "no-any-return", "--no-warn-unreachable"]

CONFIGURATION = f"""
[tool.mutmut]
source_paths = ["flowflex_core"]
also_copy = ["flowflex_testing", "flowflex_transports", "docs", "README.md", "CHANGELOG.md", "conftest.py"]
pytest_add_cli_args_test_selection = ["tests/core"]
pytest_add_cli_args = {json.dumps(["--hypothesis-profile=mutation", "-p", "no:cacheprovider", *NOT_RUN])}
type_check_command = {json.dumps([sys.executable, "-m", "mypy", "flowflex_core", "--output", "json", *TYPES])}
timeout_constant = 10.0
timeout_multiplier = 15.0
on_dependency_change = "ignore"
"""

# The same few cases for each mutant; and payloads may be nested as deep as ever, in thrice as many frames.
CONFTEST = """
import sys

from hypothesis import HealthCheck, Phase, settings

sys.setrecursionlimit(4_000)
settings.register_profile(
    "mutation",
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
"""

# mutmut's exit codes. What is none of these was killed in a way that mutmut calls odd: a crash, a signal.
SURVIVED, NOT_TRIED, BY_TYPES = {0, 5, 33}, {None, 2, 34}, {37}


def main(arguments: list[str]) -> int:
    """Return 0 where every mutant that was tried is killed or explained."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="mutants to try; all without one")
    parser.add_argument("--directory", help="keep the copy here; with a copy that is there, go on where that run ended")
    parser.add_argument("--processes", default="1", help="mutants that are tried at the same time")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="mutation-") as temporary:
        tree = Path(asked.directory or temporary)
        copy_tree(tree)
        command = [sys.executable, "-m", "mutmut", "run", "--max-children", asked.processes, *asked.patterns]
        subprocess.run(command, cwd=tree, check=True)
        return report(tree, asked.patterns)


def copy_tree(tree: Path) -> None:
    """Bring what git knows of, as it stands, and what is only for mutmut."""
    tree.mkdir(parents=True, exist_ok=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for name in filter(None, os.fsdecode(listed.stdout).split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes((ROOT / name).read_bytes())
    (tree / "conftest.py").write_text(CONFTEST)
    with (tree / "pyproject.toml").open("a") as file:
        file.write(CONFIGURATION)


def report(tree: Path, patterns: list[str]) -> int:
    """Print the figures of each module, then each mutant that lives unexplained; return 1 where there is one."""
    reasons = explanations()
    unexplained: list[str] = []
    total: Counter[str] = Counter()
    row = "{:20}{:>9}{:>9}{:>9}{:>11}{:>13}{:>11}"
    print(row.format("module", "mutants", "types", "tests", "explained", "unexplained", "not tried"))
    for path in sorted(tree.glob("mutants/flowflex_core/*.meta")):
        figures: Counter[str] = Counter()
        for name, code in json.loads(path.read_text())["exit_code_by_key"].items():
            if code in NOT_TRIED or not (not patterns or any(fnmatch(name, pattern) for pattern in patterns)):
                fate = "not tried"
            elif code not in SURVIVED:
                fate = "types" if code in BY_TYPES else "tests"
            else:
                mutant = mutant_of(tree, name)
                fate = "explained" if mutant in reasons else "unexplained"
                if fate == "unexplained":
                    unexplained.append(f"{name}\n    function = {mutant[0]!r}\n    {mutant[1]}")
            figures[fate] += 1
        if figures.total() > figures["not tried"]:
            print(line_of(row, path.name.removesuffix(".py.meta"), figures))
        total += figures
    print(line_of(row, "all", total))
    print(*unexplained, sep="\n")
    return 1 if unexplained else 0


def explanations() -> dict[tuple[str, str], str]:
    """Read why a mutant lives, by its function and what became of which line."""
    return {
        (entry["function"], line): entry["reason"]
        for entry in tomllib.loads(EXPLAINED.read_text())["survivor"]
        for line in entry["lines"]
    }


def line_of(row: str, name: str, figures: "Counter[str]") -> str:
    """Write one line of the table."""
    fates = ("types", "tests", "explained", "unexplained", "not tried")
    return row.format(name, figures.total(), *(figures[fate] for fate in fates))


def mutant_of(tree: Path, name: str) -> tuple[str, str]:
    """Name a mutant so that the name outlives changes elsewhere: its function, and what became of which line."""
    shown = subprocess.run(
        [sys.executable, "-m", "mutmut", "show", name], cwd=tree, check=True, capture_output=True, text=True
    )
    lines = [line for line in shown.stdout.splitlines() if not line.startswith(("---", "+++"))]
    removed = " ".join(line[1:].strip() for line in lines if line.startswith("-"))
    added = " ".join(line[1:].strip() for line in lines if line.startswith("+"))
    # flowflex_core.send.x_step__mutmut_1, flowflex_core.states.xǁTaskǁcopy__mutmut_1
    module, _, function = name.rpartition("__mutmut_")[0].removeprefix("flowflex_core.").partition(".")
    function = function.removeprefix("x_") if function.startswith("x_") else function[2:].replace("ǁ", ".")
    return f"{module}.{function}", f"{removed} -> {added}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
