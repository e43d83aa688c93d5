"""One request and what becomes of it: fed piece by piece as its body arrives, until it has an outcome.

An exchange does no I/O, so that a server, a transport in memory and a simulator can all drive it at their own pace.
A subclass knows an operation: it looks at the head, takes the body, and decides.
"""

import time
from collections.abc import Mapping
from typing import ClassVar

from flowflex_testing.engine.dialects import API_ERRORS, STORAGE_ERRORS
from flowflex_testing.engine.messages import Abort, Head, Headers, Reply
from flowflex_testing.engine.store import Store
from flowflex_testing.faults.plan import ArmedFault
from flowflex_testing.rules import RULES, Refused


class Exchange:
    """A request under way.

    Attributes:
        outcome: What is to go out; None while more of the body is wanted.
    """

    operation: ClassVar[str | None] = None
    # The rule that a body breaks which ends too soon; without one there is nothing to say to a peer that went away.
    incomplete_rule: ClassVar[str | None] = None

    def __init__(self, store: Store, head: Head, armed: ArmedFault | None = None) -> None:
        self.outcome: Reply | Abort | None = None
        self.store = store
        self.head = head
        self.fields = dict(head.headers)
        self.record = store.record(head, self.operation)
        # None where transfer coding tells the length, and so not before the end.
        self.length = None if "transfer-encoding" in self.fields else int(self.fields.get("content-length", "0"))
        self._armed = armed
        self._strike_at: int | None = None
        self._instead: Reply | Abort | None = None
        if armed is not None:
            self._strike_at = armed.fault.strikes_at()
            self._instead = armed.fault.instead(self)
        # A fault that answers in place of FlowFlex, so that no rule ever sees the request.
        self._blind = self._instead is not None and self._strike_at is None

    # What a subclass knows.

    def check_head(self) -> None:
        """Raise `Refused` for whatever the head alone shows, before any of the body is read."""

    def take(self, data: bytes) -> None:
        """Take a piece of the body; raises `Refused` as soon as it is too much."""

    def decide(self) -> Reply:
        """Answer the whole request, or raise `Refused`."""
        raise NotImplementedError

    def release(self) -> None:
        """Give back what `check_head` took; called when there is an outcome."""

    # What a driver calls, in this order, as long as there is no outcome.

    def open(self) -> None:
        """Begin: the head has arrived."""
        if self._strike_at == 0:
            self._strike()
            return
        try:
            if not self._blind:
                self.check_head()
        except Refused as refused:
            self._refuse(refused)
            return
        if self.length == 0:
            self.finish()

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the body; with the last of a known length the outcome is there."""
        received = self.record.received + len(data)
        if self._strike_at is not None and received >= self._strike_at:
            self.record.received = self._strike_at
            self._strike()
            return
        self.record.received = received
        try:
            self.take(data)
        except Refused as refused:
            self._refuse(refused)
            return
        if received == self.length:
            self.finish()

    def finish(self) -> None:
        """Take the end of the body."""
        if self._blind:
            self._strike()
            return
        try:
            reply = self.decide()
        except Refused as refused:
            self._refuse(refused)
            return
        self._answer(reply)

    def cut_short(self) -> None:
        """Give up, for the peer went away before the end of its body: no effect, and perhaps nobody listens."""
        if self.incomplete_rule is None or self._blind:
            self._end(Abort(reset=False))
        else:
            self._refuse(Refused(self.incomplete_rule))

    # Inside.

    def accept(self, rule_id: str, headers: Headers, body: bytes) -> Reply:
        """Note the rule behind a success, and return its reply."""
        self.record.rule = rule_id
        self.record.status = status = RULES[rule_id].status
        return Reply(status, (*headers, self._request_id()), body)

    def _refuse(self, refused: Refused) -> None:
        rule = refused.rule
        self.record.rule, self.record.code = rule.id, rule.code
        reply = self.error(rule.status, rule.code, refused.message, refused.headers, refused.details)
        self.record.status = reply.status
        self._answer(reply)

    def _answer(self, reply: Reply) -> None:
        if self._armed is None or self._instead is not None:
            self._end(reply)
            return
        outcome = self._armed.fault.after(reply, self)
        if outcome is not reply:
            self._note_fault(self._armed, outcome)
        self._end(outcome)

    def _strike(self) -> None:
        assert self._armed is not None
        assert self._instead is not None
        self._note_fault(self._armed, self._instead)
        self._end(self._instead)

    def _note_fault(self, armed: ArmedFault, outcome: Reply | Abort) -> None:
        armed.note_hit()
        self.record.fault = repr(armed.fault)
        if isinstance(outcome, Reply):
            self.record.status = outcome.status

    def _end(self, outcome: Reply | Abort) -> None:
        self.release()
        self.record.ended = time.monotonic()  # before the reply: who sees that sees this
        self.record.reply = self.outcome = outcome
        self.store.note_end(self.record)

    def _request_id(self) -> tuple[str, str]:
        return "x-request-id", self.record.request_id

    # What a fault may know.

    @property
    def rule(self) -> str | None:
        """The id of the rule behind the answer; None before there is one."""
        return self.record.rule

    @property
    def now(self) -> float:
        """The fake's time."""
        return self.store.clock.now()

    def error(
        self,
        status: int,
        code: str,
        message: str,
        headers: Headers = (),
        details: Mapping[str, object] | None = None,
        /,
    ) -> Reply:
        """Make an error reply in the dialect of the origin."""
        switches = self.store.switches
        is_api = self.head.origin == "api"
        error = API_ERRORS[switches.api_dialect] if is_api else STORAGE_ERRORS[switches.storage_dialect]
        return error(status, code, message, self.record.request_id, details or {}, (*headers, self._request_id()))


class UnseenExchange(Exchange):
    """What was never seen, for a fault struck its connection: it has its outcome, and stands in no journal."""

    def __init__(self, outcome: Abort) -> None:
        self.outcome = outcome

    def open(self) -> None:
        """Do nothing: it is over."""
