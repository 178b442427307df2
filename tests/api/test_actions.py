"""Restart, pause, resume, hibernate: rows, answers and events, without a container engine."""

import pytest

from workspaced import wait_for

NOBODY = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


def events_of(api, id_, kind):
    return [one for one in api.get(f"/events/{id_}").json() if one["event_type"] == kind]


def status_of(api, id_):
    return api.workspace(id_)["status"]


@pytest.fixture
def external(api):
    """An external workspace that is online."""
    id_ = api.create("Remote", external=True)
    assert status_of(api, id_) == "online"
    return id_


@pytest.mark.parametrize("action", ["restart", "pause", "resume", "hibernate"])
def test_unknown_and_removed_are_404(api, action):
    id_ = api.create("Gone", external=True)
    api.delete(f"/workspaces/{id_}")
    for one in (NOBODY, id_):
        answer = api.post(f"/workspaces/{one}/{action}")
        assert answer.status_code == 404 and "not found" in answer.json()["error"]
    assert api.post(f"/workspaces/x/{action}").status_code == 400


@pytest.mark.parametrize("action", ["restart", "pause", "resume", "hibernate"])
def test_needs_a_credential_of_the_workspace(api, action):
    id_, other = api.create("One"), api.create("Other")
    assert api.post(f"/workspaces/{id_}/{action}", token=None).status_code == 401
    assert api.post(f"/workspaces/{id_}/{action}", token=api.mint(other)).status_code in (401, 403)


def test_restart_says_why_not(api, external):
    assert api.post(f"/workspaces/{external}/restart").status_code == 409
    root, id_ = api.create("Root Team"), None
    id_ = api.create("Child", parent_id=root)
    leaf = api.create("Leaf", parent_id=id_)
    assert api.post(f"/workspaces/{id_}/restart").status_code == 503
    assert api.post(f"/workspaces/{root}/pause").json() == {"status": "paused", "paused_count": 3}
    for one, above in ((id_, "Root Team"), (leaf, "Child")):
        answer = api.post(f"/workspaces/{one}/restart")
        assert answer.status_code == 409
        assert above in answer.json()["error"] and "paused" in answer.json()["error"]
    assert api.post(f"/workspaces/{root}/restart").status_code == 503


def test_pause_takes_all_below(api):
    root = api.create("Root")
    a, b = api.create("A", parent_id=root), api.create("B", parent_id=root)
    leaf = api.create("Leaf", parent_id=a)
    assert api.post(f"/workspaces/{a}/pause").json() == {"status": "paused", "paused_count": 2}
    assert api.post(f"/workspaces/{a}/pause").status_code == 404
    assert api.post(f"/workspaces/{root}/pause").json() == {"status": "paused", "paused_count": 2}
    for one, name in ((root, "Root"), (a, "A"), (b, "B"), (leaf, "Leaf")):
        found = api.workspace(one)
        assert (found["status"], found["url"]) == ("paused", "")
        assert [event["payload"] for event in events_of(api, one, "WORKSPACE_PAUSED")] == [{"name": name}]
    wishes = api.database.query(f"SELECT desired FROM workspace_runtime WHERE workspace_id IN ('{root}', '{leaf}')")
    assert wishes == [("stopped",), ("stopped",)]
    assert api.post(f"/workspaces/{b}/resume").status_code == 503  # before the ancestors; pinned


def test_paused_and_external(api, external):
    api.post(
        "/registry/register",
        {"id": external, "url": "http://8.8.8.8:9000", "agent_card": {"name": "R"}},
    )
    url = api.workspace(external)["url"]
    assert url
    assert api.post(f"/workspaces/{external}/pause").json()["paused_count"] == 1
    assert (status_of(api, external), api.workspace(external)["url"]) == ("paused", url)
    assert api.post(f"/workspaces/{external}/resume").json() == {"status": "provisioning", "resumed_count": 1}
    assert api.workspace(external)["url"] == url
    assert len(events_of(api, external, "WORKSPACE_PROVISIONING")) == 1


def test_hibernate_an_external_one(api, external):
    assert api.post(f"/workspaces/{external}/hibernate").json() == {"status": "hibernated"}
    assert status_of(api, external) == "hibernated"
    (event,) = events_of(api, external, "WORKSPACE_HIBERNATED")
    assert event["payload"] == {"name": "Remote", "tier": 2}
    answer = api.post(f"/workspaces/{external}/hibernate")
    assert answer.status_code == 404 and "not found" in answer.json()["error"]


def test_hibernate_leaves_who_works(api, external):
    token = api.mint(external)
    beat = {
        "workspace_id": external,
        "error_rate": 0,
        "sample_error": "",
        "active_tasks": 2,
        "uptime_seconds": 1,
        "current_task": "x",
    }
    assert api.post("/registry/heartbeat", beat, token=token).status_code == 200
    answer = api.post(f"/workspaces/{external}/hibernate")
    assert (answer.status_code, answer.json()["active_tasks"]) == (409, 2)
    assert status_of(api, external) == "online"
    assert api.post(f"/workspaces/{external}/hibernate?force=true").json() == {"status": "hibernated"}


