"""The runtime part: whether a loop of one's own drives the core's operations as they want to be driven.

The operations are the core's own; what becomes of their requests is scripted. Time is the runtime's, real or not.
"""

from flowflex_testing.contract.runtime.checks import RUNTIME, RuntimeCheck
from flowflex_testing.contract.subject import RuntimeSubject


def runtime_checks(subject: RuntimeSubject) -> list[RuntimeCheck]:
    """List the checks that apply to what `subject` promises."""
    return [check for check in RUNTIME if check.applies_to(subject)]


def check_runtime(subject: RuntimeSubject) -> None:
    """Run every check that applies; raises `ContractViolation` at the first fault."""
    for check in runtime_checks(subject):
        check(subject)
