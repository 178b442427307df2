"""`chat`: streams, other answers, conversations, Ctrl-C."""

import json
import os
import threading

import pytest

from fake_server import CHILD

A2A = f"/workspaces/{CHILD}/a2a"
TASK = {"taskId": "t-1", "contextId": "c-1"}


def parts(text):
    return [{"kind": "text", "text": text}]


def piece(text, append=True):
    return {"kind": "artifact-update", "append": append, "artifact": {"artifactId": "a", "parts": parts(text)}, **TASK}


def task(state, **more):
    return {"kind": "task", "id": "t-1", "contextId": "c-1", "status": {"state": state}, **more}


def status(state, text=None, final=True):
    told = {"state": state}
    if text:
        told["message"] = {"kind": "message", "role": "agent", "parts": parts(text)}
    return {"kind": "status-update", "status": told, "final": final, **TASK}


def stream(*results):
    def answer(call, handler):
        handler.begin("text/event-stream")
        for result in results:
            handler.chunk(": ping\r\n\r\n")
            handler.event(result)
        handler.finish_chunks()

    return answer


def plain(result, key="result"):
    return (200, {"jsonrpc": "2.0", "id": "x", key: result})


def test_a_streamed_answer(ctl, fake):
    pieces = [piece("one ", False), piece("two\n"), piece("漢字")]
    fake.on("POST", A2A, stream(task("working"), *pieces, status("completed")))
    done = ctl("chat", "Scout", "how", "are you?")
    assert (done.returncode, done.stdout, done.stderr) == (0, "one two\n漢字\n", "")
    call = fake.seen("POST", A2A)[0]
    assert "text/event-stream" in call.headers["Accept"]
    assert call.headers["X-Workspace-ID"] is None
    assert (call.body["jsonrpc"], call.body["method"]) == ("2.0", "message/stream")
    message = call.body["params"]["message"]
    assert message["parts"] == parts("how are you?")
    assert (message["role"], message["kind"]) == ("user", "message")
    assert len(message["messageId"]) == 36 and "contextId" not in message


def test_it_is_printed_as_it_comes(ctl, fake):
    gate = threading.Event()

    def answer(call, handler):
        handler.begin("text/event-stream")
        handler.event(piece("first\n", False))
        assert gate.wait(10)
        data = json.dumps({"jsonrpc": "2.0", "id": 1, "result": piece("second\n")}).encode()
        for byte in b"data:" + data + b"\r\n\r\n":
            handler.chunk(bytes([byte]))
        handler.event(status("completed"))
        handler.finish_chunks()

    fake.on("POST", A2A, answer)
    running = ctl.background("chat", "Scout", "go")
    assert running.line() == "first\n"
    gate.set()
    assert running.end() == (0, "second\n", "")


@pytest.mark.parametrize(
    "result, text",
    [
        ({"kind": "message", "role": "agent", "parts": parts("hello")}, "hello\n"),
        ({"parts": [{"text": "a"}, {"kind": "file", "file": {"name": "f.txt"}}]}, "a\n[file f.txt]\n"),
        ({"parts": [{"kind": "data", "data": {"a": [1, 2]}}]}, '{"a":[1,2]}\n'),
        (task("completed", artifacts=[{"parts": parts("x")}, {"parts": parts("y")}]), "x\ny\n"),
        (task("input-required", status={"state": "input-required", "message": {"parts": parts("Which?")}}), "Which?\n"),
    ],
)
@pytest.mark.parametrize("form", [plain, stream])
def test_forms_of_an_answer(ctl, fake, result, text, form):
    fake.on("POST", A2A, form(result))
    done = ctl("chat", "Scout", "hi")
    assert (done.returncode, done.stdout, done.stderr) == (0, text, "")


def test_a_last_task_does_not_repeat_the_pieces(ctl, fake):
    whole = task("completed", artifacts=[{"parts": parts("once")}])
    fake.on("POST", A2A, stream(piece("once", False), whole))
    assert ctl("chat", "Scout", "hi").stdout == "once\n"


def test_two_artifacts_stand_on_lines_of_their_own(ctl, fake):
    fake.on("POST", A2A, stream(piece("a", False), piece("b", False), status("completed")))
    assert ctl("chat", "Scout", "hi").stdout == "a\nb\n"


