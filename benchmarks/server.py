"""What the live fake costs, beside werkzeug's own threaded server and pytest-httpserver, as a user would run them.

Run it with `python benchmarks/server.py`. Servers are processes of their own, and the load comes from another: this
one, or `wrk` for small requests where it is installed. Contenders take turns, round by round, so that a busy machine
slows all of them, and the best round of each counts; only the ratios mean something elsewhere.
"""

import resource
import ssl
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from contenders import EVENT_PATH, SERVERS, Contender
from load import HAS_WRK, PAYLOAD, Line, event, event_headers, events_per_second, put_head

from flowflex_testing.engine.messages import Head
from flowflex_testing.fake import FakeFlowFlex

ROUNDS = 5
SECONDS = 2
FILE = bytes(25_000_000)
MEGABYTE = 1_000_000


def show(what: str, unit: str, values: dict[str, float], *, more_is_better: bool = True) -> None:
    """Print the value of each contender, and how much better the first is than each of the others."""
    print(f"\n{what}")
    first = next(iter(values.values()))
    for place, (name, value) in enumerate(values.items()):
        ratio = first / value if more_is_better else value / first
        digits = 0 if value >= 1_000 else 1
        print(f"  {name:<24}{value:>12,.{digits}f} {unit:<20}" + (f"{ratio:6.1f} x" if place else ""), flush=True)


def in_turns(
    names: list[str],
    measure: Callable[[str], float],
    *,
    rounds: int = ROUNDS,
    choose: Callable[[list[float]], float] = max,
) -> dict[str, float]:
    """Measure each contender once a round, and return the best of each, or what `choose` makes of its rounds."""
    values: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            values[name].append(measure(name))
    return {name: choose(found) for name, found in values.items()}


def small_events(connections: int) -> None:
    """Print how many small events a second come through connections that are kept where the server keeps them."""
    costs: dict[str, list[float]] = {}

    def measure(name: str) -> float:
        with Contender(name) as contender:
            rate = events_per_second(contender, connections, SECONDS)
        costs.setdefault(name, []).append(contender.process_time / (rate * SECONDS) * 1e6)
        return rate

    by = "wrk" if HAS_WRK else "our own client"
    rates = in_turns(["ours", "werkzeug", "pytest-httpserver"], measure)
    show(f"small events, {connections} connections, by {by}", "a second", rates)
    least = {name: min(found) for name, found in costs.items()}
    show("the same, processor time of the server", "microseconds each", least, more_is_better=False)


def put_rate(name: str) -> float:
    """Return the megabytes a second of the fastest of some PUTs."""
    with Contender(name) as contender:
        head, line = put_head(contender, len(FILE)), Line(contender.storage)
        seconds: list[float] = []
        for _ in range(8):
            begun = time.perf_counter()
            line.ask(head, FILE)
            seconds.append(time.perf_counter() - begun)
        line.close()
    return len(FILE) / MEGABYTE / min(seconds)


def growth(name: str) -> float:
    """Return the megabytes by which 100 PUTs make a server grow."""
    with Contender(name) as contender:
        head, line = put_head(contender, len(FILE)), Line(contender.storage)
        before = contender.resident_bytes()
        for _ in range(100):
            line.ask(head, FILE)
        line.close()
        # Not below 0.1: what shrank has not grown, and the table divides.
        return max(0.1, (contender.resident_bytes() - before) / MEGABYTE)


def life(name: str) -> float:
    """Return the milliseconds of a start, one request and a stop, in this process, as in a test."""
    begun = time.perf_counter()
    with SERVERS[name]() as urls:
        context = ssl.create_default_context(cadata=urls["ca"]) if urls.get("ca") else None
        line = Line(urls["api"], context)
        line.ask(event())
        line.close()
    return (time.perf_counter() - begun) * 1e3


