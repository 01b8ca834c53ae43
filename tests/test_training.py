"""Pre-training on toy pictures: every method learns, repeats itself, and goes on where it was cut."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from stablerep.captioned_images import CaptionedImages
from stablerep.checkpoint import save_checkpoint
from stablerep.encoders import EncoderRecipe, extract_features
from stablerep.losses import image_text, multi_positive
from stablerep.schedule import cosine_rate
from stablerep.tokenizer import tokenize
from stablerep.training import PretrainingRecipe, load_backbone, method_loss, pretrain, random_backbone, view_batches
from stablerep.training import loop as training
from stablerep.views import make_views

ENCODER = EncoderRecipe(
    name="test_resnet", stem="published", head_width=64, head_size=32, text_width=64, text_layers=1, joint_size=32
)  # fmt: skip
STEPS = 8
FOUR = ("simclr", "clip", "stablerep", "stablerep+")  # the methods of the comparison
COLOURS, SHAPES = ("red", "green", "blue", "grey"), ("bar", "post", "square", "frame")


@pytest.fixture(scope="module")
def data() -> CaptionedImages:
    """Sixteen captions of a colour and a shape, four noisy pictures of each."""
    rng = torch.Generator().manual_seed(0)
    paint = {"red": (220, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 220), "grey": (90, 90, 90)}
    images, ids, captions = [], [], []
    for colour in COLOURS:
        for shape in SHAPES:
            mask = torch.zeros(32, 32)
            mask[
                {"bar": (slice(12, 20), slice(None)), "post": (slice(None), slice(12, 20))}.get(
                    shape, (slice(6, 26),) * 2
                )
            ] = 1
            if shape == "frame":
                mask[11:21, 11:21] = 0
            for _ in range(4):
                picture = 255 - mask * (255 - torch.tensor(paint[colour]).view(3, 1, 1))
                picture = picture + 12 * torch.randn(3, 32, 32, generator=rng)
                images.append(picture.clamp(0, 255).byte())
                ids.append(len(captions))
            captions.append(f"{colour} {shape}")
    return CaptionedImages(torch.stack(images), torch.tensor(ids), captions, "toy")


def recipe_of(method, **changes) -> PretrainingRecipe:
    return replace(PretrainingRecipe(method=method, steps=STEPS, views_per_step=16, encoder=ENCODER, seed=3), **changes)


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """One uninterrupted run of each method, made when first asked for: its folder and summary."""
    made = {}

    def get(method):
        if method not in made:
            folder = tmp_path_factory.mktemp("run")
            made[method] = folder, pretrain(data, recipe_of(method), folder, progress="")
        return made[method]

    return get


def losses(folder):
    return pd.read_parquet(folder / "log.parquet")["loss"].to_numpy()


def assert_same_run(one, other):
    assert np.array_equal(losses(one), losses(other))
    for name in ("encoder", "heads"):
        first, second = load_file(one / f"{name}.safetensors"), load_file(other / f"{name}.safetensors")
        assert first.keys() == second.keys()
        assert [k for k in first if not torch.equal(first[k], second[k])] == []


@pytest.mark.parametrize("method", FOUR)
def test_a_run_leaves_its_files_log_and_summary(method, finished):
    folder, summary = finished(method)
    names = {p.name for p in folder.iterdir()}
    tokenizer = {"tokenizer"} if method in ("clip", "stablerep+") else set()
    assert names == {"encoder.safetensors", "heads.safetensors", "recipe.json", "log.parquet"} | tokenizer
    log = pd.read_parquet(folder / "log.parquet")
    assert log["step"].tolist() == list(range(STEPS)) and log["seconds"].is_monotonic_increasing
    assert np.isfinite(log["loss"]).all()
    assert log["learning_rate"].tolist() == pytest.approx(
        [2e-3 * cosine_rate(k, STEPS, warmup=0.05) for k in range(STEPS)]
    )
    assert summary["steps"] == STEPS and summary["views"] == 16 * STEPS and summary["loss"] == log["loss"].iloc[-1]
    backbone = load_file(folder / "encoder.safetensors")
    heads = {k.split(".")[0] for k in load_file(folder / "heads.safetensors")}
    text = {"text", "image_projection", "text_projection", "log_scale"} if tokenizer else set()
    assert heads == text | ({"head"} if method != "clip" else set())
    assert summary["weights"] == sum(v.numel() for v in backbone.values())
    stored = json.loads((folder / "recipe.json").read_text())
    assert stored["method"] == method and stored["encoder"]["name"] == "test_resnet"


@pytest.mark.parametrize("method", FOUR)
def test_every_method_learns(method, data, tmp_path):
    pretrain(data, recipe_of(method, steps=24), tmp_path, progress="")
    found = losses(tmp_path)
    assert found[-8:].mean() < found[:4].mean() - 0.4


def test_the_same_seed_gives_the_same_weights_whatever_was_drawn_before(data, finished, tmp_path):
    torch.manual_seed(1234)
    state = torch.get_rng_state()
    pretrain(data, recipe_of("stablerep"), tmp_path / "again", progress="")
    assert torch.equal(state, torch.get_rng_state())
    assert_same_run(finished("stablerep")[0], tmp_path / "again")
    pretrain(data, recipe_of("stablerep", seed=4), tmp_path / "other", progress="")
    assert not np.array_equal(losses(tmp_path / "other"), losses(finished("stablerep")[0]))


class Cut(Exception):
    """Stands for a machine that goes away."""


def cut_before(monkeypatch, calls):
    """Let ``make_views`` work ``calls`` times, then fail; returns the list of calls made."""
    made = []

    def views(*arguments):
        if len(made) == calls:
            raise Cut
        made.append(arguments)
        return make_views(*arguments)

    monkeypatch.setattr(view_batches, "make_views", views)
    return made


@pytest.mark.parametrize("method", FOUR)
def test_a_run_that_was_cut_twice_ends_as_one_that_was_not(method, data, finished, tmp_path, monkeypatch):
    recipe = recipe_of(method)
    cut_before(monkeypatch, 5)
    with pytest.raises(Cut):
        pretrain(data, recipe, tmp_path, progress="", checkpoint_every=2)
    assert not (tmp_path / "encoder.safetensors").exists()  # a run that was cut never looks finished
    made = cut_before(monkeypatch, 3)
    with pytest.raises(Cut):
        pretrain(data, recipe, tmp_path, progress="", checkpoint_every=2)
    assert len(made) == 3  # steps 4, 5 and 6
    made = cut_before(monkeypatch, STEPS)
    pretrain(data, recipe, tmp_path, progress="", checkpoint_every=2)
    assert len(made) == 2  # steps 6 and 7
    assert_same_run(finished(method)[0], tmp_path)
    assert not (tmp_path / "checkpoint.pt").exists()


def test_a_damaged_checkpoint_is_begun_again(data, finished, tmp_path, monkeypatch):
    cut_before(monkeypatch, 5)
    with pytest.raises(Cut):
        pretrain(data, recipe_of("simclr"), tmp_path, progress="", checkpoint_every=4)
    checkpoint = tmp_path / "checkpoint.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-500])
    made = cut_before(monkeypatch, STEPS)
    pretrain(data, recipe_of("simclr"), tmp_path, progress="", checkpoint_every=4)
    assert len(made) == STEPS
    assert_same_run(finished("simclr")[0], tmp_path)


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_step(data, tmp_path, monkeypatch):
    calls, saved = [], []

    def spoiled(*arguments, **weights):
        calls.append(1)
        return method_loss(*arguments, **weights) * (torch.nan if len(calls) == 6 else 1)

    def keep(path, state):
        saved.append(state["step"])
        save_checkpoint(path, state)

    monkeypatch.setattr(training, "method_loss", spoiled)
    monkeypatch.setattr(training, "save_checkpoint", keep)
    message = r"the loss is nan at step 5 \(learning rate .*\); the last good checkpoint is of step 4"
    with pytest.raises(FloatingPointError, match=message):
        pretrain(data, recipe_of("simclr"), tmp_path, progress="", checkpoint_every=2)
    assert saved == [2, 4] and not (tmp_path / "encoder.safetensors").exists()


@pytest.mark.parametrize(
    ("method", "times_an_id_occurs", "texts"),
    [("simclr", 2, 0), ("clip", 1, 16), ("stablerep", 4, 0), ("stablerep+", 4, 4)],
)
def test_what_makes_two_views_positives(method, times_an_id_occurs, texts, data, tmp_path, monkeypatch):
    seen, drawn, read = [], [], []

    def spy(name, out, ids, temperature, **weights):
        seen.append((out, ids))
        return method_loss(name, out, ids, temperature, **weights)

    def draw(images, *arguments):
        drawn.append(images)
        return make_views(images, *arguments)

    def reading(tokenizer, captions):
        read.append(list(captions))
        return tokenize(tokenizer, captions)

    monkeypatch.setattr(training, "method_loss", spy)
    monkeypatch.setattr(view_batches, "make_views", draw)
    monkeypatch.setattr(training, "tokenize", reading)
    pretrain(data, recipe_of(method, steps=2), tmp_path, progress="")
    assert len(drawn) == 2 and len(read) == (2 if texts else 0)
    for k, (images, (out, ids)) in enumerate(zip(drawn, seen)):
        assert len(images) == len(ids) == 16  # the same number of views for every method
        assert (torch.bincount(ids)[ids] == times_an_id_occurs).all()
        assert ("head" in out) == (method != "clip") and len(out.get("text", ())) == texts
        places = [int((data.images == image).flatten(1).all(1).nonzero()) for image in images]
        if method == "simclr":  # both views of an image, from two draws
            assert places[:8] == places[8:] and len(set(places)) == 8 and torch.equal(ids[:8], ids[8:])
            continue
        captions = data.caption_ids[places]  # different images of the caption
        assert torch.equal(captions[:, None] == captions, ids[:, None] == ids) and len(set(places)) == 16
        if texts:  # the k-th text belongs to the k-th of the sorted ids, as the loss takes it
            of_id = dict(zip(ids.unique(sorted=True).tolist(), read[k], strict=True))
            assert [of_id[i] for i in ids.tolist()] == [data.captions[c] for c in captions]


def test_the_loss_of_stablerep_plus_is_the_sum_of_both_with_texts_in_the_order_of_their_ids():
    rng = torch.Generator().manual_seed(0)
    ids = torch.tensor([7, 7, 2, 2, 5, 5])
    out = {
        "head": torch.randn(6, 8, generator=rng), "image": torch.randn(6, 4, generator=rng),
        "text": torch.randn(3, 4, generator=rng), "scale": torch.tensor(5.0),
    }  # fmt: skip
    contrast = multi_positive(out["head"], ids, temperature=0.2)
    matching = image_text(out["image"], out["text"], ids, torch.tensor([2, 5, 7]), logit_scale=5.0)
    torch.testing.assert_close(method_loss("stablerep+", out, ids, 0.2), contrast + matching)
    torch.testing.assert_close(method_loss("stablerep", {"head": out["head"]}, ids, 0.2), contrast)
    torch.testing.assert_close(method_loss("clip", {k: out[k] for k in ("image", "text", "scale")}, ids, 0.2), matching)


def test_a_finished_backbone_is_read_back_frozen(data, finished):
    folder, _ = finished("stablerep")
    backbone = load_backbone(folder)
    assert not backbone.training and not any(p.requires_grad for p in backbone.parameters())
    stored = load_file(folder / "encoder.safetensors")
    assert all(torch.equal(v, stored[k]) for k, v in backbone.state_dict().items())
    features = extract_features(backbone, data.images[:8])
    assert features.isfinite().all()
    assert (features - extract_features(random_backbone(ENCODER, 3), data.images[:8])).abs().max() > 1e-3


def test_the_untrained_network_is_the_one_its_run_starts_from(data, tmp_path):
    state = torch.get_rng_state()
    untrained = random_backbone(ENCODER, 3)
    assert torch.equal(state, torch.get_rng_state())
    pretrain(data, recipe_of("simclr", steps=1, learning_rate=0.0), tmp_path, progress="")
    stored = load_file(tmp_path / "encoder.safetensors")
    assert all(torch.equal(p, stored[k]) for k, p in untrained.named_parameters())
    other = dict(random_backbone(ENCODER, 4).named_parameters())
    assert any(not torch.equal(p, other[k]) for k, p in untrained.named_parameters())


def test_a_batch_larger_than_the_set_is_refused_before_anything_is_written(data, tmp_path):
    with pytest.raises(ValueError, match="takes 32 captions, the set has 16"):
        pretrain(data, recipe_of("clip", views_per_step=32), tmp_path, progress="")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "simclr2"}, "method is 'simclr2'; valid methods are simclr, clip, stablerep, stablerep[+], supcon"),
        ({"chunk": -1}, "chunk is -1"),
        ({"method": "mae", "chunk": 4}, "chunk is 4; gradient caching serves simclr"),
        ({"images_per_caption": 1}, "images_per_caption is 1; stablerep needs at least 2"),
        ({"method": "stablerep+", "images_per_caption": 0}, "images_per_caption is 0; stablerep[+] needs"),
        ({"steps": 0}, "steps is 0"),
        ({"views_per_step": 2}, "views_per_step 2"),
        ({"views_per_step": 18}, "views_per_step is 18; it must be a multiple of 4"),
        ({"method": "simclr", "views_per_step": 17}, "views_per_step is 17; it must be a multiple of 2"),
    ],
)
def test_a_recipe_that_cannot_be_run_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        PretrainingRecipe(**change)


OTHERS = ("supcon", "supervised", "caption-as-class", "mae", "byol", "moco-v3", "dino")
CLASSES = {f"{colour} {shape}": colour for colour in COLOURS for shape in SHAPES}
SMALL_VIT = replace(ENCODER, name="test_vit", patch_size=8, depth=2)


def other_recipe(method, **changes) -> PretrainingRecipe:
    encoder = SMALL_VIT if method in ("mae", "moco-v3") else ENCODER
    return recipe_of(method, **({"encoder": encoder, "learning_rate": 1e-3} | changes))


@pytest.mark.parametrize("method", OTHERS)
def test_every_other_method_goes_on_where_it_was_cut(method, data, tmp_path, monkeypatch):
    """Masks of MAE, centres and teachers included."""
    recipe = other_recipe(method)
    whole = pretrain(data, recipe, tmp_path / "whole", classes=CLASSES, progress="")
    cut_before(monkeypatch, 5)
    with pytest.raises(Cut):
        pretrain(data, recipe, tmp_path / "cut", classes=CLASSES, progress="", checkpoint_every=2)
    made = cut_before(monkeypatch, STEPS)
    resumed = pretrain(data, recipe, tmp_path / "cut", classes=CLASSES, progress="", checkpoint_every=2)
    assert len(made) == 4 and resumed["loss"] == whole["loss"]
    assert_same_run(tmp_path / "whole", tmp_path / "cut")
    assert not any(k.startswith("teacher") for k in load_file(tmp_path / "cut" / "heads.safetensors"))
    features = extract_features(load_backbone(tmp_path / "cut"), data.images)
    assert features.isfinite().all() and len(features) == len(data.images)


@pytest.mark.parametrize(
    ("method", "least"),
    [("supcon", 0.4), ("supervised", 0.4), ("caption-as-class", 0.4), ("mae", 0.1), ("moco-v3", 0.1)],
)
def test_losses_that_measure_progress_fall(method, least, data, tmp_path):
    """Those of BYOL and DINO chase a target that moves; what they learn is measured by probes."""
    pretrain(data, other_recipe(method, steps=40), tmp_path, classes=CLASSES, progress="")
    found = losses(tmp_path)
    assert found[-8:].mean() < found[:4].mean() - least


@pytest.mark.parametrize("method", ["supcon", "supervised"])
def test_classes_that_are_missing_are_asked_for(method, data, tmp_path):
    some = {caption: name for caption, name in CLASSES.items() if caption != "red post"}
    for classes in (None, some):
        with pytest.raises(ValueError, match=f"{method} learns classes, and caption 'red (bar|post)' has none"):
            pretrain(data, other_recipe(method), tmp_path / "run", classes=classes, progress="")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("method", ["simclr", "stablerep+"])
def test_gradient_caching_takes_the_same_steps(method, data, tmp_path):
    """With layer normalization in the encoder; the head's batch normalization sees the whole batch either way."""
    recipe = recipe_of(method, encoder=SMALL_VIT, steps=3)
    pretrain(data, recipe, tmp_path / "plain", progress="")
    pretrain(data, replace(recipe, chunk=5), tmp_path / "chunks", progress="")
    np.testing.assert_allclose(losses(tmp_path / "chunks"), losses(tmp_path / "plain"), atol=2e-4)


