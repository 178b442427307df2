"""Everything without a mouse, and always with a visible focus."""

from playwright.sync_api import expect

from browser_page import answers, dialog, expect_status, message_box, row, tab

STOPS_MAX = 40

HAS_VISIBLE_FOCUS = """() => {
  const seen = getComputedStyle(document.activeElement.closest('.composer-box, .choice') ?? document.activeElement);
  return (seen.outlineStyle !== 'none' && parseFloat(seen.outlineWidth) >= 1) || seen.boxShadow !== 'none';
}"""


def tab_to(page, target, key="Tab"):
    """Presses Tab until the target has the focus."""
    for _ in range(STOPS_MAX):
        page.keyboard.press(key)
        if page.evaluate("document.activeElement === document.body"):
            continue  # between the page's end and its start
        assert page.evaluate(HAS_VISIBLE_FOCUS), page.evaluate("document.activeElement.outerHTML")
        if target.count() == 1 and target.evaluate("element => element === document.activeElement"):
            return
    raise AssertionError(f"{target} cannot be reached with {key}")


def create(page, name, parent_hint=None):
    create_dialog = dialog(page, "New workspace")
    expect(create_dialog.get_by_label("Name")).to_be_focused()
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    expect(create_dialog).to_have_count(0)
    expect(message_box(page)).to_be_focused()
    expect_status(page, name, "Online")


def test_the_whole_journey(page, client):
    tab_to(page, page.get_by_role("main").get_by_role("button", name="New workspace"))
    page.keyboard.press("Enter")
    create(page, "Lead")

    page.keyboard.type("Hello")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("there")
    page.keyboard.press("Enter")
    expect(answers(page)).to_have_text("Hello there")

    tab_to(page, page.get_by_role("button", name="Add below"), "Shift+Tab")
    page.keyboard.press("Enter")
    create(page, "Writer")

    tab_to(page, row(page, "Writer"), "Shift+Tab")  # the row of what is shown is the one that Tab reaches
    page.keyboard.press("ArrowLeft")
    expect(row(page, "Lead")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(row(page, "Lead")).to_have_attribute("aria-expanded", "false")
    expect(row(page, "Writer")).to_have_count(0)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("w")
    expect(row(page, "Writer")).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Lead", level=1)).to_be_visible()

    tab_to(page, tab(page, "Chat"))
    page.keyboard.press("ArrowRight")
    expect(tab(page, "Details")).to_be_focused()
    page.keyboard.press("End")
    expect(tab(page, "Events")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("list", name="Events, newest first")).to_contain_text("WORKSPACE_ONLINE")

    delete = page.get_by_role("button", name="Delete this workspace")
    tab_to(page, delete, "Shift+Tab")
    page.keyboard.press("Enter")
    question = dialog(page, "Delete “Lead”?")
    expect(question.get_by_role("button", name="Keep it")).to_be_focused()
    page.keyboard.press("Escape")
    expect(question).to_have_count(0)
    expect(delete).to_be_focused()
    page.keyboard.press("Enter")
    tab_to(page, question.get_by_role("button", name="Delete all 2"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("treeitem")).to_have_count(0)
    expect(page.get_by_role("main")).to_be_focused()
    assert client.workspaces() == []


def test_skip_link_filter_and_list(page, client):
    for name in ("Anna", "Berta", "Carla"):
        client.create(name, runtime="external")
    expect(page.get_by_role("treeitem")).to_have_count(3)

    tab_to(page, page.get_by_role("button", name="Skip to the main part"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()

    tab_to(page, page.get_by_label("Filter by name"), "Shift+Tab")
    page.keyboard.type("ber")
    expect(page.get_by_role("treeitem")).to_have_count(1)
    expect(page.get_by_text("1 of 3 matches")).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(row(page, "Berta")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    tab_to(page, page.get_by_label("Filter by name"), "Shift+Tab")
    page.keyboard.press("Escape")
    expect(page.get_by_role("treeitem")).to_have_count(3)

    tab_to(page, page.get_by_role("button", name="List"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("option")).to_have_count(3)
