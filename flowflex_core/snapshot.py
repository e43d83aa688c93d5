"""Writes what is durable of a send as versioned JSON, and reads it back in any process.

Durable are the frozen words of the body, the assets that are stored, and how often was tried. Credentials, upload URLs
and what is in flight are not: they are had anew.
"""

import json
import math
import os
from typing import Any, NoReturn

from flowflex_core import checks, wire
from flowflex_core.errors import FlowFlexConfigError, FlowFlexError
from flowflex_core.files import FileRef, check_size
from flowflex_core.ledger import Stored
from flowflex_core.payload import EncodedPayload
from flowflex_core.plan import Plan, PlannedFile
from flowflex_core.reports import why_too_late
from flowflex_core.settings import Settings
from flowflex_core.states import BEFORE, EVENT, EVENT_SENT, IN_FLIGHT, NEVER, SendState, Task

VERSION = 1


def write(plan: Plan, state: SendState) -> str:
    """Return a send as JSON text; raise `FlowFlexConfigError` where a file that is not stored has no path."""
    assert plan.payload is not None
    failed = isinstance(state.ended, FlowFlexError)
    files: list[dict[str, Any]] = []
    for index, file in enumerate(plan.files):
        task = state.under_way.get(index)
        # An asset that is being stored anew is as good as none.
        entry = None if task else state.stored.get(index)
        fields: dict[str, Any] = {"filename": file.filename, "mime": file.mime, "size": file.size}
        fields["path"] = _path(file, needed=entry is None)
        if entry is not None:
            fields |= {"asset_id": entry.asset_id, "stored_at": entry.since}
        elif task is not None:
            fields |= _tries(task, failed)
        elif index in plan.history:
            attempts, failures = plan.history[index]
            fields |= {"attempts": attempts, "failures": 0 if failed else failures}
        files.append(fields)
    event = state.under_way.get(EVENT)
    written: dict[str, Any] = {
        "flowflex_snapshot": VERSION,
        "base_url": plan.settings.base_url,
        "integration_code": plan.settings.integration_code,
        "event": plan.event,
        "idempotency_key": plan.key,
        "segments": list(plan.payload.segments),
        "places": list(plan.payload.places),
        "paths": list(plan.payload.paths),
        "files": files,
        "post": None,
    }
    if event is not None and state.body is not None:
        doubt = event.doubt or event.state == EVENT_SENT
        written["post"] = _tries(event, failed) | {"doubt": doubt, "posted_at": event.since}
    if isinstance(state.ended, tuple):
        granted = [entry.granted for entry in state.stored if entry.granted is not None]
        written["response"] = wire.mask_of(plan.settings, granted).known(state.ended[0])
    return json.dumps(written, separators=(",", ":"))


def write_if_worth_it(plan: Plan, state: SendState) -> str | None:
    """Return the snapshot of a failed send where resuming from it saves an upload or keeps a key to its body."""
    event = state.under_way.get(EVENT)
    if not state.stored.count and (event is None or not (event.doubt or event.state == EVENT_SENT)):
        return None
    # What names files that are deleted, by our clock or by FlowFlex's word, is refused for ever.
    is_missing = isinstance(state.ended, FlowFlexError) and state.ended.code == "ASSET_FILE_MISSING"
    if is_missing or (event is not None and why_too_late(state, event) is not None):
        return None
    try:
        return write(plan, state)
    except FlowFlexConfigError:
        return None


def read(text: str, settings: Settings) -> tuple[Plan, SendState]:
    """Return the plan and the state of a send that goes on; raise `FlowFlexConfigError` for anything else."""
    try:
        fields = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        _refuse("is not JSON text")
    if not isinstance(fields, dict) or "flowflex_snapshot" not in fields:
        _refuse("is not one of a send: give the text that snapshot() returned")
    if fields["flowflex_snapshot"] != VERSION:
        _refuse(f"has version {fields['flowflex_snapshot']!r:.20}, and this release reads version {VERSION}")
    for name, ours in (("base_url", settings.base_url), ("integration_code", settings.integration_code)):
        if fields.get(name) != ours:
            _refuse(f"is of a send to another {name} ({fields.get(name)!r:.100}, and the settings say {ours!r})")
    try:
        return _restored(fields, settings)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        _refuse(f"is damaged: {type(error).__name__}")
    except FlowFlexError as error:
        _refuse(f"is damaged: {error.message}")


