"""Where a transport is put to the test: hands it requests, and judges what all outcomes must have in common.

Checks are written once, as async functions. Over a synchronous transport nothing in them ever suspends, so that a
single step runs them to their end; an asynchronous one runs in the loop that its author named.
"""

import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, get_args

from flowflex_core.messages import Failure, FailureKind, Request, Response
from flowflex_testing.contract.subject import AsyncFunction, Asynchronous
from flowflex_testing.contract.violation import ContractViolation, describe, require


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
        """Make content of zero bytes, of which no more than one piece is in memory."""
        piece = bytes(65_536)
        count = length // len(piece)
        return cls((piece for _ in range(count)), count * len(piece))


class _Source:
    """Gives `Content` to a synchronous transport."""

    def __init__(self, content: Content) -> None:
        self.length = content.length
        self.raised = False
        self._content = content

    def chunks(self) -> Iterator[bytes]:
        yield from self._content.pieces
        if self._content.error is not None:
            self.raised = True
            raise self._content.error


class _AsyncSource:
    """Gives `Content` to an asynchronous transport."""

    def __init__(self, content: Content) -> None:
        self.length = content.length
        self.raised = False
        self._content = content

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self._content.pieces:
            yield piece
        if self._content.error is not None:
            self.raised = True
            raise self._content.error


@dataclass(frozen=True, slots=True)
class Performed:
    """What one call of `perform` came to: an outcome or the exception that it raised, and after how many seconds.

    `source_raised` tells whether the source did, which a loop remembers whatever the transport makes of it.
    """

    outcome: object
    seconds: float
    source_raised: bool

    def __str__(self) -> str:
        return f"{describe(self.outcome)} after {self.seconds:.2f} s"


class Bench:
    """One transport under check."""

    def __init__(self, transport: Any, asynchronous: Asynchronous | None) -> None:
        self._asynchronous = asynchronous
        self._transports: list[Any] = []
        self.use(transport)

    def use(self, transport: Any) -> None:
        """Go on with this transport, in place of the one that was in use."""
        close = "close" if self._asynchronous is None else "aclose"
        if not hasattr(transport, close):
            raise TypeError(f"the transport has no {close}(): does its subject say asynchronous= as it is?")
        self._transports.append(transport)

    async def attempt(self, request: Request, body: bytes | Content) -> Performed:
        """Perform a request; check the form of its outcome, and catch what it raises."""
        transport = self._transports[-1]
        source: bytes | _Source | _AsyncSource
        if isinstance(body, bytes):
            source = body
        else:
            source = _Source(body) if self._asynchronous is None else _AsyncSource(body)
        start = time.monotonic()
        outcome: Any
        try:
            outcome = transport.perform(request, source)
            if self._asynchronous is not None:
                outcome = await outcome
        except Exception as error:
            outcome = error
        source_raised = not isinstance(source, bytes) and source.raised
        performed = Performed(outcome, time.monotonic() - start, source_raised)
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


def run_check(asynchronous: Asynchronous | None, function: AsyncFunction) -> None:
    """Run a check in the author's loop, or in none; raise what it raises."""
    if asynchronous is None:
        step_through(function)
        return
    raised: list[Exception] = []

    async def shielded() -> None:
        try:
            await function()
        except Exception as error:  # raised below, where no loop wraps it
            raised.append(error)

    asynchronous.run(shielded)
    if raised:
        raise raised[0]


def step_through(function: AsyncFunction) -> None:
    """Run an async function in which nothing suspends, as nothing does over a synchronous transport."""
    with suppress(StopIteration):
        next(function().__await__())


def _check_form(request: Request, outcome: object) -> None:
    if not isinstance(outcome, Response | Failure):
        fault = "perform returns what is no outcome"
        raise ContractViolation(fault, expected="a Response or a Failure", seen=describe(outcome))
    seen = outcome.request_id
    require(seen == request.id, "the outcome does not name its request", expected=request.id, seen=seen)
    if isinstance(outcome, Response):
        fault = "an interim reply (1xx) is returned as if it were the final one"
        require(outcome.status >= 200, fault, expected="a status of 200 or more", seen=outcome.status)
        require(type(outcome.body) is bytes, "a reply's body is not bytes", expected="bytes", seen=type(outcome.body))
    else:
        kinds = get_args(FailureKind)
        require(outcome.kind in kinds, "a failure is of no known kind", expected=", ".join(kinds), seen=outcome.kind)
        require(bool(outcome.message), "a failure has no message", expected="a few words", seen="none")
