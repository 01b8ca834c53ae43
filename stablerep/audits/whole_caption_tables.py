"""From what judges, readers and encoders said of single images to tables: shares, differences, what they depend on, and who ranks right images first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from stablerep.audits.caption_scores import ranking
from stablerep.audits.dependence import dependence
from stablerep.audits.faithfulness import GENERATED, REAL, gaps, in_all, shares
from stablerep.audits.named_attributes import NAMED
from stablerep.audits.shares import kept_off_the_boundary
from stablerep.audits.whole_captions import CONCEPT, IMAGE, RIGHT, TOLD, WHOLE, WRONG, by_majority, measured, outcomes
from stablerep.statistics import crossed_mean
from stablerep.statistics.arms import Pair, differences

COMPARED = (WHOLE, WHOLE + TOLD, CONCEPT, *NAMED)  # measures in which real and generated images are compared
DEPENDING = (CONCEPT, WHOLE)


def joined(judged: pd.DataFrame, readings: pd.DataFrame) -> pd.DataFrame:
    """What judges found in each image, with what was read of it; "" for an attribute that is not read.

    Args:
        judged: ``source``, ``guidance_scale``, ``caption``, ``image``, ``seed`` (of the judge), ``right`` and others. readings: a row per image, with attributes.
    """
    table = judged.merge(readings, on=IMAGE, how="left", validate="many_to_one")
    names = [name for name in NAMED if name in readings]
    return table.assign(**{name: table[name].fillna("") for name in names})


def image_tables(
    images: pd.DataFrame, asked: pd.DataFrame, classes: Mapping[str, int], claim: str, w: float, captions: str, *, seed: int = 0
) -> dict[str, pd.DataFrame]:  # fmt: skip
    """Tables on real and generated images.

    Args:
        images: of :func:`joined`, of these two sources. asked: of :func:`stablerep.audits.named_attributes.attributes_asked`, by caption, with ``frequency``.
        classes: how many classes the reader of each attribute tells. claim: the name in the row of the pair at ``w`` of the group ``captions`` in the
            measure *whole caption*; other rows have none.

    Returns:
        ``shares`` (:func:`stablerep.audits.faithfulness.shares` of every measure of :func:`stablerep.audits.whole_captions.measured`, over all groups of emoji, :func:`bounded`), ``differences``
        (:func:`stablerep.audits.faithfulness.gaps`, with ``measure``), ``properties`` and ``slopes`` (:func:`stablerep.audits.dependence.dependence`), and
        ``asked``: by group of captions, how many ``captions`` and ``concepts`` there are, how many name each attribute that is read, and how many name one
        that no reader reads (``left_out``).
    """
    found = outcomes(images, asked)
    values = measured(found, asked, classes)
    table = shares(values).query("group == 'all'").drop(columns="group")
    pairs = [gaps(values, claim if one == WHOLE else "", w, captions, one).assign(measure=one) for one in COMPARED]
    binned, lines = dependence(found, asked, DEPENDING, seed=seed)
    rows = []
    for name, mine in found.groupby("captions", sort=False):
        about = asked.loc[mine["caption"].unique()]
        named = {one: int((about[one] != "").sum()) if one in about else 0 for one in NAMED}
        rows.append(
            {
                "group": name,
                "captions": len(about),
                "concepts": about["concept"].nunique(),
                **named,
                "left_out": int((~about["readable"]).sum()),
            }
        )
    return {
        "shares": bounded(table), "differences": pd.concat(pairs, ignore_index=True), "properties": binned,
        "slopes": lines, "asked": pd.DataFrame(rows),
    }  # fmt: skip


def bounded(table: pd.DataFrame) -> pd.DataFrame:
    """Shares whose intervals are within 0 and 1, and at 0 and 1 reach as far as the exact bound for the number of concepts
    (:func:`stablerep.audits.shares.kept_off_the_boundary`): where all are wrong, nothing varies, and resampling would see no error."""
    ends = [kept_off_the_boundary(row.mean, row.low, row.high, row.concepts) for row in table.itertuples()]
    return table.assign(low=[float(low) for low, _ in ends], high=[float(high) for _, high in ends])


def knowledge(
    scores: pd.DataFrame, images: pd.DataFrame, asked: pd.DataFrame, pairs: Sequence[Pair]
) -> dict[str, pd.DataFrame]:
    """Who ranks right images of a caption above wrong ones. An image is right where more than half of the judges find the concept and readers read all that
    the caption names, wrong where one of these is otherwise, and counts as neither where a reader cannot tell, or where none reads what the caption names.

    Args:
        scores: ``arm``, ``seed``, ``source``, ``caption``, ``image`` and ``score``. images: of :func:`joined`, of the same sources. asked: by caption.

    Returns:
        ``knows``: ``arm``, ``source``, ``mean`` (of the area under the curve within a caption, over concepts), ``low`` and ``high`` (95 %, over concepts
        and seeds), ``concepts``, ``captions`` (with images of both kinds), ``seeds``. ``knows_more``: of
        :func:`stablerep.statistics.arms.differences`, ``probe`` being the source. ``truth``: ``source``, ``images``, and how many are ``right`` and ``wrong``.
    """
    told = by_majority(images, asked) if len(images) else pd.DataFrame(columns=[*IMAGE, WHOLE])
    rows = [
        [source, len(mine), int((mine[WHOLE] == RIGHT).sum()), int((mine[WHOLE] == WRONG).sum())]
        for source, mine in told.groupby("source", sort=False)
    ]
    truth = told[told[WHOLE].isin([RIGHT, WRONG])]
    truth = truth[["source", "caption", "image"]].assign(right=(truth[WHOLE] == RIGHT).to_numpy(bool))
    ranked = ranking(scores, truth, asked["concept"])
    knows = []
    for (arm, source), mine in ranked.groupby(["arm", "source"], sort=False):
        found = crossed_mean(mine.pivot(index="seed", columns="concept", values="value").to_numpy())
        low, high = np.clip(found.interval(), 0, 1)
        captions = int(mine.loc[mine["seed"] == mine["seed"].iloc[0], "captions"].sum())
        knows.append([arm, source, found.mean, float(low), float(high), found.clusters, captions, found.seeds])
    items = ranked.rename(columns={"source": "probe", "concept": "cluster", "value": "correct"})
    return {
        "knows": pd.DataFrame(knows, columns=["arm", "source", "mean", "low", "high", "concepts", "captions", "seeds"]),
        "knows_more": differences(items, pairs),
        "truth": pd.DataFrame(rows, columns=["source", "images", "right", "wrong"]),
    }


def score_means(scores: pd.DataFrame, concepts: pd.Series) -> pd.DataFrame:
    """Mean CLIPScore of real and generated images over concepts; captions of a concept count the same.

    Args:
        scores: ``seed``, ``captions`` (the group), ``source``, ``guidance_scale``, ``caption`` and ``score``, the mean of its images. concepts: by caption.

    Returns:
        ``captions``, ``source``, ``guidance_scale``, ``mean``, ``low`` and ``high`` (95 %, over concepts and seeds), ``concepts``, ``seeds``.
    """
    keys = ["captions", "source", "guidance_scale"]
    each = scores.assign(concept=concepts.loc[scores["caption"]].to_numpy(), measure="score")
    each = each.groupby([*keys, "measure", "seed", "concept"], dropna=False, sort=False)["score"].mean()
    rows = []
    for key, mine in in_all(each.reset_index(name="value")).groupby(keys, dropna=False, sort=False):
        found = crossed_mean(mine.pivot(index="seed", columns="concept", values="value").to_numpy())
        low, high = found.interval()
        rows.append([*key, found.mean, max(low, 0.0), high, found.clusters, found.seeds])
    return pd.DataFrame(rows, columns=[*keys, "mean", "low", "high", "concepts", "seeds"])


def of_sources(images: pd.DataFrame, sources: Sequence[str] = (REAL, GENERATED)) -> pd.DataFrame:
    """The rows of some sources."""
    return images[images["source"].isin(sources)].reset_index(drop=True)
