"""Create, list, get, patch, delete, state. Source: spec 01 sections 4 to 8, 21."""

import json
import uuid

import pytest

LIST_KEYS = {
    "id", "name", "role", "tier", "status", "agent_card", "url", "parent_id", "active_tasks", "max_concurrent_tasks",
    "last_error_rate", "last_sample_error", "uptime_seconds", "current_task", "runtime", "workspace_dir",
    "monthly_spend", "budget_used", "budget_limit", "failure", "x", "y", "collapsed",
}  # fmt: skip
PRIVATE_KEYS = {"last_sample_error", "current_task", "workspace_dir", "monthly_spend", "budget_used", "budget_limit"}
NOWHERE = "00000000-0000-4000-8000-000000000000"


def bad_request(answer):
    assert answer.status_code == 400, (answer.status_code, answer.text)
    assert set(answer.json()) == {"error"} and answer.json()["error"]
    return True


def test_create_and_read(api):
    answer = api.post("/workspaces", {"name": "A", "canvas": {"x": 100, "y": 200}})
    body = answer.json()
    assert answer.status_code == 201
    assert body == {
        "id": body["id"],
        "status": "provisioning",
        "awareness_namespace": "workspace:" + body["id"],
        "workspace_access": "none",
    }
    assert str(uuid.UUID(body["id"])) == body["id"]
    listed = api.get("/workspaces")
    assert listed.headers["Content-Type"] == "application/json; charset=utf-8"
    for fragment in ('"x":100', '"agent_card":null', '"role":null', '"last_error_rate":0', '"tier":2', '"runtime":"builtin"'):
        assert fragment in listed.text
    [row] = listed.json()
    assert set(row) == LIST_KEYS | {"last_heartbeat_at", "created_at"}
    one = api.workspace(body["id"])
    assert set(one) == (LIST_KEYS - PRIVATE_KEYS) | {"last_outbound_at", "last_heartbeat_at", "created_at"}


def test_all_fields_are_kept(api):
    parent = api.create("P")
    id_ = api.create(
        "Full", role="does things", model="m", tier=1, parent_id=parent, budget_limit=500, max_concurrent_tasks=3,
        workspace_dir="/home/x/work", workspace_access="read_only", runtime="hermes", secrets={"KEY": "value"},
        initial_memories=[{"content": "remember A_TOKEN=abc", "scope": "team"}],
    )  # fmt: skip
    row = api.listed(id_)
    assert (row["role"], row["tier"], row["parent_id"], row["budget_limit"]) == ("does things", 1, parent, 500)
    assert (row["max_concurrent_tasks"], row["workspace_dir"], row["runtime"]) == (3, "/home/x/work", "hermes")
    [(content, scope)] = api.database.query(f"SELECT content, scope FROM agent_memories WHERE workspace_id = '{id_}'")
    assert (content, scope) == ("remember [REDACTED:TOKEN]", "TEAM")
    [(value,)] = api.database.query(f"SELECT encrypted_value FROM workspace_secrets WHERE workspace_id = '{id_}'")
    assert len(bytes(value)) == 12 + len("value") + 16


@pytest.mark.parametrize(
    "body",
    [
        {"tier": 1}, {"name": ""}, {"name": 5}, {"name": None}, {"name": "a{b"}, {"name": "a\nb"}, {"name": "x" * 256},
        {"name": "a", "role": "x" * 1001}, {"name": "a", "role": "*"}, {"name": "a", "model": "a\rb"},
        {"name": "a", "model": "x" * 101}, {"name": "a", "runtime": "x" * 101}, {"name": "a", "runtime": "../../etc"},
        {"name": "a", "runtime": "/bin/sh"}, {"name": "a", "tier": 5}, {"name": "a", "tier": -1},
        {"name": "a", "tier": "2"}, {"name": "a", "tier": 2.5}, {"name": "a", "budget_limit": 10.5},
        {"name": "a", "budget_limit": -1}, {"name": "a", "parent_id": "x"}, {"name": "a", "parent_id": ""},
        {"name": "a", "parent_id": NOWHERE}, {"name": "a", "workspace_access": "read_write"},
        {"name": "a", "workspace_access": "all", "workspace_dir": "/x"}, {"name": "a", "workspace_dir": "/etc/x"},
        {"name": "a", "workspace_dir": "a/b"}, {"name": "a", "workspace_dir": "/data/../x"},
        {"name": "a", "template": "../../x", "runtime": "hermes", "model": "m"}, {"name": "a\u0000b"},
        {"name": "a", "secrets": {"": "x"}}, {"name": "a", "secrets": {"A=B": "x"}}, {"name": "a", "secrets": {"K": 5}},
        {"name": "a", "secrets": []}, {"name": "a", "canvas": 5}, {"name": "a", "canvas": {"x": "1"}},
        {"name": "a", "external": "yes"}, {"name": "a", "image": "a b"}, {"name": "a", "executor": "rm"},
        {"name": "a", "executor": "command"}, {"name": "a", "initial_memories": {}},
        {"name": "a", "external": True, "url": "http://169.254.169.254/"},
    ],
)  # fmt: skip
def test_bad_create(api, body):
    assert bad_request(api.post("/workspaces", body))
    assert api.get("/workspaces").text == "[]"


