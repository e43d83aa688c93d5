"""Makes a tape simpler while the same rule is still broken: fewer decisions, more of them as usual, lower ones."""

from collections.abc import Callable, Iterator

# Each try is a whole schedule.
_MOST_TRIES = 4_000


def shrink(tape: bytes, still_fails: Callable[[bytes], bool]) -> bytes:
    """Return a tape that still fails, and that no single step makes simpler; or the best when the tries are used up."""
    best, tries = tape.rstrip(b"\0"), 0
    went_on = True
    while went_on:
        went_on = False
        for candidate in _simpler(best):
            tries += 1
            if tries > _MOST_TRIES:
                return best
            if still_fails(candidate):
                best, went_on = candidate.rstrip(b"\0"), True
                break
    return best


def _simpler(tape: bytes) -> Iterator[bytes]:
    length = len(tape)
    span = length
    while span:
        for start in range(0, length, span):
            rest = tape[start + span :]
            yield tape[:start] + rest
            if any(tape[start : start + span]):
                yield tape[:start] + bytes(min(span, length - start)) + rest
        span //= 2
    for index, value in enumerate(tape):
        for lower in {value // 2, value - 1} if value > 1 else ():
            yield tape[:index] + bytes([lower]) + tape[index + 1 :]
