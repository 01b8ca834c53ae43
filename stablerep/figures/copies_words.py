"""What the page on copies says in words: pure functions from its tables to sentences of Markdown."""

from __future__ import annotations

import pandas as pd

from stablerep.figures.bounded import bounded
from stablerep.figures.people_and_things import left_out
from stablerep.figures.solutions import LACKING
from stablerep.figures.tables import percent, points


def called(table: pd.DataFrame, detector: str, name: str) -> str:
    """The share of a set that a detector calls copies, with its interval, such as ``6.8 [5.3, 8.3] %``; empty where it was not asked.

    Args:
        table: of :func:`stablerep.audits.called.shares`.
    """
    mine = bounded(table[(table["detector"] == detector) & (table["set"] == name)], "concepts", value="share")
    return next((f"{percent(row.share, row.low, row.high)} %" for row in mine.itertuples()), "")


def gap(table: pd.DataFrame, detector: str, first: str, second: str) -> str:
    """The shares that a detector calls copies in two sets, in percent with their intervals.

    Args:
        table: of :func:`stablerep.audits.called.shares`.
    """
    said = {name: called(table, detector, name) for name in (first, second)}
    return ", ".join(f"{name} {text}" for name, text in said.items()) if all(said.values()) else LACKING


def limits(tables: dict[str, pd.DataFrame], detector: str, beside: str, tests: str, shift: str) -> str:
    """What an excess of calls has to be held against: the same difference without the advantage of known designs, and how far the detector can be trusted.

    Args:
        tables: of the chapter. beside: the comparison of images in known designs. tests: the set of test drawings. shift: that of copies moved by a pixel.
    """
    pairs, said = tables["differences"], []
    for row in pairs[(pairs["claim"] == beside) & (pairs["probe"] == detector)].itertuples():
        said.append(
            f"With both sides in known designs the difference is {points(row.difference, row.low, row.high)} points."
        )
    drawings, moved = (called(tables["shares"], detector, name) for name in (tests, shift))
    found = f"finds {moved} of the copies that were moved by one pixel" if moved else ""
    wrong = f"calls {drawings} of real test drawings copies" if drawings else ""
    if found or wrong:
        said.append(f"The {detector} {' and '.join(filter(None, [wrong, found]))}.")
    return " ".join(said)


def detectors_sentence(table: pd.DataFrame, tests: str, shift: str) -> str:
    """How many copies moved by a pixel each detector finds, and how many test drawings it calls copies that nobody copied; empty where it was not asked.

    Args:
        table: of :func:`stablerep.audits.called.shares`. tests: the set of test drawings. shift: that of copies moved by a pixel.
    """
    names = list(dict.fromkeys(table["detector"]))
    found, wrong = ({name: called(table, name, of) for name in names} for of in (shift, tests))
    if not all([*found.values(), *wrong.values()]):
        return ""
    each = "; ".join(f"{name} {found[name]}" for name in names)
    other = "; ".join(f"{name} {wrong[name]}" for name in names)
    return (
        f"**How far the detectors can be trusted.** Of copies that were moved by one pixel they find: {each}. Of real test drawings, of concepts that the generator has not seen, they call "
        f"copies: {other}. So a call need not be a copy, and what is not called may be one."
    )


def pictured(table: pd.DataFrame) -> pd.DataFrame:
    """The pictures with the caption alone in ``shows``: the design of a training drawing stands behind it in brackets.

    Args:
        table: of :func:`stablerep.audits.called.picture_rows`.
    """
    captions = table["shows"].str.rpartition(" (")[0]
    return table.assign(shows=captions.where(table["kind"].str.startswith("nearest"), table["shows"]))


def pictures_sentence(table: pd.DataFrame) -> str:
    """Of how many of the images that look most like copies the nearest drawing has their own caption, by each way of finding it; and what is left out.

    Args:
        table: as for :func:`pictured`.
    """
    mine = pictured(table)
    near = mine[mine["kind"].str.startswith("nearest")]
    own = (near["shows"] == near["caption"]).groupby(near["kind"], sort=False).sum()
    each = " and ".join(f"{count} by {kind.rpartition(', ')[2]}" for kind, count in own.items())
    said = (
        f"Of {near['caption'].nunique()} images, {each} are nearest to a drawing of their own caption." if each else ""
    )
    return " ".join(filter(None, [said, left_out(mine)]))


def duplicates_sentence(table: pd.DataFrame, detector: str) -> str:
    """How well one detector finds duplicates at each number of times, from the smallest; that none were planted where there are none.

    Args:
        table: of the chapter: ``times``, ``detector``, ``called``, ``area``, ``low`` and ``high``.
    """
    if table.empty:
        return "On this page nothing was planted, so that it has no such numbers."
    mine = table[(table["detector"] == detector) & (table["times"] > 0)].sort_values("times")
    each = "; ".join(
        f"planted {row.times:g} times, {row.area:.3f} [{row.low:.3f}, {row.high:.3f}] with {100 * row.called:.1f} % called copies"
        for row in mine.itertuples()
    )
    return f"On this page it is: {each}."


def extraction_sentence(table: pd.DataFrame, least: float = 0.5) -> str:
    """Markdown: of how many captions most images are nearly the same, and of how many of these groups a training image is; how to ask for that where it was not.

    Args:
        table: of :func:`stablerep.audits.extraction.extracted`. least: share of a caption's images that a group has to hold.
    """
    if table.empty:
        return "This run looks for no groups; `-p extraction_captions=16` does."
    alike = table[table["share"] >= least]
    return (
        f"Of {len(table)} captions with {table['images'].max():,} images each, {len(alike)} have a group of nearly identical images that holds {100 * least:.0f} % of them "
        f"or more; in {int(alike['copied'].sum())} of these groups the central image lies as near to a training drawing. The largest group holds "
        f"{100 * table['share'].max():.0f} % of a caption's images, the median {100 * table['share'].median():.0f} %. "
        "Captions that were not tried may give back images too, and a group need not be a copy where a caption has few drawings."
    )
