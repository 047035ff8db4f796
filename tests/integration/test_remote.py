"""ZeroMQ over TCP with a real daemon: who has a key is served within what it allows, and nobody else is."""

from __future__ import annotations

import io
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
import zmq

from ipc import curve, transport
from ipc.client import Client
from ipc.curve import Keys
from ipc.errors import QmdError
from ipc.holder import is_locked, read_holder
from ipc.paths import Paths
from ipc.protocol import (
    CollectionAdd,
    CollectionList,
    EventReply,
    Get,
    GpuSample,
    IndexEvent,
    JobList,
    JobReply,
    Listen,
    Ps,
    Query,
    Search,
    SearchReply,
    Shutdown,
    Similar,
    Status,
    Topic,
    Update,
    VSearch,
)
from ipc.sync import SyncClient
from qmd_daemon import grants, keys
from qmd_tui.attach import attach
from qmd_tui.cli.main import execute
from tests.conftest import Daemon
from tests.integration import corpus, wire

HERE = "tcp://127.0.0.1:0"


class Remote:
    """A daemon that listens on TCP, with two collections that have the same notes."""

    def __init__(self, root: Path) -> None:
        ours = {"QMD_HOME": str(root / "home"), "QMD_HTTP_PORT": "0", "QMD_ENGINE": "fake"}
        env = {name: value for name, value in os.environ.items() if not name.startswith("QMD_")} | ours
        self.root = root
        self.paths = Paths.from_environment(env)
        os.makedirs(self.paths.state)
        self.keys = self.make("owner")
        self.daemon = Daemon(self.paths, "--listen", HERE, env=env)
        self.daemon.wait_ready()
        holder = read_holder(self.paths.daemon_lock)
        assert holder is not None
        self.address = holder.tcp
        with self.daemon.connect() as client:
            for name in ("notes", "diary"):
                (root / name).mkdir()
                (root / name / f"{name}.md").write_text(f"# A backup\n\nThis backup is of {name}.\n")
                corpus.finish(client, CollectionAdd(path=str(root / name), name=name))

    def make(self, name: str, **limits: Any) -> Keys:
        file = str(self.root / f"{name}.key")
        keys.create(self.paths, name, file, **limits)
        return curve.read(file)

    def connect(self, given: Keys | None = None, address: str = "") -> SyncClient:
        return SyncClient(address or self.address, given or self.keys)

    def expire(self, name: str) -> None:
        with grants._edited(self.paths) as found:
            found[:] = [replace(one, expires_at=1.0) if one.name == name else one for one in found]

    def asked(self, name: str) -> list[str]:
        """What the key of this name has asked, by the audit log."""
        return [line["op"] for line in self.audit() if line.get("key") == name]

    def audit(self) -> list[dict[str, Any]]:
        with open(os.path.join(self.paths.state, "audit.log"), encoding="utf-8") as file:
            return [msgspec.json.decode(line) for line in file]


@pytest.fixture(scope="module")
def remote() -> Iterator[Remote]:
    with tempfile.TemporaryDirectory(prefix="qmd-") as directory:
        found = Remote(Path(directory))
        try:
            yield found
            assert found.daemon.terminate() == 0, found.daemon.stderr
        finally:
            found.daemon.kill()


@contextmanager
def listening(client: SyncClient, *topics: Topic) -> Iterator[Iterator[EventReply]]:
    """The events from now on: the first has come, so the daemon knows that somebody listens."""
    replies = cast("Generator[EventReply]", client.stream(Listen(topics=["gpu", *topics]), EventReply))
    with closing(replies):
        assert next(replies).topic == "gpu"
        yield replies


def heard(replies: Iterator[EventReply], *topics: Topic) -> EventReply:
    """The next of these topics."""
    return next(reply for reply in replies if reply.topic in topics)


def refused(remote: Remote, given: Keys) -> QmdError:
    """What somebody with these keys is told who connects now."""
    with pytest.raises(QmdError) as caught, remote.connect(given) as client:
        client.ping(timeout_s=20)
    assert caught.value.code == "unauthorized"
    return caught.value


# -- who has a key ---------------------------------------------------------------------------


