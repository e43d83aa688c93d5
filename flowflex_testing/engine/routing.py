"""The engine of the fake, without I/O: from the head of a request to the operation that it is for.

A server, a transport in memory and a simulator all drive it, each at its own pace.
"""

from flowflex_testing.engine.api import (
    UPLOAD_URL_PATH,
    EventExchange,
    NoEndpointExchange,
    UploadUrlExchange,
    find_tenant,
    is_event_path,
)
from flowflex_testing.engine.exchange import Exchange, UnseenExchange
from flowflex_testing.engine.messages import Abort, BodyCut, BodyReader, Head, Reply
from flowflex_testing.engine.storage import ASSETS_PREFIX, NoPutExchange, PutExchange, named_tenant
from flowflex_testing.engine.store import Store
from flowflex_testing.faults.kinds import ConnectionFault, Operation
from flowflex_testing.faults.plan import FaultPlan

_PIECE_BYTES = 262_144


class Engine:
    """Works on requests over one store and one fault plan."""

    def __init__(self, store: Store, faults: FaultPlan) -> None:
        self.store = store
        self.faults = faults

    def handle(self, head: Head, body: BodyReader) -> Reply | Abort:
        """Work on one request, and return what goes out. The body is read as far as it is wanted, and no farther."""
        exchange = self.open(head)
        try:
            while exchange.outcome is None:
                data = body.read(_PIECE_BYTES)
                if data:
                    exchange.feed(data)
                else:
                    exchange.finish()
        except BodyCut:
            exchange.cut_short()
        except BaseException:
            exchange.cut_short()
            raise
        assert exchange.outcome is not None
        return exchange.outcome

    def open(self, head: Head) -> Exchange:
        """Begin with a request whose head has arrived, for who wants to feed the body piece by piece."""
        clock = self.store.clock
        if clock.rate:
            clock.settle()
        exchange = self._exchange(head)
        exchange.open()
        return exchange

    def _exchange(self, head: Head) -> Exchange:
        operation = _operation_of(head)
        if operation is None:
            return NoPutExchange(self.store, head) if head.origin == "storage" else NoEndpointExchange(self.store, head)
        if self.faults.is_empty:
            return _EXCHANGES[operation](self.store, head, None)
        tenant = self._claimed_tenant(head)
        armed = self.faults.draw(operation, tenant)
        if armed is not None and isinstance(armed.fault, ConnectionFault):
            armed.note_hit()
            return UnseenExchange(armed.fault.strike())
        exchange = _EXCHANGES[operation](self.store, head, armed)
        if tenant in self.store.tenants:
            exchange.record.tenant = tenant  # a fault may strike before any rule tells
        return exchange

    def _claimed_tenant(self, head: Head) -> str | None:
        """Return the name of the tenant that a request says it is of; the rules come later."""
        if head.origin == "storage":
            return named_tenant(head.target)
        tenant = find_tenant(self.store, dict(head.headers).get("authorization"))
        return None if tenant is None else tenant.name


_EXCHANGES: dict[Operation, type[UploadUrlExchange | PutExchange | EventExchange]] = {
    "upload-url": UploadUrlExchange,
    "put": PutExchange,
    "event": EventExchange,
}


def _operation_of(head: Head) -> Operation | None:
    path = head.target.partition("?")[0]
    if head.origin == "storage":
        return "put" if head.method == "PUT" and path.startswith(ASSETS_PREFIX) else None
    if head.method != "POST":
        return None
    if is_event_path(path):
        return "event"
    return "upload-url" if path == UPLOAD_URL_PATH else None
