"""Named after the causes of spec 02, 17.1: pausing, resuming, sleeping, restarting, collapsing under faults."""

import time

import pytest

from causes_support import (
    events_of, hang_up_after, in_background, live_tokens, none_left_of, one_running, online, phase_of, short, state_of, status_of,
)  # fmt: skip
from workspaced import wait_for


@pytest.mark.parametrize("where", ["/containers/create", "/archive", "/start"])
def test_L12_pause_races_a_provision(faulty_server, docker, docker_proxy, where):
    server = faulty_server()
    with docker_proxy.hold("*", where, times=1) as gate:
        id_ = server.create("Racing")
        gate.wait()
        assert server.post(f"/workspaces/{id_}/pause").status_code == 200
    none_left_of(docker, server, id_, volumes=False)
    time.sleep(1)
    assert (status_of(server, id_), state_of(docker, short(id_))) == ("paused", None)
    assert server.post(f"/workspaces/{id_}/resume").status_code == 200
    server.wait_status(id_, "online", 60)


def test_L29_collapse_takes_everything_below(faulty_server, docker):
    server = faulty_server()
    root = online(server, "Root")
    child = online(server, "Child", parent_id=root)
    grandchild = online(server, "Grandchild", parent_id=child)
    assert server.post(f"/workspaces/{root}/collapse").status_code == 200
    for id_ in (child, grandchild):
        none_left_of(docker, server, id_)
        assert (status_of(server, id_), live_tokens(server, id_)) == ("removed", 0)
    one_running(docker, server, root)


@pytest.mark.parametrize("action", ["pause", "restart", "collapse"])
def test_L45_stop_fails_during(faulty_server, docker, docker_proxy, action):
    server = faulty_server()
    parent = online(server, "Parent")
    id_ = online(server, "Child", parent_id=parent)
    docker_proxy.on("POST", "/containers/.*/stop", answer=500)
    docker_proxy.on("DELETE", "/containers/", answer=500)
    target = parent if action == "collapse" else id_
    assert server.post(f"/workspaces/{target}/{action}").status_code == 200
    time.sleep(2)
    docker_proxy.calm()
    if action == "restart":
        wait_for(lambda: phase_of(server, id_)[1] in ("started", "ready"), 120, "started anew", 0.1)
        server.wait_status(id_, "online", 60)
        one_running(docker, server, id_)
    else:
        none_left_of(docker, server, id_, 120, volumes=action == "collapse")
        assert status_of(server, id_) == ("paused" if action == "pause" else "removed")


@pytest.mark.parametrize("action", ["pause", "restart", "hibernate"])
def test_L46_client_hangs_up_during(faulty_server, docker, docker_proxy, action):
    server = faulty_server()
    root = online(server, "Root")
    below = [online(server, f"Below {number}", parent_id=root) for number in range(3)]
    docker_proxy.delay(0.3, "DELETE", "/containers/")
    docker_proxy.delay(0.3, "POST", "/stop")
    hang_up_after(server, "POST", f"/workspaces/{root}/{action}", 0.01)
    if action == "pause":
        for id_ in (root, *below):
            none_left_of(docker, server, id_, volumes=False)
            assert status_of(server, id_) == "paused"
        docker_proxy.calm()
        hang_up_after(server, "POST", f"/workspaces/{root}/resume", 0.01)
        for id_ in (root, *below):
            server.wait_status(id_, "online", 60)
    elif action == "restart":
        wait_for(lambda: events_of(server, root).count("WORKSPACE_PROVISIONING") == 2, 20, "the restart")
        server.wait_status(root, "online", 60)
        one_running(docker, server, root)
    else:
        wait_for(lambda: status_of(server, root) == "hibernated", 30, "hibernated")


def test_L47_a_child_created_while_its_tree_is_deleted(faulty_server, docker):
    server = faulty_server()
    root = online(server, "Root")
    with in_background(server.delete, f"/workspaces/{root}?confirm=true"):
        answers = [server.post("/workspaces", {"name": f"Late {number}", "parent_id": root}) for number in range(8)]
    assert {answer.status_code for answer in answers} <= {201, 400}
    assert server.post("/workspaces", {"name": "Too late", "parent_id": root}).status_code == 400
    for answer in answers:
        if answer.status_code == 201:
            none_left_of(docker, server, answer.json()["id"])
            assert status_of(server, answer.json()["id"]) == "removed"
    none_left_of(docker, server, root)


def freeze(server, docker, id_):
    """One whose start is recorded; in the moment before, sleeping means stopping."""
    wait_for(lambda: phase_of(server, id_)[1] in ("started", "ready"), 20, "its start recorded")
    assert server.post(f"/workspaces/{id_}/hibernate").status_code == 200
    wait_for(lambda: state_of(docker, short(id_)) == "paused", 20, "frozen")


def test_a_delete_of_a_frozen_agent(faulty_server, docker):
    server = faulty_server()
    id_ = online(server)
    freeze(server, docker, id_)
    assert server.delete(f"/workspaces/{id_}").status_code == 200
    none_left_of(docker, server, id_)


def test_a_frozen_agent_survives_the_server(faulty_server, docker):
    server = faulty_server()
    id_ = online(server)
    freeze(server, docker, id_)
    server.kill()
    server.start()
    time.sleep(2)
    assert (status_of(server, id_), state_of(docker, short(id_))) == ("hibernated", "paused")
    assert server.say(id_, "wake up").status_code == 200
    assert (status_of(server, id_), state_of(docker, short(id_))) == ("online", "running")


def test_a_message_that_wakes_while_the_daemon_fails(faulty_server, docker, docker_proxy):
    server = faulty_server()
    id_ = online(server)
    freeze(server, docker, id_)
    docker_proxy.on("POST", "/unpause", answer=500, times=1)
    assert server.say(id_, "wake up").status_code in (200, 503)
    wait_for(lambda: server.say(id_, "again").status_code == 200, 60, "an answer", 0.2)


def test_L36_runtime_cannot_become_external_by_patch(faulty_server, docker):
    """Whatever the runtime becomes, its container stays somebody's: deleting takes it."""
    server = faulty_server()
    id_ = online(server)
    server.patch(f"/workspaces/{id_}", {"runtime": "external"})
    server.delete(f"/workspaces/{id_}")
    none_left_of(docker, server, id_)
