"""What reaches a workspace's environment: identity, and tokens of a GitHub App. Source: spec 02 section 12."""

import base64
import hashlib
import json
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from workspaced import wait_for

ENVIRONMENT = '["/bin/sh", "-c", "env | grep -E \'^(GH_|GITHUB_|GIT_|MOLECULE_)\'"]'


class Github:
    """Mints tokens for whoever signs with the right key."""

    def __init__(self, folder):
        outer = self
        self.key = folder / "app.pem"
        self.public = folder / "app.pub"
        subprocess.run(["openssl", "genrsa", "-out", self.key, "2048"], check=True, capture_output=True)
        subprocess.run(["openssl", "rsa", "-in", self.key, "-pubout", "-out", self.public], check=True, capture_output=True)
        self.folder = folder
        self.status = 201
        self.minted = 0
        self.faults = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                fault = outer.judge(self)
                if fault:
                    outer.faults.append(fault)
                status = 401 if fault else outer.status
                outer.minted += status == 201
                body = {"token": f"ghs_secret{outer.minted}", "expires_at": "2099-01-01T00:00:00Z"}
                data = json.dumps(body if status == 201 else {"message": "secret cause"}).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def judge(self, request):
        if request.path != "/app/installations/22/access_tokens" or request.headers.get("Content-Length", "0") != "0":
            return f"path {request.path}"
        if request.headers["Accept"] != "application/vnd.github+json" or request.headers["X-GitHub-Api-Version"] != "2022-11-28":
            return "headers"
        scheme, _, jwt = request.headers["Authorization"].partition(" ")
        parts = jwt.split(".")
        if scheme != "Bearer" or len(parts) != 3 or "=" in jwt:
            return "authorization"
        header, claims, signature = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in parts)
        claims = json.loads(claims)
        now = time.time()
        if json.loads(header)["alg"] != "RS256" or claims["iss"] != "11" or claims["exp"] - claims["iat"] != 540:
            return f"claims {claims}"
        if not now - 70 <= claims["iat"] <= now - 59:
            return "iat"
        (self.folder / "signature").write_bytes(signature)
        verified = subprocess.run(
            ["openssl", "dgst", "-sha256", "-verify", self.public, "-signature", self.folder / "signature"],
            input=".".join(parts[:2]).encode(), capture_output=True,
        )  # fmt: skip
        return None if verified.returncode == 0 else "signature"

    def settings(self):
        return {
            "GITHUB_APP_ID": "11", "GITHUB_APP_INSTALLATION_ID": "22", "GITHUB_APP_PRIVATE_KEY_FILE": self.key,
            "WORKSPACED_GITHUB_API": self.url + "/",
        }  # fmt: skip

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        assert not self.faults


@pytest.fixture
def github(tmp_path):
    one = Github(tmp_path)
    yield one
    one.stop()


def environment_of(server, id_):
    answer = server.say(id_, "x")
    assert answer.status_code == 200, answer.text
    texts = [part["text"] for part in find_parts(answer.json()) if "text" in part]
    return dict(line.split("=", 1) for line in "\n".join(texts).splitlines() if "=" in line)


def find_parts(value):
    if isinstance(value, dict):
        yield from value.get("parts") or []
        for one in value.values():
            yield from find_parts(one)
    elif isinstance(value, list):
        for one in value:
            yield from find_parts(one)


def test_a_workspace_gets_identity_and_token(start_server, github, tmp_path):
    owners = tmp_path / "owners.yaml"
    owners.write_text("roles:\n  pmm-lead: {owner: pam}\n")
    server = start_server(
        WORKSPACED_ENGINE="sandbox", MOLECULE_GH_IDENTITY_CONFIG_FILE=owners, **github.settings()
    )
    ids = [server.create(f"Agent {number}", role="pmm-lead", executor="command", command=ENVIRONMENT) for number in range(3)]
    for id_ in ids:
        server.wait_status(id_, "online")
        found = environment_of(server, id_)
        assert found["GITHUB_TOKEN"] == found["GH_TOKEN"] == "ghs_secret1"
        assert (found["MOLECULE_AGENT_ROLE"], found["MOLECULE_OWNER"], found["MOLECULE_WORKSPACE_ID"]) == ("Pmm-Lead", "pam", id_)
        assert found["MOLECULE_ATTRIBUTION_BADGE"] == f"\U0001f916 [Agent: Pmm-Lead \u00b7 ws-{id_[:8]}]"
        script = base64.b64decode(found["MOLECULE_GH_WRAPPER_B64"])
        assert script.startswith(b"#!") and hashlib.sha256(script).hexdigest()[:12] == found["MOLECULE_GH_WRAPPER_SHA"]
        assert found["GIT_AUTHOR_NAME"].startswith("Molecule AI Agent ")
    for path, token in (("/admin/github-installation-token", True), (f"/workspaces/{ids[0]}/github-installation-token", server.mint(ids[0]))):
        answer = server.get(path, token=token)
        assert (answer.status_code, answer.json()) == (200, {"token": "ghs_secret1", "expires_at": "2099-01-01T00:00:00Z"})
        assert answer.headers["Cache-Control"] == "no-store"
        assert server.get(path, token=None).status_code == 401
    assert github.minted == 1
    assert "ghs_secret" not in server.log()
    for id_ in ids:
        server.delete(f"/workspaces/{id_}")


def test_a_token_that_is_not_to_be_had_fails_the_start(start_server, github):
    server = start_server(WORKSPACED_ENGINE="sandbox", **github.settings())
    server.expected_log = ["GitHub answered 500"]
    github.status = 500
    id_ = server.create("A")
    row = server.wait_status(id_, "failed")
    assert row["last_sample_error"] == "plugin env mutator chain failed"
    event = server.get(f"/events/{id_}").json()[0]
    assert (event["event_type"], event["payload"]["error"]) == ("WORKSPACE_PROVISION_FAILED", "plugin env mutator chain failed")
    assert 'provisionhook \\"github-app-auth\\": GitHub answered 500' in server.log()
    answer = server.get("/admin/github-installation-token")
    assert (answer.status_code, answer.json()) == (500, {"error": "internal error"})
    github.status = 201
    wait_for(lambda: server.listed(id_)["status"] == "online", 30, "the next attempt")
    assert server.get("/admin/github-installation-token").status_code == 200
    server.delete(f"/workspaces/{id_}")


def test_without_an_app(server):
    assert server.get("/admin/github-installation-token").status_code == 404


@pytest.mark.parametrize("change", [{"GITHUB_APP_ID": "x"}, {"GITHUB_APP_INSTALLATION_ID": None}, {"GITHUB_APP_PRIVATE_KEY_FILE": "/nowhere"}])
def test_bad_settings_end_the_start(start_server, github, change):
    with pytest.raises(AssertionError, match="GITHUB_APP|key file"):
        start_server(**{**github.settings(), **change})
