"""What is shown while something is missing, under way or wrong."""

import re

from playwright.sync_api import expect

from browser_gate import Gate
from browser_page import choose, expect_status, row, say, tab, workspace


def test_a_failed_start_tells_its_reason(page, client):
    broken = client.create("Broken", runtime="no-such-runtime")
    client.wait_for_status(broken, "failed")
    reason = client.workspaces()[0]["last_sample_error"]
    assert "no-such-runtime" in reason
    expect_status(page, "Broken", "Failed")
    expect(page.get_by_role("list").filter(has_text=reason)).to_be_visible()  # the overview's "needs attention"
    choose(page, "Broken")
    expect(page.get_by_role("alert")).to_contain_text(reason)
    tab(page, "Events").click()
    expect(page.get_by_text("WORKSPACE_PROVISION_FAILED")).to_be_visible()


def test_a_start_that_takes_long_shows_that_it_goes_on(page):
    """No real start is slow on purpose, so the list is made up."""
    page.route("**/workspaces", lambda route: route.fulfill(json=[workspace(1, status="provisioning")]))
    page.reload()
    choose(page, "Agent 001")
    expect(page.get_by_role("progressbar", name="Starting the workspace")).to_be_visible()
    expect_status(page, "Agent 001", "Starting")


def test_a_list_that_takes_long_shows_that_it_is_loading(page, server):
    held = []
    page.route("**/workspaces", lambda route: held.append(route))
    page.reload()
    expect(page.get_by_text("Connecting…")).to_be_visible()
    page.wait_for_timeout(50)  # the request may leave after the words are there
    for route in held:
        route.continue_()
    page.unroute("**/workspaces")
    expect(page.locator(".connection")).to_have_text("Live")


def test_a_server_that_is_away_is_said_and_waited_for(open_page, server, client, expected_errors):
    expected_errors += [r"ERR_", r"WebSocket connection .* failed"]
    gate = Gate(server.url)
    page = open_page()
    page.goto(f"{gate.url}/#token={server.token}")
    expect(page.locator(".connection")).to_have_text("Live")
    page.route("**/workspaces", lambda route: route.abort("connectionrefused"))
    page.route_web_socket("**/ws*", lambda socket: socket.close())
    page.reload()
    expect(page.get_by_text("The server cannot be reached.")).to_be_visible()
    expect(page.locator(".connection")).to_have_text("Disconnected")
    page.unroute("**/workspaces")
    client.create("There again", runtime="external")
    page.get_by_role("button", name="Try now").click()
    expect(row(page, "There again")).to_be_visible()
    gate.shut()


def test_a_message_that_cannot_be_delivered_can_be_tried_again(page, client, expected_errors):
    expected_errors += [r"50[0-9] \("]
    waiting = client.create("Waiting", runtime="external")
    choose(page, "Waiting")
    say(page, "Anybody there?")
    failed = page.locator(".turn-agent[data-state=failed]")
    expect(failed).to_have_count(1)
    with page.expect_request(re.compile(f"/workspaces/{waiting}/a2a$")) as again:
        failed.get_by_role("button", name="Try again").click()
    assert again.value.post_data_json["params"]["message"]["parts"] == [{"kind": "text", "text": "Anybody there?"}]
    expect(failed).to_have_count(1)
    expect(page.locator(".turn-you")).to_have_count(1)


def test_an_address_of_something_deleted_says_so(page, client):
    gone = client.create("Gone", runtime="external")
    client.create("Still here", runtime="external")
    client.remove(gone)
    page.goto(page.url.split("#")[0] + f"#/workspaces/{gone}/chat")
    expect(page.get_by_role("alert")).to_have_text("This workspace does not exist any more.")


def test_a_narrow_screen_shows_one_thing_at_a_time(open_page, server, client):
    client.create("Pocket", role="Fits in a pocket", runtime="external")
    page = open_page(viewport={"width": 360, "height": 700})
    page.goto(f"{server.url}/#token={server.token}")
    choose(page, "Pocket")
    expect(page.get_by_role("navigation")).to_be_hidden()
    for name in ("Details", "Events", "Chat"):
        tab(page, name).click()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
    page.get_by_role("link", name="Back to the list").click()
    expect(row(page, "Pocket")).to_be_visible()
