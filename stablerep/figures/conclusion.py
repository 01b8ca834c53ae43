"""What the comparison comes to, in words: whether StableRep gains from many images of a caption, and whether these have to be synthetic."""

from __future__ import annotations

import pandas as pd

from stablerep.figures.tables import percent, points

MANY, SYNTHETIC = "many positives", "control"  # of the pairs of the comparison


def conclusion(arms: pd.DataFrame, differences: pd.DataFrame, probe: str, clip: str) -> str:
    """A few sentences for the book's first page; empty where a pair was not run or has no interval.

    Args:
        arms: ``arm``, ``probe``, ``accuracy``, ``low`` and ``high``, shares. differences: ``claim``, ``probe``, ``difference``, ``low`` and ``high``, of the
            pairs named ``MANY`` (many real images of a caption against two views of one) and ``SYNTHETIC`` (synthetic images in the place of real ones).
        clip: the arm of CLIP on the same real images.
    """
    mine = differences[differences["probe"] == probe].drop_duplicates("claim").set_index("claim")
    if not {MANY, SYNTHETIC} <= set(mine.index) or mine.loc[[MANY, SYNTHETIC], "low"].isna().any():
        return ""
    many, synthetic = mine.loc[MANY], mine.loc[SYNTHETIC]
    first = (
        "**With images of one caption as positives an encoder learns more than with two views of one image"
        if many["low"] > 0
        else "**Nothing here shows that images of one caption are better positives than two views of one image"
    )
    if synthetic["low"] > 0:
        second = ", and synthetic images serve better than real ones"
    elif synthetic["high"] < 0:
        second = ", and synthetic images serve less well than real ones"
    else:
        second = ", and whether these images are real or synthetic makes no difference that this study can tell"
    shown = {
        name: points(one["difference"], one["low"], one["high"]) for name, one in (("many", many), ("made", synthetic))
    }
    said = (
        f"{first}{second}.** Real images of the same captions as positives, in the place of two views of one image: {shown['many']} percentage points. Synthetic images in "
        f"the place of these real ones: {shown['made']}."
    )
    if many["low"] > 0 and synthetic["low"] <= 0:
        added = f"adds {100 * synthetic['high']:.1f} points at most" if synthetic["high"] > 0 else "adds nothing"
        said += f" So the gain comes from having many images of a caption: that they are synthetic {added}, by the upper end of the interval."
    return " ".join(filter(None, [said, _beside_clip(arms, probe, clip)]))


def _beside_clip(arms: pd.DataFrame, probe: str, clip: str) -> str:
    """Where CLIP lies that learns from the same real images as StableRep; empty where it was not run. Intervals that do not meet show a difference,
    intervals that do meet show nothing."""
    table = arms[arms["probe"] == probe].drop_duplicates("arm").set_index("arm")
    others = [name for name in ("StableRep real designs", "StableRep synthetic") if name in table.index]
    if clip not in table.index or len(others) < 2:
        return ""
    theirs, ours = (percent(*table.loc[name, ["accuracy", "low", "high"]]) for name in (clip, others[0]))
    above = table.loc[clip, "low"] > table.loc[others, "high"].max()
    beats = "lies above StableRep" if above else "is not told apart from StableRep by these intervals"
    return f"CLIP, which compares images with captions, {beats} where it has the same real images: {theirs} % against {ours} %."
