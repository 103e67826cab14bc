"""From what was seen and what is expected to a verdict: of a vote, of a slot, of a location, and of a camera's view.

The first three are pure functions. Another light can change more than can be measured in a picture; then half a shelf
would be wrong within minutes. So where at least four of a camera's locations, and at least half of those that were
right, turn to an alert within one refresh, what turns is `uncertain` for a while, and looked at again. What is found
then is told, whatever it is: a shelf may really have been emptied. Alerts by another expectation are told at once.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from edge_agent.config.sections import VerdictSection
from edge_agent.records import Finding
from kardus.contract.manifest import EMPTY_CLASS
from kardus.contract.messages import Candidate, Expected, LocationState, Seen
from kardus.contract.verdicts import ALERTS, Verdict
from kardus.inference.classification import Classification, SkuScore
from kardus.support.clock import Clock

WORST_FIRST = (
    Verdict.MISMATCH,
    Verdict.UNKNOWN,
    Verdict.UNEXPECTED,
    Verdict.UNCERTAIN,
    Verdict.EMPTY,
    Verdict.MATCH,
    Verdict.UNMANAGED,
)
"""The verdicts that votes can come to."""
NO_MODEL = "there is no model yet: photos are collected for the first one"
MIN_TURNED = 4
"""Fewer locations that turn to an alert are no sign that the view is wrong."""
SHARE_TURNED = 0.5
"""Of the locations that matched; or, where nothing has matched yet, of all that were judged."""
VOTE_AGAIN_S = 10.0
"""How often a doubted location is looked at again."""
VIEW_DOUBTED = (
    "half of its camera's locations turned to an alert at once: they are looked at again before it is told, in case it "
    "is the light or the camera"
)


@dataclass(frozen=True)
class Judgement:
    """What one vote, or each of several that agree, says of the expectation: the verdict, and what is seen."""

    verdict: Verdict
    sku: str | None = None
    """The product that is seen; None when its variant is unsure, nothing is there, or it is unknown."""
    category: str | None = None
    reason: str = ""
    family: str | None = field(default=None, compare=False)
    """The category of a carton whose product is unknown or doubted, where it is sure. Votes agree without it."""


def judge_vote(
    seen: Classification, expected: Expected | None, rules: VerdictSection, standing: Verdict | None = None
) -> Judgement:
    """Judge one vote against what the WMS expects (None: it has said nothing).

    `standing` is the location's verdict so far: a match is not given up for a little less likelihood.
    """
    if expected is None or not expected.managed:
        return Judgement(Verdict.UNMANAGED)
    doubt = _reason_to_doubt(seen, expected.sku or EMPTY_CLASS, rules)
    if doubt:
        return Judgement(Verdict.UNCERTAIN, reason=doubt, family=_family(seen, rules))
    if expected.sku is not None and all(score.sku != expected.sku for score in seen.skus):
        return _judge_unlearnt(seen, expected.sku, rules)
    if not seen.known or (seen.doubted and seen.sku != EMPTY_CLASS):
        return Judgement(Verdict.UNKNOWN, family=_family(seen, rules))
    if expected.sku is None:
        return _judge_must_be_empty(seen, rules, _enough(rules, standing))
    return _judge_stock(seen, expected.sku, rules, _enough(rules, standing))


def _reason_to_doubt(seen: Classification, expected_sku: str, rules: VerdictSection) -> str:
    """Why a vote says nothing of what is expected; empty: it says something."""
    if not seen.skus:
        return NO_MODEL
    if seen.like_empty is not None and seen.like_empty != (seen.known and seen.sku == EMPTY_CLASS):
        return "the model and the empty picture disagree on whether it is empty"
    if seen.known and seen.doubted and _may_be(expected_sku, seen, rules):
        return "it may be what is expected, but it looks less like it than photos of it do"
    return ""


def _may_be(sku: str, seen: Classification, rules: VerdictSection) -> bool:
    """Whether a doubted vote may be of what is expected. What looks empty isn't stock, however little it looks so."""
    return seen.sku == sku or (seen.sku != EMPTY_CLASS and seen.likelihood(sku) > rules.mismatch_likelihood)


def with_empty_picture(seen: Classification, like_empty: bool | None) -> Classification:  # noqa: FBT001 - a finding
    """A vote, with what the location's own empty picture says; alone, where the model has no class `empty`.

    What looks like that picture isn't doubted: it needn't look like other empty locations.
    """
    if any(score.sku == EMPTY_CLASS for score in seen.skus):
        return replace(seen, like_empty=like_empty, doubted=seen.doubted and not like_empty)
    if not like_empty:
        return seen
    skus = (SkuScore(EMPTY_CLASS, 1.0), *(SkuScore(score.sku, 0.0) for score in seen.skus))
    return Classification(EMPTY_CLASS, EMPTY_CLASS, EMPTY_CLASS, 1.0, 1.0, known=True, skus=skus)


