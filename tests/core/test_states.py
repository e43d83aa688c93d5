"""The table of transitions: it is whole, and it is the protocol."""

import pytest

from flowflex_core import file
from flowflex_core.states import IN_FLIGHT, LEG_NAMES, TRANSITIONS
from tests.core.drive import fail, play, reply, start

STATES = {state for state, _ in TRANSITIONS} | set(TRANSITIONS.values())
FINAL = {"ended", "failed"}


def after(state):
    """List the states that can follow one."""
    return {to for (here, _), to in TRANSITIONS.items() if here == state}


def reachable(state):
    """List every state that can ever follow one."""
    found: set[str] = set()
    ahead = after(state)
    while ahead:
        found |= ahead
        ahead = {further for here in ahead for further in after(here)} - found
    return found


def test_what_is_over_stays_over():
    """No way leads out of the two final states, and some way leads out of all others."""
    assert {state for state in STATES if not after(state)} == FINAL


@pytest.mark.parametrize("state", sorted(STATES - FINAL))
def test_every_state_can_end_and_can_fail(state):
    """From wherever a task stands, it can end well and it can fail."""
    assert reachable(state) >= FINAL


def test_only_what_was_issued_is_in_flight():
    """A state in flight is entered by issuing a request, and in no other way; and issuing leads nowhere else."""
    assert {to for (_, sign), to in TRANSITIONS.items() if sign == "issued"} == IN_FLIGHT
    assert all(sign == "issued" for (_, sign), to in TRANSITIONS.items() if to in IN_FLIGHT)


def test_only_what_is_in_flight_has_an_outcome():
    """Signs of an outcome are met in flight alone; what is only due is issued, or renewed or refused for its age."""
    due = {(state, sign) for (state, sign) in TRANSITIONS if state not in IN_FLIGHT and sign != "issued"}
    assert due == {("put due", "renew"), ("event due", "refused")}


def test_files_and_events_do_not_mix():
    """A file never becomes an event, nor an event a file."""
    assert not reachable("upload-url due") & {"event due", "event sent"}
    assert reachable("event due") <= {"event due", "event sent"} | FINAL


def test_no_put_without_a_url():
    """A put falls due by a granted URL, or by an attempt with the same URL that is repeated."""
    assert {(state, sign) for (state, sign), to in TRANSITIONS.items() if to == "put due"} == {
        ("upload-url sent", "granted"),
        ("put sent", "repeat"),
    }


def test_success_is_what_was_stored_or_delivered():
    """A task ends well by its file being stored or its event being delivered, and by nothing else."""
    assert {sign for (_, sign), to in TRANSITIONS.items() if to == "ended"} == {"stored", "delivered"}


def test_every_state_that_goes_on_belongs_to_a_leg():
    """Each state but the final ones has the name of its leg, which its own name begins with."""
    assert set(LEG_NAMES) == STATES - FINAL
    assert all(state.startswith(leg) for state, leg in LEG_NAMES.items())


def test_a_send_walks_the_whole_table():
    """One send with a repeat in each leg and a renewal goes through the legs as the table says."""
    expired = reply(403, b"<Code>AccessDenied</Code><Message>Request has expired</Message>")
    operation = start({"a": file("a.pdf")})
    played = play(operation, url=[fail()], put=[fail(), expired], event=[fail()])
    assert [request.id.split("/")[0] for request in played.requests] == [
        "upload-url",
        "upload-url",
        "put",
        "put",
        "upload-url",
        "put",
        "event",
        "event",
    ]
