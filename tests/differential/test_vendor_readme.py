"""The Python snippets of the vendor's README run on our client, with only import and host changed.

They are read from the metadata of the installed distribution; no line of them stands here.
"""

import ast
import importlib.metadata
import re
from pathlib import Path
from typing import Any

import pytest

from flowflex_testing import FakeFlowFlex
from flowflex_transports import FlowFlex

_README: Any = importlib.metadata.metadata("flowflex").json["description"]
_SNIPPETS = re.findall(r"^```python\n(.*?)^```", _README, re.MULTILINE | re.DOTALL)
_CONTENT = b"%PDF-1.7 of no consequence"


@pytest.fixture
def fake():
    """Run a live fake that takes the credentials that stand in the snippets."""
    names = ("api_key", "api_secret", "integration_code")
    with FakeFlowFlex(**{name: re.findall(rf'{name}="([^"]+)"', _README)[0] for name in names}) as fake:
        yield fake


def calls_of(method: str, tree: ast.AST) -> list[ast.Call]:
    """Find the calls of `method`, in the order of the text."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    found = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == method]
    return sorted(found, key=lambda call: call.lineno)


def complete(tree: ast.AST) -> None:
    """Where a call is written `(...)`, give it the arguments of the call of the same method before it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and ast.unparse(node).endswith("(...)"):
            earlier = [call for call in calls_of(node.func.attr, tree) if call.lineno < node.lineno]
            node.args, node.keywords = earlier[-1].args, earlier[-1].keywords


def make_named_files(tree: ast.AST) -> None:
    """Make each file that a string of the snippet names."""
    for node in ast.walk(tree):
        value = node.value if isinstance(node, ast.Constant) else None
        if isinstance(value, str) and re.fullmatch(r"[\w./-]+\.[a-z0-9]{3,4}", value):
            Path(value).write_bytes(_CONTENT)


def test_the_snippets_are_found():
    """Every block of Python in the README is run by the next test."""
    assert len(_SNIPPETS) == _README.count("```python") == 9


@pytest.mark.parametrize("snippet", _SNIPPETS, ids=lambda snippet: snippet.strip().splitlines()[0][:40])
def test_snippet_of_the_vendors_readme(snippet, fake, tmp_path, monkeypatch):
    """The snippet runs to its end, each of its events is accepted, and the bytes of its files are stored."""
    ours = snippet.replace("from flowflex import", "from flowflex_transports import")
    tree = ast.parse(re.sub(r'base_url="[^"]+"', f"base_url={fake.base_url!r}", ours))
    complete(tree)
    monkeypatch.chdir(tmp_path)
    make_named_files(tree)
    with FlowFlex(**fake.client_options) as client:
        names: dict[str, Any] = {"ff": client, "result": client.send_event("an.earlier.event"), "pdf_bytes": _CONTENT}
        exec(compile(tree, "the vendor's README", "exec"), names)
        if names["ff"] is not client:
            names["ff"].close()
    _, *events = fake.events
    assert [event.name for event in events] == [ast.literal_eval(call.args[0]) for call in calls_of("send_event", tree)]
    assert [asset.first_bytes for asset in fake.assets.values()] == [_CONTENT] * len(fake.assets)
    assert bool(fake.assets) == bool(calls_of("file", tree))
