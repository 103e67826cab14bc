"""Reads the texts that a workbook's cells share (ECMA-376, Part 1, 18.4)."""

import re
from collections.abc import Iterator
from typing import IO, TypeAlias
from xml.etree import ElementTree as ET

from kardus.support.tabular.workbooks.xml_chunks import PLAIN_TEXT, unescaped, xml_chunks

_Parser: TypeAlias = "ET.XMLPullParser[ET.Element]"
_END = "</si>"
_PLAIN = re.compile(r'\s*<si><t(?: xml:space="preserve")?>(' + PLAIN_TEXT + ")</t></si>")


def shared_texts(part: IO[bytes]) -> Iterator[str]:
    """Every text; how one is pronounced (`rPh`) isn't part of it.

    Texts in one format are taken by a regular expression, which also finds that they are well-formed; all else is
    parsed, as in a sheet.

    Raises:
        ParseError: it is no XML.
        ValueError: it isn't in the encoding that it declares.
    """
    parser: _Parser = ET.XMLPullParser()
    for xml, is_between_tags in xml_chunks(part, _END):
        for item in xml.split(_END)[:-1] if is_between_tags and isinstance(xml, str) else ():
            found = _PLAIN.fullmatch(item + _END)
            if found:
                yield unescaped(found.group(1))
            else:
                parser.feed(item + _END)
                yield from _parsed(parser)
        if not is_between_tags:
            parser.feed(xml)
            yield from _parsed(parser)
    parser.close()
    yield from _parsed(parser)


def _parsed(parser: _Parser) -> Iterator[str]:
    """The texts that the parser has come to the end of."""
    for event in parser.read_events():
        element = event[-1]
        if isinstance(element, ET.Element) and element.tag.endswith("}si"):
            yield _text(element)
            element.clear()


def _text(element: ET.Element) -> str:
    parts = []
    for child in element:
        if child.tag.endswith("}t"):
            parts.append(child.text or "")
        elif child.tag.endswith("}r"):
            parts += [run.text or "" for run in child if run.tag.endswith("}t")]
    return "".join(parts)
