"""A control plane that checks every header and body it is sent, and fails on purpose.

It keeps its machines by Idempotency-Key, as the real one is asked to: an order given again gives the same machine. What
it may not be sent is kept in `complaints`; a test must end without any. Source: spec 02 sections 5 and 11, spec 01 18.2.
"""

import json
import re
import threading
import uuid
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

ID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
ORDER_FIELDS = {"org_id": str, "workspace_id": str, "runtime": str, "tier": int, "platform_url": str}
RESERVED = {"WORKSPACE_ID", "WORKSPACE_CONFIG_PATH", "PLATFORM_URL", "MOLECULE_URL", "TIER"}
OUR_HEADERS = {"authorization", "x-molecule-admin-token", "x-molecule-org-id", "idempotency-key"}


class Drop(Exception):
    """The connection ends without an answer."""


class ControlPlane:
    """`secret`, `admin`, `admin_api`: what must be sent; None: the header must be absent."""

    def __init__(self, org="org-1", secret="s3cret", admin="admin-token", admin_api="api-key"):
        self.org, self.secret, self.admin, self.admin_api = org, secret, admin, admin_api
        self.lock = threading.Lock()
        self.calls = []  # (kind, workspace id, instance id)
        self.orders = []  # bodies
        self.machines = {}  # instance -> {workspace, key, state}
        self.by_key = {}
        self.complaints = []
        self.plans = defaultdict(list)  # kind -> answers to give first
        self.first = {}  # name of a workspace -> status and body of its first order
        self.settings = {}
        self.consoles = {}
        self.name = lambda: f"i-{uuid.uuid4().hex[:12]}"
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    # ---- What a test tells and asks ----

    def plan(self, kind, *answers):
        """The next calls of `kind` ("provision", "stop", "status", "console", "config") are answered so: a function of
        the normal answer (status, body) and nothing else, or a status."""
        with self.lock:
            self.plans[kind].extend(answers)

    def count(self, kind, workspace=None):
        with self.lock:
            return sum(1 for call in self.calls if call[0] == kind and workspace in (None, call[1]))

    def live(self, workspace=None):
        with self.lock:
            return [
                name
                for name, one in self.machines.items()
                if one["state"] in ("running", "pending") and workspace in (None, one["workspace"])
            ]

    def set_state(self, instance, state):
        with self.lock:
            self.machines[instance]["state"] = state

    # ---- Calls ----

    def _complain(self, text):
        with self.lock:
            self.complaints.append(text)

    def _check_headers(self, kind, headers):
        bearer = {"console": self.admin_api or self.secret, "config": self.admin}.get(kind, self.secret)
        expected = {
            "authorization": f"Bearer {bearer}" if bearer else None,
            "x-molecule-admin-token": None if kind == "config" else self.admin,
            "x-molecule-org-id": self.org if kind == "config" else None,
        }
        got = {name.lower(): value for name, value in headers.items()}
        for name, value in expected.items():
            if got.get(name) != value:
                self._complain(f"{kind}: {name} is {got.get(name)!r}, not {value!r}")
        if ("idempotency-key" in got) != (kind == "provision"):
            self._complain(f"{kind}: idempotency-key")
        if kind == "provision" and got.get("content-type") != "application/json":
            self._complain(f"{kind}: content-type is {got.get('content-type')!r}")

    def _check_order(self, order, key):
        if set(order) != set(ORDER_FIELDS) | {"env"}:
            return self._complain(f"order has {sorted(order)}")
        for name, kind in ORDER_FIELDS.items():
            if type(order[name]) is not kind:
                self._complain(f"order: {name} is {order[name]!r}")
        if order["org_id"] != self.org:
            self._complain(f"order: org_id is {order['org_id']!r}")
        if not re.fullmatch(f"{re.escape(order['workspace_id'])}:[1-9][0-9]*", key or ""):
            self._complain(f"order: key {key!r} for {order['workspace_id']}")
        env = order["env"]
        if env is not None and not all(isinstance(value, str) for value in env.values()):
            self._complain("order: env is no object of strings")
        if RESERVED & set(env or {}):
            self._complain(f"order: env sets {RESERVED & set(env)}")

    def provision(self, order, key):
        self._check_order(order, key)
        with self.lock:
            self.orders.append(order)
            name = self.by_key.get(key)
            if name is None:
                name = self.by_key[key] = self.name()
                self.machines[name] = {"workspace": order["workspace_id"], "key": key, "state": "pending"}
        return 201, {"instance_id": name, "private_ip": "10.0.0.7", "state": "pending"}

    def _machine(self, workspace, instance):
        machine = self.machines.get(instance)
        return machine if machine and machine["workspace"] == workspace else None

    def stop(self, workspace, instance):
        with self.lock:
            machine = self._machine(workspace, instance)
            if machine is None or machine["state"] == "gone":
                return 404, {"error": "no such instance"}
            machine["state"] = "gone"
        return 200, {"state": "stopping"}

    def status(self, workspace, instance):
        with self.lock:
            machine = self._machine(workspace, instance)
            if machine is None or machine["state"] == "gone":
                return 404, {"state": "running"}  # what such a body says must not count
            return 200, {"state": machine["state"]}

    def console(self, workspace):
        return (200, {"output": self.consoles[workspace]}) if workspace in self.consoles else (404, {"error": "gone"})

    def _route(self, method, target, headers, body):
        parts = urlsplit(target)
        query = parse_qs(parts.query, keep_blank_values=True)
        found = re.fullmatch(f"/cp/workspaces/({ID})(/status)?", parts.path)
        console = re.fullmatch(f"/cp/admin/workspaces/({ID})/console", parts.path)
        if method == "POST" and target == "/cp/workspaces/provision":
            return "provision", json.loads(body)["workspace_id"], None, lambda: self.provision(json.loads(body), headers.get("Idempotency-Key"))
        if found and set(query) == {"instance_id"} and query["instance_id"][0]:
            instance = query["instance_id"][0]
            if method == "GET" and found[2]:
                return "status", found[1], instance, lambda: self.status(found[1], instance)
            if method == "DELETE" and not found[2]:
                return "stop", found[1], instance, lambda: self.stop(found[1], instance)
        if method == "GET" and console and not parts.query:
            return "console", console[1], None, lambda: self.console(console[1])
        if method == "GET" and target == "/cp/tenants/config":
            return "config", None, None, lambda: (200, self.settings)
        self._complain(f"{method} {target}")
        return "unknown", None, None, lambda: (400, {})

    def answer(self, method, target, headers, body):
        kind, workspace, instance, work = self._route(method, target, headers, body)
        self._check_headers(kind, headers)
        with self.lock:
            self.calls.append((kind, workspace, instance))
            planned = self.plans[kind].pop(0) if self.plans[kind] else None
        if kind == "provision":
            author = (json.loads(body)["env"] or {}).get("GIT_AUTHOR_NAME", "")
            first = self.first.pop(author.removeprefix("Molecule AI "), None)
            if first:
                return first
        if planned is None:
            return work()
        return planned(work) if callable(planned) else (planned, {"error": "on purpose"})

    def _handler(plane):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def _any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                try:
                    status, answer = plane.answer(self.command, self.path, self.headers, body)
                except Drop:
                    self.close_connection = True
                    return
                text = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            do_GET = do_POST = do_DELETE = do_HEAD = do_PUT = do_PATCH = _any

        return Handler


# ---- Plans ----


def lose_after(work):
    """It happens; nobody hears of it."""
    work()
    raise Drop


def lose_before(_work):
    raise Drop