def test_a_key_searches(remote: Remote) -> None:
    with remote.connect() as client:
        for kind in (Search, VSearch, Query):
            found = client.call(kind(query="backup"), SearchReply, timeout_s=60)
            assert {hit.collection for hit in found.results} == {"notes", "diary"}
        assert client.call_raw(Status())["tcp"] == remote.address


def test_a_key_listens(remote: Remote) -> None:
    with remote.connect() as client, remote.connect() as other, listening(client, "job") as replies:
        other.call_raw(Update())
        reply = heard(replies, "job")
    assert (reply.event["job"]["kind"], reply.done) == ("update", False)


async def test_events_come_as_from_the_other_socket(remote: Remote) -> None:
    async with Client(remote.address, keys=remote.keys) as client:
        events = client.events("gpu", "index")
        assert isinstance((await anext(events))[1], GpuSample)
        (remote.root / "notes" / "new.md").write_text("A new one.")
        await client.call(Update(), JobReply)
        async for _, event in events:
            if isinstance(event, IndexEvent):
                break
        await events.aclose()


def test_nobody_stops_the_daemon_from_elsewhere(remote: Remote) -> None:
    with remote.connect() as client, pytest.raises(QmdError, match="does not allow 'shutdown'"):
        client.call(Shutdown())


# -- who has none ----------------------------------------------------------------------------


def test_a_key_that_is_not_known(remote: Remote) -> None:
    public, secret = (half.decode() for half in zmq.curve_keypair())
    error = refused(remote, Keys(server=remote.keys.server, public=public, secret=secret))
    assert "does not know this key" in error.message
    noted = [line for line in remote.audit() if public in line.get("reason", "")]
    assert [(line["event"], line["remote"]) for line in noted] == [("access.refused", "127.0.0.1")]


def test_the_public_half_of_a_key_that_is_known(remote: Remote) -> None:
    _, secret = (half.decode() for half in zmq.curve_keypair())
    refused(remote, msgspec.structs.replace(remote.keys, secret=secret))


def test_a_key_of_another_daemon(remote: Remote) -> None:
    public, _ = (half.decode() for half in zmq.curve_keypair())
    assert "of another daemon" in refused(remote, msgspec.structs.replace(remote.keys, server=public)).hint


def test_no_key(remote: Remote) -> None:
    with pytest.raises(QmdError, match="A key is needed"), SyncClient(remote.address):
        pass
    # And a socket of somebody who does not ask our client.
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        monitor = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
        socket.linger = 0
        socket.connect(remote.address)
        with suppress(zmq.Again):  # where it was refused before we came here, there is nobody to send to
            socket.send(b'{"op":"ping"}', zmq.NOBLOCK)
        assert monitor.poll(20_000)
        assert transport.event_of(monitor.recv_multipart()) == zmq.EVENT_DISCONNECTED
        assert not socket.poll(0)
        socket.disable_monitor()
        monitor.close()


def test_a_name_of_its_own(remote: Remote) -> None:
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        curve.be_client(socket, remote.keys)
        socket.routing_id = b"victim"
        socket.linger = 0
        socket.connect(remote.address)
        socket.send_json({"op": "ping"})
        assert socket.poll(20_000)
        assert socket.recv_json()["error"]["code"] == "forbidden"


@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_a_key_that_is_not_valid_any_more(remote: Remote, end: str) -> None:
    given = remote.make(end)
    with remote.connect(given) as client, remote.connect(given) as other, listening(other) as replies:
        assert client.call_raw(Ps())["ok"]
        if end == "revoked":
            assert grants.revoke(remote.paths, end, "key")
        else:
            remote.expire(end)
        with pytest.raises(QmdError, match="revoked, or has expired"):
            client.call(Ps())
        with pytest.raises(QmdError, match="not valid any more"):
            list(replies)
    refused(remote, given)


# -- what somebody has recorded ---------------------------------------------------------------


