"""One named check of a transport's wire, callable by itself."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from flowflex_testing.contract.bench import Bench, run
from flowflex_testing.contract.subject import WireSubject

# The fields of `WireSubject` that a check may depend on.
Need = Literal["trusting", "proxied", "reuses_connections"]


@dataclass(frozen=True)
class WireCheck:
    """A check of how a transport behaves on the wire. Call it with a `WireSubject`; it raises or returns nothing.

    Attributes:
        needs: What the subject must declare for the check to apply; None where it applies to all.
    """

    function: Callable[[Bench], Awaitable[None]]
    needs: Need | None = None

    @property
    def __name__(self) -> str:  # pytest makes its ids of it
        """The name of the check."""
        return getattr(self.function, "__name__", "")

    @property
    def sentence(self) -> str:
        """What the contract asks for, in a sentence."""
        return self.function.__doc__ or ""

    def applies_to(self, subject: WireSubject) -> bool:
        """Whether the subject declares what the check needs."""
        return self.needs is None or bool(getattr(subject, self.needs))

    def __call__(self, subject: WireSubject) -> None:
        """Run the check; raises `ContractViolation`."""

        async def check() -> None:
            bench = Bench(subject)
            try:
                await self.function(bench)
            finally:
                await bench.close()

        run(subject.asynchronous, check)
