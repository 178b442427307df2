"""`workspace-agent ask` and `workspace-agent peers`: how commands inside reach their team."""

import os
import socket
import ssl
import subprocess
import threading

import pytest

from agent_program import BINARY, WORKSPACE_ID
from registry_server import RegistryServer

PEERS = f"/registry/{WORKSPACE_ID}/peers"
PEER = "11111111-2222-4333-8444-555555555555"
OTHER = "21111111-2222-4333-8444-555555555555"
ASK = f"/workspaces/{PEER}/a2a"
TEAM = [
    {"id": PEER, "name": "Scout", "status": "online"},
    {"id": OTHER, "name": "Build\tmaster", "status": "offline"},
]


@pytest.fixture
def run(registry, config_path):
    (config_path / ".auth_token").write_text("its-token\n")

    def run_one(*arguments, text=None, **variables):
        environment = {
            "WORKSPACE_ID": WORKSPACE_ID,
            "PLATFORM_URL": registry.url,
            "WORKSPACE_CONFIG_PATH": str(config_path),
        }
        environment.update(variables)
        return subprocess.run(
            [str(BINARY), *arguments],
            env={k: v for k, v in environment.items() if v is not None},
            input=text,
            capture_output=True,
            text=True,
            timeout=20,
        )

    return run_one


def message(text):
    return {"jsonrpc": "2.0", "id": "1", "result": {"kind": "message", "parts": [{"kind": "text", "text": text}]}}


def test_peers(registry, run):
    registry.answer(PEERS, (200, TEAM))
    done = run("peers")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{PEER}\tScout\tonline\n{OTHER}\tBuild master\toffline\n"
    call = registry.seen(PEERS)[0]
    assert call.bearer == "its-token"
    assert call.headers["X-Workspace-ID"] == WORKSPACE_ID


def test_ask_by_id(registry, run):
    registry.answer(ASK, (200, message("fine")))
    done = run("ask", PEER, "how", "are you?", A2A_CONTEXT_ID="talk-1")
    assert (done.returncode, done.stdout) == (0, "fine\n")
    call = registry.seen(ASK)[0]
    assert call.bearer == "its-token"
    assert call.headers["X-Workspace-ID"] == WORKSPACE_ID
    assert call.body["method"] == "message/send"
    sent = call.body["params"]["message"]
    assert sent["parts"] == [{"kind": "text", "text": "how are you?"}]
    assert (sent["contextId"], sent["role"]) == ("talk-1", "user")


@pytest.mark.parametrize("name", ["Scout", "sCOUT"])
def test_ask_by_name_and_from_standard_input(registry, run, name):
    registry.answer(PEERS, (200, TEAM))
    registry.answer(ASK, (200, message("fine\n")))
    done = run("ask", name, "-", text="line one\nline two")
    assert (done.returncode, done.stdout) == (0, "fine\n")
    assert registry.seen(ASK)[0].body["params"]["message"]["parts"][0]["text"] == "line one\nline two"


def test_names_must_be_of_one_peer(registry, run):
    registry.answer(PEERS, (200, TEAM + [{"id": OTHER, "name": "scout", "status": "online"}]))
    done = run("ask", "scout", "x")
    assert (done.returncode, "more than one peer" in done.stderr) == (1, True)
    done = run("ask", "nobody", "x")
    assert (done.returncode, "no peer of that name" in done.stderr) == (1, True)
    assert registry.seen(ASK) == []


def test_a_task_with_artifacts_is_an_answer(registry, run):
    parts = [{"kind": "text", "text": "found"}]
    task = {"kind": "task", "status": {"state": "completed"}, "artifacts": [{"parts": parts}]}
    registry.answer(ASK, (200, {"jsonrpc": "2.0", "id": "1", "result": task}))
    assert run("ask", PEER, "x").stdout == "found\n"


@pytest.mark.parametrize(
    "status, body, word",
    [
        (403, {"error": "access denied"}, "access denied"),
        (502, b"<html>", "status 502"),
        (202, {"queued": True, "queue_id": "q", "queue_depth": 1}, "queued"),
        (200, {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "busy now"}}, "busy now"),
        (200, {"jsonrpc": "2.0", "id": 1, "result": {"status": {"state": "failed"}}}, "failed"),
        (200, b"not json", "not a JSON-RPC result"),
        (200, b"", "not a JSON-RPC result"),
    ],
)
def test_what_is_no_answer_fails_with_a_reason(registry, run, status, body, word):
    registry.answer(ASK, (status, body))
    done = run("ask", PEER, "x")
    assert (done.returncode, done.stdout) == (1, "")
    assert word in done.stderr


def test_peers_refused(registry, run):
    registry.answer(PEERS, (401, {"error": "invalid token"}))
    done = run("peers")
    assert (done.returncode, "invalid token" in done.stderr) == (1, True)


def test_without_a_server(run):
    done = run("peers", PLATFORM_URL=None)
    assert (done.returncode, "PLATFORM_URL is not set" in done.stderr) == (1, True)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    done = run("ask", PEER, "x", PLATFORM_URL=f"http://127.0.0.1:{port}")
    assert done.returncode == 1
    assert done.stderr.startswith("workspace-agent: ")


def test_the_wait_has_an_end(run):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        done = run("ask", PEER, "x", PLATFORM_URL=url, WORKSPACE_AGENT_ASK_SECONDS="0.3")
    assert done.returncode == 1


def make_certificate(folder, name):
    """A self-signed certificate; returns the paths of key and certificate."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        + ["-nodes", "-keyout", str(key), "-out", str(certificate), "-days", "2"]
        + ["-subj", f"/CN={name}", "-addext", f"subjectAltName={name}"],
        check=True,
        capture_output=True,
    )
    return key, certificate


@pytest.mark.parametrize(
    "alternative, trusted, works",
    [("IP:127.0.0.1", True, True), ("IP:127.0.0.1", False, False), ("DNS:elsewhere", True, False)],
)
def test_https_is_verified(run, tmp_path, alternative, trusted, works):
    key, certificate = make_certificate(tmp_path, alternative)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = RegistryServer(tls_context=context)
    server.answer(PEERS, (200, TEAM))
    authority = certificate if trusted else make_certificate(tmp_path, "IP:127.0.0.2")[1]
    try:
        done = run("peers", PLATFORM_URL=server.url, WORKSPACE_AGENT_CA_FILE=str(authority))
    finally:
        server.close()
    assert (done.returncode == 0) is works, done.stderr
    assert (len(server.seen(PEERS)) == 1) is works
