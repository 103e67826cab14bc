"""What may go wrong with a system that is asked or told something."""


class ConnectorError(Exception):
    """It can't be reached, or doesn't take or give what it should: one line. It is tried again."""

    def __init__(self, text: str, status: int = 0, answer: bytes = b"") -> None:
        """Keep the line.

        Args:
            text: the line.
            status: the status of its HTTP answer; 0: it gave none.
            answer: the beginning of what it answered.
        """
        super().__init__(text)
        self.status, self.answer = status, answer
