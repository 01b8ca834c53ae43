"""Generated against planted shares: generators that keep, amplify and weaken a skew, what was not read, a reader that errs, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stablerep.audits.people import AS_READ, CORRECTED
from stablerep.audits.planted_shares import COLUMNS, SLOPE_COLUMNS, planted_shares, word_on
from stablerep.audits.readers import CANNOT_TELL, Confusion
from stablerep.errors import InputError

CLASSES = ("none", "dark", "light")
SHARES = (0.5, 0.7, 0.9)
RIGHT = np.column_stack([np.eye(3), np.zeros(3)])
ERRING = np.array([[0.9, 0.0, 0.05, 0.05], [0.05, 0.75, 0.0, 0.2], [0.1, 0.0, 0.8, 0.1]])


def reader(rates: np.ndarray, rng, concepts: int = 30, each: int = 20) -> Confusion:
    names, truth, read = np.array([*CLASSES, CANNOT_TELL], object), [], []
    for _ in range(concepts):
        for name, row in zip(CLASSES, rates):
            truth += [name] * each
            read += names[rng.choice(4, each, p=row)].tolist()
    return Confusion.count(truth, read, np.repeat(np.arange(concepts), 3 * each), CLASSES)


def drawn(rng, generated, rates=RIGHT, *, captions: int = 12, images: int = 16, seeds: int = 2) -> pd.DataFrame:
    """Images of skewed captions by generators that turn a learned share into another, and of captions left alone, which show none."""
    names, rows = np.array([*CLASSES, CANNOT_TELL], object), []
    for share in (np.nan, *SHARES):
        dark = 0.0 if np.isnan(share) else generated(share)
        for group, chances in (("skewed", [0, dark, 1 - dark] if dark else [1, 0, 0]), ("alone", [1, 0, 0])):
            for seed in range(seeds):
                for caption in range(captions):
                    read = names[rng.choice(4, images, p=np.array(chances) @ rates)]
                    rows += [(share, seed, 2.0, group, f"{group} {caption}", one) for one in read]
    return pd.DataFrame(rows, columns=["planted", "seed", "guidance_scale", "group", "caption", "read"])


LEARNED = {("before", "skewed"): 0.0, ("before", "alone"): 0.0} | {
    (share, group): share * (group == "skewed") for share in SHARES for group in ("skewed", "alone")
}


def slope_of(slopes: pd.DataFrame, source: str) -> pd.Series:
    return slopes[(slopes["group"] == "skewed") & (slopes["source"] == source)].iloc[0]


@pytest.mark.parametrize(
    ("generated", "slope"),
    [(lambda share: share, 1.0), (lambda share: 0.5 + 1.2 * (share - 0.5), 1.2), (lambda share: 0.5 + 0.25 * (share - 0.5), 0.25)],
)  # fmt: skip
def test_the_slope_of_a_generator_that_keeps_amplifies_or_weakens_a_skew(generated, slope):
    rng = np.random.default_rng(0)
    shares, slopes = planted_shares(drawn(rng, generated), LEARNED, reader(RIGHT, rng), "dark", seed=0, draws=60)
    assert list(shares) == COLUMNS and list(slopes) == SLOPE_COLUMNS
    for source in (AS_READ, CORRECTED):
        row = slope_of(slopes, source)
        assert row["low"] <= slope <= row["high"] and (row["sets"], row["captions"], row["seeds"]) == (3, 12, 2)
        assert row["high"] - row["low"] < 0.5
    alone = shares[(shares["group"] == "alone") & (shares["source"] == AS_READ)]
    assert (alone["share"] == 0).all() and (alone["high"] > 0.1).all()  # none of so few captions excludes little
    control = slopes[slopes["group"] == "alone"]  # all learned the same share, so that it is over the planted one
    assert (control["slope"].abs() < 0.05).all() and (control["low"] < 0).all()


def test_a_reader_that_errs_flattens_what_is_read_and_the_correction_undoes_it():
    rng, held = np.random.default_rng(1), []
    for k in range(6):
        readings = drawn(rng, lambda share: share, ERRING, captions=20)
        shares, slopes = planted_shares(readings, LEARNED, reader(ERRING, rng), "dark", seed=k, draws=60)
        by = shares[(shares["group"] == "skewed") & (shares["planted"] == 0.9)].set_index("source")
        assert by.loc[AS_READ, "share"] < 0.75 < by.loc[CORRECTED, "low"] or by.loc[CORRECTED, "p"] <= 0.05
        assert by.loc[AS_READ, "unread"] == pytest.approx(0.19, abs=0.05)
        assert slope_of(slopes, AS_READ)["slope"] < 0.9
        corrected = slopes[(slopes["group"] == "skewed") & (slopes["source"] == CORRECTED)]
        held += [row.low <= 1 <= row.high for row in corrected.itertuples()]
    assert len(held) >= 4 and np.mean(held) >= 0.75


def test_what_the_reader_could_not_have_read_is_refused_and_has_no_slope():
    rng = np.random.default_rng(2)
    readings = drawn(rng, lambda share: share)
    readings.loc[(readings["planted"] == 0.9) & (rng.random(len(readings)) < 0.6), "read"] = CANNOT_TELL
    shares, slopes = planted_shares(readings, LEARNED, reader(RIGHT, rng), "dark", seed=0, draws=60)
    refused = shares[(shares["planted"] == 0.9) & (shares["source"] == CORRECTED) & (shares["group"] == "skewed")].iloc[
        0
    ]
    assert np.isnan(refused["share"]) and np.isnan(refused["low"]) and refused["p"] <= 0.05
    assert CORRECTED not in set(slopes.loc[slopes["group"] == "skewed", "source"])
    read = shares[(shares["planted"] == 0.9) & (shares["source"] == AS_READ) & (shares["group"] == "skewed")].iloc[0]
    assert read["share"] < 0.5 and read["unread"] > 0.5  # of all images, those that could not be told among them


def test_one_planted_share_has_no_slope_and_one_seed_is_enough():
    rng = np.random.default_rng(3)
    readings = drawn(rng, lambda share: share, seeds=1)
    one = readings[readings["planted"].isna() | (readings["planted"] == 0.9)]
    shares, slopes = planted_shares(one, LEARNED, reader(RIGHT, rng), "dark", seed=0, draws=30)
    assert slopes.empty and set(shares["seeds"]) == {1} and len(shares) == 2 * 2 * 2
    assert shares["low"].le(shares["share"]).all() and shares["high"].ge(shares["share"]).all()


def test_a_class_that_is_never_drawn_leaves_the_slope_open():
    """None of few images is dark at any planted share: the slope is zero, and so few captions exclude few slopes."""
    rng = np.random.default_rng(5)
    readings = drawn(rng, lambda share: share, captions=6, images=4).assign(read="light")
    _, slopes = planted_shares(readings, LEARNED, reader(RIGHT, rng), "dark", seed=0, draws=30)
    row = slope_of(slopes, AS_READ)
    assert row["slope"] == 0 and row["low"] < -0.9 and row["high"] > 0.9


def test_a_caption_that_a_generator_lacks_is_refused():
    rng = np.random.default_rng(4)
    readings = drawn(rng, lambda share: share, captions=3, images=2)
    lost = readings[~((readings["planted"] == 0.7) & (readings["seed"] == 1) & (readings["caption"] == "skewed 2"))]
    with pytest.raises(InputError, match="caption 'skewed 2' has no image of seed 1 at the planted share 0.7"):
        planted_shares(lost, LEARNED, reader(RIGHT, rng), "dark", seed=0, draws=5)


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [(0.92, 1.05, "kept"), (0.95, 0.99, "kept"), (1.05, 1.4, "amplified"), (0.2, 0.95, "weakened"), (0.8, 1.2, "open")],
)
def test_the_word_on_a_slope(low, high, word):
    assert word_on(low, high) == word
