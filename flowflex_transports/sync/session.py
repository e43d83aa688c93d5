"""`SessionTransport`: sends through a `requests.Session`, or its like, that the caller gives.

The session's adapters, proxies and TLS settings are its own. What it would add to a request is taken off again:
its cookies, its headers, its authentication, and that of a netrc file. Redirects are not followed.

Some bounds are looser than those of `Urllib3Transport`, for want of a way to reach the socket: `request.total` is
looked at only between two pieces of a reply's body, so that a head that drips outlives it; Ctrl-C ends an upload only
when its next piece is due, or after `request.timeout` of silence; an interim reply (1xx) may be taken for the final
one; a percent-encoded URL may have its hex digits put in upper case; a reply that is cut in its head may be read as
whole; urllib3's own logging, its warnings included, shows upload URLs; and a proxy of the environment is used for
loopback, too.
"""

import time
from collections.abc import Iterator
from typing import Any

from flowflex_core import MAX_REPLY_BYTES, Failure, FailureKind, Request, Response
from flowflex_transports.process import PerProcess
from flowflex_transports.protocols import Source

_PIECE_BYTES = 16_384

# The names of exceptions, of requests and of urllib3 beneath it, first match first: what failed, in what words, and
# whether the request may have left.
_TROUBLES: tuple[tuple[str, FailureKind, str, bool], ...] = (
    ("NameResolutionError", "connection", "the host name could not be resolved", False),
    ("NewConnectionError", "connection", "no connection could be made", False),
    ("ConnectTimeoutError", "timeout", "no connection in time", False),
    ("ConnectTimeout", "timeout", "no connection in time", False),
    ("ProxyError", "proxy", "no way through the proxy", False),
    ("SSLCertVerificationError", "tls", "the certificate of the server is not trusted", False),
    ("SSLError", "tls", "TLS failed", True),
    ("Timeout", "timeout", "nothing happened in time", True),
    ("TimeoutError", "timeout", "nothing happened in time", True),
    ("HTTPException", "protocol", "the reply is not HTTP/1.1", True),
    ("RequestException", "connection", "the connection was closed before the reply was whole", True),
    ("HTTPError", "connection", "the connection was closed before the reply was whole", True),
    ("OSError", "connection", "the connection failed", True),
)


class SessionTransport:
    """Performs requests through `session.request(...)`.

    Args:
        session: Has the `request` method of a `requests.Session`. Closed by its giver alone; a forked child, whose
            connections are its parent's, lets go of those first, by the session's own `close`.
    """

    def __init__(self, session: Any) -> None:
        self._session = PerProcess(lambda: session, _let_go)
        self._session.get()
        self._streams: dict[int, _Stream] = {}

    def perform(self, request: Request, body: bytes | Source) -> Response | Failure:
        """Send `request` with `body`, and return what came of it."""
        end = time.monotonic() + request.total
        patience = min(request.timeout, request.total)
        stream = None if isinstance(body, bytes) or not body.length else _Stream(body)
        session = self._session.get()
        try:
            if stream is not None:
                self._streams[id(request)] = stream
            reply = session.request(
                request.method,
                request.url,
                data=(body if isinstance(body, bytes) else b"") if stream is None else stream,
                headers=dict(request.headers),
                auth=_AsGiven(request),
                timeout=patience,
                allow_redirects=False,
                stream=True,
            )
            try:
                content = bytearray()
                for piece in _pieces(reply):
                    content += piece
                    if len(content) > MAX_REPLY_BYTES:
                        break
                    if time.monotonic() > end:
                        return Failure(request.id, "timeout", f"not done within {request.total:g} s", True)
            finally:
                reply.close()
        except Exception as error:
            return _failure(request, error, repeats=_repeats(session, request.url))
        finally:
            self._streams.pop(id(request), None)
        return Response(
            request.id,
            reply.status_code,
            tuple(reply.headers.items()),
            bytes(content[: MAX_REPLY_BYTES + 1]),
            early=stream is not None and not stream.ended,
        )

    def abandon(self, request: Request) -> None:
        """Make `perform` of this very request end before it sends the next piece of a file."""
        stream = self._streams.get(id(request))
        if stream is not None:
            stream.abandoned = True

    def close(self) -> None:
        """Do nothing: the session is its giver's."""


def _let_go(session: Any) -> None:
    close = getattr(session, "close", None)
    if callable(close):
        close()


def _pieces(reply: Any) -> Iterator[bytes]:
    """Go through the content as it arrives, where the session shows how, or else in full pieces."""
    read1 = getattr(getattr(reply, "raw", None), "read1", None)
    if read1 is None:
        yield from reply.iter_content(_PIECE_BYTES)
    else:
        while piece := read1(_PIECE_BYTES, decode_content=True):
            yield piece


class _AsGiven:
    """In the place of authentication, which a session applies last: puts the prepared request back as it was given."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def __call__(self, prepared: Any) -> Any:
        prepared.url = self._request.url
        framing = {name: prepared.headers[name] for name in ("Content-Length",) if name in prepared.headers}
        prepared.headers.clear()
        prepared.headers.update({**self._request.headers, **framing})
        return prepared


class _Stream:
    """A source as a session takes it: iterable, with a length; `ended` once a try has taken all of it."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.abandoned = False
        self.ended = False

    def __len__(self) -> int:
        return self._source.length

    def __iter__(self) -> Iterator[bytes]:
        self.ended = False
        for chunk in self._source.chunks():
            if self.abandoned:
                raise _AbandonedError
            yield chunk
        self.ended = True


class _AbandonedError(ConnectionError):
    """Nobody waits for the request any more."""


def _repeats(session: Any, url: str) -> bool:
    """Whether the session repeats requests by itself: then a failure tells of its last try alone."""
    adapter_for = getattr(session, "get_adapter", None)
    retries = getattr(adapter_for(url), "max_retries", 0) if callable(adapter_for) else 0
    return getattr(retries, "total", retries) not in (0, False)


def _failure(request: Request, error: Exception, *, repeats: bool) -> Failure:
    """Tell what an exception means by its class, and those of the exceptions that it wraps, the innermost first."""
    for cause in reversed(_unwrapped(error)):
        names = [cls.__name__ for cls in type(cause).__mro__]
        for name, kind, words, sent in _TROUBLES:
            if name in names:
                return Failure(request.id, kind, words, sent or repeats)
    raise error


def _unwrapped(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = [error]
    while True:
        inner = getattr(found[-1], "reason", None) or next(iter(found[-1].args), None)
        if not isinstance(inner, BaseException) or inner in found:
            return found
        found.append(inner)
