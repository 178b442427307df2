"""An agent that is started before there is a workspace for it."""

import os
import signal
import time

import pytest

from agent_program import wait_for

TAKEN_BY = "11111111-2222-4333-8444-555555555555"


def stand_by(start, **variables):
    agent = start(WORKSPACE_AGENT_STANDBY="1", **variables)
    wait_for(lambda: "standing by" in agent.log)
    return agent


def hand_over(config_path, token="fresh-token", mark=True, **variables):
    """What the server unpacks, in its order."""
    (config_path / ".auth_token").write_text(token)
    environment = config_path / ".workspaced-environment"
    environment.write_bytes(b"".join(f"{k}={v}".encode() + b"\0" for k, v in variables.items()))
    environment.chmod(0o600)
    if mark:
        (config_path / ".workspaced-assigned").touch()


def processor_s(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_it_serves_nothing_and_costs_nothing(start, registry):
    agent = stand_by(start, registry=registry)
    before = processor_s(agent.pid)
    time.sleep(0.5)
    assert processor_s(agent.pid) - before < 0.02
    assert "listening" not in agent.log
    assert registry.calls == []


def test_it_becomes_the_workspaces_agent(start, registry, config_path):
    agent = stand_by(start)
    hand_over(
        config_path,
        WORKSPACE_ID=TAKEN_BY,
        PLATFORM_URL=registry.url,
        WORKSPACE_NAME="Taken",
        WORKSPACE_AGENT_EXECUTOR="command",
        WORKSPACE_AGENT_COMMAND='printf %s "$SECRET,$PARENT_ID,$WORKSPACE_AGENT_STANDBY"; cat >&2',
        SECRET="two\nlines = here",
        PARENT_ID="p",
    )
    call = registry.wait("/registry/register")[0]
    assert (call.body["id"], call.bearer) == (TAKEN_BY, "fresh-token")
    assert call.body["agent_card"]["name"] == "Taken"
    beat = registry.wait("/registry/heartbeat")[0]  # at once, not a period later
    assert beat.body["workspace_id"] == TAKEN_BY
    answer = agent.send("x")
    assert "two\nlines = here,p," == text_of(answer)
    assert not (config_path / ".workspaced-environment").exists()
    assert b"two" not in open(f"/proc/{agent.pid}/environ", "rb").read()


def text_of(result):
    parts = result["parts"] if "parts" in result else result["artifacts"][0]["parts"]
    return "".join(part["text"] for part in parts)


def test_it_waits_for_the_mark(start, registry, config_path):
    agent = stand_by(start, registry=registry)
    hand_over(config_path, mark=False, PLATFORM_URL=registry.url)
    time.sleep(0.2)
    assert registry.calls == [] and "listening" not in agent.log
    (config_path / ".workspaced-assigned").touch()
    registry.wait("/registry/register")


def test_the_hand_over_came_before_it(start, registry, config_path):
    hand_over(config_path, PLATFORM_URL=registry.url)
    start(WORKSPACE_AGENT_STANDBY="1")
    registry.wait("/registry/register")


def test_a_mark_without_environment_is_an_earlier_runs(start, registry, config_path):
    (config_path / ".workspaced-assigned").touch()
    (config_path / ".auth_token").write_text("old")
    agent = stand_by(start, registry=registry)
    time.sleep(0.2)
    assert registry.calls == [] and agent.process.poll() is None


@pytest.mark.parametrize("name", ["TERM", "INT"])
def test_it_ends_when_it_is_told(start, name):
    agent = stand_by(start)
    agent.process.send_signal(getattr(signal, "SIG" + name))
    assert agent.wait_exit(2) == 0
    assert "stopped while standing by" in agent.log


@pytest.mark.parametrize("what", ["folder", "link", "large"])
def test_what_is_no_environment_ends_it(start, config_path, what):
    agent = stand_by(start)
    agent.expects_exit = 78
    path = config_path / ".workspaced-environment"
    if what == "folder":
        path.mkdir()
    elif what == "link":
        (config_path / "other").write_bytes(b"A=b\0")
        path.symlink_to("other")
    else:
        with open(path, "wb") as file:
            file.truncate(5 * 1024 * 1024)
    (config_path / ".workspaced-assigned").touch()
    assert agent.wait_exit(5) == 78


def test_an_ordinary_start_removes_what_was_left(start, config_path):
    hand_over(config_path, SECRET="stays in no file")
    agent = start()
    assert text_of(agent.send("hello")) == "hello"
    assert not (config_path / ".workspaced-environment").exists()
    assert not (config_path / ".workspaced-assigned").exists()
