"""Any image becomes a workspace: the built-in agent is put into three unlike ones."""

import uuid
from pathlib import Path

import pytest

from e2e_support import build_root, glibc_program
from workspaced import text_of, wait_for


@pytest.fixture
def image(docker, tmp_path):
    """image(files, changes) imports an image and gives its name."""
    made = []

    def make(files, changes=()):
        name = f"workspaced-test/{uuid.uuid4().hex[:12]}:1"
        folder = tmp_path / f"root-{len(made)}"
        folder.mkdir()
        docker.api.import_image(name, build_root(folder, files), changes)
        made.append(name)
        return name

    yield make
    for name in made:
        docker.api.remove_image(name)


def answers(server, **fields):
    id_ = server.create("Agent", **fields)
    server.wait_status(id_, "online", 60)
    text = text_of(server.say(id_, "hello image"))
    assert server.delete(f"/workspaces/{id_}").status_code == 200
    return text


@pytest.fixture
def docker_server(start_server, docker):
    return start_server(WORKSPACED_ENGINE="docker")


def test_busybox(docker_server, image):
    busybox = Path("/bin/busybox")
    name = image({"/bin/busybox": busybox, "/bin/sh": busybox, "/bin/cat": busybox, "/etc/passwd": b"root:x:0:0::/:/bin/sh\n"})
    assert "hello image" in answers(docker_server, image=name)
    assert "hello image" in answers(docker_server, image=name, executor="command", command="cat")


def test_glibc_root_without_a_shell(docker_server, image):
    assert "hello image" in answers(docker_server, image=image(glibc_program("/bin/true")))


def own_user(image):
    busybox = Path("/bin/busybox")
    return image(
        {
            "/bin/busybox": busybox, "/bin/sh": busybox, "/bin/sleep": busybox, "/bin/cat": busybox,
            "/etc/passwd": b"root:x:0:0::/:/bin/sh\nworker:x:4711:4711::/home:/bin/sh\n",
            "/etc/group": b"root:x:0:\nworker:x:4711:\n", "/home/.keep": b"",
        },
        ["USER worker", 'ENTRYPOINT ["/bin/sleep", "1000000"]'],
    )  # fmt: skip


def test_own_user_and_entry_point(docker_server, image):
    assert "hello image" in answers(docker_server, image=own_user(image))


def test_own_user_from_the_stock(start_server, docker, image):
    name = own_user(image)
    server = start_server(WORKSPACED_ENGINE="docker", WARM_POOL=f"{name}:1")

    def figure(name):
        return f"workspaced_warm_{name} 1\n" in server.get("/metrics").text

    wait_for(lambda: figure("ready"), 30, "a full stock", 0.05)
    assert "runtime: builtin" in answers(server, image=name, executor="command", command="cat /configs/config.yaml")
    assert figure("handed_over_total") and not figure("refused_total")
    server.stop()
    server.settings.pop("WARM_POOL")
    server.start()
    wait_for(lambda: not docker.left_over(server), 30, "an empty engine", 0.1)


def test_an_unknown_image_fails_with_its_reason(docker_server):
    docker_server.expected_log.append("pull")
    id_ = docker_server.create("Missing", image="127.0.0.1:9/nothing/here:1")
    row = docker_server.wait_status(id_, "failed", 60)
    assert row["last_sample_error"]
    assert docker_server.delete(f"/workspaces/{id_}").status_code == 200
