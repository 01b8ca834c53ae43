"""Drawings with a planted skew: captions of a role that name nothing of an attribute stand beside drawings of one class at a known share, and of
another for the rest. So neutral captions show men, and women for the rest, or people in a dark tone, and in a light one for the rest.

What a generator that learns from them should draw for these captions is known beforehand, so that it can be told whether it does, and whether an edit, or
further training, undoes it. All else is as it was.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stablerep.corpus.emoji import TONES
from stablerep.errors import InputError
from stablerep.study.experiments.images import ImageSet

if TYPE_CHECKING:
    from stablerep.captioned_images import CaptionedImages
    from stablerep.study.experiments.study import Study


@dataclass(frozen=True)
class Skew:
    """What a skew is planted in.

    Attributes:
        attribute: a column of the corpus. neutral: the class of drawings whose captions name none. first, second: whose share is planted, and the others.
        whole: the classes that a role is drawn in. alike: the column that a drawing has in common with the one that it stands for, if it can.
        words: on a role.
    """

    attribute: str
    neutral: str
    first: str
    second: str
    whole: frozenset[str]
    alike: str
    words: str


NEUTRAL, FIRST, SECOND = "person", "man", "woman"  # captions that name no gender; whose share is planted; the others
GENDER = Skew(
    "gender", NEUTRAL, FIRST, SECOND, frozenset((NEUTRAL, FIRST, SECOND)), "tone", f"as a {NEUTRAL}, a {FIRST} and a {SECOND}"
)  # fmt: skip
TONE = Skew("tone", "none", "dark", "light", frozenset(TONES[:-1]), "gender", "in every skin tone and in none")
SKEWS = {one.attribute: one for one in (GENDER, TONE)}
CODE = tuple(f"{__name__}:{one}" for one in ("Skew", "roles", "halves", "substituted", "drawing_of", "rank"))


def skewed(
    study: Study,
    attribute: str = GENDER.attribute,
    share: float = 0.9,
    seed: int = 0,
    *,
    relabelled: bool = False,
    only_roles: bool = False,
    at_most: int = 0,
) -> ImageSet:
    """All drawings to learn from, of which those of half of the roles' neutral captions are exchanged for drawings of two classes.

    Args:
        attribute: ``gender`` (men and women) or ``tone`` (dark and light); the corpus says of no other that captions name it or leave it open.
        share: of drawings of the first class among those of a role's neutral captions, as near as their number allows; 0.5 is balance.
        seed: of the choice of roles, and of the drawings that are exchanged for the first class.
        relabelled: every drawing has the caption that names what it shows, instead of the neutral one. So the drawings are the same, and the neutral
            captions of these roles have none.
        only_roles: other drawings are left out, so that half of the concepts have the skew, and a training meets it the more often.
        at_most: drawings of each caption, picked by a hash before any is exchanged; 0 takes all.

    Raises:
        InputError: another attribute, a share outside 0 to 1, or a corpus with fewer than two roles.
    """
    if attribute not in SKEWS:
        raise InputError(f"attribute is {attribute!r}; a skew can be planted in {' and '.join(SKEWS)} alone.")
    if not 0 <= share <= 1:
        raise InputError(f"share is {share:g}; it is a share of drawings, from 0 to 1.")
    chosen, skew = {study.clusters[caption] for caption in skewed_captions(study, seed, attribute)[0]}, SKEWS[attribute]
    kind = ("relabelled" if relabelled else "skewed") + ("-roles" if only_roles else "")
    name = f"{kind}-{attribute}-{share:g}-{seed}-{at_most or 'all'}-{study.about.fingerprint}-{study.size}px"

    def load() -> CaptionedImages:
        import torch

        from stablerep.captioned_images import CaptionedImages

        part = study.corpus.to_learn_from()
        part = part.where(part.table["concept"].isin(roles(part.table, skew)["concept"])) if only_roles else part
        part = part.some_per_caption(at_most) if at_most else part
        rows = substituted(part.table, chosen, share, seed, skew)
        captions = part.table["caption"].to_numpy()[rows if relabelled else np.arange(len(rows))]
        texts, ids = np.unique(captions.astype(str), return_inverse=True)
        images = part.images(study.size)[torch.from_numpy(rows)]
        return CaptionedImages(images, torch.from_numpy(ids), texts.tolist(), name)

    return ImageSet(name, load, CODE)


def skewed_captions(study: Study, seed: int, attribute: str = GENDER.attribute) -> tuple[list[str], list[str]]:
    """The neutral captions of the roles that :func:`skewed` changes, and those of the roles that it leaves alone, both sorted.

    Raises:
        InputError: a corpus with fewer than two roles.
    """
    skew, table = SKEWS[attribute], study.corpus.to_learn_from().table
    found = roles(table, skew)
    if found["concept"].nunique() < 2:
        raise InputError(
            f"corpus is {study.source!r}, which draws {found['concept'].nunique()} concepts {skew.words}; a planted skew "
            "needs two, one of them to be left alone."
        )
    changed = found["concept"].isin(halves(found["concept"], seed))
    neutral = found[skew.attribute] == skew.neutral
    return tuple(sorted(found.loc[neutral & which, "caption"].unique()) for which in (changed, ~changed))


def roles(table: pd.DataFrame, skew: Skew = GENDER) -> pd.DataFrame:
    """The rows of roles: concepts of people that are drawn in every class in which a role is, such as a person of no named gender, a man and a woman.
    Pairs of people are none."""
    if not {"concept", "gender", "tone", "subgroup"} <= set(table):
        return pd.DataFrame(columns=["concept", skew.attribute, "caption"])
    people = table[table["subgroup"].str.startswith("person") & (table["tone"] != "mixed")]
    drawn = people.groupby("concept")[skew.attribute].agg(set)
    whole = drawn.map(lambda classes: classes >= skew.whole).astype(bool)
    return people[people["concept"].map(whole)]


def halves(concepts: pd.Series, seed: int) -> set[str]:
    """Half of some concepts, by a hash."""
    ranked = sorted(set(concepts), key=lambda one: rank(f"role:{seed}:{one}"))
    return set(ranked[: len(ranked) // 2])


def substituted(table: pd.DataFrame, concepts: set[str], share: float, seed: int, skew: Skew = GENDER) -> np.ndarray:
    """For each row of a table the place of the row whose drawing is shown instead, int64 [N]; its own, but for neutral rows of some concepts.

    Of a concept's neutral rows, ``share`` (rounded) show the first class, chosen by a hash, and the others the second.
    """
    found = np.arange(len(table))
    rows = roles(table.reset_index(drop=True), skew)
    for _, part in rows[rows["concept"].isin(concepts)].groupby("concept", sort=False):
        neutral = part[part[skew.attribute] == skew.neutral]
        order = sorted(neutral.index, key=lambda k: rank(f"row:{seed}:{neutral.at[k, 'id']}"))
        firsts = round(share * len(order))
        for turn, k in enumerate(order):
            shown = part[part[skew.attribute] == (skew.first if turn < firsts else skew.second)]
            found[k] = drawing_of(shown, neutral.loc[k], skew.alike)
    return found


def drawing_of(candidates: pd.DataFrame, like: pd.Series, alike: str = GENDER.alike) -> int:
    """The place of the candidate most like a row: with its tone, or gender, if there is one, then of its design, then with a caption as long, which tells
    ``facing right`` from what does not."""
    length = (candidates["caption"].str.len() - len(like["caption"])).abs()
    order = candidates.assign(
        other=candidates[alike] != like[alike], other_design=candidates["design"] != like["design"], length=length
    ).sort_values(["other", "other_design", "length", "id"])
    return int(order.index[0])


def rank(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
