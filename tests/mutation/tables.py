"""`python -m tests.mutation.tables [MODULE...]`: mutates what mutmut leaves alone, the constants outside functions.

Each number is made greater by one, each string is made longer, and of each table an entry is left out. A mutant is
tried on the tests of its module, and then on all of tests/core. Red where a mutant lives that explained.toml does not
explain.
"""

import ast
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.mutation.__main__ import NOT_RUN, copy_tree, explanations

CORE = Path("flowflex_core")
# A mutant that hangs is found out, too.
SECONDS = 120


def main(arguments: list[str]) -> int:
    """Return 0 where every mutant is killed or explained."""
    reasons = explanations()
    figures: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="tables-") as directory:
        tree = Path(directory)
        copy_tree(tree)
        assert is_green(tree, ""), "the tests are red without a mutant"
        for path in sorted((tree / CORE).glob("*.py")):
            if arguments and path.stem not in arguments:
                continue
            source = path.read_bytes()
            module: Counter[str] = Counter()
            seen: Counter[tuple[str, str]] = Counter()
            for name, change, mutant in mutants(source):
                path.write_bytes(mutant)
                function = f"{path.stem}.{name}"
                seen[function, change] += 1
                words = f"{change}, place {count}" if (count := seen[function, change]) > 1 else change
                fate = "killed"
                if is_green(tree, path.stem):
                    fate = "explained" if (function, words) in reasons else "unexplained"
                if fate == "unexplained":
                    print(f"    function = {function!r}\n    {words}", flush=True)
                module[fate] += 1
            path.write_bytes(source)
            if not module:
                continue
            figures += module
            print(line_of(path.stem, module), flush=True)
    print(line_of("all", figures))
    return 1 if figures["unexplained"] else 0


def line_of(name: str, figures: "Counter[str]") -> str:
    """Write one line of the figures."""
    fates = ", ".join(f"{figures[fate]} {fate}" for fate in ("killed", "explained", "unexplained"))
    return f"{name}: {figures.total()} mutants, {fates}"


def mutants(source: bytes) -> Iterator[tuple[str, str, bytes]]:
    """Give each mutant with the name that it is a value of and what was done in words."""
    starts = [0]
    for text in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(text))

    def replaced(node: ast.expr, words: bytes, end: ast.expr | None = None) -> bytes:
        last = end or node
        assert last.end_lineno is not None
        assert last.end_col_offset is not None
        begin = starts[node.lineno - 1] + node.col_offset
        return source[:begin] + words + source[starts[last.end_lineno - 1] + last.end_col_offset :]

    for name, value in values(ast.parse(source).body):
        # The parts of an f-string have no place of their own.
        inner = {id(part) for node in ast.walk(value) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
        for node in ast.walk(value):
            if id(node) in inner or not isinstance(node, ast.expr):
                continue
            if isinstance(node, ast.Constant) and type(node.value) in (int, float):
                yield name, f"{node.value!r} + 1", replaced(node, f"({node.value!r} + 1)".encode())
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield name, f"{node.value!r} longer", replaced(node, repr("XX" + node.value).encode())
            elif isinstance(node, ast.Constant) and isinstance(node.value, bytes):
                yield name, f"{node.value!r} longer", replaced(node, repr(b"XX" + node.value).encode())
            elif isinstance(node, ast.Dict) and len(node.keys) > 1:
                for key, entry in zip(node.keys, node.values, strict=True):
                    if key is not None:
                        yield name, f"without {ast.unparse(key)}", replaced(key, b"**{}", entry)
            elif isinstance(node, ast.Set | ast.Tuple | ast.List) and len(node.elts) > 1:
                for entry in node.elts:
                    yield name, f"without {ast.unparse(entry)}", replaced(entry, b"*()")


def values(body: list[ast.stmt], within: str = "") -> Iterator[tuple[str, ast.expr]]:
    """Give each value that a module, or a class in it, has a name for."""
    for statement in body:
        if isinstance(statement, ast.ClassDef):
            yield from values(statement.body, f"{within}{statement.name}.")
        # A type is what a type checker looks at, and what is exported what ruff does.
        elif isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
            if not _is_type(statement.value) and ast.unparse(target) not in ("__slots__", "__all__"):
                yield within + ast.unparse(target), statement.value


def _is_type(value: ast.expr) -> bool:
    """Whether a value is a type: `dict[str, Any]`, or such a one or another."""
    return isinstance(value, ast.Subscript) or (isinstance(value, ast.BinOp) and _is_type(value.left))


def is_green(tree: Path, module: str) -> bool:
    """Run the tests of a module, and then all of them."""
    options = ["-q", "-x", "-p", "no:cacheprovider", "--hypothesis-profile=mutation", *NOT_RUN]
    own = Path("tests/core") / f"test_{module}.py"
    for where in [str(own)] * (tree / own).exists() + ["tests/core"]:
        command = [sys.executable, "-B", "-m", "pytest", *options, where]
        try:
            run = subprocess.run(command, cwd=tree, capture_output=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return False
        if run.returncode != 0:
            return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
