"""One HTTP/1.1 connection to a server or proxy: h11's state machine over a stream, one exchange at a time.

What is particular here: the reply is listened for while a body is still being sent. A server that refuses an
upload by its head answers early, stops reading, and often resets the connection; its answer is worth more to the
caller than "broken pipe".
"""

from collections.abc import Mapping
from contextlib import suppress

import h11
import trio

from flowflex_core.messages import MAX_REPLY_BYTES, Request, Response
from flowflex_transports.protocols import AsyncSource
from flowflex_transports.trio.causes import single_cause
from flowflex_transports.trio.chunks import ChunkSizes
from flowflex_transports.trio.line import Line, NothingYet

# Room for 150 long headers; h11's own bound is 16 KiB.
_MOST_HEAD_BYTES = 262_144

# More 1xx replies than this to one request are no progress but an attack.
_MOST_INFORMATIONAL = 32

# A body of this size goes into the send buffer of an idle socket whole, so that sending it cannot block.
_SMALL_BODY_BYTES = 8_192

# What is encrypted in one go; more would stall the other tasks of the run.
_PIECE_BYTES = 65_536


class PeerClosed(Exception):
    """The peer ended the connection before its reply was whole."""


class SourceFault(Exception):
    """The file source raised the exception that is the cause of this one."""


class WrongLength(Exception):
    """The file source gave more or fewer bytes than it had said."""


