"""What can go wrong on purpose: the kinds of faults, the plan that aims them, forms of them in JSON, and presets.

from flowflex_testing import faults

fake.faults.arm("put", faults.Status(503, retry_after=2))
"""

from flowflex_testing.faults.kinds import (
    OPERATIONS,
    ORIGINS,
    Aim,
    AlreadyStored,
    ConnectionFault,
    Delay,
    Drip,
    Fault,
    HtmlPage,
    Interims,
    LoseReply,
    MalformedBody,
    Operation,
    Refuse,
    Reset,
    ResetOnAccept,
    Status,
    Struck,
    TruncateReply,
)

__all__ = [
    "OPERATIONS",
    "ORIGINS",
    "Aim",
    "AlreadyStored",
    "ConnectionFault",
    "Delay",
    "Drip",
    "Fault",
    "HtmlPage",
    "Interims",
    "LoseReply",
    "MalformedBody",
    "Operation",
    "Refuse",
    "Reset",
    "ResetOnAccept",
    "Status",
    "Struck",
    "TruncateReply",
]
