"""What stands behind the sizes of chunks, however the bytes arrive."""

import random

import h11
import pytest

from flowflex_transports.trio.chunks import ChunkSizes

BODY = (
    b'2\r\nok\r\n00a;name="value"\t\r\n0123\r\n\r\n\n9\r\nF \r\n'
    + bytes(range(15))
    + b"\r\n0\r\nTrailer: a\r\n\r\nHTTP/1.1"
)


def pieces(data: bytes, chance: random.Random) -> list[bytes]:
    cuts = sorted(chance.choices(range(len(data) + 1), k=chance.randrange(8)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def follow(arriving: list[bytes]) -> None:
    sizes = ChunkSizes()
    for piece in arriving:
        sizes.follow(piece)


def test_a_body_in_order_is_followed_to_its_end_however_it_arrives():
    """What is in the chunks, and what comes behind the last, is not looked at."""
    chance = random.Random(5)
    for _ in range(300):
        follow(pieces(BODY, chance))


@pytest.mark.parametrize("line", [b"2;a\rb", b"2;a\r", b"2;\r0"])
def test_a_bare_cr_is_found_however_it_arrives(line):
    """In the first size or in a later one."""
    chance = random.Random(5)
    for before in (b"", b"2\r\n\r\n\r\n"):
        for _ in range(100):
            arriving = pieces(before + line + b"\r\nok\r\n0\r\n\r\n", chance)
            with pytest.raises(h11.RemoteProtocolError):
                follow(arriving)
