"""Pictures lie in a folder, or in a store that fsspec knows, under names that nobody else's picture gets."""

from pathlib import Path

import pytest

from kardus.support.errors import DataError
from warehouse.store.database import StoreError
from warehouse.store.pictures import PictureStore


@pytest.mark.parametrize("kind", ["folder", "memory"])
def test_what_is_stored_is_read_until_it_is_deleted(kind: str, tmp_path: Path) -> None:
    store = PictureStore(str(tmp_path / "p") if kind == "folder" else f"memory://{tmp_path.name}")
    name = store.add("box", "../A", "e/1", b"one")
    assert store.add("box", "../A", "e/1", b"one") == name
    assert store.add("other", "../A", "e/1", b"two") != name
    assert (store.read(name), len(store.names())) == (b"one", 2)
    store.delete([name, name])
    assert (store.read(name), len(store.names())) == (None, 1)


def test_a_place_that_takes_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "p").write_text("a file")
    with pytest.raises(StoreError, match=r"pictures in .*/p can't be written"):
        PictureStore(str(tmp_path / "p")).add("box", "A", "e", b"one")
    with pytest.raises(DataError, match="--pictures nowhere://x: can't be used"):
        PictureStore("nowhere://x")
