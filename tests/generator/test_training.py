"""Training the miniature: a few steps from icons to a pipeline, cut and resumed, and the pieces by closed form."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from stablerep.corpus import Corpus
from stablerep.errors import FailedError, InputError
from stablerep.generator import Sampling, autoencoder_training, denoiser_training, load_generator, training
from stablerep.generator.architecture import LATENT_CHANNELS, TEXT_WIDTH, new_autoencoder
from stablerep.generator.autoencoder_training import AutoencoderRecipe, psnr, reconstruct, to_signed, train_autoencoder
from stablerep.generator.denoiser_training import (
    DenoiserRecipe,
    encode_all,
    image_weights,
    keywords_of,
    train_denoiser,
    written_captions,
)
from stablerep.generator.training import SHOWN, shown_captions, train_generator
from stablerep.tokenizer import train_tokenizer

FIRST = AutoencoderRecipe(epochs=0.8, decoder_epochs=0.4, batch_size=4)  # 4 steps of 20 images, 2 of the decoder alone
SECOND = DenoiserRecipe(epochs=1.0, batch_size=4)  # 5 steps


@pytest.fixture(scope="session")
def few(emoji):
    """Twenty training images and four held-out ones of one design."""
    table = emoji.table
    plain = (table["design"] == "noto") & (table["skin_tone"] == 0)
    train = table.index[plain & (table["split"] == "train")][:20]
    test = table.index[plain & (table["split"] == "test")][:4]
    return emoji.where(table.index.isin([*train, *test]))


@pytest.fixture(scope="session")
def trained(few, tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    return train_generator(few, folder, autoencoder_recipe=FIRST, denoiser_recipe=SECOND, device="cpu")


def losses(path) -> list[list[str]]:
    with open(path) as file:
        return list(csv.reader(file))


# The whole


def test_training_ends_in_a_pipeline(trained, few):
    generator = load_generator(str(trained), device="cpu")
    images, flagged = generator.sample(["red heart"] * 2, [(0, "red heart", i) for i in range(2)], Sampling(steps=2))
    assert images.shape == (2, 3, 32, 32) and flagged == [False, False]
    assert not torch.equal(images[0], images[1])
    assert generator.pipeline.vae.config.scaling_factor != 1
    sizes = sum(file.stat().st_size for file in trained.rglob("*.safetensors"))
    weights = sum(
        p.numel() for part in ("vae", "unet", "text_encoder") for p in getattr(generator.pipeline, part).parameters()
    )
    assert sizes == pytest.approx(2 * weights, rel=0.02)  # two bytes a weight


def test_training_leaves_a_record(trained, few):
    record = json.loads((trained / "training" / "training.json").read_text())
    part = few.split("train").table
    assert record["images"] == len(part) == 20
    assert record["captions"] == part["caption"].nunique() and record["concepts"] == part["concept"].nunique()
    assert record["corpus"] == few.fingerprint and record["learned_from"] == few.to_learn_from().fingerprint
    assert record["denoiser_recipe"]["batch_size"] == 4 and record["autoencoder_recipe"]["epochs"] == 0.8
    assert set(record["psnr"]) == {"train", "test"} and all(np.isfinite(list(record["psnr"].values())))
    assert set(record["seconds"]) == {"autoencoder", "denoiser"}
    stages = (("autoencoder", ["step", "loss", "decibel"], ["0", "4"]), ("denoiser", ["step", "loss"], ["0"]))
    for stage, columns, steps in stages:
        head, *rows = losses(trained / "training" / f"{stage}-loss.csv")
        assert head == columns and [row[0] for row in rows] == steps
        assert float(rows[0][1]) > 0
    with Image.open(trained.parent / "samples" / "step-000005.png") as grid:
        assert grid.size == (4 * 64, 8 * 64)  # four images of eight captions, drawn twice as large


def test_latents_are_scaled_to_deviation_one(trained, few):
    opened = load_generator(str(trained), device="cpu").pipeline.vae
    latents = encode_all(opened, few.split("train").images(32))
    assert float(latents.std()) * opened.config.scaling_factor == pytest.approx(1, abs=0.01)


def test_the_decoder_is_trained_further_and_the_encoder_is_not(trained):
    first, last = (
        torch.load(trained.parent / "autoencoder" / name, weights_only=True)["model"]
        for name in ("checkpoint.pt", "decoder/checkpoint.pt")
    )
    changed = {name.split(".")[0] for name in first if not torch.equal(first[name], last[name])}
    assert changed == {"decoder"}


def test_finished_training_is_not_repeated(trained, few, monkeypatch):
    monkeypatch.setattr(training, "train_autoencoder", lambda *a, **k: pytest.fail("trained again"))
    assert (
        train_generator(few, trained.parent, autoencoder_recipe=FIRST, denoiser_recipe=SECOND, device="cpu") == trained
    )


def test_another_training_in_the_folder_is_refused(trained, few):
    with pytest.raises(ValueError, match="another denoiser; choose another folder"):
        train_generator(
            few, trained.parent, autoencoder_recipe=FIRST, denoiser_recipe=replace(SECOND, seed=1), device="cpu"
        )
    with pytest.raises(ValueError, match="another corpus"):
        fewer = few.where(few.table["id"] != few.split("train").table["id"][0])
        train_generator(fewer, trained.parent, autoencoder_recipe=FIRST, denoiser_recipe=SECOND, device="cpu")


def test_nothing_is_trained_on_what_is_held_out(emoji, tmp_path):
    held_out = emoji.where((emoji.table["split"] == "train") & emoji.table["held_out"])
    with pytest.raises(InputError, match="the corpus emoji has no training images"):
        train_generator(held_out, tmp_path / "new", device="cpu")
    assert not (tmp_path / "new").exists()


# Any corpus


def labelled(resolution_seen: list, *, captions=("cat", "ship"), rows: int = 24, **columns) -> Corpus:
    """A corpus like CIFAR-10: a caption for each class, no keywords, no concepts, no validation."""

    def draw(table, size):
        resolution_seen.append(size)
        rng = np.random.default_rng(0)
        return rng.integers(0, 256, (len(table), 3, size, size), np.uint8)

    table = pd.DataFrame({
        "id": [f"row {i}" for i in range(rows)], "caption": [captions[i % len(captions)] for i in range(rows)],
        "split": ["train"] * (rows - 4) + ["test"] * 4, **columns,
    })  # fmt: skip
    return Corpus(table, "labelled", "made up", draw)


def test_any_corpus_at_another_size(small, tmp_path):
    seen: list[int] = []
    made = train_generator(
        labelled(seen), tmp_path, resolution=64, autoencoder_recipe=FIRST, denoiser_recipe=SECOND, device="cpu"
    )
    assert set(seen) == {64}
    generator = load_generator(str(made), device="cpu")
    assert generator.resolution == 64 and generator.latent_shape == (10, 16, 16)
    images, _ = generator.sample(["cat", "ship"], [(0, "cat", 0), (0, "ship", 0)], Sampling(steps=2))
    assert images.shape == (2, 3, 64, 64)
    record = json.loads((made / "training" / "training.json").read_text())
    assert (record["resolution"], record["cluster"], record["captions"], record["concepts"]) == (64, "caption", 2, 2)
    assert set(record["psnr"]) == {"train", "test"}
    with Image.open(tmp_path / "samples" / "step-000005.png") as grid:
        assert grid.size == (4 * 128, 2 * 128)
    with pytest.raises(ValueError, match="another resolution"):
        train_generator(labelled(seen), tmp_path, autoencoder_recipe=FIRST, denoiser_recipe=SECOND, device="cpu")


@pytest.mark.parametrize(
    ("corpus", "resolution", "said"),
    [
        (labelled([]), 36, "resolution is 36; it is a multiple of 8 from 16 to 512 pixels."),
        (labelled([]), 8, "resolution is 8; it is a multiple of 8 from 16 to 512 pixels."),
        (labelled([], rows=4), 32, "the corpus labelled has no training images."),
        (labelled([], captions=("cat", " ")), 32, "the corpus labelled has images without captions; a generator learns from captions."),
    ],
)  # fmt: skip
def test_what_cannot_be_learned_from_is_refused_before_anything_is_written(tmp_path, corpus, resolution, said):
    with pytest.raises(InputError) as error:
        train_generator(corpus, tmp_path / "new", resolution=resolution)
    assert str(error.value) == said and not (tmp_path / "new").exists()


def test_a_corpus_without_a_test_part_has_no_decibels_of_it(small, tmp_path):
    corpus = labelled([])
    alone = corpus.where(corpus.table["split"] == "train")
    made = train_generator(
        alone, tmp_path, resolution=16, autoencoder_recipe=FIRST, denoiser_recipe=SECOND, device="cpu"
    )
    assert set(json.loads((made / "training" / "training.json").read_text())["psnr"]) == {"train"}


@pytest.mark.parametrize(("cluster", "groups"), [("caption", 2), ("label", 4)])
def test_images_are_weighted_by_the_clusters_that_a_corpus_names(small, tmp_path, cluster, groups):
    corpus = replace(labelled([], label=list("abcd") * 6), cluster=cluster)
    made = train_generator(
        corpus, tmp_path, resolution=16, autoencoder_recipe=FIRST, denoiser_recipe=SECOND, device="cpu"
    )
    about = json.loads((made / "training" / "training.json").read_text())
    assert (about["cluster"], about["concepts"]) == (cluster, groups)


def test_captions_that_the_text_encoder_cuts_are_said_once(small, tmp_path, capsys):
    long = "red " * 30
    corpus = labelled([], captions=("cat", long + "ship", long + "house"))
    for _ in range(2):  # the second goes on, and has said it already
        train_generator(corpus, tmp_path, resolution=16, autoencoder_recipe=FIRST, denoiser_recipe=SECOND, device="cpu")
        said = capsys.readouterr().err
        assert said.count("2 of 3 captions are longer than 22 tokens") == (not (tmp_path / "said").exists())
        (tmp_path / "said").touch()
        shutil.rmtree(tmp_path / "pipeline")


def test_a_training_goes_on_from_a_generator(trained, few, tmp_path):
    """Autoencoder and tokenizer are kept, text encoder and U-Net learn further from where they were, and the start stays as it was."""
    start = load_generator(str(trained), device="cpu")
    before = {name: value.clone() for name, value in start.pipeline.unet.state_dict().items()}
    still = replace(SECOND, learning_rate=1e-12)
    made = {}
    for name, recipe in (("still", still), ("moved", SECOND)):
        folder = train_generator(
            few, tmp_path / name, start=start, denoiser_recipe=recipe, samples=name == "moved", device="cpu"
        )
        made[name] = load_generator(str(folder), device="cpu")
    assert {path.name for path in (tmp_path / "moved").iterdir()} == {"denoiser", "pipeline", "recipes.json", "samples"}
    assert not (tmp_path / "still" / "samples").exists()
    for name, value in start.pipeline.unet.state_dict().items():
        assert value.dtype == torch.float32 and torch.equal(value, before[name])
        assert torch.allclose(made["still"].pipeline.unet.state_dict()[name], value, atol=1e-3), name
    moved = [
        (value - before[name]).abs().max().item() for name, value in made["moved"].pipeline.unet.state_dict().items()
    ]
    assert max(moved) > 2e-3
    for name, value in start.pipeline.vae.state_dict().items():
        assert torch.equal(made["moved"].pipeline.vae.state_dict()[name], value.half().float()), name
    assert made["moved"].pipeline.vae.config.scaling_factor == start.pipeline.vae.config.scaling_factor
    said = [path.read_text() for path in (tmp_path / "moved" / "pipeline").rglob("*.json")]
    assert len(said) > 5 and not any(str(trained.parent) in text for text in said)
    assert made["moved"].pipeline.tokenizer.get_vocab() == start.pipeline.tokenizer.get_vocab()
    about = json.loads((tmp_path / "moved" / "pipeline" / "training" / "training.json").read_text())
    assert about["start"] == start.fingerprint and about["autoencoder_recipe"] is None and about["psnr"] == {}
    assert not (tmp_path / "moved" / "pipeline" / "training" / "autoencoder-loss.csv").exists()
    with pytest.raises(InputError, match="holds a training with another .*start"):
        train_generator(few, tmp_path / "moved", denoiser_recipe=SECOND, device="cpu")


def test_a_start_that_cannot_serve_is_refused(trained, few, tmp_path, monkeypatch):
    start = load_generator(str(trained), device="cpu")
    with pytest.raises(InputError, match="resolution is 64; .* draws 32 pixels a side"):
        train_generator(few, tmp_path / "new", start=start, resolution=64)
    monkeypatch.setattr(training, "AUTOENCODER", "Another")
    with pytest.raises(InputError, match="has another autoencoder than ours"):
        train_generator(few, tmp_path / "new", start=start)
    assert not (tmp_path / "new").exists()


def test_keywords_are_used_where_there_are_any():
    assert keywords_of(pd.DataFrame({"caption": ["a", "b"]})) == ["", ""]
    assert keywords_of(pd.DataFrame({"keywords": ["x|y", None, float("nan"), 3]})) == ["x|y", "", "", ""]


def test_grids_show_familiar_captions_or_the_first_eight(emoji):
    assert shown_captions(emoji.to_learn_from().table["caption"]) == list(SHOWN)
    assert shown_captions(["airplane", "cat", "airplane", "ship"]) == ["airplane", "cat", "ship"]
    assert shown_captions(map(str, range(100))) == [str(i) for i in range(8)]


# Cut and resumed


class Cut(Exception):
    """Stands for a kill: nothing of the training catches it."""


def cut_at(monkeypatch, module, step: int) -> None:
    rate = module.cosine_rate

    def cutting(now, *arguments, **options):
        if now == step:
            raise Cut
        return rate(now, *arguments, **options)

    monkeypatch.setattr(module, "cosine_rate", cutting)


def small_denoiser(resolution: int = 32):
    """The miniature's U-Net with a hundredth of its weights: whether a cut training resumes does not depend on its size."""
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=resolution // 4, in_channels=LATENT_CHANNELS, out_channels=LATENT_CHANNELS, block_out_channels=(16, 16), layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=TEXT_WIDTH, attention_head_dim=2, norm_num_groups=8,
    )  # fmt: skip


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(denoiser_training, "new_denoiser", small_denoiser)


