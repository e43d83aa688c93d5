"""curl, the plainest client that there is, against the live fake: three commands send an event with a file."""

import json
import shutil
import subprocess

import pytest

from flowflex_testing.fake import FakeFlowFlex

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed"),
]

# Over 1 MiB, curl sends a body only after 100 Continue.
CONTENT = b"%PDF-1.7\n" + bytes(2_000_000)


@pytest.fixture
def fake():
    with FakeFlowFlex() as fake:
        yield fake


def curl(*arguments: str) -> tuple[int, str]:
    """Run curl without the settings of whoever runs the tests; return the status and the body."""
    command = ["curl", "-q", "--noproxy", "*", "-sS", "--max-time", "30", "-w", "\n%{http_code}", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    body, _, status = run.stdout.rpartition("\n")
    return int(status), body


def post(fake: FakeFlowFlex, path: str, value: object, *arguments: str) -> tuple[int, str]:
    credentials = f"{fake.api_key}:{fake.api_secret}"
    data = ["-H", "Content-Type: application/json", "-d", json.dumps(value)]
    return curl("-u", credentials, *data, *arguments, fake.base_url + path)


@pytest.fixture
def issued(fake):
    status, body = post(fake, "/v1/assets/upload-url", {"filename": "a b.pdf", "mime": "application/pdf"})
    assert status == 200
    return json.loads(body)


@pytest.fixture
def upload(tmp_path, issued):
    path = tmp_path / "a.pdf"
    path.write_bytes(CONTENT)
    return ["-H", "Content-Type: application/pdf", "-T", str(path), issued["uploadUrl"]]


def test_three_commands_send_an_event_with_a_file(fake, issued, upload):
    """A URL is asked for, the file is put there, and the event names it; a repeat is a replay."""
    assert curl(*upload) == (200, "")
    event = ["-H", "x-event: invoice.created", "-H", "x-idempotency-key: invoice-42"]
    path = f"/v1/events/{fake.integration_code}"
    answers = [post(fake, path, {"assetId": issued["assetId"]}, *event) for _ in range(2)]
    accepted = fake.assert_event("invoice.created", files={"assetId": CONTENT})
    assert [(status, json.loads(body)) for status, body in answers] == [
        (202, {"status": "accepted", "eventId": accepted.id})
    ] * 2
    assert fake.requests[-1].rule == "event.replay"
    fake.assert_never_sent(header="authorization", to="storage")


def test_a_refusal_reaches_curl_before_the_file_leaves_it(fake, upload):
    """Credentials on the PUT are refused by the head alone: curl is never told to continue."""
    status, body = curl("-u", f"{fake.api_key}:{fake.api_secret}", "-H", "Expect: 100-continue", *upload)
    assert (status, "InvalidArgument" in body) == (400, True)
    assert fake.requests[-1].received == 0
    assert fake.assets == {}
