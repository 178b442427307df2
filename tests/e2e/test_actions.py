"""Restart, pause, resume and sleep of agents that really run."""

import concurrent.futures

import threading
import time

import pytest
import requests

from workspaced import DATABASES, text_of, wait_for

WAKE_S = 0.05  # the measured figure is the benchmark's; ten times that only sees a broken path


@pytest.fixture
def database(engine):
    """One for each engine: what these tests ask of a database, tests/api asks of both."""
    return DATABASES[-1] if engine.name == "docker" else DATABASES[0]


def shell(server, name="Shell", **fields):
    """An agent that runs what it is told, and writes it down."""
    id_ = server.create(name, executor="command", command="tee -a /workspace/heard | sh 2>/dev/null", **fields)
    server.wait_status(id_, "online", 60)
    return id_


def says(server, id_, text):
    answer = server.say(id_, text)
    assert answer.status_code == 200, answer.text
    return text_of(answer)


def kinds_of(server, id_):
    return [one["event_type"] for one in reversed(server.get(f"/events/{id_}").json())]


def generation_of(server, id_):
    return server.database.query(f"SELECT generation FROM workspace_runtime WHERE workspace_id = '{id_}'")[0][0]


def freeze(server, id_):
    """Once it has nothing to do: it may still read what its restart was about."""

    def frozen():
        answer = server.post(f"/workspaces/{id_}/hibernate")
        assert answer.status_code in (200, 404, 409), answer.text  # 404: woken again, by its context
        return answer.json() if answer.status_code == 200 else None

    assert wait_for(frozen, 60, "an idle agent", 0.1) == {"status": "hibernated"}


def remove(server, engine, *ids):
    for id_ in ids:
        assert server.delete(f"/workspaces/{id_}?confirm=true").status_code == 200
    wait_for(lambda: not engine.left_over(server), 60, "an empty engine", 0.1)


def test_restart_keeps_the_volumes_and_tells_the_agent(team, engine):
    id_ = shell(team)
    says(team, id_, "echo kept > /workspace/file; echo 'mine: 1' >> /configs/config.yaml")
    answer = team.post(f"/workspaces/{id_}/restart", {"template": "../x"})
    assert answer.json() == {"status": "provisioning", "config_dir": "existing-volume", "reset_session": False}
    team.wait_status(id_, "online", 60)
    assert generation_of(team, id_) == 2
    assert "kept" in says(team, id_, "cat /workspace/file") and "mine: 1" in says(team, id_, "cat /configs/config.yaml")

    def told():
        text = says(team, id_, "cat /workspace/heard")
        return text if "=== END RESTART CONTEXT ===" in text else None

    text = wait_for(told, 20, "the restart context among what the agent heard", 0.2)
    assert text.count("=== WORKSPACE RESTART CONTEXT ===") == 1
    assert "Env vars now available: (none)" in text and "Previous session ended: 20" in text
    remove(team, engine, id_)


def test_restart_follows_the_configured_runtime(team, engine):
    id_ = shell(team)
    says(team, id_, "echo 'runtime: external' > /configs/config.yaml")
    team.post(f"/workspaces/{id_}/restart")
    team.wait_status(id_, "online", 60)
    assert team.workspace(id_)["runtime"] == "builtin"  # never external
    says(team, id_, "printf 'name: x\\nruntime: \"langgraph\" # mine\\n' > /configs/config.yaml")
    assert team.post(f"/workspaces/{id_}/restart", token=team.mint(id_)).status_code == 200
    assert team.workspace(id_)["runtime"] == "builtin"  # not by its own token
    team.wait_status(id_, "online", 60)
    assert team.post(f"/workspaces/{id_}/restart").status_code == 200
    assert team.workspace(id_)["runtime"] == "langgraph"
    remove(team, engine, id_)