@pytest.fixture(scope="session")
def lesson(few, tmp_path_factory):
    """What the denoiser learns from: latents, table, tokenizer; and its weights after five steps without a cut."""
    part = few.split("train").table
    tokenizer = train_tokenizer(part["caption"], tmp_path_factory.mktemp("tokenizer"))
    latents = torch.randn(len(part), 10, 8, 8, generator=torch.Generator().manual_seed(3))
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(denoiser_training, "new_denoiser", small_denoiser)
        trained = train_denoiser(latents, part, tokenizer, folder, SECOND, checkpoint_every=2)
    return (latents, part, tokenizer), trained, folder


@pytest.mark.parametrize("step", [1, 3, 4])  # before any checkpoint, between two, right after the second
def test_denoiser_resumes_to_the_same_weights(small, lesson, tmp_path, step):
    material, whole, folder = lesson
    with pytest.MonkeyPatch.context() as patch:
        cut_at(patch, denoiser_training, step)
        with pytest.raises(Cut):
            train_denoiser(*material, tmp_path, SECOND, checkpoint_every=2)
    assert (tmp_path / "checkpoint.pt").exists() == (step > 1)
    torch.manual_seed(99)  # a resumed run finds the global generator in another state
    resumed = train_denoiser(*material, tmp_path, SECOND, checkpoint_every=2)
    for ours, theirs in zip(resumed, whole):
        expected = theirs.state_dict()
        for name, value in ours.state_dict().items():
            assert torch.equal(value, expected[name]), name
    assert losses(tmp_path / "loss.csv") == losses(folder / "loss.csv")


