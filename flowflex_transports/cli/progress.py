"""Shows how far the files are: bars on a terminal, plain lines anywhere else. Always on stderr."""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from flowflex_core.files import FileRef

if TYPE_CHECKING:
    from flowflex_transports.calls import OnProgress


@contextmanager
def shown_progress() -> "Generator[OnProgress]":
    """Give the `on_progress` to call while files are sent, from any thread."""
    if sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        with _bars() as on_progress:
            yield on_progress
    else:
        yield _lines()


@contextmanager
def _bars() -> "Generator[OnProgress]":
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn

    # markup=False: brackets in a file name are part of it.
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[FileRef, TaskID] = {}

        def on_progress(ref: FileRef, sent: int, total: int) -> None:
            if ref not in tasks:
                tasks[ref] = bars.add_task(ref.filename, total=total)
            bars.update(tasks[ref], completed=sent)

        yield on_progress


def _lines() -> "OnProgress":
    def on_progress(ref: FileRef, sent: int, total: int) -> None:
        if sent == total:
            with suppress(OSError):  # stderr was closed: whoever read it has left, and the send goes on
                print(f"sent {ref.filename} ({total:,} bytes)", file=sys.stderr)

    return on_progress
