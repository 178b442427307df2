"""A server whose way to Docker fails on purpose. What a test leaves behind in the daemon fails it."""

import os
import random
import shutil
import tempfile
from pathlib import Path

import pytest

from docker_api import DockerApi
from docker_proxy import DockerProxy
from workspaced import DATABASES, wait_for

# What the server rightly says while its engine or database fails.
EXPECTED = ["engine", "docker", "reconcil", "pass", "workspace"]


@pytest.fixture
def seed(request):
    """Chance of this test: a new one each time, or WORKSPACED_FAULT_SEED. Printed when it fails."""
    value = int(os.environ.get("WORKSPACED_FAULT_SEED") or random.SystemRandom().randrange(1 << 31))
    print(f"replay: WORKSPACED_FAULT_SEED={value} pytest tests/fault -k '{request.node.name}'")
    return value


@pytest.fixture(params=DATABASES)
def database(request):
    return request.param


@pytest.fixture
def docker():
    """The daemon itself, past all faults."""
    api = DockerApi()
    assert api.alive(), "no Docker daemon answers"
    return api


@pytest.fixture
def make_docker_proxy(docker):
    """make_docker_proxy() gives one more proxy before the Docker socket."""
    folder = Path(tempfile.mkdtemp(prefix="workspaced-proxy-"))  # a socket's path must be short
    made = []

    def make():
        made.append(DockerProxy(folder / f"{len(made)}.sock", docker.path))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()
    shutil.rmtree(folder)


@pytest.fixture
def docker_proxy(make_docker_proxy):
    """A DockerProxy: `on`, `delay`, `cut`, `hang`, `hold`, `down`, `up`, `plan`, `calm`, `calls`."""
    return make_docker_proxy()


def left_over(docker, server):
    """What the server's installation still has in the daemon and in its own list of garbage."""
    id_ = server.installation()
    rows = server.database.query("SELECT kind, ref, attempts, last_error FROM runtime_gc")
    return [*docker.containers(id_), *docker.volumes(id_), *rows]


def nothing_left(docker, server, timeout=120):
    """After every fault, within two minutes: no container, volume or intent."""
    try:
        wait_for(lambda: not left_over(docker, server), timeout, "an empty daemon", 0.1)
    except AssertionError as error:
        raise AssertionError(f"{error}; left: {left_over(docker, server)}") from None


def containers_of(docker, server, workspace):
    return [
        one
        for one in docker.containers(server.installation())
        if one["Labels"]["workspaced.workspace"] == workspace
    ]


@pytest.fixture
def faulty_server(start_server, docker, docker_proxy):
    """faulty_server(kind="sqlite", **settings): a running server whose Docker is behind `docker_proxy`. After the test
    the faults end, every workspace is removed, and nothing may be left."""
    started = []

    def start(kind="sqlite", proxy=docker_proxy, **settings):
        server = start_server(kind, WORKSPACED_ENGINE="docker", DOCKER_HOST=proxy.host, **settings)
        server.expected_log += EXPECTED
        started.append((server, proxy))
        return server

    yield start
    for server, proxy in started:
        proxy.calm()
        if not server.running():
            server.start()
        for one in server.get("/workspaces").json():
            server.delete(f"/workspaces/{one['id']}?confirm=true")
    for server, _ in started:
        nothing_left(docker, server)
