"""New images: pulled on demand or because a registry has them, brought over two at a time, given up when they are broken."""

import threading
import uuid

import pytest

from registry_stub import ACCEPTED
from workspaced import AGENT, text_of, wait_for

CANONICAL = ["claude-code", "langgraph", "crewai", "autogen", "deepagents", "hermes", "gemini-cli", "openclaw"]
REPOSITORY = "acme/workspace-template-"


@pytest.fixture
def prefix(registry):
    return {
        "WORKSPACED_IMAGE_PREFIX": f"{registry.host}/{REPOSITORY}",
        "WORKSPACED_REGISTRY_URL": registry.url,
    }


def refresh(server, query="?runtime=hermes"):
    answer = server.post(f"/admin/workspace-images/refresh{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def team(server, count, **fields):
    ids = [server.create(f"Agent {number}", runtime="hermes", **fields) for number in range(count)]
    for id_ in ids:
        server.wait_status(id_, "online", 60)
    return ids


def images_of(docker, server):
    """workspace id -> id of the image that its running container is made from."""
    return {one["Labels"]["workspaced.workspace"]: one["ImageID"] for one in docker.running(server)}


def generations(server):
    return dict(server.database.query("SELECT workspace_id, generation FROM workspace_runtime"))


def rolling(server):
    return server.database.query("SELECT count(*) FROM image_wishes WHERE digest IS NOT NULL") != [(0,)]


def remove(server, ids):
    for id_ in ids:
        assert server.delete(f"/workspaces/{id_}?confirm=true").status_code == 200


def test_only_what_changed_is_brought_over_two_at_a_time(docker_server, registry, docker, prefix):
    server = docker_server(**prefix)
    registry.put(f"{REPOSITORY}hermes")
    ids = team(server, 4, executor="echo")
    other = server.create("Other", executor="echo")
    server.wait_status(other, "online")
    before = images_of(docker, server)
    assert refresh(server) == {"pulled": ["hermes"], "failed": [], "recreated": []}
    assert len(set(before[id_] for id_ in ids)) == 1 and not rolling(server)

    counts, most = generations(server), 0
    registry.put(f"{REPOSITORY}hermes")
    answer = refresh(server)
    assert answer["pulled"] == ["hermes"] and sorted(answer["recreated"]) == sorted(f"ws-{id_[:12]}" for id_ in ids)
    while rolling(server):
        most = max(most, sum(one["status"] == "provisioning" for one in server.get("/workspaces").json()))
    assert most == 2
    for id_ in ids:
        assert server.listed(id_)["status"] == "online"
        assert "new image" in text_of(server.say(id_, "new image"))
    after = images_of(docker, server)
    assert len({after[id_] for id_ in ids}) == 1 and after[ids[0]] != before[ids[0]]
    assert after[other] == before[other]
    assert generations(server) == {**counts, **{id_: counts[id_] + 1 for id_ in ids}}
    assert refresh(server)["recreated"] == []
    remove(server, [*ids, other])


def test_without_recreate_nobody_is_touched(docker_server, registry, docker, prefix):
    server = docker_server(**prefix)
    registry.put(f"{REPOSITORY}hermes")
    ids = team(server, 1, executor="echo")
    before = images_of(docker, server)
    registry.put(f"{REPOSITORY}hermes")
    assert refresh(server, "?runtime=hermes&recreate=no") == {"pulled": ["hermes"], "failed": [], "recreated": []}
    assert images_of(docker, server) == before and not rolling(server)
    # The next one that recreates sees that they lag behind, though its own pull finds nothing new.
    assert refresh(server)["recreated"] == [f"ws-{ids[0][:12]}"]
    wait_for(lambda: not rolling(server), 30, "the end of the change")
    assert images_of(docker, server) != before
    remove(server, ids)


def test_answers_for_what_cannot_be(docker_server, registry, prefix):
    server = docker_server(**prefix)
    server.expected_log.append("pull")
    answer = server.post("/admin/workspace-images/refresh?runtime=nothing")
    assert answer.status_code == 400 and answer.json()["known_runtimes"][:8] == CANONICAL
    assert server.post("/admin/workspace-images/refresh", token=None).status_code == 401
    registry.put(f"{REPOSITORY}hermes")
    answer = refresh(server, "")
    assert answer["pulled"] == ["hermes"] and answer["failed"] == [one for one in CANONICAL if one != "hermes"]
    assert set(answer["errors"]) == set(answer["failed"]) and "no registry" in answer["errors"]["langgraph"]


def untagged(docker, registry):
    """Ids of images that the registry's repositories once named."""
    listed = docker.api.json("/images/json?all=1")
    return {
        one["Id"] for one in listed
        if not set(one["RepoTags"] or []) - {"<none>:<none>"}
        and any(digest.startswith(registry.host) for digest in one["RepoDigests"] or [])
    }  # fmt: skip


def test_old_images_go_when_that_is_wished(docker_server, registry, docker, prefix):
    server = docker_server(**prefix, WORKSPACED_IMAGE_PRUNE="true")
    registry.put(f"{REPOSITORY}hermes")
    ids = team(server, 1, executor="echo")
    held = images_of(docker, server)[ids[0]]
    registry.put(f"{REPOSITORY}hermes")
    refresh(server, "?runtime=hermes&recreate=no")
    assert untagged(docker, registry) == {held}  # somebody uses it
    registry.put(f"{REPOSITORY}hermes")
    refresh(server, "?runtime=hermes&recreate=no")
    assert untagged(docker, registry) == {held}  # the one between them is gone
    refresh(server)
    wait_for(lambda: not rolling(server), 30, "the end of the change")
    assert not untagged(docker, registry)
    remove(server, ids)


def test_a_broken_image_is_given_up(docker_server, registry, docker, prefix):
    server = docker_server(**prefix)
    agent = {"bin/agent": AGENT.read_bytes()}
    registry.put(f"{REPOSITORY}hermes", files=agent, entrypoint=["/bin/agent"])
    ids = team(server, 4)
    before = images_of(docker, server)
    registry.put(f"{REPOSITORY}hermes", files={"etc/broken": uuid.uuid4().bytes}, entrypoint=["/bin/missing"])
    assert len(refresh(server)["recreated"]) == 4
    wait_for(lambda: not rolling(server), 60, "the end of the change")
    states = [server.listed(id_)["status"] for id_ in ids]
    assert states.count("online") >= 2 and "failed" in states, states
    untouched = [id_ for id_ in ids if images_of(docker, server).get(id_) == before[id_]]
    assert len(untouched) >= 2
    remove(server, ids)


def test_a_killed_server_goes_on(docker_server, registry, docker, prefix, database):
    server = docker_server(kind=database, **prefix)
    registry.put(f"{REPOSITORY}hermes")
    ids = team(server, 3, executor="echo")
    before = images_of(docker, server)
    registry.put(f"{REPOSITORY}hermes")
    refresh(server)
    server.kill()
    server.start()
    wait_for(lambda: not rolling(server), 60, "the end of the change")
    for id_ in ids:
        server.wait_status(id_, "online", 30)
    after = images_of(docker, server)
    assert all(after[id_] != before[id_] for id_ in ids)
    remove(server, ids)


def test_the_registry_is_watched(docker_server, registry, docker, prefix):
    registry.credentials = ("robot", "pass:word")
    registry.put(f"{REPOSITORY}hermes")
    registry.fail[f"{REPOSITORY}langgraph", "token"] = 500  # the second asked; it must not stop the others
    server = docker_server(
        **prefix, IMAGE_AUTO_REFRESH="True", WORKSPACED_IMAGE_CHECK_SECONDS="1", GHCR_USER="robot", GHCR_TOKEN="pass:word"
    )
    server.expected_log.append("pull|registry")
    ids = team(server, 1, executor="echo")
    before = images_of(docker, server)
    path = f"/v2/{REPOSITORY}hermes/manifests/latest"
    wait_for(lambda: len(registry.asked("HEAD", path)) >= 2, 20, "two looks")
    assert images_of(docker, server) == before  # the first look only remembers
    [_, token_path, token_headers] = registry.asked("GET", f"scope=repository:{REPOSITORY}hermes:pull")[0]
    assert token_headers["Authorization"].startswith("Basic ") and f"service={registry.host}" in token_path
    head = registry.asked("HEAD", path)[-1][2]
    assert head["Authorization"].startswith("Bearer ")
    assert {one.strip() for one in head["Accept"].split(",")} == ACCEPTED

    registry.fail[f"{REPOSITORY}hermes", "blobs"] = 500
    registry.put(f"{REPOSITORY}hermes")
    registry.forget()
    wait_for(lambda: len(registry.asked("GET", path.replace("latest", "sha256"))) + len(registry.asked("GET", path)) >= 2, 30, "a pull")
    assert images_of(docker, server) == before
    registry.fail.pop((f"{REPOSITORY}hermes", "blobs"))
    wait_for(lambda: images_of(docker, server).get(ids[0]) not in (None, before[ids[0]]), 60, "the new image")
    wait_for(lambda: not rolling(server), 30, "the end of the change")
    server.wait_status(ids[0], "online", 30)
    remove(server, ids)


def test_a_stop_ends_a_refresh(docker_server, registry, prefix):
    server = docker_server(**prefix)
    server.expected_log.append("pull")
    registry.put(f"{REPOSITORY}hermes", files={"noise": uuid.uuid4().bytes * 20_000})
    registry.piece_delay = 2.0
    answers = []
    thread = threading.Thread(target=lambda: answers.append(server.post("/admin/workspace-images/refresh?runtime=hermes")))
    thread.start()
    wait_for(lambda: registry.asked("GET", "/blobs/"), 20, "the pull")
    assert server.stop(20) == 0
    thread.join()
    assert answers[0].json()["failed"] == ["hermes"]
