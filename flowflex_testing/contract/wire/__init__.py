"""The wire part: how a transport behaves over sockets, checked against scripted peers."""

from flowflex_testing.contract.subject import WireSubject
from flowflex_testing.contract.wire import bounds, connections, failures, replies, requests, security
from flowflex_testing.contract.wire.check import WireCheck

WIRE: tuple[WireCheck, ...] = (
    *requests.CHECKS,
    *replies.CHECKS,
    *failures.CHECKS,
    *bounds.CHECKS,
    *connections.CHECKS,
    *security.CHECKS,
)


def wire_checks(subject: WireSubject) -> list[WireCheck]:
    """List the checks that apply to what `subject` declares itself to be."""
    return [check for check in WIRE if check.applies_to(subject)]


def check_wire(subject: WireSubject) -> None:
    """Run every check that applies; raises `ContractViolation` at the first fault."""
    for check in wire_checks(subject):
        check(subject)
