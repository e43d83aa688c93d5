"""A reply that goes out in a manner of its own."""

import threading
from typing import Any

import pytest

from flowflex_testing.engine.messages import Manner
from flowflex_testing.server.delivery import deliver


class Wire:
    """Stands in for a socket and for the event that a server stops: notes what is sent, and how long is waited."""

    def __init__(self, stops_after: int = 1000) -> None:
        self.sent: list[bytes] = []
        self.waited: list[float] = []
        self._stops_after = stops_after

    def sendall(self, data: bytes) -> None:
        self.sent.append(data)

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        return len(self.waited) > self._stops_after


def delivered(manner: Manner, *, stops_after: int = 1000) -> tuple[bool, Wire]:
    wire: Any = Wire(stops_after)
    return deliver(wire, b"HEAD", b"body!", manner, wire), wire


def test_a_delay_comes_before_the_first_byte():
    """Then all goes out at once."""
    is_out, wire = delivered(Manner(delay=2.5))
    assert (is_out, wire.sent, wire.waited) == (True, [b"HEADbody!"], [2.5])


def test_interim_replies_come_first():
    """As many as are wanted, each a head of its own."""
    _, wire = delivered(Manner(interims=2, interim_status=103))
    assert wire.sent == [b"HTTP/1.1 103 Injected\r\n\r\n"] * 2 + [b"HEADbody!"]


def test_a_drip_sends_pieces_of_a_size():
    """Head and body as one, with a pause before each piece but the first."""
    _, wire = delivered(Manner(piece=4, pause=0.5))
    assert [data for data in wire.sent if data] == [b"HEAD", b"body", b"!"]
    assert wire.waited == [0.0, 0.5, 0.5]


def test_only_the_body_may_drip():
    """Then the head is there at once, and the first piece a pause later."""
    _, wire = delivered(Manner(piece=3, pause=0.5, drips_head=False))
    assert wire.sent == [b"HEAD", b"bod", b"y!"]
    assert wire.waited == [0.0, 0.5, 0.5]


@pytest.mark.parametrize(("manner", "sent"), [(Manner(delay=9), []), (Manner(piece=4), [b"", b"HEAD"])])
def test_a_server_that_stops_is_not_held_up(manner, sent):
    """What is not out by then stays in."""
    is_out, wire = delivered(manner, stops_after=0 if manner.delay else 1)
    assert (is_out, wire.sent) == (False, sent)


def test_a_real_event_ends_a_delay():
    """The wait is that of an event, which is set when the server stops."""
    stopping = threading.Event()
    stopping.set()
    wire: Any = Wire()
    assert not deliver(wire, b"HEAD", b"", Manner(delay=3600), stopping)
