"""Servers with a real container engine. What a test leaves behind in the engine fails it."""

import json
import os
import shutil
import socket
import urllib.request
from http.client import HTTPConnection

import pytest

from workspaced import DATABASES

DOCKER_SOCKET = os.environ.get("WORKSPACED_TEST_DOCKER_SOCKET", "/var/run/docker.sock")


class DockerApi:
    """As much of the Engine API as a judge needs."""

    def request(self, method, path, body=None, headers=None):
        connection = HTTPConnection("docker")
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.connect(DOCKER_SOCKET)
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        data = response.read()
        connection.close()
        return response.status, data

    def json(self, path):
        status, data = self.request("GET", path)
        assert status == 200, data
        return json.loads(data)

    def alive(self):
        try:
            return self.request("GET", "/_ping")[0] == 200
        except OSError:
            return False

    def _filters(self, installation):
        return urllib.request.quote(json.dumps({"label": [f"workspaced.installation={installation}"]}))

    def containers(self, installation):
        return self.json(f"/containers/json?all=1&filters={self._filters(installation)}")

    def volumes(self, installation):
        return self.json(f"/volumes?filters={self._filters(installation)}")["Volumes"] or []

    def attached(self, installation):
        """Names of containers of the installation that hang on any of its networks."""
        found = []
        ours = {one["Id"] for one in self.containers(installation)}
        for network in self.json("/networks"):
            details = self.json(f"/networks/{network['Id']}")
            found += [one["Name"] for id_, one in (details["Containers"] or {}).items() if id_ in ours]
        return found

    def import_image(self, name, tar, changes=()):
        repository, tag = name.rsplit(":", 1)
        more = "".join(f"&changes={urllib.request.quote(change)}" for change in changes)
        status, data = self.request(
            "POST", f"/images/create?fromSrc=-&repo={repository}&tag={tag}{more}", tar, {"Content-Type": "application/x-tar"}
        )
        assert status == 200 and b'"error"' not in data, data

    def remove_image(self, name):
        self.request("DELETE", f"/images/{name}?force=1")


class DockerEngine:
    name = "docker"

    def __init__(self):
        self.api = DockerApi()

    def left_over(self, server):
        id_ = server.installation()
        return [*self.api.containers(id_), *self.api.volumes(id_), *self.api.attached(id_)]

    def running(self, server):
        return [one for one in self.api.containers(server.installation()) if one["State"] == "running"]


class SandboxEngine:
    name = "sandbox"

    def _folder(self, server, kind):
        folder = server.data_dir / "sandbox" / kind
        return [path.name for path in folder.iterdir()] if folder.is_dir() else []

    def _processes(self, server):
        """Processes whose command line or root names this server's sandbox."""
        mark = str(server.data_dir / "sandbox").encode()
        found = []
        for pid in os.listdir("/proc"):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    if pid.isdigit() and mark in file.read():
                        found.append(pid)
            except OSError:
                continue
        return found

    def left_over(self, server):
        return [*self._folder(server, "containers"), *self._folder(server, "volumes"), *self._processes(server)]

    def running(self, server):
        return self._processes(server)


def engines():
    found = []
    if DockerApi().alive():
        found.append(DockerEngine())
    if shutil.which("bwrap"):
        found.append(SandboxEngine())
    return found


ENGINES = engines()


@pytest.fixture(params=ENGINES, ids=lambda engine: engine.name)
def engine(request):
    return request.param


@pytest.fixture(params=DATABASES)
def database(request):
    return request.param


@pytest.fixture
def docker():
    api = DockerApi()
    if not api.alive():
        pytest.fail("no Docker daemon answers")
    return DockerEngine()


@pytest.fixture
def team(start_server, engine, database):
    """A running server with the engine and the database."""
    server = start_server(database, WORKSPACED_ENGINE=engine.name)
    yield server
    if not server.running():
        server.start()
    for one in server.get("/workspaces").json():
        server.delete(f"/workspaces/{one['id']}?confirm=true")
