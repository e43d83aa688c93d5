"""The presets: what a caller of both clients goes through, live and in memory."""

import inspect
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import trio

from flowflex_core import backoff, errors
from flowflex_testing.fake import FakeFlowFlex
from flowflex_testing.faults import Aim, HtmlPage, Status, presets
from flowflex_testing.faults.presets import PRESETS
from flowflex_testing.memory import AsyncMemoryTransport, MemoryTransport
from flowflex_transports import AsyncFlowFlex, FlowFlex, file
from tests.testing.caller import Caller


class SyncSender:
    """Sends an event with a file through `FlowFlex`."""

    transport: Any = MemoryTransport

    def send(self, **settings: Any) -> Any:
        with FlowFlex(**settings) as client:
            return client.send_event("e", payload={"f": file(b"data", filename="a.pdf")})


class TrioSender:
    """Sends an event with a file through `AsyncFlowFlex`."""

    transport: Any = AsyncMemoryTransport

    def send(self, **settings: Any) -> Any:
        async def send_event() -> Any:
            async with AsyncFlowFlex(**settings) as client:
                return await client.send_event("e", payload={"f": file(b"data", filename="a.pdf")})

        return trio.run(send_event)


@pytest.fixture(params=["live", "memory"])
def fake(request, monkeypatch):
    monkeypatch.setattr(backoff, "FIRST_DELAY", 0.01)
    fake = FakeFlowFlex()
    if request.param == "memory":
        yield fake
    else:
        with fake:
            yield fake
    fake.faults.assert_fired()


@pytest.fixture(params=[SyncSender, TrioSender])
def send(request, fake):
    """Send an event with a file to the fake, through one of the clients and over its face."""
    sender = request.param()

    def send_event(**options: Any) -> Any:
        settings = {**fake.client_options, **options}
        if fake.base_url.startswith("https://api.flowflex.test"):
            settings["transport"] = sender.transport(fake)
        return sender.send(**settings)

    return send_event


def operations(fake: FakeFlowFlex) -> list[str | None]:
    return [request.operation for request in fake.requests]


def test_a_lost_response_is_found_under_its_key(send, fake):
    """Repeated, the event is there once; not repeated, the outcome is unknown."""
    fake.faults.arm_preset("lost_response")
    send()
    assert operations(fake) == ["upload-url", "put", "event", "event"]
    assert len(fake.events) == 1
    fake.faults.arm_preset("lost_response")
    with pytest.raises(errors.FlowFlexOutcomeUnknownError):
        send(max_retries=0)


def test_a_duplicate_on_retry_means_stored(send, fake):
    """The repeated PUT is told that the file is there, and the event goes out with it."""
    fake.faults.arm_preset("duplicate_on_retry")
    send()
    assert operations(fake) == ["upload-url", "put", "put", "event"]
    assert fake.requests[2].fault == "AlreadyStored()"
    fake.assert_event("e", files={"f": b"data"})


def test_a_gateway_page_is_no_answer(send, fake):
    """Its HTML is repeated; not repeated, the outcome is unknown."""
    fake.faults.arm_preset("gateway_html")
    send()
    assert operations(fake) == ["upload-url", "put", "event", "event"]
    fake.faults.arm_preset("gateway_html")
    with pytest.raises(errors.FlowFlexOutcomeUnknownError, match="502"):
        send(max_retries=0)


def test_a_storage_outage_sends_no_event(send, fake):
    """Every attempt is refused, and the error tells how many there were."""
    fake.faults.arm_preset("storage_outage")
    with pytest.raises(errors.FlowFlexUploadError, match="after 3 attempts") as raised:
        send(max_retries=2)
    assert (raised.value.status, raised.value.code, raised.value.attempts) == (503, "SlowDown", 3)
    assert operations(fake) == ["upload-url", "put", "put", "put"]


def test_a_throttled_caller_is_told_how_long_to_wait(send, fake):
    """Both forms of Retry-After are read: the error of a caller that does not repeat has the second that is asked."""
    fake.faults.arm_preset("throttle")
    for _ in range(2):
        with pytest.raises(errors.FlowFlexError) as raised:
            send(max_retries=0)
        assert raised.value.code == "RATE_LIMITED"
        assert raised.value.retry_after is not None
        assert 0 <= raised.value.retry_after <= 2


def test_throttling_tells_a_number_and_then_a_date():
    """The date lies a second ahead of the fake's time."""
    caller = Caller(FakeFlowFlex())
    caller.fake.faults.arm_preset("throttle")
    number, date = (caller.event().headers["Retry-After"] for _ in range(2))
    assert number == "1"
    assert parsedate_to_datetime(date).timestamp() == caller.fake.clock.now() + 1


def test_a_preset_can_strike_another_operation():
    """The functions take it, and give what `arm_all` arms."""
    assert presets.gateway_html("put") == [Aim("put", HtmlPage(502))]
    assert [aim.operation for aim in presets.throttle("upload-url")] == ["upload-url", "upload-url"]
    assert presets.storage_outage() == [Aim("put", Status(503, "SlowDown"), times=None)]


def test_every_preset_has_its_name_and_one_sentence():
    """Whatever the module offers is armed by name, and told by one sentence."""
    offered = {name for name, value in vars(presets).items() if inspect.isfunction(value)}
    assert set(PRESETS) == offered
    for preset in PRESETS.values():
        sentence = inspect.getdoc(preset) or ""
        assert sentence.endswith(".")
        assert "\n" not in sentence


def test_an_unknown_preset_is_told_with_those_there_are(fake):
    """A slip of the pen arms nothing."""
    with pytest.raises(ValueError, match=r"preset is one of lost_response, .*, not 'throtle'"):
        fake.faults.arm_preset("throtle")
    assert fake.faults.armed == []
