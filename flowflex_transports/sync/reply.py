"""The strict reader of replies: what could be read in two ways is not read at all (RFC 9112).

`http.client` is not asked: it lets pass a head that hides half of its lines, chunks of a negative size, and the like,
any of which can make a success of what is none. What is let pass here is what h11 lets pass, so that both transports
agree.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from flowflex_core import MAX_REPLY_BYTES
from flowflex_transports.sync.line import Line, Trouble

# Room for 150 long headers, and the bound of trailers and of a chunk's extensions too.
_MOST_HEAD_BYTES = 262_144
# More 1xx replies than this to one request are no progress but an attack.
_MOST_INTERIM = 32

_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: [^\x00\n\v\f\r]*)?")
_FIELD = re.compile(rb"([-!#$%&'*+.^_`|~0-9a-zA-Z]+):([^\x00\n\v\f\r]*)")
_LENGTH = re.compile(r"[0-9]{1,20}")
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,20})(?:;[^\r\n]*)?[ \t]*\r\n")


@dataclass(frozen=True, slots=True)
class Head:
    """What a reply begins with.

    Attributes:
        minor: The version is HTTP/1.minor.
        status: Three digits.
        headers: As they came, but for blanks around the values.
    """

    minor: int
    status: int
    headers: tuple[tuple[str, str], ...]

    def listed(self, name: str) -> list[str]:
        """List what stands between commas, in all headers of this name (in lower case)."""
        return _listed(self.headers, name)


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply that arrived whole, or that was cut after `MAX_REPLY_BYTES` + 1 bytes of its body.

    Attributes:
        head: The final one.
        body: Its content, without transfer coding.
        leaves_line_usable: Whether another exchange may follow on the same line.
    """

    head: Head
    body: bytes
    leaves_line_usable: bool


def read_reply(line: Line) -> Reply:
    """Read the reply to a request.

    Raises:
        Trouble: It does not come in time or not whole, or it is not HTTP/1.1.
    """
    head = read_head(line)
    body, has_ended = _read_body(line, head)
    stays_open = head.minor > 0 and "close" not in (option.lower() for option in head.listed("connection"))
    return Reply(head, body, has_ended and stays_open)


def read_head(line: Line) -> Head:
    """Read past interim replies to the head of the final one."""
    for _ in range(_MOST_INTERIM + 1):
        head = _read_one_head(line)
        if head.status >= 200:
            return head
        if head.status == 101:
            break  # nobody asked for another protocol
    raise _not_http()


def _read_one_head(line: Line) -> Head:
    lines = _lines_to_blank(line)
    parts = _STATUS_LINE.fullmatch(next(lines, b""))
    if parts is None:
        raise _not_http()
    return Head(int(parts[1]), int(parts[2]), _headers(lines))


def _lines_to_blank(line: Line) -> Iterator[bytes]:
    """Read lines up to an empty one, and yield those before it without their ends."""
    left = _MOST_HEAD_BYTES
    while (text := line.readline(left)) not in (b"\r\n", b"\n"):
        left -= len(text)
        if not text.endswith(b"\n"):
            raise _not_http()
        yield text[:-1].removesuffix(b"\r")


def _headers(lines: Iterator[bytes]) -> tuple[tuple[str, str], ...]:
    """Read the headers of a head, or trailers; what frames a body must be fit to, also where it frames none."""
    headers = tuple(_fields(lines))
    codings, lengths = _listed(headers, "transfer-encoding"), set(_listed(headers, "content-length"))
    if codings and [name.lower() for name in codings] != ["chunked"]:
        raise _not_http()
    if len(lengths) > 1 or not all(_LENGTH.fullmatch(length) for length in lengths):
        raise _not_http()
    return headers


def _listed(headers: tuple[tuple[str, str], ...], name: str) -> list[str]:
    values = [value for key, value in headers if key.lower() == name]
    return [part.strip(" \t") for value in values for part in value.split(",")]


def _fields(lines: Iterator[bytes]) -> Iterator[tuple[str, str]]:
    fields: list[bytearray] = []
    for text in lines:
        if text[:1] in (b" ", b"\t") and fields:
            # Folded, as servers of old wrote long values (RFC 9112, section 5.2): one blank stands for the fold.
            fields[-1] += b" " + text.strip(b" \t")
        else:
            fields.append(bytearray(text))
    for field in fields:
        parts = _FIELD.fullmatch(field)
        if parts is None:
            raise _not_http()
        yield parts[1].decode("ascii"), parts[2].strip(b" \t").decode("latin-1")


def _read_body(line: Line, head: Head) -> tuple[bytes, bool]:
    """Read the body, `MAX_REPLY_BYTES` + 1 bytes at most, and tell whether its end was reached on an open line."""
    is_chunked, lengths = bool(head.listed("transfer-encoding")), head.listed("content-length")
    if is_chunked and lengths:
        raise _not_http()
    if head.status in (204, 304):
        return b"", True
    if is_chunked:
        return _read_chunks(line)
    if lengths:
        length = int(lengths[0])
        return line.read(min(length, MAX_REPLY_BYTES + 1)), length <= MAX_REPLY_BYTES
    return line.read_to_end(MAX_REPLY_BYTES + 1), False


def _read_chunks(line: Line) -> tuple[bytes, bool]:
    body = bytearray()
    while len(body) <= MAX_REPLY_BYTES:
        parts = _CHUNK.fullmatch(line.readline(_MOST_HEAD_BYTES))
        if parts is None:
            raise _not_http()
        size = int(parts[1], 16)
        if not size:
            _headers(_lines_to_blank(line))  # trailers are of no use to anybody
            return bytes(body), True
        room = MAX_REPLY_BYTES + 1 - len(body)
        body += line.read(min(size, room))
        if size <= room and line.read(2) != b"\r\n":
            raise _not_http()
    return bytes(body), False


def _not_http() -> Trouble:
    return Trouble("protocol", "the reply is not HTTP/1.1")
