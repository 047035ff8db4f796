"""What the daemon says to a person, for the catalogs: its sentences, with a gap for each thing that changes in them.

The daemon speaks English: scripts and logs read it, too. What is not listed here is shown as it came.
"""

from __future__ import annotations

import re
from functools import cache

from qmd_tui.language import N_, tr

_SENTENCES = (
    # the connection
    N_("The daemon is not there yet."),
    N_("Try again in a moment."),
    N_("There is no daemon at the other end."),
    N_("The daemon went away before it had answered."),
    N_("Start it with `qmd server` to see why."),
    N_("The daemon did not answer within {seconds} s."),
    N_("The daemon is stopping."),
    N_("Not done within {seconds} s."),
    N_("Give it a later deadline."),
    # a query
    N_("The query is empty."),
    N_("The query has no `lex:` line."),
    N_("There is nothing to find the meaning of."),
    N_("Write what you look for."),
    N_("Typed lines and plain ones do not mix."),
    N_("Begin each line with lex:, vec: or hyde:."),
    N_("The line `{kind}:` is empty."),
    N_("Write what it looks for, or leave it out."),
    N_("There are two `intent:` lines."),
    N_("Make them one."),
    N_("An intent alone looks for nothing."),
    N_("Add a line with lex:, vec: or hyde:."),
    N_("`{kind}:` cannot exclude words: vectors know no *not*."),
    N_("Use -word in lex:."),
    N_("Collection not found: {name}."),
    N_("Nothing is indexed yet."),
    N_("Add a directory: `qmd collection add PATH`."),
    N_("{name} has no vectors."),
    N_("`qmd embed` makes those that are missing."),
    N_("There is no document {name}."),
    # collections
    N_("Collection path does not exist: {path}. Resolved: {resolved}."),
    N_("Provide an existing directory."),
    N_("Collection path is not a directory: {path}. Resolved: {resolved}."),
    N_("Choose a directory."),
    N_("{path} is collection {name} already."),
    N_("There is a collection {name} already."),
    N_("Collection name already exists: {name}."),
    N_("Choose another one."),
    N_("{name} is not a collection name."),
    N_("Use letters, digits, '.', '_' and '-'."),
    # models
    N_("There is no embedding model."),
    N_("The model {name} is not installed."),
    N_("Fetch it: qmd pull {name}"),
    N_("Too many texts are waiting for the model."),
    N_("Try again in a while."),
    N_("There is no search by meaning without an embedding model."),
    N_("Another embedding model is used from now on."),
    N_("Embed again: `qmd embed`."),
    N_("The daemon was started with {variable}, which wins over config.toml."),
    N_("Start it without {variable}."),
    N_("The profile {name} suits this machine: its card has {size}."),
    N_("The profile {name} suits this machine: its card has only {size}."),
    N_("The profile {name} suits this machine: it has no GPU that CUDA can use."),
    N_("Not downloaded: {models}. Fetch: {command}"),
    N_("no NVIDIA driver"),
    N_("no NVIDIA card"),
    N_("the package nvidia-ml-py is not installed"),
    N_("the NVIDIA driver does not answer"),
    # what became of a search, and of a job
    N_("no model"),
    N_("not asked for"),
    N_("the query names something"),
    N_("the words found it"),
    N_("left out"),
    N_("Nothing here seems relevant."),
    N_("scanning"),
    N_("indexing"),
    N_("embedding"),
    N_("chunking"),
    N_("waiting"),
    N_("fetching"),
    N_("compacting"),
    N_("the daemon to start"),
    N_("systemd to start the daemon"),
    N_("the directory is missing; what is indexed of it is kept"),
)


def translated(text: str) -> str:
    """The text in the language of the interface, sentence by sentence; all of it as it came, if one is not known."""
    told = []
    rest = text
    while rest:
        for sentence, pattern in _patterns():
            if found := pattern.match(rest):
                told.append(tr(sentence).format(**found.groupdict()) if found.groupdict() else tr(sentence))
                rest = rest[found.end() :].lstrip()
                break
        else:
            return text
    return " ".join(told)


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    """Of the sentences, the longer ones first. A gap takes as little as it can, at the end of a sentence all."""
    found = []
    for sentence in sorted(_SENTENCES, key=lambda one: -len(one)):
        parts = re.split(r"\{(\w+)\}", sentence)
        literals, gaps = parts[::2], parts[1::2]
        pattern = re.escape(literals[0])
        for gap, literal in zip(gaps, literals[1:], strict=True):
            pattern += f"(?P<{gap}>.+?){re.escape(literal)}"
        found.append((sentence, re.compile(f"{pattern}{'$' if not literals[-1] else '(?= |$)'}", re.DOTALL)))
    return found
