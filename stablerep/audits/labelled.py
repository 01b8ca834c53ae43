"""Generated people labelled by eye, against what the reader said of the same images: the only check of a reader on generated images themselves.

The labels are a table, ``people_data/labelled.csv``, with a row per image: which one it is (``caption``, its number ``image`` among those of the
caption, ``guidance_scale``, ``guidance_interval``), what made it (``generator``, its fingerprint, with ``sampling_steps``, ``sampler`` and ``seed``),
and a column per attribute. ``scripts/label_people.py`` draws the sheets to label from. Labels of another generator's images match nothing, and say nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from stablerep.audits.readers import CANNOT_TELL
from stablerep.errors import InputError
from stablerep.statistics import crossed_mean

LABELLED = Path(__file__).parent / "people_data" / "labelled.csv"
IMAGE = ["caption", "image", "guidance_scale", "guidance_interval", "generator", "sampling_steps", "sampler", "seed"]
TABLES = {
    "agreement": ["attribute", "images", "captions", "both", "agreement", "low", "high"],
    "by_eye": ["attribute", "truth", "prediction", "images"],
}


def compare_labels(path: Path, readings: pd.DataFrame, classes: Mapping[str, Sequence[str]]) -> dict[str, pd.DataFrame]:
    """How far a reader agrees with labels by eye.

    Args:
        path: of the labels. ``CANNOT_TELL`` is a label too. readings: the same columns, as the reader has them. Only images in both count.
        classes: of each attribute.

    Returns:
        ``agreement``: ``attribute``, ``images``, ``captions``, ``both`` (share of images of which both say a class), ``agreement`` (of those, the share
        with the same class, each caption with the same weight), ``low`` and ``high`` (95 % over captions). ``by_eye``: ``attribute``, ``truth`` (the label),
        ``prediction`` (what was read), ``images``. Both are empty where there is no file, or where no image is in both.

    Raises:
        InputError: a column that is missing, or a label that is no class.
    """
    pairs = pd.DataFrame()
    if path.is_file():
        labels = pd.read_csv(path)
        if missing := [name for name in IMAGE if name not in labels]:
            raise InputError(f"{path.name} lacks the column {missing[0]}; it has {', '.join(labels)}.")
        pairs = labels.astype({"guidance_scale": float}).merge(readings, on=IMAGE, suffixes=("", " read"))
    for attribute, names in classes.items() if len(pairs) else ():
        if f"{attribute} read" not in pairs:
            raise InputError(f"{path.name} lacks the column {attribute}, which the reader reads.")
        allowed = [*names, CANNOT_TELL]
        if unknown := sorted(set(pairs[attribute].astype(str)) - set(allowed)):
            raise InputError(f"{path.name} has {attribute} {unknown[0]!r}; it is one of {', '.join(allowed)}.")
    agreement, by_eye = [], []
    for attribute, names in classes.items() if len(pairs) else ():
        seen, read = pairs[attribute], pairs[f"{attribute} read"]
        both = (seen != CANNOT_TELL) & (read != CANNOT_TELL)
        means = (seen == read)[both].astype(float).groupby(pairs["caption"][both]).mean()
        found = crossed_mean(means.to_numpy()[None]) if len(means) else None
        low, high = np.clip(found.interval(), 0, 1) if found else (np.nan, np.nan)
        agreement.append([
            attribute, len(pairs), pairs["caption"].nunique(), both.mean(), found.mean if found else np.nan, low, high,
        ])  # fmt: skip
        counts = pd.crosstab(seen, read).reindex(
            index=[*names, CANNOT_TELL], columns=[*names, CANNOT_TELL], fill_value=0
        )
        by_eye += [[attribute, t, p, int(counts.loc[t, p])] for t in counts.index for p in counts.columns]
    return {
        name: pd.DataFrame(rows, columns=TABLES[name]) for name, rows in (("agreement", agreement), ("by_eye", by_eye))
    }