def train_in_a_process(number, folder, steps_before_cut, options):
    """One of two gloo processes; cut after some steps when asked."""
    import os

    os.environ |= {
        "RANK": str(number), "LOCAL_RANK": str(number), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "ACCELERATE_USE_CPU": "true",
        "MASTER_PORT": (Path(folder).parent / "port").read_text(),
    }  # fmt: skip
    torch.set_num_threads(1)
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(256, (32, 3, 32, 32), generator=rng, dtype=torch.uint8)
    captions = CaptionedImages(images, torch.arange(32) // 4, [f"caption {i}" for i in range(8)], "toy")
    recipe = recipe_of("stablerep+", encoder=SMALL_VIT, steps=6, **options)
    if steps_before_cut:
        views, calls = make_views, []

        def cut(*arguments):
            calls.append(1)
            if len(calls) > steps_before_cut:
                raise Cut
            return views(*arguments)

        view_batches.make_views = cut
    try:
        pretrain(captions, recipe, Path(folder), progress="", checkpoint_every=2)
    except Cut:
        pass
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.parametrize(
    "options",
    [{}, {"head_statistics": "per-view", "images_per_caption": 2, "crops_per_image": 2}],
    ids=["plain", "options"],
)
def test_two_processes_that_were_cut_take_the_same_steps(options, tmp_path):
    import socket

    def launch(folder, steps):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            (tmp_path / "port").write_text(str(free.getsockname()[1]))
        torch.multiprocessing.spawn(train_in_a_process, args=(str(folder), steps, options), nprocs=2)

    launch(tmp_path / "whole", 0)
    launch(tmp_path / "cut", 3)
    assert (tmp_path / "cut" / "checkpoint.pt").exists() and not (tmp_path / "cut" / "encoder.safetensors").exists()
    launch(tmp_path / "cut", 0)
    assert_same_run(tmp_path / "whole", tmp_path / "cut")
    assert losses(tmp_path / "whole").shape == (6,)


KILLED = """
import sys, torch
from pathlib import Path
from stablerep.captioned_images import CaptionedImages
from stablerep.encoders import EncoderRecipe
from stablerep.training import PretrainingRecipe, pretrain
torch.set_num_threads(1)
images = torch.randint(256, (128, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
words = [f"{first}{last}" for first in "bdfgklmnprst" for last in "aeiouy"][:64]  # merges that are equally frequent
encoder = EncoderRecipe(name="test_resnet", stem="published", head_width=64, head_size=32, text_width=64, text_layers=1, joint_size=32)
recipe = PretrainingRecipe(method="stablerep+", steps=30, views_per_step=16, encoder=encoder)
pretrain(CaptionedImages(images, torch.arange(128) // 2, words, "toy"), recipe, Path(sys.argv[1]), progress="", checkpoint_every=3)
"""


@pytest.mark.slow
def test_a_process_killed_twice_ends_as_one_that_was_not(tmp_path):
    """SIGKILL, and a new process each time, whose hash tables and memory are others: vocabulary, order and views are the same."""

    def start(name):
        return subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / name)])

    assert start("whole").wait() == 0
    checkpoint, seen = tmp_path / "cut" / "checkpoint.pt", 0.0
    for _ in range(2):
        process = start("cut")
        while process.poll() is None and (not checkpoint.exists() or checkpoint.stat().st_mtime == seen):
            time.sleep(0.01)
        process.kill()
        assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed; give it more steps"
        seen = checkpoint.stat().st_mtime
    assert start("cut").wait() == 0
    assert_same_run(tmp_path / "whole", tmp_path / "cut")
