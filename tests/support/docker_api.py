"""As much of the Engine API as a judge needs, straight from the daemon."""

import json
import os
import socket
import urllib.request
from http.client import HTTPConnection

DOCKER_SOCKET = os.environ.get("WORKSPACED_TEST_DOCKER_SOCKET", "/var/run/docker.sock")


class DockerApi:
    def __init__(self, path=DOCKER_SOCKET):
        self.path = path

    def request(self, method, path, body=None, headers=None):
        connection = HTTPConnection("docker")
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.connect(self.path)
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        data = response.read()
        connection.close()
        return response.status, data

    def json(self, path):
        status, data = self.request("GET", path)
        assert status == 200, data
        return json.loads(data)

    def alive(self):
        try:
            return self.request("GET", "/_ping")[0] == 200
        except OSError:
            return False

    def _filters(self, installation):
        return urllib.request.quote(json.dumps({"label": [f"workspaced.installation={installation}"]}))

    def containers(self, installation):
        return self.json(f"/containers/json?all=1&filters={self._filters(installation)}")

    def volumes(self, installation):
        return self.json(f"/volumes?filters={self._filters(installation)}")["Volumes"] or []

    def attached(self, installation):
        """Names of containers of the installation that hang on any of its networks."""
        found = []
        ours = {one["Id"] for one in self.containers(installation)}
        for network in self.json("/networks"):
            details = self.json(f"/networks/{network['Id']}")
            found += [one["Name"] for id_, one in (details["Containers"] or {}).items() if id_ in ours]
        return found

    def import_image(self, name, tar, changes=()):
        repository, tag = name.rsplit(":", 1)
        more = "".join(f"&changes={urllib.request.quote(change)}" for change in changes)
        status, data = self.request(
            "POST", f"/images/create?fromSrc=-&repo={repository}&tag={tag}{more}", tar, {"Content-Type": "application/x-tar"}
        )
        assert status == 200 and b'"error"' not in data, data

    def remove_image(self, name):
        self.request("DELETE", f"/images/{name}?force=1")
