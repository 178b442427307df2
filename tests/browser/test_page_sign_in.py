"""How one comes in, and what stands between."""

import re

import pytest
from playwright.sync_api import expect

UNAUTHORISED = r"401 \(Unauthorized\)"  # the browser's own note of a refused request


def test_the_printed_link_signs_in_and_leaves_no_token_in_the_address(page, server):
    expect(page.get_by_role("heading", name="Create your first workspace")).to_be_visible()
    assert server.token not in page.url

    page.reload()
    expect(page.locator(".connection")).to_have_text("Live")  # kept for the next time

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Admin token")).to_be_focused()
    kept = page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})")
    assert server.token not in kept


def test_without_a_token_the_page_asks_for_one(open_page, server, client, expected_errors):
    expected_errors += [UNAUTHORISED]
    client.create("Behind the door", runtime="external")
    page = open_page()
    page.goto(server.url)
    token = page.get_by_label("Admin token")
    expect(token).to_be_focused()

    page.keyboard.press("Enter")
    expect(page.get_by_text("Enter the token.")).to_be_visible()
    token.fill("not-the-token")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The server does not accept this token.")).to_be_visible()
    expect(page.get_by_text("Behind the door")).to_have_count(0)

    token.fill(f"  {server.token}\n")
    page.keyboard.press("Enter")
    expect(page.get_by_role("treeitem", name="Behind the door")).to_be_visible()


@pytest.mark.parametrize("path", ["/#token=gone", "/#/workspaces/x/chat"])
def test_a_refused_token_leads_to_the_panel(open_page, server, expected_errors, path):
    expected_errors += [UNAUTHORISED]
    page = open_page()
    page.goto(server.url + path)
    expect(page).to_have_title(re.compile("Sign in"))
    expect(page.get_by_label("Admin token")).to_be_focused()
