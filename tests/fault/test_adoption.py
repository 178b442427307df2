"""After a move: containers and volumes that a former installation, or a server without labels, left in the daemon."""

import json
import time
import uuid

from causes_support import foreign_container, none_left_of, online, short, state_of
from workspaced import wait_for


def import_row(server, id_, status):
    """A row that came with another server's database: nothing is wished for it."""
    server.stop()
    now = int(time.time() * 1e6)
    server.database.execute(
        "INSERT INTO workspaces (id, name, tier, status, runtime, created_at, updated_at)"
        f" VALUES ('{id_}', 'Moved', 2, '{status}', 'builtin', {now}, {now})"
    )
    server.start()
    wait_for(lambda: server.get("/admin/runtime").json()["last_pass_at"], what="a pass")


def adopt(server, query="", **order):
    answer = server.post(f"/admin/runtime/adopt{query}", json=order)
    assert answer.status_code == 200, answer.text
    return answer.json()


def exists(docker, volume):
    return docker.request("GET", f"/volumes/{volume}")[0] == 200


def test_a_former_installation(faulty_server, make_docker_proxy, docker, database):
    """Its agents go on under the new one, are replaced when restarted, and leave nothing when deleted."""
    former = faulty_server(database, proxy=make_docker_proxy())
    server = faulty_server(database, proxy=make_docker_proxy())
    id_ = online(former)
    container = docker.json(f"/containers/{short(id_)}/json")
    former.stop()
    import_row(server, id_, "online")
    assert adopt(server)["count"] == 0  # what has another's label is not given away unasked
    dry = adopt(server, "?dry_run=true", installation=former.installation())
    assert dry["dry_run"] and dry["adopted"] == dry["count"] == 1 + len(docker.volumes(former.installation()))
    assert server.get("/admin/runtime").json()["adopted"] == 0
    assert adopt(server, installation=former.installation())["adopted"] == dry["count"]
    assert server.get("/admin/runtime").json()["adopted"] == dry["count"]
    row = wait_for(lambda: server.get(f"/admin/runtime?workspace_id={id_}&as_wished=true").json()["workspaces"], what="the wish")[0]
    assert row["container"] == container["Id"] and row["address"]
    assert docker.json(f"/containers/{short(id_)}/json")["State"] == container["State"]  # never touched
    assert server.post(f"/workspaces/{id_}/restart", json={}).status_code == 200
    server.wait_status(id_, "online", 60)
    replaced = docker.json(f"/containers/{short(id_)}/json")
    assert replaced["Id"] != container["Id"] and replaced["Config"]["Labels"]["workspaced.installation"] == server.installation()
    assert sorted(one["Name"] for one in replaced["Mounts"]) == sorted(one["Name"] for one in container["Mounts"])
    assert server.delete(f"/workspaces/{id_}?confirm=true").json()["cleanup"] == "done"
    none_left_of(docker, server, id_)
    none_left_of(docker, former, id_)
    assert server.get("/admin/runtime").json()["adopted"] == 0


def test_a_server_without_labels(faulty_server, docker):
    """Objects by their exact names: stopped with its paused workspace, then used, then gone; the neighbours stay."""
    server = faulty_server()
    online(server, "Neighbour")  # and the base image is there
    id_ = str(uuid.uuid4())
    volumes = [f"{short(id_)}-configs", f"ws-{id_}-workspace"]
    strange = [f"{short(id_)}-configs-backup", f"ws-{uuid.uuid4()}-workspace"]
    for name in volumes + strange:
        headers = {"Content-Type": "application/json"}
        assert docker.request("POST", "/volumes/create", json.dumps({"Name": name}), headers)[0] == 201
    container = foreign_container(docker, short(id_))
    neighbour = foreign_container(docker, f"my-{short(id_)}")
    try:
        import_row(server, id_, "paused")
        answer = adopt(server)
        assert {one["name"] for one in answer["objects"] if one["adopted"]} == {short(id_), *volumes}
        assert {one["name"]: one["why"] for one in answer["objects"]}[strange[1]] == "no workspace here has this id"
        wait_for(lambda: state_of(docker, container) is None, 60, "the end of the paused one")
        assert all(exists(docker, name) for name in volumes)
        assert server.post(f"/workspaces/{id_}/resume").status_code == 200
        server.wait_status(id_, "online", 60)
        mounts = docker.json(f"/containers/{short(id_)}/json")["Mounts"]
        assert sorted(one["Name"] for one in mounts) == sorted(volumes)
        assert server.delete(f"/workspaces/{id_}?confirm=true").json()["cleanup"] == "done"
        wait_for(lambda: not any(exists(docker, name) for name in volumes), 60, "the end of the volumes")
        assert state_of(docker, neighbour) == "running" and all(exists(docker, name) for name in strange)
    finally:
        docker.request("DELETE", f"/containers/{neighbour}?force=1")
        docker.request("DELETE", f"/containers/{container}?force=1")
        for name in volumes + strange:
            docker.request("DELETE", f"/volumes/{name}?force=1")
