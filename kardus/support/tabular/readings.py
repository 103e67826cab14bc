"""Whether a text reads as words: read in a wrong encoding it seldom does throughout."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

_WORD = re.compile(r"[^\s,;|\t\"0-9]*[^\W\d_][^\s,;|\t\"0-9]*")
_ENDS_WORDS = frozenset("®™°ºª²³½¼¾\u00bb\u201c\u201d\u2019\u2018\u2026\u2013\u2014)\xb4")
"""Signs that stand right behind a letter; within a word only those of `_JOINS` do."""
_BEGINS_WORDS = frozenset("\u201c\u2018\u201e\u201a\u00ab\u00bf\u00a1€£§°\u2022\u2013\u2014")
_JOINS = frozenset("\u2019\u2018\u00b7\u2013\u2014\u2010\xad/&+-.'()")
_MIXED = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "FULLWIDTH", "HALFWIDTH", "IDEOGRAPHIC")
"""Scripts whose letters stand beside those of others."""
_WESTERN_LANGUAGES = (
    *("àâæçèéêëîïôœùûüÿ", "áéíñóúüªº", "áâãàçéêíóôõúüªº", "äöüßéè", "åäöæøéü", "àèéìíîòóù", "áéëïíóöüèêû"),
    *("àçèéíïòóúü", "áéíóúýæöðþ"),
)
"""French, Spanish, Portuguese, German, those of the north, Italian, Dutch, Catalan, Icelandic."""
_LANGUAGES = {
    "cp1250": ("áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "ąćęłńóśźż", "áéíóöőúüű", "čćđšž", "ăâîşţ"),
    "cp1254": ("çğıöşüâîû",),
    "cp1257": ("ąčęėįšųūž", "āčēģīķļņšūž", "äöõüšž"),
}
"""Czech, Slovak, Polish, Hungarian, those of the southern Slavs, Romanian; Turkish; Lithuanian, Latvian, Estonian."""


def words_beyond_ascii(text: str) -> set[str]:
    """The different words that have a letter or sign beyond ASCII."""
    return {word for word in _WORD.findall(text) if not word.isascii()}


def reads_as_words(text: str) -> bool:
    """Whether every word is of one script, has its signs at its ends, and no capital behind a small letter."""
    return all(map(_is_word, words_beyond_ascii(text))) and not any(
        unicodedata.category(character) in ("Cc", "Cn", "Co") for character in set(text) - set("\t\r\n")
    )


def has_western_words(text: str) -> bool:
    """Whether each word's letters beyond ASCII are all of one Western language: `hoøká` has those of two."""
    return all(map(_is_western, words_beyond_ascii(text.lower())))


def is_of_one_western_language(text: str) -> bool:
    """Whether all letters beyond ASCII are of one language, as in most lists."""
    return _is_of_one(text, _WESTERN_LANGUAGES)


def is_of_one_language_of(encoding: str, text: str) -> bool:
    """The same of the languages that an encoding is for, where they are known."""
    return _is_of_one(text, _LANGUAGES.get(encoding, ()))


def _is_of_one(text: str, languages: Iterable[str]) -> bool:
    letters = {letter for letter in text.lower() if letter.isalpha() and not letter.isascii()}
    return any(letters <= set(language) for language in languages)


def _is_western(word: str) -> bool:
    letters = {letter for letter in word if letter.isalpha() and not letter.isascii()}
    return any(letters <= set(language) for language in _WESTERN_LANGUAGES)


def _is_word(word: str) -> bool:
    scripts: set[str] = set()
    for before, character, behind in zip(f" {word}", word, f"{word[1:]} ", strict=False):
        category = unicodedata.category(character)
        if category[0] == "L":
            scripts.add(_script(character))
            is_beyond = not (character.isascii() and before.isascii())
            if is_beyond and category == "Lu" and unicodedata.category(before) == "Ll":
                return False
        elif category[0] != "M" and not character.isascii() and not _is_sign(before, character, behind):
            return False
    return len(scripts) <= 1


def _is_sign(before: str, character: str, behind: str) -> bool:
    """Whether a sign may stand between what is before it and what follows."""
    if unicodedata.name(character, "").startswith(_MIXED) or unicodedata.east_asian_width(character) in "WF":
        return True
    if before == " " and character in _BEGINS_WORDS:
        return True
    return character in _JOINS or (character in _ENDS_WORDS and not behind.isalpha())


@lru_cache(maxsize=5000)
def _script(character: str) -> str:
    name = unicodedata.name(character, "")
    return "LATIN" if name.startswith(_MIXED) else name.partition(" ")[0]
