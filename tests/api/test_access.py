"""Credentials, classes, tokens, limits, headers. Source: spec 03 sections 1.3 to 6."""

import concurrent.futures

import pytest

from workspaced import wait_for

NOWHERE = "00000000-0000-4000-8000-000000000000"

CLOSED = [
    ("GET", "/workspaces"), ("POST", "/workspaces"), ("GET", f"/workspaces/{NOWHERE}"),
    ("PATCH", f"/workspaces/{NOWHERE}"), ("DELETE", f"/workspaces/{NOWHERE}"), ("GET", "/events"),
    ("GET", f"/events/{NOWHERE}"), ("GET", "/admin/liveness"), ("GET", "/admin/runtime"), ("POST", "/admin/runtime/confirm"), ("GET", "/admin/runtime/orphans"),
    ("POST", "/admin/runtime/reap"), ("GET", "/org/tokens"), ("POST", "/org/tokens"),
    ("GET", f"/workspaces/{NOWHERE}/tokens"), ("POST", f"/workspaces/{NOWHERE}/tokens"),
    ("GET", f"/workspaces/{NOWHERE}/activity"), ("GET", f"/workspaces/{NOWHERE}/events/stream"),
    ("GET", f"/workspaces/{NOWHERE}/logs"), ("POST", f"/workspaces/{NOWHERE}/a2a"),
    ("GET", f"/admin/workspaces/{NOWHERE}/test-token"), ("POST", "/registry/check-access"),
    ("GET", "/workspaces/not-a-uuid"), ("GET", "/workspaces/not-a-uuid/tokens"),
]  # fmt: skip


@pytest.mark.parametrize("method, path", CLOSED)
def test_closed_without_a_credential(api, method, path):
    body = {"caller_id": NOWHERE, "target_id": NOWHERE}
    for token in (None, "wrong", "A" * 43):
        answer = api.request(method, path, token=token, json=None if method == "GET" else body)
        assert answer.status_code == 401, (answer.status_code, answer.text)
        assert set(answer.json()) == {"error"}


def test_pinned_texts(api):
    assert api.get("/workspaces", token=None).json() == {"error": "admin auth required"}
    assert api.get(f"/workspaces/{NOWHERE}/activity", token=None).json() == {"error": "missing workspace auth token"}


def test_the_form_of_a_bearer(api):
    id_ = api.create("A")
    token = api.mint(id_)
    path = f"/workspaces/{id_}/tokens"
    for header, status in ((f"bearer {token}", 401), (f"Bearer   {token}  ", 200), (token, 401), ("Bearer ", 401)):
        assert api.get(path, token=None, headers={"Authorization": header}).status_code == status


def test_a_workspace_token_opens_its_own(api):
    a, b = api.create("A"), api.create("B")
    token = api.mint(a)
    assert api.get(f"/workspaces/{a}/activity", token=token).status_code == 200
    assert api.get(f"/workspaces/{b}/activity", token=token).status_code == 401
    assert api.get("/workspaces", token=token).status_code == 401
    assert api.get(f"/workspaces/{b}", token=token).status_code == 200  # a sibling may talk to it
    child = api.create("C", parent_id=b)
    assert api.get(f"/workspaces/{child}", token=token).status_code == 403
    api.delete(f"/workspaces/{a}")
    assert api.get(f"/workspaces/{a}/activity", token=token).status_code == 401


