"""The page in Chromium, against a real server: the fixture `server` of tests/conftest.py (url, token).

CHROMIUM names another browser than Debian's. A test fails when the page wrote an error to the console, unless the
test names it in `expected_errors`.
"""

import re

import pytest
from playwright.sync_api import expect, sync_playwright

from browser_client import Client
from browser_page import launch

TIMEOUT_MS = 15_000  # a container is made meanwhile

expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture(scope="session")
def chromium():
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture
def client(server):
    """A second client of the same server, which starts and ends without workspaces."""
    client = Client(server.url, server.token)
    client.clear()
    yield client
    client.clear()


@pytest.fixture
def expected_errors():
    """Patterns of console messages that the test provokes."""
    return []


@pytest.fixture
def open_page(chromium, server, expected_errors):
    """open_page(**context options) gives a new page with storage of its own. The server outlives it."""
    contexts = []
    errors = []

    def open_one(**options):
        options = {"viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce", **options}
        context = chromium.new_context(**options)
        context.set_default_timeout(TIMEOUT_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        return page

    yield open_one
    for context in contexts:
        context.close()
    unexpected = [text for text in errors if not any(re.search(pattern, text) for pattern in expected_errors)]
    assert unexpected == []


@pytest.fixture
def page(open_page, server, client):
    """Signed in by the link that the server prints."""
    page = open_page()
    page.goto(f"{server.url}/#token={server.token}")
    expect(page.locator(".connection")).to_have_text("Live")
    return page
