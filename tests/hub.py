"""A small model hub on loopback, with the two routes that ModelScope's client needs, and with faults on request.

GET /api/v1/models/OWNER/NAME/repo/files?Revision=…       the list, with sizes and sha256
GET /api/v1/models/OWNER/NAME/repo?Revision=…&FilePath=…  a file, from a byte on if asked
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

PAGE = b"<!DOCTYPE html><html><body>Sign in to the network</body></html>"
_ROUTE = re.compile(r"/api/v1/models/([^/]+/[^/]+)/repo(/files)?")


class FakeHub:
    """Has `repositories`: by name, their files. What goes wrong is set by the attributes below, by file name.

    `fails`: so many requests are answered with 500. `cuts`: the connection ends after so many bytes, once.
    `lies`: these bytes are served, whatever the list says. `listed`: what the list says of a file, over the
    truth. `absent`: listed, but not there. `gates`: so many bytes are sent, then nothing until `opened`; `stalls`:
    the same, once.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.fails: dict[str, int] = {}
        self.cuts: dict[str, int] = {}
        self.lies: dict[str, bytes] = {}
        self.listed: dict[str, dict[str, Any]] = {}
        self.absent: set[str] = set()
        self.gates: dict[str, int] = {}
        self.stalls: dict[str, int] = {}
        self.opened = threading.Event()
        self.portal = False  # every request is answered with a web page
        self.broken = False  # every request is answered with 500
        self.asked: list[tuple[str, int]] = []  # (file, first byte), as it was asked for
        self.headers: list[dict[str, str]] = []
        self.sent: dict[str, int] = {}
        hub = self

        class Handler(_Handler):
            def do_GET(self) -> None:
                hub.serve(self)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.opened.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def add(self, repository: str, files: dict[str, bytes]) -> None:
        self.repositories[repository] = files

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        self.headers.append(dict(request.headers))
        if self.portal:
            _send(request, 200, PAGE, "text/html")
            return
        if self.broken:
            _send(request, 500, b"{}")
            return
        url = urlsplit(request.path)
        route = _ROUTE.fullmatch(url.path)
        files = self.repositories.get(route[1]) if route else None
        if route is None or files is None:
            _send(request, 404, json.dumps({"Code": 10010205001, "Success": False, "Message": "no such"}).encode())
        elif route[2]:
            listed = [{**_entry(name, data), **self.listed.get(name, {})} for name, data in files.items()]
            _send(request, 200, json.dumps({"Code": 200, "Success": True, "Data": {"Files": listed}}).encode())
        else:
            self._file(request, parse_qs(url.query)["FilePath"][0], files)

    def _file(self, request: BaseHTTPRequestHandler, name: str, files: dict[str, bytes]) -> None:
        first = int((re.fullmatch(r"bytes=(\d+)-\d*", request.headers.get("Range", "")) or "00")[1])
        self.asked.append((name, first))
        if self.fails.get(name, 0) > 0:
            self.fails[name] -= 1
            _send(request, 500, b"{}")
            return
        if name in self.absent or name not in files:
            _send(request, 404, b'{"Code": 404, "Success": false}')
            return
        data = self.lies.get(name, files[name])
        body = data[first:]
        request.send_response(206 if first else 200)
        request.send_header("Content-Length", str(len(body)))
        if first:
            request.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        request.end_headers()
        waits = name in self.stalls or name in self.gates
        end = self.cuts.pop(name, self.stalls.pop(name, self.gates.get(name, len(body))))
        request.wfile.write(body[:end])
        request.wfile.flush()
        self.sent[name] = first + len(body[:end])
        if end < len(body) and waits:
            self.opened.wait(60)
            request.wfile.write(body[end:])
        elif end < len(body):
            request.close_connection = True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            pass  # the client has gone, as some of the tests want it


def _entry(name: str, data: bytes) -> dict[str, Any]:
    return {"Name": name, "Path": name, "Type": "blob", "Size": len(data), "Sha256": hashlib.sha256(data).hexdigest()}


def _send(request: BaseHTTPRequestHandler, status: int, body: bytes, kind: str = "application/json") -> None:
    request.send_response(status)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def safetensors(size_bytes: int, seed: int = 0) -> bytes:
    """A well-formed file of weights that nobody can guess."""
    import random

    data = random.Random(seed).randbytes(size_bytes)
    head = json.dumps({"w": {"dtype": "U8", "shape": [size_bytes], "data_offsets": [0, size_bytes]}}).encode()
    return len(head).to_bytes(8, "little") + head + data


def checkpoint(size_bytes: int = 200_000, seed: int = 0) -> dict[str, bytes]:
    """What a repository of a small model has."""
    return {
        "config.json": b'{"model_type": "bert"}',
        "tokenizer.json": b'{"version": "1.0"}',
        "model.safetensors": safetensors(size_bytes, seed),
        "README.md": b"# a model",
        "pytorch_model.bin": b"PK\x03\x04 not wanted",
        "onnx/model.onnx": b"not wanted",
    }
