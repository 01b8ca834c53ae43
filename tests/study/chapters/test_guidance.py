"""Guidance: which arms at which scales, the best scale by hand, and the answer to C3."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stablerep.study.chapters import guidance, resolve
from stablerep.study.chapters.guidance import COMPARED, LIMITED, SWEPT, at_scale
from stablerep.study.experiments.arms import FLOOR_ARMS
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.errors import ParameterError
from tests.study.stand_ins import AnsweringStudy, NotingStore

SCALES = [1.0, 2.0, 4.0, 8.0]


def parameters(**given):
    some = {"preset": "smoke", "guidance_scales": SCALES, "captions": 0, "seeds": 3, "limited_scales": []}
    return resolve("guidance", some | given)


def test_every_method_is_trained_at_every_scale_and_on_real_images():
    study, p = AnsweringStudy(), parameters(methods=list(SWEPT))
    tables = guidance.compute(p, guidance.ask(p, study))
    names = ["SimCLR synthetic", "StableRep synthetic", "MAE synthetic"]
    shown = tables["guidance"][["guidance_scale", "arm"]].drop_duplicates()
    assert shown.values.tolist() == [[w, name] for w in SCALES for name in names]
    real = ["SimCLR real", "StableRep real designs", "MAE real", *FLOOR_ARMS]
    assert list(dict.fromkeys(tables["real"]["arm"])) == real and set(tables["guidance"]["seeds"]) == {3}
    assert set(tables["floors"]["first"]) == {at_scale(name, w) for name in names for w in SCALES}
    assert tables["peaks"]["arm"].tolist() == names and tables["differences"]["what"].tolist() == [
        "bend",
        "bend",
        "best",
    ]


def test_each_scale_has_images_of_its_own_and_all_else_is_the_same(tmp_path):
    study = Study(NotingStore(tmp_path / "plan"))
    study.corpus = AnsweringStudy().corpus
    p = parameters(seeds=1, generator="emoji", methods=["simclr", "stablerep"])
    guidance.ask(p, study)
    made = [one.parameters for one in study.store.noted if one.step == "synthesis"]
    assert sorted({(one["guidance_scale"], one["images_per_caption"]) for one in made}) == [
        (w, n) for w in SCALES for n in (1, 2)
    ]
    trained = [one for one in study.store.noted if one.step == "pretraining" and one.parameters["method"] == "simclr"]
    assert len(trained) == len(SCALES) + 1 and all(one.parameters == trained[0].parameters for one in trained)
    assert len({one.inputs["images"] for one in trained}) == len(trained)


def test_stablerep_learns_from_images_guided_at_some_noise_levels_too(tmp_path):
    study = Study(NotingStore(tmp_path / "plan"))
    study.corpus = AnsweringStudy().corpus
    limited, levels = [2.0, 4.0, 8.0], [0.5, 3.0]
    p = parameters(seeds=1, generator="emoji", methods=["stablerep"], limited_scales=limited, limited_levels=levels)
    asked = guidance.ask(p, study)
    assert {w: [one.arm for one in some] for w, some in asked.limited.items()} == {w: [LIMITED.name] for w in limited}
    made = {
        (one.parameters["guidance_scale"], tuple(one.parameters.get("guidance_interval", ())))
        for one in study.store.noted if one.step == "synthesis"
    }  # fmt: skip
    assert made == {(w, ()) for w in SCALES} | {(w, tuple(levels)) for w in limited}


def test_limited_guidance_is_compared_at_the_same_scale():
    study, p = AnsweringStudy(), parameters(limited_scales=[2.0, 4.0, 8.0])
    tables = guidance.compute(p, guidance.ask(p, study))
    pairs = tables["limited"][["claim", "first", "second"]].drop_duplicates().values.tolist()
    assert pairs == [[f"w = {w}", at_scale(LIMITED.name, w), at_scale(COMPARED[0], w)] for w in (2, 4, 8)]
    assert LIMITED.name in set(tables["peaks"]["arm"]) and len(tables["differences"]) == 3  # C3 is of the two others
    none = guidance.compute(p := parameters(), guidance.ask(p, AnsweringStudy()))
    assert none["limited"].empty and "sets" not in none  # nobody has looked at the images


def test_levels_are_in_order_and_two_points_have_no_peak():
    with pytest.raises(ParameterError, match="limited_levels is .*two noise levels, the lower one first"):
        parameters(limited_levels=[3, 1])
    tables = guidance.compute(p := parameters(limited_scales=[2.0, 4.0]), guidance.ask(p, AnsweringStudy()))
    assert LIMITED.name not in set(tables["peaks"]["arm"]) and len(tables["limited"]["claim"].unique()) == 2


def test_images_are_measured_by_an_encoder_of_real_ones_whatever_the_seeds(tmp_path):
    study = Study(NotingStore(tmp_path / "plan"))
    study.corpus = AnsweringStudy().corpus
    asked = guidance.ask(parameters(seeds=2, generator="emoji", methods=["simclr", "stablerep"]), study)
    (noted,) = [one for one in study.store.noted if one.step == "guided-images"]
    assert noted.inputs["encoder"] == asked.beside[0].pretraining.key and asked.beside[0].arm == "SimCLR real"
    named = [noted.inputs[f"w = {w:g}"] for w in SCALES]
    assert len(set(named)) == len(SCALES)


def curves(stablerep: float, simclr: float, bend: float = 0.03, seeds: int = 5) -> dict:
    """Accuracies of both arms, parabolas with their tops at these scales and some noise."""
    rng, x = np.random.default_rng(0), np.log2(SCALES)
    return {
        name: (0.4 - bend * (x - np.log2(top)) ** 2 + 0.02 * rng.normal(size=(seeds, 60, 4)), SCALES)
        for name, top in zip(COMPARED, (stablerep, simclr))
    }


def tables(of: dict, above: float = 0.2) -> dict[str, pd.DataFrame]:
    peaks = guidance.fitted(of)
    rows = [
        {"arm": name, "guidance_scale": w, "probe": "one-shot concept", "accuracy": values[..., k].mean()}
        for name, (values, scales) in of.items() for k, w in enumerate(scales)
    ]  # fmt: skip
    floors = [
        {"first": at_scale(row["arm"], row["guidance_scale"]), "second": floor, "probe": "one-shot concept", "difference": above, "visible": 0.05}
        for row in rows for floor in FLOOR_ARMS
    ]  # fmt: skip
    return {
        "guidance": pd.DataFrame(rows), "peaks": guidance.peaks_of(peaks), "differences": guidance.statements(peaks), "floors": pd.DataFrame(floors),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("of", "word"),
    [
        (curves(2.0, 5.0), "reproduced"),
        (curves(5.0, 2.0), "partly"),  # both bend down, and the wrong one is lower
        (curves(2.0, 5.0, bend=-0.03), "contradicted"),
        (curves(3.0, 3.0, bend=0.0), "undecided"),
        (curves(2.0, 5.0, seeds=2), "not testable at this scale"),
    ],
)
def test_a_table_that_says_the_contrary_gives_the_contrary_word(of, word):
    (answer,) = guidance.verdict(tables(of))
    assert (answer.claim, answer.word) == ("C3", word)


def test_the_answer_says_where_the_tops_are_and_what_lies_beside_them():
    (answer,) = guidance.verdict(tables(curves(2.0, 5.0)))
    assert (
        "StableRep synthetic is best at w = 2.0 [" in answer.why and "SimCLR synthetic is best at w = 5" in answer.why
    )
    assert len(answer.effects) == 2 and all(one.high < 0 for one in answer.effects)
    (low,) = guidance.verdict(tables(curves(2.0, 5.0), above=0.01))
    assert low.word == "not testable at this scale" and "StableRep synthetic, w = 2" in low.why
    (alone,) = guidance.verdict(
        tables({name: curve for name, curve in curves(2.0, 5.0).items() if name == COMPARED[0]})
    )
    assert alone.word == "not testable at this scale" and alone.why == "not both methods were run"
