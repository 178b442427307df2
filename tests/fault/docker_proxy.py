"""A proxy before the Docker socket that fails on purpose, on the wire.

    proxy = DockerProxy("/tmp/x/docker.sock")           # in front of /var/run/docker.sock
    proxy.on("DELETE", "/containers/", answer=500, times=3)      # refused; the daemon never hears of it
    proxy.on("DELETE", "/containers/", answer=500, after=True)   # done, and then a 500
    proxy.on("GET", "/containers/.*/json", answer=404, bare=True)  # a 404 that is not the daemon's
    proxy.delay(1.5, "DELETE", "/containers/")          # each takes longer
    proxy.cut("POST", "/containers/create")             # the connection ends before the daemon hears of it
    proxy.cut("POST", "/containers/create", after=True) # done, its answer is lost
    proxy.hang("DELETE", "/containers/")                # never answered, never forwarded
    with proxy.hold("POST", "/start") as gate:          # stands still there until the block ends
        gate.wait(); ...
    proxy.cut_streams()                                 # event and log streams, attached shells
    proxy.down(); proxy.up()                            # nobody there (refused); the same daemon again
    proxy.plan(seed=7, rate=0.1)                        # by chance, the same for the same seed
    proxy.calm()                                        # all of that is over
    proxy.calls                                         # what was asked: method, path, query, body, status, fault

A rule's method is a method or "*"; its path is a regular expression, searched in the path without version prefix
and query ("/containers/abc/start"). The newest rule that matches and is not used up decides. A delay adds to what
another rule does. The default of `times` is for ever.

HTTP/1.1 with kept connections, chunked bodies both ways, "Expect: 100-continue" and upgrades (attach, exec) pass
through unchanged. One thread a connection: this is a tool for tests, not for load.
"""

import contextlib
import json
import random
import re
import select
import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

HEAD_MAX = 64 * 1024
PIECE = 64 * 1024


class Gone(Exception):
    """One side of a connection has ended it."""


class Wire:
    """A socket read by heads, lengths and chunks. `watch`: another socket whose end ends the reading, too."""

    def __init__(self, sock, watch=None):
        self.sock, self.watch, self.buffer = sock, watch, b""

    def fill(self):
        try:
            if self.watch:
                ready, _, _ = select.select([self.sock, self.watch], [], [])
                if self.watch in ready and self.sock not in ready and not self.watch.recv(1, socket.MSG_PEEK):
                    raise Gone
                if self.sock not in ready:  # the client sends ahead: what it sends is read after this answer
                    ready, _, _ = select.select([self.sock], [], [])
            piece = self.sock.recv(PIECE)
        except (OSError, ValueError) as error:
            raise Gone from error
        if not piece:
            raise Gone
        self.buffer += piece

    def take(self, length):
        piece, self.buffer = self.buffer[:length], self.buffer[length:]
        return piece

    def line(self, end=b"\r\n"):
        while end not in self.buffer:
            if len(self.buffer) > HEAD_MAX:
                raise Gone
            self.fill()
        return self.take(self.buffer.index(end) + len(end))

    def pieces(self, length):
        while length:
            if not self.buffer:
                self.fill()
            piece = self.take(length)
            length -= len(piece)
            yield piece

    def chunks(self):
        """The raw bytes of a chunked body, framing included."""
        while True:
            line = self.line()
            size = int(line.split(b";")[0], 16)
            yield line
            if size == 0:
                while line != b"\r\n":  # trailers
                    line = self.line()
                    yield line
                return
            yield from self.pieces(size + 2)

    def rest(self):
        try:
            while True:
                if not self.buffer:
                    self.fill()
                yield self.take(PIECE)
        except Gone:
            return


class Head:
    """First line and fields of a request or an answer."""

    def __init__(self, raw):
        lines = raw.decode("latin-1").split("\r\n")
        self.raw, self.first = raw, lines[0]
        self.fields = {}
        for line in lines[1:]:
            if ":" in line:
                name, value = line.split(":", 1)
                self.fields[name.strip().lower()] = value.strip()

    def body(self, wire, is_answer_with_body=False):
        if "chunked" in self.fields.get("transfer-encoding", "").lower():
            return wire.chunks()
        if "content-length" in self.fields:
            return wire.pieces(int(self.fields["content-length"]))
        return wire.rest() if is_answer_with_body else iter(())


