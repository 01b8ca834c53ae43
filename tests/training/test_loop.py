"""Pre-training on toy pictures: every method learns, repeats itself, and continues from where it was cut."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from stablerep.checkpoint import save_checkpoint
from stablerep.encoders import EncoderRecipe, extract_features
from stablerep.methods import METHODS, MethodEntry, Traits, contrastive
from stablerep.methods.base import Method
from stablerep.methods.contrastive import contrastive_loss
from stablerep.schedule import cosine_rate
from stablerep.tokenizer import tokenize
from stablerep.training import load_backbone, loop, pretrain, view_batches
from stablerep.views import ViewRecipe, make_views

from .toys import CLASSES, SMALL_VIT, STEPS, Cut, assert_same_run, classes_of, cut_before, losses, recipe_of

FOUR = ("simclr", "clip", "stablerep", "stablerep+")  # the methods of the comparison
OTHERS = ("supcon", "supervised", "caption-as-class", "mae", "byol", "moco-v3", "dino")


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


def test_captions_that_the_text_tower_cuts_are_counted_and_named_once(data, tmp_path, monkeypatch, capsys):
    long = "red " * 30
    names = dict(zip(data.captions, (long + "apple", long + "pear"), strict=False))
    cut = replace(data, captions=[names.get(c, c) for c in data.captions])
    cut_before(monkeypatch, 3)
    with pytest.raises(Cut):
        pretrain(cut, recipe_of("clip"), tmp_path, checkpoint_every=2)
    said = capsys.readouterr().err
    assert (
        "2 of " in said
        and "are longer than 22 tokens" in said
        and "1 group of captions is the same without them" in said
    )
    monkeypatch.undo()
    pretrain(cut, recipe_of("clip"), tmp_path)  # a run that goes on has said it already
    pretrain(cut, recipe_of("simclr"), tmp_path / "simclr")  # reads no captions
    assert "longer" not in capsys.readouterr().err


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
        return contrastive_loss(*arguments, **weights) * (torch.nan if len(calls) == 6 else 1)

    def keep(path, state):
        saved.append(state["step"])
        save_checkpoint(path, state)

    monkeypatch.setattr(contrastive, "contrastive_loss", spoiled)
    monkeypatch.setattr(loop, "save_checkpoint", keep)
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

    def spy(out, ids, **weights):
        seen.append((out, ids))
        return contrastive_loss(out, ids, **weights)

    def draw(images, *arguments):
        drawn.append(images)
        return make_views(images, *arguments)

    def reading(tokenizer, captions, **how):
        read.append(list(captions))
        return tokenize(tokenizer, captions, **how)

    monkeypatch.setattr(contrastive, "contrastive_loss", spy)
    monkeypatch.setattr(view_batches, "make_views", draw)
    monkeypatch.setattr(loop, "tokenize", reading)
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


def test_a_batch_larger_than_the_set_is_refused_before_anything_is_written(data, tmp_path):
    with pytest.raises(ValueError, match="takes 32 captions, the set has 16"):
        pretrain(data, recipe_of("clip", views_per_step=32), tmp_path, progress="")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("method", OTHERS)
def test_every_other_method_goes_on_where_it_was_cut(method, data, finished, tmp_path, monkeypatch):
    """Masks of MAE, centres and teachers included."""
    recipe, (folder, whole) = recipe_of(method), finished(method)
    cut_before(monkeypatch, 5)
    with pytest.raises(Cut):
        pretrain(data, recipe, tmp_path / "cut", classes=classes_of(method), progress="", checkpoint_every=2)
    made = cut_before(monkeypatch, STEPS)
    resumed = pretrain(data, recipe, tmp_path / "cut", classes=classes_of(method), progress="", checkpoint_every=2)
    assert len(made) == 4 and resumed["loss"] == whole["loss"]
    assert_same_run(folder, tmp_path / "cut")
    assert not any(k.startswith("teacher") for k in load_file(tmp_path / "cut" / "heads.safetensors"))
    features = extract_features(load_backbone(tmp_path / "cut"), data.images)
    assert features.isfinite().all() and len(features) == len(data.images)


@pytest.mark.parametrize(
    ("method", "least"),
    [("supcon", 0.4), ("supervised", 0.4), ("caption-as-class", 0.4), ("mae", 0.1), ("moco-v3", 0.1)],
)
def test_losses_that_measure_progress_fall(method, least, data, tmp_path):
    """Those of BYOL and DINO chase a target that moves; what they learn is measured by probes."""
    pretrain(data, recipe_of(method, steps=40, learning_rate=1e-3), tmp_path, classes=classes_of(method), progress="")
    found = losses(tmp_path)
    assert found[-8:].mean() < found[:4].mean() - least


@pytest.mark.parametrize("method", ["supcon", "supervised"])
def test_classes_that_are_missing_are_asked_for(method, data, tmp_path):
    some = {caption: name for caption, name in CLASSES.items() if caption != "red post"}
    for classes in (None, some):
        with pytest.raises(ValueError, match=f"{method} learns classes, and caption 'red (bar|post)' has none"):
            pretrain(data, recipe_of(method), tmp_path / "run", classes=classes, progress="")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("method", ["simclr", "stablerep+"])
def test_gradient_caching_takes_the_same_steps(method, data, tmp_path):
    """With layer normalization in the encoder; the head's batch normalization sees the whole batch either way."""
    recipe = recipe_of(method, encoder=SMALL_VIT, steps=3)
    pretrain(data, recipe, tmp_path / "plain", progress="")
    pretrain(data, replace(recipe, chunk=5), tmp_path / "chunks", progress="")
    np.testing.assert_allclose(losses(tmp_path / "chunks"), losses(tmp_path / "plain"), atol=2e-4)


