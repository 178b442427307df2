"""One server per database for the whole run, without a container engine; each test starts without workspaces."""

import pytest

from workspaced import DATABASES, Server, make_database


@pytest.fixture(scope="session", params=DATABASES)
def shared(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(f"api-{request.param}")
    (folder / "data").mkdir()
    server = Server(folder / "data", make_database(request.param, folder))
    server.start()
    yield server
    server.close()
    server.database.drop()


@pytest.fixture
def api(shared):
    yield shared
    for one in shared.get("/workspaces").json():
        shared.delete(f"/workspaces/{one['id']}?confirm=true&purge=true")
