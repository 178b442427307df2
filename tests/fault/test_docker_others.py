"""Others on the same daemon, and clients that do not wait."""

import os
import random
import socket
import threading
import time

import pytest

from churn import Churn, wish_is_reality
from conftest import nothing_left
from workspaced import wait_for

MINUTES = float(os.environ.get("WORKSPACED_SOAK_MINUTES", 0))  # ./dev soak
CHURN_S = MINUTES * 60 or 60
OUTAGE_S = float(os.environ.get("WORKSPACED_OUTAGE_S", 5))  # ./dev soak has a long one
pytestmark = pytest.mark.timeout(600 + MINUTES * 60 + OUTAGE_S)
DISCONNECT_MS = range(0, 61)


def test_two_servers_on_one_daemon(faulty_server, make_docker_proxy, docker, seed):
    proxies = [make_docker_proxy(), make_docker_proxy()]
    servers = [faulty_server(proxy=proxy) for proxy in proxies]
    assert servers[0].installation() != servers[1].installation()
    for number, proxy in enumerate(proxies):
        proxy.plan(seed + number, rate=0.04)
    churns = [
        Churn(server, seed + number, seconds=CHURN_S, kill_every_s=(5, 12)) for number, server in enumerate(servers)
    ]
    errors = []

    def run(churn):
        try:
            churn.run()
        except Exception as error:  # reported below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(churn,)) for churn in churns]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors
    # Whose object each id is, by the labels it was made with.
    owner = {}
    for proxy, server in zip(proxies, servers):
        for call in proxy.find("POST", "^/containers/create$"):
            assert call.json()["Labels"]["workspaced.installation"] == server.installation()
            owner[call.query.removeprefix("name=")] = server
    for proxy, server in zip(proxies, servers):
        for call in proxy.find("*", r"^/(containers|volumes)/ws-"):
            name = call.path.split("/")[2]
            assert owner.get(name, server) is server, f"{call.method} {call.path} by the other server"
    for proxy, server, churn in zip(proxies, servers, churns):
        proxy.calm()
        took = wish_is_reality(docker, server)
        assert churn.kept <= {one["id"] for one in server.get("/workspaces").json()}
        print(f"{churn.summary()}; settled after {took:.1f} s")


def delete_and_leave(server, id_, delay_ms):
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            f"DELETE /workspaces/{id_} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n\r\n".encode()
        )
        time.sleep(delay_ms / 1000)
        # A reset, not a polite end: the server's next write fails at once.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def test_client_leaves_at_every_millisecond_of_a_delete(faulty_server, docker):
    server = faulty_server()
    ids = {delay: server.create(f"Left after {delay} ms") for delay in DISCONNECT_MS}
    started = random.sample(list(ids.values()), 20)  # these are awaited; others are caught in their start
    for id_ in started:
        server.wait_status(id_, "online", 90)
    for delay, id_ in ids.items():
        delete_and_leave(server, id_, delay)
    wait_for(lambda: server.get("/workspaces").json() == [], 30, "an empty list")
    nothing_left(docker, server, 60)
    assert server.database.query("SELECT count(*) FROM workspace_auth_tokens WHERE revoked_at IS NULL") == [(0,)]
    told = server.database.query("SELECT count(*) FROM structure_events WHERE event_type = 'WORKSPACE_REMOVED'")
    assert told == [(len(ids),)]


@pytest.mark.parametrize("keep_file", [False, True], ids=["no-socket", "refused"])
def test_a_daemon_that_goes_away_changes_nothing(faulty_server, docker_proxy, docker, keep_file):
    server = faulty_server()
    ids = [server.create(f"Stays {number}") for number in range(3)]
    for id_ in ids:
        server.wait_status(id_, "online", 60)
    before = {one["Id"]: one["Created"] for one in docker.containers(server.installation())}
    docker_proxy.down(keep_file)
    wait_for(lambda: server.get("/admin/liveness").status_code in (200, 503), 10)
    time.sleep(OUTAGE_S)
    assert {server.listed(id_)["status"] for id_ in ids} == {"online"}
    docker_proxy.up()
    time.sleep(2)
    assert {server.listed(id_)["status"] for id_ in ids} == {"online"}
    assert {one["Id"]: one["Created"] for one in docker.containers(server.installation())} == before
    # What was wished meanwhile comes true.
    docker_proxy.down(keep_file)
    assert server.delete(f"/workspaces/{ids[0]}").json()["cleanup"] == "pending"
    docker_proxy.up()
    wait_for(lambda: len(docker.containers(server.installation())) == 2, 60, "the removal", 0.2)
