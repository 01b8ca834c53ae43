"""Tables and sentences for pages: pure functions from a results table to what a reader sees.

Shares become percent and differences points, an interval stands in brackets behind its value, and the rows and columns keep the order of the table
that they come from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from stablerep.figures.people_and_things import apart, left_out

SPELT_OUT = (  # what the table of published numbers abbreviates: column, pattern, and what a page has instead
    ("exhibit", r"\bFig(?=\d)", "Figure "),
    ("exhibit", r"\bTable(?=\d)", "Table "),
    ("setting", r"\b([lw])=(?=\d)", r"\1 = "),
)


def percent(value: float, low: float, high: float, digits: int = 1) -> str:
    """A share in percent with its interval: ``12.3 [10.1, 14.5]``; what is NaN is left out."""
    if math.isnan(value):
        return ""
    shown = f"{100 * value:.{digits}f}"
    return shown if math.isnan(low) else f"{shown} [{100 * low:.{digits}f}, {100 * high:.{digits}f}]"


def points(difference: float, low: float, high: float) -> str:
    """A difference of shares in points with its interval: ``+1.2 [-0.3, +2.8]``; an interval that is NaN is left out."""
    shown = f"{100 * difference:+z.1f}"
    return shown if math.isnan(low) else f"{shown} [{100 * low:+z.1f}, {100 * high:+z.1f}]"


def p_value(p: float) -> str:
    """Three digits, or that there are none."""
    return "< 0.001" if p < 0.0005 else f"{p:.3f}"


def pivoted(table: pd.DataFrame, index: str, columns: str, text: Sequence[str]) -> pd.DataFrame:
    """A text for each pair of two columns, in the order in which these first come; "" where there is none. Rows have no title."""
    wide = table.assign(text=list(text)).pivot(index=index, columns=columns, values="text")
    wide = wide.loc[table[index].unique(), table[columns].unique()]
    return wide.fillna("").rename_axis(index=None)


def accuracy_texts(table: pd.DataFrame) -> list[str]:
    """The ``accuracy`` of each row, with its interval."""
    return [percent(row.accuracy, row.low, row.high) for row in table.itertuples()]


def accuracies(arms: pd.DataFrame) -> pd.DataFrame:
    """Accuracy in percent with its interval: a row per arm, a column per probe.

    Args:
        arms: of :func:`stablerep.statistics.summarize`.
    """
    text = accuracy_texts(arms)
    return pivoted(arms, "arm", "probe", text).rename_axis(columns=None)


def differences(pairs: pd.DataFrame, probe: str) -> pd.DataFrame:
    """Pairs of arms, in points, on one probe, with the smallest difference that would have been seen: a row per pair, named by its claim, or by
    what it compares.

    Args:
        pairs: of :func:`stablerep.statistics.differences`.
    """
    mine = pairs[pairs["probe"] == probe]
    shown = mine.assign(points=[points(row.difference, row.low, row.high) for row in mine.itertuples()])
    shown = shown.assign(visible=[f"{100 * row.visible:.1f}" for row in mine.itertuples()])
    shown = shown.rename(columns={"visible": "smallest detectable", "claim": "comparison"}).set_index("comparison")
    return shown[["first", "second", "points", "smallest detectable", "seeds"]]


def gains(floors: pd.DataFrame, floor: str) -> pd.DataFrame:
    """By how many points each arm lies above one floor: a row per arm, a column per probe."""
    mine = floors[floors["second"] == floor]
    wide = pivoted(mine, "first", "probe", [points(row.difference, row.low, row.high) for row in mine.itertuples()])
    return wide.rename_axis(columns=None)


def transfer(scores: pd.DataFrame, overall: pd.DataFrame | None = None) -> pd.DataFrame:
    """Scores in percent, averaged over seeds: a row per arm, a column per set; NaN for a set that was not there.

    Args:
        scores: of :func:`stablerep.transfer.transfer_scores`, with ``arm`` and ``seed``.
        overall: ``arm``, ``score``, ``low`` and ``high`` over all sets, for a last column.
    """
    wide = scores.groupby(["arm", "set"], sort=False)["value"].mean().mul(100).unstack().round(1)
    if overall is not None:
        texts = [percent(row.score, row.low, row.high) for row in overall.itertuples()]
        wide["all sets"] = pd.Series(texts, index=overall["arm"])
    return wide.rename_axis(index=None, columns="%")


def costs(table: pd.DataFrame) -> pd.DataFrame:
    """Views, weights and time, as a multiple of the first arm's, of each arm that was trained.

    Args:
        table: of :func:`stablerep.statistics.costs`.
    """
    shown = table.assign(views=table["views"].map("{:,.0f}".format), weights=table["weights"].map("{:,.0f}".format))
    return shown.set_index("arm").rename_axis(None)[["views", "weights", "time"]].round(2)


def diagnostics(table: pd.DataFrame) -> pd.DataFrame:
    """What features look like, a row per arm, with the gap between cosines within and between captions.

    Args:
        table: of :func:`stablerep.audits.features.describe`, with ``arm``.
    """
    names = {"effective_rank": "effective rank"}
    shown = table.set_index("arm").rename_axis(None).rename(columns=names)
    shown.insert(shown.columns.get_loc("between") + 1, "gap", shown["within"] - shown["between"])
    return shown.round(2).assign(**{"effective rank": shown["effective rank"].round(1)})


def alarms_sentence(table: pd.DataFrame) -> str:
    """Which arms raise an alarm, and which.

    Args:
        table: as for :func:`diagnostics`.
    """
    raised = table[table["alarms"] != "none"]
    if raised.empty:
        return "No encoder raises an alarm."
    named = "; ".join(f"{arm} ({alarms})" for arm, alarms in raised[["arm", "alarms"]].values)
    if len(raised) == len(table):
        return f"Every encoder raises an alarm: {named}."
    return f"An alarm is raised by {named}; no other encoder raises one."


def designs(table: pd.DataFrame) -> pd.DataFrame:
    """Images, captions and concepts of each design."""
    return table.set_index("design")


def corpus_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Some rows of the emoji corpus, with tones and genders in words.

    Args:
        table: of :func:`stablerep.corpus.load_corpus`.
    """
    from stablerep.audits.people import TONES

    shown = table.assign(
        tone=[TONES[tone] for tone in table["skin_tone"]], gender=table["gender"].replace("", "shows no people")
    )
    names = {"concept": "concept (code points)", "tone": "skin tone"}
    return shown.set_index("caption")[["concept", "subgroup", "tone", "gender", "design", "split"]].rename(
        columns=names
    )