@dataclass
class Call:
    """What a client asked, and what became of it."""

    method: str
    path: str  # without version prefix and query
    query: str
    body: bytes
    at: float  # time.monotonic() when it came
    status: int | None = None  # of the answer the client got; None: none
    fault: str | None = None  # what was done to it; None: nothing
    forwarded: bool = False  # the daemon got it
    done: bool = False

    def json(self):
        return json.loads(self.body)


def is_stream(call):
    return call.path == "/events" or (call.path.endswith("/logs") and "follow=1" in call.query)


@dataclass
class Rule:
    method: str
    pattern: re.Pattern
    times: int | None  # None: for ever
    answer: int | None = None
    after: bool = False  # the daemon does it first
    bare: bool = False  # the answer is not the daemon's: text, no JSON
    message: str = "failed on purpose"
    cut: bool = False
    torn: bool = False  # the answer breaks off in its middle
    hang: bool = False
    delay: float = 0.0
    gate: "Gate | None" = None
    hits: int = 0
    removed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def matches(self, call):
        return self.method in ("*", call.method) and self.pattern.search(call.path)

    def claim(self):
        with self._lock:
            if self.removed or (self.times is not None and self.hits >= self.times):
                return False
            self.hits += 1
            return True

    def remove(self):
        self.removed = True

    def name(self):
        if self.hang:
            return "hang"
        kind = "torn" if self.torn else "cut" if self.cut else str(self.answer) if self.answer else None
        if kind:
            return f"{kind} {'after' if self.after else 'before'}"
        return "hold" if self.gate else "delay"


class Gate:
    """Where held calls stand."""

    def __init__(self):
        self._come, self._open = threading.Semaphore(0), threading.Event()

    def arrive(self, is_over):
        self._come.release()
        while not self._open.wait(0.05) and not is_over():
            pass

    def wait(self, timeout=20):
        """Until one more call stands here."""
        assert self._come.acquire(timeout=timeout), "nobody came to the gate"

    def release(self):
        self._open.set()


class Plan:
    """Which call fails how, by chance. The n-th call of a kind fails alike whenever the seed is the same, however the
    threads run: chance is drawn from seed, kind and n, not from one sequence."""

    FAULTS = ("500 before", "500 after", "cut before", "cut after", "torn after", "409 before", "404 before", "delay")

    def __init__(self, seed, rate, delay_s, stream_s):
        self.seed, self.rate, self.delay_s, self.stream_s = seed, rate, delay_s, stream_s
        self._lock, self._counts = threading.Lock(), {}

    def _draw(self, call):
        kind = f"{call.method} {re.sub('[0-9a-f-]{12,}', '*', call.path)}"
        with self._lock:
            n = self._counts[kind] = self._counts.get(kind, 0) + 1
        return random.Random(f"{self.seed}/{kind}/{n}")

    def decide(self, call):
        """A rule for this one call, or None."""
        chance = self._draw(call)
        if call.path == "/_ping" or is_stream(call) or chance.random() >= self.rate:
            return None
        fault = chance.choice(self.FAULTS)
        rule = Rule("*", re.compile(""), None)
        if fault == "delay":
            rule.delay = chance.uniform(0, self.delay_s)
            return rule
        kind, when = fault.split()
        rule.after = when == "after"
        if kind == "cut":
            rule.cut = True
        elif kind == "torn":
            rule.torn = True
        else:
            rule.answer = int(kind)
            # A false "not there" of the daemon itself is beyond anybody's means; one from something in between is not.
            rule.bare = rule.answer == 404 or chance.random() < 0.2
        return rule

    def stream_ends_after(self, call):
        return self._draw(call).uniform(0.1, self.stream_s)


