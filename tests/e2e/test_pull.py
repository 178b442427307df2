"""Pulls from a real registry protocol: progress, credentials, failures, and a delete in the middle."""

import json
import os
import time
import uuid
from contextlib import closing

import pytest
import websocket

from workspaced import wait_for

SLOW_BYTES = 1024 * 1024


def listen(server):
    url = server.url.replace("http", "ws") + "/ws"
    return closing(websocket.create_connection(url, header=[f"Authorization: Bearer {server.token}"]))


def pull_events(socket, seconds):
    """Progress events until `seconds` pass without a message."""
    found = []
    while True:
        try:
            socket.settimeout(seconds)
            message = json.loads(socket.recv())
        except websocket.WebSocketTimeoutException:
            return found
        if message["event"] == "WORKSPACE_PULL_PROGRESS":
            found.append((time.monotonic(), message))
        if message["event"] in ("WORKSPACE_ONLINE", "WORKSPACE_PROVISION_FAILED"):
            return found


def test_a_slow_pull_tells_how_far_it_is(docker_server, registry):
    server = docker_server()
    registry.put("acme/slow", files={"noise": os.urandom(SLOW_BYTES)})
    registry.piece_delay = 0.03
    image = f"{registry.host}/acme/slow:latest"
    with listen(server) as socket:
        id_ = server.create("Slow", image=image)
        events = pull_events(socket, 20)
    server.wait_status(id_, "online", 30)
    assert all(event["workspace_id"] == id_ and event["payload"]["image"] == image for _, event in events)
    percents = [event["payload"]["percent"] for _, event in events]
    known = [one for one in percents if one is not None]
    assert percents[0] is None and events[0][1]["payload"]["text"]
    assert known == sorted(known) and any(0 < one < 100 for one in known), percents
    gaps = [later - sooner for (sooner, _), (later, _) in zip(events, events[1:])]
    assert len(events) >= 4 and min(gaps) > 0.4, gaps
    recorded = server.get(f"/events/{id_}").json()
    assert not [one for one in recorded if one["event_type"] == "WORKSPACE_PULL_PROGRESS"]
    assert server.delete(f"/workspaces/{id_}").status_code == 200


def test_credentials_are_used_for_their_registry(docker_server, registry):
    registry.credentials = ("robot", "s3cret+/")
    registry.put("acme/workspace-template-hermes")
    prefix = f"{registry.host}/acme/workspace-template-"
    refused = docker_server(WORKSPACED_IMAGE_PREFIX=prefix)
    refused.expected_log.append("pull")
    id_ = refused.create("Refused", runtime="hermes")
    row = refused.wait_status(id_, "failed", 60)
    assert "refuses" in row["last_sample_error"], row
    refused.delete(f"/workspaces/{id_}")
    allowed = docker_server(WORKSPACED_IMAGE_PREFIX=prefix, GHCR_USER="robot", GHCR_TOKEN="s3cret+/")
    id_ = allowed.create("Allowed", runtime="hermes", executor="echo")
    allowed.wait_status(id_, "online", 60)
    assert allowed.delete(f"/workspaces/{id_}").status_code == 200


@pytest.mark.parametrize("fault", ["unknown", "broken"])
def test_a_failed_pull_says_so(docker_server, registry, fault):
    server = docker_server(PROVISION_TIMEOUT_SECONDS="4")
    server.expected_log.append("pull")
    registry.put("acme/bad", files={"noise": os.urandom(200_000)})
    if fault == "broken":
        registry.fail["acme/bad", "blobs"] = 500
    name = "acme/none" if fault == "unknown" else "acme/bad"
    id_ = server.create("Bad", image=f"{registry.host}/{name}:latest")
    row = server.wait_status(id_, "failed", 90)
    assert f"{registry.host}/{name}:latest" in row["last_sample_error"], row
    assert server.delete(f"/workspaces/{id_}").status_code == 200


def test_delete_while_pulling(docker_server, registry, docker):
    server = docker_server()
    server.expected_log.append("pull")
    registry.put("acme/endless", files={"noise": os.urandom(2 * SLOW_BYTES)})
    registry.piece_delay = 0.5
    id_ = server.create("Impatient", image=f"{registry.host}/acme/endless:latest")
    wait_for(lambda: registry.asked("GET", "/blobs/"), 20, "the pull")
    began = time.monotonic()
    answer = server.delete(f"/workspaces/{id_}")
    assert answer.status_code == 200 and answer.json()["cleanup"] == "done", answer.text
    assert time.monotonic() - began < 8
    wait_for(lambda: not docker.left_over(server), 20, "an empty engine")
    assert server.database.query("SELECT count(*) FROM runtime_gc") == [(0,)]


def test_two_workspaces_share_one_pull(docker_server, registry):
    server = docker_server()
    registry.put("acme/shared", files={"noise": os.urandom(SLOW_BYTES // 2)})
    registry.piece_delay = 0.02
    image = f"{registry.host}/acme/shared:latest"
    with listen(server) as socket:
        ids = [server.create(f"Twin {uuid.uuid4().hex[:4]}", image=image) for _ in range(2)]
        for id_ in ids:
            server.wait_status(id_, "online", 60)
        told = {event["workspace_id"] for _, event in pull_events(socket, 0.5)}
    assert told == set(ids)
    assert len([one for one in registry.asked("GET", "/manifests/latest")]) <= 2
    for id_ in ids:
        assert server.delete(f"/workspaces/{id_}").status_code == 200
