"""A sender that is killed at each step of its send and goes on in a new process: one effect, and no needless upload.

The process is a real one, killed by SIGKILL: by itself between two steps, or by the fake while a request is under way.
"""

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flowflex_testing import FakeFlowFlex
from flowflex_testing.engine.messages import Abort, Reply
from flowflex_testing.faults import Fault
from flowflex_testing.faults.kinds import Operation, Struck

# Some eighty processes: half a minute.
pytestmark = pytest.mark.slow

SENDER = Path(__file__).with_name("sender.py")

# What arrives at the fake in the whole of a send, deaths and resumes included: URLs asked for, and files that were
# stored, of the first and of the second; and POSTs of the event.
Seen = tuple[int, int, int, int]
NOTHING_TWICE: Seen = (2, 1, 1, 1)

# A step of the sender itself, and what is seen once another has finished.
BETWEEN: dict[str, Seen] = {
    "before upload-url/0": NOTHING_TWICE,
    "before put/0": (3, 1, 1, 1),
    # Nobody knows of the first file but the process that is gone.
    "after put/0": (3, 2, 1, 1),
    "before the snapshot takes its place": (3, 2, 1, 1),
    "after the snapshot took its place": NOTHING_TWICE,
    "after upload-url/1": (3, 1, 1, 1),
    "0 of 600000 bytes": (3, 1, 1, 1),
    "131072 of 600000 bytes": (3, 1, 1, 1),
    "after put/1": (3, 1, 2, 1),
    "before event": NOTHING_TWICE,
    "after event": (2, 1, 1, 2),
    "after the result": (2, 1, 1, 2),
}


@dataclass(frozen=True)
class Death(Fault):
    """The death of the sender while the fake works on its request: as soon as the head of that has arrived.

    Attributes:
        victims: Holds the process, as the last.
        has_effect: Whether the whole request, and its effect, come first; the reply never does.
    """

    victims: "list[subprocess.Popen[str]]"
    has_effect: bool = False

    def instead(self, struck: Struck, /) -> Reply | Abort | None:
        return None if self.has_effect else self._kill()

    def after(self, reply: Reply, struck: Struck, /) -> Reply | Abort:
        return self._kill()

    def _kill(self) -> Abort:
        self.victims[-1].kill()
        self.victims[-1].wait()
        return Abort(reset=True)


# Which request is under way when the sender dies, and whether it has its effect; and what is seen in the end.
UNDER_WAY: list[tuple[Operation, int, bool, Seen]] = [
    ("upload-url", 2, False, (3, 1, 1, 1)),
    ("upload-url", 2, True, (3, 1, 1, 1)),
    ("put", 2, False, (3, 1, 1, 1)),
    ("put", 2, True, (3, 1, 2, 1)),
    ("event", 1, False, (2, 1, 1, 2)),
    ("event", 1, True, (2, 1, 1, 2)),
]


class Sending:
    """A send in one process after another."""

    def __init__(self, fake: FakeFlowFlex, directory: Path, kind: str) -> None:
        self.fake = fake
        self.kind = kind
        self.snapshot = directory / "snapshot.json"
        self.processes: list[subprocess.Popen[str]] = []
        first, second = directory / "first.pdf", directory / "second.pdf"
        first.write_bytes(b"first")
        second.write_bytes(b"second" * 100_000)
        self.task = {
            "settings": fake.client_options,
            "files": [str(first), str(second)],
            "snapshot": str(self.snapshot),
        }

    def begin(self, *step: str) -> "subprocess.Popen[str]":
        """Start a process, which waits to be told what to do."""
        command = [sys.executable, "-W", "error", str(SENDER), self.kind, *step]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.processes.append(process)
        return process

    def killed(self, *step: str) -> None:
        """Send in a process that does not live to the end."""
        process = self.begin(*step)
        out, errors = process.communicate(json.dumps(self.task) + "\n", timeout=30)
        assert (process.returncode, out) == (-signal.SIGKILL, ""), errors

    def finished(self) -> dict[str, Any]:
        """Send, or go on, in a process that lives, and return the result."""
        process = self.begin()
        out, errors = process.communicate(json.dumps(self.task) + "\n", timeout=30)
        assert process.returncode == 0, errors
        result: dict[str, Any] = json.loads(out)
        return result

    def assert_one_effect(self, result: dict[str, Any], seen: Seen) -> None:
        """Check what the fake has in the end, and everything that arrived there."""
        [event] = self.fake.events
        assert {path: asset.id for path, asset in event.files.items()} == result["assets"]
        assert [asset.filename for asset in event.files.values()] == ["first.pdf", "second.pdf"]
        assert [asset.size for asset in event.files.values()] == [5, 600_000]
        assert result["key"] == event.idempotency_key == "invoice-42"
        assert result["response"]["eventId"] == event.id
        posts = [request for request in self.fake.requests if request.operation == "event"]
        assert {post.header("x-idempotency-key") for post in posts} == {"invoice-42"}
        assert len({post.body for post in posts if post.body}) == 1  # of a request that was cut short there is none
        urls = [request for request in self.fake.requests if request.operation == "upload-url"]
        stored = Counter(asset.filename for asset in self.fake.assets.values())
        assert (len(urls), stored["first.pdf"], stored["second.pdf"], len(posts)) == seen
        # No file is begun that was not asked a URL for, and none is stored twice under one.
        puts = [request for request in self.fake.requests if request.operation == "put"]
        assert len({put.target for put in puts}) == len(puts)


@pytest.fixture(params=["blocking", "trio"])
def sending(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sending]:
    with FakeFlowFlex() as fake:
        yield Sending(fake, tmp_path, request.param)


@pytest.mark.parametrize("step", BETWEEN)
def test_a_sender_that_dies_between_two_steps_is_gone_on_from(sending: Sending, step: str) -> None:
    """The event has one effect, under one key, with one body; a file that the snapshot tells of is not sent again."""
    sending.killed(step)
    sending.assert_one_effect(sending.finished(), BETWEEN[step])


@pytest.mark.parametrize(("operation", "occurrence", "has_effect", "seen"), UNDER_WAY)
def test_a_sender_that_dies_with_a_request_under_way_is_gone_on_from(
    sending: Sending, operation: Operation, occurrence: int, has_effect: bool, seen: Seen
) -> None:
    """Whether the request had its effect or not, and though nobody was told: one effect, and one body under one key."""
    sending.fake.faults.arm(operation, Death(sending.processes, has_effect), occurrence=occurrence)
    sending.killed()
    sending.assert_one_effect(sending.finished(), seen)


def test_a_sender_that_dies_again_and_again_gets_on_all_the_same(sending: Sending) -> None:
    """Each process comes a step further, and the last tells of what all of them stored."""
    deaths: list[tuple[Operation, int, bool]] = [
        ("put", 1, True),
        ("put", 2, False),
        ("event", 1, False),
        ("event", 1, True),
    ]
    for operation, occurrence, has_effect in deaths:
        sending.fake.faults.arm(operation, Death(sending.processes, has_effect), occurrence=occurrence)
        sending.killed()
    sending.assert_one_effect(sending.finished(), (4, 2, 1, 3))
