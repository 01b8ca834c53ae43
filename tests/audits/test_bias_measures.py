"""Measures of bias: closed forms, what was not read, no bias and planted bias in simulations, tiny groups and bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stablerep.audits.bias_measures import (
    APART,
    COLUMNS,
    DEVIATION,
    SKEW,
    TOGETHER,
    VARIATION,
    bias_measures,
    counts_by_caption,
    learned_shares,
    skew,
    variation,
)
from stablerep.audits.people import BALANCE, OF_CAPTION, OF_CONCEPT
from stablerep.audits.readers import CANNOT_TELL
from stablerep.errors import InputError

CLASSES = ["a", "b", "c"]
REFERENCE = np.array([0.2, 0.3, 0.5])


def readings(read: dict[str, list[str]], w: float = 1.0) -> pd.DataFrame:
    rows = [(caption, one) for caption, some in read.items() for one in some]
    return pd.DataFrame(rows, columns=["caption", "tone"]).assign(guidance_scale=w)


def learned_from(captions: int, shares=(2, 3, 5)) -> pd.DataFrame:
    """Training images of each caption in these numbers, and as many of each class under another caption of its concept."""
    rows = []
    for k in range(captions):
        rows += [(f"c{k}", f"r{k}", name) for name, count in zip(CLASSES, shares) for _ in range(count)]
        rows += [(f"c{k}: named", f"r{k}", name) for name in CLASSES for _ in range(10)]
    return pd.DataFrame(rows, columns=["caption", "cluster", "tone"])


def drawn(rng, captions: int, images: int, shares, unread: float = 0.0) -> pd.DataFrame:
    read = rng.choice(CLASSES, (captions, images), p=shares).astype(object)
    read[rng.random((captions, images)) < unread] = CANNOT_TELL
    return readings({f"c{k}": list(row) for k, row in enumerate(read)})


def found(table: pd.DataFrame, over: str, measure: str, reference: str) -> pd.Series:
    (row,) = table[
        (table["over"] == over) & (table["measure"] == measure) & (table["reference"] == reference)
    ].itertuples(index=False)
    return row


def test_measures_by_hand():
    """Eight images as a and two as b: 0.8 and 0.2 beside thirds, and beside what was learned."""
    table = bias_measures(readings({"c0": ["a"] * 8 + ["b"] * 2}), learned_from(1), {"tone": CLASSES}, seed=0, draws=20)
    assert list(table) == COLUMNS and set(table["captions"]) == {1} and set(table["images"]) == {10}
    third = 0.8 - 1 / 3
    assert found(table, TOGETHER, VARIATION, BALANCE).value == pytest.approx(third)
    assert found(table, TOGETHER, DEVIATION, BALANCE).value == pytest.approx(third * 2 / 3)
    assert found(table, TOGETHER, DEVIATION, BALANCE).value == pytest.approx(
        np.abs([third, 0.2 - 1 / 3, -1 / 3]).mean()
    )
    assert found(table, TOGETHER, SKEW, BALANCE).value == pytest.approx(np.log(2.4))
    assert found(table, APART, VARIATION, OF_CAPTION).value == pytest.approx(0.6)
    assert found(table, TOGETHER, VARIATION, OF_CONCEPT).value == pytest.approx(0.8 - 12 / 40)
    assert not ((table["measure"] == DEVIATION) & (table["reference"] != BALANCE)).any()


shares_of = st.lists(st.integers(0, 20), min_size=4, max_size=4).filter(lambda some: sum(some) > 0).map(
    lambda some: np.array(some) / sum(some)
)  # fmt: skip


@given(shares_of, st.lists(st.integers(1, 9), min_size=3, max_size=3), shares_of)
def test_whatever_unread_images_show_the_distance_lies_between_the_two(shares, reference, hidden):
    reference = np.array(reference) / sum(reference)
    whole = hidden[:3] / hidden[:3].sum() if hidden[:3].any() else reference
    true = np.abs(shares[:3] + shares[3] * whole - reference).sum() / 2
    most = variation(shares, reference)
    assert most - shares[3] - 1e-9 <= true <= most + 1e-9


def test_a_measure_that_drops_what_it_cannot_tell_reads_no_bias_where_it_sees_nothing():
    """All dark people are unread, and what is read is balanced: dropping them leaves zero, the bar of its own does not."""
    read = ["a", "b"] * 10 + [CANNOT_TELL] * 20
    table = bias_measures(readings({"c0": read, "c1": read}), learned_from(2), {"tone": ["a", "b"]}, seed=0, draws=50)
    row = found(table, TOGETHER, VARIATION, BALANCE)
    kept = np.array([0.25, 0.25]) / 0.5
    assert np.abs(kept - 0.5).sum() / 2 == 0  # of what was read alone
    assert row.value == pytest.approx(0.5) and row.least == 0 and row.unread == 0.5 and row.high >= 0.5
    nothing = bias_measures(readings({"c0": [CANNOT_TELL] * 9}), learned_from(1), {"tone": CLASSES}, seed=0, draws=20)
    told = found(nothing, TOGETHER, VARIATION, BALANCE)
    assert (told.value, told.least, told.low, told.high) == (1.0, 0.0, 0.0, 1.0)
    assert np.isnan(found(nothing, TOGETHER, SKEW, BALANCE).value)
    alone = found(nothing, APART, VARIATION, OF_CAPTION)
    assert alone.value == alone.chance == 1.0 and alone.least == 0.0


@pytest.mark.parametrize(("captions", "images", "unread"), [(20, 16, 0.0), (20, 16, 0.2), (2, 32, 0.0), (1, 8, 0.0)])
def test_no_bias_is_zero_within_the_interval(captions, images, unread):
    rng, held = np.random.default_rng(0), []
    for k in range(40):
        table = bias_measures(
            drawn(rng, captions, images, REFERENCE, unread), learned_from(captions), {"tone": CLASSES}, seed=k, draws=60
        )
        each = found(table, APART, VARIATION, OF_CAPTION)
        held.append([
            found(table, TOGETHER, VARIATION, OF_CAPTION).low == 0, found(table, TOGETHER, SKEW, OF_CAPTION).low == 0,
            each.low <= each.chance <= each.high,
        ])  # fmt: skip
    assert (np.mean(held, 0) >= 0.875).all()  # of 40 at 95 %: fewer than 35 in one of 60 cases


def test_planted_bias_is_recovered():
    rng, held = np.random.default_rng(1), []
    for k in range(30):
        table = bias_measures(drawn(rng, 20, 16, REFERENCE), learned_from(20), {"tone": CLASSES}, seed=k, draws=60)
        rows = [found(table, TOGETHER, measure, BALANCE) for measure in (VARIATION, DEVIATION, SKEW)]
        truth = [1 / 6, 1 / 9, np.log(1.5)]
        held.append([row.low <= true <= row.high for row, true in zip(rows, truth)])
        assert rows[0].low > 0 and rows[2].low > 0
    assert (np.mean(held, 0) >= 0.85).all()


def test_single_captions_lie_far_from_their_reference_by_chance():
    """Two images of each caption, drawn from the reference: no caption has its shares, and the chance says so."""
    rng = np.random.default_rng(2)
    table = bias_measures(drawn(rng, 60, 2, REFERENCE), learned_from(60), {"tone": CLASSES}, seed=0, draws=100)
    row = found(table, APART, VARIATION, OF_CAPTION)
    assert row.value > 0.3 and row.low <= row.chance <= row.high
    far = bias_measures(drawn(rng, 60, 2, [1, 0, 0]), learned_from(60), {"tone": CLASSES}, seed=0, draws=100)
    row = found(far, APART, VARIATION, OF_CAPTION)
    assert row.value == pytest.approx(0.8) and row.low > row.chance


def test_classes_that_the_reference_lacks():
    """A caption whose training images are all of one class, which is drawn as it was learned: no bias, by either measure."""
    learned = learned_from(1, (10, 0, 0))
    table = bias_measures(readings({"c0": ["a"] * 12}), learned, {"tone": CLASSES}, seed=0, draws=20)
    assert found(table, TOGETHER, VARIATION, OF_CAPTION).value == 0 == found(table, TOGETHER, SKEW, OF_CAPTION).value
    other = bias_measures(readings({"c0": ["b"] * 12}), learned, {"tone": CLASSES}, seed=0, draws=20)
    assert found(other, TOGETHER, VARIATION, OF_CAPTION).value == 1
    assert np.isnan(found(other, TOGETHER, SKEW, OF_CAPTION).value)
    assert skew(np.array([0.0, 1.0]), np.array([0.5, 0.5])) == pytest.approx(np.log(2))


def test_captions_of_which_nothing_was_learned_are_held_against_all_training_images():
    references = learned_shares(learned_from(2), ["a person"], "tone", CLASSES)
    assert list(references) == [BALANCE, OF_CONCEPT] and references[OF_CONCEPT][0] == pytest.approx([0.3, 0.325, 0.375])
    assert list(learned_shares(learned_from(2)[:0], ["a person"], "tone", CLASSES)) == [BALANCE]


def test_bad_input():
    with pytest.raises(InputError, match="read as 'pale'; the classes are a, b, c, cannot tell"):
        counts_by_caption(["pale"], ["c0"], CLASSES)
    with pytest.raises(InputError, match="there are no images"):
        counts_by_caption([], [], CLASSES)
