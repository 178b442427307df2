"""Workspaces whose machines a control plane hosts: what it is sent, what its answers and silences lead to, on both
databases. Source: spec 02 sections 5 and 11, acceptance 27, L32 to L34, L42; spec 01 sections 11.2 and 18.2."""

import threading
import time

import pytest
from control_plane_stub import ControlPlane, lose_after, lose_before
from workspaced import DATABASES, wait_for

CARD = {"name": "agent", "version": "1"}
PATIENCE = 60


@pytest.fixture
def plane():
    made = []

    def make(**credentials):
        made.append(ControlPlane(**credentials))
        return made[-1]

    yield make
    for one in made:
        one.close()
        assert not one.complaints, one.complaints


@pytest.fixture(params=DATABASES)
def hosted(request, start_server, plane):
    """hosted(stub=..., **settings): a server before a control plane; `server.plane` is the stub."""

    def start(stub=None, kind=request.param, **settings):
        stub = stub or plane()
        server = start_server(
            kind,
            **{
                "WORKSPACED_ENGINE": "auto",
                "MOLECULE_ORG_ID": stub.org,
                "CP_PROVISION_URL": stub.url,
                "MOLECULE_CP_URL": stub.url,
                "MOLECULE_CP_SHARED_SECRET": stub.secret,
                "CP_ADMIN_API_TOKEN": stub.admin_api,
                "ADMIN_TOKEN": stub.admin,
                "PLATFORM_URL": "https://tenant.example",
                "WORKSPACED_RECONCILE_SECONDS": "1",
                **settings,
            },
        )
        server.token = stub.admin or server.token
        server.plane = stub
        return server

    return start


def instance_of(server, id_):
    [(known, recorded)] = server.database.query(
        "SELECT w.instance_id, r.instance_id FROM workspaces w JOIN workspace_runtime r ON r.workspace_id = w.id"
        f" WHERE w.id = '{id_}'"
    )
    assert known == recorded
    return known


def runtime_row(server, id_):
    rows = server.database.query(
        f"SELECT desired, phase, generation, container_id, last_error FROM workspace_runtime WHERE workspace_id = '{id_}'"
    )
    return rows[0] if rows else None


def register(server, id_, token=None):
    body = {"id": id_, "url": "http://10.0.0.7:8000", "agent_card": CARD}
    return server.post("/registry/register", body, token=token)


def up(server, name, **fields):
    """A workspace whose machine is ordered and whose agent has registered; its id and token."""
    id_ = server.create(name, **fields)
    wait_for(lambda: instance_of(server, id_), PATIENCE, "an instance id")
    answer = register(server, id_)
    assert answer.status_code == 200, answer.text
    assert server.listed(id_)["status"] == "online"
    return id_, answer.json()["auth_token"]


def wait_forgotten(server, id_, patience=PATIENCE):
    wait_for(lambda: runtime_row(server, id_) is None, patience, "the end of its runtime row")
    assert server.database.query(f"SELECT id FROM runtime_gc WHERE workspace_id = '{id_}'") == []


# ---- Orders ----


def test_an_order_says_what_the_platform_needs_and_no_more(hosted):
    server = hosted(DEFAULT_TIER="1", AWARENESS_URL="http://aware.example")
    server.post("/workspaces", {"name": "P"})
    id_ = server.create(
        "Ada L", role="counts", tier=3, runtime="hermes", model="m-1", secrets={"KEY": "värde", "WORKSPACE_ID": "forged"}
    )
    wait_for(lambda: instance_of(server, id_), PATIENCE, "an instance id")
    order = next(one for one in server.plane.orders if one["workspace_id"] == id_)
    assert (order["runtime"], order["tier"], order["platform_url"]) == ("hermes", 3, "https://tenant.example")
    expected = {
        "GIT_AUTHOR_NAME": "Molecule AI Ada L",
        "GIT_COMMITTER_NAME": "Molecule AI Ada L",
        "GIT_AUTHOR_EMAIL": "ada-l@agents.moleculesai.app",
        "GIT_COMMITTER_EMAIL": "ada-l@agents.moleculesai.app",
        "KEY": "värde",
        "HERMES_DEFAULT_MODEL": "m-1",
    }
    assert expected.items() <= order["env"].items()
    assert order["env"]["MOLECULE_AGENT_ROLE"].lower() == "counts"
    assert not [name for name in order["env"] if name.startswith(("AWARENESS", "PYTHONPATH", "PLUGINS", "WORKSPACE_"))]
    other = next(one for one in server.plane.orders if one["workspace_id"] != id_)
    assert (other["runtime"], other["tier"]) == ("langgraph", 1)
    assert server.plane.live(id_) == [instance_of(server, id_)]
    assert server.listed(id_)["status"] == "provisioning" and server.listed(id_)["url"] in (None, "")