@pytest.mark.parametrize(
    "text", ["", "not json", "{", "[]", "5", "\"x\"", "\ufeff{}", "[" * 20000, "{\"name\":\"a\",}", "{'name':'a'}"]
)
def test_malformed_bodies(api, text):
    assert bad_request(api.post("/workspaces", data=text.encode()))


def test_a_body_may_be_too_long(api):
    answer = api.post("/workspaces", data=b'{"name":"' + b"a" * (10 << 20) + b'"}')
    assert answer.status_code == 413 and answer.json()["error"]


def test_invalid_utf8_is_repaired(api):
    answer = api.post("/workspaces", data=b'{"name":"a\xff\xfeb"}')
    assert answer.status_code == 201
    assert api.listed(answer.json()["id"])["name"] == "a\ufffd\ufffdb"


@pytest.mark.parametrize("fields", [{"name": "x" * 255}, {"role": "x" * 1000}, {"model": "x" * 100}, {"runtime": "x" * 100}])
def test_longest_fields(api, fields):
    api.create(**{"name": "a", **fields})


def test_keys_ignore_case_and_the_last_wins(api):
    answer = api.post("/workspaces", data=b'{"NAME":"a","name":"b","unknown":[1]} trailing')
    assert api.listed(answer.json()["id"])["name"] == "b"


@pytest.mark.parametrize("bad", ["x", "1234", "{7c9e6679-7425-40de-944b-e07fc1f90ae7}", "7c9e6679742540de944be07fc1f90ae7"])
def test_id_must_be_a_plain_uuid(api, bad):
    for answer in (api.get(f"/workspaces/{bad}"), api.patch(f"/workspaces/{bad}", {}), api.delete(f"/workspaces/{bad}")):
        assert (answer.status_code, answer.json()) == (400, {"error": "invalid workspace ID"})


def test_id_in_any_case(api):
    id_ = api.create("A")
    assert api.workspace(id_.upper())["id"] == id_


def test_unknown_workspace(api):
    for answer in (api.get(f"/workspaces/{NOWHERE}"), api.patch(f"/workspaces/{NOWHERE}", {"name": "x"}), api.delete(f"/workspaces/{NOWHERE}")):
        assert answer.status_code == 404 and answer.json()["error"]


def test_order_of_the_list(api):
    ids = [api.create(f"w{number}") for number in range(5)]
    assert [one["id"] for one in api.get("/workspaces").json()] == ids


# ---- Patch ----


def test_patch_fields(api):
    id_ = api.create("A", canvas={"x": 1, "y": 1})
    for body in ({"x": 5}, {"budget_limit": None}, {"Name": "M"}, {"status": "online"}, {}, None):
        answer = api.patch(f"/workspaces/{id_}", data=json.dumps(body).encode())
        assert (answer.status_code, answer.text) == (200, '{"status":"updated"}')
    row = api.listed(id_)
    assert (row["x"], row["name"]) == (1, "A")
    api.patch(f"/workspaces/{id_}", {"x": 3.5, "y": -2, "collapsed": True, "name": "N", "role": "r", "tier": 1.0})
    row = api.listed(id_)
    assert (row["x"], row["y"], row["collapsed"], row["name"], row["role"], row["tier"]) == (3.5, -2, True, "N", "r", 1)
    api.patch(f"/workspaces/{id_}", {"role": None})
    assert api.listed(id_)["role"] is None
    answer = api.patch(f"/workspaces/{id_}", {"workspace_dir": "/srv/x"})
    assert answer.json() == {"status": "updated", "needs_restart": True}


@pytest.mark.parametrize(
    "body",
    [
        {"name": "N", "workspace_dir": "/etc"}, {"name": "N", "x": "NaN", "y": "0"}, {"name": "N", "tier": 3.5},
        {"name": "N", "tier": "4"}, {"name": "N", "tier": 9}, {"name": "N", "parent_id": NOWHERE},
        {"name": "N", "parent_id": 5}, {"name": "N", "collapsed": "no"}, {"name": ""}, {"name": None}, {"name": 5},
        {"name": "N", "runtime": "../x"}, {"name": "N", "role": ["x"]}, {"name": "N\u0000"},
        {"name": "N", "workspace_access": "read_write"}, {"name": "N", "hibernation_idle_minutes": 0},
    ],
)  # fmt: skip
def test_a_bad_patch_changes_nothing(api, body):
    id_ = api.create("A")
    assert bad_request(api.patch(f"/workspaces/{id_}", body))
    assert api.listed(id_)["name"] == "A"


def test_cycles_are_refused(api):
    a = api.create("A")
    b = api.create("B", parent_id=a)
    assert bad_request(api.patch(f"/workspaces/{a}", {"parent_id": b}))
    assert bad_request(api.patch(f"/workspaces/{a}", {"parent_id": a}))
    assert api.patch(f"/workspaces/{b}", {"parent_id": None}).status_code == 200
    assert api.listed(b)["parent_id"] is None


