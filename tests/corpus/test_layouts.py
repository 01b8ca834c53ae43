"""Folders as people have them: metadata on several levels, classes named like splits, odd names, other accents and slashes."""

from __future__ import annotations

import io
import json
import unicodedata

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from stablerep.corpus import load_corpus
from stablerep.corpus.splits import splits_of_folders, trusted
from stablerep.errors import InputError


def png(level: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (12, 12), (level, level, level)).save(file, "PNG")
    return file.getvalue()


def part(folder, count, *, metadata=True, **columns):
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        (folder / f"{i}.png").write_bytes(png(i))
    if metadata:
        rows = [{"file_name": f"{i}.png", "text": f"{folder.name} {i}"} for i in range(count)]
        (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.delenv("STABLEREP_DATA", raising=False)
    return tmp_path / "set"


@pytest.mark.parametrize(
    ("parts", "splits"),
    [
        ({"train": 3, "test": 2}, {"train": 3, "test": 2}),
        ({"train": 3, "val2017": 2}, {"train": 3, "validation": 2}),
        ({"train2017": 3, "val2017": 2}, {"train": 3, "validation": 2}),
        ({"images/train2017": 3, "images/val2017": 2}, {"train": 3, "validation": 2}),
        ({"train": 3, "test-1": 2}, {"train": 3, "test": 2}),
        ({"train": 3, "train/more": 2}, {"train": 5}),
        ({".": 3, "test": 2}, None),
        ({"part1": 3, "part2": 2}, None),
        ({"train": 3, "holdout": 2}, None),
        ({"test": 3, "val": 2}, None),
    ],
)
def test_metadata_on_several_levels_are_all_read(root, parts, splits):
    """None: split by hash, since names do not say it for every row, and a note says so."""
    for name, count in parts.items():
        part(root / name, count)
    corpus = load_corpus(root)
    assert len(corpus) == 5 and corpus.images(8).shape[0] == 5
    if splits:
        assert corpus.table["split"].value_counts().to_dict() == splits
        assert not any("hash." in note for note in corpus.notes)
    else:
        assert "Nothing names a split, so 70 % are for training" in corpus.notes[-1]
        spoken = {name for name in parts if name.startswith(("t", "v"))}
        assert len(corpus.notes) == (2 if spoken else 1)


def test_images_that_no_metadata_name_are_counted(root):
    part(root / "train", 3)
    part(root / "test", 2, metadata=False)
    (root / "extra.parquet").write_bytes(b"not looked at")
    notes = load_corpus(root).notes
    assert "2 of 5 images below set stand in no metadata and are not read, such as test/0.png." in notes
    assert "1 parquet files below set are not read, such as extra.parquet." in notes
    path = root / "train" / "metadata.jsonl"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    assert any(note.startswith("4 of 5 images") for note in load_corpus(root).notes)


@pytest.mark.parametrize("name", ["0.heic", "0.JFIF", "0.heif", "0.jxl"])
def test_images_of_rarer_kinds_are_counted_too(root, name):
    part(root, 3)
    (root / "more").mkdir()
    (root / "more" / name).write_bytes(b"not looked at")
    assert (
        f"1 of 4 images below set stand in no metadata and are not read, such as more/{name}."
        in load_corpus(root).notes
    )


@pytest.mark.parametrize("name", ["00001.tar.gz", "photos.zip", "more/00001.tgz"])
def test_packed_files_are_counted_or_named_in_the_refusal(root, name):
    (root / "more").mkdir(parents=True)
    (root / name).write_bytes(b"not looked at")
    with pytest.raises(InputError, match=rf"\(1 packed files lie there, such as {name}; unpack them\)"):
        load_corpus(root)
    part(root / "train", 3)
    assert f"1 packed files below set are not read, such as {name}." in load_corpus(root).notes


def test_an_image_with_several_captions_is_refused_with_the_remedy(root):
    part(root, 1, metadata=False)
    (root / "metadata.csv").write_text("file_name,text\n0.png,a dog\n0.png,a brown dog\n")
    with pytest.raises(InputError, match=r"\); keep one row, and so one caption, for each image\.$"):
        load_corpus(root)


def test_an_image_that_two_metadata_name_is_refused(root):
    part(root / "train", 2)
    (root / "metadata.jsonl").write_text(json.dumps({"file_name": "train/0.png", "text": "again"}) + "\n")
    with pytest.raises(
        ValueError,
        match=r"train/metadata.jsonl, row 1 \(0.png\): the image .* was there before \(metadata.jsonl, row 1",
    ):
        load_corpus(root)


def test_class_names_set_no_split(root):
    rows = []
    for kind in ("bus", "tram", "train", "test strips", "dev boards"):
        part(root / "images" / kind, 20, metadata=False)
        rows += [{"file_name": f"images/{kind}/{i}.png", "text": f"{kind} number {i}"} for i in range(20)]
    (root / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    corpus = load_corpus(root)
    assert corpus.table["split"].value_counts().to_dict() == {"train": 70, "test": 20, "validation": 10}
    assert "(train) for 20 of 100 rows; a split is taken from names only if every row has one" in corpus.notes[0]


def test_parquet_files_named_for_their_content_set_no_split(root):
    root.mkdir()
    for name in ("bus", "train", "tram"):
        pq.write_table(
            pa.table({"image": [png(1)] * 10, "text": [f"{name} {i}" for i in range(10)]}), root / f"{name}.parquet"
        )
    corpus = load_corpus(root)
    assert corpus.table["split"].value_counts().to_dict() == {"train": 21, "test": 6, "validation": 3}
    assert len(corpus.notes) == 2
    assert set(load_corpus(root / "train.parquet").table["split"]) == {"train"}


def test_folders_that_all_images_share_are_looked_behind():
    assert splits_of_folders([("a", "b", "train"), ("a", "b", "val", "x")]) == ["train", "validation"]
    assert splits_of_folders([("train", "cat"), ("train", "dog")]) == ["train", "train"]
    assert splits_of_folders([("train", "cat"), ()]) == ["train", None]
    assert splits_of_folders([]) == []
    assert trusted(["train", "test"]) == (True, None) and trusted([None, None]) == (False, None)
    assert not trusted(["validation", "test"])[0] and trusted(["test", "test"])[0]


@pytest.mark.parametrize(
    "name", ["pipe:touch pwned #", "w:2", "run-10:30", "C# set", "a?b", "%41", "-n", "~x", "é*[1]", "file:x"]
)
@pytest.mark.parametrize("kind", ["folder", "parquet", "tar"])
def test_any_name_of_a_folder_works(tmp_path, monkeypatch, name, kind):
    import tarfile

    monkeypatch.chdir(tmp_path)
    root = tmp_path / name
    root.mkdir()
    if kind == "folder":
        part(root, 2)
    elif kind == "parquet":
        pq.write_table(pa.table({"image": [png(0), png(1)], "text": ["a", "b"]}), root / f"{name}.parquet")
    else:
        with tarfile.open(root / "0.tar", "w") as shard:
            for i in range(2):
                for suffix, data in (("png", png(i)), ("txt", b"a caption")):
                    member = tarfile.TarInfo(f"{i}.{suffix}")
                    member.size = len(data)
                    shard.addfile(member, io.BytesIO(data))
    for source in (name, root):
        assert load_corpus(source).images(8)[:, 0, 0, 0].tolist() == [0, 1]
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_backslashes_and_accents_in_another_form_are_understood(root):
    name = "caf\u00e9/\u00fcber.png"
    stored = root / unicodedata.normalize("NFD", name)
    stored.parent.mkdir(parents=True)
    stored.write_bytes(png(7))
    (root / "metadata.jsonl").write_text(json.dumps({"file_name": name.replace("/", "\\"), "text": "a"}) + "\n")
    corpus = load_corpus(root)
    assert corpus.table["id"].tolist() == [name] and corpus.images(8)[0, 0, 0, 0] == 7
    (root / "metadata.jsonl").write_text(json.dumps({"file_name": "..\\x.png", "text": "a"}) + "\n")
    with pytest.raises(ValueError, match="row 1: file_name .* must be a relative path"):
        load_corpus(root)


def test_the_row_without_an_id_is_blamed(root):
    part(root, 3)
    rows = [{"file_name": f"{i}.png", "text": "a", "id": i, "n": i} for i in range(3)]
    del rows[1]["id"], rows[2]["n"]
    (root / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(ValueError, match=r"metadata.jsonl, row 2 \(1.png\): the id is missing"):
        load_corpus(root)
    rows[1]["id"] = 1
    (root / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert load_corpus(root).table["n"].tolist()[:2] == [0, 1] and load_corpus(root).table["id"].tolist() == [
        "0",
        "1",
        "2",
    ]


def test_a_list_of_captions_is_refused_with_the_remedy(root):
    part(root, 1)
    (root / "metadata.jsonl").write_text(json.dumps({"file_name": "0.png", "text": ["a", "b"]}) + "\n")
    with pytest.raises(
        ValueError, match=r"row 1 \(0.png\): text is empty or no text \(a list of 2; keep one caption in a row\)"
    ):
        load_corpus(root)
