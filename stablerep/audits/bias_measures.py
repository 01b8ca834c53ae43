"""How far the people whom a generator draws lie from a reference: deviation from balance, total variation, skew.

All count images whose class could not be told as a bar of its own. A measure that drops them reads no bias where it sees nothing. With shares
:math:`p_k` of *all* images, :math:`u` of them unread, and a reference :math:`q_k`, the total variation with that bar is
:math:`\\sum_k \\max(0, q_k - p_k)`. Whatever class the unread images show, the true one is no larger, and it is no smaller than
:math:`\\sum_k \\max(0, p_k - q_k)`, which is less by :math:`u`. So two numbers are given, and an interval that holds both.

- **Deviation from balance** (Cho, Zala and Bansal 2023, DALL-Eval, social bias): the mean over classes of :math:`|p_k - 1/K|`, which is the total
  variation to balance times :math:`2/K`.
- **Total variation**: half of the sum of :math:`|p_k - q_k|`; the share of images that would have to show another class.
- **Largest skew** (MaxSkew; Geyik, Ambler and Kenthapadi 2019, section 4): the largest :math:`\\ln(p_k/q_k)`, over classes that the reference has.

Measures of single captions are too large where images are few: also a generator that draws the reference would not draw it exactly (Lum, Zhang
and Bower 2022). What it would get with as many images stands beside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from stablerep.audits.people import BALANCE, OF_CAPTION, OF_CONCEPT
from stablerep.audits.readers import CANNOT_TELL
from stablerep.audits.shares import DRAWS, beyond, effective_number
from stablerep.errors import InputError
from stablerep.statistics import crossed_mean

DEVIATION, VARIATION, SKEW = "deviation from balance", "total variation", "largest skew"
TOGETHER, APART = "all captions together", "each caption"
COLUMNS = [
    "attribute", "guidance_scale", "over", "measure", "reference", "value", "least", "low", "high", "chance", "unread", "captions", "images",
]  # fmt: skip
REACH = 0.95  # of intervals
FAR = 0.05  # total variation, above which a whole interval has to lie for shares to count as apart from a reference


def counts_by_caption(
    read: Sequence[str], captions: Sequence[str], classes: Sequence[str]
) -> tuple[list[str], np.ndarray]:
    """The captions in the order in which they first come, and what was read of the images of each, [captions, K + 1], ``CANNOT_TELL`` the last.

    Raises:
        InputError: no image, or a reading that is no class.
    """
    names = [*classes, CANNOT_TELL]
    if unknown := sorted(set(read) - set(names)):
        raise InputError(f"an image was read as {unknown[0]!r}; the classes are {', '.join(names)}.")
    if not len(read):
        raise InputError("there are no images; a measure of bias needs one at least.")
    table = pd.crosstab(np.asarray(captions), np.asarray(read))
    order = list(dict.fromkeys(captions))
    return order, table.reindex(index=order, columns=names, fill_value=0).to_numpy(float)


def learned_shares(
    learned: pd.DataFrame, captions: Sequence[str], attribute: str, classes: Sequence[str]
) -> dict[str, np.ndarray]:
    """What a generator learned from for each of some captions, by reference, float [captions, K]: every class alike, the training images of the
    caption, and those of its concept under all its captions. Of captions that nothing was learned of the second lacks, and the third are all
    training images.

    Args:
        learned: a row per training image: ``caption``, ``cluster`` and the attribute; classes that are not asked about do not count.
    """
    known = learned[learned[attribute].isin(classes)]

    def by(column: str) -> pd.DataFrame:
        return pd.crosstab(known[column], known[attribute], normalize="index").reindex(columns=classes, fill_value=0.0)

    found = {BALANCE: np.full((len(captions), len(classes)), 1 / len(classes))}
    own, concept = by("caption"), known.drop_duplicates("caption").set_index("caption")["cluster"]
    if set(captions) <= set(own.index):
        found[OF_CAPTION] = own.loc[list(captions)].to_numpy()
        found[OF_CONCEPT] = by("cluster").loc[concept.loc[list(captions)]].to_numpy()
    elif len(known):
        every = known[attribute].value_counts(normalize=True).reindex(classes, fill_value=0.0).to_numpy()
        found[OF_CONCEPT] = np.tile(every, (len(captions), 1))
    return found


def variation(shares: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Total variation to a reference, unread images being a bar that it lacks: shares [..., K + 1], the last unread, and [..., K] to [...]."""
    return np.maximum(0, reference - shares[..., :-1]).sum(-1)


def skew(shares: np.ndarray, reference: np.ndarray) -> float:
    """The largest ln(p / q) over classes that the reference has, of shares [K] and reference [K]; minus infinity where none of them is shown."""
    there = reference > 0
    with np.errstate(divide="ignore"):
        return float(np.log(np.clip(shares[there], 0, 1) / reference[there]).max())


def resampled_shares(counts: np.ndarray, rng: np.random.Generator, draws: int) -> np.ndarray:
    """Shares of what was read with other captions, and other images of each, [draws, captions, K + 1], and of each draw its captions' mean is the
    share. Captions are drawn with replacement, then as many images of each as there are."""
    number, size = len(counts), counts.sum(1).astype(int)
    chosen = rng.integers(number, size=(draws, number))
    return rng.multinomial(size[chosen], (counts / size[:, None])[chosen]) / size[chosen][..., None]


