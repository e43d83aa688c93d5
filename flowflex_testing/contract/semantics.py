"""The semantics part: whole sends to a fake FlowFlex, through a transport of any kind, sockets or not.

The core decides and the fake judges; what is between them must carry every byte, header and outcome as it is. The
fake's clock is the only one that the core sees, so that nothing here waits.
"""

# ruff: noqa: D401 - the docstring of a check is the sentence that it holds a transport to

import dataclasses
import json
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

from flowflex_core.errors import FlowFlexError, FlowFlexOutcomeUnknownError, FlowFlexUploadError
from flowflex_core.files import FileRef
from flowflex_core.messages import Failure, Outcome, Request, Response
from flowflex_core.operations import CreateUploadUrl, SendEvent, UploadFile
from flowflex_core.settings import Settings
from flowflex_testing.contract.bench import Bench, Content, run_check
from flowflex_testing.contract.check import Check
from flowflex_testing.contract.subject import SemanticsSubject
from flowflex_testing.contract.violation import ContractViolation, describe, require
from flowflex_testing.fake import FakeFlowFlex
from flowflex_testing.faults.kinds import OPERATIONS, HtmlPage, LoseReply, Status

_KEY = "contract-key"

Send = SendEvent | UploadFile | CreateUploadUrl


class Desk:
    """A fake, a transport under check, and the plainest of loops between the core and the two."""

    def __init__(self, fake: FakeFlowFlex, subject: SemanticsSubject) -> None:
        self.fake = fake
        self.bench = Bench(subject.make(fake), subject.asynchronous)

    def settings(self, **options: Any) -> Settings:
        """Make settings that lead to the fake."""
        return Settings(**(dict[str, Any](self.fake.client_options) | options))

    async def send(self, fault: str, event: str, payload: object = None) -> Any:
        """Send an event that must be accepted, and return the result; `fault` says what is wrong where it is not."""
        return await self.result(fault, SendEvent.start(self.settings(), event, payload, idempotency_key=_KEY))

    async def result(self, fault: str, operation: Send) -> Any:
        """Drive an operation that must succeed to its result."""
        try:
            return await self._finish(operation)
        except FlowFlexError as error:
            raise ContractViolation(fault, expected="success", seen=f"{type(error).__name__}: {error}") from error

    async def error(self, fault: str, kind: type[FlowFlexError], operation: Send) -> FlowFlexError:
        """Drive an operation that must end with an error of that kind to the error."""
        try:
            result = await self._finish(operation)
        except kind as error:
            return error
        except FlowFlexError as error:
            raise ContractViolation(fault, expected=kind.__name__, seen=f"{type(error).__name__}: {error}") from error
        raise ContractViolation(fault, expected=kind.__name__, seen=repr(result))

    def require_event(self, fault: str, name: str, **wanted: Any) -> None:
        """Look for an accepted event, as the fake's `assert_event` does."""
        try:
            self.fake.assert_event(name, **wanted)
        except AssertionError as error:
            raise ContractViolation(fault, expected=f"the event {name!r} as it was sent", seen=str(error)) from error

    async def perform(self, request: Request) -> Outcome:
        """Perform one request as it stands; what a source raises becomes a failure, as in every loop."""
        body: bytes | Content = request.body if isinstance(request.body, bytes) else request.body.source
        performed = await self.bench.attempt(request, body)
        if isinstance(performed.outcome, Response):
            return performed.outcome
        if performed.source_raised:
            return Failure(request.id, "source", "the source raised", sent=True)
        if isinstance(performed.outcome, Failure):
            return performed.outcome
        raise ContractViolation("perform raises", expected="a Response or a Failure", seen=str(performed))

    async def _finish(self, operation: Send) -> Any:
        outcomes: list[Outcome] = []

        async def perform(request: Request) -> None:
            outcomes.append(await self.perform(request))

        turn = operation.advance(self.fake.clock.now())
        while not turn.done:
            outcomes.clear()
            if turn.requests:
                await self.bench.together([partial(perform, request) for request in turn.requests])
            else:
                self.fake.clock.advance(seconds=turn.wait or 0.0)
            turn = operation.advance(self.fake.clock.now(), *outcomes)
        return operation.result()


@dataclass(frozen=True)
class SemanticsCheck(Check):
    """A check of whole sends through a transport."""

    def __call__(self, subject: SemanticsSubject) -> None:
        """Run the check; raises `ContractViolation`."""
        fake = FakeFlowFlex()
        served: AbstractContextManager[Any] = fake if subject.live else nullcontext()
        with served:

            async def check() -> None:
                desk = Desk(fake, subject)
                try:
                    await self.function(desk)
                finally:
                    await desk.bench.close()

            run_check(subject.asynchronous, check)
            fake.faults.assert_fired()


