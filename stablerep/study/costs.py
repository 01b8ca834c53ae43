"""How long a chapter will take: counts of what it makes, times rates that were measured once and scale with the machine."""

from __future__ import annotations

from typing import Any

from stablerep.study.parameters import SCHEMAS, Parameters, resolve
from stablerep.study.presets import PRESETS

# Measured on two cores of an Intel Xeon with AVX-512, float32, with the embedded generator and the laptop preset's encoder.
MACHINE_GFLOPS = 338.0  # `stablerep doctor`, float32 matrix product
IMAGES_PER_SECOND = 20.5  # 12 steps with guidance
VIEWS_PER_SECOND = 1150.0  # augmentation included
EVALUATION_SECONDS = 9.0  # all probes of one encoder
START_SECONDS = 15.0  # a kernel and its imports


def training_captions() -> int:
    """How many captions the training part of the embedded corpus has, flags left out."""
    from stablerep.corpus.emoji import read_emoji

    table = read_emoji()
    return int(table["caption"][(table["split"] == "train") & (table["group"] != "flags")].nunique())


def work(notebook: str, p: Parameters, comparison: Parameters | None = None) -> dict[str, float]:
    """What a chapter makes when nothing exists: ``images`` generated, ``views`` trained on, ``evaluations``.

    With the parameters of a ``comparison`` that was made before, the scaling chapter takes what is the same from it.
    """
    values: dict[str, Any] = p.model_dump()
    captions = values.get("captions", 0) or training_captions()
    if notebook == "generator":
        images = captions * p.images_per_caption * len(p.guidance_scales)
        return {"images": images, "views": p.steps * p.views_per_step, "evaluations": 1}
    if notebook == "compare":
        return {
            "images": captions * p.images_per_caption * p.seeds, "views": 7 * p.steps * p.views_per_step * p.seeds,
            "evaluations": 8 * p.seeds,
        }  # fmt: skip
    if notebook == "scaling":
        runs = 3 * len(p.caption_counts) * p.seeds
        images = captions * p.images_per_caption * p.seeds
        differing = {"all"} if comparison is None else _differ(p, comparison)
        if differing <= {"caption_counts", "steps", "learning_rate", "crop_min", "probe_designs"}:
            images = 0
        if differing <= {"caption_counts"} and captions in p.caption_counts:
            runs -= 3 * p.seeds
        return {"images": images, "views": runs * p.steps * p.views_per_step, "evaluations": runs}
    if notebook == "bias":  # its encoders are those of the comparison
        images = p.neutral_captions * p.images_per_neutral_caption * len(p.guidance_scales)
        return {"images": images, "views": 0, "evaluations": 1 + 4 * p.seeds}
    return {"images": 0, "views": 0, "evaluations": 0}


def _differ(p: Parameters, other: Parameters) -> set[str]:
    """Names of the parameters of ``p`` that ``other`` lacks or has otherwise."""
    there = other.model_dump()
    return {name for name, value in p.model_dump().items() if name not in there or there[name] != value}


def estimate(notebook: str, p: Parameters, *, speed: float = 1.0, comparison: Parameters | None = None) -> tuple[float, str]:
    """Seconds for a chapter when nothing exists yet (but ``comparison``), and what it makes. ``speed`` is relative to the measured machine.

    The rates hold for the embedded generator and the laptop encoder; other networks cost more.
    """
    if not p.live:
        return START_SECONDS, "draws from stored results"
    made = work(notebook, p, comparison)
    seconds = START_SECONDS + (
        made["images"] / IMAGES_PER_SECOND + made["views"] / VIEWS_PER_SECOND + made["evaluations"] * EVALUATION_SECONDS
    ) / speed
    what = f"{made['images']:,.0f} images, {made['views']:,.0f} views, {made['evaluations']:.0f} evaluations"
    return seconds, what if made["images"] or made["views"] else "tables and drawings"


def book_estimate(parameters: dict[str, Parameters], *, speed: float = 1.0) -> dict[str, tuple[float, str]]:
    """The estimate of every chapter of a book whose store is empty; what two chapters share is counted once."""
    comparison = parameters.get("compare")
    return {name: estimate(name, p, speed=speed, comparison=comparison) for name, p in parameters.items()}


def preset_costs(measured: dict) -> list[tuple[str, str]]:
    """For ``stablerep doctor``: each preset's time on this machine, scaled by its matrix product."""
    speed = measured["gflops"] / MACHINE_GFLOPS
    costs = []
    for preset in PRESETS:
        if preset == "paper":
            costs.append((preset, "Stable Diffusion and ViT-B/16: a cluster; not estimated from this machine."))
            continue
        seconds = sum(seconds for seconds, _ in book_estimate({name: resolve(name, {"preset": preset}) for name in SCHEMAS}, speed=speed).values())
        text = f"about {seconds / 60:.0f} minutes" if seconds < 7200 else f"about {seconds / 3600:.0f} hours"
        note = " with the laptop's encoder; its own is larger and wants a GPU" if preset == "workstation" else ""
        costs.append((preset, f"the whole book takes {text} here{note}."))
    return costs