def test_an_agent_without_streams_is_asked_again(ctl, fake):
    refusal = plain({"code": -32601, "message": "Method not found"}, "error")
    fake.on("POST", A2A, refusal, plain({"kind": "message", "parts": parts("fine")}))
    done = ctl("chat", "Scout", "hi", "--json")
    assert json.loads(done.stdout)["result"]["parts"] == parts("fine")
    assert [c.body["method"] for c in fake.seen("POST", A2A)] == ["message/stream", "message/send"]
    fake.on("POST", A2A, refusal)
    assert ctl("chat", "Scout", "hi").returncode == 1


@pytest.mark.parametrize(
    "answer, code, word",
    [
        (stream(task("working"), status("failed", "no key set")), 1, "failed: no key set"),
        (stream(piece("half", False), status("canceled")), 1, "canceled"),
        (plain(task("rejected")), 1, "rejected"),
        (plain({"code": -32000, "message": "too busy"}, "error"), 1, "too busy"),
        ((502, {"error": "failed to reach workspace agent"}), 1, "failed to reach workspace agent"),
        ((402, {"error": "workspace budget limit exceeded"}), 1, "budget"),
        ((404, {"error": "workspace not found"}), 1, "not found"),
        (lambda c, h: h.reply(503, {"error": "waking", "waking": True}, Retry_After="15"), 1, "in 15 s"),
        ((200, b"not json"), 1, "not JSON"),
        ((200, {}), 3, "broke off"),
        (stream(task("working"), piece("half", False)), 3, "broke off"),
    ],
)
def test_what_is_no_answer(ctl, fake, answer, code, word):
    fake.on("POST", A2A, answer)
    done = ctl("chat", "Scout", "hi")
    assert (done.returncode, word in done.stderr) == (code, True), done.stderr


def test_a_stream_that_is_cut(ctl, fake):
    def answer(call, handler):
        handler.begin("text/event-stream")
        handler.event(piece("half", False))
        handler.close_connection = True

    fake.on("POST", A2A, answer)
    done = ctl("chat", "Scout", "hi")
    assert (done.returncode, done.stdout) == (3, "half\n")


def test_an_event_without_end_is_not_kept(ctl, fake):
    def answer(call, handler):
        handler.begin("text/event-stream")
        try:
            handler.chunk("data: ")
            for _ in range(400):
                handler.chunk("x" * 65536)
        except OSError:
            call.is_closed_early = True
        handler.close_connection = True

    fake.on("POST", A2A, answer)
    done = ctl("chat", "Scout", "hi")
    assert (done.returncode, "too large" in done.stderr) == (1, True)


def test_a_queued_message(ctl, fake):
    fake.on("POST", A2A, (202, {"queued": True, "queue_id": "q", "queue_depth": 1, "message": "later"}))
    done = ctl("chat", "Scout", "hi")
    assert (done.returncode, done.stdout, "queued" in done.stderr) == (0, "", True)


def test_json(ctl, fake):
    fake.on("POST", A2A, stream(task("working"), piece("x", False), status("completed")))
    lines = [json.loads(line) for line in ctl("chat", "--json", "Scout", "hi").stdout.splitlines()]
    assert [line["result"]["kind"] for line in lines] == ["task", "artifact-update", "status-update"]


@pytest.mark.parametrize("words", [["Scout"], ["Scout", "-"]])
def test_a_message_from_standard_input(ctl, fake, words):
    fake.on("POST", A2A, plain({"kind": "message", "parts": parts("ok")}))
    assert ctl("chat", *words, input="line one\nline two\n").stdout == "ok\n"
    assert fake.seen("POST", A2A)[0].body["params"]["message"]["parts"] == parts("line one\nline two\n")


def test_a_conversation_can_be_named(ctl, fake):
    fake.on("POST", A2A, plain({"kind": "message", "parts": parts("ok")}))
    ctl("chat", "-c", "c-9", "Scout", "hi")
    assert fake.seen("POST", A2A)[0].body["params"]["message"]["contextId"] == "c-9"


def test_a_whole_id_is_not_looked_up(ctl, fake):
    fake.on("POST", A2A, plain({"kind": "message", "parts": parts("ok")}))
    ctl("chat", CHILD, "hi")
    assert [c.path for c in fake.calls] == [A2A]


