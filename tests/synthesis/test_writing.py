"""Making a set: the same bytes however often it was cut, whoever helped, and whatever was damaged."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from stablerep.generator import Sampling, load_generator
from stablerep.study.commands.main import app
from stablerep.synthesis import SynthesisPlan, SyntheticSet, synthesize, writing
from tests.conftest import TINY_CAPTIONS

STUB = Path(__file__).with_name("stub_generator.py")


class Cut(Exception):
    """Stands for a kill: nothing of the synthesis catches it."""


def stop_at(number: int):
    def before(made: int) -> None:
        if made == number:
            raise Cut

    return before


def make(plan, generator, folder) -> SyntheticSet:
    return synthesize(plan, generator, folder, progress=False)


# What is written


def test_files_of_a_set(whole, stub):
    names = {f"shard-{i:06d}.{kind}" for i in range(3) for kind in ("tar", "json")}
    assert {file.name for file in whole.folder.iterdir() if not file.name.startswith(".")} == {
        "plan.json", "set.json", "index.parquet", *names,
    }  # fmt: skip
    assert not (whole.folder / ".batches").exists()
    assert whole.totals == {"captions": 11, "images": 33, "flagged": 0}


def test_each_batch_is_asked_for_as_planned(stub, tmp_path):
    generator = stub.StubGenerator()
    make(stub.PLAN, generator, tmp_path)
    assert len(generator.calls) == stub.BATCHES
    asked = [pair for captions, names, *_ in generator.calls for pair in zip(captions, names)]
    assert asked == [(c, (7, c, i)) for c in stub.CAPTIONS for i in range(3)]
    assert {call[2] for call in generator.calls} == {Sampling(2.0, 4, "dpm++")}


def test_shards_group_the_images_of_a_caption(whole, stub):
    """One sample per caption: its images in order, then its description; no times, no owners."""
    place = 0
    for shard in range(3):
        with tarfile.open(whole.folder / f"shard-{shard:06d}.tar") as tar:
            members = tar.getmembers()
            keys = list(dict.fromkeys(member.name.split(".")[0] for member in members))
            assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {(0, 0, 0, "", "", 0o644)}
            for key in keys:
                names = [member.name for member in members if member.name.startswith(f"{key}.")]
                assert names == [f"{key}.{i}.png" for i in range(3)] + [f"{key}.json"]
                about = json.loads(tar.extractfile(f"{key}.json").read())
                caption = stub.CAPTIONS[place]
                assert about == {
                    "caption": caption, "caption_id": place, "images": [0, 1, 2], "seed": 7, "flagged": 0,
                }  # fmt: skip
                assert int(key) == place
                images, _ = stub.StubGenerator().sample([caption] * 3, [(7, caption, i) for i in range(3)], Sampling())
                for i in range(3):
                    with Image.open(tar.extractfile(f"{key}.{i}.png")) as image:
                        assert np.array_equal(np.asarray(image).transpose(2, 0, 1), images[i])
                place += 1
    assert place == 11


def test_index_has_a_row_for_each_caption(whole, stub):
    index = whole.index()
    assert index["caption"].tolist() == list(stub.CAPTIONS)
    assert index["caption_id"].tolist() == list(range(11))
    assert index["shard"].tolist() == [f"shard-{c // 4:06d}.tar" for c in range(11)]
    assert index["key"].tolist() == [f"{c:09d}" for c in range(11)]
    assert set(index["images"]) == {3} and set(index["flagged"]) == {0}


def test_plan_is_recorded_without_paths(whole, stub):
    assert whole.plan["captions"] == 11 and whole.plan["plan"] == stub.PLAN.fingerprint
    assert whole.plan["generator"] == "stub" and whole.plan["precision"] == "float32"
    assert str(whole.folder) not in (whole.folder / "plan.json").read_text()
    assert whole.fingerprint == f"{stub.PLAN.fingerprint}-stub-float32"


@pytest.mark.parametrize(("images", "batch"), [(1, 64), (5, 2), (4, 4)])
def test_any_shape_of_plan_gives_the_same_images(stub, tmp_path, images, batch):
    plan = replace(stub.PLAN, images_per_caption=images, batch_size=batch)
    made = make(plan, stub.StubGenerator(), tmp_path).in_memory()
    assert len(made.images) == 11 * images
    expected, _ = stub.StubGenerator().sample([""] * images, [(7, "owl", i) for i in range(images)], Sampling())
    assert np.array_equal(made.images[made.caption_ids == 4], expected)


def test_progress_is_one_bar_of_all_images(stub, tmp_path, capsys):
    synthesize(stub.PLAN, stub.StubGenerator(), tmp_path, progress=True)
    shown = capsys.readouterr().err
    assert "33/33" in shown and "img/s" in shown


def test_captions_that_are_cut_are_said_once(stub, tmp_path, capsys):
    with pytest.raises(Cut):
        synthesize(stub.PLAN, stub.StubGenerator(reads=7, before=stop_at(1)), tmp_path)
    said = "4 of 11 captions are longer than 7 tokens; their ends are not read."
    assert capsys.readouterr().err.count(said) == 1
    synthesize(stub.PLAN, stub.StubGenerator(reads=7), tmp_path)
    assert "tokens" not in capsys.readouterr().err


def test_captions_by_name_are_read_shard_by_shard(stub, whole, tmp_path):
    plan = replace(stub.PLAN, captions=list(stub.CAPTIONS), captions_name="those of the stub")
    made = make(plan, stub.StubGenerator(), tmp_path)
    assert np.array_equal(made.in_memory().images, whole.in_memory().images)
    assert made.plan["plan"] == plan.fingerprint != stub.PLAN.fingerprint
    with pytest.raises(ValueError, match="holds a set made with other captions"):
        make(replace(plan, captions_name="others"), stub.StubGenerator(), tmp_path)


# The claim


def test_a_folder_is_claimed_by_the_first_finished_batch(stub, whole, digests, tmp_path):
    with pytest.raises(Cut):
        make(stub.PLAN, stub.StubGenerator(fingerprint="wrong", before=stop_at(0)), tmp_path)
    assert not [file for file in tmp_path.iterdir() if not file.name.endswith(".lock")]
    make(stub.PLAN, stub.StubGenerator(), tmp_path)
    assert digests(tmp_path) == digests(whole.folder)


def test_of_two_plans_at_once_the_second_is_refused_and_writes_nothing(stub, whole, digests, tmp_path):
    """Both start in an empty folder; the first finishes a batch while the second draws its own."""

    def meanwhile(made: int) -> None:
        if made == 0:
            with pytest.raises(Cut):
                make(stub.PLAN, stub.StubGenerator(before=stop_at(1)), tmp_path)

    second = stub.StubGenerator(before=meanwhile)
    with pytest.raises(ValueError, match="holds a set made with seed 7 instead of 8"):
        make(replace(stub.PLAN, seed=8), second, tmp_path)
    make(stub.PLAN, stub.StubGenerator(), tmp_path)
    assert digests(tmp_path) == digests(whole.folder)


# Cut and resumed


@pytest.mark.parametrize("made", range(6))
def test_resumed_set_is_byte_identical(stub, whole, digests, tmp_path, made):
    with pytest.raises(Cut):
        make(stub.PLAN, stub.StubGenerator(before=stop_at(made)), tmp_path)
    with pytest.raises(ValueError, match="not a finished synthetic set"):
        SyntheticSet(tmp_path)
    again = stub.StubGenerator()
    make(stub.PLAN, again, tmp_path)
    assert len(again.calls) == stub.BATCHES - made  # no finished batch is made twice
    assert digests(tmp_path) == digests(whole.folder)
    assert not (tmp_path / ".batches").exists()


def test_set_cut_again_and_again_is_byte_identical(stub, whole, digests, tmp_path):
    """One batch at a time is enough."""
    for _ in range(stub.BATCHES - 1):
        with pytest.raises(Cut):
            make(stub.PLAN, stub.StubGenerator(before=stop_at(1)), tmp_path)
    make(stub.PLAN, stub.StubGenerator(before=stop_at(1)), tmp_path)
    assert digests(tmp_path) == digests(whole.folder)


@pytest.mark.parametrize("place", ["_write_tar", "_write_index"])
def test_cut_while_writing_leaves_nothing_half_done(monkeypatch, stub, whole, digests, tmp_path, place):
    write = getattr(writing, place)

    def cut(*arguments):
        if place == "_write_tar":
            arguments[-1].write_bytes(b"half a shard")
        raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(writing, place, cut)
        with pytest.raises(Cut):
            make(stub.PLAN, stub.StubGenerator(), tmp_path)
    assert getattr(writing, place) is write
    assert not list(tmp_path.glob("*.part")) and not list(tmp_path.glob(".*.part"))
    again = stub.StubGenerator()
    make(stub.PLAN, again, tmp_path)
    assert len(again.calls) == (4 if place == "_write_tar" else 0)
    assert digests(tmp_path) == digests(whole.folder)


def test_damaged_kept_batch_is_made_again(stub, whole, digests, tmp_path):
    with pytest.raises(Cut):
        make(stub.PLAN, stub.StubGenerator(before=stop_at(1)), tmp_path)
    (kept,) = (tmp_path / ".batches").glob("*.npz")
    kept.write_bytes(kept.read_bytes()[:-40])
    again = stub.StubGenerator()
    make(stub.PLAN, again, tmp_path)
    assert len(again.calls) == stub.BATCHES
    assert digests(tmp_path) == digests(whole.folder)


def test_finished_set_asks_for_nothing(stub, whole, digests):
    before = digests(whole.folder)
    made = make(stub.PLAN, stub.StubGenerator(before=stop_at(0)), whole.folder)
    assert made == whole and digests(whole.folder) == before


# Processes


class Worker:
    """The stub as a process, started and waiting for its mark."""

    def __init__(self, folder: Path, *options: str) -> None:
        command = [sys.executable, str(STUB), str(folder), *options]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=STUB.parents[2]
        )
        assert self.process.stdout.readline() == "ready\n"

    def go(self) -> None:
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        assert self.process.wait() == -signal.SIGKILL

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.communicate()


def test_killed_process_is_resumed_byte_for_byte(stub, whole, digests, tmp_path):
    with Worker(tmp_path, "--stop-after", "3") as worker:
        worker.go()
        assert worker.answer() == "stopped"
        worker.kill()
    assert (tmp_path / "shard-000000.json").exists()  # the first shard was whole, of the second one batch
    again = stub.StubGenerator()
    make(stub.PLAN, again, tmp_path)
    assert len(again.calls) == stub.BATCHES - 3
    assert digests(tmp_path) == digests(whole.folder)


def test_shard_of_a_killed_helper_is_taken_over(stub, whole, digests, tmp_path):
    """A process stops in the first shard. Another makes the others, waits, and finishes the first when its holder is killed."""
    ours = stub.StubGenerator()
    with Worker(tmp_path, "--stop-after", "1") as worker:
        worker.go()
        assert worker.answer() == "stopped"
        thread = threading.Thread(target=make, args=(stub.PLAN, ours, tmp_path), daemon=True)
        thread.start()
        limit = time.monotonic() + 300
        while not (tmp_path / "shard-000002.json").exists() and time.monotonic() < limit:
            time.sleep(0.02)
        assert thread.is_alive() and not (tmp_path / "shard-000000.tar").exists()
        assert len(ours.calls) == 4
        worker.kill()
    thread.join(300)
    assert not thread.is_alive()
    assert len(ours.calls) == 5  # the batch that the killed process had finished is kept
    assert digests(tmp_path) == digests(whole.folder)


def test_two_processes_make_one_set(stub, whole, digests, tmp_path):
    ours = stub.StubGenerator(before=lambda made: time.sleep(0.05))
    with Worker(tmp_path) as worker:
        worker.go()
        make(stub.PLAN, ours, tmp_path)
        made = int(worker.answer())
        assert worker.process.wait() == 0
    assert made + len(ours.calls) == stub.BATCHES
    assert digests(tmp_path) == digests(whole.folder)


# Damage


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


DAMAGE = {
    "altered": lambda folder: flip(folder / "shard-000001.tar"),
    "truncated": lambda folder: os.truncate(folder / "shard-000001.tar", 1000),
    "empty": lambda folder: (folder / "shard-000001.tar").write_bytes(b""),
    "gone": lambda folder: (folder / "shard-000001.tar").unlink(),
    "description gone": lambda folder: (folder / "shard-000001.json").unlink(),
    "description cut": lambda folder: os.truncate(folder / "shard-000001.json", 5),
    "description of another": lambda folder: shutil.copy(folder / "shard-000000.json", folder / "shard-000001.json"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_shard_is_made_again(stub, whole, digests, tmp_path, damage):
    folder = tmp_path / "set"
    shutil.copytree(whole.folder, folder)
    DAMAGE[damage](folder)
    again = stub.StubGenerator()
    make(stub.PLAN, again, folder)
    assert [call[0][0] for call in again.calls] == ["owl", "house"]  # the two batches of that shard, and no other
    assert digests(folder) == digests(whole.folder)


@pytest.mark.parametrize("name", ["index.parquet", "set.json"])
def test_missing_index_is_written_from_the_shards(stub, whole, digests, tmp_path, name):
    folder = tmp_path / "set"
    shutil.copytree(whole.folder, folder)
    (folder / name).unlink()
    make(stub.PLAN, stub.StubGenerator(before=stop_at(0)), folder)
    assert digests(folder) == digests(whole.folder)


# Another plan


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 8}, "seed 7 instead of 8"),
        ({"sampling": Sampling(4, 4)}, "guidance_scale 2.0 instead of 4.0"),
        ({"sampling": Sampling(2, 4, guidance_interval=(0.3, 5))}, r"guidance_interval none instead of \[0.3, 5.0\]"),
        ({"images_per_caption": 2}, "images_per_caption 3 instead of 2"),
        ({"captions": ("red heart",)}, "captions 11 instead of 1"),
        ({"batch_size": 12}, "batch_size 6 instead of 12"),
    ],
)
def test_another_plan_is_refused(stub, whole, digests, change, said):
    before = digests(whole.folder)
    with pytest.raises(ValueError, match=f"{said}; choose another folder or remove it") as error:
        make(replace(stub.PLAN, **change), stub.StubGenerator(before=stop_at(0)), whole.folder)
    assert "\n" not in str(error.value)
    assert digests(whole.folder) == before


def test_other_captions_are_refused(stub, whole):
    with pytest.raises(ValueError, match="holds a set made with other captions"):
        make(replace(stub.PLAN, captions=stub.CAPTIONS[::-1]), stub.StubGenerator(before=stop_at(0)), whole.folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fingerprint": "other"}, "generator stub instead of other"),
        ({"precision": "float16"}, "precision float32 instead of float16"),
    ],
)
def test_another_generator_is_refused(stub, whole, change, said):
    with pytest.raises(ValueError, match=said):
        make(stub.PLAN, stub.StubGenerator(before=stop_at(0), **change), whole.folder)


# Flagged images


def test_flagged_images_are_left_out_and_counted(stub, whole, tmp_path):
    def unsafe(name):
        return name[1] == "pizza" or (name[1], name[2]) == ("owl", 1)

    made = make(stub.PLAN, stub.StubGenerator(flagged=unsafe), tmp_path)
    assert made.totals == {"captions": 11, "images": 29, "flagged": 4}
    index = made.index().set_index("caption")
    assert index.loc["pizza", ["images", "flagged"]].tolist() == [0, 3]
    assert index.loc["owl", ["images", "flagged"]].tolist() == [2, 1]
    shards = [json.loads((tmp_path / f"shard-{i:06d}.json").read_text()) for i in range(3)]
    assert [(s["captions"], s["images"], s["flagged"]) for s in shards] == [(4, 9, 3), (4, 11, 1), (3, 9, 0)]
    with tarfile.open(tmp_path / "shard-000001.tar") as tar:
        about = json.loads(tar.extractfile("000000004.json").read())
        assert about["images"] == [0, 2] and about["flagged"] == 1
        assert "000000004.1.png" not in tar.getnames()
    # what is left is what an unflagged set holds, and the caption without images is gone
    kept, full = made.in_memory(), whole.in_memory()
    assert kept.captions == [c for c in stub.CAPTIONS if c != "pizza"]
    owl, whole_owl = (s.images[s.caption_ids == s.captions.index("owl")] for s in (kept, full))
    assert np.array_equal(owl, whole_owl[[0, 2]])
    assert [caption for caption, _, _ in made.samples()] == kept.captions


def test_flags_survive_a_cut(stub, digests, tmp_path):
    def unsafe(name):
        return name[2] == 0

    straight = make(stub.PLAN, stub.StubGenerator(flagged=unsafe), tmp_path / "straight")
    with pytest.raises(Cut):
        make(stub.PLAN, stub.StubGenerator(flagged=unsafe, before=stop_at(3)), tmp_path / "cut")
    make(stub.PLAN, stub.StubGenerator(flagged=unsafe), tmp_path / "cut")
    assert digests(tmp_path / "cut") == digests(straight.folder)
    assert straight.totals["flagged"] == 11


def test_set_of_flagged_images_alone_says_so(stub, tmp_path):
    made = make(stub.PLAN, stub.StubGenerator(flagged=lambda name: True), tmp_path)
    assert made.totals == {"captions": 11, "images": 0, "flagged": 33}
    assert list(made.samples()) == []
    with pytest.raises(ValueError, match="holds no image: the safety checker flagged all 33"):
        made.in_memory()


# The real pipeline


TINY = SynthesisPlan(
    ["red heart", "dog face", "pizza", "rose", "owl"], images_per_caption=2, sampling=Sampling(steps=3), batch_size=4, shard_captions=3
)  # fmt: skip


@pytest.fixture(scope="session")
def drawn(tiny_pipeline, tmp_path_factory) -> SyntheticSet:
    return make(TINY, load_generator(str(tiny_pipeline), device="cpu"), tmp_path_factory.mktemp("drawn"))


def test_another_batch_size_gives_the_same_images_up_to_rounding(drawn, tiny_pipeline, tmp_path):
    generator = load_generator(str(tiny_pipeline), device="cpu")
    other = make(replace(TINY, batch_size=1), generator, tmp_path).in_memory()
    first = drawn.in_memory()
    assert first.captions == other.captions and np.array_equal(first.caption_ids, other.caption_ids)
    gap = (first.images.int() - other.images.int()).abs()
    assert (gap <= 1).float().mean() >= 0.999
    # a check that can fail: neighbouring images are nothing like that close
    assert ((first.images[1:].int() - first.images[:-1].int()).abs() <= 1).float().mean() < 0.8


def test_pipeline_resumed_in_a_fresh_process_state_is_byte_identical(drawn, digests, tiny_pipeline, tmp_path):
    """The second half is drawn by a pipeline opened anew, which had embedded other captions before."""
    generator = load_generator(str(tiny_pipeline), device="cpu")
    sample, calls = generator.sample, []

    def cutting(*arguments, **options):
        if len(calls) == 1:
            raise Cut
        calls.append(arguments)
        return sample(*arguments, **options)

    generator.sample = cutting
    with pytest.raises(Cut):
        make(TINY, generator, tmp_path)
    other = load_generator(str(tiny_pipeline), device="cpu")
    other.embed(["owl", "guitar", "house", "rose", "airplane", "kiwi fruit", "pizza"])
    make(TINY, other, tmp_path)
    assert digests(tmp_path) == digests(drawn.folder)


def test_index_reads_as_a_plain_table(drawn):
    assert pd.read_parquet(drawn.folder / "index.parquet")["images"].sum() == TINY.total


# The real command


COMMAND = ["-l", "2", "-w", "2", "--steps", "3", "--shard-captions", "4", "--batch-size", "2"]  # 4 shards of 4 batches


@pytest.fixture
def arguments(tiny_pipeline, tmp_path):
    """A function: what ``stablerep`` is given to make the set in a folder."""
    (tmp_path / "captions.txt").write_text("\n".join(TINY_CAPTIONS))
    options = [
        "--captions",
        str(tmp_path / "captions.txt"),
        "--generator",
        str(tiny_pipeline),
        "--precision",
        "float32",
    ]
    return lambda folder: ["synthesize", str(folder), *options, *COMMAND]


@pytest.fixture
def start(arguments):
    """A function that starts the command on a folder, one thread each; what still runs is ended after the test."""
    running = []

    def begin(folder: Path) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-m", "stablerep.study.commands", *arguments(folder)], stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, cwd=STUB.parents[2],
        )  # fmt: skip
        running.append(process)
        return process

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def holder(folder: Path, processes: list[subprocess.Popen]) -> tuple[subprocess.Popen, str] | None:
    """A process in the middle of a shard, and the shard: it holds the lock, and a batch is kept. Linux lists who holds a lock."""
    locks = {
        lock.stat().st_ino: lock.name.removeprefix(".").removesuffix(".lock") for lock in folder.glob(".shard-*.lock")
    }
    for line in Path("/proc/locks").read_text().splitlines():
        fields = line.split()
        if fields[1] != "FLOCK":
            continue
        owner, shard = int(fields[4]), locks.get(int(fields[5].split(":")[-1]))
        found = next((process for process in processes if process.pid == owner), None)
        if found and shard and list((folder / ".batches").glob(f"{shard}-*.npz")):
            return found, shard
    return None


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/locks").is_file(), reason="only Linux says who holds a lock")
def test_three_real_processes_of_which_one_is_killed_make_the_set_of_one(arguments, start, digests, tmp_path):
    folder = tmp_path / "shared"
    processes = [start(folder) for _ in range(3)]
    limit, killed, shard = time.monotonic() + 300, None, ""
    while killed is None:
        assert time.monotonic() < limit and any(process.poll() is None for process in processes)
        if found := holder(folder, processes):
            killed, shard = found
            killed.send_signal(signal.SIGSTOP)  # so that it cannot finish its shard before it is killed
            if holder(folder, [killed]) != (killed, shard) or (folder / f"{shard}.tar").exists():
                killed.send_signal(signal.SIGCONT)
                killed = None
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert not (folder / "set.json").exists()
    others = [process for process in processes if process is not killed]
    assert [process.wait(300) for process in others] == [0, 0]
    assert {process.stdout.read() for process in others} == {f"32 images of 16 captions: {folder}\n"}
    made = digests(folder)
    assert len([name for name in made if name.endswith(".tar")]) == 4 and f"{shard}.tar" in made
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:  # the set of one, by the same command in this process, which has its libraries already
        alone = CliRunner().invoke(app, arguments(tmp_path / "one"))
    finally:
        torch.set_num_threads(threads)
    assert alone.exit_code == 0, alone.output
    assert made == digests(tmp_path / "one")
