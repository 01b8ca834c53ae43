"""Compositional understanding: does the joint space of images and texts put an image's caption closer than a foil (Yuksekgonul et al. 2023)?

An encoder that reads a caption as a bag of words cannot do that where the foil has the same words, nor one that does not look where they
differ. A foil can also be told by its text alone, if it is improbable (Hsieh et al. 2023): so the same is asked with the mean of
all images in the place of each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from stablerep.errors import InputError
from stablerep.statistics import MARGIN, WORDS, holm
from stablerep.statistics.verdict import SEEDS
from stablerep.training.joint_space import JointSpace

TIE = 1e-6  # cosines closer than this are equal: the same tokens, rounded in another batch
BATCH = 512  # texts that are encoded at a time
LEAST_KINDS = 2  # with fewer there is nothing that could move in mixed directions


def preferred(images: Tensor, texts: Tensor, questions: pd.DataFrame) -> pd.DataFrame:
    """Whether each image lies closer to its caption than to every foil.

    Args:
        images: float [N, D]. texts: float [T, D], in the same space.
        questions: a row each: ``image`` and ``caption``, places among images and texts; ``foils``, a list of places among texts, at least one;
            ``group``, within which the mean of the images (each once) stands for *text alone*.

    Returns:
        In the order of the questions: ``correct``, 1 where the caption lies closer than every foil, 0 where some foil lies closer, and 1 / (1 + t) where t foils
        lie as near as the caption and none closer (one half, for one foil); ``tie``, whether that was so; ``text_alone``, as ``correct`` with the mean image;
        ``chance``, 1 / (1 + k) for k foils.

    Raises:
        InputError: features of other shapes or not finite, or a question without foils.
    """
    if images.ndim != 2 or texts.ndim != 2 or images.shape[1] != texts.shape[1]:
        raise InputError(
            f"images have shape {tuple(images.shape)} and texts {tuple(texts.shape)}; [N, D] and [T, D] are needed."
        )
    if not (images.isfinite().all() and texts.isfinite().all()):
        raise InputError("features of images or texts are not all finite, so that no distance can be told.")
    if (questions["foils"].map(len) == 0).any():
        raise InputError(f"question {int((questions['foils'].map(len) == 0).argmax())} has no foil; each needs one.")
    z, t = F.normalize(images.double(), dim=1), F.normalize(texts.double(), dim=1)
    counts = questions["foils"].map(len).to_numpy()
    found = questions.reset_index(drop=True).assign(
        number=np.arange(len(questions)), correct=0.0, tie=False, text_alone=0.0, chance=1 / (1 + counts)
    )
    for _, part in found.groupby("group", sort=False):
        rows = part["number"].to_numpy()
        mean = F.normalize(z[torch.from_numpy(part["image"].unique())].mean(0), dim=0)
        seen = z[torch.from_numpy(part["image"].to_numpy(copy=True))]
        found.loc[rows, "correct"], found.loc[rows, "tie"] = _credit(seen, t, part)
        found.loc[rows, "text_alone"], _ = _credit(mean.expand_as(seen), t, part)
    return found[["correct", "tie", "text_alone", "chance"]]


def _credit(seen: Tensor, texts: Tensor, questions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """What each question is worth, and whether it was a tie; ``seen`` [Q, D] and ``texts`` have length 1."""
    own = (seen * texts[torch.from_numpy(questions["caption"].to_numpy(copy=True))]).sum(1)  # Q
    widest = int(questions["foils"].map(len).max())
    closer, equal = torch.zeros(len(own), dtype=torch.bool), torch.zeros(len(own))
    for place in range(widest):
        has = torch.tensor([len(one) > place for one in questions["foils"]])
        foils = torch.tensor([one[place] if len(one) > place else 0 for one in questions["foils"]])
        apart = (seen * texts[foils]).sum(1) - own
        closer |= has & (apart > TIE)
        equal += has & (apart.abs() <= TIE)
    credit = torch.where(closer, 0.0, 1 / (1 + equal))
    return credit.numpy(), (~closer & (equal > 0)).numpy()


def encoded(space: JointSpace, texts: Sequence[str]) -> Tensor:
    """Texts in a joint space, float [len(texts), D], a batch at a time."""
    return torch.cat([space.texts(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)])


def untrained_space(folder: Path) -> JointSpace:
    """The joint space of a finished run as it was before its first step, with the run's own words: the floor, which reads nothing into a text.

    Raises ``InputError`` as :func:`stablerep.training.joint_space.load_joint_space` does.
    """
    from transformers import CLIPTokenizer

    from stablerep.methods import method_class
    from stablerep.seeding import seed_for
    from stablerep.torchvision_shim import ensure_torchvision_imports
    from stablerep.training.backbones import load_recipe

    ensure_torchvision_imports()
    recipe, tokenizer = load_recipe(folder), CLIPTokenizer.from_pretrained(Path(folder) / "tokenizer")
    settings = recipe.settings(classes=0, vocabulary_size=len(tokenizer), end_token=tokenizer.eos_token_id)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(recipe.seed, "weights") % 2**31)
        network = method_class(recipe.method).new(recipe.encoder, settings)
    return JointSpace(network.to(memory_format=torch.channels_last).eval().requires_grad_(False), tokenizer)


def accuracies(items: pd.DataFrame) -> pd.DataFrame:
    """How often the caption is preferred by each arm and probe, every concept with the same weight, beside what the text alone gives.

    Args:
        items: as :mod:`stablerep.statistics.arms` has them, ``correct`` and ``text_alone`` as of :func:`preferred`, with ``tie`` and ``chance``.

    Returns:
        As :func:`stablerep.statistics.summarize`, with ``text_alone``, ``text_low`` and ``text_high`` (the same of the text alone), ``ties`` (the share of
        all answers) and ``chance`` (the mean over concepts).
    """
    from stablerep.statistics.arms import summarize

    seen = summarize(items)
    alone = summarize(items.assign(correct=items["text_alone"]))
    by = items.groupby(["arm", "probe"], sort=False)
    chance = items.groupby(["arm", "probe", "cluster"], sort=False)["chance"].mean().groupby(["arm", "probe"]).mean()
    place = pd.MultiIndex.from_frame(seen[["arm", "probe"]])
    return seen.assign(
        text_alone=alone["accuracy"], text_low=alone["low"], text_high=alone["high"],
        ties=by["tie"].mean().reindex(place).to_numpy(), chance=chance.reindex(place).to_numpy(),
    )  # fmt: skip


def over_groups(items: pd.DataFrame) -> pd.DataFrame:
    """Accuracy with every relation, or pair of attributes, of the same weight, however many questions it has.

    Args:
        items: ``arm``, ``seed``, ``probe``, ``group`` (empty where a question has none) and ``correct``.

    Returns:
        ``arm``, ``probe``, ``groups`` (how many) and ``over_groups``; 0 and NaN where no question has one.
    """
    by = items.groupby(["arm", "probe", "group"], sort=False)["correct"].mean().reset_index()
    known = by.assign(correct=by["correct"].where(by["group"] != ""), group=(by["group"] != "").astype(int))
    found = known.groupby(["arm", "probe"], sort=False).agg(groups=("group", "sum"), over_groups=("correct", "mean"))
    return found.reset_index()


@dataclass(frozen=True)
class Judged:
    """What differences over kinds of foils say of "in mixed directions".

    Attributes:
        word: of :data:`stablerep.statistics.WORDS`. why: a sentence without its full stop. p: two-sided, of the two words that a test gives; else NaN.
        kinds: those that count: the rows of the differences with ``p`` (two-sided) and ``adjusted``, by Holm over them.
    """

    word: str
    why: str
    p: float
    kinds: pd.DataFrame


def judge_kinds(
    differences: pd.DataFrame, arms: pd.DataFrame, *, margin: float = MARGIN, alpha: float = 0.05
) -> Judged:
    """Whether one arm lies above the other on some kind of foils and below it on another.

    A kind counts where an arm of the pair lies above chance by its whole interval. Then, in this order:

    1. *not testable at this scale*: fewer than two kinds count, or fewer than three seeds;
    2. *reproduced*: on some kind the difference lies above zero and on another below, by Holm's method over the kinds that count;
    3. *contradicted*: on every kind that counts it lies on one side, by the same;
    4. *equivalent*: every interval lies within the margin on both sides of zero;
    5. *undecided*: none of these.

    Args:
        differences: of one pair of arms, a row per kind: ``kind`` and the columns of :func:`stablerep.statistics.differences`.
        arms: ``kind``, ``arm``, ``low`` and ``chance``, as of :func:`accuracies`.
    """
    above = arms[arms["low"] > arms["chance"]]
    counts = np.array(
        [((above["kind"] == r.kind) & above["arm"].isin([r.first, r.second])).any() for r in differences.itertuples()],
        bool,
    )
    kinds, others = differences[counts], differences.loc[~counts, "kind"].tolist()
    p = [min(1.0, 2 * min(r.p_for, r.p_against)) for r in kinds.itertuples()]
    kinds = kinds.assign(p=p, adjusted=holm(dict(enumerate(p)))["adjusted"].to_numpy() if p else [])
    lost = f"; neither arm is above chance on {', '.join(others)}" if others else ""
    said = "; ".join(kind_text(row) for row in kinds.itertuples()) + lost
    if len(kinds) < LEAST_KINDS:
        why = f"{len(kinds)} of {len(differences)} kinds of foils can be told from chance, and the claim needs {LEAST_KINDS}"
        return Judged(WORDS[-1], f"{why}{lost}", math.nan, kinds)
    if (seeds := int(kinds["seeds"].min())) < SEEDS:
        return Judged(
            WORDS[-1], f"{seeds} seed{'s were' if seeds > 1 else ' was'} run; the claim needs {SEEDS}", math.nan, kinds
        )
    told = kinds["adjusted"] <= alpha
    up, down = told & (kinds["difference"] > 0), told & (kinds["difference"] < 0)
    if up.any() and down.any():
        p = max(kinds.loc[side, "adjusted"].min() for side in (up, down))
        return Judged("reproduced", said, float(p), kinds)
    if up.all() or down.all():
        return Judged("contradicted", said, float(kinds["adjusted"].max()), kinds)
    within = (kinds["low"] > -margin) & (kinds["high"] < margin)
    return Judged("equivalent" if within.all() else "undecided", said, math.nan, kinds)


def kind_text(row) -> str:
    """``colour word +1.2 points [-0.3, +2.7]``."""
    return f"{row.kind} {100 * row.difference:+.1f} points [{100 * row.low:+.1f}, {100 * row.high:+.1f}]"
