"""Estimates: the counts are those of what the chapters make, and they scale as they should."""

from __future__ import annotations

import re

import pytest

from stablerep.study.chapters.bias import COMPARED
from stablerep.study.chapters.scaling import SCALED
from stablerep.study.costs import (
    EVALUATION_SECONDS, MACHINE_GFLOPS, PASSES_PER_SECOND, START_SECONDS, VIEWS_PER_SECOND, book_estimate, estimate, preset_costs,
    work,
)  # fmt: skip
from stablerep.study.experiments import ARMS
from stablerep.study.parameters import SCHEMAS, resolve
from stablerep.study.presets import PRESETS


def counts(notebook: str, **given) -> tuple[float, float, float]:
    made = work(notebook, resolve(notebook, given))
    return made["images"], made["views"], made["evaluations"]


def test_zero_captions_are_all_training_captions(emoji):
    captions = emoji.split("train").table["caption"].nunique()
    assert counts("compare", captions=0, images_per_caption=1)[0] == captions


@pytest.mark.parametrize(("w", "passes"), [(1.0, 5), (1.5, 10), (8.0, 10)])
def test_guidance_doubles_the_passes_of_a_step(w, passes):
    made = work("compare", resolve("compare", dict(captions=100, images_per_caption=2, guidance_scale=w, sampling_steps=5)))
    assert made["passes"] == 200 * passes
    several = work("bias", resolve("bias", dict(neutral_captions=4, images_per_neutral_caption=1, guidance_scales=[1, w + 1], sampling_steps=5)))
    assert several["passes"] == 4 * (5 + 10)


def test_comparison_by_hand():
    given = dict(captions=100, images_per_caption=4, seeds=2, steps=10, views_per_step=64)
    trained = [arm for arm in ARMS if arm.method != "random"]
    assert counts("compare", **given) == (100 * 4 * 2, len(trained) * 10 * 64 * 2, len(ARMS) * 2)


def test_scaling_by_hand():
    """Smaller sets take their images from the whole one."""
    given = dict(captions=100, caption_counts=[16, 64], images_per_caption=3, seeds=2, steps=10, views_per_step=64)
    assert counts("scaling", **given) == (100 * 3 * 2, len(SCALED) * 2 * 2 * 640, len(SCALED) * 2 * 2)


def test_methods_by_hand():
    """Real images only; random initialization is evaluated too."""
    given = dict(methods=["simclr", "mae", "dino"], seeds=2, steps=5, views_per_step=32)
    assert counts("methods", **given) == (0, 3 * 2 * 160, (3 + 1) * 2)


def test_generator_by_hand():
    given = dict(captions=10, images_per_caption=4, guidance_scales=[1, 2, 4], steps=5, views_per_step=32)
    assert counts("generator", **given) == (120, 160, 1)


def test_bias_reuses_the_encoders_of_the_comparison():
    given = dict(neutral_captions=8, images_per_neutral_caption=3, guidance_scales=[1, 4], seeds=2)
    assert counts("bias", **given) == (48, 0, 1 + len(COMPARED) * 2)


def test_corpus_makes_nothing():
    assert counts("corpus") == (0, 0, 0)
    assert estimate("corpus", resolve("corpus", {})) == (START_SECONDS, "tables and drawings")


def test_seconds_follow_from_the_rates():
    p = resolve("compare", {"captions": 90, "images_per_caption": 1, "steps": 11, "views_per_step": 100, "positives": 2, "sampling_steps": 7})
    expected = 90 * 14 / PASSES_PER_SECOND + 7 * 1100 / VIEWS_PER_SECOND + 8 * EVALUATION_SECONDS
    seconds, what = estimate("compare", p)
    assert seconds == pytest.approx(START_SECONDS + expected)
    assert what == "90 images, 7,700 views, 8 evaluations"
    assert estimate("compare", p, speed=2.0)[0] == pytest.approx(START_SECONDS + expected / 2)  # starting is not faster


@pytest.mark.parametrize("notebook", SCHEMAS)
def test_stored_results_cost_a_start(notebook):
    p = resolve(notebook, {"live": False, "preset": "paper"})
    assert estimate(notebook, p) == (START_SECONDS, "draws from stored results")


@pytest.mark.parametrize(
    ("notebook", "name", "more"),
    [
        ("generator", "captions", 256), ("generator", "guidance_scales", [1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0]), ("generator", "steps", 500),
        ("methods", "steps", 100), ("methods", "seeds", 2), ("methods", "views_per_step", 256), ("compare", "steps", 400), ("compare", "seeds", 2), ("compare", "views_per_step", 512),
        ("compare", "images_per_caption", 8),
        ("compare", "sampling_steps", 12), ("generator", "sampling_steps", 20), ("bias", "sampling_steps", 12),
        ("scaling", "caption_counts", [160, 320, 640, 960, 1280]), ("scaling", "seeds", 3),
        ("bias", "neutral_captions", 96), ("bias", "images_per_neutral_caption", 12),
    ],
)  # fmt: skip
def test_more_costs_more(notebook, name, more):
    """Every parameter whose help says that it costs does so in the estimate."""
    assert "linear" in SCHEMAS[notebook].model_fields[name].json_schema_extra["cost"]
    assert estimate(notebook, resolve(notebook, {name: more}))[0] > estimate(notebook, resolve(notebook, {}))[0]


def minutes(text: str) -> float:
    number, unit = re.search(r"about (\d+) (minutes|hours)", text).groups()
    return float(number) * (60 if unit == "hours" else 1)


def test_costs_of_presets_for_the_doctor():
    costs = preset_costs({"gflops": MACHINE_GFLOPS})
    assert [preset for preset, _ in costs] == list(PRESETS)
    told = dict(costs)
    assert "cluster" in told["paper"] and not re.search(r"\d+ (minutes|hours)", told["paper"])
    assert minutes(told["smoke"]) < minutes(told["laptop"]) < minutes(told["reference"]) < minutes(told["workstation"])
    seconds = sum(seconds for seconds, _ in book_estimate({name: resolve(name, {}) for name in SCHEMAS}).values())
    assert minutes(told["laptop"]) == pytest.approx(seconds / 60, abs=0.5)


def test_a_book_counts_once_what_two_chapters_share(emoji):
    everything = emoji.split("train").table["caption"].nunique()
    comparison = resolve("compare", {"captions": 0, "steps": 10})
    alone = work("scaling", resolve("scaling", {"captions": 0, "steps": 10, "caption_counts": [64, everything]}))
    shared = work("scaling", resolve("scaling", {"captions": 0, "steps": 10, "caption_counts": [64, everything]}), comparison)
    assert shared == {"images": 0, "passes": 0, "views": alone["views"] / 2, "evaluations": len(SCALED)}
    images_only = work("scaling", resolve("scaling", {"captions": 0, "steps": 20, "caption_counts": [64, everything]}), comparison)
    assert images_only == {"images": 0, "passes": 0, "views": 2 * alone["views"], "evaluations": 2 * len(SCALED)}
    other = {"captions": 0, "steps": 10, "caption_counts": [64, everything], "guidance_scale": 3.0}
    assert work("scaling", resolve("scaling", other), comparison) == alone


def test_slower_machine_is_told_more_time():
    fast, slow = (dict(preset_costs({"gflops": MACHINE_GFLOPS * k}))["laptop"] for k in (1, 0.25))
    assert minutes(slow) > 2 * minutes(fast)
