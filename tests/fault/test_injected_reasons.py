"""Each way to fail is told by its right name: in the list, in the event, in the sentence. Injected on real Docker."""

import json
import os
import subprocess
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from conftest import containers_of
from docker_api import DockerApi
from e2e_support import build_root
from workspaced import ROOT, wait_for

BUSYBOX = "/bin/busybox"  # static: Debian's busybox-static, which the tests need anyway
CTL = os.environ.get("WORKSPACECTL_BINARY", str(ROOT / "build" / "ctl" / "workspacectl"))
AGENTLESS = {"runtime": "langgraph"}  # its image brings an agent of its own: its entry point stays
WORDS = {"reason", "message", "hint", "exit_code", "at"}


@pytest.fixture
def image(docker, tmp_path):
    """image(files, changes) imports an image and gives its name."""
    made = []

    def make(files, *changes):
        name = f"workspaced-test/{uuid.uuid4().hex[:12]}:1"
        folder = tmp_path / f"root-{len(made)}"
        folder.mkdir()
        docker.import_image(name, build_root(folder, files), changes)
        made.append(name)
        return name

    yield make
    for name in made:
        docker.remove_image(name)


def shell_image(image, script):
    """An image whose program is a shell script, without an agent of ours."""
    with open("/usr/bin/busybox", "rb") as file:
        busybox = file.read()
    return image({BUSYBOX: busybox}, f"CMD {json.dumps([BUSYBOX, 'sh', '-c', script])}")


def events(server, id_, kind):
    rows = server.database.query(
        f"SELECT payload FROM structure_events WHERE workspace_id = '{id_}' AND event_type = '{kind}' ORDER BY created_at"
    )
    return [json.loads(row[0]) if isinstance(row[0], str) else row[0] for row in rows]


def wait_failure(server, id_, reason, status=None, timeout=30):
    """The listed workspace, once its failure has that reason."""

    def reached():
        found = server.listed(id_)
        fits = found["failure"] and found["failure"]["reason"] == reason and status in (None, found["status"])
        return found if fits else None

    try:
        return wait_for(reached, timeout, f"failure {reason}", 0.05)
    except AssertionError as error:
        raise AssertionError(f"{error}; it is {server.listed(id_)}") from None


def ctl(server, *words):
    return subprocess.run(
        [CTL, *words, "--url", server.url, "--data-dir", str(server.data_dir)], capture_output=True, text=True, timeout=30
    )


def check_doctor(server, id_, reason):
    """`workspacectl` tells it, too: list, status and doctor."""
    assert f"failed: {reason}" in ctl(server, "list").stdout
    failure = server.listed(id_)["failure"]
    status = ctl(server, "status", id_).stdout
    assert failure["message"] in status and failure["hint"] in status
    done = ctl(server, "doctor", "--json")
    [found] = [one for one in json.loads(done.stdout)["findings"] if one["workspace_id"] == id_]
    assert done.returncode == 1 and found["level"] == "difference"
    assert failure["message"] in found["why"] and found["why"].endswith(reason) and failure["hint"] in found["advice"]


def check_told(server, id_, reason, exit_code=None, timeout=30):
    """The reason in the list, in the answer for one, and in one event; gives the listed workspace."""
    found = wait_failure(server, id_, reason, "failed", timeout)
    failure = found["failure"]
    assert set(failure) == WORDS and failure["exit_code"] == exit_code
    assert failure["message"] and failure["hint"] and failure["at"]
    assert found["last_sample_error"].startswith(failure["message"])
    assert server.workspace(id_)["failure"] == failure
    assert "docker:" not in json.dumps(found)
    told = events(server, id_, "WORKSPACE_PROVISION_FAILED")
    assert [(one["reason"], one.get("exit_code")) for one in told] == [(reason, exit_code)]
    assert told[0]["error"] == failure["message"]
    check_doctor(server, id_, reason)
    return found


