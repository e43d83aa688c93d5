"""The pool's decisions, without a socket: claims are numbers or letters, connections are strings."""

from hypothesis import given, settings
from hypothesis import strategies as st

from flowflex_transports.trio.pool import Plan, Pool


def a_pool(most=2, most_idle=2, idle_seconds=10.0) -> Pool[str, str]:
    return Pool(most=most, most_idle=most_idle, idle_seconds=idle_seconds)


def with_idle(pool: Pool[str, str], *connections: tuple[str, str], now: float = 0.0) -> Pool[str, str]:
    """Let each (origin, connection) be opened, then released, in this order."""
    for origin, connection in connections:
        pool.wanted(connection, origin, now)
        pool.opened(connection, connection)
    for _, connection in connections:
        pool.released(connection, now)
    return pool


def test_the_first_claim_opens_a_connection():
    """Where nothing idles and a place is free, the claim is told to open a connection."""
    assert a_pool().wanted("a", "api", 0) == Plan(grants=(("a", None),))


def test_an_idle_connection_is_used_again():
    """A released connection goes to the next claim to its origin."""
    pool = with_idle(a_pool(), ("api", "c1"))
    assert pool.wanted("b", "api", 1) == Plan(grants=(("b", "c1"),))


def test_a_connection_serves_its_own_origin_only():
    """An idle connection to another origin is left alone while there is room for one more."""
    pool = with_idle(a_pool(), ("api", "c1"))
    assert pool.wanted("b", "storage", 1) == Plan(grants=(("b", None),))


def test_the_connection_used_last_is_used_first():
    """Of several idle connections, the one that idled for the shortest time is taken."""
    pool = with_idle(a_pool(), ("api", "c1"), ("api", "c2"))
    assert pool.wanted("b", "api", 1).grants == (("b", "c2"),)


def test_a_full_pool_lets_claims_wait_in_turn():
    """Who came first is served first, whatever its origin."""
    pool = a_pool(most=1)
    pool.wanted("a", "api", 0)
    pool.opened("a", "c1")
    assert pool.wanted("b", "storage", 0) == Plan()
    assert pool.wanted("c", "api", 0) == Plan()
    assert pool.released("a", 1) == Plan(grants=(("b", None),), close=("c1",))
    pool.opened("b", "c2")
    assert pool.broken("b", 2) == Plan(grants=(("c", None),), close=("c2",))


def test_a_released_connection_goes_to_a_waiter_of_its_origin():
    """A waiter gets the very connection that became free, where it is of its origin."""
    pool = a_pool(most=1)
    pool.wanted("a", "api", 0)
    pool.opened("a", "c1")
    pool.wanted("b", "api", 0)
    assert pool.released("a", 1) == Plan(grants=(("b", "c1"),))


def test_an_idle_connection_gives_way_to_a_new_origin():
    """A full pool closes the connection that idled longest rather than let a claim wait."""
    pool = with_idle(a_pool(), ("api", "c1"), ("storage", "c2"))
    assert pool.wanted("b", "other", 1) == Plan(grants=(("b", None),), close=("c1",))


def test_a_connection_that_idled_too_long_is_closed():
    """An expired connection is never granted, and any event closes it."""
    pool = with_idle(a_pool(), ("api", "c1"))
    assert pool.wanted("b", "api", 10.5) == Plan(grants=(("b", None),), close=("c1",))


def test_no_more_idle_connections_than_allowed():
    """What is released beyond the bound closes the connection that idled longest."""
    pool = a_pool(most=3, most_idle=1)
    for name in ("a", "b"):
        pool.wanted(name, "api", 0)
        pool.opened(name, name)
    assert pool.released("a", 1) == Plan()
    assert pool.released("b", 2) == Plan(close=("a",))


def test_a_stale_connection_is_replaced_by_the_next_one():
    """A dead idle connection is closed, and the claim keeps its place: it gets another idle one, then a new one."""
    pool = with_idle(a_pool(), ("api", "c1"), ("api", "c2"))
    pool.wanted("b", "api", 1)
    assert pool.stale("b", 1) == Plan(grants=(("b", "c1"),), close=("c2",))
    assert pool.stale("b", 1) == Plan(grants=(("b", None),), close=("c1",))


def test_a_claim_that_waits_can_give_up():
    """A waiter that gives up is never granted anything."""
    pool = a_pool(most=1)
    pool.wanted("a", "api", 0)
    pool.wanted("b", "api", 0)
    assert pool.broken("b", 1) == Plan()
    assert pool.broken("a", 1) == Plan()


