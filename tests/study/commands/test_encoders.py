"""``stablerep pretrain`` and ``probe``: in one process and in two that torchrun starts, cut and continued."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from stablerep.camera import Camera
from stablerep.corpus import Corpus, load_corpus
from stablerep.encoders import EncoderRecipe
from stablerep.errors import InputError
from stablerep.generator import Sampling, load_generator
from stablerep.study.chapters import resolve
from stablerep.study.commands.encoders import ABOUT, open_images
from stablerep.study.commands.main import app
from stablerep.synthesis import SynthesisPlan, synthesize
from stablerep.training import PretrainingRecipe
from stablerep.transfer import transfer_scores
from stablerep.views import ViewRecipe
from tests.conftest import TINY_CAPTIONS

SMALL = (
    "--steps",
    "3",
    "--views-per-step",
    "16",
    "--positives",
    "2",
    "--encoder",
    "test_resnet",
    "--checkpoint-every",
    "1",
)


def call(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture(autouse=True)
def few(emoji, monkeypatch) -> Corpus:
    """The embedded corpus, of which only food and drink are there: to draw all of it would take longer than the rest of this file."""
    part = emoji.where(emoji.table["group"] == "food-drink")
    instead = lambda source, **options: part if source == "emoji" else load_corpus(source, **options)  # noqa: E731
    monkeypatch.setattr("stablerep.corpus.load_corpus", instead)
    return part


@pytest.fixture(scope="module")
def made(tiny_pipeline, tmp_path_factory) -> Path:
    """A synthetic set of sixteen captions with two images each."""
    folder = tmp_path_factory.mktemp("set")
    plan = SynthesisPlan(TINY_CAPTIONS, images_per_caption=2, sampling=Sampling(1, steps=2), shard_captions=8)
    synthesize(plan, load_generator(str(tiny_pipeline)), folder, progress=False)
    return folder


@pytest.fixture(scope="module")
def trained(made, tmp_path_factory) -> Path:
    """Folder of an encoder that learned from that set."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    result = call("pretrain", folder, "--images", made, *SMALL)
    assert result.exit_code == 0, result.stderr
    assert "48 views by 1 processes" in result.stdout and (folder / "encoder.safetensors").is_file()
    return folder


def test_a_set_is_learned_from_and_probed(made, trained, tmp_path):
    assert call("pretrain", trained, "--images", made, *SMALL).stdout == f"{trained} holds the finished encoder.\n"
    assert call("pretrain", trained, "--corpus", made, *SMALL).stdout == f"{trained} holds the finished encoder.\n"
    probed = call("probe", trained, "-s", "digits", "--limit", "60", "-o", tmp_path / "items.parquet")
    assert probed.exit_code == 0 and probed.stdout.startswith("digits ") and "% [" in probed.stdout
    assert set(pd.read_parquet(tmp_path / "items.parquet")["set"]) == {"digits"}


def test_without_a_set_it_is_the_held_out_emoji_that_are_asked_for(trained, tmp_path, monkeypatch):
    few = load_corpus("emoji", designs=["twemoji", "emojione"]).where("group == 'animals-nature'")
    monkeypatch.setattr("stablerep.corpus.load_corpus", lambda source: few)
    result = call("probe", trained, "-o", tmp_path / "items.parquet")
    assert result.exit_code == 0, result.output
    items = pd.read_parquet(tmp_path / "items.parquet")
    asked = few.split("test").table
    assert set(items["probe"]) == {
        "linear group",
        "linear subgroup",
        "knn subgroup",
        "one-shot concept",
        "few-shot concept",
    }
    assert set(items["cluster"]) <= set(asked["concept"])
    for probe, part in items.groupby("probe"):
        assert f"{probe:18s} {100 * part['correct'].mean():5.1f} % [" in result.stdout


