"""What the tables of the page on the generator come to, in sentences."""

from __future__ import annotations

import pandas as pd

from stablerep.figures.solutions import LACKING, product
from stablerep.figures.tables import percent, points


def nearest_set(sets: pd.DataFrame) -> str:
    """Which guidance scale's set lies nearest to the real one by KID, and how coverage changes from the smallest scale to the largest, each beside the second
    set of real images; empty without sets.

    Args:
        sets: of :func:`stablerep.audits.faithfulness.over_seeds`.
    """
    kid, coverage = (_by_scale(sets, metric) for metric in ("kid", "coverage"))
    if kid[0].empty or coverage[0].empty:
        return ""
    (made, real), (covered, beside) = kid, coverage
    best, first, last = made["value"].idxmin(), covered.index.min(), covered.index.max()
    said = f"By KID the set at w = {best:g} lies nearest to the real one: {_shown(made.loc[best], 3)}"
    said += f"; the second set of real images has {_shown(real.iloc[0], 3)}." if len(real) else "."
    if first == last:
        return said
    said += " The scales are not compared in pairs, so which of them is nearest is not tested."
    change = "falls" if covered.loc[last, "high"] < covered.loc[first, "low"] else "goes"
    said += f" Coverage {change} from {covered.loc[first, 'value']:.2f} at w = {first:g} to {covered.loc[last, 'value']:.2f} at w = {last:g}"
    return f"{said}; the second set of real images has {beside.iloc[0]['value']:.2f}." if len(beside) else f"{said}."


def _by_scale(sets: pd.DataFrame, metric: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of generated sets by their scale, and that of the second real one."""
    mine = sets[sets["metric"] == metric]
    made = mine["source"] == "generated"
    return mine[made].set_index("guidance_scale").sort_index(), mine[~made]


def _shown(row: pd.Series, digits: int) -> str:
    return f"{row['value']:z.{digits}f} [{row['low']:z.{digits}f}, {row['high']:z.{digits}f}]"


def people_beside_real(shares: pd.DataFrame, captions: str, scale: float) -> str:
    """How often skin tone and gender are right in generated images, beside real ones and chance; empty where neither was measured.

    Args:
        shares: of :func:`stablerep.audits.faithfulness.shares`. scale: the guidance scale.
    """
    mine, said = shares[(shares["group"] == "all") & (shares["captions"] == captions)], []
    for measure, name in (("tone", "skin tone"), ("gender", "gender")):
        rows = mine[mine["measure"] == measure]
        made, real = rows[rows["guidance_scale"] == scale], rows[rows["source"] == "real"]
        if len(made) and len(real):
            shown = [f"{percent(row['mean'], row['low'], row['high'])} %" for row in (made.iloc[0], real.iloc[0])]
            said.append(
                f"{name}, {shown[0]} of generated and {shown[1]} of real images (chance {100 * made['chance'].iloc[0]:.0f} %)"
            )
    return f"Of {captions}, at w = {scale:g}, these are right: {'; '.join(said)}." if said else ""


def loss_in_levels(table: pd.DataFrame) -> str:
    """The autoencoder's error as levels of 255, for each group of captions, as the root of the mean square.

    Args:
        table: ``captions`` and ``mean``, a PSNR in dB.
    """
    each = [f"{row.captions} {255 / 10 ** (row.mean / 20):.0f}" for row in table.itertuples(index=False)]
    return f"As a typical error of a pixel, of 255 levels: {', '.join(each)}." if each else ""


def would_you_choose(faithfulness: pd.DataFrame, diversity: pd.DataFrame, captions: str, chosen: float) -> str:
    """At which guidance scale the product of faithfulness and diversity is largest, and whether that is a reason to choose it.

    Args:
        faithfulness, diversity: of :func:`stablerep.audits.faithfulness.shares`. chosen: the scale of the images that StableRep learns from.
    """
    found = product(faithfulness, diversity, captions)
    if found == LACKING:
        return "This run has no scale at which both were measured."
    return (
        f"By the two figures, {found}. That is no reason to choose it: a product is one arbitrary trade-off. What counts is the encoder trained on the images. By trials "
        f"on validation concepts ([choices](/book/choices.md)) StableRep learns from images at w = {chosen:g}."
    )


def elsewhere(differences: pd.DataFrame) -> str:
    """At which other guidance scales real images are not told from generated ones, and how far they are ahead on concepts that the generator has not
    seen; empty where the table has neither.

    Args:
        differences: of :func:`stablerep.audits.faithfulness.gaps`.
    """
    from stablerep.audits.equal_galleries import TEST

    pair = differences[differences["claim"] == "C10"]
    mine = differences[differences["captions"].isin(pair["captions"]) & (differences["claim"] != "C10")]
    close = mine[(mine["low"] <= 0) & (mine["high"] >= 0)]
    unknown = differences[(differences["captions"] == TEST) & differences["second"].isin(pair["second"])]

    def each(rows: pd.DataFrame) -> str:
        return "; ".join(
            f"{one.second.rpartition(', ')[2]}, {points(one.difference, one.low, one.high)} points"
            for one in rows.itertuples()
        )

    said = f"Not told from zero at {each(close)}." if len(close) else ""
    new = (
        f"On test concepts, which the generator has not seen, real minus generated: {each(unknown)}."
        if len(unknown)
        else ""
    )
    return f"{said} {new}".strip()
