"""The server's process dies or stands still under a send: both clients end in time, and go on when it is back."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flowflex_core import (
    FlowFlexConnectionError,
    FlowFlexOutcomeUnknownError,
    FlowFlexUploadConnectionError,
    FlowFlexUploadTimeoutError,
    file,
)
from tests.real_faults.clients import EitherClient, assert_no_socket_to, play
from tests.support.fake_process import FakeProcess

# More than the buffers of the kernel take, so that much of it is unsent when the server goes.
CONTENT = b"%PDF" * 2_500_000
SHORT_SECONDS = 0.4

pytestmark = pytest.mark.slow  # a process each


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FakeProcess]:
    with FakeProcess(tmp_path / "data") as server:
        yield server


def payload() -> dict[str, Any]:
    return {"file": file(CONTENT, filename="a.pdf")}


def midway(do: Callable[[], None]) -> Callable[..., None]:
    """Return what does a thing once, when a part of a file has been handed to the network."""
    done: list[int] = []

    def on_progress(ref: object, sent: int, total: int) -> None:
        if sent > 100_000 and not done:
            done.append(sent)
            do()

    return on_progress


def port_of(server: FakeProcess) -> int:
    return int(server.options["base_url"].rpartition(":")[2])


def test_a_server_killed_in_the_midst_of_an_upload(server, transport):
    """It is an upload error for want of a connection; with the server back, the same client delivers."""

    async def script(client: EitherClient) -> None:
        with pytest.raises(FlowFlexUploadConnectionError):
            await client.send("e", payload=payload(), on_progress=midway(server.kill), max_retries=0)
        with pytest.raises(FlowFlexConnectionError, match="refused"):
            await client.send("e", max_retries=0)
        assert_no_socket_to(port_of(server))
        server.start()
        assert (await client.send("e", payload=payload())).uploaded_assets

    play(transport, server.options, script)
    assert_no_socket_to(port_of(server))


def test_a_server_that_is_killed_and_started_anew_meanwhile(server, transport):
    """A send that is repeated goes through, on the URL that it had."""

    def restart() -> None:
        server.kill()
        server.start()

    async def script(client: EitherClient) -> None:
        sent: Any = await client.send("e", payload=payload(), on_progress=midway(restart))
        assert sent.response["status"] == "accepted"

    play(transport, server.options, script)


@pytest.mark.parametrize("with_file", [True, False])
def test_a_server_that_stands_still(with_file, server, transport):
    """Its kernel goes on to take connections and bytes: the bound on silence ends what waits, and nothing is lost."""

    async def script(client: EitherClient) -> None:
        await client.send("e", idempotency_key="before")
        begun = time.monotonic()
        if with_file:
            with pytest.raises(FlowFlexUploadTimeoutError):
                await client.send(
                    "e",
                    payload=payload(),
                    on_progress=midway(server.halt),
                    timeout_seconds=SHORT_SECONDS,
                    max_retries=0,
                )
            server.go_on()
        else:
            server.halt()
            with pytest.raises(FlowFlexOutcomeUnknownError) as caught:
                await client.send("e", timeout_seconds=SHORT_SECONDS, max_retries=1)
            server.go_on()
            assert caught.value.attempts == 2
            assert caught.value.snapshot is not None
            assert (await client.resume(caught.value.snapshot)).idempotency_key == caught.value.idempotency_key
        assert time.monotonic() - begun < 8
        assert (await client.send("e", payload=payload())).uploaded_assets

    play(transport, server.options, script)
    assert_no_socket_to(port_of(server))
