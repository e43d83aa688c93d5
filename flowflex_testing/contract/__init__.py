"""The published contract of transports and runtimes: checks for code of your own, from any test runner.

    from flowflex_testing import contract

    SUBJECT = contract.WireSubject(
        make=MyTransport,
        trusting=lambda ca_file: MyTransport(ssl.create_default_context(cafile=ca_file)),
        proxied=None,
        reuses_connections=False,
        asynchronous=None,
    )

    @pytest.mark.parametrize("check", contract.wire_checks(SUBJECT))
    def test_my_transport_keeps_the_contract(check):
        check(SUBJECT)

A check returns nothing, or raises `ContractViolation`, whose message names the fault, what was expected and what was
seen.

- *wire*: a transport over sockets, against scripted peers on the loopback interface that are as rude as peers get.
"""

from flowflex_testing.contract.subject import AsyncFunction, Asynchronous, WireSubject
from flowflex_testing.contract.violation import ContractViolation
from flowflex_testing.contract.wire import WIRE, check_wire, wire_checks
from flowflex_testing.contract.wire.check import WireCheck

__all__ = [
    "WIRE",
    "AsyncFunction",
    "Asynchronous",
    "ContractViolation",
    "WireCheck",
    "WireSubject",
    "check_wire",
    "wire_checks",
]
