"""The language of the interface: every sentence that a person sees is looked up here, when it is shown.

Sentences are written in English in the code, as `tr("Quit")`; the catalogs lie in `locale/`, one for each other
language. The language can change while the program runs, so nothing translated is kept: it is looked up again.
"""

from __future__ import annotations

import gettext
import os
from collections.abc import Mapping

ENGLISH = "en"
# The names of the languages, in themselves; the codes are those of the catalogs.
LANGUAGES = {ENGLISH: "English", "zh_CN": "中文"}
DIRECTORY = os.path.join(os.path.dirname(__file__), "locale")


class _Chosen:
    """The catalog in use. One for the process, as a person has one language."""

    code = ENGLISH
    catalog: gettext.NullTranslations = gettext.NullTranslations()


def tr(text: str) -> str:
    """The text in the language of the interface; itself where the catalog lacks it."""
    return _Chosen.catalog.gettext(text) if text else ""


def trn(one: str, many: str, count: int) -> str:
    """The form for so many, with `{count}` filled in."""
    return _Chosen.catalog.ngettext(one, many, count).format(count=f"{count:,}")


def N_(text: str) -> str:  # noqa: N802 - gettext's own name for it
    """Mark a text for the catalog that is looked up elsewhere, when it is shown."""
    return text


def current() -> str:
    return _Chosen.code


def use(code: str, catalog: gettext.NullTranslations | None = None) -> None:
    """Speak this language from now on; English where there is no such catalog."""
    if catalog is None:
        catalog = gettext.translation("qmd", DIRECTORY, [code], fallback=True)
    _Chosen.code = code if code in LANGUAGES else ENGLISH
    _Chosen.catalog = catalog


def of_locale(env: Mapping[str, str]) -> str:
    """The language that the environment asks for: QMD_LANGUAGE, else the locale's, in POSIX's order."""
    for name in ("QMD_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := env.get(name, ""):
            return "zh_CN" if value.lower().startswith("zh") else ENGLISH
    return ENGLISH


def following(code: str) -> str:
    """The language after this one, round and round."""
    codes = list(LANGUAGES)
    return codes[(codes.index(code) + 1) % len(codes)]
