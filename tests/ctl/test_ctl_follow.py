"""`logs` and `events`, once and followed; the WebSocket."""

import json
import signal

import pytest

from fake_server import CHILD, ROOT

LOGS = f"/workspaces/{CHILD}/logs"


def at(second):
    return f"2026-01-02T03:04:{second:02}.5Z"


def logged(kind, second, workspace=CHILD, **payload):
    return {"id": f"e{second}", "event_type": kind, "workspace_id": workspace, "payload": payload, "created_at": at(second)}


def live(kind, second, workspace=CHILD, **payload):
    return {"event": kind, "workspace_id": workspace, "timestamp": at(second), "payload": payload}


# Logs


def test_logs(ctl, fake):
    fake.on("GET", LOGS, lambda call, h: h.reply(200, b"one\ntwo\nno end", "text/plain; charset=utf-8"))
    done = ctl("logs", "Scout")
    assert (done.returncode, done.stdout) == (0, "one\ntwo\nno end\n")
    assert fake.seen("GET", LOGS)[0].query == {"lines": "200"}
    ctl("logs", "-n7", "Scout")
    assert fake.seen("GET", LOGS)[1].query == {"lines": "7"}


def test_logs_followed(ctl, fake):
    def answer(call, handler):
        handler.begin("text/plain")
        handler.chunk("first\nsec")
        handler.chunk("ond\n")
        handler.chunk(b"caf\xc3")
        handler.chunk(b"\xa9\n")
        handler.finish_chunks()

    fake.on("GET", LOGS, answer)
    running = ctl.background("logs", "-fn", "5", "Scout")
    assert [running.line() for _ in range(3)] == ["first\n", "second\n", "café\n"]
    assert running.end() == (0, "", "")
    assert fake.seen("GET", LOGS)[0].query == {"lines": "5", "follow": "true"}


def test_ctrl_c_ends_following(ctl, fake):
    def answer(call, handler):
        handler.begin("text/plain")
        handler.chunk("first\n")
        handler.rfile.read(1)
        handler.close_connection = True

    fake.on("GET", LOGS, answer)
    running = ctl.background("logs", "-f", "Scout")
    assert running.line() == "first\n"
    running.interrupt()
    assert running.end()[0] == -signal.SIGINT


def test_json_of_logs(ctl, fake):
    fake.on("GET", LOGS, lambda call, h: h.reply(200, b'a "quoted"\n\xff\n', "text/plain"))
    lines = [json.loads(line) for line in ctl("logs", "Scout", "--json").stdout.splitlines()]
    assert lines == [
        {"workspace_id": CHILD, "line": 'a "quoted"'},
        {"workspace_id": CHILD, "line": "\ufffd"},
    ]


def test_logs_refused_or_broken(ctl, fake):
    assert ctl("logs", "Scout").returncode == 1

    def cut(call, handler):
        handler.begin("text/plain")
        handler.chunk("half\n")
        handler.close_connection = True

    fake.on("GET", LOGS, cut)
    done = ctl("logs", "-f", "Scout")
    assert (done.returncode, done.stdout, "broke off" in done.stderr) == (3, "half\n", True)


def test_a_line_without_end_is_printed_in_pieces(ctl, fake):
    fake.on("GET", LOGS, lambda call, h: h.reply(200, b"x" * 5_000_000, "text/plain"))
    assert ctl("logs", "Scout").stdout.strip() == "x" * 5_000_000


def test_logs_cannot_steer_the_terminal(ctl, fake):
    fake.on("GET", LOGS, lambda call, h: h.reply(200, b"\x1b[31mred\r\n", "text/plain"))
    terminal = ctl.terminal("logs", "Scout")
    assert terminal.wait() == 0
    assert "?[31mred?" in terminal.text


# Events


def test_events(ctl, fake):
    fake.events = [
        logged("WORKSPACE_ONLINE", 3, url="http://x", agent_card={"name": "A"}),
        logged("WORKSPACE_PROVISIONING", 2, name="Scout", tier=2),
        logged("WORKSPACE_REMOVED", 1, ROOT),
    ]
    done = ctl("events")
    lines = done.stdout.splitlines()
    assert [line.split("  ")[0] for line in lines] == [f"2026-01-02 03:04:0{n}" for n in (1, 2, 3)]
    assert lines[0].endswith("Lead")
    assert "Scout" in lines[1] and lines[1].endswith("name=Scout tier=2")
    assert 'agent_card={"name":"A"}' in lines[2]
    assert len(ctl("events", "-n", "2").stdout.splitlines()) == 2
    assert ctl("events", "Lead").stdout == lines[0] + "\n"
    assert ctl("events", "-n0").stdout == ""


def test_json_of_events(ctl, fake):
    fake.events = [logged("X", 2, a=[1.50]), {**logged("Y", 1), "workspace_id": None, "payload": None}]
    lines = [json.loads(line) for line in ctl("events", "--json").stdout.splitlines()]
    assert lines == [
        {"event": "Y", "workspace_id": "", "timestamp": at(1), "payload": None},
        live("X", 2, a=[1.5]),
    ]


