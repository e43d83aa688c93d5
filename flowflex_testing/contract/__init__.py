"""The published contract of transports and runtimes: checks for code of your own, from any test runner.

    from flowflex_testing import contract

    SUBJECT = contract.WireSubject(
        make=MyTransport,
        trusting=lambda ca_file: MyTransport(ssl.create_default_context(cafile=ca_file)),
        proxied=None,
        reuses_connections=False,
        reads_strictly=False,
        bounds_total=False,
        skips_interim=False,
        reads_early_replies=False,
        reads_unframed_replies=False,
        asynchronous=None,
    )

    @pytest.mark.parametrize("check", contract.wire_checks(SUBJECT))
    def test_my_transport_keeps_the_contract(check):
        check(SUBJECT)

A check returns nothing, or raises `ContractViolation`, whose message names the fault, what was expected and what was
seen. There are three parts:

- *wire*: a transport over sockets, against scripted peers on the loopback interface that are as rude as peers get;
- *semantics*: a transport of any kind, through which whole sends go to a fake FlowFlex;
- *runtime*: a loop that drives the core's operations, with scripted outcomes.

What does not apply is declared in the subject, never guessed. `check_wire(SUBJECT)` and its like run a whole part.
"""

from flowflex_testing.contract.runtime import check_runtime, runtime_checks
from flowflex_testing.contract.runtime.checks import RUNTIME, RuntimeCheck
from flowflex_testing.contract.semantics import SEMANTICS, SemanticsCheck, check_semantics
from flowflex_testing.contract.subject import AsyncFunction, Asynchronous, RuntimeSubject, SemanticsSubject, WireSubject
from flowflex_testing.contract.violation import ContractViolation
from flowflex_testing.contract.wire import WIRE, check_wire, wire_checks
from flowflex_testing.contract.wire.check import WireCheck

__all__ = [
    "RUNTIME",
    "SEMANTICS",
    "WIRE",
    "AsyncFunction",
    "Asynchronous",
    "ContractViolation",
    "RuntimeCheck",
    "RuntimeSubject",
    "SemanticsCheck",
    "SemanticsSubject",
    "WireCheck",
    "WireSubject",
    "check_runtime",
    "check_semantics",
    "check_wire",
    "runtime_checks",
    "wire_checks",
]
