"""Many clients create and remove workspaces, impatiently, while the server is killed under them."""

import random
import threading
import time

import requests

from workspaced import wait_for

CLIENTS = 8
PATIENCE_S = (0.05, 0.3, 2, 15)  # how long a client waits for an answer before it hangs up
START_S = 30


class Churn:
    """`cycles` in all, or until `seconds` are over. Chance comes from `seed` and the number of the cycle alone."""

    def __init__(self, server, seed, cycles=None, seconds=None, kill_every_s=(1.5, 5.0), keep=0.05):
        self.server, self.seed, self.kill_every_s, self.keep = server, seed, kill_every_s, keep
        self.cycles = cycles
        self.ends_at = time.monotonic() + seconds if seconds else None
        self.url, self.token = server.url, server.token
        self.done = self.created = self.deleted = self.kills = 0
        self.kept = set()
        self.errors = []
        self._lock, self._next = threading.Lock(), 0
        self._over = threading.Event()

    # ---- A client ----

    def _ask(self, method, path, timeout, **more):
        """The answer, or None: nobody knows."""
        try:
            return requests.request(
                method, self.url + path, headers={"Authorization": f"Bearer {self.token}"}, timeout=timeout, **more
            )
        except requests.RequestException:
            return None

    def _cycle(self, number):
        chance = random.Random(f"{self.seed}/{number}")
        while True:  # one that was made and not answered shows in the list at the end
            answer = self._ask("POST", "/workspaces", START_S, json={"name": f"Cycle {number}"})
            if answer is not None and answer.status_code == 201:
                break
            assert answer is None or answer.status_code == 503, answer.text
            time.sleep(0.05)
        id_ = answer.json()["id"]
        with self._lock:
            self.created += 1
        time.sleep(chance.choice([0, chance.uniform(0, 0.3), chance.uniform(0, 1.5)]))
        if chance.random() < self.keep:
            with self._lock:
                self.kept.add(id_)
            return
        purge = "&purge=true" if chance.random() < 0.3 else ""
        while True:  # a delete that was answered, or not, may be asked for again
            answer = self._ask("DELETE", f"/workspaces/{id_}?confirm=true{purge}", chance.choice(PATIENCE_S))
            if answer is not None and answer.status_code in (200, 404):
                break
            assert answer is None or answer.status_code == 503, answer.text
            time.sleep(0.05)
        with self._lock:
            self.deleted += 1

    def _is_over(self):
        return bool(self.errors) or (self.ends_at is not None and time.monotonic() > self.ends_at)

    def _client(self):
        while not self._is_over():
            with self._lock:
                number, self._next = self._next, self._next + 1
            if self.cycles is not None and number >= self.cycles:
                return
            try:
                self._cycle(number)
            except Exception as error:  # reported by run()
                self.errors.append(error)
                return
            with self._lock:
                self.done += 1

    # ---- The killer ----

    def _killer(self):
        chance = random.Random(f"{self.seed}/kills")
        while not self._over.wait(chance.uniform(*self.kill_every_s)):
            try:
                self.server.kill()
                self.server.start(timeout=60)
            except Exception as error:  # reported by run()
                self.errors.append(error)
                return
            self.kills += 1

    def run(self):
        clients = [threading.Thread(target=self._client) for _ in range(CLIENTS)]
        killer = threading.Thread(target=self._killer)
        for thread in clients:
            thread.start()
        if self.kill_every_s:
            killer.start()
        for thread in clients:
            thread.join()
        self._over.set()
        if self.kill_every_s:
            killer.join()
        if self.errors:
            raise self.errors[0]
        return self

    def summary(self):
        return f"{self.done} cycles, {self.created} created, {self.deleted} removed, {self.kills} kills"


# ---- Afterwards ----


def difference(docker, server):
    """What differs between wish and reality; empty: nothing."""
    wrong = []
    live = {one["id"]: one for one in server.get("/workspaces").json()}
    containers = docker.containers(server.installation())
    for one in containers:
        if one["Labels"]["workspaced.workspace"] not in live:
            wrong.append(f"container {one['Names']} ({one['State']}) of nobody")
    for one in docker.volumes(server.installation()):
        if one["Labels"]["workspaced.workspace"] not in live:
            wrong.append(f"volume {one['Name']} of nobody")
    for id_, workspace in live.items():
        states = [one["State"] for one in containers if one["Labels"]["workspaced.workspace"] == id_]
        if states != ["running"] or workspace["status"] != "online":
            wrong.append(f"{id_} is {workspace['status']} with containers {states}: {workspace.get('last_sample_error')}")
    wrong += [f"intent {row}" for row in server.database.query("SELECT kind, ref, attempts, last_error FROM runtime_gc")]
    wrong += [
        f"wish {row}"
        for row in server.database.query("SELECT workspace_id, desired, phase, last_error FROM workspace_runtime")
        if row[0] not in live
    ]
    tokens = server.database.query("SELECT DISTINCT workspace_id FROM workspace_auth_tokens WHERE revoked_at IS NULL")
    wrong += [f"live token of {row[0]}" for row in tokens if str(row[0]) not in live]
    return wrong


def wish_is_reality(docker, server, timeout=120):
    """Within two minutes of the last fault."""
    started = time.monotonic()
    try:
        wait_for(lambda: not difference(docker, server), timeout, "wish = reality", 0.25)
    except AssertionError as error:
        raise AssertionError(f"{error}: {difference(docker, server)[:10]}") from None
    return time.monotonic() - started
