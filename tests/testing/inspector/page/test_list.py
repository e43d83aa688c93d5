"""The list of sends: what stands in it, how it follows the fake, and how it is filtered."""

import base64

import pytest
from playwright.sync_api import expect

from flowflex_testing import MemoryTransport
from flowflex_testing.faults import Reset
from flowflex_transports import Event, FlowFlex, FlowFlexError, file

pytestmark = pytest.mark.slow


def authorization(fake):
    return "Basic " + base64.b64encode(f"{fake.api_key}:{fake.api_secret}".encode()).decode()


def test_a_send_appears_without_a_reload(page, client, rows):
    """An open page shows a new send by itself: its event, its state and its files, and tells it to a screen reader."""
    expect(page.get_by_role("heading", name="Nothing was sent yet")).to_be_visible()
    client.send_event("invoice.created", payload={"assetId": client.file(b"%PDF-", filename="invoice.pdf")})
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("invoice.created")
    expect(rows).to_contain_text("Delivered")
    expect(rows).to_contain_text("1 file")
    expect(page.get_by_text("New: invoice.created, Delivered")).to_be_attached()
    expect(page).to_have_title("(1) FlowFlex fake")


def test_the_newest_send_is_first(page, client, rows):
    """What arrives later stands above what was there."""
    client.send_event("first.sent")
    expect(rows).to_have_count(1)
    client.send_event("second.sent")
    expect(rows.locator(".title")).to_have_text(["second.sent", "first.sent"])


def test_what_belongs_to_no_send_is_listed(page, fake, rows):
    """A request to an unknown path, and one with wrong credentials, each have a row with their answer."""
    page.request.get(f"{fake.base_url}/v1/nothing", headers={"Authorization": authorization(fake)})
    stranger = FlowFlex(**{**fake.client_options, "api_secret": "cis_test_wrong"})
    with stranger, pytest.raises(FlowFlexError):
        stranger.send_event("invoice.created")
    expect(rows).to_have_count(2)
    expect(rows.nth(1)).to_contain_text("GET /v1/nothing")
    expect(rows.nth(1)).to_contain_text("404 NOT_FOUND")
    expect(rows.nth(0)).to_contain_text("401 UNAUTHORIZED")


def test_a_filter_finds_words_anywhere_in_a_send(page, client, rows):
    """Every word must fit somewhere: event, file name, payload, code; what fits nothing says so, and can be undone."""
    client.send_event("invoice.created", payload={"assetId": client.file(b"%PDF-", filename="march.pdf")})
    client.send_event("customer.updated", payload={"plan": "Platinum"})
    expect(rows).to_have_count(2)
    text = page.get_by_label("Filter by text")
    for words, event in [("MARCH.pdf", "invoice.created"), ("platinum customer", "customer.updated")]:
        text.fill(words)
        expect(rows).to_have_count(1)
        expect(rows).to_contain_text(event)
    text.fill("platinum invoice")
    expect(rows).to_have_count(0)
    page.get_by_role("button", name="Show all").click()
    expect(rows).to_have_count(2)


def test_a_filter_keeps_one_state(page, client, rows):
    """The states that something is in are choices, each with its number."""
    client.send_event("invoice.created")
    with pytest.raises(FlowFlexError):
        client.send_event("invoice.paid", payload={"assetId": "asset_unknown1234"})
    expect(page.get_by_role("radio")).to_have_count(3)
    page.get_by_role("radio", name="Refused 1").check(force=True)
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("invoice.paid")
    page.get_by_role("radio", name="All 2").check(force=True)
    expect(rows).to_have_count(2)


@pytest.mark.parametrize("width", [400, 900, 1280, 1600])
def test_no_state_stands_alone_on_a_line(fake, client, open_page, width):
    """Where the choices need a second line, it is about as long as the first."""
    for event in ("invoice.created", "invoice.paid"):
        client.send_event(event)
    for index in range(10):
        with pytest.raises(FlowFlexError):
            client.send_event("refused", payload={"assetId": f"asset_unknown{index}"})
    fake.faults.arm("event", Reset())
    with pytest.raises(FlowFlexError):
        client.send_event("cut.off", max_retries=0)
    page = open_page(width=width)
    page.request.get(f"{fake.base_url}/v1/nothing")
    chips = page.locator("#states .chip")
    expect(chips).to_have_count(5)
    tops = [chip.bounding_box()["y"] for chip in chips.all()]
    assert all(tops.count(top) > 1 for top in tops)


def test_the_open_send_stays_marked_through_a_filter(page, client, rows):
    """A row that was filtered away and comes back is still the one that is open."""
    client.send_event("invoice.created")
    rows.click()
    expect(rows).to_have_attribute("aria-current", "true")
    page.get_by_label("Filter by text").fill("nothing like it")
    expect(rows).to_have_count(0)
    page.get_by_label("Filter by text").fill("")
    expect(rows).to_have_attribute("aria-current", "true")


