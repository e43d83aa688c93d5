"""The fault plan of a fake: which request each fault strikes, and whether it has.

    fake.faults.arm("put", Status(503, retry_after=2))          # the next PUT
    fake.faults.arm("event", LoseReply(), occurrence=2)         # the second event from now on
    fake.faults.arm("upload-url", HtmlPage(), times=None)       # every request for an upload URL
    fake.faults.arm("event", Status(500), times=None, chance=0.1, seed=7)
    fake.faults.arm_all([Aim("put", LoseReply()), Aim("event", Status(429))])
    fake.faults.arm_preset("throttle")

Requests are counted from the arming on.
"""

import hashlib
import itertools
import threading
from collections.abc import Iterable
from dataclasses import dataclass

from flowflex_testing.faults import Aim, Fault, Operation
from flowflex_testing.presets import PRESETS

# Two workers may count the hits of one fault at a time.
_COUNTING = threading.Lock()


@dataclass(slots=True)
class ArmedFault:
    """A fault in the plan.

    Attributes:
        id: From 1, in the order of arming; none is given twice.
        aim: What it is, and which requests it is to strike.
        seen: How many requests it has counted.
        hits: How many it has struck.
    """

    id: int
    aim: Aim
    seen: int = 0
    hits: int = 0

    @property
    def fault(self) -> Fault:
        """What it does."""
        return self.aim.fault

    def counts(self, operation: str, tenant: str | None) -> bool:
        """Tell whether a request for `operation` by `tenant` is one of those that it waits for."""
        return self.aim.operation == operation and self.aim.tenant in (None, tenant)

    def takes_next(self) -> bool:
        """Count a request, and return whether it is one that is to be struck."""
        self.seen += 1
        aim = self.aim
        if self.seen < aim.occurrence or (aim.times is not None and self.seen >= aim.occurrence + aim.times):
            return False
        return aim.chance is None or _drawn(aim.seed, self.seen) < aim.chance

    def note_hit(self) -> None:
        """Count a request that was struck."""
        with _COUNTING:
            self.hits += 1

    def __str__(self) -> str:
        return str(self.aim)


class FaultPlan:
    """The faults of one fake. Where two would strike one request, the one that was armed first does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[ArmedFault] = []
        self._ids = itertools.count(1)

    def arm(
        self,
        operation: Operation,
        fault: Fault,
        *,
        occurrence: int = 1,
        times: int | None = 1,
        chance: float | None = None,
        seed: int | None = None,
        tenant: str | None = None,
    ) -> ArmedFault:
        """Strike the `occurrence`-th request for `operation` from now on, and `times` in all; see `faults.Aim`."""
        aim = Aim(operation, fault, occurrence=occurrence, times=times, chance=chance, seed=seed, tenant=tenant)
        return self.arm_all([aim])[0]

    def arm_all(self, aims: Iterable[Aim]) -> list[ArmedFault]:
        """Arm several faults at one moment: no request comes between them, and a mistake in one arms none."""
        wanted = list(aims)
        with self._lock:
            armed = [ArmedFault(next(self._ids), aim) for aim in wanted]
            self._armed += armed
        return armed

    def arm_preset(self, name: str) -> list[ArmedFault]:
        """Arm the faults that go by `name` in `flowflex_testing.presets`."""
        if name not in PRESETS:
            raise ValueError(f"preset is one of {', '.join(PRESETS)}, not {name!r}")
        return self.arm_all(PRESETS[name]())

    @property
    def armed(self) -> list[ArmedFault]:
        """The faults in the plan, those that have struck too."""
        with self._lock:
            return list(self._armed)

    def disarm(self, fault_id: int) -> None:
        """Take one fault out of the plan, by its `id`."""
        with self._lock:
            left = [armed for armed in self._armed if armed.id != fault_id]
            if len(left) == len(self._armed):
                raise ValueError(f"there is no armed fault {fault_id!r}")
            self._armed = left

    def clear(self) -> None:
        """Disarm every fault."""
        with self._lock:
            self._armed = []

    def draw(self, operation: str, tenant: str | None = None) -> ArmedFault | None:
        """Count a request for `operation` by `tenant`, and return the fault that is to strike it."""
        if not self._armed:
            return None
        with self._lock:
            due = [armed for armed in self._armed if armed.counts(operation, tenant) and armed.takes_next()]
        return due[0] if due else None

    def unfired(self) -> list[ArmedFault]:
        """Return the faults that have not struck any request."""
        with self._lock:
            return [armed for armed in self._armed if not armed.hits]

    def assert_fired(self) -> None:
        """Fail where a fault never fired: the test has not tried what it says."""
        unfired = [f"{armed} ({armed.seen} such requests came)" for armed in self.unfired()]
        if unfired:
            raise AssertionError("faults never fired: " + "; ".join(unfired))


def _drawn(seed: int | None, number: int) -> float:
    """Return a number from 0 up to 1, the same in every run."""
    digest = hashlib.blake2b(f"{seed}/{number}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64
