"""The command line: help at once, one sentence for a mistake, and nothing started by it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stablerep.study.chapters import chapter_names, resolve
from stablerep.study.commands.main import app
from stablerep.study.store.runs import RunStore
from stablerep.study.store.step import Step

HEAVY = {
    "torch", "torchvision", "diffusers", "transformers", "timm", "accelerate", "pandas", "scipy", "sklearn", "matplotlib",
    "papermill",
}  # fmt: skip


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("STABLEREP_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


def call(*arguments: str):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def refused(*arguments: str) -> str:
    """The one sentence of a call that is turned down."""
    result = call(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    (sentence,) = result.stderr.splitlines()
    assert "Traceback" not in sentence
    return sentence


# Help


COMMANDS = [
    "run", "execute", "sweep", "book", "notebooks", "trace", "export", "verify", "pretrain", "probe", "reference", "synthesize",
    "train-generator", "transfer", "doctor", "runs", "audit",
]  # fmt: skip


def test_help_lists_every_command():
    result = call("--help")
    assert result.exit_code == 0
    assert all(name in result.stdout for name in COMMANDS)


@pytest.mark.parametrize(
    "command", [*[[c] for c in COMMANDS], *[["runs", c] for c in ("list", "show", "verify", "remove")]]
)
def test_every_command_explains_itself(command):
    result = call(*command, "--help")
    assert result.exit_code == 0 and result.stdout.count(".") > 0
    assert result.stderr == ""


def test_train_generator_hands_over_corpus_size_and_epochs(monkeypatch, tmp_path):
    from stablerep.generator import training

    asked = []

    def train(corpus, folder, **options):
        asked.append((corpus.name, folder, options))
        return folder / "pipeline"

    monkeypatch.setattr(training, "train_generator", train)
    result = call(
        "train-generator",
        tmp_path,
        "--corpus",
        "clip-art",
        "--image-size",
        "64",
        "--epochs",
        "1",
        "--autoencoder-epochs",
        "2",
    )
    assert (result.exit_code, result.stdout) == (0, f"Pipeline: {tmp_path / 'pipeline'}\n")
    ((name, folder, options),) = asked
    assert (name, folder, options["resolution"]) == ("clip-art", tmp_path, 64)
    first, second = options["autoencoder_recipe"], options["denoiser_recipe"]
    assert (first.epochs, second.epochs) == (2, 1) and first.decoder_epochs == pytest.approx(
        0.8
    )  # 35 and 14 by default


HELP = "from stablerep.study.commands.main import app; app(['--help'], standalone_mode=False)"


@pytest.mark.parametrize("code", ["import stablerep", HELP], ids=["import", "help"])
def test_import_and_help_load_nothing_heavy(code):
    """Heavy libraries take seconds to import; help must not."""
    script = f"{code}\nimport sys\nprint('loaded', *sorted(m for m in sys.modules if '.' not in m))"
    environment = os.environ | {"TERM": "dumb"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert loaded >= {"loaded", "stablerep"}
    assert not loaded & HEAVY


# Running a notebook


@pytest.fixture
def nothing_starts(monkeypatch, runs):
    def fail(*arguments, **options):
        pytest.fail("a notebook was started")

    monkeypatch.setattr("stablerep.study.notebooks.execution.execute_notebook", fail)
    yield
    assert not runs.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["compare", "-p", "guidance_scale=0.5"], "guidance_scale is 0.5: input should be greater than or equal to 1."),
        (
            ["compare", "-p", "guidance_scael=4"],
            "compare has no parameter 'guidance_scael'; did you mean guidance_scale?",
        ),
        (
            ["compare", "-p", "seeds=two"],
            "seeds is 'two': input should be a valid integer, unable to parse string as an integer.",
        ),
        (["compare", "-p", "seeds"], "'seeds' is not name=value, for example guidance_scale=4."),
        (
            ["comparison"],
            f"there is no chapter 'comparison'; the book has {', '.join(chapter_names())}.",
        ),
        (
            ["compare", "--preset", "desktop"],
            "preset is 'desktop'; valid presets are smoke, laptop, reference, workstation, paper.",
        ),
    ],
)
def test_mistakes_are_one_sentence_and_start_nothing(nothing_starts, arguments, said):
    assert refused("run", *arguments) == said


def test_missing_parameter_file_is_one_sentence(nothing_starts, tmp_path):
    assert "there is no file" in refused("run", "compare", "-f", tmp_path / "absent.yaml")


def test_several_mistakes_take_a_line_each(nothing_starts):
    result = call("run", "compare", "-p", "guidance_scale=0.5", "-p", "seeds=0")
    assert result.exit_code == 2
    assert [line.split()[0] for line in result.stderr.splitlines()] == ["guidance_scale", "seeds"]


@pytest.mark.parametrize("command", ["reference", "book"])
def test_other_commands_check_first_too(monkeypatch, runs, command):
    monkeypatch.setattr(
        "stablerep.study.notebooks.reference.compute_tables", lambda *a: pytest.fail("a computation was started")
    )
    monkeypatch.setattr(
        "stablerep.study.book.whole.execute_notebook", lambda *a, **k: pytest.fail("a notebook was started")
    )
    if command == "book":
        assert "preset is 'desktop'" in refused("book", "--preset", "desktop")
        assert "preset is given twice" in refused("book", "--preset", "laptop", "-p", "preset=smoke")
    else:
        assert "seeds is 0" in refused("reference", "compare", "-p", "seeds=0")
        assert "seeds is 0" in refused("reference", "compare", "--seeds", "0")
        assert "it takes no parameters" in refused("reference", "compare", "--check", "--seeds", "1")
    assert not runs.exists()


@pytest.fixture
def started(monkeypatch, tmp_path):
    """The notebooks that were asked for, each answered by a run that holds a file."""
    asked, store = [], RunStore(tmp_path / "answered")

    def execute(name, given):
        asked.append((name, given))

        def write(folder):
            (folder / f"{name}.ipynb").write_text("executed")

        return store.obtain(
            Step("notebook", 1, announced=False), parameters=resolve(name, given).model_dump(), inputs={}, compute=write
        )

    monkeypatch.setattr("stablerep.study.notebooks.execution.execute_notebook", execute)
    return asked


@pytest.fixture
def kept(runs):
    def write(folder):
        (folder / "results.txt").write_text("0.75")
        return {"best": 0.75}

    return RunStore().obtain(Step("probe", 1), parameters={"w": 2}, inputs={}, compute=write)


def test_run_says_where_the_notebook_is(started):
    result = call("run", "compare", "-p", "guidance_scale=4", "-p", "seeds=2")
    assert result.exit_code == 0, result.output
    assert started == [("compare", {"guidance_scale": 4, "seeds": 2})]
    path = Path(result.stdout.removeprefix("Executed notebook: ").strip())
    assert path.name == "compare.ipynb" and path.read_text() == "executed"


def test_run_takes_file_preset_and_output(started, tmp_path):
    (tmp_path / "mine.yaml").write_text("seeds: 2\nsteps: 10\n")
    out = tmp_path / "deep" / "out.ipynb"
    result = call(
        "run", "compare", "-f", tmp_path / "mine.yaml", "-p", "steps=20", "--preset", "smoke", "--live", "-o", out
    )
    assert result.exit_code == 0, result.output
    assert started == [("compare", {"seeds": 2, "steps": 20, "preset": "smoke", "live": True})]
    assert result.stdout == f"Executed notebook: {out}\n" and out.read_text() == "executed"


def test_bugs_keep_their_traceback(monkeypatch):
    """A ``ValueError`` that is not meant for users, as of torch, must not look like a mistake of theirs."""

    def fail(name, given):
        raise ValueError("expected a tensor of 4 dimensions")

    monkeypatch.setattr("stablerep.study.notebooks.execution.execute_notebook", fail)
    result = call("run", "corpus")
    assert type(result.exception) is ValueError and result.exit_code == 1 and result.stderr == ""


def test_what_a_user_can_mend_is_one_sentence(started, kept, tmp_path):
    """Files that are missing, folders or unreadable, and places that cannot be written, by every command that takes one."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "broken.ipynb").write_text("{")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    (tmp_path / "pretraining.json").write_text("[")
    below, out = tmp_path / "file" / "below", tmp_path / "out.ipynb"
    for arguments, said in [
        (("run", "corpus", "-o", below), "cannot be written"),
        (("run", "corpus", "-o", tmp_path), "cannot be written"),
        (("run", "corpus", "-f", tmp_path), "cannot be read: is a directory"),
        (("execute", tmp_path / "absent.ipynb", "-o", out), "there is no file"),
        (("execute", tmp_path / "broken.ipynb", "-o", out), "could not be read as a notebook"),
        (("execute", tmp_path, "-o", out), "is not a notebook"),
        (("book", "-f", tmp_path / "absent.yml"), "there is no file"),
        (("book", "--add", tmp_path / "absent.md"), "there is no file"),
        (("book", "diff", tmp_path / "absent", "0123"), "is not a book"),
        (("book", "diff", "", "*"), "is not a book"),
        (("notebooks", "schema", "nothing"), "there is no chapter 'nothing'"),
        (("runs", "verify", "probe-zzz"), "there is no run 'probe-zzz'"),
        (("synthesize", tmp_path / "set", "--captions", tmp_path), "cannot be read: is a directory"),
        (("synthesize", tmp_path / "set", "--captions", tmp_path / "latin.txt"), "is not UTF-8"),
        (("pretrain", tmp_path / "file", "--steps", "1"), "cannot be written"),
        (("pretrain", tmp_path, "--steps", "1"), "pretraining.json is damaged"),
        (("probe", tmp_path / "file"), "holds no pre-trained encoder"),
    ]:
        assert said in refused(*arguments), arguments
    assert not (tmp_path / "set").exists() and not out.exists()


def test_interruption_is_told_calmly(monkeypatch):
    def stop(name, given):
        raise KeyboardInterrupt

    monkeypatch.setattr("stablerep.study.notebooks.execution.execute_notebook", stop)
    result = call("run", "corpus")
    assert result.exit_code == 130
    assert result.stderr == "Stopped. Run the same command again to continue.\n"


# The run store


def test_empty_store_is_told(runs):
    result = call("runs", "list")
    assert result.exit_code == 0 and result.stdout == f"{runs} holds no runs yet.\n"


def test_list_and_show(kept):
    listed = call("runs", "list")
    assert listed.exit_code == 0 and kept.key in listed.stdout and "MB" in listed.stdout
    shown = call("runs", "show", kept.key[:-4])  # a key may be shortened
    assert shown.exit_code == 0
    record = json.loads(shown.stdout)
    assert record["key"] == kept.key and record["parameters"] == {"w": 2} and record["summary"] == {"best": 0.75}
    assert "there is no complete run 'probe-zzz'" in refused("runs", "show", "probe-zzz")


def test_verify_tells_whole_from_damaged(kept):
    result = call("runs", "verify")
    assert (result.exit_code, result.stdout) == (0, "1 of 1 runs are whole.\n")
    (kept.folder / "results.txt").write_text("0.57")  # same length
    result = call("runs", "verify", kept.key)
    assert result.exit_code == 1
    assert "results.txt" in result.stdout and "0 of 1 runs are whole." in result.stdout


def test_verify_sees_a_run_that_is_too_short_to_be_listed_as_complete(kept):
    (kept.folder / "results.txt").write_text("0")
    result = call("runs", "verify")
    assert (
        result.exit_code == 1
        and "results.txt was altered" in result.stdout
        and "0 of 1 runs are whole." in result.stdout
    )


def test_remove(kept, runs):
    result = call("runs", "remove", kept.key)
    assert result.exit_code == 0 and result.stdout == f"removed {kept.key}\n"
    assert not kept.folder.exists()
    assert "there is no run" in refused("runs", "remove", kept.key)


# Transfer


@pytest.fixture
def pretrained(runs):
    """A run of one step on noise, by a network of one block."""
    import torch

    from stablerep.captioned_images import CaptionedImages
    from stablerep.encoders import EncoderRecipe
    from stablerep.study.experiments.images import ImageSet
    from stablerep.study.experiments.study import Study
    from stablerep.training import PretrainingRecipe

    images = torch.randint(256, (8, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    data = CaptionedImages(images, torch.arange(8), [f"noise {i}" for i in range(8)], "noise")
    encoder = EncoderRecipe(name="test_vit", stem="published", patch_size=8, depth=1, head_width=32, head_size=16)
    return Study().pretraining(
        ImageSet("noise", lambda: data),
        PretrainingRecipe(method="simclr", steps=1, views_per_step=8, encoder=encoder, seed=4),
        "",
    )


def test_transfer_prints_scores_keeps_items_and_names_what_is_absent(pretrained, monkeypatch, tmp_path):
    import pandas as pd

    monkeypatch.delenv("STABLEREP_DATA", raising=False)
    command = [
        "transfer",
        pretrained.key,
        "-s",
        "digits",
        "-s",
        "CIFAR-10",
        "--limit",
        "60",
        "-o",
        tmp_path / "items.parquet",
    ]
    result = call(*command)
    assert result.exit_code == 0, result.output
    head, digits, absent, average = result.stdout.splitlines()
    assert head == f"{pretrained.key}: simclr, 1 steps, seed 4"
    assert "top-1, 60 items" in digits and "CIFAR-10" in absent and "STABLEREP_DATA, which is not set" in absent
    assert average.endswith("on its one set; left out: CIFAR-10")
    items = pd.read_parquet(tmp_path / "items.parquet")
    assert len(items) == 60 and set(items["run"]) == {pretrained.key}
    assert f"{100 * items['correct'].mean():5.1f} %" in digits
    before = len(RunStore().list())
    assert call(*command).stdout == result.stdout and len(RunStore().list()) == before  # found, not computed again


def test_transfer_refuses_unknown_runs_and_sets(pretrained):
    assert "there is no complete pre-training 'evaluation-12'" in refused("transfer", "evaluation-12")
    assert refused("transfer", pretrained.key, "-s", "digit") == "set is 'digit'; did you mean 'digits'?"
