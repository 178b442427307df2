"""Where the server and the token are found, and what is said when something is wrong."""

import json
import socket

import pytest


def test_from_the_data_directory(ctl, fake):
    assert ctl("list").returncode == 0
    assert fake.calls[0].headers["Authorization"] == f"Bearer {fake.token}"
    assert fake.calls[0].headers["User-Agent"].startswith("workspacectl/")


def test_the_data_directory_can_be_named(ctl, fake, tmp_path):
    assert ctl("list", "--data-dir", str(ctl.data), WORKSPACED_DATA_DIR=str(tmp_path)).returncode == 0


def test_xdg_state_home_or_root(ctl_alone):
    done = ctl_alone("token", WORKSPACED_DATA_DIR=None, XDG_STATE_HOME=str(ctl_alone.folder))
    assert done.returncode in (0, 1)
    named = done.stderr
    assert "/var/lib/workspaced/admin-token" in named or f"{ctl_alone.folder}/workspaced/" in named


def test_flags_go_before_variables_before_files(ctl, fake):
    closed = "http://127.0.0.1:1"
    assert ctl("list", WORKSPACED_URL=closed).returncode == 3
    assert ctl("list", "--url", fake.url, WORKSPACED_URL=closed).returncode == 0
    assert ctl("list", WORKSPACED_TOKEN="wrong").returncode == 1
    assert ctl("list", f"--token={fake.token}", WORKSPACED_TOKEN="wrong").returncode == 0


@pytest.mark.parametrize("form", ["127.0.0.1:{port}", "http://127.0.0.1:{port}/", "http://localhost:{port}"])
def test_forms_of_the_address(ctl, fake, form):
    assert ctl("list", "--url", form.format(port=fake.port)).returncode == 0


def test_a_path_before_the_routes_is_kept(ctl, fake):
    fake.on("GET", "/behind/proxy/workspaces", (200, []))
    assert ctl("list", "--url", fake.url + "/behind/proxy").returncode == 0


@pytest.mark.parametrize("bad", ["ftp://host", "http://", "http://a b", "http://h/?q=1"])
def test_what_is_no_address(ctl, bad):
    done = ctl("list", "--url", bad)
    assert (done.returncode, "--url" in done.stderr) == (2, True)


def test_the_local_token_is_not_sent_to_others(ctl, fake):
    """Only a loopback address can be tried here; another is refused before any byte is sent."""
    done = ctl("token", "--url", "http://elsewhere.invalid:8080")
    assert done.returncode == 1
    assert fake.token not in done.stdout + done.stderr
    assert "--token" in done.stderr
    done = ctl("token", "--url", "http://127.evil.invalid:8080")
    assert fake.token not in done.stdout + done.stderr
    assert ctl("token", "--url", "http://elsewhere.invalid", "--token", "x1").stdout == "x1\n"


def test_not_reachable(ctl_alone):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    (ctl_alone.data / "url").write_text(f"http://127.0.0.1:{port}\n")
    done = ctl_alone("list")
    assert (done.returncode, done.stdout) == (3, "")
    for word in [str(port), "workspaced serve", "--url", "WORKSPACED_URL"]:
        assert word in done.stderr


def test_without_any_file_the_default_port_counts(ctl_alone):
    done = ctl_alone("list", PORT="1")
    assert (done.returncode, "http://127.0.0.1:1 " in done.stderr) == (3, True)


def test_without_a_token(ctl, fake):
    (ctl.data / "admin-token").unlink()
    done = ctl("list")
    assert done.returncode == 1
    for word in ["No token was sent", "admin-token does not exist", "WORKSPACED_TOKEN"]:
        assert word in done.stderr
    assert fake.calls[0].headers["Authorization"] is None


def test_a_wrong_token(ctl):
    done = ctl("list", "--token", "wrong")
    assert done.returncode == 1
    assert "invalid credentials" in done.stderr and "--token" in done.stderr
    assert "wrong" not in done.stderr


def test_a_token_that_would_break_the_request(ctl, fake):
    done = ctl("list", WORKSPACED_TOKEN="a\r\nX-Evil: 1")
    assert (done.returncode, fake.calls) == (2, [])


