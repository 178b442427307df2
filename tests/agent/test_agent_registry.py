"""Register and heartbeat against a server that is well, away, or refuses."""

import signal
import stat
import time

import pytest

from agent_program import BINARY, WORKSPACE_ID, wait_for
from registry_server import RegistryServer

REGISTER = "/registry/register"
HEARTBEAT = "/registry/heartbeat"


def test_registers_at_once_with_its_card(registry, start):
    begin = time.monotonic()
    agent = start(registry, WORKSPACE_NAME="Scout", MOLECULE_AGENT_ROLE="looks around")
    call = registry.wait(REGISTER)[0]
    assert call.at - begin < 1
    assert call.body["id"] == WORKSPACE_ID
    assert call.body["url"].startswith("http://")
    assert call.body["url"].endswith(agent.url.rsplit(":")[-1])
    card = call.body["agent_card"]
    assert (card["name"], card["description"]) == ("Scout", "looks around")
    assert card["url"] == call.body["url"]
    assert call.bearer is None


def test_registers_the_url_it_is_told(registry, start):
    start(registry, WORKSPACE_AGENT_URL="http://scout.example:9000/a2a")
    assert registry.wait(REGISTER)[0].body["url"] == "http://scout.example:9000/a2a"


def test_molecule_url_is_the_second_name_and_a_path_is_kept(registry, start):
    registry.answer("/base/registry/register", (200, {"status": "registered"}))
    start(MOLECULE_URL=registry.url + "/base/")
    registry.wait("/base/registry/register")


def test_sends_the_token_of_its_file(registry, start, config_path):
    (config_path / ".auth_token").write_text("first-token\n")
    start(registry)
    assert registry.wait(REGISTER)[0].bearer == "first-token"


def test_keeps_the_token_it_is_given(registry, start, config_path):
    registry.answer(REGISTER, (200, {"status": "registered", "auth_token": "new-token"}))
    start(registry, WORKSPACE_AGENT_HEARTBEAT_SECONDS="0.1")
    assert registry.wait(HEARTBEAT)[0].bearer == "new-token"
    file = config_path / ".auth_token"
    assert file.read_text() == "new-token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in config_path.iterdir()] == [".auth_token"]


def test_uses_a_token_it_cannot_keep(registry, start):
    registry.answer(REGISTER, (200, {"status": "registered", "auth_token": "new-token"}))
    agent = start(
        registry,
        WORKSPACE_CONFIG_PATH="/nowhere/at/all",
        WORKSPACE_AGENT_HEARTBEAT_SECONDS="0.1",
    )
    assert registry.wait(HEARTBEAT)[0].bearer == "new-token"
    assert "cannot keep the new token" in agent.log
    assert "new-token" not in agent.log


@pytest.mark.parametrize("bad", ["two\r\nheaders: 1", "", "x" * 600, 7, None])
def test_a_token_that_cannot_be_sent_is_not_taken(registry, start, config_path, bad):
    registry.answer(REGISTER, (200, {"status": "registered", "auth_token": bad}))
    start(registry, WORKSPACE_AGENT_HEARTBEAT_SECONDS="0.1")
    assert registry.wait(HEARTBEAT)[0].bearer is None
    assert not (config_path / ".auth_token").exists()


def test_tries_again_with_growing_pauses_and_serves_meanwhile(registry, start):
    bad = (503, {"error": "platform unavailable"})
    registry.answer(REGISTER, bad, bad, bad, bad, (200, {"status": "registered"}))
    agent = start(registry)
    assert agent.send("still here")["parts"][0]["text"] == "still here"
    calls = registry.wait(REGISTER, 5, timeout=10)
    pauses = [b.at - a.at for a, b in zip(calls, calls[1:])]
    for pause, least in zip(pauses, [0.2, 0.4, 0.8, 1.6]):
        assert least * 0.99 <= pause <= least * 1.25 + 0.3
    wait_for(lambda: "registered workspace=" in agent.log)


def test_finds_a_server_that_comes_later(start, registry):
    port = registry.port
    registry.close()
    agent = start(registry)
    wait_for(lambda: "register failed" in agent.log)
    late = RegistryServer(port=port)
    try:
        late.wait(REGISTER)
    finally:
        late.close()
    registry._server = late._server
    registry.close = lambda: None


