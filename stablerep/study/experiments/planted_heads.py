"""What a planted skew does downstream: classifiers of roles that learned from the skewed images, asked about real drawings in the tone that was
frequent and in the one that was rare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stablerep.corpus.emoji import HELD_OUT
from stablerep.statistics import crossed_mean
from stablerep.study.experiments.images import Named
from stablerep.study.experiments.people_images import people_in
from stablerep.study.experiments.planted_bias import Drawings, Planting
from stablerep.study.experiments.skewed import TONE
from stablerep.study.store.runs import Run
from stablerep.study.store.step import Step
from stablerep.variants import at_size

if TYPE_CHECKING:
    from torch import Tensor

    from stablerep.study.experiments.study import Study

SEEN_BY = ("pixels", "gradients")  # floors: what an encoder adds, and could hide, is not in question here
COLUMNS = ["planted", "seen_by", "frequent", "rare", "gap", "low", "high", "roles", "seeds"]

HEADS = Step(
    "planted-heads", 1, lambda p: f"classifiers of roles on images with a planted skew, seeds {p['seeds'][0]} to {p['seeds'][-1]}",
    ("stablerep.probes", "stablerep.probes.floors", f"{__name__}:ask_heads", f"{__name__}:head", f"{__name__}:real_drawings",
     "stablerep.study.experiments.people_images:people_in", "stablerep.variants"),
    amount=lambda p: float(len(p["shares"]) * len(p["seeds"])), rate=1.0, seconds=3.0,
)  # fmt: skip


def heads(p: Planting, study: Study, captions: list[str], drawings: Drawings) -> Run:
    """A run of :func:`ask_heads`, on the images of the skewed captions at the middle guidance scale."""
    mine = {
        (share, seed): made
        for (share, seed, scale), made in drawings.items()
        if scale == p.middle_scale and not np.isnan(share)
    }
    return study.store.obtain(
        HEADS,
        parameters={
            "shares": p.planted_shares, "seeds": list(range(p.seed, p.seed + p.planted_seeds)), "captions": len(captions), "size": study.size,
            "guidance_scale": p.middle_scale,
        },
        inputs={"corpus": study.about.fingerprint, "captions": Named(captions).name}
        | {f"share {share:g}, seed {seed}": made.name for (share, seed), made in mine.items()},
        compute=lambda folder: ask_heads(study, captions, mine, folder),
    )  # fmt: skip


def real_drawings(study: Study, concepts: set[str]) -> tuple[Tensor, pd.DataFrame]:
    """Drawings of some concepts in both tones, in the design that nothing has learned from, and their rows."""
    part = people_in(study.corpus)
    table = part.table
    asked = (
        (table["design"] == HELD_OUT) & table["concept"].isin(concepts) & table["tone"].isin([TONE.first, TONE.second])
    )
    part = part.where(asked.to_numpy())
    return part.images(study.size), part.table.reset_index(drop=True)


def head(features: Tensor, roles: list[str], asked: Tensor, truth: list[str]) -> np.ndarray:
    """Whether a linear probe that learned roles from features [N, D] is right about others [M, D], bool [M]. Every fourth image of a role chooses
    the penalty.

    Raises:
        ValueError: fewer than four images of every role, of which none would choose.
    """
    from stablerep.probes import linear_probe

    turn = pd.Series(roles).groupby(roles).cumcount().to_numpy()
    kept = {"train": turn % 4 != 3, "validation": turn % 4 == 3}
    parts = {name: features[np.flatnonzero(which)] for name, which in kept.items()}
    labels = {name: [roles[k] for k in np.flatnonzero(which)] for name, which in kept.items()}
    return linear_probe(parts | {"test": asked}, labels | {"test": truth})["correct"].to_numpy()


def ask_heads(study: Study, captions: list[str], drawings: dict, folder: Path) -> dict:
    """Table ``results``, ``COLUMNS``: by planted share and what sees the images the accuracy on real drawings in the tone whose share was planted
    (``frequent``) and in the other (``rare``), and their difference within roles, 95 % over roles and seeds."""
    from stablerep.probes.extraction import features_of
    from stablerep.probes.floors import floor_backbone

    role = study.clusters
    asked, table = real_drawings(study, {role[one] for one in captions})
    found = []
    for seen_by in SEEN_BY:
        backbone = floor_backbone(seen_by)
        of_asked = features_of(backbone, asked)
        for (share, seed), made in drawings.items():
            data = made.load()
            named = [data.captions[k] for k in data.caption_ids.tolist()]
            mine = np.flatnonzero(pd.Series(named).isin(captions))
            features = features_of(backbone, at_size(data.images[mine], study.size))
            right = head(features, [role[named[k]] for k in mine], of_asked, table["concept"].tolist())
            rows = table[["concept", "tone"]].assign(
                right=right.astype(float), planted=share, seed=seed, seen_by=seen_by
            )
            found.append(rows)
    gaps_of(pd.concat(found, ignore_index=True)).to_parquet(folder / "results.parquet", index=False)
    return {"drawings": len(table)}


def gaps_of(answers: pd.DataFrame) -> pd.DataFrame:
    """``COLUMNS``, from a row per drawing: ``planted``, ``seen_by``, ``seed``, ``concept``, ``tone``, ``right``. Roles that are not asked about in both tones
    do not count."""
    rows = []
    for (share, seen_by), part in answers.groupby(["planted", "seen_by"], sort=False):
        means = part.pivot_table(index="seed", columns=["tone", "concept"], values="right")
        both = [means[tone] for tone in (TONE.first, TONE.second)]
        roles = both[0].columns.intersection(both[1].columns)
        frequent, rare = (one[roles] for one in both)
        found = crossed_mean((frequent - rare).to_numpy())
        low, high = np.clip(found.interval(), -1, 1)
        rows.append([share, seen_by, frequent.to_numpy().mean(), rare.to_numpy().mean(), found.mean, low, high, len(roles), found.seeds])  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)
