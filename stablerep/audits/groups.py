"""Groups of people: how well an encoder does on each, and whether another choice of training images changes that for some more than for others."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from stablerep.audits.shares import kept_off_the_boundary
from stablerep.errors import InputError
from stablerep.statistics import MARGIN, WORDS, crossed_mean, holm
from stablerep.statistics.verdict import SEEDS

FEWEST = 30  # items of a group, below which its accuracy is not given
CONTRAST_COLUMNS = [
    "attribute", "label", "first", "second", "difference", "low", "high", "visible", "p", "adjusted", "seeds", "clusters",
]  # fmt: skip


def group_accuracy(items: pd.DataFrame, classes: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Accuracy of each arm by group, every cluster with the same weight, with a 95 % interval over clusters and seeds.

    Groups of fewer than ``FEWEST`` = 30 items keep their number and have no accuracy. A group whose items are all of one cluster has no
    interval, and one that is all right or all wrong has the exact bound for its number of clusters. Lows and highs among many small
    groups lie far apart by chance (Lum, Zhang and Bower 2022): compare by :func:`group_contrasts`.

    Args:
        items: ``arm``, ``seed``, ``id``, ``cluster``, ``correct`` and a column for each attribute.
        classes: the groups of each attribute, in order.

    Returns:
        ``arm``, ``attribute``, ``label``, ``accuracy``, ``low``, ``high``, ``items``, ``clusters``, ``seeds``. Groups without items are left out.
    """
    rows = []
    for arm, mine in items.groupby("arm", sort=False):
        answers, about = answers_by_item(mine)
        for attribute, names in classes.items():
            for label in names:
                inside = about[attribute] == label
                if not inside.any():
                    continue
                means = answers[inside].groupby(about["cluster"][inside]).mean()
                accuracy, low, high = math.nan, math.nan, math.nan
                if inside.sum() >= FEWEST:
                    found = crossed_mean(means.to_numpy().T)
                    accuracy = found.mean
                    low, high = map(float, kept_off_the_boundary(accuracy, *found.interval(), len(means)))
                rows.append({
                    "arm": arm, "attribute": attribute, "label": label, "accuracy": accuracy, "low": low, "high": high,
                    "items": int(inside.sum()), "clusters": len(means), "seeds": means.shape[1],
                })  # fmt: skip
    return pd.DataFrame(rows)


