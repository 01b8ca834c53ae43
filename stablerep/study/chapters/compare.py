"""The comparison: every method on real and synthetic images, the same number of views for each."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from stablerep.statistics import mean_with_interval, over_seeds, paired_difference
from stablerep.statistics import verdict as verdict_on
from stablerep.study.experiments.study import ARMS, Study
from stablerep.study.parameters.base import CompareParameters


def ask(p: CompareParameters, study: Study) -> pd.DataFrame:
    """Ask for every run of the chapter: per-item results of all arms and seeds."""
    captions = study.captions(p.captions)
    return pd.concat(
        [study.evaluated(arm, captions, p, p.seed + k) for k in range(p.seeds) for arm in ARMS], ignore_index=True
    )


def compute(p: CompareParameters, study: Study) -> dict[str, pd.DataFrame]:
    """Tables: ``arms`` (a row per arm and probe with its interval), ``differences`` (pairs that the claims name), ``seeds``."""
    items = ask(p, study)
    return {"arms": summarize(items), "differences": differences(items), "seeds": seed_means(items)}


def seed_means(items: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of each arm, probe and seed."""
    return (
        items.groupby(["arm", "probe", "seed"], sort=False)
        .agg(accuracy=("correct", "mean"), views=("views", "first"))
        .reset_index()
    )


def summarize(items: pd.DataFrame) -> pd.DataFrame:
    """Accuracy by arm and probe.

    ``low``/``high``: bootstrap over test concepts of the accuracy averaged over seeds; ``seed_low``/``seed_high``: Student-t interval over
    seeds (NaN for one seed).
    """
    rows = []
    for (arm, probe), part in items.groupby(["arm", "probe"], sort=False):
        by_item = part.groupby("id").agg(correct=("correct", "mean"), concept=("concept", "first"))
        seeds = over_seeds(part.groupby("seed")["correct"].mean())
        row = mean_with_interval(by_item["correct"], by_item["concept"])
        rows.append({
            "arm": arm, "probe": probe, "accuracy": row["mean"], "low": row["low"], "high": row["high"], "items": row["n"],
            "seeds": seeds["n"], "seed_low": seeds["low"], "seed_high": seeds["high"], "views": int(part["views"].iloc[0]),
        })  # fmt: skip
    return pd.DataFrame(rows)


# (claim, better arm if the claim holds, other arm)
PAIRS = (
    ("C1", "SimCLR synthetic", "SimCLR real"),
    ("C2", "StableRep synthetic", "SimCLR real"),
    ("C2", "StableRep synthetic", "SimCLR synthetic"),
    ("C2", "StableRep synthetic", "CLIP real"),
    ("C2", "StableRep synthetic", "CLIP synthetic"),
    ("control", "StableRep synthetic", "StableRep real designs"),
    ("language", "StableRep+ synthetic", "StableRep synthetic"),
)


def differences(items: pd.DataFrame, pairs: Sequence[tuple[str, str, str]] = PAIRS) -> pd.DataFrame:
    """Paired differences on the same test items, resampled by concept, averaged over seeds first.

    ``pairs`` are (claim, first arm, second arm); those whose arms were not run are left out.
    """
    rows = []
    for probe, part in items.groupby("probe", sort=False):
        mean = part.groupby(["id", "arm"])["correct"].mean().unstack()
        concept = part.drop_duplicates("id").set_index("id")["concept"].loc[mean.index]
        for claim, first, second in pairs:
            if first in mean and second in mean:
                found = paired_difference(mean[first], mean[second], concept)
                rows.append({"claim": claim, "probe": probe, "first": first, "second": second, **found})
    return pd.DataFrame(rows)


def verdict(differences: pd.DataFrame, claim: str, probe: str) -> tuple[str, str]:
    """A word and a sentence for a claim on one probe: :func:`stablerep.statistics.verdict` over the claim's pairs.

    C1 says "at least as good": its intervals have to lie above minus one point, those of other claims above zero.
    """
    pairs = differences[(differences["claim"] == claim) & (differences["probe"] == probe)]
    found = verdict_on(pairs, margin=-0.01 if claim == "C1" else 0.0)
    return found.word, f"no pair of arms for {claim} was run." if pairs.empty else found.sentence
