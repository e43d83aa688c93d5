"""How a check says no: one error, whose message names the fault, what was expected, and what was seen."""

from flowflex_core.messages import Response


class ContractViolation(AssertionError):
    """What is under check breaks the contract.

    Attributes:
        fault: The fault in one sentence.
        expected: What the contract asks for.
        seen: What happened instead.
    """

    def __init__(self, fault: str, *, expected: str, seen: str) -> None:
        super().__init__(f"{fault}: expected {expected}; saw {seen}")
        self.fault = fault
        self.expected = expected
        self.seen = seen


def require(holds: bool, fault: str, *, expected: object, seen: object) -> None:
    """Raise `ContractViolation` unless the condition `holds`."""
    if not holds:
        raise ContractViolation(fault, expected=_words(expected), seen=_words(seen))


def describe(outcome: object) -> str:
    """Say in a few words what came of a request: an outcome, or the exception that was raised instead."""
    if isinstance(outcome, Response):
        return f"Response({outcome.status}, {len(outcome.body)} bytes)"
    if isinstance(outcome, BaseException):
        return f"{type(outcome).__name__} raised ({outcome})"
    return repr(outcome)


def _words(value: object) -> str:
    return value if isinstance(value, str) else repr(value)