# ---- Images ----


@pytest.fixture
def registry():
    """registry(status, code) gives host and port of a registry that refuses everything that way."""
    made = []

    def make(status, code):
        class Refuses(BaseHTTPRequestHandler):
            def do_GET(self):
                is_root = self.path == "/v2/"
                body = json.dumps({"errors": [{"code": code, "message": code.lower().replace("_", " ")}]}).encode()
                self.send_response(200 if is_root else status)
                self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, *arguments):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Refuses)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        made.append(server)
        return f"127.0.0.1:{server.server_port}"

    yield make
    for server in made:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    "status, code, reason",
    [(404, "MANIFEST_UNKNOWN", "image_not_found"), (403, "DENIED", "image_pull_denied")],
    ids=["not-found", "denied"],
)
def test_a_registry_refuses(faulty_server, registry, status, code, reason):
    server = faulty_server()
    name = f"{registry(status, code)}/none/agent:1"
    id_ = server.create("Pulled", image=name)
    assert name in check_told(server, id_, reason)["failure"]["message"]


def test_a_registry_that_is_not_there(faulty_server):
    server = faulty_server()
    id_ = server.create("Pulled", image="127.0.0.1:1/none/agent:1")
    check_told(server, id_, "registry_unreachable")


# ---- Starts ----


def test_a_command_that_is_not_there(faulty_server, image):
    server = faulty_server()
    id_ = server.create("Nope", image=image({"/etc/x": b"x"}, 'CMD ["/nope"]'), **AGENTLESS)
    check_told(server, id_, "command_not_found")


def test_a_command_that_may_not_be_run(faulty_server, image):
    server = faulty_server()
    id_ = server.create("Nope", image=image({"/etc/x": b"x"}, 'CMD ["/etc"]'), **AGENTLESS)
    check_told(server, id_, "command_not_executable")


def test_an_image_without_a_command(faulty_server, image):
    server = faulty_server()
    id_ = server.create("Nope", image=image({"/etc/x": b"x"}), **AGENTLESS)
    check_told(server, id_, "command_not_found")


def test_a_directory_that_is_not_there(faulty_server, tmp_path):
    server = faulty_server()
    id_ = server.create("Bound", workspace_dir=str(tmp_path / "none"), workspace_access="read_write")
    check_told(server, id_, "mount_refused")


def test_a_full_disk(faulty_server, docker_proxy):
    docker_proxy.on("POST", "/containers/create", 500, message="mkdir /x: no space left on device")
    server = faulty_server()
    id_ = server.create("Full")
    check_told(server, id_, "disk_full")


def test_a_port_that_is_taken(faulty_server, docker_proxy):
    text = "driver failed programming external connectivity: Bind for 127.0.0.1:1 failed: port is already allocated"
    docker_proxy.on("POST", "/start", 500, message=text)
    server = faulty_server()
    id_ = server.create("Port")
    check_told(server, id_, "port_unavailable")


def test_required_variables_without_a_value(faulty_server, tmp_path):
    folder = tmp_path / "configs" / "needy"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("name: n\nruntime_config:\n  required_env: [SOME_KEY]\n")
    server = faulty_server(CONFIGS_DIR=tmp_path / "configs")
    id_ = server.create("Needy", template="needy")
    check_told(server, id_, "variables_missing")
    assert events(server, id_, "WORKSPACE_PROVISION_FAILED")[0]["missing"] == ["SOME_KEY"]


def test_a_tier_that_is_not_allowed_any_more(faulty_server, docker_proxy):
    docker_proxy.hang("POST", "/containers/create")
    server = faulty_server()
    id_ = server.create("High", tier=3)
    docker_proxy.wait_call("POST", "/containers/create")
    server.kill()
    docker_proxy.calm()
    server.settings["WORKSPACED_ALLOW_PRIVILEGED"] = "0"
    server.start()
    check_told(server, id_, "refused_by_policy")


