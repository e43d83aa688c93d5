"""The network of a simulation: one flight for each attempt, from the request that leaves to the outcome that returns.

What a mishap does to a flight is told in the words of this module: it arrives, or a part of it does, it is answered,
it fails. The other side of the wire is the engine of the fake, with its real rules.
"""

from typing import Literal, Protocol

from flowflex_core.messages import Failure, FailureKind, Outcome, Request, Response
from flowflex_testing.engine.exchange import Exchange
from flowflex_testing.engine.messages import Head, Reply
from flowflex_testing.engine.routing import Engine
from flowflex_testing.simulation.tape import Tape
from flowflex_testing.simulation.timeline import Timeline

Leg = Literal["upload-url", "put", "event"]

API = "https://api.flowflex.test"
STORAGE = "https://storage.flowflex.test"

# One way.
LATENCY = 0.04


class Performer(Protocol):
    """Who wants a request performed, and hears what came of it."""

    number: int
    is_over: bool
    # Whether it went on after an error, and so has all attempts again.
    tries_anew: bool

    def hear(self, flight: "Flight", outcome: Outcome) -> None:
        """Take the outcome of a flight."""
        ...


class Flight:
    """One attempt.

    Attributes:
        tape: Where its decisions are taken from.
        timeline: When it is.
        request: What was to be performed.
        leg: Which leg it is, as the other side of the wire sees it.
        body: The bytes that are sent.
        at: When it left.
        decided_at: When it was decided: earlier where a loop performs one request after the other.
        mishap: The name of what happened to it; empty where nothing did.
        reply: What the server said, as soon as it did.
        arrivals: How often the server has seen it whole.
        outcome: What the performer was told; None while it is under way.
        landed_at: When the performer was told.
        was_heard: Whether the performer was still there when it was told.
        was_given_up: Whether the performer did not wait for the outcome.
        not_before: When it may be repeated, as the reply asked for it.
    """

    __slots__ = (
        "_network",
        "arrivals",
        "at",
        "body",
        "decided_at",
        "landed_at",
        "leg",
        "mishap",
        "not_before",
        "outcome",
        "performer",
        "reply",
        "request",
        "tape",
        "timeline",
        "was_given_up",
        "was_heard",
    )

    def __init__(self, network: "Network", performer: Performer, request: Request, body: bytes) -> None:
        self._network = network
        self.tape = network.tape
        self.timeline = timeline = network.timeline
        self.performer = performer
        self.request = request
        self.leg: Leg = leg_of(request)
        self.body = body
        self.at = self.decided_at = timeline.now
        self.mishap = ""
        self.reply: Reply | None = None
        self.arrivals = 0
        self.outcome: Outcome | None = None
        self.landed_at: float | None = None
        self.was_heard = False
        self.was_given_up = False
        self.not_before = 0.0

    # What can be told of it.

    def goes_well(self) -> None:
        """Let it arrive and be answered."""
        self.timeline.after(LATENCY, self._arrive_and_answer)

    def arrives(self, after: float = LATENCY) -> None:
        """Let it arrive whole, and the server do what it asks for; of an answer nothing is said."""
        self.timeline.after(after, self._arrive)

    def arrives_in_part(self, part: int, after: float = LATENCY) -> None:
        """Let so many bytes of its body arrive, and then the end of the connection."""
        self.timeline.after(after, lambda: self._arrive_in_part(part))

    def arrives_slowly(self, seconds: float) -> None:
        """Let its head arrive at once, and what it asks for be done after so many seconds, and answered then."""
        self.timeline.after(LATENCY, lambda: self._begin(seconds))

    def answers(self, after: float) -> None:
        """Make what the server will have said by then the outcome."""
        self.timeline.after(after, self._answer)

    def answers_in_part(self, parts: int, after: float = 2 * LATENCY) -> None:
        """Make so many quarters of what the server will have said by then the outcome, and a byte less."""
        self.timeline.after(after, lambda: self._answer_in_part(parts))

    def replies(self, after: float, status: int, headers: tuple[tuple[str, str], ...] = (), body: bytes = b"") -> None:
        """Let somebody else than the server answer."""
        self.timeline.after(after, lambda: self.ends(Response(self.request.id, status, headers, body)))

    def fails(self, after: float, kind: FailureKind, *, sent: bool) -> None:
        """Let there be no answer."""
        self.timeline.after(after, lambda: self.ends(Failure(self.request.id, kind, f"simulated: {kind}", sent)))

    def ends(self, outcome: Outcome) -> None:
        """Tell the performer, unless it was told or is gone."""
        if self.outcome is None:
            self.outcome = outcome
            self.landed_at = self.timeline.now
            self.was_heard = not self.performer.is_over
            self.performer.hear(self, outcome)

    def is_waited_for_no_more(self) -> None:
        """Let the performer make an outcome of its own; the request may arrive all the same."""
        self.was_given_up = True
        if self.outcome is not None:
            self.was_heard = False  # it came in the very moment
        else:
            self.ends(Failure(self.request.id, "timeout", "simulated: nobody waited for it", sent=True))

    def tells_again(self, after: float) -> None:
        """Tell the performer once more: what the server said, or, where it said nothing, what it was told before."""
        self.timeline.after(after, self._tell_again)

    # What the server sees.

    @property
    def _is_lost(self) -> bool:
        # A key is remembered for a day: against an event that is on its way for too long no sender can do anything.
        return self.leg == "event" and self.timeline.now > self.at + self._network.longest_way

    def _arrive(self) -> None:
        if self._is_lost:
            return
        reply = self._network.handle(self)
        if self.arrivals == 1:
            self.reply = reply  # a copy that comes later has nobody to answer

    def _arrive_and_answer(self) -> None:
        self._arrive()
        self.timeline.after(LATENCY, self._answer)

    def _answer(self) -> None:
        if self.reply is None:
            self.ends(Failure(self.request.id, "connection", "simulated: the connection ended", sent=True))
        else:
            self.ends(Response(self.request.id, self.reply.status, self.reply.headers, self.reply.body))

    def _tell_again(self) -> None:
        reply = self.reply
        said = self.outcome if reply is None else Response(self.request.id, reply.status, reply.headers, reply.body)
        if self.outcome is None and said is not None:
            self.ends(said)  # time jumped, and the second telling has come before the first
        elif said is not None:
            self.performer.hear(self, said)

    def _answer_in_part(self, parts: int) -> None:
        if self.reply is None or not self.reply.body:
            self._answer()
        else:
            body = self.reply.body[: max(1, len(self.reply.body) * parts // 4 - 1)]
            self.ends(Response(self.request.id, self.reply.status, self.reply.headers, body))

    def _arrive_in_part(self, part: int) -> None:
        exchange = self._network.open(self)
        if exchange.outcome is None and part:
            exchange.feed(self.body[:part])
        if exchange.outcome is None:
            exchange.cut_short()

    def _begin(self, seconds: float) -> None:
        exchange = self._network.open(self)
        self.timeline.after(seconds, lambda: self._finish(exchange))

    def _finish(self, exchange: Exchange) -> None:
        if self._is_lost:
            exchange.cut_short()
        else:
            self.reply = self._network.finish(self, exchange)
        self.timeline.after(LATENCY, self._answer)


class Network:
    """Carries requests to the engine of a fake, and its replies back.

    Attributes:
        flights: Every flight there was, in the order in which they left.
        longest_way: For how many seconds an event may be on its way that is delivered at all.
    """

    def __init__(self, tape: Tape, timeline: Timeline, engine: Engine) -> None:
        self.tape = tape
        self.timeline = timeline
        self.engine = engine
        self.flights: list[Flight] = []
        # An event is repeated for 23 hours, and its key is remembered for 24.
        self.longest_way = 3_600.0

    def open(self, flight: Flight) -> Exchange:
        """Let the head of a flight arrive."""
        request = flight.request
        headers = [(name.lower(), value) for name, value in request.headers.items()]
        headers.append(("content-length", str(len(flight.body))))
        is_api = request.url.startswith(API)
        target = request.url[len(API if is_api else STORAGE) :]
        return self.engine.open(Head("api" if is_api else "storage", request.method, target, tuple(headers)))

    def handle(self, flight: Flight) -> Reply | None:
        """Let a flight arrive whole."""
        return self.finish(flight, self.open(flight))

    @staticmethod
    def finish(flight: Flight, exchange: Exchange) -> Reply | None:
        """Let the body of a flight arrive, and return what the server says to it."""
        if exchange.outcome is None and flight.body:
            exchange.feed(flight.body)
        if exchange.outcome is None:
            exchange.finish()
        flight.arrivals += 1
        return exchange.outcome if isinstance(exchange.outcome, Reply) else None


def leg_of(request: Request) -> Leg:
    """Tell the leg of a request as the other side of the wire sees it."""
    if request.method == "PUT":
        return "put"
    return "upload-url" if request.url.endswith("/v1/assets/upload-url") else "event"
