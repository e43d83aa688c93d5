"""The bench of the wire's checks: makes requests to scripted peers, and says which fault an unfit outcome shows."""

from collections.abc import Collection
from typing import Any

from flowflex_core.files import FileRef
from flowflex_core.messages import Failure, FailureKind, Request, Response
from flowflex_testing.contract.bench import Bench, Content, Performed
from flowflex_testing.contract.subject import WireSubject
from flowflex_testing.contract.violation import ContractViolation, require

# Seconds by which a bound may be passed on a busy machine.
_GRACE = 1.0
# Seconds that no check means to use up.
_AMPLE = 10.0
# Stands in queries and in headers, and has no business in the message of a failure.
SECRET = "s3cret-of-the-contract"  # noqa: S105 - it protects nothing


class WireBench(Bench):
    """A transport over sockets under check. Every request is to a peer of the check's own."""

    def __init__(self, subject: WireSubject) -> None:
        super().__init__(subject.make(), subject.asynchronous)
        self.subject = subject
        self._ids = 0

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
    ) -> None:
        """Perform a request that must fail in one of `kinds`, after so many seconds where they are given."""
        performed = await self.perform(url, **options)
        outcome = performed.outcome
        expected = f"Failure of kind {' or '.join(sorted(kinds))} with sent={sent}"
        if after is not None:
            expected += f" after {after} s"
        good = isinstance(outcome, Failure) and outcome.kind in kinds and outcome.sent is sent
        in_time = after is None or after * 0.8 <= performed.seconds <= after + _GRACE
        require(good and in_time, fault, expected=expected, seen=str(performed))

    async def perform(
        self,
        url: str,
        *,
        method: str = "POST",
        headers: dict[str, str] | None = None,
        body: bytes | Content = b"",
        timeout: float = _AMPLE,  # noqa: ASYNC109 - a field of the request, not a bound on this call
        total: float = _AMPLE,
    ) -> Performed:
        """Perform a request; no secret of it may stand in the message of a failure."""
        self._ids += 1
        given = body if isinstance(body, bytes) else FileRef(None, filename="contract.txt", size=body.length)
        request = Request(f"contract/{self._ids}", method, url, headers or {}, given, timeout, total)
        performed = await self.attempt(request, body)
        if isinstance(performed.outcome, Failure):
            message = performed.outcome.message
            fault = "the message of a failure holds a secret of the request"
            seen = message.replace(SECRET, "[the secret]")
            require(SECRET not in message, fault, expected="neither the URL's query nor a header", seen=seen)
        return performed
