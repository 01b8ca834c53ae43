"""Faithfulness and diversity of generated images beside real ones, by the features of a judge: an encoder that learned from real images.

An image is faithful when the nearest caption prototype of the gallery is of the same concept (of photographs: the same class) as its own
caption. Which gallery, and which real images, says :mod:`stablerep.audits.equal_galleries`.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from torch import Tensor

from stablerep.audits.equal_galleries import half_of
from stablerep.audits.retrieval import Retrieval, within_caption_distance
from stablerep.audits.sets import METRICS, compare_sets, most_neighbours
from stablerep.statistics import crossed_mean
from stablerep.statistics.arms import Pair, differences

REAL, GENERATED = "real", "generated"  # sources
OTHER_CONCEPTS, OTHER_IMAGES = "real, other concepts", "real, other images"  # of a second set of real images
LARGEST_SET = 4000  # images: all pairs of them are held in memory
GRID_CAPTIONS, GRID_IMAGES = 3, 4

Queries = tuple[Tensor, Sequence[str]]  # features float [N, D] and the caption of each


def judged(
    gallery: tuple[Tensor, pd.DataFrame], real: Queries, made: Mapping[float, Queries], about: pd.DataFrame, attributes: Sequence[str] = (),
) -> pd.DataFrame:  # fmt: skip
    """How often images show what their captions name, concept by concept.

    Every caption of a concept counts the same, whatever the number of its images, and so will every concept.

    Args:
        gallery: features float [N, D] and rows as of :class:`stablerep.audits.retrieval.Retrieval`.
        real: real images that are looked up. made: generated ones, by guidance scale.
        about: ``concept`` and ``group`` by caption. attributes: columns of the gallery that captions name, such as a skin tone.

    Returns:
        A row per ``source``, ``guidance_scale`` (NaN for real images), ``measure`` (see :meth:`Retrieval.ask`) and ``concept``: ``group``,
        ``value``, a share of images, and ``chance``, what a random order would give.
    """
    retrieval, rows = Retrieval(*gallery, attributes), []
    for source, w, (features, captions) in _arms(real, made):
        concepts = about.loc[captions, "concept"].tolist()
        found, chance = retrieval.ask(features, concepts, captions), retrieval.chance(concepts, captions)
        for measure in found:
            by = pd.DataFrame({"caption": captions, "value": found[measure], "chance": chance[measure]}).dropna()
            rows.append(_by_concept(by, about).assign(source=source, guidance_scale=w, measure=measure))
    return pd.concat(rows, ignore_index=True)


def diverse(real: Queries, made: Mapping[float, Queries], about: pd.DataFrame) -> pd.DataFrame:
    """Mean distance within a caption, concept by concept: columns as of :func:`judged`; ``chance`` is NaN, ``measure`` *distance*.

    Captions with one image are left out.
    """
    rows = []
    for source, w, (features, captions) in _arms(real, made):
        by = within_caption_distance(features, list(captions)).rename_axis("caption").reset_index(name="value")
        rows.append(
            _by_concept(by.assign(chance=np.nan), about).assign(source=source, guidance_scale=w, measure="distance")
        )
    return pd.concat(rows, ignore_index=True)


def _arms(real: Queries, made: Mapping[float, Queries]) -> Iterable[tuple[str, float, Queries]]:
    yield REAL, np.nan, real
    for w, queries in made.items():
        yield GENERATED, w, queries


def _by_concept(values: pd.DataFrame, about: pd.DataFrame) -> pd.DataFrame:
    """Means of ``value`` and ``chance`` by caption, then by concept."""
    means = values.groupby("caption")[["value", "chance"]].mean()
    return means.join(about[["concept", "group"]]).groupby(["concept", "group"], as_index=False).mean()


def shares(values: pd.DataFrame) -> pd.DataFrame:
    """Means over concepts and seeds with 95 % intervals over both (:func:`stablerep.statistics.crossed.crossed_mean`).

    Args:
        values: of :func:`judged` or :func:`diverse`, with ``captions`` (the name of their group), ``gallery`` and ``seed``.

    Returns:
        A row per ``captions``, ``gallery``, ``source``, ``guidance_scale``, ``measure`` and ``group`` (``all``, then each there is): ``mean``,
        ``low``, ``high``, ``chance``, ``concepts``, ``seeds``.
    """
    rows, keys = [], ["captions", "gallery", "source", "guidance_scale", "measure"]
    for key, part in in_all(values).groupby(keys, sort=False, dropna=False):
        for group in ["all", *sorted(part["group"].unique())]:
            mine = part if group == "all" else part[part["group"] == group]
            found = crossed_mean(mine.pivot(index="seed", columns="concept", values="value").to_numpy())
            low, high = found.interval()
            most = 1.0 if mine["chance"].notna().any() else 2.0  # of a share, or of a cosine distance
            rows.append({
                **dict(zip(keys, key)), "group": group, "mean": found.mean, "low": max(low, 0.0), "high": min(high, most),
                "chance": mine["chance"].mean(), "concepts": found.clusters, "seeds": found.seeds,
            })  # fmt: skip
    return pd.DataFrame(rows, columns=[*keys, "group", "mean", "low", "high", "chance", "concepts", "seeds"])


def in_all(values: pd.DataFrame) -> pd.DataFrame:
    """The rows of those concepts that were asked about at every seed, of real images and at every guidance scale.

    A safety checker, or captions of which there is one image, leave some out.
    """
    by = values.groupby(["captions", "measure", "concept"])["value"].transform("size")
    return values[by == by.groupby([values["captions"], values["measure"]]).transform("max")]


def made_at(w: float) -> str:
    """What generated images are called as an arm."""
    return f"{GENERATED}, w = {w:g}"


def gaps(values: pd.DataFrame, claim: str, w: float, captions: str, measure: str = "top1") -> pd.DataFrame:
    """Real minus generated images, paired by concept and seed, at every guidance scale and for every group of captions.

    Args:
        values: as of :func:`shares`.
        claim: the name in the row of the pair at ``w`` of the group ``captions``; other rows have none.

    Returns:
        Rows of :func:`stablerep.statistics.arms.differences` with ``captions`` instead of ``probe``.
    """
    mine = in_all(values[values["measure"] == measure])
    arm = [REAL if source == REAL else made_at(scale) for source, scale in zip(mine["source"], mine["guidance_scale"])]
    items = mine.assign(arm=arm, probe=mine["captions"], cluster=mine["concept"], correct=mine["value"])
    pairs = [Pair(claim, REAL, made_at(scale)) for scale in sorted(mine["guidance_scale"].dropna().unique())]
    found = differences(items, pairs).rename(columns={"probe": "captions"})
    of_claim = (found["second"] == made_at(w)) & (found["captions"] == captions)
    return found.assign(claim=np.where(of_claim, claim, ""))


def compared(
    real: Queries, made: Mapping[float, Queries], about: pd.DataFrame, *, by_concept: bool, seed: int
) -> pd.DataFrame:
    """Sets of generated images, and a second set of real ones, against a set of real images that has nothing to do with them.

    With ``by_concept``, concepts are halved by a hash: the first set has real images of one half, the others have images of the other half, and
    concepts are the units of :mod:`stablerep.audits.sets`. Else images are halved and are the units, all generated images count, and sets
    differ too where captions name other classes than the real images show. All sets are cut at random to the size of the smallest.

    Returns:
        Rows of :func:`stablerep.audits.sets.compare_sets` with ``source``, ``guidance_scale`` and ``units`` (of the first set); none where
        a set has images of fewer than two units.
    """
    rng = np.random.default_rng(seed)

    def units(captions: Sequence[str]) -> np.ndarray:
        return about.loc[captions, "concept"].to_numpy() if by_concept else np.arange(len(captions))

    def half(names: np.ndarray) -> np.ndarray:
        return np.array([half_of(str(name), "sets") for name in names], bool)

    names = units(real[1])
    second = half(names)
    sides = [(real[0], names, ~second), (real[0], names, second)]
    for features, captions in made.values():
        own = units(captions)
        sides.append((features, own, half(own) if by_concept else np.ones(len(own), bool)))
    size = min(LARGEST_SET, *(int(rows.sum()) for _, _, rows in sides))
    cut = [np.sort(rng.choice(np.flatnonzero(rows), size, replace=False)) for _, _, rows in sides]
    sets = [(features[rows], own[rows]) for (features, own, _), rows in zip(sides, cut)]
    most = min((most_neighbours(own) for _, own in sets), default=0) if size else 0
    if most < 1:
        return pd.DataFrame(columns=["metric", "value", "low", "high", "source", "guidance_scale", "units"])
    (first, of_first), *others = sets
    found = []
    for w, (features, own) in zip([np.nan, *made], others):
        rows = compare_sets(first, features, of_first, own, k=min(3, most), k_coverage=min(5, most), seed=seed)
        yardstick = OTHER_CONCEPTS if by_concept else OTHER_IMAGES
        found.append(rows.assign(source=GENERATED if w == w else yardstick, guidance_scale=w, units=len(set(of_first))))
    return pd.concat(found, ignore_index=True)


def over_seeds(sets: pd.DataFrame) -> pd.DataFrame:
    """The rows of :func:`compared`, with ``seed``, averaged over seeds: ``value`` and the ends of its interval, which is over units alone."""
    keys = ["captions", "source", "guidance_scale", "metric"]
    kept = sets.drop(columns=["seed", "value", "low", "high"]).drop_duplicates(keys)
    means = sets.groupby(keys, dropna=False)[["value", "low", "high"]].mean().reset_index()
    found = kept.merge(means, on=keys).assign(seeds=sets["seed"].nunique())
    return found.sort_values("metric", key=lambda names: names.map(METRICS.index), kind="stable", ignore_index=True)


def picture_grid(
    images: Tensor, caption_ids: Tensor, captions: Sequence[str], groups: Mapping[str, str], w: float
) -> list[dict]:
    """The first images of the first captions of each group as PNG bytes: rows of ``captions`` (the group), ``caption``, ``guidance_scale``, ``index``
    and ``png``."""
    from PIL import Image

    rows = []
    for group in dict.fromkeys(groups.values()):
        for caption in [one for one in captions if groups.get(one) == group][:GRID_CAPTIONS]:
            for index, image in enumerate(images[caption_ids == list(captions).index(caption)][:GRID_IMAGES]):
                png = io.BytesIO()
                Image.fromarray(image.permute(1, 2, 0).numpy()).save(png, "PNG")
                rows.append(
                    {"captions": group, "caption": caption, "guidance_scale": w, "index": index, "png": png.getvalue()}
                )
    return rows