def group_contrasts(
    items: pd.DataFrame, pairs: Sequence[tuple[str, str]], classes: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """By how much more one arm gains on another in a group than in the other groups of its attribute, paired within clusters.

    In a cluster that shows both, the difference of the arms' accuracies on the group's items, less that on the items of the other groups.
    Zero for all groups means that the choice of the arm serves all alike, whatever it does to all.

    Args:
        items: as in :func:`group_accuracy`. pairs: first and second arm; those of which one was not run are left out.

    Returns:
        ``attribute``, ``label``, ``first``, ``second``; ``difference`` (of shares: 0.01 is a point), ``low`` and ``high``, 95 % over clusters and
        seeds (:func:`stablerep.statistics.crossed_mean`); ``visible``, the smallest that would be seen with 80 % power; ``p``, two-sided, and
        ``adjusted``, by Holm over all groups of the pair; ``seeds`` and ``clusters``. Groups that fewer than two clusters show beside others
        are left out.

    Raises:
        ValueError: two arms of a pair, or two seeds of an arm, that answered different items, or arms that were run at different seeds.
    """
    rows = []
    for first, second, gains, about in gains_by_item(items, pairs):
        mine = []
        for attribute, names in classes.items():
            asked = about[attribute].isin(names)
            for label in names:
                inside = about[attribute] == label
                means = [gains[part].groupby(about["cluster"][part]).mean() for part in (inside, asked & ~inside)]
                contrast = (means[0] - means[1]).dropna()  # clusters that show both
                if len(contrast) < 2:
                    continue
                found = crossed_mean(contrast.to_numpy().T)
                low, high = found.interval()
                mine.append({
                    "attribute": attribute, "label": label, "first": first, "second": second, "difference": found.mean, "low": low,
                    "high": high, "visible": found.visible(), "p": min(1.0, 2 * min(found.above(0), found.below(0))),
                    "seeds": found.seeds, "clusters": found.clusters,
                })  # fmt: skip
        if mine:
            table = pd.DataFrame(mine)
            rows.append(table.assign(adjusted=holm(table["p"])["adjusted"]))
    return pd.concat(rows, ignore_index=True)[CONTRAST_COLUMNS] if rows else pd.DataFrame(columns=CONTRAST_COLUMNS)


def gains_by_item(
    items: pd.DataFrame, pairs: Sequence[tuple[str, str]]
) -> Iterator[tuple[str, str, pd.DataFrame, pd.DataFrame]]:
    """Of each pair of arms the first and the second, what the first gains on the second, [items, seeds], and what each item is about, by sorted id.
    Pairs of which one arm was not run are left out.

    Raises:
        InputError: two arms of a pair that answered different items or were run at different seeds.
    """
    arms = {arm: answers_by_item(mine) for arm, mine in items.groupby("arm", sort=False)}
    for first, second in pairs:
        if first not in arms or second not in arms:
            continue
        (one, about), (other, _) = arms[first], arms[second]
        if not one.index.equals(other.index) or not one.columns.equals(other.columns):
            raise InputError(f"{first} and {second} answered different items or seeds; a pair needs the same.")
        yield first, second, one - other, about


def answers_by_item(items: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Right or wrong, [items, seeds], and what each item is about, both by sorted id."""
    answers = items.pivot(index="id", columns="seed", values="correct").sort_index().astype(float)
    if answers.isna().any(axis=None):
        lost = answers.index[answers.isna().any(axis=1)][0]
        raise ValueError(f"item {lost!r} has no answer in some seed; every seed answers the same items.")
    return answers, items.drop_duplicates("id").set_index("id").loc[answers.index]


def in_blocks(about: pd.DataFrame, attributes: Sequence[str], most: int) -> pd.Series:
    """The block of each item: random groups of items that are alike in their attributes, to stand for clusters where each item shows one
    group alone (Wolter 2007, chapter 2). :func:`group_contrasts` then compares groups within a block, and its interval is over blocks.

    Items are sorted by their attributes, within the same ones by a hash of their id, and dealt out one by one.

    Args:
        about: a row per item, by id, with a column for each attribute. attributes: the first is dealt out most evenly.
        most: blocks; fewer where the smallest group of ``FEWEST`` items or more has fewer, so that each block may show it.

    Returns:
        text, by id.
    """
    if about.empty:
        return pd.Series(dtype=str, index=about.index)
    rank = [hashlib.sha256(f"block:{one}".encode()).hexdigest() for one in about.index]
    dealt = about.assign(rank=rank).sort_values([*attributes, "rank"]).index
    sizes = [int(size) for name in attributes for size in about[name].value_counts() if size >= FEWEST]
    count = min([most, *sizes])
    return pd.Series([f"block {place % count}" for place in range(len(dealt))], index=dealt)


def judge_contrasts(contrasts: pd.DataFrame, *, margin: float = MARGIN, alpha: float = 0.05) -> tuple[str, str]:
    """A word of :data:`stablerep.statistics.WORDS` on the claim that the choice of an arm changes accuracy for some groups more than for others.

    1. *not testable at this scale*: no group, or fewer than three seeds;
    2. *reproduced*: the contrast of some group differs from zero, by Holm's method over all groups;
    3. *equivalent*: every interval lies within the margin on both sides of zero;
    4. *undecided*: none of these.

    Args:
        contrasts: of one pair of arms, from :func:`group_contrasts`.

    Returns:
        The word, and a sentence on what it rests on.
    """
    if contrasts.empty:
        return WORDS[-1], "an arm was not run, or no two concepts show a group beside others"
    seeds, count = int(contrasts["seeds"].min()), len(contrasts)
    if seeds < SEEDS:
        return WORDS[-1], f"{seeds} seed{'s were' if seeds > 1 else ' was'} run; the claim needs {SEEDS}"
    apart = contrasts[contrasts["adjusted"] <= alpha]
    if len(apart):
        named = ", ".join(contrast_text(row) for row in apart.itertuples())
        return (
            "reproduced",
            f"{len(apart)} of {count} groups gain or lose more than the others of their attribute: {named}",
        )
    within = (contrasts["low"] > -margin) & (contrasts["high"] < margin)
    most = contrasts.loc[contrasts["p"].idxmin()]
    why = f"no group of {count} is shown to gain or lose more than the others of its attribute; the smallest p has {contrast_text(most)}"
    return "equivalent" if within.all() else "undecided", why


def contrast_text(row) -> str:
    """``dark (tone) +1.2 points [-0.3, +2.7]``."""
    return f"{row.label} ({row.attribute}) {100 * row.difference:+.1f} points [{100 * row.low:+.1f}, {100 * row.high:+.1f}]"
