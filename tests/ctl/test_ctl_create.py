"""`create` and `delete`."""

import json
import threading

import pytest

from fake_server import CHILD, GRANDCHILD, ROOT, workspace


def test_create_prints_the_id(ctl, fake):
    done = ctl("create", "New one")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == fake.workspaces[-1]["id"]
    assert fake.seen("POST", "/workspaces")[0].body == {"name": "New one"}


def test_create_with_everything(ctl, fake):
    done = ctl(
        "create", "Coder", "--role", "writes", "--parent", "scout", "--tier", "3", "--runtime", "r",
        "--image", "node:22", "--command", "claude -p", "--model", "m", "--template", "t",
        "--secret", "A=1=2", "--secret", "FROM_HERE", "--dir", "/srv/x", "--access", "read_only",
        "--budget", "500", "--max-tasks", "4", FROM_HERE="kept out of ps",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert fake.seen("POST", "/workspaces")[0].body == {
        "name": "Coder", "role": "writes", "parent_id": CHILD, "tier": 3, "runtime": "r",
        "image": "node:22", "command": "claude -p", "executor": "command", "model": "m",
        "template": "t", "secrets": {"A": "1=2", "FROM_HERE": "kept out of ps"},
        "workspace_dir": "/srv/x", "workspace_access": "read_only", "budget_limit": 500,
        "max_concurrent_tasks": 4,
    }  # fmt: skip


def test_an_executor_of_ones_own_and_an_external_agent(ctl, fake):
    ctl("create", "A", "--executor", "echo", "--command", "x")
    ctl("create", "B", "--external", "--agent-url", "https://agent.example/")
    first, second = fake.seen("POST", "/workspaces")
    assert first.body["executor"] == "echo"
    assert second.body == {"name": "B", "external": True, "url": "https://agent.example/"}


def test_a_name_that_looks_like_an_option(ctl, fake):
    assert ctl("create", "--", "-dash").returncode == 0
    assert fake.workspaces[-1]["name"] == "-dash"


def test_json_of_create(ctl, fake):
    assert json.loads(ctl("create", "New", "--json").stdout)["status"] == "provisioning"


def test_create_refused(ctl, fake):
    fake.on("POST", "/workspaces", (400, {"error": "name must not hold {"}))
    done = ctl("create", "{")
    assert (done.returncode, done.stdout) == (1, "")
    assert "name must not hold {" in done.stderr
    assert ctl("create", "x", "--parent", "Nobody").returncode == 1


def later(fake, status, **more):
    """The newest workspace gets `status` after it was asked for twice."""

    def run():
        fake.wait(lambda: len([c for c in fake.calls if c.path.startswith("/workspaces/")]) >= 2)
        fake.workspaces[-1].update(status=status, **more)

    threading.Thread(target=run).start()


def test_wait_until_online(ctl, fake):
    later(fake, "online")
    done = ctl("create", "New", "--wait", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["status"] == "online"
    assert done.stderr == ""


def test_wait_tells_why_it_failed(ctl, fake):
    later(fake, "failed", last_sample_error="no such image: nope")
    done = ctl("create", "New", "--wait")
    assert done.returncode == 1
    assert "no such image: nope" in done.stderr and "workspacectl logs" in done.stderr
    assert done.stdout.strip() == fake.workspaces[-1]["id"]


def test_wait_has_an_end(ctl):
    done = ctl("create", "New", "--wait", "--timeout", "1")
    assert (done.returncode, "still provisioning" in done.stderr) == (1, True)


def test_wait_outlives_a_restart_of_the_server(ctl, fake):
    id_ = "dddddddd-4444-4444-8444-444444444444"
    fake.on("POST", "/workspaces", (201, {"id": id_, "status": "provisioning"}))
    up = (200, workspace(id_, "New"))
    bad = (503, {"error": "platform unavailable"})
    fake.on("GET", f"/workspaces/{id_}", bad, bad, up)
    assert ctl("create", "New", "-w").returncode == 0
    fake.on("GET", f"/workspaces/{id_}", bad)
    assert ctl("create", "New", "-w").returncode == 1


def test_the_progress_line_is_for_terminals(ctl, fake):
    terminal = ctl.terminal("create", "New", "--wait")
    terminal.read_until(r"New: provisioning, 0\.\d s")
    fake.workspaces[-1]["status"] = "online"
    assert terminal.wait() == 0
    assert "New is online after" in terminal.text


# Delete


def test_delete_of_a_leaf(ctl, fake):
    done = ctl("delete", "--yes", "Helper")
    assert (done.returncode, done.stdout) == (0, "deleted Helper\n")
    assert fake.seen("DELETE", f"/workspaces/{GRANDCHILD}")[0].query == {}


def test_a_team_needs_cascade(ctl, fake):
    done = ctl("delete", "--yes", "Lead")
    assert done.returncode == 1
    assert "Scout" in done.stderr and "--cascade" in done.stderr
    assert len(fake.workspaces) == 3
    done = ctl("delete", "--yes", "--cascade", "--purge", "Lead")
    assert done.stdout == "deleted Lead and 2 below it\n"
    assert fake.seen("DELETE", f"/workspaces/{ROOT}")[-1].query == {"confirm": "true", "purge": "true"}


def test_nobody_to_ask(ctl, fake):
    done = ctl("delete", "Lead")
    assert (done.returncode, "--yes --cascade" in done.stderr) == (2, True)
    assert not [c for c in fake.calls if c.method == "DELETE"]


@pytest.mark.parametrize("answer, status", [("y\n", 0), ("YES\n", 0), ("n\n", 1), ("\n", 1), ("\x04", 1)])
def test_the_question_names_all_below(ctl, fake, answer, status):
    terminal = ctl.terminal("delete", "Lead")
    terminal.read_until(r"Delete workspace 'Lead' \(aaaaaaaa\) and the 2 below it: Scout, Helper\? ")
    terminal.type(answer)
    assert terminal.wait() == status
    assert len(fake.workspaces) == (0 if status == 0 else 3)


def test_purge_of_a_removed_one(ctl, fake):
    gone = "dddddddd-4444-4444-8444-444444444444"
    fake.on("GET", f"/workspaces/{gone}", (200, workspace(gone, "Gone", status="removed")))
    assert ctl("delete", "--yes", "--purge", gone).stdout == "deleted Gone\n"
    assert ctl("delete", "--yes", "eeeeeeee-4444-4444-8444-444444444444").returncode == 1


def test_json_of_delete(ctl):
    assert json.loads(ctl("delete", "--yes", "Helper", "--json").stdout)["status"] == "removed"


def test_a_cleanup_that_is_pending_is_told(ctl, fake):
    answer = {"status": "removed", "cascade_deleted": 0, "cleanup": "pending"}
    fake.on("DELETE", f"/workspaces/{GRANDCHILD}", (200, answer))
    assert "still being removed" in ctl("delete", "--yes", "Helper").stderr
