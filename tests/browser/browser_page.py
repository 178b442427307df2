"""The browser, and how a person finds things on the page: by role and name, as a screen reader does."""

import os

from playwright.sync_api import expect

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def launch(playwright):
    return playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)


def row(page, name):
    return page.get_by_role("treeitem", name=name)


def choose(page, name):
    row(page, name).click()
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()


def expect_status(page, name, label):
    expect(row(page, name).locator(".status")).to_have_text(label)


def tab(page, name):
    return page.get_by_role("tab", name=name)


def dialog(page, name):
    return page.get_by_role("dialog", name=name)


def message_box(page):
    return page.get_by_role("textbox", name="Message")


def answers(page, state="done"):
    return page.locator(f".turn-agent[data-state={state}] .bubble")


def say(page, text):
    message_box(page).fill(text)
    page.keyboard.press("Enter")


def workspace(number, **fields):
    """A row of GET /workspaces."""
    return {
        "id": f"00000000-0000-4000-8000-{number:012d}",
        "name": f"Agent {number:03d}",
        "role": None,
        "tier": 2,
        "status": "online",
        "parent_id": None,
        "runtime": "builtin",
        "created_at": "2026-01-02T03:04:05Z",
        **fields,
    }