@pytest.mark.parametrize(
    ("credentials", "settings"),
    [
        ({"secret": None, "admin": None, "admin_api": None}, {}),
        ({"secret": "from-the-old-name", "admin": "a", "admin_api": None}, {"PROVISION_SHARED_SECRET": "from-the-old-name"}),
        ({"secret": None, "admin": "only-second", "admin_api": None}, {}),
        ({"secret": "p", "admin": "a", "admin_api": "key"}, {}),
    ],
)
def test_each_header_is_there_when_its_value_is(hosted, plane, credentials, settings):
    stub = plane(**credentials)
    old = "PROVISION_SHARED_SECRET" in settings
    server = hosted(stub, **settings, **({"MOLECULE_CP_SHARED_SECRET": None} if old else {}))
    id_ = server.create("a")
    wait_for(lambda: instance_of(server, id_), PATIENCE, "an instance id")
    assert server.get(f"/workspaces/{id_}/console").status_code == 404
    assert server.delete(f"/workspaces/{id_}").json()["cleanup"] == "done"
    assert [stub.count(kind) > 0 for kind in ("provision", "console", "stop")] == [True] * 3


def test_without_an_organisation_there_is_no_control_plane(start_server, plane):
    with pytest.raises(AssertionError, match="MOLECULE_ORG_ID"):
        start_server("sqlite", WORKSPACED_ENGINE="control-plane", CP_PROVISION_URL=plane().url)


NO_MACHINES = [
    (200, {"instance_id": "i-1"}),
    (202, {"instance_id": "i-1"}),
    (201, {"state": "running"}),
    (201, {"instance_id": ""}),
    (201, b"<html>secret-in-a-body</html>"),
    (500, {"error": "quota-word", "token": "secret-in-a-body"}),
    (503, b"secret-in-a-body"),
    (502, b"x" * (1 << 20)),
]


def test_only_201_with_an_instance_counts_and_bodies_are_not_repeated(hosted):
    server = hosted()
    server.plane.first = {f"w{number}": answer for number, answer in enumerate(NO_MACHINES)}
    ids = [server.create(name) for name in list(server.plane.first)]
    for id_ in ids:
        wait_for(lambda: server.listed(id_)["status"] == "failed", PATIENCE, "the failure")
        assert instance_of(server, id_) is None
        assert server.listed(id_)["last_sample_error"] == "provisioning failed"
        events = server.get(f"/events/{id_}").json()
        failures = [one["payload"] for one in events if one["event_type"] == "WORKSPACE_PROVISION_FAILED"]
        assert [one["error"] for one in failures] == ["provisioning failed"]
    assert "secret-in-a-body" not in server.log() and "quota-word" in server.log()
    # The orders are given again, under the same keys; their agents may register.
    for id_ in ids:
        wait_for(lambda: server.listed(id_)["status"] == "provisioning", PATIENCE, "the next try")
        assert [server.plane.machines[one]["key"] for one in server.plane.live(id_)] == [f"{id_}:1"]
        assert register(server, id_).status_code == 200


def test_a_refused_order_is_not_given_again_before_a_new_wish(hosted):
    server = hosted()
    server.plane.plan("provision", 422)
    id_ = server.create("a")
    wait_for(lambda: server.listed(id_)["status"] == "failed", PATIENCE, "the failure")
    assert runtime_row(server, id_)[1:4] == ("failed", 1, None)
    assert server.delete(f"/workspaces/{id_}").json()["cleanup"] == "done"
    assert (server.plane.count("provision"), server.plane.count("stop")) == (1, 0)