class DockerProxy:
    """`down`, `up` and all rules may be used from any thread at any time."""

    def __init__(self, path, upstream="/var/run/docker.sock"):
        self.path, self.upstream = Path(path), upstream
        self.host = f"unix://{path}"
        self.calls = []
        self._lock = threading.Lock()
        self._rules, self._plan = [], None
        self._open, self._streams = set(), set()
        self._listener, self._closed = None, False
        self.up()

    # ---- Rules ----

    def on(self, method, path, answer=None, *, times=None, after=False, **more):
        rule = Rule(method, re.compile(path), times, answer, after, **more)
        with self._lock:
            self._rules.insert(0, rule)
        return rule

    def delay(self, seconds, method="*", path="", *, times=None):
        return self.on(method, path, times=times, delay=seconds)

    def cut(self, method="*", path="", *, after=False, times=None):
        return self.on(method, path, times=times, after=after, cut=True)

    def tear(self, method="*", path="", *, times=None):
        """The daemon does it; its answer breaks off in the middle."""
        return self.on(method, path, times=times, after=True, torn=True)

    def hang(self, method="*", path="", *, times=None):
        return self.on(method, path, times=times, hang=True)

    @contextlib.contextmanager
    def hold(self, method="*", path="", *, times=None, after=False):
        """`after`: they stand behind the daemon's work, before its answer goes out."""
        rule = self.on(method, path, times=times, after=after, gate=Gate())
        try:
            yield rule.gate
        finally:
            rule.remove()
            rule.gate.release()

    def plan(self, seed, rate=0.1, delay_s=0.3, stream_s=5.0):
        self._plan = Plan(seed, rate, delay_s, stream_s)

    def calm(self):
        """No rule and no plan any more, and somebody is there."""
        with self._lock:
            rules, self._rules, self._plan = self._rules, [], None
        for rule in rules:
            rule.remove()
            if rule.gate:
                rule.gate.release()
        self.up()

    def _decide(self, call):
        """(delay in seconds, rule or None)"""
        with self._lock:
            rules, plan = list(self._rules), self._plan
        delay, chosen = 0.0, None
        for rule in rules:
            is_delay = bool(rule.delay) and rule.name() == "delay"
            if (is_delay or not chosen) and rule.matches(call) and rule.claim():
                delay, chosen = delay + rule.delay, chosen if is_delay else rule
        if not chosen and plan:
            chosen = plan.decide(call)
            delay += chosen.delay if chosen else 0.0
        return delay, chosen

    # ---- Being there ----

    def up(self):
        with self._lock:
            if self._listener or self._closed:
                return
            self.path.unlink(missing_ok=True)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(str(self.path))
            listener.listen(256)
            self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def down(self, keep_file=False):
        """As a daemon that ends: nobody listens, and every connection breaks. `keep_file`: a socket file is left."""
        with self._lock:
            listener, self._listener = self._listener, None
            everybody = list(self._open)
        if listener:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            if not keep_file:
                self.path.unlink(missing_ok=True)
        self._break(everybody)

    def is_up(self):
        return self._listener is not None

    def cut_streams(self):
        with self._lock:
            streams = list(self._streams)
        self._break(streams)
        return len(streams)

    def close(self):
        self._closed = True
        self.calm()
        self.down()

    @staticmethod
    def _break(sockets):
        for sock in sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    # ---- What was asked ----

    def find(self, method="*", path=""):
        """Calls so far that match, oldest first."""
        rule = Rule(method, re.compile(path), None)
        return [call for call in list(self.calls) if rule.matches(call)]

    def wait_call(self, method, path, count=1, timeout=20):
        """Until `count` such calls have come; gives them."""
        deadline = time.monotonic() + timeout
        while len(found := self.find(method, path)) < count:
            assert time.monotonic() < deadline, f"{method} {path}: {len(found)} calls of {count} in {timeout} s"
            time.sleep(0.005)
        return found

    # ---- Connections ----

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                if self._listener is not listener:  # it was taken down between accept and here
                    client.close()
                    return
                self._open.add(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        wire = Wire(client)
        try:
            while self._one(client, wire):
                pass
        except (Gone, OSError, ValueError):
            pass
        finally:
            with self._lock:
                self._open.discard(client)
            client.close()

    def _read(self, client, wire):
        head = Head(wire.line(b"\r\n\r\n"))
        raw = head.raw
        if head.fields.get("expect", "").lower() == "100-continue":
            client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            raw = re.sub(rb"(?i)\r\nexpect:[^\r]*", b"", raw)
        method, target = head.first.split(" ")[:2]
        path, _, query = target.partition("?")
        body = b"".join(head.body(wire))
        call = Call(method, re.sub(r"^/v1\.\d+", "", unquote(path)), query, body, time.monotonic())
        self.calls.append(call)
        return call, raw + body

    def _one(self, client, wire):
        """Serves one request; FALSE: the connection is over."""
        call, raw = self._read(client, wire)
        delay, rule = self._decide(call)
        call.fault = rule.name() if rule else "delay" if delay else None
        try:
            if delay and self._sleep(client, delay):
                raise Gone
            if rule and not rule.after and not self._before(client, call, rule):
                return False
            if rule and not rule.after and rule.answer:
                return self._answer(client, call, rule)
            return self._forward(client, wire, call, raw, rule)
        finally:
            call.done = True

    def _sleep(self, client, seconds):
        """TRUE: the client left meanwhile."""
        ready, _, _ = select.select([client], [], [], seconds)
        return bool(ready) and not client.recv(1, socket.MSG_PEEK)

    def _before(self, client, call, rule):
        if rule.gate:
            rule.gate.arrive(lambda: self._closed or client.fileno() < 0)
        if rule.hang:
            self._sleep(client, None)
        return not (rule.cut or rule.hang)

    def _answer(self, client, call, rule):
        body = rule.message.encode() if rule.bare else json.dumps({"message": rule.message}).encode()
        kind = "text/plain" if rule.bare else "application/json"
        call.status = rule.answer
        client.sendall(
            f"HTTP/1.1 {rule.answer} On Purpose\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + (b"" if call.method == "HEAD" else body)
        )
        return True

    def _forward(self, client, wire, call, raw, rule):
        upstream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with upstream:
            upstream.connect(self.upstream)
            upstream.sendall(raw)
            call.forwarded = True
            return self._relay(client, wire, upstream, call, rule)

    def _relay(self, client, wire, upstream, call, rule):
        # With an effect to come after it, the daemon's work is finished even if the client leaves.
        from_daemon = Wire(upstream, None if rule and rule.after else client)
        head = Head(from_daemon.line(b"\r\n\r\n"))
        status = int(head.first.split(" ")[1])
        is_shell = status == 101 or "raw-stream" in head.fields.get("content-type", "") and call.method == "POST"
        has_body = call.method != "HEAD" and status not in (204, 304)
        if rule and rule.after:
            if not self._after(client, call, rule, head, b"".join(head.body(from_daemon, has_body)) if has_body and not is_shell else b""):
                return False
            if rule.answer:
                return self._answer(client, call, rule)
            return True
        call.status = status
        client.sendall(head.raw)
        if is_shell:
            self._shell(client, wire, upstream, from_daemon)
            return False
        if has_body:
            self._stream(client, call, head.body(from_daemon, True))
        closes = "close" in head.fields.get("connection", "").lower()
        return not closes and ("content-length" in head.fields or "transfer-encoding" in head.fields or not has_body)

    def _after(self, client, call, rule, head, body):
        """What happens once the daemon has done it. FALSE: the connection is over."""
        if rule.gate:
            rule.gate.arrive(lambda: self._closed)
            call.status = int(head.first.split(" ")[1])
            client.sendall(head.raw + body)
            return True
        if rule.torn:
            client.sendall(head.raw + body[: len(body) // 2] if body else head.raw[:20])
        return not (rule.cut or rule.torn)

    def _stream(self, client, call, pieces):
        timer = None
        if is_stream(call):
            with self._lock:
                self._streams.add(client)
                plan = self._plan
            if plan:
                timer = threading.Timer(plan.stream_ends_after(call), self._break, ([client],))
                timer.daemon = True
                timer.start()
        try:
            for piece in pieces:
                client.sendall(piece)
        finally:
            if timer:
                timer.cancel()
            with self._lock:
                self._streams.discard(client)

    def _shell(self, client, wire, upstream, from_daemon):
        """Raw bytes both ways until both sides have said their last."""
        with self._lock:
            self._streams.add(client)
        try:
            client.sendall(from_daemon.buffer)
            upstream.sendall(wire.buffer)
            other, reading = {client: upstream, upstream: client}, [client, upstream]
            while reading:
                ready, _, _ = select.select(reading, [], [])
                for sock in ready:
                    piece = sock.recv(PIECE)
                    if piece:
                        other[sock].sendall(piece)
                        continue
                    reading.remove(sock)
                    if sock is upstream:
                        return
                    with contextlib.suppress(OSError):
                        upstream.shutdown(socket.SHUT_WR)
        finally:
            with self._lock:
                self._streams.discard(client)
