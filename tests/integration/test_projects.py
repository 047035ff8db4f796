"""A project's own index, what its index.yml may not decide alone, and the commands that run before an update."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.integration.program import QMD, Qmd

pytestmark = pytest.mark.xdist_group("projects")


@pytest.fixture(scope="module")
def qmd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Qmd]:
    program = Qmd(tmp_path_factory.mktemp("projects"), {"own.md": "# Own\n\nthylacine of mine\n"})
    program.ok("collection", "add", ".", "--name", "own", cwd=program.fixtures)
    yield program
    program.ok("stop")


@pytest.fixture
def project(qmd: Qmd, tmp_path: Path) -> Path:
    """A directory with an index of its own and a collection `docs` of one document."""
    folder = tmp_path / "project"
    (folder / "docs" / "deep").mkdir(parents=True)
    (folder / "docs" / "a.md").write_text("# A\n\nthylacine of the project\n")
    assert qmd.ok("init", cwd=folder) == "ready to go with new local index\n"
    qmd.ok("collection", "add", "docs", cwd=folder)
    return folder


def configure(project: Path, text: str) -> None:
    (project / ".qmd" / "index.yml").write_text(text)


# -- init (cases 28 and 29) ------------------------------------------------------------------


def test_a_project_has_an_index_of_its_own(qmd: Qmd, project: Path) -> None:
    found = json.loads(qmd.ok("search", "thylacine", "--json", cwd=project / "docs" / "deep"))
    assert [row["file"] for row in found] == ["qmd://docs/a.md"]
    for command in ("vsearch", "query"):
        assert qmd.ok(command, "thylacine", "--files", cwd=project).count("qmd://docs/a.md\n") == 1
    assert "of the project" in qmd.ok("get", "qmd://docs/a.md", cwd=project)
    assert "of mine" in qmd.ok("search", "thylacine", cwd=project.parent)
    assert "of mine" in qmd.ok("search", "thylacine", "--index", "index", cwd=project)
    assert (project / ".qmd").stat().st_mode & 0o777 == 0o700
    assert "path: docs\n" in (project / ".qmd" / "index.yml").read_text()
    assert json.loads(qmd.ok("status", "--json", cwd=project))["index"]["path"] == str(project / ".qmd")


def test_a_project_may_be_moved(qmd: Qmd, project: Path) -> None:
    moved = project.rename(project.parent / "moved")
    assert "of the project" in qmd.ok("search", "thylacine", cwd=moved)
    assert "1 unchanged" in qmd.ok("update", cwd=moved)


def test_a_project_may_be_made_again(qmd: Qmd, project: Path) -> None:
    subprocess.run(["rm", "-r", str(project / ".qmd")], check=True)
    qmd.ok("init", cwd=project)
    assert "Indexed: 1 new" in qmd.ok("collection", "add", "docs", cwd=project)
    for command in ("search", "vsearch", "query"):
        assert "of the project" in qmd.ok(command, "thylacine", cwd=project)


def test_init_where_there_is_one_or_must_not_be_one(qmd: Qmd, project: Path) -> None:
    done = qmd("init", cwd=project)
    assert (done.returncode, done.stdout) == (2, "")
    assert "already" in done.stderr
    home = {**qmd.env, "HOME": str(project.parent)}
    done = subprocess.run([*QMD, "init"], env=home, cwd=project.parent, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Refusing to initialize a local index in $HOME" in done.stderr
    assert not (project.parent / ".qmd").exists()


# -- trust (case 54) -------------------------------------------------------------------------

HOOKED = """\
collections:
  docs:
    path: docs
    update: printf '\\nquoll\\n' >> a.md; echo told
