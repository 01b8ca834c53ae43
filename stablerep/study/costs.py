"""How long a chapter will take: counts of what it makes, times rates that were measured once and scale with the machine."""

from __future__ import annotations

from typing import Any

from stablerep.study.parameters import SCHEMAS, Parameters, resolve
from stablerep.study.presets import PRESETS

# Measured on two cores of an Intel Xeon with AVX-512, float32, with the embedded generator and the laptop preset's encoder.
MACHINE_GFLOPS = 338.0  # `stablerep doctor`, float32 matrix product
PASSES_PER_SECOND = 460.0  # images through the U-Net: one a denoising step, two with guidance
VIEWS_PER_SECOND = 1200.0  # augmentation included
EVALUATION_SECONDS = 9.5  # all probes of one encoder
START_SECONDS = 15.0  # a kernel and its imports


def training_captions() -> int:
    """How many captions the training part of the embedded corpus has, flags left out."""
    from stablerep.corpus.emoji import read_emoji

    table = read_emoji()
    return int(table["caption"][(table["split"] == "train") & (table["group"] != "flags")].nunique())


def work(notebook: str, p: Parameters, comparison: Parameters | None = None) -> dict[str, float]:
    """What a chapter makes when nothing exists: ``images`` generated, by how many ``passes`` of the U-Net; ``views`` trained on; ``evaluations``.

    With the parameters of a ``comparison`` that was made before, the scaling chapter takes what is the same from it.
    """
    values: dict[str, Any] = p.model_dump()
    captions = values.get("captions", 0) or training_captions()
    if notebook == "corpus":
        return {"images": 0, "passes": 0, "views": 0, "evaluations": 0}
    trained = p.steps * p.views_per_step
    if notebook == "methods":
        count = len(p.methods) * p.seeds
        return {"images": 0, "passes": 0, "views": count * trained, "evaluations": count + p.seeds}
    if notebook == "generator":
        return _made(captions * p.images_per_caption, p.guidance_scales, p) | {"views": trained, "evaluations": 1}
    if notebook == "bias":  # its encoders are those of the comparison
        images = _made(p.neutral_captions * p.images_per_neutral_caption, p.guidance_scales, p)
        return images | {"views": 0, "evaluations": 1 + 4 * p.seeds}
    images = captions * p.images_per_caption * p.seeds
    if notebook == "compare":
        return _made(images, [p.guidance_scale], p) | {"views": 7 * trained * p.seeds, "evaluations": 8 * p.seeds}
    runs = 3 * len(p.caption_counts) * p.seeds
    differing = {"all"} if comparison is None else _differ(p, comparison)
    if differing <= {"caption_counts", "steps", "learning_rate", "crop_min", "probe_designs"}:
        images = 0
    if differing <= {"caption_counts"} and captions in p.caption_counts:
        runs -= 3 * p.seeds
    return _made(images, [p.guidance_scale], p) | {"views": runs * trained, "evaluations": runs}


def _made(images: int, guidance_scales: list[float], p: Parameters) -> dict[str, float]:
    """That many images at each scale: without guidance, w = 1, a step is one pass of the U-Net, else two."""
    passes = sum(1 if w == 1 else 2 for w in guidance_scales)
    return {"images": images * len(guidance_scales), "passes": images * p.sampling_steps * passes}


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
        made["passes"] / PASSES_PER_SECOND + made["views"] / VIEWS_PER_SECOND + made["evaluations"] * EVALUATION_SECONDS
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