def test_an_agent_that_never_registers(faulty_server, image):
    server = faulty_server(PROVISION_TIMEOUT_SECONDS=2)
    id_ = server.create("Mute", image=shell_image(image, "trap 'exit 0' TERM; echo here I stand; sleep 600 & wait"), **AGENTLESS)
    found = check_told(server, id_, "never_registered")
    assert "here I stand" in found["last_sample_error"]


# ---- Ends ----


def test_a_program_that_ends_again_and_again(faulty_server, image, docker):
    server = faulty_server()
    script = "i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); done; exit 3"
    id_ = server.create("Loop", image=shell_image(image, script), **AGENTLESS)
    found = check_told(server, id_, "crash_loop", exit_code=3)
    assert "exit code 3" in found["last_sample_error"] and "line 299" in found["last_sample_error"]
    for container in containers_of(docker, server, id_):  # even when somebody takes it away
        docker.request("DELETE", f"/containers/{container['Id']}?force=1")
    lines = server.get(f"/workspaces/{id_}/logs?lines=200").text.splitlines()
    assert lines == [f"line {i}" for i in range(100, 300)]
    assert ctl(server, "restart", id_).stdout == "restarting Loop\n"
    assert server.listed(id_)["failure"] is None  # a new wish: nothing failed yet
    assert server.get(f"/workspaces/{id_}/logs?previous=true&lines=1").text == "line 299\n"
    assert ctl(server, "pause", id_).stdout == "paused Loop\n"
    assert server.listed(id_)["failure"] is None


def has_memory_caps():
    return bool(DockerApi().json("/info").get("MemoryLimit"))


def test_memory_that_runs_out(faulty_server, image):
    if not has_memory_caps():
        pytest.skip("this daemon's machine cannot cap memory")
    server = faulty_server(TIER2_MEMORY_MB=16)
    script = "echo eating; x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done"
    id_ = server.create("Hungry", image=shell_image(image, script), **AGENTLESS)
    found = check_told(server, id_, "out_of_memory", exit_code=137, timeout=60)
    assert "eating" in found["last_sample_error"]
    assert "eating" in server.get(f"/workspaces/{id_}/logs?lines=200").text


def test_deaths_carry_their_reason(faulty_server, docker, docker_proxy):
    server = faulty_server()
    id_ = server.create("Mortal")
    server.wait_status(id_, "online")
    container = containers_of(docker, server, id_)[0]["Id"]
    with docker_proxy.hold("POST", "/containers/create"):  # it stays dead for a moment
        docker.request("POST", f"/containers/{container}/kill?signal=SIGKILL")
        found = wait_failure(server, id_, "killed")
        assert found["status"] in ("offline", "provisioning") and found["failure"]["exit_code"] == 137
        assert events(server, id_, "WORKSPACE_OFFLINE") == [{"reason": "killed", "exit_code": 137}]
    assert server.wait_status(id_, "online")["failure"] is None  # it runs: nothing failed
    assert server.get(f"/workspaces/{id_}/logs?previous=true").text  # the last words of the one before
    assert ctl(server, "logs", "--previous", id_).stdout
    container = containers_of(docker, server, id_)[0]["Id"]
    docker.request("POST", f"/containers/{container}/stop?t=5")
    wait_for(lambda: len(events(server, id_, "WORKSPACE_OFFLINE")) == 2, 20, "a second death")
    assert events(server, id_, "WORKSPACE_OFFLINE")[1] == {"reason": "exit_code", "exit_code": 0}


# ---- Engines ----


def test_an_engine_that_is_down(faulty_server, docker_proxy):
    server = faulty_server()
    well = server.create("Well")
    server.wait_status(well, "online")
    docker_proxy.down()
    id_ = server.create("Waits")
    found = wait_failure(server, id_, "engine_down", "provisioning")
    assert set(found["failure"]) == WORDS
    assert server.workspace(id_)["failure"]["reason"] == "engine_down"
    assert server.listed(well)["failure"] is None and server.listed(well)["status"] == "online"
    docker_proxy.up()
    assert server.wait_status(id_, "online", 60)["failure"] is None


