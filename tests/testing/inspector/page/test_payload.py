"""A payload on the page is what was sent, and none of its characters hides."""

import json

import pytest
from playwright.sync_api import expect

from tests.testing.caller import Caller

pytestmark = pytest.mark.slow

# Two keys that a browser would sort, one that stands twice, and numbers that it would spell in another way.
ODD = b'{"b": 1.0, "10": 12345678901234567890, "2": [-0.0, 1E+2, {}, []], "b": "\\u00c5 \\"\xc3\x85\\"", "n": null}'
LAID_OUT = """{
  "b": 1.0,
  "10": 12345678901234567890,
  "2": [
    -0.0,
    1E+2,
    {},
    []
  ],
  "b": "Å \\"Å\\"",
  "n": null
}"""


@pytest.fixture
def opened(fake, open_page):
    """Send an event with this body, and return a page that shows it."""

    def open_with(body):
        Caller(fake).event(body=body)
        page = open_page()
        page.locator("#list .row").click()
        return page

    return open_with


def lines(text):
    return [line.strip() for line in text.splitlines()]


def test_a_payload_is_shown_and_copied_as_it_was_sent(opened):
    """Keys in their order and as often as they stand there, numbers in their spelling, strings for people to read."""
    page = opened(ODD)
    payload = page.get_by_role("region", name="Payload")
    expect(payload.locator(".key").first).to_have_text('"b"')
    assert lines(payload.locator(".code").inner_text()) == lines(LAID_OUT)
    payload.get_by_role("button", name="Copy JSON").click()
    expect(payload.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == LAID_OUT
    request = page.locator(".exchange section", has_text="POST /v1/events/").locator(".code")
    assert lines(request.inner_text()) == lines(LAID_OUT)


def test_a_filter_finds_what_a_payload_says(opened):
    """However its strings were spelled, and with the quotes that are shown."""
    page = opened(b'{"name": "\\u00c5sa \\u00d6sterlund"}')
    for words, count in (('"name": "åsa', 1), ("österlund", 1), ('åsa"', 0)):
        page.get_by_label("Filter by text").fill(words)
        expect(page.locator("#list .row")).to_have_count(count)


def test_a_large_payload_is_laid_out_as_it_was_sent(opened):
    """Also where it is plain text."""
    page = opened(b'{"10": %s, "2": [%s1.0]}' % (b"9" * 30, b"1.0," * 9_000))
    text = page.locator("#item-content pre")
    expect(text).to_contain_text('"10": ' + "9" * 30)
    assert text.inner_text().count("1.0") == 9_001


@pytest.mark.parametrize("body", [b"[" * 200 + b"]" * 200, b'{"a":' * 80 + b"1" + b"}" * 80, b'{"a": NaN}', b"{"])
def test_what_cannot_be_laid_out_is_shown_as_it_is(opened, body):
    """What is no JSON, or so deep that its lines would be longer than any window."""
    page = opened(body)
    expect(page.locator(".exchange .code").first).to_have_text(body.decode())


def test_what_is_invisible_is_escaped(opened, fake):
    """Characters that turn the text around, or show as nothing, in the payload, in what is copied and in file names."""
    hidden = "\u202e\u200b\u2066\ufeff\u2028\x85\U000e0061\u3164"
    asset_id = Caller(fake).asset(filename="cod\u202egpj.pdf")
    page = opened(json.dumps({f"k\u202ey{hidden}": hidden, "file": asset_id}, ensure_ascii=False).encode())
    payload = page.get_by_role("region", name="Payload")
    escapes = r"\u202e\u200b\u2066\ufeff\u2028\u0085\udb40\udc61\u3164"
    expect(payload.locator(".leaf").first).to_have_text(f'"{escapes}"')
    expect(payload.locator(".key").first).to_have_text(rf'"k\u202ey{escapes}"')
    expect(payload.locator(".file .name")).to_have_text(r"cod\u202egpj.pdf")
    for summary in page.locator("#timeline summary").all():
        summary.click()
    assert not set(hidden) & set(page.locator("body").inner_text())
    payload.get_by_role("button", name="Copy JSON").click()
    expect(payload.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.isascii()
    assert json.loads(copied) == {f"k\u202ey{hidden}": hidden, "file": asset_id}


def test_what_joins_letters_and_emoji_is_left(opened):
    """A family of three is one picture, and Persian is spelled with a joiner that shows in its neighbours."""
    for_people = "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f می\u200cروم"
    page = opened(json.dumps({"a": for_people, "b": "x\u200dy"}, ensure_ascii=False).encode())
    leaves = page.get_by_role("region", name="Payload").locator(".leaf")
    expect(leaves).to_have_text([f'"{for_people}"', r'"x\u200dy"'])


def test_a_line_keeps_its_order_whatever_script_is_in_it(opened):
    """The key stands left of its value, though both are read from the right."""
    page = opened('{"שלום": "עולם", "n": 1}'.encode())
    key = page.locator("#item-content .key").first.bounding_box()
    leaf = page.locator("#item-content .leaf").first.bounding_box()
    assert key["x"] + key["width"] <= leaf["x"]
