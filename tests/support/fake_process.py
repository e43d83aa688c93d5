"""`flowflex fake` in a process of its own, which can be killed, stopped, and started again where it was."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class FakeProcess:
    """A context manager.

    Args:
        folder: Where it keeps its data, so that it knows at its next start what it knew. None is nowhere.
        environment: Of the process; by default ours.

    Attributes:
        options: The arguments that lead a client there, at every start the same.
    """

    def __init__(self, folder: Path | None, environment: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._environment = dict(os.environ if environment is None else environment)
        self._process: subprocess.Popen[str]

    def start(self) -> None:
        """Serve from now on."""
        command = [str(Path(sys.executable).with_name("flowflex")), "fake"]
        if self._folder is not None:
            command += ["--data", str(self._folder)]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=self._environment, text=True
        )
        assert self._process.stdout is not None
        lines = [self._process.stdout.readline() for _ in range(4)]
        matches = [re.fullmatch(r"export FLOWFLEX_(\w+)=(\S+)\n", line) for line in lines]
        self.options: dict[str, Any] = {match[1].lower(): match[2] for match in matches if match}
        assert len(self.options) == 4, lines

    def kill(self) -> None:
        """End it without a word."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def halt(self) -> None:
        """Have it do nothing, while the kernel goes on to take connections for it."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)  # until every thread of it has stopped

    def go_on(self) -> None:
        """Have it work again."""
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