class Plain(Method):
    """A method of this file: the features of an image are to have length five."""

    progress: list  # what the hooks were told

    def __init__(self, recipe: EncoderRecipe) -> None:
        super().__init__()
        self.backbone, self.progress = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(48, 4)), []

    def features_loss(self, features, batch):
        assert batch.tokens is None and len(features) == len(batch.ids) == 16
        return (features.norm(dim=1) - 5).square().mean()

    def before_step(self, progress):
        assert all(p.grad is not None for p in self.parameters())
        self.progress.append(("before", progress))

    def after_step(self, progress):
        self.progress.append(("after", progress))


def test_a_method_is_a_class_and_a_line(data, tmp_path, monkeypatch):
    """What a newcomer writes: nothing else in the library has to know the name."""
    monkeypatch.setitem(METHODS, "plain", MethodEntry("plain", "Plain", "#000000", f"{__name__}:Plain", Traits()))
    made, new = [], Plain.new
    monkeypatch.setattr(Plain, "new", lambda *arguments: made.append(new(*arguments)) or made[-1])
    summary = pretrain(data, recipe_of("plain", steps=4, learning_rate=0.05), tmp_path, progress="")
    assert losses(tmp_path)[-1] < losses(tmp_path)[0] and summary["weights"] == 48 * 4 + 4
    assert made[0].progress == [(when, (k + (when == "after")) / 4) for k in range(4) for when in ("before", "after")]
    assert load_file(tmp_path / "heads.safetensors") == {}
    with pytest.raises(ValueError, match="chunk is 4; gradient caching serves simclr"):
        recipe_of("plain", chunk=4)


@pytest.mark.parametrize(
    ("method", "encoder"),
    [("stablerep+", EncoderRecipe(head_width=32, text_width=64, text_layers=1)), ("mae", SMALL_VIT), ("simclr", SMALL_VIT)],
    ids=["resnet10t", "mae", "vit"],
)  # fmt: skip
def test_images_of_another_size(method, encoder, data, tmp_path):
    """Views of 64 pixels of pictures of 32: the encoder sees 64, and so do those who read it back."""
    seen = []
    recipe = recipe_of(method, steps=2, encoder=replace(encoder, image_size=64), view=ViewRecipe(size=64))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(view_batches, "make_views", lambda *a: seen.append(make_views(*a)) or seen[-1])
        pretrain(data, recipe, tmp_path, progress="")
    assert np.isfinite(losses(tmp_path)).all() and {view.shape[1:] for view in seen} == {(3, 64, 64)}
    large = nn.functional.interpolate(data.images[:4].float(), size=64).byte()
    features = extract_features(load_backbone(tmp_path), large)
    assert features.isfinite().all() and features.shape[0] == 4
