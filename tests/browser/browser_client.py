"""The server's HTTP interface, as another client uses it."""

import time

import requests


class Client:
    def __init__(self, url, token):
        self.url = url
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token}"

    def call(self, method, path, **options):
        answer = self.session.request(method, self.url + path, timeout=30, **options)
        answer.raise_for_status()
        return answer.json()

    def workspaces(self):
        return self.call("GET", "/workspaces")

    def create(self, name, **fields):
        return self.call("POST", "/workspaces", json={"name": name, **fields})["id"]

    def remove(self, workspace_id):
        return self.call("DELETE", f"/workspaces/{workspace_id}", params={"confirm": "true"})

    def clear(self):
        for root in [row for row in self.workspaces() if row["parent_id"] is None]:
            self.remove(root["id"])
        assert self.workspaces() == []

    def wait_for_status(self, workspace_id, status, timeout_s=30):
        deadline = time.monotonic() + timeout_s
        while True:
            found = {row["id"]: row["status"] for row in self.workspaces()}.get(workspace_id)
            if found == status:
                return
            assert time.monotonic() < deadline, f"{workspace_id} is {found}, not {status}"
            time.sleep(0.1)

    def create_online(self, name, **fields):
        workspace_id = self.create(name, **fields)
        self.wait_for_status(workspace_id, "online")
        return workspace_id
