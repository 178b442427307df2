"""Named after the causes of spec 02, 17.1: what can go wrong while something is taken away.

Every test ends with the `faulty_server` fixture's own look: the faults end, everything is removed, and within two minutes no
container, volume or intent of the installation may be left.
"""

import json
import time

import pytest

from causes_support import (
    events_of, foreign_container, hang_up_after, in_background, live_tokens, names_of, none_left_of, one_running, online,
    random_name, short, state_of, status_of,
)  # fmt: skip
from conftest import nothing_left
from workspaced import wait_for


@pytest.mark.parametrize("seconds", [0, 0.003, 0.02])
def test_L01_client_hangs_up_during_delete(faulty_server, docker, database, seconds):
    server = faulty_server(database)
    id_ = online(server)
    hang_up_after(server, "DELETE", f"/workspaces/{id_}", seconds)
    none_left_of(docker, server, id_)
    assert status_of(server, id_) == "removed"
    assert live_tokens(server, id_) == 0
    assert events_of(server, id_)[-1] == "WORKSPACE_REMOVED"


def test_L02_daemon_error_on_stop_and_removal(faulty_server, docker, docker_proxy):
    server = faulty_server()
    id_ = online(server)
    docker_proxy.on("POST", "/containers/.*/stop", answer=500)
    docker_proxy.on("DELETE", "/containers/", answer=500)
    answer = server.delete(f"/workspaces/{id_}")
    assert (answer.status_code, answer.json()["cleanup"]) == (200, "pending")
    assert not [call for call in docker_proxy.calls if call.method == "DELETE" and "/volumes/" in call.path]
    docker_proxy.calm()
    none_left_of(docker, server, id_, 120)


def test_L03_purge_while_stop_fails(faulty_server, docker, docker_proxy, database):
    server = faulty_server(database)
    id_ = online(server)
    docker_proxy.on("*", "/containers/.*/stop", answer=500)
    docker_proxy.on("DELETE", "/containers/", answer=500)
    answer = server.delete(f"/workspaces/{id_}?purge=true")
    assert (answer.status_code, answer.json()["status"]) == (200, "purged")
    assert server.database.query(f"SELECT count(*) FROM workspaces WHERE id = '{id_}'") == [(0,)]
    server.kill()
    docker_proxy.calm()
    server.start()
    nothing_left(docker, server)


def test_L04_container_gone_but_volume_removal_failed(faulty_server, docker, docker_proxy):
    server = faulty_server()
    id_ = online(server)
    docker_proxy.on("DELETE", "/volumes/", answer=500, times=4)
    assert server.delete(f"/workspaces/{id_}").status_code == 200
    nothing_left(docker, server)


def test_L05_every_volume_goes_with_its_workspace(faulty_server, docker):
    server = faulty_server()
    id_ = online(server)
    assert f"ws-{id_}-workspace" in names_of(docker, server)
    server.delete(f"/workspaces/{id_}")
    none_left_of(docker, server, id_)


def test_volumes_are_kept_as_long_as_it_was_set(faulty_server, docker, docker_proxy, database):
    """The container goes at once. The volumes stay, past a server that dies and an order to reap, and go when their time is over."""
    server = faulty_server(database, WORKSPACED_VOLUME_RETENTION_HOURS="1", WORKSPACED_RECONCILE_SECONDS="1")
    id_ = online(server)
    volumes = {one["Name"] for one in docker.volumes(server.installation())}
    assert server.delete(f"/workspaces/{id_}").json()["cleanup"] == "done"
    none_left_of(docker, server, id_, volumes=False)
    server.kill()
    server.start()
    wait_for(lambda: not server.get("/admin/runtime").json()["workspaces"], what="the end of the wish")
    reaped = server.post("/admin/runtime/reap").json()
    assert reaped["count"] == 0 and {one["Name"] for one in docker.volumes(server.installation())} == volumes
    kept = server.get("/admin/runtime/orphans").json()["kept"]
    assert {one["name"] for one in kept} == volumes and {one["workspace_id"] for one in kept} == {id_}
    server.database.execute("UPDATE runtime_gc SET not_before = 1")
    docker_proxy.on("DELETE", "/volumes/", answer=500, times=1)
    nothing_left(docker, server)


