"""The pages of docs/ and the README, held against the code that they describe."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import pytest
from msgspec import Struct

from ipc import protocol
from ipc.codec import OPERATIONS
from ipc.errors import CODES
from ipc.protocol import EVENTS, MAX_TEXTS, MAX_TOP_K, PROTOCOL_VERSION, REPLIES, ErrorReply, Reply, Request
from qmd_daemon.checkup.settings import ELSEWHERE, KNOWN
from qmd_daemon.config import ENVIRONMENT, Config
from qmd_tui.cli.elsewhere import ALIASES, FLAGS
from qmd_tui.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text()
COMPATIBILITY = (ROOT / "docs" / "compatibility.md").read_text()
READMES = {name: (ROOT / name).read_text() for name in ("README.md", "README.zh-CN.md")}
SECTIONS = dict(re.findall(r"^#{2,3} ([^\n]+)\n(.*?)(?=^#{2,3} |\Z)", PROTOCOL, re.DOTALL | re.MULTILINE))
PRIMITIVES = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null", Any: "object"}


def rows(text: str) -> list[list[str]]:
    """The cells of the table rows of a section, without the two lines of a table's head."""
    cells = [[cell.strip() for cell in line[1:-1].split("|")] for line in text.splitlines() if line.startswith("| ")]
    return [row for row in cells if not set(row[0]) <= set("-") and row[0] not in {"Field", "Code", "Topic", "Socket"}]


