"""The tape: every decision of a schedule, in the order in which it was taken, so that the schedule can be run again.

A decision is a number below a bound, and 0 is always what is usual: a tape of zeros is a good day. A tape is drawn
from a seed or read back; the same tape gives the same schedule on every version of Python.
"""

from hashlib import shake_256

_DRAWN_BYTES = 256


class Tape:
    """Takes decisions, and remembers them.

    Attributes:
        taken: The decisions so far, a byte each.
    """

    __slots__ = ("_drawn", "_next", "_seed", "taken")

    def __init__(self, drawn: bytes, seed: bytes | None = None) -> None:
        self.taken = bytearray()
        self._drawn = drawn
        self._next = 0
        self._seed = seed

    @classmethod
    def of_seed(cls, seed: str) -> "Tape":
        """Return a tape whose decisions are drawn from `seed`, without end."""
        material = seed.encode()
        return cls(shake_256(material).digest(_DRAWN_BYTES), material)

    @classmethod
    def of_text(cls, text: str) -> "Tape":
        """Return the tape that `str(tape)` wrote; where it has run out, all is as usual.

        Raises:
            ValueError: The text is no tape.
        """
        try:
            return cls(bytes.fromhex(text))
        except ValueError:
            raise ValueError(f"a tape is written in hexadecimal digits, two a decision, not {text!r:.80}") from None

    def choose(self, bound: int) -> int:
        """Return a number from 0, which is the usual one, below `bound`, which is 256 at most."""
        try:
            value = self._drawn[self._next] % bound
        except IndexError:
            if self._seed is None:
                value = 0
            else:
                self._seed += b"+"
                self._drawn, self._next = shake_256(self._seed).digest(_DRAWN_BYTES), 0
                value = self._drawn[0] % bound
        self._next += 1
        self.taken.append(value)
        return value

    def once_in(self, times: int) -> bool:
        """Whether something happens that is not usual."""
        return self.choose(times) == times - 1

    def __str__(self) -> str:
        return self.taken.rstrip(b"\0").hex()