def test_L06_one_volume_that_cannot_go_keeps_no_other(faulty_server, docker, docker_proxy):
    server = faulty_server()
    id_ = online(server)
    docker_proxy.on("DELETE", f"/volumes/{short(id_)}-configs", answer=500)
    server.delete(f"/workspaces/{id_}")
    wait_for(lambda: names_of(docker, server) == [f"{short(id_)}-configs"], 30, "only the volume that is kept by force", 0.1)


def test_L07_anonymous_volumes_go_too(faulty_server, docker, tmp_path):
    from e2e_support import build_root

    image = f"workspaced-test/volumes:{random_name()}"
    root = tmp_path / "root"
    root.mkdir()
    docker.import_image(image, build_root(root, {"/empty": b""}), ["VOLUME /anonymous"])
    before = {one["Name"] for one in docker.json("/volumes")["Volumes"] or []}
    try:
        server = faulty_server()
        id_ = online(server, image=image)
        inspected = docker.json(f"/containers/{short(id_)}/json")
        anonymous = [one["Name"] for one in inspected["Mounts"] if one["Destination"] == "/anonymous"]
        assert anonymous and not set(anonymous) & before
        server.delete(f"/workspaces/{id_}")
        none_left_of(docker, server, id_)
        assert not {one["Name"] for one in docker.json("/volumes")["Volumes"] or []} & set(anonymous)
    finally:
        docker.remove_image(image)


@pytest.mark.parametrize("where", ["/containers/create", "/archive", "/start"])
def test_L10_delete_races_a_running_provision(faulty_server, docker, docker_proxy, where):
    server = faulty_server()
    with docker_proxy.hold("*", where, times=1) as gate:
        id_ = server.create("Racing")
        gate.wait()
        assert server.delete(f"/workspaces/{id_}").status_code == 200
    none_left_of(docker, server, id_)
    assert status_of(server, id_) == "removed"
    time.sleep(1)
    assert state_of(docker, short(id_)) is None


def test_L11_provision_that_fails_after_delete(faulty_server, docker, docker_proxy):
    server = faulty_server()
    with docker_proxy.hold("POST", "/start", times=1) as gate:
        id_ = server.create("Failing")
        gate.wait()
        docker_proxy.on("POST", "/start", answer=500)
        server.delete(f"/workspaces/{id_}")
    none_left_of(docker, server, id_)
    assert status_of(server, id_) == "removed"
    assert server.get("/workspaces").json() == []
    assert "WORKSPACE_PROVISION_FAILED" not in events_of(server, id_)


def test_L25_two_workspaces_with_the_same_short_id(faulty_server, docker):
    server = faulty_server()
    victim = online(server, "Victim")
    twin = victim[:12] + "0-4000-8000-000000000000"
    assert len(twin) == 36
    assert server.delete(f"/workspaces/{twin}").status_code == 404  # no such row: nothing happens to the other
    one_running(docker, server, victim)


def test_L25_a_container_of_that_name_is_another_installations(faulty_server, docker, docker_proxy):
    server = faulty_server()
    with docker_proxy.hold("POST", "/containers/create", times=1) as gate:
        id_ = server.create("Named")
        gate.wait()
        foreign = foreign_container(docker, short(id_), {"workspaced.installation": "another"})
    try:
        server.wait_status(id_, "online", 60)
        server.delete(f"/workspaces/{id_}")
        none_left_of(docker, server, id_)
        assert state_of(docker, foreign) == "running"
    finally:
        docker.request("DELETE", f"/containers/{foreign}?force=1&v=1")


