"""Shards in the layout of img2dataset: read from their texts or from the sidecar, images by their place in the tar."""

from __future__ import annotations

import io
import json
import os
import pickle
import tarfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from stablerep.corpus import load_corpus, summarize, tars


def png(level: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (12, 12), (level, level, level)).save(file, "PNG")
    return file.getvalue()


def write_tar(path, members: dict[str, bytes], mode: str = "w"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as shard:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            shard.addfile(member, io.BytesIO(data))
    return path


def write_shard(root, number: int, count: int, *, sidecar=False, failed=0, stats=False, texts=True):
    members, rows = {}, []
    for i in range(count):
        key = f"{number:05d}{i:04d}"
        row = {"key": key, "caption": f"caption {number} {i}", "url": f"https://x/{i}", "status": "success", "width": i}
        members[f"{key}.png"] = png(50 * number + i)
        if texts:
            members[f"{key}.txt"] = row["caption"].encode()
            members[f"{key}.json"] = json.dumps({**row, "exif": {}, "caption": "of json"}).encode()
        rows.append(row)
    lost = {"caption": "lost", "url": "x", "status": "failed_to_download", "width": None}
    rows = [{"key": f"{number:05d}9{i}", **lost} for i in range(failed)] + rows
    path = write_tar(root / f"{number:05d}.tar", members)
    if sidecar:
        pq.write_table(pa.Table.from_pylist(rows), path.with_suffix(".parquet"))
    if stats:
        path.with_name(f"{number:05d}_stats.json").write_text(json.dumps({"count": count + failed, "successes": count}))


@pytest.mark.parametrize("sidecar", [False, True])
def test_shards(tmp_path, sidecar):
    root = tmp_path / "set"
    for number, count in enumerate([3, 4]):
        write_shard(root, number, count, sidecar=sidecar, failed=2 if sidecar else 0)
    corpus = load_corpus(root)
    assert len(corpus) == 7 and corpus.name == "set" and corpus.cluster == "caption"
    assert corpus.table["id"].tolist()[2:4] == ["00000/000000002", "00001/000010000"]
    assert corpus.table["caption"].tolist()[3] == "caption 1 0"
    assert {"key", "url", "width"} <= set(corpus.table) and "exif" not in corpus.table
    order = [6, 0, 3, 3]
    assert corpus.draw(corpus.table.iloc[order], 8)[:, 0, 0, 0].tolist() == [53, 0, 50, 50]
    assert pickle.loads(pickle.dumps(corpus)).images(8)[:, 0, 0, 0].tolist() == [0, 1, 2, 50, 51, 52, 53]
    lost = "4 images that the files beside the shards list could not be fetched; no shard has them."
    assert (lost in corpus.notes) == sidecar


def test_with_a_sidecar_a_shard_is_looked_into_only_for_its_images(tmp_path, monkeypatch):
    write_shard(tmp_path, 0, 3, sidecar=True)
    write_shard(tmp_path, 1, 3, sidecar=True)
    looked = []
    monkeypatch.setattr(tars, "_scanned", lambda part, scan=tars._scanned: looked.append(part.name) or scan(part))
    corpus = load_corpus(tmp_path)
    assert looked == []
    corpus.where(corpus.table["id"].str.startswith("00001")).images(8)
    assert looked == ["00001.tar"]


def test_splits_labels_and_single_files(tmp_path):
    for name in ("train-000", "val-000"):
        members = {
            f"{k}.{kind}": data for k in range(3) for kind, data in (("jpg", png(k)), ("cls", str(k % 2).encode()))
        }
        write_tar(tmp_path / "set" / f"{name}.tar", members)
    corpus = load_corpus(tmp_path / "set")
    assert corpus.table["split"].tolist() == ["train"] * 3 + ["validation"] * 3
    assert corpus.labels == ("label",) and corpus.table["label"].tolist() == [0, 1, 0] * 2
    assert len(load_corpus(tmp_path / "set" / "val-000.tar")) == 3


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"a.jpg": b"", "b.txt": b"x"}, "key b: the shard has a text of this key and no image"),
        ({"a.jpg": b"", "a.png": b"", "a.txt": b"x"}, "key a: the shard has two images of this key"),
        ({"a.jpg": b"", "a.txt": b"x\n\xff"}, "key a.txt, line 2: byte 0xff is not UTF-8; save the file as UTF-8"),
        ({"a.jpg": b"", "a.txt": "x".encode("utf-16")}, "key a.txt, line 1: the file is in UTF-16; save it as UTF-8"),
        ({"a.jpg": b"", "a.json": b"{"}, "key a: .json cannot be read"),
        ({"a.jpg": b"", "a.json": b"[]"}, "key a: .json holds no object"),
        ({"a.npy": b""}, "has no images; a shard holds KEY.jpg"),
        ({"a.jpg": b"", "a.txt": b" "}, "key a: caption is empty"),
        ({"a.jpg": b"", "b.jpg": b"", "a.txt": b"x"}, "key b: caption is empty"),
        ({"a.jpg": b"", "b.heic": b"", "a.txt": b"x"}, "key b: caption is empty"),
    ],
)
def test_what_is_wrong_in_a_shard_is_named(tmp_path, members, message):
    write_tar(tmp_path / "0.tar", members)
    with pytest.raises(ValueError, match=f"^0.tar.*{message}"):
        load_corpus(tmp_path)


