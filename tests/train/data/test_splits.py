"""Who is held out: bursts stay together, every class has its share."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from kardus.support.errors import DataError
from tests.train.making import class_folders, labelled
from train.data.data_set import DataSet, Sample, read_data
from train.data.splits import all_trained, assign_folds, hold_out, photo_groups, with_split

COUNTS = st.lists(st.integers(2, 30), min_size=1, max_size=6)
GROUPED = st.lists(st.lists(st.integers(1, 4), min_size=5, max_size=9), min_size=1, max_size=4)
"""For each class, the sizes of its groups."""


PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=2, max_size=60).filter(
    lambda pairs: len({number for number, _ in pairs}) < len(pairs)
)
"""The class and the group of each photo: a group may hold several classes (a carton's face and its side)."""


def _spanning(pairs: list[tuple[int, int]]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names, groups and the numbers of the classes, of photos whose class has two at least."""
    counts = Counter(number for number, _ in pairs)
    kept = np.array([pair for pair in pairs if counts[pair[0]] > 1], np.int64).reshape(-1, 2)
    return [f"class {number}" for number in kept[:, 0]], kept[:, 1], kept[:, 0]


def _names(counts: list[int]) -> list[str]:
    return [f"class {c}" for c, n in enumerate(counts) for _ in range(n)]


def _of(sizes: list[list[int]]) -> tuple[list[str], np.ndarray]:
    """Names and groups of photos whose classes have groups of these sizes."""
    names = _names([sum(own) for own in sizes])
    flat = [size for own in sizes for size in own]
    return names, np.repeat(np.arange(len(flat)), flat)


@given(counts=COUNTS, fraction=st.floats(0.01, 0.99), seed=st.integers(0, 2**32))
def test_hold_out_is_stratified_repeatable_and_leaves_every_class_on_both_sides(
    counts: list[int], fraction: float, seed: int
) -> None:
    names = _names(counts)
    held = hold_out(names, np.arange(len(names)), fraction, seed)
    assert np.array_equal(held, hold_out(names, np.arange(len(names)), fraction, seed))
    out = Counter(name for name, h in zip(names, held, strict=True) if h)
    for number, count in enumerate(counts):
        proportion = out[f"class {number}"]
        assert 1 <= proportion < count
        assert proportion in (1, count - 1) or abs(proportion - fraction * count) <= 0.5 + 1e-9


@given(sizes=GROUPED, fraction=st.floats(0.05, 0.6), seed=st.integers(0, 2**32))
def test_hold_out_never_divides_a_group(sizes: list[list[int]], fraction: float, seed: int) -> None:
    names, group = _of(sizes)
    held = hold_out(names, group, fraction, seed)
    assert {len(set(held[group == number])) for number in np.unique(group)} == {1}
    for name in set(names):
        own = held[np.array(names) == name]
        assert 0 < own.sum() < len(own)


@given(pairs=PAIRS, fraction=st.floats(0.05, 0.6), seed=st.integers(0, 2**32))
def test_hold_out_divides_a_group_of_several_classes_only_where_one_would_not_be_held_out_or_not_trained(
    pairs: list[tuple[int, int]], fraction: float, seed: int
) -> None:
    names, group, classes = _spanning(pairs)
    held = hold_out(names, group, fraction, seed)
    for number in set(classes):
        assert 0 < held[classes == number].sum() < np.count_nonzero(classes == number)
    divided = {g for g in set(group) if len(set(held[group == g])) == 2}
    for number in {n for g in divided for n in set(classes[(group == g) & held])}:
        trained = [set(group[(classes == other) & ~held]) for other in set(classes)]
        for own in set(group[(classes == number)]):
            assert {own} in trained  # the last photos of a class to train on


def test_a_carton_of_several_classes_is_held_out_whole() -> None:
    names = ["face", "side", "side"] * 10
    held = hold_out(names, np.repeat(np.arange(10), 3), 0.3, 4)
    assert held.reshape(10, 3).sum(axis=1).tolist().count(3) == 3
    assert held.sum() == 9


def test_a_class_whose_only_photos_are_in_the_cartons_of_another_is_trained() -> None:
    names = ["a", "a", "b", "b", *["b"] * 8]
    held = hold_out(names, np.array([0, 1, 0, 1, *[2] * 8]), 0.5, 0)
    assert held[:2].sum() == 1


@given(pairs=PAIRS, folds=st.integers(2, 4), seed=st.integers(0, 2**63 - 1))
def test_folds_of_groups_of_several_classes_divide_none_and_leave_every_class_trained(
    pairs: list[tuple[int, int]], folds: int, seed: int
) -> None:
    names, group, classes = _spanning(pairs)
    try:
        fold = assign_folds(names, group, folds, seed)
    except DataError:
        return
    assert all(len(set(fold[group == number])) == 1 for number in set(group))
    assert all(len(set(fold[classes == number])) > 1 for number in set(classes))


def test_a_class_that_one_fold_would_have_alone_gives_a_carton_to_another() -> None:
    names, group = ["a", "b", "a", "a", "b"], np.array([0, 2, 2, 0, 1])
    fold = assign_folds(names, group, 2, 0)
    assert all(len(set(fold[np.array(names) == name])) == 2 for name in names)


def test_cartons_that_cannot_be_dealt_out_so_that_every_class_is_trained_are_refused() -> None:
    names = ["a", "b", "b", "c", "c", "a"]
    group = np.array([0, 0, 1, 1, 2, 2])
    with pytest.raises(DataError, match=r"has its photos in groups with other classes, so that --folds 2 would leave"):
        assign_folds(names, group, 2, 0)


def test_a_class_of_near_duplicates_alone_is_not_told_to_use_one_fold() -> None:
    with pytest.raises(DataError, match=r"class 'a' has 1 photos .* or use --folds 0"):
        assign_folds(["a"] * 6, np.zeros(6, dtype=np.int64), 2, 0)


def test_a_class_of_one_burst_is_held_out_all_the_same() -> None:
    held = hold_out(["a"] * 6, np.zeros(6, dtype=np.int64), 0.3, 0)
    assert held.sum() == 2


def test_hold_out_differs_with_the_seed() -> None:
    names = _names([20, 20])
    first, second = (hold_out(names, np.arange(40), 0.3, seed) for seed in (0, 1))
    assert not np.array_equal(first, second)


@given(sizes=GROUPED, folds=st.integers(2, 5), seed=st.integers(0, 2**63 - 1))
def test_folds_divide_no_group_and_spread_every_class(sizes: list[list[int]], folds: int, seed: int) -> None:
    names, group = _of(sizes)
    fold = assign_folds(names, group, folds, seed)
    assert {len(set(fold[group == number])) for number in np.unique(group)} == {1}
    for own_sizes, name in zip(sizes, dict.fromkeys(names), strict=True):
        counts = np.bincount(fold[np.array(names) == name], minlength=folds)
        assert counts.min() >= 1
        assert counts.max() - counts.min() <= max(own_sizes)


def test_data_smaller_than_the_folds_is_refused() -> None:
    names = ["a"] * 6 + ["b"] * 5
    group = np.array([0, 1, 2, 3, 4, 5, 6, 6, 7, 8, 8])
    with pytest.raises(
        DataError, match="class 'b' has 3 photos that aren't nearly the same, fewer than --folds 5: add"
    ):
        assign_folds(names, group, 5, 0)


def _burst(folder: Path) -> Path:
    """A data set with three photos a class, of which two are nearly the same."""
    rng = np.random.default_rng(5)
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        for number in range(3):
            picture = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
            shown = Image.fromarray(picture).resize((90, 90), Image.Resampling.BICUBIC)
            shown.save(folder / name / f"{number}.png")
            if number == 0:
                shown.point([min(255, v + 6) for v in range(256)] * 3).save(folder / name / "0-again.png")
    return folder


def test_nearly_the_same_photos_share_a_group_and_others_do_not(tmp_path: Path) -> None:
    data = read_data(_burst(tmp_path))
    group = dict(
        zip((str(s.path.relative_to(tmp_path)) for s in data.samples), photo_groups(data.samples), strict=True)
    )
    assert group["a/0.png"] == group["a/0-again.png"]
    assert group["b/0.png"] == group["b/0-again.png"]
    assert len(set(group.values())) == 6


def test_what_the_data_set_calls_a_group_is_one(tmp_path: Path) -> None:
    folder = _burst(tmp_path)
    lines = [f"a/{n}.png,a,{'carton 7' if n else ''}" for n in range(3)] + [f"b/{n}.png,b," for n in range(3)]
    (folder / "labels.csv").write_text("path,name,group\n" + "\n".join(lines) + "\n")
    found = photo_groups(read_data(folder).samples)
    assert found[1] == found[2]
    assert len(set(found)) == 5


@pytest.mark.parametrize("seed", range(4))
def test_a_burst_is_never_on_both_sides(tmp_path: Path, seed: int) -> None:
    split = with_split(read_data(_burst(tmp_path)), 0.4, seed)
    side = {str(s.path.relative_to(tmp_path)): s.split for s in split.samples}
    assert side["a/0.png"] == side["a/0-again.png"]
    assert set(side.values()) == {"train", "val"}


def test_split_that_the_data_set_marks_is_kept(photos: Path) -> None:
    data = read_data(photos)
    assert with_split(data, 0.5, 3) == data


def test_photos_marked_train_alone_are_divided_and_test_photos_left_alone(tmp_path: Path) -> None:
    data = read_data(class_folders(tmp_path, each=6))
    marks = ["test" if number % 6 == 0 else "train" for number in range(len(data.samples))]
    marked = DataSet(
        data.source, tuple(Sample(s.path, s.name, m) for s, m in zip(data.samples, marks, strict=True)), ()
    )
    split = with_split(marked, 0.4, 0)
    assert Counter(s.split for s in split.samples) == {"test": 3, "val": 6, "train": 9}
    assert [s.path for s in split.samples if s.split == "test"] == [s.path for s in marked.samples if s.split == "test"]


def test_class_with_one_photo_cannot_be_split(tmp_path: Path) -> None:
    data = labelled(tmp_path / "data")
    lines = [line for line in (data / "labels.csv").read_text().splitlines() if "red/" not in line or "red/0" in line]
    (data / "labels.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError, match=r"data: class 'red' has one photo: add photos of it"):
        with_split(read_data(data), 0.2, 0)


def test_all_trained_forgets_every_mark(photos: Path) -> None:
    assert {sample.split for sample in all_trained(read_data(photos)).samples} == {"train"}
