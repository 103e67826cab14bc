"""Whether a camera still looks at its rack: its labels are read once an hour, and soon again where they contradict."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL import Image

from edge_agent.codes.reader import CodesRead
from kardus.codes.labels import find_labels
from kardus.codes.rack_check import other_rack
from kardus.inference.geometry import Float64Array

REST_S = 10.0
"""Changed rules are heeded after so long at most."""
FIRST_S = 60.0
"""So long after its first picture a camera's labels are read first: a start has enough to do."""
REREAD_S = 10.0
"""So long after labels contradict they are read once more: somebody may hold a carton before the camera. So where there
was no room to read them."""
CONFIRMED = 2
"""So many readings in a row must contradict before the view isn't believed."""
CORRECTED_S = 60.0
"""How often they are read while they contradict, so that a camera that is turned back works again."""


@dataclass
class RackWatch:
    """What the labels in one camera's pictures say. Owned by the agent's thread."""

    contradiction: str = ""
    """Why the camera looks at another rack; empty: nothing says so."""
    rests_until_s: float = 0.0
    """Before this nobody has to ask whether it is due: a frame at rest costs nothing."""
    _in_a_row: int = 0
    _next_s: float | None = None
    _asked_s: float = 0.0
    _is_asked: bool = False

    def is_due(self, now_s: float, every_s: float) -> bool:
        """Whether its labels are to be read now. `every_s` is how often, 0: never."""
        if self._next_s is None:
            self._next_s = now_s + min(FIRST_S, every_s)
        self.rests_until_s = now_s + min(REST_S, every_s or REST_S)
        return every_s > 0 and not self._is_asked and now_s >= self._next_s

    def ask(
        self, picture: Image.Image, outlines: Sequence[tuple[str, Float64Array]], now_s: float, every_s: float
    ) -> "RackReading":
        """What is to be read now; `take` wants the answer.

        Args:
            picture: RGB, one that can be trusted.
            outlines: the camera's locations with their corners (4, 2) in it, in pixels.
            now_s: the time.
            every_s: how often labels are read.
        """
        self._is_asked, self._asked_s, self._next_s = True, now_s, now_s + every_s
        return RackReading(self, picture, outlines, now_s, every_s)

    def retry_soon(self) -> None:
        """There was no room to read them: soon again."""
        self._is_asked = False
        self._next_s = self._asked_s + min(REREAD_S, (self._next_s or self._asked_s) - self._asked_s)

    def take(self, read: "RackRead") -> None:
        """What came of it."""
        self._is_asked = False
        self._in_a_row = self._in_a_row + 1 if read.contradiction else 0
        if self._in_a_row >= CONFIRMED:
            self.contradiction, self._next_s = read.contradiction, read.asked_s + min(read.every_s, CORRECTED_S)
        elif read.contradiction:
            self._next_s = read.asked_s + min(read.every_s, REREAD_S)
        elif read.labels or not self.contradiction:
            self.contradiction = ""
        else:  # without any label nothing says that it looks at its own rack again
            self._next_s = read.asked_s + min(read.every_s, CORRECTED_S)


@dataclass(frozen=True)
class RackReading:
    """A picture whose labels are to be read."""

    watch: RackWatch = field(repr=False)
    picture: Image.Image = field(repr=False)
    outlines: Sequence[tuple[str, Float64Array]] = field(repr=False)
    asked_s: float
    every_s: float

    def __call__(self) -> "RackRead":
        """Read them. Called from the reader's thread."""
        labels = find_labels(self.picture)
        return RackRead(self.watch, self.asked_s, self.every_s, len(labels), other_rack(labels, self.outlines))


@dataclass(frozen=True)
class RackRead(CodesRead):
    """What the labels in a picture say."""

    watch: RackWatch = field(repr=False)
    asked_s: float
    every_s: float
    labels: int
    """How many were read."""
    contradiction: str

    @property
    def outcome(self) -> str:
        """`other`, `own`, or `none` where no label was read."""
        return "other" if self.contradiction else "own" if self.labels else "none"