def test_heartbeat_tells_the_facts(registry, start):
    start(registry, WORKSPACE_AGENT_HEARTBEAT_SECONDS="0.2")
    calls = registry.wait(HEARTBEAT, 3)
    assert calls[0].body == {
        "workspace_id": WORKSPACE_ID,
        "error_rate": 0.0,
        "sample_error": "",
        "active_tasks": 0,
        "uptime_seconds": 0,
        "current_task": "",
    }
    for earlier, later in zip(calls, calls[1:]):
        assert 0.15 < later.at - earlier.at < 0.6


def test_heartbeat_follows_a_task(registry, start, tmp_path):
    gate = tmp_path / "gate"
    agent = start(registry, command=f"while [ ! -e {gate} ]; do sleep 0.02; done; echo done")
    registry.wait(REGISTER)
    agent.send("dig a\nlong tunnel", {"blocking": False})
    busy = registry.wait(HEARTBEAT, where=lambda c: c.body["active_tasks"] == 1)[0]
    assert busy.body["current_task"] == "dig a long tunnel"
    gate.touch()
    idle = registry.wait(HEARTBEAT, where=lambda c: c.at > busy.at and not c.body["active_tasks"])
    assert idle[0].body["current_task"] == ""
    assert idle[0].body["error_rate"] == 0


def test_many_task_changes_are_one_heartbeat(registry, start):
    agent = start(registry, command=["cat"])
    registry.wait(REGISTER)
    for number in range(30):
        agent.send(str(number))
    time.sleep(0.3)  # three times what changes are collected for
    assert len(registry.seen(HEARTBEAT)) < 12


def test_heartbeat_tells_errors_of_the_period(registry, start):
    agent = start(
        registry,
        command='read line; [ "$line" = good ] || { echo "it broke" >&2; exit 3; }',
        WORKSPACE_AGENT_HEARTBEAT_SECONDS="1",
    )
    registry.wait(REGISTER)
    agent.send("good\n")
    agent.send("bad\n")
    told = registry.wait(HEARTBEAT, where=lambda c: c.body["error_rate"] > 0)[0]
    assert told.body["sample_error"] == "it broke"
    assert told.body["error_rate"] == 0.5
    well = registry.wait(HEARTBEAT, where=lambda c: c.at > told.at and c.body["error_rate"] == 0)
    assert well[0].body["sample_error"] == ""


def test_a_restart_context_that_fails_is_no_illness(registry, start):
    """A shell can make nothing of it; that must not make the workspace degraded."""
    agent = start(registry, command="echo it broke >&2; exit 3", WORKSPACE_AGENT_HEARTBEAT_SECONDS="1")
    registry.wait(REGISTER)
    agent.send("=== WORKSPACE RESTART CONTEXT ===", metadata={"restart_context": True})
    registry.wait(HEARTBEAT, 3)
    assert all(call.body["error_rate"] == 0 for call in registry.seen(HEARTBEAT))
    agent.send("work", metadata={"restart_context": "true"})  # not ours: it counts
    registry.wait(HEARTBEAT, where=lambda c: c.body["error_rate"] > 0)


def test_a_new_token_in_the_file_is_tried_at_once(registry, start, config_path):
    (config_path / ".auth_token").write_text("old")

    def judge(call):
        return {"status": "ok"}

    start(registry, WORKSPACE_AGENT_HEARTBEAT_SECONDS="0.3")
    registry.wait(HEARTBEAT)
    (config_path / ".auth_token").write_text("new")
    registry.answer(HEARTBEAT, (401, {"error": "invalid workspace auth token"}), (200, judge))
    new = registry.wait(HEARTBEAT, where=lambda c: c.bearer == "new")[0]
    old = [c for c in registry.seen(HEARTBEAT) if c.bearer == "old"][-1]
    assert new.at - old.at < 0.15


def test_a_token_refused_for_good_ends_the_agent(registry, start):
    registry.answer(REGISTER, (401, {"error": "invalid workspace auth token"}))
    agent = start(registry, WORKSPACE_AGENT_REFUSAL_SECONDS="1")
    agent.expects_exit = 77
    begin = time.monotonic()
    assert agent.wait_exit() == 77
    assert time.monotonic() - begin > 1
    assert len(registry.seen(REGISTER)) >= 3
    assert "refuses the token for good" in agent.log