def test_life_of_a_token(api):
    id_, other = api.create("A"), api.create("B")
    answer = api.post(f"/workspaces/{id_}/tokens")
    body = answer.json()
    assert answer.status_code == 201 and set(body) == {"auth_token", "workspace_id", "message"}
    assert answer.headers["Cache-Control"] == "no-store"
    token = body["auth_token"]
    assert len(token) == 43
    listed = api.get(f"/workspaces/{id_}/tokens").json()
    assert listed["count"] == 1 and set(listed["tokens"][0]) == {"id", "prefix", "created_at", "last_used_at"}
    assert (listed["tokens"][0]["prefix"], listed["tokens"][0]["last_used_at"]) == (token[:8], None)
    token_id = listed["tokens"][0]["id"]
    assert api.get(f"/workspaces/{id_}/activity", token=token).status_code == 200
    assert api.get(f"/workspaces/{id_}/tokens").json()["tokens"][0]["last_used_at"]
    assert api.delete(f"/workspaces/{other}/tokens/{token_id}").status_code == 404
    assert api.delete(f"/workspaces/{id_}/tokens/{token_id}").json() == {"status": "revoked"}
    assert api.delete(f"/workspaces/{id_}/tokens/{token_id}").status_code == 404
    assert api.delete(f"/workspaces/{id_}/tokens/x").status_code == 404
    assert api.get(f"/workspaces/{id_}/activity", token=token).status_code == 401
    assert api.get(f"/workspaces/{id_}/tokens").json() == {"tokens": [], "count": 0}
    assert api.post(f"/workspaces/{NOWHERE}/tokens").status_code == 404
    assert api.post("/workspaces/x/tokens").status_code == 404


def test_the_cap_holds_under_load(api):
    id_ = api.create("A")
    for _ in range(45):
        api.mint(id_)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: api.post(f"/workspaces/{id_}/tokens").status_code, range(20)))
    assert sorted(answers) == [201] * 5 + [429] * 15


def test_org_tokens(api):
    answer = api.post("/org/tokens", data=b"")
    body = answer.json()
    assert answer.status_code == 200 and body["prefix"] == body["auth_token"][:8] and "name" not in body
    assert api.post("/org/tokens", {"name": "x" * 101}).status_code == 400
    token = body["auth_token"]
    id_ = api.create("A")
    assert api.get("/workspaces", token=token).status_code == 200
    assert api.get(f"/workspaces/{id_}/activity", token=token).status_code == 200
    child = api.post("/org/tokens", {"name": "child"}, token=token).json()
    listed = api.get("/org/tokens").json()
    assert listed["count"] == len(listed["tokens"])
    made = {one["id"]: one for one in listed["tokens"]}
    assert made[child["id"]]["created_by"] == f"org-token:{body['prefix']}"
    assert made[child["id"]]["name"] == "child"
    for one in (child["id"], body["id"]):
        assert api.delete(f"/org/tokens/{one}").json() == {"revoked": one}
        assert api.delete(f"/org/tokens/{one}").status_code == 404
    assert api.get("/workspaces", token=token).status_code == 401


def test_test_token(api):
    id_ = api.create("A")
    answer = api.get(f"/admin/workspaces/{id_}/test-token")
    assert answer.status_code == 200 and answer.json()["workspace_id"] == id_
    assert api.get(f"/workspaces/{id_}/activity", token=answer.json()["auth_token"]).status_code == 200
    assert api.get(f"/admin/workspaces/{NOWHERE}/test-token").status_code == 404
    assert api.get("/admin/workspaces/x/test-token").status_code == 404


# ---- Other settings ----


def test_development_is_open(start_server):
    api = start_server(MOLECULE_ENV="development")
    id_ = api.create("A")
    token = api.mint(id_)
    assert api.get("/workspaces", token=None).status_code == 200
    assert api.get("/workspaces", token="wrong").status_code == 200
    assert api.get(f"/workspaces/{id_}/activity", token=None).status_code == 200
    assert api.get(f"/workspaces/{id_}/activity", token="wrong").status_code == 401
    assert api.get("/workspaces", token=token).status_code == 200
    assert api.get("/workspaces", token=None).headers["X-RateLimit-Limit"] == "unlimited"


def test_development_with_an_admin_token_is_closed(start_server):
    api = start_server(MOLECULE_ENV="development", ADMIN_TOKEN="a-secret")
    assert api.token == "a-secret"
    assert api.get("/workspaces", token=None).status_code == 401
    assert api.get("/workspaces").status_code == 200


def test_production_hides_test_tokens(start_server):
    api = start_server(MOLECULE_ENV="production")
    id_ = api.create("A")
    assert api.get(f"/admin/workspaces/{id_}/test-token").status_code == 404


