"""Requests, sources and outcomes for tests of single attempts over the trio transport."""

from flowflex_core.messages import Failure, Request, Response
from flowflex_transports.protocols import AsyncSource
from flowflex_transports.trio.transport import TrioTransport

SECRET = "c2VjcmV0"  # in a header, a query and a proxy's credentials; never in a message


def a_request(url: str, body: bytes = b"", *, method="POST", headers=None, timeout=5.0, total=10.0) -> Request:
    headers = {"Authorization": f"Basic {SECRET}"} if headers is None else headers
    return Request("r1", method, f"{url}?sig={SECRET}", headers, body, timeout, total)


class Upload:
    """A source of `length` bytes in chunks of 100 kB, which notes how much was taken from it."""

    def __init__(self, length: int, *, chunk: int = 100_000) -> None:
        self.length = length
        self.taken = 0
        self._chunk = chunk

    async def chunks(self):
        while self.taken < self.length:
            count = min(self._chunk, self.length - self.taken)
            self.taken += count
            yield b"x" * count


async def replied(transport: TrioTransport, request: Request, body: bytes | AsyncSource) -> Response:
    """Perform `request`, to which there is a reply."""
    outcome = await transport.perform(request, body)
    assert isinstance(outcome, Response), outcome
    return outcome


def failed(outcome: Response | Failure, kind: str, *, sent: bool) -> str:
    """Return the message of a `Failure` of `kind`, which holds no secret."""
    assert isinstance(outcome, Failure), outcome
    assert (outcome.request_id, outcome.kind, outcome.sent) == ("r1", kind, sent), outcome
    assert SECRET not in outcome.message
    return outcome.message
