"""Generations: what each learns from, what is measured of its images, and the answer to C15 by hand."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from stablerep.audits.equal_galleries import judges_part, training_group
from stablerep.camera import Camera
from stablerep.captioned_images import CaptionedImages
from stablerep.corpus.emoji import HELD_OUT
from stablerep.corpus.on_demand import OnDemandImages
from stablerep.errors import InputError
from stablerep.statistics.arms import differences, seed_means, summarize
from stablerep.study.chapters import generations, resolve
from stablerep.study.chapters.generations import FIRST, WAYS, named
from stablerep.study.experiments import generation_images
from stablerep.study.experiments.arms import FLOOR_ARMS, arm
from stablerep.study.experiments.floors import against_floors
from stablerep.study.experiments.images import ImageSet
from stablerep.study.experiments.judged_images import judge_of
from stablerep.study.experiments.sources import RUN
from stablerep.study.experiments.study import Study
from stablerep.training import random_backbone
from stablerep.variants import mixed
from tests.study.stand_ins import NotingStore, items, plain_corpus


def with_things(corpus):
    """Every caption names a thing of its own; nothing learns from the last design."""
    table = corpus.table
    thing = {"concept": table["caption"], "subgroup": "all", "group": "all", "held_out": table["design"] == HELD_OUT}
    return replace(corpus, table=table.assign(**thing))


def asked(tmp_path, **given):
    study = Study(NotingStore(tmp_path / "plan"))
    study.corpus = with_things(plain_corpus(32, designs=("ink", "chalk", "oil", HELD_OUT)))
    some = {
        "preset": "smoke",
        "captions": 0,
        "images_per_caption": 4,
        "positives": 4,
        "ways": list(WAYS),
        "generations": 2,
    }
    p = resolve("generations", some | given)
    return p, generations.ask(p, study), study


def noted(study, step: str) -> list:
    """Runs of a step that were asked for, each once, in the order of asking."""
    return list({(str(one.parameters), str(one.inputs)): one for one in study.store.noted if one.step == step}.values())


def test_stablerep_learns_from_every_generation_of_every_way_at_every_seed(tmp_path):
    p, found, study = asked(tmp_path, seeds=2)
    assert [(one.arm, one.seed) for one in found.first] == [
        (name, seed) for seed in (0, 1) for name in (FIRST.name, *FLOOR_ARMS)
    ]
    assert {key: [(one.arm, one.seed) for one in some] for key, some in found.trained.items()} == {
        (way, t): [(f"StableRep, {way}, generation {t}", seed) for seed in (0, 1)] for way in WAYS for t in (1, 2)
    }
    trained = stablerep_runs(study)
    assert (
        len({one.inputs["images"] for one in trained}) == 1 + 2 * 10 and len(trained) == 22
    )  # a chain for each seed, from one set
    recipes = [{k: v for k, v in one.parameters.items() if k != "seed"} for one in trained]
    assert all(one == recipes[0] for one in recipes)


def test_each_generation_goes_on_from_the_one_before_on_images_of_its_parent(tmp_path):
    p, found, study = asked(tmp_path, training_steps=7, training_rate=0.01)
    trainings = [one for one in study.store.noted if one.step == "generator"]
    assert len(trainings) == 2 * len(WAYS)
    firsts, seconds = trainings[::2], trainings[1::2]
    start = study.generator_fingerprint("emoji")
    assert {one.inputs["start"] for one in firsts} == {start}
    assert all((one.parameters["steps"], one.parameters["learning_rate"]) == (7, 0.01) for one in trainings)
    assert {one.parameters["seed"] for one in firsts} == {100} and {one.parameters["seed"] for one in seconds} == {200}
    parents = [one.inputs["start"] for one in seconds]
    assert len(set(parents)) == len(WAYS) and all(one.startswith("generator-") for one in parents)
    drawn = [(one.inputs["generator"], one.parameters) for one in noted(study, "synthesis")]
    lessons = {(who, how["seed"], how["images_per_caption"]) for who, how in drawn if how["seed"]}
    by_way = dict(zip(WAYS, parents))
    assert lessons == {
        (start, 100, 4), (start, 100, 8), (by_way["filtered"], 200, 8),
        *((by_way[way], 200, 4) for way in ("replaced", "mixed", "accumulated")),
    }  # fmt: skip
    judged = [who for who, how in drawn if not how["seed"]]
    assert len(judged) == len(set(judged)) == 11 and {
        how["images_per_caption"] for _, how in drawn if not how["seed"]
    } == {4}
    assert {(how["seed"] > 0, how["guidance_scale"]) for _, how in drawn} == {(True, 1.0), (False, p.guidance_scale)}


def test_every_seed_has_a_chain_and_no_two_sets_are_drawn_from_the_same_noise(tmp_path):
    p, found, study = asked(tmp_path, seeds=3, ways=["replaced", "filtered"])
    trainings = noted(study, "generator")
    assert len(trainings) == 3 * 2 * 2
    assert sorted({one.parameters["seed"] for one in trainings}) == [100, 101, 102, 200, 201, 202]
    drawn = [(one.inputs["generator"], one.parameters["seed"]) for one in noted(study, "synthesis")]
    seen, taught = ({seed for _, seed in drawn if (seed < 100) == small} for small in (True, False))
    assert seen == {0, 1, 2} and taught == {100, 101, 102, 200, 201, 202}
    judges = [one for one in noted(study, "pretraining") if one.parameters["method"] == "stablerep+"]
    assert {one.parameters["seed"] for one in judges} == {0, 1, 2}  # an encoder that filters for each chain
    assert [one.parameters["seed"] for one in noted(study, "generation-images")] == [0, 1, 2] and len(found.images) == 3
    for seed in (0, 1, 2):  # what StableRep learns from is what is measured
        (run,) = (one for one in noted(study, "generation-images") if one.parameters["seed"] == seed)
        learned = {
            one.inputs["images"] for one in stablerep_runs(study) if one.parameters["seed"] == seed
        }  # fmt: skip
        mine = {run.inputs[f"{way or 'generation'} {t}"] for way, t in run.parameters["sets"]}
        assert {study._seen(name) for name in mine} == learned


def stablerep_runs(study) -> list:
    """The trainings of StableRep but for those of the judges, which learn from real drawings."""
    trained = [one for one in noted(study, "pretraining") if one.parameters["method"] == "stablerep"]
    return [one for one in trained if not one.inputs["images"].startswith("judge")]


def test_lessons_are_drawn_at_a_guidance_scale_of_their_own(tmp_path):
    p, _, study = asked(tmp_path, ways=["replaced"], lesson_guidance_scale=3.0)
    drawn = [one.parameters for one in noted(study, "synthesis")]
    assert {(how["seed"] > 0, how["guidance_scale"]) for how in drawn} == {(True, 3.0), (False, p.guidance_scale)}


def test_the_preset_paper_needs_a_generator_of_its_corpus(tmp_path, photographs):
    photographs.store = NotingStore(tmp_path / "plan")
    p = resolve("generations", {"preset": "paper", "corpus": "hub:owner/captions"})
    with pytest.raises(InputError, match="the preset paper needs generator, for generations: a pipeline/ that"):
        generations.ask(p, photographs)
    assert not photographs.store.noted


def lessons_of(tmp_path, monkeypatch, ways=WAYS) -> tuple[dict[tuple[str, int], ImageSet], Study]:
    """What each generation learns from: real drawings are darker than 200; drawn ones tell their generation, 200 more than it."""
    p, _, study = asked(tmp_path, camera=0.0)
    captions, lessons = study.captions(p.captions), {}

    def draw(captions, p, w, *, images_per_caption, seed):
        def load():
            texts = sorted(captions.texts)
            ids = np.repeat(np.arange(len(texts)), images_per_caption)
            images = np.full((len(ids), 3, 32, 32), 200 + seed // generations.APART, np.uint8)
            images[:, 1] = np.tile(np.arange(images_per_caption), len(texts))[:, None, None]
            return CaptionedImages(*map(_tensor, (images, ids)), texts, f"drawn-{seed}")

        return ImageSet(f"drawn{seed}-{p.generator}", load)

    def train(start, images, **how):
        t = how["seed"] // generations.APART
        lessons[way, t] = images
        return f"{RUN}{way}-{t}"

    monkeypatch.setattr(study, "synthetic_images", draw)
    monkeypatch.setattr(study, "trained_further", train)
    for way in ways:
        generations.chain(way, captions, p, study, 0)
    return lessons, study


def _tensor(array):
    import torch

    return torch.from_numpy(array)


def kinds(images: ImageSet) -> dict[int, int]:
    """How many images there are of each kind: 0 for real ones, else the generation that learns from the drawn ones."""
    data = images.load()
    pixels = data.images[:] if isinstance(data.images, OnDemandImages) else data.images
    levels = pixels[:, 0, 0, 0].numpy().astype(int)
    return dict(sorted(pd.Series(np.where(levels < 200, 0, levels - 200)).value_counts().items()))


def test_what_each_way_learns_from(tmp_path, monkeypatch):
    """32 captions, three real drawings and four drawn images of each."""
    found, _ = lessons_of(tmp_path, monkeypatch, WAYS[:3] + WAYS[4:])
    assert {key: kinds(images) for key, images in found.items()} == {
        ("replaced", 1): {1: 128}, ("replaced", 2): {2: 128},
        ("mixed", 1): {0: 64, 1: 64}, ("mixed", 2): {0: 64, 2: 64},
        ("accumulated", 1): {0: 96, 1: 128}, ("accumulated", 2): {0: 96, 1: 128, 2: 128},
        ("only real", 1): {0: 96}, ("only real", 2): {0: 96},
    }  # fmt: skip
    assert all(f"{way}-1" in found[way, 2].name for way in ("replaced", "mixed", "accumulated"))


def test_filtered_keeps_half_of_what_is_drawn_by_an_encoder_of_the_first_images(tmp_path, monkeypatch):
    judges = []

    def closeness(data, encoder, camera):
        judges.append(encoder.name)
        return data.images[:, 1, 0, 0].float()  # later images fit better

    monkeypatch.setattr("stablerep.study.experiments.generators.closeness", closeness)
    found, study = lessons_of(tmp_path, monkeypatch, ("filtered",))
    for t in (1, 2):
        data = found["filtered", t].load()
        assert kinds(found["filtered", t]) == {t: 128} and set(data.images[:, 1, 0, 0].tolist()) == {4, 5, 6, 7}
    assert len(set(judges)) == 1 and judges[0].startswith("pretraining-")


def test_runs_that_the_comparison_has_are_its_runs(tmp_path):
    p, found, study = asked(tmp_path)
    captions = study.captions(p.captions)
    theirs = resolve("compare", {"preset": "smoke", "captions": 0, "images_per_caption": 4, "positives": 4})
    key = study.pretrained(arm("StableRep+ synthetic"), captions, theirs, 0).key
    asked_for = study.store.planned
    assert key in asked_for
    before = len(asked_for)
    assert study.evaluated(FIRST, captions, theirs, 0).evaluation.key == found.first[0].evaluation.key
    assert len(asked_for) == before


def test_images_of_every_generation_are_measured_by_a_judge_of_other_concepts(tmp_path):
    p, found, study = asked(tmp_path, ways=["replaced", "only real"])
    (run,) = noted(study, "generation-images")
    assert run.inputs["encoder"] == judge_of(p, study, 0).key
    group = training_group(study.corpus, study.captions(0).texts)
    known = set(judges_part(study.corpus).table["caption"])
    assert known and group.captions and not known & set(group.captions) and len(known) + len(group.captions) == 32
    assert set(group.gallery.table["design"]) == {HELD_OUT} and HELD_OUT not in set(group.real.table["design"])
    assert run.parameters["sets"] == [["", 0], ["replaced", 1], ["replaced", 2], ["only real", 1], ["only real", 2]]
    made = [run.inputs[f"{way or 'generation'} {t}"] for way, t in run.parameters["sets"]]
    assert len(set(made)) == 5


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"ways": []}, "ways is ..: list should have at least 1 item"),
        ({"ways": ["replaced", "replaced"]}, "replaced appears twice"),
        ({"ways": ["recycled"]}, "ways.0 is 'recycled'"),
        ({"generations": 0}, "generations is 0: input should be greater than or equal to 1"),
        ({"generations": 21}, "generations is 21: input should be less than or equal to 20"),
        ({"training_steps": 0}, "training_steps is 0"),
        ({"training_rate": 0.0}, "training_rate is 0.0"),
        ({"images_per_caption": 1}, "images_per_caption is 1: input should be greater than or equal to 2"),
        ({"generator": "owner/name"}, "generator is 'owner/name'; to be trained further it must be emoji or"),
    ],
)
def test_bad_parameters(tmp_path, given, message):
    with pytest.raises(InputError, match=message):
        asked(tmp_path, **given)


NAMES = {"first": FIRST.name} | {way.replace(" ", "_"): named(way, 3).name for way in WAYS}


def tables_of(seeds: int = 3, floor: float = 0.1, **shares: float) -> dict[str, pd.DataFrame]:
    """Tables of the last generation whose shares of right answers are known."""
    found = items({NAMES[key]: share for key, share in shares.items()} | dict.fromkeys(FLOOR_ARMS, floor), seeds=seeds)
    return {
        "arms": summarize(found), "differences": differences(found, generations.pairs(3)),
        "floors": against_floors(found, [NAMES[key] for key in shares]), "seeds": seed_means(found),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("real", "mixed", "replaced", "word"),
    [
        (0.8, 0.7, 0.4, "reproduced"), (0.4, 0.5, 0.8, "contradicted"), (0.8, 0.3, 0.5, "partly"), (0.5, 0.5, 0.5, "equivalent"),
        (0.8, 0.7, 0.1, "reproduced"),  # fallen to the floors, which is what the claim says
        (0.8, 0.1, 0.4, "not testable at this scale"), (0.1, 0.1, 0.1, "not testable at this scale"),
    ],
)  # fmt: skip
def test_the_answer_follows_replaced_against_real_images_and_both(real, mixed, replaced, word):
    (answer,) = generations.verdict(tables_of(only_real=real, mixed=mixed, replaced=replaced))
    assert (answer.claim, answer.word) == ("C15", word)
    assert "nothing is settled where the arm that should be better is not above" in answer.rule


def test_other_arms_are_secondary():
    fixed = dict(only_real=0.8, mixed=0.7, replaced=0.4)
    for share in (0.1, 0.95):
        tables = tables_of(**fixed, first=share, accumulated=share, filtered=share)
        (answer,) = generations.verdict(tables)
        assert answer.word == "reproduced" and len(answer.effects) == 2
        others = tables["differences"].query("claim != 'C15'")["claim"]
        assert others.tolist() == ["generation 0", "accumulated", "filtered", "all kept", "training alone"]


def test_what_was_not_run_is_not_testable():
    few = tables_of(seeds=2, only_real=0.8, mixed=0.8, replaced=0.3)
    for tables in (tables_of(first=0.8, replaced=0.3), tables_of(only_real=0.8, replaced=0.3), few):
        (answer,) = generations.verdict(tables)
        assert answer.word == "not testable at this scale"


class Measured:
    """Tables as :func:`generation_images.compare` leaves them at a seed."""

    def __init__(self, sets: int, seed: int, more: float) -> None:
        places = [np.nan, *map(float, range(sets))]
        about = [{"source": "real" if place != place else "generated", "guidance_scale": place} for place in places]
        common = {"captions": "training captions", "seed": seed}
        self.tables = {
            "diversity": pd.DataFrame([
                one | common | {"gallery": "none", "measure": "distance", "concept": concept, "group": "g", "value": 0.1 * (k + 1) + more, "chance": np.nan}
                for k, one in enumerate(about) for concept in ("a", "b", "c")
            ]),
            "faithfulness": pd.DataFrame([
                one | common | {"gallery": "8 concepts", "measure": "top1", "concept": concept, "group": "g", "value": 0.1 * (k + 1) + more, "chance": 0.01}
                for k, one in enumerate(about) for concept in ("a", "b", "c")
            ]),
            "sets": pd.DataFrame([one | common | {"metric": "coverage", "value": 0.1 * k + more, "low": 0.0, "high": 1.0, "units": 3} for k, one in enumerate(about)]),
            "grid": pd.DataFrame([one | {"caption": f"x{seed}", "index": 0, "png": b""} for one in about[1:]]),
        }  # fmt: skip

    def table(self, name):
        return self.tables[name].copy()


def test_every_set_is_measured_and_shown(tmp_path, monkeypatch):
    """A set that repeats one image of each caption is the least diverse; the grid has drawings of the same captions by all."""
    p, _, study = asked(tmp_path, images_per_caption=2, positives=2)
    captions = study.captions(0)
    monkeypatch.setattr(study, "backbone", lambda *given: random_backbone(study.encoder_recipe(p), 0))
    real = study.real_drawings(captions, at_most=2)
    alone = study.real_drawings(captions)
    twice = ImageSet("twice", lambda: mixed(alone.load(), alone.load()))
    drawings = {("", 0): real, ("replaced", 1): twice}
    study.camera = Camera.of_strength(0.0)
    generation_images.compare(drawings, captions, captions, SimpleNamespace(key="judge"), 0, study, tmp_path)
    diversity, sets, grid = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("diversity", "sets", "grid"))
    means = diversity.groupby("guidance_scale")["value"].mean()
    assert means[1.0] < 1e-6 < means[0.0] and set(sets["guidance_scale"].dropna()) == {0.0, 1.0}
    shown = grid.groupby("guidance_scale")["caption"].unique()
    assert shown[0.0].tolist() == shown[1.0].tolist() and set(shown[0.0]) == set(captions.texts[:6])
    faithful = pd.read_parquet(tmp_path / "faithfulness.parquet").query("measure == 'top1'")
    group = training_group(study.corpus, captions.texts)
    assert faithful["guidance_scale"].nunique(dropna=False) == 3 and set(faithful["concept"]) == set(group.captions)
    assert faithful["chance"].round(6).unique().tolist() == [round(1 / group.gallery.table["concept"].nunique(), 6)]


def test_without_images_to_look_up_there_is_no_faithfulness(tmp_path, monkeypatch):
    """Photographs whose captions occur once: no held-out image shows what a caption names."""
    study = Study(NotingStore(tmp_path / "plan"))
    study.corpus = plain_corpus(8, images=2, labels=())
    captions = study.captions(0)
    monkeypatch.setattr(
        study,
        "backbone",
        lambda *given: random_backbone(study.encoder_recipe(resolve("generations", {"preset": "smoke"})), 0),
    )
    real = study.real_drawings(captions, at_most=2)
    generation_images.compare({("", 0): real}, captions, captions, SimpleNamespace(key="judge"), 0, study, tmp_path)
    run = SimpleNamespace(table=lambda name: pd.read_parquet(tmp_path / f"{name}.parquet"))
    found = generation_images.over_chains([run], [("", 0)])
    assert (
        found["faithfulness"].empty
        and {"way", "generation", "mean"} <= set(found["faithfulness"])
        and len(found["diversity"])
    )


def test_tables_tell_way_and_generation(tmp_path):
    p, found, _ = asked(tmp_path, ways=["replaced", "accumulated"])

    def told(one, share):
        answers = items({one.arm: share}).assign(seed=one.seed)
        return SimpleNamespace(items=lambda: answers, arm=one.arm)

    shares = {("replaced", 1): 0.4, ("replaced", 2): 0.3, ("accumulated", 1): 0.5, ("accumulated", 2): 0.6}
    trained = {key: [told(one, shares[key]) for one in some] for key, some in found.trained.items()}
    first = [told(one, 0.5 if one.arm == FIRST.name else 0.1) for one in found.first]
    measured = [Measured(5, 0, -0.02), Measured(5, 1, 0.02)]  # means over two seeds
    tables = generations.compute(p, generations.Asked(first, trained, measured))
    lines = tables["generations"]
    assert lines[["way", "generation"]].to_numpy().tolist() == [[way, t] for way in p.ways for t in (0, 1, 2)]
    assert lines["accuracy"].tolist() == pytest.approx([0.5, 0.4, 0.3, 0.5, 0.5, 0.6])
    pairs = tables["differences"]
    assert dict(zip(zip(pairs["claim"], pairs["first"]), pairs["difference"])) == pytest.approx({
        ("generation 0", FIRST.name): 0.2, ("accumulated", named("accumulated", 2).name): 0.3, ("all kept", named("accumulated", 2).name): 0.1,
    })  # fmt: skip
    assert set(tables["floors"]["first"]) == {FIRST.name, *(named(way, t).name for way, t in shares)}
    order = [("", 0.0), ("replaced", 1.0), ("replaced", 2.0), ("accumulated", 1.0), ("accumulated", 2.0)]
    for name, value, real in (("sets", "value", 0.0), ("diversity", "mean", 0.1), ("faithfulness", "mean", 0.1)):
        table = tables[name] if name == "sets" else tables[name].query("group == 'all'")
        known = table[table["generation"].notna()]
        assert dict(zip(zip(known["way"], known["generation"]), known[value])) == pytest.approx(
            {key: real + 0.1 * (k + 1) for k, key in enumerate(order)}
        )
        (other,) = table[table["generation"].isna()].itertuples()
        assert getattr(other, value) == pytest.approx(real) and other.way == ""
    assert list(zip(tables["grid"]["way"], tables["grid"]["generation"])) == order
    assert set(tables["grid"]["caption"]) == {"x0"} and "guidance_scale" not in tables["sets"]


def test_fewer_views_than_in_the_comparison_are_told():
    mine = resolve("generations", {"preset": "laptop"}).model_dump()
    told = generations.fewer_views(mine)
    assert "sees 64,000 views at the preset `laptop`; an arm here sees 19,200." in told
    assert generations.fewer_views(mine | {"steps": resolve("compare", {"preset": "laptop"}).steps}) == ""
