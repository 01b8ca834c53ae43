"""A reader's own images: folders, parquet files, Hub data sets, and every way in which they can be wrong."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import sys
import types
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from stablerep.corpus import SPLITS, hashing, load_corpus
from stablerep.corpus.decoding import decode_image
from stablerep.corpus.hashing import content_hash
from stablerep.corpus.splits import split_named

# Read before the tests take the variable away.
DATA = Path(os.environ.get("STABLEREP_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")


IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])  # how `datasets` stores an image


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def grey(level: int) -> bytes:
    """A PNG whose colour tells images apart."""
    return encoded(Image.new("RGB", (12, 10), (level, level, level)))


@pytest.fixture(autouse=True)
def without_data(monkeypatch):
    monkeypatch.delenv("STABLEREP_DATA", raising=False)


@pytest.fixture
def folder(tmp_path):
    """Four images with captions and two further columns."""
    root = tmp_path / "pets"
    (root / "more").mkdir(parents=True)
    rows = []
    for i, name in enumerate(["0.png", "1.png", "more/2.png", "more/3.png"]):
        (root / name).write_bytes(grey(10 * i))
        rows.append({"file_name": name, "text": f"pet, number {i}", "age": i, "note": "NA"})
    write_csv(root, rows)
    return root


def write_csv(root: Path, rows: list[dict]) -> None:
    import csv

    with open(root / "metadata.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def to_jsonl(root: Path, **changes) -> Path:
    """Rewrite the metadata as JSON lines; ``changes`` maps ``row2`` to new values of the second row."""
    import csv

    with open(root / "metadata.csv", newline="", encoding="utf-8") as file:
        rows = [{**row, **changes.get(f"row{i}", {})} for i, row in enumerate(csv.DictReader(file), 1)]
    (root / "metadata.csv").unlink()
    (root / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return root


# Folders


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_folder(folder, form):
    corpus = load_corpus(str(folder if form == "csv" else to_jsonl(folder)))
    assert corpus.name == "pets"
    assert corpus.table.columns.tolist() == ["id", "caption", "split", "file_name", "age", "note"]
    assert corpus.table["id"].tolist() == ["0.png", "1.png", "more/2.png", "more/3.png"]
    assert corpus.table["caption"].tolist() == [f"pet, number {i}" for i in range(4)]
    assert corpus.table["note"].tolist() == ["NA"] * 4
    assert corpus.table["age"].astype(int).tolist() == [0, 1, 2, 3]
    images = corpus.images(8)
    assert images.shape == (4, 3, 8, 8)
    assert images[:, 0, 4, 4].tolist() == [0, 10, 20, 30]
    last = corpus.where([False, False, True, True])
    assert last.images(8)[:, 2, 0, 0].tolist() == [20, 30]


def test_numbers_in_a_caption_stay_text(folder):
    write_csv(
        folder, [{"file_name": "0.png", "text": "007", "n": "1.5"}, {"file_name": "1.png", "text": "null", "n": ""}]
    )
    table = load_corpus(str(folder)).table
    assert table["caption"].tolist() == ["007", "null"]
    assert table["n"].iloc[0] == 1.5 and np.isnan(table["n"].iloc[1])


def test_further_columns_that_are_nested_are_left_out(folder):
    table = load_corpus(str(to_jsonl(folder, row1={"boxes": [1, 2]}))).table
    assert "boxes" not in table and "age" in table


def test_own_ids_and_caption_column(folder):
    rows = [{"file_name": f"{i}.png", "id": f"x{i}", "text": "short", "long": f"a longer text {i}"} for i in range(2)]
    write_csv(folder, rows)
    table = load_corpus(str(folder), caption_column="long").table
    assert table["id"].tolist() == ["x0", "x1"]
    assert table["caption"].tolist() == ["a longer text 0", "a longer text 1"]
    write_csv(folder, [{"file_name": "0.png", "text": "a", "caption": "b"}])
    with pytest.raises(ValueError, match="both text and caption; choose"):
        load_corpus(str(folder))
    assert load_corpus(str(folder), caption_column="caption").table["caption"].tolist() == ["b"]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"file_name": "none.png"}, "row 2: the image 'none.png' does not exist"),
        ({"file_name": "more"}, "row 2: the image 'more' does not exist"),
        ({"file_name": ""}, "row 2: file_name is empty"),
        ({"file_name": "0.png"}, r"row 2 \(0.png\): the image .* was there before \(metadata.*, row 1"),
        ({"file_name": "./0.png"}, r"row 2 .* was there before"),
        ({"file_name": "../outside.png"}, "row 2: file_name '../outside.png' must be a relative path"),
        ({"file_name": "more/../1.png"}, "row 2: file_name 'more/../1.png' must be"),
        ({"file_name": "/etc/hostname"}, "row 2: file_name '/etc/hostname' must be"),
        ({"file_name": "x" * 5000}, "row 2: the image .* does not exist"),
        ({"text": ""}, r"row 2 \(1.png\): text is empty"),
        ({"text": " \t"}, r"row 2 \(1.png\): text is empty"),
    ],
)
def test_bad_rows_of_a_folder_are_named(folder, form, change, message):
    (folder.parent / "outside.png").write_bytes(grey(1))
    root = to_jsonl(folder, row2=change)
    if form == "csv":
        rows = [json.loads(line) for line in (root / "metadata.jsonl").read_text().splitlines()]
        (root / "metadata.jsonl").unlink()
        write_csv(root, rows)
    with pytest.raises(ValueError, match=f"^metadata.{form}, {message}"):
        load_corpus(str(root))


@pytest.mark.parametrize("caption", [None, 7, ["a", "b"]])
def test_captions_that_are_no_text(folder, caption):
    with pytest.raises(ValueError, match=r"row 3 \(more/2.png\): text is empty or no text"):
        load_corpus(str(to_jsonl(folder, row3={"text": caption})))


def test_ids_must_be_unique_and_there(folder):
    rows = [{"file_name": f"{i}.png", "text": "a", "id": "same"} for i in range(2)]
    write_csv(folder, rows)
    with pytest.raises(ValueError, match=r"row 2 \(1.png\): the id 'same' was there before \(metadata.csv, row 1"):
        load_corpus(str(folder))
    write_csv(folder, [{**rows[0], "id": " "}])
    with pytest.raises(ValueError, match="row 1 .*the id is ' '"):
        load_corpus(str(folder))


def test_links_out_of_the_folder_are_refused(folder):
    (folder.parent / "outside.png").write_bytes(grey(1))
    (folder / "1.png").unlink()
    (folder / "1.png").symlink_to(folder.parent / "outside.png")
    with pytest.raises(ValueError, match="row 2: file_name '1.png' must be"):
        load_corpus(str(folder))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(max_size=20) | st.from_regex(r"(\.\./|/|\./|[a-z]/){0,4}(secret|0)\.png", fullmatch=True))
def test_no_file_name_leads_out_of_the_folder(folder, name):
    (folder.parent / "secret.png").write_bytes(grey(1))
    (folder / "metadata.csv").unlink(missing_ok=True)
    (folder / "metadata.jsonl").write_text(json.dumps({"file_name": name, "text": "a"}) + "\n")
    try:
        corpus = load_corpus(str(folder))
    except ValueError as error:
        assert str(error).startswith("metadata.jsonl, row 1")
    else:
        assert (folder / corpus.table["file_name"][0]).resolve() == folder / "0.png"


def test_damaged_images_are_named_when_drawn_and_when_checked(folder):
    (folder / "more/2.png").write_bytes(grey(9)[:-25])
    corpus = load_corpus(str(folder))
    assert corpus.where([True, True, False, True]).images(8).shape == (3, 3, 8, 8)
    for draw in (lambda: corpus.images(8), lambda: load_corpus(str(folder), check=True)):
        with pytest.raises(ValueError, match=r"metadata.csv, row 3 \(more/2.png\): the image cannot be read"):
            draw()
    (folder / "1.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"row 2 \(1.png\): the image cannot be read \(it is no image file\)"):
        load_corpus(str(folder), check=True)
    (folder / "1.png").unlink()
    with pytest.raises(ValueError, match=r"row 2 \(1.png\): the image does not exist any more"):
        corpus.images(8)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no rows"),
        ("file_name,text\n", "no rows"),
        ("image,text\n0.png,a\n", "no column file_name; it has image, text"),
        ("file_name,text\n0.png,red, round\n", r"row 1: 3 values for 2 columns \(a value with a comma needs quotes\)"),
        ("file_name,text\n0.png\n", "row 1: 1 values for 2 columns"),
        ("file_name,text,text\n0.png,a,b\n", "names a column twice"),
        ('file_name,text\n0.png,"a\n', "cannot be read as CSV"),
        (b"file_name,text\n0.png,\xff\n", "cannot be read as CSV in UTF-8"),
        (
            "file_name,age\n0.png,3\n",
            r"no column text or caption and no labels among file_name, age; give caption_column",
        ),
    ],
)
def test_bad_csv(folder, text, message):
    (folder / "metadata.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=f"metadata.csv.*{message}"):
        load_corpus(str(folder))


@pytest.mark.parametrize("line", [b"{", b"[1]", b'"a"', b"", b'{"file_name": "0.png", "text": "\\ud800"}', b"\xff"])
def test_bad_json_lines(folder, line):
    (folder / "metadata.csv").unlink()
    good = json.dumps({"file_name": "1.png", "text": "a"}).encode()
    (folder / "metadata.jsonl").write_bytes(good + b"\n" + line + b"\n" + good + b"\n")
    with pytest.raises(ValueError, match="^metadata.jsonl, (row|line) 2: "):
        load_corpus(str(folder))


def test_byte_order_marks_and_blank_ends_are_no_error(folder):
    text = (folder / "metadata.csv").read_text()
    (folder / "metadata.csv").write_text("\ufeff" + text + "\n\n", encoding="utf-8")
    assert len(load_corpus(str(folder))) == 4


def test_metadata_must_be_one_and_there(folder):
    (folder / "metadata.jsonl").write_text("{}\n")
    with pytest.raises(ValueError, match="both metadata.csv and metadata.jsonl"):
        load_corpus(str(folder))
    (folder / "metadata.jsonl").unlink()
    (folder / "metadata.csv").unlink()
    with pytest.raises(ValueError, match="neither metadata.csv nor metadata.jsonl nor any .parquet or .tar"):
        load_corpus(str(folder))


def test_captions_may_be_missing_when_told(folder):
    write_csv(folder, [{"file_name": "0.png", "age": 3}])
    table = load_corpus(str(folder), captions=False).table
    assert table["caption"].tolist() == [""] and table["age"].tolist() == [3]
    with pytest.raises(ValueError, match="although captions is False"):
        load_corpus(str(folder), captions=False, caption_column="age")


def test_labels_in_a_folder_become_captions_when_they_are_words(folder):
    write_csv(folder, [{"file_name": "0.png", "label": "cat"}, {"file_name": "1.png", "label": "dog"}])
    assert load_corpus(str(folder), templates="{}").table["caption"].tolist() == ["cat", "dog"]
    write_csv(folder, [{"file_name": "0.png", "label": 4}, {"file_name": "1.png", "label": 5}])
    table = load_corpus(str(folder)).table
    assert table["caption"].tolist() == ["", ""] and table["label"].tolist() == [4, 5]
    write_csv(folder, [{"file_name": "0.png", "kind": "cat"}, {"file_name": "1.png", "kind": ""}])
    with pytest.raises(ValueError, match=r"row 2 \(1.png\): kind is empty"):
        load_corpus(str(folder), labels=["kind"])


# Splits


def test_splits_by_a_column_and_by_folders(folder, tmp_path):
    names = ["training", "Val", "test", "train"]
    files = ["0.png", "1.png", "more/2.png", "more/3.png"]
    rows = [{"file_name": file, "text": "same", "split": name} for file, name in zip(files, names)]
    write_csv(folder, rows)
    assert load_corpus(str(folder)).table["split"].tolist() == ["train", "validation", "test", "train"]
    assert load_corpus(str(folder), part="test").table["id"].tolist() == ["more/2.png"]
    assert load_corpus(str(folder), resplit=True).table["split"].nunique() == 1
    write_csv(folder, [{**rows[0], "split": "holdout"}])
    with pytest.raises(ValueError, match=r"row 1 \(0.png\): split is 'holdout'"):
        load_corpus(str(folder))
    root = tmp_path / "parted"
    for name in ("train", "val"):
        (root / name).mkdir(parents=True)
        (root / name / "a.png").write_bytes(grey(len(name)))
        write_csv(root / name, [{"file_name": "a.png", "text": "a"}])
    corpus = load_corpus(str(root))
    assert dict(zip(corpus.table["id"], corpus.table["split"])) == {"train/a.png": "train", "val/a.png": "validation"}
    assert corpus.images(8)[:, 0, 0, 0].tolist() == [5, 3]
    with pytest.raises(ValueError, match="has no test part; it has train, validation"):
        load_corpus(str(root), part="test")


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"),
        ("train-00000-of-00004", "train"),
        ("val", "validation"),
        ("my_dev_set", "validation"),
        ("test2", "test"),
        ("Validation", "validation"),
        ("val2017", "validation"),
        ("train_val", None),
        ("test strips", None),
        ("dev boards", None),
        ("trainer", None),
        ("latest", None),
        ("", None),
    ],
)
def test_split_names(name, split):
    assert split_named(name) == split


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(
    captions=st.lists(st.sampled_from([f"caption {i}" for i in range(12)]), min_size=1, max_size=30),
    random=st.randoms(use_true_random=False),
)
def test_equal_captions_stay_together_in_any_order(tmp_path, captions, random):
    path = tmp_path / "rows.parquet"

    def splits(rows):
        write_parquet(path, rows, ids=True)
        table = load_corpus(str(path)).table
        return dict(zip(table["id"], table["split"])), dict(zip(table["caption"], table["split"]))

    rows = [(f"id {i}", caption) for i, caption in enumerate(captions)]
    by_id, by_caption = splits(rows)
    assert all(by_id[i] == by_caption[caption] for i, caption in rows)
    for name, share in (("train", 0.7), ("validation", 0.1), ("test", 0.2)):
        assert abs(list(by_caption.values()).count(name) - share * len(by_caption)) <= 1
    random.shuffle(rows)
    assert splits(rows)[0] == by_id


# Parquet


def write_parquet(
    path: Path, rows: list, *, ids: bool = False, names: dict | None = None, per_group: int = 7, **columns
) -> Path:
    """A file in the layout of ``datasets``: images of grey 0, 1, 2 ..., with captions, or pairs of id and caption, or neither."""
    pictures = [{"bytes": grey(i % 256), "path": f"{i}.png"} for i in range(len(rows))]
    table = {"picture": pa.array(pictures, IMAGE)}
    if ids:
        table |= {"id": [i for i, _ in rows], "text": [caption for _, caption in rows]}
    elif rows and isinstance(rows[0], str):
        table |= {"text": rows}
    table = pa.table({**table, **columns})
    features = {name: {"_type": "ClassLabel", "names": classes} for name, classes in (names or {}).items()}
    info = json.dumps({"info": {"features": {"picture": {"_type": "Image"}, **features}}})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata({"huggingface": info}), path, row_group_size=per_group)
    return path


def test_parquet_file(tmp_path):
    path = write_parquet(tmp_path / "rows.parquet", [f"caption {i}" for i in range(20)], age=list(range(20)))
    corpus = load_corpus(str(path))
    assert corpus.table.columns.tolist() == ["id", "caption", "split", "age"]
    assert corpus.table["id"].tolist()[:2] == ["rows.parquet/1", "rows.parquet/2"] and corpus.table["id"].is_unique
    assert set(corpus.table["split"]) == set(SPLITS)
    assert corpus.images(8)[:, 0, 0, 0].tolist() == list(range(20))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(rows=st.lists(st.integers(0, 29), max_size=40), per_group=st.integers(1, 31))
def test_parquet_images_of_any_rows_in_any_order(tmp_path, rows, per_group):
    """Over files, row groups and batches, with rows left out or asked for twice."""
    root = tmp_path / "parts"
    shutil.rmtree(root, ignore_errors=True)
    write_parquet(root / "a.parquet", [f"a {i}" for i in range(20)], per_group=per_group)
    write_parquet(root / "b.parquet", [f"b {i}" for i in range(10)], per_group=per_group)
    corpus = load_corpus(str(root))
    levels = [*range(20), *range(10)]
    images = corpus.draw(corpus.table.iloc[rows], 8)
    assert images[:, 1, 3, 3].tolist() == [levels[row] for row in rows]


def test_parquet_corpora_can_be_sent_to_other_processes(tmp_path):
    corpus = load_corpus(str(write_parquet(tmp_path / "rows.parquet", ["a", "b"])))
    assert pickle.loads(pickle.dumps(corpus)).images(8)[:, 0, 0, 0].tolist() == [0, 1]


def test_parquet_folder_with_named_splits_and_labels(tmp_path):
    root = tmp_path / "birds"
    names = {"label": ["owl", "tit", "jay"]}
    write_parquet(root / "data/train-00000-of-00002.parquet", [0] * 4, label=[0, 1, 2, 0], names=names)
    write_parquet(root / "data/train-00001-of-00002.parquet", [0] * 2, label=[1, 1], names=names)
    write_parquet(root / "data/test.parquet", [0] * 2, label=[2, 0], names=names)
    write_parquet(root / ".cache/train.parquet", ["not to be read"])
    corpus = load_corpus(str(root))
    assert corpus.name == "birds" and len(corpus) == 8
    assert load_corpus(str(root), part="train", templates="{}").table["caption"].tolist() == [
        "owl",
        "tit",
        "jay",
        "owl",
        "tit",
        "tit",
    ]
    assert corpus.table["label"].cat.categories.tolist() == ["owl", "tit", "jay"]
    assert load_corpus(str(root), captions=False).table["caption"].eq("").all()
    assert len(corpus.where("label == 'jay'")) == 2


def test_labels_without_names_and_images_split_within_each_label(tmp_path):
    path = write_parquet(tmp_path / "rows.parquet", [0] * 40, label=[i % 2 for i in range(40)])
    table = load_corpus(str(path)).table
    assert table["caption"].eq("").all() and table["label"].tolist() == [0, 1] * 20
    kinds = [i % 2 for i in range(40)]
    named = write_parquet(tmp_path / "named.parquet", [0] * 40, kind=kinds, names={"kind": ["owl", "tit"]})
    for counts in (table.groupby("label"), load_corpus(str(named), templates="{}").table.groupby("caption")):
        assert counts["split"].value_counts().unstack()[list(SPLITS)].to_numpy().tolist() == [[14, 2, 4]] * 2


def test_unknown_labels_are_missing_not_wrong(tmp_path):
    path = write_parquet(tmp_path / "rows.parquet", ["a", "b", "c"], age=[0, -1, None], names={"age": ["young"]})
    assert load_corpus(str(path)).table["age"].isna().tolist() == [False, True, True]
    path = write_parquet(tmp_path / "no.parquet", [0] * 2, kind=[0, -1], names={"kind": ["owl"]})
    with pytest.raises(ValueError, match="^no.parquet, row 2: kind is empty"):
        load_corpus(str(path))
    path = write_parquet(tmp_path / "bad.parquet", [0] * 2, kind=[0, 3], names={"kind": ["owl"]})
    with pytest.raises(ValueError, match="column 'kind' of bad.parquet, row 2, holds the class 3; there are 1"):
        load_corpus(str(path))


def test_columns_are_found_by_type_or_asked_for(tmp_path):
    path = tmp_path / "two.parquet"
    second = pa.array([{"bytes": grey(200), "path": None}] * 2)
    write_parquet(path, ["a", "b"], other=second, tags=[["x"], ["y"]])
    with pytest.raises(ValueError, match="two.parquet has 2 image columns; give image_column .columns: picture, other"):
        load_corpus(str(path))
    corpus = load_corpus(str(path), image_column="other")
    assert corpus.images(8)[:, 0, 0, 0].tolist() == [200, 200]
    assert corpus.table.columns.tolist() == ["id", "caption", "split"]
    for options, message in [
        (
            {"image_column": "none"},
            "image_column is 'none', but two.parquet has the columns picture, text, other, tags",
        ),
        ({"image_column": "text"}, "holds string, not image bytes"),
        ({"image_column": "other", "caption_column": "words"}, "caption_column is 'words', but"),
        (
            {"image_column": "other", "caption_column": "tags"},
            "column 'tags' of two.parquet holds nested; a caption column",
        ),
        ({"image_column": "other", "labels": ["kind"]}, "labels is 'kind', but"),
        ({"image_column": "other", "labels": ["tags"]}, "column 'tags' of two.parquet holds lists"),
    ]:
        with pytest.raises(ValueError, match=message):
            load_corpus(str(path), **options)


def test_plain_bytes_are_images_too(tmp_path):
    pq.write_table(pa.table({"jpg": [grey(3), grey(4)], "caption": ["a", "b"]}), tmp_path / "plain.parquet")
    assert load_corpus(str(tmp_path / "plain.parquet")).images(8)[:, 0, 0, 0].tolist() == [3, 4]


def test_images_alone_and_no_images_at_all(tmp_path):
    path = write_parquet(tmp_path / "alone.parquet", [0] * 10)
    with pytest.raises(ValueError, match="no column text or caption and no labels.*captions=False"):
        load_corpus(str(path))
    corpus = load_corpus(str(path), captions=False)
    assert corpus.table.columns.tolist() == ["id", "caption", "split"] and set(corpus.table["split"]) == set(SPLITS)
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "text.parquet")
    with pytest.raises(ValueError, match="text.parquet has no image columns"):
        load_corpus(str(tmp_path / "text.parquet"))
    with pytest.raises(ValueError, match="no rows"):
        load_corpus(str(write_parquet(tmp_path / "empty.parquet", [], text=pa.array([], pa.string()))))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (grey(0)[:40], "truncated|broken|file"),
        (b"", "it is no image file"),
        (b"hello", "it is no image file"),
        (None, "it has no bytes"),
    ],
)
def test_damaged_images_in_parquet_are_named(tmp_path, value, reason):
    pictures = [{"bytes": grey(i), "path": None} for i in range(9)]
    pictures[7] = {"bytes": value, "path": None}
    pq.write_table(
        pa.table({"image": pa.array(pictures, IMAGE), "text": ["a"] * 9}), tmp_path / "x.parquet", row_group_size=4
    )
    corpus = load_corpus(str(tmp_path / "x.parquet"))
    assert corpus.where(np.arange(9) != 7).images(8).shape[0] == 8
    for draw in (lambda: corpus.images(8), lambda: load_corpus(str(tmp_path / "x.parquet"), check=True)):
        with pytest.raises(ValueError, match=f"^x.parquet, row 8: the image cannot be read .*{reason}"):
            draw()


@pytest.mark.parametrize(
    ("ids", "captions", "message"),
    [
        (["a", "b", "a"], ["x", "y", "z"], r"row 3: the id 'a' was there before \(x.parquet, row 1\)"),
        (["a", None, "c"], ["x", "y", "z"], "row 2: the id is"),
        (["a", "b", "c"], ["x", "", "z"], "row 2: text is empty"),
        (["a", "b", "c"], ["x", "y", None], "row 3: text is empty"),
    ],
)
def test_bad_rows_of_parquet_are_named(tmp_path, ids, captions, message):
    path = write_parquet(tmp_path / "x.parquet", list(zip(ids, captions)), ids=True, per_group=1)
    with pytest.raises(ValueError, match=f"^x.parquet, {message}"):
        load_corpus(str(path))


def test_files_that_do_not_belong_together(tmp_path):
    write_parquet(tmp_path / "a.parquet", ["a"])
    pq.write_table(pa.table({"image": [grey(0)], "text": ["a"]}), tmp_path / "b.parquet")
    with pytest.raises(ValueError, match="b.parquet has no column 'picture', which a.parquet has"):
        load_corpus(str(tmp_path))
    (tmp_path / "b.parquet").write_bytes(b"PAR1 cut off")
    with pytest.raises(ValueError, match="b.parquet cannot be read as parquet"):
        load_corpus(str(tmp_path))


def test_damage_inside_a_parquet_file_is_named(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (30, 30, 3), np.uint8)
    pictures = pa.array([{"bytes": encoded(Image.fromarray(noise)), "path": None}] * 4, IMAGE)
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"text": ["a", "b", "c", "d"], "image": pictures}), path)
    column = pq.ParquetFile(path).metadata.row_group(0).column(1)
    start = column.dictionary_page_offset or column.data_page_offset
    data = bytearray(path.read_bytes())
    data[start : start + 40] = bytes(40)
    path.write_bytes(data)
    corpus = load_corpus(str(path))
    assert corpus.table["caption"].tolist() == ["a", "b", "c", "d"]
    with pytest.raises(ValueError, match="^x.parquet cannot be read as parquet"):
        corpus.images(8)


# Fingerprints


def test_fingerprint_follows_bytes_and_options_but_not_paths_or_times(folder, tmp_path):
    first = load_corpus(str(folder))
    copied = shutil.copytree(folder, tmp_path / "elsewhere" / "pets")
    os.utime(copied / "0.png", (0, 0))
    assert load_corpus(str(copied)).fingerprint == first.fingerprint
    assert load_corpus(str(folder), check=True).fingerprint == first.fingerprint
    seen = {first.fingerprint, load_corpus(str(folder), resplit=True).fingerprint}
    for split in sorted(set(first.table["split"])):
        seen.add(load_corpus(str(folder), part=split).fingerprint)
    (copied / "0.png").write_bytes(grey(99))
    seen.add(load_corpus(str(copied)).fingerprint)
    text = (folder / "metadata.csv").read_text()
    (folder / "metadata.csv").write_text(text.replace("number 3", "number three"))
    seen.add(load_corpus(str(folder)).fingerprint)
    assert len(seen) == 4 + first.table["split"].nunique()


def test_parquet_fingerprint(tmp_path):
    path = write_parquet(tmp_path / "a" / "x.parquet", ["a", "b"])
    first = load_corpus(str(path)).fingerprint
    (tmp_path / "b").mkdir()
    shutil.copyfile(path, tmp_path / "b" / "x.parquet")
    assert load_corpus(str(tmp_path / "b" / "x.parquet")).fingerprint == first
    write_parquet(path, ["a", "c"])
    assert load_corpus(str(path)).fingerprint != first


def test_large_files_are_hashed_in_samples(tmp_path, monkeypatch):
    monkeypatch.setattr(hashing, "WHOLE_FILE", 10_000)
    monkeypatch.setattr(hashing, "END", 16)
    monkeypatch.setattr(hashing, "BLOCK", 16)
    path = tmp_path / "large.bin"
    data = bytearray(np.random.default_rng(0).bytes(40_000))
    path.write_bytes(data)
    whole = content_hash(path)
    changed = {whole}
    for place in (0, 15, len(data) - 1):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        changed.add(content_hash(path))
    path.write_bytes(data + b"\0")
    changed.add(content_hash(path))
    assert len(changed) == 5
    path.write_bytes(data)
    os.utime(path, (0, 0))
    assert content_hash(path) == whole


# Decoding


def test_transparency_becomes_white():
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    np.testing.assert_array_equal(decode_image(encoded(clear), 8), 255)
    half = Image.new("LA", (8, 8), (0, 128))
    assert abs(int(decode_image(encoded(half), 8)[0, 0, 0]) - 127) <= 1
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([0, 0, 255] * 256)
    np.testing.assert_array_equal(decode_image(encoded(palette, transparency=0), 8), 255)
    np.testing.assert_array_equal(decode_image(encoded(palette), 8)[:, 0, 0], (0, 0, 255))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "I;16", "CMYK"])
def test_modes_become_rgb(mode):
    black = Image.new("RGB", (9, 9), "black")
    image = Image.fromarray(np.zeros((9, 9), np.uint16)) if mode == "I;16" else black.convert(mode)
    pixels = decode_image(encoded(image, "TIFF" if mode == "CMYK" else "PNG"), 9)
    assert pixels.shape == (3, 9, 9) and pixels.dtype == np.uint8 and pixels.max() == 0


def test_sixteen_bits_are_scaled():
    ramp = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    np.testing.assert_array_equal(decode_image(encoded(Image.fromarray(ramp)), 8)[1], (ramp / 257).round())


def test_camera_rotation_is_applied():
    image = Image.new("RGB", (8, 8), "white")
    image.paste("red", (0, 0, 8, 4))  # the upper half
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees clockwise to see it"
    pixels = decode_image(encoded(image, exif=exif), 8)
    np.testing.assert_array_equal(pixels[1], np.repeat([[255] * 4 + [0] * 4], 8, axis=0))


def test_the_size_asked_for_is_left_as_it_is():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    np.testing.assert_array_equal(decode_image(encoded(Image.fromarray(pixels)), 16), pixels.transpose(2, 0, 1))


@pytest.mark.parametrize(("width", "height"), [(40, 16), (16, 40), (64, 32), (24, 72)])
def test_shorter_side_is_scaled_and_the_centre_kept(width, height):
    """As scaling the whole image first and cropping it then, which is how the step is usually described."""
    image = Image.fromarray(np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8))
    scale = min(width, height) // 8
    whole = np.asarray(image.resize((width // scale, height // scale), Image.Resampling.BICUBIC))
    top, left = (whole.shape[0] - 8) // 2, (whole.shape[1] - 8) // 2
    expected = whole[top : top + 8, left : left + 8].transpose(2, 0, 1)
    assert np.abs(decode_image(encoded(image), 8).astype(int) - expected).max() <= 1


def test_very_long_images_are_cropped_to_their_centre():
    image = Image.new("RGB", (3, 3000), "red")
    image.paste("blue", (0, 1490, 3, 1510))
    pixels = decode_image(encoded(image), 64)
    np.testing.assert_array_equal(pixels, np.broadcast_to(np.array([0, 0, 255])[:, None, None], (3, 64, 64)))


@given(st.binary(max_size=60), st.integers(0, 400), st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "BMP"]))
def test_damaged_bytes_give_pixels_or_a_value_error(junk, place, kind):
    data = encoded(Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3)), kind)
    place %= len(data)
    for damaged in (data[:place], data[:place] + junk + data[place + len(junk) :], junk):
        try:
            pixels = decode_image(damaged, 8)
        except ValueError as error:
            assert str(error)
        else:
            assert pixels.shape == (3, 8, 8)


# Names of sources


def test_unknown_sources_are_answered_with_what_exists(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flowers").mkdir()
    with pytest.raises(
        ValueError, match=r"'emojy' \(did you mean 'emoji'\?\); valid are emoji, clip-art, a .*hub:owner/name"
    ):
        load_corpus("emojy")
    with pytest.raises(ValueError, match="did you mean 'flowers'"):
        load_corpus("flower")
    with pytest.raises(ValueError, match="unknown source ''"):
        load_corpus("")
    (tmp_path / "list.txt").write_text("")
    with pytest.raises(ValueError, match="list.txt is no .parquet or .tar file; for images, give the folder"):
        load_corpus("list.txt")
    monkeypatch.setenv("STABLEREP_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=r"unknown source 'zzz'; .*STABLEREP_DATA holds flowers\.$"):
        load_corpus("zzz")


def test_data_folder_is_looked_into(folder, monkeypatch):
    monkeypatch.setenv("STABLEREP_DATA", str(folder.parent))
    assert load_corpus("pets").fingerprint == load_corpus(str(folder)).fingerprint


def test_unknown_options_are_named(folder):
    with pytest.raises(ValueError, match="unknown option 'capton'; valid options are image_column, caption_column"):
        load_corpus(str(folder), capton="x")
    with pytest.raises(ValueError, match="part is 'dev'; valid parts are train, validation, test"):
        load_corpus(str(folder), part="dev")
    with pytest.raises(ValueError, match="image_column is 'x'; in a folder of images, file_name"):
        load_corpus(str(folder), image_column="x")


# The Hub


class FakeDataset:
    """As much of ``datasets.Dataset`` as is used: an Arrow table behind ``with_format("arrow")``."""

    def __init__(self, table: pa.Table):
        self.table = table

    features = property(lambda self: types.SimpleNamespace(arrow_schema=self.table.schema))
    column_names = property(lambda self: self.table.column_names)

    def __len__(self):
        return self.table.num_rows

    def with_format(self, name):
        assert name == "arrow"
        return self

    def select_columns(self, names):
        return FakeDataset(self.table.select(names))

    def __getitem__(self, rows):
        start, stop, _ = rows.indices(len(self))
        return self.table.slice(start, stop - start)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """``datasets`` with one data set, ``owner/pets``, made of the parquet files that the tests of parquet use."""
    write_parquet(tmp_path / "train.parquet", [f"caption {i}" for i in range(30)])
    write_parquet(tmp_path / "val.parquet", [f"other {i}" for i in range(5)])
    asked = []

    def load_dataset(name, config):
        asked.append((name, config))
        if name != "owner/pets":
            raise ConnectionError("Couldn't reach the Hub.\nsecond line")
        files = {"train": "train.parquet", "validation": "val.parquet"}
        return {split: FakeDataset(pq.read_table(tmp_path / file)) for split, file in files.items()}

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    return asked


def test_hub_data_set(hub):
    corpus = load_corpus("hub:owner/pets:small")
    assert hub == [("owner/pets", "small")]
    assert corpus.name == "owner-pets-small"
    assert corpus.table["id"].tolist()[29:31] == ["train/30", "validation/1"]
    assert corpus.table["split"].value_counts().to_dict() == {"train": 30, "validation": 5}
    order = [34, 3, 3, 29, 0]
    assert corpus.draw(corpus.table.iloc[order], 8)[:, 0, 0, 0].tolist() == [4, 3, 3, 29, 0]


def test_hub_fingerprint_follows_the_values(hub, tmp_path):
    first = load_corpus("hub:owner/pets").fingerprint
    assert load_corpus("hub:owner/pets").fingerprint == first
    write_parquet(tmp_path / "val.parquet", ["other 0", "other 1", "other 2", "other 3", "changed"])
    assert load_corpus("hub:owner/pets").fingerprint != first


def test_hub_images_that_lie_in_files(hub, tmp_path):
    (tmp_path / "7.png").write_bytes(grey(7))
    paths = pa.array([{"bytes": None, "path": str(tmp_path / name)} for name in ("7.png", "none.png")], IMAGE)
    pq.write_table(pa.table({"image": paths, "text": ["a", "b"]}), tmp_path / "train.parquet")
    pq.write_table(pa.table({"image": paths, "text": ["a", "b"]}), tmp_path / "val.parquet")
    corpus = load_corpus("hub:owner/pets")
    assert corpus.draw(corpus.table.iloc[[0]], 8)[0, 0, 0, 0] == 7
    with pytest.raises(ValueError, match="^train, row 2: the image cannot be read .*No such file"):
        corpus.images(8)


def test_hub_errors(hub, monkeypatch):
    with pytest.raises(
        ValueError, match=r"'owner/none' could not be opened .*\(Couldn't reach the Hub\); check its name"
    ):
        load_corpus("hub:owner/none")
    with pytest.raises(ValueError, match="hub: needs the name of a data set"):
        load_corpus("hub:")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ValueError, match="needs the package `datasets`; install it with: pip install datasets"):
        load_corpus("hub:owner/pets")


# Real photographs, where they are at hand


def photographs(name: str) -> Path:
    path = DATA / name
    if not path.is_dir():
        pytest.skip(f"no folder {name} below STABLEREP_DATA or ../shared/data")
    return path


def test_cifar10():
    corpus = load_corpus(str(photographs("cifar10")), templates="{}")
    counts = corpus.table.groupby(["label", "split"]).size().unstack()
    assert (counts["train"] == 4500).all() and (counts["validation"] == 500).all() and (counts["test"] == 1000).all()
    assert (corpus.labels, corpus.cluster) == (
        ("label",),
        "label",
    ) and "a tenth of its training part (5,000" in corpus.notes[0]
    assert sorted(set(corpus.table["caption"])) == sorted(corpus.table["label"].cat.categories)
    assert corpus.table["label"].cat.categories[:3].tolist() == ["airplane", "automobile", "bird"]
    part = corpus.where(corpus.table.index < 200)
    images = part.images(32)
    assert images.shape == (200, 3, 32, 32) and 60 < images.float().mean() < 200
    path = photographs("cifar10") / "test.parquet"
    value = pq.ParquetFile(path).read_row_group(0, columns=["img"])["img"][17].as_py()["bytes"]
    stored = np.asarray(Image.open(io.BytesIO(value)).convert("RGB")).transpose(2, 0, 1)
    np.testing.assert_array_equal(corpus.where("id == 'test.parquet/18'").images(32)[0].numpy(), stored)


def test_fairface():
    path = str(photographs("fairface64"))
    corpus = load_corpus(path, people=["age", "gender", "race"], part="validation")
    assert (corpus.labels, corpus.cluster, corpus.people) == (
        ("age", "gender", "race"),
        "id",
        ("age", "gender", "race"),
    )
    first = corpus.table.iloc[0]
    assert all(first[name] in first["caption"] for name in corpus.labels)
    assert first["caption"].startswith("a photo of a person: ") and len(corpus) == 5000
    assert any("no test part" in note for note in corpus.notes)
    corpus = load_corpus(path, captions=False, part="validation")
    assert len(corpus) == 5000 and corpus.table["caption"].eq("").all()
    assert [len(corpus.table[c].cat.categories) for c in ("age", "gender", "race")] == [9, 2, 7]
    assert corpus.where(corpus.table.index < 20).images(64).shape == (20, 3, 64, 64)
    one = load_corpus(path, labels="gender", templates="{}", part="validation")
    assert one.table["caption"].isin(["Male", "Female"]).all()