def test_text_that_is_too_long_or_none(ctl, fake):
    assert ctl("chat", "Scout", input="x" * 1_000_001).returncode == 2
    assert ctl("chat", "Scout", input="").returncode == 2
    assert ctl("chat", "Scout", os.fsdecode(b"\xff")).returncode == 2
    assert fake.seen("POST", A2A) == []


# At a prompt


def test_a_conversation_at_the_prompt(ctl, fake):
    fake.on(
        "POST", A2A,
        stream(task("working"), piece("first answer", False), status("completed")),
        (503, {"error": "busy"}),
        plain({"kind": "message", "contextId": "c-2", "parts": parts("third answer")}),
    )  # fmt: skip
    terminal = ctl.terminal("chat", "Scout")
    terminal.read_until(r"Scout> $")
    terminal.type("one\\\nmore\n")
    terminal.read_until(r"first answer\r\nScout> $")
    terminal.type("\ntwo\n")
    terminal.read_until(r"busy[^>]*Scout> $")
    terminal.type("three\n")
    terminal.read_until(r"third answer\r\nScout> $")
    terminal.type("\x04")
    assert terminal.wait() == 0
    sent = [c.body["params"]["message"] for c in fake.seen("POST", A2A)]
    assert [m["parts"][0]["text"] for m in sent] == ["one\nmore", "two", "three"]
    assert [m.get("contextId") for m in sent] == [None, "c-1", "c-1"]


def test_an_answer_cannot_steer_the_terminal(ctl, fake):
    evil = "\x1b]0;title\x07\x1b[2Jred\u009b31m\ttab\r\n"
    fake.on("POST", A2A, plain({"kind": "message", "parts": parts(evil)}))
    assert ctl("chat", "Scout", "hi").stdout == evil.replace("\r\n", "\n")  # a pipe gets the bytes
    terminal = ctl.terminal("chat", "Scout", "hi")
    assert terminal.wait() == 0
    assert "?]0;title??[2Jred?31m\ttab?" in terminal.text.replace("        ", "\t")
    assert "\x1b]" not in terminal.text


# Ctrl-C


def interruptible(fake, canceled, obeys=True):
    def answer(call, handler):
        if call.body["method"] == "tasks/cancel":
            assert call.body["params"] == {"id": "t-1"}
            handler.reply(200, {"jsonrpc": "2.0", "id": call.body["id"], "result": task("canceled")})
            canceled.set()
            return
        handler.begin("text/event-stream")
        handler.event(task("working"))
        handler.event(piece("begun\n", False))
        if not obeys:
            handler.rfile.read(1)
            handler.close_connection = True
            return
        assert canceled.wait(10)
        handler.event(piece("last word\n"))
        handler.event(status("canceled"))
        handler.finish_chunks()

    fake.on("POST", A2A, answer)


def test_ctrl_c_cancels_and_waits_for_the_last_word(ctl, fake):
    interruptible(fake, threading.Event())
    running = ctl.background("chat", "Scout", "go")
    assert running.line() == "begun\n"
    running.interrupt()
    code, rest, errors = running.end()
    assert (code, rest) == (130, "last word\n")
    assert "canceled" in errors


def test_a_second_ctrl_c_stops_waiting(ctl, fake):
    canceled = threading.Event()
    interruptible(fake, canceled, obeys=False)
    running = ctl.background("chat", "Scout", "go")
    assert running.line() == "begun\n"
    running.interrupt()
    assert canceled.wait(5)
    while running.process.poll() is None:
        running.interrupt()
        try:
            running.process.wait(0.2)
        except Exception:
            pass
    assert running.end()[0] == 130


def test_ctrl_c_before_the_agent_said_anything(ctl, fake):
    arrived = threading.Event()

    def answer(call, handler):
        arrived.set()
        handler.rfile.read(1)
        handler.close_connection = True

    fake.on("POST", A2A, answer)
    running = ctl.background("chat", "Scout", "go")
    assert arrived.wait(5)
    running.interrupt()
    assert running.end()[0] == 130


def test_ctrl_c_at_the_prompts_answer_leads_back_to_the_prompt(ctl, fake):
    interruptible(fake, threading.Event())
    terminal = ctl.terminal("chat", "Scout")
    terminal.read_until(r"Scout> $")
    terminal.type("go\n")
    terminal.read_until("begun")
    terminal.type("\x03")
    terminal.read_until(r"last word[^>]*Scout> $")
    terminal.type("\x04")
    assert terminal.wait() == 0
