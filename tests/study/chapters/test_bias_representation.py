"""Bias in representations: which people are looked at, whom a corpus must know, and the answer to C8 by hand."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from stablerep.audits.groups import CONTRAST_COLUMNS
from stablerep.errors import InputError
from stablerep.study.chapters import bias_representation, compute_tables, resolve
from stablerep.study.experiments.arms import FLOOR_ARMS
from stablerep.study.experiments.people_images import people_in
from stablerep.study.experiments.study import Study
from stablerep.study.store.runs import RunStore
from tests.study.stand_ins import NotingStore, plain_corpus, write_photographs


@pytest.fixture
def study(tmp_path, emoji) -> Study:
    made = Study(NotingStore(tmp_path))
    made.corpus = emoji
    return made


def test_a_corpus_that_knows_nobody_is_refused_before_anything_is_asked(tmp_path):
    study = Study(NotingStore(tmp_path))
    study.corpus = plain_corpus()
    with pytest.raises(InputError, match="declares no attributes of people"):
        bias_representation.ask(resolve("bias_representation", {"preset": "smoke"}), study)
    assert study.store.noted == []


def test_what_no_arm_reads_is_no_parameter():
    fields = bias_representation.Parameters.model_fields
    assert not {"clip_guidance_scale", "clip_learning_rate", "caption_colour"} & set(fields)
    assert {"simclr_guidance_scale", "simclr_learning_rate", "probe_part", "seeds"} <= set(fields)


def test_the_encoders_are_those_of_the_comparison(study):
    """The schema lacks some of its parameters, and no key may depend on that."""
    given = {"preset": "smoke", "captions": 64}
    bias_representation.ask(resolve("bias_representation", given | {"real_shares": []}), study)
    mine = [(one.parameters, one.inputs) for one in study.store.noted if one.step == "pretraining"]
    study.store.noted.clear()
    p = resolve("compare", given)
    theirs = [study.evaluated(arm, study.captions(64), p, p.seed) for arm in study.arms(*bias_representation.COMPARED)]
    assert len(mine) == len(theirs) == 4
    assert mine == [(one.parameters, one.inputs) for one in study.store.noted if one.step == "pretraining"]


@pytest.mark.parametrize("part", ["test", "validation"])
def test_encoders_learn_from_what_may_be_learned_from_and_are_asked_about_others(tmp_path, emoji, monkeypatch, part):
    """With features that tell everything, labels are found; items carry the attributes by which they are grouped."""
    study = Study(RunStore(tmp_path))
    people = people_in(emoji.where(emoji.table["design"].isin(["twemoji", "noto"])))
    kinds = {kind: k for k, kind in enumerate(sorted(people.table["subgroup"].unique()))}
    asked, learned = [], []

    def features(backbone, images):
        return torch.eye(len(kinds))[[kinds[kind] for kind in asked[-1]["subgroup"]]]

    def images(self, size):
        asked.append(self.table.reset_index(drop=True))

    def probe(parts, labels):
        from stablerep.probes.linear import linear_probe

        learned.append({name: len(some) for name, some in labels.items()})
        return linear_probe(parts, labels)

    monkeypatch.setattr(study, "backbone", lambda *which: None)
    monkeypatch.setattr("stablerep.probes.extraction.features_of", features)
    monkeypatch.setattr("stablerep.probes.linear_probe", probe)
    monkeypatch.setattr(type(people), "images", images)
    summary = bias_representation.probe_people(study, people, None, part, tmp_path)
    found, (shown,), (counts,) = pd.read_parquet(tmp_path / "results.parquet"), asked, learned
    test = shown[shown["split"] == part]
    if part == "validation":  # of which nothing may be held out
        assert not shown["held_out"].any() and "test" not in set(shown["split"])
    else:
        assert "twemoji" in set(test["design"]) and not shown[shown["split"] != "test"]["held_out"].any()
        assert counts["validation"] == (shown["split"] == "validation").sum()
    assert counts["test"] == len(test) and sum(counts.values()) == len(shown)
    assert (
        summary == {"accuracy": found["correct"].mean()} and summary["accuracy"] > 0.95
    )  # some kinds are rare in training
    assert found["id"].tolist() == test["id"].tolist() and found["cluster"].tolist() == test["concept"].tolist()
    assert found["gender"].tolist() == test["gender"].tolist() and found["truth"].tolist() == test["subgroup"].tolist()


def contrasts(pair: tuple[str, str], **changes) -> pd.DataFrame:
    """Two groups of a pair of arms; nothing is seen unless ``changes`` say so."""
    row = {
        "attribute": "tone", "first": pair[0], "second": pair[1], "difference": 0.0, "low": -0.03, "high": 0.03, "visible": 0.04,
        "p": 1.0, "adjusted": 1.0, "seeds": 5, "clusters": 30,
    } | changes  # fmt: skip
    return pd.DataFrame([row | {"label": label} for label in ("light", "dark")])[CONTRAST_COLUMNS]


def floors(**gains: float) -> pd.DataFrame:
    """Every arm against every floor: 20 points above, or as ``gains`` say, by the first word of the arm's method."""
    return pd.DataFrame([
        {"probe": bias_representation.PROBE, "first": arm, "second": floor, "difference": gain, "low": gain - 0.04, "high": gain + 0.04, "visible": 0.05}
        for arm in bias_representation.COMPARED for floor in FLOOR_ARMS for gain in [gains.get(arm.split()[0], 0.2)]
    ])  # fmt: skip


