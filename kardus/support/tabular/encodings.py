"""Finds out how the bytes of a text are encoded."""

import codecs
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from kardus.support.tabular.east_asian import ENCODINGS, is_japanese, is_korean, may_be, only_encoding
from kardus.support.tabular.readings import (
    has_western_words,
    is_of_one_language_of,
    is_of_one_western_language,
    reads_as_words,
    words_beyond_ascii,
)

if TYPE_CHECKING:
    from charset_normalizer import CharsetMatch

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # begins with the mark of UTF-16
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
WESTERN = "cp1252"
"""What spreadsheet programs of Western Europe and of America write as "CSV"."""
_WESTERN = frozenset(
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜàáâãäåæçèéêëìíîïñòóôõöøùúûüßœŒÿŸšŠžŽ€™®©°ºª½¼¾²«»µ·•\xa0\xd7"
    "\u201a\u201e\u2026\u2018\u2019\u201c\u201d\u2013\u2014"
)
"""Of its characters beyond ASCII, those that a text of another encoding seldom turns into throughout."""
_NOT_WESTERN = re.compile("[A-Za-z][\u201a\u201e]|[^\x00-\x7f]{3}")
"""`Caf\u201a`: an accented letter of DOS' code pages. Three at once: letters of another script."""
_SEQUENCE = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xe0[\xa0-\xbf][\x80-\xbf]|\xed[\x80-\x9f][\x80-\xbf]"
    rb"|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}"
)
"""A character beyond ASCII in UTF-8 (RFC 3629, 4)."""
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
_ASCII = frozenset(map(chr, range(128)))
_USUAL = [WESTERN, "cp1250", "cp1251", "cp1253", "cp1254", "cp1257", "cp874", "cp932", "gb18030", "big5", "cp949"]
_USUAL += ["mac_roman", "cp850", "koi8_r", "utf_16_le", "utf_16_be"]
_SIBLINGS = (
    *("iso8859_2", "iso8859_5", "iso8859_7", "iso8859_9", "iso8859_13", "cp852", "cp866", "cp737", "cp857", "cp775"),
    *("mac_cyrillic", "mac_latin2", "mac_greek", "cp1255", "cp1256", "cp1258", "euc_jp"),
)
"""Read in one of the usual ones by chance; where a text reads as words in them too, it can't be told."""
_JAPANESE, _KANA = "euc_jp", re.compile("[\u3041-\u30fe]")
"""Any Chinese and Korean text is one in it, but no longer Japanese one is without these letters."""
_TAKEN_FOR_WESTERN, FEW_WORDS = ("cp1250", "cp1258", "mac_roman"), 4
MAX_LOOKED_AT = 100_000
"""So many characters show a language."""
MANY_WORDS = 12
"""All of one language's letters: not by chance."""
_TAKEN_FOR_MIXED = ("cp1250", "cp1254", "cp1257")
_THAI, _SHIFT_JIS, _KOREAN = "cp874", "cp932", "cp949"
_SEVERAL_BYTES = frozenset({"cp932", "gb18030", "big5", "cp949"})
MAX_CHAOS, MIN_COHERENCE = 0.06, 0.1
"""A text that looks more confused in its likeliest encoding, and like no language, is in another one."""
MIN_LEAD, MIN_COHERENCE_LEAD = 0.025, 0.25
"""It may be in another one that is so little more confused, and so little less like a language."""


def marked_encoding(content: bytes) -> str | None:
    """The encoding that a text's bytes have for sure: by their mark, or UTF-8 where they are that; else None."""
    for mark, name in _MARKS.items():
        if content.startswith(mark):
            return name
    if b"\0" in content:
        return _wide(content)
    return "utf-8" if _decodes(content, "utf-8") else None


def first_line_of_another(content: bytes) -> int:
    """The first line that isn't in UTF-8, from 1, of bytes that are partly UTF-8; 0: they are another encoding's.

    Two exports that were joined, or one that was cut off within a character. Read in one encoding, a part becomes other
    names. In a text of Western Europe what looks like UTF-8 is that; others may have a little of it by chance.
    """
    in_utf_8, others = len(_SEQUENCE.findall(content)), _SEQUENCE.sub(b"", content)
    stray = len(_BEYOND_ASCII.findall(others))
    if b"\0" in content or not in_utf_8 or not stray or (in_utf_8 < stray and not _is_western(content)):
        return 0
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return content.count(b"\n", 0, error.start) + 1
    return 0


def _is_western(content: bytes) -> bool:
    text = content.decode(WESTERN, "replace")
    return b"\0" not in content and set(text) <= _WESTERN | _ASCII and not _NOT_WESTERN.search(text)


