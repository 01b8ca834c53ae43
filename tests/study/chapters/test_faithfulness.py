"""Faithfulness: which runs it shares with other chapters, what is looked at, tables of a generator that is known, and the answer to C10 by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from stablerep import figures
from stablerep.audits.equal_galleries import TEST, TRAINING, UNSEEN, caption_groups, training_group
from stablerep.audits.named_attributes import attributes_asked
from stablerep.audits.whole_captions import CONCEPT, WHOLE
from stablerep.captioned_images import CaptionedImages
from stablerep.errors import InputError
from stablerep.figures import caption_tables, people_tables
from stablerep.figures.table_cells import ShownTable
from stablerep.study.chapters import faithfulness, generator, resolve
from stablerep.study.experiments import whole_captions
from stablerep.study.experiments.caption_closeness import ENCODERS, PIXELS, UNTRAINED, score
from stablerep.study.experiments.images import ImageSet
from stablerep.study.experiments.people_images import people_in
from stablerep.study.experiments.study import Study
from stablerep.study.experiments.whole_captions import FRESH, LEARNED, Looked
from stablerep.study.plans.planning import plan_chapters
from stablerep.study.store.runs import RunStore
from tests.study.stand_ins import NotingStore, plain_corpus

OWN = {"caption-reading", "caption-judgement", "caption-closeness", "caption-scores"}


@pytest.fixture
def study(tmp_path, emoji) -> Study:
    made = Study(NotingStore(tmp_path / "plan"))
    made.corpus = emoji
    return made


@pytest.mark.parametrize("preset", ["laptop", "reference", "smoke"])
def test_judges_images_and_encoders_are_those_of_other_chapters(tmp_path, preset):
    wanted = [(name, resolve(name, {"preset": preset})) for name in ("generator", "compare", "faithfulness")]
    *_, mine = plan_chapters(wanted, RunStore(tmp_path / "runs"), speed=1.0)
    steps = [run.step for run in mine.runs]
    assert set(steps) == OWN | {"synthesis"} and steps.count("synthesis") == 1  # the new images


def test_each_seed_has_a_judge_and_encoders_and_one_reading_serves_all(study):
    p = resolve("faithfulness", {"preset": "smoke", "seeds": 2, "seed": 5})
    asked = faithfulness.ask(p, study)
    noted = study.store.noted
    assert (
        len([one for one in noted if one.step == "caption-reading"]) == 1
        and len(asked.judged) == len(asked.scores) == 2
    )
    judges = [one for one in noted if one.step == "caption-judgement"]
    assert [one.parameters["seed"] for one in judges] == [5, 6] and len({one.inputs["judge"] for one in judges}) == 2
    close = {
        (one.parameters["arm"], one.inputs["encoder"]): set(one.inputs) & {LEARNED, FRESH}
        for one in noted
        if one.step == "caption-closeness"
    }
    assert {name: len([key for key in close if key[0] == name]) for name in asked.closeness} == dict.fromkeys(
        ENCODERS, 2
    ) | {UNTRAINED: 2, PIXELS: 1}
    for (name, _), sources in close.items():  # of the images that CLIP learns from each caption has one
        assert sources == ({FRESH} if name.startswith("CLIP") else {LEARNED, FRESH})
    drawn = {
        (one.inputs["captions"], one.parameters["seed"], one.parameters["images_per_caption"])
        for one in noted
        if one.step == "synthesis"
    }
    assert {seed for _, seed, _ in drawn} == {5, 5 + faithfulness.NEW}


def test_new_images_are_of_captions_that_both_judge_and_encoders_can_be_asked_about(study, emoji):
    p = resolve("faithfulness", {"preset": "smoke", "fresh_captions": 8})
    captions = study.captions(p.captions)
    seen = {}

    def draw(captions, p, w, *, images_per_caption, seed):
        seen[seed] = list(captions.texts)
        return ImageSet(f"{seed}", lambda: None)

    study.synthetic_images = draw
    assert list(faithfulness.other_images(p, study, captions)) == [LEARNED, FRESH]
    fresh = seen[p.seed + faithfulness.NEW]
    asked = set(training_group(emoji, captions.texts).captions)
    concept = emoji.table.drop_duplicates("caption").set_index("caption")["concept"]
    assert len(fresh) == 8 == concept[fresh].nunique() and set(fresh) <= asked <= set(captions.texts)


def test_a_clip_model_by_name_takes_the_place_of_our_own_and_is_asked_once(study):
    p = resolve("faithfulness", {"preset": "smoke", "seeds": 3, "clip_model": "openai/clip-vit-base-patch32"})
    asked = faithfulness.ask(p, study)
    (one,) = {str(one.inputs): one for one in study.store.noted if one.step == "caption-scores"}.values()
    assert (
        one.inputs["space"] == "openai/clip-vit-base-patch32"
        and one.parameters["prefix"] == ""
        and len(asked.scores) == 1
    )
    with pytest.raises(InputError, match="clip_model is '/elsewhere': it lies outside the project"):
        resolve("faithfulness", {"clip_model": "/elsewhere"})


def test_photographs_have_one_group_no_readers_and_what_clip_models_are_given(tmp_path):
    p = resolve("faithfulness", {"preset": "smoke", "captions": 0, "judged_captions": 8, "clip_model": "owner/clip"})
    study = Study(NotingStore(tmp_path), p)
    study.corpus = plain_corpus(12, 4)
    faithfulness.ask(p, study)
    (one,) = (one for one in study.store.noted if one.step == "caption-scores")
    assert one.parameters["prefix"] == "A photo depicts "


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"judged_captions": 4}, "judged_captions is 4: input should be greater than or equal to 8"),
        ({"judged_images": 1}, "judged_images is 1: input should be greater than or equal to 2"),
        ({"fresh_captions": 0}, "fresh_captions is 0"), ({"guidance_scales": []}, "guidance_scales is"),
        ({"probe_part": "test"}, "faithfulness has no parameter 'probe_part'"),
    ],
)  # fmt: skip
def test_bad_parameters(given, said):
    with pytest.raises(InputError, match=said):
        resolve("faithfulness", given)


# What is looked at, by a judge of drawings' pixels and a generator that gives back drawings


@pytest.fixture
def by_pixels(monkeypatch):
    """Features of drawings without an encoder, for the judge; readers have their own."""
    import torch.nn.functional as F

    from stablerep.probes import extraction

    real = extraction.features_of

    def features_of(backbone, images, **how):
        return (
            F.avg_pool2d(torch.as_tensor(images[:]).float(), 4).flatten(1) - 128
            if backbone is None
            else real(backbone, images, **how)
        )

    monkeypatch.setattr(extraction, "features_of", features_of)


def drawings_of(corpus, captions, shown, size=32) -> CaptionedImages:
    """For each caption two drawings in a known design of another caption."""
    rows = corpus.table[corpus.table["design"] != "twemoji"].drop_duplicates("caption").set_index("caption")
    ids = torch.arange(len(captions)).repeat_interleave(2)
    pixels = torch.from_numpy(corpus.draw(rows.loc[shown].reset_index(), size))
    return CaptionedImages(pixels[ids], ids, list(captions), "drawn")


def looked_at(corpus, count: int = 40):
    """At w = 2 the caption's drawing, at w = 8 that of the next caption of the group."""
    groups = caption_groups(corpus, count)
    captions = [caption for group in groups.values() for caption in group.captions]
    wrong = [one for group in groups.values() for one in (*group.captions[1:], group.captions[0])]
    sets = {
        w: ImageSet(f"{w}", lambda shown=shown: drawings_of(corpus, captions, shown))
        for w, shown in ((2.0, captions), (8.0, wrong))
    }
    few = groups[TRAINING].captions[:10]
    others = {FRESH: ImageSet("fresh", lambda: drawings_of(corpus, few, few))}
    return Looked(SimpleNamespace(name="some", texts=captions), lambda: groups, sets, 2.0, others, 2)


