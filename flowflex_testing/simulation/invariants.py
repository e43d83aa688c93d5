"""What must hold after every schedule, each rule with a name. They look at both sides of the wire, and trust neither.

A rule returns nothing, or what is wrong, in words. Rules of `ALWAYS` hold whatever happened; `PROMISES` tells what a
mode promises beyond that.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator

from flowflex_core.errors import (
    FlowFlexConfigError,
    FlowFlexConnectionError,
    FlowFlexError,
    FlowFlexOutcomeUnknownError,
    FlowFlexTimeoutError,
)
from flowflex_core.messages import Response
from flowflex_testing.engine.expiries import FILE_LIFETIME, URL_LIFETIME
from flowflex_testing.engine.store import Event
from flowflex_testing.simulation.network import API, STORAGE, Flight, Performer
from flowflex_testing.simulation.world import API_SECRET, CONTENTS, TOKEN, Mode, Send, World, source_of

# What secrets are sought by. No word of a URL but its signature is one.
_SECRETS = (API_SECRET, TOKEN, "X-Signature=")

Rule = Callable[[World, Send, list[Flight]], str | None]

# What ends an attempt may come a little after the moment that it was due at.
_MARGIN = 0.5
# No backoff and no Retry-After is waited for longer.
_LONGEST_WAIT = 60.0
# How often a file may be had anew because it, or its upload URL, grew old while time jumped.
_ASSETS = 3
# How often files are had anew that grow old before the event can leave.
_RENEWALS = _ASSETS - 1
# Half of the first delay is jitter.
_SHORTEST_WAIT = 0.25
# A stored file is deleted after 48 hours, and is stored anew a good while before that where the event has not left.
_OLD = 40 * 3_600.0


def it_ends(_world: World, send: Send, _flights: list[Flight]) -> str | None:
    """Every send returns, raises, or is cancelled."""
    if send.ended_at is None:
        return "it neither returned nor raised"
    return None


def one_effect_per_key(world: World, send: Send, _flights: list[Flight]) -> str | None:
    """Under one key at most one event is accepted, and exactly one where success is reported."""
    events = _events(world, send)
    if len(events) > 1:
        return f"{len(events)} events were accepted under {send.key}"
    if send.result is not None and not events:
        return "success was reported, and no event was accepted"
    return None


def one_key_and_one_body(_world: World, send: Send, flights: list[Flight]) -> str | None:
    """Every POST of a send carries the same key and the same body, byte for byte."""
    sent = {(flight.request.headers["x-idempotency-key"], flight.body) for flight in flights if flight.leg == "event"}
    if len(sent) > 1:
        return f"{len(sent)} different keys or bodies were sent"
    if sent and next(iter(sent))[0] != send.key:
        return "the event was sent under another key than the caller's"
    return None


def secrets_stay_home(_world: World, send: Send, flights: list[Flight]) -> str | None:
    """Credentials go to the API alone; no secret is in an error or a snapshot."""
    for flight in flights:
        is_put = flight.leg == "put"
        url, names = flight.request.url, "\n".join(flight.request.headers)
        if not url.startswith(f"{STORAGE if is_put else API}/"):
            return f"{flight.request.id} went to {url}"
        if is_put == ("authorization" in names.lower()):
            return f"{flight.request.id} carries {'credentials' if is_put else 'no credentials'}"
    told = [*send.snapshots]
    if send.error is not None:
        told += [f"{error!r} {vars(error)}" for error in _chain(send.error)]
        told += [repr(flight.request) for flight in flights]
    if not told:
        return None
    words = "\n".join(told)
    for secret in _SECRETS:
        if secret in words:
            place = words.index(secret)
            return f"a secret stands in {words[max(0, place - 100) : place + 100]!r}"
    return None


def no_put_without_a_cause(_world: World, send: Send, flights: list[Flight]) -> str | None:
    """A file is sent again only after its earlier attempt failed, or was not heard of, or its asset grew old."""
    stored: dict[str, float] = {}
    for flight in flights:
        if flight.leg == "put":
            file = source_of(flight.request)
            if flight.at < stored.get(file, -_OLD) + _OLD:
                return f"{flight.request.id} sent a file that was stored already"
            # What was heard and not saved before a process died counts as not heard.
            if flight.was_heard and _succeeded(flight):
                stored[file] = flight.at
    return None


def stored_bytes_are_the_sources(world: World, _send: Send, _flights: list[Flight]) -> str | None:
    """What storage holds is what the files hold."""
    for tenant in world.store.tenants.values():
        for asset in tenant.assets.values():
            content = CONTENTS[f"/files/{asset.filename}"]
            if asset.size != len(content) or asset.first_bytes != content[: len(asset.first_bytes)]:
                return f"{asset.id} holds {asset.first_bytes!r}"
    return None


def result_is_what_was_accepted(world: World, send: Send, _flights: list[Flight]) -> str | None:
    """The map of a result names at each payload path the asset that the accepted event carries there."""
    if send.result is None:
        return None
    events = _events(world, send)
    if not events:
        return None
    carried = {path: asset.id for path, asset in events[0].files.items()}
    if carried != send.result.uploaded_assets:
        return f"the event carried {carried}, the result says {send.result.uploaded_assets}"
    names = {path: asset.filename for path, asset in events[0].files.items()}
    if names != send.files:
        return f"the event carries the files {names}, the payload has {send.files}"
    return None


def no_event_before_its_files(_world: World, send: Send, flights: list[Flight]) -> str | None:
    """When the event leaves, storage has taken every file whose asset it names."""
    for flight in flights:
        if flight.leg == "event":
            missing = _asset_ids(flight.body)
            for other in flights:
                if other.leg == "put" and other.arrivals and other.at <= flight.at:
                    missing.discard(other.request.url.split("/")[5])
            if missing:
                return f"{flight.request.id} names {sorted(missing)}, which were not stored"
    return None


def errors_tell_the_truth(world: World, send: Send, flights: list[Flight]) -> str | None:
    """Failure is never reported for an event that was accepted; only an unknown outcome leaves that open."""
    error = send.error
    if error is None or isinstance(error, FlowFlexOutcomeUnknownError):
        return None
    if _events(world, send):
        return f"{type(error).__name__} was raised, and the event was accepted: {error}"
    if isinstance(error, FlowFlexConfigError):
        return f"the loop was told that it misused the core: {error}"
    safe = isinstance(error, (FlowFlexTimeoutError, FlowFlexConnectionError))
    if safe and any(flight.leg == "event" and flight.arrivals for flight in flights):
        return f"{type(error).__name__} says that the event cannot have arrived, and it did"
    return None


def attempts_are_bounded(world: World, send: Send, flights: list[Flight]) -> str | None:
    """No leg is tried more often than `max_retries` allows, in each life; where time jumps, for each new URL."""
    once = send.settings.max_retries + 1
    most = once * (once + 1) * _ASSETS if world.jumped else once
    tried: dict[tuple[Performer, str], int] = {}  # those of a life, in the order of the lives
    for flight in flights:
        leg = flight.performer, flight.request.id.rpartition("/")[0]
        tried[leg] = tried.get(leg, 0) + 1
    earlier = 0
    for (performer, name), times in tried.items():
        if name != "event":
            if times > most:
                return f"{name} was tried {times} times"
            continue
        # An attempt that was interrupted counts in the next life, which tries at least once.
        if times > (max(1, once - 1) if earlier and not performer.tries_anew else once):
            return f"the event was tried {times} times, after {earlier} times in earlier lives"
        earlier += times
    return None


def repeating_waits(_world: World, _send: Send, flights: list[Flight]) -> str | None:
    """What failed is not repeated at once, nor before the server wants to see it again."""
    last: dict[tuple[int, str], Flight] = {}
    for flight in flights:
        file = (id(flight.performer), flight.request.id.split("/")[1] if flight.leg != "event" else "")
        before = last.get(file)
        last[file] = flight
        if before is None or before.leg != flight.leg or before.landed_at is None:
            continue
        if _succeeded(before) or before.mishap in ("two hours pass", "two days pass"):
            continue  # a new URL after one that grew old unused, and what was due while time jumped
        asked_to_wait = flight.at < before.not_before and not before.was_given_up
        if asked_to_wait or (before.mishap and flight.at < before.landed_at + _SHORTEST_WAIT):
            return f"{flight.request.id} left {flight.at - before.landed_at:.3f} s after {before.request.id} failed"
    return None


def what_grew_old_is_had_anew(world: World, send: Send, flights: list[Flight]) -> str | None:
    """No first put goes to a URL that has expired, and no event names a file that is deleted."""
    if not world.jumped and send.lives == 1:
        return None
    was_sent = False
    asked: dict[str, list[Flight]] = {}
    put_at: dict[str, float] = {}
    stored: dict[str, set[str]] = {}
    for flight in flights:
        index = flight.request.id.split("/")[1]
        if flight.leg == "upload-url":
            asked.setdefault(index, []).append(flight)
        elif flight.leg == "put":
            asset_id = flight.request.url.split("/")[5]
            urls = asked.get(index, [])
            # With no attempt left an old URL is tried; each life may have cost one.
            is_first = asset_id not in put_at and len(urls) == 1 and send.settings.max_retries >= send.lives
            if is_first and flight.decided_at > urls[0].at + URL_LIFETIME:
                return f"{flight.request.id} went to a URL that had expired"
            if flight.reply is not None and 200 <= flight.reply.status < 300:
                stored.setdefault(index, set()).add(asset_id)
            put_at.setdefault(asset_id, flight.at)
        else:
            gone = [
                asset_id
                for asset_id in sorted(_asset_ids(flight.body))
                if flight.decided_at > put_at.get(asset_id, flight.at) + FILE_LIFETIME
            ]
            if gone:
                return f"{flight.request.id} names {gone}, which are deleted"
            was_sent = True
    if was_sent:
        return None
    error = send.error
    if sum(len(assets) - 1 for assets in stored.values()) >= _RENEWALS:
        return None  # files were had anew as often as it is tried
    if error is not None and error.code == "ASSET_FILE_MISSING" and not isinstance(error, FlowFlexOutcomeUnknownError):
        return f"no event was sent, and it ended with {error}"
    return None


def nothing_is_left_in_flight(world: World, _send: Send, flights: list[Flight]) -> str | None:
    """In the end every request has come to something, and no key is held."""
    for flight in flights:
        if flight.outcome is None:
            return f"nothing came of {flight.request.id}"
    held = [key for tenant in world.store.tenants.values() for key in tenant.keys_in_flight]
    return f"{held} are still held by the server" if held else None


def the_deadline_holds(_world: World, send: Send, _flights: list[Flight]) -> str | None:
    """No run lasts longer than its deadline, unless time itself jumped."""
    deadline = send.settings.deadline_seconds
    if deadline is None or send.ended_at is None or send.was_cancelled or _world.jumped:
        return None
    lasted = send.ended_at - send.began_at
    if lasted > deadline + _MARGIN:
        return f"it lasted {lasted:.3f} s, with a deadline of {deadline:g} s"
    return None


def the_limit_holds(_world: World, send: Send, flights: list[Flight]) -> str | None:
    """Never more uploads are in flight than `max_parallel_uploads` allows."""
    if len(flights) <= send.settings.max_parallel_uploads:
        return None
    moments = sorted(
        [(flight.at, 1, id(flight.performer)) for flight in flights]
        + [(flight.landed_at, -1, id(flight.performer)) for flight in flights if flight.landed_at is not None]
    )
    under_way: Counter[int] = Counter()
    for _, change, life in moments:
        under_way[life] += change
        if under_way[life] > send.settings.max_parallel_uploads:
            return f"{under_way[life]} requests were in flight at once"
    return None


def few_mishaps_are_survived(world: World, send: Send, flights: list[Flight]) -> str | None:
    """With no more mishaps a leg than may be repeated, a send succeeds, or ends with the error of a fatal one."""
    fatal = [mishap for struck in send.struck.values() for mishap in struck if mishap.ends_with is not None]
    if world.jumped and any(flight.was_given_up for flight in flights):
        return None  # to a timeout of the loop's own, time that jumped is time that passed
    if not fatal:
        return None if send.result is not None else f"no mishap was fatal, and it ended with {send.error!r}"
    if send.error is None:
        # A refusal that a put gets when its URL is old may be for its age, and a new one is had.
        return None if world.jumped and "put" in fatal[0].legs else f"{fatal[0].name} struck, and it succeeded"
    ends = [mishap.ends_with for mishap in fatal if mishap.ends_with is not None]
    kinds: tuple[type[FlowFlexError], ...] = (FlowFlexOutcomeUnknownError, *ends)
    if not isinstance(send.error, kinds):
        return f"{fatal[0].name} struck, and it ended with {send.error!r}"
    return None


def what_lasts_is_given_up(world: World, send: Send, flights: list[Flight]) -> str | None:
    """A mishap that lasts ends the send by an error, after no more time than its attempts and waits take."""
    if world.lasting is None or send.ended_at is None:
        return None
    mishap, leg = world.lasting
    if mishap.leaves_budget or not any(flight.leg == leg for flight in flights):
        return None
    if send.error is None:
        return f"{mishap.name} lasted on {leg}, and it succeeded"
    ends = (mishap.ends_with or FlowFlexError, FlowFlexOutcomeUnknownError)
    if send.lives == 1 and not isinstance(send.error, ends):  # who goes on may find the files deleted
        return f"{mishap.name} lasted on {leg}, and it ended with {send.error!r}"
    attempts = max(Counter(flight.request.id.rpartition("/")[0] for flight in flights).values())
    longest = attempts * (2 * send.settings.timeout_seconds + _LONGEST_WAIT) * max(1, len(send.files))
    if not world.jumped and send.ended_at - send.began_at > longest:
        return f"it took {send.ended_at - send.began_at:.1f} s to give up"
    return None


ALWAYS: tuple[Rule, ...] = (
    it_ends,
    one_effect_per_key,
    one_key_and_one_body,
    secrets_stay_home,
    no_put_without_a_cause,
    stored_bytes_are_the_sources,
    result_is_what_was_accepted,
    no_event_before_its_files,
    errors_tell_the_truth,
    attempts_are_bounded,
    repeating_waits,
    what_grew_old_is_had_anew,
    the_deadline_holds,
    the_limit_holds,
    nothing_is_left_in_flight,
)
PROMISES: dict[Mode, tuple[Rule, ...]] = {
    "safety": (few_mishaps_are_survived,),
    "liveness": (what_lasts_is_given_up,),
    "chaos": (),
}
_RULES = {mode: ALWAYS + promises for mode, promises in PROMISES.items()}


def violation(world: World) -> tuple[str, str] | None:
    """Return the first rule that does not hold, by name, and what is wrong; None where all hold."""
    if world.is_endless:
        return "it_ends", "things went on happening without an end"
    rules = _RULES[world.mode]
    flights: dict[int, list[Flight]] = {send.number: [] for send in world.sends}
    for flight in world.network.flights:
        flights[flight.performer.number].append(flight)
    for send in world.sends:
        for rule in rules:
            wrong = rule(world, send, flights[send.number])
            if wrong is not None:
                return rule.__name__, f"send {send.number}: {wrong}"
    return None


def _succeeded(flight: Flight) -> bool:
    """Whether the server said yes, and was heard."""
    reply, outcome = flight.reply, flight.outcome
    return (
        reply is not None
        and isinstance(outcome, Response)
        and 200 <= reply.status == outcome.status < 300
        and outcome.body == reply.body
    )


def _events(world: World, send: Send) -> list[Event]:
    return [
        event for tenant in world.store.tenants.values() for event in tenant.events if event.idempotency_key == send.key
    ]


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Go through an error, what it was raised from, and what it was raised while handling."""
    yield error
    for earlier in (error.__cause__, error.__context__):
        if earlier is not None:
            yield from _chain(earlier)


# In the body of an event; no word of the payloads begins so.
_ASSET_ID = re.compile(rb'"(asset_[^"]*)"')


def _asset_ids(body: bytes) -> set[str]:
    return {found.decode() for found in _ASSET_ID.findall(body)}


__all__ = ["ALWAYS", "PROMISES", "FlowFlexError", "Rule", "violation"]
