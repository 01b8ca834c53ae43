"""Longer and larger: what is trained at each point, what points share, slopes by hand, and the answer to C2."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from stablerep.errors import InputError
from stablerep.study.chapters import compare, longer_larger, resolve
from stablerep.study.chapters.longer_larger import CLAIMED, LENGTH, ON_THE_WAY, SIZE, Point
from stablerep.study.experiments.arms import FLOOR_ARMS
from stablerep.study.experiments.study import Study
from stablerep.study.parameters.errors import ParameterError
from tests.study.stand_ins import AnsweringStudy, NotingStore, items

SIMCLR, CLIP = "SimCLR real", "CLIP real"
STUDY = SimpleNamespace(steps=100, encoder="small")
WEIGHTS = {"small": 10, "middle": 100, "large": 1000}


def asked(tmp_path, chapter, name, **given):
    p = resolve(name, {"preset": "smoke", "captions": 0, "generator": "emoji", "views_per_step": 32} | given)
    study = Study(NotingStore(tmp_path / name), p)
    study.corpus = AnsweringStudy().corpus
    return p, chapter.ask(p, study), study.store.noted


def test_every_arm_is_trained_at_every_length_and_with_every_encoder(tmp_path):
    given = dict(arms=[SIMCLR, CLIP, CLAIMED], steps=8, lengths=[2, 0.25, 1], seeds=2)
    p, found, noted = asked(tmp_path, longer_larger, "longer_larger", **given)
    places = [(one.panel, one.steps, one.encoder) for one in found]
    lengths = [(LENGTH, steps, p.encoder) for steps in (2, 8, 16)]
    assert places == [*lengths, (SIZE, 8, p.encoder), (SIZE, 8, "resnet10t")]
    for one in found:
        assert [(x.arm, x.seed) for x in one.evaluated] == [(arm, k) for k in (0, 1) for arm in (SIMCLR, CLIP, CLAIMED)]
        assert {x.arm for x in one.floors} == set(FLOOR_ARMS)
    trained = {
        (one.parameters["method"], one.parameters["steps"], one.parameters["encoder"]["name"], one.parameters["seed"])
        for one in noted if one.step == "pretraining"
    }  # fmt: skip
    methods, points = ("simclr", "clip", "stablerep"), [(steps, p.encoder) for steps in (2, 8, 16)] + [(8, "resnet10t")]
    assert trained == {(method, *point, seed) for method in methods for point in points for seed in (0, 1)}
    views = {one.parameters["views_per_step"] for one in noted if one.step == "pretraining"}
    assert views == {32}


def test_the_floor_of_random_weights_has_the_encoder_of_its_point(tmp_path):
    _, found, _ = asked(tmp_path, longer_larger, "longer_larger", steps=8)
    keys = {
        (one.encoder, x.arm): x.evaluation.key for one in found if one.panel == SIZE for x in one.floors
    }  # fmt: skip
    assert keys["test_resnet", "Random initialization"] != keys["resnet10t", "Random initialization"]
    assert keys["test_resnet", "Raw pixels"] == keys["resnet10t", "Raw pixels"]


def test_the_study_s_own_length_and_encoder_are_the_comparison_s(tmp_path):
    _, mine, _ = asked(tmp_path, longer_larger, "longer_larger", encoders=[])
    _, theirs, _ = asked(tmp_path, compare, "compare", arms=[SIMCLR, CLIP, CLAIMED])
    assert {one.panel for one in mine} == {LENGTH}
    assert {x.evaluation.key for x in theirs.evaluated} <= {x.evaluation.key for one in mine for x in one.evaluated}


def point(panel: str, steps: int, encoder: str, seeds: int = 5, **shares: float) -> Point:
    """Of arms with known shares of right answers; floors at a twentieth."""
    named = {SIMCLR: shares["simclr"], CLIP: shares["clip"], CLAIMED: shares["stablerep"]}
    arms, floors = (
        items(some, seeds=seeds, probe="one-shot concept", concepts=200).assign(weights=weights)
        for some, weights in ((named, WEIGHTS[encoder]), (dict.fromkeys(FLOOR_ARMS, 0.05), 0))
    )
    return Point(panel, steps, encoder, [SimpleNamespace(items=lambda: arms)], [SimpleNamespace(items=lambda: floors)])


def tables(long: dict, large: dict | None, **how):
    """Both arms of the claim at ends with known shares, and on the way with the contrary."""
    contrary = dict(simclr=0.9, clip=0.9, stablerep=0.1)
    points = [point(LENGTH, 100, "small", **contrary, **how), point(LENGTH, 400, "small", **long, **how)]
    if large:  # not in the order of their weights
        some = {"small": contrary, "large": large, "middle": contrary}
        points += [point(SIZE, 100, encoder, **shares, **how) for encoder, shares in some.items()]
    return longer_larger.compute(STUDY, points)


AHEAD, BEHIND = dict(simclr=0.3, clip=0.4, stablerep=0.6), dict(simclr=0.5, clip=0.6, stablerep=0.3)
ALIKE = dict(simclr=0.5, clip=0.5, stablerep=0.5)


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (tables(AHEAD, AHEAD), "reproduced"), (tables(BEHIND, BEHIND), "contradicted"), (tables(AHEAD, BEHIND), "partly"),
        (tables(ALIKE, ALIKE), "equivalent"), (tables(AHEAD, None), "not testable at this scale"),
        (tables(AHEAD, AHEAD, seeds=1), "not testable at this scale"),
        (tables(AHEAD, AHEAD | dict(clip=0.05)), "not testable at this scale"),
    ],
)  # fmt: skip
def test_the_answer_is_of_the_longest_training_and_the_largest_encoder(found, word):
    """What came before says the contrary each time."""
    (answer,) = longer_larger.verdict(found)
    assert (answer.claim, answer.word) == ("C2", word)
    claimed = found["differences"].query("claim == 'C2'")
    assert set(claimed["encoder"]) <= {"small", "large"} and set(claimed[claimed["panel"] == LENGTH]["steps"]) == {400}
    assert (found["differences"].query("claim == @ON_THE_WAY")["difference"] < 0).all() and ON_THE_WAY != "C2"


def test_nothing_longer_or_larger_than_the_study_is_not_testable():
    """The same runs would stand for both."""
    points = [point(LENGTH, steps, "small", **AHEAD) for steps in (50, 100)]
    points += [point(SIZE, 100, encoder, **AHEAD) for encoder in ("small", "large")]
    (answer,) = longer_larger.verdict(longer_larger.compute(STUDY, points))
    assert answer.word == "not testable at this scale" and "for longer than the study's steps" in answer.why
    tables = longer_larger.compute(SimpleNamespace(steps=50, encoder="large"), points)
    assert longer_larger.verdict(tables)[0].word == "not testable at this scale"
    assert (
        longer_larger.verdict(longer_larger.compute(SimpleNamespace(steps=50, encoder="small"), points))[0].word
        == "reproduced"
    )


def test_an_encoder_that_cannot_be_made_is_refused_at_once(tmp_path):
    with pytest.raises(InputError, match="resnet1O"):
        asked(tmp_path, longer_larger, "longer_larger", encoders=["resnet1O"])
    with pytest.raises(ParameterError, match="encoders is .*outside the project"):
        resolve("longer_larger", {"encoders": ["/somewhere/else"]})


def test_slopes_and_leads_by_hand():
    shares = [dict(simclr=0.3, clip=0.4, stablerep=s) for s in (0.4, 0.5, 0.6)]
    points = [point(LENGTH, steps, "small", **some) for steps, some in zip((100, 200, 400), shares)]
    found = longer_larger.compute(STUDY, points)
    slopes = found["slopes"].set_index("arm")["difference"]
    assert slopes.round(9).to_dict() == {
        SIMCLR: 0, CLIP: 0, CLAIMED: 0.1, f"{CLAIMED} − {SIMCLR}": 0.1, f"{CLAIMED} − {CLIP}": 0.1,
    }  # fmt: skip
    grown = found["grown"]
    assert len(grown) == 3 * 3 + len(FLOOR_ARMS) and set(grown[grown["steps"] == 0]["arm"]) == set(FLOOR_ARMS)
    assert longer_larger.compute(STUDY, points[:1])["slopes"].empty


def test_the_head_says_how_leads_change():
    shares = [dict(simclr=0.3, clip=s, stablerep=0.5 + (s - 0.3)) for s in (0.3, 0.4, 0.5)]
    points = [point(LENGTH, steps, "small", **some) for steps, some in zip((100, 200, 400), shares)]
    found = longer_larger.compute(STUDY, points)
    told = longer_larger.how_leads_change(found)
    assert told.startswith(
        "StableRep's lead with each doubling of the training, from 100 to 400 steps: over SimCLR real it grows (+10.0 points ["
    )
    assert "over CLIP real it is not told to change (+0.0 points" in told
    assert longer_larger.verdict(found)[0].but == told
    assert "every arm lies below" not in told
    high = found["grown"].assign(accuracy=found["grown"]["accuracy"].mask(found["grown"]["steps"] == 0, 0.9))
    told = longer_larger.how_leads_change(found | {"grown": high})
    assert told.endswith("At 100 steps every arm lies below the best floor.")
    assert longer_larger.how_leads_change(longer_larger.compute(STUDY, points[:1])) == ""
