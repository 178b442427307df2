"""Why a workspace does not run, on every engine; tests/fault/test_injected_reasons.py has all the ways, on Docker."""

import json

from workspaced import wait_for


def told(server, id_, kind):
    rows = server.database.query(
        f"SELECT payload FROM structure_events WHERE workspace_id = '{id_}' AND event_type = '{kind}' ORDER BY created_at"
    )
    return [json.loads(row[0]) if isinstance(row[0], str) else row[0] for row in rows]


def test_an_image_that_nobody_has(team):
    id_ = team.create("Imageless", image="127.0.0.1:1/none/agent:1", executor="echo")
    found = team.wait_status(id_, "failed")
    assert found["failure"]["reason"] in ("image_not_found", "registry_unreachable")  # the sandbox speaks to no registry
    assert found["failure"]["message"] == found["last_sample_error"] and found["failure"]["hint"]
    [event] = told(team, id_, "WORKSPACE_PROVISION_FAILED")
    assert (event["reason"], event["error"]) == (found["failure"]["reason"], found["failure"]["message"])


def test_last_words_outlive_pause_and_restart(team):
    """Whatever takes the container away, its lines stay readable."""
    id_ = team.create("Talker", executor="command", command="echo heard >&2; cat")
    team.wait_status(id_, "online")
    team.say(id_, "hello")
    words = wait_for(lambda: team.get(f"/workspaces/{id_}/logs?lines=200").text, 10, "words in the log")
    assert team.post(f"/workspaces/{id_}/pause").status_code == 200
    kept = wait_for(lambda: team.get(f"/workspaces/{id_}/logs?lines=200").text, 20, "the log of what is gone")
    assert kept.startswith(words) and team.listed(id_)["failure"] is None
    assert team.post(f"/workspaces/{id_}/resume").status_code == 200
    team.wait_status(id_, "online")
    assert team.get(f"/workspaces/{id_}/logs?previous=true&lines=200").text.startswith(words)
