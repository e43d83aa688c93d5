"""Every public name of the vendor's SDK exists here under the same name, or is told of in our README."""

import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

vendor: Any = importlib.import_module("flowflex")
ours: Any = importlib.import_module("flowflex_transports")

_README = Path(__file__).parents[2] / "README.md"
_EXPORTED = sorted({*vendor.__all__, "__version__"})
_CALLABLES = [name for name in _EXPORTED if callable(getattr(vendor, name))]
_METHODS = [name for name in vars(vendor.FlowFlex) if not name.startswith("_")]


def parameters(called: Any) -> list[str]:
    """Name the parameters of a function, method or class."""
    return [name for name in inspect.signature(called).parameters if name != "self"]


def public_names() -> list[str]:
    """List all that a user of the vendor's SDK can have written, as `FlowFlex.send_event` or `file(mime)`."""
    names = [f"{name}({parameter})" for name in ("FlowFlex", "file") for parameter in parameters(getattr(vendor, name))]
    names += [
        f"FlowFlex.{name}({parameter})" for name in _METHODS for parameter in parameters(getattr(vendor.FlowFlex, name))
    ]
    for instance in (vendor.FlowFlex, vendor.file(b""), vendor.SendEventResult(None, {}), vendor.FlowFlexError("")):
        kind = instance if isinstance(instance, type) else type(instance)
        names += [f"{kind.__name__}.{member}" for member in {**vars(kind), **vars(instance)}]
    for module in (importlib.import_module(f"flowflex.{name}") for name in ("client", "errors", "file")):
        names += [f"{module.__name__}.{name}" for name in vars(module) if is_its_own(module, name)]
    return sorted(name for name in [*_EXPORTED, *names] if name == "__version__" or not re.search(r"(^|\.)_", name))


def is_its_own(module: ModuleType, name: str) -> bool:
    """Tell what a module makes from what it imports."""
    return re.search(rf"^((class|def) )?{name}\b", inspect.getsource(module), re.MULTILINE) is not None


def words_of_the_table() -> set[str]:
    """Read the words in backticks from the first column of the table for those who come from the vendor's SDK."""
    section = _README.read_text().split("## Moving from the vendor's SDK\n", 1)[1].split("\n## ", 1)[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("|")]
    return {word for cell in cells for code in re.findall(r"`([^`]+)`", cell) for word in re.findall(r"\w+", code)}


@pytest.mark.parametrize("name", public_names())
def test_the_table_tells_of(name):
    """Every public name of the vendor's stands in the first column of the README's table."""
    assert re.findall(r"\w+", name)[-1] in words_of_the_table()


@pytest.mark.parametrize("name", _EXPORTED)
def test_exported_name(name):
    """What the vendor's package exports is exported here, under the same name."""
    assert name in ours.__all__
    assert hasattr(ours, name)


@pytest.mark.parametrize("client", ["FlowFlex", "AsyncFlowFlex"])
@pytest.mark.parametrize("method", ["__init__", *_METHODS])
def test_parameters_of_a_client(client, method):
    """Each method of both clients takes the vendor's parameters, by the same names and in the same places."""
    theirs = inspect.signature(getattr(vendor.FlowFlex, method)).parameters
    mine = inspect.signature(getattr(getattr(ours, client), method)).parameters
    # A requests.Session blocks; and `file` needs no client, so that it may be static.
    needed = {name for name in theirs if name != "self" and (client, name) != ("AsyncFlowFlex", "session")}
    assert needed <= set(mine)
    assert all(mine[name].kind == theirs[name].kind for name in needed)


def test_parameters_of_file():
    """`file` takes the vendor's parameters, by the same names and in the same places."""
    assert parameters(ours.file) == parameters(vendor.file)


@pytest.mark.parametrize("name", [name for name in _CALLABLES if name.endswith("Error")])
def test_who_catches_the_vendors_error_catches_ours(name):
    """An error is derived from those that the vendor's is derived from."""
    bases = [base.__name__ for base in getattr(vendor, name).__mro__]
    assert [base.__name__ for base in getattr(ours, name).__mro__] == bases
