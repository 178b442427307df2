"""`doctor`: what differs, why, what to do; 0 fine, 1 differences, 2 cannot ask."""

import json
from datetime import datetime, timezone

import pytest

from fake_server import CHILD, ROOT


def row(id_, name, **more):
    fields = {"workspace_id": id_, "name": name, "status": "online", "wish": "running", "phase": "ready",
              "as_wished": True, "generation": 1, "attempts": 0, "next_attempt_at": None, "last_error": None,
              "reason": None, "exit_code": None, "since": datetime.now(timezone.utc).isoformat()}  # fmt: skip
    return {**fields, **more}


def house(*rows, next=None, **more):
    fields = {"installation": "i", "engine": {"kind": "docker", "id": "d", "up": True, "down_since": None},
              "held": None, "removals_pending": 0, "workspaces": list(rows), "next": next}  # fmt: skip
    return {**fields, **more}


@pytest.fixture
def doctor(ctl, fake):
    """doctor(house...) gives the findings by subject, and checks that text and status say the same."""
    fake.on("GET", "/ready", (200, {"status": "ready", "database": "up", "engine": "up"}))
    loops = {"reconciler": {"seconds_ago": 1, "healthy": True}, "timers": {"seconds_ago": 0, "healthy": True}}
    fake.on("GET", "/admin/liveness", (200, {"subsystems": loops}))
    fake.on("GET", "/admin/runtime/orphans", (200, {"count": 0, "orphans": []}))

    def run(*answers):
        fake.on("GET", "/admin/runtime", *[(200, one) for one in answers])
        done = ctl("doctor", "--json")
        found = json.loads(done.stdout)
        is_fine = all(one["level"] != "difference" for one in found["findings"])
        assert (found["status"], done.returncode) == (("fine", 0) if is_fine else ("differences", 1)), found
        fake.on("GET", "/admin/runtime", *[(200, one) for one in answers])
        text = ctl("doctor")
        assert text.returncode == done.returncode
        for one in found["findings"]:
            assert one["subject"] in text.stdout
            assert one["what"] in text.stdout or one["subject"] == "disk"  # which others fill, too
        assert ("All is as wished." in text.stdout) == is_fine
        return {one["subject"]: one for one in found["findings"]}

    return run


def test_all_is_well(doctor):
    found = doctor(house(row(ROOT, "Lead")))
    assert {one["level"] for one in found.values()} == {"fine"}
    assert {"server", "loops", "engine", "workspaces", "data directory", "disk"} <= set(found)


def test_what_failed_and_what_to_do(doctor):
    failed = row(ROOT, "Lead", status="failed", phase="failed", as_wished=False, reason="out_of_memory", exit_code=137,
                 last_error="the container ran out of memory", attempts=1)  # fmt: skip
    waits = row(CHILD, "Scout", status="failed", phase="backoff", as_wished=False, reason="disk_full", attempts=3,
                last_error="no space", next_attempt_at="2030-01-01T00:00:00Z")  # fmt: skip
    found = doctor(house(failed, waits))
    lead, scout = found["Lead"], found["Scout"]
    assert lead["level"] == scout["level"] == "difference" and lead["workspace_id"] == ROOT
    assert lead["what"] == "should run; was given up after 1 attempt (status failed)"
    assert lead["why"] == "the container ran out of memory (exit code 137) - out_of_memory"
    assert lead["advice"].startswith("Raise its tier") and lead["advice"].endswith(f"workspacectl restart {ROOT[:8]}")
    assert "after 3 attempts, the next at 2030-01-01T00:00:00Z" in scout["what"]
    assert scout["why"] == "no space - disk_full" and "Free space" in scout["advice"]


def test_what_is_on_its_way_is_no_difference(doctor):
    found = doctor(house(row(ROOT, "Lead", status="provisioning", phase="pulling", as_wished=False)))
    assert (found["Lead"]["level"], found["Lead"]["why"]) == ("note", "it is on its way")
    old = row(ROOT, "Lead", phase="pulling", as_wished=False, since="2020-01-01T00:00:00Z")
    assert doctor(house(old))["Lead"]["level"] == "difference"


