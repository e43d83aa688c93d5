"""axe-core's judgement of every state of the page, in both colour schemes."""

import pytest
from axe_playwright_python.base import AXE_SCRIPT, AxeResults  # type: ignore[import-untyped] # it has no py.typed
from playwright.sync_api import expect

from flowflex_testing.faults import Status
from flowflex_transports import FlowFlexError

pytestmark = pytest.mark.slow


@pytest.fixture
def judge():
    """Fail with axe's report where it finds a violation."""

    def judged(page):
        if not page.evaluate("'axe' in window"):
            page.evaluate(AXE_SCRIPT)
        results = AxeResults(page.evaluate("axe.run({ resultTypes: ['violations'] })"))
        assert results.violations_count == 0, results.generate_report()

    return judged


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(scheme, open_page, fake, client, judge):
    """Empty, with a list, with every request of a send open, with a refusal, and under each dialog."""
    page = open_page(color_scheme=scheme)
    judge(page)
    fake.faults.arm("put", Status(503, retry_after=0))
    client.send_event(
        "invoice.created", payload={"assetId": client.file(b"%PDF-", filename="invoice.pdf"), "n": [1, None]}
    )
    with pytest.raises(FlowFlexError):
        client.send_event("invoice.paid", payload={"assetId": "asset_unknown1234"})
    rows = page.locator("#list .row")
    expect(rows).to_have_count(2)
    judge(page)
    for row in rows.all():
        row.click()
        for closed in page.locator("#timeline details:not([open])").element_handles():
            closed.query_selector("summary").click()
        judge(page)
    page.get_by_label("Filter by text").fill("fits nothing")
    expect(page.get_by_text("Nothing fits the filter.")).to_be_visible()
    judge(page)
    for opener in ("Clock:", "Faults", "Clear"):
        page.get_by_role("button", name=opener).click()
        expect(page.locator("dialog[open]")).to_be_visible()
        judge(page)
        page.keyboard.press("Escape")


def test_axe_finds_nothing_in_a_narrow_window(open_page, client, judge):
    """One pane at a time is as good as two."""
    client.send_event("invoice.created", payload={"assetId": client.file(b"%PDF-", filename="invoice.pdf")})
    page = open_page(width=400)
    expect(page.locator("#list .row")).to_have_count(1)
    judge(page)
    page.locator("#list .row").click()
    judge(page)
