"""What the core costs: one small event, and a file of a send with few and with many, also refused and resumed.

Run it with `python benchmarks/core.py`. Nothing here touches a socket. Times are the best of several rounds, taken in
turns, so that a busy machine slows all of them; only the ratios mean something elsewhere.
"""

import time
from collections.abc import Callable
from contextlib import suppress

from flowflex_core import FlowFlexError, Request, Response, SendEvent, Settings, file

SETTINGS = Settings(
    api_key="cik_benchmark", api_secret="benchmark", integration_code="ic_1", base_url="https://flowflex.example"
)
PAYLOAD = {"name": "Ada", "order_id": "ord_42"}
HEADERS = {"Content-Type": "application/json", "Date": "Tue, 24 Nov 2026 03:00:00 GMT", "Server": "example"}
ACCEPTED = b'{"status":"accepted","eventId":"evt_0123456789"}'
# As a proxy sends one: it is searched for the secrets of all upload URLs of its send.
PAGE = b"<p>This page is none of FlowFlex, and tells nothing.</p>\n" * 2_000


def reply_to(request: Request) -> Response:
    """Answer as FlowFlex and its storage do when all is well."""
    if request.method == "PUT":
        return Response(request.id, 200, {})
    if "upload-url" in request.url:
        number = request.id.split("/")[1]
        url = f"https://storage.example/{number}?expires=7200&signature={number:0>64}"
        granted = f'{{"assetId":"asset_{number}","uploadUrl":"{url}","token":"{number:a>64}"}}'
        return Response(request.id, 200, HEADERS, granted.encode())
    return Response(request.id, 202, HEADERS, ACCEPTED)


def small_event() -> None:
    """Send an event without files."""
    send = SendEvent.start(SETTINGS, "order.placed", PAYLOAD, idempotency_key="0c5d7f0a-1111-4444-8888-123456789abc")
    request = send.advance(1_000.0).requests[0]
    send.advance(1_000.1, Response(request.id, 202, HEADERS, ACCEPTED))
    send.result()


def event_with_files(count: int, *, refused: bool = False) -> None:
    """Send an event with `count` files, one outcome a step."""
    refs = [file(b"%d" % number, filename="a.txt") for number in range(count)]
    send = SendEvent.start(SETTINGS, "order.placed", {"files": refs}, idempotency_key="key")
    waiting = list(send.advance(1_000.0).requests)
    while waiting:
        request = waiting.pop(0)
        refusal = refused and request.url == SETTINGS.event_url
        reply = Response(request.id, 403, {"Content-Type": "text/html"}, PAGE) if refusal else reply_to(request)
        waiting += send.advance(1_000.0, reply).requests
    with suppress(FlowFlexError):
        send.result()


def snapshot(count: int) -> str:
    """Return the snapshot of a send with `count` files that has not begun."""
    refs = [file(f"/data/{number}.txt", size=number) for number in range(count)]
    return SendEvent.start(SETTINGS, "order.placed", {"files": refs}, idempotency_key="key").snapshot()


def resume(text: str) -> None:
    """Read a snapshot, and ask for the payload paths of its files, as the clients do."""
    operation = SendEvent.resume(text, SETTINGS)
    for ref in operation.files:
        operation.paths(ref)


def seconds(work: Callable[[], None], times: int) -> float:
    """Return the seconds that one call takes, over `times` calls."""
    begun = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - begun) / times


def main() -> None:
    """Measure in turns, and print the best of each."""
    few, many = snapshot(10), snapshot(10_000)
    works: dict[str, tuple[Callable[[], None], int, int]] = {
        "small event": (small_event, 5_000, 1),
        "event with 1 file": (lambda: event_with_files(1), 2_000, 1),
        "a file among 10": (lambda: event_with_files(10), 200, 10),
        "a file among 1,000": (lambda: event_with_files(1_000), 2, 1_000),
        "a file among 10,000": (lambda: event_with_files(10_000), 1, 10_000),
        "refused, among 10": (lambda: event_with_files(10, refused=True), 200, 10),
        "refused, among 1,000": (lambda: event_with_files(1_000, refused=True), 2, 1_000),
        "resumed, among 10": (lambda: resume(few), 200, 10),
        "resumed, among 10,000": (lambda: resume(many), 1, 10_000),
    }
    best = dict.fromkeys(works, float("inf"))
    for _ in range(7):
        for name, (work, times, units) in works.items():
            best[name] = min(best[name], seconds(work, times) / units)
    for name, value in best.items():
        print(f"{name:<22} {value * 1e6:8.1f} microseconds")


if __name__ == "__main__":
    main()
