"""`restart`, `pause`, `resume`, `hibernate`, `reap`, and `status`: what is asked, and what is said."""

import json

import pytest

from fake_server import CHILD, ROOT

FAILURE = {"reason": "out_of_memory", "message": "the container ran out of memory", "hint": "Raise its tier.",
           "exit_code": 137, "at": "2026-11-25T12:00:00Z"}  # fmt: skip
ORPHAN = {"kind": "container", "name": "ws-old", "ref": "abc", "workspace_id": ROOT,
          "first_seen_at": "2026-11-25T12:00:00Z", "action": "remove", "due_at": "2026-11-25T12:10:00Z"}  # fmt: skip


@pytest.mark.parametrize(
    "words, path, query, body, answer, said",
    [
        (["restart", "Lead"], "restart", {}, {}, {"status": "provisioning"}, "restarting Lead\n"),
        (["restart", "Lead", "--reset", "--template", "t", "--apply-template", "--rebuild-config"], "restart", {},
         {"reset": True, "template": "t", "apply_template": True, "rebuild_config": True}, {}, "restarting Lead\n"),
        (["pause", "Lead"], "pause", {}, {}, {"paused_count": 3}, "paused Lead and 2 below it\n"),
        (["resume", "Lead"], "resume", {}, {}, {"resumed_count": 1}, "starting Lead\n"),
        (["hibernate", "Lead"], "hibernate", {}, {}, {"status": "hibernated"}, "asleep: Lead\n"),
        (["hibernate", "--force", "Lead"], "hibernate", {"force": "true"}, {}, {}, "asleep: Lead\n"),
    ],
)  # fmt: skip
def test_another_wish(ctl, fake, words, path, query, body, answer, said):
    fake.on("POST", f"/workspaces/{ROOT}/{path}", (200, answer))
    done = ctl(*words)
    assert (done.returncode, done.stdout, done.stderr) == (0, said, "")
    [call] = fake.seen("POST", f"/workspaces/{ROOT}/{path}")
    assert (call.query, call.body) == (query, body)
    assert json.loads(ctl(*words, "--json").stdout) == answer


def test_a_refused_wish_is_told(ctl, fake):
    fake.on("POST", f"/workspaces/{CHILD}/resume", (409, {"error": "its parent Lead is paused"}))
    done = ctl("resume", CHILD)
    assert (done.returncode, done.stdout) == (1, "") and "its parent Lead is paused" in done.stderr


def test_status_says_why(ctl, fake):
    fake.workspaces[0].update(
        status="failed", failure=FAILURE, last_sample_error="the container ran out of memory\nlast words\n"
    )
    done = ctl("status", "Lead")
    assert done.returncode == 0
    lines = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    for line in (["status", "failed"], ["reason", "out_of_memory"], ["why", "the container ran out of memory"],
                 ["do", "Raise its tier."], ["exit", "code  137"], ["last", "words"]):  # fmt: skip
        assert line in lines, lines
    assert json.loads(ctl("status", "Lead", "--json").stdout)["failure"] == FAILURE
    assert "failed: out_of_memory" in ctl("list").stdout


def test_status_of_one_that_is_well(ctl, fake):
    for failure in ({}, {"failure": None}):
        fake.workspaces[0].update(failure)
        done = ctl("status", "Lead")
        assert "online" in done.stdout and "reason" not in done.stdout


def test_adopt(ctl, fake):
    objects = [{"kind": "volume", "name": "ws-a-configs", "adopted": True, "why": None},
               {"kind": "container", "name": "ws-b", "adopted": False, "why": "no workspace here has this id"}]  # fmt: skip
    fake.on("POST", "/admin/runtime/adopt", (200, {"count": 2, "objects": objects}))
    left = "container ws-b: left alone: no workspace here has this id\n"
    assert ctl("adopt", "--dry-run").stdout == f"volume ws-a-configs: would be adopted\n{left}"
    assert ctl("adopt").returncode == 2  # nobody can be asked
    assert ctl("adopt", "--yes", "--installation", ROOT).stdout == f"volume ws-a-configs: adopted\n{left}"
    calls = fake.seen("POST", "/admin/runtime/adopt")
    assert [(call.query, call.body) for call in calls] == [({"dry_run": "true"}, {}), ({}, {"installation": ROOT})]
    fake.on("POST", "/admin/runtime/adopt", (200, {"count": 0, "objects": []}))
    assert ctl("adopt", "--yes").stdout == "nothing is there to adopt\n"


def test_reap(ctl, fake):
    fake.on("POST", "/admin/runtime/reap", (200, {"count": 1, "orphans": [{**ORPHAN, "removed": True}]}))
    assert ctl("reap", "--dry-run").stdout == "container ws-old: would be removed\n"
    assert ctl("reap").returncode == 2  # nobody can be asked
    assert ctl("reap", "--yes").stdout == "container ws-old: removed\n"
    assert ctl("reap", "--dry-run", "--kept").returncode == ctl("reap", "--yes", "--kept").returncode == 0
    assert [call.query for call in fake.seen("POST", "/admin/runtime/reap")] == [
        {"dry_run": "true"}, {}, {"dry_run": "true", "kept": "true"}, {"kept": "true"},
    ]  # fmt: skip
    fake.on("POST", "/admin/runtime/reap", (200, {"count": 0, "orphans": []}))
    assert ctl("reap", "--yes").stdout == "nothing is left over\n"
