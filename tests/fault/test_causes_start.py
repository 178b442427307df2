"""Named after the causes of spec 02, 17.1: what can go wrong while something is started or kept alive."""

import json
import threading
import time

import pytest

from causes_support import (
    events_of, live_tokens, none_left_of, one_running, online, phase_of, short, state_of, status_of,
)  # fmt: skip
from workspaced import wait_for


def test_L08_L09_no_helper_container_ever_runs(faulty_server, docker, docker_proxy):
    """Volumes are filled through the workspace's own container: nothing else is made, so nothing else can stay."""
    server = faulty_server()
    id_ = online(server)
    server.patch(f"/workspaces/{id_}", {"name": "Renamed"})
    server.delete(f"/workspaces/{id_}")
    none_left_of(docker, server, id_)
    created = [call for call in docker_proxy.calls if call.path == "/containers/create"]
    assert [call.json()["Labels"]["workspaced.kind"] for call in created] == ["workspace"]
    volumes = [call.json() for call in docker_proxy.calls if call.path == "/volumes/create"]
    named = {one["Source"] for one in created[0].json()["HostConfig"]["Mounts"] if one["Type"] == "volume"}
    assert named and named <= {one["Name"] for one in volumes}  # no bind ever makes a volume without labels
    assert all(one["Labels"]["workspaced.workspace"] == id_ for one in volumes)


def test_L13_ten_restarts_at_once(faulty_server, docker, docker_proxy, database):
    server = faulty_server(database)
    id_ = online(server)
    minted = server.mint(id_)
    docker_proxy.calls.clear()
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(server.request("POST", f"/workspaces/{id_}/restart").status_code))
        for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 10
    server.wait_status(id_, "online", 60)
    one_running(docker, server, id_)
    assert server.get(f"/workspaces/{id_}/tokens", token=minted).status_code == 200  # a user's token outlives restarts
    starts = [call for call in docker_proxy.calls if call.path.endswith("/start") and call.status == 204]
    assert len(starts) <= 3


@pytest.mark.parametrize("where", ["/volumes/create", "/containers/create", "/archive", "/start"])
def test_L14_L15_an_answer_that_is_lost(faulty_server, docker, docker_proxy, where):
    """The daemon does it, the answer never comes: looked for, not done twice, not forgotten."""
    server = faulty_server()
    docker_proxy.cut("*", where, after=True, times=1)
    id_ = online(server)
    one_running(docker, server, id_)
    names = [one["Names"] for one in docker.containers(server.installation())]
    assert names == [[f"/{short(id_)}"]]


def test_L16_start_and_clean_up_fail(faulty_server, docker, docker_proxy):
    server = faulty_server()
    docker_proxy.on("POST", "/start", answer=500, times=1)
    docker_proxy.on("DELETE", "/containers/", answer=500, times=1)
    id_ = server.create("Twice")
    wait_for(lambda: server.listed(id_)["status"] == "online", 90, "online after all", 0.1)
    one_running(docker, server, id_)


def test_L18_an_agent_that_never_registers(faulty_server, docker, docker_proxy):
    """Its way to the server is closed: failed in time, its container stopped; a restart brings it back."""
    server = faulty_server(PROVISION_TIMEOUT_SECONDS=4, PLATFORM_URL="http://127.0.0.1:1")
    id_ = server.create("Silent")
    wait_for(lambda: server.listed(id_)["status"] == "failed", 30, "the time-out", 0.1)
    assert events_of(server, id_)[-1] == "WORKSPACE_PROVISION_FAILED"
    wait_for(lambda: state_of(docker, short(id_)) in (None, "exited"), 30, "its container stopped", 0.1)
    assert server.listed(id_)["last_sample_error"]


def test_L19_a_crash_loop_ends(faulty_server, docker):
    """Killed again and again as soon as it runs: after some deaths it is left alone, stopped, and says why."""
    server = faulty_server(PLATFORM_URL="http://127.0.0.1:1")  # it never registers: each death counts
    id_ = server.create("Crash")
    deadline = time.monotonic() + 100
    while server.listed(id_)["status"] != "failed" and time.monotonic() < deadline:
        docker.request("POST", f"/containers/{short(id_)}/kill")
        time.sleep(0.3)
    assert server.listed(id_)["status"] == "failed"
    assert "WORKSPACE_PROVISION_FAILED" in events_of(server, id_)
    wait_for(lambda: state_of(docker, short(id_)) in (None, "exited"), 30, "its container stopped", 0.1)
    assert server.listed(id_)["last_sample_error"]


