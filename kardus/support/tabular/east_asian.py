"""Tells lists of China, Japan and Korea apart: the bytes of one are letters in another's encodings too.

Read wrongly, words mix scripts, or have letters that hardly any word has. Where a list is too short to show it, it
can't be told.
"""

import re
from collections.abc import Callable, Mapping

from kardus.support.tabular.readings import words_beyond_ascii

ENCODINGS = ("cp932", "euc_jp", "gb18030", "big5", "cp949")
"""Of several bytes a letter."""
_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa]")
_HALF_WIDTH = re.compile("[\uff61-\uff9f]")
_OTHER = re.compile("[^\x00-\x7f\uff61-\uff9f]")
_HANGUL = re.compile("[\uac00-\ud7a3]")
MAX_SHARE_ODD = 0.2
"""So many of a list's words may have an odd letter, as a name has."""
MIN_SYLLABLES = 12
"""Chinese reads as Korean without any Chinese letter among so many once in hundreds of lists."""
MAX_WITHOUT_KANA = 8
"""Of more Japanese words one has kana."""
_LAST_USUAL_OF_BIG5 = 0xC6
"""The first byte of the last letters that are in daily use there; the rest are rare ones."""


def is_japanese(text: str) -> bool:
    """Whether a quarter of the words have kana of full width: no text of another encoding reads so in Shift JIS."""
    words = words_beyond_ascii(text)
    with_kana = sum(_KANA.search(word) is not None for word in words)
    return with_kana > 0 and 4 * with_kana >= len(words) and not any(map(_HALF_WIDTH.search, words))


def is_korean(text: str) -> bool:
    """Whether a text is long enough to show that it is: all words are of usual Hangul alone."""
    return not any(map(_is_odd_korean, words_beyond_ascii(text))) and len(set(_HANGUL.findall(text))) > MIN_SYLLABLES


def may_be(encoding: str, text: str) -> bool:
    """Whether a text, as an encoding reads it, may be of that encoding's language."""
    words = words_beyond_ascii(text)
    if _ODD[encoding] is _is_odd_japanese and len(words) > MAX_WITHOUT_KANA and not any(map(_KANA.search, words)):
        return False
    return sum(map(_ODD[encoding], words)) <= MAX_SHARE_ODD * len(words)


def only_encoding(readings: Mapping[str, str]) -> str | None:
    """The one of several encodings in whose language alone a text reads; None: it is too short, or none or several.

    Letters of one byte each come in pairs by chance: not in a dozen words.
    """
    found = [name for name, text in readings.items() if may_be(name, text)]
    is_long = len(found) == 1 and len(words_beyond_ascii(readings[found[0]])) > MIN_SYLLABLES
    return found[0] if is_long else None


def _is_odd_japanese(word: str) -> bool:
    return _HALF_WIDTH.search(word) is not None and _OTHER.search(word) is not None


def _is_odd_simplified(word: str) -> bool:
    try:
        word.encode("gb2312")
    except UnicodeEncodeError:
        return True
    return _KANA.search(word) is not None


def _is_odd_traditional(word: str) -> bool:
    return any(letter > "\x7f" and letter.encode("big5", "replace")[0] > _LAST_USUAL_OF_BIG5 for letter in word)


def _is_odd_korean(word: str) -> bool:
    letters = [letter for letter in word if letter > "\x7f" and letter.isalpha()]
    return not all(map(_is_usual_hangul, letters))


def _is_usual_hangul(letter: str) -> bool:
    """Whether it is a syllable of KS X 1001; others Python's codec writes as the letters that they are made of."""
    return _HANGUL.match(letter) is not None and len(letter.encode("euc_kr", "replace")) == len("가".encode("euc_kr"))


_ODD: dict[str, Callable[[str], bool]] = {
    "cp932": _is_odd_japanese,
    "euc_jp": _is_odd_japanese,
    "gb18030": _is_odd_simplified,
    "big5": _is_odd_traditional,
    "cp949": _is_odd_korean,
}
"""What a word of that language hardly is."""
