"""Keeps a send that failed in a file, for `flowflex resume`, and says in the words of its error how it goes on."""

import os
import shlex
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from flowflex_core.errors import FlowFlexConfigError, FlowFlexError, FlowFlexOutcomeUnknownError
from flowflex_core.reports import REPEAT

# At the shell there is no error to take a snapshot from.
_FOR_CALLERS = f"; {REPEAT}"


def check_place(file: str) -> None:
    """See to it that a snapshot can come to stand in `file`, and takes the place of none."""
    if os.path.lexists(file):
        raise FlowFlexConfigError(f"--snapshot {file}: there is such a file already; resume from it, or remove it")
    if not file or not os.access(Path(file).parent, os.W_OK | os.X_OK):
        raise FlowFlexConfigError(f"--snapshot {file}: no file can be made there")


def read(file: str) -> str:
    """Return the text of a snapshot."""
    try:
        return Path(file).read_bytes().decode()
    except OSError as error:
        raise FlowFlexConfigError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise FlowFlexConfigError(f"{file}: the snapshot is not JSON text") from None


def going_on(file: str) -> str:
    """Tell the command that goes on with the send in `file`."""
    return f"flowflex resume {shlex.quote(file)} goes on under the same key"


@contextmanager
def kept(file: str | None) -> Generator[None]:
    """Write the snapshot of a send that fails, where there is one, into `file`."""
    try:
        yield
    except FlowFlexError as error:
        words = error.message.removesuffix(_FOR_CALLERS)
        if file is None:
            if isinstance(error, FlowFlexOutcomeUnknownError) and error.snapshot is not None:
                error.message = f"{words}; {_without_file(error)}"
        elif error.snapshot is not None:
            try:
                _write(file, error.snapshot)
            except OSError as problem:
                error.message = f"{words}; the snapshot {file} could not be written: {problem.strerror}"
            else:
                error.message = f"{words}; {going_on(file)}"
        raise


def _without_file(error: FlowFlexError) -> str:
    # Files would get new asset ids, and the body would differ under the key.
    if error.uploaded_assets:
        return "only a send with --snapshot FILE can be resumed"
    return f"the same command with --idempotency-key {shlex.quote(error.idempotency_key or '')} repeats it safely"


def _write(file: str, text: str) -> None:
    """Write the whole, or leave what is there: an older snapshot of the same send is worth more than half a new one."""
    handle, name = tempfile.mkstemp(dir=Path(file).parent, prefix=".flowflex-")  # mode 0600
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(text)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink()
        raise