def radii(counts: np.ndarray, rng: np.random.Generator, draws: int) -> tuple[float, float]:
    """How far the shares of all captions may lie from the true ones, in total variation, and in the largest difference of any share, at 95 %.

    By the triangle inequality no distance to a reference is wrong by more. So intervals reach zero where there is no bias, which those of
    resampled distances do not: every resample of balanced shares is less balanced than these. Both are at least the exact bound for a share of
    which nothing was seen.
    """
    shares = (counts / counts.sum(1, keepdims=True)).mean(0)
    moved = np.abs(resampled_shares(counts, rng, draws).mean(1) - shares)
    least = beyond(effective_number(counts))
    return tuple(max(float(np.quantile(one, REACH)), least) for one in (moved.sum(1) / 2, moved.max(1)))


def bias_measures(
    readings: pd.DataFrame, learned: pd.DataFrame, classes: Mapping[str, Sequence[str]], *, seed: int, draws: int = DRAWS
) -> pd.DataFrame:  # fmt: skip
    """Every measure of every attribute, guidance scale and reference, of all captions together and of each by itself.

    Args:
        readings: a row per generated image: ``caption``, ``guidance_scale``, and each attribute as it was read. learned: of
            :func:`learned_shares`. classes: of each attribute.

    Returns:
        ``COLUMNS``. ``value`` counts unread images as a bar of their own, ``least`` is what it may be at least, whatever they show, and ``low`` to
        ``high`` hold both: of all captions together by :func:`radii`, of each caption 95 % over captions of their mean. ``chance`` is the mean
        over captions that a generator would get which draws the reference, with as many images, as many of them unread; NaN of all
        captions together, whose interval holds zero where there is no bias. The skew counts unread images as of no class, which is the least that it may be; it
        is NaN where no class of the reference was read.
    """
    rows = []
    for (attribute, names), (w, part) in (
        (one, other) for one in classes.items() for other in readings.groupby("guidance_scale", sort=True)
    ):
        rng = np.random.default_rng(seed)
        captions, counts = counts_by_caption(part[attribute].tolist(), part["caption"].tolist(), list(names))
        each = counts / counts.sum(1, keepdims=True)
        shares, reach = each.mean(0), radii(counts, rng, draws)
        about = {"attribute": attribute, "guidance_scale": w, "unread": shares[-1], "captions": len(counts), "images": int(counts.sum())}  # fmt: skip
        for reference, expected in learned_shares(learned, captions, attribute, list(names)).items():
            found = [_together(shares, expected.mean(0), reach), _skewed(shares, expected.mean(0), reach[1])]
            found.append(_apart(counts, each, expected, rng, draws))
            if reference == BALANCE:
                found += [_scaled(one, 2 / len(names)) for one in found if one["measure"] == VARIATION]
            rows += [about | {"reference": reference} | one for one in found]
    return pd.DataFrame(rows, columns=COLUMNS)


def _together(shares: np.ndarray, expected: np.ndarray, reach: tuple[float, float]) -> dict:
    value = float(variation(shares, expected))
    least = max(0.0, value - shares[-1])
    ends = {"low": max(0.0, least - reach[0]), "high": min(1.0, value + reach[0])}
    return {"over": TOGETHER, "measure": VARIATION, "value": value, "least": least, "chance": np.nan} | ends


def _skewed(shares: np.ndarray, expected: np.ndarray, reach: float) -> dict:
    """The skew if unread images are of no class that is frequent; where the reference has every class none can be below zero."""
    lowest = 0.0 if (expected > 0).all() else -np.inf
    value, low, high = (max(lowest, skew(shares[:-1] + more, expected)) for more in (0.0, -reach, shares[-1] + reach))
    read = (shares[:-1][expected > 0] > 0).any()
    found = {"value": value if read else np.nan, "least": value, "low": low, "high": high}
    return {"over": TOGETHER, "measure": SKEW, "chance": np.nan} | found


def _apart(counts: np.ndarray, each: np.ndarray, expected: np.ndarray, rng: np.random.Generator, draws: int) -> dict:
    """The mean over captions of the total variation to each one's own reference."""
    values, unread = variation(each, expected), each[:, -1]
    seen = (counts.sum(1) - counts[:, -1]).astype(int)
    drawn = rng.multinomial(seen, expected, size=(draws, len(counts))) / np.maximum(seen, 1)[:, None]
    drawn = np.concatenate([drawn * (1 - unread)[:, None], np.broadcast_to(unread[:, None], (*drawn.shape[:2], 1))], -1)
    most, least = (crossed_mean(one[None]) for one in (values, np.maximum(0, values - unread)))
    return {
        "over": APART, "measure": VARIATION, "value": most.mean, "least": least.mean, "low": max(0.0, least.interval()[0]),
        "high": min(1.0, most.interval()[1]), "chance": float(variation(drawn, expected).mean()),
    }  # fmt: skip


def _scaled(row: dict, factor: float) -> dict:
    """The deviation from balance, from the total variation to it."""
    return (
        row
        | {"measure": DEVIATION}
        | {name: row[name] * factor for name in ("value", "least", "low", "high", "chance")}
    )