def test_running_loss_goes_on_after_a_cut(small, lesson, tmp_path):
    """The logged loss is a running mean; a resumed run must not start it anew."""
    material, _, _ = lesson
    recipe = replace(SECOND, epochs=1.15, batch_size=1)  # 23 steps: rows at 0 and 20
    train_denoiser(*material, tmp_path / "whole", recipe, checkpoint_every=18)
    with pytest.MonkeyPatch.context() as patch:
        cut_at(patch, denoiser_training, 19)
        with pytest.raises(Cut):
            train_denoiser(*material, tmp_path / "cut", recipe, checkpoint_every=18)
    train_denoiser(*material, tmp_path / "cut", recipe, checkpoint_every=18)
    assert losses(tmp_path / "cut" / "loss.csv") == losses(tmp_path / "whole" / "loss.csv")


def test_denoiser_that_is_done_takes_no_step(small, lesson, monkeypatch):
    material, whole, folder = lesson
    monkeypatch.setattr(denoiser_training, "written_captions", lambda *a: pytest.fail("took a step"))
    _, unet = train_denoiser(*material, folder, SECOND)
    assert torch.equal(unet.conv_in.weight, whole[1].conv_in.weight)


def test_autoencoder_resumes_to_the_same_weights(few, tmp_path):
    images = few.split("train").images(32)
    whole = train_autoencoder(images, tmp_path / "whole", FIRST, checkpoint_every=2)
    with pytest.MonkeyPatch.context() as patch:
        cut_at(patch, autoencoder_training, 3)
        with pytest.raises(Cut):
            train_autoencoder(images, tmp_path / "cut", FIRST, checkpoint_every=2)
    torch.manual_seed(99)
    resumed = train_autoencoder(images, tmp_path / "cut", FIRST, checkpoint_every=2)
    for name, value in resumed.state_dict().items():
        assert torch.equal(value, whole.state_dict()[name]), name
    # killed between the last checkpoint and the table of losses
    (tmp_path / "cut" / "loss.csv").unlink()
    train_autoencoder(images, tmp_path / "cut", FIRST, checkpoint_every=2)
    assert losses(tmp_path / "cut" / "loss.csv") == losses(tmp_path / "whole" / "loss.csv")


