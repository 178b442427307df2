"""Fixtures for all black-box tests."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))

from workspaced import Server, make_database  # noqa: E402

@pytest.fixture
def start_server(tmp_path):
    """start_server(kind="sqlite", **settings) gives a running server, ended and examined after the test."""
    started = []

    def start(kind="sqlite", **settings):
        folder = tmp_path / f"server-{len(started)}"
        (folder / "data").mkdir(parents=True)
        server = Server(folder / "data", make_database(kind, folder), **settings)
        started.append(server)
        return server.start()

    yield start
    errors = []
    for server in started:
        try:
            server.close()
        except AssertionError as error:
            errors.append(error)
        finally:
            server.database.drop()
    if errors:
        raise errors[0]


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One server with the sandbox engine for tests that leave nothing behind."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "data").mkdir()
    server = Server(folder / "data", make_database("sqlite", folder), WORKSPACED_ENGINE="sandbox")
    server.start()
    yield server
    server.close()
