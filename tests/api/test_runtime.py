"""What is wished and what is so: /admin/runtime and its actions, and an installation in dispute. Source: spec 02, 17.3 A, J."""

import uuid

import pytest

from workspaced import DATABASES, Server, make_database, wait_for


def rows(server, query=""):
    return server.get(f"/admin/runtime{query}").json()["workspaces"]


def test_each_workspace_with_its_wish(api):
    one, two = api.create("One"), api.create("Two")
    answer = api.get("/admin/runtime").json()
    assert answer["installation"] == (api.data_dir / "installation-id").read_text().strip()
    assert answer["held"] is None and answer["next"] is None
    assert answer["engine"]["kind"] is None and answer["engine"]["up"] is False
    by_id = {row["workspace_id"]: row for row in answer["workspaces"]}
    assert set(by_id) == {one, two}
    row = by_id[one]
    assert row["name"] == "One" and row["wish"] == "running" and row["generation"] == 1
    wait_for(lambda: rows(api, f"?workspace_id={one}")[0]["last_error"], what="the reason")
    row = rows(api, f"?workspace_id={one}")[0]
    assert row["last_error"] == "this server has no container engine" and row["as_wished"] is False
    assert row["container"] is None and row["volumes"] is None and row["since"]


def test_filters_and_pages(api):
    ids = sorted(api.create(f"W{number}") for number in range(5))
    assert [row["workspace_id"] for row in rows(api)] == ids
    first = api.get("/admin/runtime?limit=2").json()
    assert [row["workspace_id"] for row in first["workspaces"]] == ids[:2] and first["next"] == ids[1]
    rest = api.get(f"/admin/runtime?limit=3&after={ids[1]}").json()
    assert [row["workspace_id"] for row in rest["workspaces"]] == ids[2:] and rest["next"] is None
    assert rows(api, "?wish=stopped") == [] and len(rows(api, "?wish=running")) == 5
    assert rows(api, "?as_wished=true") == [] and len(rows(api, "?as_wished=false")) == 5
    assert rows(api, "?phase=ready") == []


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"installation": 7}'])
def test_confirm_reads_its_body(api, body):
    assert api.request("POST", "/admin/runtime/confirm", data=body).status_code == 400


def test_nothing_to_confirm_without_an_engine(api):
    answer = api.post("/admin/runtime/confirm")
    assert answer.status_code == 409 and "no container engine" in answer.json()["error"]


@pytest.mark.parametrize("kind", DATABASES)
def test_a_database_of_another_installation_is_confirmed_by_name(kind, tmp_path):
    (tmp_path / "data").mkdir()
    database = make_database(kind, tmp_path)
    other = str(uuid.uuid4())
    server = Server(tmp_path / "data", database, WORKSPACED_ENGINE="sandbox")
    server.expected_log = ["another installation", "until an administrator confirms"]
    try:
        server.start()
        ours = (server.data_dir / "installation-id").read_text().strip()
        server.stop()
        server.settings["WORKSPACED_INSTALLATION_ID"] = other
        server.start()
        wait_for(lambda: server.get("/ready").json().get("held"), what="the dispute")
        assert server.get("/ready").status_code == 503
        answer = server.get("/admin/runtime").json()
        assert answer["held"]["why"] == "the database belongs to another installation" and answer["installation"] == other
        assert "workspaced_reconcile_held 1" in server.get("/metrics").text
        assert (server.data_dir / "installation-id").read_text().strip() == ours
        id_ = server.create("Waits")
        assert server.post("/admin/runtime/confirm").status_code == 409
        assert rows(server, f"?workspace_id={id_}")[0]["phase"] == "pending"
        answer = server.post("/admin/runtime/confirm", json={"installation": other})
        assert answer.json() == {"status": "confirmed", "installation": other}
        wait_for(lambda: server.get("/ready").status_code == 200, what="the end of the dispute")
        wait_for(lambda: rows(server, f"?workspace_id={id_}")[0]["as_wished"], 20, "the start")
        assert server.delete(f"/workspaces/{id_}?confirm=true").json()["cleanup"] == "done"
        assert 'workspaced_deletions_total{kind="container",reason="its_workspace_was_removed"} 1' in server.get("/metrics").text
    finally:
        server.close()
        database.drop()


def test_orphans_need_an_engine_to_be_reaped(api):
    assert api.get("/admin/runtime/orphans").json() == {"count": 0, "orphans": [], "kept": [], "stuck": []}
    for query in ("", "?dry_run=true"):
        answer = api.post(f"/admin/runtime/reap{query}")
        assert answer.status_code == 409 and "no container engine" in answer.json()["error"]


@pytest.mark.parametrize("order", ["reap?dry_run", "reap?kept", "adopt?dry_run"])
@pytest.mark.parametrize("value", ["1", "yes", "True", ""])
def test_a_dry_run_that_is_not_understood_does_nothing(api, order, value):
    answer = api.post(f"/admin/runtime/{order}={value}")
    assert answer.status_code == 400 and order.split("?")[1] in answer.json()["error"]


