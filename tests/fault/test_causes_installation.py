"""Named after the causes of spec 02, 17.1: several servers, restored databases, other daemons."""

import json
import shutil
import threading
import time

import pytest

from causes_support import none_left_of, one_running, online, short, state_of, status_of
from workspaced import POSTGRES, wait_for


@pytest.mark.skipif(not POSTGRES, reason="needs a database that two servers can share")
def test_L22_two_servers_on_one_database(faulty_server, docker, docker_proxy, tmp_path):
    first = faulty_server("postgres")
    second_data = tmp_path / "second" / "data"
    second_data.mkdir(parents=True)
    for name in ("secrets.key", "admin-token", "installation-id"):
        if (first.data_dir / name).exists():
            shutil.copy2(first.data_dir / name, second_data / name)
    from workspaced import Server

    second = Server(second_data, first.database, WORKSPACED_ENGINE="docker", DOCKER_HOST=docker_proxy.host)
    second.expected_log += ["engine", "docker", "reconcil", "pass", "workspace"]
    second.start()
    ids = []
    try:
        for number in range(6):
            ids.append((first, second)[number % 2].create(f"Shared {number}"))
        for id_ in ids:
            wait_for(lambda: status_of(first, id_) == "online", 90, "online", 0.1)
            one_running(docker, first, id_)
        for number, id_ in enumerate(ids[:4]):
            assert (first, second)[number % 2].post(f"/workspaces/{id_}/restart").status_code == 200
        for id_ in ids[:4]:
            wait_for(lambda: status_of(first, id_) == "online", 90, "online again", 0.1)
            one_running(docker, first, id_)
    finally:
        for number, id_ in enumerate(ids):  # each by the server that did not make it
            assert (second, first)[number % 2].delete(f"/workspaces/{id_}").status_code == 200
        for id_ in ids:
            none_left_of(docker, first, id_)
        second.close()


def test_L23_two_servers_on_one_daemon(faulty_server, make_docker_proxy, docker):
    """Different databases: neither touches what the other has, whatever it does itself."""
    one, two = faulty_server(), faulty_server(proxy=make_docker_proxy())
    steady = {server: online(server, "Steady") for server in (one, two)}
    started = {server: docker.json(f"/containers/{short(id_)}/json")["State"]["StartedAt"] for server, id_ in steady.items()}

    def churn(server):
        for number in range(4):
            id_ = server.create(f"Churn {number}")
            time.sleep(0.3)
            server.delete(f"/workspaces/{id_}")

    threads = [threading.Thread(target=churn, args=(server,)) for server in (one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    two.kill()  # and one of them dies and comes back
    two.start()
    time.sleep(2)
    for server, id_ in steady.items():
        assert status_of(server, id_) == "online"
        assert docker.json(f"/containers/{short(id_)}/json")["State"]["StartedAt"] == started[server]


def test_L24_a_database_that_was_emptied(faulty_server, docker):
    """The installation's file is still there: what runs is an orphan, seen and shown, its volumes not thrown away."""
    server = faulty_server()
    id_ = online(server)
    volumes = {one["Name"] for one in docker.volumes(server.installation())}
    server.stop()
    for path in server.data_dir.glob("workspaced.db*"):
        path.unlink()
    server.start()

    def orphans():
        found = server.get("/admin/runtime/orphans").json()
        return found if id_ in json.dumps(found) else None

    wait_for(orphans, 30, "the orphans shown", 0.2)
    assert {one["Name"] for one in docker.volumes(server.installation())} == volumes
    assert state_of(docker, short(id_)) == "running"  # it has minutes until it goes
    assert server.post("/admin/runtime/reap?dry_run=true").status_code == 200
    assert state_of(docker, short(id_)) == "running"
    assert server.post("/admin/runtime/reap").status_code == 200
    wait_for(lambda: state_of(docker, short(id_)) is None, 30, "reaped", 0.1)


def test_L24_database_and_file_are_others(faulty_server, docker):
    """Nothing says that what runs is ours: it is not touched."""
    server = faulty_server()
    id_ = online(server)
    installation = server.installation()
    server.stop()
    kept = server.data_dir.parent / "kept"
    shutil.copytree(server.data_dir, kept)
    for path in [*server.data_dir.glob("workspaced.db*"), server.data_dir / "installation-id"]:
        path.unlink()
    server.start()
    time.sleep(3)
    assert server.installation() != installation
    assert state_of(docker, short(id_)) == "running"
    assert id_ not in json.dumps(server.get("/admin/runtime/orphans").json())
    server.stop()
    shutil.rmtree(server.data_dir)
    shutil.copytree(kept, server.data_dir)
    server.start()
    server.wait_status(id_, "online", 60)


def test_a_restored_database_raises_its_generation(faulty_server, docker):
    """A container of a later generation than the row: replaced once, then at peace."""
    server = faulty_server()
    id_ = online(server)
    server.stop()
    backup = server.data_dir.parent / "backup.db"
    shutil.copy2(server.data_dir / "workspaced.db", backup)
    server.start()
    assert server.post(f"/workspaces/{id_}/restart").status_code == 200
    server.wait_status(id_, "online", 60)
    server.stop()
    for path in server.data_dir.glob("workspaced.db*"):
        path.unlink()
    shutil.copy2(backup, server.data_dir / "workspaced.db")
    server.start()
    wait_for(lambda: state_of(docker, short(id_)) == "running" and status_of(server, id_) == "online", 60, "online", 0.1)
    time.sleep(2)
    settled = docker.json(f"/containers/{short(id_)}/json")["Id"]
    time.sleep(3)
    assert docker.json(f"/containers/{short(id_)}/json")["Id"] == settled
    one_running(docker, server, id_)


def test_L41_another_daemon_behind_the_socket(faulty_server, docker, docker_proxy):
    """Its id changed: nothing is started or deleted until an administrator confirms."""
    server = faulty_server()
    id_ = online(server)
    server.stop()
    import sqlite3

    with sqlite3.connect(server.database.path) as connection:
        connection.execute("UPDATE platform_instance SET daemon_id = 'ANOTHER'")
    docker_proxy.calls.clear()
    server.start()
    time.sleep(2)
    other = server.create("Held")
    server.delete(f"/workspaces/{id_}")
    time.sleep(2)
    changing = [call for call in docker_proxy.calls if call.method in ("POST", "DELETE", "PUT") and call.path != "/networks/create"]
    assert not changing, [(call.method, call.path) for call in changing]
    assert state_of(docker, short(id_)) == "running"
    assert server.get("/ready").status_code == 503
    assert server.post("/admin/runtime/confirm").status_code == 200
    none_left_of(docker, server, id_)
    server.wait_status(other, "online", 60)
