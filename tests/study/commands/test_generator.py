"""``stablerep synthesize``: by one process and by several."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stablerep.study.commands.main import app
from stablerep.study.sweeps import workers
from stablerep.study.sweeps.task import Finished
from stablerep.synthesis import SyntheticSet
from tests.conftest import TINY_CAPTIONS


def call(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def refused(*arguments) -> str:
    """The one sentence of a call that is turned down."""
    result = call(*arguments)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    (sentence,) = result.stderr.splitlines()
    return sentence


def test_synthesize_makes_a_set_and_goes_on(tiny_pipeline, tmp_path):
    (tmp_path / "captions.txt").write_text("red heart\n\n  owl \npizza\n")
    arguments = [
        "synthesize",
        tmp_path / "set",
        "--captions",
        tmp_path / "captions.txt",
        "--count",
        "2",
        "-l",
        "2",
        "-w",
        "1.5",
    ]
    arguments += ["--steps", "2", "--generator", tiny_pipeline, "--guidance-interval", "0.3", "5"]
    result = call(*arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"4 images of 2 captions: {tmp_path / 'set'}\n"
    made = SyntheticSet(tmp_path / "set")
    assert made.index()["caption"].tolist() == ["red heart", "owl"]
    assert (made.plan["guidance_scale"], made.plan["images_per_caption"], made.plan["steps"]) == (1.5, 2, 2)
    assert made.plan["guidance_interval"] == [0.3, 5.0]
    again = call(*arguments)
    assert (again.exit_code, again.stdout) == (0, result.stdout)
    other = call(*arguments, "--seed", "1")
    assert other.exit_code == 2 and "holds a set made with seed 0 instead of 1" in other.stderr


def test_synthesize_refuses_before_it_opens_a_generator(monkeypatch, tmp_path):
    monkeypatch.setattr("stablerep.generator.load_generator", lambda *a, **k: pytest.fail("a generator was opened"))
    (tmp_path / "captions.txt").write_text("red heart\n")
    base = ["synthesize", tmp_path / "set", "--captions", tmp_path / "captions.txt"]
    assert refused(*base, "-w", "0.5") == "guidance_scale is 0.5; it is at least 1 (no guidance) and at most 30."
    assert "sampler is 'euler'" in refused(*base, "--sampler", "euler")
    assert refused(*base, "--guidance-interval", "5", "0.3") == (
        "guidance_interval is (5.0, 0.3); it is two finite noise levels, at least 0, the lower one first."
    )
    assert "there is no file" in refused("synthesize", tmp_path / "set", "--captions", tmp_path / "absent.txt")
    assert not (tmp_path / "set").exists()


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("shard-*.tar")}


def arguments(folder: Path, tiny_pipeline: Path, tmp_path: Path) -> list:
    (tmp_path / "captions.txt").write_text("\n".join(TINY_CAPTIONS))
    small = ["-l", "2", "-w", "1.5", "--steps", "2", "--shard-captions", "2", "--batch-size", "4"]
    return ["synthesize", folder, "--captions", tmp_path / "captions.txt", "--generator", tiny_pipeline, *small]


@pytest.mark.slow
def test_several_processes_make_the_set_of_one(tiny_pipeline, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # sums in another order are other images, by a rounding
    assert call(*arguments(tmp_path / "one", tiny_pipeline, tmp_path)).exit_code == 0
    result = call(*arguments(tmp_path / "shared", tiny_pipeline, tmp_path), "--workers", "2")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"32 images of 16 captions by 2 processes: {tmp_path / 'shared'}\n"
    assert (
        len(digests(tmp_path / "one")) == 8 and digests(tmp_path / "shared").keys() == digests(tmp_path / "one").keys()
    )
    first, second = (SyntheticSet(tmp_path / name).in_memory() for name in ("one", "shared"))
    assert first.captions == second.captions and first.fingerprint == second.fingerprint
    assert (first.images.int() - second.images.int()).abs().max() <= 1


def test_when_all_processes_fail_the_reason_is_told(tiny_pipeline, tmp_path, monkeypatch):
    asked = []

    def fail(tasks, **options):
        asked.extend(task.arguments for task in tasks)
        return (Finished(task, "failed", 1.0, 1, "first\nno memory", "") for task in tasks)

    monkeypatch.setattr(workers, "run_tasks", fail)
    interval = ["--guidance-interval", "0.3", "5.0"]
    result = call(*arguments(tmp_path / "set", tiny_pipeline, tmp_path), *interval, "--workers", "2")
    place = asked[0].index("--guidance-interval")
    assert asked[0] == asked[1] and list(asked[0][place : place + 3]) == interval
    assert result.exit_code == 2 and result.stdout == ""
    assert result.stderr.splitlines()[:2] == [
        "synthesize 1 of 2 failed: no memory",
        "synthesize 2 of 2 failed: no memory",
    ]
    assert "the set is not finished; run the same command again to continue." in result.stderr


def test_a_generator_goes_on_from_another_with_synthetic_images_beside_real_ones(tiny_pipeline, tmp_path, monkeypatch):
    """What the command hands on: the mixture, the start, and the start's resolution."""
    made = {}

    def training(corpus, folder, **options):
        made.update(options, corpus=corpus)
        return folder / "pipeline"

    monkeypatch.setattr("stablerep.generator.training.train_generator", training)
    (tmp_path / "captions.txt").write_text("red heart\nowl\n")
    drawn = call(
        "synthesize", tmp_path / "set", "--captions", tmp_path / "captions.txt", "-l", "3", "--steps", "2", "--generator", tiny_pipeline
    )  # fmt: skip
    assert drawn.exit_code == 0, drawn.output
    result = call(
        "train-generator", tmp_path / "new", "--start", tiny_pipeline, "--set", tmp_path / "set", "--real-share", "0"
    )
    assert result.exit_code == 0, result.output
    assert result.stdout == f"Pipeline: {tmp_path / 'new' / 'pipeline'}\n"
    assert made["start"].name == str(tiny_pipeline) and made["resolution"] == made["start"].resolution
    learned = made["corpus"].to_learn_from().table
    assert learned["caption"].tolist() == ["red heart"] * 3 + ["owl"] * 3 and learned["concept"].notna().all()
    sentence = refused("train-generator", tmp_path / "other", "--real-share", "2")
    assert sentence == "real_share is 2; it is a share, from 0 to 1."
    assert "is not a finished synthetic set" in refused("train-generator", tmp_path / "other", "--set", tmp_path)
