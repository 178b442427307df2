"""Servers with a real container engine. What a test leaves behind in the engine fails it."""

import os
import shutil

import pytest

from docker_api import DockerApi
from registry_stub import RegistryStub
from workspaced import DATABASES


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


@pytest.fixture
def registry(docker):
    stub = RegistryStub()
    yield stub
    stub.close()
    for one in docker.api.json("/images/json"):
        for name in [*(one["RepoTags"] or []), *(one["RepoDigests"] or [])]:
            if name.startswith(stub.host):
                docker.api.remove_image(name)


@pytest.fixture
def docker_server(start_server, docker, registry):
    def start(**settings):
        return start_server(WORKSPACED_ENGINE="docker", WORKSPACED_RECONCILE_SECONDS="1", **settings)

    return start
