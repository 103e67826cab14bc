"""Pictures lie in a folder, or in a store that fsspec knows, under names that nobody else's picture gets."""

import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fsspec.exceptions import FSTimeoutError

from kardus.support.errors import DataError
from tests.object_store import ENVIRONMENT, client, object_store
from warehouse.store.database import StoreError
from warehouse.store.pictures import PictureStore

BUCKET = "kardus-pictures"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of a store with one bucket; S3's client of this process knows it."""
    with object_store(BUCKET) as address, pytest.MonkeyPatch.context() as patch:
        for name, value in (*ENVIRONMENT.items(), ("AWS_ENDPOINT_URL", address)):
            patch.setenv(name, value)
        yield address


@pytest.mark.usefixtures("s3")
@pytest.mark.parametrize("place", ["{folder}/p", "memory://{folder.name}", f"s3://{BUCKET}/all"])
def test_what_is_stored_is_read_until_it_is_deleted(place: str, tmp_path: Path) -> None:
    store = PictureStore(place.format(folder=tmp_path))
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


def test_a_picture_that_is_cut_off_leaves_nothing(tmp_path: Path) -> None:
    store, before = PictureStore(str(tmp_path / "p")), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))  # as a full disk: no larger file is taken
    try:
        with pytest.raises(StoreError, match="can't be written: File too large"):
            store.add("box", "A", "e", bytes(10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path for path in (tmp_path / "p").rglob("*") if path.is_file()] == []


def test_a_picture_that_another_receiver_deleted_is_stored_when_it_comes_again(s3: str) -> None:
    store = PictureStore(f"s3://{BUCKET}/shared")
    name = store.add("box", "A", "e", b"one")
    assert store.names() == {name}
    client(s3).delete_object(Bucket=BUCKET, Key=f"shared/{name}")
    assert store.names() == set()
    assert store.add("box", "A", "e", b"one") == name
    assert store.read(name) == b"one"


@pytest.mark.usefixtures("s3")
def test_a_bucket_that_isnt_there_is_named() -> None:
    with pytest.raises(StoreError, match=r"pictures in s3://nowhere/all can't be written: .*bucket"):
        PictureStore("s3://nowhere/all").add("box", "A", "e", b"one")


def test_receivers_that_store_the_same_picture_at_once_store_it_whole(tmp_path: Path) -> None:
    store, content = PictureStore(str(tmp_path / "p")), b"x" * 300_000
    with ThreadPoolExecutor(4) as threads:
        events = [f"e{number // 4}" for number in range(160)]
        names = set(threads.map(lambda event: store.add("box", "A", event, content), events))
    assert store.names() == names
    assert {store.read(name) for name in names} == {content}
    assert sorted(path.name for path in tmp_path.rglob("*.part")) == []


def test_a_store_that_says_nothing_of_why_is_named_too(monkeypatch: pytest.MonkeyPatch) -> None:
    store = PictureStore("memory://silent")

    def fail(*_: object) -> None:
        raise FSTimeoutError

    monkeypatch.setattr(store._remote, "cat_file", fail)
    with pytest.raises(StoreError, match="can't be read: FSTimeoutError"):
        store.read("a/b.jpg")
