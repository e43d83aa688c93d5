"""Runs the flowflex command as its users do: in a process of its own, with settings in the environment."""

import base64
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from flowflex_transports.cli.samples import sample_pdf, sample_png


class CommandLine:
    """Starts the command in a directory with two files, and looks through all that it prints for secrets."""

    command = Path(sys.executable).with_name("flowflex")

    def __init__(self, folder, fake):
        self.folder = folder
        self.fake = fake
        self._started = []
        # PYTHONUNBUFFERED would hide a missing flush.
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("FLOWFLEX_") and name != "PYTHONUNBUFFERED"
        }
        self.settings = {f"FLOWFLEX_{name.upper()}": value for name, value in fake.client_options.items()}
        self.environment = {**inherited, **self.settings}

    def start(self, *arguments, **options):
        """Start the command and return its process."""
        piped = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(
            [self.command, *arguments], cwd=self.folder, env=self.environment, text=True, **{**piped, **options}
        )
        self._started.append(process)
        return process

    def close(self):
        """End what a failed test has left."""
        for process in self._started:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()

    def __call__(self, *arguments, stdin=""):
        """Run the command to its end."""
        process = self.start(*arguments, stdin=subprocess.PIPE)
        stdout, stderr = process.communicate(stdin, timeout=60)
        self.check_silence(stdout + stderr)
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)

    def check_silence(self, output):
        """Fail where a secret, or a traceback, was printed."""
        token = base64.b64encode(f"{self.fake.api_key}:{self.fake.api_secret}".encode()).decode()
        assert self.fake.api_key not in output
        assert self.fake.api_secret not in output
        assert token not in output
        assert "X-Signature" not in output
        for request in self.fake.requests:
            for signature in re.findall("X-Signature=([0-9a-f]+)", request.target):
                assert signature not in output
        assert "Traceback" not in output


@pytest.fixture
def flowflex(tmp_path, flowflex_fake):
    """Give the command, its settings pointing at a live fake, among the files invoice.pdf and photo.png."""
    (tmp_path / "invoice.pdf").write_bytes(sample_pdf())
    (tmp_path / "photo.png").write_bytes(sample_png())
    command_line = CommandLine(tmp_path, flowflex_fake)
    yield command_line
    command_line.close()