def test_L26_foreign_containers_are_nobodys_business(faulty_server, docker):
    server = faulty_server()
    online(server)
    name = f"ws-{random_name()}-a{random_name()[:2]}"
    foreign = foreign_container(docker, name)
    try:
        for one in server.get("/workspaces").json():
            server.delete(f"/workspaces/{one['id']}")
        time.sleep(2)
        assert state_of(docker, foreign) == "running"
    finally:
        docker.request("DELETE", f"/containers/{foreign}?force=1&v=1")


def test_L27_removal_already_in_progress(faulty_server, docker, docker_proxy):
    server = faulty_server()
    id_ = online(server)
    docker_proxy.on("DELETE", "/containers/", answer=409, times=2)
    server.delete(f"/workspaces/{id_}")
    none_left_of(docker, server, id_, 120)


def test_L28_a_404_that_is_not_the_daemons(faulty_server, docker, docker_proxy):
    server = faulty_server()
    id_ = online(server)
    container = docker.json(f"/containers/{short(id_)}/json")["Id"]
    docker_proxy.on("GET", "/containers/.*/json", answer=404, bare=True)
    for _ in range(3):
        server.say(id_, "are you there")
        time.sleep(0.3)
    docker_proxy.calm()
    assert status_of(server, id_) == "online"
    assert docker.json(f"/containers/{short(id_)}/json")["Id"] == container


def test_L30_a_tree_goes_whole_through_removed_rows(faulty_server, docker):
    server = faulty_server()
    root = online(server, "Root")
    middle = online(server, "Middle", parent_id=root)
    leaf = online(server, "Leaf", parent_id=middle)
    # As the reference left it: a removed row in the middle, a live one below.
    server.stop()
    import sqlite3

    with sqlite3.connect(server.database.path) as connection:
        connection.execute("UPDATE workspaces SET status = 'removed' WHERE id = ?", (middle,))
    server.start()
    assert server.delete(f"/workspaces/{root}?confirm=true").status_code == 200
    for id_ in (root, middle, leaf):
        none_left_of(docker, server, id_)
        assert status_of(server, id_) == "removed"


def test_L35_registration_by_a_removed_workspaces_agent(faulty_server, docker):
    server = faulty_server()
    id_ = online(server)
    token = server.mint(id_)
    server.delete(f"/workspaces/{id_}")
    before = events_of(server, id_)
    body = {"id": id_, "url": "http://8.8.8.8:9", "agent_card": {"name": "ghost"}}
    for credential in (token, None, True):
        assert server.post("/registry/register", body, token=credential).status_code in (401, 403, 404, 410)
    assert (status_of(server, id_), events_of(server, id_), live_tokens(server, id_)) == ("removed", before, 0)
    server.delete(f"/workspaces/{id_}?purge=true")
    assert server.post("/registry/register", body, token=token).status_code in (401, 403, 404, 410)
    assert server.database.query("SELECT count(*) FROM workspaces") == [(0,)]


def test_L43_an_id_spelled_differently(faulty_server, docker):
    server = faulty_server()
    id_ = online(server)
    for form in (id_.replace("-", ""), "{" + id_ + "}", f"urn:uuid:{id_}"):
        assert server.delete(f"/workspaces/{form}").status_code == 400
    one_running(docker, server, id_)
    assert server.delete(f"/workspaces/{id_.upper()}?purge=true").status_code == 200
    none_left_of(docker, server, id_)


def test_L44_a_cycle_in_the_hierarchy(faulty_server, docker, database):
    server = faulty_server(database)
    a, b = online(server, "A"), online(server, "B")
    assert server.patch(f"/workspaces/{b}", {"parent_id": a}).status_code == 200
    assert server.patch(f"/workspaces/{a}", {"parent_id": b}).status_code == 400
    server.stop()
    execute(server, f"UPDATE workspaces SET parent_id = '{b}' WHERE id = '{a}'")
    server.start()
    for path in (f"/workspaces/{a}/pause", f"/workspaces/{a}/resume", f"/workspaces/{a}/restart"):
        started = time.monotonic()
        assert server.post(path).status_code < 500
        assert time.monotonic() - started < 2
    started = time.monotonic()
    assert server.delete(f"/workspaces/{a}?confirm=true").status_code == 200
    assert time.monotonic() - started < 12
    for id_ in (a, b):
        none_left_of(docker, server, id_)


