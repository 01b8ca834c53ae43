"""Answers to exercises on what encoders learn from other images: mixed, retrieved, of lower quality, or of later generations."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import pandas as pd

from stablerep.figures.paired import NOT_TOLD, Paired, paired
from stablerep.figures.tables import percent


def given_up(pairs: pd.DataFrame, probe: str, both: str, made: str, real: str) -> str:
    """What a method loses without the real images of a mixture and without the synthetic ones, and which kind to give up first.

    Args:
        pairs: of :func:`stablerep.statistics.differences`. both, made, real: arms on both kinds of images, on synthetic and on real ones.
    """
    without = {"real": paired(pairs, probe, both, made), "synthetic": paired(pairs, probe, both, real)}
    said = [f"without the {kind} images it {_lost(one)}" for kind, one in without.items() if one]
    direct = paired(pairs, probe, made, real)
    text = f"{'; '.join(said).capitalize()}." if said else "This run has no mixture to take a kind of images from."
    if direct is None:
        return f"{text} Which kind to give up first cannot be told: this run does not compare one kind with the other."
    kind = "real" if direct.better == made else "synthetic"
    which = f"give up the {kind} images first" if direct.told else "which kind to give up first cannot be told"
    return f"{text} The row *either* compares the two kinds directly: {direct.sentence}. So {which}."


def _lost(one: Paired) -> str:
    return f"{'loses' if one.difference > 0 else 'gains'} {one.size}{one.doubt}"


def ways_compared(found: pd.DataFrame, pairs: pd.DataFrame, probe: str, arms: Mapping[str, str]) -> str:
    """Which way of retrieval shows the right concept most often, and whether that is the way with the better encoder.

    Args:
        found: ``way``, and ``caption`` and ``concept``, shares of images with the caption itself and with another of its concept.
        pairs: of :func:`stablerep.statistics.differences`. arms: by way, what learned from its images.
    """
    right = found.set_index("way")[["caption", "concept"]].sum(axis=1).sort_values(ascending=False, kind="stable")
    shares = "; ".join(f"{way} {100 * share:.1f} %" for way, share in right.items())
    text = f"The concept is right for these shares of the images: {shares}."
    if len(right) < 2:
        return f"{text} This run has one way of retrieval, so that there is nothing to compare it with."
    each = [paired(pairs, probe, arms[a], arms[b]) for a, b in combinations(right.index, 2)]
    known = [one for one in each if one]
    if not known:
        return f"{text} Which way has the better encoder cannot be told: this run does not compare them."
    text += f" The encoders, on the same concepts: {'; '.join(one.sentence for one in known)}."
    told = [one for one in known if one.told]
    if not told:
        return f"{text} So no: a higher share does not show in the encoder here."
    agree = all(one.better == one.first for one in told)
    return f"{text} So {'yes' if agree else 'no'}, where a difference is told from zero: {'the' if agree else 'not always the'} way with the higher share has the better encoder."


def left_out(pairs: pd.DataFrame, probe: str, whole: str, without: str) -> str:
    """How accuracy changes when the captions' own images are left out.

    Args:
        pairs: of :func:`stablerep.statistics.differences`. whole, without: arms on images retrieved with a caption's own and without them.
    """
    one = paired(pairs, probe, without, whole)
    if one is None:
        return "This page's run has no images without the captions' own; the run of the exercise has the row *own images*. Where its interval covers zero, the own images are not shown to matter."
    agrees = "as predicted" if one.difference < 0 else "against the prediction"
    return f"In the numbers of this page {one.sentence}{f': {agrees}' if one.told else ''}."


def parts_of_gaps(gaps: pd.DataFrame, probe: str) -> str:
    """For each method that was run, whether real and synthetic images lie apart, and which part of that is quality and which content.

    Args:
        gaps: of :func:`stablerep.statistics.differences`, with ``method``; of each method the gap, its part quality and its part content, in
            that order.
    """
    said = []
    for method, mine in gaps[gaps["probe"] == probe].groupby("method", sort=False):
        gap, *parts = (paired(mine, probe, row.first, row.second) for row in mine.itertuples())
        if gap is None:
            continue
        known = {name: one for name, one in zip(("quality", "content"), parts) if one}
        told = [name for name, one in known.items() if one.told]
        each = "; ".join(f"{name}: {one.sentence}" for name, one in known.items())
        if len(told) == 1:
            larger = f"Only {told[0]} is told from zero"
        elif told:
            first, second = known.values()
            name = "quality" if abs(first.difference) > abs(second.difference) else "content"
            larger = f"Both parts are told from zero, and {name} is the larger; whether by more than chance the table does not say"
        else:
            larger = "Which part is larger cannot be told, because the interval of each covers zero"
        clear = "" if gap.told else " So there is no clear gap."
        said.append(f"{method}: {gap.sentence}.{clear} Its parts: {each}. {larger}.")
    return " ".join(said) or "This run has no method on both real and synthetic images."


def costs_of(pairs: pd.DataFrame, probe: str, better: str, worse: Mapping[str, str]) -> str:
    """What each lower quality costs, of those that were run.

    Args:
        pairs: of :func:`stablerep.statistics.differences`. worse: arms by what is said of them, such as "16 pixels".
    """
    known = {name: paired(pairs, probe, arm, better) for name, arm in worse.items()}
    said = [f"{name}: {one.sentence}" for name, one in known.items() if one]
    return f"In the numbers of this page, {'; '.join(said)}." if said else ""


def worse_than_first(pairs: pd.DataFrame, probe: str, first: str, last: str, control: str) -> str:
    """Whether a generator's images teach less after it has learned from its own, and how much of that more training alone may be.

    Args:
        pairs: of :func:`stablerep.statistics.differences`. first: the arm on images of generation 0. last: that on images of the last generation
            of *replaced*. control: that on images of a generator trained as long on real images.
    """
    one, alone = paired(pairs, probe, last, first), paired(pairs, probe, control, first)
    if one is None:
        text = "This run does not have *replaced*."
    elif one.difference < 0:
        text = f"{one.sentence}."
    else:
        text = f"It does not lie below: {one.sentence}."
    if alone is None:
        return f"{text} What more training alone does cannot be told, because this run does not have *only real*."
    if alone.told and alone.difference < 0:
        much = f"So more training alone costs as much as {alone.size}"
    elif alone.told:
        much = "So more training alone costs nothing"
    else:
        much = f"So up to {max(0.0, -100 * alone.low):.1f} points could be due to more training alone, or none"
    return f"{text} Training alone: {alone.sentence}. {much}."


def spread_after(diversity: pd.DataFrame, way: str, generation: int) -> str:
    """Whether two images of a caption lie further apart after a way of training the generator further than in generation 0.

    Args:
        diversity: of :func:`stablerep.audits.faithfulness.shares`, with ``way`` (empty for generation 0) and ``generation``.
    """
    mine = diversity[(diversity["group"] == "all") & (diversity["source"] == "generated")]
    first, last = (mine[(mine["way"] == a) & (mine["generation"] == b)] for a, b in (("", 0), (way, generation)))
    if first.empty or last.empty:
        return f"This page's run does not have *{way}*, so that its tables do not tell."
    before, after = first.iloc[0], last.iloc[0]
    text = {
        name: f"{one['mean']:.2f} [{one['low']:.2f}, {one['high']:.2f}]"
        for name, one in (("before", before), ("after", after))
    }
    if text["before"] == text["after"]:
        return f"In the numbers of this page they lie as far apart as in generation 0: {text['after']}."
    moved = "further apart" if after["mean"] > before["mean"] else "closer together"
    return (
        f"In the numbers of this page they come to lie {moved}: {text['after']} after {text['before']} in generation 0. "
        "The two were not compared concept by concept, so that this may be chance."
    )


def named_and_seen(pairs: pd.DataFrame, probes: tuple[str, str], real: str, made: str) -> str:
    """Whether synthetic images teach what things are called less well than real ones, and what they look like.

    Args:
        pairs: of :func:`stablerep.statistics.differences`. probes: zero-shot, and without words. real, made: arms on real and synthetic images.
    """
    named, seen = (paired(pairs, probe, real, made) for probe in probes)
    if named is None or seen is None:
        return "This run does not have both arms."
    first, second = (one.sentence.removesuffix(NOT_TOLD) for one in (named, seen))  # what follows says it
    text = f"Zero-shot, {first}. Without words, {second}."
    if not named.told and not seen.told:
        return f"{text} Neither is told from zero, so there is no disagreement to explain; these numbers do not show that there is none."
    if named.told and not seen.told:
        return f"{text} Only the first is told from zero: {named.better} knows better what things are called; that it knows better what they look like is not shown."
    if seen.told and not named.told:
        return f"{text} Only the second is told from zero: {seen.better} knows better what things look like; that it knows better what they are called is not shown."
    if named.better == seen.better:
        return f"{text} Both are told from zero and point the same way: there is no disagreement."
    return f"{text} Both are told from zero, and they disagree: {named.better} knows better what things are called, {seen.better} what they look like."


def without_words(pairs: pd.DataFrame, seen: str, pair: pd.Series) -> str:
    """What two arms have without words; and that their zero-shot difference is not told from zero, where it is not.

    Args:
        pairs: of :func:`stablerep.statistics.differences`. seen: the probe without words. pair: the row of the two arms, zero-shot.
    """
    said = [] if pair["low"] > 0 or pair["high"] < 0 else ["The interval covers zero: who names more is not told."]
    one = paired(pairs, seen, pair["first"], pair["second"])
    return " ".join([*said, *([f"Without words, {one.sentence}."] if one else [])])


def two_scales(table: pd.DataFrame, probe: str, low: float, high: float) -> str:
    """Accuracy of each arm at two guidance scales; that the run lacks them, where it does.

    Args:
        table: of :func:`stablerep.statistics.summarize`, with ``guidance_scale``.
    """
    mine, said = table[table["probe"] == probe], []
    for name, part in mine.groupby("arm", sort=False):
        rows = part.set_index("guidance_scale")
        if {low, high} <= set(rows.index):
            each = (f"{percent(*rows.loc[w, ['accuracy', 'low', 'high']])} % at w = {w:g}" for w in (low, high))
            said.append(f"{name} {' and '.join(each)}")
    if not said:
        return "This page's run does not have both scales; the table of the exercise's run by guidance scale does."
    return f"In the numbers of this page: {'; '.join(said)}. Scales are not compared concept by concept here, so that a small difference is not told."
