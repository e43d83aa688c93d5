"""How long to wait before a request is repeated. Needs no generator of randomness, so every run replays."""

from datetime import UTC
from email.utils import parsedate_to_datetime
from hashlib import blake2b

# Doubling from half a second: quick for a blip, and within eight attempts as slow as is useful.
FIRST_SECONDS = 0.5
LONGEST_SECONDS = 8.0

# A server that asks for more is not waited for: the caller is told, and can plan better than a blocked call.
LONGEST_RETRY_AFTER = 60.0


def delay(key: str, leg: str, attempt: int) -> float:
    """Return the seconds to wait after the failed `attempt` (counted from 1) of one `leg`.

    Exponential, with "equal jitter" (half fixed, half spread evenly) that is a hash of its arguments: clients with
    different keys spread, and the same send waits the same in every run.
    """
    longest = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(attempt - 1, 16))
    digest = blake2b(f"{key}\n{leg}\n{attempt}".encode(errors="backslashreplace"), digest_size=8).digest()
    return longest * (0.5 + int.from_bytes(digest) / 2.0**65)


def retry_after(value: str | None, date: str | None, now: float) -> float | None:
    """Read a Retry-After header in either form (RFC 9110, section 10.2.3) as seconds from `now`.

    A date is compared with the reply's own `date`, where it has one: the two clocks may differ. What cannot be read
    is None.
    """
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value[:18])
    moment = _moment(value)
    if moment is None:
        return None
    reference = _moment(date.strip()) if date is not None else None
    return max(0.0, moment - (now if reference is None else reference))


def _moment(value: str) -> float | None:
    try:
        moment = parsedate_to_datetime(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
