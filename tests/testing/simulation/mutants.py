"""Changes for the worse of the core and of a loop over it, kept as data: the simulator is to notice every one.

Each replaces text that stands exactly once in its file. What a mutant breaks is told in its name.
"""

from dataclasses import dataclass

_CORE = "flowflex_core"
_LOOP = "flowflex_testing/simulation/sending.py"
_SYNC = "flowflex_transports/sync"
_TRIO = "flowflex_transports/trio"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change for the worse.

    Attributes:
        name: What no longer holds.
        file: The source file, from the root of the project.
        old: Text that stands in the file exactly once.
        new: What takes its place.
        survives: Whether the ordinary fast tests were seen not to notice it; `surviving` looks again.
    """

    name: str
    file: str
    old: str
    new: str
    survives: bool = False

    @property
    def loop(self) -> str:
        """The loop in which the simulator notices it: its own, or one of those in `loops`."""
        if self.file.startswith(_SYNC):
            return "our_blocking_client"
        return "our_client_on_trio" if self.file.startswith(_TRIO) else "drive"


MUTANTS = (
    # Of what is sent.
    Mutant(
        "a new key for each attempt",
        f"{_CORE}/send.py",
        "plan.event, plan.key, new.body",
        'plan.event, f"{plan.key}-{task.attempts}", new.body',
    ),
    Mutant(
        "another body for each attempt",
        f"{_CORE}/send.py",
        "plan.key, new.body, timeout",
        'plan.key, new.body + b" " * (task.attempts - 1), timeout',
    ),
    Mutant(
        "the body is encoded anew in a resumed process",
        f"{_CORE}/snapshot.py",
        "state.body = payload.body({asset.index: asset.asset_id for asset in state.stored})",
        "state.body = json.dumps(\n"
        "            json.loads(payload.body({asset.index: asset.asset_id for asset in state.stored}))\n"
        "        ).encode()",
    ),
    Mutant(
        "credentials on a put that is repeated",
        f"{_CORE}/send.py",
        'return wire.put_request(request_id, str(task.granted["uploadUrl"]), file.ref, file.mime, timeout, total)',
        'request = wire.put_request(request_id, str(task.granted["uploadUrl"]), file.ref, file.mime, timeout, total)\n'
        "    if task.failures:\n"
        '        request.headers["Authorization"] = settings.authorization\n'
        "    return request",
    ),
    Mutant(
        "no credentials on the event",
        f"{_CORE}/wire.py",
        '{"Authorization": settings.authorization, **_OF_THE_API, "x-event"',
        '{**_OF_THE_API, "x-event"',
    ),
    Mutant(
        "a file under the type of another",
        f"{_CORE}/send.py",
        "file.ref, file.mime, timeout, total)",
        "file.ref, plan.files[-1].mime, timeout, total)",
    ),
    Mutant(
        "a file under the size of another",
        f"{_CORE}/send.py",
        "file.filename, file.mime, file.size, timeout, total)",
        "file.filename, file.mime, plan.files[0].size, timeout, total)",
    ),
    Mutant(
        "each place has the asset of the place opposite",
        f"{_CORE}/payload.py",
        "encode_basestring_ascii(asset_ids[place])",
        "encode_basestring_ascii(asset_ids[max(self.places) - place])",
    ),
    Mutant(
        "the map of the result is reversed",
        f"{_CORE}/operations.py",
        "places = zip(plan.payload.places, plan.payload.paths, strict=True)",
        "places = zip(plan.payload.places, reversed(plan.payload.paths), strict=True)",
    ),
    # Of when it is repeated.
    Mutant(
        "no retry after a reset",
        f"{_CORE}/verdict.py",
        'REFUSED if failure.kind == "tls" else REPEAT',
        'REFUSED if failure.kind == "tls" or (failure.kind == "connection" and failure.sent) else REPEAT',
    ),
    Mutant(
        "no retry after a proxy that is down",
        f"{_CORE}/verdict.py",
        'REFUSED if failure.kind == "tls" else REPEAT',
        'REFUSED if failure.kind in ("tls", "proxy") else REPEAT',
    ),
    Mutant(
        "a refused certificate is tried again, and its error is another",
        f"{_CORE}/verdict.py",
        'Reason = "timeout" if failure.kind == "timeout" else "connection"',
        'Reason = "timeout" if failure.kind in ("timeout", "tls") else "unreadable"',
    ),
    Mutant(
        "no retry after 425",
        f"{_CORE}/verdict.py",
        "_ANOTHER_TIME = frozenset({408, 425, 429})",
        "_ANOTHER_TIME = frozenset({408, 429})",
    ),
    Mutant(
        "no retry after 500",
        f"{_CORE}/verdict.py",
        "or 500 <= status < 600) and not",
        "or 500 < status < 600) and not",
    ),
    Mutant(
        "no retry after a cut reply to an upload URL",
        f"{_CORE}/verdict.py",
        "return _unreadable(outcome, error)\n        if isinstance(reply, str):",
        'return Verdict(REFUSED, problem=Problem("unreadable", str(error)))\n        if isinstance(reply, str):',
    ),
    Mutant(
        "one retry more than the limit",
        f"{_CORE}/send.py",
        "and task.failures <= plan.settings.max_retries",
        "and task.failures <= plan.settings.max_retries + 1",
    ),
    Mutant(
        "one retry less than the limit",
        f"{_CORE}/send.py",
        "and task.failures <= plan.settings.max_retries",
        "and task.failures < plan.settings.max_retries",
    ),
    Mutant(
        "a put inherits the failed attempts of its upload URL",
        f"{_CORE}/send.py",
        "    task.failures = max(task.earlier, task.carried)\n",
        "",
    ),
    Mutant(
        "interrupted attempts do not count in the next process",
        f"{_CORE}/snapshot.py",
        "task.failures + (task.state in IN_FLIGHT)",
        "0",
    ),
    Mutant(
        "any Retry-After is waited for",
        f"{_CORE}/send.py",
        "        and _asked(task) <= LONGEST_RETRY_AFTER\n",
        "",
    ),
    Mutant(
        "Retry-After is not waited for",
        f"{_CORE}/send.py",
        "task.failures), _asked(task))",
        "task.failures), 0.0)",
    ),
    Mutant(
        "a server that forbids repeating is asked again",
        f"{_CORE}/verdict.py",
        "or 500 <= status < 600) and not wire.forbids_repeating(response):",
        "or 500 <= status < 600):",
    ),
    Mutant(
        "an event whose key may be forgotten is repeated",
        f"{_CORE}/lifetimes.py",
        "return now >= since + KEY_LIFETIME - KEY_MARGIN",
        "return False",
    ),
    Mutant(
        "a key counts as remembered for two days",
        f"{_CORE}/lifetimes.py",
        "KEY_LIFETIME: Final = 24 * 3600.0",
        "KEY_LIFETIME: Final = 48 * 3600.0",
    ),
    # Of upload URLs and stored files.
    Mutant(
        "Duplicate is fatal",
        f"{_CORE}/verdict.py",
        'if in_doubt and refusal.status in (400, 409) and "duplicate" in words:',
        "if False:",
    ),
    Mutant(
        "an expired upload URL is kept",
        f"{_CORE}/send.py",
        "if task.state == PUT_DUE and is_old_url(task.since, new.now) and",
        "if False and",
    ),
    Mutant(
        "an upload URL refused for its age is not had anew",
        f"{_CORE}/verdict.py",
        "return Verdict(RENEW, problem=verdict.problem)",
        "pass",
    ),
    Mutant(
        "upload URLs are had anew without an end",
        f"{_CORE}/send.py",
        "        task.carried = task.failures + 1\n",
        "",
    ),
    Mutant(
        "a stored file that grew old is sent as it is",
        f"{_CORE}/lifetimes.py",
        "return now >= since + ASSET_LIFETIME - ASSET_MARGIN",
        "return False",
    ),
    Mutant(
        "a page of a captive portal counts as stored",
        f"{_CORE}/wire.py",
        "    _refuse_early(response)\n    _refuse_page(response)\n\n",
        "    _refuse_early(response)\n\n",
    ),
    Mutant(
        "a page of a captive portal counts as an accepted event",
        f"{_CORE}/wire.py",
        '    if media_type in _PAGES or text.lstrip().startswith("<"):\n        raise UnreadableError(_A_PAGE)\n',
        "",
    ),
    Mutant(
        "a redirect counts as success",
        f"{_CORE}/verdict.py",
        "        return Verdict(STORED)\n    refusal =",
        "        return Verdict(STORED)\n    if outcome.status < 400:\n        return Verdict(STORED)\n    refusal =",
    ),
    Mutant(
        "a file is sent again in the next process though it is stored",
        f"{_CORE}/snapshot.py",
        "        if asset_id is not None:\n",
        '        if asset_id is not None and fields["post"] is not None:\n',
    ),
    # Of order and bounds.
    Mutant(
        "the event does not wait for the last file",
        f"{_CORE}/send.py",
        'plan.goal == "event" and not new.under_way and new.begun',
        'plan.goal == "event" and new.begun',
    ),
    Mutant(
        "one upload more than the limit at once",
        f"{_CORE}/send.py",
        "while len(new.under_way) < limit",
        "while len(new.under_way) <= limit",
    ),
    Mutant(
        "no limit of uploads at once",
        f"{_CORE}/send.py",
        "limit = plan.settings.max_parallel_uploads",
        "limit = 1_000",
    ),
    Mutant(
        "the deadline is ignored",
        f"{_CORE}/send.py",
        "elif new.deadline is not None and new.now >= new.deadline:",
        "elif False:",
    ),
    Mutant(
        "a timer does not know of the deadline",
        f"{_CORE}/send.py",
        "    moment = new.deadline\n",
        "    moment = None\n",
    ),
    Mutant(
        "a failure waits for the other files",
        f"{_CORE}/send.py",
        "    if new.failed:\n",
        "    if new.failed and len(new.under_way) == len(new.failed):\n",
    ),
    Mutant(
        "a task that waits has no timer",
        f"{_CORE}/send.py",
        "if task.state not in IN_FLIGHT and (moment",
        "if task.state in IN_FLIGHT and (moment",
    ),
    Mutant(
        "a late outcome is applied to the attempt of now",
        f"{_CORE}/send.py",
        "return task if task.state in IN_FLIGHT and request_id == task.issued[-1] else None",
        "return task if task.state in IN_FLIGHT else None",
    ),
    Mutant(
        "a late outcome of a stored file is misuse",
        f"{_CORE}/send.py",
        "if entry is not None and request_id in entry.issued:",
        "if False:",
    ),
    # Of what is told and kept.
    Mutant(
        "a snapshot holds the upload URL",
        f"{_CORE}/snapshot.py",
        '            fields |= {"asset_id": entry.asset_id, "stored_at": entry.since}\n',
        '            fields |= {"asset_id": entry.asset_id, "stored_at": entry.since, "url": entry.granted}\n',
    ),
    Mutant(
        "a snapshot holds the credentials",
        f"{_CORE}/snapshot.py",
        '        "integration_code": plan.settings.integration_code,\n',
        '        "integration_code": plan.settings.integration_code,\n'
        '        "authorization": plan.settings.authorization,\n',
    ),
    Mutant(
        "a snapshot forgets that a POST was under way",
        f"{_CORE}/snapshot.py",
        "doubt = event.doubt or event.state == EVENT_SENT",
        "doubt = event.doubt",
    ),
    Mutant(
        "there is no checkpoint for the first POST",
        f"{_CORE}/send.py",
        "checkpoint = new.stored is not state.stored or _begins_a_doubt(state, new)",
        "checkpoint = new.stored is not state.stored",
    ),
    Mutant(
        "a reply that was lost leaves no doubt",
        f"{_CORE}/verdict.py",
        "return Verdict(sign, problem=Problem(reason, words), arrived=failure.sent)",
        "return Verdict(sign, problem=Problem(reason, words), arrived=False)",
    ),
    Mutant(
        "a 5xx leaves no doubt",
        f"{_CORE}/verdict.py",
        "arrived = status >= 500 or status < 200",
        "arrived = status < 200",
    ),
    Mutant(
        "a later refusal lifts the doubt of an earlier attempt",
        f"{_CORE}/send.py",
        "task.doubt = verdict.arrived or (task.doubt and not is_settled)",
        "task.doubt = verdict.arrived",
    ),
    Mutant(
        "the words of a proxy settle what became of an event",
        f"{_CORE}/verdict.py",
        "status not in _ANOTHER_TIME | _NOT_ABOUT_THE_EVENT and in_its_words",
        "status not in _ANOTHER_TIME",
    ),
    Mutant(
        "an event in flight at the deadline is told as unsent",
        f"{_CORE}/reports.py",
        "if task.doubt or task.state == EVENT_SENT:",
        "if task.doubt:",
    ),
    Mutant(
        "an error repeats the secrets in a reply",
        f"{_CORE}/wire.py",
        "return settings.mask.also(secret for url in granted for secret in secrets_of(url))",
        "return Mask()",
    ),
    # Of the loop.
    Mutant(
        "the loop saves only its first snapshot",
        _LOOP,
        "if world.may_die and turn.checkpoint:",
        "if world.may_die and not send.snapshots and turn.checkpoint:",
    ),
    Mutant(
        "the loop keeps failures from the core",
        _LOOP,
        "        if not self.is_over:\n",
        '        if not self.is_over and hasattr(outcome, "status"):\n',
    ),
    Mutant(
        "the loop begins anew after the death of its process, for all that it saved",
        _LOOP,
        "if send.snapshots:",
        "if send.snapshots and send.lives > 2:",
    ),
    Mutant(
        "the loop never wakes",
        _LOOP,
        "if not self.is_over and number == self._wakes:",
        "if not self.is_over and number == self._wakes and self.send.lives > 3:",
    ),
    Mutant(
        "the loop performs the first request of a turn alone",
        _LOOP,
        "for request in turn.requests:",
        "for request in turn.requests[:1]:",
    ),
    # Of time, between attempts and between processes.
    Mutant(
        "the age of a key counts from its last POST",
        f"{_CORE}/send.py",
        "assert new.body is not None\n",
        "assert new.body is not None\n        task.since = new.now\n",
        survives=True,
    ),
    Mutant(
        "the age of a key counts from its second POST",
        f"{_CORE}/send.py",
        "assert new.body is not None\n",
        "assert new.body is not None\n        if task.attempts <= 2:\n            task.since = new.now\n",
        survives=True,
    ),
    Mutant(
        "the age of a key counts from its third POST",
        f"{_CORE}/send.py",
        "assert new.body is not None\n",
        "assert new.body is not None\n        if task.attempts in (1, 3):\n            task.since = new.now\n",
        survives=True,
    ),
    Mutant(
        "the age of a key counts from its last POST in doubt",
        f"{_CORE}/send.py",
        "assert new.body is not None\n",
        "assert new.body is not None\n        if task.attempts == 1 or task.doubt:\n            task.since = new.now\n",
        survives=True,
    ),
    Mutant(
        "the age of a key counts anew in each process",
        f"{_CORE}/send.py",
        "assert new.body is not None\n",
        "assert new.body is not None\n        if len(task.issued) == 1:\n            task.since = new.now\n",
        survives=True,
    ),
    Mutant(
        "the age of the last file counts",
        f"{_CORE}/send.py",
        "new.oldest = min(entry.since for entry in stored)",
        "new.oldest = stored[-1].since",
        survives=True,
    ),
    Mutant(
        "the age of a key counts from its first failure",
        f"{_CORE}/send.py",
        "        task.failures += 1\n        if not",
        "        task.failures += 1\n"
        "        if task.index == EVENT and task.failures == 1:\n"
        "            task.since = new.now\n"
        "        if not",
    ),
    Mutant(
        "the age of a key counts anew for who resumes from an error",
        f"{_CORE}/snapshot.py",
        '"posted_at": event.since',
        '"posted_at": state.now if failed else event.since',
        survives=True,
    ),
    Mutant(
        "the age of a key is looked at when a process begins, and not later",
        f"{_CORE}/reports.py",
        "if (event.doubt or event.state == EVENT_SENT) and is_forgotten(",
        "if (event.doubt or event.state == EVENT_SENT) and not event.issued and is_forgotten(",
    ),
    Mutant(
        "an attempt in doubt makes a key young again",
        f"{_CORE}/send.py",
        "        task.failures += 1\n        if not",
        "        task.failures += 1\n"
        "        if verdict.arrived and task.index == EVENT and task.failures > 1:\n"
        "            task.since = new.now\n"
        "        if not",
        survives=True,
    ),
    Mutant(
        "a snapshot of a send that waits to repeat its event makes the key young again",
        f"{_CORE}/snapshot.py",
        '"posted_at": event.since}',
        '"posted_at": max(event.since, event.due)}',
    ),
    Mutant(
        "a new asset is as old as the first",
        f"{_CORE}/send.py",
        "    task.first_put = None\n",
        "",
        survives=True,
    ),
    Mutant(
        "a copy of a task forgets its first put",
        f"{_CORE}/states.py",
        "other.first_put = self.first_put",
        "other.first_put = None",
    ),
    Mutant(
        "the age of the newest file counts",
        f"{_CORE}/send.py",
        "new.oldest = min(",
        "new.oldest = max(",
        survives=True,
    ),
    Mutant(
        "a deleted file is sent for an hour more",
        f"{_CORE}/lifetimes.py",
        "    return now >= since + ASSET_LIFETIME\n",
        "    return now >= since + ASSET_LIFETIME + ASSET_MARGIN\n",
    ),
    Mutant(
        "a file is as old as the error that its send is resumed from",
        f"{_CORE}/snapshot.py",
        '"stored_at": entry.since',
        '"stored_at": state.now if failed else entry.since',
    ),
    Mutant(
        "an error ends the doubt of an event that waits",
        f"{_CORE}/reports.py",
        "if task.doubt or task.state == EVENT_SENT:",
        "if task.state == EVENT_SENT:",
    ),
    Mutant(
        "the key is forgotten an hour late in a resumed process",
        f"{_CORE}/snapshot.py",
        'event.since = _number(post["posted_at"], "posted_at")',
        'event.since = _number(post["posted_at"], "posted_at") + 3_601.0',
    ),
    Mutant(
        "who resumes from an error has no doubt",
        f"{_CORE}/snapshot.py",
        "doubt = event.doubt or event.state == EVENT_SENT",
        "doubt = not failed and (event.doubt or event.state == EVENT_SENT)",
    ),
    Mutant(
        "files that grew old are had anew, and then again",
        f"{_CORE}/send.py",
        "new.pending, new.begun = [entry.index for entry in stale], 0",
        "new.pending, new.begun = [entry.index for entry in stored], 0",
    ),
    # Of our clients.
    Mutant(
        "the sync client forgets a doubt when it resumes",
        f"{_SYNC}/client.py",
        "prepare_resume(settings, snapshot, lambda",
        "prepare_resume(settings, snapshot.replace('\"doubt\":true', '\"doubt\":false'), lambda",
    ),
    Mutant(
        "the client on trio uploads stored files again when it resumes",
        f"{_TRIO}/client.py",
        "prepare_resume(settings, snapshot, go_on)",
        "prepare_resume(settings, snapshot.replace('\"asset_id\"', '\"former_id\"'), go_on)",
    ),
    Mutant(
        "the sync loop tells an outcome at the time of its request",
        f"{_SYNC}/run.py",
        "            self._landed(self._perform(request))",
        "            now = self._clock.now()\n"
        "            outcome = self._perform(request)\n"
        "            with self._lock:\n"
        "                del self._in_flight[threading.get_ident()]\n"
        "                if not self._ended:\n"
        "                    self._advance(now, outcome)",
        survives=True,
    ),
    Mutant(
        "the sync loop does not cut a request that waited for a worker",
        f"{_SYNC}/run.py",
        "request = self._deadline.cut(self._ready.popleft())",
        "request = self._ready.popleft()",
    ),
    Mutant(
        "the trio loop tells an outcome at the time of its request",
        f"{_TRIO}/run.py",
        "self._advance(self._clock.now(), outcome)",
        "self._advance(self._clock.now() - (trio.current_time() - start), outcome)",
    ),
    Mutant(
        "the trio loop does not cancel what is in flight",
        f"{_TRIO}/run.py",
        "            outcome = await self._perform(request)\n",
        "            with trio.CancelScope(shield=True):\n                outcome = await self._perform(request)\n",
    ),
)