@pytest.mark.parametrize("name", ["file:x", "http:x", "run-10:30", "a?b #"])
def test_a_folder_of_any_name_holds_an_encoder_and_its_items(made, tmp_path, monkeypatch, name):
    """A relative folder is never an address, for which pandas would take some of these."""
    monkeypatch.chdir(tmp_path)
    result = call("pretrain", name, "--images", made, *SMALL)
    assert result.exit_code == 0, result.output
    result = call("probe", name, "-s", "digits", "--limit", "20", "-o", f"{name}/items.parquet")
    assert result.exit_code == 0, result.output
    for table in ("log", "items"):
        assert len(pd.read_parquet(tmp_path / name / f"{table}.parquet"))


def test_a_score_of_few_items_has_no_interval(trained):
    """All of one item are right or wrong, which says next to nothing of others."""
    few, enough = (call("probe", trained, "-s", "digits", "--limit", str(count)).stdout for count in (29, 30))
    assert "% (too few for an interval) top-1, 29 items" in few and "[" not in few
    assert "% [" in enough and "top-1, 30 items" in enough


def test_a_folder_that_is_called_like_the_embedded_corpus(made, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(made, "emoji")
    assert open_images("./emoji", 16).fingerprint == open_images(str(made), 16).fingerprint
    assert capsys.readouterr().err == ""
    assert open_images("emoji", 16).fingerprint != open_images(str(made), 16).fingerprint
    assert "the synthetic set in the folder of this name is ./emoji." in capsys.readouterr().err


def test_a_set_with_several_labels_is_scored_by_what_is_kept(trained, tmp_path):
    command = ("probe", trained, "-s", "emoji keywords", "--limit", "200", "-o", tmp_path / "items.parquet")
    said = call(*command).stdout
    items = pd.read_parquet(tmp_path / "items.parquet").assign(truth=lambda table: table["truth"] == "True")
    (score,) = transfer_scores(items)["value"]
    assert 0 < score < 1 and f"{100 * score:5.1f} % [" in said and "11-point mAP" in said


def test_from_shards_and_in_memory(made):
    assert open_images(str(made), 32).fingerprint == open_images(str(made), 32, in_memory=True).fingerprint
    assert len(open_images(str(made), 32, in_memory=True).images) == 32


def test_emoji_in_one_or_in_all_designs(few):
    train = few.to_learn_from().table
    assert train["caption"].nunique() < len(train) < len(few.split("train"))
    assert len(open_images("emoji", 16).images) == train["caption"].nunique()
    assert len(open_images("emoji", 16, designs=True).images) == len(train)


def test_drawings_are_learned_from_as_scenes_and_synthetic_sets_where_it_is_asked_for(made):
    scenes, drawings = (open_images("emoji", 16, camera=camera) for camera in (None, 0))
    assert scenes.fingerprint != drawings.fingerprint and not torch.equal(scenes.images, drawings.images)
    assert torch.equal(scenes.images, drawings.through(Camera()).images)
    plain, seen = (open_images(str(made), 32, in_memory=True, camera=camera) for camera in (None, 0.5))
    assert torch.equal(seen.images, plain.through(Camera.of_strength(0.5)).images)
    with pytest.raises(InputError, match="camera is 0.5.*--in-memory"):
        open_images(str(made), 32, camera=0.5)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            ("--steps", "4"),
            "holds a pre-training with steps 3 instead of 4; continue that one, or name another folder.",
        ),
        (("--seed", "1"), "with seed 0 instead of 1"),
        (("--encoder", "test_vit"), "with encoder {"),
        (("--images", "emoji"), "with images "),
    ],
)
def test_a_folder_of_something_else_is_refused(made, trained, more, said):
    before = (trained / ABOUT).read_bytes()
    result = call("pretrain", trained, "--images", made, *SMALL, *more)
    assert result.exit_code == 2 and said in result.stderr and len(result.stderr.splitlines()) == 1
    assert (trained / ABOUT).read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--method", "simsiam"), "method is 'simsiam'; valid methods are"),
        (("--method", "supervised"), "method is 'supervised', which learns classes"),
        (("--views-per-step", "15"), "views_per_step is 15; it must be a multiple of 2."),
        (("--encoder", "no_such_model"), "no_such_model"),
        (("--encoder", "no_such_model", "--method", "clip"), "no_such_model"),
        (("--images", "no/such/folder"), "no/such/folder"),
        (("--views-per-step", "64"), "a batch takes 32 captions, the set has 16"),
    ],
)
def test_mistakes_are_one_sentence_and_leave_nothing(made, tmp_path, arguments, said):
    result = call("pretrain", tmp_path / "run", "--images", made, *SMALL, *arguments)
    assert result.exit_code == 2 and said in result.stderr and "Traceback" not in result.stderr
    assert not (tmp_path / "run").exists()


