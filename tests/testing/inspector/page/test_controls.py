"""What the page changes in the fake: its clock and its faults; what it takes out of it, and how it forgets."""

import json
from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.slow


@pytest.fixture
def clock(page):
    """Open the sheet of the clock."""
    page.get_by_role("button", name="Clock:").click()
    return page.get_by_role("dialog", name="Clock")


@pytest.fixture
def faults(page):
    """Open the sheet of faults."""
    page.get_by_role("button", name="Faults").click()
    return page.get_by_role("dialog", name="Faults")


def test_the_clock_moves_by_what_lifetimes_last(fake, clock):
    """The hours that matter are one click away, and it is the fake's clock that moves."""
    before = fake.clock.now()
    for choice, hours in [("+1 h", 1), ("+2 h", 3), ("+48 h", 51)]:
        clock.get_by_role("button", name=choice).click()
        expect(clock.locator("#clock-now")).to_have_attribute("datetime", iso(before + hours * 3600))
        assert fake.clock.now() == before + hours * 3600


def test_the_clock_moves_by_any_span(fake, clock):
    """Days, hours, minutes and seconds add up."""
    before = fake.clock.now()
    for unit, value in (("Days", "1"), ("Minutes", "30"), ("Seconds", "1.5")):
        clock.get_by_label(unit).fill(value)
    clock.get_by_role("button", name="Advance").click()
    expect(clock.locator("#clock-now")).to_have_attribute("datetime", iso(before + 86_400 + 1_801.5))


def test_a_file_expires_on_the_page(open_page, client):
    """A file that the clock has left behind says so, and what expires next is told beforehand."""
    client.send_event("invoice.created", payload={"assetId": client.file(b"%PDF-", filename="invoice.pdf")})
    page = open_page()
    page.locator("#list .row").click()
    page.get_by_role("button", name="Clock:").click()
    sheet = page.get_by_role("dialog", name="Clock")
    expect(sheet.locator("#clock-next")).to_contain_text("expires")
    sheet.get_by_role("button", name="+48 h").click()
    sheet.get_by_role("button", name="+1 h").click()
    page.keyboard.press("Escape")
    expect(page.locator(".file")).to_contain_text("expired 1 h ago")


def test_the_clock_runs_at_the_chosen_speed(page, fake, clock):
    """Frozen is what the bar says until another speed is chosen; then the time on the page runs by itself."""
    expect(page.locator("#rate")).to_have_text("frozen")
    clock.get_by_role("radio", name="3600").check(force=True)
    expect(page.locator("#rate")).to_have_text("\u00d73,600")
    assert fake.clock.rate == 3600
    shown = clock.locator("#clock-now").get_attribute("datetime")
    expect(clock.locator("#clock-now")).not_to_have_attribute("datetime", shown)


def test_a_fault_is_armed_and_strikes(page, fake, client, faults):
    """A fault from the form strikes the request that it was aimed at, and its counter says so on an open sheet."""
    faults.get_by_role("combobox", name="Strikes").select_option("event")
    faults.get_by_role("textbox", name="status").fill("503")
    faults.get_by_role("textbox", name="retry after").fill("0")
    faults.get_by_role("button", name="Arm", exact=True).click()
    armed = faults.locator("#armed li")
    expect(armed).to_contain_text("struck 0 of 1")
    client.send_event("invoice.created")
    expect(armed).to_contain_text("struck 1 of 1")
    expect(armed).to_contain_text("over")
    assert [request.status for request in fake.requests] == [503, 202]


def test_a_mistake_in_a_fault_is_told_in_a_sentence(fake, faults):
    """What the fake refuses to arm is said beside the form, and nothing is armed."""
    faults.get_by_role("textbox", name="status").fill("200")
    faults.get_by_role("button", name="Arm", exact=True).click()
    expect(faults.get_by_role("alert")).to_contain_text("status")
    expect(faults.locator("#armed li")).to_have_count(0)


def test_the_fields_are_those_of_the_kind(faults):
    """Each kind of fault says what it does, and asks for its own fields."""
    faults.get_by_role("combobox", name="Fault").select_option("Reset")
    expect(faults.locator("#kind-sentence")).to_contain_text("reset")
    expect(faults.get_by_role("textbox", name="at")).to_be_visible()
    expect(faults.get_by_role("textbox", name="status")).to_have_count(0)


