"""The stage of the runtime checks: real operations of the core, watched, and scripted outcomes for their requests."""

import json
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

from flowflex_core.files import FileRef
from flowflex_core.messages import Outcome, Request, Response, Turn
from flowflex_core.operations import CreateUploadUrl, SendEvent, UploadFile
from flowflex_core.settings import Settings
from flowflex_testing.contract.bench import step_through
from flowflex_testing.contract.subject import RuntimeSubject
from flowflex_testing.contract.violation import require

# Seconds after which a request that is to be given up comes back by itself.
STUCK = 2.0
# Seconds that requests wait for each other.
_MEETING = 1.0
# Seconds after which a runtime is taken to hang.
_PATIENCE = 6.0
_POLL = 0.005

# What becomes of a request.
Script = Callable[[Request], Awaitable[Outcome]]


class Watched:
    """An operation that notes how it is driven. To a runtime it is like any other.

    Attributes:
        moments: The `now` of every call of `advance`.
        turns: What these calls returned.
        outcomes: What was handed in, in order.
    """

    def __init__(self, operation: SendEvent | UploadFile | CreateUploadUrl) -> None:
        self._operation = operation
        self.moments: list[float] = []
        self.turns: list[Turn] = []
        self.outcomes: list[Outcome] = []

    def advance(self, now: float, *outcomes: Outcome) -> Turn:
        """Pass on, and note."""
        turn = self._operation.advance(now, *outcomes)
        self.moments.append(now)
        self.outcomes.extend(outcomes)
        self.turns.append(turn)
        return turn

    @property
    def issued(self) -> list[Request]:
        """Every request that was to be performed."""
        return [request for turn in self.turns for request in turn.requests]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._operation, name)


class Stage:
    """A runtime under check, and what it did.

    Attributes:
        performed: The requests that it performed, in order.
        given: The outcomes that it was given for them.
    """

    def __init__(self, subject: RuntimeSubject) -> None:
        self._subject = subject
        self.performed: list[Request] = []
        self.given: list[Outcome] = []

    async def pause(self, seconds: float) -> None:
        """Wait within a script."""
        if self._subject.asynchronous is None:
            time.sleep(seconds)  # noqa: ASYNC251 - it blocks the thread that performs, as a request would
        else:
            await self._subject.asynchronous.sleep(seconds)

    async def wait_for(self, condition: Callable[[], bool]) -> bool:
        """Wait within a script until the condition holds; False where it does not."""
        until = time.monotonic() + _MEETING
        while not condition():
            if time.monotonic() > until:
                return False
            await self.pause(_POLL)
        return True

    def run(self, operation: Watched, script: Script) -> object:
        """Have the runtime drive an operation; return what it returns, or the exception that it raises."""

        async def perform(request: Request) -> Outcome:
            self.performed.append(request)
            outcome = await script(request)
            self.given.append(outcome)
            return outcome

        def perform_at_once(request: Request) -> Outcome:
            outcomes: list[Outcome] = []

            async def one() -> None:
                outcomes.append(await perform(request))

            step_through(one)
            return outcomes[0]

        ended: list[object] = []
        asynchronous = self._subject.asynchronous

        async def drive() -> None:
            try:
                ended.append(await self._subject.run(operation, perform))
            except BaseException as error:
                ended.append(error)

        def work() -> None:
            if asynchronous is not None:
                asynchronous.run(drive)
                return
            try:
                ended.append(self._subject.run(operation, perform_at_once))
            except BaseException as error:
                ended.append(error)

        # In a thread of its own, so that one that hangs is told so.
        thread = threading.Thread(target=work, name="contract-runtime", daemon=True)
        thread.start()
        thread.join(_PATIENCE)
        require(bool(ended), "the runtime hangs", expected="an end", seen=f"none after {_PATIENCE:g} s")
        if not isinstance(ended[0], BaseException):
            done = any(turn.done for turn in operation.turns)
            require(done, "run returns before the operation is done", expected="turn.done", seen=repr(ended[0]))
        return ended[0]


def settings(**options: Any) -> Settings:
    """Make settings that lead nowhere."""
    return Settings(
        api_key="key",
        api_secret="secret",  # noqa: S106 - it protects nothing
        integration_code="contract",
        base_url="https://flowflex.example",
        **options,
    )


def send(files: int = 0, **options: Any) -> Watched:
    """Start a send with so many files."""
    payload = {"files": [file_of_text() for _ in range(files)]}
    return Watched(SendEvent.start(settings(**options), "contract.run", payload, idempotency_key="contract-key"))


def file_of_text() -> FileRef:
    """Make a file of four bytes."""
    return FileRef(b"text", filename="a.txt")


def leg(request: Request) -> str:
    """Tell which leg of a send a request is: `upload-url`, `put` or `event`."""
    if request.method == "PUT":
        return "put"
    return "upload-url" if request.url.endswith("/upload-url") else "event"


async def succeed(request: Request) -> Outcome:
    """Reply as FlowFlex does when all is well."""
    if leg(request) == "put":
        return Response(request.id, 200)
    if leg(request) == "event":
        return reply(request, 202, status="accepted")
    number = request.id.encode().hex()
    return reply(request, 200, assetId=f"asset_{number}", uploadUrl=f"https://storage.example/{number}", token="t")  # noqa: S106


def reply(request: Request, code: int, /, **fields: str) -> Response:
    """Reply to a request with JSON."""
    return Response(request.id, code, {"Content-Type": "application/json"}, json.dumps(fields).encode())
