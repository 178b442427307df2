"""The script that stands in the place of `gh` inside a workspace. Source: spec 02 section 12."""

import json
import os
import subprocess

import pytest

from workspaced import ROOT

SCRIPT = ROOT / "src" / "provision" / "gh-wrapper.sh"
BADGE = "\U0001f916 [Agent: Pmm-Lead \u00b7 ws-12345678]"
IDENTITY = {
    "MOLECULE_AGENT_ROLE": "Pmm-Lead", "MOLECULE_OWNER": "pam", "MOLECULE_WORKSPACE_ID": "12345678-a",
    "MOLECULE_ATTRIBUTION_BADGE": BADGE,
}  # fmt: skip


@pytest.fixture
def gh(tmp_path):
    """Runs the wrapper; gives what the real gh was called with, and the result."""
    real = tmp_path / "bin" / "gh"
    real.parent.mkdir()
    real.write_text('#!/bin/sh\nfor one; do printf "%s\\0" "$one"; done > "$SEEN"\nexit "${RC:-0}"\n')
    real.chmod(0o755)
    log = tmp_path / "log.ndjson"

    def run(*arguments, identity=IDENTITY, **more):
        seen = tmp_path / "seen"
        seen.write_bytes(b"")
        environment = {
            "PATH": f"{real.parent}:{os.environ['PATH']}", "SEEN": str(seen), "MOLECULE_GH_LOG": str(log), **identity, **more,
        }  # fmt: skip
        result = subprocess.run(["bash", SCRIPT, *arguments], env=environment, capture_output=True, text=True)
        run.log = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        return result, seen.read_text().split("\0")[:-1]

    return run


@pytest.mark.parametrize(
    "command",
    ["issue create", "issue comment", "issue edit", "pr create", "pr comment", "pr edit", "pr review", "release create",
     "release edit", "discussion create"],  # fmt: skip
)
def test_bodies_carry_the_badge(gh, command):
    _, seen = gh(*command.split(), "7", "--body", 'it "works"\n$HOME', "--title", "t")
    assert seen == [*command.split(), "7", "--body", f'{BADGE}\n\nit "works"\n$HOME', "--title", "t"]


def test_only_the_first_body_and_none_is_added(gh):
    assert gh("pr", "create", "--body=one", "--body", "two")[1] == ["pr", "create", f"--body={BADGE}\n\none", "--body", "two"]
    assert gh("pr", "create", "--title", "t")[1] == ["pr", "create", "--title", "t"]
    assert gh("pr", "create", "--body")[1] == ["pr", "create", "--body"]


def test_other_commands_pass(gh):
    arguments = ["issue", "list", "--body", "x", "--assignee", "@me", "", "a b"]
    assert gh(*arguments)[1] == arguments
    assert gh()[1] == []


def test_me_is_the_owner(gh):
    assert gh("issue", "create", "--assignee", "@me")[1] == ["issue", "create", "--assignee", "pam"]
    assert gh("issue", "create", "--assignee=@me")[1] == ["issue", "create", "--assignee=pam"]
    assert gh("issue", "create", "--assignee", "bob")[1] == ["issue", "create", "--assignee", "bob"]
    for arguments in (["--assignee", "@me"], ["--assignee=@me"]):
        assert gh("issue", "create", *arguments, "--title", "t", MOLECULE_OWNER="")[1] == ["issue", "create", "--title", "t"]


def test_each_call_leaves_a_line(gh):
    result, _ = gh("issue", "create", "--title", 'q"\\ \n\t\u00e4\u0001', RC="3")
    assert result.returncode == 3
    [line] = gh.log
    assert line.pop("ts").endswith("Z")
    assert line == {
        "role": "Pmm-Lead", "workspace_id": "12345678-a", "owner": "pam", "rc": 3,
        "argv": ["issue", "create", "--title", 'q"\\ \n\t\u00e4\u0001'],
    }  # fmt: skip
    result, seen = gh("pr", "list", MOLECULE_GH_LOG="/nowhere/at/all")
    assert (result.returncode, seen, result.stderr) == (0, ["pr", "list"], "")


def test_without_a_role_it_is_gh(gh):
    _, seen = gh("issue", "create", "--body", "x", "--assignee", "@me", identity={})
    assert seen == ["issue", "create", "--body", "x", "--assignee", "@me"]
    assert gh.log == []


def test_without_gh(gh, tmp_path):
    result, _ = gh("pr", "list", PATH="/usr/bin:/bin")
    assert result.returncode == 127 and "gh" in result.stderr
