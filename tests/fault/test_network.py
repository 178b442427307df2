"""The containers' network: made at the start, never taken from anybody, and freed of a dead container's endpoint (L40)."""

import json
import uuid

from workspaced import wait_for


def test_it_is_made_at_the_start_and_again(faulty_server, docker):
    name = f"workspaced-test-{uuid.uuid4().hex[:12]}"
    server = faulty_server(WORKSPACED_NETWORK=name)

    def network():
        status, data = docker.request("GET", f"/networks/{name}")
        return json.loads(data) if status == 200 else None

    try:
        found = wait_for(network, 20, "the network")
        assert found["Driver"] == "bridge"
        assert found["Labels"] == {"workspaced.installation": server.installation(), "workspaced.kind": "network"}
        assert docker.request("DELETE", f"/networks/{name}")[0] == 204  # by somebody else
        id_ = server.create("Member")
        server.wait_status(id_, "online", 60)
        [member] = network()["Containers"].values()
        assert member["Name"] == f"ws-{id_[:12]}"
        details = docker.json(f"/containers/{member['Name']}/json")
        assert details["HostConfig"]["NetworkMode"] == name
        assert member["Name"] in details["NetworkSettings"]["Networks"][name]["Aliases"]
        assert server.delete(f"/workspaces/{id_}").status_code == 200
        assert network() and not network()["Containers"]
    finally:
        docker.request("DELETE", f"/networks/{name}")


def test_a_dead_endpoint_is_removed(faulty_server, docker, docker_proxy):
    """No daemon makes one when asked to, so the proxy says the daemon's sentence; what is done about it is real."""
    server = faulty_server()
    with docker_proxy.hold("POST", "/containers/create") as gate:
        id_ = server.create("Twice")
        gate.wait()
        name = f"ws-{id_[:12]}"
        message = f"endpoint with name {name} already exists in network molecule-monorepo-net"
        docker_proxy.on("POST", "/containers/[^/]+/start$", answer=403, times=1, message=message)
    server.wait_status(id_, "online", 60)
    [disconnect] = docker_proxy.find("POST", "/networks/molecule-monorepo-net/disconnect")
    assert json.loads(disconnect.body) == {"Container": name, "Force": True}
    assert len(docker_proxy.find("POST", "/rename$")) == 2
    details = docker.json(f"/containers/{name}/json")
    assert name in details["NetworkSettings"]["Networks"]["molecule-monorepo-net"]["Aliases"]
    wish = server.database.query(f"SELECT generation, attempts FROM workspace_runtime WHERE workspace_id = '{id_}'")
    assert wish == [(1, 0)]


def test_another_ones_endpoint_is_left_alone(faulty_server, docker_proxy):
    server = faulty_server()
    message = "endpoint with name somebody-else already exists in network molecule-monorepo-net"
    docker_proxy.on("POST", "/containers/[^/]+/start$", answer=403, times=1, message=message)
    id_ = server.create("Later")
    server.wait_status(id_, "online", 60)
    assert not docker_proxy.find("POST", "/disconnect") and not docker_proxy.find("POST", "/rename$")
