"""Scaling: accuracy against the number of captions, for three methods."""

from __future__ import annotations

import pandas as pd

from stablerep.errors import InputError
from stablerep.study.chapters.compare import summarize
from stablerep.study.experiments.study import Study, arm
from stablerep.study.parameters.base import ScalingParameters

SCALED = ("StableRep+ synthetic", "StableRep synthetic", "CLIP real")


def ask(p: ScalingParameters, study: Study) -> pd.DataFrame:
    """Ask for every run of the chapter: per-item results with the number of ``captions``.

    Subsets of captions are nested. Every run takes the same number of steps, so a larger set is seen fewer times.
    """
    counts = sorted(p.caption_counts)
    captions = study.captions(p.captions)
    if counts[-1] > len(captions):
        raise InputError(f"caption_counts goes up to {counts[-1]}; {len(captions)} captions are available.")
    parts = []
    for count in counts:
        some = p.model_copy(update={"captions": count})
        for name in SCALED:
            for k in range(p.seeds):
                # A batch cannot hold a caption twice: small sets take smaller batches and more steps, for the same views.
                fitted = _fit_batch(some, arm(name).method)
                parts.append(
                    study.evaluated(arm(name), captions, fitted, p.seed + k, first=count).assign(captions=count)
                )
    return pd.concat(parts, ignore_index=True)


def compute(p: ScalingParameters, study: Study) -> dict[str, pd.DataFrame]:
    """Table ``scaling``: a row per method, number of captions and probe, with intervals."""
    items = ask(p, study)
    tables = [summarize(part).assign(captions=count) for count, part in items.groupby("captions")]
    return {"scaling": pd.concat(tables, ignore_index=True)}


def _fit_batch(p: ScalingParameters, method: str) -> ScalingParameters:
    """Halve the batch (and double the steps) until it holds no more captions than there are."""
    views, steps = p.views_per_step, p.steps
    per_caption = p.positives if method.startswith("stablerep") else 1
    while views // per_caption > p.captions and views % (4 * per_caption) == 0:
        views, steps = views // 2, steps * 2
    return p.model_copy(update={"views_per_step": views, "steps": steps})