def test_an_agent_cannot_raise_itself(api):
    a = api.create("A")
    token = api.mint(a)
    for body in ({"tier": 4}, {"parent_id": None}, {"runtime": "x"}, {"workspace_dir": "/srv"}):
        answer = api.patch(f"/workspaces/{a}", body, token=token)
        assert answer.status_code == 403 and answer.json()["error"]
    assert api.patch(f"/workspaces/{a}", {"name": "Me"}, token=token).status_code == 200
    assert api.listed(a)["tier"] == 2


# ---- Delete ----


def test_a_parent_needs_confirmation(api):
    parent = api.create("P")
    children = {api.create(name, parent_id=parent): name for name in ("c1", "c2")}
    answer = api.delete(f"/workspaces/{parent}")
    body = answer.json()
    assert answer.status_code == 409
    assert (body["status"], body["children_count"]) == ("confirmation_required", 2)
    assert {child["id"]: child["name"] for child in body["children"]} == children
    assert len(api.get("/workspaces").json()) == 3
    assert api.delete(f"/workspaces/{parent}?confirm=TRUE").status_code == 409


def test_cascade(api):
    root = api.create("R")
    child = api.create("C", parent_id=root)
    leaf = api.create("L", parent_id=child)
    other = api.create("O")
    token = api.mint(leaf)
    answer = api.delete(f"/workspaces/{root}?confirm=true")
    assert (answer.status_code, answer.json()) == (200, {"status": "removed", "cascade_deleted": 2, "cleanup": "done"})
    assert [one["id"] for one in api.get("/workspaces").json()] == [other]
    assert api.workspace(leaf)["status"] == "removed"
    assert api.get(f"/workspaces/{leaf}/activity", token=token).status_code == 401
    removed = [event["workspace_id"] for event in reversed(api.get("/events").json()) if event["event_type"] == "WORKSPACE_REMOVED"]
    assert removed[-1] == root and set(removed[-3:]) == {root, child, leaf}
    assert api.get(f"/events/{root}").json()[0]["payload"] == {"cascade_deleted": 2}
    again = api.delete(f"/workspaces/{root}")
    assert (again.status_code, again.json()["cascade_deleted"]) == (200, 0)
    assert len(api.get(f"/events/{root}").json()) == len([1 for e in api.get(f"/events/{root}").json()])


def test_purge(api):
    root = api.create("R", secrets={"A": "b"})
    child = api.create("C", parent_id=root)
    answer = api.delete(f"/workspaces/{root}?confirm=true&purge=true")
    assert (answer.status_code, answer.json()["status"]) == (200, "purged")
    for table in ("workspace_secrets", "workspace_auth_tokens", "canvas_layouts", "activity_logs"):
        assert api.database.query(f"SELECT count(*) FROM {table} WHERE workspace_id IN ('{root}', '{child}')") == [(0,)]
    assert api.get(f"/workspaces/{root}").status_code == 404
    state = api.get(f"/workspaces/{root}/state")
    assert (state.status_code, state.json()) == (404, {"workspace_id": root, "deleted": True})


# ---- State ----


def test_state(api):
    id_ = api.create("A", external=True)
    token = api.mint(id_)
    assert api.get(f"/workspaces/{id_}/state", token=token).json() == {
        "workspace_id": id_, "status": "online", "paused": False, "deleted": False,
    }  # fmt: skip
    assert api.get(f"/workspaces/{id_}/state", token=None).status_code == 401
    api.delete(f"/workspaces/{id_}")
    for credential in (token, True):
        answer = api.get(f"/workspaces/{id_}/state", token=credential)
        assert (answer.status_code, answer.json()) == (404, {"workspace_id": id_, "status": "removed", "deleted": True})


# ---- External ones ----


def test_external(api):
    answer = api.post("/workspaces", {"name": "E", "external": True, "url": "http://93.184.216.34:1"})
    assert answer.status_code == 201
    assert answer.json() == {"id": answer.json()["id"], "status": "online", "external": True}
    assert api.listed(answer.json()["id"])["runtime"] == "external"


def test_awaiting_agent(api):
    body = api.post("/workspaces", {"name": "E", "runtime": "external"}).json()
    assert (body["status"], body["external"]) == ("awaiting_agent", True)
    connection = body["connection"]
    assert set(connection) == {
        "workspace_id", "platform_url", "auth_token", "registry_endpoint", "heartbeat_endpoint",
        "curl_register_template", "python_snippet",
    }  # fmt: skip
    answer = api.post(
        "/registry/register",
        {"id": body["id"], "url": "http://localhost:9", "agent_card": {"name": "E"}},
        token=connection["auth_token"],
    )
    assert answer.json() == {"status": "registered"}
    assert api.listed(body["id"])["status"] == "online"


def test_without_an_engine_a_start_fails_with_its_reason(api):
    id_ = api.create("A")
    row = api.wait_status(id_, "failed")
    assert row["last_sample_error"]
    assert api.get(f"/events/{id_}").json()[0]["event_type"] == "WORKSPACE_PROVISION_FAILED"
