"""The table of contents, and what a reader adds to it: checked before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from stablerep.errors import InputError, MissingError
from stablerep.study.book.build import check_pages
from stablerep.study.book.whole import time_left
from stablerep.study.chapters import chapter_names, schemas
from stablerep.study.root import PROJECT


def test_the_contents_name_every_chapter_in_order():
    assert chapter_names(PROJECT) == list(schemas())


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", b"# Title", "a.txt is not a Markdown file"),
        ("a.md", b"# Caf\xe9", "a.md is not text in UTF-8"),
        ("a.md", b"No title at all.\n", "a.md has no title; begin it with a line such as '# My notes'."),
        ("a.md", b"```\n# a comment\n```\n", "a.md has no title"),
        ("a.md", b"# Title\n\n![x](plots/absent.png)\n", "a.md shows plots/absent.png, which is not there."),
    ],
)
def test_a_page_that_could_not_be_built_is_refused(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        check_pages([tmp_path / name])


def test_a_page_that_is_missing_or_a_folder(tmp_path):
    with pytest.raises(MissingError, match="there is no file .*absent.md"):
        check_pages([tmp_path / "absent.md"])
    (tmp_path / "folder.md").mkdir()
    with pytest.raises(InputError, match="folder.md cannot be read: is a directory"):
        check_pages([tmp_path / "folder.md"])


@pytest.mark.parametrize(
    "text", ["# Title\n", "\ufeff# Title\r\n", "Title\n=====\n", "(label)=\n# Title\n\n![x](https://a/b.png)"]
)
def test_pages_that_can_be_built(tmp_path, text):
    page = Path(tmp_path / "w: 4.md")
    page.write_text(text, encoding="utf-8")
    check_pages([page])


def test_the_time_left_is_corrected_by_what_has_run():
    assert time_left([10, 20, 30], 1, 10) == 50  # as estimated
    assert time_left([10, 20, 30], 1, 25) == 125  # everything takes 2.5 times as long
    assert time_left([10, 20, 30], 2, 15) == 15
    assert time_left([10, 20, 30], 3, 99) == 0
    assert time_left([0, 20], 1, 0.1) == 20  # executed before: nothing to learn from
