"""The stock of started agents: taken, filled up, never in the way, and gone when nobody wishes it."""

import statistics
import threading
import time

import pytest

from test_life import nothing_left
from workspaced import DATABASES, text_of, wait_for


def figure(server, name):
    for line in server.get("/metrics").text.splitlines():
        if line.startswith(f"workspaced_warm_{name} "):
            return int(float(line.split()[1]))
    raise AssertionError(f"no figure {name}")


def wait_filled(server, timeout=60):
    wait_for(lambda: figure(server, "ready") == figure(server, "wished"), timeout, "a full stock", 0.05)


def members(server):
    return server.database.query(
        "SELECT workspace_id, container_id FROM workspace_runtime"
        " WHERE warm_key IS NOT NULL AND desired = 'running' ORDER BY workspace_id"
    )


@pytest.fixture
def stock(start_server, engine, database):
    """Starts a server with that WARM_POOL; afterwards nothing of it may be left."""
    servers = []

    def start(pool, **settings):
        server = start_server(database, WORKSPACED_ENGINE=engine.name, WARM_POOL=pool, **settings)
        servers.append(server)
        return server

    yield start
    for server in servers:
        if server.running():
            server.stop()
        server.settings.pop("WARM_POOL", None)
        server.start()
        for one in server.get("/workspaces").json():
            server.delete(f"/workspaces/{one['id']}?confirm=true")
        nothing_left(engine, server)
        wait_for(lambda: server.database.query("SELECT count(*) FROM workspace_runtime") == [(0,)], 30, "no row", 0.1)


def test_a_create_takes_one_and_the_stock_is_filled_up(stock):
    server = stock("builtin:2")
    wait_filled(server)
    assert server.get("/workspaces").json() == []
    before = members(server)
    parent = server.create("Root")
    id_ = server.create(
        "Taken",
        parent_id=parent,
        executor="command",
        command='printf "%s/%s/%s" "$QUIET" "$PARENT_ID" "$WORKSPACE_NAME"',
        secrets={"QUIET": "a secret\nof two lines"},
    )
    assert {parent, id_} == {one[0] for one in before}
    for one in (parent, id_):
        server.wait_status(one, "online")
    assert f"a secret\\nof two lines/{parent}/Taken" in text_of(server.say(id_, "x"))
    kept = server.database.query(f"SELECT container_id, generation FROM workspace_runtime WHERE workspace_id = '{id_}'")
    assert kept == [(dict(before)[id_], 1)]
    wait_filled(server)
    assert len(members(server)) == 2
    assert (figure(server, "handed_over_total"), figure(server, "refused_total")) == (2, 0)
    # What does not fit is started as always.
    other = server.create("Small", tier=1)
    assert other not in {one[0] for one in members(server)}
    server.wait_status(other, "online")
    assert figure(server, "missed_total") == 0
    assert server.delete(f"/workspaces/{parent}?confirm=true").json()["cascade_deleted"] == 1


def test_the_files_of_a_template_come_with_it(stock, tmp_path):
    folder = tmp_path / "templates" / "noter"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("name: noter\nruntime: builtin\n")
    (folder / "note.txt").write_text("of the template")
    server = stock("builtin:1", CONFIGS_DIR=str(folder.parent))
    wait_filled(server)
    id_ = server.create("Noter", template="noter", executor="command", command='cat /configs/note.txt; printf "$QUIET"',
                        secrets={"QUIET": " and quiet"})  # fmt: skip
    server.wait_status(id_, "online")
    assert "of the template and quiet" in text_of(server.say(id_, "x"))
    assert (figure(server, "handed_over_total"), figure(server, "refused_total")) == (1, 0)


@pytest.mark.parametrize("database", DATABASES[:1], indirect=True)  # the engine decides
def test_it_is_much_faster_than_a_start(stock, engine):
    server = stock("builtin:1")

    def times(**fields):
        for number in range(5):
            wait_filled(server)
            time.sleep(0.1)
            started = time.monotonic()
            server.wait_status(server.create(f"Worker {number}", **fields), "online", 60)
            yield time.monotonic() - started

    warm = statistics.median(times())
    cold = statistics.median(times(tier=1))  # does not fit
    print(f"{engine.name}: create to online {warm * 1000:.0f} ms from the stock, {cold * 1000:.0f} ms without")
    assert figure(server, "handed_over_total") == 5
    assert warm < cold  # the figures themselves are the benchmark's; this only sees a broken path