def test_the_defaults_are_those_of_the_laptops_comparison(monkeypatch, tmp_path):
    seen = []

    def instead(data, recipe, folder, **options):
        seen.append(recipe)
        return {"views": 1, "views_per_second": 1.0}

    monkeypatch.setattr("stablerep.training.pretrain", instead)
    assert call("pretrain", tmp_path / "run").exit_code == 0
    p = resolve("compare", {})
    assert seen == [PretrainingRecipe(
        steps=p.steps, views_per_step=p.views_per_step, images_per_caption=p.positives, learning_rate=p.learning_rate,
        encoder=EncoderRecipe(name=p.encoder, stem=p.stem), view=ViewRecipe(crop_min=p.crop_min),
    )]  # fmt: skip


def test_folders_that_hold_something_else(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    assert "holds something else; name a new folder." in call("pretrain", tmp_path, *SMALL).stderr
    assert "holds no pre-trained encoder" in call("probe", tmp_path).stderr


def test_a_corrected_command_takes_the_folder_of_a_refused_one(made, tmp_path):
    assert call("pretrain", tmp_path / "run", "--images", made, *SMALL, "--views-per-step", "64").exit_code == 2
    assert call("pretrain", tmp_path / "run", "--images", made, *SMALL).exit_code == 0


def torchrun(folder: Path, made: Path, steps: int, *more: str) -> subprocess.Popen:
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "stablerep.study.commands",
        "pretrain",
    ]
    small = [str(steps) if one == "3" else one for one in SMALL]
    # the environment of a user: nothing tells accelerate that the processes share a CPU
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ACCELERATE_")} | {
        "OMP_NUM_THREADS": "1"
    }
    command += [str(folder), "--images", str(made), *small, *more]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True)


@pytest.mark.slow
def test_two_processes_share_the_batch(made, tmp_path):
    """Nine captions cannot be shared by two: each process sees its part alone, and not all of the batch as two trainings would."""
    process = torchrun(tmp_path / "run", made, 3, "--views-per-step", "18")
    _, said = process.communicate(timeout=180)
    assert process.returncode != 0 and "a batch takes 9 captions; 2 processes cannot share them evenly." in said


@pytest.mark.slow
def test_two_processes_of_which_one_is_killed_end_as_two_that_were_not(made, tmp_path):
    """The command of a cluster, with gloo: killed after its first checkpoint and started again, the encoder is the same."""
    steps = 16
    process = torchrun(tmp_path / "whole", made, steps)
    assert process.wait(180) == 0, process.stderr.read()
    process = torchrun(tmp_path / "cut", made, steps)
    end = time.monotonic() + 120
    while not (tmp_path / "cut" / "checkpoint.pt").exists():
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.01)
    workers = [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    os.kill(workers[-1], signal.SIGKILL)
    assert process.wait(60) != 0
    assert not (tmp_path / "cut" / "encoder.safetensors").exists(), (
        "the run ended before it could be killed; give it more steps"
    )
    process = torchrun(tmp_path / "cut", made, steps)
    assert process.wait(180) == 0, process.stderr.read()
    first, second = (pd.read_parquet(tmp_path / name / "log.parquet") for name in ("whole", "cut"))
    assert len(first) == len(second) == steps
    assert first["loss"].tolist() == second["loss"].tolist() and first["loss"].nunique() == steps
    first, second = (load_file(tmp_path / name / "encoder.safetensors") for name in ("whole", "cut"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert json.loads((tmp_path / "cut" / ABOUT).read_text())["processes"] == 2
    alone = call(
        "pretrain", tmp_path / "whole", "--images", made, *[str(steps) if one == "3" else one for one in SMALL]
    )
    assert alone.exit_code == 2 and "with processes 2 instead of 1" in alone.stderr
