"""The page without a mouse, and in a window as narrow as a telephone's."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow


@pytest.fixture
def three(client):
    """Send three events."""
    for event in ("first.sent", "second.sent", "third.sent"):
        client.send_event(event)


def test_the_keyboard_walks_from_the_filter_to_the_details_and_back(three, page, rows):
    """/ goes to the filter, arrows, j and k through the list, Enter to the details, Escape back to the row."""
    expect(rows).to_have_count(3)
    page.keyboard.press("/")
    expect(page.get_by_label("Filter by text")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(rows.nth(0)).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("k")
    expect(rows.nth(1)).to_be_focused()
    heading = page.get_by_role("heading", name="second.sent")
    expect(heading).to_be_visible()
    page.keyboard.press("Enter")
    expect(heading).to_be_focused()
    page.keyboard.press("Escape")
    expect(rows.nth(1)).to_be_focused()


def test_typing_in_the_filter_moves_nothing(three, page, rows):
    """Letters that are keys elsewhere are letters in a field, and Escape empties it first."""
    expect(rows).to_have_count(3)
    page.keyboard.press("/")
    page.keyboard.type("jk/")
    text = page.get_by_label("Filter by text")
    expect(text).to_have_value("jk/")
    expect(rows).to_have_count(0)
    page.keyboard.press("Escape")
    expect(text).to_have_value("")
    page.keyboard.press("Escape")
    expect(rows.nth(0)).to_be_focused()


def test_arrows_choose_among_the_states(three, page, rows):
    """On the filter by state, arrow keys do what they do in every group of choices, and move no row."""
    expect(rows).to_have_count(3)
    page.get_by_role("radio", name="All 3").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name="Delivered 3")).to_be_checked()
    expect(page.get_by_role("radio", name="Delivered 3")).to_be_focused()


def test_enter_opens_a_row_that_was_not_shown(three, page, rows):
    """A row that the Tab key reached is opened by Enter, and so has an address to come back from."""
    expect(rows).to_have_count(3)
    rows.nth(2).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="first.sent")).to_be_focused()
    page.go_back()
    expect(page.get_by_role("heading", name="No send is open")).to_be_visible()


def test_the_focus_stays_on_its_row_while_sends_arrive(three, page, client, rows):
    """A row that is being read keeps the focus, though new ones push it down."""
    rows.nth(2).focus()
    client.send_event("fourth.sent")
    expect(rows).to_have_count(4)
    expect(rows.nth(3)).to_be_focused()


def test_skip_links_come_first(three, page, rows):
    """The first stop of the Tab key leads past the bar to the sends."""
    expect(rows).to_have_count(3)
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the sends")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#sends")).to_be_focused()


def test_a_dialog_gives_the_focus_back(page):
    """Escape closes a dialog, and the focus is on the control that opened it."""
    opener = page.get_by_role("button", name="Faults")
    opener.press("Enter")
    expect(page.get_by_role("dialog", name="Faults")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Faults")).to_be_hidden()
    expect(opener).to_be_focused()


def test_a_narrow_window_shows_one_pane_at_a_time(three, open_page):
    """At 400 pixels a send takes the place of the list until one goes back, and nothing is wider than the window."""
    page = open_page(width=400)
    rows = page.locator("#list .row")
    expect(rows).to_have_count(3)
    rows.nth(1).click()
    expect(page.get_by_role("heading", name="second.sent")).to_be_visible()
    expect(rows.nth(1)).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    page.get_by_role("link", name="All sends").click()
    expect(rows.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="second.sent")).to_be_focused()
    page.keyboard.press("Escape")
    expect(rows.nth(1)).to_be_focused()
    assert page.evaluate("document.documentElement.scrollWidth") == 400
