"""The life of a workspace on the page, from its creation to its end."""

import re

from playwright.sync_api import expect

from browser_page import answers, choose, dialog, expect_status, message_box, row, say, tab


def test_create_chat_events_delete(page, client):
    page.get_by_role("main").get_by_role("button", name="New workspace").click()
    create = dialog(page, "New workspace")
    create.get_by_label("Name").fill("Release lead")
    create.get_by_label("Role").fill("Plans the release")
    create.get_by_role("button", name="Create workspace").click()
    expect(create).to_have_count(0)
    expect(message_box(page)).to_be_focused()
    expect_status(page, "Release lead", "Online")

    with page.expect_response(re.compile("/a2a$")) as answered:
        say(page, "What is next?")
    expect(answers(page)).to_have_text("What is next?")  # the echo
    assert answered.value.request.post_data_json["method"] == "message/stream"
    assert answered.value.headers["content-type"].startswith("text/event-stream")

    page.get_by_role("button", name="Add below").click()
    create = dialog(page, "New workspace")
    expect(create.get_by_label("Parent")).to_have_value(client.workspaces()[0]["id"])
    create.get_by_label("Name").fill("Writer")
    create.get_by_role("button", name="Create workspace").click()
    expect_status(page, "Writer", "Online")
    expect(row(page, "Writer")).to_have_attribute("aria-level", "2")

    choose(page, "Release lead")
    expect(answers(page)).to_have_text("What is next?")
    tab(page, "Events").click()
    events = page.get_by_role("list", name="Events, newest first")
    expect(events).to_contain_text("WORKSPACE_PROVISIONING")
    expect(events).to_contain_text("WORKSPACE_ONLINE")

    page.get_by_role("button", name="Delete this workspace").click()
    question = dialog(page, "Delete “Release lead”?")
    expect(question.get_by_role("listitem")).to_have_text(["Writer"])
    question.get_by_role("button", name="Delete all 2").click()
    expect(page.get_by_role("heading", name="Create your first workspace")).to_be_visible()
    expect(page.get_by_role("treeitem")).to_have_count(0)
    assert client.workspaces() == []


def test_a_program_answers_piece_by_piece_and_can_be_stopped(page, client):
    page.get_by_role("navigation").get_by_role("button", name="New workspace").click()
    create = dialog(page, "New workspace")
    create.get_by_label("Name").fill("Script")
    create.get_by_role("radio", name="Command").check()
    create.get_by_label("Command", exact=True).last.fill("printf 'first '; read line; sleep 1; echo \"$line\"; sleep 30")
    create.get_by_role("button", name="Create workspace").click()
    expect_status(page, "Script", "Online")

    say(page, "second")
    expect(answers(page, "streaming")).to_have_text("first")  # shown while the program still runs
    expect(answers(page, "streaming")).to_have_text("first second")
    page.get_by_role("button", name="Stop the answer").click()
    expect(answers(page, "stopped")).to_have_text("first second")
    expect(message_box(page)).to_be_focused()


def test_a_conversation_is_there_again_after_a_reload(page, client):
    client.create_online("Archivist")
    choose(page, "Archivist")
    say(page, "Remember this")
    expect(answers(page)).to_have_text("Remember this")
    page.reload()
    expect(page.locator(".turn-you .bubble")).to_have_text("Remember this")
    expect(answers(page)).to_have_text("Remember this")


def test_what_an_agent_says_never_becomes_markup(page, client):
    client.create_online("Echo")
    choose(page, "Echo")
    text = "<img src=x onerror=\"document.title='taken over'\"><b>bold</b>"
    say(page, text)
    expect(answers(page)).to_have_text(text)
    expect(page.locator(".turns img, .turns b")).to_have_count(0)
    expect(page).to_have_title("Echo · workspaced")


def test_the_form_says_what_is_wrong_at_the_field(page, client, expected_errors):
    expected_errors += [r"400 \(Bad Request\)"]
    page.get_by_role("navigation").get_by_role("button", name="New workspace").click()
    create = dialog(page, "New workspace")
    name = create.get_by_label("Name")
    submit = create.get_by_role("button", name="Create workspace")

    submit.click()
    expect(name).to_be_focused()
    expect(name).to_have_accessible_description("Give the workspace a name.")
    name.fill("a{b}")
    submit.click()
    expect(name).to_have_accessible_description("The name must not hold the character {")

    name.fill("Has a wrong image")
    create.get_by_text("Advanced").click()
    create.get_by_label("Image").fill("not an image")
    submit.click()
    expect(create.get_by_label("Image")).to_have_attribute("aria-invalid", "true")  # the server's sentence
    assert client.workspaces() == []


def test_name_and_role_can_be_changed(page, client):
    client.create("Old name", runtime="external")
    choose(page, "Old name")
    tab(page, "Details").click()
    page.get_by_label("Name", exact=True).fill("New name")
    page.get_by_role("textbox", name="Role").fill("New role")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="New name", level=1)).to_be_visible()
    assert [(each["name"], each["role"]) for each in client.workspaces()] == [("New name", "New role")]