def execute(server, sql):
    """Writes past the server, as a restored or foreign database would have it."""
    if hasattr(server.database, "path"):
        import sqlite3

        with sqlite3.connect(server.database.path) as connection:
            connection.execute(sql)
    else:
        import psycopg

        with psycopg.connect(server.database.url, autocommit=True) as connection:
            connection.execute(sql)


def test_L54_a_foreign_volume_of_that_name(faulty_server, docker, docker_proxy):
    server = faulty_server()
    with docker_proxy.hold("POST", "/volumes/create", times=1) as gate:
        id_ = server.create("Named")
        gate.wait()
        name = f"{short(id_)}-configs"
        status, data = docker.request(
            "POST", "/volumes/create", json.dumps({"Name": name}), {"Content-Type": "application/json"}
        )
        assert status == 201, data
    try:
        server.wait_status(id_, "online", 60)
        mounts = docker.json(f"/containers/{short(id_)}/json")["Mounts"]
        assert name not in [one.get("Name") for one in mounts]
        server.delete(f"/workspaces/{id_}")
        none_left_of(docker, server, id_)
        assert docker.request("GET", f"/volumes/{name}")[0] == 200
    finally:
        docker.request("DELETE", f"/volumes/{name}?force=1")


def test_a_volume_that_somebody_holds(faulty_server, docker):
    """Whoever asks is told who holds it; when that one is gone, so is the volume."""
    server = faulty_server()
    id_ = online(server)
    name = f"{short(id_)}-configs"
    holder = foreign_container(docker, f"holder-{random_name()}", binds=[f"{name}:/held"])
    try:
        holder_name = docker.json(f"/containers/{holder}/json")["Name"].strip("/")
        assert server.delete(f"/workspaces/{id_}").json()["cleanup"] == "pending"
        [stuck] = wait_for(lambda: server.get("/admin/runtime/orphans").json()["stuck"], 30, "the volume that cannot go")
        assert stuck["name"] == name and stuck["workspace_id"] == id_ and stuck["attempts"] >= 1
        assert stuck["last_error"] == f"the volume is in use by {holder_name}"
        assert state_of(docker, holder) == "running"
    finally:
        docker.request("DELETE", f"/containers/{holder}?force=1")
    none_left_of(docker, server, id_, 90)
    wait_for(lambda: not server.get("/admin/runtime/orphans").json()["stuck"], 30, "an empty list")


def test_client_leaves_at_every_moment_of_a_delete(faulty_server, docker):
    """0 to 30 ms in steps of 2, all in one server; nothing may be left of any."""
    server = faulty_server()
    ids = [server.create(f"Gone {number}") for number in range(16)]
    for id_ in ids:
        server.wait_status(id_, "online", 120)
    for number, id_ in enumerate(ids):
        hang_up_after(server, "DELETE", f"/workspaces/{id_}", number * 0.002)
    for id_ in ids:
        none_left_of(docker, server, id_, 120)
        assert events_of(server, id_).count("WORKSPACE_REMOVED") == 1


def test_deleting_twice_at_once(faulty_server, docker):
    server = faulty_server()
    id_ = online(server)
    with in_background(server.delete, f"/workspaces/{id_}") as first:
        second = server.delete(f"/workspaces/{id_}")
    assert first[0].status_code == second.status_code == 200
    none_left_of(docker, server, id_)
    assert events_of(server, id_).count("WORKSPACE_REMOVED") == 1
