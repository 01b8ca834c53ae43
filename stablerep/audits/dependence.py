"""What the faithfulness of images depends on: the length of the caption, how often the concept was learned from, and the guidance scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from stablerep.audits.shares import kept_off_the_boundary
from stablerep.audits.whole_captions import RIGHT
from stablerep.statistics import crossed_mean
from stablerep.statistics.slopes import slopes

FREQUENCY, WORDS, SCALE = "training images of the concept", "words of the caption", "guidance scale w"
DOUBLED = (FREQUENCY, SCALE)  # slopes are for each doubling of these, and for one more word
BINS = 4  # of a property, at most


def caption_values(found: pd.DataFrame, part: str) -> pd.DataFrame:
    """The share of a caption's images that are right in some part, [seeds, captions and scales]; only captions that every judge was asked about.

    Args:
        found: of :func:`stablerep.audits.whole_captions.outcomes`, of one source, with ``seed``. part: a column of it.

    Returns:
        A table with ``seed`` as index; columns are pairs of caption and guidance scale (NaN for real images).
    """
    mine = found[found[part] != ""]
    right = (mine[part] == RIGHT).astype(float)
    means = right.groupby([mine["seed"], mine["caption"], mine["guidance_scale"].fillna(0.0)]).mean()
    return means.unstack("seed").dropna().T


def dependence(
    found: pd.DataFrame, asked: pd.DataFrame, parts: Sequence[str], *, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Shares by frequency and by length, and slopes over both and over the guidance scale.

    Args:
        found: of :func:`stablerep.audits.whole_captions.outcomes`, with ``captions`` (the name of their group), ``source``, ``guidance_scale`` and ``seed``.
        asked: by caption, with ``concept``, ``words`` and ``frequency`` (images of the concept that the generator learned from).
        parts: of captions to look at.

    Returns:
        ``shares``: ``captions``, ``source``, ``guidance_scale``, ``part``, ``property``, ``bin`` (its values in words), ``middle`` (their mean over captions), ``mean``,
        ``low`` and ``high`` (95 % over concepts and seeds), ``concepts``, ``number`` (of captions). ``slopes``: ``captions``, ``source``, ``part``, and the columns of
        :func:`stablerep.statistics.slopes.slopes`. A frequency of zero has no logarithm: groups in which it occurs have no slope over it.
    """
    binned, lines = [], []
    sources = found["source"].unique()
    for group, source in ((one, other) for one in found["captions"].unique() for other in sources):
        mine = found[(found["captions"] == group) & (found["source"] == source)]
        for part in parts:
            values = caption_values(mine, part)
            if values.empty:
                continue
            captions, scales = (values.columns.get_level_values(level) for level in (0, 1))
            about = asked.loc[captions]
            words = {"captions": group, "source": source, "part": part}
            properties = {WORDS: about["words"].to_numpy(float)}
            if (about["frequency"] > 0).all():
                properties[FREQUENCY] = np.log2(about["frequency"].to_numpy(float))
            if (scales > 0).all():
                properties[SCALE] = np.log2(scales.to_numpy(float))
            lines.append(slopes(values.to_numpy(), properties, about["concept"].tolist(), seed=seed).assign(**words))
            for w in dict.fromkeys(scales):
                at = scales == w
                for name, column in ((FREQUENCY, "frequency"), (WORDS, "words")):
                    rows = shares_by(values.loc[:, at], about[column].to_numpy()[at], about["concept"].to_numpy()[at])
                    binned.append(rows.assign(**words, guidance_scale=w or np.nan, property=name))
    return pd.concat(binned, ignore_index=True), pd.concat(lines, ignore_index=True)


def shares_by(values: pd.DataFrame, numbers: np.ndarray, concepts: np.ndarray) -> pd.DataFrame:
    """Means of values [seeds, captions] in bins of a number of each caption, with intervals over concepts and seeds; captions of a concept in a bin count the same.

    Returns:
        ``bin``, ``middle``, ``mean``, ``low``, ``high``, ``concepts``, ``number``, from the lowest bin on.
    """
    rows, places = [], bins_of(numbers)
    for place in range(places.max() + 1):
        at = places == place
        inside = numbers[at]
        means = values.loc[:, at].T.groupby(concepts[at]).mean().T
        found = crossed_mean(means.to_numpy())
        low, high = kept_off_the_boundary(found.mean, *found.interval(), found.clusters)
        first, last = int(inside.min()), int(inside.max())
        rows.append([
            str(first) if first == last else f"{first} to {last}", float(inside.mean()), found.mean, float(low), float(high), found.clusters, int(at.sum()),
        ])  # fmt: skip
    return pd.DataFrame(rows, columns=["bin", "middle", "mean", "low", "high", "concepts", "number"])


def bins_of(numbers: np.ndarray, most: int = BINS) -> np.ndarray:
    """The bin of each number, from 0: at most ``most`` of them, with about as many numbers in each as equal numbers, which share a bin, allow."""
    _, place, count = np.unique(numbers, return_inverse=True, return_counts=True)
    middle = (np.cumsum(count) - count / 2) / len(numbers)  # of each value's ranks, as a share
    return np.unique((most * middle).astype(int)[place], return_inverse=True)[1]
