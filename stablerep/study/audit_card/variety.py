"""The sections of a card that compare images with images: how varied a sample is, and whether any are copies."""

from __future__ import annotations

import numpy as np
import pandas as pd

from stablerep.audits.groups import FEWEST
from stablerep.audits.resemblance import LEVEL
from stablerep.audits.shares import kept_off_the_boundary
from stablerep.audits.spread import ALIKE, FEATURES, NEAR, PIXELS
from stablerep.statistics import mean_with_interval
from stablerep.study.audit_card import drawing
from stablerep.study.audit_card.against import Against, Features
from stablerep.study.audit_card.comparing import SIDE
from stablerep.study.audit_card.measures import Measured
from stablerep.study.audit_card.parts import COSINE, DISTANCE, GREYS, RATIO, SHARE, Number, Section

NOTHING = "The card is held against no corpus; --against names one."


def share(name: str, title: str, values: pd.Series, captions: pd.Series, beside: tuple[Number, ...] = ()) -> Number:
    """The share of images for which something is true. Its interval is over captions, or over images where there are fewer than ``FEWEST`` captions."""
    clusters = captions if captions.nunique() >= FEWEST else None
    found = mean_with_interval(values.astype(float), clusters)
    n = captions.nunique() if clusters is not None else len(values)
    low, high = map(float, kept_off_the_boundary(found["mean"], found["low"], found["high"], n))
    return Number(name, title, found["mean"], SHARE, low, high, beside)


def interval_over(captions: pd.Series) -> str:
    """What the intervals of shares are over, as a sentence."""
    if captions.nunique() >= FEWEST:
        return "Intervals of shares are over captions."
    return f"Intervals of shares are over images, as if each were independent: there are {captions.nunique()} captions, too few to resample."


def diversity(measured: Measured, features: Features, against: Against | None) -> Section:
    """Images of one caption beside images of different captions, and near-duplicates, with the same of the corpus."""
    found = measured.diversity.table("spread").set_index("measure")
    real = measured.background.table("spread").set_index("measure") if measured.background else None
    titles = {
        "within": "between images of one caption",
        "between": "between images of different captions",
        "ratio": "the first over the second",
    }
    numbers = [
        _spread(f"diversity.{name}", title, found.loc[name], RATIO if name == "ratio" else DISTANCE,
                (_spread(f"diversity.{name}_real", f"real images of {against.name}", real.loc[name], RATIO if name == "ratio" else DISTANCE),) if against else ())
        for name, title in titles.items()
    ]  # fmt: skip
    mine, others = measured.images.table("sample")["caption"], None
    near = measured.diversity.table("near")
    if measured.background:
        others = measured.background.table("near"), measured.background.table("sample")["caption"]
    for by, which in ((by, which) for by in (PIXELS, FEATURES) for which in ("same caption", "other caption")):
        column, key = f"{by}, {which}", f"diversity.near_{by}_{which.split()[0]}"
        beside = (
            (share(f"{key}_real", f"real images of {against.name}", others[0][column], others[1]),) if others else ()
        )
        limit = (
            f"at most {NEAR:g} grey levels apart at {SIDE} pixels"
            if by == PIXELS
            else f"a cosine of features of {ALIKE:g} or more"
        )
        title = f"nearly the same as another sampled image of {'the same' if which.startswith('same') else 'another'} caption ({limit})"
        numbers.append(share(key, title, near[column], mine, beside))
    several = int(found.loc["within", "captions"])
    notes = [f"Distances are cosine distances of {features.title}. {interval_over(mine)}"]
    if against:
        notes.append(f"The real images are of any captions of {against.name}, chosen in the same way.")
    if not several:
        notes.append("No caption has two images in the sample, so that nothing can be said of images of one caption.")
    return Section(
        "diversity", "Diversity", f"{len(mine):,} images of {mine.nunique():,} captions, chosen by hash, were compared with each other: images of one caption "
        f"({several:,} captions have two or more), and images of different captions. A ratio of 0 means that a caption always gives the same image, 1 that it says nothing of it.",
        numbers=tuple(numbers), notes=tuple(notes),
        limits="whether the images vary in what matters. " + (WEAK if features.weak else "An encoder sees what its own training images taught it to see."),
    )  # fmt: skip


WEAK = "Oriented gradients (HOG) have learned nothing: they see edges and no meaning, and are weak. An encoder (--encoder) sees more."


def _spread(name: str, title: str, row: pd.Series, unit: str, beside: tuple[Number, ...] = ()) -> Number:
    return Number(name, title, float(row["value"]), unit, float(row["low"]), float(row["high"]), beside)


