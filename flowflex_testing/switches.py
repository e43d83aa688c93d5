"""The switches of a fake: where FlowFlex is not documented, more than one behaviour exists in the field.

`strict=` turns off what is an assumed strictness; each other switch chooses between behaviours that real services have.
Which rules hold under which settings stands in `rules.toml`, in the column `where`.
"""

import math
from dataclasses import dataclass, fields
from functools import cache
from typing import Literal, TypedDict, get_args

from flowflex_testing.rules import RULES

StorageDialect = Literal["s3", "supabase"]
ApiDialect = Literal["error/code", "message/name"]
KeyFingerprint = Literal["body", "key"]
ReusedKeyStatus = Literal[422, 400]
MissingFile = Literal["refused", "failed-run"]
RetryAfter = Literal["seconds", "date"]


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How many requests of one integration the API takes in a window of time.

    A window begins with the first request that finds none, and is measured by the fake's clock: while that stands
    still, a limit that is reached stays so.

    Attributes:
        requests: How many are taken in a window; those that are refused by it do not count.
        seconds: How long a window is.
        retry_after: The form in which Retry-After tells the end of the window.
    """

    requests: int
    seconds: float
    retry_after: RetryAfter = "seconds"

    def __post_init__(self) -> None:
        if not isinstance(self.requests, int) or self.requests < 1:
            raise ValueError(f"requests counts from 1, not {self.requests!r}")
        if not 0 < self.seconds < math.inf:
            raise ValueError(f"seconds is finite and over 0, not {self.seconds!r}")
        _check("retry_after", self.retry_after, get_args(RetryAfter))


class SwitchSettings(TypedDict, total=False):
    """The switches as keyword arguments; `Switches` tells what each does."""

    strict: bool
    storage_dialect: StorageDialect
    api_dialect: ApiDialect
    key_fingerprint: KeyFingerprint
    reused_key_status: ReusedKeyStatus
    refuses_key_in_flight: bool
    missing_file: MissingFile
    rate_limit: RateLimit | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """How one fake behaves where the field is of two minds.

    Attributes:
        strict: Whether the rules that are an assumed strictness hold.
        storage_dialect: How storage words its errors, and takes a second PUT to one URL.
        api_dialect: The names of the two fields of an API error that hold its sentence and its code.
        key_fingerprint: What a repeated idempotency key is compared by: the event and the body under it, or the key
            alone, so that another body gets the stored answer.
        reused_key_status: The status for a key that comes again with another body.
        refuses_key_in_flight: Whether a key whose first request is still being worked on is refused by 409. Without,
            the second request is worked on as well, and the answer that was stored first is its answer.
        missing_file: What becomes of an event whose file was never uploaded or has expired: it is refused at once, or
            accepted and its run fails (`Event.failure`).
        rate_limit: How many requests the API takes; None is any number.
    """

    strict: bool = True
    storage_dialect: StorageDialect = "s3"
    api_dialect: ApiDialect = "error/code"
    key_fingerprint: KeyFingerprint = "body"
    reused_key_status: ReusedKeyStatus = 422
    refuses_key_in_flight: bool = True
    missing_file: MissingFile = "refused"
    rate_limit: RateLimit | None = None

    def __post_init__(self) -> None:
        for name, allowed in ALLOWED.items():
            _check(name, getattr(self, name), allowed)
        if not isinstance(self.rate_limit, RateLimit | None):
            raise ValueError(f"rate_limit is a RateLimit or None, not {self.rate_limit!r}")

    @property
    def enforced(self) -> frozenset[str]:
        """The ids of the rules that hold."""
        return _enforced(self)


# The settings of each switch that has but a few, the default first.
ALLOWED: dict[str, tuple[object, ...]] = {
    "strict": (True, False),
    "storage_dialect": get_args(StorageDialect),
    "api_dialect": get_args(ApiDialect),
    "key_fingerprint": get_args(KeyFingerprint),
    "reused_key_status": get_args(ReusedKeyStatus),
    "refuses_key_in_flight": (True, False),
    "missing_file": get_args(MissingFile),
}


@cache
def _enforced(switches: Switches) -> frozenset[str]:
    settings = {switch.name: getattr(switches, switch.name) for switch in fields(switches)}
    return frozenset(
        rule.id for rule in RULES.values() if all(_fits(settings[name], wanted) for name, wanted in rule.where.items())
    )


def _fits(setting: object, wanted: object) -> bool:
    return setting is not None if wanted == "given" else setting == wanted


def _check(name: str, value: object, allowed: tuple[object, ...]) -> None:
    # 1 is no True here, though Python holds them for equal.
    if (type(value), value) not in [(type(other), other) for other in allowed]:
        raise ValueError(f"{name} is one of {', '.join(map(repr, allowed))}, not {value!r}")
