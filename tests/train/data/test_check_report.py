"""The page of `check-data` shows names as they are: they come from a table that anybody may have written."""

import subprocess
import sys
from pathlib import Path

from kardus.contract.manifest import ClassInfo
from train.data.check import DataProblem, DataReport, Severity
from train.data.check_report import SHOWN, write_data_report
from train.data.data_set import DataSet, Sample

MARKUP = "<script>alert('1')</script>"


def test_no_name_is_taken_for_markup_and_photos_are_few(tmp_path: Path) -> None:
    photos = tuple(Sample(tmp_path / f"{number}.jpg", MARKUP, MARKUP) for number in range(SHOWN + 3))
    data = DataSet(tmp_path / MARKUP.replace("/", ""), photos, (ClassInfo(name=MARKUP, sku=MARKUP, category=MARKUP),))
    found = (DataProblem(Severity.ERROR, MARKUP, MARKUP, photos), DataProblem(Severity.NOTE, "good", "know it"))
    write_data_report(tmp_path / "page.html", DataReport(data, found, 0))
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert page.count("(unreadable)") == SHOWN
    assert page.count("<p>and 3 more</p>") == 1
    assert f'<td class="n">{len(photos)}</td>' in page


def test_without_the_train_extra_the_page_is_refused_in_one_line_and_the_table_is_not(photos: Path) -> None:
    words = ("import sys; sys.modules['jinja2'] = None; from train.__main__ import main; main()", "check-data", photos)
    command = [sys.executable, "-c", *map(str, words)]
    plain = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "classes" in plain.stdout
    page = subprocess.run([*command, "--html", "page.html"], capture_output=True, text=True, check=False)
    assert (page.returncode, page.stderr.count("\n")) == (2, 1)
    assert "jinja2, which is not installed: pip install '.[train]'" in page.stderr
