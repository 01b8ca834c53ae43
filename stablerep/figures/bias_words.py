"""What the page on the bias of the generator says in words: pure functions from its tables to sentences of Markdown."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from stablerep.audits.amplification import LEAST, MATCHED, RAW
from stablerep.audits.bias_measures import FAR, TOGETHER, VARIATION
from stablerep.audits.people import AS_READ, BALANCE, CORRECTED, OF_CAPTION, OF_CONCEPT
from stablerep.audits.planted_shares import NEAR, word_on
from stablerep.audits.readers import CANNOT_TELL
from stablerep.figures.bias_tables import number
from stablerep.figures.tables import percent

HALF = 0.5  # of the real drawings of a class that the reader has to read so, and of what a labeller has to agree on, for a share to be a finding


def whom(tables: Mapping[str, pd.DataFrame], whose: str) -> str:
    """A point for each attribute: whom neutral captions show at the largest w, or why that cannot be told; and what is known of amplification.

    Args:
        tables: of the chapter. whose: of whom they are, such as *the reference*.
    """
    lines = [f"- **{name}**: {_whom_by(name, tables)}" for name in tables["shares"]["attribute"].unique()]
    return "\n".join([*lines, f"- **Amplified?** {_amplified_in_short(tables, whose)}"])


def _whom_by(attribute: str, tables: Mapping[str, pd.DataFrame]) -> str:
    mine = tables["shares"].query("attribute == @attribute")
    w = mine["guidance_scale"].max()
    learned = {name: mine[mine["source"] == name].set_index("label")["share"] for name in (OF_CAPTION, OF_CONCEPT)}
    top = learned[OF_CAPTION].idxmax()
    read = mine[(mine["source"] == AS_READ) & (mine["guidance_scale"] == w)].set_index("label").drop(CANNOT_TELL, errors="ignore")  # fmt: skip
    row = read.loc[top]
    if why := _not_readable(attribute, top, tables):
        lost = f" The correction at w = {w:g} is refused." if _is_refused(attribute, w, tables) else ""
        return (
            f"cannot be told. {why}{lost} So the {100 * row['share']:.0f} % of generated images that are read as *{top}* at w = {w:g} "
            "are no finding about whom the generator draws."
        )
    middle = (learned[OF_CAPTION][top] + learned[OF_CONCEPT][top]) / 2
    nearer = (
        " It is nearer to the first, by its whole interval: the generator mostly draws what stood under the caption."
        if row["low"] > middle
        else " It is nearer to the second, by its whole interval."
        if row["high"] < middle
        else " To which of the two it is nearer is not told."
    )
    second = read["share"].drop(top).idxmax()
    others = percent(*read.loc[second, ["share", "low", "high"]])
    return (
        f"at w = {w:g}, {percent(row['share'], row['low'], row['high'])} % of the images of neutral captions are read as *{top}*, and {others} % as *{second}*. "
        f"Of the training images of the same captions {100 * learned[OF_CAPTION][top]:.0f} % are *{top}*, of those of the concepts under all their captions "
        f"{100 * learned[OF_CONCEPT][top]:.0f} %.{nearer}"
    )


def _not_readable(attribute: str, top: str, tables: Mapping[str, pd.DataFrame]) -> str:
    """Sentences on why a share of a class is no finding: the reader misses most real drawings of it, or may agree with a labeller on less than half; empty if neither."""
    found = tables["confusion"].query("attribute == @attribute and truth == @top and prediction == @top")["share"]
    own, said = float(found.iloc[0]), []
    if own < HALF:
        said.append(f"Of real drawings labelled *{top}* the reader reads only {100 * own:.0f} % so.")
    for row in (
        tables.get("agreement", pd.DataFrame(columns=["attribute"])).query("attribute == @attribute").itertuples()
    ):
        if row.low < HALF:
            agreed = percent(row.agreement, row.low, row.high)
            said.append(f"On generated images it agrees with a labeller on {agreed} % of what both name.")
    return " ".join(said)


def _is_refused(attribute: str, w: float, tables: Mapping[str, pd.DataFrame]) -> bool:
    mine = tables["fits"].query("attribute == @attribute and guidance_scale == @w")
    return bool(mine["refused"].astype(bool).any())


def _amplified_in_short(tables: Mapping[str, pd.DataFrame], whose: str) -> str:
    if len(tables.get("slopes", ())):
        said = line_sentence(tables["slopes"]).splitlines()
        return f"Of the planted skew, at {' At '.join(one.removeprefix('- ') for one in said)}"
    known = tables["amplification"].query("texts == @MATCHED")["value"].notna().any()
    own = (
        ""
        if known
        else " Nor can it be told of what the generator learned: under neutral captions it learned one class alone, in every role."
    )
    return f"Cannot be told: no skew was planted for {whose}.{own}"


def line_sentence(slopes: pd.DataFrame) -> str:
    """What the slopes say of the planted skew (:func:`stablerep.audits.planted_shares.word_on`), corrected where the correction holds: a point for each w, with
    whether the skew spread to the roles that were left alone.

    Args:
        slopes: ``slopes`` of :func:`stablerep.audits.planted_shares.planted_shares`.
    """
    lines = []
    for w, part in slopes.groupby("guidance_scale"):
        said = []
        for group in ("skewed roles", "roles left alone"):
            by = part[part["group"] == group].set_index("source")
            if by.empty:
                continue
            source = CORRECTED if CORRECTED in by.index else AS_READ
            row = by.loc[source]
            value = f"{number(row['slope'], row['low'], row['high'])}, {source.removeprefix('generated, ')}"
            spread = "spread to them" if row["low"] > NEAR else "not shown to spread"
            said.append(
                f"slope {value}: *{word_on(row['low'], row['high'])}*"
                if group == "skewed roles"
                else f"roles left alone {value}: {spread}"
            )
        lines.append(f"- w = {w:g}: {'; '.join(said)}.")
    return "\n".join(lines) or "One planted share alone was run, so that there is no slope."


def apart_sentence(tables: Mapping[str, pd.DataFrame]) -> str:
    """From which references the shares of all captions together lie apart, at which w, and by which rule; and where misreadings alone could do that.

    Args:
        tables: of the chapter: ``measures``, ``confusion`` and ``shares``.
    """
    table = tables["measures"]
    mine, lines = table[(table["over"] == TOGETHER) & (table["measure"] == VARIATION)], []
    for (attribute, reference), part in mine.groupby(["attribute", "reference"], sort=False):
        far, errs = part[part["low"] > FAR], misread(attribute, reference, tables)
        if far.empty:
            lines.append(f"- **{attribute}**, to {reference}: not shown to lie apart at any w.")
            continue
        said = f"apart at w = {', '.join(f'{w:g}' for w in far['guidance_scale'])}"
        near = [f"{w:g}" for w in far.loc[far["low"] <= errs, "guidance_scale"]]
        more = (
            f", but at w = {', '.join(near)} the interval begins below the {100 * errs:.1f} % that misreadings alone can make"
            if near
            else ""
        )
        lines.append(f"- **{attribute}**, to {reference}: {said}{more}.")
    rule = (
        f"*Apart* means: the whole interval of the total variation lies above {100 * FAR:.0f} points; an interval that begins above zero is not enough. All of this is as "
        "read: intervals hold what could not be told, and not what was misread. So it is also said where an interval begins below the share of real drawings in that "
        "reference's classes that the reader takes for another class."
    )
    return "\n".join([rule, "", *lines])


def misread(attribute: str, reference: str, tables: Mapping[str, pd.DataFrame]) -> float:
    """The share of real drawings, in a reference's classes, that the reader takes for another class."""
    shares = tables["shares"].query("attribute == @attribute and source == @reference").set_index("label")["share"]
    known = tables["confusion"].query("attribute == @attribute and truth != prediction and prediction != @CANNOT_TELL")
    wrong = known.groupby("truth")["share"].sum()
    return float((shares * wrong).sum())


