"""What an edit changed: planted readings and images whose answers are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from stablerep.audits.edit_effects import GAP_COLUMNS, fitted_reader, gaps_of, pixel_changes, worst_concepts
from stablerep.audits.readers import CANNOT_TELL
from stablerep.errors import InputError

SKIN = {"none": (255, 200, 60), "light": (250, 220, 190), "dark": (90, 60, 40)}


def people(concepts: int = 12, noise: float = 4.0):
    """Drawings of a plain colour for each tone, and a concept that comes in one tone alone."""
    rng = np.random.default_rng(0)
    rows = [{"cluster": f"c{c}", "tone": tone} for c in range(concepts) for tone in SKIN for _ in range(2)]
    table = pd.DataFrame([*rows, {"cluster": "zombie", "tone": "none"}])
    colours = np.array([SKIN[tone] for tone in table["tone"]], float)
    images = colours[:, :, None, None] + rng.normal(0, noise, (len(table), 3, 8, 8))
    return torch.from_numpy(images.clip(0, 255).astype(np.uint8)), table


def test_a_reader_reads_colours_that_it_was_not_shown():
    images, table = people()
    reader, see, well = fitted_reader(images, table, "tone")
    assert reader.classes == tuple(SKIN) and "zombie" not in reader.fold
    assert well["accuracy"] > 0.95 and well["read"] >= well["accuracy"]
    from stablerep.probes.extraction import features_of

    assert reader.read(features_of(see(), images[:6]), ["new"] * 6).tolist() == table["tone"][:6].tolist()


def test_of_what_is_all_alike_half_is_left_unread_and_little_is_right():
    images, table = people(noise=0)
    images = torch.from_numpy(np.random.default_rng(1).integers(0, 255, images.shape, np.uint8))
    _, _, well = fitted_reader(images, table, "tone")
    assert well["accuracy"] < 0.5 and well["accuracy"] <= well["read"] <= 1


def test_a_reader_needs_two_classes():
    images, table = people()
    with pytest.raises(InputError, match=r"tone has the classes \['none'\]; reading it needs two at least"):
        fitted_reader(images, table.assign(tone="none"), "tone")


def test_changes_of_pixels_by_hand():
    before = torch.zeros(5, 3, 2, 2, dtype=torch.uint8)
    before[1] = 10
    after = before.clone()
    after[0], after[4, 0] = 6, 255
    found = pixel_changes(before, after, ["a", "a", "b", "c", "c"])
    assert found["caption"].tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(found["change"], [3, 0, 255 / np.sqrt(3) / 2], rtol=1e-6)
    np.testing.assert_allclose(found["apart"], [10, np.nan, 0])
    with pytest.raises(InputError, match="each image needs its counterpart and its caption"):
        pixel_changes(before, after[:4], ["a", "a", "b", "c"])
    with pytest.raises(InputError, match="there are 4 captions"):
        pixel_changes(before, after, ["a", "a", "b", "c"])


def readings(shares: dict[str, tuple[int, int, int]], *, place: str = "skewed", seeds: int = 2) -> pd.DataFrame:
    """Of each caption so many images read as a man, as a woman, and as neither, at every seed."""
    rows = [
        {"place": place, "group": "skewed", "seed": seed, "caption": caption, "read": name}
        for caption, counts in shares.items() for seed in range(seeds)
        for name, count in zip(("man", "woman", CANNOT_TELL), counts) for _ in range(count)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_gaps_by_hand():
    """Captions weigh the same, however many of their images are read; one of which none is read does not count."""
    table = readings({"a": (9, 1, 0), "b": (1, 1, 8), "c": (3, 1, 0), "d": (0, 0, 4)})
    (row,) = gaps_of(table).itertuples()
    assert row.gap == pytest.approx((0.8 + 0 + 0.5) / 3) and (row.captions, row.seeds) == (3, 2)
    assert row.low < row.gap < row.high
    assert (row.first, row.second, row.read) == pytest.approx((13 / 28, 3 / 28, 16 / 28))
    swapped = table.assign(read=table["read"].map({"man": "woman", "woman": "man"}).fillna(CANNOT_TELL))
    assert gaps_of(swapped)["gap"].iloc[0] == pytest.approx(-row.gap)


def test_a_gap_is_closed_where_both_are_read_as_often():
    assert gaps_of(readings({"a": (4, 4, 2), "b": (1, 1, 0)}))["gap"].tolist() == pytest.approx([0.0])


def test_gaps_of_little():
    (alone,) = gaps_of(readings({"a": (3, 1, 0)}, seeds=1)).itertuples()
    assert alone.gap == pytest.approx(0.5) and np.isnan(alone.low) and np.isnan(alone.high)
    (none,) = gaps_of(readings({"a": (0, 0, 3)})).itertuples()
    assert np.isnan(none.gap) and (none.captions, none.read) == (0, 0)
    some = pd.concat([readings({"a": (2, 0, 0)}, seeds=1), readings({"b": (2, 0, 0)})])  # the first at one seed alone
    assert gaps_of(some)["captions"].tolist() == [1]
    assert list(gaps_of(some)) == GAP_COLUMNS


def test_the_worst_concepts_by_hand():
    values = pd.DataFrame(
        [
            {"place": place, "seed": seed, "concept": concept, "value": value + 0.1 * seed}
            for place, shares in (
                ("before", {"a": 0.8, "b": 0.5, "c": 0.5, "d": 0.2}),
                ("dose 1", {"a": 0.2, "b": 0.4, "c": 0.4, "d": 0.6}),
            )
            for concept, value in shares.items()
            for seed in (0, 1)
        ]
    )
    found = worst_concepts(values, "before", "dose 1", 3)
    assert found["concept"].tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(
        found[["before", "after", "change"]], [[0.85, 0.25, -0.6], [0.55, 0.45, -0.1], [0.55, 0.45, -0.1]]
    )
    assert worst_concepts(values, "before", "dose 2").empty and worst_concepts(values[:0], "before", "dose 1").empty