def test_many_restarts_make_one_container(team, engine):
    id_ = shell(team)

    def restart(_):
        return requests.post(
            f"{team.url}/workspaces/{id_}/restart", headers={"Authorization": f"Bearer {team.token}"}, timeout=60
        ).status_code

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        assert set(pool.map(restart, range(20))) == {200}
    team.wait_status(id_, "online", 60)
    assert generation_of(team, id_) == 21
    assert "once" in says(team, id_, "echo once")
    remove(team, engine, id_)


def test_a_team_is_paused_and_resumed(team, engine):
    root = shell(team, "Root")
    a = shell(team, "A", parent_id=root)
    leaf = shell(team, "Leaf", parent_id=a)
    says(team, leaf, "echo kept > /workspace/file")
    assert team.post(f"/workspaces/{root}/pause").json() == {"status": "paused", "paused_count": 3}
    wait_for(lambda: not engine.running(team), 60, "no running container", 0.1)
    assert {team.workspace(one)["status"] for one in (root, a, leaf)} == {"paused"}
    answer = team.say(leaf, "hello")
    assert (answer.status_code, answer.json()["status"]) == (503, "paused")
    assert team.post(f"/workspaces/{leaf}/resume").status_code == 409
    assert team.post(f"/workspaces/{root}/resume").json() == {"status": "provisioning", "resumed_count": 3}
    for one in (root, a, leaf):
        team.wait_status(one, "online", 60)
    assert "kept" in says(team, leaf, "cat /workspace/file")
    assert "RESTART CONTEXT" not in says(team, leaf, "cat /workspace/heard")
    remove(team, engine, root)


def test_forced_sleep_really_stops(team, engine):
    id_ = shell(team)
    assert team.post(f"/workspaces/{id_}/hibernate?force=true").json() == {"status": "hibernated"}
    wait_for(lambda: not engine.running(team), 30, "no running container", 0.1)
    assert team.workspace(id_)["url"] == ""
    assert kinds_of(team, id_).count("WORKSPACE_HIBERNATED") == 1
    remove(team, engine, id_)


def test_a_frozen_one_is_restarted_paused_and_removed(team, engine):
    id_ = shell(team)
    for action in ("restart", "pause"):
        freeze(team, id_)
        assert "WORKSPACE_OFFLINE" not in kinds_of(team, id_)
        assert team.post(f"/workspaces/{id_}/{action}").status_code == 200
        if action == "pause":
            wait_for(lambda: not engine.running(team), 30, "no running container", 0.1)
            assert team.post(f"/workspaces/{id_}/resume").status_code == 200
        team.wait_status(id_, "online", 60)
    freeze(team, id_)
    remove(team, engine, id_)


def test_a_message_wakes_a_frozen_one(team, engine):
    id_ = shell(team)
    says(team, id_, "sleep 1000 & echo $! > /workspace/pid; echo mine > /tmp/memory")
    before = generation_of(team, id_)
    took = []
    for _ in range(5):
        freeze(team, id_)
        assert team.workspace(id_)["status"] == "hibernated" and team.workspace(id_)["url"] == ""
        started = time.monotonic()
        assert "mine" in says(team, id_, "cat /tmp/memory")
        took.append(time.monotonic() - started)
        assert team.workspace(id_)["status"] == "online"
    assert generation_of(team, id_) == before
    took.sort()
    print(f"{engine.name}: message to a frozen workspace answered after {1000 * took[2]:.1f} ms (median)")
    assert took[2] < WAKE_S * 10
    kinds = kinds_of(team, id_)
    assert kinds.count("WORKSPACE_HIBERNATED") == 5 and kinds.count("WORKSPACE_PROVISIONING") == 1
    assert "WORKSPACE_OFFLINE" not in kinds
    remove(team, engine, id_)


