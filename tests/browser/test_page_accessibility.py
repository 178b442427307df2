"""axe-core on every state of the page, light and dark."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from browser_page import answers, choose, dialog, expect_status, say, tab

AXE = Path(__file__).resolve().parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
RUN = """async () => {
  const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
  const { violations } = await axe.run(document, { runOnly: tags, resultTypes: ['violations'] });
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`));
}"""


@pytest.fixture(scope="session")
def axe():
    return AXE.read_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_violation_in_any_state(open_page, server, client, axe, expected_errors, scheme):
    expected_errors += [r"401 \(Unauthorized\)", r"50[0-9] \("]
    page = open_page(color_scheme=scheme)
    violations = {}

    def look(state):
        page.evaluate(axe)
        found = page.evaluate(RUN)
        if found:
            violations[state] = found

    page.goto(server.url)
    expect(page.get_by_label("Admin token")).to_be_focused()
    look("sign-in")
    page.keyboard.press("Enter")
    look("sign-in with a problem")

    page.goto(f"{server.url}/#token={server.token}")
    expect(page.get_by_role("heading", name="Create your first workspace")).to_be_visible()
    look("empty")

    lead = client.create_online("Lead", role="Leads")
    client.create("Waiting", parent_id=lead, runtime="external")
    broken = client.create("Broken", runtime="no-such-runtime")
    client.wait_for_status(broken, "failed")
    expect_status(page, "Broken", "Failed")
    look("overview")

    choose(page, "Lead")
    say(page, "Text\n```sh\necho code\n```")
    expect(answers(page)).to_contain_text("echo code")
    look("chat")
    tab(page, "Details").click()
    page.get_by_text("Whole card").click()
    look("details")
    tab(page, "Events").click()
    expect(page.get_by_text("WORKSPACE_ONLINE")).to_be_visible()
    look("events")

    page.get_by_role("button", name="Add below").click()
    page.get_by_role("radio", name="Command").check()
    page.get_by_text("Advanced").click()
    page.get_by_role("button", name="Create workspace").click()
    expect(dialog(page, "New workspace").get_by_text("Give the workspace a name.")).to_be_visible()
    look("create")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Delete this workspace").click()
    look("delete")
    page.keyboard.press("Escape")

    choose(page, "Broken")
    expect(page.get_by_role("alert")).to_contain_text("could not be started")
    look("failed")
    tab(page, "Chat").click()
    say(page, "Hello?")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    look("failed answer")

    page.get_by_label("Filter by name").fill("lead")
    page.get_by_role("button", name="List").click()
    look("list")
    assert violations == {}


def test_reduced_motion_is_respected(page, client):
    client.create("Waiting", runtime="external")
    dot = page.get_by_role("treeitem").locator(".dot")
    expect(dot).to_be_visible()
    assert dot.evaluate("dot => parseFloat(getComputedStyle(dot).animationDuration)") < 0.001
    page.emulate_media(reduced_motion="no-preference")
    assert dot.evaluate("dot => parseFloat(getComputedStyle(dot).animationDuration)") > 1


def test_colours_can_be_chosen(page):
    background = "getComputedStyle(document.body.parentElement).backgroundColor"
    light = page.evaluate(background)
    page.get_by_role("button", name="Colours: as the system").click()
    page.get_by_role("button", name="Colours: light").click()
    expect(page.get_by_role("button", name="Colours: dark")).to_be_visible()
    dark = page.evaluate(background)
    assert dark != light
    page.reload()
    expect(page.locator(".connection")).to_have_text("Live")
    assert page.evaluate(background) == dark
