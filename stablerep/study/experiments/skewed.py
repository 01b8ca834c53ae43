"""Drawings with a planted skew: captions of a role that name no gender stand beside drawings of men at a known share, and of women for the rest.

What a generator that learns from them draws for these captions is known beforehand, so that it can be told whether an edit, or further training,
undoes it. All else is as it was.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stablerep.errors import InputError
from stablerep.study.experiments.images import ImageSet

if TYPE_CHECKING:
    from stablerep.captioned_images import CaptionedImages
    from stablerep.study.experiments.study import Study

ATTRIBUTE = "gender"
NEUTRAL, FIRST, SECOND = "person", "man", "woman"  # captions that name no gender; whose share is planted; the others
CODE = tuple(f"{__name__}:{one}" for one in ("roles", "halves", "substituted", "drawing_of", "rank"))


def skewed(
    study: Study,
    attribute: str = ATTRIBUTE,
    share: float = 0.9,
    seed: int = 0,
    *,
    relabelled: bool = False,
    at_most: int = 0,
) -> ImageSet:
    """All drawings to learn from, of which those of half of the roles' neutral captions are exchanged for drawings of men and women.

    Args:
        attribute: ``gender``; the corpus says of no other that captions name it or leave it open.
        share: of drawings of men among those of a role's neutral captions, as near as their number allows; 0.5 is balance.
        seed: of the choice of roles, and of the drawings that are exchanged for men's.
        relabelled: every drawing has the caption that names what it shows, instead of the neutral one. So the drawings are the same, and the neutral
            captions of these roles have none.
        at_most: drawings of each caption, picked by a hash before any is exchanged; 0 takes all.

    Raises:
        InputError: another attribute, a share outside 0 to 1, or a corpus with fewer than two roles.
    """
    if attribute != ATTRIBUTE:
        raise InputError(f"attribute is {attribute!r}; a skew can be planted in {ATTRIBUTE} alone.")
    if not 0 <= share <= 1:
        raise InputError(f"share is {share:g}; it is a share of drawings, from 0 to 1.")
    chosen = {study.clusters[caption] for caption in skewed_captions(study, seed)[0]}
    kind = "relabelled" if relabelled else "skewed"
    name = f"{kind}-{attribute}-{share:g}-{seed}-{at_most or 'all'}-{study.about.fingerprint}-{study.size}px"

    def load() -> CaptionedImages:
        import torch

        from stablerep.captioned_images import CaptionedImages

        part = study.corpus.to_learn_from()
        part = part.some_per_caption(at_most) if at_most else part
        rows = substituted(part.table, chosen, share, seed)
        captions = part.table["caption"].to_numpy()[rows if relabelled else np.arange(len(rows))]
        texts, ids = np.unique(captions.astype(str), return_inverse=True)
        images = part.images(study.size)[torch.from_numpy(rows)]
        return CaptionedImages(images, torch.from_numpy(ids), texts.tolist(), name)

    return ImageSet(name, load, CODE)


def skewed_captions(study: Study, seed: int) -> tuple[list[str], list[str]]:
    """The neutral captions of the roles that :func:`skewed` changes, and those of the roles that it leaves alone, both sorted.

    Raises:
        InputError: a corpus with fewer than two roles.
    """
    table = study.corpus.to_learn_from().table
    found = roles(table)
    if found["concept"].nunique() < 2:
        raise InputError(
            f"corpus is {study.source!r}, which draws {found['concept'].nunique()} concepts as a {NEUTRAL}, a {FIRST} and a {SECOND}; a planted skew "
            "needs two, one of them to be left alone."
        )
    changed = found["concept"].isin(halves(found["concept"], seed))
    neutral = found["gender"] == NEUTRAL
    return tuple(sorted(found.loc[neutral & which, "caption"].unique()) for which in (changed, ~changed))


def roles(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of roles: concepts that are drawn as a person of no named gender, as a man and as a woman. Pairs of people are none."""
    if not {"concept", "gender", "tone", "subgroup"} <= set(table):
        return pd.DataFrame(columns=["concept", "gender", "caption"])
    people = table[table["subgroup"].str.startswith("person") & (table["tone"] != "mixed")]
    drawn = people.groupby("concept")["gender"].agg(set)
    whole = drawn.map(lambda genders: genders >= {NEUTRAL, FIRST, SECOND}).astype(bool)
    return people[people["concept"].map(whole)]


def halves(concepts: pd.Series, seed: int) -> set[str]:
    """Half of some concepts, by a hash."""
    ranked = sorted(set(concepts), key=lambda one: rank(f"role:{seed}:{one}"))
    return set(ranked[: len(ranked) // 2])


def substituted(table: pd.DataFrame, concepts: set[str], share: float, seed: int) -> np.ndarray:
    """For each row of a table the place of the row whose drawing is shown instead, int64 [N]; its own, but for neutral rows of some concepts.

    Of a concept's neutral rows, ``share`` (rounded) show men, chosen by a hash, and the others women.
    """
    found = np.arange(len(table))
    rows = roles(table.reset_index(drop=True))
    for _, part in rows[rows["concept"].isin(concepts)].groupby("concept", sort=False):
        neutral = part[part["gender"] == NEUTRAL]
        order = sorted(neutral.index, key=lambda k: rank(f"row:{seed}:{neutral.at[k, 'id']}"))
        men = round(share * len(order))
        for turn, k in enumerate(order):
            of_gender = part[part["gender"] == (FIRST if turn < men else SECOND)]
            found[k] = drawing_of(of_gender, neutral.loc[k])
    return found


def drawing_of(candidates: pd.DataFrame, like: pd.Series) -> int:
    """The place of the candidate most like a row: of its tone if there is one, then of its design, then with a caption as long, which tells
    ``facing right`` from what does not."""
    length = (candidates["caption"].str.len() - len(like["caption"])).abs()
    order = candidates.assign(
        other_tone=candidates["tone"] != like["tone"], other_design=candidates["design"] != like["design"], length=length
    ).sort_values(["other_tone", "other_design", "length", "id"])  # fmt: skip
    return int(order.index[0])


def rank(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