def amplified_sentence(table: pd.DataFrame) -> str:
    """Whether an attribute is amplified: with matched texts, the whole interval of BiasAmp above one point; and what the raw numbers say.

    Args:
        table: of :func:`stablerep.audits.amplification.amplification`.
    """
    lines = []
    for attribute, part in table[table["texts"] == MATCHED].groupby("attribute", sort=False):
        known, up = part.dropna(subset=["value"]), part[part["low"] > LEAST]
        told = _at("amplified", up) if len(up) else "not shown to be amplified"
        lines.append(f"- **{attribute}**, matched: {told if len(known) else 'no role and class go together, so that there is nothing to amplify'}.")  # fmt: skip
    for attribute, part in table[table["texts"] == RAW].dropna(subset=["value"]).groupby("attribute", sort=False):
        up, down = part[part["low"] > LEAST], part[part["high"] < 0]
        told = [_at("above one point by the whole interval", up)] if len(up) else []
        told += [_at("below zero by the whole interval", down)] if len(down) else []
        more = (
            " Roles and classes that go together in training do so less in images of neutral captions. Those captions name no class, and their training images are all of "
            "one, which is enough for that: it does not show that the generator weakens a skew"
            if len(down)
            else ""
        )
        lines.append(
            f"- **{attribute}**, raw: {'; '.join(told) or 'not told from zero at any w'}.{f'{more}.' if more else ''}"
        )
    return "\n".join(lines) or "No caption has training images of its own, so that no amplification is measured."


