"""The A2A server with executor `echo`: results, errors, limits."""

import concurrent.futures
import json
import re
import socket
import time

import pytest
import requests

from agent_program import text_message, wait_for

UUID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")


@pytest.fixture
def agent(start):
    return start()


@pytest.mark.parametrize("path", ["/.well-known/agent-card.json", "/.well-known/agent.json"])
def test_card(start, path):
    agent = start(WORKSPACE_NAME="Scout", WORKSPACE_AGENT_URL="http://scout:8000")
    card = requests.get(agent.url + path, timeout=5).json()
    assert card["name"] == "Scout"
    assert card["url"] == "http://scout:8000"
    assert card["protocolVersion"] == "0.3.0"
    assert card["preferredTransport"] == "JSONRPC"
    assert card["capabilities"] == {
        "streaming": True,
        "pushNotifications": False,
        "stateTransitionHistory": False,
    }
    assert card["skills"][0]["tags"] == ["echo"]


def test_a_name_that_is_not_utf8_is_repaired(start):
    agent = start(WORKSPACE_NAME=b"caf\xe9".decode("utf-8", "surrogateescape"))
    card = requests.get(agent.url + "/.well-known/agent-card.json", timeout=5).json()
    assert card["name"] == "caf\ufffd"


def test_health_and_unknown_paths(agent):
    assert requests.get(agent.url + "/health", timeout=5).json() == {"status": "ok"}
    answer = requests.get(agent.url + "/nowhere", timeout=5)
    assert (answer.status_code, "error" in answer.json()) == (404, True)
    assert requests.delete(agent.url + "/", timeout=5).status_code == 501


def test_echo_answers_with_a_message(agent):
    result = agent.send("hello")
    assert result["kind"] == "message"
    assert result["role"] == "agent"
    assert result["parts"] == [{"kind": "text", "text": "hello"}]
    assert UUID.match(result["messageId"])
    assert UUID.match(result["contextId"])


def test_any_path_takes_requests(agent):
    body = {"jsonrpc": "2.0", "id": 1, "method": "tasks/get", "params": {"id": "x"}}
    answer = requests.post(agent.url + "/some/where?else", json=body, timeout=5)
    assert answer.json()["error"]["code"] == -32001


def test_conversation_id_is_kept(agent):
    assert agent.send("hi", contextId="talk-1")["contextId"] == "talk-1"


@pytest.mark.parametrize("request_id", ["text", 0, 12345678901234567, None])
def test_request_id_is_given_back(agent, request_id):
    assert agent.rpc("tasks/get", {"id": "x"}, request_id)["error"]["code"] == -32001


def test_absent_request_id_is_answered_with_null(agent):
    body = {"jsonrpc": "2.0", "method": "message/send", "params": {"message": text_message("a")}}
    assert agent.post(body).json()["id"] is None


def test_text_parts_are_joined_and_others_left_out(agent):
    parts = [
        {"kind": "text", "text": "one"},
        {"kind": "file", "file": {"uri": "http://example/x"}},
        {"type": "text", "text": "two"},
        {"kind": "data", "data": {"a": 1}},
    ]
    assert agent.send("", parts=parts)["parts"][0]["text"] == "one\ntwo"


def test_unusual_text_survives(agent):
    text = "zero \x00, tab \t, é, 漢字, 🙂, quotes \" \\ </script>\u2028"
    assert agent.send(text)["parts"][0]["text"] == text.replace("\x00", "\ufffd")


def test_not_blocking_gives_the_task(agent):
    task = agent.send("hi", {"blocking": False})
    assert task["kind"] == "task"
    assert task["status"]["state"] == "completed"
    assert task["artifacts"][0]["parts"] == [{"kind": "text", "text": "hi"}]
    assert task["history"][0]["parts"][0]["text"] == "hi"
    assert agent.rpc("tasks/get", {"id": task["id"]})["result"] == task
    short = agent.rpc("tasks/get", {"id": task["id"], "historyLength": 0})["result"]
    assert "history" not in short


def test_only_the_last_tasks_are_kept(agent):
    tasks = [agent.send(str(n), {"blocking": False})["id"] for n in range(300)]
    assert agent.error("tasks/get", {"id": tasks[43]}) == -32001
    assert agent.rpc("tasks/get", {"id": tasks[44]})["result"]["id"] == tasks[44]