def test_five_thousand_sends_leave_the_page_usable(open_page, fake):
    """Of very many sends the newest are laid out, the page says how many are not, and a filter finds them all."""
    with FlowFlex(**fake.client_options, transport=MemoryTransport(fake)) as client:
        for outcome in client.send_many(Event(f"event.{number}") for number in range(5_000)):
            assert outcome.error is None
    page = open_page()
    rows = page.locator("#list .row")
    expect(rows).to_have_count(200)
    expect(page.get_by_text("The newest 200 of 5,000.")).to_be_visible()
    page.get_by_role("button", name="Show 200 more").click()
    expect(rows).to_have_count(400)
    page.get_by_label("Filter by text").fill('event.4999"')
    expect(rows).to_have_count(1)
    rows.click()
    expect(page.get_by_role("heading", name="event.4999")).to_be_visible()


def test_a_change_of_a_long_list_costs_the_page_little(page, client, rows):
    """It is told the sends that changed, an old one as well, and asks for nothing else."""
    for number in range(30):
        client.send_event(f"event.{number}", idempotency_key=f"key-{number}")
    expect(rows).to_have_count(30)
    with page.expect_response(lambda reply: "/journal" in reply.url and reply.status == 200) as told:
        client.send_event("event.3", idempotency_key="key-3")
    assert [send["requests"] for send in told.value.json()["sends"]] == [[4, 31]]
    expect(rows.filter(has_text="event.3").filter(has_text="1 replay")).to_have_count(1)
    expect(rows).to_have_count(30)


def test_all_of_a_long_journal_is_waited_for(page):
    """It may be tens of megabytes, which a page that gives up after ten seconds would never get to see."""
    waits = page.evaluate("""async () => {
        const api = await import("/_fake/api.js");
        const [timeout, waits] = [AbortSignal.timeout, []];
        AbortSignal.timeout = (wait) => (waits.push(wait), timeout.call(AbortSignal, wait));
        await api.journal(null);
        AbortSignal.timeout = timeout;
        return waits;
    }""")
    assert max(waits) == 60_000


def test_uploads_that_an_event_takes_leave_their_row(page, client, rows):
    """Of two uploads that were one send, an event takes one: two rows, and no request in both."""
    asset_id = client.upload_file(file(b"one", filename="one.txt"))
    client.upload_file(file(b"two", filename="two.txt"))
    expect(rows.locator(".title")).to_have_text(["Upload"])
    client.send_event("invoice.created", payload={"file": asset_id})
    expect(rows.locator(".title")).to_have_text(["Upload of two.txt", "invoice.created"])
    rows.last.click()
    expect(page.locator("#timeline > li")).to_have_count(3)


@pytest.mark.parametrize("fake", [{"keep_requests": 20}], indirect=True)
def test_requests_that_were_dropped_leave_the_page(page, fake, client, rows):
    """The list holds what the journal keeps, and says that there was more."""
    gone = page.get_by_text("dropped")
    client.send_event("first.of.all", payload={"file": file(b"text", filename="a.txt")})
    expect(rows).to_have_count(1)
    expect(gone).to_be_hidden()
    for number in range(25):
        client.send_event(f"event.{number}")
    expect(rows).to_have_count(20)
    expect(rows.last).to_contain_text("event.5")
    expect(gone).to_have_text("8 older requests were dropped: the fake keeps the newest ones.")
    page.reload()
    expect(rows).to_have_count(20)
    expect(gone).to_be_visible()
    fake.reset()
    expect(rows).to_have_count(0)
    expect(gone).to_be_hidden()


def test_a_lost_connection_is_told_until_it_is_back(page, client, rows):
    """Without an answer the page says that what it shows may be old; afterwards it catches up."""
    lost = page.get_by_text("The fake does not answer.")
    expect(lost).to_be_hidden()
    page.route("**/_fake/journal*", lambda route: route.abort())
    expect(lost).to_be_visible()
    client.send_event("invoice.created")
    page.unroute("**/_fake/journal*")
    expect(rows).to_have_count(1)
    expect(lost).to_be_hidden()


def test_a_fake_that_forgot_is_shown_empty(page, fake, client, rows):
    """A reset by a test, or by another page, empties the list, and what comes after it is shown alone."""
    client.send_event("before.reset")
    expect(rows).to_have_count(1)
    fake.reset()
    expect(rows).to_have_count(0)
    client.send_event("after.reset")
    expect(rows.locator(".title")).to_have_text(["after.reset"])


def test_an_address_names_a_send(page, client, rows):
    """A send has an address of its own: it can be kept, and the browser's way back works."""
    client.send_event("invoice.created", payload={"total": 4200})
    rows.click()
    expect(rows).to_have_attribute("aria-current", "true")
    page.reload()
    expect(page.get_by_role("heading", name="invoice.created")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="No send is open")).to_be_visible()
