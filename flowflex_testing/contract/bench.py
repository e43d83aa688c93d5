"""Where a transport is put to the test: performs requests through it, and says what is wrong with what comes back.

Checks are written once, as async functions. Over a synchronous transport nothing in them ever suspends, so that a
single step runs them to their end; an asynchronous one runs in the loop that its author named.
"""

import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, get_args

from flowflex_core.files import FileRef
from flowflex_core.messages import Failure, FailureKind, Request, Response
from flowflex_testing.contract.subject import AsyncFunction, Asynchronous, WireSubject
from flowflex_testing.contract.violation import ContractViolation, describe, require

# Seconds by which a bound may be passed on a busy machine.
GRACE = 1.0
# Bounds that no check means to reach.
AMPLE = 10.0
# Stands in queries and in headers, and has no business in the message of a failure.
SECRET = "s3cret-of-the-contract"  # noqa: S105 - it protects nothing


@dataclass(frozen=True, slots=True)
class Content:
    """What a source holds: its pieces, and the exception that it ends with, if any."""

    pieces: Iterable[bytes]
    length: int
    error: BaseException | None = None

    @classmethod
    def of(cls, *pieces: bytes) -> "Content":
        """Make content of these pieces."""
        return cls(pieces, sum(map(len, pieces)))

    @classmethod
    def zeros(cls, length: int) -> "Content":
        """Make content of `length` zero bytes, which takes no memory."""
        piece = bytes(65_536)
        return cls((piece for _ in range(length // len(piece))), length // len(piece) * len(piece))


class _Source:
    """A file source that gives `Content` to a synchronous transport."""

    def __init__(self, content: Content) -> None:
        self.length = content.length
        self._content = content

    def chunks(self) -> Iterator[bytes]:
        yield from self._content.pieces
        if self._content.error is not None:
            raise self._content.error


class _AsyncSource:
    """The same for an asynchronous one."""

    def __init__(self, content: Content) -> None:
        self.length = content.length
        self._content = content

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self._content.pieces:
            yield piece
        if self._content.error is not None:
            raise self._content.error


@dataclass(frozen=True, slots=True)
class Performed:
    """What one call of `perform` came to: an outcome or the exception that it raised, and after how many seconds."""

    outcome: object
    seconds: float

    def __str__(self) -> str:
        return f"{describe(self.outcome)} after {self.seconds:.2f} s"


class Bench:
    """One transport under check. Checks call it, and it judges what every outcome must have in common."""

    def __init__(self, subject: WireSubject) -> None:
        self.subject = subject
        self._asynchronous = subject.asynchronous
        self._transports: list[Any] = []
        self._ids = 0
        self.use(subject.make())

    def use(self, transport: Any) -> None:
        """Go on with this transport, in place of the one that `subject.make` made."""
        close = "close" if self._asynchronous is None else "aclose"
        if not hasattr(transport, close):
            raise TypeError(f"the transport has no {close}(): does its subject say asynchronous= as it is?")
        self._transports.append(transport)

    async def response(self, fault: str, url: str, *, status: int = 200, **options: Any) -> Response:
        """Perform a request that must get a response with `status`; `fault` says what is wrong where it does not."""
        performed = await self.perform(url, **options)
        outcome = performed.outcome
        if not isinstance(outcome, Response) or outcome.status != status:
            raise ContractViolation(fault, expected=f"Response({status})", seen=str(performed))
        return outcome

    async def failure(
        self,
        fault: str,
        url: str,
        kinds: Collection[FailureKind],
        *,
        sent: bool,
        after: float | None = None,
        **options: Any,
    ) -> Failure:
        """Perform a request that must fail in one of `kinds`, after so many seconds where they are given."""
        performed = await self.perform(url, **options)
        outcome = performed.outcome
        expected = f"Failure of kind {' or '.join(sorted(kinds))} with sent={sent}"
        if after is not None:
            expected += f" after {after} s"
        good = isinstance(outcome, Failure) and outcome.kind in kinds and outcome.sent is sent
        in_time = after is None or after * 0.8 <= performed.seconds <= after + GRACE
        if not good or not in_time:
            raise ContractViolation(fault, expected=expected, seen=str(performed))
        assert isinstance(outcome, Failure)
        return outcome

    async def perform(
        self,
        url: str,
        *,
        method: str = "POST",
        headers: dict[str, str] | None = None,
        body: bytes | Content = b"",
        timeout: float = AMPLE,  # noqa: ASYNC109 - a field of the request, not a bound on this call
        total: float = AMPLE,
    ) -> Performed:
        """Perform a request; check the form of its outcome, and catch what it raises."""
        self._ids += 1
        ref_or_bytes = body if isinstance(body, bytes) else FileRef(None, filename="contract.txt", size=body.length)
        request = Request(
            f"contract/{self._ids}", method, url, {} if headers is None else headers, ref_or_bytes, timeout, total
        )
        transport = self._transports[-1]
        start = time.monotonic()
        outcome: object
        try:
            if self._asynchronous is None:
                outcome = transport.perform(request, body if isinstance(body, bytes) else _Source(body))
            else:
                outcome = await transport.perform(request, body if isinstance(body, bytes) else _AsyncSource(body))
        except Exception as error:
            outcome = error
        performed = Performed(outcome, time.monotonic() - start)
        if not isinstance(outcome, Exception):
            _check_form(request, outcome)
        return performed

    async def together(self, functions: Iterable[AsyncFunction]) -> None:
        """Run async functions at the same time, in threads or tasks, and raise what the first of them raised."""
        errors: list[BaseException] = []

        def shielded(function: AsyncFunction) -> AsyncFunction:
            async def run() -> None:
                try:
                    await function()
                except BaseException as error:
                    errors.append(error)

            return run

        runs = [shielded(function) for function in functions]
        if self._asynchronous is not None:
            await self._asynchronous.together(runs)
        else:
            threads = [threading.Thread(target=step_through, args=(run,)) for run in runs]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        if errors:
            raise errors[0]

    async def close(self) -> None:
        """Close every transport that was in use."""
        for transport in self._transports:
            if self._asynchronous is None:
                transport.close()
            else:
                await transport.aclose()


def run(asynchronous: Asynchronous | None, function: AsyncFunction) -> None:
    """Run a check in the author's loop, or in none; raise what it raises."""
    if asynchronous is None:
        step_through(function)
        return
    raised: list[BaseException] = []

    async def shielded() -> None:
        try:
            await function()
        except Exception as error:
            raised.append(error)

    asynchronous.run(shielded)
    if raised:
        raise raised[0]


def step_through(function: Callable[[], Awaitable[None]]) -> None:
    """Run an async function in which nothing suspends, as nothing does over a synchronous transport."""
    with suppress(StopIteration):
        next(function().__await__())


def _check_form(request: Request, outcome: object) -> None:
    if not isinstance(outcome, Response | Failure):
        raise ContractViolation(
            "perform returns what is no outcome", expected="a Response or a Failure", seen=describe(outcome)
        )
    require(
        outcome.request_id == request.id,
        "the outcome does not name its request",
        expected=request.id,
        seen=outcome.request_id,
    )
    if isinstance(outcome, Response):
        require(
            200 <= outcome.status <= 999,
            "an interim reply (1xx) is returned as if it were the final one",
            expected="a status of 200 or more",
            seen=outcome.status,
        )
        require(
            type(outcome.body) is bytes, "a response's body is not bytes", expected="bytes", seen=type(outcome.body)
        )
        return
    require(
        outcome.kind in get_args(FailureKind),
        "a failure is of no known kind",
        expected=", ".join(get_args(FailureKind)),
        seen=outcome.kind,
    )
    require(
        bool(outcome.message) and SECRET not in outcome.message,
        "the message of a failure is empty or holds a secret of the request",
        expected="a few words without URL or headers",
        seen=outcome.message.replace(SECRET, "[the secret]"),
    )
