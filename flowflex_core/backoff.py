"""How long to wait before a request is repeated. Needs no generator of randomness, so every run replays."""

import re
from datetime import UTC, datetime
from hashlib import blake2b

# Doubling from half a second: quick for a blip, and within eight attempts as slow as is useful.
FIRST_DELAY = 0.5
LONGEST_DELAY = 8.0

# A server that asks for more is not waited for: the caller is told, and can plan better than a blocked call.
LONGEST_RETRY_AFTER = 60.0


def delay(key: str, leg: str, attempt: int) -> float:
    """Return the seconds to wait after the failed `attempt` (counted from 1) of one `leg`.

    Exponential, with "equal jitter" (half fixed, half spread evenly) that is a hash of its arguments: clients with
    different keys spread, and the same send waits the same in every run.
    """
    longest = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(attempt - 1, 16))
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


# The three forms of a date in HTTP (RFC 9110, section 5.6.7), in GMT. `email.utils` reads them too, and loads
# sockets and random numbers to do so.
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_DATES = tuple(
    re.compile(form.replace("TIME", _TIME), re.ASCII)
    for form in (
        r"\w{3}, (?P<day>\d\d) (?P<month>\w{3}) (?P<year>\d{4}) TIME GMT",
        r"\w{6,9}, (?P<day>\d\d)-(?P<month>\w{3})-(?P<year>\d\d) TIME GMT",
        r"\w{3} (?P<month>\w{3}) (?P<day>[ \d]\d) TIME (?P<year>\d{4})",
    )
)


def _moment(value: str) -> float | None:
    match = next((match for form in _DATES if (match := form.fullmatch(value))), None)
    if match is None or match["month"].lower() not in _MONTHS:
        return None
    year = int(match["year"]) + (2000 if len(match["year"]) == 2 else 0)
    month = _MONTHS.index(match["month"].lower()) + 1
    try:
        day = datetime(year, month, int(match["day"]), int(match["hour"]), int(match["minute"]), tzinfo=UTC)
    except ValueError:
        return None
    return day.timestamp() + int(match["second"])