def test_milestones_get_the_averaged_models_and_change_nothing(small, lesson, tmp_path):
    material, whole, _ = lesson
    seen = []

    def look(step, text_encoder, unet):
        torch.randn(3)  # a milestone that draws random numbers must not disturb the training
        assert not unet.training and not text_encoder.training
        seen.append((step, unet.conv_in.weight.clone()))

    _, unet = train_denoiser(*material, tmp_path, SECOND, on_milestone=look, milestone_every=2)
    assert [step for step, _ in seen] == [2, 4, 5]
    assert torch.equal(seen[-1][1], unet.conv_in.weight)
    assert torch.equal(unet.conv_in.weight, whole[1].conv_in.weight)


def test_loss_that_is_not_finite_names_the_step(small, lesson, few, tmp_path, monkeypatch):
    (latents, part, tokenizer), _, _ = lesson
    with pytest.raises(FloatingPointError, match="denoiser's loss is nan at step 0"):
        train_denoiser(latents * float("nan"), part, tokenizer, tmp_path / "denoiser", SECOND)
    monkeypatch.setattr(autoencoder_training, "to_signed", lambda images: images.float() * float("nan"))
    with pytest.raises(FloatingPointError, match="autoencoder's loss is nan at step 0"):
        train_autoencoder(few.split("train").images(32), tmp_path / "autoencoder", FIRST)


