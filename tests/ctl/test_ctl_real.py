"""Against the real server, where the fixture `server` (.url, .token) is there."""

import json

import pytest


@pytest.fixture
def real(request, ctl_alone):
    try:
        server = request.getfixturevalue("server")
    except pytest.FixtureLookupError:
        pytest.skip("the fixture 'server' is not there")
    ctl_alone.environment["WORKSPACED_URL"] = server.url
    ctl_alone.environment["WORKSPACED_TOKEN"] = server.token
    return ctl_alone


def test_life_of_an_external_workspace(real):
    made = real("create", "Outside", "--external", "--role", "elsewhere")
    assert made.returncode == 0, made.stderr
    id_ = made.stdout.strip()
    child = real("create", "Below", "--external", "--parent", "outside").stdout.strip()
    assert [w["id"] for w in json.loads(real("list", "--json").stdout)][-2:] == [id_, child]
    assert "└─ Below" in real("list").stdout
    assert any(json.loads(line)["workspace_id"] == id_ for line in real("events", "--json").stdout.splitlines())
    refused = real("delete", "--yes", id_[:8])
    assert (refused.returncode, "Below" in refused.stderr) == (1, True)
    assert real("delete", "--yes", "--cascade", "Outside").stdout == "deleted Outside and 1 below it\n"
    assert real("list", "--names").stdout == ""


def test_events_followed(real):
    running = real.background("events", "-f", "--json", "-n", "0")
    seen = []
    for number in range(20):
        real("create", f"n{number}", "--external")
        seen.append(json.loads(running.line())["event"])
        break
    assert seen[0].startswith("WORKSPACE_")


def test_refusals(real):
    assert real("list", "--token", "wrong").returncode == 1
    assert real("chat", "7c9e6679-7425-40de-944b-e07fc1f90ae7", "hi").returncode == 1
    done = real("create", "bad{name")
    assert (done.returncode, done.stderr.startswith("workspacectl: ")) == (1, True)