async def event_arrives(desk: Desk) -> None:
    """An event without files arrives with its name, key and payload, and its reply comes back."""
    payload = {"text": "naïve ☃", "list": [1, 2.5, None, True], "empty": {}}
    fault = "an event without files is not delivered"
    result = await desk.send(fault, "payé.à.l'échéance", payload)
    desk.require_event("an event does not arrive as it was sent", "payé.à.l'échéance", payload=payload)
    event = desk.fake.events[0]
    expected = {"status": "accepted", "eventId": event.id}
    require(result.response == expected, "the reply comes back changed", expected=expected, seen=result.response)
    seen = event.idempotency_key
    require(seen == _KEY, "the idempotency key arrives changed", expected=_KEY, seen=seen)


async def files_arrive(desk: Desk) -> None:
    """Files in a payload are uploaded byte for byte, also one of no bytes, and the event names their assets."""
    contents = {"invoice": b"%PDF-1.7 \x00\xff\r\n\r\n", "empty": b"", "large": bytes(range(256)) * 2000}
    payload = {path: _file(content, f"{path}.pdf") for path, content in contents.items()}
    await desk.send("an event with files is not delivered", "contract.files", payload)
    desk.require_event("files do not arrive as they were sent", "contract.files", files=contents)


async def shared_file_is_uploaded_once(desk: Desk) -> None:
    """A file in several places of a payload is uploaded once and stands in all of them."""
    ref = _file(b"shared", "shared.txt")
    await desk.send("an event with a shared file is not delivered", "contract.shared", {"a": ref, "b": [ref]})
    fault = "a shared file does not arrive as it was sent"
    desk.require_event(fault, "contract.shared", files={"a": b"shared", "b[0]": b"shared"})
    _require_count(desk, "put", 1, "a file that stands in two places is uploaded more than once")


async def many_files_arrive_at_once(desk: Desk) -> None:
    """Many files, several of them under way at the same time, arrive each as its own."""
    contents = {f"files[{number}]": str(number).encode() * 1000 for number in range(20)}
    payload = {"files": [_file(content, "n.txt") for content in contents.values()]}
    await desk.send("an event with many files is not delivered", "contract.many", payload)
    desk.require_event("files that are uploaded at the same time are mixed up", "contract.many", files=contents)


async def unavailable_is_repeated(desk: Desk) -> None:
    """A 503 reaches the core as it is, so that the request is repeated, whichever leg it is."""
    for operation in OPERATIONS:
        desk.fake.reset()
        desk.fake.faults.arm(operation, Status(503, retry_after=0))
        payload = {"file": _file(b"again", "again.txt")}
        await desk.send(f"a 503 on the {operation} leg does not lead to a repetition", "contract.again", payload)
        fault = f"after a 503 on the {operation} leg the event does not arrive as it was sent"
        desk.require_event(fault, "contract.again", files={"file": b"again"})
        _require_count(desk, operation, 2, f"a 503 on the {operation} leg is not repeated exactly once")


async def lost_reply_is_repeated(desk: Desk) -> None:
    """An event whose reply is lost is repeated under one key with one body, and has its effect once."""
    desk.fake.faults.arm("event", LoseReply())
    payload = {"file": _file(b"once", "once.txt")}
    await desk.send("an event whose reply was lost is not delivered", "contract.once", payload)
    _require_one_effect(desk)


async def lost_upload_is_repeated(desk: Desk) -> None:
    """A PUT whose reply is lost is sent again whole, from the start of its source."""
    desk.fake.faults.arm("put", LoseReply(reset=True))
    payload = {"file": _file(b"from the start", "whole.txt")}
    await desk.send("an event whose PUT lost its reply is not delivered", "contract.put", payload)
    fault = "a PUT that is repeated does not send the file whole"
    desk.require_event(fault, "contract.put", files={"file": b"from the start"})


async def unknown_outcome_is_resumed(desk: Desk) -> None:
    """A send whose outcome stays unknown is resumed from its snapshot with the same body under the same key."""
    desk.fake.faults.arm("event", LoseReply())
    settings = desk.settings(max_retries=0)
    payload = {"file": _file(b"once", "once.txt")}
    send = SendEvent.start(settings, "contract.once", payload, idempotency_key=_KEY)
    error = await desk.error("a lost reply is taken for something else", FlowFlexOutcomeUnknownError, send)
    resumed = SendEvent.resume(error.snapshot or "", settings)
    await desk.result("a send with unknown outcome cannot be resumed", resumed)
    _require_one_effect(desk)


async def page_is_no_success(desk: Desk) -> None:
    """The HTML page of a captive portal, status 200, reaches the core as it is and is not taken for success."""
    desk.fake.faults.arm("event", HtmlPage(200))
    await desk.send("an event that met a captive portal is not delivered afterwards", "contract.page")
    _require_count(desk, "event", 2, "a captive portal's page is not recognised")
    desk.require_event("an event that met a captive portal does not arrive", "contract.page")


async def refusal_tells_its_code(desk: Desk) -> None:
    """A refusal ends the send with an error that holds the status, code and message of the reply."""
    settings = desk.settings()
    payload = {"assetId": "asset_doesnotexist"}
    send = SendEvent.start(settings, "contract.refused", payload, idempotency_key=_KEY)
    error = await desk.error("a refusal does not end the send with an error", FlowFlexError, send)
    _require_error(error, 422, "ASSET_NOT_FOUND")
    wrong = desk.settings(api_secret="wrong")  # noqa: S106 - it is meant to be
    send = SendEvent.start(wrong, "contract.refused", idempotency_key=_KEY)
    error = await desk.error("wrong credentials do not end the send with an error", FlowFlexError, send)
    _require_error(error, 401, "UNAUTHORIZED")