def test_events_followed(ctl, fake):
    fake.events = [logged("OLD", 1)]
    running = ctl.background("events", "-f", "--json")
    assert json.loads(running.line())["event"] == "OLD"
    one = fake.wait_socket()
    assert fake.seen("GET", "/ws")[0].query == {}
    one.send(live("OLD", 1))  # came by the log already
    one.send(live("TASK_UPDATED", 2, current_task="dig"))
    assert json.loads(running.line()) == live("TASK_UPDATED", 2, current_task="dig")
    one.frame(9, b"are you there")
    assert one.read_frame() == (10, b"are you there")
    one.send(live("BIG", 3, text="x" * 3_000_000))
    assert len(running.line()) > 3_000_000
    one.frame(1, b"not json")
    one.frame(1, b"{}")
    one.send(live("AFTER", 4))
    assert json.loads(running.line())["event"] == "AFTER"
    running.interrupt()
    assert running.end() == (-signal.SIGINT, "", "")


def test_a_message_in_fragments_arriving_with_the_handshake(ctl, fake):
    running = ctl.background("events", "-f", "--json")
    one = fake.wait_socket()
    text = json.dumps(live("SPLIT", 5)).encode()
    one.connection.sendall(bytes([0x01, 10]) + text[:10] + bytes([0x80, len(text) - 10]) + text[10:])
    assert json.loads(running.line())["event"] == "SPLIT"


def test_events_of_one_workspace_followed(ctl, fake):
    running = ctl.background("events", "-f", "Scout", "--json")
    one = fake.wait_socket()
    fake.wait(lambda: fake.seen("GET", f"/events/{CHILD}"))
    one.send(live("OTHER", 1, ROOT))
    one.send(live("OWN", 2))
    assert json.loads(running.line())["event"] == "OWN"


def test_a_new_workspaces_name_is_learned(ctl, fake):
    new = "dddddddd-4444-4444-8444-444444444444"
    running = ctl.background("events", "-f")
    one = fake.wait_socket()
    one.send(live("WORKSPACE_PROVISIONING", 1, new, name="Fresh"))
    one.send(live("WORKSPACE_ONLINE", 2, new))
    assert "Fresh" in running.line()
    assert running.line().endswith("Fresh\n")


@pytest.mark.parametrize("end", ["close", "drop"])
def test_following_goes_on_after_a_lost_connection(ctl, fake, end):
    running = ctl.background("events", "-f", "--json")
    one = fake.wait_socket()
    one.send(live("FIRST", 1))
    assert json.loads(running.line())["event"] == "FIRST"
    fake.events = [logged("MISSED", 2), logged("FIRST", 1)]
    getattr(one, end)()
    assert json.loads(running.line())["event"] == "MISSED"
    two = fake.wait_socket(2)
    two.send(live("MISSED", 2))
    two.send(live("LATER", 3))
    assert json.loads(running.line())["event"] == "LATER"
    running.interrupt()
    assert "trying again" in running.end()[2]


def test_a_token_that_was_revoked_ends_it(ctl, fake):
    running = ctl.background("events", "-f")
    fake.wait_socket()
    fake.wait(lambda: fake.seen("GET", "/events"))
    fake.sockets[0].close(1008)
    code, _, errors = running.end()
    assert (code, "no longer valid" in errors) == (1, True)


def test_following_refused_or_not_reachable(ctl, fake):
    done = ctl("events", "-f", "--token", "wrong")
    assert (done.returncode, "invalid auth token" in done.stderr) == (1, True)
    fake.on("GET", "/ws", (400, b"a bearer token is required"))
    (ctl.data / "admin-token").unlink()
    done = ctl("events", "-f")
    assert (done.returncode, "No token was sent" in done.stderr) == (1, True)
    assert ctl("events", "-f", "--url", "http://127.0.0.1:1", "--token", "x").returncode == 3


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"x" * 20_000,
        b"",
    ],
)
def test_wrong_upgrades(ctl, fake, head):
    def answer(call, handler):
        handler.wfile.write(head)
        handler.close_connection = True

    fake.on("GET", "/ws", answer)
    done = ctl("events", "-f")
    assert done.returncode in (1, 3)
    assert done.stderr.startswith("workspacectl: ")


@pytest.mark.parametrize("frame", [b"\xff\xff\xff", b"\x81\xff" + b"\x00" * 20, b"\x81\x7f" + b"\xff" * 8])
def test_wrong_frames_lead_to_a_new_connection(ctl, fake, frame):
    running = ctl.background("events", "-f", "--json")
    fake.wait_socket().connection.sendall(frame)
    fake.wait_socket(2).send(live("WELL", 1))
    assert json.loads(running.line())["event"] == "WELL"
