"""A TCP socket as trio's SSLStream and h11 need it here: a stream that knows silence, and can be told to be mute.

The bounds on silence stand at this level, beneath TLS, because only here one sees every byte move: a peer that
drips is not silent, and a large record that is taken slowly is no stalled one.
"""

import math
import socket

import trio

_RECEIVE_BYTES = 65_536


class Silence(Exception):
    """The peer took or gave no byte for as long as was allowed."""


class NothingYet(Exception):
    """Nothing has arrived, and the line was told not to wait."""


class Line(trio.abc.Stream):
    """A connected socket.

    Attributes:
        timeout: Seconds without a byte sent or received, while that is waited for, after which `Silence` is raised.
        patient: Whether receiving waits for bytes; otherwise it raises `NothingYet` where none are there.
        muted: Whether what is given to `send_all` is dropped.
        dropped: Whether anything was.
        bytes_sent: How many bytes the operating system has taken.
    """

    def __init__(self, stream: trio.SocketStream) -> None:
        self.timeout = math.inf
        self.patient = True
        self.muted = False
        self.dropped = False
        self.bytes_sent = 0
        self._socket = stream.socket
        self._sending: trio.CancelScope | None = None

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send `data`, unless the line is mute or falls mute meanwhile.

        A send that breaks mutes the line and raises nothing: the reason, or a whole reply, may still lie in the
        receive buffer, and an SSLStream would refuse to read on after an error.
        """
        left = memoryview(data)
        while left and not self.muted:
            with trio.CancelScope(deadline=trio.current_time() + self.timeout) as sending:
                self._sending = sending
                try:
                    count = await self._socket.send(left)
                except OSError:
                    self.muted = True
                    break
                self.bytes_sent += count
                left = left[count:]
            if sending.cancelled_caught and not self.muted:
                raise Silence("the peer took no byte")
        if left:
            self.dropped = True

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until a byte can be sent."""
        await self._socket.wait_writable()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Receive what is there, or, being patient, what comes next; `b""` is the end."""
        if not self.patient and not self._socket.is_readable():
            raise NothingYet
        try:
            with trio.fail_after(self.timeout):
                return await self._socket.recv(max_bytes or _RECEIVE_BYTES)
        except trio.TooSlowError:
            raise Silence("the peer gave no byte") from None
        except OSError as error:
            raise trio.BrokenResourceError from error

    async def readable(self) -> None:
        """Wait, without bound, until there is something to receive, be it the end."""
        await trio.lowlevel.wait_readable(self._socket)

    def mute(self) -> None:
        """Send nothing from now on; a `send_all` under way in another task returns."""
        self.muted = True
        if self._sending is not None:
            self._sending.cancel()

    def close(self) -> None:
        """Close the socket, at once."""
        self._socket.close()

    def abandon(self) -> None:
        """Close the descriptor and nothing else, for a socket of a trio run or a process that is not this one.

        No shutdown: a forked parent goes on with the same connection. No word to trio: its run knows another
        socket, or none, by this number.
        """
        descriptor = self._socket.detach()
        if descriptor != -1:
            socket.close(descriptor)

    async def aclose(self) -> None:
        """Close the socket."""
        self.close()
        await trio.lowlevel.checkpoint()
