"""The frozen values that cross the border of the fake: a head comes in, a `Reply` or an `Abort` goes out.

They are the server's side of the wire, and so are not the core's `Request` and `Response`: a head arrives before its
body does, and what goes out may be no reply at all.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

# FlowFlex lives at two origins, so that a credential sent to the wrong one shows.
OriginName = Literal["api", "storage"]
Headers = tuple[tuple[str, str], ...]


class BodyCut(Exception):
    """The peer went away before the end of the body that its head announced."""


class BodyReader(Protocol):
    """Where a request's body is read from, as far as it is wanted."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, `b""` at the end of the body; raises `BodyCut` where the peer went away."""
        ...


@dataclass(frozen=True, slots=True, repr=False)
class Head:
    """The head of a request, as it arrived.

    Attributes:
        origin: Which of the two origins it was sent to.
        method: In the case that it was sent in.
        target: Path and query byte for byte, nothing decoded.
        headers: Names in lower case, values without outer blanks, in the order of arrival, doubled ones twice.
        storage_url: The origin at which its sender finds storage; None where that is the same for everybody.
    """

    origin: OriginName
    method: str
    target: str
    headers: Headers
    storage_url: str | None = None

    def __repr__(self) -> str:
        """Leave out the headers and the query: a credential may stand in either."""
        return f"Head({self.method} {self.origin} {self.target.partition('?')[0]})"


@dataclass(frozen=True, slots=True)
class Manner:
    """How a reply goes out that does not go out whole and at once.

    Attributes:
        delay: Real seconds before its first byte.
        due: The moment of the fake's clock before which it is not let out.
        interims: How many interim replies (1xx) come before it.
        interim_status: Their status.
        piece: How many bytes go out at a time; 0 is all of them.
        pause: Real seconds between two pieces.
        drips_head: Whether the head goes out in pieces as well.
    """

    delay: float = 0.0
    due: float | None = None
    interims: int = 0
    interim_status: int = 102
    piece: int = 0
    pause: float = 0.0
    drips_head: bool = True


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply; the face adds Content-Length and Connection.

    Attributes:
        status: The HTTP status.
        headers: Names as they go out.
        body: The content.
        manner: How it goes out; None is whole and at once.
    """

    status: int
    headers: Headers = ()
    body: bytes = b""
    manner: Manner | None = None


@dataclass(frozen=True, slots=True)
class Abort:
    """The end of the connection in place of a whole reply.

    Attributes:
        reset: A reset (RST), as of a process that died, rather than an orderly end (FIN).
        begun: A reply whose head goes out first, and as much of its body as `body_bytes` says.
        body_bytes: See `begun`.
        refused: There was no connection to begin with.
    """

    reset: bool
    begun: Reply | None = None
    body_bytes: int = 0
    refused: bool = False
