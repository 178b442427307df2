"""Makes docs/images/page.png and page-dark.png from a running server: screenshot.py URL TOKEN [FOLDER].

A small team is made for it, talked to, and taken away again.
"""

import argparse
import os
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from browser_client import Client
from browser_page import answers, choose, expect_status, launch, say

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "images"

# An agent is any program: this one takes the first line as the goal and hands each further line to a colleague.
PLANNER = r"""awk -v team='Researcher Writer Reviewer' '
BEGIN { size = split(team, names, " ") }
NR == 1 { goal = $0; next }
NF { step[++count] = $0 }
END { print goal ", in " count " steps:\n"
      for (n = 1; n <= count; n++) print n ". " names[(n - 1) % size + 1] ": " step[n] }'"""

QUESTIONS = [
    "Release 1.2\nlist what changed since 1.1\nwrite the notes for people who upgrade\ncheck every command in them",
    "A week later\nread what users report\nanswer in the same tone",
]


def make_team(client):
    lead = client.create("Release lead", role="Plans the release", executor="command", command=PLANNER)
    researcher = client.create("Researcher", role="Reads, compares, cites", parent_id=lead)
    writer = client.create("Writer", role="Drafts the notes", parent_id=lead)
    reviewer = client.create("Reviewer", role="Checks facts and tone", parent_id=writer)
    build = client.create("Build box", role="Runs the tests", executor="command", command="sh")
    client.create("Laptop agent", role="Joins from outside", parent_id=build, runtime="external")
    for each in (lead, researcher, writer, reviewer, build):
        client.wait_for_status(each, "online", timeout_s=60)
    return [lead, build]


def picture(page, path, scheme):
    page.emulate_media(color_scheme=scheme)
    page.screenshot(path=path)
    print(path)


def talk(page):
    choose(page, "Release lead")
    for number, question in enumerate(QUESTIONS, start=1):
        say(page, question)
        expect(answers(page)).to_have_count(number)
    expect(page.locator(".view-task")).to_be_hidden()
    page.mouse.move(640, 20)  # over nothing


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("token")
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    arguments = parser.parse_args()
    client = Client(arguments.url, arguments.token)
    os.makedirs(arguments.folder, exist_ok=True)

    roots = make_team(client)
    try:
        with sync_playwright() as playwright:
            browser = launch(playwright)
            context = browser.new_context(
                viewport={"width": 1280, "height": 880}, device_scale_factor=2, reduced_motion="reduce"
            )
            page = context.new_page()
            page.goto(f"{arguments.url}/#token={arguments.token}")
            expect_status(page, "Laptop agent", "Waiting for agent")
            talk(page)
            picture(page, arguments.folder / "page.png", "light")
            picture(page, arguments.folder / "page-dark.png", "dark")
            browser.close()
    finally:
        for root in roots:
            client.remove(root)


if __name__ == "__main__":
    main()
