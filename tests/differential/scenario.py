"""What a scenario is: the calls that a program makes, the files it makes them with, and the replies it gets.

A scenario names no client. What it needs of the package under test (`file`) it is handed, together with files and
handles that are made anew for each run.
"""

import contextlib
import gzip
import io
import mmap
import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from tests.differential.recording import Leg, Reply

CONTENT = b"%PDF-1.7 of no consequence"


@dataclass(frozen=True)
class Call:
    """One call of a client's method."""

    method: str
    args: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)


def send(*payload: Any, event: Any = "order.placed", **keywords: Any) -> Call:
    """Call `send_event`, with a payload where one is given."""
    if payload:
        keywords["payload"] = payload[0]
    return Call("send_event", (event,), keywords)


def upload(ref: Any) -> Call:
    """Call `upload_file`."""
    return Call("upload_file", (ref,))


def create(**keywords: Any) -> Call:
    """Call `create_upload_url`."""
    return Call("create_upload_url", (), keywords)


@dataclass(frozen=True)
class Kit:
    """What a scenario makes its calls from; everything in it is gone after the run.

    Attributes:
        file: `file` of the package under test.
        folder: An empty directory.
        stack: Closes what was opened.
    """

    file: Callable[..., Any]
    folder: Path
    stack: contextlib.ExitStack

    def path(self, name: str = "invoice.pdf", content: bytes = CONTENT) -> Path:
        """Make a file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def handle(self, name: str = "invoice.pdf", content: bytes = CONTENT, *, at: int = 0) -> BinaryIO:
        """Make a file and open it, standing at byte `at`."""
        handle = self.stack.enter_context(self.path(name, content).open("rb"))
        handle.seek(at)
        return handle

    def named_temporary(self) -> Any:
        """Make a named temporary file."""
        return self._written(tempfile.NamedTemporaryFile(dir=self.folder, suffix=".pdf"))

    def opened(self, mode: str, **keywords: Any) -> Any:
        """Make a file and open it in another way."""
        return self.stack.enter_context(self.path().open(mode, **keywords))

    def temporary(self) -> Any:
        """Make a temporary file, which has no path."""
        return self._written(tempfile.TemporaryFile(dir=self.folder))

    def spooled(self) -> Any:
        """Make a temporary file that stays in memory until it is large."""
        return self._written(tempfile.SpooledTemporaryFile(max_size=2**20))

    def archived(self) -> Any:
        """Open a member of a zip archive."""
        path = self.folder / "archive.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("inner/invoice.pdf", CONTENT)
        archive = self.stack.enter_context(zipfile.ZipFile(path))
        return self.stack.enter_context(archive.open("inner/invoice.pdf"))

    def compressed(self) -> Any:
        """Open a file that is inflated as it is read."""
        return self.stack.enter_context(gzip.open(self.path("a.pdf.gz", gzip.compress(CONTENT, mtime=0))))

    def mapped(self) -> mmap.mmap:
        """Map a file into memory."""
        return self.stack.enter_context(mmap.mmap(self.handle().fileno(), 0, access=mmap.ACCESS_READ))

    def pipe(self, content: bytes = CONTENT) -> BinaryIO:
        """Open the reading end of a pipe that holds `content` and then ends."""
        reading, writing = os.pipe()
        os.write(writing, content)
        os.close(writing)
        return self.stack.enter_context(os.fdopen(reading, "rb"))

    def pdf(self, name: str = "invoice.pdf", content: bytes = CONTENT) -> Any:
        """Wrap bytes as a PDF file, where the source does not matter."""
        return self.file(content, filename=name, mime="application/pdf")

    def memory(self, content: bytes = CONTENT) -> io.BytesIO:
        """Open bytes in memory as a file object, which has no name."""
        return io.BytesIO(content)

    def _written(self, made: Any) -> Any:
        self.stack.enter_context(made)
        made.write(CONTENT)
        made.seek(0)
        return made


@dataclass(frozen=True, eq=False)
class Scenario:
    """One thing that a program does, and what the server answers.

    Attributes:
        name: What it is about, unique.
        calls: Makes the calls, which are done one after the other until one fails; none: only the client is made.
        options: Constructor options that differ from the usual ones; None leaves one out.
        ours: Further options for our clients alone.
        replies: The replies of each leg that differ from the usual ones.
        netrc: The content of the user's netrc file.
        environment: Variables of the environment.
    """

    name: str
    calls: Callable[[Kit], Call | Sequence[Call]]
    options: Mapping[str, Any] = field(default_factory=dict)
    ours: Mapping[str, Any] = field(default_factory=dict)
    replies: Mapping[Leg, Sequence[Reply]] = field(default_factory=dict)
    netrc: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
