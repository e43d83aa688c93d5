"""How many schedules the simulator runs in a second of one core, beside what they have in them.

Run it with `python benchmarks/simulation.py`. CPU time of one process, the best of several rounds over the same
schedules; what tests, packages or shrinking take is not in it.
"""

import time

from flowflex_testing.simulation.campaign import run_schedules

SCHEDULES = 1_500
ROUNDS = 5


def main() -> None:
    """Measure, and print one line."""
    run_schedules("warm", range(100))
    seconds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        tally = run_schedules("benchmark", range(SCHEDULES))
        seconds.append(time.process_time() - began)
    each = SCHEDULES
    print(
        f"{SCHEDULES / min(seconds):,.0f} schedules a second of one core, each with {tally.files / each:.2f}"
        f" files, {tally.flights / each:.2f} requests and {tally.mishaps.total() / each:.2f} mishaps on average"
    )


if __name__ == "__main__":
    main()
