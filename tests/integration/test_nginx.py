"""contrib/nginx/qmd.conf in a real nginx, in front of a real daemon."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from qmd_tui.cli.main import execute

CONF = Path(__file__).parents[2] / "contrib" / "nginx" / "qmd.conf"
NGINX = shutil.which("nginx") or ("/usr/sbin/nginx" if os.path.exists("/usr/sbin/nginx") else None)
pytestmark = pytest.mark.skipif(not NGINX or not shutil.which("openssl"), reason="nginx or openssl is not installed")
TLS = ssl.create_default_context()
TLS.check_hostname = False
TLS.verify_mode = ssl.CERT_NONE


class Proxy:
    def __init__(self, daemon: Any, directory: Path, token: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._token = token
        key, certificate = directory / "key.pem", directory / "certificate.pem"
        make = f"openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -keyout {key} -out {certificate}"
        subprocess.run(make.split(), check=True, capture_output=True, timeout=60)
        text = CONF.read_text().replace("listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl")
        text = re.sub(r"(ssl_certificate) \S+;", rf"\1 {certificate};", text)
        text = re.sub(r"(ssl_certificate_key) \S+;", rf"\1 {key};", text)
        text = text.replace("127.0.0.1:18765", daemon.endpoint.http.removeprefix("http://"))
        text = text.replace("client_body_timeout 30s", "client_body_timeout 1s")
        places = "".join(
            f"{kind}_temp_path {directory}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = "user root;\n" if os.getuid() == 0 else ""  # the directory is nobody else's
        main = f"{user}pid {directory}/pid;\nerror_log {directory}/error.log;\ndaemon off;\nevents {{}}\n"
        (directory / "nginx.conf").write_text(f"{main}http {{\naccess_log off;\n{places}{text}}}\n")
        command = [str(NGINX), "-c", str(directory / "nginx.conf"), "-e", str(directory / "error.log")]
        self.process = subprocess.Popen(command)

    def is_up(self) -> bool:
        assert self.process.poll() is None
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=TLS)
        try:
            connection.request(method, path, body, {"Authorization": f"Bearer {self._token}", **headers})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def raw(self) -> ssl.SSLSocket:
        return TLS.wrap_socket(socket.create_connection(("127.0.0.1", self.port), timeout=30))


@pytest.fixture
def proxy(
    daemon: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], wait_until: Callable[..., object]
) -> Iterator[Proxy]:
    assert execute(["token", "create", "--name", "team"]) == 0
    found = Proxy(daemon, tmp_path, capsys.readouterr().out.strip())
    try:
        wait_until(found.is_up, "nginx")
        yield found
    finally:
        found.process.terminate()
        found.process.wait(20)


def test_it_asks_for_a_token_and_passes_it_on(proxy: Proxy) -> None:
    assert proxy.ask("GET", "/status")[0] == 200
    assert proxy.ask("GET", "/status", Authorization="")[0] == 401
    assert proxy.ask("GET", "/health", Authorization="")[0] == 200


def test_a_large_body(proxy: Proxy) -> None:
    body = json.dumps({"texts": ["word " * 20_000] * 20}).encode()
    assert proxy.ask("POST", "/embed", body)[0] == 200
    assert proxy.ask("POST", "/embed", b" " * (17 * 1024 * 1024))[0] == 413


def test_a_stream_comes_in_parts(proxy: Proxy) -> None:
    status, body = proxy.ask("POST", "/query", b'{"query": "a", "stream": true}')
    assert status == 200
    assert json.loads(body.splitlines()[-1])["done"] is True
    with proxy.raw() as line:
        # The first event is read though the response has no end.
        line.sendall(b"GET /events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + proxy._token.encode() + b"\r\n\r\n")
        said = b""
        while b"event: gpu" not in said:
            part = line.recv(65536)
            assert part
            said += part


def test_a_slow_body_never_reaches_the_daemon(proxy: Proxy, daemon: Any) -> None:
    with proxy.raw() as line:
        line.sendall(b"POST /search HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
        said = line.recv(65536)
    assert said == b"" or b" 408 " in said.partition(b"\r\n")[0]
    assert "http.too_slow" not in daemon.log


def test_while_the_daemon_is_away_it_says_when_to_come_back(proxy: Proxy, daemon: Any) -> None:
    assert daemon.terminate() == 0
    status, body = proxy.ask("GET", "/status")
    assert (status, json.loads(body)["error"]["code"]) == (503, "unavailable")


def test_a_daemon_that_is_started_again_is_found_again(
    proxy: Proxy, daemon: Any, start_daemon: Callable[..., Any]
) -> None:
    ask = f"GET /events HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {proxy._token}\r\n\r\n"
    with proxy.raw() as line:  # a stream is over with the daemon, and nginx says so
        line.sendall(ask.encode())
        assert b" 200 " in line.recv(65536)
        assert daemon.terminate() == 0
        while line.recv(65536):
            pass
    assert proxy.ask("GET", "/status")[0] == 503
    again = start_daemon("--http-port", daemon.endpoint.http.rpartition(":")[2])
    again.wait_ready()
    status, body = proxy.ask("GET", "/status")
    assert (status, json.loads(body)["pid"]) == (200, again.process.pid)
    assert again.terminate() == 0


def test_more_than_the_limit_is_refused(proxy: Proxy) -> None:
    statuses = {proxy.ask("GET", "/health")[0] for _ in range(60)}
    assert statuses == {200, 429}
