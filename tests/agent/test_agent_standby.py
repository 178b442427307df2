"""An agent that is started before there is a workspace for it."""

import os
import signal
import socket
import struct
import time

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

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


# ---- By the wire ----

KEY = bytes(range(32))


def seal(records, key=KEY):
    """What src/reconcile/wire.c sends, with records of (name, mode, bytes)."""
    clear = b"".join(
        name.encode() + b"\0" + f"{mode:o}".encode() + b"\0" + str(len(data)).encode() + b"\0" + data
        for name, mode, data in records
    )
    nonce = os.urandom(12)
    sealed = nonce + AESGCM(key).encrypt(nonce, clear, None)
    return b"WSPWARM1" + struct.pack(">I", len(sealed)) + sealed


def environment(**variables):
    return (".workspaced-environment", 0o600, b"".join(f"{k}={v}".encode() + b"\0" for k, v in variables.items()))


@pytest.fixture
def wired(start):
    """An agent that stands by at a port, and how to send to it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    agent = stand_by(start, WORKSPACE_AGENT_STANDBY_KEY=KEY.hex(), WORKSPACE_AGENT_PORT=str(port))

    def send(*pieces):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(0.01)
            try:
                return connection.recv(10)
            except ConnectionResetError:
                return b""

    return agent, send


def test_the_wire_brings_everything(wired, registry, config_path):
    agent, send = wired
    records = [
        (".auth_token", 0o600, b"wire-token"),
        ("config.yaml", 0o644, b"name: x\n"),
        (".workspaced/seeded", 0o644, b"1"),
        environment(
            WORKSPACE_ID=TAKEN_BY,
            PLATFORM_URL=registry.url,
            WORKSPACE_AGENT_EXECUTOR="command",
            WORKSPACE_AGENT_COMMAND='printf "%s,%s" "$SECRET" "$WORKSPACE_AGENT_STANDBY_KEY"',
            SECRET="of the wire",
        ),
    ]
    message = seal(records)
    assert send(message[:5], message[5:30], message[30:]) == b"ok\n"
    call = registry.wait("/registry/register")[0]
    assert (call.body["id"], call.bearer) == (TAKEN_BY, "wire-token")
    assert text_of(agent.send("x")) == "of the wire,"
    token = config_path / ".auth_token"
    assert (token.read_text(), token.stat().st_mode & 0o777) == ("wire-token", 0o600)
    assert (config_path / "config.yaml").read_text() == "name: x\n"
    assert (config_path / ".workspaced" / "seeded").read_text() == "1"
    assert not (config_path / ".workspaced-environment").exists()


@pytest.mark.parametrize("what", ["key", "magic", "length", "cut", "nothing", "changed"])
def test_strangers_get_no_answer_and_change_nothing(wired, config_path, registry, what):
    agent, send = wired
    good = seal([(".auth_token", 0o600, b"t"), environment(PLATFORM_URL=registry.url)])
    bad = {
        "key": seal([environment(A="b")], key=bytes(32)),
        "magic": b"GET / HT" + good[8:],
        "length": b"WSPWARM1" + struct.pack(">I", 2**31) + good[12:],
        "cut": good[:20],
        "nothing": b"",
        "changed": good[:-1] + bytes([good[-1] ^ 1]),
    }[what]
    assert send(bad) == b""
    assert list(config_path.iterdir()) == [] and "listening" not in agent.log
    assert send(good) == b"ok\n"  # it still waits
    registry.wait("/registry/register")


@pytest.mark.parametrize("name", ["../out", "/out", "a/b/c", "a/../../out", ""])
def test_no_file_leaves_the_folder(wired, config_path, tmp_path, name):
    agent, send = wired
    assert send(seal([(name, 0o644, b"x"), environment(A="b")])) == b"no\n"
    assert not (tmp_path / "out").exists() and agent.process.poll() is None


@pytest.mark.parametrize("message", [b"name\x00644\x00", b"name\x00644\x00999\x00x", b"name"])
def test_broken_records_are_refused(wired, message):
    agent, send = wired
    nonce = os.urandom(12)
    sealed = nonce + AESGCM(KEY).encrypt(nonce, message, None)
    assert send(b"WSPWARM1" + struct.pack(">I", len(sealed)) + sealed) == b"no\n"
    assert "listening" not in agent.log
