"""What chapters compute, on inputs whose answer is known."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stablerep.corpus import SPLITS
from stablerep.study import chapters
from stablerep.study.chapters import bias, compare, corpus, generator, methods, reference, resolve, scaling, schemas
from stablerep.study.chapters.bias import confusion_shares, correct_shares
from stablerep.study.chapters.compare import differences, seed_means, summarize, verdict
from stablerep.study.experiments.arms import ARMS
from stablerep.study.experiments.study import Study
from stablerep.study.notebooks.chapter import Chapter
from stablerep.study.store.runs import RunStore

# Generator


def test_shares_by_group_have_their_own_concepts():
    about = pd.DataFrame({"concept": ["a", "a", "b", "c"], "group": ["people", "people", "people", "food"]})
    asked = pd.DataFrame({"top1": [True, False, True, False], "top10": True, "subgroup": True})
    rows = pd.DataFrame(generator._with_intervals(asked, about, source="generated", w=2.0))
    top = rows[rows["measure"] == "top1"].set_index("group")
    assert top["mean"].to_dict() == pytest.approx({"all": 0.5, "people": 2 / 3, "food": 0})
    assert top["concepts"].to_dict() == {"all": 3, "people": 2, "food": 1}
    assert top["n"].to_dict() == {"all": 4, "people": 3, "food": 1}


def test_generator_needs_enough_shared_captions(tmp_path):
    p = resolve("generator", {"captions": 10_000})
    with pytest.raises(ValueError, match=r"captions is 10000; twemoji shares \d+ training captions"):
        generator.compute(p, Study(RunStore(tmp_path)))


def test_two_real_sets_show_the_same_concepts_in_two_designs():
    rows = [
        (f"caption {c} {v}", f"c{c}", d)
        for c in range(30)
        for v in range(2)
        for d in ("one", "two", "three")[: 1 + c % 3]
    ]
    table = pd.DataFrame(rows, columns=["caption", "concept", "design"])
    captions = sorted(set(table["caption"]))[:-10] + ["not drawn"]
    chosen, first, second = generator._two_real_sets(table, captions, seed=0)
    drawn = table[table["caption"].isin(captions)].groupby("concept")["design"].nunique()
    assert {table.set_index("caption")["concept"][c].iloc[0] for c in chosen} == set(drawn.index[drawn > 1])
    assert len(chosen) == drawn.gt(1).sum()  # one caption of each
    for rows in (first, second):
        assert table["caption"].iloc[rows].tolist() == chosen
    assert (table["design"].iloc[first].to_numpy() != table["design"].iloc[second].to_numpy()).all()
    assert (
        generator._two_real_sets(table, captions, seed=0)
        == (chosen, first, second)
        != generator._two_real_sets(table, captions, seed=1)
    )


def test_set_measures_name_what_they_compare():
    features = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    found = generator._compared(features, features, source="generated", w=2.0, seed=0).set_index("metric")
    assert found.loc[["precision", "recall", "coverage"], "value"].eq(1).all()  # a set against itself
    assert found["guidance_scale"].eq(2).all() and found["n"].eq(40).all() and found["subset_size"].eq(20).all()
    small = generator._compared(features[:4], features[4:8], source="generated", w=2.0, seed=0)
    assert small["k"].dropna().eq(3).all()  # four images have three others


# Bias: reading through a confusion


def test_confusion_by_hand():
    truth = ["woman", "woman", "woman", "woman", "man", "man"]
    read = ["woman", "woman", "woman", "man", "man", "person"]
    found = confusion_shares(truth, read, ("woman", "man", "person"))
    np.testing.assert_allclose(
        found, [[0.75, 0.25, 0], [0, 0.5, 0.5], [0, 0, 1]]
    )  # no person asked: read without error


@st.composite
def readings(draw):
    """True shares, and the confusion of a reader that is right more often than not."""
    n = draw(st.integers(2, 6))
    counts = draw(st.lists(st.integers(0, 20), min_size=n, max_size=n).filter(any))
    errors = np.array(
        draw(st.lists(st.lists(st.integers(0, 9), min_size=n, max_size=n), min_size=n, max_size=n)), float
    )
    np.fill_diagonal(errors, 0)
    errors = 0.4 * errors / np.maximum(errors.sum(1, keepdims=True), 1)
    np.fill_diagonal(errors, 1 - errors.sum(1))
    return np.array(counts) / sum(counts), errors


@given(readings())
def test_correction_recovers_the_truth(case):
    truth, confusion = case
    np.testing.assert_allclose(correct_shares(truth @ confusion, confusion), truth, atol=1e-4)


@given(readings(), st.integers(0, 2**32 - 1))
def test_correction_stays_on_the_simplex(case, seed):
    """Also where no shares explain the count, as with a small sample."""
    _, confusion = case
    counted = np.random.default_rng(seed).dirichlet(np.full(len(confusion), 0.3))
    found = correct_shares(counted, confusion)
    assert (found >= 0).all() and found.sum() == pytest.approx(1)


def test_correction_by_hand():
    """A reader that takes a fifth of the women for men, and no man for a woman."""
    confusion = np.array([[0.8, 0.2], [0, 1.0]])
    np.testing.assert_allclose(correct_shares(np.array([0.4, 0.6]), confusion), [0.5, 0.5], atol=1e-6)
    np.testing.assert_allclose(
        correct_shares(np.array([0.9, 0.1]), confusion), [1, 0], atol=1e-4
    )  # more than all: clipped


def test_perfect_reader_needs_no_correction():
    np.testing.assert_allclose(correct_shares(np.array([0.2, 0.3, 0.5]), np.eye(3)), [0.2, 0.3, 0.5], atol=1e-9)


def test_draws_of_shares_surround_the_estimate():
    classes = ("woman", "man", "person")
    rng = np.random.default_rng(0)
    tested = pd.DataFrame({"truth": rng.choice(classes, 600)})
    wrong = rng.random(600) < 0.2
    tested["prediction"] = np.where(wrong, rng.choice(classes, 600), tested["truth"])
    read, captions = rng.choice(classes, 400, p=[0.5, 0.3, 0.2]), np.repeat(np.arange(40), 10)
    seen, fixed = bias._share_draws(read, captions, tested, np.repeat(np.arange(60), 10), classes, seed=1, draws=200)
    assert seen.shape == fixed.shape == (200, 3)
    np.testing.assert_allclose(seen.sum(1), 1)
    np.testing.assert_allclose(fixed.sum(1), 1)
    counted = pd.Series(read).value_counts(normalize=True).reindex(classes).to_numpy()
    np.testing.assert_allclose(seen.mean(0), counted, atol=0.01)
    estimate = correct_shares(counted, confusion_shares(tested["truth"], tested["prediction"], classes))
    np.testing.assert_allclose(fixed.mean(0), estimate, atol=0.02)
    assert (fixed.std(0) > seen.std(0)).all()  # the reader's own uncertainty comes on top
    again = bias._share_draws(read, captions, tested, np.repeat(np.arange(60), 10), classes, seed=1, draws=200)
    assert np.array_equal(again[1], fixed)


def test_people_have_words_for_tones_and_known_genders(emoji):
    people = bias.people_of(emoji)
    assert set(people.table["tone"]) == set(bias.ATTRIBUTES["tone"])
    assert set(people.table["gender"]) == set(bias.ATTRIBUTES["gender"])
    assert (people.table["tone"] == "none").equals(people.table["skin_tone"] == 0)
    assert people.table["subgroup"].str.startswith("person").all()
    dark = people.table[people.table["caption"] == "woman firefighter: dark skin tone"]
    assert set(dark["tone"]) == {"dark"} and set(dark["gender"]) == {"woman"}


def test_neutral_captions_name_neither_gender_nor_tone(emoji):
    people = bias.people_of(emoji)
    captions = bias.neutral_captions(people, 48)
    assert len(set(captions)) == len(captions) >= 40
    for caption in captions:
        assert not {"woman", "women", "man", "men", "girl", "boy"} & set(caption.replace(":", " ").split()), caption
        assert "skin tone" not in caption
    assert set(captions) <= set(emoji.split("train").table["caption"])
    assert bias.neutral_captions(people, 5) == captions[:5]
    # their concepts are drawn with both genders and all tones, so that a generator could draw either
    table = people.table[people.table["concept"].isin(people.table[people.table["caption"].isin(captions)]["concept"])]
    assert table.groupby("concept")["gender"].nunique().min() == 3


# Comparison: summaries, differences, verdicts


def items(shares: dict[str, float], *, seeds: int = 1, probe: str = "linear subgroup") -> pd.DataFrame:
    """Forty concepts with two items each; an arm gets the first ``share`` of the concepts right."""
    rows = [
        {
            "arm": name, "seed": seed, "views": 1000, "probe": probe, "id": f"{c}/{k}", "concept": f"c{c}",
            "correct": c < share * 40,
        }
        for name, share in shares.items() for seed in range(seeds) for c in range(40) for k in range(2)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_summary_by_hand():
    table = items({"CLIP real": 0.25, "SimCLR real": 1.0})
    found = summarize(table).set_index("arm")
    assert found.loc["CLIP real", "accuracy"] == 0.25
    assert (found["items"] == 80).all() and (found["seeds"] == 1).all() and (found["views"] == 1000).all()
    assert found.loc["CLIP real", "low"] < 0.25 < found.loc["CLIP real", "high"]
    # 40 concepts, not 80 items: a binomial share of 40 has deviation 0.068
    assert found.loc["CLIP real", "high"] - found.loc["CLIP real", "low"] == pytest.approx(2 * 1.96 * 0.0685, rel=0.1)
    assert found.loc["SimCLR real", ["low", "high"]].tolist() == [1, 1]
    assert found[["seed_low", "seed_high"]].isna().all().all()  # one seed has no interval


def test_summary_over_seeds():
    table = items({"CLIP real": 0.5}, seeds=3)
    table.loc[(table["seed"] == 2) & (table["concept"] == "c0"), "correct"] = False
    (row,) = summarize(table).to_dict("records")
    means = [0.5, 0.5, 38 / 80]
    assert row["accuracy"] == pytest.approx(np.mean(means)) and row["seeds"] == 3 and row["items"] == 80
    half = 4.3027 * np.std(means, ddof=1) / 3**0.5  # Student's t with two degrees of freedom
    assert [row["seed_low"], row["seed_high"]] == pytest.approx(
        [np.mean(means) - half, np.mean(means) + half], abs=1e-4
    )
    assert seed_means(table)["accuracy"].tolist() == pytest.approx(means)


def test_summary_keeps_probes_apart():
    table = pd.concat([items({"CLIP real": 0.5}), items({"CLIP real": 0.75}, probe="knn subgroup")])
    assert summarize(table).set_index("probe")["accuracy"].to_dict() == {"linear subgroup": 0.5, "knn subgroup": 0.75}


def test_differences_by_hand():
    table = items({"SimCLR synthetic": 0.75, "SimCLR real": 0.5, "CLIP real": 0.1}, seeds=2)
    (row,) = differences(table).to_dict("records")  # the only pair of which both arms were run
    assert (row["claim"], row["first"], row["second"]) == ("C1", "SimCLR synthetic", "SimCLR real")
    assert row["difference"] == pytest.approx(0.25) and row["n"] == 80
    assert 0 < row["low"] < 0.25 < row["high"] < 0.5 and row["p_better"] == pytest.approx(1, abs=0.01)


def test_pairs_are_answered_on_the_same_items():
    """Where both arms are right on the same concepts, there is nothing left to doubt."""
    row = differences(items({"SimCLR synthetic": 0.5, "SimCLR real": 0.5})).iloc[0]
    assert row[["difference", "low", "high", "p_better"]].tolist() == [0, 0, 0, 0.5]


RIVALS = ("SimCLR real", "SimCLR synthetic", "CLIP real", "CLIP synthetic")


@pytest.mark.parametrize(
    ("claim", "shares", "word"),
    [
        ("C1", {"SimCLR synthetic": 0.9, "SimCLR real": 0.5}, "reproduced"),
        ("C1", {"SimCLR synthetic": 0.5, "SimCLR real": 0.5}, "reproduced"),  # at least as good
        ("C1", {"SimCLR synthetic": 0.525, "SimCLR real": 0.5}, "reproduced"),
        ("C1", {"SimCLR synthetic": 0.475, "SimCLR real": 0.5}, "partly"),  # one concept of forty: undecided
        ("C1", {"SimCLR synthetic": 0.1, "SimCLR real": 0.5}, "not reproduced"),
        ("C2", {"StableRep synthetic": 0.9} | dict.fromkeys(RIVALS, 0.5), "reproduced"),
        ("C2", {"StableRep synthetic": 0.5} | dict.fromkeys(RIVALS, 0.5), "partly"),  # equal is not better
        ("C2", {"StableRep synthetic": 0.9} | dict.fromkeys(RIVALS, 0.5) | {"CLIP real": 0.9}, "partly"),
        ("C2", {"StableRep synthetic": 0.7} | dict.fromkeys(RIVALS, 0.4) | {"CLIP synthetic": 1.0}, "not reproduced"),
        ("C2", {"SimCLR real": 0.5}, "not testable at this scale"),
    ],
)
def test_verdict_follows_its_rule(claim, shares, word):
    found = differences(items(shares))
    if found.empty:
        found = pd.DataFrame(columns=["claim", "probe", "first", "second", "difference", "low", "high", "p_better"])
    assert verdict(found, claim, "linear subgroup")[0] == word


def test_verdict_says_what_it_rests_on():
    word, why = verdict(differences(items({"SimCLR synthetic": 0.75, "SimCLR real": 0.5})), "C1", "linear subgroup")
    assert why.startswith("SimCLR synthetic minus SimCLR real: +25.0 points [+") and why.endswith("P(better) 1.00")
    assert verdict(differences(items({"SimCLR synthetic": 0.75, "SimCLR real": 0.5})), "C1", "knn subgroup") == (
        "not testable at this scale", "no pair of arms for C1 was run.",
    )  # fmt: skip


def test_pairs_name_arms_that_exist():
    names = {arm.name for arm in ARMS}
    assert {name for _, *pair in compare.PAIRS for name in pair} <= names
    assert set(bias.COMPARED) | {bias.READER} | set(scaling.SCALED) <= names


class FakeStudy:
    """Evaluations without training: accuracy grows with the number of captions."""

    def __init__(self, captions: int = 64) -> None:
        self.available, self.asked = [f"caption {i}" for i in range(captions)], []

    def captions(self, count: int = 0):
        return self.available[: count or None]

    def evaluated(self, which, captions, p, seed, *, first=0):
        learnt = list(captions[: first or None])
        self.asked.append((which.name, len(learnt), seed, p.views_per_step * p.steps, learnt))
        found = items({which.name: 0.2 + len(learnt) / 200})
        return found.assign(seed=seed, views=p.views_per_step * p.steps)


def test_comparison_runs_every_arm_and_seed():
    study = FakeStudy()
    tables = compare.compute(resolve("compare", {"preset": "smoke", "captions": 16, "seeds": 2, "seed": 5}), study)
    assert sorted((name, seed) for name, _, seed, *_ in study.asked) == sorted(
        (a.name, s) for a in ARMS for s in (5, 6)
    )
    assert {count for _, count, *_ in study.asked} == {16}
    assert set(tables) == {"arms", "differences", "seeds"}
    assert len(tables["arms"]) == len(ARMS) and len(tables["seeds"]) == 2 * len(ARMS)
    assert len(tables["differences"]) == len(compare.PAIRS)


# Scaling


def test_scaling_takes_nested_captions_and_equal_views():
    study = FakeStudy()
    p = resolve("scaling", {"preset": "smoke", "caption_counts": [64, 8, 32], "captions": 0, "seeds": 2})
    table = scaling.compute(p, study)["scaling"]
    assert table[["captions", "arm"]].values.tolist() == [[c, a] for c in (8, 32, 64) for a in scaling.SCALED]
    assert table.groupby("captions")["accuracy"].first().is_monotonic_increasing
    assert {views for *_, views, _ in study.asked} == {p.views_per_step * p.steps}
    assert all(captions == study.available[:count] for _, count, _, _, captions in study.asked)
    assert {seed for _, _, seed, *_ in study.asked} == {0, 1}
    assert set(table["seeds"]) == {2}


def test_scaling_needs_enough_captions():
    with pytest.raises(ValueError, match="caption_counts goes up to 4096; 64 captions are available"):
        scaling.compute(resolve("scaling", {"caption_counts": [16, 4096]}), FakeStudy())


@given(
    st.sampled_from(["clip", "stablerep", "stablerep+", "simclr"]), st.integers(1, 12), st.integers(0, 8), st.integers(2, 10),
    st.integers(8, 4096), st.integers(1, 500),
)  # fmt: skip
def test_fitted_batch_keeps_the_views(method, odd, doublings, positives, captions, steps):
    views = 2 * odd * positives * 2**doublings
    p = resolve("scaling", {}).model_copy(
        update={"views_per_step": views, "positives": positives, "captions": captions, "steps": steps}
    )
    fitted = scaling._fit_batch(p, method)
    per_caption = positives if method.startswith("stablerep") else 1
    assert fitted.views_per_step * fitted.steps == views * steps
    assert fitted.views_per_step % (2 * per_caption) == 0  # still whole captions and pairs of views
    fits = fitted.views_per_step // per_caption <= captions
    assert fits or fitted.views_per_step % (4 * per_caption)  # halved as often as it can be
    if views // per_caption <= captions:
        assert fitted == p  # a batch that fits is left alone


# Corpus


def test_corpus_tables_count_the_corpus(emoji):
    tables = corpus.compute(resolve("corpus", {}), None)
    assert tables["designs"]["images"].sum() == len(emoji) == tables["splits"]["images"].sum()
    captions = emoji.table.groupby("design")["caption"].nunique()
    assert tables["designs"].set_index("design")["captions"].to_dict() == captions.to_dict()
    assert tables["splits"]["concepts"].sum() == emoji.table["concept"].nunique()  # a concept is in one part
    assert list(dict.fromkeys(tables["splits"]["split"])) == list(SPLITS)
    per = tables["images_per_caption"]
    assert (per["images"] * per["captions"]).sum() == len(emoji) and per["images"].max() <= 6
    named = emoji.table.drop_duplicates("caption")
    assert tables["people"]["captions"].sum() == (named["gender"] != "").sum()


def test_corpus_tables_follow_parameters(emoji):
    tables = corpus.compute(resolve("corpus", {"designs": ["noto"], "flags": True}), None)
    assert tables["designs"]["design"].tolist() == ["noto"]
    assert "flags" in set(tables["splits"]["group"])


# Stored results


@pytest.fixture
def stored(tmp_path, monkeypatch):
    monkeypatch.setattr(chapters, "STORED", tmp_path / "results")
    monkeypatch.setattr(reference, "STORED", tmp_path / "results")
    monkeypatch.setenv("STABLEREP_RUNS", str(tmp_path / "runs"))
    return tmp_path / "results"


def test_missing_results_name_the_command(stored):
    with pytest.raises(
        FileNotFoundError, match="results/bias holds no stored results; `stablerep reference bias` makes them"
    ):
        chapters.stored_tables("bias")
    with pytest.raises(ValueError, match="notebook is 'audit'; the book has"):
        chapters.stored_tables("audit")
    chapter = Chapter("bias", resolve("bias", {}))
    assert chapter.stored is None and chapter.reference == "There is no stored reference yet."


def test_reference_is_written_and_read_back(stored):
    assert reference.make_reference("corpus", {"designs": ["noto"]}) == [
        "designs.parquet", "splits.parquet", "people.parquet", "images_per_caption.parquet", "record.json",
    ]  # fmt: skip
    parameters = resolve("corpus", {"preset": "reference", "designs": ["noto"]})
    computed, read = corpus.compute(parameters, None), chapters.stored_tables("corpus")
    assert set(read) == set(computed)
    for name in read:
        pd.testing.assert_frame_equal(read[name], computed[name], check_dtype=False)
    record = json.loads((stored / "corpus" / "record.json").read_text())
    assert record == chapters.stored_record("corpus")
    assert record["parameters"] == parameters.model_dump() and record["notebook"] == "corpus"
    assert set(record["sha256"]) == {f"{name}.parquet" for name in read}
    assert record["provenance"]["python"] and "generator" not in record


def test_chapter_says_how_its_reference_was_made(stored):
    reference.make_reference("corpus", {"designs": ["noto"]})
    told = Chapter("corpus", resolve("corpus", {"designs": ["noto"], "size": 32})).reference
    assert told.startswith("The stored reference was computed with size = 64 on 20")
    assert "the same parameters" in Chapter("corpus", resolve("corpus", {"designs": ["noto"]})).reference
    record = chapters.STORED / "corpus" / "record.json"  # of a time when the chapter had another parameter
    content = json.loads(record.read_text())
    content["parameters"]["seed"] = 7
    record.write_text(json.dumps(content))
    assert "seed" not in Chapter("corpus", resolve("corpus", {"designs": ["noto"]})).reference


def test_chapter_draws_stored_or_computed_tables(stored, monkeypatch):
    reference.make_reference("corpus", {"designs": ["noto"]})
    monkeypatch.setattr(corpus, "compute", lambda p, study: {"designs": pd.DataFrame({"computed": [p.size]})})
    live = Chapter("corpus", resolve("corpus", {"size": 33})).tables
    assert live["designs"]["computed"].tolist() == [33]
    drawn = Chapter("corpus", resolve("corpus", {"live": False})).tables
    assert drawn["designs"]["design"].tolist() == ["noto"]


def test_every_schema_has_a_chapter(monkeypatch):
    for name in schemas():
        module = getattr(chapters, name, None) or __import__(f"stablerep.study.chapters.{name}", fromlist=["compute"])
        monkeypatch.setattr(module, "compute", lambda p, study, name=name: {"called": name})
        assert chapters.compute_tables(name, resolve(name, {}), SimpleNamespace()) == {"called": name}


# Methods


def six_answers(**share) -> pd.DataFrame:
    """Per-item results of methods that answer a given share of 40 items of 20 concepts rightly, on one probe and seed."""
    rows = []
    for arm, right in share.items():
        for k in range(40):
            rows.append({
                "arm": arm.replace("_", " "), "probe": "linear subgroup", "seed": 0, "id": k, "concept": k // 2, "correct": k < 40 * right,
                "views": 1,
            })  # fmt: skip
    return pd.DataFrame(rows)


def against_random(items):
    """The differences that the chapter computes: the pairs of C6, and every arm against random initialization."""
    others = [arm for arm in items["arm"].unique() if arm != methods.NAMES["random"]]
    return compare.differences(
        items, (*methods.PAIRS, *((methods.LEARNED, arm, methods.NAMES["random"]) for arm in others))
    )


@pytest.mark.parametrize(
    ("share", "word"),
    [
        (dict(Caption_as_class=0.9, Supervised=0.6, SimCLR=0.2), "reproduced"),
        (dict(Caption_as_class=0.3, Supervised=0.8, SimCLR=0.2), "not reproduced"),
        (dict(Caption_as_class=0.9, Supervised=0.6, SimCLR=0.6), "partly"),
        (dict(Caption_as_class=0.9, SimCLR=0.2), "not testable at this scale"),
    ],
)
def test_the_verdict_on_captions_as_classes(share, word):
    items = six_answers(Random_initialization=0.1, **share)
    assert methods.verdict(against_random(items), "linear subgroup")[0] == word


def test_methods_that_know_no_more_than_an_untrained_network_settle_nothing():
    """The same order of methods, but random initialization is as good as the best."""
    items = six_answers(Random_initialization=0.95, Caption_as_class=0.9, Supervised=0.6, SimCLR=0.2)
    word, why = methods.verdict(against_random(items), "linear subgroup")
    assert (
        word == "not testable at this scale"
        and "above random initialization" in why
        and "Caption as class minus Supervised" in why
    )


def test_a_method_has_learned_when_its_difference_to_random_initialization_is_above_its_interval():
    found = against_random(six_answers(Random_initialization=0.3, SimCLR=0.9, BYOL=0.3))
    assert methods.learned(found, "linear subgroup") == ["SimCLR"] and methods.learned(found, "linear group") == []


def test_every_method_has_a_name():
    from stablerep.methods import METHODS

    assert set(methods.NAMES) == {"random", *METHODS} and len(set(methods.NAMES.values())) == len(methods.NAMES)


def test_the_example_batch_shows_what_each_scheme_takes_for_positives():
    images, schemes = methods.example_batch()
    assert images.shape == (6, 32, 32, 3) and images.dtype == np.uint8
    views, of_image = schemes.pop("SimCLR: two views of an image")
    assert views.shape == images.shape and list(of_image) == [0, 0, 1, 1, 2, 2]
    assert list(schemes["StableRep: images of a caption"]) == [0, 0, 1, 1, 2, 2]
    assert list(schemes["Supervised contrastive: images of a subgroup"]) == [0, 0, 0, 0, 1, 1]  # cat, dog, pizza


def test_features_of_captions_alone_align_and_raise_no_alarm(emoji):
    """A made-up encoder that knows the caption of every drawing; then one that gives every image the same."""
    part = emoji.where((emoji.table["split"] == "test") & emoji.table["design"].isin(["noto", "twemoji"]))
    number = torch.from_numpy(pd.factorize(part.table["caption"])[0].copy())
    codes = torch.randn(int(number.max()) + 1, 64, generator=torch.Generator().manual_seed(0))
    noise = 0.01 * torch.randn(len(number), 64, generator=torch.Generator().manual_seed(1))

    class Knowing(torch.nn.Module):
        def __init__(self, features):
            super().__init__()
            self.features, self.place = features, 0

        def forward(self, views):
            self.place += len(views)
            return self.features[self.place - len(views) : self.place]

    row = methods.describe(Knowing(codes[number] + noise), part).iloc[0]
    assert row["alignment"] < 0.01 and row["within"] > 0.99 and abs(row["between"]) < 0.05 and row["alarms"] == "none"
    assert row["dimensions"] == 64 and row["effective_rank"] > 50
    row = methods.describe(Knowing(torch.ones(len(number), 64) + 1e-4 * noise), part).iloc[0]
    assert "constant" in row["alarms"] and "alike" in row["alarms"]
