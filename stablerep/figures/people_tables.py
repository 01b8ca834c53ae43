"""Tables and sentences for the page on people: pure functions from a results table to what a reader sees."""

from __future__ import annotations

import pandas as pd

from stablerep.figures.bounded import bounded
from stablerep.figures.tables import p_value, percent, pivoted, points


def readers(table: pd.DataFrame) -> pd.DataFrame:
    """How much each reader reads, and how much of that rightly, in percent: a row per attribute and part.

    Args:
        table: ``readers`` of :func:`stablerep.audits.people.read_people`.
    """
    shown = table.assign(
        read=[f"{100 * row.read:.1f}" for row in table.itertuples()],
        right=[
            percent(row.accuracy, row.low, row.high)
            for row in bounded(table, "clusters", value="accuracy").itertuples()
        ],
        bar=table["bar"].round(2),
    ).rename(
        columns={"read": "read (%)", "right": "right, of what is read (%)", "part": "images of", "clusters": "concepts"}
    )
    return shown.set_index("attribute")[
        ["images of", "images", "concepts", "bar", "read (%)", "right, of what is read (%)"]
    ]


def fits(table: pd.DataFrame) -> pd.DataFrame:
    """Whether the reader's errors explain what it read: a row per attribute and guidance scale.

    Args:
        table: ``fits`` of :func:`stablerep.audits.people.read_people`.
    """
    shown = table.assign(
        w=table["guidance_scale"], distance=table["distance"].round(3), p=table["p"].map(p_value),
        corrected=table["refused"].map({True: "refused", False: "yes"}),
    ).rename(columns={"effective": "effective number"})  # fmt: skip
    return shown.set_index("attribute")[["w", "captions", "images", "effective number", "distance", "p", "corrected"]]


def refused_sentence(table: pd.DataFrame) -> str:
    """Markdown: which corrections were refused, and why; or that none was.

    Args:
        table: ``fits`` of :func:`stablerep.audits.people.read_people`.
    """
    lost = table[table["refused"].astype(bool)]
    if lost.empty:
        return "No correction was refused: what was read of generated images is what the readers' errors on real ones allow. That does not show that the corrected shares are right."
    named = ", ".join(f"{row.attribute} at w = {row.guidance_scale:g} (p = {row.p:.3f})" for row in lost.itertuples())
    return (
        f"**No corrected share is given for {named}**: no shares of the classes, read with the errors that the reader makes on real images, would "
        "give what was read. The reader errs differently on these images, and only the shares as read are shown."
    )


def against_floors(table: pd.DataFrame) -> pd.DataFrame:
    """Each arm minus each floor, in points, with the smallest detectable difference: a row per arm, a column per floor.

    Args:
        table: of :func:`stablerep.study.experiments.floors.against_floors`, on one probe.
    """
    text = [f"{points(row.difference, row.low, row.high)}, {100 * row.visible:.1f}" for row in table.itertuples()]
    return pivoted(table, "first", "second", text).rename_axis(index=None, columns=None)


def contrasts(table: pd.DataFrame, clusters: str = "concepts") -> pd.DataFrame:
    """What the choice of an arm changes in a group against the others, in points: a row per pair and group.

    Args:
        table: of :func:`stablerep.audits.groups.group_contrasts`. clusters: within what groups were compared.
    """
    shown = table.assign(
        contrast=[points(row.difference, row.low, row.high) for row in table.itertuples()],
        visible=[f"{100 * row.visible:.1f}" for row in table.itertuples()],
        adjusted=[p_value(row.adjusted) for row in table.itertuples()],
    ).rename(columns={
        "label": "group", "contrast": "points", "visible": "smallest detectable", "adjusted": "p (Holm)", "clusters": clusters,
    })  # fmt: skip
    return shown.set_index("attribute")[
        ["group", "first", "second", "points", "smallest detectable", "p (Holm)", clusters, "seeds"]
    ]


def holm_sentence(table: pd.DataFrame, alpha: float = 0.05) -> str:
    """Which contrasts have an interval that leaves out zero and a corrected p-value that does not tell them, and why; empty where none has.

    Args:
        table: of :func:`stablerep.audits.groups.group_contrasts`.
    """
    mine = table[((table["low"] > 0) | (table["high"] < 0)) & (table["adjusted"] > alpha)]
    if mine.empty:
        return ""
    each = "; ".join(
        f"*{row.label}*, {row.first} − {row.second}, {points(row.difference, row.low, row.high)}, p {p_value(row.adjusted)}"
        for row in mine.itertuples()
    )
    return (
        f"The interval of a single row may leave out zero, and its corrected p-value not: {each}. Of {len(table)} rows one in twenty does so by chance where nothing is to be seen. "
        "The p-value counts all groups of the pair, and the interval counts its own row alone, so that such a row is not told from zero."
    )


def still_needed(table: pd.DataFrame) -> str:
    """By how many points each arm would have to rise to lie above every floor by the smallest detectable difference.

    Args:
        table: of :func:`stablerep.study.experiments.floors.against_floors`, on one probe.
    """
    said = []
    for arm, part in table.groupby("first", sort=False):
        lack = 100 * (part["visible"] - part["difference"])
        row = part.loc[lack.idxmax()]
        has, wants = (round(100 * row[name], 1) for name in ("difference", "visible"))  # as shown, so that they add up
        shown = f"{has:+z.1f} where {wants:.1f} would be detected"
        said.append(f"{arm} {wants - has:.1f} points ({row['second']}: {shown})" if lack.max() > 0 else f"{arm} none")
    return "; ".join(said)


def labels_sentence(agreement: pd.DataFrame) -> str:
    """Markdown: how far readers agree with labels by eye on generated images.

    Args:
        agreement: of :func:`stablerep.audits.labelled.compare_labels`.
    """
    if agreement.empty:
        return (
            "No person has looked at images that were made as these are. The test of the fit is the only check, and passing it does not show "
            "that the readers err here as they do on real drawings."
        )
    each = "; ".join(
        f"**{row.attribute}** {percent(row.agreement, row.low, row.high)} % (both name a class for {100 * row.both:.0f} % of the images)"
        for row in agreement.itertuples()
    )
    first = agreement.iloc[0]
    return (
        f"Of {first['images']} generated images of {first['captions']} captions that one labeller saw enlarged and without their captions, the "
        f"reader agrees on {each}. Where no face can be made out, the label is *cannot tell*."
    )


def suppressed_sentence(groups: pd.DataFrame, fewest: int) -> str:
    """Which groups have too few items for an accuracy, or that none has.

    Args:
        groups: of :func:`stablerep.audits.groups.group_accuracy`. fewest: items that a group needs.
    """
    few = groups[groups["accuracy"].isna()].drop_duplicates(["attribute", "label"])
    named = ", ".join(f"{row.label} ({row.attribute}, {row.items})" for row in few.itertuples())
    if not named:
        return f"Every group has {fewest} held-out images or more."
    return f"Groups with fewer than {fewest} held-out images have no accuracy: {named}."
