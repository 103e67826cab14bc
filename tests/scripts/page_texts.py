"""Brings the page's catalogs up to date with the texts that stand in its templates and modules.

    python -m tests.scripts.page_texts [--check]

A new text comes in empty: fill it. What no source has any more is removed. With --check nothing is written: exit code 1
where something would be, or is empty.
"""

import io
import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from warehouse.console.pages.words.languages import LANGUAGES, catalog_of

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "warehouse" / "console" / "pages"
METHODS = [("**.py", "python"), ("**.jinja", "jinja2")]
OPTIONS = {"**.jinja": {"trimmed": "false"}}
KEYWORDS = {"_": None, "N_": None, "gettext": None, "ngettext": (1, 2)}
SOURCE = "en"


def texts() -> Catalog:
    """Every text of the sources, with where it stands."""
    found = Catalog(project="Kardus", copyright_holder="The Kardus authors", charset="utf-8")
    for file, _, message, comments, context in extract_from_dir(
        PAGES, METHODS, OPTIONS, KEYWORDS, comment_tags=("Translators:",)
    ):
        found.add(message, None, [(f"warehouse/console/pages/{file}", 0)], auto_comments=comments, context=context)
    return found


def catalog(language: str) -> Catalog:
    """A language's catalog as it stands."""
    path = catalog_of(language)
    if not path.exists():
        return Catalog(locale=language, project="Kardus")
    with path.open("rb") as file:
        return read_po(file, locale=language)


def untranslated(found: Catalog) -> list[str]:
    """Texts without a translation."""
    lacking = []
    for message in found:
        words = message.string if isinstance(message.string, tuple) else (message.string,)
        if message.id and (message.fuzzy or not all(words)):
            lacking.append(str(message.id))
    return lacking


def updated(language: str) -> Catalog:
    """A language's catalog with the texts of the sources."""
    found = catalog(language)
    found.update(texts(), no_fuzzy_matching=True)
    found.obsolete.clear()
    return found


def as_text(found: Catalog) -> bytes:
    """The file, the same for the same texts: without dates and line numbers."""
    written = io.BytesIO()
    write_po(written, found, width=120, sort_output=True, include_lineno=False, omit_header=True, no_location=True)
    header = f'msgid ""\nmsgstr ""\n"Language: {found.locale}\\n"\n"Content-Type: text/plain; charset=utf-8\\n"\n'
    plural = f'"Plural-Forms: {found.plural_forms}\\n"\n\n'
    return header.encode() + plural.encode() + written.getvalue().lstrip()


def main(*, check: bool) -> int:
    """Write the catalogs, or compare them."""
    problems = 0
    for language in LANGUAGES:
        if language == SOURCE:
            continue
        found, path = updated(language), catalog_of(language)
        written = as_text(found)
        lacking = untranslated(found)
        for text in lacking:
            print(f"{path.relative_to(ROOT)}: not translated: {text}")
        if check and (not path.exists() or path.read_bytes() != written):
            print(f"{path.relative_to(ROOT)}: not up to date: python -m tests.scripts.page_texts")
            problems += 1
        elif not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(written)
        problems += len(lacking) if check else 0
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
