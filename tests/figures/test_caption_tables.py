"""Tables and sentences of the page on whole captions, from small tables by hand."""

from __future__ import annotations

from math import nan

import pandas as pd

from stablerep.figures import caption_tables
from stablerep.figures.table_cells import ShownTable


def shares() -> pd.DataFrame:
    rows = [
        ("training captions", "real", nan),
        ("training captions", "generated", 2.0),
        ("unseen combinations", "real", nan),
        ("unseen combinations", "generated", 2.0),
    ]
    table = pd.DataFrame([
        {"captions": group, "source": source, "guidance_scale": w, "measure": measure, "mean": 0.5, "low": 0.4, "high": 0.6, "chance": chance}
        for group, source, w in rows for measure, chance in (("whole caption", 0.01), ("tone", 0.2), ("tone, cannot tell", nan))
    ])  # fmt: skip
    return table.drop(index=[1])  # nobody reads a tone in real images of training captions


def test_parts_of_captions_have_a_row_for_each_source_and_one_for_chance():
    shown = caption_tables.outcomes(shares(), ("tone", "whole caption", "gender"))
    assert shown.columns.tolist() == ["tone", "whole caption"]
    assert shown.index.tolist() == [
        (group, name)
        for group in ("training captions", "unseen combinations")
        for name in ("real", "generated, w = 2", "chance")
    ]
    assert shown.loc[("training captions", "real")].tolist() == ["", "50.0 [40.0, 60.0]"]
    assert shown.loc[("unseen combinations", "chance")].tolist() == ["20.0", "1.0"]
    told = caption_tables.outcomes(shares(), ("tone, cannot tell",))
    assert "chance" not in told.index.get_level_values("images")


def differences() -> pd.DataFrame:
    rows = [
        ("unseen combinations", "generated, w = 2", m, d)
        for m, d in (("whole caption", 0.02), ("concept", -0.04), ("tone", 0.1), ("gender", 0.0))
    ]
    rows += [("training captions", "generated, w = 2", "whole caption", 0.9)]
    table = pd.DataFrame(rows, columns=["captions", "second", "measure", "difference"])
    return table.assign(low=table["difference"] - 0.01, high=table["difference"] + 0.01, claim="", first="real")


def test_gaps_are_those_of_a_group_or_of_what_there_is():
    shown = caption_tables.gaps(differences(), "unseen combinations")
    assert shown.loc["generated, w = 2"].tolist() == [
        "+2.0 [+1.0, +3.0]",
        "-4.0 [-5.0, -3.0]",
        "+10.0 [+9.0, +11.0]",
        "+0.0 [-1.0, +1.0]",
    ]
    photographs = differences()[4:]
    assert (
        caption_tables.gaps(photographs, "unseen combinations").loc["generated, w = 2", "whole caption"]
        == "+90.0 [+89.0, +91.0]"
    )


def slopes() -> pd.DataFrame:
    rows = [
        ("words of the caption", "alone", 0.1, 0.05, 0.15), ("words of the caption", "others held fixed", 0.01, -0.05, 0.07), ("guidance scale w", "alone", 0.03, 0.02, 0.04),
        ("guidance scale w", "others held fixed", 0.03, 0.02, 0.04), ("training images of the concept", "alone", nan, nan, nan),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["property", "way", "slope", "low", "high"])
    return table.assign(captions="training captions", source="generated", part="concept", clusters=9, seeds=1)


def test_slopes_stand_alone_and_with_the_others_held_fixed():
    shown = caption_tables.slopes(slopes())
    key = ("training captions", "generated", "concept")
    assert shown.columns.tolist() == ["alone", "others held fixed"]
    assert shown.loc[(*key, "words of the caption")].tolist() == ["+10.0 [+5.0, +15.0]", "+1.0 [-5.0, +7.0]"]
    assert shown.loc[(*key, "training images of the concept")].tolist() == ["", ""]
    alone = caption_tables.slopes(slopes().query("way == 'alone'"))
    assert alone.columns.tolist() == ["alone"]


def test_encoders_have_a_row_and_sources_a_column():
    knows = pd.DataFrame({"arm": ["CLIP real", "Pixels"], "source": ["fresh", "learned from"], "mean": [0.6, 0.7], "low": [0.5, nan], "high": [0.7, nan],
                          "captions": [12, 1], "concepts": [9, 1], "seeds": 1})  # fmt: skip
    shown = caption_tables.knows(knows)
    assert shown.loc["CLIP real"].tolist() == ["60.0 [50.0, 70.0] (12 captions, 9 concepts)", ""]
    assert shown.loc["Pixels", "learned from"] == "70.0 (1 captions, 1 concepts)"
    more = pd.DataFrame(
        {
            "claim": ["pixels"],
            "probe": ["fresh"],
            "first": ["CLIP real"],
            "second": ["Pixels"],
            "difference": [-0.1],
            "low": [-0.2],
            "high": [0.0],
        }
    )
    assert caption_tables.knows_more(more).loc["CLIP real − Pixels", "fresh"] == "-10.0 [-20.0, +0.0]"


def test_where_nobody_could_be_asked_tables_have_no_rows():
    """As at a few steps, where no caption has right and wrong images."""
    knows = pd.DataFrame(columns=["arm", "source", "mean", "low", "high", "concepts", "captions", "seeds"])
    more = pd.DataFrame(columns=["claim", "probe", "first", "second", "difference", "low", "high"])
    for table in (caption_tables.knows(knows), caption_tables.knows_more(more)):
        assert table.empty and ShownTable(table).rows == []
    assert caption_tables.truth_sentence(pd.DataFrame(columns=["source", "images", "right", "wrong"])) == (
        "There are no images about which encoders could be asked."
    )


def test_scores_are_no_shares():
    table = pd.DataFrame(
        {
            "captions": "g",
            "source": ["real", "generated"],
            "guidance_scale": [nan, 2.0],
            "mean": [1.234, 0.5],
            "low": [1.0, nan],
            "high": [1.5, nan],
        }
    )
    assert caption_tables.scores(table)["g"].to_dict() == {"real": "1.23 [1.00, 1.50]", "generated, w = 2": "0.50"}


def test_sentences_on_readers_and_truth():
    readers = pd.DataFrame({"attribute": ["tone", "tone"], "part": ["training concepts, cross-fitted", "real images, test concepts"], "read": [0.826, 0.1],
                            "accuracy": 0.921, "low": 0.868, "high": 0.973})  # fmt: skip
    assert caption_tables.readers_sentence(readers) == (
        "Of real drawings of people, of concepts that it has not seen, the reader of tone reads 83 %, and of these 92.1 [86.8, 97.3] % rightly."
    )
    assert caption_tables.readers_sentence(readers[:0]) == ""
    truth = pd.DataFrame({"source": ["fresh"], "images": [1200], "right": [300], "wrong": [800]})
    assert (
        caption_tables.truth_sentence(truth)
        == "Of 1,200 images (*fresh*) 300 count as right and 800 as wrong. The rest cannot be told."
    )


def test_captions_are_counted():
    table = pd.DataFrame(
        {
            "group": ["unseen combinations"],
            "captions": [9],
            "concepts": [4],
            "tone": [8],
            "gender": [5],
            "left_out": [1],
        }
    )
    assert caption_tables.asked(table).loc["unseen combinations"].tolist() == [9, 4, 8, 5, 1]