def test_a_secret_that_cannot_be_read_is_told_by_an_event(hosted):
    server = hosted()
    server.plane.plan("provision", 500)
    id_ = server.create("a", secrets={"KEY": "value"})
    wait_for(lambda: server.listed(id_)["status"] == "failed", PATIENCE, "the first failure")
    server.stop()
    (server.data_dir / "secrets.key").unlink()
    server.start()
    server.token = server.plane.admin
    wait_for(lambda: "failed to decrypt" in (runtime_row(server, id_)[4] or ""), PATIENCE, "the reason")
    assert server.plane.live() == []


# ---- Tokens ----


def test_each_machine_gets_one_token_of_its_own(hosted):
    server = hosted()
    id_, first = up(server, "a")
    assert register(server, id_).status_code == 401
    assert register(server, id_, first).status_code == 200
    machine = instance_of(server, id_)
    server.plane.set_state(machine, "terminated")
    wait_for(lambda: instance_of(server, id_) not in (None, machine), PATIENCE, "another machine")
    assert server.listed(id_)["status"] == "provisioning"
    # What the former machine knows is void and opens nothing; its successor comes without (L42).
    assert register(server, id_, first).status_code == 401
    assert server.post("/registry/heartbeat", {"workspace_id": id_}, token=first).status_code == 401
    assert server.listed(id_)["status"] == "provisioning"
    answer = register(server, id_)
    assert answer.status_code == 200 and answer.json()["auth_token"] != first
    assert register(server, id_).status_code == 401


def test_a_users_token_survives_a_new_machine(hosted):
    server = hosted()
    id_, _ = up(server, "a")
    mine = server.mint(id_)
    machine = instance_of(server, id_)
    server.plane.set_state(machine, "stopping")
    wait_for(lambda: instance_of(server, id_) not in (None, machine), PATIENCE, "another machine")
    assert server.get(f"/workspaces/{id_}/tokens", token=mine).status_code == 200


# ---- State ----


NO_STATES = [
    (401, {"state": "terminated"}),
    (404, {"state": "terminated"}),
    (500, {"state": "terminated"}),
    (502, {"state": "terminated"}),
    (503, {"state": "terminated"}),
    (200, b"<html>terminated</html>"),
    (200, {"state": 5}),
]


def test_an_answer_that_is_no_state_is_no_death(hosted):
    server = hosted()
    id_ = server.create("a")
    machine = wait_for(lambda: instance_of(server, id_), PATIENCE, "an instance id")
    server.plane.plan("status", *[lambda _work, answer=answer: answer for answer in NO_STATES], lose_before)
    wait_for(lambda: not server.plane.plans["status"], PATIENCE, "all questions")
    asked = server.plane.count("status")
    wait_for(lambda: server.plane.count("status") > asked, PATIENCE, "one more")
    assert instance_of(server, id_) == machine and server.plane.count("stop") == 0


@pytest.mark.parametrize("state", ["terminated", "stopping"])
def test_a_machine_that_ended_is_replaced_under_a_new_key(hosted, state):
    server = hosted()
    id_, _ = up(server, "a")
    machine = instance_of(server, id_)
    # What follows the answer's first value, beyond the cap, does not matter.
    server.plane.plan("status", lambda _work: (200, b'{"state":"%s"}' % state.encode() + b" " * (1 << 17)))
    server.plane.set_state(machine, state)
    replaced = wait_for(lambda: instance_of(server, id_) not in (None, machine) and instance_of(server, id_), PATIENCE, "another")
    assert {one["key"] for one in server.plane.machines.values()} == {f"{id_}:1", f"{id_}:2"}
    assert server.plane.live(id_) == [replaced]
    kinds = [one["event_type"] for one in server.get(f"/events/{id_}").json()]
    assert "WORKSPACE_OFFLINE" in kinds and kinds.count("WORKSPACE_PROVISIONING") == 2


