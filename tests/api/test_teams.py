"""Teams and reports of failed instances. Source: spec 01 sections 13, 18.1, 21 (27, 28)."""

import threading

import pytest

from workspaced import DATABASES, wait_for

NOWHERE = "00000000-0000-4000-8000-000000000000"
TEAM = """\
name: Lead Dev
sub_workspaces:
  - {config: coder, name: "Coder One", role: writes code}
  - {config: coder}
  - {role: nameless}
  - {name: Plain}
  - {config: ../outside, name: Evil}
  - {name: "bad{name", config: coder}
"""


@pytest.fixture(params=DATABASES)
def teams(request, start_server, tmp_path):
    configs = tmp_path / "configs"
    for name, text in {
        "lead-dev": TEAM,
        "coder": "runtime: hermes\nmodel: m1\n",
        "elsewhere": "name: By Name\nsub_workspaces: [{name: Only}]\n",
        "empty": "name: Empty\nsub_workspaces: []\n",
        "broken": "sub_workspaces: [",
        "ws": "- a list\n",
    }.items():
        (configs / name).mkdir(parents=True)
        (configs / name / "config.yaml").write_text(text)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "config.yaml").write_text("runtime: hermes\n")
    return start_server(request.param, CONFIGS_DIR=configs, WORKSPACED_ENGINE="none")


def expand(api, id_, **more):
    return api.post(f"/workspaces/{id_}/expand", **more)


def collapse(api, id_, **more):
    return api.post(f"/workspaces/{id_}/collapse", **more)


def test_expand_and_collapse(teams):
    lead = teams.create("Lead Dev", tier=1)
    answer = expand(teams, lead)
    children = answer.json()["children"]
    assert (answer.status_code, answer.json()["status"]) == (200, "expanded")
    assert [(child["name"], child["role"]) for child in children] == [("Coder One", "writes code"), ("coder", ""), ("Plain", "")]
    for child in children:
        row = teams.listed(child["id"])
        assert (row["parent_id"], row["tier"], row["name"]) == (lead, 1, child["name"])
        provisioning = teams.get(f"/events/{child['id']}").json()[-1]
        assert provisioning["event_type"] == "WORKSPACE_PROVISIONING"
        assert {"name": child["name"], "tier": 1, "parent_id": lead}.items() <= provisioning["payload"].items()
    assert [teams.listed(child["id"])["runtime"] for child in children] == ["hermes", "hermes", "builtin"]
    event = next(event for event in teams.get(f"/events/{lead}").json() if event["event_type"] == "WORKSPACE_EXPANDED")
    assert event["payload"] == {"children": children}
    # The starts fail, since there is no engine; each says so, and a second expand still adds nothing.
    for child in children:
        teams.wait_status(child["id"], "failed")
    assert expand(teams, lead).json() == {"status": "expanded", "children": []}
    leaf = teams.create("Leaf", parent_id=children[0]["id"])
    token = teams.mint(leaf)
    answer = collapse(teams, lead)
    removed = ["Coder One", "coder", "Plain", "Leaf"]
    assert (answer.status_code, answer.json()) == (200, {"status": "collapsed", "removed": removed})
    assert [row["id"] for row in teams.get("/workspaces").json()] == [lead]
    assert teams.get(f"/workspaces/{leaf}/activity", token=token).status_code == 401
    assert teams.get(f"/events/{lead}").json()[0]["payload"] == {"removed_children": removed}
    assert teams.get(f"/events/{leaf}").json()[0]["event_type"] == "WORKSPACE_REMOVED"
    assert collapse(teams, lead).json() == {"status": "collapsed", "removed": []}
    assert len(expand(teams, lead).json()["children"]) == 3


def test_expansions_at_once_make_one_team(teams):
    lead = teams.create("lead dev")
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(expand(teams, lead).json())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(len(answer["children"]) for answer in answers) == 3
    assert len(teams.get("/workspaces").json()) == 4


def test_a_template_is_found_by_its_name(teams):
    assert len(expand(teams, teams.create("By Name")).json()["children"]) == 1
    assert expand(teams, teams.create("by name")).status_code == 400


def test_who_cannot_be_expanded(teams):
    assert expand(teams, NOWHERE).status_code == 404
    assert collapse(teams, NOWHERE).status_code == 404
    for name in ("Empty", "Unknown", "coder", "../outside"):
        answer = expand(teams, teams.create(name))
        assert answer.status_code == 400 and answer.json()["error"], name
    teams.expected_log.append("no YAML mapping")
    for name in ("broken", "ws"):
        answer = expand(teams, teams.create(name))
        assert (answer.status_code, answer.json()) == (500, {"error": "internal error"})
    id_ = teams.create("By Name")
    assert expand(teams, id_, token=teams.mint(teams.create("Other"))).status_code in (401, 403)
    assert expand(teams, id_, token=teams.mint(id_)).status_code == 200


# ---- Reports of failed instances ----


def report(api, id_, body=None, **more):
    return api.post(f"/admin/workspaces/{id_}/bootstrap-failed", body, **more)


def waiting(api, name="A"):
    """A workspace that stays provisioning: nobody starts it."""
    id_ = api.create(name)
    api.wait_status(id_, "failed")
    api.database.execute(f"UPDATE workspaces SET status = 'provisioning' WHERE id = '{id_}'")
    return id_


def failures(api, id_):
    return [
        event["payload"]
        for event in api.get(f"/events/{id_}").json()
        if event["payload"].get("source") == "bootstrap_watcher"
    ]


def test_an_instance_failed(api):
    id_ = waiting(api)
    log = "line \u00e4\u65e5\n" * 2500 + "the very end \u20ac"
    answer = report(api, id_, {"error": " it broke ", "log_tail": log})
    assert (answer.status_code, answer.text) == (200, '{"ok":true}')
    row = wait_for(lambda: (row := api.listed(id_)) and row["status"] == "failed" and row, 5, "failed")
    sample = row["last_sample_error"]
    assert sample.startswith("it broke\n\n") and sample.endswith("the very end \u20ac")
    assert len(sample.encode()) <= 8192 and "\ufffd" not in sample
    [payload] = failures(api, id_)
    assert set(payload) == {"error", "log_tail", "source"}
    assert payload["error"] == "it broke" and payload["log_tail"].endswith("the very end \u20ac")
    again = report(api, id_, {"error": "later"})
    assert (again.status_code, again.text) == (200, '{"ok":true,"no_change":true}')
    assert len(failures(api, id_)) == 1
    assert report(api, NOWHERE, {}).json() == {"ok": True, "no_change": True}


def test_an_empty_report_and_nul_bytes(api):
    id_ = waiting(api)
    assert report(api, id_, {"log_tail": "a\u0000b\\u0000 c"}).json() == {"ok": True}
    [payload] = failures(api, id_)
    assert payload["error"] and payload["log_tail"] == "ab\\u0000 c"
    other = waiting(api, "B")
    assert report(api, other, {}).json() == {"ok": True}
    assert failures(api, other)[0]["log_tail"] == ""


@pytest.mark.parametrize("text", ["", "[]", '{"error":5}', '{"log_tail":{}}', "{"])
def test_bad_reports(api, text):
    id_ = waiting(api)
    answer = report(api, id_, data=text.encode())
    assert answer.status_code == 400 and answer.json()["error"]
    assert api.post("/admin/workspaces/x/bootstrap-failed", {}).status_code == 400
    assert report(api, id_, {}, token=api.mint(id_)).status_code in (401, 403)