@pytest.mark.parametrize(
    "body, status, said",
    [
        (b"{", 400, ""),
        (b"[]", 400, ""),
        (b'{"installation": 7}', 400, "installation"),
        (b'{"installation": "somebody"}', 400, "installation"),
        (b'{"workspace_id": "ws-1"}', 400, "workspace_id"),
        (b'{"workspace_id": "0e5bcfff-18ca-4d1e-8b7a-000000000001"}', 404, "workspace not found"),
        (b"", 409, "no container engine"),
    ],
)
def test_adopt_reads_its_body(api, body, status, said):
    answer = api.request("POST", "/admin/runtime/adopt", data=body)
    assert answer.status_code == status and said in answer.json()["error"]


@pytest.mark.parametrize("kind", DATABASES)
def test_the_workspaces_of_a_former_installation_are_adopted(kind, tmp_path):
    """The data folder stays, the installation is new, and the database forgot what was wished."""
    (tmp_path / "data").mkdir()
    database = make_database(kind, tmp_path)
    server = Server(tmp_path / "data", database, WORKSPACED_ENGINE="sandbox")
    server.expected_log = ["another installation", "until an administrator confirms"]
    try:
        server.start()
        id_ = server.create("Moved")
        server.wait_status(id_, "online")
        container, former = rows(server)[0]["container"], server.installation()
        server.stop()
        server.settings["WORKSPACED_INSTALLATION_ID"] = str(uuid.uuid4())
        database.execute("DELETE FROM workspace_runtime")
        server.start()
        wait_for(lambda: server.get("/ready").json().get("held"), what="the dispute")
        assert server.post("/admin/runtime/adopt", json={"installation": former}).status_code == 409
        server.post("/admin/runtime/confirm", json={"installation": server.settings["WORKSPACED_INSTALLATION_ID"]})
        wait_for(lambda: server.get("/ready").status_code == 200, what="the end of the dispute")
        ours = {"installation": server.settings["WORKSPACED_INSTALLATION_ID"]}
        assert server.post("/admin/runtime/adopt", json=ours).status_code == 400
        answer = server.post("/admin/runtime/adopt", json={"installation": former, "workspace_id": id_.upper()}).json()
        assert answer["adopted"] == answer["count"] == 3 and {one["kind"] for one in answer["objects"]} == {"container", "volume"}
        row = wait_for(lambda: rows(server, f"?workspace_id={id_}&as_wished=true"), what="the wish")[0]
        assert row["container"] == container and server.get("/admin/runtime").json()["adopted"] == 3
        assert server.delete(f"/workspaces/{id_}?confirm=true").json()["cleanup"] == "done"
        server.stop()
        assert not list((tmp_path / "data" / "sandbox").glob("*/ws-*"))
    finally:
        server.close()
        database.drop()


def test_what_nobody_wishes_is_shown_and_reaped(tmp_path):
    """A workspace whose row was lost: its container and its volumes are nobody's."""
    (tmp_path / "data").mkdir()
    database = make_database("sqlite", tmp_path)
    server = Server(tmp_path / "data", database, WORKSPACED_ENGINE="sandbox")
    try:
        server.start()
        lost, kept = server.create("Lost"), server.create("Kept")
        for id_ in (lost, kept):
            server.wait_status(id_, "online")
        server.stop()
        lose(tmp_path / "data" / "workspaced.db", lost)
        server.start()
        found = wait_for(lambda: server.get("/admin/runtime/orphans").json()["orphans"], what="the orphans")
        assert {one["workspace_id"] for one in found} == {lost}
        assert {one["kind"] for one in found} == {"container", "volume"}
        assert {one["action"] for one in found if one["kind"] == "container"} == {"stop"}
        assert f"workspaced_orphans {len(found)}" in server.get("/metrics").text
        dry = server.post("/admin/runtime/reap?dry_run=true").json()
        assert dry["dry_run"] and dry["count"] == len(found) and dry["removed"] == 0
        done = server.post("/admin/runtime/reap").json()
        assert done["count"] == done["removed"] == len(found) and all(one["removed"] for one in done["orphans"])
        assert server.get("/admin/runtime/orphans").json()["count"] == 0
        assert server.listed(kept)["status"] == "online"
        assert server.delete(f"/workspaces/{kept}?confirm=true").json()["cleanup"] == "done"
        server.stop()
        assert not list((tmp_path / "data" / "sandbox").glob("*/ws-*"))
    finally:
        server.close()


def lose(path, id_):
    import sqlite3

    connection = sqlite3.connect(path)
    connection.execute("DELETE FROM workspace_runtime WHERE workspace_id = ?", (id_,))
    connection.execute("UPDATE workspaces SET status = 'removed' WHERE id = ?", (id_,))
    connection.commit()
    connection.close()
