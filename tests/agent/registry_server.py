"""A stand-in for the server as an agent sees it: it can be told what to answer, checks what it is
sent, and can be asked what it saw."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Call:
    def __init__(self, method, path, headers, body):
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
        self.at = time.monotonic()

    @property
    def bearer(self):
        value = self.headers.get("Authorization")
        return value.removeprefix("Bearer ") if value else None


class RegistryServer:
    """`answers` maps a path to a list of (status, body) used one after the other; the last one
    stays. A body may be a function of the call."""

    def __init__(self, tls_context=None, port=0):
        self.calls = []
        self.errors = []
        self.answers = {
            "/registry/register": [(200, {"status": "registered"})],
            "/registry/heartbeat": [(200, {"status": "ok"})],
        }
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.scheme = "http"
        if tls_context:
            self.scheme = "https"
            self._server.socket = tls_context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path, *answers):
        with self._changed:
            self.answers[path] = list(answers)

    def seen(self, path):
        with self._changed:
            return [call for call in self.calls if call.path == path]

    def wait(self, path, count=1, timeout=5, where=lambda call: True):
        """The calls of a path, as soon as there are `count` that fit."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                fitting = [c for c in self.calls if c.path == path and where(c)]
                if len(fitting) >= count:
                    return fitting
                rest = deadline - time.monotonic()
                assert rest > 0, f"{len(fitting)} of {count} calls of {path} in {timeout} s"
                self._changed.wait(rest)

    def _take(self, call):
        with self._changed:
            self._check(call)
            queue = self.answers.get(call.path, [(404, {"error": "no such route"})])
            status, body = queue.pop(0) if len(queue) > 1 else queue[0]
            self.calls.append(call)
            self._changed.notify_all()
        return status, body(call) if callable(body) else body

    def _check(self, call):
        """Spec 04, sections 7.1 and 7.2: what the server would refuse."""
        if call.path == "/registry/register":
            wanted = {"id": str, "url": str, "agent_card": dict}
        elif call.path == "/registry/heartbeat":
            wanted = {
                "workspace_id": str,
                "error_rate": (float, int),
                "sample_error": str,
                "active_tasks": int,
                "uptime_seconds": int,
                "current_task": str,
            }
        else:
            return
        got = call.body
        if set(got) != set(wanted) or not all(isinstance(got[k], wanted[k]) for k in wanted):
            self.errors.append(f"{call.path}: {got}")
        if call.headers.get("Content-Type") != "application/json":
            self.errors.append(f"{call.path}: type {call.headers.get('Content-Type')}")

    def _handler(server):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                length = int(self.headers.get("Content-Length") or 0)
                text = self.rfile.read(length)
                body = json.loads(text) if text else None
                status, answer = server._take(Call(self.command, self.path, self.headers, body))
                text = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                try:
                    self.wfile.write(text)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # an agent that stops waits for nobody

            do_GET = do_POST = handle_any

            def log_message(self, *_):
                pass

        return Handler