def test_stream_of_echo(agent):
    events = list(agent.stream("hello"))
    assert [event["kind"] for event in events] == ["task", "artifact-update", "status-update"]
    task, piece, end = events
    assert task["status"]["state"] == "working"
    assert "artifacts" not in task
    assert (piece["append"], piece["lastChunk"]) == (False, True)
    assert piece["artifact"]["parts"] == [{"kind": "text", "text": "hello"}]
    assert end["final"] is True
    assert end["status"]["state"] == "completed"
    assert {task["id"]} == {piece["taskId"], end["taskId"]}
    assert {task["contextId"]} == {piece["contextId"], end["contextId"]}


def test_long_stream_comes_in_pieces_that_never_cut_a_character(agent):
    text = "x" + "漢" * 200_000
    events = list(agent.stream(text))
    pieces = [e for e in events if e["kind"] == "artifact-update"]
    assert len(pieces) > 5
    assert "".join(p["artifact"]["parts"][0]["text"] for p in pieces) == text
    assert [p["append"] for p in pieces] == [False] + [True] * (len(pieces) - 1)
    assert [p["lastChunk"] for p in pieces] == [False] * (len(pieces) - 1) + [True]


def test_resubscribe_replays_a_task(agent):
    task = agent.send("again", {"blocking": False})
    body = {"jsonrpc": "2.0", "id": 1, "method": "tasks/resubscribe", "params": {"id": task["id"]}}
    events = list(agent.events(body))
    assert events[1]["artifact"]["parts"][0]["text"] == "again"
    assert events[-1]["final"] is True


@pytest.mark.parametrize(
    "body, code",
    [
        (b"", -32700),
        (b"{", -32700),
        (b"not json", -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"m"} trailing', -32700),
        (b'{"a":"\xff"}', -32700),
        (b'"\\ud800"', -32700),
        (b"[" * 100_000, -32700),
        (b"[]", -32600),
        (b'"text"', -32600),
        (b"null", -32600),
        (b"{}", -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"m"}', -32600),
        (b'{"jsonrpc":"2.0","id":1}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', -32600),
        (b'{"jsonrpc":"2.0","id":{},"method":"m"}', -32600),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"m"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"m","params":[]}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"tasks/list"}', -32601),
        (b'{"jsonrpc":"2.0","id":1,"method":"MESSAGE/SEND"}', -32601),
        (b'{"jsonrpc":"2.0","id":1,"method":""}', -32601),
    ],
)
def test_malformed_requests(agent, body, code):
    answer = agent.post(body)
    assert answer.status_code == 200
    assert answer.json()["error"]["code"] == code
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "params",
    [
        None,
        {},
        {"message": "text"},
        {"message": {}},
        {"message": {"parts": []}},
        {"message": {"parts": "text"}},
        {"message": {"parts": ["text"]}},
        {"message": text_message("a", role="system")},
        {"message": text_message("a", messageId=7)},
        {"message": text_message("a", contextId="x" * 257)},
        {"message": text_message("a", contextId="new\nline")},
        {"message": text_message("a", contextId="nul\u0000")},
        {"message": text_message("a"), "configuration": []},
        {"message": text_message("a"), "configuration": {"blocking": "yes"}},
        {"message": text_message("a"), "configuration": {"historyLength": -1}},
    ],
)
@pytest.mark.parametrize("method", ["message/send", "message/stream"])
def test_wrong_message_parameters(agent, method, params):
    assert agent.error(method, params) == -32602


def test_a_message_without_text_is_not_supported(agent):
    message = text_message("", parts=[{"kind": "file", "file": {"uri": "http://example/x"}}])
    assert agent.error("message/send", {"message": message}) == -32005


@pytest.mark.parametrize("method", ["tasks/get", "tasks/cancel", "tasks/resubscribe"])
def test_wrong_task_parameters(agent, method):
    assert agent.error(method, {}) == -32602
    assert agent.error(method, {"id": 7}) == -32602
    assert agent.error(method, {"id": ""}) == -32602
    assert agent.error(method, {"id": "7c9e6679-7425-40de-944b-e07fc1f90ae7"}) == -32001


def test_what_is_not_offered_says_so(agent):
    assert agent.error("tasks/pushNotificationConfig/set", {"taskId": "x"}) == -32003
    assert agent.error("agent/getAuthenticatedExtendedCard", {}) == -32007


