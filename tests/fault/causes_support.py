"""What the tests of the causes share."""

import contextlib
import json
import socket
import threading
import time
import uuid

from workspaced import wait_for


def short(id_):
    return f"ws-{id_[:12]}"


def names_of(docker, server):
    id_ = server.installation()
    return sorted(
        [one["Names"][0].strip("/") for one in docker.containers(id_)] + [one["Name"] for one in docker.volumes(id_)]
    )


def online(server, name="Agent", **fields):
    id_ = server.create(name, **fields)
    server.wait_status(id_, "online", 60)
    return id_


def status_of(server, id_):
    return server.database.query(f"SELECT status FROM workspaces WHERE id = '{id_}'")[0][0]


def live_tokens(server, id_):
    return server.database.query(
        f"SELECT count(*) FROM workspace_auth_tokens WHERE workspace_id = '{id_}' AND revoked_at IS NULL"
    )[0][0]


def phase_of(server, id_):
    rows = server.database.query(f"SELECT desired, phase FROM workspace_runtime WHERE workspace_id = '{id_}'")
    return rows[0] if rows else None


def events_of(server, id_):
    rows = server.database.query(
        f"SELECT event_type FROM structure_events WHERE workspace_id = '{id_}' ORDER BY created_at, id"
    )
    return [row[0] for row in rows]


def hang_up_after(server, method, path, seconds, body=""):
    """Sends a request and leaves without waiting for the answer."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        time.sleep(seconds)


@contextlib.contextmanager
def in_background(function, *arguments):
    """Runs it beside the block, and waits for it at the end."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(function(*arguments)))
    thread.start()
    try:
        yield answers
    finally:
        thread.join()


def one_running(docker, server, id_, timeout=60):
    """Exactly one container of the workspace, and it runs."""

    def look():
        found = [
            one["State"]
            for one in docker.containers(server.installation())
            if one["Labels"]["workspaced.workspace"] == id_
        ]
        return found == ["running"]

    wait_for(look, timeout, f"one running container of {id_}", 0.1)


def none_left_of(docker, server, id_, timeout=60, volumes=True):
    installation = server.installation()

    def look():
        found = [one["Id"] for one in docker.containers(installation) if one["Labels"]["workspaced.workspace"] == id_]
        if volumes:
            found += [one["Name"] for one in docker.volumes(installation) if one["Labels"]["workspaced.workspace"] == id_]
        return not found

    wait_for(look, timeout, f"nothing left of {id_}", 0.1)


def foreign_container(docker, name, labels=None, image=None, binds=()):
    """Makes a container that is not ours; the caller removes it."""
    tags = [tag for one in docker.json("/images/json") for tag in one["RepoTags"] or []]
    image = image or next(tag for tag in tags if tag.startswith("workspaced/base:"))  # there once a server started an agent
    body = {"Image": image, "Entrypoint": ["/bin/sleep"], "Cmd": ["600"], "Labels": labels or {}, "HostConfig": {"Binds": list(binds)}}
    status, data = docker.request(
        "POST", f"/containers/create?name={name}", json.dumps(body), {"Content-Type": "application/json"}
    )
    assert status == 201, data
    id_ = json.loads(data)["Id"]
    assert docker.request("POST", f"/containers/{id_}/start")[0] == 204
    return id_


def state_of(docker, container):
    status, data = docker.request("GET", f"/containers/{container}/json")
    if status == 404:
        return None
    return json.loads(data)["State"]["Status"]


def random_name():
    return uuid.uuid4().hex[:8]