def test_a_recorded_session_is_worth_nothing(remote: Remote) -> None:
    given = remote.make("tape")
    with wire.Wire(remote.address) as tapped, remote.connect(given, tapped.address) as client:
        assert client.call_raw(Search(query="backup"))["results"]
    # The whole session again: the daemon greets (64 bytes, then WELCOME), and hangs up at what was said to another.
    greeted = wire.replay(tapped.sent, remote.address)
    assert (b"WELCOME" in greeted, b"READY" in greeted) == (True, False)
    # Everything after the handshake, which somebody else has made.
    assert b"READY" not in wire.replay([tapped.sent[-1]._replace(answered=0)], remote.address)
    with remote.connect(given) as client:
        assert client.call_raw(Ps())["ok"]
    assert remote.asked("tape") == ["search", "ps"]


def test_a_packet_counts_once(remote: Remote) -> None:
    with (
        wire.Wire(remote.address) as tapped,
        remote.connect(remote.make("twice"), tapped.address) as client,
    ):
        client.call_raw(Search(query="backup"))
        tapped.repeat()
    assert remote.asked("twice") == ["search"]


# -- what a key allows -----------------------------------------------------------------------


def test_a_key_of_one_collection_sees_no_other(remote: Remote) -> None:
    with remote.daemon.connect() as owner:
        docids = {hit.collection: hit.docid for hit in owner.call(Search(query="backup"), SearchReply).results}
    given = remote.make("one", collections=["notes"])
    with remote.connect(given) as client:
        for kind in (Search, VSearch, Query):
            found = client.call(kind(query="backup"), SearchReply, timeout_s=60)
            assert {hit.collection for hit in found.results} == {"notes"}
            with pytest.raises(QmdError, match="not for the collection 'diary'"):
                client.call(kind(query="backup", collections=["diary"]))
        assert client.call_raw(Get(ref=docids["notes"]))["collection"] == "notes"
        for ref in (docids["diary"], "diary/diary.md", "diary.md", "nowhere"):
            for request in (Get(ref=ref), Similar(ref=ref)):
                with pytest.raises(QmdError, match="nothing of that name for you"):
                    client.call(request)
        for request in (Status(), CollectionList(), JobList()):
            assert "diary" not in str(client.call_raw(request))
        with pytest.raises(QmdError, match="another index"):
            client.call(Search(query="backup", index="work"))


def test_a_key_of_one_collection_hears_of_no_other(remote: Remote) -> None:
    given = remote.make("ears", collections=["notes"])
    with (
        remote.connect(given) as client,
        remote.daemon.connect() as owner,
        listening(client, "job", "log") as replies,
    ):
        corpus.finish(owner, Update(collections=["diary"]))
        corpus.finish(owner, Update(collections=["notes"]))
        assert heard(replies, "job", "log").event["job"]["collections"] == ["notes"]


def test_what_else_it_allows(remote: Remote) -> None:
    with remote.connect(remote.make("reader", read_only=True)) as client, pytest.raises(QmdError) as caught:
        client.call(Update())
    assert caught.value.code == "forbidden"
    with remote.connect(remote.make("slow", rate="1/h")) as client:
        client.call(Ps())
        with pytest.raises(QmdError, match="More requests than this key may make"):
            client.call(Ps())
    assert {(line["key"], line["code"]) for line in remote.audit() if line.get("key") in {"reader", "slow"}} == {
        ("reader", "forbidden"),
        ("slow", "ok"),
        ("slow", "rate_limited"),
    }


# -- the command line ------------------------------------------------------------------------


def test_nothing_listens_before_there_is_a_key(home: Paths, start_daemon: Callable[..., Daemon]) -> None:
    daemon = start_daemon("--listen", HERE)
    assert daemon.wait() == 2
    assert "nobody has a key" in daemon.stderr


def test_a_daemon_that_nobody_watches_does_without_a_taken_port(
    home: Paths, tmp_path: Path, start_daemon: Callable[..., Daemon]
) -> None:
    keys.create(home, "n", str(tmp_path / "n.key"))
    with socket.create_server(("127.0.0.1", 0)) as other:
        start_daemon("--listen", f"tcp://127.0.0.1:{other.getsockname()[1]}").wait_ready()
        with SyncClient(home.rpc) as client:
            assert "no TCP: Another program listens" in client.ping(timeout_s=20).state


