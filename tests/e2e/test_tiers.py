"""What a tier allows and costs, as the daemon and the container itself see it; host directories."""

import json
import os
import sqlite3
import subprocess
import tempfile
import uuid
from pathlib import Path

import pytest

from docker_api import DockerApi
from e2e_support import build_root
from workspaced import text_of, wait_for

MIB = 1024 * 1024
KEPT = {"CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"}


@pytest.fixture(scope="module")
def runs_privileged():
    """Whether this machine lets anybody run privileged containers: in a restricted one the daemon itself may not."""
    api = DockerApi()
    busybox = Path("/bin/busybox")
    name = f"workspaced-test/{uuid.uuid4().hex[:12]}:1"
    with tempfile.TemporaryDirectory() as folder:
        api.import_image(name, build_root(Path(folder), {"/bin/true": busybox}))
    done = subprocess.run(["docker", "run", "--rm", "--privileged", "--network", "none", name, "/bin/true"], capture_output=True)
    api.remove_image(name)
    return done.returncode == 0


@pytest.fixture
def agent(docker, docker_server, runs_privileged):
    """agent(tier, settings, **fields): a workspace that answers, and what the daemon says of its container. Where nobody
    may run privileged containers, tiers 3 and 4 are looked at as they are made."""
    made, servers = [], {}

    def container(id_):
        status, data = docker.api.request("GET", f"/containers/ws-{id_[:12]}/json")
        return json.loads(data) if status == 200 else None

    def start(tier, settings=None, **fields):
        key = json.dumps(settings)
        server = servers[key] = servers.get(key) or docker_server(**(settings or {}))
        id_ = server.create(f"Tier {tier}", tier=tier, **fields)
        made.append((server, id_))
        if tier <= 2 or runs_privileged:
            server.wait_status(id_, "online", 60)
            assert "tier talk" in text_of(server.say(id_, "tier talk"))
        return wait_for(lambda: container(id_), 30, "the container")

    yield start
    for server, id_ in made:
        server.expected_log.append("docker|attempt|start")
        assert server.delete(f"/workspaces/{id_}").json()["cleanup"] == "done"


def inside(details, *command):
    return subprocess.run(["docker", "exec", details["Id"], *command], check=True, capture_output=True, text=True).stdout


def targets(details):
    return {one["Destination"]: one["Type"] for one in details["Mounts"]}


def host_cpus(docker):
    return docker.api.json("/info")["NCPU"]


def caps(details):
    host = details["HostConfig"]
    return host["Memory"], host["MemorySwap"], host["NanoCpus"], host["PidsLimit"]


def test_tier_1(agent):
    details = agent(1)
    host = details["HostConfig"]
    assert caps(details) == (512 * MIB, 512 * MIB, 10**9, 512)  # those of tier 2
    assert host["ReadonlyRootfs"] and not host["Privileged"] and host["PidMode"] == ""
    assert targets(details) == {"/configs": "volume", "/tmp": "tmpfs"}
    [line] = [one for one in inside(details, "cat", "/proc/mounts").splitlines() if one.split()[1] == "/tmp"]
    options = line.split()[3].split(",")
    assert {"rw", "noexec", "nosuid", f"size={64 * 1024}k"} <= set(options), options
    refused = subprocess.run(["docker", "exec", details["Id"], "touch", "/x"], capture_output=True)
    assert refused.returncode != 0


def test_tier_2(agent):
    details = agent(2)
    host = details["HostConfig"]
    assert caps(details) == (512 * MIB, 512 * MIB, 10**9, 512)
    assert not host["ReadonlyRootfs"] and not host["Privileged"]
    assert host["CapDrop"] == ["ALL"] and {one.removeprefix("CAP_") for one in host["CapAdd"]} == KEPT
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert targets(details) == {"/configs": "volume", "/workspace": "volume"}
    assert [one["HostIp"] for one in host["PortBindings"]["8000/tcp"]] == ["127.0.0.1"]
    assert host["LogConfig"]["Config"] == {"max-file": "3", "max-size": "10m"}
    assert "host.docker.internal:host-gateway" in host["ExtraHosts"]
    assert "NoNewPrivs:\t1" in inside(details, "cat", "/proc/self/status")


def test_tier_3(agent, docker):
    details = agent(3)
    host = details["HostConfig"]
    assert caps(details) == (2048 * MIB, 2048 * MIB, min(2, host_cpus(docker)) * 10**9, 4096)
    assert host["Privileged"] and host["PidMode"] == "host" and host["NetworkMode"] != "host"
    assert targets(details) == {"/configs": "volume", "/workspace": "volume"}


