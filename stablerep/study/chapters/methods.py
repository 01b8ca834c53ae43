"""The methods: each trained on the same real images, probed, and asked whether its features have collapsed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from stablerep.methods import METHODS
from stablerep.statistics import verdict as verdict_on
from stablerep.study.chapters.compare import differences, seed_means, summarize
from stablerep.study.experiments.equal_compute import cost_of, costs
from stablerep.study.experiments.study import SIZE, Study
from stablerep.study.parameters.base import MethodsParameters
from stablerep.study.store.runs import Run
from stablerep.transfer import transfer_scores

DIAGNOSTICS_VERSION = 1
TRANSFERRED = ("digits", "clip art")  # embedded sets that show no emoji
# (claim, better method if it holds, other method): SynCLR, table 5
LEARNED = "learned"  # the claim that a method lies above random initialization
PAIRS = (("C6", "Caption as class", "Supervised"), ("C6", "Supervised", "SimCLR"))
NAMES = {"random": "Random initialization"} | {name: entry.title for name, entry in METHODS.items()}


def ask(
    p: MethodsParameters, study: Study
) -> list[tuple[str, int, Run | None, pd.DataFrame, pd.DataFrame, pd.DataFrame | None]]:
    """Ask for every run of the chapter: name of the method, seed, pre-training, items of the probes and of transfer, and, of the first seed, diagnostics."""
    images = study.real_images(study.captions(p.captions), designs=True)
    found = []
    for k in range(p.seeds):
        seed = p.seed + k
        for method in ("random", *p.methods):
            run = None if method == "random" else train(method, images, p, study, seed)
            items = study.probed(run, encoder_recipe(p), seed, p.probe_designs)
            transferred = study.transferred(run, encoder_recipe(p), seed, TRANSFERRED)
            found.append(
                (NAMES[method], seed, run, items, transferred, diagnosed(run, p, study, seed) if k == 0 else None)
            )
    return found


def compute(p: MethodsParameters, study: Study) -> dict[str, pd.DataFrame]:
    """Tables: ``arms`` (accuracy by method and probe with its interval), ``differences`` (the pairs of C6, and each method against random
    initialization, claim ``learned``), ``costs``, ``transfer`` (each seed's score on other sets), ``seeds``, ``curves`` (loss by
    step of the first seed) and
    ``diagnostics`` (of the first seed's features of held-out concepts). Random initialization is the first row of each but ``curves`` and ``costs``.
    """
    items, curves, diagnostics, transfer = [], [], [], []
    for name, seed, run, probed, transferred, described in ask(p, study):
        items.append(probed.assign(arm=name, seed=seed, **cost_of(run)))
        transfer.append(transfer_scores(transferred).assign(arm=name, seed=seed))
        if described is not None:
            diagnostics.append(described.assign(arm=name))
            if run:
                curves.append(run.table("log")[["step", "loss"]].assign(arm=name))
    items = pd.concat(items, ignore_index=True)
    pairs = *PAIRS, *((LEARNED, NAMES[method], NAMES["random"]) for method in p.methods)
    return {
        "arms": summarize(items), "differences": differences(items, pairs), "costs": costs(items), "seeds": seed_means(items),
        "curves": pd.concat(curves, ignore_index=True),
        "diagnostics": pd.concat(diagnostics, ignore_index=True), "transfer": pd.concat(transfer, ignore_index=True),
    }  # fmt: skip


def encoder_recipe(p: MethodsParameters):
    from stablerep.encoders import EncoderRecipe

    return EncoderRecipe(name=p.encoder, stem="published", image_size=SIZE, patch_size=p.patch_size, depth=p.depth)


def train(method: str, images, p: MethodsParameters, study: Study, seed: int) -> Run:
    """The pre-training run of one method."""
    from stablerep.training import PretrainingRecipe
    from stablerep.views import ViewRecipe

    teacher = METHODS[method].traits.teacher
    recipe = PretrainingRecipe(
        method=method, steps=p.steps, views_per_step=p.views_per_step, images_per_caption=p.positives,
        learning_rate=p.teacher_learning_rate if teacher else p.learning_rate,
        teacher_momentum=p.teacher_momentum if teacher else 0.0, seed=seed, encoder=encoder_recipe(p),
        view=ViewRecipe(size=SIZE, crop_min=p.crop_min),
    )  # fmt: skip
    return study.pretraining(
        images, recipe, f"{NAMES[method]}, seed {seed}", label=p.label if recipe.traits.ids == "class" else None
    )


def diagnosed(run: Run | None, p: MethodsParameters, study: Study, seed: int) -> pd.DataFrame:
    """One row: what the features of held-out concepts look like, before any label is asked."""
    corpus = study.corpus.where(
        (study.corpus.table["split"] == "test") & study.corpus.table["design"].isin(p.probe_designs)
    )

    def compute(folder: Path) -> dict:
        describe(study.backbone(run, encoder_recipe(p), seed), corpus).to_parquet(
            folder / "results.parquet", index=False
        )
        return {}

    return study.store.obtain(
        "diagnostics",
        version=DIAGNOSTICS_VERSION,
        parameters={"size": SIZE},
        inputs={"encoder": study.encoder_key(run, encoder_recipe(p), seed), "corpus": corpus.fingerprint},
        compute=compute,
    ).table()


def describe(backbone, corpus) -> pd.DataFrame:
    """Alignment of the designs of a caption, uniformity over captions, similarity within and between them, effective rank, alarms."""
    from stablerep.audits.features import alignment, caption_similarity, collapse, effective_rank, uniformity
    from stablerep.encoders import extract_features

    features = extract_features(backbone, corpus.images(SIZE))
    captions = pd.factorize(corpus.table["caption"])[0]
    ids = torch.from_numpy(captions.copy())
    one_each = torch.from_numpy(
        corpus.table.reset_index(drop=True).drop_duplicates("caption").index.to_numpy(copy=True)
    )
    similarity = caption_similarity(features, ids).set_index("pairs")["mean"]
    alarms = collapse(features)
    return pd.DataFrame([{
        "alignment": alignment(features, ids), "uniformity": uniformity(features[one_each]), "within": similarity["within"],
        "between": similarity["between"], "effective_rank": effective_rank(features), "dimensions": features.shape[1],
        "alarms": ", ".join(alarms.loc[alarms["raised"], "alarm"]) or "none",
    }])  # fmt: skip


def in_short(tables: dict[str, pd.DataFrame], *names: str) -> str:
    """Markdown: what the diagnostics and two probes say of some methods, a line for each that was run."""
    features = tables["diagnostics"].set_index("arm")
    gains = tables["differences"][tables["differences"]["claim"] == LEARNED].set_index(["probe", "first"])
    lines = []
    for name in names:
        if name not in features.index:
            continue
        row = features.loc[name]
        gained = [f"{probe} {100 * g.difference:+.1f} [{100 * g.low:+.1f}, {100 * g.high:+.1f}]" for probe in ("linear group", "one-shot concept")
                  for g in [gains.loc[probe, name]]]  # fmt: skip
        lines.append(
            f"- **{name}**, points above random initialization: {', '.join(gained)}. Cosine within a caption "
            f"{row['within']:.2f}, between captions {row['between']:.2f}; effective rank {row['effective_rank']:.0f} of {row['dimensions']}; alarms: {row['alarms']}."
        )
    return "\n".join(lines) or "Not run with these parameters."


def learned(pairs: pd.DataFrame, probe: str) -> list[str]:
    """Methods that lie above random initialization by more than the interval of the difference on the same items."""
    mine = pairs[(pairs["claim"] == LEARNED) & (pairs["probe"] == probe)]
    return mine[mine["low"] > 0]["first"].tolist()


def verdict(pairs: pd.DataFrame, probe: str) -> tuple[str, str]:
    """A word and a sentence for C6 on one probe.

    Rule: *not testable at this scale* when a method of the claim was not run, or when none of them learned (:func:`learned`): an order
    among encoders that know no more than an untrained one says nothing about what they were told. Else that of
    :func:`stablerep.statistics.verdict`.
    """
    mine = pairs[(pairs["probe"] == probe) & (pairs["claim"] == "C6")]
    if len(mine) < len(PAIRS):
        return "not testable at this scale", "a method that the claim names was not run"
    found = verdict_on(mine)
    if not {*mine["first"], *mine["second"]} & set(learned(pairs, probe)):
        return (
            "not testable at this scale",
            f"no method of the claim was trained long enough to lie above random initialization ({found.sentence})",
        )
    return found.word, found.sentence


def example_batch(seed: int = 0) -> tuple[np.ndarray, dict]:
    """Thumbnails and ids of a small batch under four schemes, for :func:`stablerep.figures.positives`.

    Two captions of one subgroup and one of another, in two designs each; SimCLR sees two views of one design of each.
    """
    from stablerep.corpus import load_corpus
    from stablerep.seeding import generator_for
    from stablerep.views import ViewRecipe, make_views

    captions, designs = ("cat face", "dog face", "pizza"), ("noto", "twemoji")
    corpus = load_corpus("emoji", designs=list(designs))
    rows = corpus.table.set_index(["caption", "design"])
    place = {key: number for number, key in enumerate(zip(corpus.table["caption"], corpus.table["design"]))}
    chosen = [(caption, design) for caption in captions for design in designs]
    keep = np.isin(np.arange(len(corpus.table)), [place[key] for key in chosen])
    part = corpus.where(keep)
    order = {key: number for number, key in enumerate(zip(part.table["caption"], part.table["design"]))}
    images = part.images(SIZE)[[order[key] for key in chosen]]
    recipe = ViewRecipe(size=SIZE)
    singles = images[::2].repeat_interleave(2, 0)
    views = make_views(singles, recipe, generator_for(seed, "example", "views"))
    shown = make_views(images, recipe, generator_for(seed, "example", "images"))
    subgroup = pd.factorize(pd.Series([rows.loc[key, "subgroup"] for key in chosen]))[0]
    caption = np.repeat(np.arange(len(captions)), 2)
    return _pixels(shown), {
        "SimCLR: two views of an image": (_pixels(views), caption),
        "StableRep: images of a caption": caption,
        "Supervised contrastive: images of a subgroup": subgroup,
        "Caption as class: the number of the caption": caption,
    }


def _pixels(views) -> np.ndarray:
    """Views float [N, 3, H, W] in 0..1 as uint8 [N, H, W, 3]."""
    return views.mul(255).round().byte().permute(0, 2, 3, 1).numpy()
