"""What process 1 of a container owes: reaping, the image's own program, signals, stopping."""

import json
import os
import re
import signal
import subprocess
import time

import pytest

from agent_program import BINARY, WORKSPACE_ID, children_of, wait_for
from registry_server import RegistryServer


def test_orphans_are_reaped(start, tmp_path):
    up, mark = tmp_path / "up", tmp_path / "ended"
    # The grandchild gets a session of its own, outlives its parent and falls to the agent.
    orphan = f"setsid sh -c 'touch {up}; sleep 0.3; touch {mark}'"
    agent = start(command=f"{orphan} & while [ ! -e {up} ]; do sleep 0.02; done; echo done")
    agent.send("x")
    wait_for(mark.exists)
    wait_for(lambda: agent.children() == [])


def test_the_images_own_program_runs_beside_it(start, tmp_path):
    mark = tmp_path / "mark"
    agent = start(WORKSPACE_AGENT_CHILD=json.dumps(["sh", "-c", f"echo $0 $1 > {mark}", "a b", "c"]))
    wait_for(lambda: mark.exists() and mark.read_text())
    assert mark.read_text() == "a b c\n"
    wait_for(lambda: "own program has ended status=0" in agent.log)
    assert agent.send("alive")["parts"][0]["text"] == "alive"


@pytest.mark.parametrize("child", ["exit 7", '["/no/such/program"]', "["])
def test_its_end_or_absence_changes_nothing(start, child):
    agent = start(WORKSPACE_AGENT_CHILD=child)
    assert agent.send("alive")["parts"][0]["text"] == "alive"
    wait_for(lambda: re.search(r"ended status=7|cannot start|WORKSPACE_AGENT_CHILD", agent.log))


@pytest.mark.parametrize("name", ["HUP", "USR1", "USR2", "QUIT"])
def test_signals_are_passed_on(start, tmp_path, name):
    up, mark = tmp_path / "up", tmp_path / "mark"
    child = f"trap 'touch {mark}' {name}; touch {up}; while :; do sleep 0.02; done"
    agent = start(WORKSPACE_AGENT_CHILD=child)
    wait_for(up.exists)
    agent.process.send_signal(getattr(signal, "SIG" + name))
    wait_for(mark.exists)
    assert agent.process.poll() is None


def test_stopping_lets_the_program_end_in_peace(start, tmp_path):
    up, mark = tmp_path / "up", tmp_path / "mark"
    child = f"trap 'sleep 0.3; touch {mark}; exit 0' TERM; touch {up}; while :; do sleep 0.02; done"
    agent = start(WORKSPACE_AGENT_CHILD=child)
    wait_for(up.exists)
    assert agent.stop() == 0
    assert mark.exists()


def test_a_second_signal_kills_at_once(start, tmp_path):
    up = tmp_path / "up"
    agent = start(WORKSPACE_AGENT_CHILD=f"trap '' TERM; touch {up}; while :; do sleep 0.1; done")
    wait_for(up.exists)
    agent.process.send_signal(signal.SIGTERM)
    wait_for(lambda: "stopping signal=15" in agent.log)
    assert agent.process.poll() is None
    agent.process.send_signal(signal.SIGTERM)
    assert agent.wait_exit(3) == 0


def test_stopping_cancels_tasks_and_tells_who_waits(start):
    agent = start(command="sleep 60")
    stream = agent.stream("x")
    next(stream)
    agent.process.send_signal(signal.SIGTERM)
    assert list(stream)[-1]["status"]["state"] == "canceled"
    assert agent.wait_exit() == 0


def as_process_1(*arguments):
    return ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child", *arguments]


def may_unshare():
    return subprocess.run(as_process_1("true"), capture_output=True).returncode == 0


@pytest.mark.skipif(not may_unshare(), reason="this machine forbids new PID namespaces")
def test_as_process_1_of_a_namespace(registry, start, tmp_path):
    """No signal has a default effect on process 1, and all orphans are its own."""
    mark = tmp_path / "pids"
    child = f"setsid sleep 0.1 & echo $$ $PPID > {mark}"
    agent = start(registry, argv=as_process_1(str(BINARY)), WORKSPACE_AGENT_CHILD=child)
    registry.wait("/registry/register")
    wait_for(lambda: mark.exists() and mark.read_text())
    assert mark.read_text().split()[1] == "1"
    inner = wait_for(lambda: agent.children())[0][0]
    wait_for(lambda: children_of(inner) == [])
    os.kill(inner, signal.SIGTERM)
    assert agent.wait_exit() == 0


def test_closed_standard_streams_do_no_harm(registry, start):
    shell = ["sh", "-c", 'exec "$0" <&- >&-', str(BINARY)]
    agent = start(registry, argv=shell, command="echo to-output; echo to-errors >&2")
    assert agent.send("x")["parts"][0]["text"] == "to-output"


def test_the_first_register_comes_at_once():
    """Measured from before fork to the request's arrival, the best of five."""
    times = []
    for _ in range(5):
        registry = RegistryServer()
        environment = {
            "WORKSPACE_ID": WORKSPACE_ID,
            "PLATFORM_URL": registry.url,
            "WORKSPACE_AGENT_LISTEN": "127.0.0.1",
            "WORKSPACE_AGENT_PORT": "0",
            "WORKSPACE_CONFIG_PATH": "/nowhere",
        }
        begin = time.monotonic()
        process = subprocess.Popen([str(BINARY)], env=environment, stderr=subprocess.DEVNULL)
        times.append(registry.wait("/registry/register")[0].at - begin)
        process.terminate()
        assert process.wait(5) == 0
        registry.close()
    assert min(times) < 0.05


def test_the_version_and_the_help():
    version = subprocess.run([str(BINARY), "--version"], capture_output=True, text=True, timeout=5)
    assert re.fullmatch(r"workspace-agent \d+\.\d+\.\d+\n", version.stdout)
    manual = subprocess.run([str(BINARY), "--help"], capture_output=True, text=True, timeout=5)
    for name in ["WORKSPACE_ID", "PLATFORM_URL", "WORKSPACE_AGENT_EXECUTOR", "ask", "peers"]:
        assert name in manual.stdout


@pytest.mark.parametrize("arguments", [["dance"], ["ask"], ["ask", "peer"], ["peers", "more"]])
def test_wrong_arguments(arguments):
    done = subprocess.run([str(BINARY), *arguments], capture_output=True, text=True, timeout=5)
    assert done.returncode == 64
    assert "workspace-agent --help" in done.stderr
