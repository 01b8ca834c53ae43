"""The steps that several chapters ask for, each declared once. A step of one chapter alone stands in its file."""

from __future__ import annotations

from stablerep.methods import METHODS
from stablerep.study.store.step import Step, Values


def _synthesis_words(p: Values) -> str:
    images = p["captions"] * p["images_per_caption"]
    low, high = p.get("guidance_interval", (0, 0))
    where = f" for noise of {low:g} to {high:g}" if high else ""
    return f"{images:,} images of {p['captions']:,} captions, w = {p['guidance_scale']:g}{where}, seed {p['seed']}"


def _passes(p: Values) -> int:
    """Passes of the U-Net: one a step, two where there is guidance."""
    guided = 0 if p["guidance_scale"] == 1 else p.get("guided_steps", p["steps"])
    return p["captions"] * p["images_per_caption"] * (p["steps"] + guided)


def _pretraining_words(p: Values) -> str:
    steps = f"{p['steps']:,} steps of {p['views_per_step']:,} views"
    return f"{p['method']}, {p['encoder']['name']}, {steps}, seed {p['seed']}"


def _pretraining_weight(p: Values) -> float:
    """What a text tower costs for each caption that it reads, and a teacher for each view, in views of the encoder."""
    traits = METHODS[p["method"]].traits
    captions = (1 / p.get("images_per_caption", 1) if traits.several else 1) if traits.reads_captions else 0
    return 1 + 1.4 * captions + 0.4 * traits.teacher


def _pretraining_code(p: Values) -> tuple[str, ...]:
    method = p["method"]
    own = METHODS[method].where.partition(":")[0], f"stablerep.methods:METHODS[{method}]"
    return "stablerep.training", *own, *p.get("images_by", ())


def _transfer_code(p: Values) -> tuple[str, ...]:
    own = f"stablerep.transfer.sets:TRANSFER_SETS[{p['set']}]"
    return "stablerep.transfer", "stablerep.training.backbones", "stablerep.probes.floors", own


GENERATOR_BATCH = 64  # images in a step of a generator's training
NETWORK = ("name", "stem", "image_size", "patch_size", "depth")  # what of a recipe the cost of an encoder goes by
SYNTHESIS = Step(
    "synthesis", 2, _synthesis_words, ("stablerep.synthesis", "stablerep.generator"),
    amount=_passes, rate=240.0, seconds=1.0, alike=lambda p, inputs: [inputs["generator"], p["precision"]],
    disk=lambda p: 2900 * p["captions"] * p["images_per_caption"],  # of 32 pixels
)  # fmt: skip
GENERATOR = Step(  # no hyphen in its name: its keys are inputs of other runs, and traces find them by their form
    "generator", 1, lambda p: f"a generator trained further, {p['steps']:,} steps, seed {p['seed']}",
    lambda p: ("stablerep.generator.training", "stablerep.synthesis.as_corpus", *p.get("images_by", ())),
    amount=lambda p: float(p["steps"] * GENERATOR_BATCH), rate=60.0, seconds=4.0, disk=lambda p: 20e6,
)  # fmt: skip
RECONSTRUCTED = Step(
    "reconstructed", 1, lambda p: f"real images of {p['captions']:,} captions through the autoencoder",
    ("stablerep.generator.autoencoder_training", "stablerep.generator.loading"),
    amount=lambda p: float(p["captions"] * p["images_per_caption"]), rate=260.0,
)  # fmt: skip
PRETRAINING = Step(
    "pretraining", 4, _pretraining_words, _pretraining_code, amount=lambda p: p["steps"] * p["views_per_step"],
    rate=2100.0, seconds=0.4, weight=_pretraining_weight, alike=lambda p, inputs: [p["method"], p.get("chunk", 0), *(p["encoder"][part] for part in NETWORK)],
    disk=lambda p: 40e6,
)  # fmt: skip
EVALUATION = Step(
    "evaluation", 7, lambda p: "all probes of an encoder",
    ("stablerep.probes.suite", "stablerep.probes.floors", "stablerep.training.backbones", "stablerep.camera"), seconds=3.0,
)  # fmt: skip
TRANSFER = Step(
    "transfer", 2, lambda p: f"an encoder on {p['set']}", _transfer_code,
    seconds=0.7, alike=lambda p, inputs: [p["set"], p["limit"]],
)  # fmt: skip
