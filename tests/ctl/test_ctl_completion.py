"""`completion`: the scripts are understood by their shells and offer what the tables say."""

import subprocess

import pytest

from ctl_program import BINARY


def complete(ctl, *words):
    """What bash offers for the last of `words`."""
    quoted = " ".join(f"'{word}'" for word in words)
    script = (
        f'source <("{BINARY}" completion bash); COMP_WORDS=({quoted}); '
        f"COMP_CWORD={len(words) - 1}; _workspacectl; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    folder = ctl.folder / "bin"
    folder.mkdir(exist_ok=True)
    if not (folder / "workspacectl").exists():
        (folder / "workspacectl").symlink_to(BINARY)
    path = f"{folder}:{ctl.environment['PATH']}"
    done = subprocess.run(["bash", "-c", script], env=ctl.variables(PATH=path), capture_output=True, text=True, timeout=20)
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1]


def test_bash_commands_and_options(ctl):
    assert complete(ctl, "workspacectl", "cr") == ["create"]
    assert complete(ctl, "workspacectl", "create", "x", "--ti") == ["--tier", "--timeout"]
    assert complete(ctl, "workspacectl", "create", "x", "--tier", "") == ["1", "2", "3", "4"]
    assert complete(ctl, "workspacectl", "completion", "z") == ["zsh"]


def test_bash_names_of_workspaces(ctl, fake):
    fake.workspaces[0]["name"] = "Team Lead"
    assert complete(ctl, "workspacectl", "chat", "") == ["Team\\ Lead", "Scout", "Helper"]
    assert complete(ctl, "workspacectl", "create", "x", "--parent", "S") == ["Scout"]


def test_nothing_is_offered_or_said_when_the_server_is_away(ctl):
    (ctl.data / "url").write_text("http://127.0.0.1:1\n")
    assert complete(ctl, "workspacectl", "chat", "") == [""]


@pytest.mark.parametrize("shell, check", [("bash", ["bash", "-n"]), ("zsh", ["zsh", "-n"]), ("fish", ["fish", "-n"])])
def test_scripts_are_well_formed(ctl, shell, check):
    script = ctl("completion", shell).stdout
    for word in ["list", "create", "--cascade" if shell != "fish" else "-l cascade"]:
        assert word in script
    path = ctl.folder / "script"
    path.write_text(script)
    subprocess.run([*check, str(path)], check=True, timeout=20)