SEEN = dict(difference=0.06, low=0.03, high=0.09, p=0.001, adjusted=0.002)


@pytest.mark.parametrize(
    ("first", "beside", "word"),
    [
        (SEEN, {}, "reproduced"),
        ({}, SEEN, "undecided"),  # what other arms show decides nothing
        (dict(low=-0.005, high=0.005), {}, "equivalent"),
        (SEEN | {"seeds": 1}, {}, "not testable at this scale"),
    ],
)
def test_verdict_follows_its_rule(first, beside, word):
    table = pd.concat(
        [contrasts(bias_representation.PAIRS[0], **first), contrasts(bias_representation.PAIRS[1], **beside)]
    )
    (answer,) = bias_representation.verdict({"contrasts": table, "floors": floors()})
    assert (answer.claim, answer.word) == ("C8", word) and not answer.why.endswith(".")
    assert answer.why.startswith("SimCLR synthetic against SimCLR real: ")
    assert ("dark (tone) +6.0 points [+3.0, +9.0]" in answer.why) == (word == "reproduced")
    assert len(answer.lines) == 2 and "StableRep synthetic against StableRep real designs" in answer.lines[0]
    assert "an arm was not run" in answer.lines[1]  # that pair is not in the table


def test_arms_at_the_floor_decide_nothing():
    table = pd.concat([contrasts(pair, **SEEN) for pair in bias_representation.PAIRS])
    for gains, word in (({"SimCLR": 0.04}, "not testable at this scale"), ({"StableRep": 0.04}, "reproduced")):
        (answer,) = bias_representation.verdict({"contrasts": table, "floors": floors(**gains)})
        assert answer.word == word and ("floors on people: SimCLR synthetic" in answer.why) == (word != "reproduced")
        assert "floors on people" in answer.lines[0] or word != "reproduced"
        assert bool(answer.effects) == (word == "reproduced")  # an effect of arms at the floor says nothing
    said = "SimCLR real minus raw pixels is +4.0 points [+0.0, +8.0] and would have to be +5.0"
    assert said in bias_representation.verdict({"contrasts": table, "floors": floors(SimCLR=0.04)})[0].why


def test_without_a_pair_there_is_no_verdict():
    (answer,) = bias_representation.verdict(
        {"contrasts": contrasts(bias_representation.PAIRS[0])[:0], "floors": floors()}
    )
    assert answer.word == "not testable at this scale"


@pytest.mark.parametrize(("share", "real"), [(0.25, 3), (0.5, 6), (0.01, 1)])
def test_real_images_take_the_place_of_synthetic_ones(tmp_path, stub, share, real):
    """One image of each caption; a larger share keeps the real images of a smaller one."""
    p = resolve("bias_representation", {"preset": "smoke", "generator": "stub", "captions": 12, "real_shares": [share]})
    study = Study(RunStore(tmp_path))
    study.corpus = plain_corpus(12, designs=("ink", "chalk"), people=("gender",))
    captions = study.captions(12)
    drawn = bias_representation.replacing(captions, share, p, study).load()
    assert len(drawn.images) == len(drawn.captions) == 12
    plain = [image.unique().numel() == 1 for image in drawn.images[:]]  # real ones are of one grey
    shown = {drawn.captions[number] for number, one in zip(drawn.caption_ids.tolist(), plain) if one}
    assert shown == set(captions.texts[:real])


def test_where_captions_repeat_a_share_of_the_images_of_each_is_real(photographs, stub):
    p = resolve(
        "bias_representation", {"preset": "smoke", "generator": "stub", "captions": 12, "images_per_caption": 4}
    )
    drawn = bias_representation.replacing(photographs.captions(12), 0.5, p, photographs).load()
    plain = torch.tensor([image.unique().numel() == 1 for image in drawn.images[:]])
    assert len(plain) == 48 and torch.bincount(drawn.caption_ids[plain]).tolist() == [2] * 12


