"""How a person finds things on the page: by role and name, as a screen reader does."""

from playwright.sync_api import expect


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
