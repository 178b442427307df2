"""The canvas viewport and the free configuration document. Source: spec 01 sections 15, 16, 21 (25)."""

import threading

import pytest

NOWHERE = "00000000-0000-4000-8000-000000000000"


def put_viewport(api, data, **more):
    return api.request("PUT", "/canvas/viewport", data=data.encode(), **more)


def test_viewport(start_server):
    api = start_server()
    assert api.get("/canvas/viewport").text == '{"x":0,"y":0,"zoom":1}'
    answer = put_viewport(api, '{"x":1,"y":2,"zoom":1.5}')
    assert (answer.status_code, answer.text) == (200, '{"status":"saved"}')
    assert api.get("/canvas/viewport").text == '{"x":1,"y":2,"zoom":1.5}'


def test_a_missing_zoom_stays(api):
    put_viewport(api, '{"x":1,"y":2,"zoom":3}')
    assert put_viewport(api, '{"y":-7.25}').status_code == 200
    assert api.get("/canvas/viewport").json() == {"x": 0, "y": -7.25, "zoom": 3}


@pytest.mark.parametrize("body", ["", "[]", "5", '{"zoom":0}', '{"zoom":-1}', '{"x":"1"}', '{"x":NaN}', '{"y":1e999}'])
def test_bad_viewports(api, body):
    put_viewport(api, '{"x":1,"y":2,"zoom":3}')
    answer = put_viewport(api, body)
    assert answer.status_code == 400 and answer.json()["error"]
    assert api.get("/canvas/viewport").json() == {"x": 1, "y": 2, "zoom": 3}


def test_who_may_move_the_canvas(api):
    token = api.mint(api.create("A"))
    for method in ("GET", "PUT"):
        assert api.request(method, "/canvas/viewport", data=b"{}", token=None).status_code == 401
        assert api.request(method, "/canvas/viewport", data=b"{}", token="wrong").status_code == 401
        assert api.request(method, "/canvas/viewport", data=b"{}", token=token).status_code == 200


# ---- Configuration ----


def merge(api, id_, text, **more):
    return api.patch(f"/workspaces/{id_}/config", data=text if isinstance(text, bytes) else text.encode(), **more)


def read(api, id_):
    return api.get(f"/workspaces/{id_}/config").text


def test_config_is_merged_at_the_top(api):
    id_ = api.create("A")
    assert read(api, id_) == '{"data":{}}'
    answer = merge(api, id_, '{"a": {"x": 1}, "n": 1.50}')
    assert (answer.status_code, answer.text) == (200, '{"status":"updated"}')
    merge(api, id_, '{"a":{"y":2},"big":12345678901234567890123,"z":null}')
    assert read(api, id_) == '{"data":{"a":{"y":2},"n":1.50,"big":12345678901234567890123,"z":null}}'


@pytest.mark.parametrize("text", ["", "[1]", "null", "5", "{} {}", '{"a":1} x', "{", '{"a":"\\u0000"}', '{"\\u0000":1}'])
def test_bad_config(api, text):
    id_ = api.create("A")
    answer = merge(api, id_, text)
    assert answer.status_code == 400 and answer.json()["error"]
    assert read(api, id_) == '{"data":{}}'


def test_config_has_limits(api):
    id_ = api.create("A")
    longest = b'{"a":"' + b"x" * (262144 - 8) + b'"}'
    assert len(longest) == 262144
    assert merge(api, id_, longest + b" ").status_code == 413
    for key in (b"a", b"b", b"c", b"d"):  # 3 bytes short of 1 MiB
        assert merge(api, id_, longest.replace(b'"a"', b'"' + key + b'"')).status_code == 200
    answer = merge(api, id_, '{"e":1}')
    assert answer.status_code == 413 and answer.json()["error"]
    assert set(api.get(f"/workspaces/{id_}/config").json()["data"]) == {"a", "b", "c", "d"}


def test_config_of_nobody(api):
    assert merge(api, NOWHERE, "{}").status_code == 404
    assert merge(api, "x", "{}").status_code == 400
    id_, other = api.create("A"), api.create("B")
    token = api.mint(id_)
    assert merge(api, id_, '{"a":1}', token=token).status_code == 200
    assert merge(api, other, '{"a":1}', token=token).status_code in (401, 403)
    api.delete(f"/workspaces/{id_}")
    assert merge(api, id_, '{"a":1}').status_code == 404


def test_config_merges_at_once_are_all_kept(api):
    id_ = api.create("A")
    answers = []
    threads = [
        threading.Thread(target=lambda key=key: answers.append(merge(api, id_, f'{{"k{key}":{key}}}').status_code))
        for key in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 12
    assert api.get(f"/workspaces/{id_}/config").json()["data"] == {f"k{key}": key for key in range(12)}
