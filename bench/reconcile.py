#!/usr/bin/env python3
"""What a pass of the reconciler costs: a real server with 5,000 settled workspaces, before a stand-in for Docker's socket that
serves listings as long as the daemon's: containers in one order, volumes in another one each time. Prints the CPU of one pass (all threads of ours) and of an idle second.

    bench/reconcile.py [WORKSPACES [PASSES]]
"""

import datetime
import http.server
import json
import itertools
import os
import pathlib
import random
import socketserver
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = os.environ.get("WORKSPACED_BINARY", ROOT / "build" / "src" / "workspaced")
NOW_US = int(time.time() * 1e6)


def container(number, id_, installation):
    """As Docker 20.10 lists one."""
    short = f"ws-{id_[:12]}"
    digest = f"{number:064x}"
    labels = {
        "workspaced.installation": installation, "workspaced.workspace": id_, "workspaced.kind": "workspace",
        "workspaced.generation": "1",
    }  # fmt: skip
    network = {
        "IPAMConfig": None, "Links": None, "Aliases": None, "NetworkID": "f" * 64, "EndpointID": digest, "Gateway": "172.18.0.1",
        "IPAddress": "172.18.0.9", "IPPrefixLen": 16, "IPv6Gateway": "", "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0,
        "MacAddress": "02:42:ac:12:00:09", "DriverOpts": None,
    }  # fmt: skip
    mounts = [
        {"Type": "volume", "Name": f"{short}-{kind}", "Source": f"/var/lib/docker/volumes/{short}-{kind}/_data",
         "Destination": target, "Driver": "local", "Mode": "z", "RW": True, "Propagation": ""}
        for kind, target in (("configs", "/configs"), ("workspace", "/workspace"))
    ]  # fmt: skip
    return {
        "Id": digest, "Names": [f"/{short}"], "Image": "workspaced/base:1", "ImageID": "sha256:" + "a" * 64,
        "Command": "/workspaced/agent", "Created": int(time.time()) - 600, "Labels": labels, "State": "running",
        "Ports": [{"IP": "127.0.0.1", "PrivatePort": 8000, "PublicPort": 32768 + number % 20000, "Type": "tcp"}],
        "Status": "Up 10 minutes", "HostConfig": {"NetworkMode": "molecule-monorepo-net"},
        "NetworkSettings": {"Networks": {"molecule-monorepo-net": network}}, "Mounts": mounts,
    }  # fmt: skip


def volume(name, id_, kind, installation):
    labels = {"workspaced.installation": installation, "workspaced.workspace": id_, "workspaced.kind": kind}
    return {
        "CreatedAt": "2026-01-01T00:00:00Z", "Driver": "local", "Labels": labels, "Name": name,
        "Mountpoint": f"/var/lib/docker/volumes/{name}/_data", "Options": None, "Scope": "local",
    }  # fmt: skip


