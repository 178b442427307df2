"""Budget, its enforcement, and token usage. Source: spec 01 sections 17, 21 (23, 24)."""

import json
import threading
import time
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from workspaced import DATABASES, wait_for

NOWHERE = "00000000-0000-4000-8000-000000000000"
OVER = {"error": "workspace budget limit exceeded"}


class UsageAgent:
    """Answers every message with the usage it was told."""

    def __init__(self):
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                body = json.dumps({"jsonrpc": "2.0", "id": 1, **outer.answer}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.answer = {"result": {}}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def agent():
    one = UsageAgent()
    yield one
    one.stop()


@pytest.fixture(params=DATABASES)
def local(request, start_server):
    """A server that lets agents live on the loopback."""
    return start_server(request.param, MOLECULE_ENV="development", ADMIN_TOKEN=None)


def budget(api, id_):
    return api.get(f"/workspaces/{id_}/budget")


def set_limit(api, id_, limit):
    return api.patch(f"/workspaces/{id_}/budget", {"budget_limit": limit})


def beat(api, id_, spend):
    answer = api.post("/registry/heartbeat", {"workspace_id": id_, "monthly_spend": spend})
    assert answer.status_code == 200, answer.text


def usage(api, id_):
    answer = api.get(f"/workspaces/{id_}/metrics")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_limit_and_spending(api):
    id_ = api.create("A", external=True)
    assert budget(api, id_).json() == {"budget_limit": None, "monthly_spend": 0, "budget_used": 0, "budget_remaining": None}
    token = api.mint(id_)
    api.post("/registry/heartbeat", {"workspace_id": id_, "monthly_spend": 550}, token=token)
    answer = set_limit(api, id_, 500)
    wanted = {"budget_limit": 500, "monthly_spend": 550, "budget_used": 550, "budget_remaining": -50}
    assert (answer.status_code, answer.json()) == (200, wanted)
    assert api.get(f"/workspaces/{id_}/budget", token=token).json() == wanted
    row = api.listed(id_)
    assert (row["budget_limit"], row["monthly_spend"], row["budget_used"]) == (500, 550, 550)
    assert set_limit(api, id_, None).json()["budget_remaining"] is None
    assert api.patch(f"/workspaces/{id_}/budget", {"budget_limit": 1}, token=token).status_code in (401, 403)


@pytest.mark.parametrize(
    "text", ["", "[]", "5", "null", "{}", '{"Budget_limit":1}', '{"budget_limit":"5"}', '{"budget_limit":-1}',
             '{"budget_limit":-0.5}', '{"budget_limit":10.5}', '{"budget_limit":1000000000001}', '{"budget_limit":1e30}',
             '{"budget_limit":true}']  # fmt: skip
)
def test_bad_limits(api, text):
    id_ = api.create("A", budget_limit=7)
    answer = api.patch(f"/workspaces/{id_}/budget", data=text.encode())
    assert answer.status_code == 400 and answer.json()["error"]
    assert budget(api, id_).json()["budget_limit"] == 7


@pytest.mark.parametrize("text, limit", [("500.0", 500), ("5e2", 500), ("0", 0), ("1000000000000", 10**12)])
def test_whole_numbers_in_any_form(api, text, limit):
    id_ = api.create("A")
    answer = api.patch(f"/workspaces/{id_}/budget", data=f'{{"budget_limit":{text}}}'.encode())
    assert (answer.status_code, answer.json()["budget_limit"]) == (200, limit)


def test_budget_of_nobody(api):
    gone = api.create("A")
    api.delete(f"/workspaces/{gone}")
    for id_ in (NOWHERE, gone):
        assert budget(api, id_).status_code == 404
        assert set_limit(api, id_, 5).status_code == 404
        assert api.patch(f"/workspaces/{id_}/budget", {}).status_code == 400


def test_a_spent_budget_stops_messages(local, agent):
    id_ = local.create("A", external=True, url=agent.url)
    set_limit(local, id_, 500)
    assert local.say(id_, "hello").status_code == 200
    beat(local, id_, 550)
    answer = local.say(id_, "hello")
    assert (answer.status_code, answer.json()) == (402, OVER)
    set_limit(local, id_, None)
    assert local.say(id_, "hello").status_code == 200
    set_limit(local, id_, 0)
    assert local.say(id_, "hello").status_code == 402


def test_metered_tokens_count(local, agent):
    """What the answers say of tokens stops messages, too, and is known again after a restart."""
    id_ = local.create("A", external=True, url=agent.url)
    set_limit(local, id_, 3)
    agent.answer = {"result": {"usage": {"input_tokens": 5000, "output_tokens": 1000}}}  # 3 cents
    passed = []
    wait_for(lambda: local.say(id_, "hello").status_code == 402 or passed.append(1), 5, "the budget to be spent")
    assert passed
    wait_for(lambda: usage(local, id_)["total_calls"] == len(passed), 5, "all calls to be counted")
    spent = budget(local, id_).json()["monthly_spend"]
    assert spent == 3 * len(passed) and local.listed(id_)["monthly_spend"] == spent
    local.stop()
    local.start()
    assert local.say(id_, "hello").status_code == 402
    assert budget(local, id_).json()["monthly_spend"] == spent


def test_last_months_spending_is_over(local, agent):
    id_ = local.create("A", external=True, url=agent.url, budget_limit=500)
    beat(local, id_, 550)
    assert local.say(id_, "hello").status_code == 402
    wait_for(lambda: local.database.query(f"SELECT monthly_spend FROM workspaces WHERE id = '{id_}'") == [(550,)], 10, "the flush")
    local.stop()
    local.database.execute(f"UPDATE workspaces SET spend_period = 200001 WHERE id = '{id_}'")
    local.start()
    assert budget(local, id_).json()["monthly_spend"] == 0
    assert local.say(id_, "hello").status_code == 200
    beat(local, id_, 501)
    assert local.say(id_, "hello").status_code == 402


def test_usage_of_the_day(local, agent):
    id_ = local.create("A", external=True, url=agent.url)
    today = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    assert usage(local, id_) == {
        "input_tokens": 0, "output_tokens": 0, "total_calls": 0, "estimated_cost_usd": "0.000000",
        "period_start": today.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "period_end": (today + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }  # fmt: skip
    counted = [
        {"result": {"usage": {"input_tokens": 10, "output_tokens": 1}}, "usage": {"input_tokens": 7, "output_tokens": 7}},
        {"result": {}, "usage": {"input_tokens": 100, "output_tokens": 2}},
        {"result": {"usage": {"input_tokens": 2**63 - 1, "output_tokens": 0}}},
        {"error": {"code": 1}, "usage": {"input_tokens": 1, "output_tokens": 1}},
    ]
    ignored = [
        {"result": {"usage": {"input_tokens": 0, "output_tokens": 0}}},
        {"result": {"usage": {"input_tokens": -5, "output_tokens": -5}}},
        {"result": {"usage": {"input_tokens": "5", "output_tokens": 1.5}}},
        {"result": {}},
    ]
    for answer in counted + ignored:
        agent.answer = answer
        assert local.say(id_, "hello").status_code == 200
    wait_for(lambda: usage(local, id_)["total_calls"] == 4, 5, "four calls")
    time.sleep(0.1)  # whether one more would come
    found = usage(local, id_)
    assert (found["input_tokens"], found["output_tokens"], found["total_calls"]) == (10_000_111, 4, 4)
    assert found["estimated_cost_usd"] == "30.000393"


def test_usage_of_others(api):
    gone = api.create("A")
    api.delete(f"/workspaces/{gone}")
    assert usage(api, gone)["total_calls"] == 0
    assert api.get(f"/workspaces/{NOWHERE}/metrics").status_code == 404
    assert api.get(f"/workspaces/{gone}/metrics", token=None).status_code == 401
