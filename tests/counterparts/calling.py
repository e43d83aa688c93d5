"""Both clients, over their own transports, called alike."""

from collections.abc import Callable, Iterable
from typing import Any

import trio

from flowflex_core import FlowFlexError, SendEventResult
from flowflex_transports import AsyncFlowFlex, FlowFlex


def send_all(
    transport: str, payloads: Iterable[Any], between: Callable[[], object] = lambda: None, **options: Any
) -> list[SendEventResult | FlowFlexError]:
    """Send an event for each payload, one after another over one client, with something else done after each."""
    if transport == "trio":
        return trio.run(_send_all_on_trio, payloads, between, options)
    outcomes: list[SendEventResult | FlowFlexError] = []
    with FlowFlex(**options) as client:
        for payload in payloads:
            try:
                outcomes.append(client.send_event("document.ready", payload=payload))
            except FlowFlexError as error:
                outcomes.append(error)
            between()
    return outcomes


async def _send_all_on_trio(
    payloads: Iterable[Any], between: Callable[[], object], options: dict[str, Any]
) -> list[SendEventResult | FlowFlexError]:
    outcomes: list[SendEventResult | FlowFlexError] = []
    async with AsyncFlowFlex(**options) as client:
        for payload in payloads:
            try:
                outcomes.append(await client.send_event("document.ready", payload=payload))
            except FlowFlexError as error:
                outcomes.append(error)
            await trio.to_thread.run_sync(between)
    return outcomes