def test_a_place_whose_connection_was_never_opened_is_given_on():
    """A claim that failed to open its connection leaves its place to the next."""
    pool = a_pool(most=1)
    pool.wanted("a", "api", 0)
    pool.wanted("b", "api", 0)
    assert pool.broken("a", 1) == Plan(grants=(("b", None),))


def test_closing_closes_the_busy_and_the_idle_once():
    """Every connection is closed, and what is released later does not idle."""
    pool = with_idle(a_pool(most=3), ("api", "c1"))
    pool.wanted("b", "storage", 1)
    pool.opened("b", "c2")
    assert set(pool.closed().close) == {"c1", "c2"}
    assert pool.released("b", 2) == Plan(close=("c2",))
    assert pool.closed() == Plan()


class Model:
    """Plays the driver over a pool, and checks after every event what must always hold."""

    def __init__(self, most: int, most_idle: int) -> None:
        self.most, self.most_idle = most, most_idle
        self.pool: Pool[int, int] = Pool(most=most, most_idle=most_idle, idle_seconds=5.0)
        self.now = 0.0
        self.claims = 0
        self.connections = 0
        self.waiting: dict[int, str] = {}
        self.held: dict[int, int] = {}
        self.origin_of: dict[int, str] = {}
        self.open: set[int] = set()
        self.idle_since: dict[int, float] = {}
        self.origins: dict[int, str] = {}

    def carry_out(self, plan: Plan[int, int], *, served_in_turn: bool = True) -> None:
        for closed in plan.close:
            assert closed in self.open, "closed twice, or never opened"
            self.open.remove(closed)
            self.idle_since.pop(closed, None)
        for claim, connection in plan.grants:
            if served_in_turn:
                assert claim == next(iter(self.waiting)), "served out of turn"
                self.waiting.pop(claim)
            if connection is None:
                self.open_for(claim)
            else:
                assert self.origin_of[connection] == self.origins[claim], "a connection to another origin"
                assert self.now - self.idle_since.pop(connection) <= 5.0, "a connection that idled too long"
                self.held[claim] = connection
        self.check()

    def open_for(self, claim: int) -> None:
        self.connections += 1
        self.open.add(self.connections)
        self.origin_of[self.connections] = self.origins[claim]
        self.held[claim] = self.connections
        self.pool.opened(claim, self.connections)

    def check(self) -> None:
        assert len(self.open) <= self.most
        assert len(self.idle_since) <= self.most_idle
        assert set(self.held.values()) | set(self.idle_since) == self.open, "a connection was forgotten"
        if self.waiting:
            assert len(self.held) == self.most, "a claim waits though a place is free"
            assert not self.idle_since, "a connection idles though a claim waits"

    def play(self, event: str, pick: int) -> None:
        if event == "want":
            self.claims += 1
            self.origins[self.claims] = self.waiting[self.claims] = "ab"[pick % 2]
            self.carry_out(self.pool.wanted(self.claims, self.origins[self.claims], self.now))
        elif event == "pass":
            self.now += pick % 4
        elif event == "give up" and self.waiting:
            claim = list(self.waiting)[pick % len(self.waiting)]
            del self.waiting[claim]
            self.carry_out(self.pool.broken(claim, self.now))
        elif self.held and event in ("release", "break", "stale"):
            claim = list(self.held)[pick % len(self.held)]
            connection = self.held.pop(claim)
            if event == "release":
                self.idle_since[connection] = self.now
                self.carry_out(self.pool.released(claim, self.now))
            elif event == "break":
                self.carry_out(self.pool.broken(claim, self.now))
            else:
                self.carry_out(self.pool.stale(claim, self.now), served_in_turn=False)


EVENTS = st.sampled_from(["want", "want", "release", "break", "stale", "give up", "pass"])


@settings(deadline=None)
@given(
    most=st.integers(1, 4),
    most_idle=st.integers(0, 4),
    events=st.lists(st.tuples(EVENTS, st.integers(0, 20)), max_size=60),
)
def test_whatever_happens_the_bounds_hold_and_nothing_is_forgotten(most, most_idle, events):
    """After any events: the bounds hold, none idles while one waits, turns are kept, each connection is closed once."""
    model = Model(most, most_idle)
    for event, pick in events:
        model.play(event, pick)
    for claim in list(model.held):
        del model.held[claim]
        model.carry_out(model.pool.broken(claim, model.now))
    while model.held:
        claim = next(iter(model.held))
        del model.held[claim]
        model.carry_out(model.pool.broken(claim, model.now))
    assert not model.waiting, "a claim waits for ever"
    model.idle_since.clear()
    assert set(model.pool.closed().close) == model.open
