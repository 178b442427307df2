"""What others do shows at once, and what was missed is made up for."""

import re

from playwright.sync_api import expect

from browser_gate import Gate
from browser_page import answers, choose, expect_status, row, say, tab

CUT = [r"ERR_", r"WebSocket connection .* failed"]  # the browser's own notes of a lost connection


def test_another_clients_changes_show(page, client):
    lead = client.create_online("Lead")
    expect_status(page, "Lead", "Online")
    writer = client.create("Writer", parent_id=lead, runtime="external")
    expect(row(page, "Writer")).to_have_attribute("aria-level", "2")
    client.call("PATCH", f"/workspaces/{writer}", json={"name": "Author", "role": "Writes"})
    expect(row(page, "Author")).to_contain_text("Writes")

    choose(page, "Lead")
    tab(page, "Events").click()
    expect(page.get_by_text("WORKSPACE_ONLINE")).to_be_visible()
    client.call("PATCH", f"/workspaces/{lead}", json={"role": "Leads"})
    expect(page.get_by_text("WORKSPACE_UPDATED")).to_be_visible()

    client.remove(lead)
    expect(page.get_by_role("treeitem")).to_have_count(0)
    expect(page.get_by_role("heading", name="Lead", level=1)).to_have_count(0)


def test_two_people_see_the_same(page, open_page, server, client):
    other = open_page(viewport={"width": 400, "height": 700})
    other.goto(f"{server.url}/#token={server.token}")
    client.create("Shared", runtime="external")
    for each in (page, other):
        expect_status(each, "Shared", "Waiting for agent")


def test_a_cut_connection_comes_back_by_itself(open_page, server, client, expected_errors):
    expected_errors += CUT
    gate = Gate(server.url)
    page = open_page()
    page.goto(f"{gate.url}/#token={server.token}")
    expect(page.locator(".connection")).to_have_text("Live")
    client.create("Before", runtime="external")
    expect(row(page, "Before")).to_be_visible()

    gate.shut()
    expect(page.locator(".connection")).to_have_text("Disconnected")
    client.create("Meanwhile", runtime="external")
    expect(row(page, "Before")).to_be_visible()  # what is known stays on the page
    expect(row(page, "Meanwhile")).to_have_count(0)

    gate.open()
    expect(page.locator(".connection")).to_have_text("Live")
    expect(row(page, "Meanwhile")).to_be_visible()
    client.create("After", runtime="external")
    expect(row(page, "After")).to_be_visible()
    gate.shut()


def test_an_answer_that_breaks_off_is_completed_later(open_page, server, client, expected_errors):
    expected_errors += CUT
    client.create_online("Slow", executor="command", command="printf 'part '; sleep 1; cat")
    gate = Gate(server.url)
    page = open_page()
    page.goto(f"{gate.url}/#token={server.token}")
    choose(page, "Slow")
    say(page, "whole")
    expect(answers(page, "streaming")).to_have_text("part")

    gate.shut()
    expect(page.locator(".turn-agent[data-state=failed]")).to_contain_text(re.compile("connection", re.IGNORECASE))
    gate.open()
    page.get_by_role("button", name="Try now").click()
    expect(page.locator(".connection")).to_have_text("Live")
    expect(answers(page)).to_have_text("part whole")
    expect(page.locator(".turn-agent")).to_have_count(1)
    gate.shut()


def test_a_restarted_server_is_found_again(page, server, client, expected_errors):
    expected_errors += CUT
    client.create("Survivor", runtime="external")
    expect(row(page, "Survivor")).to_be_visible()
    server.stop()
    expect(page.locator(".connection")).to_have_text("Disconnected")
    server.start()
    expect(page.locator(".connection")).to_have_text("Live")
    client.create("Newcomer", runtime="external")
    expect(row(page, "Newcomer")).to_be_visible()
    expect(row(page, "Survivor")).to_be_visible()