def copies(measured: Measured, features: Features, against: Against | None) -> Section:
    """Which images look too much like one of the corpus, against what the corpus does by itself."""
    title = "Copies"
    how = (
        f"Each sampled image was looked up among all images of the corpus, by pixels at {SIDE} × {SIDE} and by features. The corpus sets the bar itself: its "
        f"images of one half were looked up in the other half, which shows other things. Of images that show what the corpus does not, about {100 * LEVEL:g} % would be "
        "called copies. Images of captions that the corpus has are more alike to it for that reason alone, and more of them are called without being copied."
    )
    if against is None:
        return Section("copies", title, how, left_out=NOTHING)
    table, others = measured.copies.table("copies"), measured.copies.table("background")
    chance = Number("copies.chance", "of images of other things, without any copy, about", LEVEL, SHARE)
    numbers, shown, summary = [], [], measured.copies.info["summary"]
    notes = [interval_over(table["caption"])]
    for by, unit, highest in ((PIXELS, GREYS, 0.0), (FEATURES, COSINE, 1.0)):
        sign = -1 if by == PIXELS else 1  # distances in pixels are shown as distances
        mine = pd.concat([table[f"{by}, half {k}"] for k in (0, 1)]).to_numpy() * sign
        real = others[f"{by}, likeness"].to_numpy() * sign
        bars = [np.nan if bar is None else bar * sign for bar in summary[f"{by}, bars"]]
        word = "distance to" if by == PIXELS else "cosine with"
        beside = Number(
            f"copies.{by}_median_real", f"images of one half of {against.name} and the other", _median(real), unit
        )
        numbers += [
            share(f"copies.{by}_called", f"called copies by {by}", table[f"{by}, called"], table["caption"], (_renamed(chance, f"copies.{by}_chance"),)),
            Number(f"copies.{by}_median", f"median {word} the most similar image of a half, by {by}", _median(mine), unit, beside=(beside,)),
        ]  # fmt: skip
        called = f"{numbers[-2].text} are called copies"
        if any(bar * sign >= highest - 1e-4 for bar in bars):
            notes.append(
                f"By {by} a half calls nothing a copy: more than {100 * LEVEL / 2:g} % of the corpus's images look the same as one of the other half."
            )
        shown.append(drawing.outlines(
            f"{'Distance to' if by == PIXELS else 'Cosine with'} the most similar image of a half, by {by}",
            {"audited images": mine, f"{against.name}, half against half": real}, bars, unit,
            f"Two distributions by {by}; medians {numbers[-1].text} of audited images and {beside.text} of {against.name}; {called}.",
        ))  # fmt: skip
    same = table[f"{PIXELS}, likeness"] > -0.5
    beside = share("copies.identical_real", f"images of {against.name} in its other half", others[f"{PIXELS}, likeness"] > -0.5, pd.Series(range(len(others))))  # fmt: skip
    numbers.append(
        share("copies.identical", "the same at 32 pixels, but for rounding", same, table["caption"], (beside,))
    )
    shown += _pairs(measured.copies.table("pairs"))
    notes += [] if against.asked_for else [
        f"No corpus was named. The embedded generator drew these images, so that the card is held against what it learned from, {against.name}."
    ]  # fmt: skip
    return Section(
        "copies", title, how, numbers=tuple(numbers), shown=tuple(shown), notes=tuple(notes),
        limits="whether there are no copies: where none is called, there may be some. Nor whether an image is a copy in the eyes of a person or of the law. A bar on one embedding misleads: what is alike in it need not be copied, and a copy that was "
        "turned, cut or recoloured may lie far. In a corpus with near-duplicates, such as one drawing in several designs, its own images are alike, the bar is high, and "
        "copies pass below it. Copies of images that are not in the corpus are not seen. Look at the pairs.",
    )  # fmt: skip


def _median(values: np.ndarray) -> float | None:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else None


def _renamed(number: Number, name: str) -> Number:
    return Number(name, number.title, number.value, number.unit)


def _pairs(table: pd.DataFrame) -> list[str]:
    found = []
    for by, part in table.groupby("by", sort=False) if len(table) else ():
        rows = [
            (row["png"], row["caption"], row["png there"], row["of"], _likeness(by, row["likeness"]) + (", called a copy" if row["called"] else ""))
            for row in part.to_dict("records")
        ]  # fmt: skip
        found.append(
            drawing.pairs(f"The most similar pairs by {by}: an audited image, and the one of the corpus that is nearest", rows)
        )  # fmt: skip
    return found


def _likeness(by: str, value: float) -> str:
    return f"{max(-value, 0):.1f} grey levels apart" if by == PIXELS else f"cosine {value:.3f}"
