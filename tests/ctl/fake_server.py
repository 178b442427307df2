"""A stand-in for the server as workspacectl sees it: it can be told what to answer, checks what it is
sent, and can be asked what it saw."""

import base64
import hashlib
import json
import socket
import struct
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

TOKEN = "the-admin-token_0123456789"
ROOT = "aaaaaaaa-1111-4111-8111-111111111111"
CHILD = "bbbbbbbb-2222-4222-8222-222222222222"
GRANDCHILD = "bbbbbbcc-3333-4333-8333-333333333333"
CREATE_FIELDS = {
    "name": str, "role": str, "model": str, "runtime": str, "template": str, "tier": int,
    "external": bool, "url": str, "workspace_dir": str, "workspace_access": str, "parent_id": str,
    "budget_limit": int, "max_concurrent_tasks": int, "secrets": dict, "image": str,
    "executor": str, "command": str,
}  # fmt: skip


def workspace(id_, name, parent=None, **more):
    row = {"id": id_, "name": name, "role": None, "tier": 2, "status": "online", "url": "",
           "parent_id": parent, "runtime": "builtin", "last_sample_error": ""}  # fmt: skip
    row.update(more)
    return row


class Call:
    def __init__(self, method, target, headers, body):
        self.method = method
        self.path = urlsplit(target).path
        self.query = dict(parse_qsl(urlsplit(target).query, keep_blank_values=True))
        self.headers = headers
        self.body = body
        self.is_closed_early = False


class Socket:
    """The server's side of one WebSocket."""

    def __init__(self, connection):
        self.connection = connection

    def frame(self, opcode, payload):
        length = len(payload)
        if length < 126:
            head = struct.pack("!BB", 0x80 | opcode, length)
        elif length < 65536:
            head = struct.pack("!BBH", 0x80 | opcode, 126, length)
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, 127, length)
        self.connection.sendall(head + payload)

    def send(self, event):
        self.frame(1, json.dumps(event).encode())

    def close(self, code=1001):
        self.frame(8, struct.pack("!H", code))
        self.drop()

    def drop(self):
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def read_frame(self):
        """(opcode, payload) of the next frame of the client, which must be masked."""
        self.connection.settimeout(5)
        first, second = self._exactly(2)
        assert second & 0x80, "a client's frame must be masked"
        length = second & 0x7F
        assert length < 126
        mask = self._exactly(4)
        return first & 0x0F, bytes(b ^ mask[i % 4] for i, b in enumerate(self._exactly(length)))

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.connection.recv(count - len(data))
            assert more, "the client closed the connection"
            data += more
        return data