@dataclass(frozen=True)
class AgreedVerdict:
    """The judgement that a slot's last votes agree on, or that is worst among a location's slots."""

    judgement: Judgement
    vote: Classification
    """The latest vote that says so."""
    facing: int | None = None
    """Which facing it is about; None where the location has one, or all of them agree."""


@dataclass(frozen=True)
class LocationOutcome:
    """What is known of a location by its pictures alone: the verdict of its slots, and whether they can be seen."""

    agreed: AgreedVerdict | None
    """None while they are too few."""
    is_obstructed: bool
    """Something stands before it, or it doesn't come to rest."""
    is_busy: bool
    """The last picture said nothing of its stock."""


def agreed_verdict(
    votes: Sequence[Classification], judgements: Sequence[Judgement], rules: VerdictSection
) -> AgreedVerdict | None:
    """The judgement that enough of the last votes agree on, with the latest vote that says so.

    Returns None while there are too few votes; once the window is full and no judgement has enough of them, the verdict
    is `uncertain`: an old one is never kept alive.

    Args:
        votes: at most a window of them, the latest last.
        judgements: each vote judged against the present expectation.
        rules: how many have to agree.
    """
    if not judgements:
        return None
    winner, count = Counter(judgements).most_common(1)[0]
    if count >= rules.votes:
        latest = max(index for index, judgement in enumerate(judgements) if judgement == winner)
        return AgreedVerdict(judgements[latest], votes[latest])
    if len(votes) < rules.window:
        return None
    return AgreedVerdict(Judgement(Verdict.UNCERTAIN, reason="the last pictures disagree"), votes[-1])


def combine_facings(facings: Sequence[tuple[int | None, AgreedVerdict | None]]) -> AgreedVerdict | None:
    """One agreed verdict for a location from those of its facings; None while one of them is open.

    A facing with the wrong product makes the location wrong. An empty one beside stock doesn't: stock is counted
    elsewhere. What is worst decides, and of equals the first; the verdict names its facing unless all agree.
    """
    known = [(number, agreed) for number, agreed in facings if agreed is not None]
    if len(known) < len(facings):
        return None
    stocked = [(number, agreed) for number, agreed in known if agreed.judgement.verdict != Verdict.EMPTY]
    number, worst = min(stocked or known, key=lambda item: WORST_FIRST.index(item[1].judgement.verdict))
    agree = len({agreed.judgement for _, agreed in known}) == 1
    tells_facing = not agree and worst.judgement.verdict != Verdict.MATCH
    return AgreedVerdict(worst.judgement, worst.vote, number if tells_facing else None)


def _enough(rules: VerdictSection, standing: Verdict | None) -> float:
    """The likelihood from which it is a match."""
    return rules.match_likelihood - (rules.hysteresis if standing is Verdict.MATCH else 0.0)


def _judge_must_be_empty(seen: Classification, rules: VerdictSection, enough: float) -> Judgement:
    empty = seen.likelihood(EMPTY_CLASS)
    if empty >= enough:
        return Judgement(Verdict.MATCH)
    if empty > rules.mismatch_likelihood:
        return Judgement(Verdict.UNCERTAIN, reason="it may be empty or not")
    sku, category = _identity(seen, rules)
    return Judgement(Verdict.UNEXPECTED, sku, category)


def _judge_stock(seen: Classification, expected_sku: str, rules: VerdictSection, enough: float) -> Judgement:
    likelihood = seen.likelihood(expected_sku)
    is_like_it = likelihood >= enough
    if is_like_it and not seen.doubted:
        return Judgement(Verdict.MATCH, expected_sku)
    if _is_empty(seen, rules) and not is_like_it:
        return Judgement(Verdict.EMPTY)
    if likelihood > rules.mismatch_likelihood:
        return Judgement(Verdict.UNCERTAIN, reason="it may be the expected product or not")
    sku, category = _identity(seen, rules)
    if sku is None and category is None:
        return Judgement(Verdict.UNCERTAIN, reason="neither product nor category is sure")
    return Judgement(Verdict.MISMATCH, sku, category)


def _judge_unlearnt(seen: Classification, expected_sku: str, rules: VerdictSection) -> Judgement:
    """The model has never seen the expected product: nothing but emptiness can be said with certainty."""
    if seen.known and not seen.doubted and _is_empty(seen, rules):
        return Judgement(Verdict.EMPTY)
    return Judgement(Verdict.UNCERTAIN, reason=f"the model doesn't know the expected product {expected_sku}")


def _is_empty(seen: Classification, rules: VerdictSection) -> bool:
    return seen.sku == EMPTY_CLASS and seen.confidence >= rules.min_confidence


