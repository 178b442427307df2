"""Against the real server that others use, too."""

import json
import uuid

import pytest


@pytest.fixture
def real(server, ctl_alone):
    ctl_alone.environment["WORKSPACED_URL"] = server.url
    ctl_alone.environment["WORKSPACED_TOKEN"] = server.token
    return ctl_alone


@pytest.fixture
def outside(real):
    """(name, id) of an external workspace, deleted afterwards."""
    name = f"Outside-{uuid.uuid4()}"
    made = real("create", name, "--external", "--role", "elsewhere")
    assert made.returncode == 0, made.stderr
    id_ = made.stdout.strip()
    yield name, id_
    if id_ in real("list", "-q").stdout:
        assert real("delete", "--yes", "--cascade", id_).returncode == 0


def test_life_of_an_external_workspace(real, outside):
    name, id_ = outside
    child = real("create", name + "-below", "--external", "--parent", name.upper()).stdout.strip()
    rows = {w["id"]: w for w in json.loads(real("list", "--json").stdout)}
    assert rows[child]["parent_id"] == id_
    assert rows[id_]["role"] == "elsewhere"
    assert f"└─ {name}-below"[:40] in real("list").stdout
    events = [json.loads(line) for line in real("events", id_, "--json").stdout.splitlines()]
    assert events and {event["workspace_id"] for event in events} == {id_}
    refused = real("delete", "--yes", id_)
    assert (refused.returncode, "--cascade" in refused.stderr) == (1, True)
    assert real("delete", "--yes", "--cascade", name).stdout == f"deleted {name} and 1 below it\n"
    assert id_ not in real("list", "-q").stdout
    assert real("delete", "--yes", "--purge", id_).returncode == 0
    assert real("delete", "--yes", "--purge", id_).returncode == 1


def test_events_followed(real, outside):
    name, id_ = outside
    running = real.background("events", "-f", "--json", id_)
    assert json.loads(running.line())["workspace_id"] == id_  # from the log, so the socket is open
    real("delete", "--yes", id_)
    while json.loads(running.line())["event"] != "WORKSPACE_REMOVED":
        pass


def test_refusals(real, outside):
    assert real("list", "--token", "wrong").returncode == 1
    assert real("events", "-f", "--token", "wrong").returncode == 1
    assert real("chat", "7c9e6679-7425-40de-944b-e07fc1f90ae7", "hi").returncode == 1
    assert real("logs", "7c9e6679-7425-40de-944b-e07fc1f90ae7").returncode == 1
    done = real("create", "bad{name")
    assert (done.returncode, done.stderr.startswith("workspacectl: ")) == (1, True)
