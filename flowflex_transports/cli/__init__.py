"""The `flowflex` command: its entry point, and how each outcome becomes an exit code and one sentence.

Exit codes, which `flowflex --help` repeats:

    0    done: what was sent was accepted
    1    not done: refused, or FlowFlex or storage was not reached; this event was not accepted (one sent before under
         the same key, such as the one that makes FlowFlex refuse the key, may have been)
    2    wrong options, settings, payload or file; no event was sent
    3    outcome unknown: the event was sent and may have been accepted
    130  interrupted by Ctrl-C: the outcome is unknown here, too

Results go to stdout; progress and errors to stderr. With --json an error goes to stdout as well, as one object.
"""

import argparse
import io
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from flowflex_core.errors import (
    FlowFlexConfigError,
    FlowFlexError,
    FlowFlexOutcomeUnknownError,
    FlowFlexUploadError,
)
from flowflex_transports.cli.arguments import parse
from flowflex_transports.cli.errors import print_error
from flowflex_transports.cli.extras import MissingExtraError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line in `arguments`, by default that of the process, and return its exit code."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # it was closed before we started: nobody wants to read it
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - as long as the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A file name that the terminal's encoding lacks must not fail a send that went well.
            stream.reconfigure(errors="backslashreplace")
    options = parse(arguments)
    code = _run(options)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # Python flushes once more as it exits, and would change the exit code
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return code


def _run(options: argparse.Namespace) -> int:
    try:
        options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        return 0  # whoever read the results has left, and results are printed when the work is done
    except (Exception, KeyboardInterrupt) as error:
        code, sentence = _judge(error)
        # A server's words may hold line breaks, or codes that a terminal would obey.
        line = "".join(character if character.isprintable() else " " for character in sentence)
        line = " ".join(line.split())
        with suppress(OSError):  # with stderr closed, the exit code tells
            print(f"flowflex: {line}", file=sys.stderr)
        if getattr(options, "json", False):
            print_error(line, error, **({"stored": options.stored} if "stored" in options else {}))
        return code
    return 0


def _judge(error: BaseException) -> tuple[int, str]:
    """Return the exit code of an error, and the sentence for it."""
    if isinstance(error, KeyboardInterrupt):
        return 130, ": ".join(["interrupted", *error.args])
    if isinstance(error, FlowFlexConfigError | MissingExtraError):
        return 2, str(error)
    if isinstance(error, FlowFlexOutcomeUnknownError):
        return 3, f"{error.message} (idempotency key {error.idempotency_key})"
    if isinstance(error, FlowFlexError):
        # An upload that was never attempted failed for what was given: a file is missing, too large, or of no type.
        wrong_file = isinstance(error, FlowFlexUploadError) and error.attempts == 0
        return 2 if wrong_file else 1, error.message
    if isinstance(error, OSError):  # such as a full disk under stdout
        return 3, f"cannot go on: {error.strerror}"
    # A bug of ours: what it left undone is not known, and its words may hold anything.
    where = traceback.extract_tb(error.__traceback__)[-1]
    return 3, f"failed by a bug: {type(error).__name__} at {where.filename}:{where.lineno}"