def _identity(seen: Classification, rules: VerdictSection) -> tuple[str | None, str | None]:
    """Product and category as far as they are sure: the variant may be unsure while the category is certain."""
    sku = seen.sku if seen.confidence >= rules.min_confidence else None
    category = seen.category if seen.category_confidence >= rules.min_confidence else None
    return sku, category


def _family(seen: Classification, rules: VerdictSection) -> str | None:
    """The category of a doubted vote: a product that nobody taught may be of a family that is well known.

    What is like none of the classes has none, nor has an empty location.
    """
    is_sure = seen.category_confidence >= rules.min_confidence and seen.category != EMPTY_CLASS
    return seen.category if seen.known and seen.doubted and is_sure else None


def seen_of(classification: Classification, sku: str | None, category: str | None) -> Seen:
    """What a classification comes to, with product and category as far as the verdict holds them for sure.

    What is doubted has no product; its category is the given one, or none. What is rejected has neither.
    """
    top = tuple(Candidate(sku=s.sku, likelihood=min(1.0, s.likelihood)) for s in classification.skus[:3])
    if not classification.known or (classification.doubted and classification.sku != EMPTY_CLASS):
        sure = classification.category_confidence if category else classification.confidence
        return Seen(sku=None, category=category, confidence=sure, top=top)
    if classification.sku == EMPTY_CLASS:
        return Seen(sku=None, name=EMPTY_CLASS, confidence=classification.confidence, top=top)
    name = classification.name if sku else None
    confidence = classification.confidence if sku else classification.category_confidence
    return Seen(sku=sku, name=name, category=category or classification.category, confidence=confidence, top=top)


@dataclass
class _Doubt:
    """What is known of one camera."""

    matched: dict[str, str | None] = field(default_factory=dict)
    """The SKU that each location had when it last matched, until an alert of it is told."""
    turned_s: dict[str, float] = field(default_factory=dict)
    """When each location turned to an alert: the time counts that it had to rest before it could be looked at."""
    held: dict[str, Finding] = field(default_factory=dict)
    """Alerts that aren't told yet."""
    since_s: float | None = None
    """Since when the view is doubted; None: it isn't."""
    voted_s: float = 0.0
    believed_until_s: float = -1.0
    """A doubt has run its full time: until then alerts of this camera are told at once, and no other doubt begins."""
    first: dict[str, bool] = field(default_factory=dict)
    """Of each location, whether it was first judged right (see `ViewDoubts.is_first_word_wrong`)."""

    def keep(self, locations: Collection[str]) -> None:
        """Forget all locations but these; where nothing is held back any more, the doubt is over."""
        self.matched = {name: sku for name, sku in self.matched.items() if name in locations}
        self.turned_s = {name: at_s for name, at_s in self.turned_s.items() if name in locations}
        self.held = {name: finding for name, finding in self.held.items() if name in locations}
        self.first = {name: is_right for name, is_right in self.first.items() if name in locations}
        self.since_s = self.since_s if self.held else None


