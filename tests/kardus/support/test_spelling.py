"""What looks the same is the same name, however it is spelt."""

from pathlib import Path

import pytest

from kardus.support.spelling import composed, decomposed, find_spelt

NFC, NFD = "M\u00fcsli", "Mu\u0308sli"


def test_both_spellings_are_one() -> None:
    assert composed(NFD) == composed(NFC) == NFC
    assert decomposed(NFC) == NFD
    assert composed("ABC-1") == "ABC-1"


@pytest.mark.parametrize("on_disk", [NFC, NFD])
@pytest.mark.parametrize("asked", [NFC, NFD])
def test_a_file_is_found_in_either_spelling_of_folder_and_name(tmp_path: Path, on_disk: str, asked: str) -> None:
    there = tmp_path / on_disk / f"{NFC}.jpg"
    there.parent.mkdir()
    there.touch()
    assert find_spelt(tmp_path, f"{asked}/{NFD}.jpg") == there
    assert find_spelt(tmp_path, str(there)) == there


def test_what_is_not_there_keeps_its_name(tmp_path: Path) -> None:
    assert find_spelt(tmp_path, f"{NFD}/a.jpg") == tmp_path / NFD / "a.jpg"
