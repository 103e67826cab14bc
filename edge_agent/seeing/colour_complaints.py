"""What is said of a view whose colours can't be trusted, with the remedy."""

from typing import Literal

ColourProblem = Literal["no colour", "colour cast"]
Complaint = tuple[ColourProblem | None, str]
"""What is wrong with a picture's colours, and why; None and nothing where they can be trusted, or corrected."""
FINE: Complaint = None, ""
NO_COLOUR = (
    "night mode? Switch the camera to its day mode, light the shelf, or have its infrared filter mended; if it never "
    "has colours, name a commissioning picture (reference)"
)
FAINT = (
    "night mode? Or is the lens fogged or dirty? {left:.0f} % of the rack's colours are left: switch the camera to its "
    "day mode, or clean the lens"
)
CAST = (
    "its white balance has changed{how}: set it back, or correct the light; if it is to stay so, take its "
    "commissioning picture (reference) again"
)
