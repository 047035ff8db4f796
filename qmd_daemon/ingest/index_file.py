"""index.yml, in the format of tobi/qmd: read, changed and written back with its comments and what we do not know.

    global_context: what holds everywhere
    editor_uri: "idea://open?file={path}&line={line}"
    collections:
      notes:
        path: ~/notes
        pattern: "**/*.md"
        ignore: ["drafts/**"]
        includeByDefault: true
        update: git pull --ff-only
        context:
          /journal: what lies below it

The `update:` hooks are the command line's to run; the daemon has no shell. Relative paths begin at the file's
directory; those of a project's own file, at the project.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from ipc import project
from ipc.errors import QmdError
from qmd_daemon.ingest.scan import DEFAULT_MASK

# The first is ours; tobi/qmd takes the others, too.
_EDITOR_URI = ("editor_uri", "editor_uri_template", "editorUri", "editor-uri")
# A list whose hyphens stand below the first letter of its key.
_FLUSH_LIST = re.compile(r"^( *)[^\s#-][^\n]*:[ \t]*\n\1- ", re.MULTILINE)


class Configured(NamedTuple):
    """A collection as index.yml has it; `path` is absolute, `contexts` maps a prefix to a sentence.

    `update` is the command that a person runs before it is scanned.
    """

    name: str
    path: str
    pattern: str
    ignore: list[str]
    contexts: dict[str, str]
    included: bool
    update: str = ""


class IndexFile:
    """The content of one index.yml. Nothing is written before `save`."""

    def __init__(self, path: str) -> None:
        """Read the file; a missing one is empty. Raises QmdError("invalid") that names the file and the line."""
        self.path = path
        folder = os.path.dirname(os.path.abspath(path))
        self.project = os.path.dirname(folder) if os.path.basename(folder) == project.LOCAL else None
        self._base = self.project or folder
        self._yaml = YAML(typ="rt")
        self._yaml.width = 4096  # long contexts stay on their line
        self._yaml.preserve_quotes = True
        self._root = self._read()
        self._load()

    def _load(self) -> None:
        self.global_context = _text(self._root.get("global_context"))
        self.editor_uri = next((_text(self._root[key]) for key in _EDITOR_URI if self._root.get(key)), "")
        self.collections = [self._collection(name, found) for name, found in self._entries().items()]

    def named(self, name: str) -> Configured:
        """The collection of that name. Raises QmdError("not_found") that lists those there are."""
        for collection in self.collections:
            if collection.name == name:
                return collection
        known = ", ".join(collection.name for collection in self.collections)
        raise QmdError("not_found", f"Collection not found: {name}.", f"There are: {known}." if known else "")

    def add(self, name: str, path: str, pattern: str) -> None:
        """Add a collection behind the others."""
        entries = self._entries()
        if not entries:
            entries = self._root["collections"] = CommentedMap()  # a `{}` would make everything in it one line
        entry = CommentedMap(path=self._portable(path))
        if pattern != DEFAULT_MASK:
            entry["pattern"] = pattern
        entries[name] = entry
        self.collections.append(self._collection(name, entry))

    def _portable(self, path: str) -> str:
        """A path inside the project is written relative to it: the project may move, or be somebody else's copy."""
        if self.project is None or not f"{path}/".startswith(self.project.rstrip("/") + "/"):
            return path
        return os.path.relpath(path, self.project)

    def remove(self, name: str) -> None:
        """Remove a collection. Raises QmdError("not_found")."""
        entries = self._entries()
        del entries[self._key(name)]
        self._load()

    def rename(self, name: str, new_name: str) -> None:
        """Give a collection another name, in its place and with its comments. Raises QmdError("not_found")."""
        entries = self._entries()
        key = self._key(name)
        comment = entries.ca.items.pop(key, None)
        place = list(entries).index(key)
        entries.insert(place, new_name, entries.pop(key))
        if comment is not None:
            entries.ca.items[new_name] = comment
        self._load()

    def change(
        self,
        name: str,
        *,
        included: bool | None = None,
        update: str | None = None,
        ignore: Sequence[str] | None = None,
    ) -> None:
        """Change a collection; None leaves a setting as it is, "" removes the command."""
        entry = self._entries()[self._key(name)]
        if included is not None:
            entry["includeByDefault"] = included
        if update:
            entry["update"] = update
        elif update is not None:
            entry.pop("update", None)
        if ignore:
            entry["ignore"] = list(ignore)
        elif ignore is not None:
            entry.pop("ignore", None)
        self._load()

    def set_context(self, name: str | None, prefix: str, text: str) -> bool:
        """Say what lies below `/prefix` of a collection, or (None) what holds everywhere; "" takes it back.

        False when there was nothing to take back.
        """
        node, key = (self._root, "global_context") if name is None else self._contexts(name, prefix)
        if not text and not _text(node.get(key)):
            return False
        if text:
            node[key] = text
        else:
            del node[key]
        if name is not None and not node:
            self._entries()[self._key(name)].pop("context", None)
        self._load()
        return True

    def save(self) -> None:
        """Replace the file at once, also where it is a link."""
        place = os.path.realpath(self.path)
        text = io.StringIO()
        self._yaml.dump(self._root, text)
        temporary = f"{place}.tmp"
        try:
            os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text.getvalue())
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, place)
        except OSError as error:
            raise QmdError("unavailable", f"Cannot write {place}: {error.strerror}.") from None

    def _key(self, name: str) -> Any:
        """The key as YAML has it: a name may be a number there."""
        self.named(name)
        return next(key for key in self._entries() if str(key) == name)

    def _contexts(self, name: str, prefix: str) -> tuple[CommentedMap, Any]:
        """The map of a collection's contexts, and the key that means this prefix in it."""
        entry = self._entries()[self._key(name)]
        there = entry.get("context")
        if not isinstance(there, CommentedMap):
            entry["context"] = CommentedMap({"/": there} if there else {})
        contexts = entry["context"]
        same = (key for key in contexts if str(key).strip("/") == prefix)
        return contexts, next(same, f"/{prefix}")

    # -- reading ---------------------------------------------------------------------------

    def _read(self) -> CommentedMap:
        try:
            with open(self.path, encoding="utf-8") as file:
                text = file.read()
            if not _FLUSH_LIST.search(text):  # as tobi/qmd writes them
                self._yaml.indent(mapping=2, sequence=4, offset=2)
            found = self._yaml.load(text)
        except FileNotFoundError:
            return CommentedMap()
        except OSError as error:
            raise QmdError("invalid", f"Cannot read {self.path}: {error.strerror}.") from None
        except UnicodeDecodeError:
            raise self._invalid("not YAML in UTF-8", 1) from None
        except (YAMLError, ValueError, RecursionError) as error:  # ValueError: a date that does not exist
            mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
            what = error.problem if isinstance(error, MarkedYAMLError) else str(error)
            raise self._invalid(what or "not YAML", mark.line + 1 if mark else 1) from None
        if found is None:
            return CommentedMap()
        if not isinstance(found, CommentedMap):
            raise self._invalid("there must be keys, such as `collections:`", 1)
        return found

    def _entries(self) -> CommentedMap:
        found = self._root.get("collections")
        if found is None:
            return CommentedMap()
        if not isinstance(found, CommentedMap):
            raise self._invalid("`collections` must have a name for each", _line(self._root, "collections"))
        return found

    def _collection(self, key: Any, entry: Any) -> Configured:
        name = str(key)
        if not isinstance(entry, CommentedMap) or not _text(entry.get("path")):
            raise self._invalid(f"collection {name!r} has no path", _line(self._entries(), key))
        if not name or "/" in name:
            raise self._invalid(f"{name!r} is not a name", _line(self._entries(), key))
        contexts = entry.get("context")
        if contexts is not None and not isinstance(contexts, dict):
            contexts = {"": contexts}
        ignore = entry.get("ignore") or []
        return Configured(
            name,
            os.path.normpath(os.path.join(self._base, os.path.expanduser(_text(entry["path"])))),
            _text(entry.get("pattern")) or DEFAULT_MASK,
            [str(pattern) for pattern in (ignore if isinstance(ignore, list) else [ignore])],
            {str(prefix): _text(value) for prefix, value in (contexts or {}).items() if _text(value)},
            entry.get("includeByDefault") is not False,
            _text(entry.get("update")).strip(),
        )

    def _invalid(self, what: str, line: int) -> QmdError:
        return QmdError("invalid", f"{self.path}, line {line}: {what}.", "fix the YAML, then try again.")


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _line(node: CommentedMap, key: Any) -> int:
    """The line of a key, from 1; keys that we have added ourselves have none."""
    data = getattr(node.lc, "data", None) or {}
    return int(data[key][0]) + 1 if key in data else 1
