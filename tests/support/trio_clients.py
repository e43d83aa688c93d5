"""Clients on trio over a fake without sockets, and over a transport that is a function."""

from flowflex_core import file
from flowflex_testing import AsyncMemoryTransport
from flowflex_transports.trio.client import AsyncFlowFlex


def over_memory(fake, **options) -> AsyncFlowFlex:
    return AsyncFlowFlex(**fake.client_options, transport=AsyncMemoryTransport(fake), **options)


def text(content: bytes = b"x", name: str = "note.txt"):
    return file(content, filename=name)


class Scripted:
    """A transport that asks a function for the outcome of each request."""

    def __init__(self, answer) -> None:
        self._answer = answer
        self.closed = 0

    async def perform(self, request, body):
        return await self._answer(request, body)

    async def aclose(self) -> None:
        self.closed += 1
