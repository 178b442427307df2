"""The server's own image: made without a registry, run with the engine's socket, as a user who is not root."""

import json
import os
import subprocess
import uuid

import pytest
import requests

from docker_api import DOCKER_SOCKET
from workspaced import BINARY, ROOT, text_of, wait_for

ADMIN = "admin-of-the-image-test"


class Contained:
    """Enough of workspaced.Server for a server in a container."""

    def __init__(self, api, name, url):
        self.api, self.name, self.url = api, name, url

    def request(self, method, path, body=None):
        return requests.request(method, self.url + path, json=body, headers={"Authorization": f"Bearer {ADMIN}"}, timeout=30)

    def run(self, *command):
        done = subprocess.run(["docker", "exec", self.name, *command], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def server_image():
    name = f"workspaced-test/server:{uuid.uuid4().hex[:12]}"
    environment = {**os.environ, "BUILD": str(BINARY.parents[1])}
    subprocess.run([ROOT / "packaging/image/build.sh", name], check=True, env=environment, capture_output=True)
    yield name
    subprocess.run(["docker", "image", "rm", "-f", name], check=True, capture_output=True)


@pytest.fixture
def contained(docker, server_image):
    api = docker.api
    mark = uuid.uuid4().hex[:12]
    name, network, installation = f"workspaced-test-{mark}", f"workspaced-test-net-{mark}", str(uuid.uuid4())
    status, data = api.request(
        "POST", "/networks/create", json.dumps({"Name": network, "Driver": "bridge"}), {"Content-Type": "application/json"}
    )
    assert status == 201, data
    settings = {"ADMIN_TOKEN": ADMIN, "WORKSPACED_NETWORK": network, "WORKSPACED_INSTALLATION_ID": installation}
    subprocess.run(
        [
            "docker", "run", "-d", "--name", name, "--network", network, "-p", "127.0.0.1::8080",
            "--add-host", "host.docker.internal:host-gateway", "-v", f"{DOCKER_SOCKET}:/var/run/docker.sock",
            *[part for key, value in settings.items() for part in ("-e", f"{key}={value}")], server_image,
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    address = subprocess.run(["docker", "port", name, "8080/tcp"], check=True, capture_output=True, text=True).stdout.split()[0]
    server = Contained(api, name, f"http://{address}")
    server.installation = lambda: installation
    yield server
    logs = subprocess.run(["docker", "logs", name], capture_output=True, text=True)
    subprocess.run(["docker", "rm", "-f", "-v", name], check=True, capture_output=True)
    left = docker.left_over(server)
    for one in api.containers(installation):
        api.request("DELETE", f"/containers/{one['Id']}?force=1&v=1")
    for one in api.volumes(installation):
        api.request("DELETE", f"/volumes/{one['Name']}?force=1")
    assert api.request("DELETE", f"/networks/{network}")[0] == 204
    assert not left and '"level":"error"' not in logs.stderr, logs.stderr[-3000:]


def answers(server):
    try:
        return server.request("GET", "/ready").status_code == 200
    except requests.ConnectionError:
        return False


def test_it_makes_workspaces_as_a_user_who_is_not_root(contained):
    wait_for(lambda: answers(contained), 30, "the server")
    status, text = contained.run("cat", "/proc/1/status")
    ids = {line.split(":")[0]: line.split()[1:] for line in text.splitlines() if line.startswith(("Uid", "Gid", "Groups"))}
    socket_group = str(os.stat(DOCKER_SOCKET).st_gid)
    assert status == 0 and ids == {"Uid": ["1000"] * 4, "Gid": ["1000"] * 4, "Groups": [socket_group]}
    assert contained.run("workspaced", "health")[0] == 0
    assert contained.run("workspaced", "check")[0] == 0
    owners = contained.run("ls", "-ln", "/var/lib/workspaced")[1].splitlines()[1:]
    assert owners and all(line.split()[2:4] == ["1000", "1000"] for line in owners), owners

    created = contained.request("POST", "/workspaces", {"name": "Inside"})
    assert created.status_code == 201, created.text
    id_ = created.json()["id"]

    def online():
        [row] = contained.request("GET", "/workspaces").json()
        assert row["status"] != "failed", row
        return row["status"] == "online"

    wait_for(online, 60, "an online workspace")
    message = {"role": "user", "messageId": "m1", "parts": [{"kind": "text", "text": "from a container"}]}
    answer = contained.request("POST", f"/workspaces/{id_}/a2a", {"method": "message/send", "params": {"message": message}})
    assert answer.status_code == 200 and "from a container" in text_of(answer), answer.text
    removed = contained.request("DELETE", f"/workspaces/{id_}")
    assert removed.status_code == 200 and removed.json()["cleanup"] == "done"


def test_its_health_is_seen_and_its_stop_is_clean(contained):
    wait_for(lambda: answers(contained), 30, "the server")

    def state():
        return contained.api.json(f"/containers/{contained.name}/json")["State"]

    wait_for(lambda: state()["Health"]["Status"] == "healthy", 40, "a healthy container", 0.2)
    subprocess.run(["docker", "stop", "-t", "20", contained.name], check=True, capture_output=True)
    assert state()["ExitCode"] == 0
    subprocess.run(["docker", "start", contained.name], check=True, capture_output=True)
    contained.url = "http://" + subprocess.run(
        ["docker", "port", contained.name, "8080/tcp"], check=True, capture_output=True, text=True
    ).stdout.split()[0]
    wait_for(lambda: answers(contained), 30, "the server again")


def test_a_user_that_cannot_be(server_image):
    for setting in ("1000", "0:0", "root:root", "1:2:3", "-1:5"):
        done = subprocess.run(
            ["docker", "run", "--rm", "--network", "none", "-e", f"WORKSPACED_RUN_AS={setting}", server_image, "check"],
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 2 and "WORKSPACED_RUN_AS" in done.stderr, done.stderr