# Closed forms


def test_image_weights_by_hand():
    """A concept with four images at power 1/2 weighs 4 * 4^-0.5 = 2, one with one image weighs 1."""
    weights = image_weights(pd.Series(["face", "face", "rose", "face", "face"]), 0.5)
    assert weights.dtype == torch.float64
    torch.testing.assert_close(weights, torch.tensor([1 / 6, 1 / 6, 1 / 3, 1 / 6, 1 / 6], dtype=torch.float64))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.floats(0, 1))
def test_image_weights_of_a_concept(concepts, power):
    concepts = pd.Series(concepts)
    weights = image_weights(concepts, power)
    assert float(weights.sum()) == pytest.approx(1)
    sums = pd.Series(weights.numpy()).groupby(concepts).sum()
    expected = concepts.value_counts() ** (1 - power)
    pd.testing.assert_series_equal(sums, (expected / expected.sum()).sort_index(), check_names=False)


KEYWORDS = "love|valentine|emotion|red"


def write(recipe: DenoiserRecipe, keywords: str = KEYWORDS, count: int = 8000, seed: int = 0) -> list[str]:
    rng = torch.Generator().manual_seed(seed)
    return written_captions(["red heart"] * count, [keywords] * count, recipe, rng)


def test_written_captions_have_the_recipes_shares():
    """A tenth is empty, and a quarter of the rest has keywords; the standard error of 8000 draws is below 0.005."""
    written = pd.Series(write(DenoiserRecipe(caption_dropout=0.1, keyword_share=0.25)))
    extended = written[written.str.startswith("red heart, ")]
    assert (written == "").mean() == pytest.approx(0.1, abs=0.02)
    assert len(extended) / len(written) == pytest.approx(0.9 * 0.25, abs=0.02)
    assert len(extended) + (written == "").sum() + (written == "red heart").sum() == len(written)
    words = extended.str.removeprefix("red heart, ").str.split(", ")
    assert set(words.str.len()) == {1, 2, 3}
    assert all(len(set(some)) == len(some) and set(some) <= set(KEYWORDS.split("|")) for some in words)
    counts = words.explode().value_counts(normalize=True)
    assert counts.min() > 0.2 and counts.max() < 0.3  # each of the four alike


