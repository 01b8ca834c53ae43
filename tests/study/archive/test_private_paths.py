"""Paths of a machine: what is taken out, what stays, and that nothing of a folder is left."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stablerep.study.archive.private_paths import Shortener, holds_path, own_folders

OURS = ["/home/some body", "/srv/project"]

PATHS = [
    ("/home/somebody/models/mine", "mine"), ("local-dir:/home/somebody/models/mine", "local-dir:mine"), ("/home/some body/a b/c", "c"),
    ("random-local-dir:/data/x/mine-0", "random-local-dir:mine-0"), ("~/models/mine", "mine"), ("~somebody/mine", "mine"),
    ("C:\\Users\\somebody\\mine", "mine"), ("C:\\Users\\somebody", "the home folder"), ("/home/somebody", "the home folder"),
    ("/home/some body", "the home folder"), ("file:///home/somebody/x.txt", "x.txt"), ("/srv/project", "project"),
    ("in /a/b.", "in b."), ("(/a/b, '/c/d')", "(b, 'd')"), ("x=/opt/y/z", "x=z"), ("\x1b[0;32m/opt/x/y.py\x1b[0m:12", "\x1b[0;32my.py\x1b[0m:12"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "kept"), PATHS)
def test_paths_keep_their_last_part(text, kept):
    shortener = Shortener(OURS)
    assert shortener.values({"a": [text]}) == {"a": [kept]}
    assert {place for place, _ in shortener.found} == {"a[0]"}


@pytest.mark.parametrize(
    "text",
    [
        "https://a.b/c/d", "/C15", "a/b/c", "../x/y", "./x/y", "text/html", "</div></td>", "1/2/3", "w = 2 / 3 / 4", "owner/name", "and/or", "~", "",
        "stable-diffusion-v1-5/stable-diffusion-v1-5", "a: b", "c:d", "/", "//", "0366567c3872cdf5-32px",
    ],
)  # fmt: skip
def test_what_is_no_path_stays(text):
    shortener = Shortener(OURS)
    assert shortener.values(text) == text and shortener.found == []


def test_prose_and_code_lose_this_machines_folders_alone():
    shortener = Shortener(OURS)
    text = "open('/srv/project/runs/x') or '/a/b', not /data/srv/project/x nor /srv/projects/x"
    assert (
        shortener.text(text, "cell 1", anywhere=False)
        == "open('x') or '/a/b', not /data/srv/project/x nor /srv/projects/x"
    )
    assert shortener.sentences() == ["cell 1 held the path of x; only the name is kept."]


def test_numbers_and_nothing_stay():
    content = {"a": [1, 2.5, None, True], "b": {}}
    assert Shortener(OURS).values(content) == content


def test_names_are_searched_too():
    assert Shortener(OURS).values({"/a/b/c": 1}) == {"c": 1}


PARTS = st.text(st.characters(categories=["L", "N"], include_characters="_- ."), min_size=1).filter(
    lambda part: part.strip(" .") == part
)


@given(st.lists(PARTS, min_size=2, max_size=5), st.sampled_from(["", "local-dir:"]))
def test_no_folder_of_any_path_is_left(parts, before):
    kept = Shortener(OURS).values(f"{before}/{'/'.join(parts)}")
    assert kept == before + (parts[-1] if parts[-2] not in ("home", "Users") else "the home folder")


@given(
    st.recursive(
        st.none() | st.integers() | st.text("ab/~ .", max_size=12),
        lambda some: st.lists(some) | st.dictionaries(st.text("ab"), some),
    )
)
def test_to_shorten_again_changes_nothing(content):
    once = Shortener(OURS).values(content)
    assert Shortener(OURS).values(once) == once


def test_pictures_are_not_searched():
    output = {
        "output_type": "display_data",
        "metadata": {},
        "data": {"image/png": "/9j/4AAQ/SkZ", "text/plain": "<Figure size 640x480>"},
    }
    notebook = {"cells": [{"cell_type": "code", "metadata": {}, "source": "", "outputs": [output]}], "metadata": {}}
    assert Shortener(OURS).notebook(notebook) == notebook


def test_own_folders_are_the_longest_first(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/")
    found = own_folders(tmp_path)
    assert str(tmp_path) in found and "/" not in found
    assert [len(folder) for folder in found] == sorted((len(folder) for folder in found), reverse=True)


def test_files(tmp_path: Path):
    def table(name: str, values: list) -> Path:
        pd.DataFrame({"n": range(len(values)), "file": values}).to_parquet(tmp_path / name, index=False)
        return tmp_path / name

    assert holds_path(table("a.parquet", ["x", "/data/photos/x.png"]), OURS)
    assert not holds_path(table("b.parquet", ["x", None]), OURS)
    (tmp_path / "a.json").write_text(json.dumps({"data": "/data/photos"}))
    (tmp_path / "a.txt").write_text("/a/b in prose")
    (tmp_path / "b.txt").write_text("see /srv/project/x")
    (tmp_path / "a.tar").write_bytes(b"/srv/project/x")
    assert [holds_path(tmp_path / name, OURS) for name in ("a.json", "a.txt", "b.txt", "a.tar")] == [
        True,
        False,
        True,
        False,
    ]
