"""The story of a world: what happened in it, a line each, for who reads of a failure at three in the morning."""

from operator import itemgetter

from flowflex_core.messages import Failure, Response
from flowflex_testing.engine.store import Event
from flowflex_testing.simulation.network import Flight
from flowflex_testing.simulation.timeline import FIRST_MOMENT
from flowflex_testing.simulation.world import Send, World


def lines_of(world: World) -> list[str]:
    """Tell of the world, of all that happened in its order, and of its ends."""
    settings = world.sends[0].settings
    lines = [
        f"{world.mode}: {_sends(len(world.sends))}, max_retries={settings.max_retries}, "
        f"deadline={settings.deadline_seconds}, max_parallel_uploads={settings.max_parallel_uploads}, "
        f"storage like {world.store.switches.storage_dialect}, "
        f"what may happen: {', '.join(dict.fromkeys(mishap.name for mishap in world.menu)) or 'nothing'}"
    ]
    # What one moment has of the loop stands in the order in which the loop did it; what the server did comes after.
    told = [(flight.at, number, 1, _flight_line(flight)) for number, flight in enumerate(world.network.flights)]
    told += [(moment, after, 0, f"{_time(moment)}  {words}") for after, moment, words in world.notes]
    for tenant in world.store.tenants.values():
        told += [
            (event.accepted_at, len(world.network.flights), 1, f"{_time(event.accepted_at)}  {_event_words(event)}")
            for event in tenant.events
        ]
    lines += [line for *_, line in sorted(told, key=itemgetter(0, 1, 2))]
    lines += [_send_line(send) for send in world.sends]
    return lines


def _sends(number: int) -> str:
    return "1 send" if number == 1 else f"{number} sends"


def _event_words(event: Event) -> str:
    return f"the server accepts {event.id} under {event.idempotency_key}: {event.payload}"


def _flight_line(flight: Flight) -> str:
    outcome = flight.outcome
    if isinstance(outcome, Response):
        came = f"{outcome.status}"
    elif isinstance(outcome, Failure):
        came = f"{outcome.kind} failure, {'sent' if outcome.sent else 'not sent'}"
    else:
        came = "nothing was heard of it"
    landed = "" if flight.landed_at is None else f" at {_time(flight.landed_at).strip()}"
    words = [f"{_time(flight.at)}  send {flight.performer.number}: {flight.request.id:<18} {flight.mishap:<22}"]
    words.append(f"arrived {flight.arrivals} times" if flight.arrivals != 1 else "arrived        ")
    return f"{' '.join(words)} -> {came}{landed}"


def _send_line(send: Send) -> str:
    if send.was_cancelled:
        end = "was cancelled"
    elif send.error is not None:
        end = f"raised {type(send.error).__name__}: {send.error}"
    elif send.result is not None:
        end = f"returned {send.result.uploaded_assets}"
    else:
        end = "never ended"
    lives = "" if send.lives == 1 else f", after {send.lives} lives"
    at = "" if send.ended_at is None else f"{_time(send.ended_at)}  "
    return f"{at}send {send.number} {end}{lives}"


def _time(moment: float) -> str:
    return f"{moment - FIRST_MOMENT:+13.3f} s"