def test_written_captions_at_the_ends():
    assert set(write(DenoiserRecipe(caption_dropout=1.0), count=50)) == {""}
    assert set(write(DenoiserRecipe(caption_dropout=0.0, keyword_share=0.0), count=50)) == {"red heart"}
    assert set(write(DenoiserRecipe(caption_dropout=0.0, keyword_share=1.0), keywords="", count=50)) == {"red heart"}
    assert set(write(DenoiserRecipe(caption_dropout=0.0, keyword_share=1.0), keywords="love", count=50)) == {
        "red heart, love"
    }


def test_written_captions_follow_their_generator():
    assert write(DenoiserRecipe(), count=50, seed=1) == write(DenoiserRecipe(), count=50, seed=1)
    assert write(DenoiserRecipe(), count=50, seed=1) != write(DenoiserRecipe(), count=50, seed=2)


def test_psnr_by_hand():
    """A constant error of d grey levels is 20 log10(255 / d) dB."""
    images = torch.full((3, 3, 4, 4), 100, dtype=torch.uint8)
    other = images.clone()
    other[0] += 1
    other[1] -= 51
    found = psnr(images, other)
    torch.testing.assert_close(found[:2], torch.tensor([20 * np.log10(255), 20 * np.log10(5)], dtype=torch.float32))
    assert 100 < found[2] < 200  # equal images: large, not infinite


def test_psnr_is_per_image_and_symmetric():
    rng = torch.Generator().manual_seed(0)
    a, b = torch.randint(0, 256, (2, 5, 3, 8, 8), generator=rng, dtype=torch.uint8)
    assert torch.equal(psnr(a, b), psnr(b, a))
    torch.testing.assert_close(psnr(a, b)[3], psnr(a[3:4], b[3:4])[0])


def test_signed_range():
    assert to_signed(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-1, 1]


def test_reconstruction_does_not_depend_on_batches(trained, few):
    autoencoder = load_generator(str(trained), device="cpu").pipeline.vae
    images = few.images(32)
    whole, parts = reconstruct(autoencoder, images), reconstruct(autoencoder, images, batch_size=5)
    assert whole.dtype == torch.uint8 and whole.shape == images.shape
    assert (whole.int() - parts.int()).abs().max() <= 1


def test_a_reconstruction_that_is_not_finite_is_refused():
    """As a pixel, nan would be black."""
    images = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for part in ("encoder", "decoder"):
        damaged = new_autoencoder().eval()
        next(getattr(damaged, part).parameters()).data.fill_(float("nan"))
        with pytest.raises(
            FailedError, match="^the autoencoder gives values that are not finite in float32; its weights"
        ):
            reconstruct(damaged, images)


def test_the_autoencoder_of_stable_diffusion_is_reconstructed_from_its_mode():
    from diffusers import AutoencoderKL

    images = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    autoencoder = AutoencoderKL(block_out_channels=(8,), norm_num_groups=4).eval()
    with torch.no_grad():
        latents = autoencoder.encode(to_signed(images)).latent_dist.mode()
        expected = autoencoder.decode(latents).sample.clamp(-1, 1).add(1).mul(127.5).round()
    assert torch.equal(reconstruct(autoencoder, images).float(), expected)