class Blind(Study):
    def backbone(self, *_):
        return None


@pytest.fixture(scope="module")
def few_people(emoji):
    """Readers of few drawings, so that the test is short: people in one known design, and all else."""
    people = people_in(emoji)
    return people.where((people.table["design"] == "noto") & people.table["split"].isin(["train", "test"]))


def test_what_is_drawn_rightly_is_found_to_be_right(tmp_path, emoji, by_pixels, few_people):
    study = Blind(RunStore(tmp_path / "runs"))
    study.corpus = emoji
    looked, folders = looked_at(emoji), [tmp_path / name for name in ("read", "judged", "closeness")]
    for folder in folders:
        folder.mkdir()
    summary = whole_captions.read(study, looked, few_people, folders[0])
    assert summary["classes"] == {"tone": 6, "gender": 3}
    whole_captions.judge(study, looked, None, 0, folders[1])
    score(study, looked.others, lambda data: data.images.float().mean((1, 2, 3)), folders[2])

    def run(folder, info=None):
        return SimpleNamespace(
            table=lambda name="results": pd.read_parquet(folder / f"{name}.parquet"), info={"summary": info}
        )

    scores = pd.read_parquet(folders[1] / "results.parquet").query("source != 'fresh'").assign(score=1.0)
    of_scores = SimpleNamespace(table=lambda: scores[["captions", "source", "guidance_scale", "caption", "score"]])
    asked = faithfulness.Asked(run(folders[0], summary), [run(folders[1])], {"Pixels": [run(folders[2])]}, [of_scores])
    p = resolve("faithfulness", {"preset": "smoke", "guidance_scales": [2.0, 8.0]})
    tables = faithfulness.compute(p, asked)

    shares = tables["shares"].set_index(["captions", "measure", "guidance_scale"])["mean"]
    for group in (TRAINING, UNSEEN, TEST):
        assert shares[group, CONCEPT, 2.0] > shares[group, CONCEPT, 8.0]
    assert shares[UNSEEN, WHOLE, 8.0] < shares[UNSEEN, WHOLE, 2.0] <= shares[UNSEEN, CONCEPT, 2.0]
    counts = tables["asked"].set_index("group")
    assert (
        counts.loc[UNSEEN, "tone"] + counts.loc[UNSEEN, "left_out"] >= 0.8 * counts.loc[UNSEEN, "captions"]
        and counts.loc[TRAINING, "captions"] == 40
    )
    assert set(tables["readers"]["attribute"]) == {"tone", "gender"} and len(tables["readers"]) >= 6
    kinds = tables["grid"].groupby(["captions", "kind"], sort=False).size()
    assert (
        kinds[TRAINING].tolist() == [whole_captions.SHOWN] * 2
        and tables["grid"]["png"].map(lambda one: one[:4] == b"\x89PNG").all()
    )
    best = tables["grid"].query("captions == @TRAINING and kind == 'surest'")
    assert (best["lead"] > 0).all() and (np.diff(best["lead"]) <= 0).all()
    assert tables["truth"]["source"].tolist() == [FRESH] and tables["truth"]["images"].tolist() == [20]
    assert faithfulness.verdict(tables)[0].word == "not testable at this scale"  # one seed


