"""`list`, and how a workspace is named."""

import json

import pytest

from fake_server import CHILD, GRANDCHILD, ROOT, workspace


def test_the_tree(ctl, fake):
    done = ctl("list")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["ID", "NAME", "STATUS", "ROLE", "RUNTIME", "URL"],
        ["aaaaaaaa", "Lead", "online", "leads", "builtin", "http://127.0.0.1:8001"],
        ["bbbbbbbb", "└─", "Scout", "provisioning", "builtin"],
        ["bbbbbbcc", "└─", "Helper", "online", "langgraph"],
    ]
    lines = done.stdout.splitlines()
    assert lines[3].startswith("bbbbbbcc     └─ Helper")
    assert len({line.index("online") for line in (lines[1], lines[3])}) == 1


def test_branches_between_siblings(ctl, fake):
    fake.workspaces.insert(2, workspace("cccccccc-2222-4222-8222-222222222222", "Later", ROOT))
    names = [line[10:].split("  ")[0].rstrip() for line in ctl("list").stdout.splitlines()]
    assert names[1:] == ["Lead", "├─ Scout", "│", "└─ Later"]
    assert "│  └─ Helper" in ctl("list").stdout


def test_plain_characters_where_the_locale_has_no_others(ctl):
    out = ctl("list", LC_ALL="C").stdout
    assert "`- Scout" in out
    assert out.isascii()


def test_json_is_the_servers_own(ctl, fake):
    assert json.loads(ctl("list", "--json").stdout) == fake.workspaces


def test_names_and_ids_for_scripts(ctl):
    assert ctl("list", "--names").stdout.split() == ["Lead", "Scout", "Helper"]
    assert ctl("list", "-q").stdout.split() == [ROOT, CHILD, GRANDCHILD]


def test_none_yet(ctl, fake):
    fake.workspaces = []
    done = ctl("list")
    assert (done.returncode, done.stdout) == (0, "")
    assert "workspacectl create" in done.stderr
    assert ctl("list", "--json").stdout == "[]\n"


def test_parents_in_a_circle_and_lost_ones_are_shown_once(ctl, fake):
    fake.workspaces[0]["parent_id"] = GRANDCHILD
    fake.workspaces.append(
        workspace("dddddddd-4444-4444-8444-444444444444", "Orphan", "eeeeeeee-5555-4555-8555-555555555555")
    )
    assert sorted(ctl("list", "--names").stdout.split()) == ["Helper", "Lead", "Orphan", "Scout"]


def test_a_deep_chart(ctl, fake):
    ids = [f"{n:08x}-4444-4444-8444-444444444444" for n in range(300)]
    fake.workspaces = [workspace(i, f"n{n}", ids[n - 1] if n else None) for n, i in enumerate(ids)]
    assert len(ctl("list").stdout.splitlines()) == 301


def test_names_of_others_cannot_steer_the_terminal(ctl, fake):
    fake.workspaces[0]["name"] = "a\x1b[31mb\nc\u202e漢字\x07"
    fake.workspaces[0]["role"] = "r" * 100
    out = ctl("list").stdout
    assert "a?[31mb?c?漢字?" in out
    assert "\x1b" not in out
    assert "r" * 31 + "…" in out and "r" * 32 not in out


@pytest.mark.parametrize("reference", [CHILD, CHILD.upper(), "Scout", "sCOUT", "bbbbbbbb", "BBBBBBBB-2"])
def test_what_names_a_workspace(ctl, fake, reference):
    assert ctl("delete", "--yes", "--cascade", reference).returncode == 0
    assert fake.seen("DELETE", f"/workspaces/{CHILD}")


@pytest.mark.parametrize("reference, word", [("bbbb", "more than one"), ("Nobody", "no workspace"), ("", "no workspace")])
def test_what_does_not(ctl, fake, reference, word):
    done = ctl("delete", "--yes", reference)
    assert (done.returncode, done.stdout) == (1, "")
    assert word in done.stderr
    assert not [c for c in fake.calls if c.method == "DELETE"]


def test_a_name_goes_before_the_beginning_of_an_id(ctl, fake):
    fake.workspaces.append(workspace("dddddddd-4444-4444-8444-444444444444", "bbbbbbbb"))
    ctl("delete", "--yes", "bbbbbbbb")
    assert fake.seen("DELETE", "/workspaces/dddddddd-4444-4444-8444-444444444444")


def test_equal_names_need_the_id(ctl, fake):
    fake.workspaces[2]["name"] = "scout"
    assert ctl("delete", "--yes", "scout").returncode == 0  # the exact case is one only
    assert fake.seen("DELETE", f"/workspaces/{GRANDCHILD}")
    fake.workspaces.append(workspace("dddddddd-4444-4444-8444-444444444444", "Scout"))
    done = ctl("delete", "--yes", "Scout")
    assert done.returncode == 1
    assert CHILD in done.stderr and "dddddddd" in done.stderr
