"""The details of a send: its payload with the files, its requests, and what is behind each refusal."""

import contextlib
import os
import struct
import subprocess
import zlib

import pytest
from playwright.sync_api import expect

from flowflex_testing.faults import LoseReply, Reset, Status
from flowflex_testing.rules import RULES
from flowflex_transports import FlowFlexError
from tests.testing.caller import Caller

pytestmark = pytest.mark.slow


def png() -> bytes:
    """One red pixel."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixel = zlib.compress(b"\0\xff\0\0")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")


@pytest.fixture
def send(open_page, client):
    """Send an event, refused or not, and return a page that shows it."""

    def sent(event="invoice.created", payload=None, **options):
        with contextlib.suppress(FlowFlexError):
            client.send_event(event, payload=payload, **options)
        page = open_page()
        page.locator("#list .row").click()
        expect(page.get_by_role("heading", name=event, exact=True)).to_be_visible()
        return page

    return sent


def test_a_file_stands_in_its_place_of_the_payload(client, send):
    """In the place of an asset id stand the name, size, type and remaining time of its file, and a way to its bytes."""
    invoice = client.file(b"%PDF-1.7", filename="invoice.pdf")
    page = send(payload={"total": 4200, "order": {"receipt": invoice}})
    card = page.locator(".nest .nest .file")
    for words in ("invoice.pdf", "8 B", "application/pdf", "expires in 48 h"):
        expect(card).to_contain_text(words)
    with page.expect_download() as download:
        card.get_by_role("link", name="Download invoice.pdf").click()
    assert download.value.suggested_filename == "invoice.pdf"
    assert download.value.path().read_bytes() == b"%PDF-1.7"


def test_an_image_is_shown_small(client, send):
    """A picture is drawn beside its name."""
    page = send(payload={"photo": client.file(png(), filename="photo.png")})
    image = page.locator(".file img")
    expect(image).to_be_visible()
    page.wait_for_function("image => image.naturalWidth === 1", arg=image.element_handle())


def test_a_refusal_shows_its_rule(send):
    """A refused send shows the status, the code, what the reply says, and then the rule and what it is based on."""
    page = send(payload={"photos": ["asset_unknown1234"]})
    said = "photos[0]: there is no asset asset_unknown1234"
    note = page.locator("#item-head .note")
    expect(note.locator("p").first).to_have_text(f"422 ASSET_NOT_FOUND {said}")
    sentence = RULES["event.asset-unknown"].sentence.replace("`", "")
    expect(note.locator("p").last).to_contain_text(f"assumed rule event.asset-unknown: {sentence}")
    expect(page.locator("#timeline .why")).to_have_text(f"ASSET_NOT_FOUND {said}")


def test_a_reply_that_says_what_its_rule_says_says_it_once(fake, open_page):
    """Where nothing more is to be told, the reply carries the sentence of the rule."""
    Caller(fake).event(name="\x7f")
    page = open_page()
    page.locator("#list .row").click()
    note = page.locator("#item-head .note")
    sentence = RULES["event.name"].sentence
    expect(note).to_contain_text(f"EVENT_INVALID {sentence}")
    assert note.inner_text().count(sentence) == 1


def test_a_fault_that_ended_a_send_is_its_reason(fake, send):
    """Where a fault kept a send from its end, the fault stands in the place of a rule."""
    fake.faults.arm("event", Status(503), times=None)
    page = send(max_retries=0)
    expect(page.locator("#list .row")).to_contain_text("Interrupted")
    expect(page.locator("#list .answer")).to_have_text("503")
    expect(page.get_by_role("radio", name="Interrupted 1")).to_be_attached()
    expect(page.locator(".state-line")).to_contain_text("Interrupted")
    expect(page.locator("#item-head .note")).to_contain_text("A fault struck")
    expect(page.locator("#item-head .note")).to_contain_text("Status(status=503)")


def test_an_upload_that_was_cut_off_is_told_from_a_refused_one(fake, client, open_page):
    """A connection that was reset leaves an interrupted send, and the fault behind it."""
    fake.faults.arm("put", Reset())
    with pytest.raises(FlowFlexError):
        client.send_event("invoice.created", payload={"a": client.file(b"%PDF-", filename="a.pdf")}, max_retries=0)
    page = open_page()
    page.locator("#list .row", has_text="Interrupted").click()
    expect(page.get_by_role("heading", name="Upload of a.pdf")).to_be_visible()
    expect(page.locator("#item-head .note")).to_contain_text("Reset(")
    expect(page.locator("#timeline li").last).to_contain_text("reset")


def test_an_upload_whose_url_was_never_granted_has_its_name(fake, client, open_page):
    """The request for the URL tells which file it is about, whatever became of it."""
    fake.faults.arm("upload-url", Status(500), times=None)
    with pytest.raises(FlowFlexError):
        client.send_event("invoice.created", payload={"a": client.file(b"%PDF-", filename="never.pdf")}, max_retries=0)
    page = open_page()
    page.locator("#list .row", has_text="Interrupted").click()
    expect(page.get_by_role("heading", name="Upload of never.pdf")).to_be_visible()
    expect(page.locator("#timeline .target")).to_contain_text("never.pdf")
    page.get_by_label("Filter by text").fill("never.pdf")
    expect(page.locator("#list .row")).to_have_count(1)


@pytest.mark.parametrize("fake", [{"missing_file": "failed-run"}], indirect=True)
def test_a_failed_run_shows_its_rule(fake, client, open_page):
    """An event that was accepted, and whose run failed later, is told from a delivered one, with the rule behind it."""
    asset_id = client.upload_file(client.file(b"%PDF-", filename="invoice.pdf"))
    fake.clock.advance(hours=49)
    client.send_event("invoice.created", payload={"assetId": asset_id})
    page = open_page()
    page.locator("#list .row", has_text="Failed run").click()
    expect(page.locator("#item-head .note")).to_contain_text("rule event.run-failed")


def test_a_retry_and_the_fault_before_it_are_marked(fake, client, send):
    """Of a PUT that a fault struck, the fault is shown, and the one that came after is a retry."""
    fake.faults.arm("put", Status(503, retry_after=0))
    page = send(payload={"assetId": client.file(b"%PDF-", filename="invoice.pdf")})
    requests = page.locator("#timeline li")
    expect(requests).to_have_count(4)
    expect(requests.nth(1)).to_contain_text("503")
    expect(requests.nth(2).locator(".badge")).to_have_text(["retry"])
    requests.nth(1).locator("summary").click()
    expect(requests.nth(1)).to_contain_text("Status(status=503")
    expect(page.locator("#list .row")).to_contain_text("1 retry")


def test_a_replay_is_marked(fake, send):
    """The answer that was kept for an idempotency key is told from a first one."""
    fake.faults.arm("event", LoseReply())
    page = send()
    requests = page.locator("#timeline li")
    expect(requests).to_have_count(2)
    expect(requests.nth(0)).to_contain_text("cut")
    expect(requests.nth(1)).to_contain_text("replay")
    expect(page.locator("#list .row")).to_contain_text("1 replay")


def test_a_request_shows_both_sides_and_no_secret(fake, client, send):
    """Headers, body and reply of a request are shown; credentials and presigned queries stand nowhere on the page."""
    page = send(payload={"assetId": client.file(b"%PDF-", filename="invoice.pdf")})
    for summary in page.locator("#timeline summary").all():
        summary.click()
    event = page.locator("#timeline li").last
    expect(event.get_by_role("row", name="x-event invoice.created")).to_be_visible()
    expect(event).to_contain_text("[secret]")
    expect(event).to_contain_text('"status": "accepted"')
    expect(event).to_contain_text("rule event.accepted")
    text = page.content()
    assert fake.api_secret not in text
    assert "X-Amz-Signature" not in text
    for request in fake.requests:
        query = request.target.partition("?")[2]
        assert not query or query not in text


def test_what_is_open_stays_open_while_the_send_goes_on(send, client):
    """A request that is being read is not closed by the next one that arrives."""
    page = send(payload={"n": 1}, idempotency_key="one-key")
    first = page.locator("#timeline details").first
    expect(first).to_have_attribute("open", "")
    first.get_by_role("button", name="Copy as curl").focus()
    client.send_event("invoice.created", payload={"n": 1}, idempotency_key="one-key")
    expect(page.locator("#timeline li")).to_have_count(2)
    expect(first).to_have_attribute("open", "")
    expect(first.get_by_role("button", name="Copy as curl")).to_be_focused()


def test_times_are_real_ones_and_moves_of_the_clock_stand_between(fake, client, open_page):
    """Under a frozen clock, too, a send says how long it took, and the first request has nothing to count from."""
    asset_id = client.upload_file(client.file(b"%PDF-", filename="invoice.pdf"))
    fake.clock.advance(hours=49)
    Caller(fake).event({"assetId": asset_id})
    start = fake.requests[0].arrived
    for request, seconds in zip(fake.requests, (0, 0.0031, 2), strict=True):
        request.arrived, request.ended = start + seconds, start + seconds + 0.25
    page = open_page()
    page.locator("#list .row").click()
    expect(page.locator("#timeline summary time")).to_have_text(["", "+3.1 ms", "+2.00 s"])
    expect(page.locator("dl.facts")).to_contain_text("2.25 s, 49 h by the clock")
    moved = page.locator("#timeline .moved:visible")
    expect(moved).to_have_text("The clock moved on by 49 h")
    expect(moved.locator("xpath=..").locator(".operation")).to_have_text("event")
    page.locator("#timeline summary").last.click()
    expect(page.locator("#timeline .exchange").last).to_contain_text("ASSET_FILE_MISSING · after 250 ms")


def test_a_duration_stands_in_a_unit_that_fits(page):
    """None is told as nothing, however short it is."""
    told = page.evaluate("""async () => {
        const { duration } = await import("/_fake/words.js");
        return [0, 0.00004, 0.0004, 0.00996, 0.031, 0.9996, 99.994, 99.996, 3600].map(duration);
    }""")
    assert told == [
        *("under 0.1 ms", "under 0.1 ms", "0.4 ms", "10 ms", "31 ms"),
        *("1.00 s", "99.99 s", "1 min 40 s", "1 h"),
    ]


def test_times_that_are_not_known_are_left_out(fake, client, open_page):
    """Of requests to an earlier process only the fake's clock is known, and where that stood still, nothing."""
    client.send_event("invoice.created", payload={"assetId": client.file(b"%PDF-", filename="invoice.pdf")})
    for request in fake.requests:
        request.ended = None
    page = open_page()
    page.locator("#list .row").click()
    expect(page.locator("#timeline summary time")).to_have_text(["", "", ""])
    expect(page.locator("dl.facts")).not_to_contain_text("Lasted")


def test_a_request_copied_as_curl_runs(fake, send):
    """The command goes on the clipboard without secrets, and with them in the environment it is accepted."""
    page = send(payload={"name": "O'Neill \u2713"})
    page.get_by_role("button", name="Copy as curl").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    command = page.evaluate("navigator.clipboard.readText()")
    assert fake.api_secret not in command
    options = fake.client_options
    secrets = {"FLOWFLEX_API_KEY": options["api_key"], "FLOWFLEX_API_SECRET": options["api_secret"]}
    run = subprocess.run(
        ["bash", "-c", command], env=os.environ | secrets, capture_output=True, text=True, timeout=20, check=False
    )
    assert run.returncode == 0, run.stderr
    assert '"accepted"' in run.stdout
    repeated = fake.requests[-1]
    assert (repeated.status, repeated.body) == (202, fake.requests[0].body)