@pytest.mark.parametrize(
    "status, body, words",
    [
        (403, {"error": "forbidden"}, ["forbidden", "administrator"]),
        (500, {"error": "internal error"}, ["internal error"]),
        (502, b"<html>", ["status 502"]),
        (301, b"", ["status 301"]),
        (200, b"<html>", ["not answer with JSON"]),
        (200, b"{}", ["not a list"]),
        (200, b"", ["not answer with JSON"]),
    ],
)
def test_other_answers(ctl, fake, status, body, words):
    fake.on("GET", "/workspaces", (status, body))
    done = ctl("list")
    assert done.returncode == 1
    for word in words:
        assert word in done.stderr


def test_too_busy(ctl, fake):
    fake.on("GET", "/workspaces", lambda call, h: h.reply(503, {"error": "busy"}, Retry_After="7"))
    assert "Try again in 7 s" in ctl("list").stderr


def test_a_connection_that_breaks(ctl, fake):
    def cut(call, handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n[")
        handler.close_connection = True

    fake.on("GET", "/workspaces", cut)
    done = ctl("list")
    assert (done.returncode, "broke off" in done.stderr) == (3, True)


def test_an_endless_refusal_is_not_read(ctl, fake):
    def flood(call, handler):
        handler.send_response(500)
        handler.end_headers()
        try:
            for _ in range(2000):
                handler.wfile.write(b"x" * 65536)
        except OSError:
            call.is_closed_early = True
        handler.close_connection = True

    fake.on("GET", "/workspaces", flood)
    assert ctl("list").returncode == 1
    fake.wait(lambda: fake.calls[0].is_closed_early)


def test_token_and_open(ctl, fake):
    done = ctl("token")
    assert done.stdout == fake.token + "\n"
    assert done.stderr == f"read from {ctl.data}/admin-token\n"
    told = json.loads(ctl("token", "--json").stdout)
    assert told == {"token": fake.token, "source": f"{ctl.data}/admin-token"}
    assert ctl("open").stdout == f"{fake.url}/#token={fake.token}\n"
    assert json.loads(ctl("open", "--json").stdout)["url"].startswith(fake.url)
    assert ctl("open", "--token", "a+b/c=").stdout == f"{fake.url}/#token=a%2Bb%2Fc%3D\n"
    assert fake.calls == []


@pytest.mark.parametrize(
    "words",
    [
        [], ["dance"], ["--json"], ["list", "--nope"], ["list", "more"], ["list", "-x"],
        ["create"], ["create", ""], ["create", "a", "b"], ["create", "a", "--role"],
        ["create", "a", "--tier", "5"], ["create", "a", "--tier=x"], ["create", "a", "--wait=1"],
        ["create", "a", "--timeout", "5"], ["create", "a", "--role", "x", "--role", "y"],
        ["create", "a", "--secret", "NO_SUCH_VARIABLE"], ["create", "a", "--secret", "=x"],
        ["logs"], ["logs", "Scout", "-n", "0"], ["logs", "Scout", "-nx"], ["events", "-n", "-1"],
        ["chat"], ["chat", "Scout", ""], ["delete"], ["completion"], ["completion", "csh"],
        ["help", "dance"],
    ],
)  # fmt: skip
def test_wrong_words(ctl, fake, words):
    done = ctl(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("workspacectl: ")
    assert "workspacectl help" in done.stderr
    assert not [c for c in fake.calls if c.method != "GET"]


def test_options_may_stand_before_the_command(ctl, fake):
    assert ctl("--url", fake.url, "--json", "list").stdout.startswith("[")


def test_version_and_help(ctl):
    assert ctl("--version").stdout.startswith("workspacectl ")
    overview = ctl("help").stdout
    assert ctl("--help").stdout == overview
    for line in overview.splitlines()[6:16]:
        name = line.split()[0]
        page = ctl("help", name).stdout
        assert ctl(name, "--help").stdout == page
        for heading in ["NAME", "SYNOPSIS", "OPTIONS", "EXIT STATUS", "--json"]:
            assert heading in page
        assert max(len(text) for text in page.splitlines()) <= 80


def test_output_that_cannot_be_written_is_an_error(ctl):
    import subprocess

    from ctl_program import BINARY

    with open("/dev/full", "w") as full:
        done = subprocess.run([str(BINARY), "list"], env=ctl.variables(), stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, b"cannot write" in done.stderr) == (1, True)
