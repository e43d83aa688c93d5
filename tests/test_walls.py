"""The walls between the layers, each with its reason in words."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = ("flowflex_core", "flowflex_transports", "flowflex_testing")


@dataclass(frozen=True)
class Wall:
    """What the modules under `place` may import beyond the standard library and themselves."""

    place: str
    allowed: tuple[str, ...]
    reason: str


# The longest `place` that fits a module counts. "x" stands for x and all that is in it.
WALLS = [
    Wall("flowflex_core", (), "embedders take the core alone: it needs nothing, and knows of no transport"),
    Wall("flowflex_transports", ("flowflex_core",), "what both transports share must run without either of them"),
    Wall(
        "flowflex_transports.sync",
        ("flowflex_core", "flowflex_transports", "urllib3"),
        "a sync caller never pays for trio, and requests comes only as the session that a caller brings",
    ),
    Wall(
        "flowflex_transports.trio",
        ("flowflex_core", "flowflex_transports", "trio", "h11"),
        "an async caller never pays for urllib3",
    ),
    Wall(
        "flowflex_transports.cli",
        ("flowflex_core", "flowflex_transports", "flowflex_testing", "trio", "rich"),
        "the command line shows off all layers",
    ),
    Wall(
        "flowflex_testing",
        ("flowflex_core", "flowflex_transports"),
        "the fake is sans-IO itself: its engine and its in-memory face run with nothing installed",
    ),
    Wall(
        "flowflex_testing.server.live",
        ("flowflex_core", "flowflex_testing", "werkzeug"),
        "werkzeug stays in the two modules that serve",
    ),
    Wall(
        "flowflex_testing.server.connection",
        ("flowflex_core", "flowflex_testing", "werkzeug"),
        "werkzeug stays in the two modules that serve",
    ),
    Wall(
        "flowflex_testing.server.mount",
        ("flowflex_core", "flowflex_testing", "werkzeug", "pytest_httpserver"),
        "only who mounts a fake on a pytest-httpserver needs one",
    ),
    Wall(
        "flowflex_testing.simulation.hosts",
        ("flowflex_core", "flowflex_testing", "trio"),
        "only who simulates a loop on trio needs it",
    ),
    Wall("flowflex_testing.server.tls", ("trustme",), "trustme is for who asks for tls=True"),
    Wall(
        "flowflex_testing.plugin",
        ("flowflex_core", "flowflex_transports", "flowflex_testing", "pytest", "pytest_httpserver"),
        "pytest stays in the plugin: the fake and the contract serve people who use another test runner",
    ),
]


@dataclass(frozen=True)
class Silence:
    """What must not have been loaded after `statement` ran in a fresh interpreter."""

    statement: str
    absent: tuple[str, ...]
    reason: str


SILENCES = [
    Silence(
        "import flowflex_core",
        ("flowflex_transports", "flowflex_testing", "urllib3", "socket", "ssl", "asyncio", "subprocess", "random"),
        "the core is to start fast in a Lambda, and knows nothing of what drives it",
    ),
    Silence(
        "import flowflex_transports",
        ("trio", "h11", "rich", "requests", "werkzeug", "pytest", "flowflex_testing"),
        "a sync caller has only urllib3 installed, and pays for nothing else",
    ),
    Silence(
        "from flowflex_transports import FlowFlex",
        ("trio", "h11", "rich", "requests", "werkzeug", "pytest", "flowflex_testing"),
        "a sync caller has only urllib3 installed, and pays for nothing else",
    ),
    Silence(
        "from flowflex_transports import AsyncFlowFlex",
        ("rich", "requests", "werkzeug", "pytest", "flowflex_testing"),
        "an async caller has trio and h11, and pays for nothing else that is not installed with every layer",
    ),
    Silence(
        "import flowflex_testing",
        ("werkzeug", "pytest", "trio", "h11", "urllib3", "rich"),
        "the in-memory fake needs nothing",
    ),
    Silence(
        "import flowflex_testing.contract",
        ("pytest", "werkzeug"),
        "the contract is for people who use another test runner, too",
    ),
    Silence(
        "import flowflex_testing.plugin",
        ("werkzeug", "pytest_httpserver", "flowflex_testing.server.live", "flowflex_testing.fake", "trio", "urllib3"),
        "it loads in every pytest run of whoever installed us, used or not",
    ),
    Silence(
        "import flowflex_transports.cli",
        ("rich", "trio", "h11", "werkzeug", "pytest", "flowflex_testing"),
        "flowflex --help answers at once",
    ),
]

# Standard-library modules that the core must not import -> what it would do with them.
NOT_IN_THE_CORE = {
    **dict.fromkeys(("socket", "ssl", "select", "selectors", "http", "urllib.request", "socketserver"), "network"),
    **dict.fromkeys(("io", "pathlib", "tempfile", "shutil", "glob", "mmap", "fcntl"), "files"),
    **dict.fromkeys(("time", "sched", "signal"), "the clock: now is passed in"),
    **dict.fromkeys(("random", "secrets"), "randomness: jitter is a keyed hash, so that every run replays"),
    **dict.fromkeys(("threading", "_thread", "queue", "concurrent", "multiprocessing", "asyncio"), "concurrency"),
    **dict.fromkeys(("subprocess", "logging", "sys", "platform", "locale", "getpass"), "the surroundings"),
}

# Modules that the core needs for their types -> the names in them that neither read nor change anything outside.
PURE_NAMES = {"os": {"PathLike", "fsdecode", "fspath", "path"}, "uuid": {"UUID"}}

# What reads a clock, a file or a terminal without any import.
IMPURE_CALLS = {"open", "print", "input", "__import__", "exec", "eval"}
IMPURE_METHODS = {"now", "utcnow", "today", "uuid1", "uuid4", "urandom"}


def modules_of(package: str) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), ast.parse(path.read_text(), str(path))


def imports_of(tree: ast.Module) -> set[str]:
    """Every import, wherever it stands: a late one crosses the wall as well."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute, so that a wall can be read off them"
            found.add(node.module or "")
            # "from package import module" imports a module, too.
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def is_in(module: str, places: tuple[str, ...] | dict[str, str]) -> bool:
    return any(module == place or module.startswith(place + ".") for place in places)


