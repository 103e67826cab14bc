"""Which parts of an Office package refer to which (ECMA-376, Part 2, 6.5)."""

import posixpath
import zipfile
from xml.etree import ElementTree as ET


def targets(package: zipfile.ZipFile, part: str, kind: str) -> dict[str, str]:
    """The parts of a kind that a part refers to, by the reference; the package itself is the part "".

    Raises:
        KeyError: an attribute or the list of references is missing.
        ParseError: the list is no XML.
    """
    folder, name = posixpath.split(part)
    return {
        element.attrib["Id"]: posixpath.normpath(posixpath.join("/", folder, element.attrib["Target"])).lstrip("/")
        for element in root(package, posixpath.join(folder, "_rels", f"{name}.rels")).iterfind("{*}Relationship")
        if element.attrib["Type"].endswith(f"/{kind}")
    }


def root(package: zipfile.ZipFile, part: str) -> ET.Element:
    """The outermost element of a part that is XML.

    Raises:
        KeyError: there is no such part.
        ParseError: it is no XML.
    """
    return ET.fromstring(package.read(part))  # noqa: S314 - expat limits what entities come to
