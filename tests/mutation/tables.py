"""`python -m tests.mutation.tables [MODULE...]`: mutates what mutmut leaves alone, the constants outside functions.

Each number is made greater by one, each string is made longer, and of each table an entry is left out. A mutant is
tried on the tests of its module, and then on all of tests/core. Prints those that live.
"""

import ast
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.mutation.__main__ import NOT_RUN, copy_tree

CORE = Path("flowflex_core")
# A mutant that hangs is found out, too.
SECONDS = 300


def main(arguments: list[str]) -> int:
    """Return 0 where every mutant is killed."""
    with tempfile.TemporaryDirectory(prefix="tables-") as directory:
        tree = Path(directory)
        copy_tree(tree)
        tried = lived = 0
        for path in sorted((tree / CORE).glob("*.py")):
            if arguments and path.stem not in arguments:
                continue
            source = path.read_bytes()
            for line, words, mutant in mutants(source):
                path.write_bytes(mutant)
                tried += 1
                if is_green(tree, path.stem):
                    lived += 1
                    print(f"{path.stem}:{line}: {words}", flush=True)
            path.write_bytes(source)
            print(f"{path.stem}: {tried} tried by now, {lived} live", flush=True)
    return 1 if lived else 0


def mutants(source: bytes) -> Iterator[tuple[int, str, bytes]]:
    """Give each mutant with its line and what was done in words."""
    starts = [0]
    for text in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(text))

    def replaced(node: ast.expr, words: bytes, end: ast.expr | None = None) -> bytes:
        last = end or node
        assert last.end_lineno is not None
        assert last.end_col_offset is not None
        begin = starts[node.lineno - 1] + node.col_offset
        return source[:begin] + words + source[starts[last.end_lineno - 1] + last.end_col_offset :]

    for statement in ast.parse(source).body:
        # A type is what a type checker looks at.
        value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
        if value is None or isinstance(value, ast.Subscript):
            continue
        # The parts of an f-string have no place of their own.
        inner = {id(part) for node in ast.walk(value) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
        for node in ast.walk(value):
            if id(node) in inner or not isinstance(node, ast.expr):
                continue
            if isinstance(node, ast.Constant) and type(node.value) in (int, float):
                yield node.lineno, f"{node.value!r} + 1", replaced(node, f"({node.value!r} + 1)".encode())
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.lineno, f"{node.value!r} longer", replaced(node, repr("XX" + node.value).encode())
            elif isinstance(node, ast.Dict) and len(node.keys) > 1:
                for key, entry in zip(node.keys, node.values, strict=True):
                    if key is not None:
                        again = replaced(key, b"**{}", entry)
                        yield key.lineno, f"without {ast.unparse(key)}", again
            elif isinstance(node, ast.Set | ast.Tuple | ast.List) and len(node.elts) > 1:
                for entry in node.elts:
                    yield entry.lineno, f"without {ast.unparse(entry)}", replaced(entry, b"*()")


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