def test_rate_limit(start_server):
    api = start_server(RATE_LIMIT=3)
    for remaining in ("2", "1", "0"):
        answer = api.get("/workspaces", headers={"X-Forwarded-For": remaining})
        assert (answer.status_code, answer.headers["X-RateLimit-Remaining"]) == (200, remaining)
        assert answer.headers["X-RateLimit-Limit"] == "3"
    answer = api.get("/workspaces", headers={"Origin": "http://localhost:3000"})
    assert answer.status_code == 429 and answer.json()["retry_after"] >= 1
    assert answer.headers["Retry-After"] == str(answer.json()["retry_after"])
    assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
    assert api.get("/health").status_code == 200


# ---- Router and headers ----


def test_unknown_paths(api):
    answer = api.get("/nope")
    assert (answer.status_code, answer.text) == (404, "404 page not found")
    assert "'unsafe-inline'" in answer.headers["Content-Security-Policy"]
    answer = api.get("/workspaces/a/b/c/d")
    assert answer.status_code == 404 and "error" in answer.json()
    answer = api.request("PUT", "/workspaces")
    assert (answer.status_code, set(answer.headers["Allow"].split(", "))) == (405, {"GET", "POST"})


def test_head(api):
    for path in ("/health", "/metrics"):
        answer = api.request("HEAD", path)
        assert (answer.status_code, answer.content) == (200, b"")


def test_security_headers(api):
    for path in ("/health", "/workspaces"):
        headers = api.get(path, token=None).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Content-Security-Policy"] == "default-src 'self'"
        assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
        assert headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
        assert headers["Permissions-Policy"] == "camera=(), microphone=(), geolocation=()"


def test_cors(api):
    assert "Access-Control-Allow-Origin" not in api.get("/health").headers
    answer = api.get("/health", headers={"Origin": "http://localhost:3000"})
    assert answer.headers["Access-Control-Allow-Origin"] == "http://localhost:3000"
    assert (answer.headers["Access-Control-Allow-Credentials"], answer.headers["Vary"]) == ("true", "Origin")
    for method, path in (("GET", "/health"), ("POST", "/workspaces"), ("GET", "/ws")):
        answer = api.request(method, path, headers={"Origin": "https://evil"})
        assert (answer.status_code, answer.content) == (403, b"")
    answer = api.request("OPTIONS", "/anything", token=None, headers={"Origin": "http://localhost:3001"})
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Methods"] == "GET,POST,PUT,PATCH,DELETE,OPTIONS"
    assert api.get("/health", headers={"Origin": api.url}).status_code == 200


def test_health_ready_liveness_metrics(api):
    assert api.get("/health", token=None).text == '{"status":"ok"}'
    assert api.get("/ready", token=None).json()["database"] == "up"
    assert "timers" in api.get("/admin/liveness").json()["subsystems"]
    api.get(f"/workspaces/{NOWHERE}")
    api.get("/nowhere")
    api.request("BREW", "/pot")
    text = api.get("/metrics", token=None).text
    assert 'molecule_http_requests_total{method="GET",path="/workspaces/:id",status="404"}' in text
    assert 'path="unmatched"' in text and 'method="OTHER"' in text
    for name in ("go_goroutines", "molecule_websocket_connections_active", "process_resident_memory_bytes"):
        assert f"\n{name} " in "\n" + text


def test_every_loop_says_that_it_turns(api):
    wanted = {
        "reconciler", "reconcile-workers", "timers", "event-hub", "activity-writer", "http-accept", "http-workers",
        "stream-pinger", "message-parking", "vital-signs", "token-uses", "liveness-monitor", "hibernation-monitor", "retention",
    }  # fmt: skip
    loops = api.get("/admin/liveness").json()["subsystems"]
    assert wanted <= set(loops)
    for name, loop in loops.items():
        assert loop["healthy"] is True, (name, loop)
        assert set(loop) == {"last_tick_at", "seconds_ago", "expected_interval_s", "healthy", "state"}
        assert isinstance(loop["seconds_ago"], int) and loop["expected_interval_s"] >= 1
        assert loop["last_tick_at"].endswith("Z") and loop["state"] in ("waiting", "running")
    assert loops["timers"]["seconds_ago"] <= 3
    before = loops["vital-signs"]["last_tick_at"]
    wait_for(lambda: api.get("/admin/liveness").json()["subsystems"]["vital-signs"]["last_tick_at"] != before, 10, "a turn")
