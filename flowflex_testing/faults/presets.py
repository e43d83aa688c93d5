"""Presets: troubles of the field, each as the faults that make it up.

    fake.faults.arm_preset("throttle")
    fake.faults.arm_all(throttle("upload-url"))

Those that take an operation strike the event where none is given.
"""

from collections.abc import Callable, Mapping

from flowflex_testing.faults.kinds import Aim, AlreadyStored, HtmlPage, LoseReply, Operation, Status


def lost_response(operation: Operation = "event") -> list[Aim]:
    """Lose the reply to an event that was accepted: only a repeat under the same key tells."""
    return [Aim(operation, LoseReply())]


def duplicate_on_retry() -> list[Aim]:
    """Lose the reply to a PUT that was stored, and tell its repeat that the file is there already."""
    return [Aim("put", LoseReply()), Aim("put", AlreadyStored(), occurrence=2, times=None)]


def gateway_html(operation: Operation = "event") -> list[Aim]:
    """Answer an event by the HTML page of a gateway, 502, once."""
    return [Aim(operation, HtmlPage(502))]


def storage_outage() -> list[Aim]:
    """Answer every PUT with 503, until it is disarmed."""
    return [Aim("put", Status(503, "SlowDown"), times=None)]


def throttle(operation: Operation = "event") -> list[Aim]:
    """Refuse an event twice by 429, with a Retry-After of one second: as a number, then as a date."""
    limit = Status(429, "RATE_LIMITED", retry_after=1)
    dated = Status(429, "RATE_LIMITED", retry_after=1, as_date=True)
    return [Aim(operation, limit), Aim(operation, dated, occurrence=2)]


PRESETS: Mapping[str, Callable[[], list[Aim]]] = {
    preset.__name__: preset for preset in (lost_response, duplicate_on_retry, gateway_html, storage_outage, throttle)
}
