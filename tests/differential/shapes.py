"""The shapes that a difference from the vendor's SDK takes, and the names for what often stands in one."""

from tests.differential.facts import Differences

# A reason in words -> a scenario -> each fact that differs there, as (vendor's, ours).
Permitted = dict[str, dict[str, Differences]]

CONFIG = "FlowFlexConfigError"
UPLOAD = "FlowFlexUploadError"
MIME = "FlowFlexUploadError MIME_NOT_ALLOWED"
UNKNOWN = "FlowFlexOutcomeUnknownError"

PUT = "PUT /bucket/asset_invoicepdf1"
SEND = ["upload-url", PUT, "event"]
STORED = ["upload-url", PUT]
ACCEPTED = {"status": "accepted", "eventId": "evt_1"}


def outcome(vendors: str, ours: str) -> Differences:
    """Another outcome of the same requests."""
    return {"outcome": (vendors, ours)}


def works(vendors: str, ours_sent: list[str], vendor_sent: list[str] | None = None) -> Differences:
    """Ours went on to the end, where the vendor's raised."""
    return {"outcome": (vendors, "ok"), "requests": (vendor_sent or [], ours_sent)}


def stops(vendors: str, ours: str, vendor_sent: list[str], ours_sent: list[str]) -> Differences:
    """Ours raised at a point where the vendor's went on."""
    return {"outcome": (vendors, ours), "requests": (vendor_sent, ours_sent)}


def refused(ours: str, vendor_sent: list[str], vendors: str = "ok") -> Differences:
    """Ours raised and sent nothing, where the vendor's sent something first."""
    return stops(vendors, ours, vendor_sent, [])


def response(vendors: object, ours: object) -> Differences:
    """Another response to the same event."""
    return {"results": ([(vendors, {})], [(ours, {})])}
