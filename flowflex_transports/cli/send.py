"""`flowflex send` and `flowflex upload`: they talk to the FlowFlex that the environment names."""

import argparse
import json
import math
import os
from typing import TYPE_CHECKING, Any

from flowflex_core.errors import FlowFlexConfigError
from flowflex_core.messages import SendEventResult
from flowflex_transports.cli.extras import need
from flowflex_transports.cli.payload import named_file, read_payload
from flowflex_transports.cli.progress import shown_progress

if TYPE_CHECKING:
    from flowflex_transports.calls import OnProgress


def send(options: argparse.Namespace) -> None:
    """Send one event and print what came of it."""
    need("flowflex send", "cli", *(["trio"] if options.transport == "trio" else []))
    _need_settings()
    payload = read_payload(options.data, options.files)
    with shown_progress() as on_progress:
        result = send_event(
            options.transport,
            {},
            options.event,
            payload,
            idempotency_key=options.idempotency_key,
            on_progress=on_progress,
        )
    if options.json:
        print(
            json.dumps(
                {
                    "response": _finite(result.response),
                    "uploaded_assets": result.uploaded_assets,
                    "idempotency_key": result.idempotency_key,
                }
            )
        )
        return
    print(f"accepted {options.event} under the idempotency key {result.idempotency_key}")
    for line in trigger_lines(result.uploaded_assets):
        print(line)
    print(f"answer: {json.dumps(_finite(result.response))}")


def upload(options: argparse.Namespace) -> None:
    """Upload files one after the other and print the asset id of each as soon as it is stored."""
    need("flowflex upload", "cli")
    _need_settings()
    refs = [named_file(name) for name in options.files]
    from flowflex_transports import FlowFlex

    stored: list[dict[str, str]] = []
    try:
        with FlowFlex() as client:
            for name, ref in zip(options.files, refs, strict=True):
                with shown_progress() as on_progress:
                    asset_id = client.upload_file(ref, on_progress=on_progress)
                stored.append({"file": name, "asset_id": asset_id})
                if not options.json:
                    print(f"{asset_id}  {name}", flush=True)
    finally:
        # Also what was stored before a failure: it is there, and lives 48 hours.
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


def send_event(
    transport: str,
    settings: dict[str, Any],
    event: str,
    payload: dict[str, Any],
    *,
    idempotency_key: str | None,
    on_progress: "OnProgress",
) -> SendEventResult:
    """Send through the sync client, or through the trio one in a loop of its own."""
    call: dict[str, Any] = {"payload": payload, "idempotency_key": idempotency_key, "on_progress": on_progress}
    if transport == "trio":
        import trio

        from flowflex_transports import AsyncFlowFlex

        async def send_in_trio() -> SendEventResult:
            async with AsyncFlowFlex(**settings) as client:
                return await client.send_event(event, **call)

        return trio.run(send_in_trio)
    from flowflex_transports import FlowFlex

    with FlowFlex(**settings) as client:
        return client.send_event(event, **call)