class Connection:
    """A connected stream that speaks HTTP/1.1.

    Attributes:
        line: The socket at the bottom.
        stream: The line, or TLS over it.
        reusable: Whether the last exchange left the connection fit for another.
    """

    def __init__(self, line: Line, stream: trio.abc.Stream) -> None:
        self.line = line
        self.stream = stream
        self.reusable = False
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_HEAD_BYTES)
        self._head: h11.Response | None = None
        self._chunks: ChunkSizes | None = None
        self._informational = 0
        self._ended = False
        self._bytes_sent_before: int | None = None

    @property
    def sent(self) -> bool:
        """Whether any byte of the present request has left."""
        return self._bytes_sent_before is not None and self.line.bytes_sent > self._bytes_sent_before

    async def is_alive(self) -> bool:
        """Whether the idle connection is still open, and silent: bytes that nobody asked for would be the next reply.

        Under TLS a session ticket may lie there, which is neither; hence the read through the stream.
        """
        self.line.patient = False
        try:
            await self.stream.receive_some()
        except NothingYet:
            return True
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return False
        finally:
            self.line.patient = True
        return False

    async def exchange(
        self, request: Request, target: str, headers: Mapping[str, str], body: bytes | AsyncSource
    ) -> Response:
        """Send `request` to `target` with `headers` and `body`, and return the final reply."""
        self._begin()
        head = self._start_request(request.method, target, headers)
        if isinstance(body, bytes) and len(body) <= _SMALL_BODY_BYTES:
            self._http.send(h11.Data(data=body))
            self._http.send(h11.EndOfMessage())
            await self.stream.send_all(head + body)
        else:
            with single_cause():
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._listen)
                    await self.stream.send_all(head)
                    await self._send_body(body)
                    nursery.cancel_scope.cancel()
        response = await self._receive(request.id)
        self._finish()
        return response

    async def tunnel(self, authority: str, headers: Mapping[str, str]) -> int:
        """Ask the proxy at the other end for a tunnel to `authority`; return the status of its reply."""
        await self.stream.send_all(self._start_request("CONNECT", authority, headers))
        await self.stream.send_all(self._http.send(h11.EndOfMessage()))
        head = await self._receive_head()
        if self._http.trailing_data[0]:
            raise h11.RemoteProtocolError("the proxy sent bytes before the tunnel was used")
        return head.status_code

    def _begin(self) -> None:
        self.reusable = False
        self._bytes_sent_before = self.line.bytes_sent
        self._head = None
        self._chunks = None
        self._informational = 0

    def _finish(self) -> None:
        idle = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        if idle and not self.line.dropped and not self._ended and not self._http.trailing_data[0]:
            self._http.start_next_cycle()
            self.line.muted = False
            self._bytes_sent_before = None
            self.reusable = True

    def _start_request(self, method: str, target: str, headers: Mapping[str, str]) -> bytes:
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        return self._http.send(h11.Request(method=method, target=target, headers=encoded)) or b""

    async def _send_body(self, body: bytes | AsyncSource) -> None:
        """Send the body; stop where the line falls mute, because a final reply has come or the send broke."""
        if isinstance(body, bytes):
            await self._send_chunk(body)
        else:
            await self._send_source(body)
        try:
            self._http.send(h11.EndOfMessage())
        except h11.LocalProtocolError:
            if not self.line.muted:
                raise WrongLength("the file source gave fewer bytes than its length") from None

    async def _send_source(self, source: AsyncSource) -> None:
        chunks = source.chunks()
        try:
            while not self.line.muted:
                try:
                    chunk = await anext(chunks)
                except StopAsyncIteration:
                    return
                except Exception as error:
                    raise SourceFault from error
                await self._send_chunk(chunk)
        finally:
            # An asynchronous generator that is left unfinished would be closed late, and with a warning.
            close = getattr(chunks, "aclose", None)
            if close is not None:
                await close()

    async def _send_chunk(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        for start in range(0, len(view), _PIECE_BYTES):
            piece = view[start : start + _PIECE_BYTES]
            try:
                self._http.send_with_data_passthrough(h11.Data(data=piece))  # type: ignore[arg-type]
            except h11.LocalProtocolError:
                raise WrongLength("the file source gave more bytes than its length") from None
            await self.stream.send_all(piece)

    @trio.lowlevel.enable_ki_protection
    async def _listen(self) -> None:
        """Read while the body is being sent, and mute the line once a final reply, or the end, has come.

        What goes wrong here goes wrong again in `_receive`, which reports it.
        """
        self.line.patient = False
        try:
            with suppress(PeerClosed, h11.RemoteProtocolError, trio.BrokenResourceError):
                while self._head is None:
                    await self.line.readable()
                    with suppress(NothingYet):
                        await self._receive_head()
            self.line.mute()
        finally:
            self.line.patient = True

    async def _receive(self, request_id: str) -> Response:
        head = await self._receive_head()
        names = {name for name, _ in head.headers}
        if {b"transfer-encoding", b"content-length"} <= names:
            raise h11.RemoteProtocolError("a reply that is framed in two ways")  # h11 takes the first of the two
        if b"transfer-encoding" in names and head.status_code not in (204, 304):
            self._chunks = ChunkSizes()
            self._chunks.follow(self._http.trailing_data[0])
        body = bytearray()
        while len(body) <= MAX_REPLY_BYTES:
            event = await self._next_event()
            if not isinstance(event, h11.Data):
                break
            body += event.data
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers)
        content = bytes(body[: MAX_REPLY_BYTES + 1])
        return Response(request_id, head.status_code, headers, content, early=self._is_early())

    def _is_early(self) -> bool:
        """Whether the reply came before the request had been sent whole."""
        return self.line.dropped or self._http.our_state in (h11.SEND_BODY, h11.ERROR)

    async def _receive_head(self) -> h11.Response:
        """Receive the head of the final reply, in as many calls as it takes."""
        while self._head is None:
            if self._informational > _MOST_INFORMATIONAL:
                raise h11.RemoteProtocolError("too many informational replies")
            event = await self._next_event()
            assert isinstance(event, h11.Response | h11.InformationalResponse)
            if not event.http_version.startswith(b"1."):
                raise h11.RemoteProtocolError("a reply of another version")  # h11 takes any
            if isinstance(event, h11.Response):
                self._head = event
            else:
                self._informational += 1
        return self._head

    async def _next_event(self) -> object:
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError:
                if self._ended and self._is_http_so_far():
                    raise PeerClosed from None
                raise
            if event is not h11.NEED_DATA:
                return event
            data = bytes(await self.stream.receive_some())
            self._ended = not data
            if self._chunks is not None:
                self._chunks.follow(data)
            self._http.receive_data(data)

    def _is_http_so_far(self) -> bool:
        """Whether what had arrived before the end was, as far as it went, an HTTP reply."""
        return self._head is not None or b"HTTP/".startswith(self._http.trailing_data[0][:5])
