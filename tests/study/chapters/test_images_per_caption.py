"""Images per caption: which images and batches each arm has, the slope by hand, and the answer to C4."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stablerep.errors import InputError
from stablerep.study.chapters import images_per_caption, resolve
from stablerep.study.chapters.images_per_caption import DRAWN, PANELS, STORED
from stablerep.study.experiments.arms import FLOOR_ARMS
from stablerep.study.experiments.study import Study
from tests.study.stand_ins import AnsweringStudy, NotingStore


def parameters(**given):
    some = {
        "preset": "smoke",
        "captions": 0,
        "stored_counts": [1, 2, 4],
        "positive_counts": [1, 2, 4],
        "views_per_step": 32,
        "seeds": 3,
    }
    return resolve("images_per_caption", some | given)


def test_the_number_of_images_is_fixed_and_so_is_the_batch(tmp_path):
    study = Study(NotingStore(tmp_path / "plan"))
    study.corpus = AnsweringStudy().corpus
    images_per_caption.ask(parameters(seeds=1, generator="emoji", images_per_caption=4), study)
    noted = study.store.noted
    made = {
        (one.parameters["captions"], one.parameters["images_per_caption"]) for one in noted if one.step == "synthesis"
    }
    assert made == {(64, 1), (32, 2), (16, 4), (64, 4)} and {
        one.parameters["guidance_scale"] for one in noted if one.step == "synthesis"
    } == {2.0}
    trained = [one.parameters for one in noted if one.step == "pretraining"]
    by_m = [(one["method"], one["images_per_caption"], one["views_per_step"] * one["steps"]) for one in trained[3:]]
    full = 32 * parameters().steps
    assert by_m == [("simclr", 1, full), ("stablerep", 2, full), ("stablerep", 4, full)]
    assert [(one["method"], one["images_per_caption"]) for one in trained[:3]] == [("stablerep", 2)] * 3


def test_every_number_has_a_row_in_its_panel():
    study = AnsweringStudy()
    tables = images_per_caption.compute(p := parameters(), images_per_caption.ask(p, study))
    rows = tables["counts"][["panel", "number", "captions"]].drop_duplicates().values.tolist()
    assert rows == [[STORED, 1, 64], [STORED, 2, 32], [STORED, 4, 16], *([DRAWN, m, 64] for m in (1, 2, 4))]
    assert set(tables["real"]["arm"]) == set(FLOOR_ARMS) and set(tables["counts"]["seeds"]) == {3}
    slopes = tables["differences"].set_index("panel")["difference"]
    # the stand-in's accuracy grows with the captions alone: by 1/200 each
    assert slopes[STORED] == pytest.approx((16 - 64) / 200 / 2, abs=0.02) and slopes[DRAWN] == pytest.approx(
        0, abs=1e-9
    )


def test_too_many_images_and_batches_that_do_not_fit_are_refused():
    with pytest.raises(
        InputError, match="budget is 100; with 1 images of a caption that takes 100 captions, of which there are 64"
    ):
        images_per_caption.ask(parameters(budget=100), AnsweringStudy())
    with pytest.raises(InputError, match="positive_counts has 3; views_per_step, 32, must be a multiple of it"):
        images_per_caption.ask(parameters(positive_counts=[1, 3]), AnsweringStudy())


def tables(
    stored: float, drawn: float, error: float = 0.002, seeds: int = 5, above: float = 0.2
) -> dict[str, pd.DataFrame]:
    slopes = [
        {"panel": panel, "first": "8", "second": "1", "difference": value, "low": value - 2 * error, "high": value + 2 * error, "visible": 3 * error,
         "p_for": 0.001 if value > 2 * error else 0.5, "p_against": 0.001 if value < -2 * error else 0.5, "seeds": seeds}
        for panel, value in zip(PANELS, (stored, drawn))
    ]  # fmt: skip
    counts = [
        {"panel": panel, "arm": f"{panel} {k}", "number": k, "probe": "one-shot concept", "accuracy": 0.2 + k / 100}
        for panel in PANELS
        for k in (1, 8)
    ]
    floors = [
        {"first": row["arm"], "second": floor, "probe": "one-shot concept", "difference": above, "visible": 0.05} for row in counts for floor in FLOOR_ARMS
    ]  # fmt: skip
    return {"differences": pd.DataFrame(slopes), "counts": pd.DataFrame(counts), "floors": pd.DataFrame(floors)}


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (tables(0.02, 0.01), "reproduced"),
        (tables(-0.02, -0.01), "contradicted"),
        (tables(0.02, -0.01), "partly"),
        (tables(0.002, 0.001), "equivalent"),
        (tables(0.02, 0.002, error=0.02), "undecided"),
        (tables(0.02, 0.01, seeds=1), "not testable at this scale"),
        (tables(0.02, 0.01, above=0.01), "not testable at this scale"),
    ],
)
def test_a_table_that_says_the_contrary_gives_the_contrary_word(found, word):
    (answer,) = images_per_caption.verdict(found)
    assert (answer.claim, answer.word) == ("C4", word)
    if answer.effects:
        assert answer.effects[0].difference == min(found["differences"]["difference"]) and np.isfinite(
            answer.effects[0].visible
        )


def test_the_first_step_stands_beside_the_rest():
    rows = [(STORED, number, value) for number, value in ((1, 0.08), (2, 0.12), (4, 0.115), (8, 0.13))]
    counts = pd.DataFrame(rows, columns=["panel", "number", "accuracy"]).assign(probe="p")
    said = images_per_caption.first_step(counts, "p")
    assert (
        said
        == "Step by step, in points: l +4.0 from 1 to 2, -0.5 from 2 to 4, +1.5 from 4 to 8. Single steps have no interval."
    )
    assert images_per_caption.first_step(counts[:2], "p") == ""
