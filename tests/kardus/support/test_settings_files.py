"""Files of settings: what is wrong in one is a line with the key as it stands there, its value, and what to do."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kardus.support.errors import UsageError
from kardus.support.settings_files import explain_settings, read_settings_file


class _Folder(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["folder"]
    folder: Annotated[str, Field(min_length=1)]


class _Web(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["web"]
    url: Annotated[str, Field(pattern="^https://")]
    password: Annotated[str, Field(max_length=3)] = ""
    password_file: Annotated[str, Field(max_length=9)] = ""


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")
    source: Annotated[_Folder | _Web, Field(discriminator="kind")]
    every_s: Annotated[float, Field(gt=0)] = 1.0
    corners: list[tuple[float, float]] = []


FOLDER = '[source]\nkind = "folder"\nfolder = "in"\n'
WEB = '[source]\nkind = "web"\nurl = "https://x"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "source: missing: add it (see docs/p.md)"),
        (f"every = 2\n{FOLDER}", "every: no such key: see docs/p.md"),
        (f"every_s = 0\n{FOLDER}", "every_s = 0: input should be greater than 0: see docs/p.md"),
        ('[source]\nkind = "folder"\n', "source.folder: missing: add it (see docs/p.md)"),
        ('[source]\nkind = "folder"\nfolder = ""\n', "source.folder = '': string should have at least 1 character"),
        ('[source]\nkind = "folder"\nfolder = "in"\nfoldr = "x"\n', "source.foldr: no such key"),
        (WEB.replace("https://x", "http://u:secret@x"), "source.url = 'http://...@x': string should match"),
        *(
            (WEB.replace("https://x", url), f"source.url = '{shown}': string should match")
            for url, shown in {
                "http://u:sec@ret@x": "http://...@x",
                "http://u:s/ecret@x/y": "http://...@x/y",
                "http:/u:secret@x": "...@x",
                "u:secret@x/db": "...@x/db",
                "x?key=secret@x/a": "...@x/a",
            }.items()
        ),
        (WEB.replace("https://x", "ftp://x/y?api_key=secret"), "source.url = 'ftp://x/y?...': string should match"),
        (WEB.replace("https://x", "h" * 300), f"source.url = '{'h' * 100}...': string should match"),
        (f'{WEB}password = "secret"\n', "source.password: string should have at most 3 characters"),
        (f'{WEB}password_file = "a/long/way"\n', "source.password_file = 'a/long/way': string should have"),
        (f"corners = [[1, 2], [3]]\n{FOLDER}", "corners.1.1: missing: add it"),
        (f'corners = [[1, 2], [3, "x"]]\n{FOLDER}', "corners.1.1 = 'x': input should be a valid number"),
        ("[source", "cannot be read ("),
    ],
)
def test_what_is_wrong_is_said_with_the_key_as_it_stands_there(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "s.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as refused:
        read_settings_file(path, _Settings, "docs/p.md", option="--settings")
    assert str(refused.value).startswith(f"--settings {path}: {said}")
    assert "\n" not in str(refused.value)
    assert "ecret" not in str(refused.value)


def test_a_good_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(WEB)
    assert read_settings_file(tmp_path / "s.toml", _Settings, "docs/p.md").source == _Web(kind="web", url="https://x")


KEYS = ("source", "kind", "folder", "url", "web", "corners", "every_s", "0", "type", "other")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=5))
def test_whatever_stands_there_one_line_is_said(content: dict[str, object]) -> None:
    wrong = content | {"every_s": 0}
    with pytest.raises(ValidationError) as refused:
        _Settings.model_validate(wrong)
    assert len(explain_settings(refused.value, wrong, "docs/p.md").splitlines()) == 1