def test_a_port_is_closed_until_the_fault_is_disarmed(fake, faults):
    """A field that may hold nothing, but has a default, is told so by a box beside it."""
    faults.get_by_role("combobox", name="Fault").select_option("Refuse")
    faults.get_by_role("combobox", name="Strikes").select_option("put")
    seconds = faults.get_by_role("textbox", name="seconds")
    seconds.fill("7")
    faults.get_by_role("checkbox", name="until disarmed").check()
    expect(seconds).to_be_disabled()
    faults.get_by_role("button", name="Arm", exact=True).click()
    expect(faults.locator("#armed li")).to_contain_text("Refuse(seconds=None) on put 1")
    faults.get_by_role("checkbox", name="until disarmed").uncheck()
    expect(seconds).to_be_enabled()
    faults.get_by_role("button", name="Disarm all").click()
    expect(faults.locator("#armed li")).to_have_count(0)


def test_a_fault_is_aimed_by_chance_and_at_one_tenant(page, fake, faults):
    """The chance goes with a seed, and the tenants are those that there are when the sheet is opened."""
    fake.add_tenant("acme")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Faults").click()
    faults.get_by_role("textbox", name="status").fill("503")
    faults.get_by_role("spinbutton", name="Times").fill("")
    faults.get_by_role("spinbutton", name="Chance").fill("0.25")
    faults.get_by_role("spinbutton", name="Seed").fill("7")
    faults.get_by_role("combobox", name="Tenant").select_option("acme")
    faults.get_by_role("button", name="Arm", exact=True).click()
    expect(faults.locator("#armed li")).to_contain_text("with a chance of 0.25 from seed 7, of tenant 'acme'")
    faults.get_by_role("spinbutton", name="Chance").fill("")
    faults.get_by_role("combobox", name="Tenant").select_option("any")
    faults.get_by_role("button", name="Arm", exact=True).click()
    expect(faults.locator("#armed li")).to_have_count(2)
    chanced, certain = (armed.aim for armed in fake.faults.armed)
    assert (chanced.chance, chanced.seed, chanced.tenant, chanced.times) == (0.25, 7, "acme", None)
    assert (certain.chance, certain.seed, certain.tenant) == (None, None, None)


def test_who_closes_the_port_of_the_page_is_warned(faults):
    """A port of the API that does not listen cannot be opened again from a page behind it."""
    hint = faults.get_by_text("--inspector-port")
    expect(hint).to_be_hidden()
    faults.get_by_role("combobox", name="Fault").select_option("Refuse")
    expect(hint).to_be_visible()
    faults.get_by_role("combobox", name="Strikes").select_option("put")
    expect(hint).to_be_hidden()
    faults.get_by_role("combobox", name="Strikes").select_option("event")
    expect(hint).to_be_visible()
    faults.get_by_role("combobox", name="Fault").select_option("Status")
    expect(hint).to_be_hidden()


def test_a_preset_is_armed_and_disarmed(page, fake, faults):
    """A preset arms its faults; one is disarmed alone, or all at once, and the bar counts those that wait."""
    faults.get_by_role("button", name="Arm throttle").click()
    expect(page.locator("#faults-armed")).to_be_visible()
    faults.get_by_role("button", name="Arm storage_outage").click()
    armed = faults.locator("#armed li")
    expect(armed).not_to_have_count(0)
    faults.get_by_role("button", name="Disarm all").click()
    expect(armed).to_have_count(0)
    expect(page.locator("#faults-armed")).to_be_hidden()
    assert fake.faults.armed == []


def test_the_har_is_downloaded(page, fake, client):
    """The export is HAR 1.2 with every request, and without secrets."""
    client.send_event("invoice.created", payload={"assetId": client.file(b"%PDF-", filename="invoice.pdf")})
    with page.expect_download() as download:
        page.get_by_role("link", name="Export HAR").click()
    text = download.value.path().read_text()
    har = json.loads(text)["log"]
    assert har["version"] == "1.2"
    assert [entry["request"]["method"] for entry in har["entries"]] == ["POST", "PUT", "POST"]
    assert fake.api_secret not in text


def test_clear_forgets_after_a_question(page, fake, client, rows):
    """Nothing is forgotten before it was confirmed; then the page is as it was at the start."""
    client.send_event("invoice.created")
    expect(rows).to_have_count(1)
    page.get_by_role("button", name="Clear").click()
    question = page.get_by_role("alertdialog", name="Forget everything?")
    expect(question.get_by_role("button", name="Keep")).to_be_focused()
    page.keyboard.press("Escape")
    expect(question).to_be_hidden()
    assert len(fake.requests) == 1
    page.get_by_role("button", name="Clear").click()
    question.get_by_role("button", name="Clear").click()
    expect(page.get_by_role("heading", name="Nothing was sent yet")).to_be_visible()
    expect(rows).to_have_count(0)
    assert fake.requests == []


def iso(at: float) -> str:
    """Return a moment as the page writes it into its time elements."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
