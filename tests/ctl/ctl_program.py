"""Fixtures that run the real `workspacectl`: WORKSPACECTL_BINARY, else build/ctl/workspacectl."""

import os
import pty
import re
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest

from fake_server import CHILD, GRANDCHILD, ROOT, FakeServer, workspace

BINARY = Path(
    os.environ.get(
        "WORKSPACECTL_BINARY",
        Path(__file__).resolve().parents[2] / "build" / "ctl" / "workspacectl",
    )
)
FAULTS = re.compile(r"Sanitizer|runtime error|CRITICAL|Assertion")


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, argv, env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(argv[0], argv, env)
        self.text = ""

    def read_until(self, pattern, timeout=10):
        deadline = time.monotonic() + timeout
        while not re.search(pattern, self.text):
            rest = deadline - time.monotonic()
            assert rest > 0, f"{pattern!r} did not come: {self.text!r}"
            if select.select([self.fd], [], [], rest)[0] and not self._read():
                break
        assert re.search(pattern, self.text), f"{pattern!r} did not come: {self.text!r}"

    def _read(self):
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the terminal's end
            data = b""
        self.text += data.decode(errors="replace")
        return data

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait(self, timeout=10):
        """The exit status, with all output read."""
        deadline = time.monotonic() + timeout
        while select.select([self.fd], [], [], max(0, deadline - time.monotonic()))[0]:
            if not self._read():
                break
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        while pid == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        assert pid, f"it did not end: {self.text!r}"
        os.close(self.fd)
        assert not FAULTS.search(self.text), self.text
        return os.waitstatus_to_exitcode(status)


class Background:
    """A program whose output is read while it runs."""

    def __init__(self, argv, env):
        self.process = subprocess.Popen(
            argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.unread = b""

    def line(self, timeout=10):
        """The next line of its output."""
        deadline = time.monotonic() + timeout
        while b"\n" not in self.unread:
            rest = max(0, deadline - time.monotonic())
            assert select.select([self.process.stdout], [], [], rest)[0], "no line came"
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                break
            self.unread += data
        line, _, self.unread = self.unread.partition(b"\n")
        return line.decode() + "\n"

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def end(self, timeout=10):
        """(status, rest of the output, errors)"""
        output, errors = self.process.communicate(timeout=timeout)
        assert not FAULTS.search(errors.decode()), errors
        return self.process.returncode, (self.unread + output).decode(), errors.decode()


class Ctl:
    def __init__(self, folder):
        self.environment = {
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "HOME": str(folder),
            "WORKSPACED_DATA_DIR": str(folder / "data"),
            "G_DEBUG": "fatal-criticals",
        }
        self.folder = folder
        self.data = folder / "data"
        self.data.mkdir()
        self.open = []

    def variables(self, **more):
        return {k: v for k, v in {**self.environment, **more}.items() if v is not None}

    def __call__(self, *words, input=None, **variables):
        done = subprocess.run(
            [str(BINARY), *words],
            env=self.variables(**variables),
            cwd=self.folder,
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert not FAULTS.search(done.stderr), done.stderr
        return done

    def terminal(self, *words, **variables):
        one = Terminal([str(BINARY), *words], self.variables(TERM="xterm", **variables))
        return one

    def background(self, *words, **variables):
        one = Background([str(BINARY), *words], self.variables(**variables))
        self.open.append(one)
        return one


@pytest.fixture
def ctl_alone(tmp_path):
    """workspacectl with an empty data directory."""
    ctl = Ctl(tmp_path)
    yield ctl
    for one in ctl.open:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


@pytest.fixture
def fake():
    server = FakeServer()
    server.workspaces = [
        workspace(ROOT, "Lead", role="leads", url="http://127.0.0.1:8001"),
        workspace(CHILD, "Scout", ROOT, status="provisioning"),
        workspace(GRANDCHILD, "Helper", CHILD, runtime="langgraph"),
    ]
    yield server
    server.close()
    assert server.errors == []


@pytest.fixture
def ctl(ctl_alone, fake):
    """workspacectl with the data directory that the fake server would have written."""
    (ctl_alone.data / "url").write_text(fake.url + "\n")
    (ctl_alone.data / "admin-token").write_text(fake.token + "\n")
    return ctl_alone