def test_each_share_is_a_training_more(study):
    given = {"preset": "smoke", "captions": 64}
    counts = {}
    for shares in ([], [0.25, 0.75]):
        study.store.noted.clear()
        bias_representation.ask(resolve("bias_representation", given | {"real_shares": shares}), study)
        counts[len(shares)] = [one.step for one in study.store.noted].count("pretraining")
    assert counts[2] - counts[0] == 2
    assert resolve("bias_representation", {"preset": "reference"}).real_shares == []
    assert resolve("bias_representation", {}).real_shares == []  # of the laptop
    with pytest.raises(ValueError, match="real_shares.0 is 1"):
        resolve("bias_representation", {"real_shares": [1.0]})


def people(names: list[str], *, gain: dict[str, float], concepts: int = 12) -> dict[str, list[SimpleNamespace]]:
    """A run for each arm: four images of two tones and two genders of each concept; how often those of tone *dark* are answered rightly."""
    found = {}
    for k, name in enumerate(names):
        rng, rows = np.random.default_rng(k), []
        for c in range(concepts):
            for tone, gender, n in itertools.product(("none", "dark"), ("woman", "man"), range(4)):
                right = rng.random() < (gain.get(name, 0.5) if tone == "dark" else 0.5)
                rows.append({"id": f"{c}/{tone}/{gender}/{n}", "cluster": f"c{c}", "tone": tone, "gender": gender, "truth": f"kind {c % 2}", "correct": right})  # fmt: skip
        table = pd.DataFrame(rows)
        found[name] = [SimpleNamespace(table=lambda table=table: table)]
    return found


def test_tables_say_how_far_groups_lie_apart_and_what_replacing_changes():
    p = resolve("bias_representation", {"preset": "smoke", "seeds": 1, "real_shares": [0.75, 0.25]})
    arms = people([*FLOOR_ARMS, *bias_representation.COMPARED], gain={"SimCLR synthetic": 1.0, "SimCLR real": 0.0})
    mixed = people(["SimCLR 25 % real", "SimCLR 75 % real"], gain={"SimCLR 25 % real": 0.75, "SimCLR 75 % real": 0.25})
    tables = bias_representation.compute(p, bias_representation.Asked(arms, mixed, ("tone", "gender"), "subgroup"))
    assert set(tables["groups"]["arm"]) == set(arms)  # mixtures are no arms of the comparison
    assert set(tables["disparities"]["attribute"]) == {"tone", "gender", "subgroup"}
    dark = tables["replaced"].query("label == 'dark'").set_index("synthetic")["difference"]
    assert dark.index.tolist() == [0.25, 0.75, 1.0] and dark.is_monotonic_increasing and dark[1.0] > 0.8
    gains = tables["gains"].query("attribute == 'tone'").set_index("first")
    assert gains.loc["SimCLR 25 % real", "synthetic"] == 0.75 and gains.loc["SimCLR synthetic", "variance_low"] > 0.2
    assert gains.loc["StableRep synthetic", "synthetic"].isna().all()
    apart = tables["disparities"].query("attribute == 'tone'").set_index("arm")
    assert (apart.loc["SimCLR synthetic", "best"], apart.loc["SimCLR real", "best"]) == ("dark", "none")


def test_without_shares_there_is_nothing_to_replace():
    p = resolve("bias_representation", {"preset": "smoke", "seeds": 1, "real_shares": []})
    arms = people([*FLOOR_ARMS, *bias_representation.COMPARED], gain={})
    tables = bias_representation.compute(p, bias_representation.Asked(arms, {}, ("tone", "gender"), "subgroup"))
    assert tables["replaced"].empty and tables["gains"]["synthetic"].isna().all() and len(tables["gains"]) == 6


def test_photographs_are_compared_by_perceived_race_gender_and_age(tmp_path, monkeypatch):
    """Every photograph is alone, so that groups are compared within blocks; groups of fewer than 30 are suppressed."""
    monkeypatch.setenv("STABLEREP_DATA", str(write_photographs(tmp_path, of_each=10)))
    given = {
        "preset": "smoke",
        "corpus": "fairface64",
        "people": ["race", "gender", "age"],
        "labels": ["gender", "race"],
        "steps": 1,
        "real_shares": [0.5],
    }
    p = resolve("bias_representation", given)
    study = Study(RunStore(tmp_path / "runs"), p)
    tables = compute_tables("bias_representation", p, study)
    assert set(tables["contrasts"]["attribute"]) == {"race", "gender", "age"}
    assert set(tables["contrasts"]["first"]) == {"SimCLR synthetic", "StableRep synthetic"}
    assert (tables["contrasts"]["clusters"] >= 20).all()  # blocks
    assert (
        set(tables["disparities"]["attribute"]) == {"race", "gender", "age"} and (tables["groups"]["items"] >= 30).all()
    )
    assert set(tables["replaced"]["synthetic"]) == {0.5, 1.0}
    (answer,) = bias_representation.verdict(tables)
    assert answer.word == "not testable at this scale"
