"""The errors of a connection to another system."""

from kardus.support.control_characters import one_line


class ConnectorError(Exception):
    """It can't be reached, or doesn't take or give what it should: one line. It is tried again."""

    def __init__(self, text: str, status: int = 0, answer: bytes = b"", retry_after_s: float = 0.0) -> None:
        """Keep what is said as one line.

        Args:
            text: what is said; what would end the line is escaped.
            status: the status of its HTTP answer; 0: it gave none.
            answer: the beginning of what it answered.
            retry_after_s: for how long it wants to be left alone; 0: it doesn't say.
        """
        super().__init__(one_line(text))
        self.status, self.answer, self.retry_after_s = status, answer, retry_after_s
