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


@pytest.mark.parametrize("change", [{"ACTIVITY_RETENTION_DAYS": "0"}, {"EVENT_RETENTION_DAYS": "-1"}, {"EVENT_RETENTION_DAYS": "x"}])
def test_bad_settings_end_the_start(start_server, change):
    with pytest.raises(AssertionError, match="RETENTION_DAYS"):
        start_server(**change)


@pytest.mark.parametrize("hours", ["0", "-1", "abc", "1e3", "nan"])
def test_a_bad_interval_is_the_default(start_server, hours):
    server = start_server(ACTIVITY_CLEANUP_INTERVAL_HOURS=hours)
    assert server.get("/admin/liveness").json()["subsystems"]["retention"]["expected_interval_s"] == 6 * 3600
