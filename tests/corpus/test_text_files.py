"""Captions and tables as people's editors write them."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stablerep.corpus.text_files import read_captions, read_table


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.txt", b"red heart\nowl, at night\n"),
        ("a.txt", b"\xef\xbb\xbfred heart\r\n\r\nowl, at night"),
        ("a.txt", b"red heart\rowl, at night\r"),
        ("a.csv", b'\xef\xbb\xbfcaption\r\nred heart\r\n"owl, at night"\r\n'),
        ("a.csv", b'url,text\nhttp://x/1,red heart\nhttp://x/2,"owl, at night"\n'),
        ("a.tsv", b"text\turl\nred heart\tx\nowl, at night\ty\n"),
        ("a.jsonl", b'{"caption": "red heart"}\r\n{"caption": "owl, at night"}\r\n'),
        ("a.jsonl", b'\xef\xbb\xbf"red heart"\n"owl, at night"\n'),
        ("A.CSV", b'caption\nred heart\n"owl,\n at night"\n'),
    ],
)
def test_one_list_in_every_form(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    assert read_captions(tmp_path / name, note=pytest.fail) == ["red heart", "owl, at night"]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", b"one\ntwo\ncaf\xe9\n", "a.txt, line 3: byte 0xe9 is not UTF-8; save the file as UTF-8"),
        ("a.txt", "one\n".encode("utf-16"), "a.txt, line 1: the file is in UTF-16; save it as UTF-8"),
        ("a.txt", b" \n\n", "a.txt has no captions"),
        ("a.csv", b"caption\none\ncaf\xe9\n", "a.csv cannot be read as CSV in UTF-8 .*line 3: byte 0xe9"),
        ("a.csv", b"title\none\n", "a.csv has no column text or caption; it has title"),
        ("a.csv", b"text,caption\na,b\n", "a.csv has both text and caption; keep one"),
        (
            "a.csv",
            b"text,n\nred, round,1\n",
            r"a.csv, row 1: 3 values for 2 columns \(a value with a comma needs quotes\)",
        ),
        ("a.tsv", b"text\tn\nred\t1\t2\n", r"a.tsv, row 1: 3 values for 2 columns \(a value with a tab needs quotes\)"),
        ("a.csv", b"text,n\na,1\n ,2\n", "a.csv, row 2: text is empty or no text"),
        ("a.jsonl", b'{"text": "a"}\n{"text": 3}\n', "a.jsonl, row 2: text is empty or no text"),
        ("a.jsonl", b'{"text": "a"}\n\xff\n', "a.jsonl, line 2: byte 0xff is not UTF-8; save the file as UTF-8"),
        ("a.jsonl", '{"text": "a"}\n'.encode("utf-16"), "a.jsonl, line 1: the file is in UTF-16; save it as UTF-8"),
        ("a.jsonl", b'{"text": "a"}\n{\n', "a.jsonl, row 2: not JSON"),
        ("a.jsonl", b"\r\n \n", "a.jsonl has no captions"),
        ("a.csv", b"", "a.csv has no captions"),
        ("a.docx", b"PK", "a.docx is no file of captions; valid are .txt, .csv, .tsv, .jsonl"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ValueError, match=f"^{message}"):
        read_captions(tmp_path / name)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.txt is no file; captions are read from a .txt"):
        read_captions(tmp_path / "none.txt")


def test_repeated_captions_count_once_and_are_said(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("b\na\nb\nb\n")
    notes = []
    assert read_captions(tmp_path / "a.txt", note=notes.append) == ["b", "a"]
    assert notes == ["a.txt repeats 2 of its 4 captions; each counts once."]
    read_captions(tmp_path / "a.txt")
    assert "repeats 2" in capsys.readouterr().err


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1), min_size=1, unique=True))
def test_captions_survive_each_form(tmp_path, captions):
    import csv

    with open(tmp_path / "a.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["caption"], *([caption] for caption in captions)])
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(caption) + "\n" for caption in captions))
    assert read_captions(tmp_path / "a.csv") == captions == read_captions(tmp_path / "a.jsonl")


def test_nothing_in_a_table_changes_silently(tmp_path):
    (tmp_path / "a.csv").write_text("text,n,m,code\n007,1,x,NA\nnull,2,,NA\n")
    table = read_table(tmp_path / "a.csv")
    assert table.to_dict("list") == {"text": ["007", "null"], "n": [1, 2], "m": ["x", ""], "code": ["NA", "NA"]}