class ViewDoubts:
    """The doubts in the cameras' views. Owned by the agent's thread."""

    def __init__(self, states: Mapping[str, LocationState], doubt_s: float, refresh_s: float, clock: Clock) -> None:
        """No doubt yet.

        Args:
            states: what the WMS knows of each location; kept up to date by its owner.
            doubt_s: how long a view is doubted; 0: never.
            refresh_s: what turns within so long turns at once.
            clock: what time it is.
        """
        self._states = states
        self._clock = clock
        self._cameras: dict[str, _Doubt] = {}
        self.apply_settings(doubt_s, refresh_s)

    def apply_settings(self, doubt_s: float, refresh_s: float) -> None:
        """Take reloaded settings; doubts that stand are kept."""
        self._doubt_s, self._refresh_s = doubt_s, refresh_s

    def keep(self, cameras: Mapping[str, Collection[str]]) -> None:
        """Forget all cameras but these, and of them all locations but theirs."""
        self._cameras = {name: doubt for name, doubt in self._cameras.items() if name in cameras}
        for name, doubt in self._cameras.items():
            doubt.keep(cameras[name])

    @property
    def doubted(self) -> list[str]:
        """The cameras whose view is doubted now."""
        return [name for name, doubt in self._cameras.items() if doubt.since_s is not None]

    def weigh(self, findings: Sequence[Finding], on_doubt: Callable[[str], None]) -> list[Finding]:
        """Findings, of which alerts are `uncertain` where the view is doubted; `on_doubt` is told whose is from now."""
        is_calm = not self.doubted and all(finding.verdict is Verdict.MATCH for finding in findings)
        if self._doubt_s == 0 or is_calm:
            return list(findings)
        now_s = self._clock.monotonic_s()
        turning = {finding.location for finding in findings if self._turns(finding, now_s)}
        for camera in sorted({finding.camera for finding in findings if finding.location in turning}):
            if self._is_much(camera, now_s):
                doubt = self._of(camera)
                doubt.since_s, doubt.voted_s = max(doubt.turned_s.values()), now_s
                on_doubt(camera)
        return [self._weighed(finding) if finding.location in turning else finding for finding in findings]

    def due_for_another_vote(self) -> dict[str, list[str]]:
        """The doubted locations that are to be classified once more now, by their camera."""
        now_s, due = self._clock.monotonic_s(), {}
        for name in self.doubted:
            doubt = self._of(name)
            if now_s - doubt.voted_s >= VOTE_AGAIN_S:
                doubt.voted_s = now_s
                due[name] = list(doubt.held)
        return due

    def over(self, camera: str = "") -> list[Finding]:
        """What was held back in views that were doubted for long enough (or of this camera, which has ended)."""
        now_s, told = self._clock.monotonic_s(), list[Finding]()
        for name in self.doubted:
            doubt = self._of(name)
            if doubt.since_s is not None and (name == camera or now_s - doubt.since_s >= self._doubt_s):
                told += doubt.held.values()
                doubt.since_s, doubt.believed_until_s = None, now_s + self._refresh_s
                doubt.held, doubt.turned_s = {}, {}
        return told

    def signal_lost(self, camera: str) -> None:
        """The view is lost: what was held back isn't told."""
        doubt = self._of(camera)
        doubt.since_s, doubt.held, doubt.turned_s = None, {}, {}

    def is_first_word_wrong(self, camera: str, findings: Iterable[Finding], locations: int) -> bool:
        """Whether first verdicts were alerts at SHARE_TURNED of a camera's locations: then they are collected anew."""
        first = self._of(camera).first
        for finding in findings:
            if finding.verdict is Verdict.MATCH or finding.verdict in ALERTS:
                first.setdefault(finding.location, finding.verdict is Verdict.MATCH)
        wrong = len(first) - sum(first.values())
        if wrong < max(SHARE_TURNED * locations, min(MIN_TURNED, locations)):
            return False
        self._of(camera).first = {}
        return True

    def _of(self, camera: str) -> _Doubt:
        return self._cameras.setdefault(camera, _Doubt())

    def _turns(self, finding: Finding, now_s: float) -> bool:
        """Whether a finding turns its location from a match to an alert, though the same is expected there."""
        doubt, location, state = self._of(finding.camera), finding.location, self._states.get(finding.location)
        if state is not None and state.verdict is Verdict.MATCH:
            doubt.matched[location] = state.expected.sku if state.expected else None
        if finding.verdict in (Verdict.MATCH, Verdict.UNMANAGED):
            self._is_right(doubt, location)
        if finding.verdict not in ALERTS or location not in doubt.matched:
            return False
        if doubt.matched[location] != (finding.expected.sku if finding.expected else None):
            del doubt.matched[location]
            return False
        doubt.turned_s.setdefault(location, now_s - finding.rested_s)
        return True

    def _is_right(self, doubt: _Doubt, location: str) -> None:
        doubt.turned_s.pop(location, None)
        if doubt.held.pop(location, None) and not doubt.held:
            doubt.since_s = None  # all is as it was

    def _is_much(self, camera: str, now_s: float) -> bool:
        """Whether so much has turned that the view is to be doubted from now on."""
        doubt = self._of(camera)
        doubt.turned_s = {name: at_s for name, at_s in doubt.turned_s.items() if now_s - at_s <= self._refresh_s}
        if doubt.since_s is not None or now_s < doubt.believed_until_s or self._is_as_good_as_over(doubt, now_s):
            return False
        right = {n for n, state in self._states.items() if state.camera == camera and state.verdict is Verdict.MATCH}
        return len(doubt.turned_s) >= max(
            MIN_TURNED, SHARE_TURNED * len(right | set(doubt.matched) | set(doubt.turned_s))
        )

    def _is_as_good_as_over(self, doubt: _Doubt, now_s: float) -> bool:
        """Whether a doubt, counted from the newest alert, would end before another look: then none begins."""
        left_s = max(doubt.turned_s.values(), default=now_s) + self._doubt_s - now_s
        return left_s < min(VOTE_AGAIN_S, self._doubt_s)

    def _weighed(self, finding: Finding) -> Finding:
        """An alert, held back where the view is doubted."""
        doubt = self._of(finding.camera)
        if doubt.since_s is None:
            del doubt.matched[finding.location]
            return finding
        doubt.held[finding.location] = finding
        return replace(finding, verdict=Verdict.UNCERTAIN, reason=VIEW_DOUBTED)