def test_an_agent_that_is_away(doctor):
    found = doctor(house(row(ROOT, "Lead", status="offline")))
    assert found["Lead"]["why"] == "its agent does not report" and "logs" in found["Lead"]["advice"]


def test_an_engine_that_is_down(doctor):
    down = {"kind": "docker", "id": "d", "up": False, "down_since": "2026-11-25T12:00:00Z"}
    waiting = row(ROOT, "Lead", status="provisioning", phase="pending", as_wished=False)
    found = doctor(house(waiting, engine=down))
    assert found["engine"]["what"] == "docker does not answer since 2026-11-25T12:00:00Z"
    assert found["Lead"]["why"] == "the container engine does not answer"


def test_a_house_that_is_held(doctor):
    found = doctor(house(held={"why": "another engine", "since": "2026-11-25T12:00:00Z"}, removals_pending=2))
    assert found["server"]["why"] == "another engine" and "confirm" in found["server"]["advice"]
    assert found["removals"]["level"] == "note"


def test_what_nobody_wishes(doctor, fake):
    orphan = {"kind": "container", "name": "ws-old", "ref": "abc", "workspace_id": ROOT, "action": "remove",
              "first_seen_at": "2026-11-25T12:00:00Z", "due_at": "2026-11-25T12:10:00Z"}  # fmt: skip
    fake.on("GET", "/admin/runtime/orphans", (200, {"count": 1, "orphans": [orphan]}))
    found = doctor(house())
    assert "remove at 2026-11-25T12:10:00Z" in found["ws-old"]["why"] and "reap" in found["ws-old"]["advice"]


def test_a_loop_that_hangs(doctor, fake):
    fake.on("GET", "/admin/liveness", (200, {"subsystems": {"timers": {"seconds_ago": 99, "healthy": False}}}))
    assert doctor(house())["timers"]["what"] == "did not turn for 99 seconds"


def test_all_pages_are_read(doctor, fake):
    found = doctor(house(row(ROOT, "Lead"), next=ROOT), house(row(CHILD, "Scout", phase="gone", as_wished=False)))
    assert "Scout" in found and found["workspaces"]["what"] == "2 looked at"
    assert {"after": ROOT} in [call.query for call in fake.seen("GET", "/admin/runtime")]


def test_a_server_that_cannot_be_asked(ctl_alone, ctl, fake):
    done = ctl_alone("doctor", "--url", "http://127.0.0.1:1", "--token", "x")
    assert done.returncode == 2 and "data directory" in done.stdout and "127.0.0.1:1" in done.stderr
    done = ctl("doctor", "--token", "wrong", "--json")
    assert done.returncode == 2 and json.loads(done.stdout)["status"] == "cannot_ask"


def test_what_cannot_be_removed_is_named_with_its_cause(doctor, fake):
    stuck = {"kind": "volume", "name": "ws-a-configs", "workspace_id": ROOT, "since": "2026-11-25T12:00:00Z", "attempts": 3,
             "next_attempt_at": "2026-11-25T12:01:00Z", "last_error": "the volume is in use by web"}  # fmt: skip
    fake.on("GET", "/admin/runtime/orphans", (200, {"count": 0, "orphans": [], "kept": [], "stuck": [stuck]}))
    found = doctor(house())["ws-a-configs"]
    assert found["level"] == "difference" and found["what"] == "is a volume that cannot be removed"
    assert found["why"] == "the volume is in use by web; tried 3 times since 2026-11-25T12:00:00Z"


def test_what_is_kept_on_purpose_is_no_difference(doctor, fake):
    kept = [{"kind": "volume", "name": f"ws-{number}-workspace", "workspace_id": ROOT, "since": "2026-11-25T12:00:00Z",
             "due_at": f"2026-11-26T12:0{number}:00Z"} for number in (1, 2)]  # fmt: skip
    fake.on("GET", "/admin/runtime/orphans", (200, {"count": 0, "orphans": [], "kept": kept}))
    found = doctor(house())["volumes"]
    assert found["level"] == "note" and "2 of deleted workspaces" in found["what"] and "2026-11-26T12:01:00Z" in found["what"]
    assert "reap --kept" in found["advice"]
