"""What is old is deleted while the server runs. Source: spec 01 sections 19.12, 19.26; spec 02 section 13.7."""

import uuid

import pytest

from workspaced import DATABASES, wait_for

DAY_US = 24 * 3600 * 10**6


@pytest.mark.parametrize("kind", DATABASES)
def test_old_rows_go_by_themselves(start_server, kind):
    server = start_server(kind, ACTIVITY_CLEANUP_INTERVAL_HOURS="0.0004", ACTIVITY_RETENTION_DAYS="2", EVENT_RETENTION_DAYS="3")
    id_ = server.create("A")
    [(now,)] = server.database.query(f"SELECT created_at FROM workspaces WHERE id = '{id_}'")
    for days in (1, 2.5, 3.5):
        at = int(now - days * DAY_US)
        for table, columns, values in (
            ("activity_logs", "activity_type, status", "'agent_log', 'ok'"), ("structure_events", "event_type", "'OLD'"),
        ):  # fmt: skip
            server.database.execute(
                f"INSERT INTO {table} (id, workspace_id, created_at, {columns}) VALUES ('{uuid.uuid4()}', '{id_}', {at}, {values})"
            )

    def left():
        rows = [
            server.database.query(f"SELECT count(*) FROM {table} WHERE workspace_id = '{id_}' AND {kind}")
            for table, kind in (("activity_logs", "activity_type = 'agent_log'"), ("structure_events", "event_type = 'OLD'"))
        ]
        return [row[0][0] for row in rows]

    wait_for(lambda: left() == [1, 2], 15, "only the young rows")


@pytest.mark.parametrize("hours", ["-1", "8761", "1e2", "x", "nan"])
def test_a_bad_time_for_volumes_ends_the_start(start_server, hours):
    with pytest.raises(AssertionError, match="WORKSPACED_VOLUME_RETENTION_HOURS.*from 0 to 8760"):
        start_server(WORKSPACED_VOLUME_RETENTION_HOURS=hours)


@pytest.mark.parametrize("kind", DATABASES)
def test_volumes_of_deleted_workspaces_are_kept(start_server, kind):
    """Until their time, across a restart, unless they are purged or reaped by name; nobody takes them for orphans."""
    hours = "0.5"
    server = start_server(kind, WORKSPACED_ENGINE="sandbox", WORKSPACED_VOLUME_RETENTION_HOURS=hours)
    ids = [server.create(name) for name in ("Purged at once", "Purged later", "Reaped", "In time")]
    for id_ in ids:
        server.wait_status(id_, "online")

    def kept():
        return {one["workspace_id"] for one in server.get("/admin/runtime/orphans").json()["kept"]}

    assert server.delete(f"/workspaces/{ids[0]}?purge=true").json()["cleanup"] == "done"
    assert kept() == set()
    for id_ in ids[1:]:
        assert server.delete(f"/workspaces/{id_}").json()["cleanup"] == "done"
    assert kept() == set(ids[1:])
    state = server.get("/admin/runtime").json()
    assert state["workspaces"] == [] and state["removals_pending"] == 0 and state["removals_pending_since"] is None
    assert state["volumes_kept"] >= 3 and state["volumes_kept_until"] > state["last_pass_at"]
    server.stop()
    server.start()
    assert server.post("/admin/runtime/reap").json() == {"dry_run": False, "count": 0, "orphans": [], "removed": 0}
    assert server.delete(f"/workspaces/{ids[1]}?purge=true").json()["status"] == "purged"
    wait_for(lambda: kept() == set(ids[2:]), what="the purge")
    metrics = server.get("/metrics").text
    assert "workspaced_orphans 0" in metrics and "workspaced_garbage_oldest_seconds 0" in metrics
    assert f"workspaced_volumes_kept {server.get('/admin/runtime').json()['volumes_kept']}" in metrics
    server.database.execute(f"UPDATE runtime_gc SET not_before = 1 WHERE workspace_id = '{ids[3]}'")
    server.post("/admin/runtime/reap?dry_run=true")  # a pass
    wait_for(lambda: kept() == {ids[2]}, what="the end of its time")
    dry = server.post("/admin/runtime/reap?dry_run=true&kept=true").json()
    assert dry["count"] >= 1 and dry["removed"] == 0 and {one["workspace_id"] for one in dry["orphans"]} == {ids[2]}
    done = server.post("/admin/runtime/reap?kept=true").json()
    assert done["count"] == done["removed"] == dry["count"] and kept() == set()
    wait_for(lambda: server.database.query("SELECT count(*) FROM runtime_gc")[0][0] == 0, what="no intent")
    assert not list((server.data_dir / "sandbox").glob("volumes/*"))


@pytest.mark.parametrize("change", [{"ACTIVITY_RETENTION_DAYS": "0"}, {"EVENT_RETENTION_DAYS": "-1"}, {"EVENT_RETENTION_DAYS": "x"}])
def test_bad_settings_end_the_start(start_server, change):
    with pytest.raises(AssertionError, match="RETENTION_DAYS"):
        start_server(**change)


@pytest.mark.parametrize("hours", ["0", "-1", "abc", "1e3", "nan"])
def test_a_bad_interval_is_the_default(start_server, hours):
    server = start_server(ACTIVITY_CLEANUP_INTERVAL_HOURS=hours)
    assert server.get("/admin/liveness").json()["subsystems"]["retention"]["expected_interval_s"] == 6 * 3600