def describe(kind: Any) -> str:
    """A type as the page writes it."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " or ".join(f'`"{value}"`' for value in arguments)
    inner = [describe(argument) for argument in arguments if origin is not Annotated or argument is arguments[0]]
    if origin in {list, dict}:
        return f"{'array' if origin is list else 'object'} of {inner[-1]}"
    if origin is tuple:
        return f"[{', '.join(inner)}]"
    return " or ".join(inner) or PRIMITIVES.get(kind) or f"[{kind.__name__}](#{kind.__name__.lower()})"


def fields(kind: type[Struct], without: type[Struct] | None = None) -> list[tuple[str, str]]:
    """Name and type of each field, as the page writes them."""
    hints = get_type_hints(kind, include_extras=True)
    known = set(without.__struct_fields__) if without else set()
    return [(f"`{name}`", describe(hints[name])) for name in kind.__struct_fields__ if name not in known]


def default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default_factory() if field.default is msgspec.NODEFAULT else field.default
    return f"`{json.dumps(value)}`"


def objects() -> list[type[Struct]]:
    """Every struct that a reply or an event is, or holds."""
    found: dict[type[Struct], None] = {}
    waiting: list[Any] = [*REPLIES.values(), ErrorReply, *EVENTS.values()]
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, type) and issubclass(kind, Struct) and kind not in found:
            found[kind] = None
            waiting += get_type_hints(kind).values()
        waiting += get_args(kind)
    return list(found)


def test_the_version_of_the_protocol() -> None:
    assert f"Protocol version **{PROTOCOL_VERSION}**" in PROTOCOL


def test_the_limits() -> None:
    assert f"1 to {MAX_TOP_K}" in SECTIONS["search"]
    assert f"At most {MAX_TEXTS}." in SECTIONS["embed"]
    assert f"{protocol.MAX_MESSAGE_BYTES // 2**20} MiB" in SECTIONS["Framing"]


def test_the_fields_of_every_request() -> None:
    documented = [(row[0], row[1], row[2]) for row in rows(SECTIONS["Fields of every request"])]
    defaults = [default(field) for field in msgspec.structs.fields(Request)]
    assert documented == [(*pair, value) for pair, value in zip(fields(Request), defaults, strict=True)]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation(operation: str) -> None:
    kind = OPERATIONS[operation]
    section = SECTIONS[operation]
    if "fields are those of [search](#search)" in section:
        section = SECTIONS["search"]
    assert describe(REPLIES[kind]) in section or operation in {"vsearch", "query"}
    common = set(Request.__struct_fields__)
    own = [field for field in msgspec.structs.fields(kind) if field.name not in common]
    expected = [(*pair, default(field)) for pair, field in zip(fields(kind, Request), own, strict=True)]
    assert [(row[0], row[1], row[2]) for row in rows(section)] == expected


@pytest.mark.parametrize("kind", objects(), ids=lambda kind: kind.__name__)
def test_an_object(kind: type[Struct]) -> None:
    documented = [(row[0], row[1]) for row in rows(SECTIONS[kind.__name__])]
    assert documented == fields(kind, Reply if issubclass(kind, Reply) else None)


def test_nothing_is_described_that_there_is_not() -> None:
    prose = {"Sockets", "From elsewhere", "Framing", "Fields of every request"}
    prose |= {"Operations", "Replies", "Objects", "Errors", "Events"}
    assert set(SECTIONS) - prose == {*OPERATIONS, *(kind.__name__ for kind in objects())}


def test_the_errors() -> None:
    documented = {row[0].strip("`"): (int(row[1]), int(row[2])) for row in rows(SECTIONS["Errors"])}
    assert documented == CODES


def test_the_topics() -> None:
    assert [(row[0], row[1]) for row in rows(SECTIONS["Events"])] == [
        (f"`{topic}`", describe(kind)) for topic, kind in EVENTS.items()
    ]


def test_every_link_of_the_page_leads_somewhere() -> None:
    anchors = {title.lower().replace(" ", "-") for title in SECTIONS}
    assert set(re.findall(r"\]\(#([\w-]+)\)", PROTOCOL)) <= anchors


# -- README ----------------------------------------------------------------------------------


def test_the_readme_opens_with_the_two_commands() -> None:
    first_block = READMES["README.md"].split("```")[1]
    assert first_block == "sh\nmake run\nmake test\n"
    assert READMES["README.md"].split("```")[0].strip() == "# QMD"


@pytest.mark.parametrize("name", READMES)
def test_the_readme_names_every_command(name: str) -> None:
    missing = [command for command in COMMANDS if f"qmd {command}" not in READMES[name]]
    assert not missing


@pytest.mark.parametrize("name", READMES)
def test_the_readme_has_the_exit_codes(name: str) -> None:
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", READMES[name], re.MULTILINE)}
    assert documented == {0, *(exit_code for _, exit_code in CODES.values())}


@pytest.mark.parametrize("name", READMES)
def test_the_readme_has_every_environment_variable(name: str) -> None:
    for variable in ("QMD_HOME", "QMD_HTTP_PORT", "NO_COLOR", *ENVIRONMENT):
        assert f"`{variable}`" in READMES[name]


@pytest.mark.parametrize("name", READMES)
def test_the_readme_has_every_setting_with_its_default(name: str) -> None:
    block = next(text for text in re.findall(r"```toml\n(.*?)```", READMES[name], re.DOTALL))
    import tomllib

    assert msgspec.convert(tomllib.loads(block), Config) == Config()
    # The table of a user's own models has no defaults: it is empty.
    tables = [table for table in Config.__struct_fields__ if table != "models"]
    settings = [key for table in tables for key in getattr(Config(), table).__struct_fields__]
    assert [key for key in settings if not re.search(rf"^{key} = ", block, re.MULTILINE)] == []


@pytest.mark.parametrize("name", READMES)
def test_the_flags_that_the_readme_names_exist(name: str) -> None:
    for command, flags in re.findall(r"`qmd ([\w-]+)[^`]*?((?: --[\w-]+[^`]*)+)`", READMES[name]):
        if command in COMMANDS:
            assert set(re.findall(r"--[\w-]+", flags)) <= _flags_of(command) | {"--index"}, command


# -- compatibility.md -------------------------------------------------------------------------


def test_every_command_of_ours_is_compared() -> None:
    ours = set(re.findall(r"`qmd ([\w-]+)", COMPATIBILITY))
    assert ours - {"COMMAND", *ALIASES} <= {*COMMANDS, "--version", "--help"}
    assert set(COMMANDS) - ours == set()


def test_the_flags_that_are_said_to_be_the_same_exist() -> None:
    known = set().union(*(_flags_of(command) for command in COMMANDS)) | {"--index"}
    same = [row[0] for row in rows(COMPATIBILITY) if len(row) == 3 and row[1].startswith("the same")]
    assert len(same) >= 7
    assert set(re.findall(r"`(--?[\w-]+)", " ".join(same))) <= known


def test_the_flags_that_we_lack_say_what_to_do_instead() -> None:
    lacking = [
        row
        for row in rows(COMPATIBILITY)
        if row[0].startswith("`--") and not row[1].startswith(("the same", "`qmd --", "not yet"))
    ]
    named = set(re.findall(r"`(--[\w-]+)", " ".join(row[0] for row in lacking)))
    assert named - {"--refresh", "--progress"} <= set(FLAGS)


def test_doctor_knows_every_variable_that_is_read() -> None:
    named = {name for path in (*ROOT.glob("ipc/*.py"), *ROOT.glob("qmd_*/**/*.py")) for name in _variables(path)}
    assert named - set(ELSEWHERE) == KNOWN


def _variables(path: Path) -> set[str]:
    return set(re.findall(r"[\"`](QMD_[A-Z_]*[A-Z])\b", path.read_text()))


def test_the_variables_that_have_no_effect_are_compared() -> None:
    section = COMPATIBILITY.partition("## Environment")[2]
    assert [name for name in ELSEWHERE if f"`{name}`" not in section] == []


def _flags_of(command: str) -> set[str]:
    from importlib import import_module

    from qmd_tui.cli.parser import Parser

    parser = Parser(prog=command)
    parser.set_defaults(command=command)
    import_module(f"qmd_tui.cli.{COMMANDS[command][0]}").add_arguments(parser)
    return _all_flags(parser)


def _all_flags(parser: Any) -> set[str]:
    flags = set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action.choices, dict):
            flags.update(*(_all_flags(inner) for inner in action.choices.values()))
    return flags


def test_the_page_of_the_terminal_ui_has_every_key() -> None:
    from qmd_tui.configuration import bindings, ids

    page = (ROOT / "docs" / "tui.md").read_text()
    told = {cells[2]: cells[1] for cells in rows(page) if len(cells) == 3 and cells[2].startswith("`")}
    assert {f"`{binding.id}`": binding.description for binding in bindings()} == told
    assert len(ids()) == len(set(ids())) == len(told)
