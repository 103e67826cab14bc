"""The way of a frame stays short."""

from tests.scripts.frame_path import LIMITS, LOCATIONS, trace


def test_a_frame_passes_few_files_and_a_vote_is_judged_once() -> None:
    found = trace()
    for name, (files, moves) in LIMITS.items():
        passage = found[name]
        assert len(passage.files) <= files, (name, sorted(passage.files))
        assert passage.moves.total() <= moves, (name, passage.moves.most_common(9))
    assert [found[name].judged for name in LIMITS] == [LOCATIONS, 0, 1]
