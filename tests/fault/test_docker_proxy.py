"""The proxy itself, before a stand-in for the daemon and before the daemon."""

import json
import socket
import socketserver
import threading
import time
from http.client import BadStatusLine, HTTPConnection, IncompleteRead, RemoteDisconnected
from http.server import BaseHTTPRequestHandler

import pytest

from docker_api import DockerApi
from docker_proxy import DockerProxy
from workspaced import wait_for

LOST = (BadStatusLine, RemoteDisconnected, ConnectionError, IncompleteRead)


class StandIn(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Remembers what it did. /chunked answers in chunks, /events never ends, an upgrade echoes in capitals."""

    daemon_threads, request_queue_size = True, 64

    def __init__(self, path):
        self.did = []
        super().__init__(path, Handler)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def address_string(self):
        return "unix"

    def _body(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _pieces(self, pieces):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def _endless(self):
        while True:
            yield b"tick\n"
            time.sleep(0.02)

    def _any(self):
        body = self._body()
        self.server.did.append((self.command, self.path, body))
        if self.headers.get("Upgrade"):
            self.wfile.write(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
            while piece := self.rfile.read1(100):
                self.wfile.write(piece.upper())
            self.close_connection = True
        elif self.path.endswith("/chunked"):
            self._pieces([b"one", b"two"])
        elif self.path.endswith("/events"):
            self._pieces(self._endless())
        else:
            data = json.dumps({"path": self.path, "size": len(body)}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_DELETE = _any


def connect(proxy):
    connection = HTTPConnection("docker", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.settimeout(10)
    connection.sock.connect(str(proxy.path))
    return connection


def ask(proxy, method="GET", path="/x", body=None, connection=None, **more):
    connection = connection or connect(proxy)
    connection.request(method, path, body=body, **more)
    answer = connection.getresponse()
    return answer.status, answer.read()


@pytest.fixture
def stand_in(tmp_path):
    with StandIn(str(tmp_path / "daemon.sock")) as server:
        yield server
        server.shutdown()


@pytest.fixture
def proxy(tmp_path, stand_in):
    proxy = DockerProxy(tmp_path / "proxy.sock", stand_in.server_address)
    yield proxy
    proxy.close()


def test_passes_through(proxy, stand_in):
    connection = connect(proxy)
    assert json.loads(ask(proxy, path="/v1.41/a?b=c", connection=connection)[1]) == {"path": "/v1.41/a?b=c", "size": 0}
    assert ask(proxy, "POST", "/v1.41/b", b"x" * 300_000, connection)[0] == 200  # the same connection
    assert ask(proxy, path="/chunked", connection=connection) == (200, b"onetwo")
    assert ask(proxy, "PUT", "/c", iter([b"ab", b"cd"]), connection, encode_chunked=True)[0] == 200
    assert [(call.method, call.path, call.query, call.status, call.fault) for call in proxy.calls] == [
        ("GET", "/a", "b=c", 200, None),
        ("POST", "/b", "", 200, None),
        ("GET", "/chunked", "", 200, None),
        ("PUT", "/c", "", 200, None),
    ]
    assert stand_in.did[1][2] == b"x" * 300_000 and stand_in.did[3][2] == b"abcd"


def test_expect_continue(proxy, stand_in):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(str(proxy.path))
        sock.sendall(b"PUT /x HTTP/1.1\r\nHost: d\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"abc")
        assert b"200 OK" in sock.recv(1000)
    assert stand_in.did == [("PUT", "/x", b"abc")]


def test_upgrade(proxy):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(str(proxy.path))
        sock.sendall(b"POST /exec/1/start HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\nearly ")
        got = b""
        while b"EARLY " not in got:
            got += sock.recv(1000)
        assert got.startswith(b"HTTP/1.1 101")
        sock.sendall(b"late")
        assert sock.recv(100) == b"LATE"
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(100) == b""


def test_answers(proxy, stand_in):
    proxy.on("DELETE", "/containers/", answer=500, times=2)
    connection = connect(proxy)
    for _ in range(2):
        status, body = ask(proxy, "DELETE", "/v1.41/containers/a", connection=connection)
        assert (status, json.loads(body)) == (500, {"message": "failed on purpose"})
    assert ask(proxy, "GET", "/containers/a", connection=connection)[0] == 200
    assert [did[0] for did in stand_in.did] == ["GET"]
    assert ask(proxy, "DELETE", "/containers/a", connection=connection)[0] == 200  # used up
    proxy.on("POST", "/start$", answer=409, after=True)
    assert ask(proxy, "POST", "/containers/a/start", connection=connection)[0] == 409
    assert stand_in.did[-1][1] == "/containers/a/start"
    proxy.on("GET", "", answer=404, bare=True)
    assert ask(proxy, connection=connection) == (404, b"failed on purpose")
    proxy.calm()
    assert ask(proxy, connection=connection)[0] == 200


def test_cuts(proxy, stand_in):
    for after, done in ((False, 0), (True, 1)):
        proxy.cut("POST", "", after=after, times=1)
        with pytest.raises(LOST):
            ask(proxy, "POST")
        assert len(stand_in.did) == done
    proxy.tear(times=1)
    with pytest.raises(LOST):
        ask(proxy)
    assert [call.fault for call in proxy.calls] == ["cut before", "cut after", "torn after"]
    assert ask(proxy)[0] == 200


def test_delay_adds(proxy):
    proxy.on("GET", "", answer=500, times=1)
    proxy.delay(0.1, times=2)
    start = time.monotonic()
    assert [ask(proxy)[0], ask(proxy)[0], ask(proxy)[0]] == [500, 200, 200]
    assert time.monotonic() - start >= 0.2


@pytest.mark.parametrize("after", [False, True])
def test_hold(proxy, stand_in, after):
    answers = []
    with proxy.hold("GET", "/held", after=after) as gate:
        thread = threading.Thread(target=lambda: answers.append(ask(proxy, path="/held")[0]))
        thread.start()
        gate.wait()
        assert (len(stand_in.did), answers) == (int(after), [])
    thread.join()
    assert answers == [200]


def test_hang_until_the_client_leaves(proxy, stand_in):
    proxy.hang("GET", "")
    connection = connect(proxy)
    connection.request("GET", "/x")
    proxy.wait_call("GET", "/x")
    connection.close()
    wait_for(lambda: proxy.calls[0].done)
    assert stand_in.did == []


def test_down_and_up(proxy):
    connection = connect(proxy)
    assert ask(proxy, connection=connection)[0] == 200
    for keep_file, error in ((False, FileNotFoundError), (True, ConnectionRefusedError)):
        proxy.down(keep_file)
        with pytest.raises(error):
            connect(proxy)
        proxy.up()
        assert ask(proxy)[0] == 200
    with pytest.raises(LOST):
        ask(proxy, connection=connection)


def test_streams_are_cut(proxy):
    connection = connect(proxy)
    connection.request("GET", "/events")
    answer = connection.getresponse()
    assert answer.read(5) == b"tick\n"
    assert proxy.cut_streams() == 1
    with pytest.raises(LOST):
        answer.read()


def test_a_client_that_leaves_a_stream_ends_it(proxy):
    connection = connect(proxy)
    connection.request("GET", "/events")
    connection.getresponse().read(5)
    connection.close()
    wait_for(lambda: proxy.calls[0].done)


def faults_of(proxy, seed):
    proxy.calls.clear()
    proxy.plan(seed, rate=0.5, delay_s=0.01)
    for n in range(40):
        try:
            ask(proxy, "POST", f"/containers/{n % 2}/start")
        except LOST:
            pass
    return [call.fault for call in proxy.calls]


def test_a_seed_replays(proxy):
    first = faults_of(proxy, 1)
    assert len(set(first)) > 4 and None in first
    assert faults_of(proxy, 1) == first
    assert faults_of(proxy, 2) != first


def test_before_the_daemon(docker_proxy):
    api = DockerApi(str(docker_proxy.path))
    assert api.alive() and api.json("/version")["ApiVersion"]
    assert isinstance(api.json("/containers/json?all=1"), list)
    docker_proxy.on("GET", "/version", answer=500)
    assert api.request("GET", "/version")[0] == 500


def test_a_server_behind_it(faulty_server, docker_proxy, docker):
    server = faulty_server()
    id_ = server.create("Behind")
    server.wait_status(id_, "online")
    assert docker_proxy.find("POST", r"/containers/[0-9a-f]+/start$")
    refused = docker_proxy.on("DELETE", "/containers/", answer=500, times=1)
    answer = server.delete(f"/workspaces/{id_}")
    assert (answer.status_code, refused.hits) == (200, 1)
