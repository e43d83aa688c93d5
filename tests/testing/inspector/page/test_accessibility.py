"""axe-core's judgement of every state of the page, in both colour schemes."""

import pytest
from axe_playwright_python.base import AXE_SCRIPT, AxeResults  # type: ignore[import-untyped] # it has no py.typed
from playwright.sync_api import expect

from flowflex_testing.faults import Status
from flowflex_transports import FlowFlexError

pytestmark = pytest.mark.slow


@pytest.fixture
def judge():
    """Fail with axe's report where it finds a violation on a page, or in a part of it."""

    def judged(page, part="html"):
        if not page.evaluate("'axe' in window"):
            page.evaluate(AXE_SCRIPT)
        results = AxeResults(page.evaluate("part => axe.run(part, { resultTypes: ['violations'] })", part))
        assert results.violations_count == 0, results.generate_report()

    return judged


@pytest.fixture
def sent(fake, client):
    """Send an event with a file, of which a PUT was struck by a fault, and one that is refused."""
    fake.faults.arm("put", Status(503, retry_after=0))
    invoice = client.file(b"%PDF-", filename="invoice.pdf")
    client.send_event("invoice.created", payload={"assetId": invoice, "n": [1, None]})
    with pytest.raises(FlowFlexError):
        client.send_event("invoice.paid", payload={"assetId": "asset_unknown1234"})


def open_everything(page, event):
    """Show the details of a send, with each of its requests open."""
    page.locator("#list .row", has_text=event).click()
    expect(page.get_by_role("heading", name=event)).to_be_visible()
    for closed in page.locator("#timeline details:not([open])").element_handles():
        closed.query_selector("summary").click()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_the_page(sent, scheme, open_page, judge):
    """A list, a send with every request open, a refusal, and a filter that nothing fits."""
    page = open_page(color_scheme=scheme)
    open_everything(page, "invoice.created")
    judge(page)
    open_everything(page, "invoice.paid")
    judge(page, "#detail")
    page.get_by_label("Filter by text").fill("fits nothing")
    expect(page.get_by_text("Nothing fits the filter.")).to_be_visible()
    judge(page, "#sends")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_an_empty_page_and_in_its_dialogs(fake, scheme, open_page, judge):
    """What shows before anything was sent, and each dialog, with a fault that is armed."""
    fake.faults.arm("put", Status(503))
    page = open_page(color_scheme=scheme)
    judge(page)
    for opener in ("Clock:", "Faults", "Clear"):
        page.get_by_role("button", name=opener).click()
        expect(page.locator("dialog[open]")).to_be_visible()
        judge(page, "dialog[open]")
        page.keyboard.press("Escape")


def test_axe_finds_nothing_in_a_narrow_window(sent, open_page, judge):
    """One pane at a time is as good as two."""
    page = open_page(width=400)
    expect(page.locator("#list .row")).to_have_count(2)
    judge(page)
    open_everything(page, "invoice.created")
    judge(page)