def test_frequency_is_that_of_images_to_learn_from(emoji):
    asked = attributes_asked(emoji.table, people_in(emoji).table, emoji.people)
    learned = emoji.to_learn_from().table
    concept = learned["concept"].iloc[0]
    assert (learned["concept"] == concept).sum() == learned["concept"].value_counts()[concept]
    test = emoji.split("test").table["concept"].iloc[0]
    assert not (learned["concept"] == test).any() and test in set(asked["concept"])


# The answer


def tables_of(
    difference: float,
    half: float,
    real: float,
    *,
    seeds: int = 5,
    visible: float = 0.02,
    chance: float = 0.01,
    claim: str = "C10",
):
    p = (0.001, 0.999) if difference > half else (0.999, 0.001) if -difference > half else (0.3, 0.7)
    pair = {
        "claim": claim, "captions": UNSEEN, "measure": WHOLE, "first": "real", "second": "generated, w = 2", "difference": difference, "low": difference - half,
        "high": difference + half, "visible": visible, "p_for": p[0], "p_against": p[1], "seeds": seeds,
    }  # fmt: skip
    other = pair | {"claim": "", "captions": TRAINING, "difference": 0.9, "p_for": 0.0}
    shares = [
        {"captions": group, "source": source, "guidance_scale": np.nan, "measure": measure, "mean": mean, "low": mean - 0.05, "high": mean + 0.05, "chance": chance}
        for group, source, measure, mean in ((UNSEEN, "real", WHOLE, real), (UNSEEN, "real", CONCEPT, 0.99), (TRAINING, "real", WHOLE, 0.99), (UNSEEN, "generated", WHOLE, 0.5))
    ]  # fmt: skip
    readers = [
        {
            "attribute": "tone",
            "part": "training concepts, cross-fitted",
            "read": 0.8,
            "accuracy": 0.9,
            "low": 0.8,
            "high": 1.0,
        }
    ]
    return {
        "differences": pd.DataFrame([other, pair]),
        "shares": pd.DataFrame(shares),
        "readers": pd.DataFrame(readers),
    }


