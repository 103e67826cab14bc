"""Templates: Jinja2 with everything escaped, in the language of who reads it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, cast

from fastapi import Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from kardus.support.control_characters import escaped
from kardus.support.time_zone import TimeZone
from warehouse.console.identity.roles import Role
from warehouse.console.identity.sessions import Visit
from warehouse.console.pages.menu_entry import MenuEntry
from warehouse.console.pages.static_files import static_address
from warehouse.console.pages.words.audit_words import action_words, detail_words
from warehouse.console.pages.words.label_comments import comment_words
from warehouse.console.pages.words.languages import LANGUAGES, LocalFormat, Translate, chosen_language, translations_of
from warehouse.console.pages.words.verdicts import VERDICTS, verdict_style

TEMPLATES = Path(__file__).parent / "templates"
LANGUAGE_COOKIE = "kardus_language"
THEME_COOKIE = "kardus_theme"
THEMES = ("dark", "light")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "font-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True)
class ReaderContext:
    """Who reads, in which language and by which clock."""

    local: LocalFormat
    visit: Visit | None
    theme: str


def reading_of(request: Request) -> ReaderContext:
    """Of a request: what the person has set, what this browser has, what it asks for."""
    visit: Visit | None = getattr(request.state, "visit", None)
    wanted = (
        visit.person.language if visit else "",
        request.cookies.get(LANGUAGE_COOKIE, ""),
        request.headers.get("accept-language", ""),
    )
    theme = request.cookies.get(THEME_COOKIE, "")
    zone: TimeZone = request.app.state.page.zone
    return ReaderContext(LocalFormat(chosen_language(*wanted), zone), visit, theme if theme in THEMES else "")


def translator(request: Request) -> Translate:
    """Translates for who reads."""
    return translations_of(reading_of(request).local.language).gettext


def language_of(request: Request) -> str:
    """The language of who reads."""
    return reading_of(request).local.language


def page(request: Request, template: str, status: int = 200, **words: Any) -> Response:
    """A page, with the layout that its template names."""
    return Response(_render(request, template, words), status, HEADERS, HTML)


def fragment(request: Request, template: str, status: int = 200, **words: Any) -> Response:
    """A part of a page."""
    return Response(_render(request, template, words), status, HEADERS, HTML)


def part(local: LocalFormat, template: str, **words: Any) -> str:
    """A part of a page as text, for whoever reads this language."""
    found = environment(local.language).get_template(template)
    return found.render(local=local, **words)


def _render(request: Request, template: str, words: dict[str, Any]) -> str:
    reading = reading_of(request)
    entries: list[MenuEntry] = request.app.state.menu
    role = reading.visit.person.role if reading.visit else 0
    common = {
        "local": reading.local,
        "visit": reading.visit,
        "theme": reading.theme,
        "menu": [entry for entry in entries if entry.role <= role],
        "here": request.url.path,
        "address": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
    }
    return environment(reading.local.language).get_template(template).render(**{**common, **words})


def _harmless(value: object) -> object:
    return escaped(value) if type(value) is str else value


def _of_harmless_words(translate: Callable[..., object]) -> Callable[..., object]:
    """A sentence of the catalogue is markup, with words in it that are escaped as such alone."""

    @pass_context
    def translated(context: Context, *told: object, **words: object) -> object:
        return translate(context, *told, **{name: _harmless(word) for name, word in words.items()})

    return translated


@cache
def environment(language: str) -> Environment:
    """The templates in one language."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=_harmless,
        undefined=StrictUndefined,
        auto_reload=False,  # else the file is looked at for each of a rack's tiles
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.install_gettext_translations(translations_of(language), newstyle=True)  # type: ignore[attr-defined]  # the extension's
    made.globals |= {
        name: _of_harmless_words(cast("Callable[..., object]", made.globals[name])) for name in ("gettext", "ngettext")
    }
    made.globals |= {
        "static": static_address,
        "languages": LANGUAGES,
        "Role": Role,
        "verdict_style": verdict_style,
        "comment_words": partial(comment_words, translate=translations_of(language).gettext),
        "action_words": partial(action_words, translate=translations_of(language).gettext),
        "detail_words": partial(detail_words, translate=translations_of(language).gettext),
        "verdicts": VERDICTS,
    }
    return made