# ---- Ending ----


def test_a_delete_ends_the_machine(hosted):
    server = hosted()
    server.plane.name = lambda: "odd/id&x=1 ü"  # escaped on the wire, whole in the row
    id_, token = up(server, "a")
    assert instance_of(server, id_) == "odd/id&x=1 ü"
    answer = server.delete(f"/workspaces/{id_}").json()
    assert (answer["status"], answer["cleanup"]) == ("removed", "done")
    assert server.plane.live() == [] and server.plane.count("stop") == 1
    assert server.database.query(f"SELECT instance_id FROM workspaces WHERE id = '{id_}'") == [(None,)]
    wait_forgotten(server, id_)
    assert register(server, id_, token).status_code in (401, 410)


def test_each_wish_to_stop_ends_the_machine_and_each_to_run_orders_another(hosted):
    server = hosted()
    id_, token = up(server, "a")

    def stopped(status):
        wait_for(lambda: server.listed(id_)["status"] == status, PATIENCE, status)
        wait_for(lambda: instance_of(server, id_) is None, PATIENCE, "the end of the machine")
        assert server.plane.live() == []

    def started(former):
        wait_for(lambda: instance_of(server, id_) not in (None, former), PATIENCE, "another machine")
        answer = register(server, id_)
        assert answer.status_code == 200 and server.listed(id_)["status"] == "online", answer.text
        assert server.plane.live() == [instance_of(server, id_)]
        return answer.json()["auth_token"]

    machines = [instance_of(server, id_)]
    assert server.post(f"/workspaces/{id_}/pause").status_code == 200
    stopped("paused")
    assert server.post(f"/workspaces/{id_}/resume").status_code == 200
    started(machines[-1])
    machines.append(instance_of(server, id_))
    assert server.post(f"/workspaces/{id_}/hibernate?force=true").status_code == 200
    stopped("hibernated")
    assert server.post(f"/workspaces/{id_}/restart", {}).status_code == 200
    started(machines[-1])
    machines.append(instance_of(server, id_))
    assert server.post(f"/workspaces/{id_}/restart", {}).status_code == 200
    last = started(machines[-1])
    assert len({*machines, instance_of(server, id_), token, last}) == 6
    assert server.plane.count("stop") == 3 and len(server.plane.by_key) == 4


def test_a_tree_is_ended_whole_and_purged(hosted):
    server = hosted()
    root, _ = up(server, "root")
    for name in ("b", "c"):
        up(server, name, parent_id=root)
    assert len(server.plane.live()) == 3
    assert server.delete(f"/workspaces/{root}?confirm=true&purge=true").status_code == 200
    wait_for(lambda: not server.plane.live(), PATIENCE, "the end of all machines")
    wait_for(lambda: not server.database.query("SELECT workspace_id FROM workspace_runtime"), PATIENCE, "no runtime rows")