def test_late_heartbeats_do_not_wake(api, external):
    token = api.mint(external)
    api.post(f"/workspaces/{external}/pause")
    beat = {"workspace_id": external, "error_rate": 0, "active_tasks": 0, "uptime_seconds": 1, "current_task": ""}
    api.post("/registry/heartbeat", beat, token=token)
    card = {"id": external, "url": "http://8.8.8.8:9000", "agent_card": {"name": "R"}}
    api.post("/registry/register", card, token=token)
    assert status_of(api, external) == "paused"
    api.post(f"/workspaces/{external}/resume")
    api.post("/registry/heartbeat", beat, token=token)
    wait_for(lambda: status_of(api, external) == "online", 5, "online again")


def test_two_resumes_at_once(api, external):
    from concurrent.futures import ThreadPoolExecutor

    import requests

    api.post(f"/workspaces/{external}/pause")

    def resume(_):
        return requests.post(
            f"{api.url}/workspaces/{external}/resume", headers={"Authorization": f"Bearer {api.token}"}, timeout=20
        ).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(resume, range(4))) == [200, 404, 404, 404]
    assert len(events_of(api, external, "WORKSPACE_PROVISIONING")) == 1


def test_a_cycle_ends(api):
    a = api.create("A", external=True)
    b = api.create("B", external=True, parent_id=a)
    assert api.patch(f"/workspaces/{a}", {"parent_id": b}).status_code == 400
    assert api.post(f"/workspaces/{a}/pause").json()["paused_count"] == 2
    assert api.post(f"/workspaces/{b}/resume").status_code == 409
    assert api.post(f"/workspaces/{a}/resume").json()["resumed_count"] == 2


def test_restart_body_is_read_kindly(api, external):
    for body in (b"not json", b"[1]", b'{"template": 5, "reset": "x"}', b""):
        answer = api.session.post(
            f"{api.url}/workspaces/{external}/restart", data=body, headers={"Authorization": f"Bearer {api.token}"}
        )
        assert answer.status_code == 409


def test_idle_minutes_are_the_administrators(api):
    id_ = api.create("Idle")
    for bad in (0, -1, 1.5, "x", True):
        assert api.patch(f"/workspaces/{id_}", {"hibernation_idle_minutes": bad}).status_code == 400
    assert api.patch(f"/workspaces/{id_}", {"hibernation_idle_minutes": 5}).status_code == 200
    api.patch(f"/workspaces/{id_}", {"hibernation_idle_minutes": 9}, token=api.mint(id_))  # ignored
    rows = f"SELECT hibernation_idle_minutes FROM workspaces WHERE id = '{id_}'"
    assert api.database.query(rows) == [(5,)]
    assert api.patch(f"/workspaces/{id_}", {"hibernation_idle_minutes": None}).status_code == 200
    assert api.database.query(rows) == [(None,)]


def test_a_registration_ends_the_wait_for_an_agent(api):
    answer = api.post("/workspaces", {"name": "Remote", "runtime": "external"}).json()
    id_, token = answer["id"], answer["connection"]["auth_token"]
    assert status_of(api, id_) == "awaiting_agent"
    beat = {"workspace_id": id_, "error_rate": 0, "active_tasks": 0, "uptime_seconds": 1, "current_task": ""}
    assert api.post("/registry/heartbeat", beat, token=token).status_code == 200
    assert status_of(api, id_) == "awaiting_agent"  # it has no address yet
    card = {"id": id_, "url": "http://8.8.8.8:9000", "agent_card": {"name": "R"}}
    assert api.post("/registry/register", card, token=token).status_code == 200
    assert status_of(api, id_) == "online"


def test_a_message_to_a_sleeping_external_one_goes_on(api, external):
    """It keeps its address; nobody has to start it."""
    card = {"id": external, "url": "http://8.8.8.8:9000", "agent_card": {"name": "R"}}
    api.post("/registry/register", card, token=api.mint(external))
    api.post(f"/workspaces/{external}/hibernate")
    api.session.post(
        f"{api.url}/workspaces/{external}/a2a",
        data=b"not json",
        headers={"Authorization": f"Bearer {api.token}"},
    )
    assert status_of(api, external) == "hibernated"  # what is no message wakes nobody
    body = {"method": "message/send", "params": {"message": {"role": "user", "messageId": "m", "parts": []}}}
    api.post(f"/workspaces/{external}/a2a", body, headers={"X-Timeout": "1"})
    assert status_of(api, external) == "provisioning"
    assert len(events_of(api, external, "WORKSPACE_PROVISIONING")) == 1
