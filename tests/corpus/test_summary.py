"""A summary says what opening would, without opening: the same name and fingerprint, counts, labels, and little memory."""

from __future__ import annotations

import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stablerep.corpus import load_corpus, summarize


def write(path, rows: int, *, classes=None, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"image": pa.array([b"never decoded"] * rows, pa.binary()), **columns})
    features = {name: {"_type": "ClassLabel", "names": names} for name, names in (classes or {}).items()}
    info = json.dumps({"info": {"features": features}})
    pq.write_table(table.replace_schema_metadata({"huggingface": info}), path)
    return path


def agrees(source, **options):
    """The summary, checked against the opened corpus."""
    summary, corpus = summarize(source, **options), load_corpus(source, **options)
    for name in ("name", "fingerprint", "labels", "cluster", "people", "designs"):
        assert getattr(summary, name) == getattr(corpus, name)
    train = corpus.table["split"] == "train"
    assert summary.images == len(corpus)
    assert summary.captions >= corpus.table["caption"].nunique()
    assert summary.train_captions >= corpus.table["caption"][train].nunique()
    assert (
        summary.train == train.sum() if summary.exact_train else abs(summary.train - train.sum()) <= 0.1 * len(corpus)
    )
    if summary.exact:
        assert summary.captions == corpus.table["caption"].nunique()
    return summary


def test_captions_split_by_hash(tmp_path):
    path = write(tmp_path / "x.parquet", 100, text=[f"c {i // 2}" for i in range(100)])
    summary = agrees(path)
    assert (summary.images, summary.captions, summary.train, summary.exact_train) == (100, 100, 70, False)


def test_files_that_name_splits_are_counted_exactly(tmp_path):
    root = tmp_path / "set"
    for name, rows in (("train-00000-of-00002", 30), ("train-00001-of-00002", 20), ("val", 5), ("test", 7)):
        write(root / f"{name}.parquet", rows, text=[f"{name} {i}" for i in range(rows)])
    assert (agrees(root).train, agrees(root).exact_train) == (50, True)
    assert not agrees(root, resplit=True).exact_train
    (root / "val.parquet").unlink()
    assert (agrees(root).train, agrees(root).exact_train) == (45, False)


def test_a_column_that_names_splits_is_counted_exactly(tmp_path):
    split = ["train"] * 30 + ["Val"] * 5 + ["test"] * 5
    path = write(tmp_path / "x.parquet", 40, text=[f"c {i}" for i in range(40)], split=split, where=split[::-1])
    assert (agrees(path).train, agrees(path).exact_train) == (30, True)
    assert agrees(path, split="where").train == 30


def test_captions_made_from_labels_are_bounded_by_classes(tmp_path):
    path = write(tmp_path / "x.parquet", 60, kind=[i % 3 for i in range(60)], classes={"kind": ["owl", "tit", "jay"]})
    assert agrees(path).captions == 15 and agrees(path).labels == ("kind",)
    assert agrees(path, templates=["{}", "the {}"]).captions == 6
    assert agrees(path, captions=False).captions == 1


def test_embedded_corpora_and_folders_are_opened(tmp_path, emoji):
    summary = summarize("emoji")
    assert (summary.fingerprint, summary.images, summary.exact) == (emoji.fingerprint, len(emoji), True)
    assert summary.designs == emoji.designs and summary.notes == emoji.notes
    assert summary.people == ("tone", "gender") and summary.train == (emoji.table["split"] == "train").sum()
    (tmp_path / "0.png").write_bytes(b"not decoded")
    (tmp_path / "metadata.csv").write_text("file_name,text\n0.png,a\n")
    assert (
        agrees(tmp_path).exact
        and agrees(tmp_path).exact_train
        and agrees(tmp_path).notes == load_corpus(tmp_path).notes
    )


def test_what_a_summary_refuses(tmp_path):
    path = write(tmp_path / "x.parquet", 2, text=["a", "b"])
    with pytest.raises(ValueError, match="part is an option of opening a source"):
        summarize(path, part="train")
    with pytest.raises(ValueError, match="unknown option 'labl'"):
        summarize(path, labl="x")
    with pytest.raises(ValueError, match="labels is 'x', but x.parquet has"):
        summarize(path, labels="x")
    with pytest.raises(ValueError, match="empty has no rows"):
        summarize(write(tmp_path / "empty.parquet", 0, text=pa.array([], pa.string())))


MEASURE = """
import json, resource, sys, tracemalloc
import pyarrow as pa
from stablerep.corpus import summarize
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
tracemalloc.start()
summary = summarize(sys.argv[1])
peak = tracemalloc.get_traced_memory()[1]
print(json.dumps([summary.images, summary.fingerprint, peak, pa.default_memory_pool().max_memory(),
                  1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)]))
"""


@pytest.mark.slow
def test_a_million_rows_in_little_memory_and_the_same_fingerprint(tmp_path):
    rows = 1_000_000
    path = tmp_path / "large.parquet"
    schema = pa.schema([("image", pa.binary()), ("text", pa.string()), ("split", pa.string())])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, 100_000):
            many = range(start, start + 100_000)
            splits = ["train" if i % 10 else "test" if i % 20 else "validation" for i in many]
            writer.write_table(
                pa.table({"image": [b"x"] * 100_000, "text": [f"caption {i}" for i in many], "split": splits}, schema)
            )
    done = subprocess.run([sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True)
    images, fingerprint, python, arrow, resident = json.loads(done.stdout)
    assert images == rows
    assert (
        python < 20e6 and arrow < 50e6 and resident < 200e6
    )  # the captions alone take 15 MB as text, 60 MB as objects
    corpus = load_corpus(path)
    assert corpus.fingerprint == fingerprint and len(corpus) == rows
