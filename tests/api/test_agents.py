"""Models assigned to workspaces. Source: spec 01 sections 14, 21 (26)."""

import threading

import pytest

NOWHERE = "00000000-0000-4000-8000-000000000000"


def assign(api, id_, model="m1", **more):
    return api.post(f"/workspaces/{id_}/agent", {"model": model}, **more)


def events(api, id_):
    return [(event["event_type"], event["payload"]) for event in api.get(f"/events/{id_}").json() if "AGENT" in event["event_type"]]


def test_a_models_history(api):
    id_ = api.create("A", external=True)
    answer = assign(api, id_)
    first = answer.json()["agent_id"]
    assert (answer.status_code, answer.json()) == (201, {"agent_id": first, "model": "m1"})
    assert assign(api, id_).status_code == 409
    answer = api.patch(f"/workspaces/{id_}/agent", {"model": "m2"})
    second = answer.json()["agent_id"]
    assert second != first
    assert (answer.status_code, answer.json()) == (200, {"agent_id": second, "model": "m2", "old_model": "m1"})
    answer = api.delete(f"/workspaces/{id_}/agent")
    assert (answer.status_code, answer.json()) == (200, {"status": "removed", "agent_id": second})
    assert api.delete(f"/workspaces/{id_}/agent").status_code == 404
    assert api.patch(f"/workspaces/{id_}/agent", {"model": "m3"}).status_code == 404
    assert events(api, id_) == [
        ("AGENT_REMOVED", {"agent_id": second, "model": "m2"}),
        ("AGENT_REPLACED", {"agent_id": second, "model": "m2", "old_model": "m1"}),
        ("AGENT_ASSIGNED", {"agent_id": first, "model": "m1"}),
    ]
    rows = api.database.query(f"SELECT id, status, removal_reason FROM agents WHERE workspace_id = '{id_}'")
    assert set(rows) == {(first, "replaced", "model_replaced"), (second, "removed", "manual_removal")}


def test_two_assignments_at_once(api):
    id_ = api.create("A")
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(assign(api, id_).status_code)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [201] + [409] * 5


def test_move(api):
    source, target, busy = api.create("S", external=True), api.create("T", external=True), api.create("B")
    agent = assign(api, source).json()["agent_id"]
    assign(api, busy)

    def move(from_, to, **more):
        return api.post(f"/workspaces/{from_}/agent/move", {"target_workspace_id": to}, **more)

    assert move(source, NOWHERE).status_code == 404
    assert move(source, source).status_code == 409
    assert move(source, busy).status_code == 409
    assert move(target, api.create("E")).status_code == 404
    assert move(source, "x").status_code == 400
    assert move(source, target, token=api.mint(source)).status_code in (401, 403)
    answer = move(source, target.upper())
    assert (answer.status_code, answer.json()) == (
        200, {"agent_id": agent, "model": "m1", "from_workspace": source, "to_workspace": target},
    )  # fmt: skip
    assert events(api, source)[0] == ("AGENT_MOVED", {"agent_id": agent, "model": "m1", "target_workspace_id": target})
    assert events(api, target)[0] == ("AGENT_MOVED", {"agent_id": agent, "model": "m1", "source_workspace_id": source})
    assert assign(api, source).status_code == 201


@pytest.mark.parametrize("body", [None, {}, {"model": ""}, {"model": 5}, {"model": "x" * 101}, {"model": "a\nb"}])
def test_bad_models(api, body):
    id_ = api.create("A")
    for method in ("POST", "PATCH"):
        answer = api.request(method, f"/workspaces/{id_}/agent", json=body)
        assert answer.status_code == 400 and answer.json()["error"]


def test_removed_workspaces_have_no_agent(api):
    id_ = api.create("A")
    assign(api, id_)
    api.delete(f"/workspaces/{id_}")
    for answer in (assign(api, id_), api.delete(f"/workspaces/{id_}/agent"), assign(api, NOWHERE)):
        assert answer.status_code == 404