def _restored(fields: dict[str, Any], settings: Settings) -> tuple[Plan, SendState]:
    segments, places, paths = fields["segments"], fields["places"], fields["paths"]
    _check(all(type(part) is str and part.isascii() for part in segments), "segments")
    _check(all(type(path) is str for path in paths), "paths")
    refs = [_file(entry) for entry in fields["files"]]
    _check(len(segments) - 1 == len(places) == len(paths) and set(places) == set(range(len(refs))), "places")
    payload = EncodedPayload(segments, places, paths, refs)
    files = [PlannedFile(ref, ref.filename, ref.mime, ref.size, at) for ref, at in payload.paths_by_file().items()]
    name = checks.header_value(fields["event"], "event")
    key = checks.header_value(fields["idempotency_key"], "idempotency_key")
    state = SendState(len(files))
    pending: list[int] = []
    history: dict[int, tuple[int, int]] = {}
    for index, entry in enumerate(fields["files"]):
        asset_id = entry.get("asset_id")
        if asset_id is not None:
            _check(type(asset_id) is str and asset_id.isprintable() and asset_id != "", "asset_id")
            state.stored = state.stored.put(Stored(index, asset_id, _number(entry["stored_at"], "stored_at")))
            continue
        pending.append(index)
        if "attempts" in entry:
            history[index] = _counts(entry)
    state.pending = pending
    post = fields["post"]
    if post is not None:
        _check(not pending, "post")
        state.oldest = min((asset.since for asset in state.stored), default=NEVER)
        state.body = payload.body({asset.index: asset.asset_id for asset in state.stored})
        # Due at once: the wait that was left belongs to the process that ended.
        event = Task(EVENT, BEFORE, *_counts(post), doubt=bool(post["doubt"]))
        event.since = _number(post["posted_at"], "posted_at")
        state.under_way[EVENT] = event
    if "response" in fields:
        _check(state.body is not None, "response")
        state.ended = (fields["response"],)
    return Plan(settings, "event", key, files, name, payload, history), state


def _file(entry: dict[str, Any]) -> FileRef:
    size = entry["size"]
    if size is not None:
        check_size(size)
    path = entry["path"]
    _check(path is None or (type(path) is str and path != ""), "path")
    _check(path is not None or entry.get("asset_id") is not None, "path")
    return FileRef(path, filename=entry["filename"], mime=entry["mime"], size=size)


def _counts(entry: dict[str, Any]) -> tuple[int, int]:
    attempts = checks.whole_number(entry["attempts"], "attempts", least=0)
    return attempts, checks.whole_number(entry["failures"], "failures", least=0)


def _tries(task: Task, failed: bool) -> dict[str, int]:
    """Count an interrupted attempt as failed; a send that has ended may be tried as often again."""
    failures = 0 if failed else task.failures + (task.state in IN_FLIGHT)
    return {"attempts": task.attempts, "failures": failures}


def _path(file: PlannedFile, *, needed: bool) -> str | None:
    source = file.ref.source
    if isinstance(source, str | os.PathLike):
        return os.fsdecode(source)
    if needed:
        raise FlowFlexConfigError(
            f"{file.paths[0]}: {file.filename!r} comes from memory or an open file, which no snapshot can name: "
            "give its path, or take the snapshot once it is stored"
        )
    return None


def _number(value: Any, name: str) -> float:
    _check(type(value) in (int, float) and math.isfinite(value), name)
    return float(value)


def _check(holds: bool, name: str) -> None:
    if not holds:
        raise FlowFlexConfigError(name)


def _refuse(why: str) -> NoReturn:
    raise FlowFlexConfigError(f"the snapshot {why}") from None