def test_a_finished_task_is_not_cancelable_and_takes_no_message(agent):
    task = agent.send("hi", {"blocking": False})
    assert agent.error("tasks/cancel", {"id": task["id"]}) == -32002
    assert agent.error("message/send", {"message": text_message("a", taskId=task["id"])}) == -32602
    assert agent.error("message/send", {"message": text_message("a", taskId="no")}) == -32001


def test_bodies_up_to_one_mebibyte(agent):
    envelope = json.dumps(
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "message/send",
            "params": {"message": text_message("")},
        }
    )
    room = 1024 * 1024 - len(envelope)
    fits = envelope.replace('"text": ""', '"text": "%s"' % ("x" * room))
    assert len(fits) == 1024 * 1024
    assert len(agent.post(fits).json()["result"]["parts"][0]["text"]) == room
    with socket.create_connection(("127.0.0.1", int(agent.url.rsplit(":", 1)[1]))) as peer:
        peer.settimeout(5)
        peer.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n" + b"x" * 999)
        assert peer.recv(4096).startswith(b"HTTP/1.1 413 ")
    assert agent.send("still well")["parts"][0]["text"] == "still well"


def test_an_endless_chunked_body_is_refused(agent):
    with socket.create_connection(("127.0.0.1", int(agent.url.rsplit(":", 1)[1]))) as peer:
        peer.settimeout(5)
        peer.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        with pytest.raises(OSError):
            for _ in range(200):
                peer.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            answer = peer.recv(64)
            assert answer == b"" or b" 413 " in answer
            raise ConnectionResetError
    assert agent.send("still well")["parts"][0]["text"] == "still well"


@pytest.mark.parametrize(
    "bytes_",
    [b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"POST / HTTP/9.9\r\n\r\n", b"A" * 40_000 + b"\r\n\r\n"],
)
def test_what_is_not_http_does_no_harm(agent, bytes_):
    with socket.create_connection(("127.0.0.1", int(agent.url.rsplit(":", 1)[1]))) as peer:
        peer.settimeout(5)
        peer.sendall(bytes_)
        peer.shutdown(socket.SHUT_WR)
        try:
            while peer.recv(4096):
                pass
        except ConnectionResetError:
            pass
    assert agent.send("still well")["parts"][0]["text"] == "still well"


def test_many_at_once(agent):
    def ask(number):
        with requests.Session() as session:
            for turn in range(25):
                text = f"{number}-{turn}"
                body = {
                    "jsonrpc": "2.0",
                    "id": text,
                    "method": "message/send",
                    "params": {"message": text_message(text)},
                }
                answer = session.post(agent.url, json=body, timeout=30).json()
                assert answer["id"] == text
                assert answer["result"]["parts"][0]["text"] == text
        return 25

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        assert sum(pool.map(ask, range(32))) == 800


def test_more_connections_than_descriptors(agent):
    port = int(agent.url.rsplit(":", 1)[1])
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(600)]
    time.sleep(0.2)
    for peer in silent:
        peer.close()
    wait_for(lambda: agent.send("well")["parts"][0]["text"] == "well")


def test_an_answer_takes_well_under_a_millisecond(agent):
    body = json.dumps(
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "message/send",
            "params": {"message": text_message("hi")},
        }
    ).encode()
    request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with socket.create_connection(("127.0.0.1", int(agent.url.rsplit(":", 1)[1]))) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        times = []
        for _ in range(300):
            begin = time.perf_counter()
            peer.sendall(request)
            answer = peer.recv(65536)
            times.append(time.perf_counter() - begin)
            assert b'"hi"' in answer
    # The middle one: a busy machine may hold some up. Sanitizers cost about three times.
    assert sorted(times)[150] < 0.005


def test_listens_on_a_unix_socket(start, tmp_path):
    path = tmp_path / "agent.sock"
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(path))
    stale.close()
    agent = start(WORKSPACE_AGENT_LISTEN=f"unix:{path}")
    wait_for(lambda: "listening" in agent.log)
    body = json.dumps(
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "message/send",
            "params": {"message": text_message("by socket")},
        }
    ).encode()
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(5)
        peer.connect(str(path))
        peer.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert b"by socket" in peer.recv(65536)
    assert agent.stop() == 0
    assert not path.exists()
