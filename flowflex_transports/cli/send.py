"""`flowflex send`, `flowflex resume` and `flowflex upload`: they talk to the FlowFlex that the environment names."""

import argparse
import json
import math
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from flowflex_core.errors import FlowFlexConfigError
from flowflex_core.messages import SendEventResult
from flowflex_transports.cli import snapshot
from flowflex_transports.cli.extras import need
from flowflex_transports.cli.payload import named_file, read_payload
from flowflex_transports.cli.progress import shown_progress


class InterruptedSend(KeyboardInterrupt):
    """Ctrl-C came when the event may have been on its way; says what to do, and under which key it went."""

    def __init__(self, words: str, idempotency_key: str | None = None) -> None:
        super().__init__(words)
        self.idempotency_key = idempotency_key


def send(options: argparse.Namespace) -> None:
    """Send one event and print what came of it."""
    need("flowflex send", "cli", *(["trio"] if options.transport == "trio" else []))
    _need_settings()
    if options.snapshot is not None:
        snapshot.check_place(options.snapshot)
    payload = read_payload(options.data, options.files)
    from flowflex_transports.calls import new_key

    # Chosen here, so that it is not lost when Ctrl-C ends the call.
    key = new_key() if options.idempotency_key is None else options.idempotency_key
    try:
        with snapshot.kept(options.snapshot), shown_progress() as on_progress:
            result = with_client(
                options.transport,
                {},
                lambda client: client.send_event(
                    options.event, payload=payload, idempotency_key=key, on_progress=on_progress
                ),
            )
    except KeyboardInterrupt:
        words = f"event {options.event!r} may have been accepted (idempotency key {key})"
        raise InterruptedSend(words, key) from None
    _tell(options.event, result, as_json=options.json)


def resume(options: argparse.Namespace) -> None:
    """Go on with a send from the file of its snapshot, which is removed when the event is accepted."""
    need("flowflex resume", "cli", *(["trio"] if options.transport == "trio" else []))
    _need_settings()
    text = snapshot.read(options.snapshot)
    try:
        with snapshot.kept(options.snapshot), shown_progress() as on_progress:
            result = with_client(options.transport, {}, lambda client: client.resume(text, on_progress=on_progress))
    except KeyboardInterrupt:
        raise InterruptedSend(f"the event may have been accepted; {snapshot.going_on(options.snapshot)}") from None
    _tell(json.loads(text)["event"], result, as_json=options.json)
    sys.stdout.flush()  # what nobody could read is there to be resumed once more
    with suppress(OSError):
        Path(options.snapshot).unlink()


def _tell(event: str, result: SendEventResult, *, as_json: bool) -> None:
    if as_json:
        told = {
            "response": _finite(result.response),
            "uploaded_assets": result.uploaded_assets,
            "idempotency_key": result.idempotency_key,
        }
        print(json.dumps(told))
        return
    print(f"accepted {event} under the idempotency key {result.idempotency_key}")
    for line in trigger_lines(result.uploaded_assets):
        print(line)
    print(f"answer: {json.dumps(_finite(result.response))}")


def upload(options: argparse.Namespace) -> None:
    """Upload files one after the other and print the asset id of each as soon as it is stored."""
    # Told beside a failure too: what was stored before it is there, and lives 48 hours.
    stored: list[dict[str, str]] = []
    options.stored = stored
    need("flowflex upload", "cli")
    _need_settings()
    refs = [named_file(name) for name in options.files]
    from flowflex_transports import FlowFlex

    with FlowFlex() as client:
        for name, ref in zip(options.files, refs, strict=True):
            with shown_progress() as on_progress:
                asset_id = client.upload_file(ref, on_progress=on_progress)
            stored.append({"file": name, "asset_id": asset_id})
            if not options.json:
                print(f"{asset_id}  {name}", flush=True)
    if options.json:
        print(json.dumps(stored))


def _need_settings() -> None:
    """Name all that is not set at once: here there are no arguments to give it by."""
    from flowflex_transports.environment import VARIABLES

    missing = [variable for variable in VARIABLES.values() if variable not in os.environ]
    if missing:
        raise FlowFlexConfigError(f"set {', '.join(missing)} in the environment")


def _finite(value: Any) -> Any:
    """Put null, as JavaScript does, where an answer holds a number too large for a float: JSON has no infinity."""
    if isinstance(value, dict):
        return {key: _finite(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_finite(child) for child in value]
    return None if isinstance(value, float) and math.isinf(value) else value


def trigger_lines(uploaded_assets: dict[str, str]) -> list[str]:
    """Write the asset ids as a flow reads them."""
    return [f"{{{{trigger.{path}}}}} = {asset_id}" for path, asset_id in uploaded_assets.items()]


def with_client(transport: str, settings: dict[str, Any], call: Callable[[Any], Any]) -> SendEventResult:
    """Send by `call`, which is given the sync client, or the trio one in a loop of its own."""
    if transport == "trio":
        import trio

        from flowflex_transports import AsyncFlowFlex

        async def call_in_trio() -> SendEventResult:
            async with AsyncFlowFlex(**settings) as client:
                return cast("SendEventResult", await call(client))

        return trio.run(call_in_trio)
    from flowflex_transports import FlowFlex

    with FlowFlex(**settings) as client:
        return cast("SendEventResult", call(client))
