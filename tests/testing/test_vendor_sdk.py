"""The vendor's own SDK, unmodified, against the live fake: it works, and is refused where the rules say so."""

import io

import flowflex  # type: ignore[import-untyped]
import pytest

from flowflex_testing import faults
from flowflex_testing.fake import FakeFlowFlex


@pytest.fixture
def fake():
    with FakeFlowFlex() as fake:
        yield fake
    fake.faults.assert_fired()


@pytest.fixture
def client(fake):
    return flowflex.FlowFlex(**fake.client_options)


def refusal_of(call, *args, **kwargs) -> flowflex.FlowFlexError:
    with pytest.raises(flowflex.FlowFlexError) as raised:
        call(*args, **kwargs)
    return raised.value


def test_it_sends_an_event_without_files(client, fake):
    """The plain event of its README is accepted."""
    result = client.send_event("order.placed", payload={"name": "Ada"}, idempotency_key="order-1")
    event = fake.assert_event("order.placed", payload={"name": "Ada"})
    assert result.response == {"status": "accepted", "eventId": event.id}
    assert event.idempotency_key == "order-1"


def test_it_sends_files_of_every_kind(client, fake, tmp_path):
    """Paths, bytes, open files and empty ones arrive, each under its payload path."""
    path = tmp_path / "Rechnung für Ada.pdf"
    path.write_bytes(b"%PDF" * 500_000)
    payload = {
        "invoice": client.file(path),
        "gallery": [client.file(b"\x89PNG", filename="a.png"), client.file(io.BytesIO(b"b"), filename="b.jpg")],
        "order": {"receipt": client.file(b"", filename="empty.txt")},
    }
    result = client.send_event("invoice.created", payload=payload)
    event = fake.assert_event(
        "invoice.created",
        files={
            "invoice": path.read_bytes(),
            "gallery[0]": b"\x89PNG",
            "gallery[1]": "b.jpg",
            "order.receipt": b"",
        },
    )
    assert {where: asset.id for where, asset in event.files.items()} == result.uploaded_assets
    assert event.files["invoice"].filename == "Rechnung für Ada.pdf"
    fake.assert_never_sent(header="Authorization", to="storage")


def test_one_file_in_two_places_is_one_asset(client, fake):
    """Its reuse of uploads shows in the journal."""
    receipt = client.file(b"r", filename="r.txt")
    client.send_event("a", payload={"x": receipt, "y": [receipt]})
    assert len(fake.assets) == 1
    assert len(set(fake.events[0].files.values())) == 1


def test_wrong_credentials_are_unauthorized(fake):
    """401 with the documented error shape."""
    client = flowflex.FlowFlex(**fake.client_options | {"api_secret": "wrong"})
    error = refusal_of(client.send_event, "a")
    assert (error.status, error.code) == (401, "UNAUTHORIZED")


def test_an_unknown_code_is_not_found(fake):
    """404, the code percent-encoded on the way."""
    client = flowflex.FlowFlex(**fake.client_options | {"integration_code": "other/../code"})
    error = refusal_of(client.send_event, "a")
    assert (error.status, error.code) == (404, "INTEGRATION_NOT_FOUND")
    assert fake.requests[0].target == "/v1/events/other%2F..%2Fcode"


def test_a_mime_that_is_not_allowed_is_refused(client):
    """The documented code arrives."""
    error = refusal_of(
        client.send_event, "a", payload={"f": client.file(b"PK", filename="a.zip", mime="application/zip")}
    )
    assert (error.status, error.code) == (400, "MIME_NOT_ALLOWED")


def test_a_declared_size_that_is_not_true_is_refused(client, fake):
    """Storage compares, and stores nothing."""
    error = refusal_of(client.upload_file, client.file(b"four", filename="a.pdf", size=5))
    assert (type(error), error.status) == (flowflex.FlowFlexUploadError, 400)
    assert b"SIZE_MISMATCH" in str(error.details).encode()
    assert fake.assets == {}


def test_a_file_over_the_cap_is_refused(fake):
    """An SDK whose own limit was raised meets the fake's: by the declared size, and by the real one."""
    client = flowflex.FlowFlex(**fake.client_options, max_file_bytes=100_000_000)
    big = bytes(26_214_401)
    assert refusal_of(client.upload_file, client.file(big, filename="a.pdf")).code == "FILE_TOO_LARGE"
    error = refusal_of(client.upload_file, client.file(io.BytesIO(big), filename="a.pdf"))
    assert (type(error), error.status) == (flowflex.FlowFlexUploadError, 413)


def test_a_file_is_missing_after_48_hours(client, fake):
    """The clock is the fake's; the documented code arrives at once."""
    asset_id = client.upload_file(client.file(b"x", filename="a.pdf"))
    fake.clock.advance(hours=48)
    client.send_event("a", payload={"f": asset_id})
    fake.clock.advance(seconds=1)
    error = refusal_of(client.send_event, "a", payload={"f": asset_id})
    assert (error.status, error.code) == (422, "ASSET_FILE_MISSING")


def test_a_repeat_with_files_is_another_body_under_its_key(client):
    """Its "safe to retry" uploads again, and so sends another body: 422."""

    def send():
        return client.send_event("a", payload={"f": client.file(b"x", filename="a.pdf")}, idempotency_key="k")

    send()
    assert refusal_of(send).code == "IDEMPOTENCY_KEY_REUSED"


def test_faults_reach_it(client, fake):
    """A status, a lost reply and a proxy's page look to it as they would in the field."""
    fake.faults.arm("put", faults.Status(503, "SlowDown"))
    assert refusal_of(client.upload_file, client.file(b"x", filename="a.pdf")).status == 503
    fake.faults.arm("event", faults.LoseReply())
    assert "Network error" in refusal_of(client.send_event, "a", idempotency_key="k").message
    client.send_event("a", idempotency_key="k")
    assert [request.rule for request in fake.requests[-2:]] == ["event.accepted", "event.replay"]
    fake.faults.arm("upload-url", faults.HtmlPage(504))
    assert refusal_of(client.create_upload_url, filename="a.pdf", mime="application/pdf").status == 504
