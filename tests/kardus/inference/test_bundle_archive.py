"""A bundle that somebody made to fill the memory is refused before it does: by its directory, and by who signed it."""

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO

import pytest
from typer.testing import CliRunner

from edge_agent.config.sections import ModelSection
from edge_agent.models.load import load_model
from export.cli import app as export_app
from export.verify import verify
from kardus.inference.bundle import Trust, parse_bundle, read_bundle
from kardus.inference.bundle_archive import BundleArchive
from kardus.support.errors import BundleError
from tests.edge_agent.making import Members, members_in, sealed, zipped
from tests.export.colours import colour_bundle
from train.evaluation.predictor import open_predictor

ZEROS = 300_000_000
LITTLE = 5_000_000
"""Bytes of memory: a hundred times the file, a sixtieth of what it would unpack to."""


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Members:
    return members_in(colour_bundle(tmp_path_factory.mktemp("bundle") / "a.bundle"))


@pytest.fixture(scope="module")
def packed_zeros() -> bytes:
    """Zeros, deflated."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("model.onnx", "w") as member:
        for _ in range(ZEROS // 1_000_000):
            member.write(bytes(1_000_000))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def bomb(members: Members, packed_zeros: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unsigned bundle of some 300 kB whose model is 300 MB."""
    path = tmp_path_factory.mktemp("bomb") / "bomb.bundle"
    buffer = io.BytesIO(packed_zeros)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(set(members) - {"model.onnx"}):
            archive.writestr(name, members[name])
    path.write_bytes(buffer.getvalue())
    return path


def _declared_small(data: bytes, size: int) -> bytes:
    """The same, whose model declares to be small: in the directory and before the member itself."""
    lying = bytearray(data)
    start = lying.rindex(b"model.onnx") - 46
    lying[start + 24 : start + 28] = struct.pack("<I", size)
    return bytes(lying)


def _refused(open_it: Callable[[], object]) -> str:
    """The refusal, for which little memory was taken."""
    tracemalloc.start()
    try:
        with pytest.raises(BundleError) as refusal:
            open_it()
        assert tracemalloc.get_traced_memory()[1] < LITTLE
    finally:
        tracemalloc.stop()
    return str(refusal.value)


def _openings(path: Path) -> dict[str, Callable[[], object]]:
    return {
        "agent": partial(load_model, ModelSection(bundle=path, allow_unsigned=True)),
        "verify": partial(verify, path),
        "inspect, diff, enroll": partial(read_bundle, path),
        "evaluate": partial(open_predictor, path),
    }


@pytest.mark.parametrize("where", _openings(Path("x")))
def test_wherever_a_bundle_is_opened_one_that_unpacks_to_a_great_deal_is_refused(bomb: Path, where: str) -> None:
    assert f"member 'model.onnx' declares {ZEROS} bytes: refused" in _refused(_openings(bomb)[where])


@pytest.mark.parametrize("command", [["inspect"], ["verify"]])
def test_the_commands_say_so_in_a_line(bomb: Path, command: list[str]) -> None:
    result = CliRunner().invoke(export_app, [*command, str(bomb)])
    assert isinstance(result.exception, BundleError)


def test_a_member_that_is_larger_than_it_declares_is_read_no_further(bomb: Path) -> None:
    """Python's own reading unpacks all of it first, and cuts afterwards."""
    lying = io.BytesIO(_declared_small(bomb.read_bytes(), 1000))
    assert "damaged" in _refused(lambda: BundleArchive(lying, "x").read("model.onnx"))


def test_who_signed_it_is_asked_before_anything_else_is_unpacked_or_parsed(members: Members) -> None:
    """A manifest that can't even be parsed: what is said is that nobody signed it."""
    broken = zipped({**members, "manifest.json": b"{" * 1000, "model.onnx": b"no model"})
    with pytest.raises(BundleError, match="not signed"):
        parse_bundle(io.BytesIO(broken), "x", Trust(["ed25519:other"]))


def test_of_a_bundle_that_is_not_trusted_only_manifest_and_signatures_are_read(
    members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsigned, read = io.BytesIO(sealed(members)), list[str]()
    opened = zipfile.ZipFile.open

    def noted(self: zipfile.ZipFile, name: zipfile.ZipInfo) -> IO[bytes]:
        read.append(name.filename)
        return opened(self, name)

    monkeypatch.setattr(zipfile.ZipFile, "open", noted)
    with pytest.raises(BundleError, match="not signed"):
        parse_bundle(unsigned, "x", Trust(["ed25519:other"]))
    assert sorted(read) == ["manifest.json", "signatures.json"]


def test_a_member_of_another_size_than_the_manifest_lists_is_not_unpacked(members: Members) -> None:
    model = bytes(900_000)  # within what any file may unpack to
    grown = io.BytesIO(zipped({**members, "model.onnx": members["model.onnx"] + model}))
    with pytest.raises(BundleError, match=r"model\.onnx is not what the manifest says"):
        parse_bundle(grown, "x")


def test_many_members_that_share_their_bytes_are_counted_by_what_the_file_has(members: Members) -> None:
    """Members may overlap in a zip file: each is small, and all of them are not."""
    pictures = {f"golden/{number}.png": bytes(900_000) for number in range(100, 300)}
    with pytest.raises(BundleError, match="declares 18"):
        BundleArchive(io.BytesIO(zipped({**members, **pictures})), "x")


def test_a_directory_of_too_many_members_is_not_read() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(20_000):
            archive.writestr(str(number), b"")
    assert "lists too many members" in _refused(lambda: BundleArchive(buffer, "x"))


def test_a_directory_that_hides_behind_a_comment_or_a_larger_format_is_not_read(members: Members) -> None:
    whole = zipped(members)
    commented = whole[:-2] + struct.pack("<H", 4) + b"note"
    zip64 = whole[:-22] + b"PK\x06\x07" + bytes(16) + whole[-22:]
    for data in (commented, zip64):
        with pytest.raises(BundleError, match="doesn't end with a directory"):
            BundleArchive(io.BytesIO(data), "x")
