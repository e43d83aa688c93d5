"""`flowflex demo`: an event with files goes to a fake FlowFlex in this process, and both sides of it are shown."""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowflex_transports.cli.extras import need
from flowflex_transports.cli.payload import named_file
from flowflex_transports.cli.progress import shown_progress
from flowflex_transports.cli.samples import sample_pdf, sample_png
from flowflex_transports.cli.send import trigger_lines, with_client

if TYPE_CHECKING:
    from flowflex_testing import FakeFlowFlex

EVENT = "invoice.created"


def demo(options: argparse.Namespace) -> None:
    """Send the event, then print what the flow would see and what crossed the wire."""
    need("flowflex demo", "cli", "testing", *(["trio"] if options.transport == "trio" else []))
    from flowflex_testing import FakeFlowFlex

    with tempfile.TemporaryDirectory() as folder, FakeFlowFlex() as fake:
        payload = _payload(options.files or _samples(Path(folder)))
        print(
            f"A fake FlowFlex listens on {fake.base_url}. Sending {EVENT} to it over {options.transport}.", flush=True
        )
        with shown_progress() as on_progress:
            result = with_client(
                options.transport,
                dict(fake.client_options),
                lambda client: client.send_event(EVENT, payload=payload, on_progress=on_progress),
            )
        print("\nWhat the flow sees:")
        print(f"  {{{{trigger.customer}}}} = {payload['customer']}")
        for line in trigger_lines(result.uploaded_assets):
            print(f"  {line}")
        print("\nWhat crossed the wire:")
        for line in _wire(fake):
            print(f"  {line}")


def _samples(folder: Path) -> list[str]:
    made = {"invoice.pdf": sample_pdf(), "photo.png": sample_png()}
    for name, content in made.items():
        (folder / name).write_bytes(content)
    return [str(folder / name) for name in made]


def _payload(files: Sequence[str]) -> dict[str, Any]:
    """Put the first file where the vendor's examples have it, and the others into a list."""
    first, *others = [named_file(name) for name in files]
    payload: dict[str, Any] = {"customer": "Ada", "assetId": first}
    if others:
        payload["gallery"] = others
    return payload


def _wire(fake: "FakeFlowFlex") -> list[str]:
    """Write one line a request: method, which of the two origins, path without its query, status, bytes sent."""
    rows = [
        (
            request.method,
            request.origin,
            request.target.partition("?")[0],
            f"-> {request.status},",
            f"{request.received:,} bytes sent",
        )
        for request in fake.requests
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return [
        f"{method:{widths[0]}}  {origin:{widths[1]}}  {path:{widths[2]}}  {status} {size}"
        for method, origin, path, status, size in rows
    ]
