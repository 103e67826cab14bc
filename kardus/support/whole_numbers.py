"""Whole numbers from outside. Python reads other scripts' digits too, and ends with an error above 4,300 of them."""

MAX_PORT = 65535


def whole_number(text: str, most: int) -> int | None:
    """The number that a text is in plain digits, 0 to `most`; None: it is none, or a larger one."""
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0") or "0"
    if len(digits) > len(str(most)):
        return None
    number = int(digits)
    return number if number <= most else None
