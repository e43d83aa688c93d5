"""Looks at the one thing in a reply that h11 passes over: what stands behind the sizes of chunks."""

import re

import h11

_SIZE_LINE = re.compile(rb"([0-9a-fA-F]{1,20})(?:;[^\r\n]*)?[ \t]*\r\n")


class ChunkSizes:
    """Follows a chunked body as it arrives, from one size to the next.

    A bare CR in a chunk's extension ends the line for some readers and not for others, so that they see other chunks
    (RFC 9112, section 2.2). All else about chunks h11 checks, the bounds of their lines too.
    """

    def __init__(self) -> None:
        self._line = bytearray()
        self._to_skip = 0  # of a chunk and the line's end behind it
        self._ended = False

    def follow(self, data: bytes) -> None:
        """Look at the next bytes of the body; raises `h11.RemoteProtocolError`."""
        at = 0
        while at < len(data) and not self._ended:
            skipped = min(self._to_skip, len(data) - at)
            self._to_skip -= skipped
            end = data.find(b"\n", at + skipped) + 1
            self._line += data[at + skipped : end or len(data)]
            at = end or len(data)
            if end:
                line = _SIZE_LINE.fullmatch(self._line)
                if line is None:
                    raise h11.RemoteProtocolError("an odd line before a chunk")
                size = int(line[1], 16)
                self._ended = not size
                self._to_skip = size + 2
                self._line.clear()