def likely_encodings(content: bytes) -> list[str]:
    """Which encodings a text's bytes may have, the likeliest first: one where it can be told; none: they are no text.

    Few bytes beyond ASCII fit several encodings, and read in a wrong one a product has another name. charset-normalizer
    takes French in Windows-1252 for Central European.
    """
    if _is_western(content) and has_western_words(content.decode(WESTERN)):
        return [WESTERN, *_rivals_of_western(content)]
    if known := _of_known_language(content):
        return [known]
    from charset_normalizer import from_bytes  # noqa: PLC0415 - only the warehouse's side installs it

    found = list(from_bytes(content, cp_isolation=_USUAL))
    if not found:
        return []
    best = found[0]
    is_doubtful = (best.chaos > MAX_CHAOS and best.coherence < MIN_COHERENCE) or not reads_as_words(str(best))
    rivals = [
        other.encoding for other in found[1:] if str(other) != str(best) and (is_doubtful or _is_rival(best, other))
    ]
    rivals += [] if rivals else _siblings(content, str(best))
    rivals += [name for name in _east_asian(content, best.encoding, str(best)) if name not in rivals]
    return [] if is_doubtful and not rivals else [best.encoding, *rivals]


def _of_known_language(content: bytes) -> str | None:
    """The encoding in which a text reads as one language throughout, and in no other one; None: it can't be told so."""
    readings = _readings(content, ENCODINGS)
    if is_japanese(readings.get(_SHIFT_JIS, "")):
        return _SHIFT_JIS
    if only := only_encoding(readings):
        return only
    readings = _readings(content, _TAKEN_FOR_MIXED)
    found = [name for name, text in readings.items() if reads_as_words(text) and is_of_one_language_of(name, text)]
    is_long = len(found) == 1 and len(words_beyond_ascii(readings[found[0]])) > MANY_WORDS
    return found[0] if is_long else None


def _readings(content: bytes, names: Iterable[str]) -> dict[str, str]:
    """How these encodings read the beginning of a text, where they can read all of it."""
    return {name: content.decode(name)[:MAX_LOOKED_AT] for name in names if _decodes(content, name)}


def _rivals_of_western(content: bytes) -> list[str]:
    """Encodings that a text may be in as well: `plnotuèné` is `plnotučné`.

    Many words show it, unless they are of several Western languages, and all of one language of the other encoding.
    """
    text = content.decode(WESTERN)
    is_short = len(words_beyond_ascii(text)) <= FEW_WORDS
    if not is_short and is_of_one_western_language(text):
        return []
    names = _TAKEN_FOR_WESTERN if is_short else _TAKEN_FOR_MIXED
    readings = {name: content.decode(name) for name in names if _decodes(content, name)}
    return [
        name
        for name, reading in readings.items()
        if _is_other(reading, text) and (is_short or is_of_one_language_of(name, reading))
    ]


def _is_other(reading: str, text: str) -> bool:
    return reading != text and reads_as_words(reading)


def _siblings(content: bytes, text: str) -> list[str]:
    """Rarer encodings in which the bytes read as other words."""
    is_short = len(words_beyond_ascii(text)) <= FEW_WORDS
    readings = {name: content.decode(name) for name in _SIBLINGS if _decodes(content, name)}
    return [
        name
        for name, reading in readings.items()
        if _is_other(reading, text) and (name != _JAPANESE or is_short or _KANA.search(reading))
    ]


def _east_asian(content: bytes, best: str, text: str) -> list[str]:
    """The encodings of East Asia in which a text of another one of them, or of Thailand, may be as well."""
    if best not in ENCODINGS or (best == _KOREAN and is_korean(text)):
        return []
    others = (name for name in ENCODINGS if name != best and _decodes(content, name))
    found = [name for name in others if content.decode(name) != text and may_be(name, content.decode(name))]
    is_thai = best == _SHIFT_JIS and _decodes(content, _THAI) and reads_as_words(content.decode(_THAI))
    return [*found, _THAI] if is_thai else found


def _is_rival(best: "CharsetMatch", other: "CharsetMatch") -> bool:
    """Whether a text may as well be in the other one.

    What fits an encoding of several bytes a letter seldom does so by chance; Thai letters fit nearly everything.
    """
    if other.encoding in _SEVERAL_BYTES and best.encoding not in _SEVERAL_BYTES:
        return True
    if other.encoding == _THAI and other.coherence < MIN_COHERENCE and best.encoding not in _SEVERAL_BYTES:
        return False
    return other.chaos - best.chaos < MIN_LEAD and best.coherence - other.coherence < MIN_COHERENCE_LEAD


def _wide(content: bytes) -> str | None:
    """UTF-16 without its mark, told by where its zeros are; UTF-8 where they are anywhere."""
    low, high = content[::2].count(0), content[1::2].count(0)
    for name, zeros, others in (("utf-16-le", high, low), ("utf-16-be", low, high)):
        if zeros > len(content) / 8 and not others and _decodes(content, name):
            return name
    return "utf-8" if _decodes(content, "utf-8") else None


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