def wall_around(module: str) -> Wall:
    return max((wall for wall in WALLS if is_in(module, (wall.place,))), key=lambda wall: len(wall.place))


MODULES = {name: tree for package in OURS for name, tree in modules_of(package)}
CORE_MODULES = [name for name in MODULES if is_in(name, ("flowflex_core",))]


@pytest.mark.parametrize("module", MODULES)
def test_imports_stay_within_their_wall(module):
    """A module imports the standard library, its own package and what its wall lets through, and no more."""
    wall = wall_around(module)
    for imported in imports_of(MODULES[module]):
        root = imported.partition(".")[0]
        if root in sys.stdlib_module_names:
            continue
        assert is_in(imported, (*wall.allowed, wall.place)), f"{module} imports {imported}: {wall.reason}"


def test_sync_and_trio_do_not_import_each_other():
    """The two drivers share what stands above them, and nothing of one another."""
    for module, tree in MODULES.items():
        for own, other in (("sync", "trio"), ("trio", "sync")):
            if is_in(module, (f"flowflex_transports.{own}",)):
                crossing = [name for name in imports_of(tree) if is_in(name, (f"flowflex_transports.{other}",))]
                assert crossing == [], f"{module} imports {crossing}: a caller of one has not installed the other"


@pytest.mark.parametrize("module", CORE_MODULES)
def test_the_core_imports_nothing_that_reaches_outside(module):
    """The core has no socket, file, clock, randomness or thread to import."""
    for imported in imports_of(MODULES[module]):
        assert not is_in(imported, NOT_IN_THE_CORE), f"{module} imports {imported}"


@pytest.mark.parametrize("module", CORE_MODULES)
def test_the_core_calls_nothing_that_reaches_outside(module):
    """Of the modules whose types it needs, the core uses only names that read nothing; it opens and prints nothing."""
    for node in ast.walk(MODULES[module]):
        if isinstance(node, ast.Attribute):
            if isinstance(node.value, ast.Name) and node.value.id in PURE_NAMES:
                assert node.attr in PURE_NAMES[node.value.id], f"{module}:{node.lineno} {node.value.id}.{node.attr}"
        elif isinstance(node, ast.ImportFrom) and node.module in PURE_NAMES:
            names = {alias.name for alias in node.names}
            assert names <= PURE_NAMES[node.module], f"{module}:{node.lineno} from {node.module} import {names}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in IMPURE_CALLS, f"{module}:{node.lineno} {node.func.id}()"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            assert node.func.attr not in IMPURE_METHODS, f"{module}:{node.lineno} .{node.func.attr}()"


@pytest.mark.parametrize("silence", SILENCES, ids=lambda silence: silence.statement)
def test_an_import_loads_nothing_of_another_layer(silence):
    """What one kind of user imports loads nothing that only another kind has installed."""
    # What is there before the statement was loaded by a measuring tool.
    code = f"import sys; before = {{*sys.modules}}; {silence.statement}; print(*({{*sys.modules}} - before))"
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    loaded = {module for module in run.stdout.split() if is_in(module, silence.absent)}
    assert not loaded, f"{silence.statement} loads {sorted(loaded)}: {silence.reason}"


def test_every_package_says_that_it_is_typed():
    """Type checkers of callers look for py.typed in each package."""
    for package in OURS:
        assert (ROOT / package / "py.typed").is_file()


@pytest.mark.slow  # thousands of tests are parsed
def test_every_test_says_what_it_proves():
    """Each test function has a docstring: the sentence that it proves."""
    silent = [
        f"{name}:{node.lineno} {node.name}"
        for name, tree in modules_of("tests")
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert silent == []