"""


def test_an_unattended_hook_is_not_run_and_indexing_goes_on(qmd: Qmd, project: Path) -> None:
    configure(project, HOOKED)
    (project / "docs" / "b.md").write_text("dunnart\n")
    done = qmd("update", cwd=project)
    assert done.returncode == 0
    assert "before docs is updated, it runs: printf" in done.stderr
    assert "are not run" in done.stderr
    assert done.stdout == "Indexed: 1 new, 0 updated, 1 unchanged, 0 removed\n"
    assert "quoll" not in (project / "docs" / "a.md").read_text()


def test_a_trusted_hook_is_run_until_it_changes(qmd: Qmd, project: Path) -> None:
    configure(project, HOOKED)
    trusted = qmd("trust", cwd=project)
    assert trusted.stdout == f"trusted: {project}/.qmd/index.yml\n"
    assert "it runs: printf" in trusted.stderr
    done = qmd("update", cwd=project)
    assert done.stdout == "Indexed: 0 new, 1 updated, 0 unchanged, 0 removed\n"
    assert "told" in done.stderr, "what a command prints is no result"
    assert f"{project}/.qmd/index.yml  trusted\n" in qmd.ok("trust", "list")
    qmd.ok("context", "add", "docs", "What we say ourselves", cwd=project)
    assert "quoll" in qmd.ok("update", cwd=project) + (project / "docs" / "a.md").read_text()
    configure(project, HOOKED.replace("quoll", "numbat"))
    assert f"{project}/.qmd/index.yml  changed since" in qmd.ok("trust", "list")
    assert "are not run" in qmd("update", cwd=project).stderr
    qmd.ok("trust", cwd=project)
    assert qmd.ok("trust", "revoke", cwd=project).startswith("revoked")
    assert qmd("trust", "revoke", cwd=project).returncode == 1
    assert "are not run" in qmd("update", cwd=project).stderr
    assert "numbat" not in (project / "docs" / "a.md").read_text()


def test_the_environment_may_allow_hooks(qmd: Qmd, project: Path) -> None:
    configure(project, HOOKED)
    env = {**qmd.env, "QMD_TRUST_UPDATE_HOOKS": "1"}
    done = subprocess.run([*QMD, "update"], env=env, cwd=project, capture_output=True, text=True, check=True)
    assert "1 updated" in done.stdout


@pytest.mark.parametrize(("answer", "expected"), [("y", "1 updated"), ("n", "1 unchanged"), ("", "1 unchanged")])
def test_on_a_terminal_the_person_is_asked(qmd: Qmd, project: Path, answer: str, expected: str) -> None:
    configure(project, HOOKED)
    terminal = pexpect.spawn(QMD[0], [*QMD[1:], "update"], env=qmd.env, cwd=str(project), encoding="utf-8", timeout=30)
    terminal.expect_exact("Trust this project, and run its commands? [y/N] ")
    terminal.sendline(answer)
    terminal.expect_exact(expected)
    terminal.expect(pexpect.EOF)


def test_a_directory_outside_the_project_has_to_be_allowed(qmd: Qmd, project: Path, tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "key.md").write_text("kultarr\n")
    os.symlink(tmp_path / "private", project / "link")
    configure(project, "collections:\n  docs: {path: docs}\n  up: {path: ../private}\n  link: {path: link}\n")
    assert "0 new" in qmd.ok("update", cwd=project)
    assert qmd("search", "kultarr", cwd=project).returncode == 1
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.md").write_text("kultarr\n")
    done = qmd("collection", "add", str(tmp_path / "more"), cwd=project)
    assert (done.returncode, done.stdout) == (2, "")
    assert "qmd trust" in done.stderr
    qmd.ok("trust", cwd=project)
    assert "2 new" in qmd.ok("update", cwd=project)
    # What the person adds where all was allowed is allowed.
    qmd.ok("collection", "add", str(tmp_path / "more"), cwd=project)
    assert qmd.ok("search", "kultarr", "--files", cwd=project).count("\n") == 3


def test_an_index_that_is_not_ours_or_no_index_is_refused(qmd: Qmd, tmp_path: Path) -> None:
    from ipc.errors import QmdError
    from ipc.launch import find_daemon
    from ipc.paths import Paths
    from ipc.protocol import Status
    from ipc.sync import SyncClient

    endpoint = find_daemon(Paths.from_environment(qmd.env))
    assert endpoint is not None
    with SyncClient(endpoint.rpc) as client:
        for index in ("/etc", str(tmp_path), str(tmp_path / ".qmd"), f"{tmp_path}/../.qmd"):
            with pytest.raises(QmdError) as error:
                client.call(Status(index=index))
            assert error.value.code in {"invalid", "not_found"}
    assert list(tmp_path.iterdir()) == []


def test_an_index_that_came_with_a_clone_is_not_opened(qmd: Qmd, project: Path, tmp_path: Path) -> None:
    """As on another machine: the same files, another key."""
    clone = tmp_path / "clone"
    subprocess.run(["cp", "-r", str(project), str(clone)], check=True)
    key = Path(qmd.env["QMD_HOME"], "data", "seal.key")
    before = key.read_bytes()
    key.write_bytes(bytes(32))
    try:
        done = qmd("search", "thylacine", cwd=clone)
        assert (done.returncode, done.stdout) == (3, "")
        assert "was not made by you" in done.stderr
        assert "1 new" in qmd.ok("update", cwd=clone)
        assert "of the project" in qmd.ok("search", "thylacine", cwd=clone)
    finally:
        key.write_bytes(before)


@pytest.mark.parametrize("name", ["index.yml", "index.sqlite", "lexical"])
def test_links_in_a_project_lead_nowhere(qmd: Qmd, project: Path, tmp_path: Path, name: str) -> None:
    place, target = project / ".qmd" / name, tmp_path / "target"
    place.rename(target)
    place.symlink_to(target)
    for argv in (["search", "thylacine"], ["update"], ["collection", "add", ".", "--name", "all"]):
        done = qmd(*argv, cwd=project)
        assert (done.returncode, done.stdout) == (2, "")
        assert "is a link" in done.stderr


# -- update hooks of the person's own collections --------------------------------------------


def test_a_hook_that_fails_is_told_and_the_rest_goes_on(qmd: Qmd, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("antechinus\n")
    qmd.ok("collection", "add", str(tmp_path), "--name", "failing")
    qmd.ok("collection", "update-cmd", "failing", "echo out; exit 3")
    (tmp_path / "b.md").write_text("planigale\n")
    done = qmd("update")
    qmd.ok("collection", "remove", "failing")
    assert done.returncode == 1
    assert "failing: echo out; exit 3" in done.stderr
    assert "failed with exit code 3" in done.stderr
    assert done.stdout == "Indexed: 1 new, 0 updated, 2 unchanged, 0 removed\n"


def test_pull(qmd: Qmd, tmp_path: Path) -> None:
    def git(*argv: str) -> None:
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main"]
        subprocess.run(["git", *identity, *argv], cwd=tmp_path, check=True, capture_output=True)

    git("init", "upstream")
    (tmp_path / "upstream" / "a.md").write_text("mulgara\n")
    git("-C", "upstream", "add", ".")
    git("-C", "upstream", "commit", "-m", "first")
    git("clone", "upstream", "copy")
    qmd.ok("collection", "add", str(tmp_path / "copy"), "--name", "copy")
    (tmp_path / "upstream" / "b.md").write_text("kowari\n")
    git("-C", "upstream", "add", ".")
    git("-C", "upstream", "commit", "-m", "second")
    assert "0 new" in qmd.ok("update", "-c", "copy")
    assert "1 new" in qmd.ok("update", "-c", "copy", "--pull")
    qmd.ok("collection", "remove", "copy")


# -- the index itself ------------------------------------------------------------------------


def test_embed_one_collection(qmd: Qmd, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.md").write_text(f"ningaui {name}\n")
        qmd.ok("collection", "add", str(tmp_path / name))
        (tmp_path / name / "b.md").write_text(f"phascogale {name}\n")
    qmd.ok("update")
    assert qmd.ok("embed", "-c", "one") == "Embedded: 1 chunk of 1 document\n"
    assert json.loads(qmd.ok("status", "--json"))["index"]["pending"] == 1
    assert qmd.ok("embed", "-f", "-c", "two") == "Embedded: 2 chunks of 2 documents\n"
    assert json.loads(qmd.ok("status", "--json"))["index"]["pending"] == 0
    assert "Collection not found: three" in qmd("embed", "-c", "three").stderr
    for name in ("one", "two"):
        qmd.ok("collection", "remove", name)


def test_cleanup(qmd: Qmd, tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / f"{number}.md").write_text(f"wallaby {number} " * 2000)
    qmd.ok("collection", "add", str(tmp_path), "--name", "large")
    qmd.ok("collection", "remove", "large")
    done = qmd("cleanup", "--dry-run")
    assert done.stderr == "Dry run — no changes made\n"
    assert "Would remove 0 orphaned contents\n" in done.stdout
    assert "vacuum the database" in done.stdout
    before = json.loads(qmd.ok("status", "--json"))["index"]
    out = qmd.ok("cleanup")
    assert out.startswith(
        "Removed: 0 documents of removed collections, 0 orphaned contents, 0 chunks of models not in use."
    )
    after = json.loads(qmd.ok("status", "--json"))["index"]
    assert after["size_bytes"] < before["size_bytes"] - 500_000
    assert after["documents"] == before["documents"]
    assert "of mine" in qmd.ok("search", "thylacine")
    assert "of mine" in qmd.ok("vsearch", "thylacine")


# -- skill -----------------------------------------------------------------------------------


def test_skill(qmd: Qmd, tmp_path: Path) -> None:
    shown = qmd.ok("skill", "show")
    assert shown.startswith("---\nname: qmd\n")
    assert qmd.ok("skills", "get", "qmd") == shown
    assert qmd.ok("skills", "list").startswith("qmd  Search the person's own notes")
    assert [one["name"] for one in json.loads(qmd.ok("skills", "list", "--json"))] == ["qmd"]
    assert Path(qmd.ok("skill", "path").strip()).read_text() == shown
    place = tmp_path / ".claude" / "skills" / "qmd" / "SKILL.md"
    assert qmd.ok("skill", "install", cwd=tmp_path) == f"installed: {place}\n"
    assert place.read_text() == shown
    qmd.ok("skill", "install", cwd=tmp_path)
    place.write_text("mine")
    done = qmd("skill", "install", cwd=tmp_path)
    assert (done.returncode, place.read_text()) == (2, "mine")
    qmd.ok("skill", "install", "-f", cwd=tmp_path)
    assert place.read_text() == shown
