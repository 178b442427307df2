"""Fixtures that drive the real `workspace-agent`: WORKSPACE_AGENT_BINARY, else build/agent/workspace-agent."""

import json
import os
import re
import signal
import subprocess
import time
import uuid
from pathlib import Path

import pytest
import requests

from registry_server import RegistryServer

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(
    os.environ.get("WORKSPACE_AGENT_BINARY", ROOT / "build" / "agent" / "workspace-agent")
)
WORKSPACE_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
FAULTS = re.compile(r"Sanitizer|runtime error|out of memory|\[err\]|assert", re.IGNORECASE)


def wait_for(condition, timeout=5, what="the condition"):
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not come true in {timeout} s"
        time.sleep(0.005)


def lines_as_they_come(answer):
    """The lines of a chunked answer, each as soon as it is there."""
    rest = []
    for chunk in answer.iter_content(chunk_size=None):
        *lines, last = chunk.split(b"\n")
        if lines:
            lines[0] = b"".join(rest) + lines[0]
            rest = []
        yield from lines
        rest.append(last)


def text_message(text, **more):
    message = {
        "kind": "message",
        "role": "user",
        "messageId": str(uuid.uuid4()),
        "parts": [{"kind": "text", "text": text}],
    }
    message.update(more)
    return message


def children_of(parent):
    """(pid, state) of every child, zombies too."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == parent:
            found.append((int(entry.name), fields[0]))
    return found


class Agent:
    def __init__(self, process, log_path, listen):
        self.process = process
        self.log_path = log_path
        self.listen = listen
        self.session = requests.Session()
        self.expects_exit = None

    @property
    def pid(self):
        return self.process.pid

    @property
    def log(self):
        return self.log_path.read_text()

    @property
    def url(self):
        found = wait_for(
            lambda: re.search(r"listening on=\S+ port=(\d+)", self.log), what="listening"
        )
        return f"http://127.0.0.1:{found.group(1)}"

    def post(self, body, **more):
        data = body if isinstance(body, (bytes, str)) else json.dumps(body)
        return self.session.post(self.url + "/", data=data, timeout=30, **more)

    def rpc(self, method, params, request_id="1"):
        answer = self.post(
            {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
        )
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "application/json"
        body = answer.json()
        assert body["jsonrpc"] == "2.0"
        assert body["id"] == request_id
        return body

    def send(self, text, configuration=None, **more):
        params = {"message": text_message(text, **more)}
        if configuration is not None:
            params["configuration"] = configuration
        return self.rpc("message/send", params)["result"]

    def error(self, method, params):
        return self.rpc(method, params)["error"]["code"]

    def stream(self, text, **more):
        """Yields the results of the events as they come."""
        body = {
            "jsonrpc": "2.0",
            "id": 7,
            "method": "message/stream",
            "params": {"message": text_message(text, **more)},
        }
        yield from self.events(body)

    def events(self, body):
        data = json.dumps(body, ensure_ascii=False).encode()
        with requests.post(self.url, data=data, stream=True, timeout=30) as answer:
            assert answer.status_code == 200
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            for line in lines_as_they_come(answer):
                if line.startswith(b"data: "):
                    event = json.loads(line[6:])
                    assert event["id"] == body["id"]
                    yield event["result"]

    def children(self):
        return children_of(self.pid)

    def wait_exit(self, timeout=10):
        return self.process.wait(timeout)

    def stop(self, timeout=10):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)


@pytest.fixture
def registry():
    server = RegistryServer()
    yield server
    server.close()
    assert server.errors == []


@pytest.fixture
def config_path(tmp_path):
    path = tmp_path / "configs"
    path.mkdir()
    return path


@pytest.fixture
def start(tmp_path, config_path):
    """Starts agents, and examines each after the test: it must still run (or have ended as the
    test expects), stop on SIGTERM with 0, leave no child and no fault in its log."""
    agents = []

    def start_one(registry=None, command=None, argv=None, **variables):
        environment = {
            "PATH": os.environ["PATH"],
            "WORKSPACE_ID": WORKSPACE_ID,
            "WORKSPACE_CONFIG_PATH": str(config_path),
            "WORKSPACE_AGENT_LISTEN": "127.0.0.1",
            "WORKSPACE_AGENT_PORT": "0",
        }
        if registry:
            environment["PLATFORM_URL"] = registry.url
        if command is not None:
            environment["WORKSPACE_AGENT_EXECUTOR"] = "command"
            environment["WORKSPACE_AGENT_COMMAND"] = (
                command if isinstance(command, str) else json.dumps(command)
            )
        environment.update(variables)
        log_path = tmp_path / f"agent-{len(agents)}.log"
        with open(log_path, "wb") as log:
            process = subprocess.Popen(
                argv or [str(BINARY)],
                env={k: v for k, v in environment.items() if v is not None},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        agent = Agent(process, log_path, environment["WORKSPACE_AGENT_LISTEN"])
        agents.append(agent)
        return agent

    yield start_one
    for agent in agents:
        expected = agent.expects_exit if agent.expects_exit is not None else 0
        try:
            status = agent.stop()
        except subprocess.TimeoutExpired:
            agent.process.kill()
            raise
        assert not FAULTS.search(agent.log), agent.log
        assert status == expected, agent.log