def test_keys_are_made_listed_and_revoked(
    home: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert execute(["keys", "create", "--name", "phone", "--read-only", "--rate", "10/s"]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/phone.key\n"
    for file in (tmp_path / "phone.key", Path(home.server_key_file)):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    made = curve.read(str(tmp_path / "phone.key"))
    assert made.server in Path(home.server_key_file).read_text()
    assert made.secret not in Path(home.grants_file).read_text()

    assert execute(["keys", "create", "--name", "phone"]) == 2
    assert "There is a file" in capsys.readouterr().err
    assert execute(["keys", "create", "--name", "phone", "--file", "again.key"]) == 2
    assert "There is a key 'phone' already" in capsys.readouterr().err
    assert not (tmp_path / "again.key").exists()
    assert execute(["keys", "create", "--name", "other", "--file", "other.key"]) == 0
    assert curve.read(str(tmp_path / "other.key")).server == made.server
    capsys.readouterr()

    assert execute(["keys", "list"]) == 0
    assert "phone  all collections; read-only; 10/s\n" in capsys.readouterr().out
    assert execute(["keys", "revoke", "phone"]) == 0
    assert execute(["keys", "revoke", "phone"]) == 1
    assert "There is no key 'phone'" in capsys.readouterr().err


def test_a_key_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    file = tmp_path / "a.key"
    file.write_text("{}")
    file.chmod(0o640)
    with pytest.raises(QmdError, match="Others may read"):
        curve.read(str(file))
    file.chmod(0o600)
    with pytest.raises(QmdError, match="no key file"):
        curve.read(str(file))
    with pytest.raises(QmdError, match="There is no key"):
        curve.read(str(tmp_path / "none"))


# -- the program, on another machine -------------------------------------------------------------


@pytest.fixture
def laptop(remote: Remote, home: Paths, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Any]]:
    """The program with an installation of its own, and a key: exit code, output, and what it has said."""
    os.makedirs(home.config, exist_ok=True)
    file = remote.root / "laptop.key"
    if not file.exists():
        remote.make("laptop", read_only=True)
    shutil.copy(file, home.client_key_file)

    def run(*words: str) -> tuple[int, str, str]:
        code = execute(["--connect", remote.address, *words])
        return code, *capsys.readouterr()

    yield run
    assert not is_locked(home.daemon_lock), "it has started a daemon here"


def test_commands_ask_the_daemon_elsewhere(laptop: Callable[..., tuple[int, str, str]], remote: Remote) -> None:
    for command in ("search", "vsearch", "query"):
        code, out, err = laptop(command, "backup", "-c", "notes", "--files")
        assert (code, "qmd://notes/notes.md" in out) == (0, True), err
    code, out, _ = laptop("get", "notes/notes.md:3", "nowhere.md")
    assert (code, "3: This backup is of notes.\n" in out) == (1, True)
    code, out, _ = laptop("status", "--json")
    assert (code, msgspec.json.decode(out)["daemon"]["pid"]) == (0, remote.daemon.process.pid)
    assert laptop("ps")[0] == 0
    code, _, err = laptop("similar", "notes/notes.md", "--full")
    assert (code, "The files are on the other machine" in err) == (2, True)
    code, _, err = laptop("update")
    assert (code, "`qmd update` is about this machine." in err) == (2, True)


def test_lines_and_prompts_from_elsewhere(
    laptop: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("backup\nq\n"))
    code, out, _ = laptop("--linear")
    assert (code, "2 results" in out) == (0, True)


async def test_a_session_is_told_why_it_is_refused(remote: Remote, home: Paths) -> None:
    file = remote.root / "gone.key"
    remote.make("gone")
    async with attach(home, remote.address, str(file), lambda _: None) as client:
        assert (await client.ping()).ready
    grants.revoke(remote.paths, "gone", "key")
    with pytest.raises(QmdError, match="does not know this key"):
        async with attach(home, remote.address, str(file), lambda _: None):
            pass


def test_the_live_view_of_a_daemon_elsewhere(remote: Remote, home: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    remote.make("watcher", read_only=True)
    key = str(remote.root / "watcher.key")
    assert execute(["--connect", remote.address, "--key", key, "top", "--once", "--json"]) == 0
    now = msgspec.json.decode(capsys.readouterr().out)
    assert now["daemon"]["pid"] == remote.daemon.process.pid
    assert now["sample"]["requests"] == {"interactive": 1}
