"""The inspector in a real browser: one Chromium for all of its tests, a page and a fake for each."""

import shutil

import pytest

from flowflex_testing import FakeFlowFlex
from flowflex_transports import FlowFlex

# Whatever a page of this machine does not need: lookups and updates of the browser's own.
QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]

# Slower than any page here, faster than anybody's patience.
PATIENCE_MS = 30_000


@pytest.fixture(scope="module")
def browser():
    """Start Debian's Chromium, for no longer than a module: while it runs, no other test can have an asyncio loop."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield started
        started.close()


@pytest.fixture
def fake(request):
    """Serve a fake with its inspector, which keeps whole files; a test may set switches as an indirect parameter."""
    with FakeFlowFlex(inspector=True, keep_files_bytes=1 << 20, **getattr(request, "param", {})) as served:
        yield served


@pytest.fixture
def client(fake):
    """Give a client of the fake that never waits long before it tries again."""
    with FlowFlex(**fake.client_options) as made:
        yield made


@pytest.fixture(scope="module")
def window(browser):
    """Give a browser window of its own for each width and colour scheme: to make one takes longer than a test."""
    made = {}

    def window_of(width, color_scheme):
        if (width, color_scheme) not in made:
            context = browser.new_context(
                viewport={"width": width, "height": 800},
                color_scheme=color_scheme,
                reduced_motion="reduce",
                timezone_id="UTC",
                permissions=["clipboard-read", "clipboard-write"],
            )
            context.set_default_timeout(PATIENCE_MS)
            made[width, color_scheme] = context.new_page()
        return made[width, color_scheme]

    return window_of


@pytest.fixture
def open_page(window, fake):
    """Open the inspector in a window; a script that fails, or a breach of the policy, is an error."""
    opened = []
    problems: list[str] = []

    def note_error(error):
        problems.append(str(error))

    def note_message(message):
        if "Security Policy" in message.text:
            problems.append(message.text)

    def open_in(width=1280, color_scheme="light"):
        page = window(width, color_scheme)
        page.on("pageerror", note_error)
        page.on("console", note_message)
        opened.append(page)
        page.goto(fake.base_url)
        page.get_by_text("Live", exact=True).wait_for()
        return page

    yield open_in
    for page in opened:
        page.goto("about:blank")
        page.remove_listener("pageerror", note_error)
        page.remove_listener("console", note_message)
    assert problems == []


@pytest.fixture
def page(open_page):
    """Open the inspector once."""
    return open_page()


@pytest.fixture
def rows(page):
    """Locate the rows of the list."""
    return page.locator("#list .row")
