"""Reading a set: in order, shuffled by seed, one shard at a time, and by webdataset itself."""

from __future__ import annotations

import inspect
import io
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import webdataset
from PIL import Image

from stablerep.errors import InputError
from stablerep.generator import Sampling
from stablerep.synthesis import ShardBatches, SyntheticSet, synthesize
from stablerep.synthesis.reading import shard_problem


def order(made: SyntheticSet, **options) -> list[str]:
    return [caption for caption, _, _ in made.samples(**options)]


def test_samples_come_in_the_order_of_the_plan(whole, stub):
    found = list(whole.samples())
    assert [caption for caption, _, _ in found] == list(stub.CAPTIONS)
    assert [number for _, number, _ in found] == list(range(11))
    for caption, _, pixels in found:
        assert pixels.dtype == np.uint8 and pixels.shape == (3, 3, 8, 8)
        names = [(7, caption, i) for i in range(3)]
        images, _ = stub.StubGenerator().sample([caption] * 3, names, Sampling())
        assert np.array_equal(pixels, images)


def test_memory_and_stream_agree(whole):
    made = whole.in_memory()
    assert made.images.dtype == torch.uint8 and made.images.shape == (33, 3, 8, 8)
    assert made.caption_ids.tolist() == [c for c in range(11) for _ in range(3)]
    assert made.fingerprint == whole.fingerprint
    for number, (caption, _, pixels) in enumerate(whole.samples()):
        assert made.captions[number] == caption
        assert np.array_equal(made.images[made.caption_ids == number], pixels)


def test_shuffle_is_seeded_and_loses_nothing(whole, stub):
    first = order(whole, shuffle=4, seed=1)
    assert sorted(first) == sorted(stub.CAPTIONS)
    assert order(whole, shuffle=4, seed=1) == first
    assert first != list(stub.CAPTIONS)
    assert len({tuple(order(whole, shuffle=4, seed=seed)) for seed in range(5)}) > 1


def test_shuffle_visits_shards_in_other_orders(whole, stub):
    """With a buffer of one caption, only the order of shards is left."""
    shard = {caption: c // 4 for c, caption in enumerate(stub.CAPTIONS)}
    visited = {tuple(dict.fromkeys(shard[c] for c in order(whole, shuffle=1, seed=seed))) for seed in range(12)}
    assert all(sorted(v) == [0, 1, 2] for v in visited) and len(visited) > 1


@pytest.mark.skipif(sys.platform != "linux", reason="open files are listed in /proc")
def test_shards_are_opened_one_at_a_time(whole):
    def opened() -> list[str]:
        names = []
        for entry in os.listdir("/proc/self/fd"):
            try:
                names.append(os.path.basename(os.readlink(f"/proc/self/fd/{entry}")))
            except OSError:
                continue  # the listing's own descriptor is closed by now
        return [name for name in names if name.startswith("shard-") and name.endswith(".tar")]

    stream = whole.samples()
    assert inspect.isgenerator(stream) and opened() == []  # nothing is read before it is asked for
    seen = set()
    for _ in stream:
        assert len(opened()) <= 1
        seen |= set(opened())
    assert seen == {f"shard-{i:06d}.tar" for i in range(3)}
    assert opened() == []


def test_reading_starts_before_later_shards_are_looked_at(whole, stub, tmp_path):
    folder = tmp_path / "set"
    shutil.copytree(whole.folder, folder)
    (folder / "shard-000002.tar").write_bytes(b"no archive")
    stream = SyntheticSet(folder).samples()
    assert [next(stream)[0] for _ in range(4)] == list(stub.CAPTIONS[:4])
    with pytest.raises(Exception, match="shard-000002|tar|header|archive"):
        list(stream)


def test_every_process_of_a_distributed_job_reads_the_whole_set(monkeypatch, whole, stub):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert order(whole) == list(stub.CAPTIONS)


def test_webdataset_reads_the_shards(whole, stub):
    """Any program that knows webdataset can read a set."""
    shards = sorted(str(shard) for shard in whole.folder.glob("shard-*.tar"))
    samples = list(webdataset.WebDataset(shards, shardshuffle=False))
    assert [json.loads(sample["json"])["caption"] for sample in samples] == list(stub.CAPTIONS)
    for sample in samples:
        assert {"__key__", "0.png", "1.png", "2.png", "json"} <= set(sample)
        assert Image.open(io.BytesIO(sample["0.png"])).size == (8, 8)


@pytest.mark.parametrize("buffer", [1, 4, 100])
def test_the_order_is_that_of_webdatasets_own_reader(whole, buffer):
    import random

    shards = sorted(str(shard) for shard in whole.folder.glob("shard-*.tar"))
    random.Random(5).shuffle(shards)
    reader = webdataset.WebDataset(shards, shardshuffle=False).shuffle(buffer, seed=5)
    assert order(whole, shuffle=buffer, seed=5) == [json.loads(sample["json"])["caption"] for sample in reader]


ODD_NAMES = (
    "pipe:touch pwned #",
    "w:2",
    "run-10:30",
    "C# set",
    "a?b",
    "~set",
    "50%",
    "{1..3}",
    "[a]*",
    "gs:x",
    "file:",
    "naïve set",
)


@pytest.mark.skipif(sys.platform == "win32", reason="such names cannot exist there")
@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("absolute", [True, False])
def test_a_folder_of_any_name_is_made_and_read(whole, stub, digests, tmp_path, monkeypatch, name, absolute):
    """A name is never an address: no command of it runs, nothing of it is cut."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / name if absolute else Path(name)
    made = synthesize(stub.PLAN, stub.StubGenerator(), folder, progress=False)
    assert digests(folder) == digests(whole.folder)
    assert torch.equal(made.in_memory().images, whole.in_memory().images)
    assert order(made, shuffle=4, seed=1) == order(whole, shuffle=4, seed=1)
    batches, known = (ShardBatches(s, captions=4, images_per_caption=2, seed=0) for s in (made, whole))
    assert torch.equal(batches.load(0)[0], known.load(0)[0])
    assert os.listdir(tmp_path) == [name]


def test_a_damaged_shard_is_named(whole, tmp_path):
    folder = Path(shutil.copytree(whole.folder, tmp_path / "set"))
    file = folder / "shard-000001.tar"
    file.write_bytes(file.read_bytes()[:3000])
    with pytest.raises(InputError, match=r"shard-000001.tar is damaged \(.*\); run synthesize again, which mends it"):
        list(SyntheticSet(folder).encoded())


@pytest.mark.parametrize("missing", ["plan.json", "set.json", "index.parquet"])
def test_unfinished_folder_is_named(whole, tmp_path, missing):
    folder = tmp_path / "set"
    shutil.copytree(whole.folder, folder)
    (folder / missing).unlink()
    with pytest.raises(ValueError, match=f"has no {missing}; it is not a finished synthetic set"):
        SyntheticSet(folder)


def test_shard_problem_says_why(whole, tmp_path):
    folder = tmp_path / "set"
    shutil.copytree(whole.folder, folder)
    assert shard_problem(folder, 0) is None
    assert shard_problem(folder, 3) == "missing"
    (folder / "shard-000000.json").write_text("[]")
    assert shard_problem(folder, 0) == "its description is damaged"
    (folder / "shard-000001.tar").write_bytes(b"other")
    assert shard_problem(folder, 1) == "its checksum differs"
