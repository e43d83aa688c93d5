"""What all checks have in common: a name, and the sentence that they hold something to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Check:
    """A named check. Called with a subject, it returns nothing, or raises `ContractViolation`."""

    function: Callable[[Any], Any]

    @property
    def __name__(self) -> str:  # pytest makes its ids of it
        """The name of the check."""
        return getattr(self.function, "__name__", "")

    @property
    def sentence(self) -> str:
        """What the contract asks for, in a sentence."""
        return self.function.__doc__ or ""
