"""Executor `command`: one program a message."""

import threading
import time

import pytest
import requests

from agent_program import text_message, wait_for


def answer_of(result):
    return result["parts"][0]["text"]


def test_the_message_is_its_input_and_the_answer_its_output(start):
    agent = start(command=["tr", "a-z", "A-Z"])
    assert answer_of(agent.send("hello")) == "HELLO"


def test_a_line_is_for_the_shell_and_line_ends_at_the_end_are_left_out(start):
    agent = start(command='read line; echo "got $line"; echo; echo')
    assert answer_of(agent.send("one\ntwo")) == "got one"


def test_it_learns_the_conversation(start):
    agent = start(command='echo "$A2A_CONTEXT_ID $A2A_MESSAGE_ID $WORKSPACE_AGENT_BIN"')
    result = agent.send("x", contextId="talk-1", messageId="m-1")
    context, message, program = answer_of(result).split()
    assert (context, message) == ("talk-1", "m-1")
    assert program.endswith("workspace-agent")


def test_what_it_prints_is_streamed_at_once(start, tmp_path):
    gate = tmp_path / "gate"
    agent = start(command=f"echo first; while [ ! -e {gate} ]; do sleep 0.02; done; echo second")
    texts = []
    for event in agent.stream("go"):
        if event["kind"] == "artifact-update":
            texts.append(event["artifact"]["parts"][0]["text"])
            gate.touch()
    assert texts[0] == "first"
    assert "".join(texts) == "first\nsecond"
    assert event["status"]["state"] == "completed"


def test_a_failure_tells_the_end_of_standard_error(start):
    agent = start(command="echo partial; echo 'no key set' >&2; exit 3")
    task = agent.send("x")
    assert task["kind"] == "task"
    assert task["status"]["state"] == "failed"
    assert task["status"]["message"]["parts"][0]["text"] == "no key set"


@pytest.mark.parametrize(
    "command, reason",
    [
        ("exit 4", "status 4"),
        ("kill -9 $$", "signal 9"),
        (["no-such-program-here"], "command not found: no-such-program-here"),
    ],
)
def test_a_silent_failure_has_a_reason_too(start, command, reason):
    task = start(command=command).send("x")
    assert task["status"]["state"] == "failed"
    assert reason in task["status"]["message"]["parts"][0]["text"]


@pytest.mark.parametrize("command", ["[", "[]", '["a", 1]', '{"a": 1'])
def test_a_command_that_cannot_be_read_is_named(start, command):
    agent = start(WORKSPACE_AGENT_EXECUTOR="command", WORKSPACE_AGENT_COMMAND=command)
    task = agent.send("x")
    assert task["status"]["state"] == "failed"
    assert task["status"]["message"]["parts"][0]["text"]


def test_cancel_ends_the_whole_group(start, tmp_path):
    mark = tmp_path / "pid"
    agent = start(command=f"sleep 300 & echo $! > {mark}; wait")
    task = agent.send("x", {"blocking": False})
    wait_for(lambda: mark.exists() and mark.read_text().strip())
    agent.rpc("tasks/cancel", {"id": task["id"]})

    def state():
        return agent.rpc("tasks/get", {"id": task["id"]})["result"]["status"]["state"]

    wait_for(lambda: state() == "canceled")
    wait_for(lambda: agent.children() == [])
    assert agent.error("tasks/cancel", {"id": task["id"]}) == -32002


def test_a_command_that_ignores_cancel_is_killed(start):
    agent = start(command="trap '' TERM; echo up; while :; do sleep 0.1; done")
    stream = agent.stream("x")
    task = next(stream)
    next(stream)
    begin = time.monotonic()
    agent.rpc("tasks/cancel", {"id": task["id"]})
    assert list(stream)[-1]["status"]["state"] == "canceled"
    assert 4 < time.monotonic() - begin < 8


def test_the_time_limit_stops_it(start):
    agent = start(command="sleep 60", WORKSPACE_AGENT_TASK_SECONDS="0.3")
    task = agent.send("x")
    assert task["status"]["state"] == "failed"
    assert "too long" in task["status"]["message"]["parts"][0]["text"]


def test_an_endless_answer_is_cut(start):
    agent = start(command="yes")
    task = agent.send("x", {"blocking": True})
    assert task["status"]["state"] == "failed"
    assert "8 MiB" in task["status"]["message"]["parts"][0]["text"]


def test_a_grandchild_that_keeps_the_pipe_open_holds_nothing_up(start):
    agent = start(command="sleep 300 & echo done")
    begin = time.monotonic()
    assert answer_of(agent.send("x")) == "done"
    assert time.monotonic() - begin < 3
    wait_for(lambda: agent.children() == [])


def test_a_program_that_reads_nothing_gets_a_large_message(start):
    agent = start(command="echo fine")
    assert answer_of(agent.send("x" * 900_000)) == "fine"


def test_a_large_message_passes_through(start):
    agent = start(command=["cat"])
    assert answer_of(agent.send("x" * 900_000)) == "x" * 900_000


def test_output_that_is_not_utf8_is_repaired(start):
    agent = start(command=r"printf 'caf\351 \342\202\254 end\342'")
    assert answer_of(agent.send("x")) == "caf\ufffd € end\ufffd"


def test_too_many_at_once_are_told_so(start, tmp_path):
    gate = tmp_path / "gate"
    agent = start(command=f"while [ ! -e {gate} ]; do sleep 0.05; done")
    for _ in range(32):
        agent.send("x", {"blocking": False})
    assert agent.error("message/send", {"message": text_message("one more")}) == -32000
    gate.touch()
    wait_for(lambda: agent.children() == [])
    assert answer_of(agent.send("again")) == ""


def test_a_client_that_goes_does_not_stop_the_task(start, tmp_path):
    gate, mark = tmp_path / "gate", tmp_path / "mark"
    agent = start(command=f"while [ ! -e {gate} ]; do sleep 0.02; done; touch {mark}")
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "message/stream",
        "params": {"message": text_message("go")},
    }
    with requests.post(agent.url, json=body, stream=True, timeout=10) as answer:
        next(answer.iter_lines(chunk_size=1))
    gate.touch()
    wait_for(mark.exists)


def test_parallel_messages_run_side_by_side(start):
    agent = start(command="sleep 0.5; cat")
    answers = {}

    def ask(number):
        body = {"jsonrpc": "2.0", "id": 1, "method": "message/send"}
        body["params"] = {"message": text_message(str(number))}
        reply = requests.post(agent.url, json=body, timeout=10).json()
        answers[number] = answer_of(reply["result"])

    begin = time.monotonic()
    threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {n: str(n) for n in range(8)}
    assert time.monotonic() - begin < 3
