"""Tables and sentences for pages, from tables made by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stablerep.figures import tables
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


def test_accuracies_by_size_are_those_of_one_probe():
    scaling = pd.concat([arms().assign(captions=count) for count in (10, 100)])
    shown = tables.scaled_accuracies(scaling, "linear")
    assert shown.columns.tolist() == [10, 100] and shown.loc["b", 100] == "50.0 [45.0, 55.1]"


def test_differences_are_signed_points_titled_by_their_claim():
    shown = tables.differences(pairs()[:2], "linear")
    assert shown.index.tolist() == ["C1", "learned"]
    assert shown.columns.tolist() == ["first", "second", "points", "smallest visible", "seeds"]
    assert shown.iloc[0].tolist() == ["b", "a", "+5.0 [-1.0, +10.0]", "7.8", 3]
    assert tables.differences(pairs(), "knn")["smallest visible"].tolist() == ["2.0"]
    assert tables.differences(pairs(), "none").empty


def test_gains_are_of_one_claim():
    shown = tables.gains(pairs(), "learned")
    assert shown.index.tolist() == ["b", "a"] and shown.columns.tolist() == ["linear", "knn"]
    assert shown.loc["b", "knn"] == "-2.0 [-3.0, +0.0]" and shown.loc["a", "knn"] == ""


def test_transfer_is_averaged_over_seeds():
    rows = [("b", "digits", 0.5, 0), ("b", "digits", 0.7, 1), ("b", "faces", np.nan, 0), ("a", "digits", 0.25, 0)]
    shown = tables.transfer(pd.DataFrame(rows, columns=["arm", "set", "value", "seed"]))
    assert shown.loc["b", "digits"] == 60.0 and shown.index.tolist() == ["b", "a"] and np.isnan(shown.loc["a", "faces"])


def test_costs_have_separators_and_multiples():
    table = pd.DataFrame({"arm": ["a"], "views": [102400.0], "weights": [5e6], "seconds": [100.0], "time": [1.234]})
    assert tables.costs(table).loc["a"].tolist() == ["102,400", "5,000,000", 1.23]


def test_a_diagnosis_names_gains_features_and_alarms():
    features = pd.DataFrame({
        "arm": ["b"], "within": [0.91], "between": [0.2], "effective_rank": [12.4], "dimensions": [64], "alarms": ["none"],
    })  # fmt: skip
    found = {"diagnostics": features, "differences": pairs()}
    said = tables.diagnosis_sentences(found, ["b", "not run"], "learned", ["linear", "knn", "other"])
    assert said == (
        "- **b**, points above random initialization: linear +30.0 [+20.0, +40.0], knn -2.0 [-3.0, +0.0]. Cosine within a caption 0.91, "
        "between captions 0.20; effective rank 12 of 64; alarms: none."
    )
    assert tables.diagnosis_sentences(found, ["not run"], "learned", ["linear"]) == "Not run with these parameters."
    assert tables.diagnostics(features).loc["b", "within"] == 0.91


KNOWN, NEW, HELD_OUT = "real, known designs", "real, held-out design", "real, held-out images"


def faithful(*reals):
    rows = [(source, np.nan, "all", "top1", 30, mean) for source, mean in reals]
    rows += [("generated", w, "all", "top1", 20, mean) for w, mean in ((1.0, 0.2), (3.0, 0.4), (8.0, 0.3))]
    rows += [(source, np.nan, "food", "top1", 10, mean) for source, mean in reals]
    rows += [("generated", w, "food", "top1", 7, 0.1 * w) for w in (1.0, 3.0)]
    table = pd.DataFrame(rows, columns=["source", "guidance_scale", "group", "measure", "concepts", "mean"])
    return table.assign(low=table["mean"] - 0.05, high=table["mean"] + 0.05)


def test_the_best_scale_is_told_beside_each_kind_of_real_images():
    table = faithful((NEW, 0.5), (KNOWN, 0.8))
    assert tables.best_scale(table) == 3.0
    assert tables.best_scale_sentence(table) == (
        "The best guidance scale is **w = 3**: the caption's concept comes first for 40.0 % [35.0, 45.0] of generated images, against 80.0 % "
        "[75.0, 85.0] of real ones in known designs (a ratio of **0.50**) and 50.0 % [45.0, 55.0] in the held-out design (**0.80**)."
    )
    said = tables.best_scale_sentence(faithful((HELD_OUT, 0.8)))
    assert "the caption's class" in said and said.endswith("of real ones that were held out (a ratio of **0.50**).")
    with pytest.raises(ValueError, match="no generated images"):
        tables.best_scale(table[table["source"] != "generated"])


def test_groups_show_the_best_scale_and_real_images_alone():
    shown = tables.faithfulness_by_group(faithful((NEW, 0.5), (KNOWN, 0.8)))
    assert shown.index.tolist() == ["food"] and shown.loc["food", "concepts"] == 7
    assert shown.loc["food", "generated"] == "30 [25, 35]" and shown.loc["food", KNOWN] == "80 [75, 85]"
    assert tables.faithfulness_by_group(faithful((NEW, 0.5)), 1.0).loc["food", "generated"] == "10 [5, 15]"


def sets():
    rows = [
        (source, w, metric, value + k / 10, 40, 5 if metric in ("density", "coverage") else 3)
        for source, w, value in (("real, other designs", np.nan, 0.0), ("generated", 4.0, 0.2), ("generated", 1.0, 0.1))
        for k, metric in enumerate(("kid", "precision", "recall", "density", "coverage"))
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["source", "guidance_scale", "metric", "value", "n", "k"])


def test_measures_of_sets_have_a_row_for_each_set():
    shown = tables.set_measures(sets())
    assert shown.index.tolist() == ["real, other designs", "w = 4", "w = 1"]
    assert shown.columns.tolist() == ["kid", "precision", "density", "recall", "coverage"]
    assert shown.loc["w = 1"].tolist() == [0.1, 0.2, 0.4, 0.3, 0.5]


def test_the_sentence_on_sets_says_what_they_depend_on():
    said = tables.sets_sentence(sets(), 4.0, size=64)
    assert said.startswith(
        "KID is smallest at w = 1; captions are recognized most often at w = 4. Each set has n = 40 images"
    )
    assert "k = 3 for precision and recall, 5 for density and coverage" in said and "64 x 64 pixels" in said
    assert "images, one of each concept." in said
    photographs = sets().replace("real, other designs", "real, other images")
    assert "images, as many of a class as there are." in tables.sets_sentence(photographs, 4.0)
    assert tables.sets_sentence(sets()[:0], 4.0).startswith("There are too few images")


def test_counts_of_the_corpus_and_of_the_autoencoder():
    parts = pd.DataFrame({
        "split": ["train", "train", "test"], "group": ["a", "b", "a"], "concepts": [1, 2, 3], "captions": [4, 5, 6], "images": [7, 8, 9],
    })  # fmt: skip
    assert tables.splits(parts).loc["train"].tolist() == [3, 9, 15] and tables.splits(parts).index.tolist() == [
        "train",
        "test",
    ]
    assert tables.designs(pd.DataFrame({"design": ["ink"], "images": [3]})).loc["ink", "images"] == 3
    kept = pd.DataFrame({"split": ["test"], "mean": [28.0435], "low": [27.411], "high": [28.772], "n": [64]})
    assert tables.reconstruction(kept).loc["test"].to_dict() == {
        "PSNR (dB)": 28.04,
        "low": 27.41,
        "high": 28.77,
        "images": 64,
    }


def test_published_numbers_are_those_of_the_methods_asked_for():
    shown = tables.published(read_published(), methods="StableRep|SimCLR", metric="ImageNet-1k linear", rows=5)
    assert 0 < len(shown) <= 5 and all("StableRep" in name or "SimCLR" in name for name in shown.index)


def test_tables_are_left_as_they_were():
    table = pairs()
    tables.gains(table, "learned")
    tables.differences(table, "linear")
    pd.testing.assert_frame_equal(table, pairs())
