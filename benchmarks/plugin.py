"""What the pytest plugin costs a run of pytest that does not use it; it is to stay below 5 ms.

Run it with `python benchmarks/plugin.py [ROUNDS]`. In turns, each time in a new process: pytest over one empty test
without the plugin, the same with it, and the loading of the plugin alone, timed from within. The first two differ by
less than they vary on a busy machine; the third leaves out what the plugin does afterwards, which is next to nothing.
All of it is processor time, and the least of many runs tells it best: other work only ever adds to it.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROUNDS = 30
PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p")
LOADING = """
import time
import pytest
manager = pytest.PytestPluginManager()
begun = time.process_time()
manager.import_plugin("flowflex_testing.plugin")
print(time.process_time() - begun)
"""
RUNS = {
    "pytest without it": (*PYTEST, "no:flowflex"),
    "pytest with it": (*PYTEST, "flowflex_testing.plugin"),
    "loading it": ("-c", LOADING),
}


def seconds(arguments: tuple[str, ...], place: Path) -> float:
    """Run Python once; return the seconds that it prints, or else its processor time."""
    # Other plugins that happen to be installed are not what is measured.
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, *arguments]
    run = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=True)  # noqa: S603
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if "pytest" not in arguments:
        return float(run.stdout)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure in turns, and print the least and the median of each."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    results: dict[str, list[float]] = {name: [] for name in RUNS}
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "test_nothing.py").write_text("def test_nothing(): pass\n")
        for arguments in RUNS.values():
            seconds(arguments, place)  # what is compiled once is compiled now
        for _ in range(rounds):
            for name, arguments in RUNS.items():
                results[name].append(seconds(arguments, place))
    print(f"{rounds} runs each, in ms of processor time   least  median")
    for name, values in results.items():
        print(f"{name:42}{1_000 * min(values):8.1f}{1_000 * statistics.median(values):8.1f}")


if __name__ == "__main__":
    main()