def _at(what: str, rows: pd.DataFrame) -> str:
    return f"{what} at w = {', '.join(f'{w:g}' for w in rows['guidance_scale'])}"


def corrected_most(shares: pd.DataFrame, confusion: pd.DataFrame) -> str:
    """The class whose share in generated images the correction moves most, and what the confusion says to explain it.

    Args:
        shares: ``attribute``, ``source``, ``guidance_scale``, ``label`` and ``share``. confusion: ``attribute``, ``truth``, ``prediction`` and ``share``.
    """
    keys = ["attribute", "guidance_scale", "label"]
    read, corrected = (shares[shares["source"] == source].set_index(keys)["share"] for source in (AS_READ, CORRECTED))
    moved = (corrected - read).dropna()
    if moved.empty:
        return "Every correction was refused, so that none moves a share"
    attribute, w, label = place = moved.abs().idxmax()
    mine = confusion[confusion["attribute"] == attribute].set_index(["truth", "prediction"])["share"]
    own, lost = (100 * mine.get((label, told), 0.0) for told in (label, CANNOT_TELL))
    taken = mine[(mine.index.get_level_values("prediction") == label) & (mine.index.get_level_values("truth") != label)]
    source, most = taken.idxmax()[0], 100 * taken.max()
    why = (
        "so a true share is larger than what is read of it, and more so than for classes of which less is lost"
        if moved[place] > 0
        else "so some of what was read as this class is given back to the others"
    )
    return (
        f"*{label}* ({attribute}, w = {w:g}) moves most, from {100 * read[place]:.1f} % as read to {100 * corrected[place]:.1f} %. Of real drawings of *{label}* the reader reads "
        f"{own:.0f} % so and leaves {lost:.0f} % as *{CANNOT_TELL}*; of the others it takes at most {most:.1f} % for it (*{source}*): {why}"
    )


def nearer(measures: pd.DataFrame) -> str:
    """How the distance to both kinds of training images changes from the lowest to the highest w, for each attribute, and which changes the intervals tell.

    Args:
        measures: of :func:`stablerep.audits.bias_measures.bias_measures`.
    """
    mine = measures[
        (measures["over"] == TOGETHER) & (measures["measure"] == VARIATION) & (measures["reference"] != BALANCE)
    ]
    low, high = mine["guidance_scale"].min(), mine["guidance_scale"].max()
    if not low < high:
        return "not told, as one w alone was run"
    said, told = [], []
    for (attribute, reference), part in mine.groupby(["attribute", "reference"], sort=False):
        one, other = (part.set_index("guidance_scale").loc[w] for w in (low, high))
        name = f"{attribute}, to {reference}"
        values = part.sort_values("guidance_scale")
        each = ", ".join(f"{100 * row.value:.1f} % at w = {row.guidance_scale:g}" for row in values.itertuples())
        said.append(f"{name} {each}")
        if other["high"] < one["low"] or other["low"] > one["high"]:
            told.append(f"{name} {'falls' if other['high'] < one['low'] else 'rises'}")
    sure = (
        f"By whole intervals {'; '.join(told)}"
        if told
        else "All intervals meet, and each also holds what could not be told, so that it is not told whether anything changes"
    )
    return f"{'; '.join(said)}. Between w = {low:g} and w = {high:g}: {sure[0].lower()}{sure[1:]}"