def test_tier_4(agent, docker):
    details = agent(4)  # where it may run, its answer came over the host's own network
    host = details["HostConfig"]
    assert caps(details) == (4096 * MIB, 4096 * MIB, min(4, host_cpus(docker)) * 10**9, 4096)
    assert host["Privileged"] and host["PidMode"] == "host" and host["NetworkMode"] == "host"
    assert not host["PortBindings"] and set(details["NetworkSettings"]["Networks"]) <= {"host"}
    assert targets(details) == {"/configs": "volume", "/workspace": "volume", "/var/run/docker.sock": "bind"}
    port = int(details["Config"]["Labels"]["workspaced.port"])
    assert 20000 <= port < 30000 and f"WORKSPACE_AGENT_PORT={port}" in details["Config"]["Env"]


def test_caps_are_settings(agent, docker):
    details = agent(3, {"TIER3_MEMORY_MB": "256", "TIER3_CPU_SHARES": "512"})
    assert caps(details)[:3] == (256 * MIB, 256 * MIB, 10**9 // 2) and details["HostConfig"]["Privileged"]
    details = agent(2, {"TIER2_MEMORY_MB": "0", "TIER2_CPU_SHARES": "not-a-number"})
    assert caps(details)[:3] == (512 * MIB, 512 * MIB, 10**9)
    details = agent(2, {"TIER2_CPU_SHARES": str(1024 * 1000)})
    assert caps(details)[2] == host_cpus(docker) * 10**9  # more than there is would never start


def test_privileged_tiers_can_be_forbidden(docker_server, docker):
    server = docker_server()
    id_ = server.create("Early")
    server.wait_status(id_, "online", 60)
    assert server.stop() == 0
    with sqlite3.connect(server.database.path) as connection:  # as if it had been made before they were forbidden
        connection.execute("UPDATE workspaces SET tier = 3")
    server.settings["WORKSPACED_ALLOW_PRIVILEGED"] = "false"
    server.start()
    answer = server.post("/workspaces", {"name": "Late", "tier": 3})
    assert answer.status_code == 403 and "tier" in answer.json()["error"], answer.text
    assert server.post("/workspaces", {"name": "Late", "tier": 4}).status_code == 403
    docker.api.request("DELETE", f"/containers/ws-{id_[:12]}?force=1")  # what is to be made anew may not be
    wait_for(lambda: "is privileged, which" in json.dumps(server.listed(id_)), 30, "the reason")
    assert server.listed(id_)["status"] in ("offline", "failed") and not docker.running(server)
    assert server.delete(f"/workspaces/{id_}").status_code == 200


def test_host_directories(agent, tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "note").write_text("from the host")

    def workspace_mount(**fields):
        details = agent(2, workspace_dir=str(folder), **fields)
        [mount] = [one for one in details["Mounts"] if one["Destination"] == "/workspace"]
        return details, mount

    details, mount = workspace_mount(workspace_access="read_write")
    assert (mount["Type"], mount["Source"], mount["RW"]) == ("bind", str(folder), True)
    assert inside(details, "cat", "/workspace/note") == "from the host"
    details, mount = workspace_mount(workspace_access="read_only")
    assert (mount["Type"], mount["RW"]) == ("bind", False)
    details, mount = workspace_mount(workspace_access="none")
    assert mount["Type"] == "volume"
    details = agent(2, {"WORKSPACE_DIR": str(folder)}, workspace_access="read_write")
    assert targets(details)["/workspace"] == "bind"  # the server's own, for who asks for access


def test_a_directory_that_is_not_used_is_said(docker_server, tmp_path):
    server = docker_server(WORKSPACE_DIR=str(tmp_path))
    for body in ({"workspace_dir": "/home/x"}, {"workspace_dir": "/home/x", "workspace_access": "none"}, {}):
        answer = server.post("/workspaces", {"name": "Warned", "runtime": "external", **body}).json()
        assert "workspace_access" in answer["warning"], answer
        server.delete(f"/workspaces/{answer['id']}")


def test_a_missing_directory_fails_clearly(docker_server, tmp_path):
    server = docker_server()
    server.expected_log.append("docker|attempt|start|mount")
    missing = tmp_path / "missing"
    id_ = server.create("Lost", workspace_dir=str(missing), workspace_access="read_write")
    row = server.wait_status(id_, "failed", 90)
    assert "director" in row["last_sample_error"] or "mount" in row["last_sample_error"], row
    assert not os.path.exists(missing)  # a bind the old way would have made it, as root
    assert server.delete(f"/workspaces/{id_}").json()["cleanup"] == "done"


def test_caps_that_are_kept_are_shown(docker_server):
    server = docker_server()
    shown = wait_for(lambda: server.get("/admin/runtime").json()["engine"]["caps"], 20, "the engine's caps")
    assert shown == {"memory": "enforced", "cpu": "enforced", "pids": "enforced"}
