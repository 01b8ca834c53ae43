"""Tables and sentences for pages, from tables made by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stablerep.figures import generator_tables, tables
from stablerep.published import read_published


def arms():
    rows = [("b", "linear", 0.5, 0.45, 0.551), ("b", "knn", 0.25, 0.2, 0.3), ("a", "linear", 0.123, np.nan, np.nan)]
    return pd.DataFrame(rows, columns=["arm", "probe", "accuracy", "low", "high"])


def pairs():
    rows = [
        ("C1", "linear", "b", "a", 0.05, -0.01, 0.1, 0.0784, 3), ("learned", "linear", "b", "r", 0.3, 0.2, 0.4, 0.14, 3),
        ("learned", "knn", "b", "r", -0.02, -0.03, 0.0, 0.02, 3), ("learned", "linear", "a", "r", 0.1, 0.05, 0.2, 0.1, 5),
    ]  # fmt: skip
    columns = ["claim", "probe", "first", "second", "difference", "low", "high", "visible", "seeds"]
    return pd.DataFrame(rows, columns=columns)


def test_accuracies_keep_the_order_of_the_study_and_leave_out_what_is_missing():
    shown = tables.accuracies(arms())
    assert shown.index.tolist() == ["b", "a"] and shown.columns.tolist() == ["linear", "knn"]
    assert shown.loc["b"].tolist() == ["50.0 [45.0, 55.1]", "25.0 [20.0, 30.0]"]
    assert shown.loc["a"].tolist() == ["12.3", ""]  # one seed has no interval, and it was not asked of neighbours


def test_differences_are_signed_points_titled_by_their_claim():
    shown = tables.differences(pairs()[:2], "linear")
    assert shown.index.tolist() == ["C1", "learned"] and shown.index.name == "comparison"  # a claim or a secondary one
    assert shown.columns.tolist() == ["first", "second", "points", "smallest detectable", "seeds"]
    assert shown.iloc[0].tolist() == ["b", "a", "+5.0 [-1.0, +10.0]", "7.8", 3]
    assert tables.differences(pairs(), "knn")["smallest detectable"].tolist() == ["2.0"]
    assert tables.differences(pairs(), "none").empty


def test_gains_are_over_one_floor():
    shown = tables.gains(pairs(), "r")
    assert shown.index.tolist() == ["b", "a"] and shown.columns.tolist() == ["linear", "knn"]
    assert shown.loc["b", "knn"] == "-2.0 [-3.0, +0.0]" and shown.loc["a", "knn"] == ""


def test_transfer_may_have_a_column_over_all_sets():
    rows = [("b", "digits", 0, 0.9), ("b", "digits", 1, 0.8), ("a", "digits", 0, 0.5), ("a", "other", 0, np.nan)]
    scores = pd.DataFrame(rows, columns=["arm", "set", "seed", "value"])
    overall = pd.DataFrame({"arm": ["a", "b"], "score": [0.5, 0.85], "low": [np.nan, 0.8], "high": [np.nan, 0.9]})
    shown = tables.transfer(scores, overall)
    assert shown["all sets"].to_dict() == {"b": "85.0 [80.0, 90.0]", "a": "50.0"} and shown["digits"].to_dict() == {
        "b": 85,
        "a": 50,
    }
    assert "all sets" not in tables.transfer(scores)


def test_transfer_is_averaged_over_seeds():
    rows = [("b", "digits", 0.5, 0), ("b", "digits", 0.7, 1), ("b", "faces", np.nan, 0), ("a", "digits", 0.25, 0)]
    shown = tables.transfer(pd.DataFrame(rows, columns=["arm", "set", "value", "seed"]))
    assert shown.loc["b", "digits"] == 60.0 and shown.index.tolist() == ["b", "a"] and np.isnan(shown.loc["a", "faces"])


def test_costs_have_separators_and_multiples():
    table = pd.DataFrame({"arm": ["a"], "views": [102400.0], "weights": [5e6], "seconds": [100.0], "time": [1.234]})
    assert tables.costs(table).loc["a"].tolist() == ["102,400", "5,000,000", 1.23]


def test_a_diagnosis_has_readable_titles():
    features = pd.DataFrame(
        {"arm": ["b"], "within": [0.9149], "between": [0.4051], "effective_rank": [12.43], "alarms": ["none"]}
    )
    shown = tables.diagnostics(features)
    assert shown.columns.tolist() == ["within", "between", "gap", "effective rank", "alarms"]
    assert shown.loc["b", "effective rank"] == 12.4
    assert shown.loc["b", "within"] == 0.91 and shown.loc["b", "gap"] == 0.51  # not the difference of what is shown


def test_no_minus_stands_before_zero():
    assert tables.points(-0.0001, -0.0121, -0.0) == "+0.0 [-1.2, +0.0]"


def test_alarms_are_named_with_who_raises_them():
    table = pd.DataFrame({"arm": ["a", "b"], "alarms": ["none", "alike"]})
    assert tables.alarms_sentence(table) == "An alarm is raised by b (alike); no other encoder raises one."
    assert tables.alarms_sentence(table[:1]) == "No encoder raises an alarm."
    assert tables.alarms_sentence(table[1:]) == "Every encoder raises an alarm: b (alike)."


def test_rows_of_the_corpus_are_in_words():
    rows = pd.DataFrame([("a", "1F355", "s", 3, "woman", "noto", "train"), ("b", "2764", "t", 0, "", "noto", "test")], columns=[
        "caption", "concept", "subgroup", "skin_tone", "gender", "design", "split",
    ])  # fmt: skip
    shown = tables.corpus_rows(rows)
    assert shown["skin tone"].tolist() == ["medium", "none"] and shown["gender"].tolist() == [
        "woman",
        "shows no people",
    ]


def faithful() -> pd.DataFrame:
    """Of two groups of captions: real images and two scales, the measures top1 and tone, over all concepts and by group of emoji."""
    rows = [
        (captions, "ink", source, w, measure, group, 0.5 + (0.1 if source == "real" else -w / 10), 0.25, 20 if group == "all" else 7)
        for captions in ("training", "test") for measure in ("top1", "tone") for source, w in (("real", np.nan), ("generated", 1.0), ("generated", 4.0))
        for group in ("all", "food", "animals") if not (captions == "test" and measure == "tone")
    ]  # fmt: skip
    table = pd.DataFrame(
        rows,
        columns=["captions", "gallery", "source", "guidance_scale", "measure", "group", "mean", "chance", "concepts"],
    )
    return table.assign(low=table["mean"] - 0.05, high=table["mean"] + 0.05)


def test_every_group_of_captions_has_its_gallery_its_real_images_and_chance():
    shown = generator_tables.faithfulness(faithful())
    assert shown.columns.tolist() == ["concept first", "skin tone"]
    groups = list(dict.fromkeys(shown.index.get_level_values("captions")))
    assert groups == ["training (gallery: ink)", "test (gallery: ink)"]
    assert shown.loc[groups[0]].index.tolist() == ["real", "generated, w = 1", "generated, w = 4", "chance"]
    assert shown.loc[(groups[1], "generated, w = 4")].tolist() == ["10.0 [5.0, 15.0]", ""]
    assert shown.loc[(groups[0], "chance")].tolist() == ["25.0", "25.0"]


def test_groups_are_of_one_scale_and_one_group_of_captions():
    shown = generator_tables.faithfulness_by_group(faithful(), 4.0, "training")
    assert shown.index.tolist() == ["food", "animals"] and shown.columns.tolist() == ["concepts", "real", "generated"]
    assert shown.loc["food"].tolist() == [7, "60 [55, 65]", "10 [5, 15]"]


def test_gaps_of_faithfulness_have_a_column_for_each_group_of_captions():
    rows = [(name, f"generated, w = {w}", 0.1 * w, 0.0, 0.3) for name in ("training", "test") for w in (1, 4)]
    shown = generator_tables.faithfulness_gaps(
        pd.DataFrame(rows, columns=["captions", "second", "difference", "low", "high"])
    )
    assert (
        shown.columns.tolist() == ["training", "test"]
        and shown.loc["generated, w = 4", "test"] == "+40.0 [+0.0, +30.0]"
    )


def sets() -> pd.DataFrame:
    rows = [
        (source, w, metric, value + k / 10, 1040, 150, 5 if metric in ("density", "coverage") else 3)
        for source, w, value in (("real, other concepts", np.nan, 0.0), ("generated", 4.0, 0.2), ("generated", 1.0, 0.1))
        for k, metric in enumerate(("kid", "precision", "recall", "density", "coverage"))
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["source", "guidance_scale", "metric", "value", "n_real", "units", "k"])
    return table.assign(low=table["value"] - 0.05, high=table["value"] + 0.05, captions="training captions")


def test_measures_of_sets_have_a_row_for_each_set():
    shown = generator_tables.set_measures(sets())
    assert shown.index.tolist() == ["real, other concepts", "generated, w = 4", "generated, w = 1"]
    assert shown.columns.tolist() == ["KID", "precision", "density", "recall", "coverage"]
    assert shown.loc["generated, w = 1", "density"] == "0.40 [0.35, 0.45]"
    none = generator_tables.set_measures(sets()[:0])
    assert none.empty and none.columns.tolist() == shown.columns.tolist()


def test_the_sentence_on_sets_says_what_they_depend_on():
    said = generator_tables.sets_sentence(sets(), size=64)
    assert said.startswith(
        "Sets are of training captions; each has n = 1,040 images; the first real set has 150 concepts."
    )
    assert "k = 3 for precision and recall, 5 for density and coverage" in said and "64 × 64 pixels" in said
    assert "n = 1,040 images, each its own unit." in generator_tables.sets_sentence(sets().assign(units=1040))
    assert generator_tables.sets_sentence(sets()[:0]).startswith("There are too few images")


def test_counts_of_the_corpus_and_of_the_autoencoder():
    parts = pd.DataFrame({
        "split": ["train", "train", "test"], "group": ["a", "b", "a"], "concepts": [1, 2, 3], "captions": [4, 5, 6], "images": [7, 8, 9],
    })  # fmt: skip
    assert tables.splits(parts).loc["train"].tolist() == [3, 9, 15] and tables.splits(parts).index.tolist() == [
        "train",
        "test",
    ]
    assert tables.designs(pd.DataFrame({"design": ["ink"], "images": [3]})).loc["ink", "images"] == 3
    kept = pd.DataFrame({"captions": ["test"], "mean": [28.0435], "low": [27.411], "high": [28.772], "images": [64]})
    assert generator_tables.reconstruction(kept).loc["test"].tolist() == ["28.0 [27.4, 28.8]", 64]


def test_published_numbers_are_those_of_the_exhibits_asked_for():
    shown = tables.published(read_published(), exhibits=["Table1a", "Fig6"], metric="ImageNet-1k linear")
    assert set(shown["exhibit"]) == {"Table 1a", "Figure 6"} and 73.5 in shown["value"].astype(float).tolist()
    assert {"StableRep", "StableRep+", "CLIP"} <= set(shown.index)


def test_published_numbers_of_several_grades_say_which():
    shown = tables.published(
        read_published(primary_only=False), exhibits=["Fig2a", "Fig2b"], metric="ImageNet-1k linear"
    )
    assert shown["evidence"].str.startswith(("secondary", "derived")).all()
    assert {"w = 8", "w = 6"} <= set(shown["setting"])
    only = tables.published(read_published(), exhibits=["Table1a"], metric="ImageNet-1k linear")
    assert "evidence" not in only
    synclr = tables.published(read_published(), exhibits=["SynCLR Table5"], metric="ImageNet-1k linear")
    assert "setting" not in synclr and "data" in synclr  # a column that no row fills is left out


def test_tables_are_left_as_they_were():
    table = pairs()
    tables.gains(table, "learned")
    tables.differences(table, "linear")
    pd.testing.assert_frame_equal(table, pairs())


def found_images(removed: int = 0) -> pd.DataFrame:
    return pd.DataFrame({
        "way": ["by words", "by likeness"], "images": 6776, "distinct": [5857, 12], "upstream": 6509 - removed, "caption": [0.862, 0.25],
        "concept": [0.112, 0.0], "other": [0.026, 0.75], "no_word": [0.0162, 1.0], "removed": removed,
    })  # fmt: skip


def test_retrieved_images_are_counted_and_told_in_percent():
    shown = tables.retrieved(found_images())
    assert shown.columns.tolist() == [
        "images", "distinct", "the caption (%)", "its concept, another caption (%)", "another concept (%)", "no common word (%)",
    ]  # fmt: skip
    assert shown.loc["by words"].tolist() == ["6,776", "5,857", "86.2", "11.2", "2.6", "1.6"]
    assert shown.loc["by likeness"].tolist() == ["6,776", "12", "25.0", "0.0", "75.0", "100.0"]


@pytest.mark.parametrize(("removed", "said"), [(1, "1 is"), (9, "9 are")])
def test_removed_images_are_told(removed, said):
    told = tables.upstream_sentence(found_images(removed))
    assert told.startswith(f"The corpus has 6,509 images to learn from. Of these, {said} pixel for pixel equal")
    assert told.endswith(f"so that {6509 - removed:,} could be retrieved.")


def test_where_no_image_is_removed_all_could_be_retrieved():
    told = tables.upstream_sentence(found_images(0))
    assert told == (
        "The corpus has 6,509 images to learn from. None of them is pixel for pixel equal to an image of a validation or test concept, so that all could be retrieved."
    )


def test_captions_of_other_images_are_told():
    rows = [
        ("dog face", "real images", "dog face"), ("dog face", "by words", "dog"), ("dog face", "by words", "cat face"), ("dog face", "by words", "dog"),
        ("dog face", "by likeness", "owl"), ("rose", "by words", "rose"),
    ]  # fmt: skip
    told = tables.of_other_captions(pd.DataFrame(rows, columns=["caption", "kind", "shows"]))
    assert told == (
        "Images of other captions, by their captions. For dog face: by words (dog, cat face); by likeness (owl). For rose: none."
    )