async def mime_refusal_is_returned(desk: Desk) -> None:
    """A MIME type that FlowFlex does not take is a 400 with MIME_NOT_ALLOWED, returned as the reply that it is."""
    operation = CreateUploadUrl.start(desk.settings(), filename="a.txt", mime="text/plain", key=_KEY)
    (request,) = operation.advance(desk.fake.clock.now()).requests
    body = json.dumps({"filename": "a.zip", "mime": "application/zip"}).encode()
    outcome = await desk.perform(dataclasses.replace(request, body=body))
    returned = isinstance(outcome, Response) and outcome.status == 400 and b"MIME_NOT_ALLOWED" in outcome.body
    fault = "the refusal of a MIME type is not returned"
    require(returned, fault, expected="a Response(400) with MIME_NOT_ALLOWED", seen=describe(outcome))


async def storage_gets_no_credentials(desk: Desk) -> None:
    """Storage gets the file with its type, and neither credentials nor cookies."""
    await desk.send("an event with a file is not delivered", "contract.storage", {"file": _file(b"x", "x.png")})
    for request in desk.fake.requests:
        if request.origin == "storage":
            for name in ("authorization", "cookie"):
                seen = request.header(name)
                require(seen is None, f"storage gets the header {name}", expected="none", seen=seen)
            seen = request.header("content-type")
            require(seen == "image/png", "storage gets another Content-Type", expected="image/png", seen=seen)


async def broken_source_stores_nothing(desk: Desk) -> None:
    """A source that raises leaves no file behind, and its event is not sent."""
    content = Content((b"half of it, ",), 100, _SourceChangedError("the file changed"))
    payload = {"file": FileRef(content, filename="half.txt", size=100)}
    send = SendEvent.start(desk.settings(), "contract.broken", payload, idempotency_key=_KEY)
    await desk.error("a source that raises does not end the send with an error", FlowFlexUploadError, send)
    _require_count(desk, "upload-url", 1, "the upload of a file is not begun")
    require(not desk.fake.events, "an event is sent though its file was not", expected="none", seen=desk.fake.events)
    sizes = [asset.size for asset in desk.fake.assets.values()]
    require(not sizes, "a file is stored though its source raised", expected="none", seen=sizes)


async def upload_alone_is_stored(desk: Desk) -> None:
    """A file that is uploaded without an event is stored under the asset id that is returned."""
    ref = _file(b"alone", "alone.txt")
    asset_id = await desk.result("a file cannot be uploaded", UploadFile.start(desk.settings(), ref, key=_KEY, size=5))
    seen = list(desk.fake.assets)
    require(seen == [asset_id], "a file is not stored under its asset id", expected=[asset_id], seen=seen)


class _SourceChangedError(Exception):
    """Stands for what a source raises."""


def _file(content: bytes, filename: str) -> FileRef:
    return FileRef(Content.of(content), filename=filename, size=len(content))


def _require_count(desk: Desk, operation: str, count: int, fault: str) -> None:
    seen = sum(request.operation == operation for request in desk.fake.requests)
    require(seen == count, fault, expected=f"{count} requests", seen=f"{seen} requests")


def _require_one_effect(desk: Desk) -> None:
    posts = [request for request in desk.fake.requests if request.operation == "event"]
    seen = [(request.header("x-idempotency-key"), request.body) for request in posts]
    fault = "a repeated event differs in its key or its body"
    require(len(seen) == 2 and seen[0] == seen[1], fault, expected="two equal requests", seen=seen)
    count = len(desk.fake.events)
    require(count == 1, "a repeated event has its effect twice", expected="1 event", seen=f"{count} events")
    _require_count(desk, "put", 1, "the file of a repeated event is uploaded again")


def _require_error(error: FlowFlexError, status: int, code: str) -> None:
    seen = (error.status, error.code)
    expected = (status, code)
    require(seen == expected, "a refusal does not come with its status and code", expected=expected, seen=seen)


SEMANTICS: tuple[SemanticsCheck, ...] = tuple(
    map(
        SemanticsCheck,
        (
            event_arrives,
            files_arrive,
            shared_file_is_uploaded_once,
            many_files_arrive_at_once,
            unavailable_is_repeated,
            lost_reply_is_repeated,
            lost_upload_is_repeated,
            unknown_outcome_is_resumed,
            page_is_no_success,
            refusal_tells_its_code,
            mime_refusal_is_returned,
            storage_gets_no_credentials,
            broken_source_stores_nothing,
            upload_alone_is_stored,
        ),
    )
)


def check_semantics(subject: SemanticsSubject) -> None:
    """Run every check; raises `ContractViolation` at the first fault."""
    for check in SEMANTICS:
        check(subject)
