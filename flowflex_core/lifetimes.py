"""How long upload URLs, stored files and idempotency keys can be used.

Upload URLs live two hours and files 48 hours, as the vendor documents it. How long FlowFlex remembers a key is not
documented: a day is what Stripe does, and what the IETF draft on the Idempotency-Key header has as an example.

Where something can still be had anew it is held for old a margin earlier: clocks differ, and a request takes time.
"""

from typing import Final

URL_LIFETIME: Final = 2 * 3600.0
URL_MARGIN: Final = 300.0

ASSET_LIFETIME: Final = 48 * 3600.0
ASSET_MARGIN: Final = 3600.0

KEY_LIFETIME: Final = 24 * 3600.0
KEY_MARGIN: Final = 3600.0


def is_old_url(since: float, now: float) -> bool:
    """Whether an upload URL that was asked for at `since` may have expired."""
    return now >= since + URL_LIFETIME - URL_MARGIN


def is_old_asset(since: float, now: float) -> bool:
    """Whether a file that is stored since `since` may be deleted before an event that is sent now has used it."""
    return now >= since + ASSET_LIFETIME - ASSET_MARGIN


def is_gone(since: float, now: float) -> bool:
    """Whether a file that is stored since `since` is deleted by now."""
    return now >= since + ASSET_LIFETIME


def is_forgotten(since: float, now: float) -> bool:
    """Whether a key that was first sent at `since` may be new to FlowFlex again, and a repetition another event."""
    return now >= since + KEY_LIFETIME - KEY_MARGIN