@pytest.mark.parametrize(
    ("difference", "half", "real", "word"),
    [
        (0.2, 0.05, 0.4, "reproduced"), (-0.2, 0.05, 0.4, "contradicted"), (0.02, 0.05, 0.4, "undecided"),
        (0.001, 0.005, 0.6, "equivalent"), (0.001, 0.005, 0.4, "undecided"),  # a weak instrument sees no difference where there may be one
        (0.2, 0.05, 0.025, "not testable at this scale"), (-0.2, 0.05, 0.025, "not testable at this scale"),
        (0.2, 0.05, 0.6, "reproduced"), (-0.2, 0.05, 0.6, "contradicted"),
    ],
)  # fmt: skip
def test_the_word_follows_the_difference_and_the_instrument(difference, half, real, word):
    (answer,) = faithfulness.verdict(tables_of(difference, half, real))
    assert (answer.claim, answer.word) == ("C10", word)
    assert f"{100 * real:.1f} [" in answer.lines[0] and "the reader of tone reads 80 %" in answer.lines[1]
    assert (answer.p == answer.p) == (word in ("reproduced", "contradicted")) and len(answer.effects) == 1
    if word.startswith("not"):
        assert "too weak an instrument: 2.5 [" in answer.why and "2.0 points would be detected" in answer.why
    if (half, real) == (0.005, 0.4):
        assert "too few real images are right" in answer.why


def test_what_was_not_run_is_not_testable():
    for tables in (tables_of(0.2, 0.05, 0.6, seeds=2), tables_of(0.2, 0.05, 0.6, claim="")):
        (answer,) = faithfulness.verdict(tables)
        assert answer.word == "not testable at this scale" and np.isnan(answer.p)
    nothing = {"differences": tables["differences"][:0], "shares": tables["shares"], "readers": tables["readers"]}
    assert "has no unseen combinations" in faithfulness.verdict(nothing)[0].why


def test_the_parameters_of_the_generators_chapter_are_its_own():
    for preset in ("laptop", "smoke", "reference"):
        mine = faithfulness.of_generator(resolve("faithfulness", {"preset": preset}))
        theirs = resolve("generator", {"preset": preset})
        assert mine == theirs and isinstance(mine, generator.Parameters)


@pytest.mark.slow
def test_photographs_are_asked_for_their_class_alone(tmp_path, stub):
    """From images to the page's tables, where no caption names a tone and there are no designs."""
    p = resolve("faithfulness", {"preset": "smoke", "captions": 0, "judged_captions": 8, "generator": "stub"})
    study = Study(RunStore(tmp_path / "runs"), p)
    study.corpus = plain_corpus(12, 4)
    tables = faithfulness.compute(p, faithfulness.ask(p, study))
    assert set(tables["shares"]["captions"]) == {TRAINING} and tables["readers"].empty
    means = tables["shares"].set_index(["measure", "source", "guidance_scale"])["mean"]
    assert means[CONCEPT, "generated", 2.0] == means[WHOLE, "generated", 2.0]
    assert set(tables["scores"]["source"]) == {"real", "generated"} and len(tables["grid"])
    assert set(tables["truth"]["source"]) <= {LEARNED, FRESH}
    (answer,) = faithfulness.verdict(tables)
    assert answer.word == "not testable at this scale" and "has no unseen combinations" in answer.why
    shown = [
        caption_tables.outcomes(tables["shares"], (CONCEPT, "tone", WHOLE)), caption_tables.outcomes(tables["shares"], ("tone, where told", "gender, cannot tell")),
        caption_tables.gaps(tables["differences"], UNSEEN), caption_tables.slopes(tables["slopes"]), caption_tables.scores(tables["scores"]),
        caption_tables.asked(tables["asked"]), people_tables.readers(tables["readers"]),
    ]  # fmt: skip
    rows = [len(ShownTable(one).rows) for one in shown]
    assert all(rows[place] for place in (0, 2, 4, 5)) and rows[1] == rows[6] == 0
    for draw, table, *how in (
        (figures.parts_of_captions, "shares", 2.0), (figures.properties, "properties", TRAINING, CONCEPT, 2.0), (figures.extremes, "grid", TRAINING), (figures.ranks, "knows"),
    ):  # fmt: skip
        assert draw(tables[table], *how).get_label().endswith(".")
