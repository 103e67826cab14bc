"""Whether a slot looks like its own empty picture: a second opinion beside the model's class `empty`."""

from edge_agent.seeing.colours import Places, blocks, differences, find_places
from kardus.inference.geometry import Float64Array
from kardus.inference.preprocess import Pixels

EMPTY_DIFFERENCE_MAX = 0.15
"""Share of a slot's blocks that may differ from its empty picture: a scrap, a shadow."""
STOCK_DIFFERENCE_MIN = 0.4
"""Share from which something surely stands there; in between nothing is said."""


class EmptyPictures:
    """How the slots of one camera look with nothing in them."""

    def __init__(self, small: Pixels, corners: Float64Array, change: float) -> None:
        """Take them from a reduced picture without stock.

        Args:
            small: (h, w, 3) uint8 RGB.
            corners: of the slots in it, (n, 4, 2).
            change: brightness levels, beyond what light explains, from which a block differs.
        """
        self._empty = find_places(corners, small.shape).see(small)
        self._change = change
        self._places: Places | None = None

    def alike(self, small: Pixels, corners: Float64Array) -> list[bool | None]:
        """Whether each slot looks empty in a later picture, where its corners are now; None: it can't be told."""
        if self._places is None or not self._places.fit(corners, small.shape):
            self._places = find_places(corners, small.shape)
        now = self._places.see(small)
        rest = blocks(differences(now.contents, self._empty.contents, now.light / self._empty.light))
        return [_judge(float(share)) for share in (rest > self._change).mean(axis=1)]


def _judge(share: float) -> bool | None:
    if share <= EMPTY_DIFFERENCE_MAX:
        return True
    return False if share >= STOCK_DIFFERENCE_MIN else None
