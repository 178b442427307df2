"""What is shown while something is missing, under way or wrong."""

import json
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


FAILURE = {"reason": "crash_loop", "message": "the container ended 5 times", "hint": "Read its log.", "exit_code": 3,
           "at": "2026-01-02T03:04:05Z"}  # fmt: skip


def show(page, **fields):
    """The page with a made-up list of one workspace, chosen; gives a function that sends a live event."""
    sockets = []
    listed = [workspace(1, **fields)]
    page.route("**/workspaces", lambda route: route.fulfill(json=listed))
    page.route_web_socket("**/ws*", lambda socket: sockets.append(socket))
    page.reload()
    choose(page, "Agent 001")

    def tell(event, change=None, **payload):
        listed[0].update(change or {})
        sockets[-1].send(
            json.dumps({"event": event, "workspace_id": listed[0]["id"], "timestamp": "2026-01-02T03:04:05Z", "payload": payload})
        )

    return tell


def test_a_failure_tells_why_and_what_to_do(page):
    failed = {"status": "failed", "failure": FAILURE, "last_sample_error": "the container ended 5 times\nlast words\n"}
    tell = show(page, status="provisioning")
    tell("WORKSPACE_PROVISION_FAILED", failed, error="the container ended 5 times", reason="crash_loop", exit_code=3)
    alert = page.get_by_role("alert")
    for text in ("could not be started", "the container ended 5 times", "Read its log.", "last words"):
        expect(alert).to_contain_text(text)
    tab(page, "Details").click()
    expect(page.get_by_text("crash_loop, exit code 3")).to_be_visible()


def test_the_last_lines_of_a_container_that_is_gone(page):
    page.route("**/logs?lines=20", lambda route: route.fulfill(body="kept words\n", content_type="text/plain"))
    show(page, status="offline", failure=FAILURE, last_sample_error="")
    expect(page.get_by_role("alert")).to_contain_text("This workspace does not run.")
    expect(page.get_by_label("Last lines of its log")).to_have_text("kept words")


def test_what_a_start_waits_for(page):
    show(page, status="provisioning", failure={**FAILURE, "message": "the engine does not answer", "exit_code": None})
    expect(page.locator(".banner")).to_contain_text("the engine does not answer")
    expect(page.get_by_role("progressbar")).to_be_visible()


def test_a_pull_shows_how_far_it_is(page):
    tell = show(page, status="provisioning")
    bar = page.get_by_role("progressbar", name="Starting the workspace")
    expect(bar).not_to_have_attribute("aria-valuenow", re.compile("."))
    tell("WORKSPACE_PULL_PROGRESS", image="x", percent=41.6, text="layer 2 of 3")
    expect(bar).to_have_attribute("aria-valuenow", "42")
    expect(page.get_by_text("Fetching the image, 42 %")).to_be_visible()
    tell("WORKSPACE_PULL_PROGRESS", image="x", percent=None, text="extracting")
    expect(bar).not_to_have_attribute("aria-valuenow", re.compile("."))
    tell("WORKSPACE_ONLINE", {"status": "online"})
    expect(page.locator(".banner")).to_be_hidden()


def test_buttons_of_life_follow_the_status(page):
    asked = []

    def answer(route):
        asked.append(route.request.url.rsplit("/", 1)[1])
        route.fulfill(json={"status": "x", "paused_count": 3})

    page.route(re.compile("/workspaces/[^/]+/(restart|pause|resume|hibernate)$"), answer)
    tell = show(page, status="online")
    group = page.get_by_role("group", name="Life")
    button = lambda name: group.get_by_role("button", name=name)  # noqa: E731
    expect(button("Resume")).to_be_hidden()
    button("Restart").click()
    expect(page.get_by_text("Agent 001 is being restarted.")).to_be_visible()
    button("Sleep").click()
    expect(page.get_by_text("Agent 001 sleeps until a message wakes it.")).to_be_visible()
    tell("WORKSPACE_HIBERNATED", {"status": "hibernated"})
    expect(page.locator(".banner")).to_have_text("Stopped because it was idle. A message wakes it.")
    expect(button("Sleep")).to_be_hidden()
    button("Pause").click()
    expect(page.get_by_text("Agent 001 with 2 below it is paused.")).to_be_visible()
    tell("WORKSPACE_PAUSED", {"status": "paused"})
    expect(page.locator(".banner")).to_have_text("Stopped by hand. It stays stopped until it is resumed.")
    expect(button("Restart")).to_be_hidden()
    button("Resume").click()
    expect(page.get_by_text("is starting.")).to_be_visible()
    assert asked == ["restart", "hibernate", "pause", "resume"]


def test_a_wish_that_is_refused_says_why(page, expected_errors):
    expected_errors += [r"409 \("]
    page.route("**/hibernate", lambda route: route.fulfill(status=409, json={"error": "it works on 2 tasks"}))
    show(page, status="online")
    page.get_by_role("button", name="Sleep").click()
    expect(page.get_by_text("it works on 2 tasks")).to_be_visible()


def test_an_external_agent_is_waited_for(page):
    show(page, status="awaiting_agent", runtime="external")
    expect(page.locator(".banner")).to_have_text("The external agent has not registered yet.")
    expect(page.get_by_role("button", name="Restart")).to_be_hidden()


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
