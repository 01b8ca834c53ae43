"""Images one after the other: of a folder, of parquet files, of a synthetic set and of drawings, from any row on."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from stablerep.audits.stored_images import DRAWN, StoredImages
from stablerep.corpus import load_corpus
from stablerep.errors import InputError
from stablerep.generator import Sampling
from stablerep.synthesis import SynthesisPlan, SyntheticSet, synthesize
from tests.study.stand_ins import StubGenerator, plain_corpus


def png(level: int, size: tuple[int, int] = (12, 10)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (level, level, level)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "photos"
    root.mkdir()
    for k in range(5):
        (root / f"{k}.png").write_bytes(png(40 * k, (12 + k, 10)))
    rows = "".join(f"{k}.png,caption {k % 2}\n" for k in range(5))
    (root / "metadata.csv").write_text(f"file_name,text\n{rows}")
    return root


@pytest.mark.parametrize("start", [0, 2, 5])
def test_a_folder_is_read_from_any_row_on(folder, start):
    images = StoredImages.of_corpus(load_corpus(folder))
    assert len(images) == 5 and images.captions == [f"caption {k % 2}" for k in range(5)]
    found = list(images.read(start))
    assert [one.row for one in found] == list(range(start, 5))
    assert [(one.width, one.height, one.side) for one in found] == [(12 + k, 10, 10) for k in range(start, 5)]
    assert all((one.at(8) == 40 * one.row).all() and one.at(8).shape == (3, 8, 8) for one in found)


def test_parquet_files_are_read_part_by_part(tmp_path):
    for part, levels in (("train-0", (1, 2, 3)), ("train-1", (4, 5))):
        table = pa.table({"image": [{"bytes": png(level), "path": None} for level in levels], "text": [f"level {level}" for level in levels]})  # fmt: skip
        pq.write_table(table, tmp_path / f"{part}.parquet", row_group_size=2)
    corpus = load_corpus(tmp_path)
    images = StoredImages.of_corpus(corpus)
    for start in range(6):
        assert [(one.row, int(one.at(8)[0, 0, 0])) for one in images.read(start)] == [(k, k + 1) for k in range(start, 5)]  # fmt: skip
    some = StoredImages.of_corpus(corpus.where([True, False, True, True, False]))
    assert [int(one.at(8)[0, 0, 0]) for one in some.read(1)] == [3, 4]


def test_a_synthetic_set_gives_the_images_of_its_shards(tmp_path):
    plan = SynthesisPlan(["red heart", "owl", "pizza"], images_per_caption=2, sampling=Sampling(1, steps=2), shard_captions=2)  # fmt: skip
    made = synthesize(plan, StubGenerator(), tmp_path / "set", progress=False)
    images, whole = StoredImages.of_set(made), made.in_memory()
    assert images.captions == ["red heart", "red heart", "owl", "owl", "pizza", "pizza"]
    assert len(set(images.ids)) == 6
    for start in (0, 3):
        found = list(images.read(start))
        assert [one.row for one in found] == list(range(start, 6))
        assert all(np.array_equal(one.at(32), whole.images[one.row].numpy()) for one in found)


def test_a_set_of_which_everything_was_flagged_is_refused(tmp_path):
    class Flagging(StubGenerator):
        def sample(self, captions, names, sampling):
            images, _ = super().sample(captions, names, sampling)
            return images, [True] * len(images)

    synthesize(SynthesisPlan(["owl"], images_per_caption=2), Flagging(), tmp_path / "set", progress=False)
    with pytest.raises(InputError, match="set holds no image: the safety checker flagged all 2"):
        StoredImages.of_set(SyntheticSet(tmp_path / "set"))


def test_drawings_are_drawn_at_one_size():
    images = StoredImages.of_corpus(plain_corpus(3))
    found = list(images.read(4))
    assert [one.row for one in found] == [4, 5, 6, 7, 8] and {one.side for one in found} == {DRAWN}
    assert all((one.at(16) == one.row).all() for one in found)


@pytest.mark.parametrize(
    ("data", "said"), [(b"no image", "it is no image file"), (png(9)[:40], "cannot be read"), (None, "does not exist any more")]
)  # fmt: skip
def test_an_image_that_cannot_be_read_is_named(folder, data, said):
    images = StoredImages.of_corpus(load_corpus(folder))
    (folder / "3.png").unlink() if data is None else (folder / "3.png").write_bytes(data)
    stream = images.read(2)
    next(stream)
    with pytest.raises(InputError, match=f"metadata.csv, row 4 .*{said}"):
        next(stream).at(8)