class Daemon(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    answers = {}
    volumes = None  # texts of the list of volumes
    listings = 0


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self):
        return "unix"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Api-Version", "1.41")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        path = self.path.split("?")[0]
        path = path[6:] if path.startswith("/v1.") else path
        if path == "/events":
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            time.sleep(86400)
        if path == "/containers/json":
            Daemon.listings += 1
        body = next(Daemon.volumes) if path == "/volumes" else Daemon.answers.get(path)
        status = 200 if body else 404
        body = body or b'{"message":"No such thing"}'
        self.send_response(status)
        self.send_header("Api-Version", "1.41")
        self.send_header("Content-Type", "text/plain" if path == "/_ping" else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b'{"message":"only listings here"}'
        self.send_response(500)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def fill(path, ids):
    database = sqlite3.connect(path)
    for number, id_ in enumerate(ids):
        database.execute(
            "INSERT INTO workspaces (id, name, status, tier, runtime, url, url_is_minted, created_at, updated_at, last_heartbeat_at)"
            " VALUES (?, ?, 'online', 2, 'builtin', ?, 1, ?, ?, ?)",
            (id_, f"Worker {number}", f"http://127.0.0.1:{32768 + number % 20000}", NOW_US, NOW_US, NOW_US + 3600 * 10**6),
        )
        database.execute(
            "INSERT INTO workspace_runtime (workspace_id, desired, generation, spec, phase, container_id, address, image_digest,"
            " volumes, updated_at) VALUES (?, 'running', 1, '{}', 'ready', ?, ?, ?, ?, ?)",
            (
                id_, f"{number:064x}", f"http://127.0.0.1:{32768 + number % 20000}", "sha256:" + "a" * 64,
                json.dumps({"configs": f"ws-{id_[:12]}-configs", "workspace": f"ws-{id_}-workspace"}), NOW_US,
            ),
        )  # fmt: skip
    database.commit()
    database.close()


def cpu_ns(pid):
    """Of all threads, by name."""
    used = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            name = (task / "comm").read_text().strip()
            used[name] = used.get(name, 0) + int((task / "schedstat").read_text().split()[0])
        except FileNotFoundError:
            pass
    return used


def start(folder, **settings):
    (folder / "url").unlink(missing_ok=True)
    environment = {"PATH": os.environ["PATH"], "WORKSPACED_DATA_DIR": str(folder), "PORT": "0", **settings}
    log = open(folder.parent / "log", "ab")
    server = subprocess.Popen([BINARY, "serve"], env=environment, stdout=subprocess.DEVNULL, stderr=log)
    while not (folder / "url").exists():
        assert server.poll() is None, (folder.parent / "log").read_text()[-1000:]
        time.sleep(0.02)
    return server


def volume_texts(ids, installation):
    volumes = [volume(f"ws-{id_[:12]}-configs", id_, "volume-configs", installation) for id_ in ids]
    volumes += [volume(f"ws-{id_}-workspace", id_, "volume-workspace", installation) for id_ in ids]
    for _ in range(7):
        random.shuffle(volumes)
        yield json.dumps({"Volumes": volumes, "Warnings": None}, separators=(",", ":")).encode()


def serve_daemon(path, ids, installation):
    Daemon.volumes = itertools.cycle(list(volume_texts(ids, installation)))
    Daemon.answers = {
        "/_ping": b"OK",
        "/info": json.dumps({"ID": "BENCH", "NCPU": 2, "MemTotal": 8 << 30, "MemoryLimit": True, "CpuCfsQuota": True,
                             "PidsLimit": True, "OperatingSystem": "bench", "ServerVersion": "20.10.24"}).encode(),
        "/version": json.dumps({"ApiVersion": "1.41", "MinAPIVersion": "1.12", "Version": "20.10.24"}).encode(),
        "/containers/json": json.dumps([container(n, id_, installation) for n, id_ in enumerate(ids)],
                                       separators=(",", ":")).encode(),
        "/networks/molecule-monorepo-net": json.dumps({"Name": "molecule-monorepo-net", "Id": "f" * 64, "Labels": {}}).encode(),
    }  # fmt: skip
    daemon = Daemon(str(path), Handler)
    threading.Thread(target=daemon.serve_forever, daemon=True).start()


def metric(folder, name):
    text = urllib.request.urlopen((folder / "url").read_text().strip() + "/metrics").read().decode()
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(name + " "))


def measure(folder, seconds, settings):
    server = start(folder, **settings)
    try:
        while metric(folder, "workspaced_managed_containers") == 0:
            time.sleep(0.1)
        time.sleep(1)
        passes, before, began = Daemon.listings, cpu_ns(server.pid), time.monotonic()
        time.sleep(seconds)
        after, took = cpu_ns(server.pid), time.monotonic() - began
        passes = Daemon.listings - passes
        used = {name: (after[name] - before.get(name, 0)) / 1e6 for name in after}
        return passes, took, used, metric(folder, "workspaced_orphans"), metric(folder, "workspaced_reconcile_operations")
    finally:
        server.terminate()
        server.wait()


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    passes = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name) / "data"
        folder.mkdir()
        first = start(folder, WORKSPACED_ENGINE="none")
        first.terminate()
        first.wait()
        ids = [str(uuid.uuid4()) for _ in range(count)]
        fill(folder / "workspaced.db", ids)
        serve_daemon(pathlib.Path(name) / "docker.sock", ids, (folder / "installation-id").read_text().strip())
        settings = {"WORKSPACED_ENGINE": "docker", "DOCKER_HOST": f"unix://{name}/docker.sock"}
        done, took, used, orphans, operations = measure(folder, passes, {**settings, "WORKSPACED_RECONCILE_SECONDS": "1"})
        assert done > 0 and orphans == 0 and operations == 0, (done, orphans, operations)
        print(f"{datetime.date.today()} {count} settled workspaces, {done} passes in {took:.1f} s:")
        print(f"  CPU of one pass, all threads: {sum(used.values()) / done:.1f} ms")
        for thread, ms in sorted(used.items(), key=lambda item: -item[1])[:5]:
            print(f"    {thread:16} {ms / done:.2f} ms")
        done, took, used, _, _ = measure(folder, int(os.environ.get("BENCH_IDLE_SECONDS", 60)), settings)
        print(f"idle for {took:.0f} s ({done} passes): {sum(used.values()) / took / 10:.3f} % of one core")


if __name__ == "__main__":
    main()