@pytest.mark.parametrize("where", ["/volumes/create", "/containers/create", "/archive", "/start"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_L20_killed_between_two_steps(faulty_server, docker, docker_proxy, where, after):
    server = faulty_server()
    with docker_proxy.hold("*", where, times=1, after=after) as gate:
        id_ = server.create("Killed")
        gate.wait()
        server.kill()
    server.start()
    server.wait_status(id_, "online", 60)
    one_running(docker, server, id_)
    assert live_tokens(server, id_) == 1


def test_L21_container_dies_while_the_server_is_down(faulty_server, docker):
    server = faulty_server()
    id_ = online(server)
    first = docker.json(f"/containers/{short(id_)}/json")["Id"]
    server.kill()
    docker.request("DELETE", f"/containers/{first}?force=1")
    server.start()
    wait_for(lambda: state_of(docker, short(id_)) == "running", 60, "a new container", 0.1)
    server.wait_status(id_, "online", 60)
    assert docker.json(f"/containers/{short(id_)}/json")["Id"] != first


def test_L48_a_loop_that_looks_late_overwrites_nothing(faulty_server, docker, docker_proxy):
    """An inspect hangs, the workspace is paused meanwhile: paused it stays."""
    server = faulty_server()
    id_ = online(server)
    docker_proxy.delay(2, "GET", "/containers/.*/json")
    docker.request("POST", f"/containers/{short(id_)}/kill")
    time.sleep(0.3)
    assert server.post(f"/workspaces/{id_}/pause").status_code == 200
    docker_proxy.calm()
    none_left_of(docker, server, id_, volumes=False)
    time.sleep(3)
    assert status_of(server, id_) == "paused"
    assert state_of(docker, short(id_)) is None


def test_L51_a_token_that_cannot_be_delivered(faulty_server, docker, docker_proxy):
    server = faulty_server()
    docker_proxy.on("PUT", "/archive", answer=500)
    id_ = server.create("Undelivered")
    wait_for(lambda: phase_of(server, id_)[1] == "backoff", 30, "an attempt that failed")
    assert live_tokens(server, id_) == 0
    assert state_of(docker, short(id_)) in (None, "created", "removing")
    docker_proxy.calm()
    server.wait_status(id_, "online", 60)
    assert live_tokens(server, id_) == 1


def test_L52_a_daemon_call_that_never_ends(faulty_server, docker, docker_proxy):
    """One workspace's call hangs; the others are served, and a newer wish of the same one is not lost."""
    server = faulty_server()
    stuck, other = online(server, "Stuck"), online(server, "Other")
    docker_proxy.hang("POST", f"/containers/{docker.json(f'/containers/{short(stuck)}/json')['Id']}/stop", times=1)
    assert server.post(f"/workspaces/{stuck}/restart").status_code == 200
    assert server.post(f"/workspaces/{other}/restart").status_code == 200
    server.wait_status(other, "online", 30)
    docker_proxy.calm()
    wait_for(lambda: server.listed(stuck)["status"] == "online", 120, "online after a call that hung", 0.2)
    one_running(docker, server, stuck)


def test_a_daemon_that_is_down_changes_nothing(faulty_server, docker, docker_proxy):
    """No status, no restart, no event; a restart of the server meanwhile changes that not."""
    server = faulty_server()
    ids = [online(server, f"Healthy {number}") for number in range(3)]
    before = {id_: docker.json(f"/containers/{short(id_)}/json")["State"]["StartedAt"] for id_ in ids}
    events = {id_: events_of(server, id_) for id_ in ids}
    docker_proxy.down()
    wait_for(lambda: server.get("/ready").status_code == 503, 60, "the engine's absence noticed", 0.1)
    time.sleep(5)
    for id_ in ids:
        assert status_of(server, id_) == "online"
        assert "still here" in json.dumps(server.say(id_, "still here").json())
    server.kill()
    server.start()
    time.sleep(3)
    docker_proxy.up()
    wait_for(lambda: server.get("/ready").status_code == 200, 60, "ready again", 0.1)
    time.sleep(2)
    for id_ in ids:
        assert status_of(server, id_) == "online"
        assert docker.json(f"/containers/{short(id_)}/json")["State"]["StartedAt"] == before[id_]
        assert events_of(server, id_) == events[id_]
