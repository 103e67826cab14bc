"""What the agent makes of the last picture: a source gives the next one by it."""

from typing import Literal

Attention = Literal["rest", "wanted", "moving"]
"""All is as it was and known; it wants more; something moves there."""