def test_no_engine_at_all(start_server):
    server = start_server(WORKSPACED_ENGINE="none")
    id_ = server.create("Nowhere")
    check_told(server, id_, "no_engine")
    token = server.mint(id_)
    assert server.get(f"/workspaces/{id_}", token=token).json()["failure"]["reason"] == "no_engine"
    peer = server.create("Peer")
    answer = server.get(f"/workspaces/{id_}", token=server.mint(peer))  # why it does not run is not for its peers
    assert answer.status_code == 200 and "failure" not in answer.json()


def test_an_agent_that_falls_silent(faulty_server, docker):
    server = faulty_server(WORKSPACED_LIVENESS_SECONDS=1)
    id_ = server.create("Silent")
    server.wait_status(id_, "online")
    container = containers_of(docker, server, id_)[0]["Id"]
    docker.request("POST", f"/containers/{container}/pause")
    found = wait_failure(server, id_, "unhealthy", "offline")
    assert found["failure"]["message"] == "its agent does not report any more" and found["failure"]["at"]
    assert {"reason": "unhealthy"} in events(server, id_, "WORKSPACE_OFFLINE")
    docker.request("POST", f"/containers/{container}/unpause")


def test_the_images_own_health_check(faulty_server, docker, image, database):
    """Degraded while it fails, online when it succeeds again, and the agent is never restarted because of it."""
    with open("/usr/bin/busybox", "rb") as file:
        busybox = file.read()
    check = f"{BUSYBOX} test ! -e /workspace/ill || {{ {BUSYBOX} echo cannot reach the model; exit 1; }}"
    name = image(
        {BUSYBOX: busybox, "/bin/sh": busybox},
        f"HEALTHCHECK --interval=1s --timeout=5s --retries=1 CMD {json.dumps([BUSYBOX, 'sh', '-c', check])}",
    )
    server = faulty_server(database)
    script = f"read word; {BUSYBOX} rm -f /workspace/ill; test $word = well || {BUSYBOX} touch /workspace/ill; echo $word"
    id_ = server.create("Checked", image=name, command=json.dumps([BUSYBOX, "sh", "-c", script]), executor="command")
    server.wait_status(id_, "online")
    before = [one["Id"] for one in containers_of(docker, server, id_)]
    assert server.listed(id_)["failure"] is None
    server.say(id_, "ill")
    found = wait_failure(server, id_, "health_check_failed", "degraded")
    assert found["failure"]["message"] == "the image's own health check fails: cannot reach the model"
    assert found["failure"]["hint"] and server.workspace(id_)["failure"] == found["failure"]
    [told] = events(server, id_, "WORKSPACE_DEGRADED")
    assert told == {"reason": "health_check_failed", "sample_error": found["failure"]["message"]}
    done = ctl(server, "doctor", "--json")
    [finding] = [one for one in json.loads(done.stdout)["findings"] if one["workspace_id"] == id_]
    assert done.returncode == 1 and finding["level"] == "difference" and "cannot reach the model" in finding["why"]
    assert "degraded: health_check_failed" in ctl(server, "list").stdout
    assert server.post(f"/registry/heartbeat", json={"workspace_id": id_, "error_rate": 0}, token=server.mint(id_)).status_code == 200
    assert server.listed(id_)["status"] == "degraded"  # no heartbeat lifts it
    server.stop()
    server.start()
    assert server.listed(id_)["failure"]["reason"] == "health_check_failed"
    server.say(id_, "well")
    server.wait_status(id_, "online")
    assert server.listed(id_)["failure"] is None and len(events(server, id_, "WORKSPACE_DEGRADED")) == 1
    assert [one["Id"] for one in containers_of(docker, server, id_)] == before