def test_a_refused_heartbeat_ends_the_agent_too(registry, start):
    registry.answer(HEARTBEAT, (401, {"error": "missing workspace auth token"}))
    agent = start(
        registry,
        WORKSPACE_AGENT_HEARTBEAT_SECONDS="0.1",
        WORKSPACE_AGENT_REFUSAL_SECONDS="0.5",
    )
    agent.expects_exit = 77
    assert agent.wait_exit() == 77


def test_one_success_forgives_refusals(registry, start):
    no = (401, {"error": "invalid workspace auth token"})
    yes = (200, {"status": "ok"})
    registry.answer(HEARTBEAT, no, no, yes, no, no, yes)
    agent = start(
        registry,
        WORKSPACE_AGENT_HEARTBEAT_SECONDS="0.1",
        WORKSPACE_AGENT_REFUSAL_SECONDS="0.3",
    )
    registry.wait(HEARTBEAT, 10)
    assert agent.process.poll() is None


@pytest.mark.parametrize("path", [REGISTER, HEARTBEAT])
def test_a_workspace_that_is_gone_ends_the_agent(registry, start, path):
    registry.answer(path, (410, {"error": "workspace was removed"}))
    agent = start(registry, WORKSPACE_AGENT_HEARTBEAT_SECONDS="0.1")
    assert agent.wait_exit() == 0
    assert "this workspace is gone" in agent.log


def test_a_server_that_forgot_us_is_told_again(registry, start):
    registry.answer(HEARTBEAT, (404, {"error": "workspace not found"}), (200, {"status": "ok"}))
    start(registry, WORKSPACE_AGENT_HEARTBEAT_SECONDS="0.1")
    registry.wait(REGISTER, 2)
    registry.wait(HEARTBEAT, 2)


def test_heartbeats_go_on_after_an_outage(registry, start):
    bad = (500, b"not json at all")
    registry.answer(HEARTBEAT, bad, bad, (200, {"status": "ok"}))
    agent = start(registry, WORKSPACE_AGENT_HEARTBEAT_SECONDS="0.1")
    registry.wait(HEARTBEAT, 4)
    wait_for(lambda: "heartbeat succeeds again after_failures=2" in agent.log)


def test_an_endless_answer_is_not_read(registry, start):
    registry.answer(REGISTER, (200, b"x" * 1_000_000), (200, {"status": "registered"}))
    agent = start(registry)
    registry.wait(REGISTER, 2)
    wait_for(lambda: "registered workspace=" in agent.log)
    assert "the answer is too large" in agent.log


def test_stops_while_the_server_does_not_answer(registry, start):
    def hang(call):
        time.sleep(2)
        return {}

    registry.answer(REGISTER, (200, hang))
    agent = start(registry)
    registry.wait(REGISTER)
    begin = time.monotonic()
    agent.process.send_signal(signal.SIGTERM)
    assert agent.wait_exit() == 0
    assert time.monotonic() - begin < 1


def test_a_missing_id_is_a_clear_error(registry, start):
    agent = start(registry, WORKSPACE_ID=None)
    agent.expects_exit = 78
    assert agent.wait_exit() == 78
    assert "WORKSPACE_ID must be set" in agent.log


@pytest.mark.parametrize(
    "name, value",
    [
        ("WORKSPACE_AGENT_PORT", "http"),
        ("WORKSPACE_AGENT_PORT", "65536"),
        ("WORKSPACE_AGENT_HEARTBEAT_SECONDS", "0"),
        ("WORKSPACE_AGENT_HEARTBEAT_SECONDS", "soon"),
        ("WORKSPACE_AGENT_TASK_SECONDS", "-1"),
        ("WORKSPACE_AGENT_LISTEN", "localhost"),
        ("WORKSPACE_AGENT_EXECUTOR", "magic"),
    ],
)
def test_wrong_settings_are_named(start, name, value):
    agent = start(**{name: value})
    agent.expects_exit = 78
    assert agent.wait_exit() == 78
    assert name in agent.log


def test_without_a_server_it_still_serves(start):
    agent = start()
    assert agent.send("alone")["parts"][0]["text"] == "alone"
    assert BINARY.exists()
