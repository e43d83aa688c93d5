"""What arrives is shown as it is, and is never run: markup in any place of a request is text."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow

MARKUP = "<img src=x onerror=document.title='run'>"
CLOSING = "</script><script>document.title='run'</script>"


def test_markup_in_a_request_is_text(open_page, client):
    """Markup as event, file name, payload key, payload value and idempotency key does nothing but stand there."""
    name = MARKUP.replace("/", "") + ".png"
    payload = {MARKUP: CLOSING, "file": client.file(b"no picture", filename=name), "__proto__": {"x": MARKUP}}
    client.send_event(MARKUP, payload=payload, idempotency_key=f"key-{MARKUP}")
    page = open_page()
    rows = page.locator("#list .row")
    expect(rows).to_contain_text(MARKUP)
    rows.click()
    for summary in page.locator("#timeline summary").all():
        summary.click()
    expect(page.get_by_role("heading", name=MARKUP)).to_be_visible()
    expect(page.locator("#item-content")).to_contain_text(MARKUP)
    expect(page.locator("#item-content")).to_contain_text("</script>")
    expect(page.locator(".file .name")).to_have_text(name)
    page.get_by_label("Filter by text").fill(MARKUP)
    expect(rows).to_have_count(1)
    assert page.locator("[onerror]").count() == 0
    assert page.locator("img[src='x']").count() == 0
    assert page.locator("body script").count() == 0
    expect(page).to_have_title("(1) FlowFlex fake")


def test_a_stored_page_is_downloaded_and_never_opened(open_page, client):
    """A text file full of markup is saved, whatever it holds: it would run with the rights of the inspector."""
    client.send_event(
        "note.sent", payload={"note": client.file(f"<!doctype html>{CLOSING}".encode(), filename="note.txt")}
    )
    page = open_page()
    page.locator("#list .row").click()
    address = page.get_by_role("link", name="Download note.txt").get_attribute("href")
    with page.expect_download():
        page.evaluate("address => { location.href = address }", address)


def test_a_large_payload_is_shown_as_text(open_page, client):
    """A payload that would make thousands of elements is laid out as plain text, its files below."""
    payload = {"rows": [{"number": number} for number in range(5_000)], "file": client.file(b"%PDF-", filename="a.pdf")}
    client.send_event("report.ready", payload=payload)
    page = open_page()
    page.locator("#list .row").click()
    expect(page.locator("#item-content pre")).to_contain_text('"number": 4999')
    expect(page.locator(".files .file")).to_contain_text("a.pdf")
