"""Generated shares against planted ones: whether a generator draws a skew as it learned it, weaker, or stronger.

A generator that learned from captions beside which one class stands at a known share, and draws it at that share, lies on the 45° line. Above it the
skew is amplified, below it is weakened.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from stablerep.audits.people import AS_READ, CORRECTED
from stablerep.audits.readers import CANNOT_TELL, Confusion
from stablerep.audits.shares import ALPHA, correct_shares, count_shares, kept_off_the_boundary
from stablerep.errors import InputError

DRAWS = 200
NEAR = 0.1  # of a slope of one, within which a skew counts as kept; of a slope of zero, beyond which it has spread to others
COLUMNS = [
    "planted", "group", "guidance_scale", "source", "label", "learned", "share", "low", "high", "p", "unread", "captions", "images", "seeds",
]  # fmt: skip
SLOPE_COLUMNS = ["group", "guidance_scale", "source", "slope", "low", "high", "sets", "captions", "seeds"]


def planted_shares(
    readings: pd.DataFrame, learned: Mapping[tuple[float, str], float], confusion: Confusion, label: str, *, seed: int, draws: int = DRAWS
) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """Shares of one class in images of generators that learned it at different shares, and their slope over what was learned.

    Shares are of all images, those included of which nothing could be told. Corrected ones are those of
    :func:`stablerep.audits.shares.correct_shares`, refused (NaN) where the reader's errors do not explain what was read. Intervals draw captions and
    seeds with replacement, each of all generators together, and for corrected shares the concepts behind the reader's errors too. With one
    seed they hold captions alone; with few seeds they are too narrow.

    Args:
        readings: a row per image: ``planted`` (the share, NaN of the generator before any was planted), ``seed``, ``guidance_scale``, ``group`` (of captions),
            ``caption``, ``read``. learned: by planted share (``"before"`` for NaN) and group the share of the class among the training images of its captions.
        label: the class.

    Returns:
        ``COLUMNS``, and ``SLOPE_COLUMNS``: by group, scale and source the slope of least squares over the ``sets`` with a planted share; 1 is the 45° line.
        Without two of them there is none. A group that learned the same from all, such as captions that were left alone, has its slope over the planted
        shares instead. Where a share is 0 or 1, resampling does not move it, and the interval holds the slopes of all
        shares within its own interval.

    Raises:
        InputError: a caption that some generator, seed or scale lacks.
    """
    names, rows, slopes = [*confusion.classes, CANNOT_TELL], [], []
    place, rng = names.index(label), np.random.default_rng(seed)
    for (group, w), part in readings.groupby(["group", "guidance_scale"], sort=False):
        sets = [*([np.nan] if part["planted"].isna().any() else []), *sorted(part["planted"].dropna().unique())]
        each, captions, seeds = _shares_by(part.fillna({"planted": -1.0}), sets, names)
        x = np.array([learned["before" if np.isnan(one) else one, group] for one in sets])
        raw, corrected = _draws(each, confusion, rng, draws)
        mean = each.mean((1, 2))
        values = {AS_READ: (mean[:, place], raw[..., place])}
        best = np.array([correct_shares(row, confusion.mean()) for row in mean])
        values[CORRECTED] = best[:, place], corrected[..., place]
        fits = []
        for one in sets:
            mine = part[part["planted"].isna() if np.isnan(one) else part["planted"] == one]
            fits.append(count_shares(mine["read"], mine["caption"], confusion, seed=seed, draws=draws))
        about = {"group": group, "guidance_scale": w, "captions": captions, "seeds": seeds}
        for source, (value, drawn) in values.items():
            shown = value if source == AS_READ else np.where([fit.refused for fit in fits], np.nan, value)
            ends = np.quantile(drawn, [ALPHA / 2, 1 - ALPHA / 2], axis=0)
            low, high = kept_off_the_boundary(value, *ends, captions)
            for k, one in enumerate(sets):
                kept = not np.isnan(shown[k])
                rows.append(about | {
                    "planted": one, "source": source, "label": label, "learned": x[k], "share": shown[k], "low": low[k] if kept else np.nan,
                    "high": high[k] if kept else np.nan, "p": fits[k].p, "unread": mean[k, -1], "images": fits[k].images,
                })  # fmt: skip
            there = ~np.isnan(np.array(sets))
            over = (x if np.ptp(x[there]) > 0 else np.array(sets))[there] if there.any() else x[:0]
            if len(over) > 1 and not np.isnan(shown[there]).any():
                ends = _slope_interval(over, value[there], drawn[..., there], low[there], high[there])
                found = (float(_slope(over, value[there])), *ends)
                slope = {name: round(one, 9) + 0.0 for name, one in zip(("slope", "low", "high"), found)}
                slopes.append(about | slope | {"source": source, "sets": int(there.sum())})
    return pd.DataFrame(rows, columns=COLUMNS), pd.DataFrame(slopes, columns=SLOPE_COLUMNS)


def word_on(low: float, high: float) -> str:
    """What the interval of a slope says of a planted skew: ``kept``, ``amplified``, ``weakened`` or ``open``, by the rule of the protocol."""
    if 1 - NEAR <= low and high <= 1 + NEAR:
        return "kept"
    return "amplified" if low > 1 else "weakened" if high < 1 else "open"


def _shares_by(part: pd.DataFrame, sets: list[float], names: list[str]) -> tuple[np.ndarray, int, int]:
    """What was read of the images of each caption, float [sets, seeds, captions, K + 1], and how many captions and seeds there are."""
    seeds, captions = (sorted(part[column].unique()) for column in ("seed", "caption"))
    keys = [np.nan_to_num(np.array(sets), nan=-1.0), seeds, captions]
    table = pd.crosstab([part["planted"], part["seed"], part["caption"]], part["read"], normalize="index")
    index = pd.MultiIndex.from_product(keys, names=["planted", "seed", "caption"])
    table = table.reindex(columns=names, fill_value=0.0).reindex(index)
    if table.isna().any(axis=None):
        lost = table.index[table.isna().any(axis=1)][0]
        raise InputError(f"caption {lost[2]!r} has no image of seed {lost[1]} at the planted share {lost[0]:g}; each generator draws all captions.")  # fmt: skip
    return (
        table.to_numpy().reshape(len(sets), len(seeds), len(captions), len(names)),
        len(captions),
        len(seeds),
    )


def _draws(
    each: np.ndarray, confusion: Confusion, rng: np.random.Generator, draws: int
) -> tuple[np.ndarray, np.ndarray]:
    """Shares as read [draws, sets, K + 1] and corrected [draws, sets, K], of other seeds, captions and concepts of the reader."""
    raw, corrected = [], []
    for _ in range(draws):
        of_seeds, of_captions, of_concepts = (
            rng.multinomial(count, np.full(count, 1 / count)) for count in (*each.shape[1:3], len(confusion.shown))
        )
        raw.append(np.einsum("s,c,pscj->pj", of_seeds, of_captions, each) / (of_seeds.sum() * of_captions.sum()))
        matrix = confusion.mean(of_concepts)
        corrected.append([correct_shares(row, matrix) for row in raw[-1]])
    return np.array(raw), np.array(corrected)


def _slope(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of least squares of y [..., sets] over x [sets]."""
    centred = x - x.mean()
    return (y * centred).sum(-1) / (centred**2).sum()


def _slope_interval(
    x: np.ndarray, value: np.ndarray, drawn: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[float, float]:
    """95 % of the slopes of drawn shares [draws, sets]; those of sets whose share is 0 or 1 lie at whichever end of their interval makes the slope lowest,
    or highest."""
    fixed, rising = np.minimum(value, 1 - value) < 1e-6, x > x.mean()
    lowest = np.where(fixed, np.where(rising, low, high), drawn)
    highest = np.where(fixed, np.where(rising, high, low), drawn)
    return float(np.quantile(_slope(x, lowest), ALPHA / 2)), float(np.quantile(_slope(x, highest), 1 - ALPHA / 2))
