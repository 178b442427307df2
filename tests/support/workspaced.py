"""Runs the real `workspaced` for tests: WORKSPACED_BINARY, else build/src/workspaced.

Each server has a temporary data folder, a free port, and on PostgreSQL a database of its own on the cluster of
WORKSPACED_TEST_POSTGRES_URL.
"""

import json
import os
import re
import signal
import subprocess
import time
import uuid
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import requests

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("WORKSPACED_BINARY", ROOT / "build" / "src" / "workspaced"))
AGENT = Path(os.environ.get("WORKSPACE_AGENT_BINARY", ROOT / "build" / "agent" / "workspace-agent"))
POSTGRES = os.environ.get("WORKSPACED_TEST_POSTGRES_URL")
FAULTS = re.compile(r"Sanitizer|runtime error:|CRITICAL|assertion|\"level\":\"error\"", re.IGNORECASE)


def wait_for(condition, timeout=10.0, what="the condition", every=0.02):
    """The first true value of condition()."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not come true in {timeout} s"
        time.sleep(every)


class PostgresDatabase:
    """A database of its own on the tests' cluster."""

    def __init__(self):
        import psycopg

        self.name = f"workspaced_{uuid.uuid4().hex}"
        self._admin = psycopg.connect(POSTGRES, autocommit=True)
        self._admin.execute(f'CREATE DATABASE "{self.name}"')
        parts = urlsplit(POSTGRES)
        self.url = urlunsplit(parts._replace(path=f"/{self.name}"))

    def query(self, sql):
        import psycopg

        with psycopg.connect(self.url) as connection:
            return connection.execute(sql).fetchall()

    def execute(self, sql):
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql)

    def drop(self):
        self._admin.execute(f'DROP DATABASE "{self.name}" WITH (FORCE)')
        self._admin.close()


class SqliteDatabase:
    def __init__(self, path):
        self.path = path
        self.url = f"sqlite:{path}"

    def query(self, sql):
        import sqlite3

        connection = sqlite3.connect(self.path)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def execute(self, sql):
        import sqlite3

        connection = sqlite3.connect(self.path)
        try:
            with connection:
                connection.execute(sql)
        finally:
            connection.close()

    def drop(self):
        pass


DATABASES = ["sqlite"] + (["postgres"] if POSTGRES else [])


def make_database(kind, folder):
    return PostgresDatabase() if kind == "postgres" else SqliteDatabase(folder / "data" / "workspaced.db")


class Server:
    """One `workspaced serve`. `settings` are environment variables."""

    def __init__(self, data_dir, database, **settings):
        self.data_dir = Path(data_dir)
        self.database = database
        self.settings = {
            "WORKSPACED_ENGINE": "none",
            "RATE_LIMIT": "1000000",
            "PORT": "0",
            **{key: str(value) for key, value in settings.items() if value is not None},
        }
        self.log_path = self.data_dir.parent / f"{self.data_dir.name}.log"
        self.expected_log = []
        self.process = None
        self.session = requests.Session()

    def start(self, timeout=20):
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.data_dir.parent),
            "WORKSPACED_DATA_DIR": str(self.data_dir),
            "WORKSPACED_AGENT": str(AGENT),
            "WORKSPACED_LOG_FORMAT": "json",
            "DATABASE_URL": self.database.url,
            **{key: value for key, value in os.environ.items() if key.endswith("SAN_OPTIONS")},
            **self.settings,
        }
        (self.data_dir / "url").unlink(missing_ok=True)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [str(BINARY), "serve"], env=environment, cwd=self.data_dir.parent, stdout=subprocess.PIPE, stderr=log
            )
        wait_for(self._answers, timeout, "the server's /health")
        self.settings["PORT"] = str(urlsplit(self.url).port)  # the same after a restart
        return self

    def _answers(self):
        assert self.process.poll() is None, f"the server ended: {self.log()[-2000:]}"
        try:
            self.url = (self.data_dir / "url").read_text().strip()
            self.token = (self.data_dir / "admin-token").read_text().strip()
            return requests.get(f"{self.url}/health", timeout=5).status_code == 200
        except (FileNotFoundError, requests.ConnectionError):
            return False

    def stop(self, timeout=30):
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout)
        self.process.stdout.close()
        return status

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def running(self):
        return self.process is not None and self.process.poll() is None

    def close(self):
        """Ends the server and looks for what it should never have said."""
        status = self.stop() if self.running() else None
        self.session.close()
        bad = [
            line
            for line in self.log().splitlines()
            if FAULTS.search(line) and not any(re.search(pattern, line) for pattern in self.expected_log)
        ]
        assert not bad, bad[:5]
        assert status in (0, None), f"exit status {status}: {self.log()[-2000:]}"

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    # ---- Requests ----

    def request(self, method, path, token=True, json=None, headers=None, **more):
        """`token` True: the administrator's; None: none; else that one."""
        headers = dict(headers or {})
        if token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token if token is True else token}")
        return self.session.request(method, self.url + path, json=json, headers=headers, timeout=60, **more)

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, path, json=None, **more):
        return self.request("POST", path, json=json, **more)

    def patch(self, path, json=None, **more):
        return self.request("PATCH", path, json=json, **more)

    def delete(self, path, **more):
        return self.request("DELETE", path, **more)

    # ---- Workspaces ----

    def create(self, name, **fields):
        answer = self.post("/workspaces", {"name": name, **fields})
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def workspace(self, id_):
        return self.get(f"/workspaces/{id_}").json()

    def listed(self, id_):
        return next((one for one in self.get("/workspaces").json() if one["id"] == id_), None)

    def wait_status(self, id_, status, timeout=30):
        def reached():
            found = self.listed(id_)
            assert found, f"{id_} is not listed"
            assert status == "failed" or found["status"] != "failed", found
            return found if found["status"] == status else None

        return wait_for(reached, timeout, f"status {status}")

    def mint(self, id_):
        answer = self.post(f"/workspaces/{id_}/tokens")
        assert answer.status_code == 201, answer.text
        return answer.json()["auth_token"]

    def say(self, target, text, caller=None, token=True, **more):
        headers = {"X-Workspace-ID": caller} if caller else {}
        message = {"role": "user", "messageId": str(uuid.uuid4()), "parts": [{"kind": "text", "text": text}]}
        body = {"method": "message/send", "params": {"message": message}}
        return self.post(f"/workspaces/{target}/a2a", body, headers=headers, token=token, **more)

    def installation(self):
        return (self.data_dir / "installation-id").read_text().strip()


def text_of(answer):
    """The text of an agent's answer, be it a message or a task."""
    return json.dumps(answer.json().get("result"))