class KeepingServer(ThreadingHTTPServer):
    """Leaves the connections alone that became WebSockets."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, *arguments):
        self.kept = set()
        super().__init__(*arguments)

    def shutdown_request(self, request):
        if request not in self.kept:
            super().shutdown_request(request)


class FakeServer:
    """`on(method, path, answer...)`: answers are (status, body) or functions of (call, handler), used
    one after the other; the last one stays."""

    def __init__(self):
        self.calls = []
        self.errors = []
        self.sockets = []
        self.token = TOKEN
        self.workspaces = []
        self.events = []
        self._answers = {}
        self.changed = threading.Condition()
        self._server = KeepingServer(("127.0.0.1", 0), self._handler())
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,)).start()

    def close(self):
        for one in self.sockets:
            one.drop()
            one.connection.close()
        self._server.shutdown()
        self._server.server_close()

    def on(self, method, path, *answers):
        self._answers[(method, path)] = list(answers)

    def seen(self, method, path):
        with self.changed:
            return [c for c in self.calls if (c.method, c.path) == (method, path)]

    def wait(self, condition, timeout=5):
        deadline = time.monotonic() + timeout
        with self.changed:
            while not (value := condition()):
                rest = deadline - time.monotonic()
                assert rest > 0, "the condition did not come true"
                self.changed.wait(min(rest, 0.05))
            return value

    def wait_socket(self, number=1):
        return self.wait(lambda: len(self.sockets) >= number and self.sockets[number - 1])

    # What it answers unasked

    def _usual(self, call):
        if call.headers.get("Authorization") != f"Bearer {self.token}":
            return 401, {"error": "missing or invalid credentials"}
        one = call.path.removeprefix("/workspaces/")
        if (call.method, call.path) == ("GET", "/workspaces"):
            return 200, self.workspaces
        if (call.method, call.path) == ("POST", "/workspaces"):
            return self._create(call)
        if call.path == "/events" or call.path.startswith("/events/"):
            wanted = call.path.removeprefix("/events").removeprefix("/")
            page = [e for e in self.events if not wanted or e["workspace_id"] == wanted]
            return 200, page[: int(call.query["limit"])]
        if call.method == "DELETE":
            return self._delete(call, one)
        found = [w for w in self.workspaces if w["id"] == one]
        if call.method == "GET" and found:
            return 200, found[0]
        return 404, {"error": "workspace not found"}

    def _create(self, call):
        for key, value in call.body.items():
            if key not in CREATE_FIELDS or type(value) is not CREATE_FIELDS[key]:
                self.errors.append(f"create: {key}={value!r}")
        id_ = str(uuid.uuid4())
        self.workspaces.append(workspace(id_, call.body["name"], status="provisioning"))
        return 201, {"id": id_, "status": "provisioning", "workspace_access": "none"}

    def _delete(self, call, id_):
        children = [w for w in self.workspaces if w["parent_id"] == id_]
        if children and call.query.get("confirm") != "true":
            listed = [{"id": w["id"], "name": w["name"]} for w in children]
            return 409, {"status": "confirmation_required", "message": "has children",
                         "children": listed, "children_count": len(listed)}  # fmt: skip
        gone = {id_}
        for _ in self.workspaces:
            gone |= {w["id"] for w in self.workspaces if w["parent_id"] in gone}
        self.workspaces = [w for w in self.workspaces if w["id"] not in gone]
        status = "purged" if call.query.get("purge") == "true" else "removed"
        return 200, {"status": status, "cascade_deleted": len(gone) - 1, "cleanup": "done"}

    def _handler(server):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                body = json.loads(text) if text else None
                if text and self.headers.get("Content-Type") != "application/json":
                    server.errors.append(f"type {self.headers.get('Content-Type')}")
                self.call = call = Call(self.command, self.path, self.headers, body)
                with server.changed:
                    server.calls.append(call)
                    server.changed.notify_all()
                    queue = server._answers.get((call.method, call.path))
                    answer = (queue.pop(0) if len(queue) > 1 else queue[0]) if queue else None
                if answer is None and call.path == "/ws":
                    answer = type(self).upgrade
                if callable(answer):
                    answer = answer(self) if answer is type(self).upgrade else answer(call, self)
                elif answer is None:
                    answer = server._usual(call)
                if answer is not None:
                    self.reply(*answer)

            do_GET = do_POST = do_DELETE = handle_any

            def reply(self, status, body, content_type=None, **headers):
                text = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", content_type or "application/json; charset=utf-8")
                self.send_header("Content-Length", str(len(text)))
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(text)

            def begin(self, content_type):
                """Opens a chunked answer."""
                self.send_response(200)
                self.send_header("Content-Type", content_type)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()

            def chunk(self, data):
                data = data.encode() if isinstance(data, str) else data
                self.wfile.write(b"%x\r\n" % len(data) + data + b"\r\n")
                self.wfile.flush()

            def event(self, result, key="result"):
                body = {"jsonrpc": "2.0", "id": self.call.body["id"], key: result}
                self.chunk("data: " + json.dumps(body) + "\n\n")

            def finish_chunks(self):
                self.wfile.write(b"0\r\n\r\n")
                self.wfile.flush()

            def upgrade(self):
                headers = self.headers
                if headers.get("Authorization") != f"Bearer {server.token}":
                    return 401, {"error": "invalid auth token"}
                if headers.get("Upgrade") != "websocket" or headers["Sec-WebSocket-Version"] != "13":
                    server.errors.append("not a WebSocket's handshake")
                guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
                digest = hashlib.sha1((headers["Sec-WebSocket-Key"] + guid).encode()).digest()
                self.send_response(101)
                self.send_header("Upgrade", "websocket")
                self.send_header("Connection", "Upgrade")
                self.send_header("Sec-WebSocket-Accept", base64.b64encode(digest).decode())
                self.end_headers()
                self.wfile.flush()
                self.close_connection = True
                self.server.kept.add(self.connection)
                with server.changed:
                    server.sockets.append(Socket(self.connection))
                    server.changed.notify_all()
                return None

            def log_message(self, *_):
                pass

        return Handler