class Bytes:
    """A body for the engine alone."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, _size: int) -> bytes:
        """Return all of it, then the end."""
        content, self._content = self._content, b""
        return content


def handled_per_second(_name: str) -> float:
    """Return how many small events the engine alone takes in a second of processor time."""
    fake, body = FakeFlowFlex(), PAYLOAD.encode()
    exchanges = [
        (Head("api", "POST", EVENT_PATH, tuple((key.lower(), value) for key, value in headers.items())), Bytes(body))
        for headers in (event_headers(f"key-{number}") for number in range(1_000))
    ]
    begun = time.process_time()
    for head, content in exchanges:
        fake.handle(head, content)
    return len(exchanges) / (time.process_time() - begun)


@contextmanager
def crowd(contender: Contender, context: ssl.SSLContext) -> Iterator[None]:
    """Keep 50 peers that never begin their handshake, and 50 that drip a file, a byte each tenth of a second."""
    with ExitStack() as stack:
        silent = [Line(contender.api) for _ in range(50)]
        dripping = [Line(contender.storage, context) for _ in range(50)]
        for line in silent + dripping:
            stack.callback(line.close)
            line.send(b"")
        for line in dripping:
            line.send(put_head(contender, 1_000, context))
        over = threading.Event()

        def drip() -> None:
            while not over.wait(0.1):
                for line in dripping:
                    line.send(b"x")

        thread = threading.Thread(target=drip)
        thread.start()
        stack.callback(thread.join)
        stack.callback(over.set)
        yield


def waits(contender: Contender, context: ssl.SSLContext) -> list[float]:
    """Return the milliseconds of 100 events, each with a handshake of its own, sorted."""
    found: list[float] = []
    for _ in range(100):
        begun = time.perf_counter()
        line = Line(contender.api, context)
        line.ask(event())
        line.close()
        found.append((time.perf_counter() - begun) * 1e3)
    return sorted(found)


def others() -> None:
    """Print how long others wait while a crowd is silent or drips."""
    alone: list[float] = []
    beside: list[float] = []
    with Contender("ours, tls") as contender:
        context = ssl.create_default_context(cadata=contender.ca)
        for _ in range(ROUNDS):
            alone += waits(contender, context)
            with crowd(contender, context):
                beside += waits(contender, context)
    for what, found in (("alone", alone), ("beside 50 silent and 50 dripping peers", beside)):
        median, worst = statistics.median(found), statistics.quantiles(found, n=100)[98]
        print(f"  {what:<40}{median:8.1f} ms median{worst:8.1f} ms at the 99th percentile")


def stop(tls: bool) -> float:
    """Return the milliseconds of a stop with 150 sockets open: idle, in a head, in a file, or before a handshake."""
    fake = FakeFlowFlex(tls=tls)
    fake.start()
    context = ssl.create_default_context(cadata=fake.ca_pem.decode()) if tls else None
    lines = [Line(fake.base_url, context) for _ in range(100)] + [Line(fake.base_url) for _ in range(50)]
    for number, line in enumerate(lines):
        line.send(b"" if number >= 100 else event()[:60])
        if number < 50:
            line.ask(event()[60:])
    begun = time.perf_counter()
    fake.stop()
    elapsed = time.perf_counter() - begun
    for line in lines:
        line.close()
    return elapsed * 1e3


def idle_connections() -> None:
    """Print what thousands of connections cost: each has a thread."""
    with Contender("ours") as contender:
        before = contender.resident_bytes()
        lines = [Line(contender.api) for _ in range(2_000)]
        for line in lines:
            line.ask(event())
        grown = contender.resident_bytes() - before
        rate = events_per_second(contender, 8, SECONDS)
        for line in lines:
            line.close()
    print(
        f"  {grown / 1024 / len(lines):.0f} KiB each, an event included; {rate:,.0f} small events a second beside them"
    )


def main() -> None:
    """Measure everything, which takes three minutes."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    for connections in (1, 8):
        small_events(connections)
    show(
        "PUT of 25 MB; all but the counting one take a digest or keep the file",
        "MB/s",
        in_turns(["ours", "ours, files kept", "werkzeug", "werkzeug, counting", "pytest-httpserver"], put_rate),
    )
    show(
        "growth of memory by 100 PUTs of 25 MB",
        "MB",
        in_turns(["ours", "ours, files kept", "werkzeug", "pytest-httpserver"], growth, rounds=1),
        more_is_better=False,
    )
    show(
        "start, one request and stop, median",
        "ms",
        in_turns(["ours", "ours, tls", "werkzeug", "pytest-httpserver"], life, rounds=20, choose=statistics.median),
        more_is_better=False,
    )
    show("the engine alone, small events", "a second", in_turns(["ours"], handled_per_second, rounds=50))
    print("\nan event of others over TLS, handshake included")
    others()
    stops = in_turns(["ours", "ours, tls"], lambda name: stop("tls" in name), rounds=20, choose=statistics.median)
    show("stop with 150 sockets open, median", "ms", stops, more_is_better=False)
    print("\n2,000 idle connections")
    idle_connections()


if __name__ == "__main__":
    main()
