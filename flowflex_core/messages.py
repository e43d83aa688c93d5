"""The frozen values that cross the border between the core and whoever performs its requests.

`Request` and `Turn` come out of the core, `Response` and `Failure` go in.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from flowflex_core.files import FileRef

# Why a request had no response: no connection or a broken one, silence, a refused or failed handshake, trouble
# with the proxy, bytes that are not HTTP, or a file source that could not be read to its declared end.
FailureKind = Literal["connection", "timeout", "tls", "proxy", "protocol", "source"]
FAILURE_KINDS: tuple[str, ...] = get_args(FailureKind)

# A driver reads one byte more than this of a reply's body and leaves the rest: the core takes no longer reply.
MAX_REPLY_BYTES = 1_048_576


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """One HTTP request to perform, complete but for framing: Host, Content-Length and Connection.

    Attributes:
        id: Unique within its operation; the outcome names it.
        method: `POST` or `PUT`.
        url: To be sent byte for byte: no normalisation, no redirect.
        headers: Header values are latin-1 text. Credentials stand here, where they belong and nowhere else.
        body: The bytes, or the file whose content the driver sends with its true Content-Length.
        timeout: Seconds of silence, in connecting, sending or receiving, after which the attempt has failed.
        total: Seconds that the whole attempt may take; always finite.
    """

    id: str
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | FileRef
    timeout: float
    total: float

    @property
    def place(self) -> str:
        """Where the request goes, in words that may be logged: of an upload URL no more than the host.

        Its query is a credential, and with some storages its path is one too.
        """
        end = len(self.url) if isinstance(self.body, bytes) else self.url.find("/", len("https://"))
        return self.url[:end].partition("?")[0]

    def __repr__(self) -> str:
        """Leave out the headers: a credential stands there."""
        size = f"{len(self.body)} bytes" if isinstance(self.body, bytes) else repr(self.body)
        return f"Request({self.id} {self.method} {self.place}, {size})"


@dataclass(frozen=True, slots=True, repr=False)
class Response:
    """A reply that arrived whole, or whose body reached `MAX_REPLY_BYTES`.

    Attributes:
        request_id: The `id` of the request that it answers.
        status: The final status; 1xx are the driver's to skip.
        headers: A mapping or pairs, names in any case.
        body: The content, with transfer coding undone.
        early: Whether it came before the request had been sent whole: a refusal may, a success cannot.
    """

    request_id: str
    status: int
    headers: Mapping[str, str] | Sequence[tuple[str, str]] = ()
    body: bytes = b""
    early: bool = False

    def __repr__(self) -> str:
        """Leave out headers and body: an upload URL or a token may stand in either."""
        return f"Response({self.request_id} {self.status}, {len(self.body)} bytes)"

    def pairs(self) -> Iterable[tuple[str, str]]:
        """Return the headers as pairs; an object of a library's own needs no more than `items()`."""
        headers: Any = self.headers
        pairs: Any = headers.items() if hasattr(headers, "items") else headers
        if type(pairs) in (list, tuple) and pairs and isinstance(pairs[0][0], bytes):  # as h11 has them
            return [(key.decode("latin-1"), value.decode("latin-1")) for key, value in pairs]
        return pairs  # type: ignore[no-any-return]

    def header(self, name: str) -> str | None:
        """Return the value of the header `name` (in lower case), or None."""
        for key, value in self.pairs():
            if key.lower() == name:
                return value
        return None


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that got no response.

    Attributes:
        request_id: The `id` of the request that failed.
        kind: What failed.
        message: A few words for people; no URL, no header.
        sent: Whether the server can have seen the request: any byte of it may have left.
    """

    request_id: str
    kind: FailureKind
    message: str
    sent: bool


Outcome = Response | Failure


@dataclass(frozen=True, slots=True)
class Turn:
    """What is to be done next.

    Attributes:
        requests: Newly issued requests, each exactly once. Perform them at the same time.
        wait: Seconds to the next timer, also while requests are in flight; None where only an outcome helps.
        done: The operation has ended: cancel what is in flight and take the result.
        checkpoint: A snapshot taken now would keep something new: save it before performing `requests`.
    """

    requests: tuple[Request, ...]
    wait: float | None
    done: bool
    checkpoint: bool


@dataclass(frozen=True, slots=True)
class SendEventResult:
    """What an accepted event leaves behind.

    Attributes:
        response: The reply's JSON, its plain text, or `""`.
        uploaded_assets: Payload path, such as `invoice`, `gallery[0]` or `order.receipt`, to asset id.
        idempotency_key: The key that the event was sent under.
    """

    response: object
    uploaded_assets: dict[str, str]
    idempotency_key: str = ""


class UploadUrl(dict[str, str | None]):
    """The reply to a request for an upload URL: `assetId`, `uploadUrl` and, where sent, `token`.

    A plain mapping whose repr does not show the two secrets in it.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"UploadUrl(assetId={self.get('assetId')!r}, uploadUrl=..., token=...)"

    __str__ = __repr__