@pytest.mark.parametrize("more", [{}, {"b.jpg": b"", "b.txt": b"one alone"}])
def test_captions_in_a_list_are_refused_with_the_remedy(tmp_path, more):
    write_tar(tmp_path / "0.tar", {"a.jpg": b"", "a.json": b'{"caption": ["x", "y"]}', **more})
    said = "^column 'caption' of 0.tar holds nested; a caption column holds text, one caption in each row"
    with pytest.raises(ValueError, match=said):
        load_corpus(tmp_path)


def test_captions_in_a_list_do_no_harm_where_another_file_has_them(tmp_path):
    write_tar(
        tmp_path / "0.tar", {"a.png": png(1), "a.txt": b"\xef\xbb\xbfx\r\n", "a.json": b'{"caption": ["y", "z"]}'}
    )
    assert load_corpus(tmp_path).table["caption"].tolist() == ["x"]
    write_tar(tmp_path / "1.tar", {"a.png": png(1), "a.json": b'{"caption": ["y", "z"]}'})
    assert len(load_corpus(tmp_path / "1.tar", captions=False)) == 1


def test_a_shard_that_was_written_anew_is_read_anew(tmp_path):
    for number, caption in enumerate(("before", "after")):
        path = write_tar(tmp_path / "0.tar", {"a.png": png(number), "a.txt": caption.encode()})
        os.utime(path, ns=(number, number))
        corpus = load_corpus(tmp_path)
        assert corpus.table["caption"].tolist() == [caption] and corpus.images(8)[0, 0, 0, 0] == number


def test_damaged_shards_and_images(tmp_path):
    write_tar(tmp_path / "z" / "0.tar", {"a.jpg": b"", "a.txt": b"x"}, "w:gz")
    with pytest.raises(ValueError, match="^0.tar cannot be read as an uncompressed tar"):
        load_corpus(tmp_path / "z")
    write_tar(tmp_path / "d" / "0.tar", {"a.jpg": b"no image", "a.txt": b"x"})
    with pytest.raises(ValueError, match=r"^0.tar, key a: the image cannot be read \(it is no image file\)"):
        load_corpus(tmp_path / "d").images(8)
    write_shard(tmp_path / "s", 0, 2, sidecar=True)
    write_tar(tmp_path / "s" / "00000.tar", {"000000001.png": png(1)})
    corpus = load_corpus(tmp_path / "s")
    with pytest.raises(ValueError, match=r"^00000.tar, key 000000000: the image cannot be read \(it has no bytes\)"):
        corpus.images(8)
    (tmp_path / "s" / "00000.tar").unlink()
    with pytest.raises(ValueError, match="^00000.tar cannot be read"):
        corpus.images(8)


def test_fingerprint_follows_shards_and_sidecars(tmp_path):
    write_shard(tmp_path / "a", 0, 2, sidecar=True)
    write_shard(tmp_path / "b", 0, 2, sidecar=True)
    first = load_corpus(tmp_path / "a").fingerprint
    assert load_corpus(tmp_path / "b").fingerprint == first
    table = pq.read_table(tmp_path / "b" / "00000.parquet")
    captions = pa.array(["other", "captions"])
    pq.write_table(
        table.set_column(table.schema.get_field_index("caption"), "caption", captions), tmp_path / "b" / "00000.parquet"
    )
    assert load_corpus(tmp_path / "b").fingerprint != first
    write_shard(tmp_path / "a", 0, 3, sidecar=True)
    assert load_corpus(tmp_path / "a").fingerprint != first


@pytest.mark.parametrize(("sidecar", "stats"), [(True, True), (True, False), (False, False), (False, True)])
def test_summary_counts_without_reading_images(tmp_path, sidecar, stats):
    write_shard(tmp_path, 0, 5, sidecar=sidecar, stats=stats, failed=2)
    write_shard(tmp_path, 1, 5, sidecar=sidecar, stats=stats)
    summary, corpus = summarize(tmp_path), load_corpus(tmp_path)
    assert summary.images == 10 == len(corpus) and summary.fingerprint == corpus.fingerprint
    assert (summary.captions, summary.train, summary.exact_train) == (10, 7, False)


def test_headers_are_read_only_where_nothing_else_counts(tmp_path, monkeypatch):
    write_shard(tmp_path, 0, 5, sidecar=True, stats=True)
    monkeypatch.setattr(tars, "_scanned", lambda part: pytest.fail("looked into the shard"))
    assert summarize(tmp_path).images == 5
    (tmp_path / "00000_stats.json").write_text("{")
    assert summarize(tmp_path).images == 5
