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
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from flowflex_testing.engine.messages import OriginName
from flowflex_testing.faults.kinds import ORIGINS, Aim, ConnectionFault, Fault, Operation, Refuse, ResetOnAccept
from flowflex_testing.faults.presets import PRESETS

# Two workers may count the hits of one fault at a time.
_COUNTING = threading.Lock()


class Ports(Protocol):
    """The ports of a live server, for faults that strike connections.

    Attributes:
        resets: Told of each connection that was accepted, it says whether that one is to be reset.
    """

    resets: Callable[[OriginName], bool] | None

    def refuse(self, key: int, origin: OriginName, seconds: float | None, /) -> None:
        """Have the port of `origin` not listen, for so long or until `listen` is called with the same key."""
        ...

    def listen(self, key: int, /) -> None:
        """Have a port listen again, unless another key keeps it closed; nothing where it does."""
        ...


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
        # Where there are connections, they are struck there; without a server each request counts as one.
        self._ports: Ports | None = None
        self._is_a_guest = False

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
            self._check_ports(armed)
            self._armed = [*self._armed, *armed]
            for one in armed:
                self._close_port_before(one)
        return armed

    def arm_preset(self, name: str) -> list[ArmedFault]:
        """Arm the faults that go by `name` in `flowflex_testing.faults.presets`."""
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
            if self._ports is not None:
                self._ports.listen(fault_id)

    def clear(self) -> None:
        """Disarm every fault."""
        with self._lock:
            self._open_ports()
            self._armed = []

    # What a face and the engine call.

    def serve(self, ports: Ports | None) -> None:
        """Strike connections at these ports from now on; None where a server serves whose ports are another's."""
        with self._lock:
            self._is_a_guest = ports is None
            try:
                self._check_ports(self._armed)
            except ValueError:
                self._is_a_guest = False
                raise
            self._ports = ports
            if ports is not None:
                ports.resets = self._draw_connection
                for armed in self._armed:
                    self._close_port_before(armed)

    def leave(self) -> None:
        """Be without a server again."""
        with self._lock:
            self._open_ports()
            if self._ports is not None:
                self._ports.resets = None
            self._ports, self._is_a_guest = None, False

    def draw(self, operation: str, tenant: str | None = None) -> ArmedFault | None:
        """Count a request for `operation` by `tenant`, and return the fault that is to strike it."""
        due = None
        with self._lock:
            for armed in self._armed:
                if not armed.counts(operation, tenant):
                    continue
                if self._ports is not None and isinstance(armed.fault, ConnectionFault):
                    if isinstance(armed.fault, Refuse):
                        armed.seen += 1
                        self._close_port_before(armed)
                elif armed.takes_next() and due is None:
                    due = armed
        return due

    @property
    def is_empty(self) -> bool:
        """Whether nothing is armed."""
        return not self._armed

    def _draw_connection(self, origin: OriginName) -> bool:
        due = None
        with self._lock:
            for armed in self._armed:
                is_meant = isinstance(armed.fault, ResetOnAccept) and ORIGINS[armed.aim.operation] == origin
                if is_meant and armed.takes_next() and due is None:
                    due = armed
        if due is not None:
            due.note_hit()
        return due is not None

    # Under the lock.

    def _check_ports(self, wanted: Iterable[ArmedFault]) -> None:
        for armed in wanted:
            if self._is_a_guest and isinstance(armed.fault, ConnectionFault):
                raise ValueError(f"{armed.fault!r} strikes a port, and this fake is a guest at another server's")

    def _close_port_before(self, armed: ArmedFault) -> None:
        fault = armed.fault
        if self._ports is None or not isinstance(fault, Refuse) or armed.seen + 1 != armed.aim.occurrence:
            return
        # A server that starts again closes its port only where it still would be.
        if not armed.hits or fault.seconds is None:
            armed.note_hit()
            self._ports.refuse(armed.id, ORIGINS[armed.aim.operation], fault.seconds)

    def _open_ports(self) -> None:
        if self._ports is not None:
            for armed in self._armed:
                self._ports.listen(armed.id)

    # What a test asks.

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
