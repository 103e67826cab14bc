"""What counts as light, as colour, as a cast and as faded, in the cells of a camera's view."""

CELL = 8
"""Width and height of a cell, in pixels of the reduced picture."""
BRIGHTNESS = (12, 243)
"""Levels between which a channel says what the light is: not black, not clipped."""
CLIPPED = 32
"""More of a cell, of 255, may not be clipped: the mean of what can't grow and what can is of no colour that there is.
Half as much hardly shifts it, and white print is everywhere."""
FEWEST = 24
"""With fewer cells nothing is said of the light."""
AROUND = 32
"""So many cells, the nearest ones, tell the light of a slot ..."""
UNEVEN = 0.3
"""... within this of the whole picture's, as a logarithm of levels: nobody in a bright jacket is a lamp."""
COLOURED = 15.0
"""Levels from grey, from which a cell of the rack has a colour that can be held against later ones ..."""
MIN_COLOURED = 12
"""... and how many such cells it takes."""
GREY = 4.0
"""Levels between the channels of a cell of a picture without colour, ..."""
TINTED = 200
"""Brighter cells may hold print that was clipped, which has lost the picture's tint."""
SAMPLED = 3
"""One in so many cells tells whether a picture is grey."""
GREY_SHARE = 0.95
"""... and in what share of the cells it has no more: the camera's own writing may be coloured."""
PLAIN = 8.0
"""Levels by which the cells of one surface differ (their standard deviation)."""
GAMMA = 2.2
"""From a logarithm of light to one of levels, nearly."""
STEADY = 0.03
"""A cast below this is none."""
DIM = 0.5
"""Share of the reference's levels below which brightness is corrected too; networks don't mind what is above."""
FADED = 0.85
"""Share of the rack's colours from which nothing is done."""
LEARN_AGAIN = 0.12
"""A cast from which a reference that nothing has proved is learnt anew."""
BAD_IN_A_ROW = 2
"""One picture whose colours are off is passed over; ..."""
COMES_AND_GOES_S = 120.0
"""... colours that were lost again so soon ..."""
SETTLED_S = 60.0
"""... have to be there for so long."""
