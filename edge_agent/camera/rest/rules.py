"""Whether key frames alone are enough of a stream for now: the rules, without anything of FFmpeg."""

from collections import deque

from edge_agent.camera.attention import Attention
from edge_agent.camera.rest.packet_sizes import PacketSizes

SELDOM_S = 5.5
"""Key frames further apart are too few, whatever the sizes tell: a picture has to come."""
OFTEN_S = 2.2
"""Key frames that come so often show a change soon enough by themselves, where sizes don't tell."""
INTERVALS = 4
"""So many last intervals say how often they come."""
FIRST_DISTRUST_S, MAX_DISTRUST_S = 600.0, 86_400.0
"""What was wrong is trusted again after so long, and after twice as long where it is wrong again sooner than that."""


class _Distrust:
    """Until when something isn't trusted."""

    def __init__(self) -> None:
        """Nothing is distrusted at first."""
        self._until_s, self._lasted_s = float("-inf"), 0.0

    def holds(self, at_s: float) -> bool:
        """Whether it isn't trusted at this time."""
        return at_s < self._until_s

    def begin(self, at_s: float) -> None:
        """It was wrong: it isn't trusted for `FIRST_DISTRUST_S`, or for twice as long as before."""
        if self.holds(at_s):
            return
        has_proved_itself = at_s - self._until_s >= self._lasted_s
        self._lasted_s = FIRST_DISTRUST_S if has_proved_itself else min(2 * self._lasted_s, MAX_DISTRUST_S)
        self._until_s = at_s + self._lasted_s


class RestRules:
    """Decides for one connection to a camera. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        """All is decoded, until it is known what rest looks like."""
        self.sizes = PacketSizes()
        self.attention: Attention = "moving"
        self._key_s: float | None = None
        self._intervals: deque[float] = deque(maxlen=INTERVALS)
        self.at_s = 0.0
        """When the last packet came, be it judged or not."""
        self._sizes_missed, self._keys_in_part = _Distrust(), _Distrust()

    def attend(self, attention: Attention, *, is_resting: bool) -> None:
        """What the agent makes of the last picture, which was a key frame where the stream `is_resting`."""
        if attention == "moving" and is_resting:
            self._sizes_missed.begin(self.at_s)  # they should have told
        self.attention = attention

    def take(self, size: int, at_s: float, *, is_key: bool) -> None:
        """A packet has come, of so many bytes."""
        self.at_s = at_s
        if is_key:
            if self._key_s is not None:
                self._intervals.append(at_s - self._key_s)
            self._key_s = at_s
            self.sizes.take_key(size, at_s)
        else:
            self.sizes.take(size, at_s, is_calm=self.attention == "rest")

    @property
    def are_keys_whole(self) -> bool:
        """Whether each key frame of late has been a whole picture by itself."""
        return not self._keys_in_part.holds(self.at_s)

    @property
    def sizes_are_reliable(self) -> bool:
        """Whether sizes tell that something moves, and have told all that the agent has seen of late."""
        return self.sizes.is_reliable and not self._sizes_missed.holds(self.at_s)

    def distrust_keys(self) -> None:
        """A key frame was no whole picture by itself (the encoder refreshes bit by bit, or fields are interlaced)."""
        self._keys_in_part.begin(self.at_s)

    def is_enough(self, at_s: float) -> bool:
        """Whether key frames alone are enough from now on."""
        if self._key_s is None or len(self._intervals) < INTERVALS or not self.are_keys_whole:
            return False
        if self.attention != "rest" or self.sizes.is_moving(at_s):
            return False
        apart_s = max(*self._intervals, at_s - self._key_s)
        if apart_s <= OFTEN_S:
            return True
        return apart_s <= SELDOM_S and self.sizes_are_reliable and not self.sizes.has_jumped(at_s)
