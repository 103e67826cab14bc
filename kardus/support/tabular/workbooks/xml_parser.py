"""A parser of XML that is fed a chunk at a time; what is wrong with the XML is a ValueError."""

from xml.parsers import expat


class XmlParser:
    """Its elements are taken by the handlers that a kind of parser sets on `_parser`."""

    def __init__(self, namespace_separator: str | None = None) -> None:
        """Nothing is read yet; with a separator, names begin with their namespace."""
        self._parser = expat.ParserCreate(namespace_separator=namespace_separator)
        self._parser.buffer_text = True

    def feed(self, xml: str | bytes, *, is_last: bool = False) -> None:
        """Take the next chunk of the XML.

        Raises:
            ValueError: it is no XML.
        """
        try:
            self._parser.Parse(xml, is_last)
        except expat.ExpatError as error:
            raise ValueError(str(error)) from error