def corpus_sentence(tables: dict[str, pd.DataFrame]) -> str:
    """Markdown: how many images, captions and concepts there are, and how many concepts are held out.

    Args:
        tables: of the chapter on the corpus.
    """
    parts = splits(tables["splits"])
    captions, held = (
        tables["images_per_caption"]["captions"].sum(),
        parts["concepts"].drop("train", errors="ignore").sum(),
    )
    several = tables["images_per_caption"].query("images > 1")["captions"].sum()
    return (
        f"{parts['images'].sum():,} drawings in {len(tables['designs'])} designs, of {captions:,} captions and {parts['concepts'].sum():,} concepts. "
        f"{captions - several:,} captions are drawn in one design alone, {held:,} concepts are held out. For people, the "
        "label states skin tone and gender."
    )


def splits(table: pd.DataFrame) -> pd.DataFrame:
    """Concepts, captions and images of each part, over all groups."""
    return table.groupby("split", sort=False)[["concepts", "captions", "images"]].sum()


def published(table: pd.DataFrame, *, exhibits: Sequence[str], metric: str) -> pd.DataFrame:
    """The paper's numbers in some exhibits and one metric, titled by the method; with the grade of their evidence where it is not that of all.

    Args:
        table: of :func:`stablerep.published.read_published`.
        metric: its name or a part of it.
    """
    mine = table[table["exhibit"].isin(exhibits) & table["metric"].str.contains(metric, regex=False)]
    mine = mine.assign(source=mine["source"].str.partition(";")[0])  # the first is the best
    for column, pattern, shown in SPELT_OUT:
        mine[column] = mine[column].str.replace(pattern, shown, regex=True)
    grade = [] if (mine["evidence"] == "primary").all() else ["evidence"]
    shown = mine[["method", "exhibit", "data", "setting", "value", *grade, "source"]].drop_duplicates()
    return shown.set_index("method").replace("", None).dropna(axis="columns", how="all").fillna("")


def retrieved(table: pd.DataFrame) -> pd.DataFrame:
    """What each way of retrieval has found, a row each: how many images and different ones, and in percent what they show.

    Args:
        table: ``way`` and the numbers of :meth:`stablerep.retrieving.Retrieved.described`.
    """
    names = {"caption": "the caption", "concept": "its concept, another caption", "other": "another concept", "no_word": "no common word"}  # fmt: skip
    counts = {name: table[name].map("{:,.0f}".format) for name in ("images", "distinct")}
    shares = {f"{name} (%)": (100 * table[column]).map("{:.1f}".format) for column, name in names.items()}
    return pd.DataFrame({"retrieved": table["way"], **counts, **shares}).set_index("retrieved").rename_axis(None)


def upstream_sentence(table: pd.DataFrame) -> str:
    """How many images could be retrieved, and how many were removed before.

    Args:
        table: as for :func:`retrieved`, with ``removed``.
    """
    upstream, removed = (int(table[name].iloc[0]) for name in ("upstream", "removed"))
    equal = "pixel for pixel equal to an image of a validation or test concept"
    first = f"The corpus has {upstream + removed:,} images to learn from."
    if not removed:
        return f"{first} None of them is {equal}, so that all could be retrieved."
    return (
        f"{first} Of these, {removed:,} {'is' if removed == 1 else 'are'} {equal} and {'was' if removed == 1 else 'were'} removed first, so that "
        f"{upstream:,} could be retrieved."
    )


def of_other_captions(strip: pd.DataFrame) -> str:
    """Which of some retrieved images are of other captions than the one that they were retrieved for, by these captions.

    Args:
        strip: ``caption``, ``kind`` (the way of retrieval) and ``shows`` (the caption of the image).
    """
    fit, said = apart(strip), []
    for caption in dict.fromkeys(strip["caption"]):
        mine = fit[(fit["caption"] == caption) & (fit["shows"] != caption)]
        others = mine.groupby("kind", sort=False)["shows"].agg(lambda few: ", ".join(dict.fromkeys(few)))
        said.append(f"For {caption}: {'; '.join(f'{kind} ({shown})' for kind, shown in others.items()) or 'none'}.")
    return " ".join(filter(None, ["Images of other captions, by their captions.", *said, left_out(strip)]))