def test_a_stop_that_fails_is_tried_until_it_is_done(start_server, plane):
    """Three calls, then the id is forgotten. It takes the back-off's 15 s: both databases at once."""
    stubs = {kind: plane() for kind in DATABASES}
    servers = {}
    for kind, stub in stubs.items():
        servers[kind] = start_server(
            kind, WORKSPACED_ENGINE="auto", MOLECULE_ORG_ID=stub.org, CP_PROVISION_URL=stub.url, MOLECULE_CP_URL=stub.url,
            MOLECULE_CP_SHARED_SECRET=stub.secret, ADMIN_TOKEN=stub.admin, PLATFORM_URL="https://tenant.example",
        )  # fmt: skip
        servers[kind].token = stub.admin
    ids = {}
    for kind, server in servers.items():
        ids[kind], _ = up(server, "a")
        stubs[kind].plan("stop", 500, 403)

    def delete(kind):
        servers[kind].delete(f"/workspaces/{ids[kind]}?purge=true")

    threads = [threading.Thread(target=delete, args=[kind]) for kind in DATABASES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for kind, server in servers.items():
        wait_forgotten(server, ids[kind])
        assert stubs[kind].count("stop") == 3 and stubs[kind].live() == []


def test_a_machine_the_platform_forgot_is_ended(hosted):
    server = hosted()
    id_, _ = up(server, "a")
    server.plane.machines.clear()
    assert server.delete(f"/workspaces/{id_}").json()["cleanup"] == "done"
    wait_forgotten(server, id_)


# ---- Answers that get lost (L34) ----


@pytest.mark.parametrize("lose", [lose_after, lose_before])
def test_an_order_whose_answer_is_lost_makes_one_machine(hosted, lose):
    server = hosted()
    server.plane.plan("provision", lose)
    id_ = server.create("a")
    machine = wait_for(lambda: instance_of(server, id_), PATIENCE, "an instance id")
    assert server.plane.live() == [machine] and list(server.plane.by_key) == [f"{id_}:1"]
    assert register(server, id_).status_code == 200


@pytest.mark.parametrize("purge", ["", "?purge=true"])
def test_a_delete_during_an_order_ends_what_it_gives(hosted, purge):
    server = hosted()
    asked, go = threading.Event(), threading.Event()

    def slow(work):
        answer = work()
        asked.set()
        go.wait(30)
        return answer

    server.plane.plan("provision", slow)
    id_ = server.create("a")
    assert asked.wait(30)
    deleted = threading.Thread(target=server.delete, args=[f"/workspaces/{id_}{purge}"])
    deleted.start()
    wait_for(lambda: (runtime_row(server, id_) or ["absent"])[0] == "absent", PATIENCE, "the wish")
    go.set()
    deleted.join()
    wait_forgotten(server, id_)
    assert server.plane.live() == [] and server.plane.count("stop") == 1


@pytest.mark.parametrize("purge", ["", "?purge=true"])
def test_a_delete_after_a_lost_answer_ends_what_nobody_named(hosted, purge):
    server = hosted()
    server.plane.plan("provision", lose_after, 503)
    id_ = server.create("a")
    wait_for(lambda: server.plane.count("provision") >= 2, PATIENCE, "the second try")
    assert len(server.plane.live()) == 1
    server.delete(f"/workspaces/{id_}{purge}")
    wait_forgotten(server, id_)
    assert server.plane.live() == [] and list(server.plane.by_key) == [f"{id_}:1"]


def test_a_server_that_dies_during_an_order_finds_its_machine(hosted):
    server = hosted()
    asked = threading.Event()

    def slow(work):
        answer = work()
        asked.set()
        time.sleep(1)
        return answer

    server.plane.plan("provision", slow)
    id_ = server.create("a")
    assert asked.wait(30)
    server.kill()
    server.start()
    server.token = server.plane.admin
    machine = wait_for(lambda: instance_of(server, id_), PATIENCE, "an instance id")
    assert server.plane.live() == [machine] and list(server.plane.by_key) == [f"{id_}:1"]


def test_a_stop_of_the_server_does_not_wait_for_an_order(hosted):
    server = hosted()
    asked = threading.Event()

    def never(work):
        answer = work()
        asked.set()
        time.sleep(8)
        return answer

    server.plane.plan("provision", never)
    id_ = server.create("a")
    assert asked.wait(30)
    began = time.monotonic()
    assert server.stop() == 0 and time.monotonic() - began < 6
    server.start()
    server.token = server.plane.admin
    machine = wait_for(lambda: instance_of(server, id_), PATIENCE, "an instance id")
    assert server.plane.live() == [machine]


def test_a_platform_that_is_away_changes_nothing(hosted):
    server = hosted()
    id_, token = up(server, "a")
    machine, stub = instance_of(server, id_), server.plane
    stub.server.shutdown()
    stub.server.server_close()
    wait_for(lambda: "engine cannot be reached" in server.log(), PATIENCE, "the notice")
    assert server.listed(id_)["status"] == "online" and instance_of(server, id_) == machine
    assert server.post("/registry/heartbeat", {"workspace_id": id_}, token=token).status_code == 200


def test_another_platform_is_not_taken_for_this_one(hosted, plane):
    server = hosted()
    id_, _ = up(server, "a")
    machine, other = instance_of(server, id_), plane()
    server.stop()
    server.settings.update({"CP_PROVISION_URL": other.url})
    server.expected_log.append("until an administrator confirms")
    server.start()
    server.token = server.plane.admin
    wait_for(lambda: "another one than before" in server.log(), PATIENCE, "the dispute")
    assert instance_of(server, id_) == machine and other.calls == []


# ---- Console ----


def test_console(hosted):
    server = hosted()
    stub, id_ = server.plane, "11111111-1111-4111-8111-111111111111"
    path = f"/workspaces/{id_}/console"
    assert server.get(path).status_code == 404
    stub.consoles[id_] = 'boot\n"ü" done'
    answer = server.get(path)
    assert (answer.status_code, answer.json()) == (200, {"output": 'boot\n"ü" done'})
    stub.plan("console", lambda _work: (200, {}), lambda _work: (200, {"output": None}))
    assert [server.get(path).json() for _ in range(2)] == [{"output": ""}] * 2
    stub.plan("console", 500, 401, lambda _work: (200, b"<html>"), lambda _work: (200, b"[]"), lose_before)
    stub.plan("console", lambda _work: (200, {"output": "x" * (256 * 1024)}))
    answers = [server.get(path) for _ in range(6)]
    assert [one.status_code for one in answers] == [502] * 6
    assert all(set(one.json()) == {"error"} and "purpose" not in one.text for one in answers)
    assert server.get(path, token=None).status_code == 401
    assert server.get("/workspaces/x/console").status_code == 400


def test_console_without_a_control_plane(start_server):
    server = start_server()
    answer = server.get("/workspaces/11111111-1111-4111-8111-111111111111/console")
    assert answer.status_code == 501 and answer.json()["error"]


# ---- Settings of the tenant ----


def test_settings_of_the_tenant_replace_variables(hosted, plane):
    stub = plane(secret="from-the-platform")
    stub.settings = {
        "MOLECULE_CP_SHARED_SECRET": "from-the-platform",
        "GHCR_USER": None,
        "ADMIN_TOKEN": "",
        "SECRETS_ENCRYPTION_KEY": "x" * 32,
        "LD_PRELOAD": "/nowhere.so",
        "WORKSPACED_ENGINE": "none",
        "": "nobody",
        "MOLECULE_ENV": "x" * 4097,
    }
    server = hosted(stub, MOLECULE_CP_SHARED_SECRET="stale")
    assert '"applied":1,"skipped":7' in server.log()
    id_ = server.create("a")
    wait_for(lambda: instance_of(server, id_), PATIENCE, "an instance id")


@pytest.mark.parametrize(
    "answer",
    [
        lambda work: (500, {"MOLECULE_CP_SHARED_SECRET": "wrong"}),
        lambda work: (204, b""),
        lambda work: (200, b'{"MOLECULE_CP_SHARED_SECRET":"wrong"'),
        lambda work: (200, {"MOLECULE_CP_SHARED_SECRET": "wrong", "MOLECULE_X": 5}),
        lambda work: (200, {"MOLECULE_CP_SHARED_SECRET": "wrong", "MOLECULE_X": "x" * 65536}),
        lose_before,
    ],
)
def test_settings_that_cannot_be_read_change_nothing(hosted, plane, answer):
    stub = plane()
    stub.plan("config", answer)
    server = hosted(stub)
    assert "settings of the tenant were not refreshed" in server.log()
    id_ = server.create("a")
    wait_for(lambda: instance_of(server, id_), PATIENCE, "an instance id")


def test_settings_are_asked_for_over_https_only_and_only_by_a_tenant(hosted, plane, start_server):
    server = hosted(MOLECULE_CP_URL="http://192.0.2.1:1")
    assert "must begin with https" in server.log() and server.plane.count("config") == 0
    stub = plane()
    start_server("sqlite", MOLECULE_ORG_ID="org-1", MOLECULE_CP_URL=stub.url)
    start_server("sqlite", ADMIN_TOKEN="x", MOLECULE_CP_URL=stub.url)
    assert stub.count("config") == 0