def test_messages_wait_for_a_stopped_one(team, engine):
    id_ = shell(team)
    says(team, id_, "echo kept > /workspace/file")
    before = generation_of(team, id_)
    wait_for(lambda: team.post(f"/workspaces/{id_}/hibernate?force=true").status_code == 200, 30, "asleep", 0.1)
    headers = {"Authorization": f"Bearer {team.token}", "Accept": "text/event-stream"}
    message = {"role": "user", "messageId": "m", "parts": [{"kind": "text", "text": "cat /workspace/file"}]}

    def call(method):
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"message": message}}
        answer = requests.post(f"{team.url}/workspaces/{id_}/a2a", json=body, headers=headers, timeout=60)
        return answer.status_code, answer.text

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for status, text in pool.map(call, ["message/send", "message/stream"] * 2):
            assert status == 200 and "kept" in text, text
    assert generation_of(team, id_) == before + 2  # one stop, one start
    assert kinds_of(team, id_).count("WORKSPACE_PROVISIONING") == 2
    remove(team, engine, id_)


def test_a_client_that_leaves_takes_its_message_along(start_server, docker):
    team = start_server("sqlite", WORKSPACED_ENGINE="docker", A2A_WAKE_WAIT_SECONDS=20)
    id_ = shell(team)
    wait_for(lambda: team.post(f"/workspaces/{id_}/hibernate?force=true").status_code == 200, 30, "asleep", 0.1)
    body = {"method": "message/send", "params": {"message": {"role": "user", "messageId": "m", "parts": []}}}
    gone = threading.Event()

    def leave():
        try:
            requests.post(
                f"{team.url}/workspaces/{id_}/a2a",
                json={**body, "x": "touch /workspace/never"},
                headers={"Authorization": f"Bearer {team.token}"},
                timeout=0.05,
            )
        except requests.exceptions.ReadTimeout:
            gone.set()

    leave()
    assert gone.is_set()
    team.wait_status(id_, "online", 60)
    assert "never" not in says(team, id_, "ls /workspace; cat /workspace/heard")
    remove(team, docker, id_)


def write_template(root, folder, name):
    (root / folder).mkdir(parents=True)
    (root / folder / "config.yaml").write_text(f"name: {name}\n")
    (root / folder / "from").write_text(folder)


def test_the_template_of_a_restart(start_server, tmp_path):
    configs = tmp_path / "configs"
    write_template(configs, "shell-one", "x")
    write_template(configs, "other", "SHELL TWO")
    write_template(configs / "org-templates", "three", "Shell Three")
    write_template(configs, "builtin-default", "y")
    team = start_server("sqlite", WORKSPACED_ENGINE="sandbox", CONFIGS_DIR=configs)
    id_ = shell(team, "Shell One")

    def restart(body, expected, name=None):
        if name:
            assert team.patch(f"/workspaces/{id_}", {"name": name}).status_code == 200
        answer = team.post(f"/workspaces/{id_}/restart", body)
        assert (answer.status_code, answer.json()["config_dir"]) == (200, expected)
        team.wait_status(id_, "online", 60)
        wanted = expected.rpartition("/")[2]
        assert expected == "existing-volume" or wanted in says(team, id_, "cat /configs/from")

    restart(None, "existing-volume")  # though a template has its name
    restart({"apply_template": True}, "shell-one")
    says(team, id_, "echo mine > /configs/from")
    restart({"rebuild_config": True}, "existing-volume")
    assert "mine" in says(team, id_, "cat /configs/from")
    restart({"apply_template": True}, "other", "Shell Two")  # by the name inside
    restart({"template": "shell-one", "apply_template": True}, "shell-one")  # an explicit one wins
    restart({"template": str(configs / "other")}, "existing-volume")
    restart({"rebuild_config": True}, "org-templates/three", "Shell Three")
    restart({"apply_template": True}, "builtin-default", "Nobody")
    assert team.post(f"/workspaces/{id_}/restart?reset=true").json()["reset_session"] is True
    team.wait_status(id_, "online", 60)
    assert team.delete(f"/workspaces/{id_}").status_code == 200
