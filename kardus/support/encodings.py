"""Finds out how the bytes of a text are encoded."""

import codecs

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
_ASCII = frozenset(map(chr, range(128)))
_USUAL = [WESTERN, "cp1250", "cp1251", "cp1253", "cp1254", "cp1257", "cp874", "cp932", "gb18030", "big5", "cp949"]
_USUAL += ["mac_roman", "cp850", "utf_16_le", "utf_16_be"]


def marked_encoding(content: bytes) -> str | None:
    """The encoding that a text's bytes have for sure: by their mark, or UTF-8 where they are that; else None."""
    for mark, name in _MARKS.items():
        if content.startswith(mark):
            return name
    if b"\0" in content:
        return _wide(content)
    return "utf-8" if _decodes(content, "utf-8") else None


def guessed_encoding(content: bytes) -> str | None:
    """The likeliest encoding of a text's bytes; None: they are no text.

    Few bytes beyond ASCII fit several encodings. charset-normalizer takes French in Windows-1252 for Central European.
    """
    if b"\0" not in content and set(content.decode(WESTERN, "replace")) <= _WESTERN | _ASCII:
        return WESTERN
    from charset_normalizer import from_bytes  # noqa: PLC0415 - only the warehouse's side installs it

    best = from_bytes(content, cp_isolation=_USUAL).best()
    return best.encoding if best else None


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