def test_twenty_creates_at_once(stock):
    server = stock("builtin:5")
    wait_filled(server)
    ids, threads = [], []

    def create(number):
        ids.append(server.create(f"Worker {number}"))

    for number in range(20):
        threads.append(threading.Thread(target=create, args=(number,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 20
    for id_ in ids:
        server.wait_status(id_, "online", 120)
    handed_over, missed = figure(server, "handed_over_total"), figure(server, "missed_total")
    assert handed_over >= 5 and handed_over + missed == 20
    assert "hello" in text_of(server.say(ids[0], "hello")) and "hello" in text_of(server.say(ids[-1], "hello"))


@pytest.mark.parametrize("delay_ms", [0, 12])
def test_killed_between_create_and_hand_over(stock, delay_ms):
    server = stock("builtin:1")
    wait_filled(server)
    id_ = server.create("Victim", executor="command", command="printf $QUIET", secrets={"QUIET": "kept"})
    time.sleep(delay_ms / 1000)
    server.kill()
    server.start()
    server.wait_status(id_, "online", 60)
    # An attempt that was cut off is replaced; until then the agent may be reached already.
    wait_for(lambda: "kept" in server.say(id_, "again").text, 30, "an answer", 0.2)


def test_a_broken_image_is_tried_once_and_says_why(stock):
    server = stock("localhost:9/nowhere:1:3", WORKSPACED_RECONCILE_SECONDS=1)
    state = "SELECT phase, attempts, reason FROM workspace_runtime WHERE warm_key IS NOT NULL"
    wait_for(lambda: [one[0] for one in server.database.query(state)] == ["backoff"], 30, "one that waits", 0.05)
    time.sleep(3)  # some passes
    ((phase, attempts, reason),) = server.database.query(state)
    assert (phase, attempts) == ("backoff", 1) and reason
    shown = [one for one in server.get("/admin/runtime").json()["workspaces"] if one.get("warm_key")]
    assert len(shown) == 1 and reason in str(shown)
    assert (figure(server, "ready"), figure(server, "wished")) == (0, 3)
    # It is in nobody's way.
    id_ = server.create("Fine")
    server.wait_status(id_, "online")


def test_a_restart_keeps_what_fits_and_the_surplus_goes(stock, engine):
    server = stock("builtin:2")
    wait_filled(server)
    before = members(server)
    assert server.stop() == 0
    server.start()
    wait_filled(server)
    assert members(server) == before
    server.stop()
    server.settings["WARM_POOL"] = "builtin:1"
    server.start()
    wait_for(lambda: len(members(server)) == 1, 30, "one member", 0.05)
    assert members(server)[0] in before
    server.stop()
    server.settings["TIER2_MEMORY_MB"] = "300"  # made of something else
    server.start()
    wait_for(lambda: members(server) and members(server)[0] not in before, 30, "another member", 0.05)
    wait_filled(server)


def test_a_container_that_the_engine_restarted_gets_its_environment_back(start_server, docker, database):
    server = start_server(database, WORKSPACED_ENGINE="docker", WARM_POOL="builtin:1")
    wait_filled(server)
    id_ = server.create("Again", executor="command", command="printf $QUIET", secrets={"QUIET": "kept"})
    server.wait_status(id_, "online")
    ((container,),) = server.database.query(f"SELECT container_id FROM workspace_runtime WHERE workspace_id = '{id_}'")
    assert docker.api.request("POST", f"/containers/{container}/restart?t=1")[0] == 204
    wait_for(lambda: server.say(id_, "x").text.count("kept") == 1, 60, "an answer", 0.2)
    server.stop()
    server.settings.pop("WARM_POOL")
    server.start()
    server.delete(f"/workspaces/{id_}")
    nothing_left(docker, server)
