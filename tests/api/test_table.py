"""The route table, the OpenAPI file, and the specification stay in step; every route exists."""

import re
import subprocess

import yaml

from workspaced import BINARY, ROOT

NOWHERE = "00000000-0000-4000-8000-000000000000"
CLASSES = {
    "AUTH_OPEN": "open", "AUTH_ADMIN": "admin", "AUTH_WORKSPACE": "workspace", "AUTH_READ": "read", "AUTH_ANYBODY": "any",
    "AUTH_IN_HANDLER": "special",
}  # fmt: skip
# Whoever opens another route to everybody must come by here.
OPEN_ROUTES = {"/health", "/ready", "/metrics", "/", "/app.js", "/app.css", "/favicon.svg"}


def table():
    text = (ROOT / "src" / "api" / "routes.c").read_text()
    rows = re.findall(r'\{\s*"([A-Z]+)",\s*"(/[^"]*)",\s*(AUTH_\w+),', text)
    return {(method, re.sub(r":(\w+)", r"{\1}", path)): CLASSES[auth] for method, path, auth in rows}


def documented():
    document = yaml.safe_load((ROOT / "docs" / "api" / "openapi.yaml").read_text())
    methods = {"get", "post", "put", "patch", "delete"}
    return {
        (method.upper(), path): operation["x-auth"]
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if method in methods
    }


def test_the_document_is_the_table():
    assert documented() == table()


def test_open_routes_are_few():
    assert {path for (_, path), auth in table().items() if auth == "open"} == OPEN_ROUTES


def test_every_route_exists(api):
    for method, path in table():
        url = re.sub(r"\{\w+\}", NOWHERE, path)
        answer = api.request(method, url, json=None if method == "GET" else {}, stream=True)
        assert answer.status_code != 405, (method, path)
        if answer.status_code == 404:
            assert answer.headers["Content-Type"].startswith("application/json"), (method, path)
            assert "no_route" not in answer.text, (method, path)
        # 501: a console, without a control plane.
        assert answer.status_code < 500 or answer.status_code in (501, 503), (method, path, answer.text)
        answer.close()


def test_configuration_is_the_programs_own():
    printed = subprocess.run([BINARY, "help", "--markdown"], capture_output=True, text=True, check=True).stdout
    assert printed == (ROOT / "docs" / "configuration.md").read_text()


def test_help_and_version():
    assert "serve" in subprocess.run([BINARY, "--help"], capture_output=True, text=True, check=True).stdout
    assert re.match(r"workspaced \d", subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True).stdout)
    wrong = subprocess.run([BINARY, "serve", "--no-such"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "--no-such" in wrong.stderr
