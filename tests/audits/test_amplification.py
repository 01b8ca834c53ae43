"""Directional bias amplification: by hand, without bias and with a planted one, ties, what was not read, and matched texts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stablerep.audits.amplification import COLUMNS, MATCHED, RAW, amplification, association, directional
from stablerep.audits.readers import CANNOT_TELL

LEARNED = np.array([[0.8, 0.2], [0.2, 0.8], [0.7, 0.3], [0.3, 0.7]])


def counts(rng, shares: np.ndarray, images: int = 32, unread: float = 0.0) -> np.ndarray:
    every = np.column_stack([shares * (1 - unread), np.full(len(shares), unread)])
    return np.stack([rng.multinomial(images, row) for row in every]).astype(float)


def test_by_hand():
    """Each role is drawn a tenth further to its side; every pair moves by 0.1, with its sign."""
    assert association(LEARNED).tolist() == [[1, -1], [-1, 1], [1, -1], [-1, 1]]
    further = LEARNED + 0.1 * association(LEARNED)
    made = np.column_stack([further * 100, np.zeros(4)])
    found = directional(made, LEARNED, seed=0, draws=50)
    assert found["value"] == found["least"] == found["most"] == pytest.approx(0.1)
    assert (found["associated"], found["pairs"]) == (4, 8)
    less = np.column_stack([(LEARNED - 0.1 * association(LEARNED)) * 100, np.zeros(4)])
    assert directional(less, LEARNED, seed=0, draws=50)["value"] == pytest.approx(-0.1)


def test_ties_are_no_association():
    learned = np.array([[0.5, 0.3, 0.2], [0.5, 0.2, 0.3]])
    assert association(learned).tolist() == [[0, 1, -1], [0, -1, 1]]
    found = directional(np.array([[9.0, 1, 0, 0], [9, 0, 1, 0]]), np.full((2, 3), 1 / 3), seed=0)
    assert np.isnan(found["value"]) and np.isnan(found["low"]) and found["associated"] == 0


@pytest.mark.parametrize(("roles", "images"), [(30, 16), (4, 8), (2, 4)])
def test_no_amplification_is_zero_within_the_interval(roles, images):
    rng, held = np.random.default_rng(0), []
    for k in range(80):
        learned = rng.dirichlet([2, 2, 2], roles)
        found = directional(counts(rng, learned, images), learned, seed=k, draws=80)
        held.append(found["low"] <= 0 <= found["high"])
    assert np.mean(held) >= 0.9


def test_planted_amplification_is_recovered():
    rng, held, seen = np.random.default_rng(1), [], []
    for k in range(40):
        learned = rng.dirichlet([2, 2, 2], 20)
        more = learned * np.where(association(learned) > 0, 1.5, 0.7)
        more /= more.sum(1, keepdims=True)
        found = directional(counts(rng, more), learned, seed=k, draws=80)
        held.append(found["low"] <= (association(learned) * (more - learned)).mean() <= found["high"])
        seen.append(found["low"] > 0)
    assert np.mean(held) >= 0.9 and np.mean(seen) > 0.8


def test_what_was_not_read_widens_the_answer_and_never_reads_zero():
    rng = np.random.default_rng(2)
    found = directional(counts(rng, LEARNED, 400, unread=0.3), LEARNED, seed=0, draws=80)
    assert found["least"] < 0 < found["most"] and found["most"] - found["least"] == pytest.approx(0.3, abs=0.05)
    nothing = directional(np.tile([0.0, 0, 9], (4, 1)), LEARNED, seed=0, draws=80)
    assert nothing["low"] <= nothing["least"] < 0 and nothing["most"] - nothing["least"] == pytest.approx(1.0)


def test_amplification_that_vanishes_where_texts_match():
    """A third of the images of a role stand under captions that name the other class. The generator draws the neutral captions as it learned them."""
    rows = []
    for role, own in (("cook", "man"), ("nurse", "woman")):
        other = {"man": "woman", "woman": "man"}[own]
        rows += [(role, role, own)] * 8 + [(role, role, other)] * 2
        rows += [(f"{role} who is a {other}", role, other)] * 5
    learned = pd.DataFrame(rows, columns=["caption", "cluster", "gender"])
    read = [("cook", one) for one in ["man"] * 80 + ["woman"] * 20] + [
        ("nurse", one) for one in ["woman"] * 80 + ["man"] * 20
    ]
    made = pd.DataFrame(read, columns=["caption", "gender"]).assign(guidance_scale=2.0)
    table = amplification(made, learned, {"gender": ["woman", "man"]}, seed=0, draws=80)
    assert list(table) == COLUMNS
    by = table.set_index("texts")
    assert by.loc[RAW, "value"] == pytest.approx(0.8 - 8 / 15) and by.loc[RAW, "low"] > 0
    assert by.loc[MATCHED, "value"] == pytest.approx(0) and by.loc[MATCHED, "low"] <= 0 <= by.loc[MATCHED, "high"]


def test_captions_of_which_nothing_was_learned_have_no_rows():
    learned = pd.DataFrame([("cook", "cook", "man")], columns=["caption", "cluster", "gender"])
    made = pd.DataFrame([("a person", CANNOT_TELL)], columns=["caption", "gender"]).assign(guidance_scale=2.0)
    assert amplification(made, learned, {"gender": ["woman", "man"]}, seed=0).empty
