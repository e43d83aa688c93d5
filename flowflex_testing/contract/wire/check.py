"""One check of a transport's wire, callable by itself."""

from dataclasses import dataclass
from typing import Literal

from flowflex_testing.contract.bench import run_check
from flowflex_testing.contract.check import Check
from flowflex_testing.contract.subject import WireSubject
from flowflex_testing.contract.wire.bench import WireBench

# The fields of `WireSubject` that a check may depend on.
Need = Literal[
    "trusting",
    "proxied",
    "reuses_connections",
    "reads_strictly",
    "bounds_total",
    "skips_interim",
    "reads_early_replies",
    "reads_unframed_replies",
]


@dataclass(frozen=True)
class WireCheck(Check):
    """A check of how a transport behaves on the wire.

    Attributes:
        needs: All that the subject must declare for the check to apply.
    """

    needs: tuple[Need, ...] = ()

    def applies_to(self, subject: WireSubject) -> bool:
        """Whether the subject declares what the check needs."""
        return all(getattr(subject, need) for need in self.needs)

    def __call__(self, subject: WireSubject) -> None:
        """Run the check; raises `ContractViolation`."""

        async def check() -> None:
            bench = WireBench(subject)
            try:
                await self.function(bench)
            finally:
                await bench.close()

        run_check(subject.asynchronous, check)
