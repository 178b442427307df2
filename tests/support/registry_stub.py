"""A registry on plain http at 127.0.0.1, which every Docker daemon accepts: enough of the distribution protocol for
pulls and for looking at digests, with tokens, and a judge of what it is asked."""

import base64
import gzip
import hashlib
import io
import json
import re
import tarfile
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
ACCEPTED = {
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    MANIFEST,
}
PIECE = 16 * 1024


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def make_layer(files):
    """A tar of {path: bytes}."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


class RegistryStub:
    def __init__(self):
        self.blobs, self.manifests = {}, {}  # digest -> bytes; (repository, tag) -> bytes
        self.credentials = None  # (user, password): needed for everything
        self.fail = {}  # (repository, kind) -> status; kind: "token", "manifests", "blobs"
        self.piece_delay = 0.0  # seconds between two pieces of a blob
        self.broken = threading.Event()  # set: blobs break off in the middle
        self.seen = []  # (method, path with query, headers)
        self._tokens = {}  # token -> scope
        self._lock = threading.Lock()
        self._closing = threading.Event()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                stub._answer(self)

            def do_HEAD(self):
                stub._answer(self)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.host}"
        self._thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self._thread.start()

    def close(self):
        self._closing.set()
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()

    # ---- What it has ----

    def put(self, repository, tag="latest", files=None, entrypoint=("/bin/true",)):
        """A new image under that name; the digest of its manifest."""
        layer = make_layer(files or {"etc/version": uuid.uuid4().bytes})
        packed = gzip.compress(layer, 1)
        config = json.dumps(
            {
                "architecture": "amd64", "os": "linux", "config": {"Entrypoint": list(entrypoint)},
                "rootfs": {"type": "layers", "diff_ids": [digest_of(layer)]},
            }
        ).encode()  # fmt: skip
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {
                    "mediaType": "application/vnd.docker.container.image.v1+json",
                    "size": len(config),
                    "digest": digest_of(config),
                },
                "layers": [
                    {
                        "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                        "size": len(packed),
                        "digest": digest_of(packed),
                    }
                ],
            }
        ).encode()
        with self._lock:
            for blob in (packed, config, manifest):
                self.blobs[digest_of(blob)] = blob
            self.manifests[repository, tag] = manifest
        return digest_of(manifest)

    def asked(self, method, part):
        with self._lock:
            return [one for one in self.seen if one[0] == method and part in one[1]]

    def forget(self):
        with self._lock:
            self.seen.clear()

    # ---- Answering ----

    def _answer(self, request):
        with self._lock:
            self.seen.append((request.command, request.path, dict(request.headers)))
        try:
            self._route(request)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def _route(self, request):
        path = urlsplit(request.path).path
        found = re.fullmatch(r"/v2/(.+)/(manifests|blobs)/([^/]+)", path)
        if path == "/token":
            return self._token(request)
        if not self._allows(request, found and found[1]):
            realm = f'Bearer realm="{self.url}/token",service="stub"'
            if found:
                realm += f',scope="repository:{found[1]}:pull"'
            return self._send(request, 401, self._error("UNAUTHORIZED"), {"WWW-Authenticate": realm})
        if path == "/v2/":
            return self._send(request, 200, b"{}")
        if not found:
            return self._send(request, 404, self._error("NOT_FOUND"))
        status = self.fail.get((found[1], found[2]))
        if status:
            return self._send(request, status, self._error("DENIED" if status in (401, 403) else "UNKNOWN"))
        return self._manifest(request, found[1], found[3]) if found[2] == "manifests" else self._blob(request, found[3])

    def _error(self, code):
        return json.dumps({"errors": [{"code": code, "message": code.lower().replace("_", " ")}]}).encode()

    def _send(self, request, status, body, headers=None):
        request.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(body)

    def _token(self, request):
        query = parse_qs(urlsplit(request.path).query)
        scope = query.get("scope", [""])[0]
        repository = scope.removeprefix("repository:").removesuffix(":pull")
        given = request.headers.get("Authorization", "")
        wanted = self.credentials and "Basic " + base64.b64encode(":".join(self.credentials).encode()).decode()
        status = self.fail.get((repository, "token"))
        if status or (wanted and given != wanted):
            return self._send(request, status or 401, self._error("UNAUTHORIZED"))
        token = uuid.uuid4().hex
        with self._lock:
            self._tokens[token] = scope
        return self._send(request, 200, json.dumps({"token": token}).encode())

    def _allows(self, request, repository):
        """Without credentials a request without a token is served, too; a token that was never given never is."""
        given = request.headers.get("Authorization", "")
        with self._lock:
            scope = self._tokens.get(given.removeprefix("Bearer "))
        if scope is not None:
            return repository is None or scope == f"repository:{repository}:pull"
        return not given and not self.credentials

    def _manifest(self, request, repository, reference):
        with self._lock:
            body = self.blobs.get(reference) or self.manifests.get((repository, reference))
        if body is None:
            return self._send(request, 404, self._error("MANIFEST_UNKNOWN"))
        accepted = {one.strip() for line in request.headers.get_all("Accept", []) for one in line.split(",")}
        if MANIFEST not in accepted:
            return self._send(request, 406, self._error("UNSUPPORTED"))
        return self._send(request, 200, body, {"Content-Type": MANIFEST, "Docker-Content-Digest": digest_of(body)})

    def _blob(self, request, digest):
        with self._lock:
            body = self.blobs.get(digest)
        if body is None:
            return self._send(request, 404, self._error("BLOB_UNKNOWN"))
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        for at in range(0, len(body), PIECE):
            request.wfile.write(body[at : at + PIECE])
            if self.piece_delay and self._closing.wait(self.piece_delay):
                return None
            if self.broken.is_set() and at > len(body) // 2:
                request.close_connection = True
                return None
        return None
